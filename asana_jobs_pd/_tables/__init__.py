"""What can be derived from an export: relations, gaps, history, a dictionary, SQL."""
