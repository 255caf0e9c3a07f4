"""The steps that commands share: wait for exports, download and convert them, show the result."""

from __future__ import annotations

import argparse
import shlex
import time
from collections.abc import Callable, Iterator
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
    last_frame,
    say,
    say_error,
    write,
)
from asana_jobs_pd._download.download import download_asana_exports
from asana_jobs_pd._files import local_path
from asana_jobs_pd._jobs.states import is_cached, is_failed, is_finished
from asana_jobs_pd._monitor.wait import wait_asana_jobs
from asana_jobs_pd._parquet.convert import asana_export_to_parquet
from asana_jobs_pd._parquet.destination import destination
from asana_jobs_pd._report.table import error_texts, file_names, kind_labels, state_labels
from asana_jobs_pd.errors import AsanaJobsError, ExportWriteError, InvalidOptionError


def add_steps(parser: argparse.ArgumentParser, timeout: str) -> None:
    """Add the options for converting files, the time limit, the progress bar and the output."""
    parser.add_argument("--to", choices=("parquet",), help="convert the files to DIR/parquet")
    parser.add_argument(
        "--overwrite", action="store_true", help="replace an existing dataset in DIR/parquet"
    )
    add_timeout(parser, timeout)
    add_quiet(parser)
    add_output(parser)


def check_steps(options: argparse.Namespace, parser: argparse.ArgumentParser, name: str) -> None:
    """Exit with a usage error, before any request is made, if results could not be written.

    `name` is the option for the folder of files, whose value becomes a path here.
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


def run_steps(options: argparse.Namespace, first: Callable[[], pd.DataFrame]) -> int:
    """Run all steps, write the table and return the exit code.

    Whatever happens, the table shows the result of the last step.
    """
    frame: pd.DataFrame | None = None
    try:
        for frame in _steps(options, first):
            code = FAILED if _has_failures(frame) else SUCCESS
    except (AsanaJobsError, OSError, KeyboardInterrupt) as ending:
        frame = last_frame(ending, frame)
        code = INTERRUPTED
        if isinstance(ending, Exception):
            if frame is None:
                raise
            say_error(ending)
            code = exit_code_of(ending)
        _say_how_to_continue(frame, options.folder)
    if frame is not None:
        _write(frame, options)
    return code


def _steps(
    options: argparse.Namespace, first: Callable[[], pd.DataFrame]
) -> Iterator[pd.DataFrame]:
    """Yield the frame after each step."""
    deadline = None if options.timeout is None else time.monotonic() + options.timeout
    yield (frame := first())
    if options.wait:
        left = None if deadline is None else round(max(0.0, deadline - time.monotonic()), 1)
        yield (frame := wait_asana_jobs(frame, timeout=left, progress=options.progress))
    if options.folder is not None:
        yield (frame := download_asana_exports(frame, options.folder, progress=options.progress))
    if options.to:
        _convert(frame, options)
    if cached := int(is_cached(frame).sum()):
        say(
            f"{cached} of {len(frame)} exports come from Asana's cache: they were completed "
            "before they were requested, up to 4 hours ago."
        )


def _convert(frame: pd.DataFrame, options: argparse.Namespace) -> None:
    if frame["file.path"].isna().all():
        say("There are no files to convert.")
        return
    dest = _dataset(options.folder)
    written = asana_export_to_parquet(
        frame, dest, overwrite=options.overwrite, progress=options.progress
    )
    rows = ", ".join(f"{count:,} {name}" for name, count in written["rows"].items())
    say(f"Rows written to {dest}: {rows or 0}.")


def _say_how_to_continue(frame: pd.DataFrame | None, folder: Path | None) -> None:
    if frame is None or frame["gid"].isna().all():
        say("Ended before a job was started.")
        return
    jobs = frame[frame["gid"].notna()].drop_duplicates("gid")
    if unfinished := " ".join(jobs["gid"][~is_finished(jobs)]):
        say(f"Ended early. The jobs continue at Asana; follow them: asana-jobs watch {unfinished}")
    without_file = ~is_failed(jobs)
    if "file.path" in jobs.columns:
        without_file &= jobs["file.path"].isna().to_numpy(bool)
    if folder is not None and without_file.any():
        gids, dest = " ".join(jobs["gid"][without_file]), shlex.quote(str(folder))
        say(f"To download the files: asana-jobs download {gids} --wait --dest {dest}")


def _has_failures(frame: pd.DataFrame) -> bool:
    failed = is_failed(frame) | frame["error.kind"].notna().to_numpy(bool)
    if "source.state" in frame.columns:
        failed |= ~frame["source.state"].isin(["started", "taken"]).to_numpy(bool)
    if "file.path" in frame.columns:
        failed |= frame["file.path"].isna().to_numpy(bool)
    return bool(failed.any())


def _write(frame: pd.DataFrame, options: argparse.Namespace) -> None:
    """Write the frame; if that fails, at least print it."""
    table = _table(frame)
    try:
        write(frame, table, options.format, options.output)
    except (AsanaJobsError, OSError):
        if options.output is not None:
            write(frame, table, "table", None)
        raise


def _table(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the columns that people read: parent, job, state, status, and file or error."""
    table = pd.DataFrame(index=frame.index)
    if "source.gid" in frame.columns:
        table["parent"] = frame["source.gid"]
    table["job"] = frame["gid"]
    if "source.state" in frame.columns:
        table["state"] = frame["source.state"]
    elif "resource_subtype" in frame.columns:
        table["kind"] = kind_labels(frame)
    table["status"] = state_labels(frame).where(frame["gid"].notna())
    table["file or error"] = file_names(frame).fillna(error_texts(frame))
    return table
