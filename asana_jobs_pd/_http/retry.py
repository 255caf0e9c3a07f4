"""What came of one try, and when there is another: GETs may be repeated, POSTs hardly ever."""

from __future__ import annotations

import logging
import math
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Literal, TypeAlias

from asana_jobs_pd._http.rate_limit import Cancelled
from asana_jobs_pd._http.transport import ConnectionFailure, Response

__all__ = [
    "Delivery",
    "RetryPolicy",
    "Sent",
    "delivery_of",
    "parse_retry_after",
    "retry_after_of",
    "send_once",
    "status_of",
    "wait_before_retry",
]

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


log = logging.getLogger("asana_jobs_pd")


@dataclass(frozen=True, slots=True)
class Sent:
    """A POST that was sent.

    Parameters
    ----------
    answer
        What came back.
    at
        When it was sent, in microseconds since 1970.
    took
        Seconds until the answer was there.
    """

    answer: Response | ConnectionFailure
    at: int
    took: float


def send_once(send: Callable[[], Sent], policy: RetryPolicy, stop: threading.Event) -> Sent:
    """Send a POST, and again only while it surely did not get out.

    Raises
    ------
    Cancelled
        When `stop` was set before it got out.
    """
    began, tries = time.monotonic(), 0
    while True:
        tries += 1
        sent = send()
        answer = sent.answer
        if isinstance(answer, Response) or delivery_of(None, sent=answer.sent) != "undelivered":
            return sent
        wait = wait_before_retry(policy, answer, tries, time.monotonic() - began)
        if wait is None:
            return sent
        if stop.wait(wait):
            raise Cancelled


def wait_before_retry(
    policy: RetryPolicy, answer: Response | ConnectionFailure, tries: int, elapsed: float
) -> float | None:
    """Return the seconds to wait before another try, or None when there is none."""
    if isinstance(answer, ConnectionFailure) and not answer.retryable:
        return None
    wait = policy.wait(
        status=status_of(answer),
        tries=tries,
        elapsed=elapsed,
        retry_after=retry_after_of(answer),
        chance=random.random(),  # noqa: S311
    )
    if wait is not None:
        what = status_of(answer) or "no answer"
        log.debug("%s at try %d, trying again in %.1f s", what, tries, wait)
    return wait


def status_of(answer: Response | ConnectionFailure) -> int | None:
    """Return the HTTP status, None when no answer came."""
    return answer.status if isinstance(answer, Response) else None


def retry_after_of(answer: Response | ConnectionFailure) -> float | None:
    """Return the seconds of an answer's ``Retry-After``, None when it says nothing of use."""
    if isinstance(answer, ConnectionFailure):
        return None
    return parse_retry_after(answer.headers.get("Retry-After"))
