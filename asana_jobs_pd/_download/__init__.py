"""From a signed URL to a verified file."""
