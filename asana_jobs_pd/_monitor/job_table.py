"""The last known state of each watched job; the frame is only built when it is needed."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Literal

import numpy as np
import pandas as pd

from asana_jobs_pd._jobs.as_jobs import as_jobs, with_index_of
from asana_jobs_pd._jobs.frame import ReadResult, frame_of_results
from asana_jobs_pd._jobs.gids import parse_gids
from asana_jobs_pd._jobs.read import update_rows
from asana_jobs_pd._jobs.schema import (
    EVERYTHING,
    FINAL_STATUSES,
    STATUSES,
    Column,
    plan_for_columns,
)
from asana_jobs_pd._jobs.states import GONE
from asana_jobs_pd.errors import RequestError
from asana_jobs_pd.typing import Gids

UNREADABLE = "unreadable"
MAX_REFUSALS = 5
"""After this many refusals in a row, such as 400, a job is not polled any more."""
HISTORY_PER_JOB = 10


@dataclass(slots=True)
class JobState:
    """The last known state of one job.

    `rows` are its positions in the frame; `status` is ``"unknown"`` until there is one, and
    ``"unreadable"`` if the job cannot be read; `fingerprint` and `failure` show whether a
    response has anything new.
    """

    rows: list[int]
    status: str
    finished: bool
    fingerprint: tuple[object, ...]
    failure: tuple[str, int | None] | None = None
    error: RequestError | None = None
    refusals: int = 0


class JobTable:
    """The jobs of a frame, or of gids, as last read. Callers hold a lock."""

    jobs: dict[str, JobState]
    unfinished: int
    history: deque[tuple[str, str, int]]

    def __init__(self, jobs: Gids) -> None:
        if isinstance(jobs, pd.DataFrame):
            frame = as_jobs(jobs, verified=True)
            self.plan = plan_for_columns(frame.columns)
        else:
            gids = parse_gids(jobs)
            self.plan = EVERYTHING
            frame = frame_of_results(gids, [ReadResult()] * len(gids), self.plan)
        self._frame, self._text = frame, frame["gid"].dtype
        self._shape = jobs.iloc[:0] if isinstance(jobs, pd.DataFrame) else frame.iloc[:0]
        self._records: dict[str, ReadResult] = {}
        self._errors: dict[str, ReadResult] = {}
        self.jobs = _job_states(frame, frame["gid"], self.plan.columns)
        self.unfinished = sum(not job.finished for job in self.jobs.values())
        self._counter = Counter(job.status for job in self.jobs.values())
        self.history = deque(maxlen=max(1000, HISTORY_PER_JOB * len(self.jobs)))

    @property
    def counts(self) -> dict[str, int]:
        """The number of jobs by status: in the order of a job's life, then others."""
        order = [*STATUSES, *sorted(self._counter.keys() - set(STATUSES))]
        return {status: self._counter[status] for status in order if self._counter[status]}

    def update(self, gid: str, result: ReadResult) -> Literal["", "row", "status"]:
        """Update a job with a response; return what has changed."""
        job = self.jobs[gid]
        before = (job.status, job.fingerprint, job.failure)
        was_finished = job.finished
        if result.error is None:
            self._records[gid] = result
            self._errors.pop(gid, None)
            job.status = _status_of(result.record)
            job.fingerprint = tuple(
                _fingerprint(result.record, column) for column in self.plan.columns
            )
            job.error, job.failure, job.refusals = None, None, 0
            job.finished = job.status in FINAL_STATUSES
        else:
            self._errors[gid] = result
            _note_error(job, result.error)
        self.unfinished += (
            was_finished - job.finished
        )  # in one step, since it is read without the lock
        if job.status != before[0]:
            self._counter[before[0]] -= 1
            self._counter[job.status] += 1
            self.history.append((gid, job.status, result.asked_at))
            return "status"
        return "row" if before != (job.status, job.fingerprint, job.failure) else ""

    def frame(self) -> pd.DataFrame:
        """Return all rows, with the index and the other columns of the input."""
        return with_index_of(self._updated().copy(), self._shape)

    def rows(self, gids: Iterable[str]) -> pd.DataFrame:
        """Return the rows of some jobs, in the order of the frame."""
        rows = sorted(row for gid in gids for row in self.jobs[gid].rows)
        return with_index_of(self._updated().iloc[rows], self._shape)

    def history_frame(self) -> pd.DataFrame:
        """Return the observed status changes: ``gid``, ``status``, ``at``."""
        gids, statuses, times = zip(*self.history, strict=True) if self.history else ((), (), ())
        at = pd.DatetimeIndex(np.array(times, "int64").view("M8[us]"), tz="UTC")
        data = {"gid": gids, "status": statuses, "at": at}
        return pd.DataFrame(data).astype({"gid": self._text, "status": self._text})

    def _updated(self) -> pd.DataFrame:
        """Return the frame with the responses received so far."""
        for results in (
            self._records,
            self._errors,
        ):  # if there are both, the error is newer than the record
            if results:
                rows = [self.jobs[gid].rows for gid in results]
                news = frame_of_results(list(results), list(results.values()), self.plan)
                news = news.take(np.repeat(range(len(rows)), [len(each) for each in rows]))
                self._frame = update_rows(self._frame, np.concatenate(rows), news)
                results.clear()
        return self._frame


def _note_error(job: JobState, error: RequestError) -> None:
    job.error, job.failure = error, (error.kind, error.status)
    refused = error.status is not None and HTTPStatus.BAD_REQUEST <= error.status < 500  # noqa: PLR2004
    job.refusals = job.refusals + 1 if refused else 0
    if error.status in GONE or job.refusals >= MAX_REFUSALS:
        job.status, job.finished = UNREADABLE, True


def _job_states(
    frame: pd.DataFrame, gids: pd.Series, columns: Sequence[Column]
) -> dict[str, JobState]:
    missing = [None] * len(frame)

    def values(name: str) -> list[Any]:
        if name not in frame.columns:
            return missing
        return frame[name].astype(object).where(frame[name].notna(), None).tolist()

    parts = [
        values(column.name)
        if _is_compared(column)
        else [v is not None for v in values(column.name)]
        for column in columns
    ]
    fingerprints = list(zip(*parts, strict=True)) if parts else [()] * len(frame)
    failures = list(zip(values("error.kind"), values("error.status"), strict=True))
    jobs: dict[str, JobState] = {}
    rows = zip(gids.tolist(), gids.notna(), values("status"), fingerprints, failures, strict=True)
    for row, (gid, has_gid, status, fingerprint, (kind, code)) in enumerate(rows):
        if not has_gid:
            continue
        if gid in jobs:
            jobs[gid].rows.append(row)
            continue
        gone = code in GONE
        shown = UNREADABLE if gone else status or "unknown"
        failure = (kind, code) if kind else None
        jobs[gid] = JobState([row], shown, gone or status in FINAL_STATUSES, fingerprint, failure)
    return jobs


def _status_of(record: dict[str, Any]) -> str:
    status = record.get("status")
    return status if isinstance(status, str) and status else "unknown"


def _fingerprint(record: dict[str, Any], column: Column) -> object:
    value: Any = record
    for key in column.name.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    if not _is_compared(column):
        return value is not None
    try:
        return value if value is None or isinstance(value, str) else str(value)
    except RecursionError:  # nested too deeply
        return type(value).__name__


def _is_compared(column: Column) -> bool:
    """Return whether to compare values; for URLs, whose signatures change, only presence counts."""
    return column.kind == "text" and not column.name.endswith("download_url")
