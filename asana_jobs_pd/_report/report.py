"""`asana_jobs_report`: jobs as one self-contained HTML file."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import tzinfo
from importlib.resources import files
from pathlib import Path

import numpy as np
import pandas as pd

from asana_jobs_pd._files import local_path, replace_file
from asana_jobs_pd._formatting import format_count, format_size, format_time
from asana_jobs_pd._http.redaction import clean
from asana_jobs_pd._jobs.as_jobs import as_jobs
from asana_jobs_pd._jobs.states import is_export, is_failed
from asana_jobs_pd._public import public
from asana_jobs_pd._report.report_svg import (
    Child,
    Element,
    element,
    html_page,
    state_class,
    timeline_svg,
)
from asana_jobs_pd._report.timeline_data import (
    TimelineLayout,
    job_spans,
    layout_timeline,
    zone_name,
    zone_of,
)
from asana_jobs_pd._vocabulary import (
    NO_ACCESS,
    STATE_STYLES,
    UNREADABLE,
    StateStyle,
    kind_label,
    ordered_states,
    state_style,
)

MAX_ROWS = 200
"""The most rows of a table; the number of the others is shown below it."""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
"""The browser loads and runs nothing, whatever the page contains."""
_BACKGROUNDS = {
    False: "--bg:#fff;--soft:#f6f6f8;--fg:#1c1c1e;--dim:#5c5c66;--line:#dcdce0",
    True: "--bg:#111;--soft:#1c1c1e;--fg:#ececee;--dim:#a9a9b2;--line:#3a3a3e",
}


@public
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
    """Write a report on jobs to one HTML file: summary, timeline, failures and files.

    The file is self-contained: it has no scripts and loads no fonts or images. It follows the
    reader's light or dark theme and can be printed. All names are escaped, and signed URLs are
    masked; files outside the report's folder are listed by name only. Needs no extra.

    Parameters
    ----------
    jobs
        A frame of jobs, with files if `download_asana_exports` returned it; it is not changed.
    path
        The file; an existing file is replaced atomically.
    title
        The heading of the report.
    history, start, end, tz
        As in `plot_asana_timeline`: times of jobs for which Asana reports none, and the time
        zone.

    Returns
    -------
    pathlib.Path
        The absolute path of the file.

    Raises
    ------
    InvalidFrameError
        If `jobs`, a column or the history is invalid.
    InvalidOptionError
        If `tz` is not a time zone, or `path` is not a local file in an existing folder.
    ExportWriteError
        If the file cannot be written, for example because the disk is full.
    """
    zone = zone_of(tz)
    spans = job_spans(jobs, history=history, start=start, end=end)
    folder = local_path(path, "path", "file").resolve().parent
    report = _report_of(jobs, spans, folder, zone)
    html = _report_html(report, clean(title), zone)
    return replace_file(path, lambda part: part.write_text(html, encoding="utf-8"))


@dataclass(frozen=True, slots=True)
class _Failure:
    """A job that failed or could not be read."""

    gid: str
    kind: str
    style: StateStyle
    reason: str


@dataclass(frozen=True, slots=True)
class _File:
    """A file that was downloaded or could not be downloaded."""

    gid: str
    kind: str
    name: str
    size: str
    sha256: str
    error: str


@dataclass(frozen=True, slots=True)
class _Report:
    """The content of a report; `not_downloaded` counts exports that are ready without a file."""

    jobs: int
    read: str
    states: list[tuple[StateStyle, int]]
    kinds: list[tuple[str, list[int]]]
    timeline: TimelineLayout
    failures: list[_Failure]
    files: list[_File]
    not_downloaded: int


def _report_of(jobs: pd.DataFrame, spans: pd.DataFrame, folder: Path, zone: tzinfo) -> _Report:
    missing = pd.Series(pd.NA, spans.index, "string")
    subtypes = spans.get("resource_subtype", missing).astype("string").fillna("")
    kinds, states = subtypes.map(kind_label).to_numpy(object), spans["state"].to_numpy(object)
    order = ordered_states(states)
    counts = pd.crosstab(kinds, states).reindex(columns=order)
    downloads = _files(jobs, folder)
    ready = is_export(spans) & (states == "succeeded")
    downloaded = {file.gid for file in downloads if not file.error}
    return _Report(
        jobs=len(spans),
        read=_read_at(spans, zone),
        states=[(state_style(state), int((states == state).sum())) for state in order],
        kinds=[(str(kind), [int(value) for value in row]) for kind, *row in counts.itertuples()],
        timeline=layout_timeline(spans),
        failures=_failures(spans, kinds),
        files=downloads,
        not_downloaded=len(set(spans["gid"][ready]) - downloaded),
    )


def _read_at(spans: pd.DataFrame, zone: tzinfo) -> str:
    times = spans["fetched_at"].dropna() if "fetched_at" in spans.columns else pd.Series()
    if not len(times):
        return ""
    first, last = format_time(times.min(), zone), format_time(times.max(), zone)
    return first if first == last else f"{first} to {last}"


def _failures(spans: pd.DataFrame, kinds: np.ndarray) -> list[_Failure]:
    failed = is_failed(spans) | (spans["state"] == UNREADABLE).to_numpy(bool)
    rows = spans[failed].reset_index(drop=True)
    sources = rows.get("source.gid", pd.Series("", rows.index)).astype("string").fillna("")
    gids = rows["gid"].fillna(
        sources.map(lambda source: clean(f"of {source}") if source else "none")
    )
    styles = [state_style(state) for state in rows["state"]]
    cells = zip(gids, kinds[failed], styles, _reasons(rows), strict=True)
    return [_Failure(str(gid), kind, style, reason) for gid, kind, style, reason in cells]


def _reasons(rows: pd.DataFrame) -> list[str]:
    missing = pd.Series(pd.NA, rows.index, "string")
    names = ("error.status", "error.message", "error.help")
    columns = [rows.get(name, missing).astype(object) for name in names]
    return [_reason(*cells) for cells in zip(*columns, strict=True)]


def _reason(status: object, message: object, more: object) -> str:
    parts = [str(part) for part in (status, message, more) if not pd.isna(part)]  # type: ignore[call-overload]
    if not parts:
        return "Asana gives no reason"
    meaning = NO_ACCESS.get(int(str(status))) if not pd.isna(status) else None  # type: ignore[call-overload]
    return clean(" ".join(parts) + (f" ({meaning})" if meaning else ""))


def _files(jobs: pd.DataFrame, folder: Path) -> list[_File]:
    if not {"file.path", "file.error"} & set(jobs.columns):
        return []
    rows = as_jobs(jobs).reset_index(drop=True)
    missing = pd.Series(pd.NA, rows.index, "string")
    names = ("gid", "file.kind", "file.path", "file.bytes", "file.sha256", "file.error")
    columns = [rows.get(name, missing).astype(object) for name in names]
    attempted = (columns[2].notna() | columns[5].notna()).to_numpy(bool)
    cells = zip(*(column[attempted] for column in columns), strict=True)
    return [_file(*row, folder=folder) for row in cells]


def _file(*row: object, folder: Path) -> _File:
    gid, kind, path, size, sha256, error = (
        "" if pd.isna(value) else str(value)  # type: ignore[call-overload]
        for value in row
    )
    size = format_size(int(float(size))) if size else ""
    kind = kind_label(kind) if kind else ""
    return _File(gid, kind, _relative_name(path, folder), size, clean(sha256), clean(error))


def _relative_name(path: str, folder: Path) -> str:
    """Return a path below the report's folder, else the name: a report may be sent elsewhere."""
    if not path:
        return ""
    file = Path(path)
    if file.is_relative_to(folder):
        return clean(file.relative_to(folder).as_posix())
    return clean(re.split(r"[/\\]", path)[-1])  # the frame may come from another system


def _report_html(report: _Report, title: str, zone: tzinfo) -> str:
    style = element("style")
    style.text = _style()
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", title),
        style,
    )
    sections = (
        _header(report, title, zone),
        _summary(report),
        _timeline(report, zone),
        _failures_table(report.failures),
        _files_table(report.files, report.not_downloaded),
    )
    body = element("body", element("main", *sections))
    return html_page(element("html", head, body, lang="en"))


def _style() -> str:
    rules = files("asana_jobs_pd._report").joinpath("report.css").read_text(encoding="utf-8")
    dark = f"@media screen and (prefers-color-scheme:dark){{{_colors(dark=True)}}}"
    return f"{_colors(dark=False)}\n{dark}\n{rules}"


def _colors(*, dark: bool) -> str:
    states = "".join(
        f".s-{style.state}{{--c:{style.color(dark=dark)}}}" for style in STATE_STYLES.values()
    )
    return f":root{{{_BACKGROUNDS[dark]}}}{states}"


def _header(report: _Report, title: str, zone: tzinfo) -> Element:
    read = f"read {report.read} · " if report.read else ""
    written = format_time(pd.Timestamp.now("UTC"), zone)
    return element(
        "header",
        element("h1", title),
        element("p", f"{read}written {written} · times in {zone_name(zone)}", class_="dim"),
        element(
            "p",
            element("strong", format_count(report.jobs, "job")),
            *(_chip(style, f"{count:,} {style.label}") for style, count in report.states),
            class_="chips",
        ),
        _share_bar(report),
    )


def _share_bar(report: _Report) -> Element | None:
    if not report.jobs:
        return None
    parts = [
        element("i", class_=state_class(style.state), style=f"flex-grow:{count}")
        for style, count in report.states
    ]
    label = ", ".join(f"{count:,} {style.label}" for style, count in report.states)
    return element("div", *parts, class_="share", role="img", aria_label=label)


def _summary(report: _Report) -> Element:
    heads = ["Kind", *(style.label for style, _ in report.states), "Total"]
    rows: list[Sequence[Child]] = [
        (kind, *(f"{count:,}" if count else "–" for count in counts), f"{sum(counts):,}")  # noqa: RUF001  an empty cell
        for kind, counts in report.kinds
    ]
    table = _table(heads, rows, numbers=range(1, len(heads)), row_heads=True)
    return _section("Summary", table if rows else _note("No jobs."))


def _timeline(report: _Report, zone: tzinfo) -> Element:
    layout = report.timeline
    untimed = format_count(layout.untimed, "job")
    if not len(layout.rows):
        text = f"No times are known for {untimed}." if report.jobs else "No jobs."
        return _section("Timeline", _note(text))
    text = (
        "Solid bars show times reported by Asana, which it does for exports only; pale bars show "
        "when a job was observed. A bar that fades out was unfinished when last observed."
    )
    if layout.untimed:
        text += f" {untimed} with unknown times not shown."
    drawing = element("div", timeline_svg(layout, zone), class_="scroll")
    return _section("Timeline", drawing, _note(text))


def _failures_table(failures: Sequence[_Failure]) -> Element:
    if not failures:
        return _section("Failures", _note("No failures."))
    rows: list[Sequence[Child]] = [
        (
            element("code", failure.gid),
            failure.kind,
            _chip(failure.style, failure.style.label),
            failure.reason,
        )
        for failure in failures[:MAX_ROWS]
    ]
    table = _table(["Job", "Kind", "State", "Reason"], rows)
    return _section("Failures", table, _more(len(failures)))


def _files_table(downloads: Sequence[_File], not_downloaded: int) -> Element:
    ready = f"{format_count(not_downloaded, 'export')} ready to download."
    if not downloads:
        return _section("Files", _note(ready if not_downloaded else "No files."))
    rows: list[Sequence[Child]] = [
        (
            element("code", file.gid),
            file.kind,
            element("span", file.error, class_="s-failed") if file.error else file.name,
            file.size,
            element("code", file.sha256, class_="hash"),
        )
        for file in downloads[:MAX_ROWS]
    ]
    table = _table(["Job", "Kind", "File", "Size", "SHA-256"], rows, numbers=(3,))
    return _section("Files", table, _more(len(downloads)), _note(ready) if not_downloaded else None)


def _section(title: str, *children: Child) -> Element:
    return element("section", element("h2", title), *children)


def _table(
    heads: Sequence[str],
    rows: Sequence[Sequence[Child]],
    *,
    numbers: Sequence[int] = (),
    row_heads: bool = False,
) -> Element:
    def css_class(column: int) -> str | None:
        return "num" if column in numbers else None

    head = [
        element("th", text, scope="col", class_=css_class(column))
        for column, text in enumerate(heads)
    ]
    body = []
    for row in rows:
        cells = [element("td", cell, class_=css_class(column)) for column, cell in enumerate(row)]
        if row_heads:
            cells[0] = element("th", row[0], scope="row")
        body.append(element("tr", *cells))
    table = element("table", element("thead", element("tr", *head)), element("tbody", *body))
    return element("div", table, class_="scroll")


def _chip(style: StateStyle, text: str) -> Element:
    mark = element("span", style.mark, class_="mark", aria_hidden="true")
    return element("span", mark, text, class_=f"chip {state_class(style.state)}")


def _note(text: str) -> Element:
    return element("p", text, class_="dim")


def _more(rows: int) -> Element | None:
    return _note(f"… and {rows - MAX_ROWS:,} more.") if rows > MAX_ROWS else None
