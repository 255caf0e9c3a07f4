"""The table as HTML and text, for saved notebooks, terminals and pages without our script.

Front ends style plain tables by themselves.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence

import pandas as pd

from asana_jobs_pd._formatting import format_count, format_duration, format_epoch
from asana_jobs_pd._http.redaction import clean
from asana_jobs_pd._jobs.views import render
from asana_jobs_pd._vocabulary import ordered_states, state_label, state_style
from asana_jobs_pd._widget.rows import JobRow
from asana_jobs_pd._widget.status import Snapshot, notice_of

STATIC_ROWS = 25

_DASH = "–"  # noqa: RUF001  an empty cell
_CELL = "text-align:left;padding:2px 12px 2px 0"
_HEADS = ("State", "Kind", "Created object", "Job", "Since (UTC)", "Took")
_WRAPPED = "Created object"


def static_html(rows: Sequence[JobRow], now: Snapshot, at: int, hint: str = "") -> str:
    """Return the first rows as HTML, with counts as of a time in microseconds since 1970.

    The hint says what to do for a live table; commands stand between backticks.
    """
    heads = "".join(f'<th scope="col" style="{_CELL}">{head}</th>' for head in _HEADS)
    lines = "".join(map(_static_row, rows[:STATIC_ROWS]))
    more = f"<p>… and {len(rows) - STATIC_ROWS:,} more</p>" if len(rows) > STATIC_ROWS else ""
    words = re.sub("`(.+?)`", r"<code>\1</code>", html.escape(hint))
    return (
        f"<div><p><b>{format_count(now.total, 'job')}</b>: {_escape(_summary(now), 300)}, as of "
        f"{format_epoch(at)}.</p>{f'<p>{words}</p>' if hint else ''}"
        f'<table class="dataframe"><thead><tr>{heads}</tr></thead><tbody>{lines}</tbody></table>'
        f"{more}</div>"
    )


def static_text(rows: Sequence[JobRow], now: Snapshot, at: int, hint: str = "") -> str:
    """Return the first rows as text; parameters as in `static_html`."""
    cells = [_cells(row) for row in rows[:STATIC_ROWS]]
    table = pd.DataFrame(cells, columns=list(_HEADS), dtype="string")
    lines = [
        f"{format_count(now.total, 'job')}: {_summary(now)}, as of {format_epoch(at)}.",
        render(table, width=110),
    ]
    if len(rows) > STATIC_ROWS:
        lines.append(f"… and {len(rows) - STATIC_ROWS:,} more")
    return "\n".join([*lines, hint] if hint else lines)


def _summary(now: Snapshot) -> str:
    counts = [f"{now.counts[state]:,} {state_label(state)}" for state in ordered_states(now.counts)]
    title = "" if now.state == "done" else notice_of(now).title
    return ", ".join(filter(None, (*counts, title))) or "none"


def _cells(row: JobRow) -> list[str]:
    return [
        f"{state_style(row.state).mark} {row.label}",
        row.kind or _DASH,
        row.text or row.note or _DASH,
        row.gid,
        _DASH if row.since is None else format_epoch(row.since).removesuffix(" UTC"),
        (row.usual or _DASH) if row.took is None else format_duration(row.took),
    ]


def _static_row(row: JobRow) -> str:
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
