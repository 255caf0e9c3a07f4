"""From what is to be seen to HTML: everything foreign is cleaned and escaped here. Pure."""

from __future__ import annotations

import html
from collections.abc import Collection

from asana_jobs_pd._api.redact import clean
from asana_jobs_pd._notebook.page import COLUMNS, Page, Query
from asana_jobs_pd._notebook.palette import LOOKS, UNREADABLE, look_of, ordered_states
from asana_jobs_pd._notebook.rows import JobRow
from asana_jobs_pd._notebook.status import Clock, Notice, Snapshot, budget_words
from asana_jobs_pd._notebook.words import age_words, count_words, moment_words, span_words

__all__ = [
    "bar_html",
    "clock_html",
    "escape",
    "head_html",
    "notice_html",
    "pages_html",
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
    column = "\n".join([*(f"in {left} s" for left in range(seconds, 0, -1)), "now"])
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
