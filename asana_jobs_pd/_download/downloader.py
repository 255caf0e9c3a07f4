"""One download from beginning to end: what has to be asked, what is fetched, what came of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pandas as pd

from asana_jobs_pd._download.export_files import (
    ASKED_FIELDS,
    Entry,
    ExportFile,
    FileProgress,
    FileResult,
    entries_of_record,
    entries_of_rows,
    with_files,
)
from asana_jobs_pd._download.transfer import Tools, Transfer
from asana_jobs_pd._download.url_source import said
from asana_jobs_pd._http.client import Client, default_client, forget_default
from asana_jobs_pd._http.parallel_map import Batch
from asana_jobs_pd._http.rate_limit import Cancelled
from asana_jobs_pd._jobs.fetch import fetch_jobs
from asana_jobs_pd._jobs.ledger import record_file
from asana_jobs_pd._jobs.read import warn_of_changes
from asana_jobs_pd._jobs.schema import plan_fields
from asana_jobs_pd._progress import Progress
from asana_jobs_pd.errors import AuthenticationError

__all__ = ["Bars", "Downloads", "Run"]

OUTAGE = 5.0
"""Seconds without any answer after which a file that failed for good speaks for all."""

_INTERVAL = 0.1
_LAST_MOMENT = 0.1


class Downloads:
    """Downloads files, a few at a time, in threads that nobody has to wait for.

    `run` blocks; another thread may call `cancel`. What is on disk then stays there, and the
    next download goes on from it.

    Parameters
    ----------
    files
        What to download, each once.
    folder
        Where to; made when it is not there.
    client
        Asks jobs for URLs; its proxies, CA bundle and timeouts are used.
    max_workers
        Files at the same time.
    overwrite
        Whether to fetch what is there already.
    max_inflated
        Bytes a file may inflate to; None for any number.

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
        *,
        max_workers: int = 4,
        overwrite: bool = False,
        max_inflated: int | None = None,
    ) -> None:
        self.progress = [FileProgress(file) for file in files]
        self.refused: AuthenticationError | None = None
        self.interrupted = False
        self.outage: str | None = None
        self._client = client
        self._transport = client.signed_transport()
        self._batch = Batch(self._download, self.progress, max_workers)
        self._tools = Tools(
            client, self._transport, folder, self._batch.stop, overwrite, max_inflated
        )

    def __repr__(self) -> str:
        done = sum(one.state == "done" for one in self.progress)
        return f"<Downloads {done} of {len(self.progress)}>"

    @property
    def results(self) -> dict[str, FileResult]:
        """What became of each file, by its label; those that were not finished are left out."""
        pairs = zip(self.progress, self._batch.results, strict=True)
        return {one.file.label: result for one, result in pairs if result is not None}

    def run(self, tick: Callable[[Sequence[FileProgress]], object] = bool) -> None:
        """Return when all is done, or it was cancelled or interrupted.

        Parameters
        ----------
        tick
            Called about ten times a second, and at the end, with `progress`, in this thread.
        """
        try:
            self._batch.run(lambda _: tick(self.progress), _INTERVAL)
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

    @property
    def stop(self) -> threading.Event:
        """Set when no more is to be done."""
        return self._batch.stop

    def _download(self, progress: FileProgress) -> FileResult:
        began = time.monotonic()
        transfer = Transfer(progress, self._tools)
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
        if quiet >= OUTAGE and self._transport.heard_at < began:
            self.outage = f"given up: nothing came from the network for {quiet:.0f} s"
            self._batch.stop.set()


_BYTES: dict[str, Any] = {"unit": "B", "unit_scale": True}


class Bars:
    """Bars in bytes; as a context manager they close themselves.

    Parameters
    ----------
    shown
        As in `Progress`: True at once, False never, None after a second.
    """

    def __init__(self, shown: bool | None) -> None:
        self._shown = shown
        self._all = Progress(None, "Asana exports", shown, **_BYTES)
        self._each: dict[str, Progress] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for bar in (*self._each.values(), self._all):
            bar.__exit__(kind, error, trace)

    def tick(self, files: Sequence[FileProgress]) -> None:
        """Show how far the files are."""
        for file in files:
            self._show(file)
        ended = sum(file.state in ("done", "failed") for file in files)
        total = sum(file.total or file.done for file in files)
        self._all.set_label(f"Asana exports {ended}/{len(files)}")
        self._all.tick(sum(file.done for file in files), total)

    def _show(self, file: FileProgress) -> None:
        label = file.file.label
        if file.state == "running" and label not in self._each:
            self._each[label] = Progress(None, label, self._shown, leave=False, **_BYTES)
        if label in self._each:
            self._each[label].tick(file.done, file.total)
        if file.state in ("done", "failed") and label in self._each:
            self._each.pop(label).__exit__(None, None, None)


_CUT_SHORT = "not finished when the download ended; download again: it goes on where it stood"


class Run:
    """One download of the files of a frame.

    Parameters
    ----------
    client
        What to ask with; None takes the default one, once something has to be asked.
    shown
        Whether to show bars, as in `Bars`.
    tick
        Called instead of showing bars, about ten times a second, with how far the files are.

    Attributes
    ----------
    refused : AuthenticationError or None
        The answer that the token is not accepted, which ended everything.
    interrupted, cancelled : bool
        Whether Ctrl-C or a kernel interrupt ended it, or `cancel`.
    """

    def __init__(
        self,
        client: Client | None,
        shown: bool | None,
        tick: Callable[[Sequence[FileProgress]], object] | None = None,
    ) -> None:
        self._given = client
        self._shown = shown
        self._tick = tick
        self._told: dict[str, tuple[Entry, ...]] = {}
        self._results: dict[str, FileResult] = {}
        self._rest = FileResult(error=_CUT_SHORT)
        self._downloads: Downloads | None = None
        self.refused: AuthenticationError | None = None
        self.interrupted = False
        self.cancelled = False

    def fetch(
        self,
        frame: pd.DataFrame,
        gids: pd.Series,
        folder: Path,
        *,
        max_workers: int = 4,
        overwrite: bool = False,
        max_inflated: int | None = None,
    ) -> pd.DataFrame:
        """Download the files of the rows and return them, one row a file, as `with_files` does.

        Parameters
        ----------
        frame
            A frame of jobs of our own, as `as_jobs` returns it, which may be changed.
        gids
            Its gids.
        folder
            Where the files go.
        max_workers, overwrite, max_inflated
            As in `Downloads`.
        """
        entries = entries_of_rows(frame, gids)
        self._ask([gid for gid, found in zip(gids, entries, strict=True) if not found])
        told = [found or self._told[gid] for gid, found in zip(gids, entries, strict=True)]
        files = {entry.file.label: entry.file for row in told for entry in row if entry.file}
        if files and not (self.refused or self.interrupted or self.cancelled):
            self._downloads = Downloads(
                list(files.values()),
                folder,
                self._client(),
                max_workers=max_workers,
                overwrite=overwrite,
                max_inflated=max_inflated,
            )
            self._download(self._downloads)
        return with_files(frame, told, self._result_of)

    def cancel(self) -> None:
        """End it, from another thread; what is on disk stays there."""
        self.cancelled = True
        if self._downloads is not None:
            self._downloads.cancel()

    def _ask(self, gids: Sequence[str]) -> None:
        """Ask the jobs of which the frame does not say enough."""
        wanted = list(dict.fromkeys(gids))
        if not wanted:
            return
        plan = plan_fields(list(ASKED_FIELDS), strict=True)
        fetched = fetch_jobs(wanted, plan, self._client(), progress=self._shown)
        for gid, outcome in zip(wanted, fetched.results, strict=True):
            if outcome.record:
                self._told[gid] = entries_of_record(gid, outcome.record)
            else:
                error = outcome.error
                why = f"the job could not be asked: {said(error)}" if error else _CUT_SHORT
                self._told[gid] = (Entry(gid, problem=why),)
        self._note(fetched.refused, fetched.interrupted)

    def _download(self, downloads: Downloads) -> None:
        if self.cancelled:  # while it was made
            return
        if self._tick is not None:
            downloads.run(self._tick)
        else:
            with Bars(self._shown) as bars:
                downloads.run(bars.tick)
        self._results = downloads.results
        self._rest = FileResult(error=downloads.outage or _CUT_SHORT)
        self._note(downloads.refused, downloads.interrupted)

    def _result_of(self, entry: Entry) -> FileResult:
        if entry.file is None:
            return FileResult(error=entry.problem)
        return self._results.get(entry.file.label, self._rest)

    def _client(self) -> Client:
        self._given = self._given or default_client()
        return self._given

    def _note(self, refused: AuthenticationError | None, interrupted: bool) -> None:
        self.refused, self.interrupted = refused, interrupted
        if refused is not None:
            forget_default(self._client())
        warn_of_changes(self._client())
