"""Which rows are seen: filtered, sorted, a page at a time. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from asana_jobs_pd._jobs.schema import FINAL_STATUSES, STATUSES
from asana_jobs_pd._notebook.palette import LOOKS, UNREADABLE
from asana_jobs_pd._notebook.rows import JobRow

__all__ = ["COLUMNS", "PAGE", "STATE_CHOICES", "Column", "Page", "Query", "select"]

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
