"""The ipywidgets controls that the widget is made of, how they are drawn, and when."""

from __future__ import annotations

import logging
import threading
import weakref
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import ipywidgets as w

from asana_jobs_pd._formatting import format_count
from asana_jobs_pd._widget.job_list import COLUMNS, PAGE_SIZE, STATE_CHOICES, JobRow, Page, Query
from asana_jobs_pd._widget.markup import (
    bar_html,
    clock_html,
    head_html,
    notice_html,
    page_range_html,
    table_html,
)
from asana_jobs_pd._widget.status import Clock, Notice, Snapshot
from asana_jobs_pd._widget.style import css

_PAUSE = "Send no requests until you resume"


class ControlFactory:
    """Creates controls that share a layout, and a style per type; closes them all.

    Layouts and styles are objects on the wire, too: sharing them speeds up the first paint.
    """

    def __init__(self) -> None:
        self._created: list[w.Widget] = []
        self._shared: dict[object, dict[str, Any]] = {}

    def create(self, kind: type[Any], *classes: str, **traits: Any) -> Any:
        """Return a control with CSS classes."""
        shared = self._shared.get(kind)
        control = kind(**{**(shared or self._layout()), **traits})
        if shared is None:
            style = {"style": control.style} if control.has_trait("style") else {}
            self._shared[kind] = {"layout": control.layout, **style}
            self._created += [control.layout, *style.values()]
        if classes:
            control._dom_classes = classes  # noqa: SLF001  one message, not one per class
        self._created.append(control)
        return control

    def close(self) -> None:
        """Close all controls."""
        for control in reversed(self._created):
            control.close()
        self._created.clear()
        self._shared.clear()

    def _layout(self) -> dict[str, Any]:
        first = next(iter(self._shared.values()), None)
        return {"layout": first["layout"]} if first else {}


def set_class(widget: w.DOMWidget, name: str, on: bool) -> None:
    """Add or remove a CSS class."""
    (widget.add_class if on else widget.remove_class)(name)


class Controls:
    """All parts of the widget from top to bottom, except the lines of the downloads."""

    def __init__(self, factory: ControlFactory, dest: str, slots: int = PAGE_SIZE) -> None:
        create = factory.create
        self.style = create(w.HTML, "aj-gone", value=f"<style>{css()}</style>")
        self.head, self.clock = create(w.HTML, "aj-head"), create(w.HTML, "aj-clock")
        self.bar, self.notice, self.table = create(w.HTML), create(w.HTML), create(w.HTML)
        self.filter = create(
            w.Text,
            "aj-fill",
            placeholder="Filter by name, kind or gid",
            description="Filter the jobs",
        )
        self.state = create(
            w.Dropdown, "aj-pick", options=STATE_CHOICES, value="", description="State"
        )
        self.refresh = _button(create, "Refresh", "Fetch all unfinished jobs now")
        self.pause = _button(create, "Pause", _PAUSE)
        self.heads = {
            column.key: _button(create, column.title, "", f"aj-c-{column.key}")
            for column in COLUMNS
        }
        self.all = _checkbox(create, description="Select all exports on this page")
        self.checks = tuple(_checkbox(create, "aj-off") for _ in range(slots))
        self.panel = create(w.VBox, "aj-panel", "aj-gone")
        self.download = _button(create, "Download exports", "", "aj-primary")
        self.folder = create(w.Text, "aj-folder", value=dest, description="Folder for the files")
        self.cancel = _button(
            create, "Cancel", "Stop the downloads; they can be resumed", "aj-gone"
        )
        self.load = _button(create, "Load", "Read the files into widget.data", "aj-gone")
        self.pages = create(w.HTML, "aj-pages")
        self.previous = _button(create, "Previous", "Previous page of jobs")
        self.next = _button(create, "Next", "Next page of jobs")
        self.children = self._arrange(factory)

    def _arrange(self, factory: ControlFactory) -> tuple[w.Widget, ...]:
        create = factory.create
        to = create(w.HTML, "aj-label", value="to")
        heads = (self.all, *self.heads.values())
        checks = create(w.VBox, "aj-checks", children=self.checks)
        table = (
            create(w.HBox, "aj-heads", children=heads),
            create(w.HBox, "aj-rows", children=(checks, self.table)),
        )
        tools = (self.filter, self.state, self.refresh, self.pause)
        files = (self.download, to, self.folder, self.cancel, self.load)
        pages = (self.pages, self.previous, self.next)
        return (
            self.style,
            create(w.HBox, "aj-top", children=(self.head, self.clock)),
            self.bar,
            self.notice,
            create(w.HBox, "aj-tools", children=tools),
            create(w.VBox, "aj-scroll", children=table),
            self.panel,
            create(w.HBox, "aj-foot", children=(*files, *pages)),
        )


def _checkbox(create: Any, *classes: str, **traits: Any) -> Any:
    return create(w.Checkbox, "aj-check", *classes, indent=False, **traits)


def _button(create: Any, text: str, tooltip: str, *classes: str) -> w.Button:
    return create(w.Button, *classes, description=text, tooltip=tooltip or text)


@dataclass(frozen=True, slots=True)
class Activity:
    """What can be downloaded and loaded, and what is in progress."""

    ready: int = 0
    selected: int = 0
    downloading: bool = False
    loading: bool = False
    files: int = 0


def draw_status(controls: Controls, now: Snapshot, notice: Notice, clock: Clock) -> None:
    """Draw what is above the table."""
    controls.head.value = head_html(now, notice)
    controls.clock.value = clock_html(clock, now.allowed)
    controls.bar.value = bar_html(now)
    controls.notice.value = notice_html(notice)
    set_class(controls.notice, "aj-gone", not notice.text)
    retry = now.state in ("stopped", "unauthorized", "idle")
    refresh, pause = controls.refresh, controls.pause
    refresh.description = "Try again" if retry else "Refresh"
    refresh.disabled = now.state == "done"
    pause.description = "Resume" if now.state == "paused" else "Pause"
    pause.tooltip = "Resume polling" if now.state == "paused" else _PAUSE
    pause.disabled = now.ended or now.state == "idle"


def draw_page(
    controls: Controls, page: Page, query: Query, now: int, changed: Collection[str] = ()
) -> None:
    """Draw the table and its headings."""
    controls.table.value = table_html(page, query, now, changed)
    controls.pages.value = page_range_html(page)
    controls.previous.disabled = page.page == 0
    controls.next.disabled = page.page + 1 >= page.pages
    for column in COLUMNS:
        head, sorted_by = controls.heads[column.key], column.key == query.column
        set_class(head, "aj-sorted", sorted_by)
        set_class(head, "aj-down", sorted_by and query.descending)
        first = column.descending if query.descending else column.ascending
        order = f" (now {first} first)" if sorted_by else ""
        head.tooltip = f"Sort by {column.title.lower()}{order}"


def draw_checkboxes(
    controls: Controls, rows: tuple[JobRow, ...], selected: Collection[str]
) -> None:
    """Draw a checkbox for each row whose export is ready."""
    for slot, check in enumerate(controls.checks):
        row = rows[slot] if slot < len(rows) else None
        ready = row is not None and row.ready
        with check.hold_sync():
            check.description = f"Select {row.kind} {row.gid}" if row and ready else ""
            check.value = row is not None and row.gid in selected
            check.disabled = not ready
            set_class(check, "aj-off", not ready)
            set_class(check, "aj-gone", row is None)
    ready_rows = [row for row in rows if row.ready]
    controls.all.value = bool(ready_rows) and all(row.gid in selected for row in ready_rows)
    controls.all.disabled = not ready_rows
    set_class(controls.all, "aj-off", not ready_rows)


def draw_footer(controls: Controls, activity: Activity) -> None:
    """Draw what can be downloaded, cancelled and loaded."""
    count = activity.selected or activity.ready
    download = controls.download
    download.description = f"Download exports ({count:,})"
    download.disabled = not count or activity.downloading
    which = "selected" if activity.selected else "completed"
    download.tooltip = f"Download {format_count(count, f'{which} export')}"
    controls.folder.disabled = activity.downloading
    set_class(controls.cancel, "aj-gone", not activity.downloading)
    set_class(controls.load, "aj-gone", not activity.files or activity.downloading)
    controls.load.description = "Loading…" if activity.loading else "Load"
    controls.load.disabled = activity.loading
    controls.load.tooltip = f"Read {format_count(activity.files, 'file')} into widget.data"


log = logging.getLogger("asana_jobs_pd")

INTERVAL = 1.0
MIN_INTERVAL = 0.15
"""Seconds between two drawings at least: changes in between are drawn together."""


class Ticker:
    """Calls a method again and again from a daemon thread, for as long as it returns True.

    The method is held weakly; exceptions are logged.
    """

    def __init__(self, tick: Callable[[], bool]) -> None:
        self._tick = weakref.WeakMethod(tick)
        self._lock = threading.Lock()
        self._running = False
        self._woken = threading.Event()
        self._stop = threading.Event()

    def wake(self) -> None:
        """Tick soon; start again if the thread has ended."""
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
        """Wait, tick, and return whether to continue."""
        self._woken.wait(INTERVAL)
        self._woken.clear()
        more = self._call()
        if more:
            self._stop.wait(MIN_INTERVAL)
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
            log.exception("The widget could not be drawn; trying again")
            return True


def _run(ticker: Ticker) -> None:
    while ticker.run_once():
        pass
