"""The widget where no widget can be: a table in plain HTML, and one in text. Pure.

For saved notebooks, nbconvert and front ends without widgets. Front ends give a plain table
their own look, so this one has none.
"""

from __future__ import annotations

import html
from collections.abc import Collection, Sequence

import pandas as pd

from asana_jobs_pd._formatting import age_words, count_words, moment_words, span_words
from asana_jobs_pd._http.redaction import clean
from asana_jobs_pd._jobs.views import render
from asana_jobs_pd._palette import LOOKS, UNREADABLE, look_of, ordered_states
from asana_jobs_pd._widget.job_list import COLUMNS, Page, Query
from asana_jobs_pd._widget.job_rows import JobRow
from asana_jobs_pd._widget.status import Clock, Notice, Snapshot, budget_words, notice_of

__all__ = [
    "bar_html",
    "clock_html",
    "escape",
    "head_html",
    "notice_html",
    "pages_html",
    "static_html",
    "static_text",
    "table_html",
    "tone_of",
    "trouble_html",
]

ASANA = "https://app.asana.com/0/0/"
_LONGEST = 120
_ELLIPSIS = "…"
_NAME, _NAME_HOVER = 96, 106
_KIND, _KIND_HOVER = 40, 48
"""Bytes that a name and a kind may take, and that they may take on hovering."""
_DASH = "–"  # noqa: RUF001  as tables have


def escape(text: str, limit: int = _LONGEST) -> str:
    """Return foreign text as one line of HTML, with neither secrets nor markup of its own."""
    return html.escape(clean(text, limit=limit))


def _fit(text: str, size: int) -> str:
    """Return foreign text likewise, cut to so many bytes: what goes out has a bound."""
    line = clean(text, limit=size)
    escaped = html.escape(line)
    if len(escaped.encode()) <= size:
        return escaped
    parts = []
    room = size - len(_ELLIPSIS.encode())
    for part in map(html.escape, line):
        room -= len(part.encode())
        if room < 0:
            break
        parts.append(part)
    return "".join(parts) + _ELLIPSIS


def tone_of(state: str) -> str:
    """Return the CSS class of a state's colour and shape."""
    return f"aj-{state.replace('_', '-')}" if state in LOOKS else "aj-unknown"


def _mark(state: str) -> str:
    return f'<i class="aj-mark {tone_of(state)}" aria-hidden="true"></i>'


def head_html(now: Snapshot, notice: Notice) -> str:
    """Return the title, a chip for each state that there is, and what is to be said."""
    chips = [
        f'<span class="aj-chip {tone_of(state)}">{_mark(state)}'
        f"{now.counts[state]:,} {escape(_state_words(state))}</span>"
        for state in ordered_states(list(now.counts))
    ]
    if notice.title:
        chips.append(
            f'<span class="aj-say aj-{notice.tone}" role="status">{escape(notice.title)}</span>'
        )
    return f'<span class="aj-title">{count_words(now.total, "job")}</span>{"".join(chips)}'


def _state_words(state: str) -> str:
    return "not read yet" if state == "unknown" else look_of(state).word


def bar_html(now: Snapshot) -> str:
    """Return a bar with a part for each state, and its meaning for those who cannot see it."""
    total = max(1, now.total)
    order = ("succeeded", "failed", UNREADABLE, "in_progress")
    parts = [
        f'<i class="{tone_of(state)}" style="width:{100 * now.counts[state] / total:.2f}%"></i>'
        for state in order
        if now.counts.get(state)
    ]
    label = ", ".join(
        f"{now.counts[state]:,} {_state_words(state)}" for state in ordered_states(list(now.counts))
    )
    words = html.escape(f"Of {count_words(now.total, 'job')}: {label or 'none'}", quote=True)
    return f'<div class="aj-bar" role="img" aria-label="{words}">{"".join(parts)}</div>'


def clock_html(clock: Clock, allowed: int | None) -> str:
    """Return when the next check is, with a countdown that the browser runs, and the budget.

    The countdown is a column of numbers that moves up a line a second: pure CSS, so that
    nothing need be sent while time goes by.
    """
    used = budget_words(clock.used, allowed)
    if clock.due is None:
        return f"<span>{' · '.join(filter(None, (clock.words, used)))}</span>"
    seconds = clock.seconds
    column = "\n".join(f"in {left} s" for left in range(seconds, -1, -1))
    rest = f" · {used}" if used else ""
    return (
        f'<span class="aj-hide">{clock.words} in {seconds} s</span>'
        f'<span aria-hidden="true">{clock.words} <b class="aj-count"><b style="animation:aj-count '
        f'{seconds}s steps({seconds}) forwards;--aj-n:{seconds}">{column}</b></b></span>'
        f"<span>{rest}</span>"
    )


def notice_html(notice: Notice) -> str:
    """Return what is to be said at length, or nothing."""
    if not notice.text:
        return ""
    text = escape(notice.text, 700)
    return f'<div class="aj-note aj-{notice.tone}" role="status">{text}</div>'


def table_html(page: Page, query: Query, now: int, new: Collection[str] = ()) -> str:
    """Return a page of jobs as a table; its head is for screen readers.

    Parameters
    ----------
    page, query
        What is seen, and what was asked for.
    now
        The time that ages count to, in microseconds since 1970.
    new
        The gids of the rows that have just changed.
    """
    if not page.rows:
        asked = query.text or query.state
        words = "No job is like that. Clear the filter to see all." if asked else "No jobs yet."
        return f'<div class="aj-empty">{words}</div>'
    heads = "".join(_head(column.title, column.key, query) for column in COLUMNS)
    lines = "".join(_line(row, now, fresh=row.gid in new) for row in page.rows)
    label = f"Jobs {page.first + 1} to {page.first + len(page.rows)} of {page.found}"
    return (
        f'<table class="aj-table" aria-label="{label}"><colgroup>'
        f"{''.join(f'<col class=aj-c-{column.key}>' for column in COLUMNS)}</colgroup>"
        f"<thead><tr>{heads}</tr></thead><tbody>{lines}</tbody></table>"
    )


def _head(title: str, key: str, query: Query) -> str:
    way = "descending" if query.descending else "ascending"
    return f'<th scope="col" aria-sort="{way if key == query.column else "none"}">{title}</th>'


def _line(row: JobRow, now: int, *, fresh: bool) -> str:
    look = look_of(row.state)
    tone = tone_of(look.state)
    state = f'<td class={tone}><i class="aj-mark {tone}"></i>{_fit(row.word, 40)}</td>'
    cells = [
        state,
        _kind(row.kind or _DASH),
        _object(row),
        f"<td class=aj-gid>{row.gid}</td>",
        _age(row, now),
        _took(row),
    ]
    return f"<tr{' class=aj-new' if fresh else ''}>{''.join(cells)}</tr>"


def _kind(text: str) -> str:
    return f"<td{_hover(text, 22, _KIND_HOVER)}>{_fit(text, _KIND)}</td>"


def _hover(text: str, most: int, size: int) -> str:
    """Return the whole text for hovering, when it may be cut off."""
    return f' title="{_fit(text, size)}"' if len(text) > most else ""


def _object(row: JobRow) -> str:
    text = row.name or row.note or _DASH
    shown, hover = _fit(text, _NAME), _hover(text, 28, _NAME_HOVER)
    if row.name and row.link:
        return (
            f'<td{hover}><a href="{ASANA}{row.link}" target=_blank '
            f'rel="noopener noreferrer">{shown}</a></td>'
        )
    return f"<td{hover} class=aj-dim>{shown}</td>"


def _age(row: JobRow, now: int) -> str:
    if row.since is None:
        return f'<td class="aj-num">{_DASH}</td>'
    what = "created" if row.created else "first seen"
    words = age_words((now - row.since) / 1e6)
    return f'<td class="aj-num" title="{what} {moment_words(row.since)}">{words}</td>'


def _took(row: JobRow) -> str:
    if row.took is None or row.ended is None:
        return f'<td class="aj-num">{_DASH}</td>'
    title = f"completed {moment_words(row.ended)}"
    return f'<td class="aj-num" title="{title}">{span_words(row.took)}</td>'


def pages_html(page: Page) -> str:
    """Return which rows of how many are seen."""
    if not page.found:
        return "<span>0 of 0</span>"
    last = page.first + len(page.rows)
    return f"<span>{page.first + 1:,}–{last:,} of {page.found:,}</span>"  # noqa: RUF001


def trouble_html(words: str) -> str:
    """Return what went wrong, in words."""
    return (
        f'<div class="aj-bad aj-wrap" role="status"><i class="aj-mark aj-failed" '
        f'aria-hidden="true"></i>{escape(words, 700)}</div>'
    )


_HEADS = ("State", "Kind", "Created object", "Job", "Since", "Took")
_NOTHING = "–"  # noqa: RUF001  as tables have


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
    lines = "".join(_text_line(row) for row in rows[:most])
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
        row.kind or _NOTHING,
        row.name or row.note or _NOTHING,
        row.gid,
        _NOTHING if row.since is None else moment_words(row.since),
        _NOTHING if row.took is None else span_words(row.took),
    ]


def _text_line(row: JobRow) -> str:
    shown = [escape(cell) for cell in _cells(row)]
    if row.name and row.link:
        shown[2] = f'<a href="{ASANA}{row.link}" rel="noopener noreferrer">{shown[2]}</a>'
    cells = "".join(f'<td style="text-align:left">{cell}</td>' for cell in shown)
    return f"<tr>{cells}</tr>"
