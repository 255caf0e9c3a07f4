"""When each job started and ended, as far as that is known."""

from __future__ import annotations

import pandas as pd

from asana_jobs_pd._jobs.as_jobs import as_times, cast_column
from asana_jobs_pd._jobs.schema import FINAL_STATUSES, dtype_of
from asana_jobs_pd._jobs.states import is_finished, kinds_of
from asana_jobs_pd._jobs.views import unique_jobs
from asana_jobs_pd._vocabulary import UNREADABLE, states_of
from asana_jobs_pd.errors import InvalidFrameError

_TIME = dtype_of("time")
_MIN_TIME, _MAX_TIME = (
    pd.Timestamp(text).as_unit("us") for text in ("0001-01-01T00Z", "9999-12-31T23:59:59.999999Z")
)
_ENDED = (*FINAL_STATUSES, UNREADABLE)
_HISTORY = ("gid", "status", "at")


def job_spans(
    jobs: pd.DataFrame,
    *,
    history: pd.DataFrame | None = None,
    start: str | None = None,
    end: str | None = None,
) -> pd.DataFrame:
    """Return when each job started and ended."""
    rows = unique_jobs(jobs, without_gid=True)
    first, final, last = _observations(rows, history)
    finished = is_finished(rows)
    created = _reported(rows, "created_at").min(axis=1)
    completed = _reported(rows, "completed_at").max(axis=1).where(finished)
    started = created.fillna(_user_times(rows, start)).fillna(first)
    ended = completed.fillna(_user_times(rows, end)).fillna(final).where(finished)
    last_seen = pd.concat([_user_times(rows, "fetched_at"), last], axis=1).max(axis=1)
    ended = ended.fillna(last_seen.where(~finished))
    started, ended = started.fillna(ended), ended.fillna(started)
    spans = pd.DataFrame(
        {
            "state": states_of(rows),
            "start": started,
            "end": ended.where(ended >= started, started),
            "running": ~finished & ended.notna().to_numpy(bool),
            "observed": (created.isna() | (completed.isna() & finished)).to_numpy(bool),
        },
        index=rows.index,
    )
    return pd.concat([spans, rows.drop(columns=spans.columns, errors="ignore")], axis=1)


def named_column(rows: pd.DataFrame, name: str) -> pd.Series:
    """Return a column that the user named; there must be one."""
    if list(rows.columns).count(name) == 1:
        column: pd.Series = rows[name]
        return column
    raise InvalidFrameError(f"There is no column {name!r}; the columns are {list(rows.columns)}.")


def _reported(rows: pd.DataFrame, leaf: str) -> pd.DataFrame:
    """Return Asana's times of exports; other objects are older or younger than their job."""
    kinds = [kind for kind in kinds_of(rows) if kind.endswith("_export")]
    names = [name for kind in kinds if (name := f"new_{kind}.{leaf}") in rows.columns]
    missing = pd.Series(pd.NaT, rows.index, _TIME)
    return pd.concat([missing, *(as_times(rows[name], name) for name in names)], axis=1)


def _user_times(rows: pd.DataFrame, name: str | None) -> pd.Series:
    if name is None or (name == "fetched_at" and name not in rows.columns):
        return pd.Series(pd.NaT, rows.index, _TIME)
    column = named_column(rows, name)
    if column.dtype == object and not column.map(pd.api.types.is_scalar).all():
        raise InvalidFrameError(f"The column {name!r} contains lists or other objects, not times.")
    if getattr(column.dtype, "kind", "") == "m":
        raise InvalidFrameError(f"The column {name!r} contains durations, not times.")
    times = as_times(column, name)
    if not times.dropna().between(_MIN_TIME, _MAX_TIME).all():
        raise InvalidFrameError(f"The column {name!r} contains times outside the years 1 to 9999.")
    return times


def _observations(
    rows: pd.DataFrame, history: pd.DataFrame | None
) -> tuple[pd.Series, pd.Series, pd.Series]:
    """Return when each job was first observed, first observed as finished, and last observed."""
    if history is None:
        missing = pd.Series(pd.NaT, rows.index, _TIME)
        return missing, missing, missing
    if not isinstance(history, pd.DataFrame) or not set(_HISTORY) <= set(history.columns):
        raise InvalidFrameError(
            "history must be a frame with gid, status and at, such as a monitor's .history."
        )
    gids = cast_column(history["gid"], "gid").to_numpy(object)
    times = as_times(history["at"], "at").set_axis(gids)
    final = times[history["status"].isin(_ENDED).to_numpy(bool)]
    by_gid = [
        times.groupby(level=0).min(),
        final.groupby(level=0).min(),
        times.groupby(level=0).max(),
    ]
    keys = rows["gid"].to_numpy(object)
    first, finished, last = (series.reindex(keys).set_axis(rows.index) for series in by_gid)
    return first, finished, last


def has_value(value: object) -> bool:
    """Tell whether a cell has a value; a list is one."""
    return not (pd.api.types.is_scalar(value) and pd.isna(value))  # type: ignore[call-overload]
