"""The file of job gids that this machine has seen: where it is, and how to make it forget."""

from __future__ import annotations

from asana_jobs_pd._jobs.ledger import forget, path, recent_jobs

__all__ = ["forget", "path", "recent_jobs"]
