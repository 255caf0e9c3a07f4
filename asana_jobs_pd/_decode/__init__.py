"""From the lines of an export file to Arrow batches."""
