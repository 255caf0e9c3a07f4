"""The jobs behind a widget, what somebody wants to see of them, and what is chosen.

Pure but for its state; who shares it holds a lock.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from asana_jobs_pd._jobs.schema import FINAL_STATUSES, STATUSES
from asana_jobs_pd._palette import LOOKS, UNREADABLE
from asana_jobs_pd._widget.job_rows import JobRow, first_seen, rows_of

__all__ = ["COLUMNS", "PAGE", "STATE_CHOICES", "Column", "Page", "Query", "Table", "select"]

PAGE = 25
"""Rows a page."""
_RANK = {state: rank for rank, state in enumerate((*STATUSES, *LOOKS))}


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the table.

    Parameters
    ----------
    key
        Its name among columns.
    title
        What stands above it.
    value
        What it is sorted by; None sorts last, whichever way.
    up, down
        What comes first when it is sorted, in words.
    """

    key: str
    title: str
    value: Callable[[JobRow], Any]
    up: str
    down: str


def _negative(moment: int | None) -> int | None:
    return None if moment is None else -moment


COLUMNS: tuple[Column, ...] = (
    Column("state", "State", lambda row: (_RANK.get(row.state, 99), row.word), "first", "last"),
    Column("kind", "Kind", lambda row: row.kind.casefold() or None, "A", "Z"),
    Column("name", "Created object", lambda row: (row.name or "").casefold() or None, "A", "Z"),
    Column("gid", "Job", lambda row: (len(row.gid), row.gid), "smallest", "largest"),
    Column("age", "Age", lambda row: _negative(row.since), "youngest", "oldest"),
    Column("took", "Took", lambda row: row.took, "shortest", "longest"),
)

STATE_CHOICES: tuple[tuple[str, str], ...] = (
    ("All states", ""),
    ("Unfinished", "unfinished"),
    *((LOOKS[state].word.capitalize(), state) for state in (*STATUSES, UNREADABLE)),
    ("Ready to download", "ready"),
)
"""What the table can be narrowed to: label and value."""


@dataclass(frozen=True, slots=True)
class Query:
    """What somebody wants to see.

    Parameters
    ----------
    text
        Words that a row must have, all of them, in any column.
    state
        A value of `STATE_CHOICES`.
    column
        The key of the column to sort by; None for the order of the jobs.
    descending
        Whether to sort downwards.
    page
        Which page, from 0; the last one when there are fewer.
    """

    text: str = ""
    state: str = ""
    column: str | None = None
    descending: bool = False
    page: int = 0


@dataclass(frozen=True, slots=True)
class Page:
    """What is seen.

    Parameters
    ----------
    rows
        Of the page.
    first
        How many rows come before them.
    found
        How many rows there are on all pages.
    page, pages
        Which page it is, from 0, of how many.
    """

    rows: tuple[JobRow, ...]
    first: int
    found: int
    page: int
    pages: int


def select(rows: Iterable[JobRow], query: Query, size: int = PAGE) -> Page:
    """Return the page of the rows that the query asks for."""
    terms = query.text.casefold().split()
    found = [row for row in rows if _is_in(row, query.state) and (not terms or row.says(terms))]
    if query.column is not None:
        column = next(column for column in COLUMNS if column.key == query.column)
        found = _sorted(found, column.value, descending=query.descending)
    pages = max(1, -(-len(found) // size))
    page = min(max(0, query.page), pages - 1)
    first = page * size
    return Page(tuple(found[first : first + size]), first, len(found), page, pages)


def _sorted(
    rows: list[JobRow], value: Callable[[JobRow], Any], *, descending: bool
) -> list[JobRow]:
    keyed = [(value(row), row) for row in rows]
    there = [pair for pair in keyed if pair[0] is not None]
    there.sort(key=lambda pair: pair[0], reverse=descending)
    return [row for _, row in there] + [row for key, row in keyed if key is None]


def _is_in(row: JobRow, state: str) -> bool:
    match state:
        case "":
            return True
        case "unfinished":
            return row.state not in (*FINAL_STATUSES, UNREADABLE)
        case "ready":
            return row.ready
    return row.state == state


class Table:
    """A table of jobs.

    Parameters
    ----------
    frame
        All jobs.
    now
        When that is, in microseconds since 1970.
    unreadable
        The gids of those that the monitor has given up.

    Attributes
    ----------
    rows : dict of str to JobRow
        All of them, by gid, in the order of the frame.
    query : Query
        What somebody wants to see.
    page : Page
        What is seen; `turn` brings it up to date.
    fresh : set of str
        The gids that have changed since.
    stale : bool
        Whether the page is not up to date.
    chosen : list of str
        The gids that are chosen, in their order of being so.
    ready : int
        How many exports there are to download.
    """

    def __init__(self, frame: pd.DataFrame, now: int, unreadable: Collection[str] = ()) -> None:
        self._seen = first_seen(frame, now)
        self._chosen: dict[str, None] = {}
        self.rows: dict[str, JobRow] = rows_of(frame, self._seen, unreadable)
        self.query = Query()
        self.fresh: set[str] = set()
        self.page = Page((), 0, 0, 0, 1)
        self.ready = 0
        self.stale = True

    def take(self, changed: pd.DataFrame, unreadable: Collection[str] = ()) -> None:
        """Take in rows that have changed."""
        rows = rows_of(changed, self._seen, unreadable)
        self.rows.update(rows)
        self.fresh |= rows.keys()
        self.stale = True

    def ask(self, **changes: Any) -> None:
        """Want to see something else: the fields of `Query`."""
        self.query = replace(self.query, **changes)
        self.stale = True

    def sort(self, key: str) -> None:
        """Sort by a column: upwards, then downwards, then not at all."""
        if self.query.column != key:
            self.ask(column=key, descending=False, page=0)
        elif not self.query.descending:
            self.ask(descending=True, page=0)
        else:
            self.ask(column=None, descending=False, page=0)

    def turn(self) -> set[str]:
        """Bring the page up to date, and return the gids that have changed since the last time."""
        fresh, self.fresh = self.fresh, set()
        self.page = select(self.rows.values(), self.query)
        self.query = replace(self.query, page=self.page.page)
        self.ready = sum(row.ready for row in self.rows.values())
        self.stale = False
        return fresh

    @property
    def chosen(self) -> list[str]:
        """The gids that are chosen."""
        return list(self._chosen)

    @property
    def targets(self) -> list[str]:
        """What a download would fetch: what is chosen, else all that is ready."""
        return self.chosen or [row.gid for row in self.rows.values() if row.ready]

    def choose(self, slot: int, *, on: bool) -> bool:
        """Choose a row of the page, or do not; tell whether that is something new."""
        rows = self.page.rows[slot : slot + 1]
        return self._choose((row.gid for row in rows if row.ready), on=on)

    def choose_all(self, *, on: bool) -> bool:
        """Choose all of the page, or none; tell whether that is something new."""
        gids = [row.gid for row in self.page.rows if row.ready]
        there = sum(gid in self._chosen for gid in gids)
        if not on and there < len(gids):
            return False  # the box is drawn empty unless all are chosen: nobody has clicked it
        return self._choose(gids, on=on)

    def _choose(self, gids: Iterable[str], *, on: bool) -> bool:
        before = self.chosen
        for gid in gids:
            if on:
                self._chosen[gid] = None
            else:
                self._chosen.pop(gid, None)
        return self.chosen != before
