"""What follows the start of exports: wait, download, convert, and show what became of each."""

from __future__ import annotations

import argparse
import shlex
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from asana_jobs_pd._cli.console import (
    FAILED,
    INTERRUPTED,
    SUCCESS,
    add_output,
    add_quiet,
    add_timeout,
    exit_code_of,
    in_cli_terms,
    say,
    say_error,
    write,
)
from asana_jobs_pd._download.download import download_asana_exports
from asana_jobs_pd._files import local_path
from asana_jobs_pd._jobs.states import is_cached, is_failed
from asana_jobs_pd._monitor.wait import wait_asana_jobs
from asana_jobs_pd._parquet.convert import asana_export_to_parquet
from asana_jobs_pd._parquet.destination import destination
from asana_jobs_pd._report.table import error_texts, file_names, kind_labels, state_labels
from asana_jobs_pd.errors import AsanaJobsError, ExportWriteError, InvalidOptionError


def add_steps(parser: argparse.ArgumentParser, timeout: str) -> None:
    """Add the options for what follows a download, for the time, the bar and the output."""
    parser.add_argument("--to", choices=("parquet",), help="convert the files to DIR/parquet")
    parser.add_argument(
        "--overwrite", action="store_true", help="replace an existing dataset in DIR/parquet"
    )
    add_timeout(parser, timeout)
    add_quiet(parser)
    add_output(parser)


def check_steps(options: argparse.Namespace, parser: argparse.ArgumentParser, name: str) -> None:
    """End with a usage error before anything is sent whose result could not be written.

    `name` is the option that names the folder of files; it is a path from here on.
    """
    if options.to and not options.folder:
        parser.error(f"--to parquet needs {name} DIR: the dataset is written to DIR/parquet")
    if options.overwrite and not options.to:
        parser.error("--overwrite needs --to parquet")
    if options.folder is None or getattr(options, "dry_run", False):
        return
    try:
        options.folder = local_path(options.folder, "dest")
        options.folder.mkdir(parents=True, exist_ok=True)
    except InvalidOptionError as error:
        parser.error(in_cli_terms(str(error)).replace("--download ", f"{name} "))
    except OSError as error:
        parser.error(f"{name} {options.folder}: {error.strerror or error}")
    if options.to:
        try:
            destination(_dataset(options.folder), overwrite=True)
            if not options.overwrite:
                destination(_dataset(options.folder))
        except ExportWriteError as error:
            parser.error(in_cli_terms(str(error).replace("dest.", "DIR.")))


def _dataset(folder: Path) -> Path:
    return folder / "parquet"


class Pipeline:
    """The steps of a command, and the frame as of the last one, whatever happens.

    `left` and `progress` are the options that a first step passes on.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        self._folder: Path | None = options.folder
        self._convert, self._overwrite = options.to is not None, options.overwrite
        self.progress = False if options.quiet else None
        self._deadline = None if options.timeout is None else time.monotonic() + options.timeout
        self._frame: pd.DataFrame | None = None

    @property
    def left(self) -> float | None:
        """The seconds that are left, None when there is no limit."""
        return None if self._deadline is None else max(0.0, self._deadline - time.monotonic())

    def run(
        self,
        first: Callable[[], pd.DataFrame],
        kind: str,
        output: Path | None,
        *,
        wait: bool = True,
    ) -> int:
        """Run all steps, write the table and return the exit code."""
        code = self._run(first, wait=wait)
        if self._frame is not None:
            _write(self._frame, kind, output)
        return code

    def _run(self, first: Callable[[], pd.DataFrame], *, wait: bool) -> int:
        try:
            frame = self._export(first, wait=wait)
            if self._convert and self._folder is not None:
                self._to_parquet(frame, self._folder)
        except KeyboardInterrupt as interrupt:
            self._end_early(interrupt)
            return INTERRUPTED
        except (AsanaJobsError, OSError) as error:
            self._keep_frame(error)
            if self._frame is None:
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

    def _export(self, first: Callable[[], pd.DataFrame], *, wait: bool) -> pd.DataFrame:
        self._frame = first()
        if wait:
            self._frame = wait_asana_jobs(self._frame, timeout=self.left, progress=self.progress)
        if self._folder is not None:
            self._frame = download_asana_exports(self._frame, self._folder, progress=self.progress)
        return self._frame

    def _to_parquet(self, frame: pd.DataFrame, folder: Path) -> None:
        if frame["file.path"].isna().all():
            say("There are no files to convert.")
            return
        dest = _dataset(folder)
        written = asana_export_to_parquet(
            frame, dest, overwrite=self._overwrite, progress=self.progress
        )
        rows = ", ".join(f"{count:,} {name}" for name, count in written["rows"].items())
        say(f"Wrote {rows} to {dest}.")

    def _keep_frame(self, ending: BaseException) -> None:
        frame = getattr(ending, "frame", None)
        self._frame = self._frame if frame is None else frame

    def _end_early(self, ending: BaseException) -> None:
        """Say which jobs there are, and how to continue with them."""
        self._keep_frame(ending)
        gids = [] if self._frame is None else self._frame["gid"].dropna().unique().tolist()
        if not gids:
            say("Ended before a job was started.")
            return
        jobs = " ".join(gids)
        say(f"Ended early. The jobs continue at Asana; follow them: asana-jobs watch {jobs}")
        if self._folder is not None:
            dest = shlex.quote(str(self._folder))
            say(f"To download their files: asana-jobs download {jobs} --wait --dest {dest}")


def _has_failures(frame: pd.DataFrame) -> bool:
    failed = is_failed(frame) | frame["error.kind"].notna().to_numpy(bool)
    if "source.state" in frame.columns:
        failed |= ~frame["source.state"].isin(["started", "taken"]).to_numpy(bool)
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
    table = pd.DataFrame(index=frame.index)
    if "source.gid" in frame.columns:
        table["parent"] = frame["source.gid"]
    table["job"] = frame["gid"]
    if "source.state" in frame.columns:
        table["state"] = frame["source.state"]
    elif "resource_subtype" in frame.columns:
        table["kind"] = kind_labels(frame["resource_subtype"])
    table["status"] = state_labels(frame).where(frame["gid"].notna())
    table["file or error"] = file_names(frame).fillna(error_texts(frame))
    return table
