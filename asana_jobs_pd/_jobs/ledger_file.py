"""The ledger on disk: an SQLite file that many processes write to, on network file systems too."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from asana_jobs_pd.errors import LedgerError

if TYPE_CHECKING:
    from sqlite3 import Connection


LOCK_TIMEOUT = 0.2
"""Seconds to wait for other processes in one call, at most."""
VERSION = 2
_TABLES = """
CREATE TABLE IF NOT EXISTS jobs (
    base_url TEXT NOT NULL, gid TEXT NOT NULL, subtype TEXT, status TEXT, source TEXT, label TEXT,
    first_seen INTEGER NOT NULL, last_seen INTEGER NOT NULL, PRIMARY KEY (base_url, gid)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS jobs_by_time ON jobs (last_seen);
CREATE TABLE IF NOT EXISTS files (
    base_url TEXT NOT NULL, gid TEXT NOT NULL, path TEXT NOT NULL, PRIMARY KEY (base_url, gid, path)
) WITHOUT ROWID;
"""
# Version 1 did not know the base URL of a job: such rows have an empty one until the job is seen.
_JOBS_OF_VERSION_1 = (
    "SELECT '' AS base_url, gid, kind AS subtype, status, source, label, first_seen, last_seen"
)
_FILES_OF_VERSION_1 = "SELECT '' AS base_url, gid, path"
_VIEWS_OF_VERSION_1 = f"""
CREATE TEMP VIEW jobs AS {_JOBS_OF_VERSION_1} FROM main.jobs;
CREATE TEMP VIEW files AS {_FILES_OF_VERSION_1} FROM main.files;
"""
_MIGRATE_VERSION_1 = f"""
ALTER TABLE jobs RENAME TO old_jobs;
ALTER TABLE files RENAME TO old_files;
DROP INDEX jobs_by_time;
{_TABLES}
INSERT INTO jobs {_JOBS_OF_VERSION_1} FROM old_jobs;
INSERT INTO files {_FILES_OF_VERSION_1} FROM old_files;
DROP TABLE old_jobs;
DROP TABLE old_files;
"""
_ADOPT = (
    "UPDATE OR IGNORE jobs SET base_url = :base_url WHERE base_url = '' AND gid = :gid",
    "UPDATE OR IGNORE files SET base_url = :base_url WHERE base_url = '' AND gid = :gid",
)
_UPSERT = """
INSERT INTO jobs (base_url, gid, subtype, status, source, label, first_seen, last_seen)
VALUES (:base_url, :gid, :subtype, :status, :source, :label, :at, :at)
ON CONFLICT (base_url, gid) DO UPDATE SET
    subtype = coalesce(excluded.subtype, subtype),
    status = CASE WHEN excluded.last_seen < last_seen THEN coalesce(status, excluded.status)
                  ELSE coalesce(excluded.status, status) END,
    source = coalesce(excluded.source, source),
    label = coalesce(excluded.label, label),
    first_seen = min(first_seen, excluded.first_seen),
    last_seen = max(last_seen, excluded.last_seen)
"""
_RECENT = """
SELECT gid, subtype, status, source, label, first_seen, last_seen,
       (SELECT group_concat(path, char(0)) FROM files
        WHERE files.base_url = jobs.base_url AND files.gid = jobs.gid)
FROM jobs WHERE last_seen >= ? {conditions} ORDER BY last_seen DESC, gid
"""


class Sighting(NamedTuple):
    """A job as it was seen once; `at` counts microseconds since 1970."""

    gid: str
    at: int
    base_url: str = ""
    subtype: str | None = None
    status: str | None = None
    source: str | None = None
    label: str | None = None


class LedgerFile:
    """Reads and writes the ledger; each call opens the file, and is one transaction.

    The journal is SQLite's own, not WAL, which does not work on network file systems. `max_pages`
    limits the size of the file, in pages of 4 KiB.
    """

    def __init__(self, path: Path, *, max_pages: int | None = None) -> None:
        self.path = path
        self._max_pages = max_pages

    def write(
        self, sightings: Iterable[Sighting], files: Iterable[tuple[str, str, str]] = ()
    ) -> None:
        """Add jobs, and files as base URL, gid and path, to what is known."""
        rows = [sighting._asdict() for sighting in sightings]
        with self._writing() as connection:
            if connection.execute("SELECT 1 FROM jobs WHERE base_url = '' LIMIT 1").fetchone():
                for statement in _ADOPT:
                    connection.executemany(statement, rows)
            connection.executemany(_UPSERT, rows)
            connection.executemany("INSERT OR IGNORE INTO files VALUES (?, ?, ?)", files)

    def recent(
        self, since: int, statuses: Sequence[str] | None = None, base_url: str | None = None
    ) -> list[tuple[Any, ...]]:
        """Return the jobs seen since a time, the latest first, as the columns of ``_RECENT``.

        The paths of a job are joined by NUL. Jobs of an unknown base URL are always included.
        """
        if not self.path.exists() or (self.path.is_file() and not self.path.stat().st_size):
            return []  # before the first transaction, or when it was cut off
        conditions, values = "", [since, *(statuses or ())]
        if statuses is not None:
            conditions += f" AND status IN ({','.join('?' * len(statuses))})"
        if base_url is not None:
            conditions += " AND base_url IN ('', ?)"
            values.append(base_url)
        with self._open("BEGIN") as (connection, version):
            if version == 1:
                _run_script(connection, _VIEWS_OF_VERSION_1)
            return connection.execute(_RECENT.format(conditions=conditions), values).fetchall()

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
                condition = "gid IN (SELECT gid FROM going)"
            else:
                condition = "1" if before is None else f"last_seen < {before:d}"
            gone = connection.execute(f"DELETE FROM jobs WHERE {condition}").rowcount  # noqa: S608
            connection.execute("DELETE FROM files WHERE gid NOT IN (SELECT gid FROM jobs)")
        return gone

    @contextlib.contextmanager
    def _writing(self) -> Iterator[Connection]:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
        began = time.monotonic()
        with self._open("BEGIN IMMEDIATE") as (connection, version):
            wait_left = max(0.0, LOCK_TIMEOUT - (time.monotonic() - began))
            if self._max_pages is not None:
                connection.execute(f"PRAGMA max_page_count = {self._max_pages:d}")
            _run_script(connection, _MIGRATE_VERSION_1 if version == 1 else _TABLES)
            connection.execute(f"PRAGMA user_version = {VERSION:d}")
            yield connection
            connection.execute(f"PRAGMA busy_timeout = {round(1000 * wait_left):d}")
            connection.execute("COMMIT")

    @contextlib.contextmanager
    def _open(self, begin: str) -> Iterator[tuple[Connection, int]]:
        """Yield a connection in a transaction, which is rolled back when nobody commits it."""
        import sqlite3  # noqa: PLC0415  some Pythons are built without it

        if not self.path.is_file():  # SQLite would wait for ever at a pipe
            raise LedgerError("it is not a file")
        connection = sqlite3.connect(self.path, timeout=LOCK_TIMEOUT, isolation_level=None)
        with contextlib.closing(connection):
            connection.execute(begin)
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            if version > VERSION:
                raise LedgerError(f"a newer asana_jobs_pd has written it (version {version})")
            yield connection, version


def _run_script(connection: Connection, script: str) -> None:
    """Execute statements within the transaction, which ``executescript`` would commit."""
    for statement in filter(str.strip, script.split(";")):
        connection.execute(statement)
