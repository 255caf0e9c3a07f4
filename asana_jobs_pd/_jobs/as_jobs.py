"""Any frame of jobs, wherever it has been, back to the table's dtypes. Pure."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from asana_jobs_pd._jobs.gids import FLOATS, gid_series, parse_gids
from asana_jobs_pd._jobs.schema import COLUMNS, dtype_of
from asana_jobs_pd.errors import AsanaValueWarning, InvalidFrameError, warn_user

__all__ = ["as_times", "cast_column", "cast_frame", "gids_of", "parse_times"]


def parse_times(texts: pd.Series, tell: Callable[[int], str]) -> pd.Series:
    """Return ISO 8601 texts, with or without a fraction, as ``datetime64[us, UTC]``.

    Parameters
    ----------
    texts
        Texts, times or missing values.
    tell
        Gets the position of the first value that is no time, and says whose it is.

    Warns
    -----
    AsanaValueWarning
        When values are no times: they become missing.
    """
    times = pd.to_datetime(texts, utc=True, format="ISO8601", errors="coerce")
    lost = np.flatnonzero(times.isna() & texts.notna())
    if len(lost):
        warn_user(
            f"{tell(int(lost[0]))} {texts.iloc[lost[0]]!r}, which is not a time; it became "
            f"missing ({len(lost)} such).",
            AsanaValueWarning,
        )
    return times.dt.as_unit("us")


_EXACT = 2**53
"""Up to here a float holds every whole number."""
_TEXT = dtype_of("text")


def gids_of(jobs: pd.DataFrame) -> pd.Series:
    """Return the gid of each row as text, missing where there is none, when these are jobs.

    Raises
    ------
    InvalidFrameError
        When there is no ``gid``, it went through floats, or these are other things than jobs.
    InvalidGidError
        For a value that is no gid.
    """
    if not isinstance(jobs, pd.DataFrame):
        raise InvalidFrameError(f"Give a DataFrame of jobs, not a {type(jobs).__name__}.")
    column = gid_series(jobs)
    there = column.notna().to_numpy(bool)
    if pd.api.types.is_float_dtype(column.dtype) and there.any():
        first = column[there].iloc[0]
        raise InvalidFrameError(f"The column 'gid' holds floats, such as {first!r}. {FLOATS}")
    _check_type(jobs)
    texts = np.full(len(column), None, object)
    texts[there] = parse_gids(column.array[there])
    return pd.Series(texts, index=jobs.index, dtype=_TEXT, name="gid")


def cast_frame(jobs: pd.DataFrame, gids: pd.Series) -> pd.DataFrame:
    """Return a copy with our columns in the table's dtypes, the others as they are.

    Parameters
    ----------
    jobs
        A frame of jobs.
    gids
        What `gids_of` made of its gids.

    Raises
    ------
    InvalidFrameError
        When a value cannot be what its column holds, or a column of ours is there twice.
    """
    ours = [name for name in jobs.columns if isinstance(name, str) and name in COLUMNS]
    if len(set(ours)) < len(ours):
        twice = next(name for name in ours if ours.count(name) > 1)
        raise InvalidFrameError(f"The frame has more than one column {twice!r}; keep one.")
    frame = jobs.copy()
    if "gid" in ours:
        frame["gid"] = gids.array
        ours.remove("gid")
    for name in ours:
        frame[name] = cast_column(jobs[name], name)
    return frame


def cast_column(column: pd.Series, name: str) -> pd.Series:
    """Return a column of ours in its dtype."""
    kind = COLUMNS[name].kind
    dtype = dtype_of(kind)
    if column.dtype == dtype:
        return column
    if kind == "time":
        return as_times(column, name)
    if kind == "text" and pd.api.types.is_float_dtype(column.dtype):
        column = _without_floats(column, name)
    try:
        return column.astype(dtype)
    except (TypeError, ValueError) as error:
        said = str(error)
    raise InvalidFrameError(f"The column {name!r} cannot be {dtype}: {said}.")


def as_times(column: pd.Series, name: str) -> pd.Series:
    """Return a column of times or texts as ``datetime64[us, UTC]``; `name` is for messages."""
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        aware = column if column.dt.tz is not None else column.dt.tz_localize("UTC")
        moved: pd.Series = aware.dt.tz_convert("UTC").dt.as_unit("us")
        return moved
    if pd.api.types.is_numeric_dtype(column.dtype) and column.notna().any():
        raise InvalidFrameError(
            f"The column {name!r} holds numbers, such as {column.dropna().iloc[0]!r}, and not "
            "times; convert it first, for example with pd.to_datetime(…, unit='ms', utc=True)."
        )
    return parse_times(column, lambda _: f"{name!r} holds")


def _check_type(jobs: pd.DataFrame) -> None:
    if "resource_type" not in jobs.columns:
        return
    types = jobs["resource_type"].dropna()
    others = types[types != "job"]
    if len(others):
        raise InvalidFrameError(
            f"These are not jobs: 'resource_type' holds {others.iloc[0]!r}. Rename that column if "
            "it is yours."
        )


def _without_floats(column: pd.Series, name: str) -> pd.Series:
    """Return what a file format made floats of as the whole numbers they were, if they still are.

    A gid that has lost digits must not pass for one: it becomes missing, with a warning.
    """
    numbers = column.to_numpy("float64", na_value=np.nan)
    whole = np.isnan(numbers) | ((numbers % 1 == 0) & (np.abs(numbers) < _EXACT))
    if not name.endswith(".gid"):
        return column if not whole.all() else column.astype("Int64")
    if not whole.all():
        warn_user(
            f"{int((~whole).sum())} values of {name!r} went through floats, lost digits and "
            "became missing. Read that column as text too, for example with pd.read_csv(path, "
            f'dtype={{"gid": "string", "{name}": "string"}}), or ask again with '
            "refresh(finished=True).",
            AsanaValueWarning,
        )
    return column.where(whole).astype("Int64")
