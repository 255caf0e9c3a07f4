"""A report as one HTML page: no script, nothing from elsewhere, light and dark, printable. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo

from asana_jobs_pd._notebook.elements import Child, Element, element, page
from asana_jobs_pd._notebook.palette import Look
from asana_jobs_pd._notebook.report_model import MOST_TOLD, Failure, File, Report
from asana_jobs_pd._notebook.report_style import STYLE
from asana_jobs_pd._notebook.report_svg import state_class, timeline_svg
from asana_jobs_pd._notebook.zones import zone_words

__all__ = ["report_html"]

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
