"""The ledger, a file of the job gids that this machine has seen: read it, find it, clear it."""

from __future__ import annotations

from asana_jobs_pd._jobs.ledger import forget, path, recent_jobs

__all__ = ["forget", "path", "recent_jobs"]
