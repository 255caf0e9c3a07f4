"""`as_jobs`: check any frame of jobs, wherever it comes from, and cast it to our dtypes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from asana_jobs_pd._jobs.gids import FLOATS, foreign_frame, gid_series, parse_column
from asana_jobs_pd._jobs.schema import (
    BACKEND,
    COLUMNS,
    STATUSES,
    Kind,
    dtype_of,
    is_ours,
    text_column,
    with_backend,
)
from asana_jobs_pd._jobs.states import is_verified
from asana_jobs_pd.errors import AsanaValueWarning, InvalidFrameError, warn_user

FIRST_TIME = np.datetime64("0001-01-01", "us")
LAST_TIME = np.datetime64("9999-12-31T23:59:59.999999", "us")
"""The first and the last time of the years that Python can represent."""
EXACT = 2**53
"""Below this, every whole number is exact as a float."""
_TEXT, _TIME = dtype_of("text"), dtype_of("time")
_EXCEL_NAMES = {f"{name} (UTC)": name for name in COLUMNS if COLUMNS[name].kind == "time"}
"""The names of time columns in Excel files by `asana_jobs_to_excel`."""


def as_jobs(jobs: pd.DataFrame, *, verified: bool = False) -> pd.DataFrame:
    """Return a checked copy with our columns in their dtypes, and the user's columns unchanged.

    Index levels with our names become columns, and empty texts become missing. `with_index_of`
    restores the levels.
    """
    frame = _flat(jobs)
    gids = gid_series(frame)
    if pd.api.types.is_float_dtype(gids.dtype) and gids.notna().any():
        first = gids.dropna().iloc[0]
        raise InvalidFrameError(
            f"The column 'gid' holds floats, such as {float(first)!r}. {FLOATS}"
        )
    frame["gid"] = text_column(parse_column(gids))
    for name in _ours(frame):
        if name != "gid" and (cast := cast_column(column := frame[name], name)) is not column:
            frame[name] = cast
    _check_values(frame)
    if verified and "status" in frame.columns and not is_verified(frame):
        frame["status"] = text_column([None] * len(frame))
    return frame


def with_index_of(rows: pd.DataFrame, jobs: pd.DataFrame) -> pd.DataFrame:
    """Return rows from `as_jobs` with the index levels, dtypes and flags of the frame `jobs`."""
    rows = with_backend(rows, jobs.attrs.get(BACKEND))
    places = range(jobs.index.nlevels)
    moved = [place for place in places if _is_moved(jobs.index.names[place], jobs)]
    if moved:
        kept = [place for place in places if place not in moved]
        rows = rows.set_index([jobs.index.names[place] for place in moved], append=bool(kept))
        if kept:
            rows = rows.reorder_levels([[*kept, *moved].index(place) for place in places])
    if not jobs.flags.allows_duplicate_labels and rows.index.is_unique and rows.columns.is_unique:
        rows = rows.set_flags(allows_duplicate_labels=False)
    return rows


def _flat(jobs: pd.DataFrame) -> pd.DataFrame:
    """Return a copy in which index levels with our names are columns."""
    if not isinstance(jobs, pd.DataFrame):
        kind = type(jobs).__name__
        raise InvalidFrameError(foreign_frame(jobs) or f"Give a DataFrame of jobs, not a {kind}.")
    gid_series(jobs)  # raises before anything is copied
    frame = jobs.copy().set_flags(allows_duplicate_labels=True)
    if isinstance(frame.columns.dtype, pd.CategoricalDtype):
        frame.columns = frame.columns.astype(object)
    moved = [name for name in frame.index.names if _is_moved(name, frame)]
    if twice := [name for name in moved if moved.count(name) > 1]:
        raise InvalidFrameError(f"The index has more than one level {twice[0]!r}; keep one.")
    return _without_units(frame.reset_index(moved) if moved else frame)


def _is_moved(name: object, frame: pd.DataFrame) -> bool:
    return is_ours(name) and name not in frame.columns


def _without_units(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with the names that its time columns had before it was an Excel file."""
    names = {
        old: new
        for old, new in _EXCEL_NAMES.items()
        if old in frame.columns and new not in frame.columns
    }
    return frame.rename(columns=names) if names else frame


def _ours(frame: pd.DataFrame) -> list[str]:
    ours = [name for name in frame.columns if is_ours(name)]
    if len(set(ours)) < len(ours):
        twice = next(name for name in ours if ours.count(name) > 1)
        raise InvalidFrameError(f"The frame has more than one column {twice!r}; keep one.")
    return ours


def _check_values(frame: pd.DataFrame) -> None:
    """Raise if the frame is not one of jobs, or its `status` is the user's own column."""
    _check_column(frame, "resource_type", ("job",), "These are not jobs:")
    if not is_verified(frame):
        _check_column(frame, "status", STATUSES, "The status is not Asana's:")


def _check_column(frame: pd.DataFrame, name: str, known: Sequence[str], subject: str) -> None:
    if name not in frame.columns:
        return
    others = frame[name].dropna()
    others = others[~others.isin(known)]
    if len(others):
        raise InvalidFrameError(
            f"{subject} {name!r} holds {others.iloc[0]!r} ({len(others)} of {len(frame)} rows). "
            "Rename that column if it is yours, or remove those rows."
        )


def cast_column(column: pd.Series, name: str) -> pd.Series:
    """Return one of our columns, cast to its dtype."""
    kind: Kind = COLUMNS[name].kind if name in COLUMNS else "text"
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = _without_categories(column)
    if kind == "time":
        return as_times(column, name)
    try:
        return _as_text(column, name) if kind == "text" else _as_number(column)
    except (TypeError, ValueError, OverflowError, pa.ArrowException) as error:
        reason = str(error)
    raise InvalidFrameError(f"The column {name!r} cannot be {dtype_of(kind)}: {reason}.")


def _without_categories(column: pd.Series) -> pd.Series:
    """Return a categorical column's values; pandas would turn numbers with gaps into floats."""
    values = [*column.cat.categories.astype(object), None]  # the code of a gap is -1
    taken = [values[code] for code in column.cat.codes]
    return pd.Series(taken, column.index, object, name=column.name)


def _as_text(column: pd.Series, name: str) -> pd.Series:
    if pd.api.types.is_float_dtype(column.dtype):
        column = _whole_numbers(column, name)
    elif column.dtype == object and pd.api.types.infer_dtype(column) != "string":
        floats = column.map(lambda value: isinstance(value, float | np.floating)).to_numpy(bool)
        floats = floats & column.notna().to_numpy(bool)
        texts = column.where(column.isna(), column.map(str))
        if floats.any():
            numbers = _whole_numbers(column[floats].astype("float64"), name)
            texts[floats] = numbers.astype(_TEXT).to_numpy(object)
        column = texts
    text = column if column.dtype == _TEXT else column.astype(_TEXT)
    empty = pc.equal(pa.array(text.array), "")  # pandas takes thirty times as long
    return text.mask((text == "").to_numpy(bool, na_value=False)) if pc.any(empty).as_py() else text


def _as_number(column: pd.Series) -> pd.Series:
    dtype = dtype_of("number")
    if column.dtype == dtype:
        return column
    if not pd.api.types.is_numeric_dtype(column.dtype):
        column = pd.to_numeric(_without_blanks(column))
    numbers = pd.Series(column.to_numpy("float64", na_value=np.nan), column.index)
    return pd.Series(numbers.astype(dtype), name=column.name)


def _without_blanks(column: pd.Series) -> pd.Series:
    """Return a text column as objects; None if there is no value or only whitespace."""
    values = [
        None if (isinstance(value, str) and not value.strip()) or missing else value
        for value, missing in zip(column.array, column.isna().array, strict=True)
    ]
    return pd.Series(values, column.index, object, name=column.name)


def _whole_numbers(column: pd.Series, name: str) -> pd.Series:
    """Return floats as the whole numbers they were before a file format changed them.

    A gid that has lost digits is no longer a gid: it becomes missing, with a warning.
    """
    numbers = column.to_numpy("float64", na_value=np.nan)
    missing = np.isnan(numbers)
    whole = ~missing & (np.abs(numbers) < EXACT)
    whole &= np.where(whole, numbers, 0.5) % 1 == 0
    lost = int((~whole & ~missing).sum())
    if lost and not name.endswith(".gid"):
        return column
    if lost:
        values = "1 value" if lost == 1 else f"{lost} values"
        warn_user(
            f"{values} of {name!r} went through floats, lost digits and became missing. Read the "
            "file with aj.read_jobs_file(path), or that column as text, for example with "
            f'pd.read_csv(path, dtype={{"gid": "string", "{name}": "string"}}); or ask again with '
            "refresh(finished=True).",
            AsanaValueWarning,
        )
    integers = pd.arrays.IntegerArray(np.where(whole, numbers, 0).astype("int64"), ~whole)
    return pd.Series(integers, column.index, name=column.name)


def as_times(column: pd.Series, name: str) -> pd.Series:
    """Return a column of times or texts as ``datetime64[us, UTC]``; `name` is for messages."""
    dtype = column.dtype
    if dtype == _TIME:
        return column
    if isinstance(dtype, pd.ArrowDtype) and pa.types.is_temporal(dtype.pyarrow_dtype):
        return _from_arrow(column, name)
    if pd.api.types.is_datetime64_any_dtype(dtype):
        return pd.to_datetime(column, utc=True).dt.as_unit("us")
    if pd.api.types.is_numeric_dtype(dtype) and column.notna().any():
        raise InvalidFrameError(
            f"The column {name!r} holds numbers, such as {column.dropna().iloc[0]!r}, and not "
            "times; convert it first, for example with pd.to_datetime(…, unit='ms', utc=True)."
        )
    times, problem = parse_times(_without_blanks(column), lambda _: f"The column {name!r} holds")
    if problem:
        warn_user(problem, AsanaValueWarning)
    return times


def parse_times(texts: pd.Series, describe: Callable[[int], str]) -> tuple[pd.Series, str]:
    """Return ISO 8601 texts as ``datetime64[us, UTC]``, and a mask of those that are not times."""
    try:
        times = pd.to_datetime(texts, utc=True, format="ISO8601", errors="coerce").dt.as_unit("us")
    except (TypeError, ValueError, OverflowError):
        times = pd.Series(pd.NaT, texts.index, _TIME, name=texts.name)
    moments = times.dt.tz_convert(None).to_numpy("M8[us]")
    times = times.mask(
        (moments < FIRST_TIME) | (moments > LAST_TIME)
    )  # because of their UTC offset
    unread = np.flatnonzero(times.isna() & texts.notna())
    if not len(unread):
        return times, ""
    values = times.array.copy()
    lost = []
    for place in unread.tolist():
        time = _instant(texts.iloc[place])
        if time is None:
            lost.append(place)
        else:
            values[place] = time
    series = pd.Series(values, texts.index, name=texts.name)
    if not lost:
        return series, ""
    return series, (
        f"{describe(lost[0])} {texts.iloc[lost[0]]!r}, which is not a time; it became missing "
        f"({len(lost)} of {len(texts)} values)."
    )


def _instant(value: object) -> pd.Timestamp | None:
    """Return a time that pandas cannot read, such as one in the year 1."""
    try:
        time = datetime.fromisoformat(value) if isinstance(value, str) else value
        if not isinstance(time, datetime):
            return None
        naive = time.astimezone(UTC).replace(tzinfo=None) if time.tzinfo else time
        return pd.Timestamp(np.datetime64(naive, "us"), tz="UTC")
    except (ValueError, OverflowError):
        return None


def _from_arrow(column: pd.Series, name: str) -> pd.Series:
    values = column.array.__arrow_array__()
    try:
        times = values.cast(pa.timestamp("us", "UTC"), safe=False)
    except pa.ArrowException as error:
        reason = str(error)
    else:
        index = pd.DatetimeIndex(pd.Series(times.to_numpy(zero_copy_only=False)), tz="UTC")
        return pd.Series(index.as_unit("us"), column.index, name=column.name)
    raise InvalidFrameError(f"The column {name!r} holds no times: {reason}.")
