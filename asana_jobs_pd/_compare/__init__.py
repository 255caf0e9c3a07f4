"""Compare two exports row by row."""
