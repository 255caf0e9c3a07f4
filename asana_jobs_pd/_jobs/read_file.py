"""`read_jobs_file`: a frame of jobs from a file, without losing a digit of a gid."""

from __future__ import annotations

import codecs
import csv
import errno
import io
import json
import os
import re
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd
import pyarrow as pa

from asana_jobs_pd._files import local_path
from asana_jobs_pd._jobs.as_jobs import EXACT, as_jobs
from asana_jobs_pd._jobs.frame import asana_jobs_from_records
from asana_jobs_pd._jobs.gids import MAX_SHOWN, gid_name, gid_series, parse_column
from asana_jobs_pd._jobs.schema import COLUMNS, is_ours
from asana_jobs_pd._options import check_one_of
from asana_jobs_pd._public import public
from asana_jobs_pd.errors import (
    AsanaJobsError,
    AsanaValueWarning,
    InvalidFrameError,
    InvalidGidError,
    InvalidOptionError,
    require_extra,
    warn_user,
)
from asana_jobs_pd.typing import Errors

_WITH_LINES = (".csv", ".tsv", ".txt", ".xlsx", ".xlsm")
_COMPRESSIONS = (".gz", ".bz2", ".zst")
_BLANKS = ("", "NA", "N/A", "n/a", "NaN", "nan", "None", "null", "NULL", "<NA>", "#N/A", "NaT")
"""Texts that mean missing in the user's own columns; in ours, only an empty text does."""
_EXCEL_DIGITS = 15
_UNITS = (("s", 1e11), ("ms", 1e14), ("us", 1e17), ("ns", float("inf")))
"""The units of times written by `DataFrame.to_json`, by the size of the numbers."""


@public
def read_jobs_file(
    path: str | os.PathLike[str], *, column: str | None = None, errors: Errors = "raise"
) -> pd.DataFrame:
    """Read a frame of jobs from a CSV, Excel, JSON or Parquet file.

    Plain ``pd.read_csv``, ``pd.read_excel`` and ``pd.read_json`` turn gids into numbers, and lose
    their last digits if a value is missing. This function reads gids as text.

    Parameters
    ----------
    path
        A local file: ``.csv``, ``.tsv`` or ``.txt`` (comma, semicolon, tab or pipe), ``.xlsx``,
        ``.json``, ``.jsonl`` (of a frame, or of Asana's job records) or ``.parquet``. Text files
        may be compressed (``.csv.gz``). If there is no column ``gid``, one named ``GID``, ``Gid``
        or `` gid `` is used.
    column
        The name of the column with the gids or URLs of the jobs, which becomes ``gid``.
    errors
        What to do with values that are not gids. ``"raise"``: an error lists them by their lines.
        ``"coerce"``: their rows are kept without a gid, and a warning says which. ``"drop"``: the
        rows are left out, with the same warning.

    Returns
    -------
    pandas.DataFrame
        The rows of the file, without empty rows, which spreadsheets often have at the end. The
        columns of `read_asana_jobs` have its dtypes, and the others have those that pandas infers.
        ``df.asana.refresh()`` reads the jobs themselves.

    Raises
    ------
    InvalidOptionError
        If the path is a URL, or has none of these suffixes.
    FileNotFoundError
        If the file does not exist.
    InvalidFrameError
        If the file cannot be read, or is not a frame of jobs.
    InvalidGidError
        If values of ``gid`` are not gids, such as numbers that Excel has rounded: ``.bad`` has
        them by line.
    MissingExtraError
        If an Excel file needs ``openpyxl``, which the extra ``excel`` installs.

    Warns
    -----
    AsanaValueWarning
        If empty rows were left out, or values are not gids.

    See Also
    --------
    refresh_asana_jobs : Read the jobs from Asana, and keep the other columns.
    asana_jobs_from_records : Convert records in memory.
    recent_jobs : The jobs that this machine has seen.

    Examples
    --------
    >>> jobs.to_csv("jobs.csv", index=False)
    >>> saved = aj.read_jobs_file("jobs.csv")
    >>> saved["gid"].equals(jobs["gid"])
    True

    A list of gids with other columns:

    >>> jobs[["gid"]].assign(team="A").to_csv("list.csv", index=False)
    >>> todo = aj.read_jobs_file("list.csv").asana.refresh()
    >>> list(todo.columns[:3])
    ['gid', 'team', 'status']
    """
    check_one_of("errors", errors, get_args(Errors))
    if column is not None and not isinstance(column, str):
        raise InvalidOptionError(f"column={column!r}: give the name of a column.")
    file = local_path(path, "path", "file")
    suffixes = [suffix.lower() for suffix in file.suffixes]
    if suffixes and suffixes[-1] in _COMPRESSIONS:
        suffixes.pop()
    suffix = suffixes[-1] if suffixes else ""
    if suffix not in _READERS:
        raise InvalidOptionError(
            f"path={str(file)!r}: give a file named {', '.join(_READERS)}; text files may be "
            "compressed."
        )
    if not file.exists():
        raise FileNotFoundError(errno.ENOENT, "There is no file", str(file))
    frame = _read(file, suffix, column)
    rows = frame
    notes: list[str] = []
    if not any(name is not None for name in frame.index.names):
        rows = _without_empty_rows(frame, file.name, notes)
        if not pd.api.types.is_float_dtype(gid_series(rows).dtype):
            rows = _with_valid_gids(rows, column, suffix in _WITH_LINES, errors, notes)
        if suffix in _WITH_LINES or len(rows) < len(frame):
            rows = rows.reset_index(drop=True)
        rows = rows.infer_objects().assign(gid=rows["gid"])  # with a gap, numbers become floats
    jobs = as_jobs(rows)
    for note in notes:
        warn_user(note, AsanaValueWarning, frame=jobs)
    return jobs


def _read(file: Path, suffix: str, column: str | None) -> pd.DataFrame:
    """Return the content of the file, and its column of gids under the name ``gid``."""
    try:
        frame = _READERS[suffix](file, column)
    except (FileNotFoundError, PermissionError, IsADirectoryError, MemoryError, AsanaJobsError):
        raise
    except Exception as error:  # noqa: BLE001  the readers raise whatever their parsers do
        empty = isinstance(error, pd.errors.EmptyDataError)
        reason = "it is empty" if empty else f"{type(error).__name__}: {error}".rstrip(".")
    else:
        return _with_gid(frame, column, file.name)
    raise InvalidFrameError(f"{file.name} cannot be read: {reason}.")


def _with_gid(frame: pd.DataFrame, column: str | None, file: str) -> pd.DataFrame:
    names = [*frame.columns, *(name for name in frame.index.names if name is not None)]
    found = _gid_column(names, column)
    if found not in (None, "gid") and "gid" in names:
        raise InvalidFrameError(
            f"{file} also has a column 'gid': rename it, because {found!r} becomes 'gid'."
        )
    if found is not None:
        return frame if found in frame.index.names else frame.rename(columns={found: "gid"})
    if len(names) == 1 and re.fullmatch("[1-9][0-9]*", str(names[0])):
        raise InvalidFrameError(
            f"{file}: the header seems to be missing, because the first line is "
            f"{str(names[0])!r}. Insert a line 'gid' before it."
        )
    hint = "" if column else " Name the one with the gids of the jobs: column='…'."
    known = ", ".join(map(repr, names)) or "none"
    raise InvalidFrameError(f"{file} has no column {column or 'gid'!r}; there is {known}.{hint}")


def _gid_column(names: Collection[object], column: str | None) -> object | None:
    """Return the name of the column with the gids; None if there is none."""
    if column is not None or "gid" in names:
        column = column or "gid"
        return column if column in names else None
    return next(iter(gid_name(names)), None)


def _without_empty_rows(frame: pd.DataFrame, name: str, notes: list[str]) -> pd.DataFrame:
    filled = frame[~_is_empty(frame)]
    if left_out := len(frame) - len(filled):
        rows = "1 empty row was" if left_out == 1 else f"{left_out} empty rows were"
        notes.append(f"{rows} left out of {name}.")
    return filled


def _with_valid_gids(
    frame: pd.DataFrame, column: str | None, has_lines: bool, errors: Errors, notes: list[str]
) -> pd.DataFrame:
    try:
        parse_column(frame["gid"].rename(column or "gid"), in_file=has_lines)
    except InvalidGidError as error:
        if errors == "raise":
            raise
        places = frame.index if has_lines else pd.RangeIndex(len(frame))
        bad = places.isin(list(error.bad))
        result = "Such rows were left out" if errors == "drop" else "Such rows have no gid"
        notes.append(f"{error} {result}.")
        return frame[~bad] if errors == "drop" else frame.assign(gid=frame["gid"].mask(bad))
    return frame


def _is_empty(frame: pd.DataFrame) -> np.ndarray:
    """Return a mask of rows with only missing values, empty texts or spaces."""
    empty = np.ones(len(frame), bool)
    for _, column in frame.items():  # noqa: PERF102  a frame is not a dict
        empty[empty] = [
            pd.isna(cell) is True or (isinstance(cell, str) and not cell.strip())
            for cell in column.array[empty]
        ]
    return empty


def _read_text(file: Path) -> str:
    text = _decoded(file)
    if not text.strip():
        raise pd.errors.EmptyDataError
    return text


def _decoded(file: Path) -> str:
    with pa.input_stream(str(file), compression="detect") as stream:
        data: bytes = stream.read()
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:  # Excel's "CSV" on Windows
        return data.decode("cp1252")


def _read_csv(file: Path, column: str | None) -> pd.DataFrame:
    text = _read_text(file)
    if text.startswith("sep="):  # for Excel
        text = "\n" + text.partition("\n")[2]
    header = re.split("[\r\n]", text.lstrip("\r\n"), maxsplit=1)[0]
    headers = {mark: next(csv.reader([header], delimiter=mark), []) for mark in ",;\t|"}
    with_gids = [mark for mark in headers if _gid_column(headers[mark], column) is not None]
    mark = max(with_gids or headers, key=lambda mark: len(headers[mark]))
    names, gids = headers[mark], _gid_column(headers[mark], column)
    texts = {name for name in names if name == gids or is_ours(name.removesuffix(" (UTC)"))}
    lines = _lines(text, mark, names, file.name) if gids is not None else []
    frame = pd.read_csv(
        io.StringIO(text),
        sep=mark,
        usecols=range(len(names)),
        index_col=False,  # or one extra field, even an empty one, would make the gids an index
        dtype=dict.fromkeys(texts, "string"),
        na_values={name: [""] if name in texts else list(_BLANKS) for name in names},
        keep_default_na=False,
    )
    return frame.set_axis(lines) if lines else frame


def _lines(text: str, mark: str, names: Sequence[str], file: str) -> list[int]:
    """Return the line of each row after the header; raise if some have too many fields."""
    lines, longer, line = [], [], 1
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=mark)
    for row in rows:
        if any(map(str.strip, row[len(names) :])):
            longer.append(f"line {line} ({len(row)} instead of {len(names)})")
        if row and not (len(row) == 1 and row[0].isspace()):  # pandas leaves out blank lines
            lines.append(line)
        line = rows.line_num + 1
    if longer:
        what = "a line has" if len(longer) == 1 else f"{len(longer)} lines have"
        where = ", ".join([*longer[:MAX_SHOWN], "…"] if longer[MAX_SHOWN:] else longer)
        raise InvalidFrameError(
            f"{file}: {what} more fields than the header names columns: {where}. Quote values "
            f"that contain {mark!r}, or complete the header."
        )
    return lines[1:]


def _read_excel(file: Path, column: str | None) -> pd.DataFrame:
    require_extra("openpyxl", "excel", "Excel files need openpyxl")
    with pd.ExcelFile(file, engine="openpyxl") as book:
        sheet = "Jobs" if "Jobs" in book.sheet_names else 0
        frame = pd.read_excel(
            book, sheet_name=sheet, dtype=object, keep_default_na=False, na_values=[""]
        )
    if (gids := _gid_column(frame.columns, column)) is not None:
        _refuse_rounded(frame[gids])
    return frame.set_axis(range(2, len(frame) + 2))


def _refuse_rounded(gids: pd.Series) -> None:
    """Raise for gids that Excel has rounded: 15 digits and then zeros, or floats."""
    long = [value for value in gids if isinstance(value, int) and value >= 10**_EXCEL_DIGITS]
    if long and all(map(_is_rounded, long)):
        raise InvalidFrameError(
            f"The column {gids.name!r} holds numbers such as {long[0]}: Excel keeps "
            f"{_EXCEL_DIGITS} digits of a number, so the last ones are lost. Format the column as "
            "text before pasting gids, or export them again."
        )


def _is_rounded(number: int) -> bool:
    return set(str(number)[_EXCEL_DIGITS:]) == {"0"} or (
        number > EXACT and int(float(number)) == number
    )


def _read_json(file: Path, column: str | None) -> pd.DataFrame:
    text = _read_text(file)
    try:
        data = json.loads(text)
    except json.JSONDecodeError:
        data = [json.loads(line) for line in text.splitlines() if line.strip()]
    frame = _from_json(data, column)
    for name in frame.columns:
        if name in COLUMNS and COLUMNS[name].kind == "time":
            frame[name] = _from_epochs(frame[name])
    return frame


def _from_json(data: Any, column: str | None) -> pd.DataFrame:
    """Return the frame from any layout of `DataFrame.to_json`, or from job records."""
    if isinstance(data, dict) and isinstance(data.get("data"), list):  # split, table, or Asana's
        columns = data.get("columns")
        data = data["data"]
        if columns is not None:
            return pd.DataFrame(data, columns=columns, dtype=object)
    if isinstance(data, dict) and "gid" in data and not isinstance(data["gid"], dict):
        data = [data]
    rows = data if isinstance(data, list) else data.values() if isinstance(data, dict) else [data]
    if others := [type(row).__name__ for row in rows if not isinstance(row, dict | list)]:
        raise InvalidFrameError(
            f"The file holds {others[0]} where a job should be: give a list of objects, each with "
            "its 'gid'."
        )
    if isinstance(data, list):
        if any(isinstance(value, dict) for record in data for value in record.values()):
            return asana_jobs_from_records(data)
        return pd.DataFrame(data, dtype=object)
    if _gid_column(data, column) is not None:
        columns = {name: list(values.values()) for name, values in data.items()}
        return pd.DataFrame(columns, dtype=object)
    return pd.DataFrame(list(data.values()), dtype=object)


def _from_epochs(column: pd.Series) -> pd.Series:
    """Return times for the numbers that `DataFrame.to_json` wrote for them."""
    numbers = column[column.map(lambda value: isinstance(value, int | float))].dropna()
    if numbers.empty:
        return column
    unit = next(unit for unit, limit in _UNITS if float(numbers.abs().max()) < limit)
    times = pd.DatetimeIndex(numbers.to_numpy("int64").astype(f"M8[{unit}]"), tz="UTC")
    column = column.astype(object)
    column[numbers.index] = times.astype(object)
    return column


def _read_parquet(file: Path, _column: str | None) -> pd.DataFrame:
    return pd.read_parquet(file)


_READERS: dict[str, Callable[[Path, str | None], pd.DataFrame]] = {
    ".csv": _read_csv,
    ".tsv": _read_csv,
    ".txt": _read_csv,
    ".xlsx": _read_excel,
    ".xlsm": _read_excel,
    ".json": _read_json,
    ".jsonl": _read_json,
    ".ndjson": _read_json,
    ".parquet": _read_parquet,
    ".pq": _read_parquet,
}
