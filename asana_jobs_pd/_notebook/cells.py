"""A column's values as cells that a spreadsheet can hold: text, number, time or nothing. Pure."""

from __future__ import annotations

import datetime as dt
import math
import numbers
import re
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd

from asana_jobs_pd._api.redact import redact

__all__ = ["LONGEST_TEXT", "Cell", "Kind", "SheetColumn", "sheet_column"]

LONGEST_TEXT = 32_767
"""Characters that Excel holds in a cell, counted as UTF-16 does."""
MOST_DIGITS = 10**15
"""From here Excel loses digits of a number."""
FIRST_DAY, LAST_DAY = map(dt.datetime.fromisoformat, ("1900-03-01", "9999-12-31"))
"""Before the first, Excel counts days in its own way; it knows none after the last."""

Cell: TypeAlias = str | bool | int | float | dt.datetime | None
Kind: TypeAlias = Literal["text", "number", "time"]

_ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_ODD = re.compile(_ILLEGAL.pattern + "|\r")
_FAR = 0x10000


@dataclass(frozen=True, slots=True)
class SheetColumn:
    """A column of a sheet.

    Parameters
    ----------
    header
        Its name, which says so when its times are in UTC.
    kind
        What most of its cells are.
    cells
        One a row.
    cut
        How many texts were longer than a cell.
    """

    header: str
    kind: Kind
    cells: list[Cell]
    cut: int


def sheet_column(column: pd.Series) -> SheetColumn:
    """Return a column of a frame as a sheet holds it.

    Times lose their zone and are UTC then, to the millisecond; times that Excel cannot hold, and
    whole numbers of which it would lose digits, are texts, and so is any gid. A text that is too
    long is cut, and characters that no sheet may have are replaced.
    """
    name, dtype = str(column.name), column.dtype
    if pd.api.types.is_datetime64_any_dtype(dtype):
        aware = isinstance(dtype, pd.DatetimeTZDtype)
        return SheetColumn(_fit(f"{name} (UTC)" if aware else name)[0], "time", _times(column), 0)
    gid = name == "gid" or name.endswith(".gid")
    number = pd.api.types.is_numeric_dtype(dtype) and not gid
    if column.isna().all():
        pairs: list[tuple[Cell, bool]] = [(None, False)] * len(column)
    elif isinstance(dtype, pd.StringDtype):
        pairs = [_text(value) for value in column.astype(object).where(column.notna(), None)]
    else:
        values = [None if _is_missing(value) else value for value in column.array]
        pairs = [_cell(str(value) if gid and value is not None else value) for value in values]
    kind: Kind = "number" if number else "text"
    cells, cut = [cell for cell, _ in pairs], sum(cut for _, cut in pairs)
    return SheetColumn(_fit(name)[0], kind, cells, cut)


def _times(column: pd.Series) -> list[Cell]:
    naive = column.dt.tz_convert(None) if column.dt.tz is not None else column
    rounded = naive.dt.round("ms")
    return [None if value is pd.NaT else _time(value) for value in rounded]


def _time(value: pd.Timestamp) -> Cell:
    inside = FIRST_DAY <= value.to_pydatetime(warn=False) < LAST_DAY
    return value.to_pydatetime(warn=False) if inside else value.isoformat()


def _cell(value: Any) -> tuple[Cell, bool]:
    """Return a value as a cell, and whether it was cut."""
    if value is None or isinstance(value, bool | np.bool_):
        return (None if value is None else bool(value)), False
    if isinstance(value, numbers.Integral):
        return (int(value) if abs(int(value)) < MOST_DIGITS else str(int(value))), False
    if isinstance(value, float | np.floating):
        return (float(value) if math.isfinite(value) else str(value)), False
    if isinstance(value, pd.Timestamp):
        utc = value.tz_convert(None) if value.tzinfo else value
        return _time(utc.round("ms")), False
    return _fit(value if isinstance(value, str) else redact(str(value)))


def _text(value: str | None) -> tuple[Cell, bool]:
    if value is None or (len(value) <= LONGEST_TEXT // 2 and _ODD.search(value) is None):
        return value, False
    return _fit(value)


def _fit(text: str) -> tuple[str, bool]:
    """Return a text that a cell holds, and whether it was cut."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    legal = _ILLEGAL.sub("\N{REPLACEMENT CHARACTER}", lines)
    if len(legal) <= LONGEST_TEXT // 2 or _units(legal) <= LONGEST_TEXT:
        return legal, False
    kept = legal[: LONGEST_TEXT - 1]
    while _units(kept) >= LONGEST_TEXT:
        kept = kept[: len(kept) - max((_units(kept) - LONGEST_TEXT + 1) // 2, 1)]
    return f"{kept}…", True


def _units(text: str) -> int:
    return len(text) + sum(ord(sign) >= _FAR for sign in text)


def _is_missing(value: Any) -> bool:
    return value is None or (pd.api.types.is_scalar(value) and bool(pd.isna(value)))
