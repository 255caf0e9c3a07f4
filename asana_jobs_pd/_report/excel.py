"""`asana_jobs_to_excel`: jobs as an Excel file that does not change their values."""

from __future__ import annotations

import datetime as dt
import math
import numbers
import os
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa

from asana_jobs_pd._files import local_path, replace_file
from asana_jobs_pd._formatting import format_count
from asana_jobs_pd._http.redaction import redact
from asana_jobs_pd._jobs.as_jobs import as_jobs, with_index_of
from asana_jobs_pd._jobs.views import change_texts, each_column, masked
from asana_jobs_pd._public import public
from asana_jobs_pd.errors import (
    AsanaValueWarning,
    InvalidFrameError,
    InvalidOptionError,
    require_extra,
    warn_user,
)

_FORMULA_SIGNS = "[=+@\uff1d\uff0b\uff0d\uff20-]"  # their full-width forms, too
_BLANKS = "[ \t\r\n]*"
_FORMULA = re.compile(_BLANKS + _FORMULA_SIGNS)
_FORMULA_IN_CSV = re.compile(f"(^|[;\t\r\n])({_BLANKS})(?={_FORMULA_SIGNS})")
_MAY_HAVE_FORMULA = f"(?:^|[;\t\r\n]){_BLANKS}{_FORMULA_SIGNS}"


def is_formula(text: str) -> bool:
    """Return whether a spreadsheet would run a cell with this text as a formula."""
    return _FORMULA.match(text) is not None


def escape_formula(text: str) -> str:
    """Return a text with an apostrophe before every formula, also after separators within it."""
    return _FORMULA_IN_CSV.sub(r"\1\2'", text)


def escape_formulas(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a copy in which no text or column name would run as a formula."""
    copy = each_column(
        frame, lambda column: change_texts(column, _MAY_HAVE_FORMULA, escape_formula)
    )
    return copy.set_axis([escape_formula(str(name)) for name in frame.columns], axis=1)


MAX_CELL_TEXT = 32_767
"""The most characters in a cell, counted as UTF-16 code units."""
EXACT_LIMIT = 10**15
"""Excel loses digits of numbers from here on."""
FIRST_TIME, LAST_TIME = dt.datetime(1900, 3, 1), dt.datetime(9999, 12, 31)  # noqa: DTZ001  Excel has no zones
"""Excel counts days before the first differently, and has no days after the last."""

Cell: TypeAlias = str | bool | int | float | dt.datetime | dt.date | None

ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_NEEDS_CHANGE = re.compile(ILLEGAL.pattern + "|\r")


@dataclass(frozen=True, slots=True)
class SheetColumn:
    """A column of a sheet: header, cells, and the number of texts that were cut."""

    header: str
    cells: list[Cell]
    cut: int


def sheet_column(column: pd.Series) -> SheetColumn:
    """Return a column with values that a sheet can hold.

    Times become UTC without a zone, to the millisecond. Gids, times that Excel cannot represent,
    and whole numbers that would lose digits become text. Texts that are too long are cut, and
    illegal characters are replaced.
    """
    name = str(column.name)
    if (times := _times(column)) is not None:
        cells = _time_cells(np.asarray(times.cast(pa.timestamp("us"), safe=False)))
        name += " (UTC)" if times.type.tz is not None else ""
    else:
        to_cell = _text if name == "gid" or name.endswith(".gid") else _cell
        values = zip(column, column.isna(), strict=True)
        cells = [None if missing else to_cell(value) for value, missing in values]
    long = [row for row, cell in enumerate(cells) if isinstance(cell, str) and _is_long(cell)]
    for row in long:
        cells[row] = _cut(str(cells[row]))
    header = _text(name)
    return SheetColumn(_cut(header) if _is_long(header) else header, cells, len(long))


def _times(column: pd.Series) -> pa.Array | None:
    """Return a column of times, of any dtype, as an Arrow array; None for other columns."""
    if getattr(column.dtype, "kind", "") != "M":
        return None
    array = pa.array(column, from_pandas=True)
    return array if pa.types.is_timestamp(array.type) else None  # Arrow dates have kind "M" too


def _time_cells(times: np.ndarray) -> list[Cell]:
    rounded = times + np.timedelta64(500, "us")
    rounded = rounded.astype("M8[ms]").astype("M8[us]")
    fits = (rounded >= np.datetime64(FIRST_TIME)) & (rounded < np.datetime64(LAST_TIME))
    cells: list[Cell] = [None] * len(times)
    for index in np.flatnonzero(fits):
        cells[index] = rounded[index].item()
    for index in np.flatnonzero(~fits & ~np.isnat(times)):
        text = np.datetime_as_string(times[index])
        cells[index] = str(text).removesuffix(".000000")
    return cells


def _date_cell(value: dt.date) -> Cell:
    if not isinstance(value, dt.datetime):
        return value if FIRST_TIME.date() <= value < LAST_TIME.date() else value.isoformat()
    try:
        utc = value.astimezone(dt.UTC) if value.tzinfo else value
    except OverflowError:  # before the year 1 or after 9999 in UTC
        return value.isoformat()
    return _time_cells(np.array([utc.replace(tzinfo=None)], "M8[us]"))[0]


def _cell(value: Any) -> Cell:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, numbers.Integral):
        return int(value) if abs(int(value)) < EXACT_LIMIT else str(int(value))
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else str(value)
    if isinstance(value, dt.date):
        return _date_cell(value)
    return _text(redact(str(value)))


def _text(value: object) -> str:
    """Return a text with only the line ends and characters that a sheet may contain."""
    text = str(value)
    if _NEEDS_CHANGE.search(text) is None:
        return text
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    return ILLEGAL.sub("\N{REPLACEMENT CHARACTER}", lines)


def _is_long(text: str) -> bool:
    return len(text) > MAX_CELL_TEXT // 2 and len(text.encode("utf-16-le")) > 2 * MAX_CELL_TEXT


def _cut(text: str) -> str:
    """Return a text cut to the length that a cell can hold."""
    kept = text.encode("utf-16-le")[: 2 * (MAX_CELL_TEXT - 1)]
    return f"{kept.decode('utf-16-le', 'ignore')}…"


MAX_ROWS, MAX_COLUMNS = 1_048_576, 16_384
_OPTIONS = {
    "constant_memory": True,
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "strings_to_numbers": False,
}
_TIME_FORMAT, _DATE_FORMAT = "yyyy-mm-dd hh:mm:ss.000", "yyyy-mm-dd"
_MAX_WIDTH, _WIDTH_ROWS = 44, 200
"""The most characters of a column's width, and the rows that decide about it."""
_PAGE_WIDTH = 200
"""The most characters side by side on a printed page: more would be too small to read."""


@public
def asana_jobs_to_excel(jobs: pd.DataFrame, path: str | os.PathLike[str]) -> Path:
    """Write jobs to an Excel file.

    All columns are written, including your own. Gids stay text. Times become UTC without a
    zone, to the millisecond, and their header says so. No text runs as a formula or becomes a
    link, and signed URLs are masked. A second sheet, ``About``, explains this.

    Parameters
    ----------
    jobs
        A frame of jobs; it is not changed. A named index is written, too.
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
        If `jobs` is not a frame of jobs, or larger than a sheet: 1,048,575 rows, 16,384 columns.
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
    asana_jobs_report : A report to read.
    read_jobs_file : Read it back.

    Examples
    --------
    >>> aj.asana_jobs_to_excel(jobs, "jobs.xlsx").name
    'jobs.xlsx'
    """
    check_path(path)
    frame = _sheet_frame(jobs)
    check_size(frame, "The frame")
    return write_book(path, {"Jobs": [sheet_column(column) for _, column in frame.items()]})


def check_path(path: str | os.PathLike[str]) -> None:
    """Raise an error if Excel files cannot be written, or not to this path."""
    require_extra("xlsxwriter", "excel", "Excel files need XlsxWriter")
    if local_path(path, "path", "file").suffix.lower() != ".xlsx":
        raise InvalidOptionError(f"path={str(path)!r}: the name of an Excel file ends in .xlsx.")


def check_size(frame: pd.DataFrame, name: str) -> None:
    """Raise an error if a frame is larger than a sheet."""
    if len(frame) >= MAX_ROWS or len(frame.columns) > MAX_COLUMNS:
        rows, columns = format_count(len(frame), "row"), format_count(len(frame.columns), "column")
        raise InvalidFrameError(
            f"{name} has {rows} and {columns}; a sheet can hold {MAX_ROWS - 1:,} and "
            f"{MAX_COLUMNS:,}. Write a part of it, or use to_parquet()."
        )


def write_book(path: str | os.PathLike[str], sheets: Mapping[str, Sequence[SheetColumn]]) -> Path:
    """Write sheets, and one that explains them; warn about texts that had to be cut."""
    columns = [column for sheet in sheets.values() for column in sheet]
    rows = sum(len(sheet[0].cells) for sheet in sheets.values() if sheet)
    about = _about(columns, rows)
    written = replace_file(path, lambda part: _write(part, sheets, about))
    _warn_of_cuts(columns)
    return written


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
        ("times", "UTC, to the millisecond: a sheet has no time zones"),
        ("gids", "text: as numbers they would lose digits"),
        ("URLs", "without their signatures, and not as links"),
    ]
    lines += [
        ("cut", f"{column.header}: {column.cut} texts longer than {MAX_CELL_TEXT:,} characters")
        for column in columns
        if column.cut
    ]
    return lines


def _write(
    part: Path, sheets: Mapping[str, Sequence[SheetColumn]], about: Sequence[tuple[str, Cell]]
) -> None:
    """Write the workbook, and remove XlsxWriter's temporary files, even after a failure."""
    import xlsxwriter  # noqa: PLC0415  an extra

    with tempfile.TemporaryDirectory(prefix="asana_jobs_") as tmpdir, part.open("wb") as file:
        book = xlsxwriter.Workbook(file, {**_OPTIONS, "tmpdir": tmpdir})
        try:
            _fill(book, sheets, about)
            book.close()
        except xlsxwriter.exceptions.FileCreateError as error:
            cause = error.args[0] if error.args else None
            raise (cause if isinstance(cause, OSError) else OSError(str(error))) from None
        finally:
            for sheet in book.worksheets():
                sheet._opt_close()  # noqa: SLF001  else its temporary file stays open


def _fill(
    book: Any, sheets: Mapping[str, Sequence[SheetColumn]], about: Sequence[tuple[str, Cell]]
) -> None:
    write = _cell_writer(book)
    header = book.add_format({"bold": True, "num_format": "@"})
    for name, columns in sheets.items():
        sheet = book.add_worksheet(name)
        _set_layout(sheet, columns)
        for index, column in enumerate(columns):
            sheet.write_string(0, index, column.header, header)
        for row, cells in enumerate(zip(*(column.cells for column in columns), strict=True), 1):
            for index, cell in enumerate(cells):
                if cell is not None:
                    write(sheet, row, index, cell)
    notes = book.add_worksheet("About")
    notes.set_column(0, 0, 16)
    notes.set_column(1, 1, 60)
    _set_printing(notes, 1)
    for row, (name, value) in enumerate(about):
        notes.write_string(row, 0, name, header)
        write(notes, row, 1, value)


def _cell_writer(book: Any) -> Callable[[Any, int, int, Cell], None]:
    """Return a function that writes a cell by its type, which is never guessed from its text."""
    text = book.add_format({"num_format": "@"})
    # The prefix keeps it text when the cell is edited or the sheet is saved again.
    formula = book.add_format({"num_format": "@", "quote_prefix": True})
    # LibreOffice shows 0 and 1 without it.
    boolean = book.add_format({"num_format": '"TRUE";"TRUE";"FALSE"', "align": "left"})
    time = book.add_format({"num_format": _TIME_FORMAT, "align": "left"})
    date = book.add_format({"num_format": _DATE_FORMAT, "align": "left"})

    def write(sheet: Any, row: int, column: int, cell: Cell) -> None:
        if isinstance(cell, str):
            sheet.write_string(row, column, cell, formula if is_formula(cell) else text)
        elif isinstance(cell, bool):
            sheet.write_boolean(row, column, cell, boolean)
        elif isinstance(cell, dt.date):
            sheet.write_datetime(row, column, cell, time if isinstance(cell, dt.datetime) else date)
        else:
            sheet.write_number(row, column, cell)

    return write


def _set_layout(sheet: Any, columns: Sequence[SheetColumn]) -> None:
    """Set widths, filters and pages; each page of a wide sheet repeats the first column."""
    widths = [_width(column) for column in columns]
    for index, width in enumerate(widths):
        sheet.set_column(index, index, width)
    sheet.freeze_panes(1, 1)
    _set_printing(sheet, _pages(widths))
    sheet.repeat_rows(0)
    sheet.repeat_columns(0)
    sheet.print_across()
    if columns and columns[0].cells:
        last = len(columns[0].cells), len(columns) - 1
        sheet.autofilter(0, 0, *last)
        sheet.ignore_errors({"number_stored_as_text": f"A1:XFD{MAX_ROWS}"})


def _width(column: SheetColumn) -> int:
    cells = [cell for cell in column.cells[:_WIDTH_ROWS] if cell is not None]
    widths = [24 if isinstance(cell, dt.datetime) else len(str(cell)) for cell in cells]
    return min(max([len(column.header) + 2, *widths]), _MAX_WIDTH)


def _pages(widths: Sequence[int]) -> int:
    """Return how many pages side by side the columns need, with the first column on each."""
    pages, used = 1, 0
    for width in widths[1:]:
        if used and widths[0] + used + width > _PAGE_WIDTH:
            pages, used = pages + 1, 0
        used += width
    return pages


def _set_printing(sheet: Any, pages: int) -> None:
    """Print in landscape on `pages` pages side by side, with sheet name and page numbers."""
    sheet.set_landscape()
    sheet.fit_to_pages(pages, 0)
    sheet.set_footer("&L&A&R&P / &N")


def _warn_of_cuts(columns: Sequence[SheetColumn]) -> None:
    cut = [column for column in columns if column.cut]
    if cut:
        warn_user(
            f"{sum(column.cut for column in cut)} texts were longer than {MAX_CELL_TEXT:,} "
            f"characters, the limit of a cell, and were cut, the first in {cut[0].header!r}.",
            AsanaValueWarning,
        )
