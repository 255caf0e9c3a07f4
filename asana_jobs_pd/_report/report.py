"""A frame of jobs as one HTML file, for a mail or a wiki: `asana_jobs_report`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import tzinfo
from pathlib import Path

import pandas as pd

from asana_jobs_pd._files import replace_file
from asana_jobs_pd._formatting import time_words
from asana_jobs_pd._http.redaction import clean
from asana_jobs_pd._palette import LOOKS, Look
from asana_jobs_pd._public import public
from asana_jobs_pd._report.report_model import MOST_TOLD, Failure, File, Report, report_of
from asana_jobs_pd._report.report_svg import (
    Child,
    Element,
    element,
    page,
    state_class,
    timeline_svg,
)
from asana_jobs_pd._report.timeline_data import spans_of, zone_of, zone_words

__all__ = ["STYLE", "asana_jobs_report", "report_html"]


def _colours(*, dark: bool) -> str:
    states = "".join(f".s-{look.state}{{--c:{look.colour(dark=dark)}}}" for look in LOOKS.values())
    if dark:
        ground = "--bg:#111;--soft:#1c1c1e;--fg:#ececee;--dim:#a9a9b2;--line:#3a3a3e"
    else:
        ground = "--bg:#fff;--soft:#f6f6f8;--fg:#1c1c1e;--dim:#5c5c66;--line:#dcdce0"
    return f":root{{{ground}}}{states}"


_SHAPE = """
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--fg);
 font:15px/1.5 system-ui,-apple-system,"Segoe UI","DejaVu Sans",sans-serif}
main{max-width:1040px;margin:0 auto;padding:36px 28px 60px}
h1{font-size:26px;line-height:1.25;margin:0 0 4px;overflow-wrap:anywhere}
h2{font-size:17px;margin:38px 0 10px}
p{margin:6px 0}
.dim{color:var(--dim);font-size:13px}
.chips{display:flex;flex-wrap:wrap;gap:4px 18px;margin:16px 0 8px}
.chip{color:var(--c);white-space:nowrap}
.mark{display:inline-block;width:1.3em;font-weight:700}
span.s-failed{color:var(--c)}
.share{display:flex;gap:2px;height:8px;border-radius:4px;overflow:hidden}
.share i{background:var(--c);min-width:3px}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;min-width:680px;font-size:14px}
th,td{text-align:left;vertical-align:top;padding:6px 14px 6px 0;border-bottom:1px solid var(--line)}
th:last-child,td:last-child{padding-right:0}
thead th{color:var(--dim);font-weight:500;white-space:nowrap}
tbody th{font-weight:400}
td{overflow-wrap:break-word}
td.num,th.num{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}
code{font:13px/1.5 ui-monospace,"SF Mono","DejaVu Sans Mono",monospace;white-space:nowrap}
code.hash{font-size:11px;color:var(--dim);white-space:normal;word-break:break-all}
svg{display:block;width:100%;min-width:720px;height:auto;margin:4px 0}
svg text{font-size:12px;fill:var(--fg)}
svg .head{font-weight:600;text-anchor:end}
svg .label{text-anchor:end;fill:var(--dim)}
svg .tick{text-anchor:middle;fill:var(--dim);font-size:11px}
svg .note{fill:var(--c)}
svg .grid{stroke:var(--line);stroke-width:1}
svg .bar{fill:var(--c)}
svg .seen{fill:var(--c);fill-opacity:.36;stroke:var(--c);stroke-width:1}
svg path.seen{stroke:none}
svg .tail{fill:var(--c);fill-opacity:.25}
svg .cross{stroke:var(--c);stroke-width:2.4;stroke-linecap:round;fill:none}
"""

_PRINT = """
main{max-width:none;padding:0}
section{break-inside:auto}
h2{break-after:avoid}
tr,svg{break-inside:avoid}
thead{display:table-header-group}
.scroll{overflow:visible}
svg,table{min-width:0}
.share i,svg *{print-color-adjust:exact;-webkit-print-color-adjust:exact}
"""

STYLE = (
    _colours(dark=False)
    + _SHAPE
    + f"@media screen and (prefers-color-scheme:dark){{{_colours(dark=True)}}}"
    + f"@media print{{{_PRINT}}}"
)


_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
"""For the browser: whatever came in, it loads and runs nothing."""


def report_html(report: Report, title: str, written: str, zone: tzinfo) -> str:
    """Return the page."""
    style = element("style")
    style.text = STYLE
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", title),
        style,
    )
    body = element(
        "body",
        element(
            "main",
            _header(report, title, written, zone),
            _summary(report),
            _timeline(report, zone),
            _failures(report.failures),
            _files(report.files, report.waiting),
        ),
    )
    return page(element("html", head, body, lang="en"))


def _header(report: Report, title: str, written: str, zone: tzinfo) -> Element:
    read = f"read {report.read} · " if report.read else ""
    return element(
        "header",
        element("h1", title),
        element("p", f"{read}written {written} · times in {zone_words(zone)}", class_="dim"),
        element(
            "p",
            element("strong", _count(report.jobs, "job")),
            *(_chip(look, f"{count:,} {look.word}") for look, count in report.states),
            class_="chips",
        ),
        _bar(report),
    )


def _bar(report: Report) -> Element | None:
    if not report.jobs:
        return None
    parts = [
        element("i", class_=state_class(look.state), style=f"flex-grow:{count}")
        for look, count in report.states
    ]
    told = ", ".join(f"{count:,} {look.word}" for look, count in report.states)
    return element("div", *parts, class_="share", role="img", aria_label=told)


def _summary(report: Report) -> Element:
    heads = ["Kind", *(look.word for look, _ in report.states), "Total"]
    rows: list[Sequence[Child]] = [
        (kind, *(f"{count:,}" if count else "–" for count in counts), f"{sum(counts):,}")  # noqa: RUF001  a dash, as tables have
        for kind, counts in report.kinds
    ]
    table = _table(heads, rows, numbers=range(1, len(heads)), first_is_head=True)
    return _section("Summary", table if rows else _note("No jobs."))


def _timeline(report: Report, zone: tzinfo) -> Element:
    arranged = report.timeline
    if not len(arranged.rows):
        none = (
            f"No times are known of {_count(arranged.untimed, 'job')}."
            if report.jobs
            else "No jobs."
        )
        return _section("Timeline", _note(none))
    words = (
        "Solid bars are what Asana reports, which it does for exports; pale ones are what was "
        "seen. A bar that fades out was not finished when it was last seen."
    )
    if arranged.untimed:
        words += f" {_count(arranged.untimed, 'job')} without known times not shown."
    drawing = element("div", timeline_svg(arranged, zone), class_="scroll")
    return _section("Timeline", drawing, _note(words))


def _failures(failures: Sequence[Failure]) -> Element:
    if not failures:
        return _section("Failures", _note("No job failed."))
    rows: list[Sequence[Child]] = [
        (
            element("code", failure.gid),
            failure.kind,
            _chip(failure.look, failure.look.word),
            failure.reason,
        )
        for failure in failures[:MOST_TOLD]
    ]
    table = _table(["Job", "Kind", "State", "Reason"], rows)
    return _section("Failures", table, _more(len(failures)))


def _files(files: Sequence[File], waiting: int) -> Element:
    ready = f"{_count(waiting, 'export')} ready, without a file yet." if waiting else ""
    if not files:
        return _section("Files", _note(ready or "No files."))
    rows: list[Sequence[Child]] = [
        (
            element("code", file.gid),
            file.kind,
            element("span", file.error, class_="s-failed") if file.error else file.name,
            file.size,
            element("code", file.sha256, class_="hash"),
        )
        for file in files[:MOST_TOLD]
    ]
    table = _table(["Job", "Export", "File", "Size", "SHA-256"], rows, numbers=(3,))
    return _section("Files", table, _more(len(files)), _note(ready) if ready else None)


def _section(title: str, *children: Child) -> Element:
    return element("section", element("h2", title), *children)


def _table(
    heads: Sequence[str],
    rows: Sequence[Sequence[Child]],
    *,
    numbers: Sequence[int] = (),
    first_is_head: bool = False,
) -> Element:
    def kind(place: int) -> str | None:
        return "num" if place in numbers else None

    head = [element("th", text, scope="col", class_=kind(at)) for at, text in enumerate(heads)]
    body = []
    for row in rows:
        cells = [element("td", cell, class_=kind(at)) for at, cell in enumerate(row)]
        if first_is_head:
            cells[0] = element("th", row[0], scope="row")
        body.append(element("tr", *cells))
    table = element("table", element("thead", element("tr", *head)), element("tbody", *body))
    return element("div", table, class_="scroll")


def _chip(look: Look, words: str) -> Element:
    mark = element("span", look.mark, class_="mark", aria_hidden="true")
    return element("span", mark, words, class_=f"chip {state_class(look.state)}")


def _note(words: str) -> Element:
    return element("p", words, class_="dim")


def _more(rows: int) -> Element | None:
    return _note(f"… and {rows - MOST_TOLD:,} more.") if rows > MOST_TOLD else None


def _count(number: int, thing: str) -> str:
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


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
