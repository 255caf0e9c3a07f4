"""When each job began and ended, as far as anybody can know. Pure.

Asana gives times to exports alone. For the other jobs there is what was seen of them: the
history of a monitor, columns of the caller's, and ``fetched_at`` of what is not finished.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from asana_jobs_pd._jobs.cast import as_times, cast_column
from asana_jobs_pd._jobs.schema import FINAL_STATUSES, dtype_of
from asana_jobs_pd._jobs.states import is_finished, kinds_of
from asana_jobs_pd._jobs.views import once
from asana_jobs_pd._notebook.palette import UNKNOWN, UNREADABLE
from asana_jobs_pd.errors import InvalidFrameError

__all__ = ["column_of", "spans_of", "states_of"]

_TIME = dtype_of("time")
_ENDED = (*FINAL_STATUSES, UNREADABLE)
_HISTORY = ("gid", "status", "at")


def states_of(jobs: pd.DataFrame) -> np.ndarray:
    """Return the state of each row: its status, ``unreadable`` or ``unknown``, as objects."""
    missing = pd.Series(pd.NA, jobs.index, "string")
    status = jobs.get("status", missing).astype("string").fillna(UNKNOWN).to_numpy(object)
    gone = is_finished(jobs) & ~np.isin(status, FINAL_STATUSES)
    errors = jobs.get("error.kind", missing).notna().to_numpy(bool)
    return np.where(gone | (errors & (status == UNKNOWN)), UNREADABLE, status)


def spans_of(
    jobs: pd.DataFrame,
    *,
    history: pd.DataFrame | None = None,
    start: str | None = None,
    end: str | None = None,
) -> pd.DataFrame:
    """Return when each job began and ended.

    Parameters
    ----------
    jobs
        A frame of jobs, with nothing but ``gid`` if need be.
    history
        What a monitor saw of them: ``gid``, ``status``, ``at``. What is finished, `jobs` says.
    start, end
        Columns of `jobs` with times of jobs to which Asana gives none.

    Returns
    -------
    pandas.DataFrame
        The jobs in their dtypes, each gid once, rows without one kept, and before their columns

        - ``state``, as of `states_of`;
        - ``start`` and ``end``, ``datetime64[us, UTC]``: from ``created_at`` to ``completed_at``
          of exports; else the column, else the first and the final sight in the history. What
          is not finished ends when it was last seen, at ``fetched_at`` at the least. Of what is
          finished, that says nothing: it may have ended long before it was read. Equal where
          only one moment is known, missing where none is; never in the wrong order;
        - ``running``: seen at `end`, and not finished then;
        - ``seen``: whether the span is what was seen, and not what Asana reports.

    Raises
    ------
    InvalidFrameError
        When these are no jobs, or a column or the history is not what it should be.
    """
    rows = once(jobs, without_gid=True)
    first, final, last = _sights(rows, history)
    finished = is_finished(rows)
    created = _reported(rows, "created_at").min(axis=1)
    completed = _reported(rows, "completed_at").max(axis=1).where(finished)
    begun = created.fillna(_column(rows, start)).fillna(first)
    ended = completed.fillna(_column(rows, end)).fillna(final).where(finished)
    still = pd.concat([_column(rows, "fetched_at"), last], axis=1).max(axis=1)
    ended = ended.fillna(still.where(~finished))
    begun, ended = begun.fillna(ended), ended.fillna(begun)
    found = pd.DataFrame(
        {
            "state": states_of(rows),
            "start": begun,
            "end": ended.where(ended >= begun, begun),
            "running": ~finished & ended.notna().to_numpy(bool),
            "seen": (created.isna() | (completed.isna() & finished)).to_numpy(bool),
        },
        index=rows.index,
    )
    return pd.concat([found, rows.drop(columns=found.columns, errors="ignore")], axis=1)


def column_of(rows: pd.DataFrame, name: str) -> pd.Series:
    """Return a column that the caller named, or raise an `InvalidFrameError`."""
    if name in rows.columns:
        column: pd.Series = rows[name]
        return column
    raise InvalidFrameError(f"There is no column {name!r}; there are {list(rows.columns)}.")


def _reported(rows: pd.DataFrame, leaf: str) -> pd.DataFrame:
    """Return what Asana says of exports; other objects are older or younger than their job."""
    kinds = [kind for kind in kinds_of(rows) if kind.endswith("_export")]
    names = [name for kind in kinds if (name := f"new_{kind}.{leaf}") in rows.columns]
    nothing = pd.Series(pd.NaT, rows.index, _TIME)
    return pd.concat([nothing, *(as_times(rows[name], name) for name in names)], axis=1)


def _column(rows: pd.DataFrame, name: str | None) -> pd.Series:
    if name is None or (name == "fetched_at" and name not in rows.columns):
        return pd.Series(pd.NaT, rows.index, _TIME)
    return as_times(column_of(rows, name), name)


def _sights(
    rows: pd.DataFrame, history: pd.DataFrame | None
) -> tuple[pd.Series, pd.Series, pd.Series]:
    """Return when each job was seen first, finished first, and last."""
    nothing = pd.Series(pd.NaT, rows.index, _TIME)
    if history is None:
        return nothing, nothing, nothing
    if not isinstance(history, pd.DataFrame) or not set(_HISTORY) <= set(history.columns):
        raise InvalidFrameError("history is a frame with gid, status and at: a monitor's .history.")
    gids = cast_column(history["gid"], "gid").to_numpy(object)
    times = as_times(history["at"], "at").set_axis(gids)
    final = times[history["status"].isin(_ENDED).to_numpy(bool)]
    by_gid = [
        times.groupby(level=0).min(),
        final.groupby(level=0).min(),
        times.groupby(level=0).max(),
    ]
    keys = rows["gid"].to_numpy(object)
    first, finished, last = (part.reindex(keys).set_axis(rows.index) for part in by_gid)
    return first, finished, last
