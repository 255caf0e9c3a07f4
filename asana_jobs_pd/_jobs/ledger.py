"""The jobs that this machine has seen: Asana itself can list none."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd
import pyarrow as pa

from asana_jobs_pd._http.account import account_of
from asana_jobs_pd._http.client import Client, connected_client
from asana_jobs_pd._jobs.gids import parse_gids
from asana_jobs_pd._jobs.ledger_file import LedgerFile
from asana_jobs_pd._jobs.ledger_writer import flush, ledger_path
from asana_jobs_pd._public import public
from asana_jobs_pd.errors import InvalidOptionError, LedgerError
from asana_jobs_pd.typing import Gids

__all__ = ["forget", "path", "recent_jobs"]

T = TypeVar("T")
DAY = 86_400 * 10**6
ANSWER = 10.0
"""Seconds to wait for Asana to say whose token it is."""
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

    Asana can neither list jobs nor tell a gid again that was lost, so each gid that
    `read_asana_jobs`, `JobsMonitor` or a start verb sees is taken down in a small file in the
    user's data folder, without tokens and URLs. Sends nothing but, once for a token, one
    ``GET /users/me``, and only when there is a client.

    Parameters
    ----------
    days
        Those last seen in so many days; None for all.
    status
        One status or several, as they were last seen; None for any.
    client
        Whose jobs: those of its token's user, and those of which it is not known whose they
        are. None takes the client of the last `connect` or read; without one, everybody's.

    Returns
    -------
    pandas.DataFrame
        One row a job, ready for ``df.asana``: ``gid``, ``resource_type``, ``resource_subtype``,
        ``status``, ``source.gid`` (what it was started from) and ``label`` are ``string``;
        ``seen.first`` and ``seen.last`` are ``datetime64[us, UTC]``; ``file.paths`` holds lists
        of the files that were downloaded.

    Raises
    ------
    LedgerError
        When the file cannot be read.
    InvalidOptionError
        For what is no number of days, or no status.

    Examples
    --------
    >>> import asana_jobs_pd as aj
    >>> aj.recent_jobs(7).asana.refresh()  # doctest: +SKIP
    """
    since = 0 if days is None else _now() - round(_days(days) * DAY)
    statuses = None if status is None else _statuses(status)
    who = client or connected_client()
    where = ledger_path(client)
    if where is None:
        return _frame([])
    flush()
    account = account_of(who, timeout=ANSWER) if who is not None else None
    return _frame(_or_error(where, lambda file: file.recent(since, statuses, account or None)))


def forget(gids: Gids | None = None, *, before: datetime | str | None = None) -> int:
    """Remove jobs from the ledger, and return how many they were.

    Parameters
    ----------
    gids
        Which; in any form that `read_asana_jobs` takes.
    before
        Instead of gids: those last seen before a time. Without both, all are removed.

    Raises
    ------
    LedgerError
        When the file cannot be written.
    InvalidOptionError
        When both are given.
    """
    if gids is not None and before is not None:
        raise InvalidOptionError("Give either gids or before, not both.")
    time_ = None if before is None else _microseconds(before)
    wanted = None if gids is None else parse_gids(gids)
    where = ledger_path()
    if where is None:
        return 0
    flush()
    return _or_error(where, lambda file: file.forget(wanted, time_))


def path() -> Path | None:
    """Return where the ledger is; None when ``ASANA_JOBS_LEDGER=0`` turns it off."""
    return ledger_path()


def _or_error(where: Path, call: Callable[[LedgerFile], T]) -> T:
    try:
        return call(LedgerFile(where))
    except (sqlite3.Error, OSError) as error:
        reason = str(error) or type(error).__name__
    raise LedgerError(
        f"The ledger {where} cannot be used: {reason}. Move it away, and a new one is begun; what "
        "it knew is lost then."
    )


def _frame(rows: Sequence[tuple[Any, ...]]) -> pd.DataFrame:
    def column(place: int, type_: pa.DataType) -> pa.Array:
        return pa.array([row[place] for row in rows], type_)

    def texts(array: pa.Array) -> pd.api.extensions.ExtensionArray:
        return pd.arrays.ArrowStringArray(array)

    data: dict[str, Any] = {
        name: texts(column(place, pa.large_string())) for place, name in enumerate(_TEXTS)
    }
    data["resource_type"] = texts(pa.array(["job"] * len(rows), pa.large_string()))
    for place, name in enumerate(_TIMES, len(_TEXTS)):
        times = column(place, pa.int64()).to_numpy().view("M8[us]")
        data[name] = pd.DatetimeIndex(times, tz="UTC")
    lists = [row[-1].split("\0") if row[-1] else [] for row in rows]
    data["file.paths"] = pd.arrays.ArrowExtensionArray(pa.array(lists, pa.list_(pa.string())))
    return pd.DataFrame(data)[["gid", "resource_type", *_TEXTS[1:], *_TIMES, "file.paths"]]


def _days(days: object) -> float:
    number = isinstance(days, int | float) and not isinstance(days, bool)
    if not number or not 0 <= days < 10**6:  # type: ignore[operator]
        raise InvalidOptionError(f"days={days!r}: give a number of days, or None for all.")
    return float(days)  # type: ignore[arg-type]


def _statuses(status: str | Sequence[str]) -> list[str]:
    names = [status] if isinstance(status, str) else list(status)
    if not names or not all(isinstance(name, str) for name in names):
        raise InvalidOptionError(f"status={status!r}: give a status, several, or None for any.")
    return names


def _microseconds(time_: datetime | str) -> int:
    try:
        moment = pd.Timestamp(time_)
        moment = moment.tz_localize("UTC") if moment.tzinfo is None else moment
        return int(moment.timestamp() * 10**6)
    except (ValueError, TypeError):  # NaT is none either
        pass
    raise InvalidOptionError(f"before={time_!r} is no time, such as '2026-05-21'.")


def _now() -> int:
    return time.time_ns() // 1000
