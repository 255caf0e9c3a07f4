"""The widget as HTML, and as a plain HTML or text table where there are no widgets."""

from __future__ import annotations

import html
from collections.abc import Collection, Sequence

import pandas as pd

from asana_jobs_pd._formatting import format_age, format_count, format_duration, format_epoch
from asana_jobs_pd._http.redaction import clean
from asana_jobs_pd._jobs.views import render
from asana_jobs_pd._vocabulary import (
    STATE_STYLES,
    UNREADABLE,
    ordered_states,
    state_label,
    state_style,
)
from asana_jobs_pd._widget.job_list import COLUMNS, JobRow, Page, Query
from asana_jobs_pd._widget.status import Clock, Notice, Snapshot, format_budget, notice_of

_ASANA_URL = "https://app.asana.com/0/0/"
_MAX_TEXT = 120
_ELLIPSIS = "…"
_NAME_BYTES, _NAME_TITLE_BYTES = 96, 106
_KIND_BYTES, _KIND_TITLE_BYTES = 40, 48
"""How many bytes a name and a kind, and their tooltips, may take in a page."""
_DASH = "–"  # noqa: RUF001  an empty cell


def escape(text: str, limit: int = _MAX_TEXT) -> str:
    """Return foreign text as one line of HTML, masked and escaped."""
    return html.escape(clean(text, limit=limit))


def _escape_to_bytes(text: str, size: int) -> str:
    """Escape foreign text and cut it to so many bytes: a page has a maximum size."""
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


def _state_class(state: str) -> str:
    return f"aj-{state.replace('_', '-')}" if state in STATE_STYLES else "aj-unknown"


def _mark(state: str) -> str:
    return f'<i class="aj-mark {_state_class(state)}" aria-hidden="true"></i>'


def head_html(now: Snapshot, notice: Notice) -> str:
    """Return the title, a count per state, and the notice's title."""
    chips = [
        f'<span class="aj-chip {_state_class(state)}">{_mark(state)}'
        f"{now.counts[state]:,} {escape(state_label(state))}</span>"
        for state in ordered_states(now.counts)
    ]
    if notice.title:
        chips.append(
            f'<span class="aj-say aj-{notice.tone}" role="status">{escape(notice.title)}</span>'
        )
    return f'<span class="aj-title">{format_count(now.total, "job")}</span>{"".join(chips)}'


def bar_html(now: Snapshot) -> str:
    """Return a bar with a part per state, and its meaning for screen readers."""
    total = max(1, now.total)
    order = ("succeeded", "failed", UNREADABLE, "in_progress")
    parts = [
        f'<i class="{_state_class(state)}" style="width:{100 * count / total:.2f}%"></i>'
        for state in order
        if (count := now.counts.get(state))
    ]
    counts = html.escape(_counts(now) or "none", quote=True)
    label = f"Of {format_count(now.total, 'job')}: {counts}"
    return f'<div class="aj-bar" role="img" aria-label="{label}">{"".join(parts)}</div>'


def _counts(now: Snapshot) -> str:
    states = ordered_states(now.counts)
    return ", ".join(f"{now.counts[state]:,} {state_label(state)}" for state in states)


def clock_html(clock: Clock, allowed: int | None) -> str:
    """Return when the next check is, and the request budget.

    The countdown is a column of numbers that CSS moves up one line per second, so nothing is
    sent while time passes.
    """
    used = format_budget(clock.used, allowed)
    if clock.due is None:
        return f"<span>{' · '.join(filter(None, (clock.text, used)))}</span>"
    seconds = clock.seconds
    column = "\n".join(f"in {left} s" for left in range(seconds, -1, -1))
    rest = f" · {used}" if used else ""
    return (
        f'<span class="aj-hide">{clock.text} in {seconds} s</span>'
        f'<span aria-hidden="true">{clock.text} <b class="aj-count"><b style="animation:aj-count '
        f'{seconds}s steps({seconds}) forwards;--aj-n:{seconds}">{column}</b></b></span>'
        f"<span>{rest}</span>"
    )


def notice_html(notice: Notice) -> str:
    """Return the notice's text, or nothing."""
    if not notice.text:
        return ""
    text = escape(notice.text, 700)
    return f'<div class="aj-note aj-{notice.tone}" role="status">{text}</div>'


def table_html(page: Page, query: Query, now: int, changed: Collection[str] = ()) -> str:
    """Return a page of jobs as a table, whose head is for screen readers.

    Ages count to `now`, in microseconds since 1970; rows in `changed` are highlighted.
    """
    if not page.rows:
        filtered = query.text or query.state
        text = "No matching jobs. Clear the filter to show all." if filtered else "No jobs."
        return f'<div class="aj-empty">{text}</div>'
    heads = "".join(_head(column.title, column.key, query) for column in COLUMNS)
    lines = "".join(_row(row, now, changed=row.gid in changed) for row in page.rows)
    label = f"Jobs {page.first + 1} to {page.first + len(page.rows)} of {page.total}"
    return (
        f'<table class="aj-table" aria-label="{label}"><colgroup>'
        f"{''.join(f'<col class=aj-c-{column.key}>' for column in COLUMNS)}</colgroup>"
        f"<thead><tr>{heads}</tr></thead><tbody>{lines}</tbody></table>"
    )


def _head(title: str, key: str, query: Query) -> str:
    way = "descending" if query.descending else "ascending"
    return f'<th scope="col" aria-sort="{way if key == query.column else "none"}">{title}</th>'


def _row(row: JobRow, now: int, *, changed: bool) -> str:
    name = _state_class(row.state)
    label = _escape_to_bytes(row.label, 40)
    state = f'<td class={name}><i class="aj-mark {name}"></i>{label}</td>'
    cells = [
        state,
        _kind(row.kind or _DASH),
        _object(row),
        f"<td class=aj-gid>{row.gid}</td>",
        _age(row, now),
        _took(row),
    ]
    return f"<tr{' class=aj-new' if changed else ''}>{''.join(cells)}</tr>"


def _kind(text: str) -> str:
    title = _title(text, 22, _KIND_TITLE_BYTES)
    return f"<td{title}>{_escape_to_bytes(text, _KIND_BYTES)}</td>"


def _title(text: str, limit: int, size: int) -> str:
    """Return the whole text as a tooltip if it may be cut off."""
    return f' title="{_escape_to_bytes(text, size)}"' if len(text) > limit else ""


def _object(row: JobRow) -> str:
    text = row.name or row.note or _DASH
    shown, title = _escape_to_bytes(text, _NAME_BYTES), _title(text, 28, _NAME_TITLE_BYTES)
    if row.name and row.link:
        return (
            f'<td{title}><a href="{_ASANA_URL}{row.link}" target=_blank '
            f'rel="noopener noreferrer">{shown}</a></td>'
        )
    return f"<td{title} class=aj-dim>{shown}</td>"


def _age(row: JobRow, now: int) -> str:
    if row.since is None:
        return f'<td class="aj-num">{_DASH}</td>'
    event = "created" if row.created else "first seen"
    age = format_age((now - row.since) / 1e6)
    return f'<td class="aj-num" title="{event} {format_epoch(row.since)}">{age}</td>'


def _took(row: JobRow) -> str:
    if row.took is None or row.ended is None:
        return f'<td class="aj-num">{_DASH}</td>'
    title = f"completed {format_epoch(row.ended)}"
    return f'<td class="aj-num" title="{title}">{format_duration(row.took)}</td>'


def page_range_html(page: Page) -> str:
    """Return which rows of how many are shown."""
    if not page.total:
        return "<span>0 of 0</span>"
    last = page.first + len(page.rows)
    return f"<span>{page.first + 1:,}–{last:,} of {page.total:,}</span>"  # noqa: RUF001


def error_html(text: str) -> str:
    """Return an error message."""
    return (
        f'<div class="aj-bad aj-wrap" role="status"><i class="aj-mark aj-failed" '
        f'aria-hidden="true"></i>{escape(text, 700)}</div>'
    )


_HEADS = ("State", "Kind", "Created object", "Job", "Since", "Took")


def static_html(rows: Sequence[JobRow], now: Snapshot, at: int, limit: int) -> str:
    """Return the first rows as HTML, with counts as of a time in microseconds since 1970.

    For saved notebooks, nbconvert and front ends without widgets, which style plain tables.
    """
    heads = "".join(f'<th scope="col" style="text-align:left">{head}</th>' for head in _HEADS)
    lines = "".join(_static_row(row) for row in rows[:limit])
    more = f"<p>… and {len(rows) - limit:,} more</p>" if len(rows) > limit else ""
    return (
        f"<div><p><b>{format_count(now.total, 'job')}</b>: {escape(_summary(now), 300)}, as of "
        f'{format_epoch(at)}</p><table class="dataframe"><thead><tr>{heads}</tr></thead>'
        f"<tbody>{lines}</tbody></table>{more}</div>"
    )


def static_text(rows: Sequence[JobRow], now: Snapshot, at: int, limit: int) -> str:
    """Return the first rows as text; parameters as in `static_html`."""
    cells = [_cells(row) for row in rows[:limit]]
    table = pd.DataFrame(cells, columns=list(_HEADS), dtype="string")
    lines = [
        f"{format_count(now.total, 'job')}: {_summary(now)}, as of {format_epoch(at)}",
        render(table, width=110),
    ]
    if len(rows) > limit:
        lines.append(f"… and {len(rows) - limit:,} more")
    return "\n".join(lines)


def _summary(now: Snapshot) -> str:
    return ", ".join(filter(None, (_counts(now), notice_of(now).title))) or "none"


def _cells(row: JobRow) -> list[str]:
    return [
        f"{state_style(row.state).mark} {row.label}",
        row.kind or _DASH,
        row.name or row.note or _DASH,
        row.gid,
        _DASH if row.since is None else format_epoch(row.since),
        _DASH if row.took is None else format_duration(row.took),
    ]


def _static_row(row: JobRow) -> str:
    shown = [escape(cell) for cell in _cells(row)]
    if row.name and row.link:
        shown[2] = f'<a href="{_ASANA_URL}{row.link}" rel="noopener noreferrer">{shown[2]}</a>'
    cells = "".join(f'<td style="text-align:left">{cell}</td>' for cell in shown)
    return f"<tr>{cells}</tr>"
