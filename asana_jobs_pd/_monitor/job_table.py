"""What is known of each watched job; the frame is made of it only when somebody looks.

Not safe for threads by itself: who shares it holds a lock.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import numpy as np
import pandas as pd

from asana_jobs_pd._jobs.as_jobs import as_jobs, with_index_of
from asana_jobs_pd._jobs.fetch import ReadResult
from asana_jobs_pd._jobs.fields import plan_for_columns
from asana_jobs_pd._jobs.frame import frame_of_results
from asana_jobs_pd._jobs.gids import parse_gids
from asana_jobs_pd._jobs.read import update_rows
from asana_jobs_pd._jobs.schema import FINAL_STATUSES, STATUSES, Row, dtype_of
from asana_jobs_pd._jobs.states import GONE
from asana_jobs_pd.errors import RequestError
from asana_jobs_pd.typing import Gids

__all__ = ["UNREADABLE", "JobState", "JobTable", "News"]

UNREADABLE = "unreadable"
PATIENCE = 5
"""So many refusals in a row, such as 400, end a job: they do not change by asking again."""
CHANGES_A_JOB = 10

_Failure = tuple[str, int | None]


@dataclass(slots=True)
class JobState:
    """What is known of one job.

    Attributes
    ----------
    rows : list of int
        The positions of its rows.
    status : str
        Its status; ``"unknown"`` before there is one, ``"unreadable"`` when it cannot be read.
    over : bool
        Whether it is not asked for any more.
    error : RequestError or None
        Why the last request for it failed.
    """

    rows: list[int]
    status: str
    over: bool
    face: tuple[object, ...]
    failure: _Failure | None = None
    error: RequestError | None = None
    refusals: int = 0


@dataclass(frozen=True, slots=True)
class News:
    """What an outcome has changed: anything at all, the status, and whether the job is over."""

    changed: bool
    status_changed: bool
    over: bool


class JobTable:
    """The jobs of a frame, or of gids, as they stand.

    Parameters
    ----------
    jobs
        A frame of jobs, which is copied, or whatever `read_asana_jobs` takes as gids.

    Raises
    ------
    InvalidFrameError, InvalidGidError
        When they are no jobs.
    """

    # What callers read: the jobs by gid, how many are not over, and the changes seen.
    jobs: dict[str, JobState]
    open: int
    history: deque[tuple[str, str, int]]

    def __init__(self, jobs: Gids) -> None:
        if isinstance(jobs, pd.DataFrame):
            frame = as_jobs(jobs, verified=True)
            self.plan = plan_for_columns(frame.columns)
        else:
            gids = parse_gids(jobs)
            self.plan = plan_for_columns(())
            frame = frame_of_results(gids, [ReadResult()] * len(gids), self.plan)
        self._frame = frame
        self._shape = jobs.iloc[:0] if isinstance(jobs, pd.DataFrame) else frame.iloc[:0]
        self._records: dict[str, ReadResult] = {}
        self._errors: dict[str, ReadResult] = {}
        self.jobs = _jobs_of(frame, frame["gid"], self.plan.columns)
        self.open = sum(not job.over for job in self.jobs.values())
        self.counter = Counter(job.status for job in self.jobs.values())
        self.history: deque[tuple[str, str, int]] = deque(
            maxlen=max(1000, CHANGES_A_JOB * len(self.jobs))
        )

    @property
    def counts(self) -> dict[str, int]:
        """How many jobs there are by status: of a job's life in its order, then others."""
        order = [*STATUSES, *sorted(self.counter.keys() - set(STATUSES))]
        return {status: self.counter[status] for status in order if self.counter[status]}

    def note(self, gid: str, outcome: ReadResult) -> News:
        """Take down what came of a request for a job."""
        job = self.jobs[gid]
        before = (job.status, job.face, job.failure)
        was_over = job.over
        if outcome.error is None:
            self._records[gid] = outcome
            self._errors.pop(gid, None)
            job.status = _status_of(outcome.record)
            job.face = _face(outcome.record, self.plan.columns)
            job.error, job.failure, job.refusals = None, None, 0
            job.over = job.status in FINAL_STATUSES
        else:
            self._errors[gid] = outcome
            _note_error(job, outcome.error)
        self.open += was_over - job.over  # in one step: it is read without the lock
        status_changed = job.status != before[0]
        if status_changed:
            self.counter[before[0]] -= 1
            self.counter[job.status] += 1
            self.history.append((gid, job.status, outcome.asked_at))
        return News(before != (job.status, job.face, job.failure), status_changed, job.over)

    def frame(self) -> pd.DataFrame:
        """Return all rows as they stand, with the index and the other columns of the input."""
        self._frame = self._up_to_date(self._frame, {gid: self.jobs[gid].rows for gid in self._due})
        self._records.clear()
        self._errors.clear()
        return with_index_of(self._frame.copy(), self._shape)

    def rows(self, gids: Iterable[str]) -> pd.DataFrame:
        """Return the rows of some jobs as they stand, in the order of the frame."""
        pairs = sorted((row, gid) for gid in gids for row in self.jobs[gid].rows)
        places: dict[str, list[int]] = {}
        for place, (_, gid) in enumerate(pairs):
            places.setdefault(gid, []).append(place)
        rows = self._up_to_date(self._frame.iloc[[row for row, _ in pairs]], places)
        return with_index_of(rows, self._shape)

    def history_frame(self) -> pd.DataFrame:
        """Return the changes of status that were seen: ``gid``, ``status``, ``at``."""
        gids, statuses, times = zip(*self.history, strict=True) if self.history else ((), (), ())
        at = pd.DatetimeIndex(np.array(times, "int64").view("M8[us]"), tz="UTC")
        data = {"gid": gids, "status": statuses, "at": at}
        return pd.DataFrame(data).astype(dict.fromkeys(("gid", "status"), dtype_of("text")))

    @property
    def _due(self) -> set[str]:
        return self._records.keys() | self._errors.keys()

    def _up_to_date(self, frame: pd.DataFrame, rows: dict[str, list[int]]) -> pd.DataFrame:
        """Return the frame with what came since it was made; `rows` says where which job is."""
        for outcomes in (self._records, self._errors):  # an error is later than a record beside it
            gids = [gid for gid in rows if gid in outcomes]
            if gids:
                news = frame_of_results(gids, [outcomes[gid] for gid in gids], self.plan)
                counts = [len(rows[gid]) for gid in gids]
                places = np.array([row for gid in gids for row in rows[gid]])
                frame = update_rows(frame, places, news.take(np.repeat(range(len(gids)), counts)))
        return frame


def _note_error(job: JobState, error: RequestError) -> None:
    job.error, job.failure = error, (error.kind, error.status)
    refused = error.status is not None and HTTPStatus.BAD_REQUEST <= error.status < 500  # noqa: PLR2004
    job.refusals = job.refusals + 1 if refused else 0
    if error.status in GONE or job.refusals >= PATIENCE:
        job.status, job.over = UNREADABLE, True


def _jobs_of(frame: pd.DataFrame, gids: pd.Series, columns: Sequence[Row]) -> dict[str, JobState]:
    missing = [None] * len(frame)

    def values(name: str) -> list[Any]:
        if name not in frame.columns:
            return missing
        return frame[name].astype(object).where(frame[name].notna(), None).tolist()

    parts = [
        values(row.column) if _told_apart(row) else [v is not None for v in values(row.column)]
        for row in columns
    ]
    faces = list(zip(*parts, strict=True)) if parts else [()] * len(frame)
    failures = list(zip(values("error.kind"), values("error.status"), strict=True))
    jobs: dict[str, JobState] = {}
    told = zip(gids.tolist(), gids.notna(), values("status"), faces, failures, strict=True)
    for row, (gid, there, status, face, (kind, code)) in enumerate(told):
        if not there:
            continue
        if gid in jobs:
            jobs[gid].rows.append(row)
            continue
        gone = code in GONE
        word = UNREADABLE if gone else status or "unknown"
        failure = (kind, code) if kind else None
        jobs[gid] = JobState([row], word, gone or status in FINAL_STATUSES, face, failure)
    return jobs


def _status_of(record: dict[str, Any]) -> str:
    status = record.get("status")
    return status if isinstance(status, str) and status else "unknown"


def _face(record: dict[str, Any], columns: Sequence[Row]) -> tuple[object, ...]:
    """Return what tells whether a record is another one than before."""
    return tuple(_leaf(record, row) for row in columns)


def _leaf(record: dict[str, Any], row: Row) -> object:
    value: Any = record
    for key in row.column.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    if not _told_apart(row):
        return value is not None
    return value if value is None or isinstance(value, str) else str(value)


def _told_apart(row: Row) -> bool:
    """Whether the value counts, and not just that there is one: URLs are signed anew each time."""
    return row.kind == "text" and not row.column.endswith("download_url")
