"""`asana_jobs_pd.ledger`: the jobs that this machine has seen; Asana itself cannot list jobs."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

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
Start: TypeAlias = tuple[str, str]
"""How this machine started a job: the gid of its parent, and a hash of the request."""
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
    """Return the jobs that were read or started on this machine, latest first.

    Asana can neither list jobs nor find a lost gid, so every job that `read_asana_jobs`,
    `JobsMonitor` or a function that starts jobs sees is recorded in a small file in the user's
    data folder, without tokens or download URLs. Makes no request.

    Parameters
    ----------
    days
        Only jobs last seen within this many days; None for all.
    status
        One status or several, as last seen; None for any.
    client
        Only jobs of this client's Asana server (its ``base_url``). None takes the client of the
        last `connect` or read; if there is none, the jobs of all servers.

    Returns
    -------
    pandas.DataFrame
        One row per job, ready for ``df.asana``: ``gid``, ``resource_type``, ``resource_subtype``,
        ``status``, ``source.gid`` (the parent that it was started from) and ``label`` are
        ``string``; ``seen.first`` and ``seen.last`` are ``datetime64[us, UTC]``; ``file.paths``
        has lists of the downloaded files.

    Raises
    ------
    LedgerError
        If the file cannot be read.
    InvalidOptionError
        If `days` is not a number of days, or `status` is not a status.

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
    with ledger_of(client) as file:
        return _frame(file.recent(since, statuses, known_base_url(client)))


def forget(gids: Gids | None = None, *, before: datetime | str | None = None) -> int:
    """Remove jobs from the ledger.

    Parameters
    ----------
    gids
        The jobs to remove, in any form that `read_asana_jobs` takes.
    before
        Instead of `gids`: remove jobs last seen before this time. Without either, all are removed.

    Returns
    -------
    int
        How many jobs were removed.

    Raises
    ------
    LedgerError
        If the file cannot be written.
    InvalidOptionError
        If both are given.

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
    with ledger_of(None) as file:
        return file.forget(wanted, until)


def path() -> Path | None:
    """Return the path of the ledger.

    Returns
    -------
    pathlib.Path or None
        The path; None if ``ASANA_JOBS_LEDGER=0`` turns the ledger off.

    Raises
    ------
    LedgerError
        If there is no folder for it, as in a container without a home folder.

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
    """Return the path of the ledger; None if there is none, as by default for a sandbox."""
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


class Recorder:
    """Collects the jobs that a call sees, and writes them to the ledger in one transaction.

    Thread-safe. Never raises: `warn_of_ledger_failures` reports failures. Jobs that could not be
    written are part of the next `write`.
    """

    def __init__(self, client: Client) -> None:
        self._base_url = client.base_url
        self._path = _place_for(client)
        self._lock, self._writing = threading.Lock(), threading.Lock()
        self._jobs: dict[tuple[str, bool, Start | None], tuple[Mapping[str, Any], int]] = {}

    def add(self, gid: str, record: Mapping[str, Any], at: int, start: Start | None = None) -> None:
        """Record that a job was seen at a time (microseconds since 1970).

        `start` says that it has just been started.
        """
        if self._path is not None:
            # The last time it was unfinished is kept, too, to know how long the job took.
            finished = record.get("status") in FINAL_STATUSES
            with self._lock:
                self._jobs[gid, finished, start] = record, at

    def write(self) -> None:
        """Write everything recorded so far."""
        if self._path is None or not self._writing.acquire(timeout=LOCK_TIMEOUT):
            return  # another thread is writing; the end of the call writes again
        try:
            with self._lock:
                seen = self._jobs.copy()
            if not seen:
                return
            with _reported(str(self._path)):
                LedgerFile(self._path).write(
                    _sighting(gid, *record_at, self._base_url, start)
                    for (gid, _, start), record_at in seen.items()
                )
                with self._lock:
                    for key in [key for key in seen if self._jobs[key] is seen[key]]:
                        del self._jobs[key]
        finally:
            self._writing.release()


def record_file(client: Client, gid: str, path: str, size: int | None) -> None:
    """Record the file of a job and its size; never raises, like a `Recorder`."""
    if place := _place_for(client):
        with _reported(str(place)):
            LedgerFile(place).write([], [SeenFile(client.base_url, gid, path, size)])


def started_jobs(
    client: Client, requests: Sequence[str], since: int
) -> dict[str, list[str]] | None:
    """Return the gids of jobs that this machine started with the same requests, latest first.

    They are by the hash of the request, without jobs that were completed before a time. Returns
    None if there is no ledger; never raises, like a `Recorder`.
    """
    if (place := _place_for(client)) is None:
        return None
    jobs: dict[str, list[str]] = {}
    with _reported(str(place)):
        for request, gid in LedgerFile(place).started(requests, client.base_url, since):
            jobs.setdefault(request, []).append(gid)
    return jobs


def _place_for(client: Client) -> Path | None:
    with _reported(""):
        return ledger_path(client)
    return None


def warn_of_ledger_failures(frame: pd.DataFrame | None = None) -> None:
    """Warn once about each reason why the ledger was not written, with the frame."""
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
    """Forget all failures, and which warnings were issued."""
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


def _sighting(
    gid: str, record: Mapping[str, Any], at: int, base_url: str, start: Start | None
) -> Sighting:
    """Return what the ledger stores of a record: a few short texts and times, no file URLs."""
    created = [
        value for key, value in record.items() if key.startswith("new_") and isinstance(value, dict)
    ]

    def first(key: str, read: Callable[[object], T | None]) -> T | None:
        values = (read(each.get(key)) for each in created)
        return next((value for value in values if value), None)

    source, request = start or (None, None)
    return Sighting(
        gid,
        at,
        base_url,
        _text(record.get("resource_subtype")),
        _text(record.get("status")),
        source,
        first("name", _text),
        request,
        first("created_at", _instant) or (at if start else None),
        first("completed_at", _instant),
    )


def _instant(value: object) -> int | None:
    """Return a time from Asana in microseconds since 1970; None if it is not one."""
    with contextlib.suppress(ValueError, TypeError, OverflowError, OSError):
        return round(datetime.fromisoformat(value).timestamp() * 1e6)  # type: ignore[arg-type]
    return None


def _text(value: object) -> str | None:
    if not isinstance(value, str):
        return None
    return value.encode("utf-8", "replace").decode()[:_LABEL_LIMIT]


@contextlib.contextmanager
def ledger_of(client: Client | None) -> Iterator[LedgerFile]:
    """Yield the ledger, or an empty one if there is none; any error becomes a LedgerError."""
    path = ledger_path(client)
    try:
        yield LedgerFile(path)
    except Exception as error:  # noqa: BLE001  whatever a damaged file leads to
        reason = _reason(error)
    else:
        return
    raise LedgerError(
        f"The job ledger {path} cannot be used: {reason} If it is damaged, move it away; a new "
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
    if isinstance(before, str | date | np.datetime64):  # pandas would read a number as nanoseconds
        with contextlib.suppress(ValueError, TypeError):  # NaT too
            moment = pd.Timestamp(before)
            moment = moment.tz_localize("UTC") if moment.tzinfo is None else moment
            return int(moment.timestamp() * 10**6)
    raise InvalidOptionError(f"before={before!r} is not a time; give one such as '2026-05-21'.")


def _now() -> int:
    return time.time_ns() // 1000
