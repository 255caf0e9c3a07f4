"""A thread that draws: soon after it is woken, else once a second, until there is no more to do."""

from __future__ import annotations

import logging
import threading
import weakref
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import ipywidgets as w

from asana_jobs_pd._formatting import count_words
from asana_jobs_pd._widget.job_list import COLUMNS, PAGE, STATE_CHOICES, Page, Query
from asana_jobs_pd._widget.job_rows import JobRow
from asana_jobs_pd._widget.markup import (
    bar_html,
    clock_html,
    head_html,
    notice_html,
    pages_html,
    table_html,
)
from asana_jobs_pd._widget.status import Clock, Notice, Snapshot
from asana_jobs_pd._widget.style import css

__all__ = ["Controls", "Kit", "Ticker", "Work", "draw_page", "draw_status", "draw_work", "toggle"]

_HINT = "Filter by name, kind or gid"


class Kit:
    """Makes stock widgets that share a layout, and a style for each kind; closes them all.

    Every layout and style is an object on the wire, too: sharing makes a first paint quicker.
    """

    def __init__(self) -> None:
        self._made: list[w.Widget] = []
        self._shared: dict[object, dict[str, Any]] = {}

    def make(self, kind: type[Any], *classes: str, **traits: Any) -> Any:
        """Return a widget with CSS classes."""
        shared = self._shared.get(kind)
        made = kind(**{**(shared or self._layout()), **traits})
        if shared is None:
            style = {"style": made.style} if made.has_trait("style") else {}
            self._shared[kind] = {"layout": made.layout, **style}
            self._made += [made.layout, *style.values()]
        if classes:
            made._dom_classes = classes  # noqa: SLF001  one message, not one a class
        self._made.append(made)
        return made

    def close(self) -> None:
        """Close all that was made."""
        for made in reversed(self._made):
            made.close()
        self._made.clear()
        self._shared.clear()

    def _layout(self) -> dict[str, Any]:
        first = next(iter(self._shared.values()), None)
        return {"layout": first["layout"]} if first else {}


def toggle(widget: w.DOMWidget, name: str, on: bool) -> None:
    """Add a CSS class, or take it away."""
    (widget.add_class if on else widget.remove_class)(name)


class Controls:
    """All parts of the widget but the downloads, from top to bottom.

    Parameters
    ----------
    kit
        What they are made with.
    dest
        What the folder field holds at first.
    slots
        How many rows a page has, each with a box to tick.
    """

    def __init__(self, kit: Kit, dest: str, slots: int = PAGE) -> None:
        make = kit.make
        self.style = make(w.HTML, "aj-gone", value=f"<style>{css()}</style>")
        self.head, self.clock = make(w.HTML, "aj-head"), make(w.HTML, "aj-clock")
        self.bar, self.notice, self.table = make(w.HTML), make(w.HTML), make(w.HTML)
        self.filter = make(w.Text, "aj-fill", placeholder=_HINT, description="Filter the jobs")
        self.state = make(
            w.Dropdown, "aj-pick", options=STATE_CHOICES, value="", description="Show"
        )
        self.refresh = _button(make, "Refresh", "Ask Asana for all unfinished jobs now")
        self.pause = _button(make, "Pause", "Ask Asana for nothing until you resume")
        self.heads = {
            column.key: _button(make, column.title, "", f"aj-c-{column.key}") for column in COLUMNS
        }
        self.all = _box(make, description="Select all exports on this page")
        self.checks = tuple(_box(make, "aj-off") for _ in range(slots))
        self.panel = make(w.VBox, "aj-panel", "aj-gone")
        self.download = _button(make, "Download completed", "", "aj-primary")
        self.folder = make(w.Text, "aj-folder", value=dest, description="Folder for the files")
        self.cancel = _button(make, "Cancel", "Stop the downloads; they can go on later", "aj-gone")
        self.load = _button(make, "Load", "Read the files into widget.data", "aj-gone")
        self.pages = make(w.HTML, "aj-pages")
        self.previous = _button(make, "Previous", "Previous page of jobs")
        self.next = _button(make, "Next", "Next page of jobs")
        self.children = self._stand(kit)

    def _stand(self, kit: Kit) -> tuple[w.Widget, ...]:
        make = kit.make
        to = make(w.HTML, "aj-label", value="to")
        heads = (self.all, *self.heads.values())
        checks = make(w.VBox, "aj-checks", children=self.checks)
        lines = (
            make(w.HBox, "aj-heads", children=heads),
            make(w.HBox, "aj-rows", children=(checks, self.table)),
        )
        foot = (self.download, to, self.folder, self.cancel, self.load)
        pager = (self.pages, self.previous, self.next)
        return (
            self.style,
            make(w.HBox, "aj-top", children=(self.head, self.clock)),
            self.bar,
            self.notice,
            make(
                w.HBox,
                "aj-tools",
                children=(self.filter, self.state, self.refresh, self.pause),
            ),
            make(w.VBox, "aj-scroll", children=lines),
            self.panel,
            make(w.HBox, "aj-foot", children=(*foot, *pager)),
        )


def _box(make: Any, *classes: str, **traits: Any) -> Any:
    return make(w.Checkbox, "aj-check", *classes, indent=False, **traits)


def _button(make: Any, text: str, tooltip: str, *classes: str) -> w.Button:
    return make(w.Button, *classes, description=text, tooltip=tooltip or text)


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


log = logging.getLogger("asana_jobs_pd")

INTERVAL = 1.0
REST = 0.15
"""Seconds between two drawings at the least: what changes meanwhile is drawn together."""


class Ticker:
    """Calls a method again and again, from one daemon thread of its own.

    Parameters
    ----------
    tick
        A method, held weakly with its object; it returns whether there is more to come. What
        it raises is logged.
    """

    def __init__(self, tick: Callable[[], bool]) -> None:
        self._tick = weakref.WeakMethod(tick)
        self._lock = threading.Lock()
        self._running = False
        self._woken = threading.Event()
        self._stop = threading.Event()

    def wake(self) -> None:
        """Tick soon; begin again when it had come to its end."""
        with self._lock:
            self._woken.set()
            if self._running or self._stop.is_set():
                return
            self._running = True
        threading.Thread(target=_run, args=(self,), name="asana-jobs-draw", daemon=True).start()

    def stop(self) -> None:
        """Tick no more."""
        self._stop.set()
        self._woken.set()

    def run_once(self) -> bool:
        """Wait, tick, and tell whether to go on."""
        self._woken.wait(INTERVAL)
        self._woken.clear()
        more = self._call()
        if more:
            self._stop.wait(REST)
        with self._lock:
            self._running = more or (self._woken.is_set() and not self._stop.is_set())
            return self._running

    def _call(self) -> bool:
        tick = self._tick()
        if tick is None or self._stop.is_set():
            return False
        try:
            return tick()
        except Exception:
            log.exception("The widget could not be drawn; it tries again")
            return True


def _run(ticker: Ticker) -> None:
    while ticker.run_once():
        pass
