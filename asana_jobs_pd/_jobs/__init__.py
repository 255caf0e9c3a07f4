"""From job gids to a typed DataFrame."""
