"""Asana's limits: so many requests in any window of time, so many at once."""

from __future__ import annotations

from collections import deque
from math import ceil
from typing import Literal

from ._http import Answer, Lane, error

RetryAfter = bool | Literal["text"]


class Limits:
    """A sliding window that counts every request, rejected ones too, and places in flight.

    Parameters
    ----------
    requests
        Requests accepted in any window; None for no limit.
    window
        Its length in seconds.
    reads, writes
        Requests at once, GETs and others apart; None for no limit.
    retry_after
        Whether a 429 of the window says in whole seconds when to come back; `"text"` for a
        header that is not a number.
    """

    def __init__(
        self,
        *,
        requests: int | None = None,
        window: float = 60.0,
        reads: int | None = None,
        writes: int | None = None,
        retry_after: RetryAfter = True,
    ) -> None:
        self._requests = requests
        self._window = window
        self._most: dict[Lane, int | None] = {"reads": reads, "writes": writes}
        self._retry_after = retry_after
        self._times: deque[float] = deque()
        self._now: dict[Lane, int] = {"reads": 0, "writes": 0}

    @property
    def now_in_flight(self) -> int:
        """Requests that hold a place, of either kind."""
        return sum(self._now.values())

    @property
    def in_window(self) -> int:
        """Requests counted in the window that ends now; 0 without a limit."""
        return len(self._times)

    def admit(self, now: float, lane: Lane) -> tuple[Answer, Literal["rate", "in_flight"]] | None:
        """Count a request and give it a place, or say with what it is rejected and why."""
        if self._requests is not None and self._count(now) > self._requests:
            answer = error(429)
            answer.headers += self._hint(now)
            return answer, "rate"
        most = self._most[lane]
        if most is not None and self._now[lane] >= most:
            return error(429), "in_flight"
        self._now[lane] += 1
        return None

    def leave(self, lane: Lane) -> None:
        """Free the place of an admitted request."""
        self._now[lane] -= 1

    def _count(self, now: float) -> int:
        times = self._times
        while times and times[0] <= now - self._window:
            times.popleft()
        times.append(now)
        return len(times)

    def _hint(self, now: float) -> tuple[tuple[str, str], ...]:
        """Say when the window has room, if nothing else is sent until then."""
        if self._retry_after is False:
            return ()
        if self._retry_after == "text":
            return (("Retry-After", "soon"),)
        blocking = self._times[-self._requests] if self._requests else now
        return (("Retry-After", str(max(1, ceil(blocking + self._window - now)))),)
