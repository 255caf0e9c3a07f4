"""The commands of ``asana-jobs``: one a module, and what they share."""
