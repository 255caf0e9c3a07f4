"""The live table of jobs: draws a `JobsMonitor`, downloads what it has to offer."""

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

from asana_jobs_pd._files import local_path
from asana_jobs_pd._http.client import Client, default_client
from asana_jobs_pd._jobs.as_jobs import gids_of
from asana_jobs_pd._monitor.monitor import JobsMonitor
from asana_jobs_pd._monitor.notebook_cell import Cells, current_cell
from asana_jobs_pd._palette import UNREADABLE
from asana_jobs_pd._public import public
from asana_jobs_pd._widget.controls import (
    Controls,
    Kit,
    Ticker,
    Work,
    draw_boxes,
    draw_page,
    draw_status,
    draw_work,
)
from asana_jobs_pd._widget.downloads import Order, Transfers
from asana_jobs_pd._widget.downloads_panel import Panel
from asana_jobs_pd._widget.job_list import PAGE, Table
from asana_jobs_pd._widget.markup import static_html, static_text
from asana_jobs_pd._widget.status import Clock, clock_of, notice_of, snapshot
from asana_jobs_pd.errors import TokenError
from asana_jobs_pd.typing import Gids

__all__ = ["JobsWidget"]

log = logging.getLogger("asana_jobs_pd")

AGES = 60
"""Seconds after which ages are told anew, if nothing else has changed."""


class _Frame(t.TraitType[pd.DataFrame, pd.DataFrame]):
    """The jobs as they stand: made when somebody looks."""

    info_text = "a frame of jobs"

    def get(self, obj: Any, cls: Any = None) -> pd.DataFrame:  # noqa: ARG002
        frame: pd.DataFrame = obj.monitor.frame
        return frame


@public
class JobsWidget(w.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """A live table of jobs: watches them, and downloads the exports among them.

    Made of stock controls around escaped HTML, so that it works in every front end that knows
    ipywidgets; elsewhere, and in a saved notebook, there is a plain table instead.

    Sends one request for each job that is not finished, again and again, as `JobsMonitor` does.
    It goes on while other cells run, and when the kernel is interrupted; it stops when all jobs
    are finished, when it is closed, and when its cell runs again.

    Parameters
    ----------
    jobs
        A frame of jobs, wherever it has been, gids as in `read_asana_jobs`, or a `JobsMonitor`
        to show, which the widget then starts, but does not stop.
    client
        What to ask with; None takes the one of the last `connect`, else the environment's.
        Without a token the widget says so.
    dest
        The folder for downloads that its field holds at first.
    now
        Returns the time in seconds since 1970, for tests.

    Attributes
    ----------
    jobs : pandas.DataFrame
        All rows as they stand, as `refresh_asana_jobs` would return them: a copy. A trait that
        can be observed, not set, as the others are.
    selected : pandas.DataFrame
        The rows that are chosen for a download.
    files : pandas.DataFrame or None
        What the last download returned; see `download_asana_exports`.
    data : AsanaExport or None
        What *Load* read; see `read_asana_export`.
    monitor : JobsMonitor
        What it draws.

    Raises
    ------
    InvalidFrameError, InvalidGidError, InvalidOptionError
        When these are no jobs, or an option cannot be what it is.

    Notes
    -----
    Observers are called in the thread in which something happened: mostly not the main one.

    Examples
    --------
    >>> import asana_jobs_pd as aj
    >>> widget = aj.JobsWidget(["1208…", "1208…"])  # doctest: +SKIP
    >>> widget  # doctest: +SKIP
    """

    jobs = _Frame(read_only=True)
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
        self._boxes_drawn = False
        self._kit = Kit()
        self._controls = controls = Controls(self._kit, os.fspath(dest))
        self._ticker = Ticker(self._tick)
        panel = Panel(self._kit, controls.panel)
        self._transfers = Transfers(panel, self._ticker.wake)
        self._look()
        self._listen()
        self._start()
        self._draw()
        with self.hold_sync():
            self._dom_classes = ("aj",)
            self.children = controls.children
        _cells.enter(self, current_cell())

    def __repr__(self) -> str:
        return repr(self.monitor).replace("JobsMonitor", "JobsWidget", 1)

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        bundle: dict[str, Any] = dict(super()._repr_mimebundle_(**kwargs) or {})
        with self._lock:
            rows, now = list(self._table.rows.values()), snapshot(self.monitor)
        at = self._microseconds()
        bundle["text/html"] = static_html(rows, now, at, PAGE)
        bundle["text/plain"] = static_text(rows, now, at, PAGE)
        return bundle

    def observe(self, handler: Any, names: Any = t.All, type: str = "change") -> None:  # noqa: A002
        """Call `handler` when a trait changes; see traitlets."""
        wanted = [names] if isinstance(names, str) or names is t.All else names
        self._jobs_observed |= "jobs" in wanted or t.All in wanted
        super().observe(handler, names, type)

    def close(self) -> None:
        """Stop the watching and downloading, and take the widget off the page."""
        if self._closed:
            return
        self._closed = True
        for silence in self._silence:
            silence()
        self._ticker.stop()
        self._transfers.close()
        if self._owner:
            self.monitor.stop()
        self._kit.close()
        layout = self.layout
        super().close()
        layout.close()

    # What it knows

    def _look(self) -> None:
        """Take in all jobs, and listen for what changes from now on."""
        with self._lock:
            self._silence = (
                self.monitor.on_change(self._take),
                self.monitor.on_state(self._ticker.wake),
            )
            frame = self.monitor.frame
            self._table = Table(frame, self._microseconds(), self._unreadable())
            self.set_trait("selected", frame.iloc[:0])

    def _take(self, changed: pd.DataFrame) -> None:
        """Take in what has changed; called by the monitor."""
        with self._lock:
            self._table.take(changed, self._unreadable())
        self._ticker.wake()
        if self._jobs_observed:
            news = t.Bunch(name="jobs", old=None, new=self.jobs, owner=self, type="change")
            self.notify_change(news)

    def _unreadable(self) -> set[str]:
        if UNREADABLE not in self.monitor.counts:
            return set()
        return {gid for gid, job in self.monitor.jobs.items() if job.status == UNREADABLE}

    def _microseconds(self) -> int:
        return int(self._now() * 1e6)

    def _rows_of(self, gids: list[str]) -> pd.DataFrame:
        frame = self.jobs
        return frame[gids_of(frame).isin(gids).to_numpy(bool)]

    # What it shows

    def _tick(self) -> bool:
        self._draw()
        return self.monitor.running or self._transfers.downloading or self._transfers.loading

    def _draw(self) -> None:
        """Show what there is; what is the same as before is not sent again."""
        with self._lock:
            if self._closed:
                return
            now, at = snapshot(self.monitor), self._now()
            self._clock = clock_of(now, at, self._clock)
            draw_status(self._controls, now, notice_of(now), self._clock)
            if self._table.stale or abs(at - self._drawn_at) >= AGES:
                self._drawn_at, self._boxes_drawn = at, False
                fresh = self._table.turn()
                draw_page(self._controls, self._table.page, self._table.query, int(at * 1e6), fresh)
            if not self._boxes_drawn:
                self._boxes_drawn = True
                draw_boxes(self._controls, self._table.page.rows, self._table.chosen)
            draw_work(self._controls, self._work())

    def _work(self) -> Work:
        there = 0 if self.files is None else int(self.files["file.path"].notna().sum())
        busy = self._transfers
        table = self._table
        return Work(table.ready, len(table.chosen), busy.downloading, busy.loading, there)

    def _ask(self, **changes: Any) -> None:
        """Show what somebody wants to see."""
        with self._lock:
            self._table.ask(**changes)
        self._draw()

    # What people do

    def _listen(self) -> None:
        parts = self._controls
        parts.filter.observe(lambda change: self._ask(text=change.new, page=0), "value")
        parts.state.observe(lambda change: self._ask(state=change.new, page=0), "value")
        parts.previous.on_click(lambda _: self._turn(-1))
        parts.next.on_click(lambda _: self._turn(1))
        for key, head in parts.heads.items():
            head.on_click(lambda _, key=key: self._sort(key))
        for slot, check in enumerate(parts.checks):
            check.observe(lambda change, slot=slot: self._choose(slot, on=change.new), "value")
        parts.all.observe(lambda change: self._choose(None, on=change.new), "value")
        parts.refresh.on_click(lambda _: self._refresh())
        parts.pause.on_click(lambda _: self._pause())
        parts.download.on_click(lambda _: self._download())
        parts.cancel.on_click(lambda _: self._transfers.cancel())
        parts.load.on_click(lambda _: self._load())

    def _turn(self, pages: int) -> None:
        with self._lock:
            self._table.ask(page=self._table.page.page + pages)
        self._draw()

    def _sort(self, key: str) -> None:
        with self._lock:
            self._table.sort(key)
        self._draw()

    def _choose(self, slot: int | None, *, on: bool) -> None:
        """Choose a row of the page, or all of them; or do not."""
        with self._lock:
            table = self._table
            new = table.choose_all(on=on) if slot is None else table.choose(slot, on=on)
            self._boxes_drawn &= not new
            chosen = table.chosen
        if new:
            self._draw()
            self.set_trait("selected", self._rows_of(chosen))

    def _start(self) -> None:
        try:
            self.monitor.start(ask=False)  # a cell that asks would keep the widget away
        except TokenError:  # the monitor's state says so
            log.debug("There is no token; the widget says so")
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

    def _order(self) -> Order:
        with self._lock:
            gids = self._table.targets
        client = self._client or self.monitor.client or default_client(ask=False)
        return Order(self._rows_of(gids), self._controls.folder.value, client)

    def _download(self) -> None:
        self._transfers.download(self._order, lambda files: self.set_trait("files", files))

    def _load(self) -> None:
        if self.files is not None:
            self._transfers.load(self.files, lambda data: self.set_trait("data", data))


_cells = Cells(JobsWidget.close)
"""The widgets that the cells of this kernel have made."""
