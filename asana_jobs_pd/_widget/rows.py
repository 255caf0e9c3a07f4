"""The rows of the widget's table, and the messages that send them: first all, then the changes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from asana_jobs_pd._http.client import Client
from asana_jobs_pd._http.redaction import clean
from asana_jobs_pd._jobs.as_jobs import as_jobs, as_times
from asana_jobs_pd._jobs.eta import usual_times
from asana_jobs_pd._jobs.ledger import recent_jobs
from asana_jobs_pd._jobs.schema import FINAL_STATUSES
from asana_jobs_pd._jobs.states import GONE, is_export, kinds_of
from asana_jobs_pd._jobs.views import unique_jobs
from asana_jobs_pd._monitor.monitor import JobsMonitor
from asana_jobs_pd._vocabulary import (
    NO_ACCESS,
    UNKNOWN,
    UNREADABLE,
    asana_url,
    kind_label,
    state_label,
)
from asana_jobs_pd.errors import AsanaJobsError

_GID = re.compile("[0-9]{1,30}", re.ASCII)
_NAT = np.iinfo("int64").min
_MAX_TEXT = 120
_MAX_STATE = 40
_MICRO = 1_000_000
CREATED, READY, NAMED = 1, 2, 4
"""Flags of a row: its time of creation is known; its export can be downloaded; its text begins with
a name.
"""
MAX_TABLE = 580_000
"""The most bytes of rows in a message with all rows; the rest takes a few thousand bytes."""
MAX_ROWS = 1_000
"""The most rows in a message with changes."""
_SHORT = 4
"""The number of values in a row that come before its text."""


@dataclass(frozen=True, slots=True)
class JobRow:
    """One job as the table shows it; texts are not cleaned yet.

    `error` says why the job could not be read; `note` is shown in place of a name, and is the same
    in many rows; `usual` says how long such jobs took. `since` and `ended` are in microseconds
    since 1970; `since` is the time of creation if `created`, else when the job was first seen.
    """

    gid: str
    state: str = UNKNOWN
    kind: str = ""
    name: str | None = None
    object_kind: str = ""
    object_gid: str | None = None
    error: str = ""
    note: str = ""
    usual: str = ""
    since: int | None = None
    created: bool = False
    ended: int | None = None
    ready: bool = False

    @property
    def label(self) -> str:
        """The state as people read it."""
        return state_label(self.state)

    @property
    def text(self) -> str:
        """The name of the created object, and why the job could not be read."""
        return ": ".join(filter(None, (self.name, self.error)))

    @property
    def link(self) -> str | None:
        """The page of the created object."""
        return asana_url(self.object_kind, self.object_gid) if self.object_gid else None

    @property
    def took(self) -> float | None:
        """Seconds from creation to completion."""
        if not self.created or self.ended is None or self.since is None:
            return None
        return max(0.0, (self.ended - self.since) / _MICRO)


def rows_message(rows: Iterable[JobRow], *, version: int, epoch: int, at: float) -> dict[str, Any]:
    """Return the message that sends rows to the browser, each as a short list.

    A row has the gid, the index of its look, `since`, `ended`, its text, the gid of the created
    object and `usual`; missing values at the end are left out. A look is what many rows share:
    state, kind, note, flags and the pattern of links. `version` grows by one with each message
    with changes, so that the browser notices if it missed one. Times are in seconds: `at`, the
    time of the message, since 1970; the others since `epoch`, which never changes.
    """
    looks: dict[tuple[str, str, str, int, str], int] = {}

    def seconds(time: int | None) -> int | None:
        return None if time is None else time // _MICRO - epoch

    lists = []
    for row in rows:
        flags = CREATED * row.created + READY * row.ready + NAMED * bool(row.name)
        pattern = asana_url(row.object_kind, "{gid}") if row.object_gid else ""
        look = looks.setdefault((row.state, row.kind, row.note, flags, pattern), len(looks))
        text = clean(row.text, limit=_MAX_TEXT) if row.text else None
        values = [row.gid, look, seconds(row.since), seconds(row.ended), text, row.object_gid]
        lists.append(_trimmed([*values, row.usual or None]))
    shown = [
        [
            clean(state, limit=_MAX_STATE),
            clean(kind, limit=_MAX_TEXT),
            clean(note, limit=_MAX_TEXT),
            flags,
            pattern,
        ]
        for state, kind, note, flags, pattern in looks
    ]
    return {"version": version, "epoch": epoch, "at": round(at), "looks": shown, "rows": lists}


def shorten(message: dict[str, Any], limit: int) -> list[str]:
    """Remove texts and links from the last rows of a message until it is short enough.

    `limit` is for the rows, in bytes of JSON. Returns the gids of the shortened rows, which must
    be sent again later.
    """
    rows, gids = message["rows"], []
    excess = sum(map(_size, rows)) - limit
    for index in range(len(rows) - 1, -1, -1):
        if excess <= 0:
            break
        row, rows[index] = rows[index], _trimmed(rows[index][:_SHORT])
        if len(row) > _SHORT:
            gids.append(row[0])
            excess -= _size(row) - _size(rows[index])
    return gids[::-1]


def _size(row: list[Any]) -> int:
    return len(json.dumps(row)) + len(", ")


def _trimmed(values: list[Any]) -> list[Any]:
    while values[-1] is None:
        values.pop()
    return values


_FIELDS = (
    *("gid", "status", "resource_subtype", "error.status", "error.kind", "error.message"),
    *("new_graph_export.created_at", "new_graph_export.completed_at"),
    *("new_resource_export.created_at", "new_resource_export.completed_at"),
)
"""The columns that a `JobRow` is made from, besides the name and gid of created objects."""


def first_seen(jobs: pd.DataFrame, now: int, client: Client | None = None) -> dict[str, int]:
    """Return when each job was first seen, in microseconds since 1970.

    The ledger and the frame know; if neither does, it is `now`.
    """
    jobs = as_jobs(jobs)
    try:
        known = recent_jobs(None, client=client)
    except AsanaJobsError:
        known = jobs.iloc[:0]
    seen = dict.fromkeys(jobs["gid"].dropna(), now)
    for frame, name in ((known, "seen.first"), (jobs, "seen.first"), (jobs, "fetched_at")):
        times = _cells(as_times(frame[name], name)) if name in frame.columns else []
        for gid, time in zip(frame["gid"], times, strict=False):
            if gid in seen and time is not None:
                seen[gid] = min(seen[gid], time)
    return seen


def rows_of(
    jobs: pd.DataFrame,
    seen: Mapping[str, int],
    unreadable: Collection[str] = (),
    usual: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, JobRow]:
    """Return the jobs of a frame by gid, in its order, without rows that have no gid.

    `seen` says when each job was first seen; `unreadable` are the gids that the monitor has given
    up on; `usual` says how long unfinished jobs usually take.
    """
    jobs = unique_jobs(jobs)
    kinds = [kind for kind in kinds_of(jobs) if not kind.endswith("_export")]  # no page in Asana
    rows: dict[str, JobRow] = {}
    for job, export in zip(_records(jobs, kinds), is_export(jobs).tolist(), strict=True):
        gid = job["gid"]
        state, error = _state(job, gave_up=gid in unreadable)
        name, kind, object_gid = _created_object(job, kinds)
        created, ended = (_export_time(job, leaf) for leaf in ("created_at", "completed_at"))
        subtype, succeeded = job.get("resource_subtype"), state == "succeeded"
        rows[gid] = JobRow(
            gid,
            state,
            kind=kind_label(subtype) if subtype else "",
            name=name,
            object_kind=kind,
            object_gid=object_gid if succeeded else None,
            error=error,
            note="" if name or error else _note(state, export=export),
            usual="" if state in (*FINAL_STATUSES, UNREADABLE) else usual.get(gid, ""),
            since=seen.get(gid) if created is None else created,
            created=created is not None,
            ended=ended,
            ready=export and succeeded,
        )
    return rows


def _records(jobs: pd.DataFrame, kinds: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Return for each row the values that its `JobRow` is made from."""
    parts = (f"new_{kind}.{leaf}" for kind in kinds for leaf in ("name", "gid"))
    names = [name for name in (*_FIELDS, *parts) if name in jobs.columns]
    columns = [_cells(jobs[name]) for name in names]
    return (dict(zip(names, cells, strict=True)) for cells in zip(*columns, strict=True))


def _state(job: dict[str, Any], *, gave_up: bool) -> tuple[str, str]:
    """Return the state, and the error if the job could not be read."""
    status, code = job.get("status") or "", job.get("error.status")
    message = job.get("error.message") or ("unreadable response" if job.get("error.kind") else "")
    if status not in FINAL_STATUSES and (gave_up or code in GONE):
        error = NO_ACCESS.get(code or 0, message)
        return UNREADABLE, error if code is None else f"{code} {error}"
    return (status, "") if status else (UNKNOWN, message)


def _note(state: str, *, export: bool) -> str:
    if state == "failed":
        return "Asana gives no reason"
    if not export:
        return ""
    return {"succeeded": "file ready", UNKNOWN: ""}.get(state, "file not ready")


def _created_object(
    job: dict[str, Any], kinds: Iterable[str]
) -> tuple[str | None, str, str | None]:
    """Return the name, kind and gid of the object that a job created."""
    for kind in kinds:
        name, gid = job.get(f"new_{kind}.name"), job.get(f"new_{kind}.gid")
        if name or gid:
            is_gid = gid is not None and _GID.fullmatch(gid)
            return name or f"{kind_label(kind)} {gid}", kind, gid if is_gid else None
    return None, "", None


def _export_time(job: dict[str, Any], leaf: str) -> int | None:
    graph = job.get(f"new_graph_export.{leaf}")
    return job.get(f"new_resource_export.{leaf}") if graph is None else graph


def _cells(column: pd.Series) -> list[Any]:
    """Return the values of a column: times in microseconds, None if missing."""
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        times = column.dt.as_unit("us").astype("int64").tolist()
        return [None if time == _NAT else time for time in times]
    return list(column.astype(object).where(column.notna(), None))


class RowTable:
    """The jobs of a monitor as rows, by gid; `version` counts the messages with changes.

    `now` returns the time in seconds since 1970. Callers hold a lock.
    """

    rows: dict[str, JobRow]
    version: int

    def __init__(
        self, monitor: JobsMonitor, client: Client | None, now: Callable[[], float]
    ) -> None:
        self._monitor, self._now = monitor, now
        self._client = client or monitor.client
        self._epoch = int(now())
        self._changed: dict[str, None] = {}
        self._usual: dict[str, str] | None = None
        self.version = 0
        frame = monitor.frame
        self._seen = first_seen(frame, int(now() * 1e6), self._client)
        self._look_up_usual_times(frame)
        self.rows = self._rows_of(frame)

    @property
    def all_read(self) -> bool:
        """Whether the state of every job is known."""
        return all(row.state != UNKNOWN for row in self.rows.values())

    @property
    def has_changes(self) -> bool:
        """Whether there are rows to send to the page."""
        return bool(self._changed)

    def update(self, changed: pd.DataFrame) -> None:
        """Update the rows that have changed."""
        rows = self._rows_of(changed)
        self.rows |= rows
        self._changed |= dict.fromkeys(rows)

    def message(self) -> dict[str, Any]:
        """Return the message with all rows; texts that do not fit follow as changes."""
        message = self._message(self.rows.values())
        self._changed |= dict.fromkeys(shorten(message, MAX_TABLE))
        return message

    def changes(self) -> dict[str, Any] | None:
        """Return the message with the next changed rows; None if the page has them all."""
        if self._usual is None and self._look_up_usual_times(frame := self._monitor.frame):
            rows = self._rows_of(frame)
            self._changed |= {gid: None for gid in rows if rows[gid] != self.rows[gid]}
            self.rows = rows
        gids = list(islice(self._changed, MAX_ROWS))
        if not gids:
            return None
        for gid in gids:
            del self._changed[gid]
        self.version += 1
        return self._message(self.rows[gid] for gid in gids)

    def _message(self, rows: Iterable[JobRow]) -> dict[str, Any]:
        return rows_message(rows, version=self.version, epoch=self._epoch, at=self._now())

    def _look_up_usual_times(self, frame: pd.DataFrame) -> bool:
        """Look up in the ledger how long the jobs take, once all are read; return if it knows."""
        if UNKNOWN not in self._monitor.counts:
            self._usual = usual_times(frame, self._client or self._monitor.client)
        return bool(self._usual)

    def _rows_of(self, frame: pd.DataFrame) -> dict[str, JobRow]:
        unreadable: set[str] = set()
        if UNREADABLE in self._monitor.counts:
            jobs = self._monitor.jobs.items()
            unreadable = {gid for gid, job in jobs if job.status == UNREADABLE}
        return rows_of(frame, self._seen, unreadable, self._usual or {})
