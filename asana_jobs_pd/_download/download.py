"""Download the files of exports: resumed, verified, a few at a time."""

from __future__ import annotations

import os

import pandas as pd

from asana_jobs_pd._download.downloader import DownloadOptions, DownloadSession
from asana_jobs_pd._download.export_files import errors_of, summary
from asana_jobs_pd._files import local_path
from asana_jobs_pd._http.client import Client, check_client
from asana_jobs_pd._jobs.as_jobs import as_jobs, with_index_of
from asana_jobs_pd._jobs.gids import parse_gids
from asana_jobs_pd._jobs.read import check_errors, warn_after_call
from asana_jobs_pd._jobs.schema import dtype_of
from asana_jobs_pd._options import is_whole
from asana_jobs_pd._public import public
from asana_jobs_pd.errors import InvalidOptionError, PartialDownloadError, ReadInterrupted
from asana_jobs_pd.typing import Errors, Gids


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
    progress: bool | None = None,
) -> pd.DataFrame:
    """Download the files of succeeded exports, resumed and verified.

    Sends one ``GET`` to the signed URL of each file, and one to its job where the frame has no
    URL, or one that has expired. A file already on disk needs no request if the frame says its
    export succeeded. The token goes to Asana only.

    Parameters
    ----------
    jobs
        A frame of jobs, however it travelled, or gids as `read_asana_jobs` takes them. It is
        not changed. A repeated gid is downloaded once.
    dest
        A local folder for the files, made when it does not exist. They are named
        ``<job gid>-graph.jsonl.gz`` and ``<job gid>-resource.jsonl.gz``, or ``….jsonl`` when
        something on the way has unpacked them, and are readable by you alone. Until a file is
        complete and verified its name ends in ``.part``; companion files with the same prefix
        record its version and the downloading process.
    overwrite
        Whether to fetch a file again if it already exists. If not, its ``file.sha256`` is
        computed and compared with what the download left with it (an extended attribute); where
        there is none the file is inflated. A file with different content, an incomplete file or
        a symbolic link is replaced.
    max_workers
        How many files to download at once; each takes about 1 MiB.
    max_inflated
        Give up on a file that inflates to more bytes than this; None for no limit. Inflating
        needs time, but hardly any memory.
    errors
        What becomes of rows without a file, because the job is not an export, is unfinished or
        failed, or the download failed. ``"coerce"``: ``file.error`` says why. ``"raise"``:
        everything is downloaded first, then a `PartialDownloadError` carries the frame.
        ``"drop"``: they are left out.
    client
        The client to use; None takes the one of the last `connect`, else the environment's.
    progress
        Whether to show bars, one for all and one per file. None shows them after a second,
        unless ``ASANA_JOBS_PROGRESS=0``.

    Returns
    -------
    pandas.DataFrame
        A new frame with the rows of `jobs` in their order and with their index; a job with two
        exports has two rows, the graph export first. Our columns are cast to their dtypes; the
        signed URLs in it stay as they were, and renewed ones are not kept. Added, or replaced,
        are ``file.kind`` (``graph`` or ``resource``), ``file.path`` (absolute),
        ``file.bytes`` (on disk, ``Int64``), ``file.sha256`` (hexadecimal) and ``file.error``;
        the others are ``string``.

    Raises
    ------
    InvalidFrameError, InvalidGidError, InvalidOptionError
        Before any request is made; InvalidOptionError also when `dest` is a URL.
    PartialDownloadError
        With ``errors="raise"``, when a row has no file.
    AuthenticationError
        When the token is not accepted: at once, with the frame in ``.frame``.
    ReadInterrupted
        A KeyboardInterrupt with ``.frame``; what is on disk stays there, and the next download
        resumes it.

    Warns
    -----
    AsanaChangeWarning
        When Asana announces a change of its API; turned into an error, it carries ``.frame``.
    AsanaLedgerWarning
        When the ledger could not be written; likewise.

    See Also
    --------
    read_asana_jobs : From gids to a frame of jobs.

    Notes
    -----
    A file gets its name once its length, the CRC of its content and the end of its gzip stream
    are right. A part is resumed if its ETag has not changed, also by another process or on
    another machine; two downloads of one file wait for each other. A file that is not there yet
    is waited for until ten minutes after its export was completed, by the server's clock. Asana
    deletes export files after 30 days.
    https://developers.asana.com/reference/creategraphexport

    Examples
    --------
    >>> import asana_jobs_pd as aj
    >>> from asana_jobs_pd.sandbox import Sandbox
    >>> from tempfile import mkdtemp
    >>> with Sandbox() as asana:
    ...     gids = asana.gids(2, "graph_export_request")
    ...     asana.finish(*gids)
    ...     client = aj.connect(asana.token, base_url=asana.base_url)
    ...     files = aj.download_asana_exports(gids, mkdtemp())
    >>> list(files["file.kind"])
    ['graph', 'graph']
    """
    _check(errors, max_workers, max_inflated, client)
    folder = local_path(dest, "dest")
    rows = _frame_of(jobs)
    frame = as_jobs(rows, verified=True)
    session = DownloadSession(client, progress)
    options = DownloadOptions(max_workers, overwrite, max_inflated)
    files = with_index_of(session.fetch(frame, frame["gid"], folder, options), rows)
    return _finalize(files, session, errors)


def _frame_of(jobs: pd.DataFrame | Gids) -> pd.DataFrame:
    if isinstance(jobs, pd.DataFrame):
        return jobs
    return pd.DataFrame({"gid": pd.Series(parse_gids(jobs), dtype=dtype_of("text"))})


def _finalize(frame: pd.DataFrame, session: DownloadSession, errors: Errors) -> pd.DataFrame:
    """Return the frame, or raise how the download ended."""
    missing = frame["file.path"].isna().to_numpy(bool)
    if session.interrupted:
        raise ReadInterrupted(
            f"Interrupted: {int((~missing).sum())} of {len(frame)} files were downloaded. Partial "
            "results are in .frame (in a notebook: sys.last_value.frame); the next download "
            "resumes.",
            frame=frame,
        )
    if session.refused is not None:
        session.refused.frame = frame
        raise session.refused
    warn_after_call(session.client, frame)
    if errors == "drop":
        return frame[~missing]
    if errors == "raise" and missing.any():
        failed = errors_of(frame[missing])
        raise PartialDownloadError(summary(failed, len(frame)), frame=frame, errors=failed)
    return frame


def _check(errors: str, max_workers: object, max_inflated: object, client: Client | None) -> None:
    check_errors(errors)
    if not is_whole(max_workers, 1):
        raise InvalidOptionError(f"max_workers={max_workers!r}: give a whole number, at least 1.")
    if max_inflated is not None and not is_whole(max_inflated, 1):
        raise InvalidOptionError(f"max_inflated={max_inflated!r}: give bytes, or None.")
    check_client(client)
