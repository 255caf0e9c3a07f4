"""Downloading and loading behind the widget: in threads of their own, told in its panel."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from asana_jobs_pd._download.downloader import Run
from asana_jobs_pd._download.export_files import FileProgress
from asana_jobs_pd._files import local_path
from asana_jobs_pd._http.client import Client
from asana_jobs_pd._http.redaction import clean
from asana_jobs_pd._jobs.as_jobs import cast_frame, gids_of
from asana_jobs_pd._widget.downloads_panel import (
    Panel,
    Speeds,
    all_line,
    file_lines,
    loaded_html,
    outcome_html,
)
from asana_jobs_pd._widget.markup import trouble_html
from asana_jobs_pd.errors import AsanaJobsError

__all__ = ["Order", "Transfers"]

_LEAST = 0.3
"""Seconds between two drawings of the bars: eyes need no more."""
_MOMENT = 0.3
"""Seconds in which ticks and letters arrive that a click has overtaken."""


@dataclass(frozen=True, slots=True)
class Order:
    """What to download.

    Parameters
    ----------
    jobs
        The jobs whose files are wanted.
    dest
        The folder, as somebody has typed it.
    client
        What to ask with.
    """

    jobs: pd.DataFrame
    dest: str
    client: Client


class Transfers:
    """One download, or one load, at a time.

    Parameters
    ----------
    panel
        Where they are told.
    changed
        Called, in any thread, when one begins or ends.
    """

    def __init__(self, panel: Panel, changed: Callable[[], object]) -> None:
        self._panel = panel
        self._changed = changed
        self._lock = threading.Lock()
        self._closed = self._downloading = self._loading = False
        self._cancelled = threading.Event()
        self._run: Run | None = None

    @property
    def downloading(self) -> bool:
        """Whether a download is under way."""
        return self._downloading

    @property
    def loading(self) -> bool:
        """Whether files are being read."""
        return self._loading

    def download(self, order: Callable[[], Order], done: Callable[[pd.DataFrame], object]) -> None:
        """Begin to download what `order` says, a moment later; `done` gets what came of it.

        A click may overtake what was ticked and typed just before: ipykernel 7 handles them in
        different threads.
        """
        with self._lock:
            if self._downloading or self._closed:
                return
            self._downloading = True
        self._cancelled.clear()
        self._panel.clear()
        self._panel.say('<span class="aj-dim">Beginning…</span>')

        def work() -> None:
            self._cancelled.wait(_MOMENT)
            self._fetch(order(), done)

        def end() -> None:
            self._run, self._downloading = None, False

        self._begin(work, end)

    def cancel(self) -> None:
        """End the download that is under way."""
        self._cancelled.set()
        run = self._run
        if run is not None:
            run.cancel()

    def _fetch(self, order: Order, done: Callable[[pd.DataFrame], object]) -> None:
        folder = local_path(order.dest.strip() or ".", "dest")
        drawing = _Drawing(self._panel)
        self._run = run = Run(order.client, shown=False, tick=drawing)
        if self._cancelled.is_set():
            run.cancel()
        gids = gids_of(order.jobs)
        files = run.fetch(cast_frame(order.jobs, gids), gids, folder)
        drawing.end()
        if run.refused is not None:
            said = trouble_html(str(run.refused))
        else:
            said = outcome_html(files, cancelled=run.cancelled, folder=str(folder))
        self._panel.say(said)
        self._panel.link(files["file.path"].dropna().tolist())
        done(files)

    def load(self, files: pd.DataFrame, done: Callable[[Any], object]) -> None:
        """Begin to read downloaded files; `done` gets their frames."""
        with self._lock:
            if self._loading or self._closed:
                return
            self._loading = True

        def work() -> None:
            from asana_jobs_pd._export.read import read_asana_export  # noqa: PLC0415  heavy

            data = read_asana_export(files, progress=False)
            self._panel.say(loaded_html({kind: len(data[kind]) for kind in data}))
            done(data)

        def end() -> None:
            self._loading = False

        self._begin(work, end)

    def close(self) -> None:
        """End all, and begin nothing more."""
        self._closed = True
        self.cancel()

    def _begin(self, work: Callable[[], None], end: Callable[[], None]) -> None:
        def guarded() -> None:
            try:
                work()
            except Exception as error:  # noqa: BLE001  a thread has nobody to raise it to
                ours = isinstance(error, AsanaJobsError)
                name = "" if ours else f"{type(error).__name__}: "
                self._panel.say(trouble_html(name + clean(str(error), limit=600)))
            finally:
                end()
                self._changed()

        threading.Thread(target=guarded, name="asana-jobs-transfer", daemon=True).start()
        self._changed()


class _Drawing:
    """Draws bars, not too often."""

    def __init__(self, panel: Panel) -> None:
        self._panel = panel
        self._speeds = Speeds()
        self._last = 0.0
        self._files: Sequence[FileProgress] = ()

    def __call__(self, files: Sequence[FileProgress]) -> None:
        now = time.monotonic()
        over = all(file.state in ("done", "failed") for file in files)
        if now - self._last < _LEAST and not over:
            return
        if not self._last:
            self._panel.say("")
        self._last, self._files = now, files
        self._show(now, over=False)

    def end(self) -> None:
        """Draw how far the files came."""
        if self._files:
            self._show(time.monotonic(), over=True)

    def _show(self, now: float, *, over: bool) -> None:
        files, speeds = self._files, self._speeds
        lines = file_lines(files, speeds, now, over=over)
        self._panel.show(all_line(files, speeds, now, over=over), lines)
