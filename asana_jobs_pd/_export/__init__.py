"""From Arrow batches to typed DataFrames."""
