"""`asana_jobs_pd.ledger`: the jobs this machine has seen. Asana itself has no list of jobs."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import pandas as pd
import platformdirs
import pyarrow as pa

from asana_jobs_pd._files import local_path
from asana_jobs_pd._http.client import Client, check_client
from asana_jobs_pd._http.default_client import known_base_url
from asana_jobs_pd._jobs.gids import parse_gids
from asana_jobs_pd._jobs.ledger_file import LOCK_TIMEOUT, LedgerFile, SeenFile, Sighting
from asana_jobs_pd._jobs.schema import FINAL_STATUSES, text_column
from asana_jobs_pd._options import is_seconds
from asana_jobs_pd._public import public
from asana_jobs_pd.errors import AsanaLedgerWarning, InvalidOptionError, LedgerError, warn_user
from asana_jobs_pd.typing import Gids

T = TypeVar("T")
SETTING = "ASANA_JOBS_LEDGER"
_OFF, _ON = ("0", "false", "no", "off"), ("", "1", "true", "yes", "on")
_DAY = 86_400 * 10**6
_LABEL_LIMIT = 1000
_TEXTS = ("gid", "resource_subtype", "status", "source.gid", "label")
_TIMES = ("seen.first", "seen.last")


@public
def recent_jobs(
    days: float | None = 30,
    status: str | Sequence[str] | None = None,
    *,
    client: Client | None = None,
) -> pd.DataFrame:
    """Return the jobs that were read or started on this machine, the latest first.

    Asana can neither list jobs nor find a lost gid, so every job that `read_asana_jobs`,
    `JobsMonitor` or a function that starts jobs sees is recorded in a small file in the user's
    data folder, without tokens or download URLs. Makes no request.

    Parameters
    ----------
    days
        Only jobs last seen within so many days; None for all.
    status
        One status or several, as last seen; None for any.
    client
        Only jobs of this client's Asana (its ``base_url``). None takes the client of the last
        `connect` or read; without one, the jobs of every Asana.

    Returns
    -------
    pandas.DataFrame
        One row per job, ready for ``df.asana``: ``gid``, ``resource_type``, ``resource_subtype``,
        ``status``, ``source.gid`` (what it was started from) and ``label`` are ``string``;
        ``seen.first`` and ``seen.last`` are ``datetime64[us, UTC]``; ``file.paths`` holds lists
        of the files that were downloaded.

    Raises
    ------
    LedgerError
        When the file cannot be read.
    InvalidOptionError
        When `days` is not a number of days, or `status` not a status.

    See Also
    --------
    ledger.path : Where the file is.
    ledger.forget : Remove jobs from it.

    Examples
    --------
    >>> jobs = aj.recent_jobs(days=7, status="in_progress")
    >>> list(jobs.columns[:4])
    ['gid', 'resource_type', 'resource_subtype', 'status']
    """
    check_client(client)
    since = 0 if days is None else _now() - round(_days(days) * _DAY)
    statuses = None if status is None else _statuses(status)
    base_url = known_base_url(client)
    return from_ledger(
        client,
        lambda file: _frame(file.recent(since, statuses, base_url)),
        lambda: _frame([]),
    )


def forget(gids: Gids | None = None, *, before: datetime | str | None = None) -> int:
    """Remove jobs from the ledger.

    Parameters
    ----------
    gids
        Which jobs, in any form that `read_asana_jobs` takes.
    before
        Instead of gids: the jobs last seen before a time. Without both, all are removed.

    Returns
    -------
    int
        How many jobs were removed.

    Raises
    ------
    LedgerError
        When the file cannot be written.
    InvalidOptionError
        When both are given.

    See Also
    --------
    recent_jobs : The jobs in the ledger.

    Examples
    --------
    >>> aj.ledger.forget(before="2020-01-01")
    0
    """
    if gids is not None and before is not None:
        raise InvalidOptionError("Give either gids or before, not both.")
    until = None if before is None else _microseconds(before)
    wanted = None if gids is None else parse_gids(gids)
    return from_ledger(None, lambda file: file.forget(wanted, until), lambda: 0)


def path() -> Path | None:
    """Return the path of the ledger.

    Returns
    -------
    pathlib.Path or None
        None when ``ASANA_JOBS_LEDGER=0`` turns it off.

    Raises
    ------
    LedgerError
        When there is no place for it, such as in a container without a home folder.

    See Also
    --------
    recent_jobs : The jobs in the ledger.

    Examples
    --------
    >>> aj.ledger.path().suffix
    '.sqlite3'
    """
    return ledger_path()


def ledger_path(client: Client | None = None) -> Path | None:
    """Return the path of the ledger, None where none is kept: by default a sandbox has none."""
    setting = os.environ.get(SETTING, "").strip()
    wanted = None if client is None else client.ledger
    if setting.lower() in _OFF or wanted is False:
        return None
    if setting.lower() not in _ON:
        with contextlib.suppress(InvalidOptionError):
            return local_path(setting, SETTING, "file")
        raise LedgerError(
            f"{SETTING} does not name a file on this machine; set it to an absolute path."
        )
    if client is not None and wanted is None and client.loopback:
        return None
    folder = "~"
    with contextlib.suppress(RuntimeError):  # newer versions raise it without a home folder
        folder = platformdirs.user_data_dir("asana_jobs_pd", appauthor=False)
    if folder.startswith("~"):
        raise LedgerError(f"There is no home folder for the job ledger; name a file in {SETTING}.")
    return Path(folder) / "ledger.sqlite3"


class _Seen(NamedTuple):
    """A job as it was seen, and how it was started, if that was here."""

    record: Mapping[str, Any]
    at: int
    start: tuple[str, str] | None
    started_at: int | None


class Recorder:
    """Collects the jobs that a call sees, and writes them to the ledger in one transaction.

    Thread-safe. Never raises: `warn_of_ledger_failures` reports failures. What could not be
    written is part of the next `write`.
    """

    def __init__(self, client: Client) -> None:
        self._base_url = client.base_url
        self._path: Path | None = None
        self._lock, self._writing = threading.Lock(), threading.Lock()
        self._jobs: dict[tuple[str, bool], _Seen] = {}
        self._files: dict[SeenFile, None] = {}
        with _reported(""):
            self._path = ledger_path(client)

    @property
    def wanted(self) -> bool:
        """Whether there is to be a ledger."""
        return self._path is not None

    def add(
        self, gid: str, record: Mapping[str, Any], at: int, start: tuple[str, str] | None = None
    ) -> None:
        """Note that a job was seen at a time (microseconds since 1970).

        `start` says that it was started just then: the gid of its parent, a hash of the request.
        """
        if self._path is not None:
            # The last time it was unfinished is kept, too: it tells how long the job took.
            key = gid, record.get("status") in FINAL_STATUSES
            with self._lock:
                known = self._jobs.get(key)
                if known is not None and start is None:
                    self._jobs[key] = _Seen(record, at, known.start, known.started_at)
                else:
                    self._jobs[key] = _Seen(record, at, start, at if start else None)

    def add_file(self, gid: str, path: str, size: int | None = None) -> None:
        """Note the file of a job, and how many bytes it has."""
        if self._path is not None:
            with self._lock:
                # SQLite holds Unicode only, and a path may not be.
                text = path.encode("utf-8", "backslashreplace").decode()
                self._files[SeenFile(self._base_url, gid, text, size)] = None

    def started(self, requests: Sequence[str], since: int) -> dict[str, list[str]]:
        """Return the gids of jobs that were started here by requests, the latest first.

        By the hash of the request; jobs that were completed before a time are left out.
        """
        jobs: dict[str, list[str]] = {}
        if self._path is not None:
            with _reported(str(self._path)):
                rows = LedgerFile(self._path).started(requests, self._base_url, since)
                for request, gid in rows:
                    jobs.setdefault(request, []).append(gid)
        return jobs

    def write(self) -> None:
        """Write everything noted so far."""
        if not self._writing.acquire(timeout=LOCK_TIMEOUT):
            return  # another thread is writing; the end of the call writes again
        try:
            self._write()
        finally:
            self._writing.release()

    def _write(self) -> None:
        with self._lock:
            jobs, files = self._jobs.copy(), self._files.copy()
        if self._path is None or not (jobs or files):
            return
        with _reported(str(self._path)):
            LedgerFile(self._path).write(
                [_sighting(gid, seen, self._base_url) for (gid, _), seen in jobs.items()], files
            )
            with self._lock:
                self._jobs = {key: s for key, s in self._jobs.items() if s is not jobs.get(key)}
                self._files = {file: None for file in self._files if file not in files}


def record_file(client: Client, gid: str, path: str, size: int | None) -> None:
    """Record the file of a job."""
    recorder = Recorder(client)
    recorder.add_file(gid, path, size)
    recorder.write()


def warn_of_ledger_failures(frame: pd.DataFrame | None = None) -> None:
    """Warn once of each reason why the ledger was not written; as an error it carries the frame."""
    for failure in list(_failures.items()):
        if failure not in _warned:
            _warned.add(failure)
            place = f"The job ledger {failure[0]}".rstrip()
            warn_user(
                f"{place} was not written: {failure[1]} Jobs are read and started as usual, but "
                f"recent_jobs() will not list them. To turn the ledger off, set {SETTING}=0.",
                AsanaLedgerWarning,
                frame=frame,
            )


_failures: dict[str, str] = {}
"""Why the last write failed, by path of the ledger."""
_warned: set[tuple[str, str]] = set()


def forget_failures() -> None:
    """Forget all failures, and which of them were warned of."""
    _failures.clear()
    _warned.clear()


@contextlib.contextmanager
def _reported(place: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # noqa: BLE001  nothing else may suffer from the ledger
        _failures[place] = _reason(error)
    else:
        _failures.pop(place, None)


def _reason(error: Exception) -> str:
    reason = _text(str(error)) or type(error).__name__
    return reason if reason.endswith(".") else f"{reason}."


def _sighting(gid: str, seen: _Seen, base_url: str) -> Sighting:
    """Return what the ledger keeps of a record: a few short texts and times, no URL of a file."""
    record, (source, request) = seen.record, seen.start or (None, None)
    created = [
        value for key, value in record.items() if key.startswith("new_") and isinstance(value, dict)
    ]
    label = next((name for each in created if (name := _text(each.get("name")))), None)
    times = {
        key: next((time for each in created if (time := _instant(each.get(f"{key}_at")))), None)
        for key in ("created", "completed")
    }
    subtype, status = _text(record.get("resource_subtype")), _text(record.get("status"))
    return Sighting(
        gid,
        seen.at,
        base_url,
        subtype,
        status,
        source,
        label,
        request,
        times["created"] or seen.started_at,
        times["completed"],
    )


def _instant(value: object) -> int | None:
    """Return a time of Asana's in microseconds since 1970, None when it is none."""
    with contextlib.suppress(ValueError, TypeError, OverflowError, OSError):
        return round(datetime.fromisoformat(value).timestamp() * 1e6)  # type: ignore[arg-type]
    return None


def _text(value: object) -> str | None:
    if not isinstance(value, str):
        return None
    return value.encode("utf-8", "replace").decode()[:_LABEL_LIMIT]


def from_ledger(
    client: Client | None, call: Callable[[LedgerFile], T], without: Callable[[], T]
) -> T:
    """Return what a call on the ledger returns, or `without` one; any error is a LedgerError."""
    place = ledger_path(client)
    if place is None:
        return without()
    try:
        return call(LedgerFile(place))
    except Exception as error:  # noqa: BLE001  whatever a damaged file leads to
        reason = _reason(error)
    raise LedgerError(
        f"The job ledger {place} cannot be used: {reason} If it is damaged, move it away; a new "
        "one will be started, without the jobs of the old one."
    )


def _frame(rows: Sequence[tuple[Any, ...]]) -> pd.DataFrame:
    columns = list(zip(*rows, strict=True)) or [()] * (len(_TEXTS) + len(_TIMES) + 1)
    data: dict[str, Any] = {
        name: text_column(column) for name, column in zip(_TEXTS, columns, strict=False)
    }
    data["resource_type"] = text_column(["job"] * len(rows))
    for number, name in enumerate(_TIMES, len(_TEXTS)):
        times = np.array(columns[number], "int64").view("M8[us]")
        data[name] = pd.DatetimeIndex(times, tz="UTC")
    lists = [paths.split("\0") if paths else [] for paths in columns[-1]]
    data["file.paths"] = pd.arrays.ArrowExtensionArray(pa.array(lists, pa.list_(pa.string())))
    return pd.DataFrame(data)[["gid", "resource_type", *_TEXTS[1:], *_TIMES, "file.paths"]]


def _days(days: object) -> float:
    if not is_seconds(days) or not days < 10**6:  # type: ignore[operator]
        raise InvalidOptionError(f"days={days!r}: give a number of days, or None for all.")
    return float(days)  # type: ignore[arg-type]


def _statuses(status: str | Sequence[str]) -> list[str]:
    names = [status] if isinstance(status, str) else status
    names = list(names) if isinstance(names, Iterable) else []
    if not names or not all(isinstance(name, str) for name in names):
        raise InvalidOptionError(f"status={status!r}: give a status, several, or None for any.")
    return names


def _microseconds(before: datetime | str) -> int:
    if isinstance(before, str | date | np.datetime64):  # a number would count nanoseconds
        with contextlib.suppress(ValueError, TypeError):  # NaT too
            moment = pd.Timestamp(before)
            moment = moment.tz_localize("UTC") if moment.tzinfo is None else moment
            return int(moment.timestamp() * 10**6)
    raise InvalidOptionError(f"before={before!r} is not a time; give one such as '2026-05-21'.")


def _now() -> int:
    return time.time_ns() // 1000
