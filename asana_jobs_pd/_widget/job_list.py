"""The rows of the widget's table: one per job, filtered, sorted, paged and selected."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from asana_jobs_pd._jobs.as_jobs import as_jobs
from asana_jobs_pd._jobs.schema import FINAL_STATUSES, STATUSES
from asana_jobs_pd._jobs.states import GONE, is_export, kinds_of
from asana_jobs_pd._vocabulary import (
    NO_ACCESS,
    STATE_STYLES,
    UNKNOWN,
    UNREADABLE,
    kind_label,
    state_label,
)

_GID = re.compile("[0-9]{1,30}", re.ASCII)
_NAT = np.iinfo("int64").min


@dataclass(frozen=True, slots=True)
class JobRow:
    """One job as the table shows it; texts are not escaped or masked yet."""

    gid: str
    state: str = UNKNOWN
    kind: str = ""
    name: str | None = None
    link: str | None = None
    note: str = ""
    since: int | None = None
    created: bool = False
    ended: int | None = None
    ready: bool = False

    @property
    def label(self) -> str:
        """The state as people read it."""
        return state_label(self.state)

    @property
    def took(self) -> float | None:
        """Seconds from creation to completion."""
        if not self.created or self.ended is None or self.since is None:
            return None
        return max(0.0, (self.ended - self.since) / 1e6)

    def matches(self, terms: Sequence[str]) -> bool:
        """Tell whether the row contains all these terms, which are in lower case."""
        text = f"{self.gid}\n{self.kind}\n{self.name or ''}\n{self.label}\n{self.note}".casefold()
        return all(term in text for term in terms)


def first_seen(jobs: pd.DataFrame, now: int) -> dict[str, int]:
    """Return when each job was first fetched, or else `now`; in microseconds."""
    jobs = as_jobs(jobs)
    times = _times(jobs, "fetched_at")
    pairs = zip(_gids(jobs), times, strict=True)
    return {gid: now if time is None else time for gid, time in pairs if gid is not None}


def rows_of(
    jobs: pd.DataFrame, seen: dict[str, int], unreadable: Collection[str] = ()
) -> dict[str, JobRow]:
    """Return the jobs of a frame by gid, in its order, without rows that have none.

    `seen` says when each job was first seen; `unreadable` has the gids that the monitor gave up.
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
        name, link = next((pairs[index] for pairs in objects if pairs[index][0]), (None, None))
        state, error = _state(job, gave_up=gid in unreadable)
        export, succeeded = bool(exports[index]), state == "succeeded"
        rows[gid] = JobRow(
            gid,
            state,
            kind=kind_label(job["resource_subtype"]) if job["resource_subtype"] else "",
            name=name,
            link=link if succeeded else None,
            note=error or ("" if name else _note(state, export=export)),
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


def _objects(jobs: pd.DataFrame, kind: str) -> list[tuple[str | None, str | None]]:
    """Return name and gid of each row's created object of a kind; exports have no page."""
    if kind.endswith("_export"):
        return [(None, None)] * len(jobs)
    names, gids = _cells(jobs, f"new_{kind}.name"), _cells(jobs, f"new_{kind}.gid")
    return [
        (name or (f"{kind_label(kind)} {gid}" if gid else None), _digits(gid))
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


PAGE_SIZE = 25
_RANK = {state: rank for rank, state in enumerate((*STATUSES, *STATE_STYLES))}


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the table."""

    key: str
    title: str
    value: Callable[[JobRow], Any]
    ascending: str
    descending: str


def _negative(time: int | None) -> int | None:
    return None if time is None else -time


COLUMNS: tuple[Column, ...] = (
    Column("state", "State", lambda row: (_RANK.get(row.state, 99), row.label), "first", "last"),
    Column("kind", "Kind", lambda row: row.kind.casefold() or None, "A", "Z"),
    Column("name", "Created object", lambda row: (row.name or "").casefold() or None, "A", "Z"),
    Column("gid", "Job", lambda row: (len(row.gid), row.gid), "smallest", "largest"),
    Column("age", "Age", lambda row: _negative(row.since), "youngest", "oldest"),
    Column("took", "Took", lambda row: row.took, "shortest", "longest"),
)

STATE_CHOICES: tuple[tuple[str, str], ...] = (
    ("All states", ""),
    ("Unfinished", "unfinished"),
    *((state_label(state).capitalize(), state) for state in (*STATUSES, UNREADABLE)),
    ("Ready to download", "ready"),
)
"""The choices of the state filter: label and value."""


@dataclass(frozen=True, slots=True)
class Query:
    """What the user wants to see."""

    text: str = ""
    state: str = ""
    column: str | None = None
    descending: bool = False
    page: int = 0


@dataclass(frozen=True, slots=True)
class Page:
    """One page of rows."""

    rows: tuple[JobRow, ...]
    first: int
    total: int
    page: int
    pages: int


def select(rows: Iterable[JobRow], query: Query, size: int = PAGE_SIZE) -> Page:
    """Return the page that a query asks for."""
    terms = query.text.casefold().split()
    matching = [
        row for row in rows if _in_state(row, query.state) and (not terms or row.matches(terms))
    ]
    if query.column is not None:
        column = next(column for column in COLUMNS if column.key == query.column)
        matching = _sorted(matching, column.value, descending=query.descending)
    pages = max(1, -(-len(matching) // size))
    page = min(max(0, query.page), pages - 1)
    first = page * size
    return Page(tuple(matching[first : first + size]), first, len(matching), page, pages)


def _sorted(
    rows: list[JobRow], value: Callable[[JobRow], Any], *, descending: bool
) -> list[JobRow]:
    keyed = [(value(row), row) for row in rows]
    with_key = [pair for pair in keyed if pair[0] is not None]
    with_key.sort(key=lambda pair: pair[0], reverse=descending)
    return [row for _, row in with_key] + [row for key, row in keyed if key is None]


def _in_state(row: JobRow, state: str) -> bool:
    match state:
        case "":
            return True
        case "unfinished":
            return row.state not in (*FINAL_STATUSES, UNREADABLE)
        case "ready":
            return row.ready
    return row.state == state


class JobList:
    """All rows, the query and page on show, and the selection; its users hold a lock."""

    def __init__(self, frame: pd.DataFrame, now: int, unreadable: Collection[str] = ()) -> None:
        self._seen = first_seen(frame, now)
        self._selected: dict[str, None] = {}
        self._changed: set[str] = set()
        self.rows: dict[str, JobRow] = rows_of(frame, self._seen, unreadable)
        self.query = Query()
        self.page = Page((), 0, 0, 0, 1)
        self.ready = 0
        self.stale = True

    def update(self, changed: pd.DataFrame, unreadable: Collection[str] = ()) -> None:
        """Replace rows that have changed."""
        rows = rows_of(changed, self._seen, unreadable)
        self.rows.update(rows)
        self._changed |= rows.keys()
        self.stale = True

    def set_query(self, **changes: Any) -> None:
        """Change fields of the query."""
        self.query = replace(self.query, **changes)
        self.stale = True

    def toggle_sort(self, key: str) -> None:
        """Sort by a column: ascending, then descending, then not at all."""
        if self.query.column != key:
            self.set_query(column=key, descending=False, page=0)
        elif not self.query.descending:
            self.set_query(descending=True, page=0)
        else:
            self.set_query(column=None, descending=False, page=0)

    def refresh_page(self) -> set[str]:
        """Bring the page up to date and return the gids that have changed since the last call."""
        changed, self._changed = self._changed, set()
        self.page = select(self.rows.values(), self.query)
        self.query = replace(self.query, page=self.page.page)
        self.ready = sum(row.ready for row in self.rows.values())
        self.stale = False
        return changed

    @property
    def selected(self) -> list[str]:
        """The selected gids in the order of their selection."""
        return list(self._selected)

    @property
    def to_download(self) -> list[str]:
        """The gids whose files a download fetches: the selected ones, else all that are ready."""
        return self.selected or [row.gid for row in self.rows.values() if row.ready]

    def select_row(self, slot: int, *, on: bool) -> bool:
        """Select or deselect a row of the page; return whether that changed anything."""
        rows = self.page.rows[slot : slot + 1]
        return self._select((row.gid for row in rows if row.ready), on=on)

    def select_page(self, *, on: bool) -> bool:
        """Select or deselect the page; return whether that changed anything."""
        gids = [row.gid for row in self.page.rows if row.ready]
        selected = sum(gid in self._selected for gid in gids)
        if not on and selected < len(gids):
            return False  # the box is cleared unless all rows are selected: nobody clicked it
        return self._select(gids, on=on)

    def _select(self, gids: Iterable[str], *, on: bool) -> bool:
        before = self.selected
        for gid in gids:
            if on:
                self._selected[gid] = None
            else:
                self._selected.pop(gid, None)
        return self.selected != before
