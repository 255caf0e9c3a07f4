"""Where a download's URL comes from, and when another request makes sense."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from http import HTTPStatus

from asana_jobs_pd._download.export_files import (
    REQUESTED_FIELDS,
    ExportFile,
    completed_at_of,
    files_of_record,
)
from asana_jobs_pd._formatting import format_duration
from asana_jobs_pd._http.client import Client
from asana_jobs_pd._http.rate_limit import Cancelled
from asana_jobs_pd._http.retry import RetryPolicy, backoff
from asana_jobs_pd._http.signed_urls import MIN_RATE, SignedUrl
from asana_jobs_pd._jobs.states import FILE_LIFETIME
from asana_jobs_pd.errors import AsanaJobsError, AuthenticationError, RequestError

log = logging.getLogger("asana_jobs_pd")

NEW_FILE = 600.0
"""Seconds after the export's completion during which a missing file may still appear."""
UNKNOWN_AGE = 30.0
"""Seconds to wait for a missing file whose completion time is unknown."""
_MAX_DELAY = 15.0
_MAX_EMPTY = 3
_MAX_RESTARTS = 2
_MAX_RENEWALS = 2
"""How many URLs in a row may fail to deliver a single byte before the download gives up."""
_MISSING = frozenset({404, 410})
_MAYBE_LATER = frozenset({403, 404, 409})
_DELETED = "Asana deletes export files 30 days after they were completed; start the export again"
_LATER = "Download again later, or start the export again"


class FileFailedError(AsanaJobsError):
    """The reason why there is no file, without secrets."""


def reason_of(error: RequestError) -> str:
    """Return Asana's status and reason in brief, or why there was no response."""
    return f"{error.status} {error.reason}" if error.status else error.reason


def seconds_until_there(age: float | None, waited: float) -> float:
    """Return for how many seconds a missing file may still appear; 0 if it no longer can."""
    limit = UNKNOWN_AGE if age is None else NEW_FILE
    return max(0.0, limit - max(age or 0.0, waited))


class UrlSource:
    """The signed URL of one export, renewed when needed."""

    def __init__(
        self,
        file: ExportFile,
        client: Client,
        stop: threading.Event,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._file, self._client, self._stop = file, client, stop
        self._monotonic = monotonic
        self._url = file.url
        self._completed_at: float | None = None
        self._renewed_at: float | None = None
        self._renewals = 0
        self._missed_at: float | None = None
        self._waits = 0

    def url(self) -> SignedUrl:
        """Return a URL that has not expired, according to its own expiry date."""
        while self._url is None or self._url.is_stale(time.time(), self._renewed_at):
            self._url = self._ask()
            if self._url is None and not self._wait("Asana gives no URL for it"):
                raise FileFailedError(self._without_url())
        return self._url

    def drop(self, reason: str) -> None:
        """Discard a URL that may not be fetched; give up if it was not the frame's but Asana's."""
        if self._renewed_at is not None:
            raise FileFailedError(f"Asana's URL may not be fetched: {reason}")
        self._url = None

    def worked(self) -> None:
        """Note that bytes arrived, so the URL works."""
        self._renewals = self._waits = 0
        self._missed_at = None

    def refused(self, status: int, reason: str) -> None:
        """Note that the file store refused the URL, so that a new one is needed.

        Waits if the file is so new that it may still appear.
        """
        if self._renewed_at is None:  # it came from the frame
            self._url = None
            return
        waited = status in _MAYBE_LATER and self._wait(reason)
        if not waited and (status in _MISSING or self._renewals >= _MAX_RENEWALS):
            doubt = "" if status in _MISSING else ", or something in between refuses it"
            raise FileFailedError(f"the file is gone{doubt}: {reason} for a fresh URL. {_DELETED}")
        if status != HTTPStatus.NOT_FOUND:  # otherwise the URL is not at fault
            self._url = None

    def empty(self) -> bool:
        """Note that an empty file arrived; return whether its content may still appear."""
        if self._renewed_at is None:  # the file's age is not known
            self._url = None
            return True
        return self._waits < _MAX_EMPTY and self._wait("it is empty")

    def _ask(self) -> SignedUrl | None:
        gid, kind = self._file.gid, self._file.kind
        record = self._client.ask_job(gid, REQUESTED_FIELDS, stop=self._stop)
        if isinstance(record, AuthenticationError):
            raise record
        if isinstance(record, RequestError):
            raise FileFailedError(f"could not ask Asana for the URL: {reason_of(record)}")
        files = files_of_record(gid, record)
        file = next((file for file in files if file.kind == kind), files[0])
        if file.error is not None or file.kind is None or file.kind != kind:
            raise FileFailedError(file.error or f"the job has no {kind} export")
        self._renewals += 1
        self._renewed_at = time.time()
        self._completed_at = completed_at_of(file.kind, record)
        return file.url

    def _age(self) -> float | None:
        if self._completed_at is None:
            return None
        return self._client.server_time() - self._completed_at

    def _wait(self, reason: str) -> bool:
        """Wait for a file that is not there yet; return False once it can no longer appear."""
        now = self._monotonic()
        self._missed_at = now if self._missed_at is None else self._missed_at
        left = seconds_until_there(self._age(), now - self._missed_at)
        if not left:
            return False
        self._waits += 1
        delay = min(backoff(self._waits), _MAX_DELAY, left)
        self._file.note = f"not there yet ({reason}), trying again in {format_duration(delay)}"
        if self._stop.wait(delay):
            raise Cancelled
        self._file.note = ""
        return True

    def _without_url(self) -> str:
        age = self._age()
        if age is not None and age >= FILE_LIFETIME:
            return f"the file is gone: Asana gives no URL for it any more. {_DELETED}"
        if age is None:
            return f"Asana gives no URL for it. {_LATER}"
        return f"Asana gives no URL for it, {age / 60:.0f} minutes after it was completed. {_LATER}"


class RetryBudget:
    """Counts a file's attempts since bytes last arrived fast enough, and its fresh starts."""

    def __init__(
        self,
        label: str,
        policy: RetryPolicy,
        stop: threading.Event,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._label, self._policy, self._stop = label, policy, stop
        self._monotonic = monotonic
        self._count = self._restarts = 0
        self._largest = self._largest_before = 0
        self._began = self._tried_at = monotonic()

    def advance(self, size: int) -> bool:
        """Record the bytes so far; return whether they are more than ever before."""
        if size <= self._largest:
            return False
        self._largest = size
        return True

    def again(
        self,
        reason: str,
        *,
        retryable: bool = True,
        status: int | None = None,
        retry_after: float | None = None,
    ) -> None:
        """Wait for the next attempt; raise FileFailedError if there should be none."""
        now = self._monotonic()
        gained = self._largest - self._largest_before
        if gained and gained >= MIN_RATE * (now - self._tried_at):
            self._count, self._began = 0, now
        self._largest_before = self._largest
        self._count += 1
        wait = self._policy.wait(
            status=status,
            tries=self._count,
            elapsed=now - self._began,
            retry_after=retry_after,
        )
        if wait is None or not retryable:
            tries = f", in {self._count} tries" if self._count > 1 else ""
            raise FileFailedError(f"{reason}{tries}. Download again to resume")
        log.info("%s: %s, trying again in %.1f s", self._label, reason, wait)
        if self._stop.wait(wait):
            raise Cancelled
        self._tried_at = self._monotonic()

    def restart(self, reason: str) -> None:
        """Count a fresh start, without the bytes so far; raise FileFailedError after too many."""
        self._restarts += 1
        if self._restarts > _MAX_RESTARTS:
            raise FileFailedError(f"given up after {_MAX_RESTARTS} fresh starts: {reason}")
