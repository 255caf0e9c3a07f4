"""The analysis of a loaded export: relations, gaps, history, a dictionary, SQL."""
