"""What a frame of jobs says, as small frames for reports: pure, nothing is sent."""

from __future__ import annotations

import pandas as pd

from asana_jobs_pd._api.redact import hide_query
from asana_jobs_pd._jobs.cast import cast_frame, gids_of
from asana_jobs_pd._jobs.schema import COLUMNS, STATUSES, dtype_of, is_part
from asana_jobs_pd._jobs.states import has_object, kinds_of

__all__ = ["changes", "once", "results", "summary"]

_TEXT = dtype_of("text")
_TIME = dtype_of("time")
_LEAVES = {"gid": _TEXT, "name": _TEXT, "created_at": _TIME, "completed_at": _TIME}
_CHANGE = ("gid", "column", "before", "after")
_IGNORED = {"fetched_at"}


def summary(jobs: pd.DataFrame) -> pd.DataFrame:
    """Return how many jobs there are of each kind in each state.

    Returns
    -------
    pandas.DataFrame
        One row a ``resource_subtype`` in alphabetical order, then ``total``; one column a status
        in the order of a job's life, others by name, ``unknown`` for jobs without one (they
        could not be read), ``total``. Counts are ``int64``; a repeated gid counts once.
    """
    rows = once(jobs)
    missing = pd.Series(pd.NA, index=rows.index, dtype=_TEXT)
    kinds = rows.get("resource_subtype", missing).fillna("unknown")
    states = rows.get("status", missing).fillna("unknown")
    counts = pd.crosstab(kinds.to_numpy(), states.to_numpy())
    others = [state for state in counts.columns if state not in STATUSES]
    counts = counts.reindex(columns=[*STATUSES, *others], fill_value=0).astype("int64")
    counts["total"] = counts.sum(axis=1)
    counts.loc["total"] = counts.sum()
    counts.index = pd.Index(counts.index, dtype=_TEXT, name="resource_subtype")
    counts.columns = pd.Index(counts.columns, dtype=_TEXT, name="status")
    return counts


def results(jobs: pd.DataFrame) -> pd.DataFrame:
    """Return what the jobs created: one row an object, whichever ``new_*`` it is.

    Returns
    -------
    pandas.DataFrame
        ``gid`` (of the job), ``kind`` (``task``, ``graph_export``, …), ``new.gid``, ``new.name``,
        ``new.created_at``, ``new.completed_at``, in the order of the jobs; repeated gids give
        one row. What the frame has no column for is missing. Until a job has succeeded,
        its object may be inconsistent.
    """
    rows = once(jobs)
    parts = [_created(rows[has_object(rows, kind)], kind) for kind in kinds_of(rows)]
    found = pd.concat([_created(rows[:0], ""), *parts])
    return found.sort_index(kind="stable").reset_index(drop=True)


def _created(rows: pd.DataFrame, kind: str) -> pd.DataFrame:
    data = {"gid": rows["gid"], "kind": pd.Series(kind, rows.index, _TEXT)}
    for leaf, dtype in _LEAVES.items():
        missing = pd.Series(pd.NA, rows.index, dtype)
        data[f"new.{leaf}"] = rows.get(f"new_{kind}.{leaf}", missing).astype(dtype)
    return pd.DataFrame(data)


def changes(jobs: pd.DataFrame, previous: pd.DataFrame) -> pd.DataFrame:
    """Return what is different from an earlier frame of the same jobs.

    Parameters
    ----------
    jobs, previous
        Frames of jobs. Rows meet by gid; jobs that only one of them has are left out.

    Returns
    -------
    pandas.DataFrame
        One row a changed value: ``gid``, ``column``, ``before``, ``after``, all ``string``, times
        in ISO 8601. ``fetched_at`` is not compared, and of a signed URL only what comes before
        its signature.
    """
    new, old = (once(frame).set_index("gid") for frame in (jobs, previous))
    new = new[new.index.isin(old.index)]
    old = old.reindex(new.index)
    ours = [name for name in new.columns if name in COLUMNS or is_part(name)]
    names = [name for name in ours if name not in _IGNORED]
    parts = [_changed(new[name], old.get(name), name) for name in names]
    nothing = pd.DataFrame({name: pd.Series([], dtype=_TEXT) for name in _CHANGE})
    found = pd.concat([nothing, *parts])
    return found.sort_index(kind="stable").reset_index(drop=True)


def _changed(new: pd.Series, old: pd.Series | None, name: str) -> pd.DataFrame:
    missing = pd.Series(pd.NA, new.index, _TEXT)
    after = _as_text(new)
    before = missing if old is None else _as_text(old)
    moved = (before != after).fillna(before.isna() != after.isna()).to_numpy(bool)
    columns = (new.index.to_series(), pd.Series(name, new.index, _TEXT), before, after)
    data = {label: part.array[moved] for label, part in zip(_CHANGE, columns, strict=True)}
    return pd.DataFrame(data, index=moved.nonzero()[0]).astype(_TEXT)


def _as_text(column: pd.Series) -> pd.Series:
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        column = column.dt.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    text: pd.Series = column.astype(_TEXT)
    if str(column.name).endswith("download_url"):
        text = text.map(hide_query, na_action="ignore").astype(_TEXT)
    return text


def once(jobs: pd.DataFrame, *, without_gid: bool = False) -> pd.DataFrame:
    """Return the jobs in their dtypes, each gid once, with ``gid`` as a column.

    Rows without a gid are left out unless they are wanted: all of them are kept then.
    """
    gids = gids_of(jobs)
    frame = cast_frame(jobs, gids).reset_index(drop=True)
    frame["gid"] = gids.array
    missing, repeated = frame["gid"].isna(), frame["gid"].duplicated()
    return frame[missing | ~repeated] if without_gid else frame[~(missing | repeated)]
