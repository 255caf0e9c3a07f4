"""From what came back to what to do: pure decisions about trying again."""

from __future__ import annotations

import math
from dataclasses import dataclass
from http import HTTPStatus
from typing import Literal, TypeAlias

__all__ = ["Delivery", "RetryPolicy", "delivery_of", "parse_retry_after"]

Delivery: TypeAlias = Literal["taken", "refused", "later", "undelivered", "unknown"]
"""What became of a POST: ``"later"`` and ``"undelivered"`` surely changed nothing."""

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


def delivery_of(status: int | None, *, sent: bool) -> Delivery:
    """Return what became of a POST, which may be sent again only if it surely changed nothing.

    Parameters
    ----------
    status
        The HTTP status, or None when no answer came.
    sent
        Whether any of its body went out. Without, no server can have acted on it.
    """
    if status is None:
        return "unknown" if sent else "undelivered"
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return "later"
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return "taken"
    answered = HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.INTERNAL_SERVER_ERROR
    # 408: somebody in between had enough of waiting.
    return "refused" if answered and status != HTTPStatus.REQUEST_TIMEOUT else "unknown"


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
