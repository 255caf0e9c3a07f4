"""`read_jobs_file`: a frame of jobs from a file, without losing a digit of a gid."""

from __future__ import annotations

import codecs
import csv
import errno
import io
import json
import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from asana_jobs_pd._files import local_path
from asana_jobs_pd._jobs.as_jobs import EXACT, as_jobs, is_ours
from asana_jobs_pd._jobs.frame import asana_jobs_from_records
from asana_jobs_pd._jobs.schema import COLUMNS
from asana_jobs_pd._public import public
from asana_jobs_pd.errors import (
    AsanaJobsError,
    AsanaValueWarning,
    InvalidFrameError,
    InvalidOptionError,
    MissingExtraError,
    warn_user,
)

_COMPRESSIONS = (".gz", ".bz2", ".zst")
_BLANKS = ("", "NA", "N/A", "n/a", "NaN", "nan", "None", "null", "NULL", "<NA>", "#N/A", "NaT")
"""What counts as missing in the user's own columns; in ours it is only an empty text."""
_EXCEL_DIGITS = 15
_UNITS = (("s", 1e11), ("ms", 1e14), ("us", 1e17), ("ns", float("inf")))
"""The units of times written by `DataFrame.to_json`, by the size of the numbers."""


@public
def read_jobs_file(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Read a frame of jobs from a CSV, Excel, JSON or Parquet file.

    Plain ``pd.read_csv``, ``pd.read_excel`` and ``pd.read_json`` make numbers of gids, and lose
    their last digits when a value is missing. This reads gids as text.

    Parameters
    ----------
    path
        A local file: ``.csv``, ``.tsv`` or ``.txt`` (comma, semicolon, tab or pipe), ``.xlsx``,
        ``.json``, ``.jsonl`` (of a frame, or of Asana's job records) or ``.parquet``. Text files
        may be compressed (``.csv.gz``). Without a column ``gid``, one named ``GID``, ``Gid`` or
        `` gid `` counts as such.

    Returns
    -------
    pandas.DataFrame
        The rows of the file, without those in which every cell is empty, as spreadsheets leave
        them at the end. The columns of `read_asana_jobs` have its dtypes, the others those that
        pandas infers.

    Raises
    ------
    InvalidOptionError
        When the path is a URL, or not one of these files.
    FileNotFoundError
        When there is no such file.
    InvalidFrameError
        When the file cannot be read, or is not a frame of jobs.
    InvalidGidError
        When values of ``gid`` are not gids, such as numbers that Excel has rounded.
    MissingExtraError
        When an Excel file needs ``openpyxl``, which the extra ``excel`` installs.

    Warns
    -----
    AsanaValueWarning
        When empty rows were left out, with their number.

    See Also
    --------
    asana_jobs_from_records : The same for records in memory.
    recent_jobs : The jobs of this machine, without a file.

    Examples
    --------
    >>> jobs.to_csv("jobs.csv", index=False)
    >>> saved = aj.read_jobs_file("jobs.csv")
    >>> saved["gid"].equals(jobs["gid"])
    True
    """
    file = local_path(path, "path", "file")
    suffixes = [suffix.lower() for suffix in file.suffixes]
    if suffixes and suffixes[-1] in _COMPRESSIONS:
        suffixes.pop()
    reader = _READERS.get(suffixes[-1] if suffixes else "")
    if reader is None:
        raise InvalidOptionError(
            f"path={str(file)!r}: give a file named {', '.join(_READERS)}; text files may be "
            "compressed."
        )
    if not file.exists():
        raise FileNotFoundError(errno.ENOENT, "There is no file", str(file))
    try:
        frame = _with_gid(reader(file))
    except (FileNotFoundError, PermissionError, IsADirectoryError, MemoryError, AsanaJobsError):
        raise
    except Exception as error:  # noqa: BLE001  the readers raise whatever their parsers do
        reason = f"{type(error).__name__}: {error}".rstrip(".")
    else:
        if len(frame.columns) == 1 and re.fullmatch("[1-9][0-9]*", str(frame.columns[0])):
            raise InvalidFrameError(
                f"{file.name}: the header seems to be missing, because the first line is "
                f"{str(frame.columns[0])!r}. Insert a line 'gid' before it."
            )
        filled = _without_empty_rows(frame)
        inferred = filled.infer_objects()
        if (
            list(frame.columns).count("gid") == 1
        ):  # pandas would turn numbers beside a gap into floats
            inferred["gid"] = filled["gid"]
        jobs = as_jobs(inferred)
        if left_out := len(frame) - len(filled):
            rows = "1 empty row was" if left_out == 1 else f"{left_out} empty rows were"
            warn_user(f"{rows} left out of {file.name}.", AsanaValueWarning, frame=jobs)
        return jobs
    raise InvalidFrameError(f"{file.name} cannot be read: {reason}.")


def _with_gid(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.rename(columns=_gid_name({*frame.columns, *frame.index.names}))


def _without_empty_rows(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame without rows that hold only missing values, empty texts or spaces."""
    if any(name is not None for name in frame.index.names):
        return frame
    empty = np.ones(len(frame), bool)
    for _, column in frame.items():  # noqa: PERF102  a frame is not a dict
        empty[empty] = [
            pd.isna(cell) is True or (isinstance(cell, str) and not cell.strip())
            for cell in column.array[empty]
        ]
    return frame[~empty].reset_index(drop=True) if empty.any() else frame


def _gid_name(names: Iterable[object]) -> dict[object, str]:
    """Return the rename of the one column called ``gid`` up to case and spaces."""
    alike = [name for name in names if str(name).strip().lower() == "gid"]
    return {} if "gid" in alike or len(alike) != 1 else {alike[0]: "gid"}


def _read_text(file: Path) -> str:
    with pa.input_stream(str(file), compression="detect") as stream:
        data: bytes = stream.read()
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:  # Excel's "CSV" on Windows
        return data.decode("cp1252")


def _read_csv(file: Path) -> pd.DataFrame:
    text = _read_text(file)
    if text.startswith("sep="):  # for Excel
        text = text.partition("\n")[2]
    header = re.split("[\r\n]", text.lstrip("\r\n"), maxsplit=1)[0]
    separators = {mark: _fields(header, mark) for mark in ",;\t|"}
    mark = max(separators, key=lambda mark: (_has_gid(separators[mark]), len(separators[mark])))
    names = separators[mark]
    new_name = _gid_name(names)
    texts = {name for name in names if _is_text(new_name.get(name, name))}
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=mark)
    if _has_gid(names) and any(any(map(str.strip, row[len(names) :])) for row in rows):
        raise InvalidFrameError(
            f"{file.name}: a line has more fields than the header names columns. Quote values that "
            f"contain {mark!r}, or complete the header."
        )
    return pd.read_csv(
        io.StringIO(text),
        sep=mark,
        usecols=range(len(names)),
        index_col=False,  # otherwise one field too many, even an empty one, makes the gids an index
        dtype=dict.fromkeys(texts, "string"),
        na_values={name: [""] if name in texts else list(_BLANKS) for name in names},
        keep_default_na=False,
    )


def _fields(header: str, mark: str) -> list[str]:
    return next(csv.reader([header], delimiter=mark), [])


def _has_gid(names: Iterable[object]) -> bool:
    return "gid" in names or bool(_gid_name(names))


def _is_text(name: str) -> bool:
    return is_ours(name.removesuffix(" (UTC)"))


def _read_excel(file: Path) -> pd.DataFrame:
    try:
        import openpyxl as _  # noqa: F401, PLC0415  an extra
    except ImportError:
        pass
    else:
        with pd.ExcelFile(file, engine="openpyxl") as book:
            sheet = "Jobs" if "Jobs" in book.sheet_names else 0
            frame = pd.read_excel(
                book, sheet_name=sheet, dtype=object, keep_default_na=False, na_values=[""]
            )
        _refuse_rounded(_with_gid(frame))
        return frame
    raise MissingExtraError(
        "Excel files need openpyxl: pip install 'asana_jobs_pd[excel]' installs it."
    )


def _refuse_rounded(frame: pd.DataFrame) -> None:
    """Refuse gids that Excel rounded: those with 15 digits and then zeros, or read as floats."""
    if "gid" not in frame.columns:
        return
    numbers = [value for value in frame["gid"] if isinstance(value, int) and value > 0]
    long = [number for number in numbers if number >= 10**_EXCEL_DIGITS]
    if long and all(map(_is_rounded, long)):
        raise InvalidFrameError(
            f"The column 'gid' holds numbers such as {long[0]}: Excel keeps {_EXCEL_DIGITS} digits "
            "of a number, so the last ones are lost. Format the column as text before pasting "
            "gids, or export them again."
        )


def _is_rounded(number: int) -> bool:
    return set(str(number)[_EXCEL_DIGITS:]) == {"0"} or (
        number > EXACT and int(float(number)) == number
    )


def _read_json(file: Path) -> pd.DataFrame:
    text = _read_text(file)
    try:
        data = json.loads(text)
    except json.JSONDecodeError:
        data = [json.loads(line) for line in text.splitlines() if line.strip()]
    frame = _from_json(data)
    for name in frame.columns:
        if name in COLUMNS and COLUMNS[name].kind == "time":
            frame[name] = _from_epochs(frame[name])
    return frame


def _from_json(data: Any) -> pd.DataFrame:
    """Return the frame from any layout that `DataFrame.to_json` writes, or from job records."""
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
    if _has_gid(data):
        columns = {name: list(values.values()) for name, values in data.items()}
        return pd.DataFrame(columns, dtype=object)
    return pd.DataFrame(list(data.values()), dtype=object)


def _from_epochs(column: pd.Series) -> pd.Series:
    """Return numbers that `DataFrame.to_json` wrote for times as times."""
    numbers = column[column.map(lambda value: isinstance(value, int | float))].dropna()
    if numbers.empty:
        return column
    unit = next(unit for unit, limit in _UNITS if float(numbers.abs().max()) < limit)
    times = pd.DatetimeIndex(numbers.to_numpy("int64").astype(f"M8[{unit}]"), tz="UTC")
    column = column.astype(object)
    column[numbers.index] = times.astype(object)
    return column


_READERS: dict[str, Callable[[Path], pd.DataFrame]] = {
    ".csv": _read_csv,
    ".tsv": _read_csv,
    ".txt": _read_csv,
    ".xlsx": _read_excel,
    ".xlsm": _read_excel,
    ".json": _read_json,
    ".jsonl": _read_json,
    ".ndjson": _read_json,
    ".parquet": pd.read_parquet,
    ".pq": pd.read_parquet,
}
