"""The widget's downloads and loads, which run in threads, and what the widget says about them."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from asana_jobs_pd._download.download import DownloadSession
from asana_jobs_pd._download.export_files import ExportFile
from asana_jobs_pd._files import local_path
from asana_jobs_pd._formatting import format_count, format_progress, format_size
from asana_jobs_pd._http.client import Client
from asana_jobs_pd._http.redaction import clean
from asana_jobs_pd._http.threads import start_thread
from asana_jobs_pd._jobs.as_jobs import as_jobs, with_index_of
from asana_jobs_pd._vocabulary import kind_label
from asana_jobs_pd.errors import AsanaJobsError, NoThreadsError

MAX_FILE_LINES = 8
"""The most files that have a bar of their own."""
_MIN_INTERVAL = 0.3
"""The least seconds between two messages about progress."""
_MAX_ERRORS, _MAX_ERROR = 6, 500
_MAX_LINKS = 20
_SPEED_SAMPLES = 12
_PRIORITY = {"running": 0, "failed": 1, "done": 2, "waiting": 3}


class Line(NamedTuple):
    """A line with a progress bar; `state` is that of an `ExportFile`, or "stopped"."""

    label: str
    text: str
    fraction: float
    state: str = "running"
    title: str = ""


class Bars:
    """The lines of a download, with the recent speed of each file and of all files."""

    def __init__(self) -> None:
        self._samples: dict[str, deque[tuple[float, int]]] = {}
        self._drawn_at = 0.0

    def is_due(self, files: Sequence[ExportFile], at: float) -> bool:
        """Return whether to send the lines again: when all have ended, else not too often."""
        all_ended = all(file.state in ("done", "failed") for file in files)
        return all_ended or at - self._drawn_at >= _MIN_INTERVAL

    def lines(self, files: Sequence[ExportFile], at: float, *, ended: bool = False) -> list[Line]:
        """Return a line for all files, then one for each of the files that matter most.

        `at` is in seconds; `ended` says that the download has ended, whatever the files' states.
        """
        self._drawn_at = at
        shown = list(files)
        if len(shown) > MAX_FILE_LINES:
            shown = sorted(shown, key=lambda file: _PRIORITY[file.state])[:MAX_FILE_LINES]
        total = [self._total_line(files, at, ended=ended)] if len(files) > 1 else []
        return total + [self._file_line(file, at, ended=ended) for file in shown]

    def speed(self, label: str, done: int, at: float) -> float:
        """Record the number of bytes at a time, and return the bytes per second."""
        samples = self._samples.setdefault(label, deque(maxlen=_SPEED_SAMPLES))
        if samples and done < samples[-1][1]:  # it started over
            samples.clear()
        samples.append((at, done))
        (start, before), (end, after) = samples[0], samples[-1]
        return (after - before) / (end - start) if end > start else 0.0

    def _file_line(self, file: ExportFile, at: float, *, ended: bool) -> Line:
        progress = format_progress(file.done, file.total)
        rate = _rate(self.speed(file.label, file.done, at))
        state = "stopped" if ended and file.state in ("waiting", "running") else file.state
        text = {
            "waiting": clean(file.note) or "waiting",
            "running": clean(file.note) or progress + rate,
            "done": f"verified, {format_size(file.done)}",
            "failed": "failed",
            "stopped": f"stopped at {progress}",
        }[state]
        label = f"{file.gid} {kind_label(str(file.kind))}"
        return Line(label, text, _fraction(file), state, file.name)

    def _total_line(self, files: Sequence[ExportFile], at: float, *, ended: bool) -> Line:
        finished = sum(file.state in ("done", "failed") for file in files)
        done = sum(file.done for file in files)
        rate = _rate(self.speed("", done, at))
        label = f"{finished} of {format_count(len(files), 'file')}"
        if all(file.state == "done" for file in files):
            return Line(label, format_size(done), 1.0, "done")
        is_known = all(file.state != "waiting" for file in files)
        total = sum(file.total or file.done for file in files) if is_known else None
        fraction = round(sum(map(_fraction, files)) / len(files), 3)
        text = format_progress(done, total) + ("" if ended else rate)
        return Line(label, text, fraction, "stopped" if ended else "running")


def _rate(speed: float) -> str:
    return f" · {format_size(speed)}/s" if speed >= 1 else ""


def _fraction(file: ExportFile) -> float:
    if file.state == "done":
        return 1.0
    return round(min(1.0, file.done / file.total), 3) if file.total else 0.0


def result_messages(files: pd.DataFrame, *, cancelled: bool, folder: str) -> list[tuple[str, str]]:
    """Return the result of a download as tones and texts: how many files, and what failed."""
    count = int(files["file.path"].notna().sum())
    messages = []
    if count:
        size = format_size(int(files["file.bytes"].fillna(0).sum()))
        where = clean(folder, limit=300)
        messages.append(("ok", f"{format_count(count, 'file')} verified, {size}, in {where}"))
    if cancelled:
        return [*messages, ("dim", "Cancelled. Download again to resume.")]
    failed = files[files["file.path"].isna()]
    shown = failed.iloc[:_MAX_ERRORS]
    for gid, kind, error in zip(shown["gid"], shown["file.kind"], shown["file.error"], strict=True):
        label = gid if pd.isna(kind) else f"{gid} {kind_label(kind)}"
        messages.append(("bad", f"{label}: {clean(error, limit=_MAX_ERROR)}"))
    if len(failed) > len(shown):
        messages.append(("dim", f"… and {len(failed) - len(shown):,} more"))
    return messages


def file_links(paths: Sequence[str]) -> list[tuple[str, str]]:
    """Return for each file a text, and its path relative to the notebook's folder, "" if outside.

    Only files in that folder can be linked to: the server does not serve others.
    """
    links = []
    for path in paths[:_MAX_LINKS]:
        try:
            relative = os.path.relpath(path)
        except ValueError:  # another drive
            relative = os.pardir
        inside = not relative.startswith(os.pardir) and Path(relative).is_file()
        link = relative.replace(os.sep, "/") if inside else ""
        links.append((clean(link or path, limit=_MAX_ERROR), link))
    if len(paths) > _MAX_LINKS:
        links.append((f"… and {len(paths) - _MAX_LINKS:,} more in widget.files", ""))
    return links


class Transfers:
    """Runs one download or load at a time, in a thread; `publish` gets what the browser shows."""

    def __init__(self, publish: Callable[[dict[str, Any]], object]) -> None:
        self._publish = publish
        self._lock = threading.Lock()
        self._closed = self._cancelled = False
        self._session: DownloadSession | None = None
        self._shown: dict[str, Any] = {"busy": "", "lines": [], "messages": [], "links": []}

    @property
    def message(self) -> dict[str, Any]:
        """What the browser shows: the current action, bars, messages with their tone, links."""
        return dict(self._shown)

    def download(
        self,
        request: Callable[[], tuple[pd.DataFrame, Client]],
        dest: str,
        on_done: Callable[[pd.DataFrame], object],
    ) -> None:
        """Start a download to a folder as the user typed it; `on_done` gets the frame of files.

        `request` returns the jobs and the client; it is called in the thread.
        """

        def work() -> None:
            folder = local_path(dest.strip() or ".", "dest")
            chosen, client = request()
            jobs, show = as_jobs(chosen, verified=True), partial(self._show_bars, Bars())
            self._session = session = DownloadSession(jobs, client, shown=False, show=show)
            if self._cancelled:  # before there was a session
                session.cancel()
            try:
                session.run(folder)
                files = with_index_of(session.files(), chosen)
            finally:
                self._session = None
                show(session.wanted, ended=True)
            if session.failure is not None:
                messages = [("bad", clean(str(session.failure), limit=_MAX_ERROR))]
            else:
                messages = result_messages(files, cancelled=session.cancelled, folder=str(folder))
            self._show(messages=messages, links=file_links(files["file.path"].dropna().tolist()))
            on_done(files)

        self._start("downloading", work, lines=[], messages=[], links=[])

    def cancel(self) -> None:
        """Cancel the download in progress."""
        self._cancelled = True
        session = self._session
        if session is not None:
            session.cancel()

    def load(self, files: pd.DataFrame, on_done: Callable[[Any], object]) -> None:
        """Start loading downloaded files; `on_done` gets the export."""

        def work() -> None:
            from asana_jobs_pd._export.read import read_asana_export  # noqa: PLC0415  heavy

            data = read_asana_export(files, progress=False)
            counts = [
                format_count(len(data[name]), f"{clean(name, limit=60)} row") for name in data
            ]
            text = f"Loaded {', '.join(counts) or 'no rows'} into widget.data."
            self._show(messages=[("ok", text)])
            on_done(data)

        self._start("loading", work, messages=[])

    def close(self) -> None:
        """Cancel what is in progress, and start nothing more."""
        self._closed = True
        self.cancel()

    def _start(self, busy: str, work: Callable[[], None], **shown: Any) -> None:
        with self._lock:
            if self._shown["busy"] or self._closed:
                return
            self._shown["busy"], self._cancelled = busy, False
        self._show(**shown)

        def run() -> None:
            try:
                work()
            except Exception as error:  # noqa: BLE001  a thread has nobody to raise it to
                self._show(messages=[("bad", _text_of(error))])
            finally:
                self._show(busy="")

        try:
            start_thread(run, "asana-jobs-transfer")
        except NoThreadsError as error:
            self._show(messages=[("bad", _text_of(error))], busy="")

    def _show_bars(self, bars: Bars, files: Sequence[ExportFile], *, ended: bool = False) -> None:
        at = time.monotonic()
        if files and (ended or bars.is_due(files, at)):
            self._show(lines=bars.lines(files, at, ended=ended))

    def _show(self, **shown: Any) -> None:
        self._shown |= shown
        if not self._closed:
            self._publish(self.message)


def _text_of(error: Exception) -> str:
    name = "" if isinstance(error, AsanaJobsError) else f"{type(error).__name__}: "
    return name + clean(str(error), limit=_MAX_ERROR)
