"""POSTs that start jobs."""
