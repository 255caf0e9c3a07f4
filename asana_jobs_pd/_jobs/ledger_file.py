"""The ledger on disk: an SQLite file that processes share, even on network file systems."""

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
"""The version of the tables; files of other versions, which were never released, are refused."""
_TABLES = f"""
PRAGMA user_version = {VERSION:d};
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
# For jobs whose responses contain no times, the ledger knows when they were started from here and
# when they were first seen finished. The latter counts if they were seen unfinished shortly before.
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
FROM jobs
WHERE last_seen >= :since AND (:base_url IS NULL OR base_url = :base_url)
      AND (:statuses IS NULL OR status IN (SELECT value FROM json_each(:statuses)))
ORDER BY last_seen DESC, gid
"""
_ORIGINS = """
SELECT gid, subtype, source, created FROM jobs
WHERE gid IN (SELECT value FROM json_each(:gids))
      AND (:base_url IS NULL OR base_url = :base_url)
"""
_STARTED = """
SELECT request, gid FROM jobs
WHERE request IN (SELECT value FROM json_each(:requests)) AND base_url = :base_url
      AND coalesce(status, '') != 'failed' AND (completed IS NULL OR completed >= :since)
ORDER BY created DESC
"""
_RUNS = """
SELECT subtype, source, completed - created,
       (SELECT sum(bytes) FROM files
        WHERE files.base_url = jobs.base_url AND files.gid = jobs.gid)
FROM jobs
WHERE status = 'succeeded' AND completed >= created
      AND (:base_url IS NULL OR base_url = :base_url)
ORDER BY completed DESC LIMIT 10000
"""
_FORGET = """
DELETE FROM jobs WHERE (:gids IS NULL OR gid IN (SELECT value FROM json_each(:gids)))
                   AND (:before IS NULL OR last_seen < :before)
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

    The journal is SQLite's default, as WAL does not work on network file systems. Without a path,
    or a file, it is empty.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path

    def write(self, sightings: Iterable[Sighting], files: Iterable[SeenFile] = ()) -> None:
        """Add jobs and files to the ledger."""
        with self._writing() as connection:
            connection.executemany(_UPSERT, [sighting._asdict() for sighting in sightings])
            connection.executemany(_FILE, files)

    def recent(
        self, since: int, statuses: Sequence[str] | None = None, base_url: str | None = None
    ) -> list[tuple[Any, ...]]:
        """Return the jobs seen since a time, latest first, with the columns of ``_RECENT``.

        The paths of a job are joined by NUL.
        """
        wanted = None if statuses is None else json.dumps(list(statuses))
        return self._select(_RECENT, since=since, statuses=wanted, base_url=base_url)

    def origins(
        self, gids: Sequence[str], base_url: str | None = None
    ) -> dict[str, tuple[str | None, str | None, int | None]]:
        """Return the subtype, the parent and the time of creation of jobs, by gid."""
        rows = self._select(_ORIGINS, gids=json.dumps(list(gids)), base_url=base_url)
        return {gid: (subtype, source, created) for gid, subtype, source, created in rows}

    def started(self, requests: Sequence[str], base_url: str, since: int) -> list[tuple[str, str]]:
        """Return requests and the jobs that they started, latest first.

        Jobs that are known to have failed, or to have been completed before a time, are left out.
        """
        wanted = json.dumps(list(requests))
        return self._select(_STARTED, requests=wanted, base_url=base_url, since=since)

    def runs(self, base_url: str | None = None) -> list[Run]:
        """Return how long succeeded jobs took, latest first."""
        return [Run(*row) for row in self._select(_RUNS, base_url=base_url)]

    def forget(self, gids: Sequence[str] | None, before: int | None) -> int:
        """Remove jobs by gid, or those last seen before a time; return how many."""
        if self.path is None or not self.path.exists():
            return 0
        wanted = None if gids is None else json.dumps(list(gids))
        with self._writing() as connection:
            gone = connection.execute(_FORGET, {"gids": wanted, "before": before}).rowcount
            connection.execute("DELETE FROM files WHERE gid NOT IN (SELECT gid FROM jobs)")
        return gone

    def _select(self, query: str, **values: object) -> list[tuple[Any, ...]]:
        path = self.path
        if path is None or not path.exists() or (path.is_file() and not path.stat().st_size):
            return []  # before the first transaction, or if that was interrupted
        with self._open("BEGIN") as connection:
            return connection.execute(query, values).fetchall()

    @contextlib.contextmanager
    def _writing(self) -> Iterator[Connection]:
        assert self.path is not None
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
        began = time.monotonic()
        with self._open("BEGIN IMMEDIATE") as connection:
            wait_left = max(0.0, LOCK_TIMEOUT - (time.monotonic() - began))
            for statement in filter(str.strip, _TABLES.split(";")):  # a script would commit
                connection.execute(statement)
            yield connection
            connection.execute(f"PRAGMA busy_timeout = {round(1000 * wait_left):d}")
            connection.execute("COMMIT")

    @contextlib.contextmanager
    def _open(self, begin: str) -> Iterator[Connection]:
        """Yield a connection in a transaction, which is rolled back unless committed."""
        import sqlite3  # noqa: PLC0415  some Pythons are built without it

        if self.path is None or not self.path.is_file():  # SQLite would wait forever on a pipe
            raise LedgerError("it is not a file")
        connection = sqlite3.connect(self.path, timeout=LOCK_TIMEOUT, isolation_level=None)
        with contextlib.closing(connection):
            connection.execute(begin)
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            if version not in (0, VERSION):
                raise LedgerError(f"another asana_jobs_pd has written it (version {version})")
            yield connection
