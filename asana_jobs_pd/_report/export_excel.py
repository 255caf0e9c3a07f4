"""Frames as an Excel file with a sheet for each: loaded exports, answers, comparisons."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pandas as pd
import pyarrow as pa

from asana_jobs_pd._compare.comparison import ExportComparison
from asana_jobs_pd._export.answers import ExportAnswers
from asana_jobs_pd._jobs.views import each_column, masked
from asana_jobs_pd._public import public
from asana_jobs_pd._report.excel import (
    ILLEGAL,
    Cell,
    SheetColumn,
    check_path,
    check_size,
    sheet_column,
    write_book,
)
from asana_jobs_pd.errors import InvalidFrameError

_FORBIDDEN = re.compile(rf"[\[\]:*?/\\\t\n\r]|{ILLEGAL.pattern}")
_APOSTROPHE_AT_AN_END = re.compile("^'|'$")
_MAX_NAME = 31


@public
def frames_to_excel(
    frames: Mapping[str, pd.DataFrame | pd.Series], path: str | os.PathLike[str]
) -> Path:
    """Write any frames to an Excel file, with a sheet for each: answers, tables, a comparison.

    Gids stay text, lists become text (names separated by commas), times become UTC without a
    zone, to the millisecond, and durations become days. No text runs as a formula or becomes a
    link, and signed URLs are masked. The index is written, too, unless it only counts rows. A
    last sheet, ``About``, explains this.

    Parameters
    ----------
    frames
        The frames by the names of their sheets; a series becomes a sheet with one column.
    path
        The file, ``….xlsx``; an existing file is replaced atomically.

    Returns
    -------
    pathlib.Path
        The absolute path of the file.

    Raises
    ------
    MissingExtraError
        If XlsxWriter is not installed.
    InvalidFrameError
        If there is no frame, or one is larger than a sheet: 1,048,575 rows, 16,384 columns.
    InvalidOptionError
        If the suffix is not ``.xlsx``, or `path` is not a local file in an existing folder.
    ExportWriteError
        If the file cannot be written, for example because the disk is full.

    Warns
    -----
    AsanaValueWarning
        If a text is longer than 32,767 characters, the limit of a cell: it is cut.

    See Also
    --------
    AsanaExport.to_excel : All that is loaded.
    asana_jobs_to_excel : A frame of jobs.

    Examples
    --------
    >>> late = data.task.query("completed == False").value_counts("assignee.name", dropna=False)
    >>> aj.frames_to_excel({"Overdue": late, "Gaps": data.gaps()}, "answers.xlsx").name
    'answers.xlsx'
    """
    if not isinstance(frames, Mapping) or not frames:
        raise InvalidFrameError('Give frames by the names of their sheets: {"Cost": frame, …}.')
    for name, frame in frames.items():
        if not isinstance(frame, pd.DataFrame | pd.Series):
            package = type(frame).__module__.partition(".")[0]
            raise InvalidFrameError(
                f"frames[{name!r}] is of type {package}.{type(frame).__name__}; give a DataFrame "
                "or Series of pandas."
            )
    return _write(frames, path, "frames")


def export_to_excel(export: ExportAnswers, path: str | os.PathLike[str]) -> Path:
    """Write the frames of an export, and its issues, to an Excel file."""
    frames = dict(export)
    if export.custom_field_values is not None:
        frames["custom_field_values"] = export.custom_field_values
    if len(export.issues):
        frames["issues"] = export.issues
    return _write(frames, path, "data")


def comparison_to_excel(comparison: ExportComparison, path: str | os.PathLike[str]) -> Path:
    """Write the changes between two exports to an Excel file, the most readable sheets first."""
    views = ("closed", "reopened", "moved", "rescheduled", "reassigned")
    frames = {view: getattr(comparison, view) for view in views}
    frames["rescheduled"] = _with_dates(frames["rescheduled"])
    frames |= {name: _readable(frame) for name, frame in comparison.items()}
    frames["custom_fields"] = comparison.custom_fields
    filled = {name: frame for name, frame in frames.items() if len(frame)}
    return _write({"summary": comparison.summary(), **filled}, path, "comparison")


def _with_dates(rescheduled: pd.DataFrame) -> pd.DataFrame:
    """Return dates without a zone, unless some of them have a time."""
    if not rescheduled["column"].isin(["due_on", "start_on"]).all():
        return rescheduled
    dates = {name: rescheduled[name].dt.tz_localize(None) for name in ("before", "after")}
    return rescheduled.assign(**dates)


def _readable(changes: pd.DataFrame) -> pd.DataFrame:
    """Return changes without stories, gids that have a name, and what the sheet ``moved`` shows."""
    names = changes["column"].str.replace(r"\.gid$", ".name", regex=True)
    cells = pd.MultiIndex.from_frame(changes[["gid", "column"]])
    is_named = (names != changes["column"]).fillna(False).to_numpy(bool)
    is_named &= pd.MultiIndex.from_arrays([changes["gid"], names]).isin(cells)
    is_elsewhere = changes["column"].isin(["memberships", "projects", "stories"]).to_numpy(bool)
    kept = changes[~is_named & ~is_elsewhere].reset_index(drop=True)
    return kept.assign(**{name: kept[name].map(_list_text) for name in ("before", "after")})


def _list_text(cell: Any) -> Any:
    """Return readable text for a list of objects, which comparisons write as JSON."""
    if isinstance(cell, str) and cell.startswith(("[{", "[]")):
        with contextlib.suppress(orjson.JSONDecodeError):
            return _text(orjson.loads(cell))
    return cell


def _write(
    frames: Mapping[str, pd.DataFrame | pd.Series], path: str | os.PathLike[str], owner: str
) -> Path:
    check_path(path)
    sheets: dict[str, list[SheetColumn]] = {}
    for name, frame in frames.items():
        flat = _flat(frame)
        check_size(flat, f"{owner}[{name!r}]")
        plain = masked(each_column(flat, _with_texts_for_lists))
        columns = [_sheet_column(column) for _, column in plain.items()]
        sheets[_sheet_name(str(name), {"about", *map(str.lower, sheets)})] = columns
    return write_book(path, sheets)


def _flat(frame: pd.DataFrame | pd.Series) -> pd.DataFrame:
    """Return a frame with its index as columns, unless the index only counts rows."""
    if isinstance(frame, pd.Series):
        frame = frame.to_frame("value" if frame.name is None else frame.name)
    frame = frame.set_axis(
        pd.Index([_header(name) for name in frame.columns], dtype=object), axis=1
    )
    if isinstance(frame.index, pd.RangeIndex) and frame.index.name is None:
        return frame
    return frame.set_flags(allows_duplicate_labels=True).reset_index(allow_duplicates=True)


def _header(name: object) -> str:
    return ", ".join(map(str, name)) if isinstance(name, tuple) else str(name)


def _sheet_name(name: str, taken: set[str]) -> str:
    """Return a name that Excel accepts for a sheet, and that differs from others ignoring case."""
    plain = _APOSTROPHE_AT_AN_END.sub("_", _cut(_FORBIDDEN.sub("_", name), _MAX_NAME)) or "_"
    number = 2
    unique = plain
    while unique.lower() in taken or unique.lower() == "history":
        unique = f"{_cut(plain, _MAX_NAME - 5)} ({number})"
        number += 1
    return unique


def _cut(name: str, length: int) -> str:
    """Return the first characters of a name, as Excel counts them."""
    return name.encode("utf-16-le")[: 2 * length].decode("utf-16-le", "ignore")


def _with_texts_for_lists(column: pd.Series) -> pd.Series:
    """Return a column of lists as text, any other as it is."""
    dtype = column.dtype
    if not (isinstance(dtype, pd.ArrowDtype) and pa.types.is_list(dtype.pyarrow_dtype)):
        return column
    texts = [None if items is None else _text(items) for items in pa.array(column).to_pylist()]
    return pd.Series(texts, column.index, "string", name=column.name)


def _sheet_column(column: pd.Series) -> SheetColumn:
    """Return a column as a sheet can hold it, naive times as the dates they are."""
    if getattr(column.dtype, "kind", "") == "m":
        days = column.dt.total_seconds() / 86_400
        return sheet_column(days.rename(f"{column.name} (days)"))
    result = sheet_column(column)
    return replace(result, cells=[*map(_date, result.cells)]) if _has_dates(column) else result


def _has_dates(column: pd.Series) -> bool:
    if not str(column.dtype).startswith("datetime64") or getattr(column.dtype, "tz", None):
        return False
    return bool((column.dropna() == column.dropna().dt.normalize()).all())


def _date(cell: Any) -> Cell:
    return cell.date() if hasattr(cell, "date") else str(cell)[:10] if cell is not None else None


def _text(items: list[Any]) -> str:
    """Return a list as readable text: names; a project with its section."""
    return ", ".join(map(_name, items))


def _name(item: Any) -> str:
    if not isinstance(item, dict):
        return str(item)
    if isinstance(item.get("project"), dict):
        parts = (item.get(key) or {} for key in ("project", "section"))
        return ": ".join(str(part["name"]) for part in parts if part.get("name"))
    known = item.get("name") or item.get("text") or item.get("email") or item.get("gid")
    return str(known) if known else orjson.dumps(item, default=str).decode()
