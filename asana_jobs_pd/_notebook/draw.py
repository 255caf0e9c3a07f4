"""Puts what is to be seen into the controls; ipywidgets sends what is different from before."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from asana_jobs_pd._notebook.controls import Controls, toggle
from asana_jobs_pd._notebook.markup import (
    bar_html,
    clock_html,
    head_html,
    notice_html,
    pages_html,
    table_html,
)
from asana_jobs_pd._notebook.page import COLUMNS, Page, Query
from asana_jobs_pd._notebook.rows import JobRow
from asana_jobs_pd._notebook.status import Clock, Notice, Snapshot
from asana_jobs_pd._notebook.words import count_words

__all__ = ["Work", "draw_page", "draw_status", "draw_work"]


@dataclass(frozen=True, slots=True)
class Work:
    """What can be downloaded, and what is being done.

    Parameters
    ----------
    ready, chosen
        How many exports there are to download, and how many of them are chosen.
    downloading, loading
        Whether that is under way.
    files
        How many files there are to load.
    """

    ready: int = 0
    chosen: int = 0
    downloading: bool = False
    loading: bool = False
    files: int = 0


def draw_status(controls: Controls, now: Snapshot, notice: Notice, clock: Clock) -> None:
    """Draw what stands above the table."""
    controls.head.value = head_html(now, notice)
    controls.clock.value = clock_html(clock, now.allowed)
    controls.bar.value = bar_html(now)
    controls.notice.value = notice_html(notice)
    toggle(controls.notice, "aj-gone", not notice.text)
    again = now.state in ("stopped", "unauthorized", "idle")
    refresh, pause = controls.refresh, controls.pause
    refresh.description = "Try again" if again else "Refresh"
    refresh.disabled = now.state == "done"
    pause.description = "Resume" if now.state == "paused" else "Pause"
    pause.tooltip = "Go on" if now.state == "paused" else "Ask Asana for nothing until you resume"
    pause.disabled = now.ended or now.state == "idle"


def draw_page(
    controls: Controls, page: Page, query: Query, now: int, fresh: Collection[str] = ()
) -> None:
    """Draw the table; of what else the page is made of, see `draw_boxes`."""
    controls.table.value = table_html(page, query, now, fresh)
    controls.pages.value = pages_html(page)
    controls.previous.disabled = page.page == 0
    controls.next.disabled = page.page + 1 >= page.pages
    for column in COLUMNS:
        head, sorted_by = controls.heads[column.key], column.key == query.column
        toggle(head, "aj-sorted", sorted_by)
        toggle(head, "aj-down", sorted_by and query.descending)
        first = column.down if query.descending else column.up
        now_words = f", now {first} first" if sorted_by else ""
        head.tooltip = f"Sort by {column.title.lower()}{now_words}"


def draw_boxes(controls: Controls, rows: tuple[JobRow, ...], chosen: Collection[str]) -> None:
    """Draw the boxes to tick: one for each row whose export is ready."""
    for slot, check in enumerate(controls.checks):
        row = rows[slot] if slot < len(rows) else None
        ready = row is not None and row.ready
        with check.hold_sync():
            check.description = f"Select {row.kind} {row.gid}" if row and ready else ""
            check.value = row is not None and row.gid in chosen
            check.disabled = not ready
            toggle(check, "aj-off", not ready)
            toggle(check, "aj-gone", row is None)
    ready_rows = [row for row in rows if row.ready]
    everything = controls.all
    everything.value = bool(ready_rows) and all(row.gid in chosen for row in ready_rows)
    everything.disabled = not ready_rows
    toggle(everything, "aj-off", not ready_rows)


def draw_work(controls: Controls, work: Work) -> None:
    """Draw the foot: what can be downloaded, cancelled and loaded."""
    count = work.chosen or work.ready
    download = controls.download
    download.description = f"Download completed ({count:,})"
    download.disabled = not count or work.downloading
    what = "the chosen" if work.chosen else "all completed"
    download.tooltip = f"Download {what} exports: {count_words(count, 'job')}"
    controls.folder.disabled = work.downloading
    toggle(controls.cancel, "aj-gone", not work.downloading)
    toggle(controls.load, "aj-gone", not work.files or work.downloading)
    controls.load.description = "Loading" if work.loading else "Load"
    controls.load.disabled = work.loading
    controls.load.tooltip = f"Read {count_words(work.files, 'file')} into widget.data"
