"""The frame of a download: one row a file. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from asana_jobs_pd._exports.entries import Entry
from asana_jobs_pd._exports.files import FileResult
from asana_jobs_pd._jobs.cast import gids_of
from asana_jobs_pd._jobs.schema import dtype_of
from asana_jobs_pd.errors import DownloadError

__all__ = ["FILE_COLUMNS", "errors_of", "summary", "with_files"]

_TEXT = dtype_of("text")
FILE_COLUMNS = {
    "file.kind": _TEXT,
    "file.path": _TEXT,
    "file.bytes": pd.Int64Dtype(),
    "file.sha256": _TEXT,
    "file.error": _TEXT,
}
"""The columns that a download adds, and their dtypes."""

_MOST_TOLD = 3


def with_files(
    frame: pd.DataFrame,
    told: Sequence[Sequence[Entry]],
    result_of: Callable[[Entry], FileResult],
) -> pd.DataFrame:
    """Return the rows of the frame, one an entry, with what became of its file.

    Parameters
    ----------
    frame
        A frame of jobs of our own, which may be changed.
    told
        The entries of each row.
    result_of
        Returns what became of an entry.
    """
    counts = [len(row) for row in told]
    if set(counts) - {1}:
        frame = frame.take(np.repeat(np.arange(len(frame)), counts))
    entries = [entry for row in told for entry in row]
    results = [result_of(entry) for entry in entries]
    columns: dict[str, list[Any]] = {
        "file.kind": [entry.kind for entry in entries],
        "file.path": [result.path for result in results],
        "file.bytes": [result.size for result in results],
        "file.sha256": [result.sha256 for result in results],
        "file.error": [result.error for result in results],
    }
    for name, dtype in FILE_COLUMNS.items():
        frame[name] = pd.Series(columns[name], dtype=dtype).array
    return frame


def errors_of(rows: pd.DataFrame) -> dict[str, DownloadError]:
    """Return the errors of rows without a file, by the name of the file or the gid."""
    found: dict[str, DownloadError] = {}
    gids = gids_of(rows)
    for gid, kind, reason in zip(gids, rows["file.kind"], rows["file.error"], strict=True):
        key = "no gid" if pd.isna(gid) else gid
        known = None if pd.isna(kind) else kind
        label = f"{key}-{known}" if known else key
        found[label] = DownloadError(f"{label}: {reason}.", gid=key, kind=known, reason=reason)
    return found


def summary(failed: dict[str, DownloadError], rows: int) -> str:
    """Return in a few lines what failed, of so many rows."""
    lines = [f"{len(failed)} of {rows} rows have no file:"]
    lines += [f"  {error}" for error in list(failed.values())[:_MOST_TOLD]]
    if len(failed) > _MOST_TOLD:
        lines.append(f"  … and {len(failed) - _MOST_TOLD} more: .errors has them by name.")
    lines.append('What there is, is in .frame; errors="coerce" returns it.')
    return "\n".join(lines)
