"""The rows of the widget's table, and the form in which the browser gets them."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from asana_jobs_pd._http.client import Client
from asana_jobs_pd._http.redaction import clean
from asana_jobs_pd._jobs.as_jobs import as_jobs
from asana_jobs_pd._jobs.ledger import recent_jobs
from asana_jobs_pd._jobs.schema import FINAL_STATUSES
from asana_jobs_pd._jobs.states import GONE, is_export, kinds_of
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
"""Flags of a row: its age counts from its creation; it has an export to download; its text begins
with a name.
"""
_SHORT = 4
"""How many values a row has without its text and what follows."""


@dataclass(frozen=True, slots=True)
class JobRow:
    """One job as the table shows it; texts are not cleaned yet.

    `error` says why it could not be read; `note` stands in place of a name, and is shared by many
    rows; `usual` says how long such jobs took. `since` and `ended` are in microseconds since 1970;
    `since` is when the job was created or, unless `created`, first seen.
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
    """Return rows as the browser gets them: short lists.

    Each has the gid, the position of its look, since when it counts, when it ended, its text, the
    gid of the created object and how long such jobs took; what is missing at the end is left out.
    A look is what many rows share: state, kind, note, flags and the pattern of links. `version`
    grows by one with each message, so that the browser notices when it missed one. Times are in
    seconds: that of the message, `at`, since 1970, the others since `epoch`, which never changes.
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
    """Take texts and links from the last rows of a message until it is short enough.

    `limit` is in bytes of JSON; it counts the rows only. Returns the gids of these rows, whose
    texts must be sent later.
    """
    rows, gids = message["rows"], []
    excess = sum(map(_size, rows)) - limit
    for place in range(len(rows) - 1, -1, -1):
        if excess <= 0:
            break
        row, rows[place] = rows[place], _trimmed(rows[place][:_SHORT])
        if len(row) > _SHORT:
            gids.append(row[0])
            excess -= _size(row) - _size(rows[place])
    return gids[::-1]


def _size(row: list[Any]) -> int:
    return len(json.dumps(row)) + len(", ")


def _trimmed(values: list[Any]) -> list[Any]:
    while values[-1] is None:
        values.pop()
    return values


def first_seen(jobs: pd.DataFrame, now: int, client: Client | None = None) -> dict[str, int]:
    """Return when each job was first seen, by the ledger or this frame, or else `now`.

    In microseconds since 1970.
    """
    jobs = as_jobs(jobs)
    gids = _gids(jobs)
    seen = {gid: now for gid in gids if gid is not None}
    try:
        known = recent_jobs(None, client=client)
    except AsanaJobsError:
        known = jobs.iloc[:0]
    for frame, name in ((known, "seen.first"), (jobs, "seen.first"), (jobs, "fetched_at")):
        for gid, time in zip(_gids(frame), _times(frame, name), strict=True):
            if gid in seen and time is not None:
                seen[gid] = min(seen[gid], time)
    return seen


def rows_of(
    jobs: pd.DataFrame,
    seen: Mapping[str, int],
    unreadable: Collection[str] = (),
    usual: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, JobRow]:
    """Return the jobs of a frame by gid, in its order, without rows that have none.

    `seen` says when each job was first seen; `unreadable` has the gids that the monitor gave up;
    `usual` says how long unfinished jobs usually take.
    """
    jobs = as_jobs(jobs)
    cells = {
        name: _cells(jobs, name)
        for name in ("status", "resource_subtype", "error.status", "error.kind", "error.message")
    }
    exports = is_export(jobs)
    created, ended = _earliest(jobs, "created_at"), _earliest(jobs, "completed_at")
    objects = [_objects(jobs, kind) for kind in kinds_of(jobs)]
    rows: dict[str, JobRow] = {}
    for index, gid in enumerate(_gids(jobs)):
        if gid is None or gid in rows:
            continue
        job = {name: values[index] for name, values in cells.items()}
        name, kind, gid_of_object = next(
            (entries[index] for entries in objects if entries[index][0]), (None, "", None)
        )
        state, error = _state(job, gave_up=gid in unreadable)
        export, succeeded = bool(exports[index]), state == "succeeded"
        rows[gid] = JobRow(
            gid,
            state,
            kind=kind_label(job["resource_subtype"]) if job["resource_subtype"] else "",
            name=name,
            object_kind=kind,
            object_gid=gid_of_object if succeeded else None,
            error=error,
            note=_note(state, export=export) if not (name or error) else "",
            usual="" if state in (*FINAL_STATUSES, UNREADABLE) else usual.get(gid, ""),
            since=seen.get(gid) if created[index] is None else created[index],
            created=created[index] is not None,
            ended=ended[index],
            ready=export and succeeded,
        )
    return rows


def _state(job: dict[str, Any], *, gave_up: bool) -> tuple[str, str]:
    """Return the state, and the error if the job could not be read."""
    status, code = job["status"], job["error.status"]
    message = job["error.message"] or ("unreadable response" if job["error.kind"] else "")
    if status not in FINAL_STATUSES and (gave_up or code in GONE):
        error = NO_ACCESS.get(code, message)
        return UNREADABLE, error if code is None else f"{code} {error}"
    return (status, "") if status else (UNKNOWN, message)


def _note(state: str, *, export: bool) -> str:
    if state == "failed":
        return "Asana gives no reason"
    if not export:
        return ""
    return {"succeeded": "file ready", UNKNOWN: ""}.get(state, "file not ready")


def _objects(jobs: pd.DataFrame, kind: str) -> list[tuple[str | None, str, str | None]]:
    """Return name, kind and gid of each row's created object of a kind; exports have no page."""
    if kind.endswith("_export"):
        return [(None, kind, None)] * len(jobs)
    names, gids = _cells(jobs, f"new_{kind}.name"), _cells(jobs, f"new_{kind}.gid")
    return [
        (name or (f"{kind_label(kind)} {gid}" if gid else None), kind, _digits(gid))
        for name, gid in zip(names, gids, strict=True)
    ]


def _digits(gid: Any) -> str | None:
    return gid if isinstance(gid, str) and _GID.fullmatch(gid) else None


def _gids(jobs: pd.DataFrame) -> list[str | None]:
    gids = jobs["gid"]
    return list(gids.astype(object).where(gids.notna(), None))


def _cells(jobs: pd.DataFrame, name: str) -> list[Any]:
    if name not in jobs.columns:
        return [None] * len(jobs)
    column = jobs[name].astype(object)
    return list(column.where(column.notna(), None))


def _earliest(jobs: pd.DataFrame, leaf: str) -> list[int | None]:
    """Return a time of each row's export: the first of two."""
    names = [name for kind in ("graph", "resource") if (name := f"new_{kind}_export.{leaf}")]
    pairs = zip(*(_times(jobs, name) for name in names), strict=True)
    return [min((time for time in pair if time is not None), default=None) for pair in pairs]


def _times(jobs: pd.DataFrame, name: str) -> list[int | None]:
    if name not in jobs.columns:
        return [None] * len(jobs)
    column = pd.to_datetime(jobs[name], utc=True).dt.as_unit("us")
    return [None if time == _NAT else int(time) for time in column.astype("int64").tolist()]
