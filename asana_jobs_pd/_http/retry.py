"""Which requests are retried and when: GETs after transient failures, POSTs almost never."""

from __future__ import annotations

import logging
import random
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Literal, TypeAlias

from asana_jobs_pd._http.rate_limit import Cancelled
from asana_jobs_pd._http.transport import Answer, ConnectionFailure

Delivery: TypeAlias = Literal["taken", "refused", "later", "undelivered", "unknown"]
"""What became of a POST; ``"later"`` and ``"undelivered"`` have certainly changed nothing."""

log = logging.getLogger("asana_jobs_pd")

_SECONDS = re.compile(r"\d{1,400}(?:\.\d{0,400})?", re.ASCII)
RETRIED = frozenset({429, 500, 502, 503, 504})
MAX_WAIT = 300.0


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often, and for how long, a failed request is retried."""

    retries: int = 5
    """The number of retries after the first attempt."""
    seconds: float = 600.0
    """How many seconds after the first attempt a retry may still start."""

    def wait(
        self,
        *,
        status: int | None,
        tries: int,
        elapsed: float,
        retry_after: float | None,
        chance: float | None = None,
    ) -> float | None:
        """Return the seconds to wait before the next attempt, or None to give up.

        A status of None means that there was no response.
        """
        if tries > self.retries or not (status is None or status in RETRIED):
            return None
        wait = backoff(tries, chance) if retry_after is None else retry_after
        return wait if elapsed + wait <= self.seconds else None


def delivery_of(answer: Answer) -> Delivery:
    """Return what became of a POST; it is repeated only if it certainly changed nothing."""
    if isinstance(answer, ConnectionFailure):
        return "unknown" if answer.sent else "undelivered"
    if answer.status == HTTPStatus.TOO_MANY_REQUESTS:
        return "later"
    if HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
        return "taken"
    clear = HTTPStatus.MULTIPLE_CHOICES <= answer.status < HTTPStatus.INTERNAL_SERVER_ERROR
    # 408: a proxy gave up waiting.
    return "refused" if clear and answer.status != HTTPStatus.REQUEST_TIMEOUT else "unknown"


def backoff(
    tries: int, chance: float | None = None, *, first: float = 0.5, most: float = 30.0
) -> float:
    """Return the seconds to wait, doubled from `first` up to `most`, minus up to a random half.

    `chance`, from 0 to 1, replaces the random number.
    """
    chance = random.random() if chance is None else chance  # noqa: S311
    return min(first * 2.0 ** min(tries - 1, 16), most) * (1.0 - chance / 2.0)


def parse_retry_after(value: str | None, date: str | None = None) -> float | None:
    """Return the seconds of a ``Retry-After`` header; None if it is unusable.

    Asana documents seconds; an HTTP date to come counts from the answer's
    own ``Date``, else from now.
    Waits last between a tenth of a second and five minutes.
    """
    text = (value or "").strip()
    if _SECONDS.fullmatch(text):
        seconds = float(text)
    else:
        until, now = http_date(text), http_date(date)
        seconds = (until or 0.0) - (time.time() if now is None else now)
        if seconds <= 0:
            return None
    return min(max(seconds, 0.1), MAX_WAIT)


def http_date(text: str | None) -> float | None:
    """Return the time in an HTTP header in seconds since 1970; None if there is none."""
    try:
        date = parsedate_to_datetime(text or "")
        return date.replace(tzinfo=date.tzinfo or UTC).timestamp()
    except (TypeError, ValueError, IndexError, OverflowError):
        return None


@dataclass(frozen=True, slots=True)
class Sent:
    """A request that was sent, and its response."""

    answer: Answer
    at: int
    """Microseconds since 1970."""
    took: float
    """Seconds."""


def send_repeatedly(
    send: Callable[[], Sent], policy: RetryPolicy, stop: threading.Event, *, post: bool = False
) -> Sent:
    """Send a request until it succeeds or the policy gives up.

    A POST is repeated only while it certainly did not go out.
    """
    began, tries = time.monotonic(), 0
    while True:
        tries += 1
        sent = send()
        answer = sent.answer
        if answer.status == HTTPStatus.OK or (post and delivery_of(answer) != "undelivered"):
            return sent
        if isinstance(answer, ConnectionFailure) and not answer.retryable:
            return sent
        wait = policy.wait(
            status=answer.status,
            tries=tries,
            elapsed=time.monotonic() - began,
            retry_after=retry_after_of(answer),
        )
        if wait is None:
            return sent
        if answer.status == HTTPStatus.TOO_MANY_REQUESTS:
            continue  # the limiter's gate makes it wait like all requests
        reason = answer.reason if isinstance(answer, ConnectionFailure) else answer.status
        log.info("Try %d failed (%s), trying again in %.1f s", tries, reason, wait)
        if stop.wait(wait):
            raise Cancelled


def retry_after_of(answer: Answer) -> float | None:
    """Return the seconds of a response's ``Retry-After``; None if it is unusable."""
    return parse_retry_after(answer.headers.get("Retry-After"), answer.headers.get("Date"))
