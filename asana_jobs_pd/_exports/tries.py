"""How often one file was tried in vain, and whether that is enough."""

from __future__ import annotations

import logging
import random
import threading
import time

from asana_jobs_pd._api.limits import Stopped
from asana_jobs_pd._api.retry import RetryPolicy
from asana_jobs_pd._exports.source import FileFailedError

__all__ = ["Tries"]

log = logging.getLogger("asana_jobs_pd")

_MOST_RESTARTS = 2


class Tries:
    """Counts what was tried since the file last grew beyond what it ever was.

    Parameters
    ----------
    label
        What the file is called in the log.
    policy
        How often and how long to try.
    stop
        Set by another thread, ends the waiting.
    """

    def __init__(self, label: str, policy: RetryPolicy, stop: threading.Event) -> None:
        self._label, self._policy, self._stop = label, policy, stop
        self._count = 0
        self._most = 0
        self._restarts = 0
        self._began = time.monotonic()

    def advance(self, size: int) -> bool:
        """Take note of the size, and tell whether that is progress."""
        if size <= self._most:
            return False
        self._most, self._count, self._began = size, 0, time.monotonic()
        return True

    def again(
        self,
        reason: str,
        *,
        may_pass: bool = True,
        status: int | None = None,
        retry_after: float | None = None,
    ) -> None:
        """Wait for the next try.

        Parameters
        ----------
        reason
            What went wrong, without secrets.
        may_pass
            Whether it can be otherwise the next time.
        status, retry_after
            Of the answer, where there was one.

        Raises
        ------
        FileFailedError
            When it was tried often enough.
        Stopped
            When it was stopped meanwhile.
        """
        self._count += 1
        wait = self._policy.wait(
            status=status,
            tries=self._count,
            elapsed=time.monotonic() - self._began,
            retry_after=retry_after,
            chance=random.random(),  # noqa: S311
        )
        if wait is None or not may_pass:
            count = f", in {self._count} tries" if self._count > 1 else ""
            raise FileFailedError(f"{reason}{count}. Download again: it goes on where it stood")
        log.debug("%s: %s, trying again in %.1f s", self._label, reason, wait)
        if self._stop.wait(wait):
            raise Stopped

    def restart(self, reason: str) -> None:
        """Take note that what there was is dropped.

        Raises
        ------
        FileFailedError
            When that happened too often.
        """
        self._restarts += 1
        if self._restarts > _MOST_RESTARTS:
            raise FileFailedError(f"the file store contradicts itself: {reason}")
