"""`data.to_excel()`: a loaded export as an Excel file, a sheet for each type of row."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pandas as pd
import pyarrow as pa

from asana_jobs_pd._export.answers import ExportAnswers
from asana_jobs_pd._report.excel import (
    Cell,
    SheetColumn,
    check_path,
    check_size,
    sheet_column,
    write_book,
)

_FORBIDDEN = re.compile(r"[\[\]:*?/\\]|^'|'$")
_MAX_NAME = 31


def export_to_excel(export: ExportAnswers, path: str | os.PathLike[str]) -> Path:
    """Write the frames of an export, and its issues, to an Excel file."""
    check_path(path)
    frames = dict(export)
    if len(export.issues):
        frames["issues"] = export.issues
    sheets: dict[str, list[SheetColumn]] = {}
    for name, frame in frames.items():
        check_size(frame, f"data[{name!r}]")
        columns = [_sheet_column(column) for _, column in frame.items()]
        sheets[_sheet_name(name, {"about", *map(str.lower, sheets)})] = columns
    return write_book(path, sheets)


def _sheet_name(name: str, taken: set[str]) -> str:
    """Return a name that Excel takes for a sheet, which no other has in any case of letters."""
    plain = _FORBIDDEN.sub("_", name)[:_MAX_NAME] or "_"
    number = 2
    unique = plain
    while unique.lower() in taken or unique.lower() == "history":
        unique = f"{plain[: _MAX_NAME - 5]} ({number})"
        number += 1
    return unique


def _sheet_column(column: pd.Series) -> SheetColumn:
    """Return a column as a sheet can hold it: lists as text, naive times as the dates they are."""
    dtype = column.dtype
    if isinstance(dtype, pd.ArrowDtype) and pa.types.is_list(dtype.pyarrow_dtype):
        texts = [None if items is None else _text(items) for items in pa.array(column).to_pylist()]
        return sheet_column(pd.Series(texts, name=column.name, dtype="string"))
    found = sheet_column(column)
    if str(dtype).startswith("datetime64") and getattr(dtype, "tz", None) is None:
        cells: list[Cell] = [_date(cell) for cell in found.cells]
        return replace(found, cells=cells)
    return found


def _date(cell: Any) -> Cell:
    return cell.date() if hasattr(cell, "date") else str(cell)[:10] if cell is not None else None


def _text(items: list[Any]) -> str:
    """Return a list as people read it: names; a project with its section."""
    return ", ".join(map(_name, items))


def _name(item: Any) -> str:
    if not isinstance(item, dict):
        return str(item)
    if isinstance(item.get("project"), dict):
        parts = (item.get(key) or {} for key in ("project", "section"))
        return ": ".join(str(part["name"]) for part in parts if part.get("name"))
    known = item.get("name") or item.get("text") or item.get("email") or item.get("gid")
    return str(known) if known else orjson.dumps(item, default=str).decode()
