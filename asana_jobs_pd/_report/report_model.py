"""What a report says of a frame of jobs: counts, a timeline, failures, files. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import tzinfo
from pathlib import Path

import numpy as np
import pandas as pd

from asana_jobs_pd._formatting import size_words, time_words
from asana_jobs_pd._http.redaction import clean
from asana_jobs_pd._jobs.as_jobs import as_jobs
from asana_jobs_pd._jobs.states import is_export, is_failed
from asana_jobs_pd._palette import UNREADABLE, Look, kind_words, look_of, ordered_states
from asana_jobs_pd._report.timeline_data import Arrangement, arrange

__all__ = ["MOST_TOLD", "Failure", "File", "Report", "report_of"]

MOST_TOLD = 200
"""Rows of a table; how many more there are is said below it."""

_GONE = {403: "not yours", 404: "not found, or not yours"}


@dataclass(frozen=True, slots=True)
class Failure:
    """A job that ended without success, or could not be read."""

    gid: str
    kind: str
    look: Look
    reason: str


@dataclass(frozen=True, slots=True)
class File:
    """A file that was downloaded, or could not be."""

    gid: str
    kind: str
    name: str
    size: str
    sha256: str
    error: str


@dataclass(frozen=True, slots=True)
class Report:
    """A report, in words and numbers.

    Parameters
    ----------
    jobs
        How many there are; a repeated gid counts once.
    read
        When they were read.
    states
        How many are in each state.
    kinds
        Of each kind, how many are in each of the states.
    timeline
        Where each job stands in it.
    failures, files
        All of them.
    waiting
        Exports that are ready and of which there is no file.
    """

    jobs: int
    read: str
    states: list[tuple[Look, int]]
    kinds: list[tuple[str, list[int]]]
    timeline: Arrangement
    failures: list[Failure]
    files: list[File]
    waiting: int


def report_of(jobs: pd.DataFrame, spans: pd.DataFrame, folder: Path, zone: tzinfo) -> Report:
    """Return what there is to say.

    Parameters
    ----------
    jobs
        A frame of jobs; a download's has a row a file.
    spans
        What `spans_of` made of it.
    folder
        Where the report goes: files in there are named from it, others by their name alone.
    zone
        What times are told in.
    """
    missing = pd.Series(pd.NA, spans.index, "string")
    kinds = spans.get("resource_subtype", missing).fillna("").map(kind_words).to_numpy(object)
    states = spans["state"].to_numpy(object)
    order = ordered_states(states)
    counts = pd.crosstab(kinds, states).reindex(columns=order)
    files = _files(jobs, folder)
    ready = is_export(spans) & (states == "succeeded")
    return Report(
        jobs=len(spans),
        read=_read(spans, zone),
        states=[(look_of(state), int((states == state).sum())) for state in order],
        kinds=[(str(kind), [int(value) for value in row]) for kind, *row in counts.itertuples()],
        timeline=arrange(spans),
        failures=_failures(spans, kinds),
        files=files,
        waiting=len(set(spans["gid"][ready]) - {file.gid for file in files if not file.error}),
    )


def _read(spans: pd.DataFrame, zone: tzinfo) -> str:
    times = spans["fetched_at"].dropna() if "fetched_at" in spans.columns else pd.Series()
    if not len(times):
        return ""
    first, last = time_words(times.min(), zone), time_words(times.max(), zone)
    return first if first == last else f"{first} to {last}"


def _failures(spans: pd.DataFrame, kinds: np.ndarray) -> list[Failure]:
    bad = is_failed(spans) | (spans["state"] == UNREADABLE).to_numpy(bool)
    rows = spans[bad].reset_index(drop=True)
    sources = rows.get("source.gid", pd.Series("", rows.index)).astype("string").fillna("")
    gids = rows["gid"].fillna(
        sources.map(lambda source: clean(f"of {source}") if source else "none")
    )
    looks = [look_of(state) for state in rows["state"]]
    parts = zip(gids, kinds[bad], looks, _reasons(rows), strict=True)
    return [Failure(str(gid), kind, look, reason) for gid, kind, look, reason in parts]


def _reasons(rows: pd.DataFrame) -> list[str]:
    missing = pd.Series(pd.NA, rows.index, "string")
    names = ("error.status", "error.message", "error.help")
    columns = [rows.get(name, missing).astype(object) for name in names]
    return [_reason(*told) for told in zip(*columns, strict=True)]


def _reason(status: object, message: object, more: object) -> str:
    told = [str(part) for part in (status, message, more) if not pd.isna(part)]  # type: ignore[call-overload]
    if not told:
        return "Asana gives no reason"
    gone = _GONE.get(int(str(status))) if not pd.isna(status) else None  # type: ignore[call-overload]
    return clean(" ".join(told) + (f" ({gone}: only its creator can read a job)" if gone else ""))


def _files(jobs: pd.DataFrame, folder: Path) -> list[File]:
    if not {"file.path", "file.error"} & set(jobs.columns):
        return []
    rows = as_jobs(jobs).reset_index(drop=True)
    empty = pd.Series(pd.NA, rows.index, "string")
    names = ("gid", "file.kind", "file.path", "file.bytes", "file.sha256", "file.error")
    columns = [rows.get(name, empty).astype(object) for name in names]
    told = (columns[2].notna() | columns[5].notna()).to_numpy(bool)
    return [_file(*row, folder=folder) for row in zip(*(c[told] for c in columns), strict=True)]


def _file(*row: object, folder: Path) -> File:
    gid, kind, path, size, sha256, error = (
        "" if pd.isna(value) else str(value)  # type: ignore[call-overload]
        for value in row
    )
    shown = size_words(int(float(size))) if size else ""
    return File(gid, clean(kind), _name(path, folder), shown, clean(sha256), clean(error))


def _name(path: str, folder: Path) -> str:
    """Return a file's path from a folder above it, else its name: a report travels."""
    if not path:
        return ""
    file = Path(path)
    if file.is_relative_to(folder):
        return clean(file.relative_to(folder).as_posix())
    return clean(re.split(r"[/\\]", path)[-1])  # the frame may come from another system
