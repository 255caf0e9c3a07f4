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
from asana_jobs_pd._http.transport import ConnectionFailure, Response

Delivery: TypeAlias = Literal["taken", "refused", "later", "undelivered", "unknown"]
"""The fate of a POST; one that is ``"later"`` or ``"undelivered"`` certainly changed nothing."""

_SECONDS = re.compile(r"\d{1,400}(?:\.\d{0,400})?", re.ASCII)
RETRIED = frozenset({429, 500, 502, 503, 504})
MAX_WAIT = 300.0


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often, and for how long, a failed request is retried."""

    retries: int = 5
    """The number of retries after the first attempt."""
    seconds: float = 600.0
    """Seconds after the first attempt in which a retry may start."""

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


def delivery_of(status: int | None, *, sent: bool) -> Delivery:
    """Return the fate of a POST, which may be repeated only if it certainly changed nothing.

    Without a response (a status of None) it depends on whether any of its body was sent.
    """
    if status is None:
        return "unknown" if sent else "undelivered"
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return "later"
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return "taken"
    answered = HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.INTERNAL_SERVER_ERROR
    # 408: a proxy gave up waiting.
    return "refused" if answered and status != HTTPStatus.REQUEST_TIMEOUT else "unknown"


def backoff(
    tries: int, chance: float | None = None, *, first: float = 0.5, most: float = 30.0
) -> float:
    """Return the seconds to wait: doubled each time from `first` to `most`, less a random half.

    `chance`, from 0 to 1, replaces the random number.
    """
    chance = random.random() if chance is None else chance  # noqa: S311
    return min(first * 2.0 ** min(tries - 1, 16), most) * (1.0 - chance / 2.0)


def parse_retry_after(value: str | None, date: str | None = None) -> float | None:
    """Return the seconds of a ``Retry-After`` header, None when it is unusable.

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
    """Return the time in an HTTP header in seconds since 1970, None when there is none."""
    try:
        date = parsedate_to_datetime(text or "")
        return date.replace(tzinfo=date.tzinfo or UTC).timestamp()
    except (TypeError, ValueError, IndexError, OverflowError):
        return None


log = logging.getLogger("asana_jobs_pd")


@dataclass(frozen=True, slots=True)
class Sent:
    """A POST that was sent, and its response."""

    answer: Response | ConnectionFailure
    at: int
    """Microseconds since 1970."""
    took: float
    """Seconds."""


def send_repeatedly(
    send: Callable[[], Response | ConnectionFailure], policy: RetryPolicy, stop: threading.Event
) -> Response | ConnectionFailure:
    """Send a GET until it succeeds or the policy gives up."""
    began, tries = time.monotonic(), 0
    while True:
        tries += 1
        answer = send()
        if status_of(answer) == HTTPStatus.OK:
            return answer
        wait = wait_before_retry(policy, answer, tries, time.monotonic() - began)
        if wait is None:
            return answer
        if status_of(answer) == HTTPStatus.TOO_MANY_REQUESTS:
            continue  # the limiter's gate makes it wait, like everyone else
        if stop.wait(wait):
            raise Cancelled


def send_once(send: Callable[[], Sent], policy: RetryPolicy, stop: threading.Event) -> Sent:
    """Send a POST; repeat it only while it certainly did not go out."""
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
    """Return the seconds to wait before another attempt, or None to give up."""
    if isinstance(answer, ConnectionFailure) and not answer.retryable:
        return None
    wait = policy.wait(
        status=status_of(answer),
        tries=tries,
        elapsed=elapsed,
        retry_after=retry_after_of(answer),
    )
    if wait is not None and status_of(answer) != HTTPStatus.TOO_MANY_REQUESTS:  # the limiter's
        reason = answer.reason if isinstance(answer, ConnectionFailure) else answer.status
        log.info("Try %d failed (%s), trying again in %.1f s", tries, reason, wait)
    return wait


def status_of(answer: Response | ConnectionFailure) -> int | None:
    """Return the HTTP status, None without a response."""
    return answer.status if isinstance(answer, Response) else None


def retry_after_of(answer: Response | ConnectionFailure) -> float | None:
    """Return the seconds of a response's ``Retry-After``, None when it is unusable."""
    if isinstance(answer, ConnectionFailure):
        return None
    headers = answer.headers
    return parse_retry_after(headers.get("Retry-After"), headers.get("Date"))
