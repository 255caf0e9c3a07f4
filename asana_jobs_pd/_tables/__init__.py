"""What an export says beyond its rows: relations, gaps, history, a dictionary, SQL."""
