"""The sandbox's time: it stands still until told otherwise, or runs with the real one."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from functools import lru_cache

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class Clock:
    """A clock that stands still until it is advanced.

    Parameters
    ----------
    start
        The instant at which it stands first.
    """

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self.start = start
        self._seconds = 0.0

    def begin(self) -> None:
        """Start to run; a standing clock has nothing to do."""

    def now(self) -> float:
        """Return the seconds since the start, by which jobs progress and URLs expire."""
        return self._seconds

    def client_now(self) -> float:
        """Return the seconds since the start as a client feels them: limits count these."""
        return self._seconds

    def advance(self, seconds: float) -> None:
        """Move on by so many seconds, 0 or more."""
        if seconds < 0:
            raise ValueError(f"a clock does not go back: {seconds}")
        self._seconds += seconds

    def instant(self, seconds: float) -> datetime:
        """Return the UTC instant so many seconds after the start."""
        return self.start + timedelta(seconds=seconds)


class RunningClock(Clock):
    """Real time, `scale` times as fast."""

    def __init__(self, scale: float = 1.0) -> None:
        super().__init__()
        self._scale = scale
        self.begin()

    def begin(self) -> None:
        """Start to run, at the real UTC time."""
        self.start = datetime.now(UTC)
        self._zero = time.monotonic()

    def now(self) -> float:
        """Return the scaled seconds since the start."""
        return self.client_now() * self._scale

    def client_now(self) -> float:
        """Return the real seconds since the start."""
        return time.monotonic() - self._zero

    def advance(self, seconds: float) -> None:
        """Refuse: real time cannot be driven."""
        raise RuntimeError(
            f"the clock runs with real time and cannot be advanced by {seconds} s: "
            "use Sandbox(clock=Clock())"
        )


def iso(instant: datetime, *, fraction: bool = True) -> str:
    """Write an instant as Asana does: `2026-01-01T02:06:58.147Z`, or without the fraction."""
    naive = instant.replace(tzinfo=None)
    return naive.isoformat(timespec="milliseconds" if fraction else "seconds") + "Z"


@lru_cache(maxsize=8)
def http_date(second: datetime) -> str:
    """Write an instant for a `Date` header, in English whatever the locale."""
    day, month = _DAYS[second.weekday()], _MONTHS[second.month - 1]
    return f"{day}, {second.day:02d} {month} {second:%Y %H:%M:%S} GMT"
