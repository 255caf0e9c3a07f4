"""``asana-jobs export PARENT…``: from parents to graph exports, files and Parquet."""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from asana_jobs_pd._cli.console import (
    DONE,
    INTERRUPTED,
    SOME_FAILED,
    add_output,
    check_output,
    code_of,
    gids_of_words,
    make_parser,
    say,
    write,
)
from asana_jobs_pd._download.download import download_asana_exports
from asana_jobs_pd._jobs.schema import dtype_of
from asana_jobs_pd._jobs.states import is_cached, is_failed
from asana_jobs_pd._monitor.wait import wait_asana_jobs
from asana_jobs_pd._parquet.convert import asana_export_to_parquet
from asana_jobs_pd._parquet.destination import destination
from asana_jobs_pd._start.api import export_graph
from asana_jobs_pd.errors import AsanaJobsError, AsanaStartWarning, ExportWriteError

__all__ = ["run"]

_DESCRIPTION = """\
Start a graph export of each goal, team, portfolio or project, and wait until all are finished;
download the files with --download, and convert them with --to parquet.\
"""
_EPILOG = """\
Asana lets a user run five jobs at a time: with more parents, the next is started as one ends. An
export is never sent twice, unless it surely started nothing. Graph exports are for Enterprise
organizations; of more than 1,000 tasks they may come out of Asana's cache, up to 4 hours old.

However it ends, the table has a row for each parent, with the gid of the job that was started.
The token comes from ASANA_ACCESS_TOKEN, the keyring, or a prompt.
Exit codes: 0 when all is well, 1 when a parent, a job or a file failed, 2 for a call that is off
or has no token that Asana accepts, 130 when interrupted.
"""


def run(words: Sequence[str]) -> int:
    """Do it, and return the exit code."""
    parser = _parser()
    options = parser.parse_args(words)
    kind = check_output(options, parser)
    if options.to and not options.download:
        parser.error("--to parquet needs --download DIR: DIR/parquet is where it goes")
    if options.overwrite and not options.to:
        parser.error("--overwrite is for --to parquet")
    parents = gids_of_words(options.parents)
    if options.dry_run:
        requests = export_graph(parents, dry_run=True)
        write(requests, requests, kind, options.output)
        return DONE
    _check_folders(options, parser)
    work = _Work(options.download)
    code = _carry_out(work, parents, options)
    if work.frame is not None:
        _write(work.frame, kind, options.output)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = make_parser("asana-jobs export", _DESCRIPTION, _EPILOG)
    parser.add_argument(
        "parents",
        nargs="+",
        metavar="PARENT",
        help="gids of what is exported; - reads them from standard input",
    )
    parser.add_argument("--dry-run", action="store_true", help="show what would be sent, only")
    parser.add_argument("--download", type=Path, metavar="DIR", help="download the files there")
    parser.add_argument("--to", choices=("parquet",), help="convert them to DIR/parquet")
    parser.add_argument(
        "--overwrite", action="store_true", help="replace the dataset that is in DIR/parquet"
    )
    add_output(parser)
    return parser


def _check_folders(options: argparse.Namespace, parser: argparse.ArgumentParser) -> None:
    """End with a usage error before anything is started that could not be kept in the end."""
    if options.download is None:
        return
    options.download = options.download.expanduser()
    try:
        options.download.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        parser.error(f"--download {options.download}: {error.strerror or error}")
    if options.to:
        try:
            destination(_dataset(options.download), overwrite=True)
            if not options.overwrite:
                destination(_dataset(options.download))
        except ExportWriteError as error:
            words = str(error).replace("overwrite=True", "--overwrite")
            parser.error(words.replace("dest.", "DIR."))


def _dataset(folder: Path) -> Path:
    return folder / "parquet"


class _Work:
    """What is done one after the other, and the frame as it stands meanwhile."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self.frame: pd.DataFrame | None = None

    def export(self, parents: Sequence[str]) -> None:
        """Start, wait and download."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", AsanaStartWarning)  # the table says it, and _tell
            self.frame = export_graph(parents)
        self.frame = wait_asana_jobs(self.frame)
        if self._folder is not None:
            self.frame = download_asana_exports(self.frame, self._folder)

    def convert(self, *, overwrite: bool) -> None:
        """Convert what was downloaded."""
        if self.frame is None or self._folder is None:
            return
        paths = self.frame["file.path"].dropna().unique().tolist()
        if not paths:
            say("There is no file to convert.")
            return
        dest = _dataset(self._folder)
        report = asana_export_to_parquet(paths, dest, overwrite=overwrite)
        rows = ", ".join(f"{count:,} {name}" for name, count in report["rows"].items())
        say(f"{dest} holds {rows}.")


def _carry_out(work: _Work, parents: Sequence[str], options: argparse.Namespace) -> int:
    """Do the work, and return the exit code; whatever ends it, what was started is kept."""
    try:
        work.export(parents)
        if options.to:
            work.convert(overwrite=options.overwrite)
    except KeyboardInterrupt as stop:
        _keep(work, stop)
        _tell_rest(work, options.download)
        return INTERRUPTED
    except (AsanaJobsError, OSError) as error:
        _keep(work, error)
        if work.frame is None:
            raise
        say(error)
        _tell_rest(work, options.download)
        return code_of(error)
    frame = work.frame
    if frame is None:
        return DONE
    if cached := int(is_cached(frame).sum()):
        say(
            f"{cached} of {len(frame)} exports come from Asana's cache: they were completed before "
            "they were requested, up to 4 hours ago."
        )
    return SOME_FAILED if _failures(frame) else DONE


def _keep(work: _Work, error: BaseException) -> None:
    frame = getattr(error, "frame", None)
    work.frame = work.frame if frame is None else frame


def _tell_rest(work: _Work, folder: Path | None) -> None:
    """Say what was started, and how to go on with it."""
    gids = [] if work.frame is None else work.frame["gid"].dropna().unique().tolist()
    if not gids:
        say("Ended before a job was started.")
        return
    say(f"Ended early. Asana goes on with what was started: asana-jobs watch {' '.join(gids)}")
    if folder is not None:
        say(f"In Python, download_asana_exports([gids], {str(folder)!r}) downloads the files.")


def _failures(frame: pd.DataFrame) -> bool:
    failed = is_failed(frame) | (frame["source.state"] != "started").to_numpy(bool)
    failed |= frame["error.kind"].notna().to_numpy(bool)
    if "file.path" in frame.columns:
        failed |= frame["file.path"].isna().to_numpy(bool)
    return bool(failed.any())


def _write(frame: pd.DataFrame, kind: str, output: Path | None) -> None:
    """Write the frame; where that fails, at least show it."""
    table = overview_of_exports(frame)
    try:
        write(frame, table, kind, output)
    except (AsanaJobsError, OSError):
        if output is not None:
            write(frame, table, "table", None)
        raise


def overview_of_exports(frame: pd.DataFrame) -> pd.DataFrame:
    """Return what tells most: parent, job, state, status, and the file, or why there is none."""
    columns = {"source.gid": "parent", "gid": "job", "source.state": "state", "status": "status"}
    table = frame[list(columns)].rename(columns=columns)
    text = dtype_of("text")
    status = (frame["error.status"].astype(text) + " ").fillna("")
    last = (status + frame["error.message"]).astype(text)
    if "file.path" in frame.columns:
        files = frame["file.path"].map(lambda path: Path(path).name, na_action="ignore")
        last = files.astype(text).fillna(last).fillna(frame["file.error"].astype(text))
    table["file or error"] = last
    return table
