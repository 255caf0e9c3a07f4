"""A frame of jobs as one HTML file, for a mail or a wiki: `asana_jobs_report`."""

from __future__ import annotations

import os
from datetime import tzinfo
from pathlib import Path

import pandas as pd

from asana_jobs_pd._api.redact import clean
from asana_jobs_pd._atomic import replace_file
from asana_jobs_pd._notebook.report_html import report_html
from asana_jobs_pd._notebook.report_model import report_of
from asana_jobs_pd._notebook.spans import spans_of
from asana_jobs_pd._notebook.words import time_words
from asana_jobs_pd._notebook.zones import zone_of

__all__ = ["asana_jobs_report"]


def asana_jobs_report(
    jobs: pd.DataFrame,
    path: str | os.PathLike[str],
    *,
    title: str = "Asana jobs",
    history: pd.DataFrame | None = None,
    start: str | None = None,
    end: str | None = None,
    tz: str | tzinfo | None = None,
) -> Path:
    """Write what became of jobs to one HTML file: summary, timeline, failures, files.

    The file needs nothing else: no script, no font, no picture from elsewhere, and it says so to
    the browser. It is light or dark as its reader prefers, and prints. Names are text, whatever
    is in them; signed URLs are masked, and of files outside the report's folder only the name is
    told. Needs no extra.

    Parameters
    ----------
    jobs
        A frame of jobs, as `download_asana_exports` returns it for the files; it is not changed.
    path
        The file; what is there is replaced at the end, all at once.
    title
        Its heading.
    history, start, end, tz
        As in `plot_asana_timeline`: times of jobs to which Asana gives none, and the time zone.

    Returns
    -------
    pathlib.Path
        The absolute path of the file.

    Raises
    ------
    InvalidFrameError
        When these are no jobs, or a column or the history is not what it should be.
    InvalidOptionError
        When `tz` is no zone, or the folder is not there.
    """
    zone = zone_of(tz)
    spans = spans_of(jobs, history=history, start=start, end=end)
    folder = Path(path).expanduser().resolve().parent
    report = report_of(jobs, spans, folder, zone)
    written = time_words(pd.Timestamp.now("UTC"), zone)
    html = report_html(report, clean(title), written, zone)
    return replace_file(path, lambda part: part.write_text(html, encoding="utf-8"))
