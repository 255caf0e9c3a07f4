"""`JobsWidget`: a live table of jobs that also downloads and loads exports."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from typing import Any

import ipywidgets as w
import pandas as pd
import traitlets as t
from IPython import get_ipython

from asana_jobs_pd._files import local_path
from asana_jobs_pd._http.client import Client, default_client
from asana_jobs_pd._jobs.as_jobs import as_jobs
from asana_jobs_pd._monitor.monitor import JobsMonitor
from asana_jobs_pd._monitor.notebook_cell import Cells, current_cell
from asana_jobs_pd._public import public
from asana_jobs_pd._vocabulary import UNREADABLE
from asana_jobs_pd._widget.controls import (
    Activity,
    ControlFactory,
    Controls,
    Ticker,
    draw_checkboxes,
    draw_footer,
    draw_page,
    draw_status,
)
from asana_jobs_pd._widget.downloads import DownloadRequest, Downloads
from asana_jobs_pd._widget.downloads_panel import DownloadsPanel
from asana_jobs_pd._widget.job_list import PAGE_SIZE, JobList
from asana_jobs_pd._widget.markup import static_html, static_text
from asana_jobs_pd._widget.status import Clock, next_clock, notice_of, snapshot
from asana_jobs_pd.errors import TokenError
from asana_jobs_pd.typing import Gids

log = logging.getLogger("asana_jobs_pd")

AGE_INTERVAL = 60
"""Seconds after which ages are redrawn if nothing else has changed."""


_TERMINAL_HINT = (
    "Widgets are live in notebooks only. In a terminal, run: asana-jobs watch GID…, "
    "or use jobs.asana.wait()."
)


class _JobsTrait(t.TraitType[pd.DataFrame, pd.DataFrame]):
    """The frame of jobs, built when it is accessed."""

    info_text = "a frame of jobs"

    def get(self, obj: Any, cls: Any = None) -> pd.DataFrame:  # noqa: ARG002
        frame: pd.DataFrame = obj.monitor.frame
        return frame


@public
class JobsWidget(w.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """A live table of jobs that can download and load the exports among them.

    Built from standard ipywidgets and escaped HTML, it works in every front end that supports
    ipywidgets; elsewhere, and in saved notebooks, a plain table is shown instead. In a terminal,
    it says how to watch the jobs there.

    Like `JobsMonitor`, it polls each unfinished job. Polling continues while other cells run
    and after a kernel interrupt; it stops when all jobs are finished, when the widget is closed,
    and when its cell is run again.

    Parameters
    ----------
    jobs
        A frame of jobs, gids as in `read_asana_jobs`, or a `JobsMonitor`, which the widget
        starts but does not stop.
    client
        The client to use; by default that of the last `connect`, or one configured by the
        environment. If there is no token, the widget says so.
    dest
        The initial folder for downloads.
    now
        Returns the time in seconds since 1970, for tests.

    Attributes
    ----------
    jobs : pandas.DataFrame
        All rows in their current state, as `refresh_asana_jobs` would return them. Like the
        other traits, it can be observed but not set.
    selected : pandas.DataFrame
        The rows selected for download.
    files : pandas.DataFrame or None
        The result of the last download; see `download_asana_exports`.
    data : AsanaExport or None
        The result of *Load*; see `read_asana_export`.
    monitor : JobsMonitor
        The monitor that is shown.

    Raises
    ------
    InvalidFrameError, InvalidGidError, InvalidOptionError
        If `jobs` is not a frame of jobs or valid gids, or an option is invalid.

    Notes
    -----
    Observers are called in the thread in which the change happened, usually not the main one.

    Examples
    --------
    >>> import asana_jobs_pd as aj
    >>> widget = aj.JobsWidget(["1208…", "1208…"])  # doctest: +SKIP
    >>> widget  # doctest: +SKIP
    """

    jobs = _JobsTrait(read_only=True)
    selected = t.Instance(pd.DataFrame, read_only=True)
    files = t.Instance(pd.DataFrame, allow_none=True, read_only=True)
    data = t.Any(read_only=True)

    _closed = True
    _jobs_observed = False

    def __init__(
        self,
        jobs: Gids | JobsMonitor,
        *,
        client: Client | None = None,
        dest: str | os.PathLike[str] = "exports/",
        now: Callable[[], float] = time.time,
    ) -> None:
        local_path(dest, "dest")
        super().__init__()
        self.monitor = jobs if isinstance(jobs, JobsMonitor) else JobsMonitor(jobs, client=client)
        self._owner, self._client = self.monitor is not jobs, client
        self._now = now
        self._lock = threading.RLock()
        self._closed = self._jobs_observed = False
        self._clock = Clock()
        self._drawn_at = 0.0
        self._checkboxes_drawn = False
        self._factory = ControlFactory()
        self._controls = controls = Controls(self._factory, os.fspath(dest))
        self._ticker = Ticker(self._tick)
        panel = DownloadsPanel(self._factory, controls.panel)
        self._downloads = Downloads(panel, self._ticker.wake)
        self._subscribe()
        self._bind_controls()
        self._start()
        self._draw()
        with self.hold_sync():
            self._dom_classes = ("aj",)
            self.children = controls.children
        _cells.enter(self, current_cell())

    def __repr__(self) -> str:
        if not hasattr(self, "monitor"):
            return "<JobsWidget, not set up>"
        text = repr(self.monitor).replace("JobsMonitor", "JobsWidget", 1)
        return text if self._live else f"{text} {_TERMINAL_HINT}"

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        bundle: dict[str, Any] = dict(super()._repr_mimebundle_(**kwargs) or {})
        with self._lock:
            rows, now = list(self._list.rows.values()), snapshot(self.monitor)
        at = self._microseconds()
        bundle["text/html"] = static_html(rows, now, at, PAGE_SIZE)
        text = static_text(rows, now, at, PAGE_SIZE)
        bundle["text/plain"] = text if self._live else f"{text}\n{_TERMINAL_HINT}"
        return bundle

    @property
    def _live(self) -> bool:
        """Whether a front end may show changes, or there will be none."""
        shell = get_ipython()
        return getattr(shell, "kernel", None) is not None or not self.monitor.unfinished

    def observe(self, handler: Any, names: Any = t.All, type: str = "change") -> None:  # noqa: A002
        """Call `handler` when a trait changes; see traitlets."""
        observed = [names] if isinstance(names, str) or names is t.All else names
        self._jobs_observed |= "jobs" in observed or t.All in observed
        super().observe(handler, names, type)

    def close(self) -> None:
        """Stop polling and downloading, and remove the widget from the page."""
        if self._closed:
            return
        self._closed = True
        for unsubscribe in self._unsubscribe:
            unsubscribe()
        self._ticker.stop()
        self._downloads.close()
        if self._owner:
            self.monitor.stop()
        self._factory.close()
        layout = self.layout
        super().close()
        layout.close()

    # Data

    def _subscribe(self) -> None:
        """Read all jobs, and follow their changes from now on."""
        with self._lock:
            self._unsubscribe = (
                self.monitor.on_change(self._update),
                self.monitor.on_state(self._ticker.wake),
            )
            frame = self.monitor.frame
            self._list = JobList(frame, self._microseconds(), self._unreadable())
            self.set_trait("selected", frame.iloc[:0])

    def _update(self, changed: pd.DataFrame) -> None:
        """Update rows that have changed; called by the monitor."""
        with self._lock:
            self._list.update(changed, self._unreadable())
        self._ticker.wake()
        if self._jobs_observed:
            change = t.Bunch(name="jobs", old=None, new=self.jobs, owner=self, type="change")
            self.notify_change(change)

    def _unreadable(self) -> set[str]:
        if UNREADABLE not in self.monitor.counts:
            return set()
        return {gid for gid, job in self.monitor.jobs.items() if job.status == UNREADABLE}

    def _microseconds(self) -> int:
        return int(self._now() * 1e6)

    def _rows_of(self, gids: list[str]) -> pd.DataFrame:
        frame = self.jobs
        return frame[as_jobs(frame)["gid"].isin(gids).to_numpy(bool)]

    # Drawing

    def _tick(self) -> bool:
        self._draw()
        return self.monitor.running or self._downloads.downloading or self._downloads.loading

    def _draw(self) -> None:
        """Draw everything; traits that have not changed are not sent again."""
        with self._lock:
            if self._closed:
                return
            now, at = snapshot(self.monitor), self._now()
            self._clock = next_clock(now, at, self._clock)
            draw_status(self._controls, now, notice_of(now), self._clock)
            if self._list.stale or abs(at - self._drawn_at) >= AGE_INTERVAL:
                self._drawn_at, self._checkboxes_drawn = at, False
                changed = self._list.refresh_page()
                page, query = self._list.page, self._list.query
                draw_page(self._controls, page, query, int(at * 1e6), changed)
            if not self._checkboxes_drawn:
                self._checkboxes_drawn = True
                draw_checkboxes(self._controls, self._list.page.rows, self._list.selected)
            draw_footer(self._controls, self._activity())

    def _activity(self) -> Activity:
        return Activity(
            self._list.ready,
            len(self._list.selected),
            self._downloads.downloading,
            self._downloads.loading,
            0 if self.files is None else int(self.files["file.path"].notna().sum()),
        )

    # Events

    def _bind_controls(self) -> None:
        controls = self._controls
        controls.filter.observe(lambda change: self._query(text=change.new, page=0), "value")
        controls.state.observe(lambda change: self._query(state=change.new, page=0), "value")
        controls.previous.on_click(lambda _: self._turn_page(-1))
        controls.next.on_click(lambda _: self._turn_page(1))
        for key, head in controls.heads.items():
            head.on_click(lambda _, key=key: self._sort(key))
        for slot, check in enumerate(controls.checks):
            check.observe(lambda change, slot=slot: self._select(slot, on=change.new), "value")
        controls.all.observe(lambda change: self._select(None, on=change.new), "value")
        controls.refresh.on_click(lambda _: self._refresh())
        controls.pause.on_click(lambda _: self._pause())
        controls.download.on_click(lambda _: self._download())
        controls.cancel.on_click(lambda _: self._downloads.cancel())
        controls.load.on_click(lambda _: self._load())

    def _query(self, **changes: Any) -> None:
        with self._lock:
            self._list.set_query(**changes)
        self._draw()

    def _turn_page(self, pages: int) -> None:
        with self._lock:
            self._list.set_query(page=self._list.page.page + pages)
        self._draw()

    def _sort(self, key: str) -> None:
        with self._lock:
            self._list.toggle_sort(key)
        self._draw()

    def _select(self, slot: int | None, *, on: bool) -> None:
        """Select or deselect a row of the page, or all of them."""
        with self._lock:
            rows = self._list
            new = rows.select_page(on=on) if slot is None else rows.select_row(slot, on=on)
            self._checkboxes_drawn &= not new
            selected = rows.selected
        if new:
            self._draw()
            self.set_trait("selected", self._rows_of(selected))

    def _start(self) -> None:
        try:
            self.monitor.start(ask=False)  # a prompt would block the cell, and so the widget
        except TokenError:  # the monitor's state says so
            log.debug("No token; the widget says so")
        self._ticker.wake()

    def _refresh(self) -> None:
        if self.monitor.running:
            self.monitor.refresh_now()
        else:
            self._start()
        self._ticker.wake()

    def _pause(self) -> None:
        if self.monitor.state == "paused":
            self.monitor.resume()
        else:
            self.monitor.pause()
        self._draw()

    def _download_request(self) -> DownloadRequest:
        with self._lock:
            gids = self._list.to_download
        client = self._client or self.monitor.client or default_client(ask=False)
        return DownloadRequest(self._rows_of(gids), self._controls.folder.value, client)

    def _download(self) -> None:
        self._downloads.download(
            self._download_request, lambda files: self.set_trait("files", files)
        )

    def _load(self) -> None:
        if self.files is not None:
            self._downloads.load(self.files, lambda data: self.set_trait("data", data))


_cells = Cells(JobsWidget.close)
"""The widgets that cells of this kernel have created."""
