"""One Asana API, one token: requests, limits, retries and signed URLs."""
