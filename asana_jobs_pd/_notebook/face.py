"""The widget where no widget can be: a table in plain HTML, and one in text. Pure.

For saved notebooks, nbconvert and front ends without widgets. Front ends give a plain table
their own look, so this one has none.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from asana_jobs_pd._notebook.markup import ASANA, escape
from asana_jobs_pd._notebook.palette import look_of, ordered_states
from asana_jobs_pd._notebook.rows import JobRow
from asana_jobs_pd._notebook.status import Snapshot, notice_of
from asana_jobs_pd._notebook.words import count_words, moment_words, span_words
from asana_jobs_pd._table import render

__all__ = ["static_html", "static_text"]

_HEADS = ("State", "Kind", "Created object", "Job", "Since", "Took")
_DASH = "–"  # noqa: RUF001  as tables have


def static_html(rows: Sequence[JobRow], now: Snapshot, at: int, most: int) -> str:
    """Return the first rows as HTML, with counts above.

    Parameters
    ----------
    rows
        All jobs.
    now
        The monitor.
    at
        When that is, in microseconds since 1970.
    most
        How many rows to show.
    """
    heads = "".join(f'<th scope="col" style="text-align:left">{head}</th>' for head in _HEADS)
    lines = "".join(_line(row) for row in rows[:most])
    more = f"<p>… and {len(rows) - most:,} more</p>" if len(rows) > most else ""
    return (
        f"<div><p><b>{count_words(now.total, 'job')}</b>: {escape(_counts(now), 300)}, as of "
        f'{moment_words(at)}</p><table class="dataframe"><thead><tr>{heads}</tr></thead>'
        f"<tbody>{lines}</tbody></table>{more}</div>"
    )


def static_text(rows: Sequence[JobRow], now: Snapshot, at: int, most: int) -> str:
    """Return the first rows as text, with counts above; parameters as in `static_html`."""
    cells = [_cells(row) for row in rows[:most]]
    table = pd.DataFrame(cells, columns=list(_HEADS), dtype="string")
    lines = [
        f"{count_words(now.total, 'job')}: {_counts(now)}, as of {moment_words(at)}",
        render(table, width=110),
    ]
    if len(rows) > most:
        lines.append(f"… and {len(rows) - most:,} more")
    return "\n".join(lines)


def _counts(now: Snapshot) -> str:
    parts = [
        f"{now.counts[state]:,} {look_of(state).word}" for state in ordered_states(list(now.counts))
    ]
    return ", ".join(filter(None, (*parts, notice_of(now).title))) or "none"


def _cells(row: JobRow) -> list[str]:
    return [
        f"{look_of(row.state).mark} {row.word}",
        row.kind or _DASH,
        row.name or row.note or _DASH,
        row.gid,
        _DASH if row.since is None else moment_words(row.since),
        _DASH if row.took is None else span_words(row.took),
    ]


def _line(row: JobRow) -> str:
    shown = [escape(cell) for cell in _cells(row)]
    if row.name and row.link:
        shown[2] = f'<a href="{ASANA}{row.link}" rel="noopener noreferrer">{shown[2]}</a>'
    cells = "".join(f'<td style="text-align:left">{cell}</td>' for cell in shown)
    return f"<tr>{cells}</tr>"
