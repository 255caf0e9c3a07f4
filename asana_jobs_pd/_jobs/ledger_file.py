"""The ledger on disk: an SQLite file that many kernels write to, on network homes too."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

__all__ = ["LedgerFile", "Sighting"]

VERSION = 1
PATIENCE = 5.0
"""Seconds to wait for another process that writes."""
_TABLES = """
CREATE TABLE IF NOT EXISTS jobs (
    gid TEXT PRIMARY KEY, account TEXT NOT NULL, kind TEXT, status TEXT, source TEXT, label TEXT,
    first_seen INTEGER NOT NULL, last_seen INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS jobs_by_time ON jobs (last_seen);
CREATE TABLE IF NOT EXISTS files (
    gid TEXT NOT NULL, path TEXT NOT NULL, PRIMARY KEY (gid, path)
) WITHOUT ROWID;
"""
_SEEN = """
INSERT INTO jobs (gid, account, kind, status, source, label, first_seen, last_seen)
VALUES (?1, ?3, ?4, ?5, ?6, ?7, ?2, ?2)
ON CONFLICT (gid) DO UPDATE SET
    account = CASE excluded.account WHEN '' THEN account ELSE excluded.account END,
    kind = coalesce(excluded.kind, kind),
    status = CASE WHEN excluded.last_seen < last_seen THEN coalesce(status, excluded.status)
                  ELSE coalesce(excluded.status, status) END,
    source = coalesce(excluded.source, source),
    label = coalesce(excluded.label, label),
    first_seen = min(first_seen, excluded.first_seen),
    last_seen = max(last_seen, excluded.last_seen)
"""
_RECENT = """
SELECT gid, kind, status, source, label, first_seen, last_seen,
       (SELECT group_concat(path, char(0)) FROM files WHERE files.gid = jobs.gid)
FROM jobs WHERE last_seen >= ?1 {where} ORDER BY last_seen DESC, gid
"""


@dataclass(frozen=True, slots=True)
class Sighting:
    """A job as it was seen once.

    Parameters
    ----------
    gid
        Its gid.
    at
        When, in microseconds since 1970.
    account
        Whose it is, as a hash; empty when that is not known.
    kind, status
        ``resource_subtype`` and ``status``.
    source
        The gid of what it was started from.
    label
        A name for people.
    """

    gid: str
    at: int
    account: str = ""
    kind: str | None = None
    status: str | None = None
    source: str | None = None
    label: str | None = None


class LedgerFile:
    """Reads and writes the ledger; each call opens it anew, and is one transaction.

    The journal is SQLite's own, not WAL, which does not work on network file systems. All
    methods raise ``sqlite3.Error`` or ``OSError`` when the file does not allow what they do.

    Parameters
    ----------
    path
        The file; made, readable by its owner alone, when it is written to.
    most_pages
        Its greatest size in pages of 4 KiB; None for any.
    """

    def __init__(self, path: Path, *, most_pages: int | None = None) -> None:
        self.path = path
        self._most_pages = most_pages

    def write(self, sightings: Iterable[Sighting], files: Iterable[tuple[str, str]] = ()) -> None:
        """Take down jobs, and the paths of their files, beside what is known of them."""
        with self._writing() as connection:
            connection.executemany(_SEEN, map(astuple, sightings))
            connection.executemany("INSERT OR IGNORE INTO files VALUES (?, ?)", files)

    def claim(self, gids: Iterable[str], account: str) -> None:
        """Say whose jobs are, where that was not known."""
        statement = "UPDATE jobs SET account = ? WHERE gid = ? AND account = ''"
        with self._writing() as connection:
            connection.executemany(statement, ((account, gid) for gid in gids))

    def recent(
        self, since: int, statuses: Sequence[str] | None = None, account: str | None = None
    ) -> list[tuple[Any, ...]]:
        """Return what was seen since a time, the latest first.

        ``gid, kind, status, source, label, first_seen, last_seen, paths`` (joined by NUL); of
        one account and of unknown ones, or of all.
        """
        if not self.path.exists():
            return []
        where, values = "", [since]
        if account is not None:
            where += " AND account IN ('', ?)"
            values.append(account)  # type: ignore[arg-type]
        if statuses is not None:
            where += f" AND status IN ({','.join('?' * len(statuses))})"
            values.extend(statuses)  # type: ignore[arg-type]
        with self._open() as connection:
            return connection.execute(_RECENT.format(where=where), values).fetchall()

    def forget(self, gids: Sequence[str] | None, before: int | None) -> int:
        """Remove jobs by gid, or those last seen before a time; return how many."""
        if not self.path.exists():
            return 0
        with self._writing() as connection:
            if gids is not None:
                connection.execute("CREATE TEMP TABLE going (gid TEXT PRIMARY KEY)")
                connection.executemany(
                    "INSERT OR IGNORE INTO going VALUES (?)", ((gid,) for gid in gids)
                )
                which = "gid IN (SELECT gid FROM going)"
            else:
                which = "1" if before is None else f"last_seen < {before:d}"
            gone = connection.execute(f"DELETE FROM jobs WHERE {which}").rowcount  # noqa: S608
            connection.execute("DELETE FROM files WHERE gid NOT IN (SELECT gid FROM jobs)")
        return gone

    @contextlib.contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
        with self._open() as connection:
            if self._most_pages is not None:
                connection.execute(f"PRAGMA max_page_count = {self._most_pages:d}")
            connection.execute("BEGIN IMMEDIATE")
            try:
                for statement in filter(str.strip, _TABLES.split(";")):
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {VERSION:d}")
                yield connection
            except BaseException:
                with contextlib.suppress(sqlite3.Error):  # a full disk has rolled it back already
                    connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with contextlib.closing(
            sqlite3.connect(self.path, timeout=PATIENCE, isolation_level=None)
        ) as connection:
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            if version > VERSION:
                raise sqlite3.NotSupportedError(
                    f"a newer asana_jobs_pd has written it (its version is {version})"
                )
            yield connection
