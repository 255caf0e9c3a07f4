"""What became of one gid."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from asana_jobs_pd.errors import RequestError

__all__ = ["NEVER", "NOT_ASKED", "Outcome"]

NEVER = -(2**63)
"""What NumPy takes for "not a time"."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A record, or the error that says why there is none; neither when it was not asked for.

    Parameters
    ----------
    asked_at
        Microseconds since 1970 (UTC), or ``NEVER``.
    record
        What Asana answered, empty when it did not; its signed URLs stay out of the repr.
    error
        Why there is no record.
    """

    asked_at: int = NEVER
    record: dict[str, Any] = field(default_factory=dict, repr=False)
    error: RequestError | None = None


NOT_ASKED = Outcome()
