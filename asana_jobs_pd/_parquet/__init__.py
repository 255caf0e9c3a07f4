"""Export files to Parquet datasets."""
