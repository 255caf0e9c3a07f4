"""The ledger on disk: an SQLite file shared by processes, on network file systems too."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from asana_jobs_pd.errors import LedgerError

if TYPE_CHECKING:
    from sqlite3 import Connection


LOCK_TIMEOUT = 0.2
"""The most seconds that one call waits for other processes."""
VERSION = 3
_TABLES = """
CREATE TABLE IF NOT EXISTS jobs (
    base_url TEXT NOT NULL, gid TEXT NOT NULL, subtype TEXT, status TEXT, source TEXT, label TEXT,
    first_seen INTEGER NOT NULL, last_seen INTEGER NOT NULL,
    request TEXT, created INTEGER, completed INTEGER, PRIMARY KEY (base_url, gid)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS jobs_by_time ON jobs (last_seen);
CREATE TABLE IF NOT EXISTS files (
    base_url TEXT NOT NULL, gid TEXT NOT NULL, path TEXT NOT NULL, bytes INTEGER,
    PRIMARY KEY (base_url, gid, path)
) WITHOUT ROWID;
"""
# Version 1 did not keep base URLs: such rows have an empty one until the job is seen again.
_JOBS_OF_VERSION_1 = (
    "SELECT '' AS base_url, gid, kind AS subtype, status, source, label, first_seen, last_seen"
)
_FILES_OF_VERSION_1 = "SELECT '' AS base_url, gid, path"
_VIEWS_OF_VERSION_1 = f"""
CREATE TEMP VIEW jobs AS {_JOBS_OF_VERSION_1} FROM main.jobs;
CREATE TEMP VIEW files AS {_FILES_OF_VERSION_1} FROM main.files;
"""
_MIGRATIONS = {
    1: f"""
ALTER TABLE jobs RENAME TO old_jobs;
ALTER TABLE files RENAME TO old_files;
DROP INDEX jobs_by_time;
{_TABLES}
INSERT INTO jobs (base_url, gid, subtype, status, source, label, first_seen, last_seen)
{_JOBS_OF_VERSION_1} FROM old_jobs;
INSERT INTO files (base_url, gid, path) {_FILES_OF_VERSION_1} FROM old_files;
DROP TABLE old_jobs;
DROP TABLE old_files;
""",
    2: """
ALTER TABLE jobs ADD COLUMN request TEXT;
ALTER TABLE jobs ADD COLUMN created INTEGER;
ALTER TABLE jobs ADD COLUMN completed INTEGER;
ALTER TABLE files ADD COLUMN bytes INTEGER;
""",
}
_ADOPT = (
    "UPDATE OR IGNORE jobs SET base_url = :base_url WHERE base_url = '' AND gid = :gid",
    "UPDATE OR IGNORE files SET base_url = :base_url WHERE base_url = '' AND gid = :gid",
)
# Of jobs without times of their own, it is known when they were started from here, and when they
# were first seen finished: that counts if they were seen unfinished not long before.
_UPSERT = """
INSERT INTO jobs (base_url, gid, subtype, status, source, label, first_seen, last_seen,
                  request, created, completed)
VALUES (:base_url, :gid, :subtype, :status, :source, :label, :at, :at,
        :request, :created, :completed)
ON CONFLICT (base_url, gid) DO UPDATE SET
    subtype = coalesce(excluded.subtype, subtype),
    status = CASE WHEN excluded.last_seen < last_seen THEN coalesce(status, excluded.status)
                  ELSE coalesce(excluded.status, status) END,
    source = coalesce(excluded.source, source),
    label = coalesce(excluded.label, label),
    request = coalesce(excluded.request, request),
    created = coalesce(excluded.created, created),
    completed = coalesce(excluded.completed, completed, CASE
        WHEN excluded.status IN ('succeeded', 'failed')
             AND status NOT IN ('succeeded', 'failed')
             AND excluded.last_seen - last_seen
                 BETWEEN 0 AND max(5000000, (excluded.last_seen - created) / 3)
        THEN excluded.last_seen END),
    first_seen = min(first_seen, excluded.first_seen),
    last_seen = max(last_seen, excluded.last_seen)
"""
_RECENT = """
SELECT gid, subtype, status, source, label, first_seen, last_seen,
       (SELECT group_concat(path, char(0)) FROM files
        WHERE files.base_url = jobs.base_url AND files.gid = jobs.gid)
FROM jobs WHERE last_seen >= ? {conditions} ORDER BY last_seen DESC, gid
"""
_ORIGINS = """
SELECT gid, subtype, source, created FROM jobs WHERE gid IN (SELECT value FROM json_each(?))
"""
_STARTED = """
SELECT request, gid FROM jobs
WHERE request IN (SELECT value FROM json_each(?)) AND base_url = ?
      AND coalesce(status, '') != 'failed' AND (completed IS NULL OR completed >= ?)
ORDER BY created DESC
"""
_RUNS = """
SELECT subtype, source, completed - created,
       (SELECT sum(bytes) FROM files
        WHERE files.base_url = jobs.base_url AND files.gid = jobs.gid)
FROM jobs WHERE status = 'succeeded' AND completed >= created {conditions}
ORDER BY completed DESC LIMIT 10000
"""
_FILE = """
INSERT INTO files (base_url, gid, path, bytes) VALUES (?, ?, ?, ?)
ON CONFLICT (base_url, gid, path) DO UPDATE SET bytes = coalesce(excluded.bytes, bytes)
"""


class Sighting(NamedTuple):
    """A job as it was seen once; times count microseconds since 1970.

    `request` is a hash of the request that started it from here.
    """

    gid: str
    at: int
    base_url: str = ""
    subtype: str | None = None
    status: str | None = None
    source: str | None = None
    label: str | None = None
    request: str | None = None
    created: int | None = None
    completed: int | None = None


class SeenFile(NamedTuple):
    """A file of a job, with its size where it is known."""

    base_url: str
    gid: str
    path: str
    bytes: int | None = None


class Run(NamedTuple):
    """How long a job took, in microseconds, and the size of its files."""

    subtype: str | None
    source: str | None
    took: int
    bytes: int | None


class LedgerFile:
    """Reads and writes the ledger; each call opens the file, and is one transaction.

    The journal is SQLite's default, as WAL does not work on network file systems. `max_pages`
    limits the size of the file, in pages of 4 KiB.
    """

    def __init__(self, path: Path, *, max_pages: int | None = None) -> None:
        self.path = path
        self._max_pages = max_pages

    def write(self, sightings: Iterable[Sighting], files: Iterable[SeenFile] = ()) -> None:
        """Add jobs and files to what is known."""
        rows = [sighting._asdict() for sighting in sightings]
        with self._writing() as connection:
            if connection.execute("SELECT 1 FROM jobs WHERE base_url = '' LIMIT 1").fetchone():
                for statement in _ADOPT:
                    connection.executemany(statement, rows)
            connection.executemany(_UPSERT, rows)
            connection.executemany(_FILE, files)

    def recent(
        self, since: int, statuses: Sequence[str] | None = None, base_url: str | None = None
    ) -> list[tuple[Any, ...]]:
        """Return the jobs seen since a time, the latest first, as the columns of ``_RECENT``.

        The paths of a job are joined by NUL. Jobs of an unknown base URL are always included.
        """
        if self._is_empty():
            return []
        conditions, of_asana = _of_asana(base_url)
        values = [since, *of_asana, *(statuses or ())]
        if statuses is not None:
            conditions += f" AND status IN ({','.join('?' * len(statuses))})"
        with self._open("BEGIN") as (connection, version):
            if version == 1:
                _run_script(connection, _VIEWS_OF_VERSION_1)
            return connection.execute(_RECENT.format(conditions=conditions), values).fetchall()

    def origins(
        self, gids: Sequence[str], base_url: str | None = None
    ) -> dict[str, tuple[str | None, str | None, int | None]]:
        """Return the subtype, the parent and the time of creation of jobs, by gid."""
        condition, values = _of_asana(base_url)
        rows = self._select(f"{_ORIGINS} {condition}", [json.dumps(list(gids)), *values])
        return {gid: (subtype, source, created) for gid, subtype, source, created in rows}

    def started(self, requests: Sequence[str], base_url: str, since: int) -> list[tuple[str, str]]:
        """Return requests and the jobs that they started, the latest first.

        Those that are known to have failed, or to have been completed before a time, are left out.
        """
        return self._select(_STARTED, [json.dumps(list(requests)), base_url, since])

    def runs(self, base_url: str | None = None) -> list[Run]:
        """Return how long jobs took that succeeded, the latest first."""
        condition, values = _of_asana(base_url)
        return [Run(*row) for row in self._select(_RUNS.format(conditions=condition), values)]

    def _select(self, query: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
        """Return rows of what older versions do not know."""
        if self._is_empty():
            return []
        with self._open("BEGIN") as (connection, version):
            return connection.execute(query, values).fetchall() if version == VERSION else []

    def _is_empty(self) -> bool:
        """Whether it is as before the first transaction, or when that was cut off."""
        path = self.path
        return not path.exists() or (path.is_file() and not path.stat().st_size)

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
            _run_script(connection, _MIGRATIONS.get(version, _TABLES))
            connection.execute(f"PRAGMA user_version = {VERSION:d}")
            yield connection
            connection.execute(f"PRAGMA busy_timeout = {round(1000 * wait_left):d}")
            connection.execute("COMMIT")

    @contextlib.contextmanager
    def _open(self, begin: str) -> Iterator[tuple[Connection, int]]:
        """Yield a connection in a transaction, which is rolled back unless committed."""
        import sqlite3  # noqa: PLC0415  some Pythons are built without it

        if not self.path.is_file():  # SQLite would wait forever on a pipe
            raise LedgerError("it is not a file")
        connection = sqlite3.connect(self.path, timeout=LOCK_TIMEOUT, isolation_level=None)
        with contextlib.closing(connection):
            connection.execute(begin)
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            if version > VERSION:
                raise LedgerError(f"a newer asana_jobs_pd has written it (version {version})")
            yield connection, version


def _of_asana(base_url: str | None) -> tuple[str, list[str]]:
    """Return the condition on the jobs of one Asana, or of all, and its values."""
    return ("", []) if base_url is None else ("AND base_url IN ('', ?)", [base_url])


def _run_script(connection: Connection, script: str) -> None:
    """Execute statements within the transaction, which ``executescript`` would commit."""
    for statement in filter(str.strip, script.split(";")):
        connection.execute(statement)
