"""From an export file to typed frames."""
