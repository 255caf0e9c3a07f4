"""`asana_jobs_report`: jobs as one self-contained HTML file."""

from __future__ import annotations

import io
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import tzinfo
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import pandas as pd

from asana_jobs_pd._files import local_path, replace_file
from asana_jobs_pd._formatting import format_count, format_duration, format_size, format_time
from asana_jobs_pd._http.redaction import clean
from asana_jobs_pd._jobs.as_jobs import as_jobs
from asana_jobs_pd._jobs.states import is_export, is_failed, is_finished
from asana_jobs_pd._jobs.views import results, unique_jobs
from asana_jobs_pd._public import public
from asana_jobs_pd._report.plot import WIDTH, svg_for_page, zone_name, zone_of
from asana_jobs_pd._report.table import kind_labels
from asana_jobs_pd._report.timeline import draw_timeline, timeline_height
from asana_jobs_pd._report.timeline_data import (
    TimelineLayout,
    has_value,
    job_spans,
    layout_timeline,
    named_column,
)
from asana_jobs_pd._vocabulary import (
    DARK_THEME,
    LIGHT_THEME,
    NO_ACCESS,
    STATE_STYLES,
    UNKNOWN,
    UNREADABLE,
    asana_url,
    kind_label,
    ordered_states,
    state_label,
    state_style,
    texts_of,
)
from asana_jobs_pd.errors import require_extra

MAX_ROWS = 50
"""The most rows of a table; below it, the report says how many there are besides."""
_NOTHING = "–"  # noqa: RUF001  an empty cell


@public
def asana_jobs_report(
    jobs: pd.DataFrame,
    path: str | os.PathLike[str],
    *,
    title: str = "Asana jobs",
    columns: str | Sequence[str] = (),
    history: pd.DataFrame | None = None,
    start: str | None = None,
    end: str | None = None,
    tz: str | tzinfo | None = None,
) -> Path:
    """Write a report on jobs to one HTML file.

    It has a summary, failures with their next step, unfinished jobs, a timeline, the created
    objects with links to Asana, and files. The file is self-contained: it has no scripts and
    loads no fonts or images. It follows the reader's light or dark theme, fits phones and can be
    printed. All names are escaped, and signed URLs are masked; files outside the report's folder
    are listed by name only. Without matplotlib, the report has no timeline.

    Parameters
    ----------
    jobs
        A frame of jobs, which is not changed; one that `download_asana_exports` returned also
        has files.
    path
        The file; an existing file is replaced atomically.
    title
        The heading of the report.
    columns
        Columns of `jobs`, such as your own, to show with each listed job.
    history, start, end, tz
        As in `plot_asana_timeline`: times of jobs for which Asana reports none, and the time
        zone.

    Returns
    -------
    pathlib.Path
        The absolute path of the file.

    Raises
    ------
    MissingExtraError
        If Jinja2 is not installed.
    InvalidFrameError
        If `jobs`, a column or the history is invalid.
    InvalidOptionError
        If `tz` is not a time zone, or `path` is not a local file in an existing folder.
    ExportWriteError
        If the file cannot be written, for example because the disk is full.

    See Also
    --------
    asana_jobs_to_excel : The jobs as a sheet.
    plot_asana_timeline : Its timeline.

    Examples
    --------
    >>> path = aj.asana_jobs_report(jobs, "jobs.html", title="This week's exports")
    >>> path.name
    'jobs.html'
    """
    jinja2 = require_extra("jinja2", "report", "Reports need Jinja2")
    zone = zone_of(tz)
    spans = job_spans(jobs, history=history, start=start, end=end)
    folder = local_path(path, "path", "file").resolve().parent
    sections = _sections(jobs, spans, _own_columns(jobs, columns, zone), zone, folder)
    template = files("asana_jobs_pd._report").joinpath("report.html.jinja").read_text("utf-8")
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    html = environment.from_string(template).render(
        title=clean(title),
        times=_times(spans, zone),
        style_of=state_style,
        color_of=lambda state: state if state in STATE_STYLES else UNKNOWN,
        total=format_count(len(spans), "job"),
        states=list(_state_counts(spans).items()),
        sections=sections,
        styles=STATE_STYLES.values(),
        themes=(LIGHT_THEME, DARK_THEME),
    )
    return replace_file(path, lambda part: part.write_text(html, encoding="utf-8"))


def _times(spans: pd.DataFrame, zone: tzinfo) -> str:
    """Return when the jobs were read and the report was written."""
    read = spans["fetched_at"].dropna() if "fetched_at" in spans.columns else pd.Series()
    ends = [format_time(time, zone) for time in (read.min(), read.max())] if len(read) else []
    prefix = f"read {' to '.join(dict.fromkeys(ends))} · " if ends else ""
    written = format_time(pd.Timestamp.now("UTC"), zone)
    return f"{prefix}written {written} · times in {zone_name(zone)}"


def _state_counts(spans: pd.DataFrame) -> dict[str, int]:
    counts = Counter(spans["state"])
    return {state: counts[state] for state in ordered_states(counts)}


class Cell(NamedTuple):
    """A cell with a link, or with a state, which gives it a mark and a color."""

    text: str
    state: str = ""
    url: str = ""


class Column(NamedTuple):
    """A column of a table; `state` gives its head a mark and a color."""

    head: str
    cells: Sequence[Cell | str]
    css_class: str = ""
    state: str = ""


class Section(NamedTuple):
    """A part of the report. `pictures` are safe HTML, and `states` is their legend."""

    title: str
    columns: Sequence[Column] = ()
    notes: Sequence[str] = ()
    more: str = ""
    pictures: Sequence[tuple[str, str]] = ()
    states: Sequence[tuple[str, int]] = ()

    @property
    def rows(self) -> list[tuple[Cell | str, ...]]:
        """The rows of the table, as many as its shortest column has cells."""
        return list(zip(*(column.cells for column in self.columns), strict=False))


OwnColumns: TypeAlias = Callable[[pd.Index], list[Column]]
"""Returns the user's own columns for some rows of `job_spans`."""


def _sections(
    jobs: pd.DataFrame,
    spans: pd.DataFrame,
    own: OwnColumns,
    zone: tzinfo,
    folder: Path,
) -> list[Section]:
    """Return the sections that are not empty."""
    if not len(spans):
        return [Section("Summary", notes=["No jobs."])]
    sections = [
        _summary(spans),
        _failures(spans, own),
        _unfinished(spans, own, zone),
        _timeline(spans, zone),
        _created(jobs, spans, own),
        _files(jobs, spans, folder),
    ]
    return [section for section in sections if section.rows or section.notes]


def _summary(spans: pd.DataFrame) -> Section:
    states = list(_state_counts(spans))
    given = _kinds(spans), spans["state"].to_numpy(object)
    counts = pd.crosstab(*given, margins=True, margins_name="Total")[[*states, "Total"]]
    texts = counts.map(lambda count: f"{count:,}" if count else _NOTHING)
    columns = [Column(state_label(state), list(texts[state]), "num", state) for state in states]
    total = Column("Total", list(texts["Total"]), "num")
    return Section("Summary", [Column("Kind", list(counts.index)), *columns, total])


def _failures(spans: pd.DataFrame, own: OwnColumns) -> Section:
    rows = spans[is_failed(spans) | (spans["state"] == UNREADABLE).to_numpy(bool)]
    if not len(rows):
        return Section("Failures", notes=["No failures."])
    names = ("source.state", "error.status", "error.message", "error.phrase")
    cells = (texts_of(rows, name).fillna("") for name in names)
    causes = [_cause(*row) for row in zip(rows["state"], *cells, strict=True)]
    frequent = Counter(reason for reason, _ in causes).most_common(3)
    notes = [f"{format_count(count, 'job')}: {reason}" for reason, count in frequent]
    shown = rows.head(MAX_ROWS)
    columns = [
        *_identity(shown),
        Column("Reason", [reason for reason, _ in causes], "text"),
        Column("Next step", [step for _, step in causes], "text"),
        *own(shown.index),
    ]
    return _section("Failures", columns, len(rows), notes if len(rows) > MAX_ROWS else [])


def _cause(state: str, source: str, status: str, message: str, phrase: str) -> tuple[str, str]:
    """Return why a job failed, and what to do about it."""
    http_status = int(status or 0)
    meaning = NO_ACCESS.get(http_status) if state == UNREADABLE else None
    reason = clean(f"{status} {meaning or message}") or "Asana gives no reason"
    if state in _STEPS:
        return reason, _STEPS[state]
    if source == "unknown":
        step = "Look in Asana whether it was created before you start it again"
        return reason, f"{step}; starting an export twice does no harm."
    if http_status in NO_ACCESS:
        return reason, "Read it with the token of the user who started it."
    quote = f" Asana's support asks for: {clean(phrase)}" if phrase else ""
    return reason, f"Read it again: jobs.asana.refresh().{quote}"


_STEPS = {
    "failed": "Start it again; if it fails again, give Asana's support the gid of the job.",
    "refused": "Resolve the reason, then start it again.",
    "not_sent": "Start it again; no request was made.",
}
"""The next step for each state that has one."""


def _unfinished(spans: pd.DataFrame, own: OwnColumns, zone: tzinfo) -> Section:
    rows = spans[~is_finished(spans) & (spans["state"] != UNREADABLE).to_numpy(bool)]
    shown = rows.head(MAX_ROWS)
    since = [format_time(time, zone) if has_value(time) else _NOTHING for time in shown["start"]]
    columns = [*_identity(shown), Column("Since", since, "time"), *own(shown.index)]
    return _section("Unfinished", columns, len(rows))


def _created(jobs: pd.DataFrame, spans: pd.DataFrame, own: OwnColumns) -> Section:
    """List the objects that succeeded jobs created, except exports: those are among the files."""
    objects = results(jobs)
    by_gid = pd.Series(spans.index, spans["gid"])[spans["state"].to_numpy(object) == "succeeded"]
    listed = objects["gid"].isin(by_gid.index) & ~objects["kind"].str.endswith("_export")
    shown = objects[listed].head(MAX_ROWS)
    cells = (shown[name].fillna("") for name in ("kind", "new.gid", "new.name"))
    names = [
        Cell(
            clean(name) or "no name",
            url=asana_url(kind, gid) if re.fullmatch("[0-9]{1,100}", gid) else "",
        )
        for kind, gid, name in zip(*cells, strict=True)
    ]
    columns = [
        Column("Name", names, "text"),
        Column("Kind", [kind_label(kind) for kind in shown["kind"]], "kind"),
        Column("Job", list(shown["gid"]), "code"),
        *own(pd.Index(by_gid[shown["gid"]])),
    ]
    return _section("Created", columns, int(listed.sum()))


def _files(jobs: pd.DataFrame, spans: pd.DataFrame, folder: Path) -> Section:
    names = ("gid", "file.kind", "file.path", "file.bytes", "file.sha256", "file.error")
    frame = as_jobs(jobs)
    rows = pd.DataFrame({name: texts_of(frame, name) for name in names})
    rows = rows[rows["file.path"].notna() | (rows["file.error"].notna() & is_export(frame))]
    ready = spans["gid"][is_export(spans) & (spans["state"] == "succeeded").to_numpy(bool)]
    waiting = len(ready) - int(ready.isin(rows["gid"][rows["file.error"].isna()]).sum())
    notes = [f"{format_count(waiting, 'export')} ready to download."] if waiting else []
    shown = rows.head(MAX_ROWS).fillna("")
    sizes = [format_size(float(size)) if size else _NOTHING for size in shown["file.bytes"]]
    files = zip(shown["file.path"], shown["file.error"], strict=True)
    columns = [
        Column("Job", list(shown["gid"]), "code"),
        Column("Kind", [kind_label(kind) if kind else "" for kind in shown["file.kind"]], "kind"),
        Column("File", [_file_cell(path, error, folder) for path, error in files], "text"),
        Column("Size", sizes, "num"),
        Column("SHA-256", [clean(digest) or _NOTHING for digest in shown["file.sha256"]], "hash"),
    ]
    return _section("Files", columns, len(rows), notes)


def _file_cell(path: str, error: str, folder: Path) -> Cell | str:
    """Return the path of a file in the report's folder, or else its name alone.

    A report may be sent elsewhere, and must not show the folders of this machine.
    """
    if error:
        return Cell(clean(error), "failed")
    file = Path(path)
    inside = path and file.is_relative_to(folder)
    # The frame may come from another system.
    name = file.relative_to(folder).as_posix() if inside else re.split(r"[/\\]", path)[-1]
    return clean(name)


def _section(title: str, columns: list[Column], total: int, notes: Sequence[str] = ()) -> Section:
    more = f"… and {total - MAX_ROWS:,} more." if total > MAX_ROWS else ""
    return Section(title, columns, notes, more)


def _identity(rows: pd.DataFrame) -> list[Column]:
    """Return the columns that identify a job: its gid (or its source's), kind and state."""
    origins = ("of " + texts_of(rows, "source.gid")).fillna("none")
    return [
        Column("Job", [clean(gid) for gid in rows["gid"].fillna(origins)], "code"),
        Column("Kind", list(_kinds(rows)), "kind"),
        Column("State", [Cell(state_label(state), state) for state in rows["state"]]),
    ]


def _kinds(rows: pd.DataFrame) -> np.ndarray:
    return kind_labels(rows).fillna(kind_label("")).to_numpy(object)


def _own_columns(jobs: pd.DataFrame, names: str | Sequence[str], zone: tzinfo) -> OwnColumns:
    rows = unique_jobs(jobs, without_gid=True)
    wanted: list[Any] = list(names) if pd.api.types.is_list_like(names) else [names]
    found = [named_column(rows, name) for name in wanted]
    columns = [(column, _decimals(column)) for column in found]

    return lambda index: [
        _own_column(column[index], decimals, zone) for column, decimals in columns
    ]


def _decimals(column: pd.Series) -> int | None:
    """Return how many decimals the numbers of a column have; None for other columns."""
    if not pd.api.types.is_numeric_dtype(column.dtype) or column.dtype.kind == "b":
        return None
    digits = column.dropna().map(lambda number: len(str(number).partition(".")[2]))
    return min(int(digits.max()), _MAX_DECIMALS) if len(digits) else 0


_MAX_DECIMALS = 4


def _own_column(column: pd.Series, decimals: int | None, zone: tzinfo) -> Column:
    texts = [_own_text(value, decimals, zone) for value in column]
    longest = max((len(word) for text in texts for word in text.split()), default=0)
    css_class = "text" if longest > _MAX_WORD else ""
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        css_class = "time"
    return Column(clean(str(column.name)), texts, css_class if decimals is None else "num")


_MAX_WORD = 24
"""Longer words in the user's columns may be broken."""


def _own_text(value: object, decimals: int | None, zone: tzinfo) -> str:
    if not has_value(value):
        return _NOTHING
    if isinstance(value, pd.Timestamp) and value.tzinfo:
        return format_time(value, zone)
    return clean(f"{value:.{decimals}f}" if decimals else str(value))


def _timeline(spans: pd.DataFrame, zone: tzinfo) -> Section:
    layout = layout_timeline(spans)
    untimed = format_count(layout.untimed, "job")
    if not len(layout.rows):
        return Section("Timeline", notes=[f"No times are known for {untimed}."])
    if find_spec("matplotlib") is None:
        return Section("Timeline", notes=["No picture: matplotlib was not installed."])
    text = (
        "Solid bars show times reported by Asana, which it does for exports only; pale bars show "
        "when a job was observed. A bar that fades out was unfinished when last observed."
    )
    if layout.untimed:
        text += f" {untimed} with unknown times not shown."
    pictures = [
        ("wide", _picture(layout, zone, WIDTH)),
        ("narrow", _picture(layout_timeline(spans, narrow=True), zone, _NARROW_WIDTH)),
    ]
    legend = list(_state_counts(layout.rows).items())
    return Section("Timeline", notes=[text], pictures=pictures, states=legend)


_NARROW_WIDTH = 4.0
"""The width in inches of the picture that phones show."""


def _picture(layout: TimelineLayout, zone: tzinfo, width: float) -> str:
    """Return a timeline as SVG."""
    from matplotlib import style  # noqa: PLC0415  an extra
    from matplotlib.figure import Figure  # noqa: PLC0415

    rows: Iterator[Any] = layout.rows.itertuples()
    tooltips = None if layout.dense else [_tooltip(row, zone) for row in rows]
    file = io.StringIO()
    with style.context({"svg.fonttype": "none"}, after_reset=True):
        size = (width, timeline_height(layout))
        figure = Figure(size, layout="constrained", facecolor="none")
        ax = figure.add_subplot(facecolor="none")
        draw_timeline(ax, layout, zone, style={}, tooltips=tooltips)
        figure.savefig(file, format="svg")
    label = f"Timeline of {format_count(len(layout.rows), 'job')}"
    return svg_for_page(file.getvalue(), f"w{width:g}-", label)


def _tooltip(row: Any, zone: tzinfo) -> str:
    label, start = state_label(row.state), format_time(row.start, zone)
    if row.start == row.end:
        return f"{row.gid}: {label}, {start}"
    duration = format_duration((row.end - row.start).total_seconds())
    running = " (unfinished)" if row.running else ""
    source = "observed" if row.observed else "reported by Asana"
    end = format_time(row.end, zone)
    return f"{row.gid}: {label}, {start} to {end}{running}, {duration}, {source}"
