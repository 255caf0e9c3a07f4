"""``asana-jobs export PARENT…``: start graph exports, download and convert them."""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from asana_jobs_pd._cli.console import (
    AUTHENTICATION,
    EXIT_CODES,
    FAILED,
    INTERRUPTED,
    SUCCESS,
    add_output,
    add_quiet,
    add_timeout,
    check_output,
    create_parser,
    exit_code_of,
    in_cli_terms,
    say,
    say_error,
    split_gids,
    state_labels,
    write,
)
from asana_jobs_pd._download.download import download_asana_exports
from asana_jobs_pd._files import local_path
from asana_jobs_pd._jobs.schema import dtype_of
from asana_jobs_pd._jobs.states import is_cached, is_failed
from asana_jobs_pd._monitor.wait import wait_asana_jobs
from asana_jobs_pd._parquet.convert import asana_export_to_parquet
from asana_jobs_pd._parquet.destination import destination
from asana_jobs_pd._start.api import export_graph
from asana_jobs_pd.errors import (
    AsanaJobsError,
    AsanaStartWarning,
    ExportWriteError,
    InvalidOptionError,
)

_DESCRIPTION = """\
Start a graph export of each goal, team, portfolio or project and wait until all are finished.
--download fetches the files, --to parquet converts them.\
"""
_EPILOG = f"""\
Asana runs five jobs per user at a time; with more parents, the next one starts when one ends. An
export is never requested twice, unless it is certain that the first request started nothing. Graph
exports require an Enterprise plan; with more than 1,000 tasks, they may come from Asana's cache
and be up to 4 hours old.

Whatever happens, the table has a row for each parent, with the gid of the job that was started.
{AUTHENTICATION}
{EXIT_CODES.format(failed="a parent, a job or a file failed, or it took too long")}
"""


def run(arguments: Sequence[str]) -> int:
    """Run the command and return the exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    kind = check_output(options, parser)
    if options.to and not options.download:
        parser.error("--to parquet needs --download DIR: the dataset is written to DIR/parquet")
    if options.overwrite and not options.to:
        parser.error("--overwrite needs --to parquet")
    parents = split_gids(options.parents, "asana-jobs export")
    if options.dry_run:
        requests = export_graph(parents, dry_run=True)
        write(requests, requests, kind, options.output)
        return SUCCESS
    _check_folders(options, parser)
    pipeline = _Pipeline(options)
    code = pipeline.run(parents)
    if pipeline.frame is not None:
        _write(pipeline.frame, kind, options.output)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = create_parser("asana-jobs export", _DESCRIPTION, _EPILOG)
    parser.add_argument(
        "parents",
        nargs="+",
        metavar="PARENT",
        help="parent gids, separated by spaces or commas; - reads them from standard input",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="print the requests without sending them"
    )
    parser.add_argument("--download", metavar="DIR", help="download the files to this folder")
    parser.add_argument("--to", choices=("parquet",), help="convert the files to DIR/parquet")
    parser.add_argument(
        "--overwrite", action="store_true", help="replace an existing dataset in DIR/parquet"
    )
    add_timeout(parser, "give up after this many seconds; jobs that were started continue")
    add_quiet(parser)
    add_output(parser)
    return parser


def _check_folders(options: argparse.Namespace, parser: argparse.ArgumentParser) -> None:
    """End with a usage error before anything is started whose result could not be written."""
    if options.download is None:
        return
    try:
        options.download = local_path(options.download, "dest")
        options.download.mkdir(parents=True, exist_ok=True)
    except InvalidOptionError as error:
        parser.error(in_cli_terms(str(error)))
    except OSError as error:
        parser.error(f"--download {options.download}: {error.strerror or error}")
    if options.to:
        try:
            destination(_dataset(options.download), overwrite=True)
            if not options.overwrite:
                destination(_dataset(options.download))
        except ExportWriteError as error:
            parser.error(in_cli_terms(str(error).replace("dest.", "DIR.")))


def _dataset(folder: Path) -> Path:
    return folder / "parquet"


class _Pipeline:
    """The steps of the command, and the frame as of the last one, whatever happens."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._folder: Path | None = options.download
        self._convert, self._overwrite = options.to is not None, options.overwrite
        self._shown = False if options.quiet else None
        self._deadline = None if options.timeout is None else time.monotonic() + options.timeout
        self.frame: pd.DataFrame | None = None

    def run(self, parents: Sequence[str]) -> int:
        """Run all steps and return the exit code."""
        try:
            frame = self._export(parents)
            if self._convert and self._folder is not None:
                self._to_parquet(frame, self._folder)
        except KeyboardInterrupt as interrupt:
            self._end_early(interrupt)
            return INTERRUPTED
        except (AsanaJobsError, OSError) as error:
            self._keep_frame(error)
            if self.frame is None:
                raise
            say_error(error)
            self._end_early(error)
            return exit_code_of(error)
        if cached := int(is_cached(frame).sum()):
            say(
                f"{cached} of {len(frame)} exports come from Asana's cache: they were completed "
                "before they were requested, up to 4 hours ago."
            )
        return FAILED if _has_failures(frame) else SUCCESS

    def _export(self, parents: Sequence[str]) -> pd.DataFrame:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", AsanaStartWarning)  # the table and _end_early say it
            self.frame = export_graph(parents, timeout=self._left(), progress=self._shown)
        self.frame = wait_asana_jobs(self.frame, timeout=self._left(), progress=self._shown)
        if self._folder is not None:
            self.frame = download_asana_exports(self.frame, self._folder, progress=self._shown)
        return self.frame

    def _left(self) -> float | None:
        return None if self._deadline is None else max(0.0, self._deadline - time.monotonic())

    def _to_parquet(self, frame: pd.DataFrame, folder: Path) -> None:
        if frame["file.path"].isna().all():
            say("There are no files to convert.")
            return
        dest = _dataset(folder)
        written = asana_export_to_parquet(
            frame, dest, overwrite=self._overwrite, progress=self._shown
        )
        rows = ", ".join(f"{count:,} {name}" for name, count in written["rows"].items())
        say(f"Wrote {rows} to {dest}.")

    def _keep_frame(self, ending: BaseException) -> None:
        frame = getattr(ending, "frame", None)
        self.frame = self.frame if frame is None else frame

    def _end_early(self, ending: BaseException) -> None:
        """Say which jobs were started, and how to continue with them."""
        self._keep_frame(ending)
        gids = [] if self.frame is None else self.frame["gid"].dropna().unique().tolist()
        if not gids:
            say("Ended before a job was started.")
            return
        jobs = " ".join(gids)
        say(f"Ended early. The jobs continue at Asana; follow them: asana-jobs watch {jobs}")
        if self._folder is not None:
            folder = str(self._folder)
            say(f"To download the files in Python: download_asana_exports([…], {folder!r})")


def _has_failures(frame: pd.DataFrame) -> bool:
    failed = is_failed(frame) | (frame["source.state"] != "started").to_numpy(bool)
    failed |= frame["error.kind"].notna().to_numpy(bool)
    if "file.path" in frame.columns:
        failed |= frame["file.path"].isna().to_numpy(bool)
    return bool(failed.any())


def _write(frame: pd.DataFrame, kind: str, output: Path | None) -> None:
    """Write the frame; if that fails, at least print it."""
    table = export_table(frame)
    try:
        write(frame, table, kind, output)
    except (AsanaJobsError, OSError):
        if output is not None:
            write(frame, table, "table", None)
        raise


def export_table(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the columns that people read: parent, job, state, status, and file or error."""
    columns = {"source.gid": "parent", "gid": "job", "source.state": "state", "status": "status"}
    table = frame[list(columns)].rename(columns=columns)
    table["status"] = state_labels(frame).where(frame["gid"].notna())
    text = dtype_of("text")
    status = (frame["error.status"].astype(text) + " ").fillna("")
    last = (status + frame["error.message"]).astype(text)
    if "file.path" in frame.columns:
        files = frame["file.path"].map(lambda path: Path(path).name, na_action="ignore")
        last = files.astype(text).fillna(last).fillna(frame["file.error"].astype(text))
    table["file or error"] = last
    return table
