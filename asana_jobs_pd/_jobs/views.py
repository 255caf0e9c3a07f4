"""A frame of jobs as a table for a terminal: short, and safe to print."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable

import numpy as np
import pandas as pd
from pandas.api.types import is_object_dtype

from asana_jobs_pd._http.redaction import SUSPECT, clean, hide_query, may_hold_secret, redact
from asana_jobs_pd._jobs.as_jobs import as_jobs
from asana_jobs_pd._jobs.schema import COLUMNS, STATUSES, dtype_of, is_part
from asana_jobs_pd._jobs.states import has_object, kinds_of

__all__ = [
    "change_texts",
    "changes",
    "each_column",
    "masked",
    "render",
    "results",
    "summary",
    "unique_jobs",
]


def each_column(frame: pd.DataFrame, change: Callable[[pd.Series], pd.Series]) -> pd.DataFrame:
    """Return a copy with each column changed; their names may be anything, and repeat."""
    columns = [change(column) for _, column in frame.items()]
    return pd.concat(columns, axis=1) if columns else frame.copy()


def change_texts(column: pd.Series, pattern: str, change: Callable[[str], str]) -> pd.Series:
    """Return a column in which `change` was applied to the texts that match.

    Parameters
    ----------
    column
        Anything; what is no text stays as it is. The same column comes back when none matches.
    pattern
        A regular expression without groups and without look-around: it is found anywhere.
    change
        Gets a text that matches, and returns another.
    """
    dtype = column.dtype
    if not (isinstance(dtype, pd.StringDtype | pd.CategoricalDtype) or is_object_dtype(dtype)):
        return column
    found = _matches(column, pattern)
    if not found.any():
        return column
    values = column.to_numpy(object).copy()
    values[found] = [change(text) for text in values[found]]
    kept = object if isinstance(dtype, pd.CategoricalDtype) else dtype
    return pd.Series(values, column.index, kept, name=column.name)


def _matches(column: pd.Series, pattern: str) -> np.ndarray:
    if isinstance(column.dtype, pd.StringDtype):
        there = column.str.contains(pattern, regex=True)
        return np.asarray(there.fillna(False).to_numpy(bool))
    wanted = re.compile(pattern)
    texts = (isinstance(value, str) and wanted.search(value) is not None for value in column)
    return np.fromiter(texts, bool, len(column))


_TEXT = dtype_of("text")
_TIME = dtype_of("time")
_LEAVES = {"gid": _TEXT, "name": _TEXT, "created_at": _TIME, "completed_at": _TIME}
_CHANGE = ("gid", "column", "before", "after")
_IGNORED = {"fetched_at"}


def summary(jobs: pd.DataFrame) -> pd.DataFrame:
    """Return how many jobs there are of each kind in each state.

    Returns
    -------
    pandas.DataFrame
        One row a ``resource_subtype`` in alphabetical order, then ``total``; one column a status
        in the order of a job's life, others by name, ``unknown`` for jobs without one (they
        could not be read), ``total``. Counts are ``int64``; a repeated gid counts once.
    """
    rows = unique_jobs(jobs)
    missing = pd.Series(pd.NA, index=rows.index, dtype=_TEXT)
    kinds = rows.get("resource_subtype", missing).fillna("unknown")
    states = rows.get("status", missing).fillna("unknown")
    counts = pd.crosstab(kinds.to_numpy(), states.to_numpy())
    others = [state for state in counts.columns if state not in STATUSES]
    counts = counts.reindex(columns=[*STATUSES, *others], fill_value=0).astype("int64")
    counts["total"] = counts.sum(axis=1)
    counts.loc["total"] = counts.sum()
    counts.index = pd.Index(counts.index, dtype=_TEXT, name="resource_subtype")
    counts.columns = pd.Index(counts.columns, dtype=_TEXT, name="status")
    return counts


def results(jobs: pd.DataFrame) -> pd.DataFrame:
    """Return what the jobs created: one row an object, whichever ``new_*`` it is.

    Returns
    -------
    pandas.DataFrame
        ``gid`` (of the job), ``kind`` (``task``, ``graph_export``, …), ``new.gid``, ``new.name``,
        ``new.created_at``, ``new.completed_at``, in the order of the jobs; repeated gids give
        one row. What the frame has no column for is missing. Until a job has succeeded,
        its object may be inconsistent.
    """
    rows = unique_jobs(jobs)
    parts = [_created(rows[has_object(rows, kind)], kind) for kind in kinds_of(rows)]
    found = pd.concat([_created(rows[:0], ""), *parts])
    return found.sort_index(kind="stable").reset_index(drop=True)


def _created(rows: pd.DataFrame, kind: str) -> pd.DataFrame:
    data = {"gid": rows["gid"], "kind": pd.Series(kind, rows.index, _TEXT)}
    for leaf, dtype in _LEAVES.items():
        missing = pd.Series(pd.NA, rows.index, dtype)
        data[f"new.{leaf}"] = rows.get(f"new_{kind}.{leaf}", missing).astype(dtype)
    return pd.DataFrame(data)


def changes(jobs: pd.DataFrame, previous: pd.DataFrame) -> pd.DataFrame:
    """Return what is different from an earlier frame of the same jobs.

    Parameters
    ----------
    jobs, previous
        Frames of jobs. Rows meet by gid; jobs that only one of them has are left out.

    Returns
    -------
    pandas.DataFrame
        One row a changed value: ``gid``, ``column``, ``before``, ``after``, all ``string``, times
        in ISO 8601. ``fetched_at`` is not compared, and of a signed URL only what comes before
        its signature.
    """
    new, old = (unique_jobs(frame).set_index("gid") for frame in (jobs, previous))
    new = new[new.index.isin(old.index)]
    old = old.reindex(new.index)
    ours = [name for name in new.columns if name in COLUMNS or is_part(name)]
    names = [name for name in ours if name not in _IGNORED]
    parts = [_changed(new[name], old.get(name), name) for name in names]
    nothing = pd.DataFrame({name: pd.Series([], dtype=_TEXT) for name in _CHANGE})
    found = pd.concat([nothing, *parts])
    return found.sort_index(kind="stable").reset_index(drop=True)


def _changed(new: pd.Series, old: pd.Series | None, name: str) -> pd.DataFrame:
    missing = pd.Series(pd.NA, new.index, _TEXT)
    after = _as_text(new)
    before = missing if old is None else _as_text(old)
    moved = (before != after).fillna(before.isna() != after.isna()).to_numpy(bool)
    columns = (new.index.to_series(), pd.Series(name, new.index, _TEXT), before, after)
    data = {label: part.array[moved] for label, part in zip(_CHANGE, columns, strict=True)}
    return pd.DataFrame(data, index=moved.nonzero()[0]).astype(_TEXT)


def _as_text(column: pd.Series) -> pd.Series:
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        column = column.dt.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    text: pd.Series = column.astype(_TEXT)
    if str(column.name).endswith("download_url"):
        text = text.map(hide_query, na_action="ignore").astype(_TEXT)
    return text


def unique_jobs(jobs: pd.DataFrame, *, without_gid: bool = False) -> pd.DataFrame:
    """Return the jobs in their dtypes, each gid once, with ``gid`` as a column.

    Rows without a gid are left out unless they are wanted: all of them are kept then.
    """
    frame = as_jobs(jobs).reset_index(drop=True)
    missing, repeated = frame["gid"].isna(), frame["gid"].duplicated()
    return frame[missing | ~repeated] if without_gid else frame[~(missing | repeated)]


WIDEST, NARROWEST = 60, 16
WHOLE = ("gid", "job", "parent", "source")
_ELLIPSIS = "…"


def masked(jobs: pd.DataFrame) -> pd.DataFrame:
    """Return a copy in which signed URLs have lost what makes them a credential.

    Those in ``download_url`` columns lose their query. Other texts, which Asana or a person may
    have put one into, are left as they are unless there is a signature or a token in them.
    """
    return each_column(jobs, _masked)


def _masked(column: pd.Series) -> pd.Series:
    if str(column.name).endswith("download_url"):
        return change_texts(column, "[?#@]", hide_query)
    return change_texts(column, SUSPECT, _hide)


def _hide(text: str) -> str:
    return redact(text) if may_hold_secret(text) else text


def render(table: pd.DataFrame, *, index: bool = False, width: int | None = None) -> str:
    """Return a frame as lines of text, without control characters, fitted to the terminal.

    Columns of gids are never cut: half a gid is none.
    """
    frame = table.reset_index() if index else table
    columns = [[str(name), *map(_cell, frame[name])] for name in frame.columns]
    right = [pd.api.types.is_numeric_dtype(frame[name].dtype) for name in frame.columns]
    widths = [max(map(len, column)) for column in columns]
    room = (width or shutil.get_terminal_size((120, 24)).columns) - 2 * len(widths)
    flexible = [place for place, name in enumerate(frame.columns) if name not in WHOLE]
    while sum(widths) > room and flexible:
        widest = max(flexible, key=widths.__getitem__)
        if widths[widest] <= NARROWEST:
            break
        widths[widest] -= 1
    lines = []
    for cells in zip(*columns, strict=True):
        fitted = [
            _fit(cell, size, right=is_right)
            for cell, size, is_right in zip(cells, widths, right, strict=True)
        ]
        lines.append("  ".join(fitted).rstrip())
    return "\n".join(lines)


def _cell(value: object) -> str:
    if pd.isna(value):  # type: ignore[call-overload]
        return "–"  # noqa: RUF001  a dash, as tables have
    if isinstance(value, pd.Timestamp):
        return value.strftime("%Y-%m-%d %H:%M:%S")
    return clean(str(value), limit=WIDEST)


def _fit(cell: str, size: int, *, right: bool) -> str:
    if len(cell) > size:
        cell = cell[: size - 1] + _ELLIPSIS
    return cell.rjust(size) if right else cell.ljust(size)
