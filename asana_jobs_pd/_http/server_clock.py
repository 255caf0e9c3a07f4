"""The servers' clock, as the ``Date`` headers of their responses tell it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from asana_jobs_pd._http.retry import http_date

__all__ = ["ServerClock"]


class ServerClock:
    """The time by the last response that was dated; ours while there is none.

    Parameters
    ----------
    now, monotonic
        Our own clocks: seconds since 1970, and seconds that never go back.
    """

    def __init__(
        self,
        now: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._now, self._monotonic = now, monotonic
        self._last: tuple[str, float] | None = None

    def note(self, headers: Mapping[str, str]) -> None:
        """Keep the date of a response; it is read when it is needed."""
        date = headers.get("Date")
        if date:
            self._last = date, self._monotonic()

    def now(self) -> float:
        """Return the seconds since 1970."""
        if self._last is not None:
            date, noted_at = self._last
            seconds = http_date(date)
            if seconds is not None:
                return seconds + self._monotonic() - noted_at
        return self._now()
