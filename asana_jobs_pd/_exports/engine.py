"""Many files at the same time, without a face: for a verb with bars, and for a widget."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from asana_jobs_pd._api.client import Client
from asana_jobs_pd._api.limits import Stopped
from asana_jobs_pd._api.pool import Batch
from asana_jobs_pd._exports.files import ExportFile, FileResult, Progress
from asana_jobs_pd._exports.transfer import Tools, Transfer
from asana_jobs_pd._jobs.ledger_writer import note_file
from asana_jobs_pd.errors import AuthenticationError

__all__ = ["Downloads"]

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
    progress : list of Progress
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
        self.progress = [Progress(file) for file in files]
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

    def run(self, tick: Callable[[Sequence[Progress]], object] = bool) -> None:
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

    def _download(self, progress: Progress) -> FileResult:
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
                note_file(self._client, progress.file.gid, result.path)
            return result
        self._batch.stop.set()
        raise Stopped

    def _notice_outage(self, began: float) -> None:
        """Try no more files when nothing has come for any of them."""
        quiet = time.monotonic() - began
        if quiet >= OUTAGE and self._transport.heard_at < began:
            self.outage = f"given up: nothing came from the network for {quiet:.0f} s"
            self._batch.stop.set()
