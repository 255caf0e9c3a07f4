"""From records to a typed frame. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from asana_jobs_pd._jobs.collector import collector_paused
from asana_jobs_pd._jobs.fields import EVERYTHING, Plan, plan_fields
from asana_jobs_pd._jobs.gids import parse_gids
from asana_jobs_pd._jobs.outcome import Outcome
from asana_jobs_pd._jobs.records import TEXT, Record, columns_of
from asana_jobs_pd._jobs.schema import COLUMNS
from asana_jobs_pd._jobs.times import parse_times
from asana_jobs_pd.errors import RequestError
from asana_jobs_pd.typing import Fields

__all__ = ["asana_jobs_from_records", "frame_of_outcomes", "jobs_frame"]

_TIME = pa.timestamp("us", "UTC")
_ATTRIBUTES = {
    "error.status": "status",
    "error.kind": "kind",
    "error.message": "reason",
    "error.help": "help",
    "error.phrase": "phrase",
}


def asana_jobs_from_records(
    records: Sequence[Record], fields: Fields | None = None, *, strict: bool = True
) -> pd.DataFrame:
    """Return job records that you have already as the frame that `read_asana_jobs` returns.

    For records of another client, of a file, or of the answer to the request that started a
    job. Nothing is sent.

    Parameters
    ----------
    records
        What Asana calls ``data``: one dict a job, each with its ``gid``.
    fields, strict
        As in `read_asana_jobs`.

    Returns
    -------
    pandas.DataFrame
        One row a record, in their order, with a RangeIndex; ``fetched_at`` and ``error.*`` are
        missing. ``jobs.asana.refresh()`` asks Asana for what is not finished.

    Raises
    ------
    InvalidGidError
        When a record has no gid.
    InvalidFieldError
        When a field is not one.
    """
    plan = EVERYTHING if fields is None else plan_fields(fields, strict=strict)
    rows = list(records)
    return jobs_frame(None, rows, plan)


def frame_of_outcomes(
    gids: Sequence[str | None], outcomes: Sequence[Outcome], plan: Plan
) -> pd.DataFrame:
    """Return the frame of what was fetched: one row a gid, in their order."""
    asked_at = np.fromiter((outcome.asked_at for outcome in outcomes), "int64", len(outcomes))
    errors = [outcome.error for outcome in outcomes]
    return jobs_frame(gids, [outcome.record for outcome in outcomes], plan, asked_at, errors)


def jobs_frame(
    gids: Sequence[str | None] | None,
    records: Sequence[Record],
    plan: Plan,
    asked_at: np.ndarray | None = None,
    errors: Sequence[RequestError | None] = (),
) -> pd.DataFrame:
    """Return the frame of records, with the table's dtypes whatever came.

    Columns: ``gid``, those of the plan, what else arrived, ``fetched_at``, ``error.*``.

    Parameters
    ----------
    gids
        One a row, None where there is no job; None for those of the records.
    records
        One a row; an empty record where there is none.
    plan
        Which columns.
    asked_at
        Microseconds since 1970, ``NEVER`` where it was not asked for; None for all of these.
    errors
        One a row, or none at all.
    """
    rows = len(records)
    if gids is None:
        plan = replace(plan, columns=(COLUMNS["gid"], *plan.columns))
    with collector_paused():
        columns = columns_of(records, plan)
    ids = _gids_of(records, columns.pop("gid")) if gids is None else pa.array(gids, TEXT)
    data: dict[str, Any] = {"gid": _strings(ids)}
    for name, array in columns.items():
        timed = name in COLUMNS and COLUMNS[name].kind == "time"
        data[name] = _to_times(array, name, ids) if timed else _strings(array)
    times = np.full(rows, "NaT", "M8[us]") if asked_at is None else asked_at.view("M8[us]")
    data["fetched_at"] = _utc(times)
    data |= _error_columns(errors, rows)
    return pd.DataFrame(data, index=pd.RangeIndex(rows), copy=False)


def _gids_of(records: Sequence[Record], texts: pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """Return the gids of the records, checked: at once where they are digits, else one by one."""
    digits = not texts.null_count and pc.all(pc.ascii_is_decimal(texts)).as_py()
    if not digits or pc.any(pc.starts_with(texts, "0")).as_py():  # an int 0 became a text
        return pa.array(parse_gids([record.get("gid", "") for record in records]), TEXT)
    return texts


def _error_columns(errors: Sequence[RequestError | None], rows: int) -> dict[str, Any]:
    some = any(errors)
    data: dict[str, Any] = {}
    for name, attribute in _ATTRIBUTES.items():
        type_ = TEXT if COLUMNS[name].kind == "text" else pa.int16()
        array = pa.nulls(rows, type_)
        if some:
            array = pa.array([getattr(error, attribute, None) for error in errors], type_)
        data[name] = _strings(array) if type_ is TEXT else _numbers(array)
    return data


def _strings(array: pa.Array | pa.ChunkedArray) -> pd.api.extensions.ExtensionArray:
    return pd.arrays.ArrowStringArray(array)


def _numbers(array: pa.Array) -> pd.api.extensions.ExtensionArray:
    # Copies: Arrow's own memory cannot be written to, and a user may set a cell.
    return pd.arrays.IntegerArray(
        np.array(array.fill_null(0).to_numpy(zero_copy_only=False)),
        np.array(array.is_null().to_numpy(zero_copy_only=False)),
    )


def _utc(times: np.ndarray) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(times, tz="UTC", copy=False)


def _to_times(array: pa.ChunkedArray, column: str, gids: pa.Array) -> pd.DatetimeIndex:
    """Return ISO 8601 texts as UTC times; what is none becomes missing, with a warning."""
    try:
        return _utc(array.cast(_TIME).to_numpy())
    except pa.ArrowInvalid:
        texts = pd.Series(_strings(array))
    return pd.DatetimeIndex(parse_times(texts, lambda row: f"{column} of job {gids[row]} is"))
