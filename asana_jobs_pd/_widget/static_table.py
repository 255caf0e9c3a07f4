"""The table as HTML and text, for saved notebooks, terminals and pages without our script.

It has few styles of its own: front ends have styles for plain tables.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence

import pandas as pd

from asana_jobs_pd._formatting import format_count, format_duration, format_epoch
from asana_jobs_pd._http.redaction import clean
from asana_jobs_pd._jobs.views import render
from asana_jobs_pd._monitor.monitor import JobsMonitor
from asana_jobs_pd._vocabulary import ordered_states, state_label, state_style
from asana_jobs_pd._widget.rows import JobRow
from asana_jobs_pd._widget.status import notice_of

STATIC_ROWS = 25

_DASH = "–"  # noqa: RUF001  an empty cell
_CELL = "text-align:left;padding:2px 12px 2px 0"
_HEADS = ("State", "Kind", "Created object", "Job", "Since (UTC)", "Took")
_WRAPPED = "Created object"


def static_table(
    rows: Sequence[JobRow], monitor: JobsMonitor, at: int, hint: str = "", text_hint: str = ""
) -> dict[str, str]:
    """Return the first rows as HTML and text, with counts as of a time in microseconds since 1970.

    The hints say how to get a live table; text between backticks becomes code in the HTML.
    """
    total, summary, time = (
        format_count(len(monitor.jobs), "job"),
        _summary(monitor),
        format_epoch(at),
    )
    shown, rest = rows[:STATIC_ROWS], len(rows) - STATIC_ROWS
    more = f"… and {rest:,} more" if rest > 0 else ""
    heads = "".join(f'<th scope="col" style="{_CELL}">{head}</th>' for head in _HEADS)
    words = re.sub("`(.+?)`", r"<code>\1</code>", html.escape(hint))
    markup = (
        f"<div><p><b>{total}</b>: {_escape(summary, 300)}, as of {time}.</p>{_paragraph(words)}"
        f'<table class="dataframe"><thead><tr>{heads}</tr></thead>'
        f"<tbody>{''.join(map(_html_row, shown))}</tbody></table>{_paragraph(more)}</div>"
    )
    table = pd.DataFrame(map(_cells, shown), columns=list(_HEADS), dtype="string")
    text = (f"{total}: {summary}, as of {time}.", render(table, width=110), more, text_hint)
    return {"text/html": markup, "text/plain": "\n".join(filter(None, text))}


def _paragraph(markup: str) -> str:
    return f"<p>{markup}</p>" if markup else ""


def _summary(monitor: JobsMonitor) -> str:
    counts = monitor.counts
    shown = [f"{counts[state]:,} {state_label(state)}" for state in ordered_states(counts)]
    title = "" if monitor.state == "done" else notice_of(monitor).title
    return ", ".join(filter(None, (*shown, title))) or "none"


def _cells(row: JobRow) -> list[str]:
    return [
        f"{state_style(row.state).mark} {row.label}",
        row.kind or _DASH,
        row.text or row.note or _DASH,
        row.gid,
        _DASH if row.since is None else format_epoch(row.since).removesuffix(" UTC"),
        (row.usual or _DASH) if row.took is None else format_duration(row.took),
    ]


def _html_row(row: JobRow) -> str:
    shown = [_escape(cell) for cell in _cells(row)]
    if row.name and row.link:
        shown[2] = f'<a href="{html.escape(row.link)}" rel="noopener noreferrer">{shown[2]}</a>'
    cells = [
        f'<td style="{_CELL}{"" if head == _WRAPPED else ";white-space:nowrap"}">{cell}</td>'
        for head, cell in zip(_HEADS, shown, strict=True)
    ]
    return f"<tr>{''.join(cells)}</tr>"


def _escape(text: str, limit: int = 120) -> str:
    return html.escape(clean(text, limit=limit))
