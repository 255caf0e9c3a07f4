"""The states of jobs, as boolean masks over the rows of a frame from `as_jobs`."""

from __future__ import annotations

import numpy as np
import pandas as pd

from asana_jobs_pd._jobs.schema import BOOKKEEPING, FINAL_STATUSES, is_part

GONE = (403, 404)
"""HTTP statuses that will not change: the job is not yours, or does not exist."""
NOT_REQUESTED = ("refused", "not_sent")
NO_JOB = (*NOT_REQUESTED, "unknown")
"""The values of ``source.state`` in rows without a job; if ``unknown``, there may be one."""
FILE_LIFETIME = 30 * 86_400.0
"""Seconds from an export's completion until Asana deletes its file."""
_EVIDENCE = frozenset((*(column.name for column in BOOKKEEPING), "seen.first", "seen.last"))
"""Columns that only a read or the ledger adds."""


def is_verified(jobs: pd.DataFrame) -> bool:
    """Return whether the statuses come from Asana: the frame says when they were read."""
    return any(isinstance(name, str) and name in _EVIDENCE for name in jobs.columns)


def is_finished(jobs: pd.DataFrame) -> np.ndarray:
    """Return which rows need not be read again: finished, unreadable, or never started."""
    finished = _is_in(jobs, "error.status", GONE) | _is_in(jobs, "source.state", NO_JOB)
    if is_verified(jobs):
        finished |= _is_in(jobs, "status", FINAL_STATUSES)
    return np.asarray(finished)


def is_failed(jobs: pd.DataFrame) -> np.ndarray:
    """Return which rows are finished without success."""
    return np.asarray(is_finished(jobs) & ~_is_in(jobs, "status", ("succeeded",)))


def is_export(jobs: pd.DataFrame) -> np.ndarray:
    """Return which rows are exports, by their subtype or the object they created."""
    exports = np.zeros(len(jobs), bool)
    if "resource_subtype" in jobs.columns:
        subtypes = jobs["resource_subtype"].astype("string").str.contains("export")
        exports |= subtypes.fillna(False).to_numpy(bool)
    for kind in kinds_of(jobs):
        if kind.endswith("_export"):
            exports |= has_object(jobs, kind)
    return exports


def is_cached(jobs: pd.DataFrame) -> np.ndarray:
    """Return which rows have an export that was completed before it was requested.

    Asana caches a graph export of more than 1,000 tasks for 4 hours.
    """
    names = ("new_graph_export.completed_at", "source.requested_at")
    if not set(names) <= set(jobs.columns):
        return np.zeros(len(jobs), bool)
    completed, requested = (jobs[name] for name in names)
    return (completed < requested).to_numpy(bool, na_value=False)


def kinds_of(jobs: pd.DataFrame) -> list[str]:
    """Return the kinds of created objects that the columns describe, in their order."""
    names = [name for name in jobs.columns if is_part(name)]
    return list(dict.fromkeys(name.split(".")[0][4:] for name in names))


def has_object(jobs: pd.DataFrame, kind: str) -> np.ndarray:
    """Return which rows describe a created object of a kind."""
    parts = [name for name in jobs.columns if str(name).startswith(f"new_{kind}.")]
    return jobs[parts].notna().any(axis=1).to_numpy(bool)


def _is_in(jobs: pd.DataFrame, column: str, values: tuple[object, ...]) -> np.ndarray:
    if column not in jobs.columns:
        return np.zeros(len(jobs), bool)
    return jobs[column].isin(values).to_numpy(bool, na_value=False)
