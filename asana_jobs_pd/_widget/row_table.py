"""The rows of a widget, and what of them its page has not got yet."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any

import pandas as pd

from asana_jobs_pd._http.client import Client
from asana_jobs_pd._jobs.eta import usual_times
from asana_jobs_pd._monitor.monitor import JobsMonitor
from asana_jobs_pd._vocabulary import UNKNOWN, UNREADABLE
from asana_jobs_pd._widget.rows import JobRow, first_seen, rows_message, rows_of, shorten

MAX_TABLE = 580_000
"""The most bytes of the rows in a message of all; what else it holds takes some thousands."""
MAX_ROWS = 1_000
"""The most rows in a message of changes."""


class RowTable:
    """The jobs of a monitor as rows, by gid; `version` counts the messages of changes.

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
        """Whether there is a state of each job."""
        return all(row.state != UNKNOWN for row in self.rows.values())

    @property
    def has_changes(self) -> bool:
        """Whether the page must get something."""
        return bool(self._changed)

    def update(self, changed: pd.DataFrame) -> None:
        """Take over rows that have changed."""
        rows = self._rows_of(changed)
        self.rows |= rows
        self._changed |= dict.fromkeys(rows)

    def message(self) -> dict[str, Any]:
        """Return all rows for the page; long names of large tables follow as changes."""
        message = self._message(self.rows.values())
        self._changed |= dict.fromkeys(shorten(message, MAX_TABLE))
        return message

    def changes(self) -> dict[str, Any] | None:
        """Return the next rows that the page has not got; None if it has all."""
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
        """Ask the ledger how long the jobs take, once all are read; return whether it knows."""
        if UNKNOWN not in self._monitor.counts:
            self._usual = usual_times(frame, self._client or self._monitor.client)
        return bool(self._usual)

    def _rows_of(self, frame: pd.DataFrame) -> dict[str, JobRow]:
        unreadable: set[str] = set()
        if UNREADABLE in self._monitor.counts:
            jobs = self._monitor.jobs.items()
            unreadable = {gid for gid, job in jobs if job.status == UNREADABLE}
        return rows_of(frame, self._seen, unreadable, self._usual or {})
