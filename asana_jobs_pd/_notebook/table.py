"""The jobs behind a widget, what somebody wants to see of them, and what is chosen.

Pure but for its state; who shares it holds a lock.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from typing import Any

import pandas as pd

from asana_jobs_pd._notebook.page import Page, Query, select
from asana_jobs_pd._notebook.rows import JobRow, first_seen, rows_of

__all__ = ["Table"]


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
