"""A frame of jobs as what a table of them shows, each job once. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from asana_jobs_pd._jobs.as_jobs import gids_of
from asana_jobs_pd._jobs.schema import FINAL_STATUSES
from asana_jobs_pd._jobs.states import GONE, is_export, kinds_of
from asana_jobs_pd._palette import UNKNOWN, UNREADABLE, kind_words, look_of

__all__ = ["JobRow", "first_seen", "rows_of"]

_DIGITS = re.compile("[0-9]{1,30}", re.ASCII)
_NOT_YOURS = "not found, or not yours: only a job's creator can read it"
_NAT = np.iinfo("int64").min


@dataclass(frozen=True, slots=True)
class JobRow:
    """One job, as a table shows it; nothing here is escaped or masked yet.

    Parameters
    ----------
    gid
        The job's.
    state
        Its status, ``"unreadable"`` or ``"unknown"``.
    code
        The HTTP status of the error that made it unreadable.
    kind
        Its subtype, in words.
    name
        Of what it created; None where there is none.
    link
        The gid of what it created, once that has a page of its own: digits only.
    note
        What is said where there is no name.
    since
        When it was created, or else first seen, in microseconds since 1970.
    created
        Whether `since` is when it was created.
    ended
        When it was completed, as far as Asana says so.
    ready
        Whether it is an export with a file to download.
    """

    gid: str
    state: str = UNKNOWN
    code: int | None = None
    kind: str = ""
    name: str | None = None
    link: str | None = None
    note: str = ""
    since: int | None = None
    created: bool = False
    ended: int | None = None
    ready: bool = False

    @property
    def word(self) -> str:
        """The state as people read it: a code stands for itself."""
        if self.state == UNREADABLE and self.code:
            return str(self.code)
        return "not read yet" if self.state == UNKNOWN else look_of(self.state).word

    @property
    def took(self) -> float | None:
        """The seconds from its creation to its completion."""
        if not self.created or self.ended is None or self.since is None:
            return None
        return max(0.0, (self.ended - self.since) / 1e6)

    def says(self, terms: Sequence[str]) -> bool:
        """Tell whether all these words, in lower case, are in what it shows."""
        text = f"{self.gid}\n{self.kind}\n{self.name or ''}\n{self.word}\n{self.note}".casefold()
        return all(term in text for term in terms)


def first_seen(jobs: pd.DataFrame, now: int) -> dict[str, int]:
    """Return when each job was first asked for: as its row says, or `now`; in microseconds."""
    times = _times(jobs, "fetched_at")
    pairs = zip(_gids(jobs), times, strict=True)
    return {gid: now if time is None else time for gid, time in pairs if gid is not None}


def rows_of(
    jobs: pd.DataFrame, seen: dict[str, int], unreadable: Collection[str] = ()
) -> dict[str, JobRow]:
    """Return the jobs of a frame by gid, in its order, without those that have none.

    Parameters
    ----------
    jobs
        A frame of jobs, as a `JobsMonitor` gives it.
    seen
        When each job was first seen, in microseconds since 1970.
    unreadable
        The gids that the monitor has given up; what answered 403 or 404 is known without.
    """
    cells = {
        name: _cells(jobs, name)
        for name in ("status", "resource_subtype", "error.status", "error.kind", "error.message")
    }
    exports = is_export(jobs)
    created, ended = _earliest(jobs, "created_at"), _earliest(jobs, "completed_at")
    objects = [_objects(jobs, kind) for kind in kinds_of(jobs)]
    rows: dict[str, JobRow] = {}
    for place, gid in enumerate(_gids(jobs)):
        if gid is None or gid in rows:
            continue
        here = {name: values[place] for name, values in cells.items()}
        name, link = next((found[place] for found in objects if found[place][0]), (None, None))
        begun = seen.get(gid) if created[place] is None else created[place]
        row = JobRow(gid, kind=_kind(here), name=name, since=begun, ended=ended[place])
        told = _told(here, link, gone=gid in unreadable, export=bool(exports[place]), name=name)
        rows[gid] = replace(row, created=created[place] is not None, **told)
    return rows


def _kind(cells: dict[str, Any]) -> str:
    return kind_words(cells["resource_subtype"]) if cells["resource_subtype"] else ""


def _told(
    cells: dict[str, Any], link: str | None, *, gone: bool, export: bool, name: str | None
) -> dict[str, Any]:
    """Return what depends on the state."""
    state, code, trouble = _state(cells, gone=gone)
    done = state == "succeeded"
    note = trouble or ("" if name else _note(state, export=export))
    return {
        "state": state,
        "code": code,
        "link": link if done else None,
        "note": note,
        "ready": export and done,
    }


def _state(cells: dict[str, Any], *, gone: bool) -> tuple[str, int | None, str]:
    """Return the state, the code and what the trouble is, if the job could not be read."""
    status, code = cells["status"], cells["error.status"]
    said = cells["error.message"] or ("no answer that could be read" if cells["error.kind"] else "")
    if status not in FINAL_STATUSES and (gone or code in GONE):
        return UNREADABLE, code, _NOT_YOURS if code in GONE else said
    return (status, None, "") if status else (UNKNOWN, None, said)


def _note(state: str, *, export: bool) -> str:
    if state == "failed":
        return "Asana gives no reason"
    if not export:
        return ""
    return {"succeeded": "file ready", UNKNOWN: ""}.get(state, "file not ready")


def _objects(jobs: pd.DataFrame, kind: str) -> list[tuple[str | None, str | None]]:
    """Return name and gid of the created object of a kind, of each row; exports have no page."""
    if kind.endswith("_export"):
        return [(None, None)] * len(jobs)
    names, gids = _cells(jobs, f"new_{kind}.name"), _cells(jobs, f"new_{kind}.gid")
    return [
        (name or (f"{kind.replace('_', ' ')} {gid}" if gid else None), _digits(gid))
        for name, gid in zip(names, gids, strict=True)
    ]


def _digits(gid: Any) -> str | None:
    return gid if isinstance(gid, str) and _DIGITS.fullmatch(gid) else None


def _gids(jobs: pd.DataFrame) -> list[str | None]:
    gids = gids_of(jobs)
    return list(gids.astype(object).where(gids.notna(), None))


def _cells(jobs: pd.DataFrame, name: str) -> list[Any]:
    if name not in jobs.columns:
        return [None] * len(jobs)
    column = jobs[name].astype(object)
    return list(column.where(column.notna(), None))


def _earliest(jobs: pd.DataFrame, leaf: str) -> list[int | None]:
    """Return a time of each row's export: of two, the first."""
    names = [name for kind in ("graph", "resource") if (name := f"new_{kind}_export.{leaf}")]
    pairs = zip(*(_times(jobs, name) for name in names), strict=True)
    return [min((time for time in pair if time is not None), default=None) for pair in pairs]


def _times(jobs: pd.DataFrame, name: str) -> list[int | None]:
    if name not in jobs.columns:
        return [None] * len(jobs)
    column = pd.to_datetime(jobs[name], utc=True).dt.as_unit("us")
    return [None if time == _NAT else int(time) for time in column.astype("int64").tolist()]
