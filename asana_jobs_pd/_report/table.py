"""Jobs as a short table to read: on the command line, and as the repr of ``df.asana``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from asana_jobs_pd._formatting import format_count
from asana_jobs_pd._jobs.as_jobs import as_jobs
from asana_jobs_pd._jobs.states import is_finished, kinds_of
from asana_jobs_pd._jobs.views import masked, render
from asana_jobs_pd._vocabulary import kind_label, state_label, states_of, texts_of

MAX_ROWS = 25
"""The most rows of a frame that are shown."""


def job_table(jobs: pd.DataFrame, estimates: Mapping[str, str] | None = None) -> pd.DataFrame:
    """Return the columns that people read: gid, kind, status, created object, file, error.

    `estimates` says by gid how long unfinished jobs usually take.
    """
    table = pd.DataFrame({"gid": jobs["gid"], "kind": kind_labels(jobs)})
    if "status" in jobs.columns:
        table["status"] = state_labels(jobs)
    created = pd.Series(pd.NA, jobs.index, "string")
    for kind in kinds_of(jobs):
        if kind.endswith("_export"):  # has no name; its column would take the room of the estimates
            continue
        for leaf in ("name", "gid"):
            objects = kind_label(kind) + " " + texts_of(jobs, f"new_{kind}.{leaf}")
            created = created.fillna(objects)
    table["created"] = created
    if estimates:
        unfinished = ~is_finished(jobs)
        table["estimate"] = jobs["gid"].where(unfinished).map(estimates).astype("string")
    table["file"] = file_names(jobs)
    table["error"] = error_texts(jobs)
    return table.dropna(axis=1, how="all")


def file_names(jobs: pd.DataFrame) -> pd.Series:
    """Return the names of downloaded files; missing where there is no file."""
    paths = texts_of(jobs, "file.path")
    return paths.map(lambda path: Path(path).name, na_action="ignore").astype("string")


def error_texts(jobs: pd.DataFrame) -> pd.Series:
    """Return why a row has no job or no file; missing where there is no error."""
    status = texts_of(jobs, "error.status") + " "
    error = status.fillna("") + texts_of(jobs, "error.message")
    return error.fillna(texts_of(jobs, "file.error"))


def kind_labels(jobs: pd.DataFrame) -> pd.Series:
    """Return the label of each row's kind; missing where it has none."""
    kinds = texts_of(jobs, "resource_subtype")
    return kinds.map(kind_label, na_action="ignore").astype("string")


def state_labels(jobs: pd.DataFrame) -> pd.Series:
    """Return the label of each row's state."""
    return pd.Series([state_label(state) for state in states_of(jobs)], jobs.index, "string")


def table_text(jobs: pd.DataFrame) -> str:
    """Return the first rows of a frame of jobs as lines of text."""
    return f"{render(_first(jobs))}\n[{_size(jobs)}]".lstrip()


def table_html(jobs: pd.DataFrame) -> str:
    """Return the first rows of a frame of jobs as HTML."""
    table = _first(jobs).fillna("").to_html(escape=True, index=False)
    return f"{table}<p>{_size(jobs)}</p>"


def _first(jobs: pd.DataFrame) -> pd.DataFrame:
    return masked(job_table(as_jobs(jobs.head(MAX_ROWS))))


def _size(jobs: pd.DataFrame) -> str:
    shown = f", the first {MAX_ROWS} shown" if len(jobs) > MAX_ROWS else ""
    return f"{format_count(len(jobs), 'row')}{shown}"
