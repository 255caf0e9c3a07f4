"""How long to hold back while the network gives no answer. Pure but for its state."""

from __future__ import annotations

from asana_jobs_pd._jobs.schedule import FIRST, LONGEST

__all__ = ["Outage"]


class Outage:
    """Counts requests without an answer, one after the other; there is none to begin with."""

    def __init__(self) -> None:
        self._failures = 0
        self._until = 0.0

    def __bool__(self) -> bool:
        return self._failures > 0

    def note(self, now: float, *, answered: bool) -> None:
        """Note whether a request was answered: if not, the wait doubles, from 2 s to 60 s."""
        if answered:
            self._failures = 0
            return
        wait = min(FIRST * 2.0 ** min(self._failures, 16), LONGEST)
        self._failures += 1
        self._until = max(self._until, now + wait) if self._failures > 1 else now + wait

    def left(self, now: float) -> float:
        """Return the seconds for which to ask for nothing."""
        return max(0.0, self._until - now) if self._failures else 0.0

    def hurry(self, now: float) -> None:
        """Try now."""
        self._until = now
