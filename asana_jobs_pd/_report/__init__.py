"""Charts, HTML reports and Excel files."""
