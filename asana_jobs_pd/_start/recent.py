"""Exports that are running or finished recently, which are taken instead of starting others."""

from __future__ import annotations

import contextlib
import logging
import threading
import warnings
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from asana_jobs_pd._http.client import Client
from asana_jobs_pd._jobs.frame import ReadResult
from asana_jobs_pd._jobs.ledger import started_jobs
from asana_jobs_pd._jobs.read import read_one
from asana_jobs_pd._jobs.schema import EVERYTHING
from asana_jobs_pd._jobs.states import FILE_LIFETIME
from asana_jobs_pd._options import is_seconds
from asana_jobs_pd._start.requests import StartRequest
from asana_jobs_pd.errors import AuthenticationError, InvalidOptionError, RequestError

log = logging.getLogger("asana_jobs_pd")

UNREADABLE = frozenset(range(400, 500)) - {401, 408, 429}
"""Statuses that will not change: such a job is skipped."""
MAX_CANDIDATES = 3
"""The most jobs of the ledger that are read for one request."""


class RecentJobs:
    """The jobs that the ledger knows for the same requests; each is read before it is taken.

    `known` is False if there is no ledger.
    """

    def __init__(self, requests: Sequence[StartRequest], client: Client, max_age: float) -> None:
        self._client, self._max_age = client, max_age
        since = round((client.server_time() - max_age) * 1e6)
        gids = started_jobs(client, [each.fingerprint for each in requests], since)
        self.known, self._gids = gids is not None, gids or {}

    def find(self, request: StartRequest, stop: threading.Event) -> ReadResult | None:
        """Return the latest recent job of the same request that this token can read.

        An error is returned if a job may be running, but could not be checked. Raises ``Cancelled``
        once `stop` is set, and an AuthenticationError if the token is rejected.
        """
        for gid in self._gids.get(request.fingerprint, ())[:MAX_CANDIDATES]:
            job = read_one(gid, EVERYTHING, self._client, stop=stop)
            if isinstance(job.error, AuthenticationError):
                raise job.error
            if job.error is not None and job.error.status not in UNREADABLE:
                return ReadResult(error=_unchecked(request, job.error))
            if is_recent(job.record, self._client.server_time(), self._max_age):
                return ReadResult(job.asked_at, {**job.record, "gid": gid})
            why = _why_not(job)
            log.info("%s %s: job %s is not taken: %s", request.subject, request.gid, gid, why)
        return None


def _why_not(job: ReadResult) -> str:
    if job.error is not None:
        return job.error.reason
    return "it failed" if job.record.get("status") == "failed" else "not recent"


def _unchecked(request: StartRequest, error: RequestError) -> RequestError:
    reason = f"job {error.gid} may be running, but could not be checked: {error.reason}"
    message = f"{request.subject} {request.gid}: {reason}"
    return type(error)(message, gid=request.gid, status=error.status, reason=reason)


def is_recent(record: dict[str, Any], now: float, max_age: float) -> bool:
    """Return whether an export is running, or was completed at most `max_age` seconds ago.

    An export whose file Asana has deleted is never recent.
    """
    if record.get("status") in ("not_started", "in_progress"):
        return True
    if record.get("status") != "succeeded":
        return False
    exports = (record.get("new_graph_export"), record.get("new_resource_export"))
    for export in exports:
        if isinstance(export, dict):
            with contextlib.suppress(ValueError, TypeError, OverflowError, OSError):
                completed = datetime.fromisoformat(export["completed_at"]).timestamp()
                return now - completed <= min(max_age, FILE_LIFETIME)
    return False


def parse_max_age(value: object) -> float:
    """Return ``max_age`` in seconds."""
    seconds: object = value
    if isinstance(value, str | timedelta | np.timedelta64):
        with contextlib.suppress(ValueError, OverflowError), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about forms that pandas will not always accept
            digits = isinstance(value, str) and value.strip().isdigit()  # pandas: nanoseconds
            seconds = None if digits else pd.Timedelta(value).total_seconds()
    if is_seconds(seconds) and seconds:
        return float(seconds)  # type: ignore[arg-type]
    raise InvalidOptionError(
        f"max_age={value!r}: give a time such as '4h' or '30min', seconds, a timedelta, or None."
    )
