"""From gids to a typed frame."""
