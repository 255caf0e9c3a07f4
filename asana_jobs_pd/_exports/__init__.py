"""From a signed URL to typed frames."""
