"""Where the URL of an export comes from: the frame first, then the job, as often as it helps."""

from __future__ import annotations

import threading
import time

from asana_jobs_pd._download.export_files import ASKED_FIELDS, LOST, ExportFile, entries_of_record
from asana_jobs_pd._http.client import Client
from asana_jobs_pd._http.signed_urls import expiry, is_stale
from asana_jobs_pd.errors import AsanaJobsError, AuthenticationError, RequestError

__all__ = ["FileFailedError", "Source", "said"]

_MOST_RENEWALS = 2
"""URLs in a row that brought not a byte, after which another is not asked for."""


class FileFailedError(AsanaJobsError):
    """Why one file is not there, in words without secrets."""


def said(error: RequestError) -> str:
    """Return what Asana answered, or why nothing came, in a few words."""
    return f"{error.status} {error.reason}" if error.status else error.reason


class Source:
    """The signed URL of one export, good when it is used.

    Parameters
    ----------
    file
        Whose URL; the one it bears is used while it is good.
    client
        Asks the job for another.
    stop
        Set by another thread, ends the waiting for Asana.
    """

    __slots__ = ("_client", "_file", "_renewals", "_renewed_at", "_stop", "_url")

    def __init__(self, file: ExportFile, client: Client, stop: threading.Event) -> None:
        self._file, self._client, self._stop = file, client, stop
        self._url = file.url
        self._renewed_at: float | None = None
        self._renewals = 0

    def url(self) -> str:
        """Return a URL that has not expired, as far as it says.

        Raises
        ------
        FileFailedError
            When Asana gives none.
        AuthenticationError
            When the token is not accepted.
        """
        url = self._url
        if url is None or is_stale(expiry(url), time.time(), self._renewed_at):
            return self._ask()
        return url

    def drop(self) -> None:
        """Forget the URL of the frame, which is none to be used."""
        self._url = None

    def worked(self) -> None:
        """Take note that bytes came, so that the URL was a good one."""
        self._renewals = 0

    def refused(self, reason: str) -> None:
        """Take note that the file store refused the URL; the next one is a new one.

        Raises
        ------
        FileFailedError
            When it was fresh from Asana: then the file is gone.
        """
        unclear = reason.startswith(("400", "403"))
        if self._renewals >= _MOST_RENEWALS or (self._renewed_at is not None and not unclear):
            what = "is gone, or something in between refuses it" if unclear else "is gone"
            raise FileFailedError(f"the file {what}: {reason} for a fresh URL. {LOST}")
        self._url = None

    def _ask(self) -> str:
        self._renewals += 1
        file = self._file
        record = self._client.ask_job(file.gid, ASKED_FIELDS, stop=self._stop)
        if isinstance(record, AuthenticationError):
            raise record
        if isinstance(record, RequestError):
            raise FileFailedError(f"its URL could not be asked for: {said(record)}")
        entries = entries_of_record(file.gid, record)
        entry = next((entry for entry in entries if entry.kind == file.kind), entries[0])
        if entry.file is None or entry.file.url is None or entry.kind != file.kind:
            raise FileFailedError(entry.problem or f"the job has no {file.kind} export")
        self._url, self._renewed_at = entry.file.url, time.time()
        return self._url
