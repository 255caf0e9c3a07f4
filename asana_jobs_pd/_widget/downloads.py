"""Downloads and loads that the widget runs in threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from asana_jobs_pd._download.download import DownloadSession
from asana_jobs_pd._download.export_files import FileProgress
from asana_jobs_pd._files import local_path
from asana_jobs_pd._http.client import Client
from asana_jobs_pd._http.redaction import clean
from asana_jobs_pd._jobs.as_jobs import as_jobs, with_index_of
from asana_jobs_pd._widget.downloads_panel import (
    DownloadsPanel,
    Speeds,
    downloaded_html,
    file_lines,
    loaded_html,
    total_line,
)
from asana_jobs_pd._widget.markup import error_html
from asana_jobs_pd.errors import AsanaJobsError

_MIN_INTERVAL = 0.3
"""Seconds between two drawings of the bars at least."""
_CLICK_DELAY = 0.3
"""Seconds in which selections and typing arrive that a click has overtaken."""


@dataclass(frozen=True, slots=True)
class DownloadRequest:
    """The jobs whose files are wanted, the folder as it was typed, and the client."""

    jobs: pd.DataFrame
    dest: str
    client: Client


class Downloads:
    """Runs one download and one load at a time; `changed` is called when one starts or ends."""

    def __init__(self, panel: DownloadsPanel, changed: Callable[[], object]) -> None:
        self._panel = panel
        self._changed = changed
        self._lock = threading.Lock()
        self._closed = self._downloading = self._loading = False
        self._cancelled = threading.Event()
        self._run: DownloadSession | None = None

    @property
    def downloading(self) -> bool:
        """Whether a download is in progress."""
        return self._downloading

    @property
    def loading(self) -> bool:
        """Whether files are being read."""
        return self._loading

    def download(
        self, request: Callable[[], DownloadRequest], done: Callable[[pd.DataFrame], object]
    ) -> None:
        """Start a download; `request` is called a moment later, `done` gets the frame of files.

        ipykernel 7 handles messages in different threads, so a click may overtake the selection
        and the typing before it.
        """
        with self._lock:
            if self._downloading or self._closed:
                return
            self._downloading = True
        self._cancelled.clear()
        self._panel.clear()
        self._panel.show_message('<span class="aj-dim">Starting…</span>')

        def work() -> None:
            self._cancelled.wait(_CLICK_DELAY)
            self._download(request(), done)

        def end() -> None:
            self._run, self._downloading = None, False

        self._start(work, end)

    def cancel(self) -> None:
        """Cancel the download in progress."""
        self._cancelled.set()
        run = self._run
        if run is not None:
            run.cancel()

    def _download(self, request: DownloadRequest, done: Callable[[pd.DataFrame], object]) -> None:
        folder = local_path(request.dest.strip() or ".", "dest")
        bars = _Bars(self._panel)
        self._run = run = DownloadSession(request.client, shown=False, show=bars)
        if self._cancelled.is_set():
            run.cancel()
        jobs = as_jobs(request.jobs, verified=True)
        files = with_index_of(run.fetch(jobs, jobs["gid"], folder), request.jobs)
        bars.end()
        if run.failure is not None:
            message = error_html(str(run.failure))
        else:
            message = downloaded_html(files, cancelled=run.cancelled, folder=str(folder))
        self._panel.show_message(message)
        self._panel.show_links(files["file.path"].dropna().tolist())
        done(files)

    def load(self, files: pd.DataFrame, done: Callable[[Any], object]) -> None:
        """Start to read downloaded files; `done` gets their export."""
        with self._lock:
            if self._loading or self._closed:
                return
            self._loading = True

        def work() -> None:
            from asana_jobs_pd._export.read import read_asana_export  # noqa: PLC0415  heavy

            data = read_asana_export(files, progress=False)
            self._panel.show_message(loaded_html({name: len(data[name]) for name in data}))
            done(data)

        def end() -> None:
            self._loading = False

        self._start(work, end)

    def close(self) -> None:
        """Cancel everything, and start nothing more."""
        self._closed = True
        self.cancel()

    def _start(self, work: Callable[[], None], end: Callable[[], None]) -> None:
        def run() -> None:
            try:
                work()
            except Exception as error:  # noqa: BLE001  a thread has nobody to raise it to
                ours = isinstance(error, AsanaJobsError)
                name = "" if ours else f"{type(error).__name__}: "
                self._panel.show_message(error_html(name + clean(str(error), limit=600)))
            finally:
                end()
                self._changed()

        threading.Thread(target=run, name="asana-jobs-transfer", daemon=True).start()
        self._changed()


class _Bars:
    """Draws the progress of files, but not too often."""

    def __init__(self, panel: DownloadsPanel) -> None:
        self._panel = panel
        self._speeds = Speeds()
        self._drawn_at = 0.0
        self._files: Sequence[FileProgress] = ()

    def __call__(self, files: Sequence[FileProgress]) -> None:
        now = time.monotonic()
        all_ended = all(file.state in ("done", "failed") for file in files)
        if now - self._drawn_at < _MIN_INTERVAL and not all_ended:
            return
        if not self._drawn_at:
            self._panel.show_message("")
        self._drawn_at, self._files = now, files
        self._draw(now, ended=False)

    def end(self) -> None:
        """Draw how far the files came."""
        if self._files:
            self._draw(time.monotonic(), ended=True)

    def _draw(self, now: float, *, ended: bool) -> None:
        files, speeds = self._files, self._speeds
        lines = file_lines(files, speeds, now, ended=ended)
        self._panel.show_progress(total_line(files, speeds, now, ended=ended), lines)
