"""What was seen goes into the ledger behind the reader's back: no read waits for a disk."""

from __future__ import annotations

import atexit
import logging
import os
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import platformdirs

from asana_jobs_pd._http.account import account_of
from asana_jobs_pd._http.auth import is_loopback
from asana_jobs_pd._http.client import Client
from asana_jobs_pd._http.rate_limit import Limiter
from asana_jobs_pd._jobs.ledger_file import LedgerFile, Sighting
from asana_jobs_pd.errors import AsanaLedgerWarning, warn_user

__all__ = ["flush", "ledger_path", "note_file", "note_job", "sighting_of", "warn_of_trouble"]

log = logging.getLogger("asana_jobs_pd")

SWITCH = "ASANA_JOBS_LEDGER"
PAUSE = 0.2
"""Seconds in which more may come that goes into the same transaction."""
LAST_MOMENT = 3.0
"""Seconds that a process gives the writer at its end, at the most."""
_OFF = ("0", "false", "no", "off")


class _Seen(NamedTuple):
    """A job that was read or started: by whom, its record, what it was started from, when."""

    client: Client
    gid: str
    record: Mapping[str, Any]
    source: str | None
    at: int


class _Filed(NamedTuple):
    """The file of a job."""

    gid: str
    path: str


_Item: TypeAlias = _Seen | _Filed | Callable[[], None] | threading.Event
"""What can be left for a writer; an Event is set when all before it is written."""


def ledger_path(client: Client | None = None) -> Path | None:
    """Return where the ledger is, None where none is kept.

    Parameters
    ----------
    client
        ``Client(ledger=False)`` keeps none. One at a loopback address, a sandbox, keeps none
        either, unless ``ledger=True`` or ``ASANA_JOBS_LEDGER`` names a file.
    """
    said = os.environ.get(SWITCH, "")
    if client is None:
        return _path(said, None, "")
    return _path(said, client.ledger, client.base_url)


@lru_cache(maxsize=64)  # it is asked for with every job
def _path(said: str, wanted: bool | None, base_url: str) -> Path | None:
    said = said.strip()
    if said.lower() in _OFF or wanted is False:
        return None
    if said and said != "1":
        return Path(said).expanduser()
    if wanted is None and is_loopback(base_url):
        return None
    return Path(platformdirs.user_data_dir("asana_jobs_pd", appauthor=False)) / "ledger.sqlite3"


def note_job(
    client: Client, gid: str, record: Mapping[str, Any], source: str | None = None
) -> None:
    """Take down that a job was read, or started from `source`; the caller waits for nothing."""
    if (path := ledger_path(client)) is None:
        return
    writer = _writer_of(path)
    writer.put(_Seen(client, gid, record, source, time.time_ns() // 1000))
    if source is not None:  # nobody else knows this gid: at once
        writer.put(threading.Event())


def note_file(client: Client, gid: str, path: str) -> None:
    """Take down where the file of a job is."""
    if (ledger := ledger_path(client)) is not None:
        _writer_of(ledger).put(_Filed(gid, path))


def flush(timeout: float = LAST_MOMENT) -> bool:
    """Wait until all is written; return whether it is."""
    until = time.monotonic() + timeout
    written = [writer.flush(until - time.monotonic()) for writer in list(_writers.values())]
    return all(written)


def warn_of_trouble() -> None:
    """Warn once of each ledger that cannot be written; a read is none the worse for it."""
    for writer in list(_writers.values()):
        if writer.trouble and not writer.told:
            writer.told = True
            warn_user(
                f"The ledger {writer.path} cannot be written: {writer.trouble}. Jobs are read as "
                "ever, but recent_jobs() will not know them. Mend the file or move it away, or "
                f"turn the ledger off: {SWITCH}=0.",
                AsanaLedgerWarning,
            )


class _Writer:
    """Writes to one ledger in a thread of its own."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.trouble = ""
        self.told = False
        self._file = LedgerFile(path)
        self._queue: queue.SimpleQueue[_Item] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._unknown: dict[Limiter, set[str]] = {}

    def put(self, item: _Item) -> None:
        """Leave something to be written."""
        if self.trouble:
            return
        self._queue.put(item)
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="asana-ledger", daemon=True)
                self._thread.start()

    def flush(self, timeout: float) -> bool:
        """Wait until what was put is written; return whether it is."""
        if self._thread is None or self.trouble:
            return not self.trouble
        done = threading.Event()
        self._queue.put(done)
        return done.wait(max(timeout, 0.0)) and not self.trouble

    def _work(self) -> None:
        while True:
            items = self._gather()
            try:
                if not self.trouble:
                    self._write(items)
            except (sqlite3.Error, OSError) as error:
                self.trouble = str(error) or type(error).__name__
                log.debug("the ledger %s cannot be written: %s", self.path, self.trouble)
            for item in items:
                if isinstance(item, threading.Event):
                    item.set()

    def _gather(self) -> list[_Item]:
        """Return what there is, and what comes within a moment, unless somebody waits for it."""
        items = [self._queue.get()]
        until = time.monotonic() + PAUSE
        while not isinstance(items[-1], threading.Event):
            try:
                items.append(self._queue.get(timeout=max(0.0, until - time.monotonic())))
            except queue.Empty:
                break
        return items

    def _write(self, items: list[_Item]) -> None:
        seen = [self._sighting(item) for item in items if isinstance(item, _Seen)]
        files = [item for item in items if isinstance(item, _Filed)]
        if seen or files:
            self._file.write(seen, files)
        for item in items:
            if callable(item):
                item()

    def _sighting(self, seen: _Seen) -> Sighting:
        limiter = seen.client.limiter
        then = None if limiter in self._unknown else partial(self._claim_later, limiter)
        account = account_of(seen.client, then=then)
        if account is None:
            self._unknown.setdefault(limiter, set()).add(seen.gid)
        return sighting_of(seen.gid, seen.record, seen.at, seen.source, account or "")

    def _claim_later(self, limiter: Limiter, account: str) -> None:
        self._queue.put(partial(self._claim, limiter, account))

    def _claim(self, limiter: Limiter, account: str) -> None:
        gids = self._unknown.pop(limiter, set())
        if account and gids:
            self._file.claim(gids, account)


def sighting_of(
    gid: str, record: Mapping[str, Any], at: int, source: str | None = None, account: str = ""
) -> Sighting:
    """Return what the ledger keeps of a record: a few short texts, no URL."""
    created = [
        value.get("name")
        for key, value in record.items()
        if key.startswith("new_") and isinstance(value, dict)
    ]
    label = next((name for name in map(_text, created) if name), None)
    kind, status = _text(record.get("resource_subtype")), _text(record.get("status"))
    return Sighting(gid, at, account, kind, status, source, label)


def _text(value: object) -> str | None:
    if not isinstance(value, str):
        return None
    return value.encode("utf-8", "replace").decode()[:1000]


_writers: dict[Path, _Writer] = {}
_writers_lock = threading.Lock()


def _writer_of(path: Path) -> _Writer:
    with _writers_lock:
        if path not in _writers:
            _writers[path] = _Writer(path)
        return _writers[path]


def _forget_after_fork() -> None:
    global _writers_lock  # noqa: PLW0603  another thread may have held it
    _writers_lock = threading.Lock()
    _writers.clear()


atexit.register(flush)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_after_fork)
