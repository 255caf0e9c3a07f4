"""What came of one try, and when there is another: GETs may be repeated, POSTs hardly ever."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from asana_jobs_pd._api.limits import Stopped
from asana_jobs_pd._api.retry import RetryPolicy, delivery_of, parse_retry_after
from asana_jobs_pd._api.transport import Answer, NoAnswer

__all__ = ["Sent", "retry_after_of", "send_once", "status_of", "wait_before_retry"]

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

    answer: Answer | NoAnswer
    at: int
    took: float


def send_once(send: Callable[[], Sent], policy: RetryPolicy, stop: threading.Event) -> Sent:
    """Send a POST, and again only while it surely did not get out.

    Raises
    ------
    Stopped
        When `stop` was set before it got out.
    """
    began, tries = time.monotonic(), 0
    while True:
        tries += 1
        sent = send()
        answer = sent.answer
        if isinstance(answer, Answer) or delivery_of(None, sent=answer.sent) != "undelivered":
            return sent
        wait = wait_before_retry(policy, answer, tries, time.monotonic() - began)
        if wait is None:
            return sent
        if stop.wait(wait):
            raise Stopped


def wait_before_retry(
    policy: RetryPolicy, answer: Answer | NoAnswer, tries: int, elapsed: float
) -> float | None:
    """Return the seconds to wait before another try, or None when there is none."""
    if isinstance(answer, NoAnswer) and not answer.may_pass:
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


def status_of(answer: Answer | NoAnswer) -> int | None:
    """Return the HTTP status, None when no answer came."""
    return answer.status if isinstance(answer, Answer) else None


def retry_after_of(answer: Answer | NoAnswer) -> float | None:
    """Return the seconds of an answer's ``Retry-After``, None when it says nothing of use."""
    if isinstance(answer, NoAnswer):
        return None
    return parse_retry_after(answer.headers.get("Retry-After"))
