"""The command line, the %asana_jobs magic and the tour."""
