"""A download from beginning to end: which jobs are read, what is fetched, what came of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pandas as pd

from asana_jobs_pd._download.export_files import (
    REQUESTED_FIELDS,
    ExportFile,
    FileEntry,
    FileProgress,
    FileResult,
    entries_of_record,
    entries_of_rows,
    with_files,
)
from asana_jobs_pd._download.transfer import Transfer, TransferContext
from asana_jobs_pd._download.url_source import reason_of
from asana_jobs_pd._http.client import Client, default_client, forget_default
from asana_jobs_pd._http.parallel_map import Batch
from asana_jobs_pd._http.rate_limit import Cancelled
from asana_jobs_pd._jobs.fetch import fetch_jobs
from asana_jobs_pd._jobs.ledger import record_file
from asana_jobs_pd._jobs.schema import plan_fields
from asana_jobs_pd._progress import Progress
from asana_jobs_pd.errors import AuthenticationError

OUTAGE_SECONDS = 5.0
"""Seconds without any response after which a file that failed for good speaks for all."""

_TICK_INTERVAL = 0.1
_LAST_MOMENT = 0.1

ShowProgress = Callable[[Sequence[FileProgress]], object]
"""Called about ten times a second with how far the files are."""


@dataclass(frozen=True, slots=True)
class DownloadOptions:
    """How files are downloaded; `download_asana_exports` says what each option means."""

    max_workers: int = 4
    overwrite: bool = False
    max_inflated: int | None = None


class Downloader:
    """Downloads files, a few at a time, in threads that nobody has to wait for.

    `run` blocks; another thread may call `cancel`. What is on disk then stays there, and the
    next download resumes it.

    Attributes
    ----------
    progress : list of FileProgress
        How far each file is, in their order.
    refused : AuthenticationError or None
        The answer that the token is not accepted, which ended everything.
    interrupted : bool
        Whether Ctrl-C or a kernel interrupt did.
    outage : str or None
        Why the rest was not tried: the network is gone.
    """

    def __init__(
        self,
        files: Sequence[ExportFile],
        folder: Path,
        client: Client,
        options: DownloadOptions = DownloadOptions(),
    ) -> None:
        self.progress = [FileProgress(file) for file in files]
        self.refused: AuthenticationError | None = None
        self.interrupted = False
        self.outage: str | None = None
        self._client = client
        self._transport = client.signed_transport()
        self._batch = Batch(self._download, self.progress, options.max_workers)
        self._context = TransferContext(
            client,
            self._transport,
            folder,
            self._batch.stop,
            options.overwrite,
            options.max_inflated,
        )

    def __repr__(self) -> str:
        done = sum(progress.state == "done" for progress in self.progress)
        return f"<Downloader {done} of {len(self.progress)}>"

    @property
    def results(self) -> dict[str, FileResult]:
        """The result of each file, by its label; those that were not finished are left out."""
        pairs = zip(self.progress, self._batch.results, strict=True)
        return {progress.file.label: result for progress, result in pairs if result is not None}

    def run(self, show: ShowProgress = bool) -> None:
        """Return when all is done, or it was cancelled or interrupted.

        `show` is called in this thread, and once more at the end.
        """

        def tick(_: int) -> None:
            for part in tuple(self._context.parts):
                part.beat()
            show(self.progress)

        try:
            self._batch.run(tick, _TICK_INTERVAL)
        except KeyboardInterrupt:
            self.interrupted = True
        finally:
            self.cancel()
        self._batch.settle(_LAST_MOMENT)

    def cancel(self) -> None:
        """End what is under way; what is on disk stays there."""
        self._batch.stop.set()
        self._transport.close()
        self._client.limiter.wake()

    def _download(self, progress: FileProgress) -> FileResult:
        began = time.monotonic()
        transfer = Transfer(progress, self._context)
        try:
            result = transfer.run()
        except AuthenticationError as error:
            self.refused = error
        else:
            if transfer.unanswered:
                self._notice_outage(began)
            if result.path is not None:
                record_file(self._client, progress.file.gid, result.path)
            return result
        self._batch.stop.set()
        raise Cancelled

    def _notice_outage(self, began: float) -> None:
        """Try no more files when nothing has come for any of them."""
        quiet = time.monotonic() - began
        if quiet >= OUTAGE_SECONDS and self._transport.heard_at < began:
            self.outage = f"given up: nothing came from the network for {quiet:.0f} s"
            self._batch.stop.set()


_BYTES: dict[str, Any] = {"unit": "B", "unit_scale": True}


class DownloadBars:
    """Bars in bytes, one for all and one per file; as a context manager they close themselves.

    `shown` as in `Progress`: True at once, False never, None after a second.
    """

    def __init__(self, shown: bool | None) -> None:
        self._shown = shown
        self._all = Progress(None, "Asana exports", shown, **_BYTES)
        self._bars: dict[str, Progress] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for bar in (*self._bars.values(), self._all):
            bar.__exit__(kind, error, trace)

    def show(self, files: Sequence[FileProgress]) -> None:
        """Show how far the files are."""
        for file in files:
            self._show(file)
        ended = sum(file.state in ("done", "failed") for file in files)
        total = sum(file.total or file.done for file in files)
        self._all.set_label(f"Asana exports {ended}/{len(files)}")
        self._all.tick(sum(file.done for file in files), total)

    def _show(self, file: FileProgress) -> None:
        label = file.file.label
        if label not in self._bars and (file.state == "running" or file.note):
            self._bars[label] = Progress(None, label, self._shown, leave=False, **_BYTES)
        if label in self._bars:
            self._bars[label].set_label(f"{label}: {file.note}" if file.note else label)
            self._bars[label].tick(file.done, file.total)
        if file.state in ("done", "failed") and label in self._bars:
            self._bars.pop(label).__exit__(None, None, None)


_UNFINISHED = "not finished when the download ended; download again to resume"


class DownloadSession:
    """One download of the files of a frame.

    Attributes
    ----------
    client : Client or None
        The client, once it is known.
    refused : AuthenticationError or None
        The answer that the token is not accepted, which ended everything.
    interrupted, cancelled : bool
        Whether Ctrl-C or a kernel interrupt ended it, or `cancel`.
    """

    def __init__(
        self, client: Client | None, shown: bool | None, show: ShowProgress | None = None
    ) -> None:
        self.client = client
        self._shown = shown
        self._show = show
        self._entries: dict[str, tuple[FileEntry, ...]] = {}
        self._results: dict[str, FileResult] = {}
        self._default_result = FileResult(error=_UNFINISHED)
        self._downloader: Downloader | None = None
        self.refused: AuthenticationError | None = None
        self.interrupted = False
        self.cancelled = False

    def fetch(
        self,
        frame: pd.DataFrame,
        gids: pd.Series,
        folder: Path,
        options: DownloadOptions = DownloadOptions(),
    ) -> pd.DataFrame:
        """Download the files of a checked frame, which may be changed; return one row per file."""
        entries = entries_of_rows(frame, gids)
        self._read_jobs([gid for gid, known in zip(gids, entries, strict=True) if not known])
        rows = [known or self._entries[gid] for gid, known in zip(gids, entries, strict=True)]
        files = {entry.file.label: entry.file for row in rows for entry in row if entry.file}
        if files and not (self.refused or self.interrupted or self.cancelled):
            client = self._need_client()
            self._downloader = Downloader(list(files.values()), folder, client, options)
            self._download(self._downloader)
        return with_files(frame, rows, self._result_of)

    def cancel(self) -> None:
        """End it, from another thread; what is on disk stays there."""
        self.cancelled = True
        if self._downloader is not None:
            self._downloader.cancel()

    def _read_jobs(self, gids: Sequence[str]) -> None:
        """Read the jobs of which the frame does not say enough."""
        wanted = list(dict.fromkeys(gids))
        if not wanted:
            return
        plan = plan_fields(list(REQUESTED_FIELDS), strict=True)
        fetched = fetch_jobs(wanted, plan, self._need_client(), progress=self._shown)
        for gid, result in zip(wanted, fetched.results, strict=True):
            if result.record:
                self._entries[gid] = entries_of_record(gid, result.record)
            else:
                error = result.error
                problem = f"the job could not be read: {reason_of(error)}" if error else _UNFINISHED
                self._entries[gid] = (FileEntry(gid, problem=problem),)
        self._note_end(fetched.refused, fetched.interrupted)

    def _download(self, downloader: Downloader) -> None:
        if self.cancelled:  # while it was made
            return
        if self._show is not None:
            downloader.run(self._show)
        else:
            with DownloadBars(self._shown) as bars:
                downloader.run(bars.show)
        self._results = downloader.results
        self._default_result = FileResult(error=downloader.outage or _UNFINISHED)
        self._note_end(downloader.refused, downloader.interrupted)

    def _result_of(self, entry: FileEntry) -> FileResult:
        if entry.file is None:
            return FileResult(error=entry.problem)
        return self._results.get(entry.file.label, self._default_result)

    def _need_client(self) -> Client:
        self.client = self.client or default_client()
        return self.client

    def _note_end(self, refused: AuthenticationError | None, interrupted: bool) -> None:
        self.refused, self.interrupted = refused, interrupted
        if refused is not None:
            forget_default(self._need_client())
