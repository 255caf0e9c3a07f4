"""Views of a jobs frame: summary, results, changes, and tables that are safe to show."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_object_dtype

from asana_jobs_pd._http.redaction import SUSPECT, clean, hide_query, may_hold_secret, redact
from asana_jobs_pd._jobs.as_jobs import as_jobs, as_times
from asana_jobs_pd._jobs.schema import COLUMNS, STATUSES, dtype_of, is_part
from asana_jobs_pd._jobs.states import has_object, kinds_of


def each_column(frame: pd.DataFrame, change: Callable[[pd.Series], pd.Series]) -> pd.DataFrame:
    """Return a copy with each column changed; column names may be of any type, and may repeat."""
    columns = [change(column) for _, column in frame.items()]
    return pd.concat(columns, axis=1) if columns else frame.copy()


def change_texts(column: pd.Series, pattern: str, change: Callable[[str], str]) -> pd.Series:
    """Return a column with `change` applied to all texts that contain the pattern.

    The pattern must not have groups or look-arounds. Without a match, the column is returned as is.
    """
    dtype: Any = column.dtype
    is_text = dtype.type is str  # Arrow's, too
    if not (is_text or dtype.type is pd.CategoricalDtype.type or is_object_dtype(dtype)):
        return column
    matches = _matches(column, pattern, is_text=is_text)
    if not matches.any():
        return column
    values = column.to_numpy(object).copy()
    values[matches] = [change(text) for text in values[matches]]
    return pd.Series(values, column.index, dtype if is_text else object, name=column.name)


def _matches(column: pd.Series, pattern: str, *, is_text: bool) -> np.ndarray:
    if is_text:
        contained = column.str.contains(pattern, regex=True)
        return np.asarray(contained.fillna(False).to_numpy(bool))
    compiled = re.compile(pattern)
    matches = (isinstance(value, str) and compiled.search(value) is not None for value in column)
    return np.fromiter(matches, bool, len(column))


_TEXT, _TIME = dtype_of("text"), dtype_of("time")
_LEAVES = {"gid": _TEXT, "name": _TEXT, "created_at": _TIME, "completed_at": _TIME}
_CHANGE = ("gid", "column", "before", "after")
_IGNORED = {"fetched_at"}


def summary(jobs: pd.DataFrame) -> pd.DataFrame:
    """Count the jobs by ``resource_subtype`` and status; see `AsanaAccessor.summary`."""
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
    """Return one row per object that the jobs created; see `AsanaAccessor.results`."""
    rows = unique_jobs(jobs)
    parts = [_created(rows[has_object(rows, kind)], kind) for kind in kinds_of(rows)]
    objects = pd.concat([_created(rows[:0], ""), *parts])
    return objects.sort_index(kind="stable").reset_index(drop=True)


def _created(rows: pd.DataFrame, kind: str) -> pd.DataFrame:
    data = {"gid": rows["gid"], "kind": pd.Series(kind, rows.index, _TEXT)}
    for leaf, dtype in _LEAVES.items():
        name = f"new_{kind}.{leaf}"
        values = rows.get(name, pd.Series(pd.NA, rows.index, dtype))
        data[f"new.{leaf}"] = as_times(values, name) if dtype == _TIME else values.astype(dtype)
    return pd.DataFrame(data)


def changes(jobs: pd.DataFrame, previous: pd.DataFrame) -> pd.DataFrame:
    """Return what has changed since an earlier frame; see `AsanaAccessor.changes`."""
    new, old = (unique_jobs(frame).set_index("gid") for frame in (jobs, previous))
    new = new[new.index.isin(old.index)]
    old = old.reindex(new.index)
    ours = [name for name in new.columns if name in COLUMNS or is_part(name)]
    names = [name for name in ours if name not in _IGNORED]
    parts = [_changed(new[name], old.get(name), name) for name in names]
    nothing = pd.DataFrame({name: pd.Series([], dtype=_TEXT) for name in _CHANGE})
    changed = pd.concat([nothing, *parts])
    return changed.sort_index(kind="stable").reset_index(drop=True)


def _changed(new: pd.Series, old: pd.Series | None, name: str) -> pd.DataFrame:
    """Return the changes in one column by row; only values that differ become text."""
    if old is None:
        old = pd.Series(pd.NA, new.index, new.dtype)
    elif old.dtype != new.dtype:
        new, old = new.astype(_TEXT), old.astype(_TEXT)
    differs = (new != old).fillna(True).to_numpy(bool) & ~(new.isna() & old.isna()).to_numpy(bool)
    rows = differs.nonzero()[0]
    before, after = _as_text(old.iloc[rows]), _as_text(new.iloc[rows])
    if name.endswith("download_url"):  # it is signed again each time
        differs = (before != after).fillna(True).to_numpy(bool)
        rows, before, after = rows[differs], before[differs], after[differs]
    columns = (after.index, name, before.array, after.array)
    return pd.DataFrame(dict(zip(_CHANGE, columns, strict=True)), index=rows).astype(_TEXT)


def _as_text(column: pd.Series) -> pd.Series:
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        texts = np.datetime_as_string(column.dt.tz_convert(None).to_numpy(), unit="us")
        zoned = pd.Series(np.char.add(texts, "Z"), column.index, _TEXT, name=column.name)
        return zoned.mask(column.isna())
    text: pd.Series = column.astype(_TEXT)
    if str(column.name).endswith("download_url"):
        text = text.map(hide_query, na_action="ignore").astype(_TEXT)
    return text


def unique_jobs(jobs: pd.DataFrame, *, without_gid: bool = False) -> pd.DataFrame:
    """Return the frame from `as_jobs` with each gid once, and on request rows without a gid."""
    frame = as_jobs(jobs).reset_index(drop=True)
    missing, repeated = frame["gid"].isna(), frame["gid"].duplicated()
    return frame[missing | ~repeated] if without_gid else frame[~(missing | repeated)]


MAX_WIDTH, MIN_WIDTH = 60, 16
UNCUT = ("gid", "job", "parent", "source")
_ELLIPSIS = "…"


def masked(jobs: pd.DataFrame) -> pd.DataFrame:
    """Return a copy without tokens, and with ``download_url`` columns without their query."""
    return each_column(jobs, _masked)


def _masked(column: pd.Series) -> pd.Series:
    if str(column.name).endswith("download_url"):
        return change_texts(column, "[?#@]", hide_query)
    return change_texts(column, SUSPECT, _hide)


def _hide(text: str) -> str:
    return redact(text) if may_hold_secret(text) else text


def render(table: pd.DataFrame, *, index: bool = False, width: int | None = None) -> str:
    """Return a frame as lines of text that fit the terminal, without control characters.

    Gid columns are never cut.
    """
    frame = table.reset_index() if index else table
    columns = [[str(name), *map(_cell, frame[name])] for name in frame.columns]
    right = [pd.api.types.is_numeric_dtype(frame[name].dtype) for name in frame.columns]
    widths = [max(map(len, column)) for column in columns]
    room = (width or shutil.get_terminal_size((120, 24)).columns) - 2 * len(widths)
    flexible = [place for place, name in enumerate(frame.columns) if name not in UNCUT]
    while sum(widths) > room and flexible:
        widest = max(flexible, key=widths.__getitem__)
        if widths[widest] <= MIN_WIDTH:
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
    return clean(str(value), limit=MAX_WIDTH)


def _fit(cell: str, size: int, *, right: bool) -> str:
    if len(cell) > size:
        cell = cell[: size - 1] + _ELLIPSIS
    return cell.rjust(size) if right else cell.ljust(size)
