"""Which jobs are finished, and how: pure masks over any frame of jobs."""

from __future__ import annotations

import numpy as np
import pandas as pd

from asana_jobs_pd._jobs.schema import FINAL_STATUSES, is_part

__all__ = ["is_cached", "is_export", "is_failed", "is_finished", "kinds_of"]

GONE = (403, 404)
"""Statuses that do not change: not yours, or not there."""
NO_JOB = ("refused", "unknown", "not_sent")
"""What ``source.state`` says of rows without a job to ask for."""


def is_finished(jobs: pd.DataFrame) -> np.ndarray:
    """Tell which rows need not be asked again: done, gone for good, or never started."""
    over = _is_in(jobs, "status", FINAL_STATUSES) | _is_gone(jobs)
    return np.asarray(over | _is_in(jobs, "source.state", NO_JOB))


def is_failed(jobs: pd.DataFrame) -> np.ndarray:
    """Tell which rows are finished without success."""
    succeeded = _is_in(jobs, "status", ("succeeded",))
    return np.asarray(is_finished(jobs) & ~succeeded)


def is_export(jobs: pd.DataFrame) -> np.ndarray:
    """Tell which rows are exports: by their subtype, or by what they created."""
    found = np.zeros(len(jobs), bool)
    if "resource_subtype" in jobs.columns:
        subtypes = jobs["resource_subtype"].astype("string").str.contains("export")
        found |= subtypes.fillna(False).to_numpy(bool)
    for kind in kinds_of(jobs):
        if kind.endswith("_export"):
            found |= has_object(jobs, kind)
    return found


def is_cached(jobs: pd.DataFrame) -> np.ndarray:
    """Tell which rows have an export that was completed before it was requested.

    Of more than 1,000 tasks Asana keeps a graph export for 4 hours, and gives it again.
    """
    names = ("new_graph_export.completed_at", "source.requested_at")
    if not set(names) <= set(jobs.columns):
        return np.zeros(len(jobs), bool)
    completed, requested = (jobs[name] for name in names)
    return (completed < requested).to_numpy(bool, na_value=False)


def kinds_of(jobs: pd.DataFrame) -> list[str]:
    """Return the kinds of created objects that the columns speak of, in their order."""
    names = [name for name in jobs.columns if is_part(name)]
    return list(dict.fromkeys(name.split(".")[0][4:] for name in names))


def has_object(jobs: pd.DataFrame, kind: str) -> np.ndarray:
    """Tell which rows have anything of the created object of a kind."""
    parts = [name for name in jobs.columns if str(name).startswith(f"new_{kind}.")]
    return jobs[parts].notna().any(axis=1).to_numpy(bool)


def _is_gone(jobs: pd.DataFrame) -> np.ndarray:
    return _is_in(jobs, "error.status", GONE)


def _is_in(jobs: pd.DataFrame, column: str, values: tuple[object, ...]) -> np.ndarray:
    if column not in jobs.columns:
        return np.zeros(len(jobs), bool)
    return jobs[column].isin(values).to_numpy(bool, na_value=False)
