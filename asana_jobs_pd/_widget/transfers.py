"""Downloads and loads that the widget runs in threads, and what it says about them."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from asana_jobs_pd._download.download import DownloadSession
from asana_jobs_pd._download.export_files import FileProgress
from asana_jobs_pd._files import local_path
from asana_jobs_pd._formatting import format_count, format_progress, format_size
from asana_jobs_pd._http.client import Client
from asana_jobs_pd._http.redaction import clean
from asana_jobs_pd._http.threads import start_thread
from asana_jobs_pd._jobs.as_jobs import as_jobs, with_index_of
from asana_jobs_pd._vocabulary import kind_label
from asana_jobs_pd.errors import AsanaJobsError

MAX_FILE_LINES = 8
"""How many files get a bar of their own."""
_MIN_INTERVAL = 0.3
"""Seconds between two messages about progress at least."""
_MAX_ERRORS, _MAX_ERROR = 6, 500
_MAX_LINKS = 20
_SPEED_SAMPLES = 12
_PRIORITY = {"running": 0, "failed": 1, "done": 2, "waiting": 3}


@dataclass(frozen=True, slots=True)
class Line:
    """A line with a bar; `state` is that of a `FileProgress`, or "stopped"."""

    label: str
    text: str
    fraction: float
    state: str = "running"
    title: str = ""


class Speeds:
    """Bytes per second of each file and of all, over the last seconds."""

    def __init__(self) -> None:
        self._samples: dict[str, deque[tuple[float, int]]] = {}

    def update(self, label: str, done: int, at: float) -> float:
        """Record the bytes done at a time in seconds, and return the speed."""
        samples = self._samples.setdefault(label, deque(maxlen=_SPEED_SAMPLES))
        if samples and done < samples[-1][1]:  # it started over
            samples.clear()
        samples.append((at, done))
        (start, before), (end, after) = samples[0], samples[-1]
        return (after - before) / (end - start) if end > start else 0.0


def progress_lines(
    files: Sequence[FileProgress], speeds: Speeds, at: float, *, ended: bool = False
) -> list[Line]:
    """Return a line for all files, then one per file: the most interesting when there are many.

    `ended` says that the download has ended, whatever the state of the files.
    """
    shown = list(files)
    if len(shown) > MAX_FILE_LINES:
        shown = sorted(shown, key=lambda file: _PRIORITY[file.state])[:MAX_FILE_LINES]
    total = [_total_line(files, speeds, at, ended=ended)] if len(files) > 1 else []
    return total + [_file_line(file, speeds, at, ended=ended) for file in shown]


def _file_line(file: FileProgress, speeds: Speeds, at: float, *, ended: bool) -> Line:
    fraction = _fraction(file)
    progress = format_progress(file.done, file.total)
    speed = speeds.update(file.file.label, file.done, at)
    state = file.state if not ended or file.state in ("done", "failed") else "stopped"
    match state:
        case "done":
            text = f"verified, {format_size(file.done)}"
        case "failed":
            text = "failed"
        case "stopped":
            text = f"stopped at {progress}"
        case _:
            text = clean(file.note) or ("waiting" if state == "waiting" else progress)
            text += _rate(speed) if text == progress else ""
    label = f"{file.file.gid} {kind_label(file.file.kind)}"
    return Line(label, text, fraction, state, file.file.name)


def _total_line(files: Sequence[FileProgress], speeds: Speeds, at: float, *, ended: bool) -> Line:
    finished = sum(file.state in ("done", "failed") for file in files)
    done = sum(file.done for file in files)
    sizes = [file.total or file.done for file in files if file.state != "waiting"]
    total = sum(sizes) if len(sizes) == len(files) else None
    speed = speeds.update("", done, at)
    label = f"{finished} of {format_count(len(files), 'file')}"
    if all(file.state == "done" for file in files):
        return Line(label, format_size(done), 1.0, "done")
    fraction = round(sum(map(_fraction, files)) / len(files), 3)
    text = format_progress(done, total) + ("" if ended else _rate(speed))
    return Line(label, text, fraction, "stopped" if ended else "running")


def _rate(speed: float) -> str:
    return f" · {format_size(speed)}/s" if speed >= 1 else ""


def _fraction(file: FileProgress) -> float:
    if file.state == "done":
        return 1.0
    return round(min(1.0, file.done / file.total), 3) if file.total else 0.0


def result_messages(files: pd.DataFrame, *, cancelled: bool, folder: str) -> list[tuple[str, str]]:
    """Return what a download has led to, as tones and texts: how many files, and what failed."""
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
    """Return the text of each file and its path as seen from the notebook's folder, "" if outside.

    Only files in that folder can be linked to: the server shows no others.
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


@dataclass(frozen=True, slots=True)
class DownloadRequest:
    """The jobs whose files are wanted, the folder as it was typed, and the client."""

    jobs: pd.DataFrame
    dest: str
    client: Client


@dataclass(slots=True)
class _Report:
    """What the browser shows below the table."""

    busy: str = ""
    lines: list[Line] = field(default_factory=list)
    messages: list[tuple[str, str]] = field(default_factory=list)
    links: list[tuple[str, str]] = field(default_factory=list)

    def as_message(self) -> dict[str, Any]:
        lines = [
            [each.label, each.text, each.fraction, each.state, each.title] for each in self.lines
        ]
        return {
            "busy": self.busy,
            "lines": lines,
            "messages": [list(message) for message in self.messages],
            "links": [list(link) for link in self.links],
        }


class Transfers:
    """Runs one download or load at a time; `publish` gets what the browser shows of it."""

    def __init__(self, publish: Callable[[dict[str, Any]], object]) -> None:
        self._publish = publish
        self._lock = threading.Lock()
        self._closed = False
        self._cancelled = threading.Event()
        self._session: DownloadSession | None = None
        self._report = _Report()

    @property
    def message(self) -> dict[str, Any]:
        """What the browser shows of them."""
        return self._report.as_message()

    def download(
        self, request: Callable[[], DownloadRequest], done: Callable[[pd.DataFrame], object]
    ) -> None:
        """Start a download; `request` is called in its thread, `done` gets the frame of files."""

        def work(report: _Report) -> None:
            self._download(request(), report, done)

        self._start("downloading", work, _Report())

    def _download(
        self,
        request: DownloadRequest,
        report: _Report,
        done: Callable[[pd.DataFrame], object],
    ) -> None:
        folder = local_path(request.dest.strip() or ".", "dest")
        progress = _Progress(report, self._show)
        self._session = session = DownloadSession(request.client, shown=False, show=progress)
        if self._cancelled.is_set():
            session.cancel()
        jobs = as_jobs(request.jobs, verified=True)
        try:
            files = with_index_of(session.fetch(jobs, jobs["gid"], folder), request.jobs)
        finally:
            self._session = None
            progress.end()
        if session.failure is not None:
            report.messages = [("bad", clean(str(session.failure), limit=_MAX_ERROR))]
        else:
            report.messages = result_messages(
                files, cancelled=session.cancelled, folder=str(folder)
            )
        report.links = file_links(files["file.path"].dropna().tolist())
        done(files)

    def cancel(self) -> None:
        """Cancel the download in progress."""
        self._cancelled.set()
        session = self._session
        if session is not None:
            session.cancel()

    def load(self, files: pd.DataFrame, done: Callable[[Any], object]) -> None:
        """Start to read downloaded files; `done` gets their export."""

        def work(report: _Report) -> None:
            from asana_jobs_pd._export.read import read_asana_export  # noqa: PLC0415  heavy

            data = read_asana_export(files, progress=False)
            counts = [
                format_count(len(data[name]), f"{clean(name, limit=60)} row") for name in data
            ]
            text = f"Loaded {', '.join(counts) or 'no rows'} into widget.data."
            report.messages = [("ok", text)]
            done(data)

        self._start("loading", work, _Report(lines=self._report.lines, links=self._report.links))

    def close(self) -> None:
        """Cancel everything, and start nothing more."""
        self._closed = True
        self.cancel()

    def _start(self, busy: str, work: Callable[[_Report], None], report: _Report) -> None:
        with self._lock:
            if self._report.busy or self._closed:
                return
            report.busy = busy
            self._report = report
            self._cancelled.clear()

        def run() -> None:
            try:
                work(report)
            except Exception as error:  # noqa: BLE001  a thread has nobody to raise it to
                name = "" if isinstance(error, AsanaJobsError) else f"{type(error).__name__}: "
                report.messages = [("bad", name + clean(str(error), limit=_MAX_ERROR))]
            finally:
                report.busy = ""
                self._show()

        self._show()
        start_thread(run, "asana-jobs-transfer")

    def _show(self) -> None:
        if not self._closed:
            self._publish(self.message)


class _Progress:
    """Puts the progress of files into a report, but not too often."""

    def __init__(self, report: _Report, show: Callable[[], object]) -> None:
        self._report, self._show = report, show
        self._speeds = Speeds()
        self._shown_at = 0.0
        self._files: Sequence[FileProgress] = ()

    def __call__(self, files: Sequence[FileProgress]) -> None:
        now = time.monotonic()
        all_ended = all(file.state in ("done", "failed") for file in files)
        if now - self._shown_at < _MIN_INTERVAL and not all_ended:
            return
        self._shown_at, self._files = now, files
        self._report.lines = progress_lines(files, self._speeds, now)
        self._show()

    def end(self) -> None:
        """Show how far the files came."""
        if self._files:
            now = time.monotonic()
            self._report.lines = progress_lines(self._files, self._speeds, now, ended=True)
