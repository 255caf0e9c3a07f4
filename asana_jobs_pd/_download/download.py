"""Download the files of exports: several at once, resumed and verified."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path
from typing import Self, get_args

import pandas as pd

from asana_jobs_pd._download.export_files import (
    REQUESTED_FIELDS,
    ExportFile,
    errors_of,
    files_of_record,
    files_of_rows,
    summary,
    with_files,
)
from asana_jobs_pd._download.transfer import Transfer, TransferContext
from asana_jobs_pd._download.url_source import reason_of
from asana_jobs_pd._files import local_path
from asana_jobs_pd._http.client import Client, check_client
from asana_jobs_pd._http.default_client import default_client
from asana_jobs_pd._http.threads import Batch
from asana_jobs_pd._jobs.as_jobs import as_jobs, with_index_of
from asana_jobs_pd._jobs.gids import parse_gids
from asana_jobs_pd._jobs.ledger import record_file
from asana_jobs_pd._jobs.read import Read, frame_or_raise, run_to_end
from asana_jobs_pd._jobs.schema import dtype_of, plan_fields
from asana_jobs_pd._options import check_one_of, is_whole
from asana_jobs_pd._progress import Progress
from asana_jobs_pd._public import public
from asana_jobs_pd.errors import (
    DownloadError,
    InvalidOptionError,
    PartialDownloadError,
    ReadInterrupted,
)
from asana_jobs_pd.typing import Errors, Gids, ProgressCallback

log = logging.getLogger("asana_jobs_pd")

_TICK_INTERVAL = 0.1
_LAST_MOMENT = 0.1


@public
def download_asana_exports(
    jobs: pd.DataFrame | Gids,
    dest: str | os.PathLike[str] = ".",
    *,
    overwrite: bool = False,
    max_workers: int = 4,
    max_inflated: int | None = None,
    errors: Errors = "coerce",
    client: Client | None = None,
    progress: bool | ProgressCallback | None = None,
) -> pd.DataFrame:
    """Download the files of succeeded exports, resumed and verified.

    Sends one ``GET`` to the signed URL of each file, and one for its job if the frame has no
    URL or an expired one. A file already on disk needs no request if the frame says that its
    export succeeded. The token is sent only to Asana.

    Parameters
    ----------
    jobs
        A frame of jobs, which is not changed, or gids in any form that `read_asana_jobs` takes.
        A repeated gid is downloaded once.
    dest
        A local folder for the files, created if needed. They are named
        ``<job gid>-graph.jsonl.gz`` and ``<job gid>-resource.jsonl.gz``, or ``….jsonl`` if a
        proxy or server has decompressed them, and only you can read them. Until a file is
        complete and verified, its name ends in ``.part``; companion files with the same prefix
        record its version and the downloading process.
    overwrite
        Whether to fetch a file again if it already exists. If not, its ``file.sha256`` is
        computed and compared with the one that the download stored in an extended attribute; a
        file without that attribute is decompressed and checked. A file with different content,
        an incomplete file or a symbolic link is replaced.
    max_workers
        How many files to download at once; each takes about 1 MiB of memory.
    max_inflated
        Give up on a file that decompresses to more bytes than this; None for no limit.
        Decompressing takes time, but hardly any memory.
    errors
        What to do with rows without a file, because the job is not an export, is unfinished or
        failed, or because the download failed. ``"coerce"``: ``file.error`` says why.
        ``"raise"``: everything is downloaded first, then a `PartialDownloadError` carries the
        frame. ``"drop"``: they are left out.
    client
        The client to use; None takes the one of the last `connect`, else the environment's.
    progress
        Whether to show bars, one for all files and one per file. None shows them after a
        second, unless ``ASANA_JOBS_PROGRESS=0``. A callable is called with
        ``(done, total, what)`` instead, in bytes of all files.

    Returns
    -------
    pandas.DataFrame
        A new frame with the rows of `jobs` in their order and with their index; a job with two
        exports has two rows, the graph export first. Our columns are cast to their dtypes;
        signed URLs stay as they were, and renewed ones are not kept. These columns are added or
        replaced: ``file.kind`` (``graph`` or ``resource``), ``file.path`` (absolute),
        ``file.bytes`` (size on disk, ``Int64``), ``file.sha256`` (hexadecimal) and
        ``file.error``; all but ``file.bytes`` are ``string``.

    Raises
    ------
    InvalidFrameError, InvalidGidError, InvalidOptionError
        Before any request is made; InvalidOptionError also if `dest` is a URL.
    PartialDownloadError
        With ``errors="raise"``, if a row has no file.
    AuthenticationError
        If the token is not accepted: at once, with the frame in ``.frame``.
    ReadInterrupted
        A KeyboardInterrupt with ``.frame``; partial files stay on disk, and the next download
        resumes them.

    Warns
    -----
    AsanaChangeWarning
        If Asana announces a change to its API; turned into an error, it carries ``.frame``.
    AsanaLedgerWarning
        If the ledger could not be written; turned into an error, it carries ``.frame``, too.

    See Also
    --------
    read_asana_export : Load the files.
    asana_export_to_parquet : Convert them.

    Notes
    -----
    A file gets its final name once its length, the CRC of its content and the end of its gzip
    stream are right. A partial file is resumed if its ETag has not changed, even by another
    process or on another machine; two downloads of the same file wait for each other. If a file
    is not there yet, the download waits for it until ten minutes after the export was completed,
    by the server's clock. Asana deletes export files after 30 days.
    https://developers.asana.com/reference/creategraphexport

    Examples
    --------
    >>> files = aj.download_asana_exports(gids[3:5], "exports/")
    >>> files["file.kind"].tolist()
    ['graph', 'resource']
    >>> files["file.error"].dropna().tolist()
    []
    """
    _check(errors, max_workers, max_inflated, client)
    folder = local_path(dest, "dest")
    if isinstance(jobs, pd.DataFrame):
        rows = jobs
    else:
        rows = pd.DataFrame({"gid": pd.Series(parse_gids(jobs), dtype=dtype_of("text"))})
    session = DownloadSession(as_jobs(rows, verified=True), client, progress)

    def run() -> None:
        session.run(folder, max_workers, overwrite=overwrite, max_inflated=max_inflated)

    def finish(interrupted: bool) -> pd.DataFrame:
        return _finalize(with_index_of(session.files(), rows), session, errors, interrupted)

    return run_to_end(run, finish)


def _finalize(
    frame: pd.DataFrame, session: DownloadSession, errors: Errors, interrupted: bool
) -> pd.DataFrame:
    """Return the frame, or raise the error that ended the download."""
    missing = frame["file.path"].isna().to_numpy(bool)
    ending: BaseException | None = session.failure
    if interrupted:
        ending = ReadInterrupted(
            f"Interrupted: {int((~missing).sum())} of {len(frame)} files were downloaded. Partial "
            "results are in .frame (in a notebook: sys.last_value.frame); the next download "
            "resumes.",
        )
    elif ending is None and errors == "raise" and missing.any():
        failed = session.errors()
        ending = PartialDownloadError(summary(failed, len(frame)), errors=failed)
    frame_or_raise(frame, ending, session.client)
    return frame[~missing] if errors == "drop" else frame


def _check(errors: str, max_workers: object, max_inflated: object, client: Client | None) -> None:
    check_one_of("errors", errors, get_args(Errors))
    if not is_whole(max_workers, 1):
        raise InvalidOptionError(f"max_workers={max_workers!r}: give a whole number, at least 1.")
    if max_inflated is not None and not is_whole(max_inflated, 1):
        raise InvalidOptionError(f"max_inflated={max_inflated!r}: give bytes, or None.")
    check_client(client)


_UNFINISHED = "not finished when the download ended; download again to resume"
ShowProgress = Callable[[Sequence[ExportFile]], object]
"""Called about ten times a second with the files, which hold their own progress."""


class DownloadSession:
    """One download of the files of a checked frame, in daemon threads.

    `run` blocks; another thread may call `cancel`. Partial files then stay on disk, and the next
    download resumes them.

    Attributes
    ----------
    client : Client or None
        The client, once it is known.
    wanted : list of ExportFile
        The files to download, which hold their own progress.
    failure : BaseException or None
        What ended it early, such as a rejected token.
    cancelled : bool
        Whether `cancel` ended it.
    """

    def __init__(
        self,
        jobs: pd.DataFrame,
        client: Client | None,
        shown: bool | ProgressCallback | None,
        show: ShowProgress | None = None,
    ) -> None:
        self.client = client
        self.wanted: list[ExportFile] = []
        self.failure: BaseException | None = None
        self.cancelled = False
        self._shown, self._show = shown, show
        self._stop = threading.Event()
        self._outage = ""
        self._jobs = jobs
        self._rows: list[tuple[ExportFile, ...]] = [(ExportFile(gid),) for gid in jobs["gid"]]

    def run(
        self,
        folder: Path,
        max_workers: int = 4,
        *,
        overwrite: bool = False,
        max_inflated: int | None = None,
    ) -> None:
        """Download the files to a folder; `download_asana_exports` describes the options."""
        gids = self._jobs["gid"]
        known = files_of_rows(self._jobs)
        read = self._read_jobs([gid for gid, files in zip(gids, known, strict=True) if not files])
        rows = [files or read[gid] for gid, files in zip(gids, known, strict=True)]
        wanted = {file.label: file for files in rows for file in files if file.error is None}
        self._rows = [
            tuple(file if file.error else wanted[file.label] for file in files) for files in rows
        ]
        self.wanted = list(wanted.values())
        if wanted and not (self.failure or self.cancelled):
            client = self._need_client()
            transport = client.signed_transport(self._stop)
            context = TransferContext(
                client, transport, folder, self._stop, overwrite, max_inflated
            )
            self._download(context, max_workers)

    def files(self) -> pd.DataFrame:
        """Stop, and return the frame with one row per file and what has been downloaded so far."""
        self._stop.set()
        return with_files(self._jobs, self._rows, self._outage or _UNFINISHED)

    def errors(self) -> dict[str, DownloadError]:
        """Return why files are missing, by label."""
        return errors_of(chain.from_iterable(self._rows), self._outage or _UNFINISHED)

    def cancel(self) -> None:
        """Cancel the download, from another thread; partial files stay on disk."""
        self.cancelled = True
        self._stop.set()
        if self.client is not None:
            self.client.limiter.wake()

    def _read_jobs(self, gids: Sequence[str]) -> dict[str, tuple[ExportFile, ...]]:
        """Read the jobs whose rows do not say where their files are."""
        if not gids:
            return {}
        read = Read(gids, plan_fields(list(REQUESTED_FIELDS), strict=True), self._need_client())
        read.run(self._shown)
        files = {}
        for gid, job in read.end().items():
            if job.record:
                files[gid] = files_of_record(gid, job.record)
            else:
                reason = f"the job could not be read: {reason_of(job.error)}" if job.error else ""
                files[gid] = (ExportFile(gid, error=reason or _UNFINISHED),)
        self.failure = read.failure
        return files

    def _download(self, context: TransferContext, workers: int) -> None:
        batch = Batch(lambda file: self._transfer(file, context), self.wanted, workers, self._stop)
        with DownloadBars(self._shown if self._show is None else False) as bars:
            show = self._show or bars.show

            def tick(_: int) -> None:
                for part in tuple(context.parts):
                    part.beat()
                show(self.wanted)

            try:
                batch.run(tick, _TICK_INTERVAL)
            finally:
                context.transport.close()
                if not batch.ended:
                    context.client.limiter.wake()
                batch.settle(_LAST_MOMENT)
        self.failure = batch.failure

    def _transfer(self, file: ExportFile, context: TransferContext) -> None:
        started = time.monotonic()
        transfer = Transfer(file, context)
        transfer.run()
        if file.path is not None:
            log.info("%s: %d bytes in %s", file.label, file.size, file.path)
            record_file(context.client, file.gid, file.path, file.size)
            return
        log.warning("%s: download failed: %s", file.label, file.error)
        if transfer.unanswered and (outage := context.client.outage_since(started)):
            self._outage = f"given up: {outage}"  # no other file would get a response either
            self._stop.set()

    def _need_client(self) -> Client:
        self.client = self.client or default_client()
        return self.client


class DownloadBars:
    """Progress bars in bytes, one for all files and one per file; a context manager.

    `shown` is as in `Progress`: True shows them at once, False never, None after a second.
    """

    def __init__(self, shown: bool | ProgressCallback | None) -> None:
        self._shown = shown
        self._all = Progress(None, "Asana exports", shown, unit="B")
        self._bars: dict[str, Progress] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for bar in (*self._bars.values(), self._all):
            bar.__exit__()

    def show(self, files: Sequence[ExportFile]) -> None:
        """Show the progress of the files."""
        if not callable(self._shown):
            for file in files:
                self._show(file)
        ended = sum(file.state in ("done", "failed") for file in files)
        total = sum(file.total or file.done for file in files)
        self._all.set_label(f"Asana exports {ended}/{len(files)}")
        self._all.tick(sum(file.done for file in files), total)

    def _show(self, file: ExportFile) -> None:
        label, note = file.label, file.note
        if file.state in ("done", "failed"):
            if label in self._bars:
                self._bars.pop(label).__exit__()
            return
        if label not in self._bars and (file.state == "running" or note):
            self._bars[label] = Progress(None, label, self._shown, unit="B", leave=False)
        if label in self._bars:
            self._bars[label].set_label(f"{label}: {note}" if note else label)
            self._bars[label].tick(file.done, file.total)
