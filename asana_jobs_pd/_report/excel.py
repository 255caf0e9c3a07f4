"""A frame of jobs as an Excel file that opens as it was: `asana_jobs_to_excel`."""

from __future__ import annotations

import datetime as dt
import math
import numbers
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd

from asana_jobs_pd._files import replace_file
from asana_jobs_pd._http.redaction import redact
from asana_jobs_pd._jobs.as_jobs import as_jobs, with_index_of
from asana_jobs_pd._jobs.views import change_texts, each_column, masked
from asana_jobs_pd._public import public
from asana_jobs_pd.errors import (
    AsanaValueWarning,
    InvalidFrameError,
    InvalidOptionError,
    MissingExtraError,
    warn_user,
)

__all__ = [
    "LONGEST_TEXT",
    "Cell",
    "Kind",
    "SheetColumn",
    "asana_jobs_to_excel",
    "disarm",
    "disarm_frame",
    "is_formula",
    "sheet_column",
]

_SIGNS = "[=+@\uff1d\uff0b\uff0d\uff20-]"  # full-width forms of the four too
_BLANKS = "[ \t\r\n]*"
_START = re.compile(_BLANKS + _SIGNS)
_FORMULA = re.compile(f"(^|[;\t\r\n])({_BLANKS})(?={_SIGNS})")
_CANDIDATE = f"(?:^|[;\t\r\n]){_BLANKS}{_SIGNS}"


def is_formula(text: str) -> bool:
    """Tell whether a cell of this text would be run."""
    return _START.match(text) is not None


def disarm(text: str) -> str:
    """Return a text with an apostrophe before what would be run."""
    return _FORMULA.sub(r"\1\2'", text)


def disarm_frame(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a copy in which no text would be run, those of the columns' names neither."""
    copy = each_column(frame, lambda column: change_texts(column, _CANDIDATE, disarm))
    return copy.set_axis([disarm(str(name)) for name in frame.columns], axis=1)


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


MOST_ROWS, MOST_COLUMNS = 1_048_576, 16_384
_OPTIONS = {
    "constant_memory": True,
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "strings_to_numbers": False,
}
_TIME_FORMAT = "yyyy-mm-dd hh:mm:ss.000"
_WIDEST, _LOOKED_AT = 44, 200


@public
def asana_jobs_to_excel(jobs: pd.DataFrame, path: str | os.PathLike[str]) -> Path:
    """Write jobs to an ``.xlsx`` file.

    Every column of the frame is there, yours too. Gids stay text; times lose their zone, are
    UTC to the millisecond, and their header says so; no text runs as a formula or becomes a link;
    signed URLs are masked. A second sheet, ``About``, says so to whoever opens it.

    Parameters
    ----------
    jobs
        A frame of jobs; it is not changed. A named index is written too.
    path
        The file, ``….xlsx``; what is there is replaced at the end, all at once.

    Returns
    -------
    pathlib.Path
        The absolute path of the file.

    Raises
    ------
    MissingExtraError
        When xlsxwriter is not installed.
    InvalidFrameError
        When these are no jobs, or more than a sheet holds: 1,048,575 rows, 16,384 columns.
    InvalidOptionError
        When the path has another suffix, or its folder is not there.

    Warns
    -----
    AsanaValueWarning
        When a text was longer than 32,767 characters, which is what a cell holds: it was cut.
    """
    writer = _need_xlsxwriter()
    if Path(path).suffix.lower() != ".xlsx":
        raise InvalidOptionError(f"path={str(path)!r}: Excel wants a name that ends in .xlsx.")
    frame = _sheet_frame(jobs)
    if len(frame) >= MOST_ROWS or len(frame.columns) > MOST_COLUMNS:
        raise InvalidFrameError(
            f"The frame has {len(frame):,} rows and {len(frame.columns):,} columns; a sheet holds "
            f"{MOST_ROWS - 1:,} and {MOST_COLUMNS:,}. Write a part of it, or use to_parquet()."
        )
    columns = [sheet_column(column) for _, column in frame.items()]
    about = _about(columns, len(frame))
    written = replace_file(path, lambda part: _write(writer, part, columns, about))
    _warn_of_cuts(columns)
    return written


def _need_xlsxwriter() -> Any:
    try:
        import xlsxwriter  # noqa: PLC0415  an extra
    except ImportError:
        pass
    else:
        return xlsxwriter
    raise MissingExtraError(
        "Excel files need xlsxwriter: pip install 'asana_jobs_pd[excel]' installs it."
    )


def _sheet_frame(jobs: pd.DataFrame) -> pd.DataFrame:
    frame = with_index_of(as_jobs(jobs), jobs)
    if any(name is not None for name in frame.index.names):
        frame = frame.set_flags(allows_duplicate_labels=True).reset_index(allow_duplicates=True)
    return masked(frame)


def _about(columns: Sequence[SheetColumn], rows: int) -> list[tuple[str, Cell]]:
    now = dt.datetime.now(dt.UTC).replace(tzinfo=None, microsecond=0)
    lines: list[tuple[str, Cell]] = [
        ("rows", rows),
        ("written (UTC)", now),
        ("written by", f"asana_jobs_pd {version('asana_jobs_pd')}"),
        ("times", "UTC, to the millisecond; a sheet knows no time zones"),
        ("gids", "text: as numbers they would lose digits"),
        ("URLs", "without their signatures, and not linked"),
    ]
    lines += [
        ("cut", f"{column.header}: {column.cut} texts longer than {LONGEST_TEXT:,} characters")
        for column in columns
        if column.cut
    ]
    return lines


def _write(
    writer: Any,
    part: Path,
    columns: Sequence[SheetColumn],
    about: Sequence[tuple[str, Cell]],
) -> None:
    with part.open("wb") as file, writer.Workbook(file, _OPTIONS) as book:
        styles = _Styles(book)
        sheet = book.add_worksheet("Jobs")
        _layout(sheet, columns)
        for place, column in enumerate(columns):
            sheet.write_string(0, place, column.header, styles.header)
        for row, cells in enumerate(zip(*(column.cells for column in columns), strict=True), 1):
            for place, cell in enumerate(cells):
                if cell is not None:
                    styles.write(sheet, row, place, cell)
        notes = book.add_worksheet("About")
        notes.set_column(0, 0, 16)
        notes.set_column(1, 1, 60)
        for row, (name, value) in enumerate(about):
            notes.write_string(row, 0, name, styles.header)
            styles.write(notes, row, 1, value)


class _Styles:
    """The formats of a book, and cells written in them: never guessed from what a text says."""

    def __init__(self, book: Any) -> None:
        self.header = book.add_format({"bold": True, "num_format": "@"})
        self._text = book.add_format({"num_format": "@"})
        # The prefix keeps it a text when somebody edits the cell, or saves the sheet anew.
        self._formula = book.add_format({"num_format": "@", "quote_prefix": True})
        self._time = book.add_format({"num_format": _TIME_FORMAT, "align": "left"})

    def write(self, sheet: Any, row: int, place: int, cell: Cell) -> None:
        """Write one cell by its type."""
        if isinstance(cell, str):
            style = self._formula if is_formula(cell) else self._text
            sheet.write_string(row, place, cell, style)
        elif isinstance(cell, bool):
            sheet.write_boolean(row, place, cell)
        elif isinstance(cell, dt.datetime):
            sheet.write_datetime(row, place, cell, self._time)
        else:
            sheet.write_number(row, place, cell)


def _layout(sheet: Any, columns: Sequence[SheetColumn]) -> None:
    for place, column in enumerate(columns):
        shown = [len(str(cell)) for cell in column.cells[:_LOOKED_AT] if cell is not None]
        longest = max([len(column.header) + 2, *shown])
        sheet.set_column(place, place, 24 if column.kind == "time" else min(longest, _WIDEST))
    sheet.freeze_panes(1, 1)
    if columns and columns[0].cells:
        last = len(columns[0].cells), len(columns) - 1
        sheet.autofilter(0, 0, *last)
        sheet.ignore_errors({"number_stored_as_text": f"A1:XFD{MOST_ROWS}"})


def _warn_of_cuts(columns: Sequence[SheetColumn]) -> None:
    cut = [column for column in columns if column.cut]
    if cut:
        warn_user(
            f"{sum(column.cut for column in cut)} texts were longer than the {LONGEST_TEXT:,} "
            f"characters that a cell holds, and were cut, the first in {cut[0].header!r}.",
            AsanaValueWarning,
        )
