"""From what came back to what to do: pure decisions about trying again."""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["RetryPolicy", "parse_retry_after"]

RETRIED = frozenset({429, 500, 502, 503, 504})
LONGEST_WAIT = 300.0


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how long a failed request is tried again.

    Parameters
    ----------
    retries
        How many more tries there are after the first.
    seconds
        No further try starts later than this after the first one, in seconds.
    """

    retries: int = 5
    seconds: float = 600.0

    def wait(
        self,
        *,
        status: int | None,
        tries: int,
        elapsed: float,
        retry_after: float | None,
        chance: float,
    ) -> float | None:
        """Return the seconds to wait before the next try, or None when there is none.

        Parameters
        ----------
        status
            The HTTP status, or None when no answer came.
        tries
            How many tries there were, at least 1.
        elapsed
            Seconds since the first try began.
        retry_after
            What ``parse_retry_after`` made of the answer's header.
        chance
            A number from 0 to 1 that spreads the waits of many workers.
        """
        if tries > self.retries or not (status is None or status in RETRIED):
            return None
        wait = backoff(tries, chance) if retry_after is None else retry_after
        return wait if elapsed + wait <= self.seconds else None


def backoff(tries: int, chance: float) -> float:
    """Return a wait in seconds that doubles from 0.5 to 30, less up to half by chance."""
    return min(0.5 * 2.0 ** min(tries - 1, 16), 30.0) * (1.0 - chance / 2.0)


def parse_retry_after(value: str | None) -> float | None:
    """Return the seconds of a ``Retry-After`` header, None when it says nothing of use.

    Asana documents seconds; users saw no header and headers that were no number. A wait
    longer than five minutes is cut to that, one of zero is taken for a tenth of a second.
    """
    try:
        seconds = float(value or "nan")
    except ValueError:
        return None
    if not math.isfinite(seconds) or seconds < 0:
        return None
    return min(max(seconds, 0.1), LONGEST_WAIT)
