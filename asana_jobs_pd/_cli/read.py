"""``asana-jobs GID…``: jobs as a table."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from importlib.metadata import version

import pandas as pd

from asana_jobs_pd._cli.console import (
    DONE,
    INTERRUPTED,
    SOME_FAILED,
    add_output,
    check_output,
    gids_of_words,
    say,
    write,
)
from asana_jobs_pd._jobs.read import read_asana_jobs
from asana_jobs_pd._jobs.states import is_failed
from asana_jobs_pd._jobs.views import overview
from asana_jobs_pd._monitor.wait import wait_asana_jobs
from asana_jobs_pd.errors import ReadInterrupted

__all__ = ["run"]

_USAGE = """\
asana-jobs GID… [options]       read jobs
       asana-jobs watch GID…           look at them until they are finished
       asana-jobs export PARENT…       start graph exports, wait, download, convert
       asana-jobs recent               list the jobs this machine has seen
       asana-jobs                      the tour\
"""
_EPILOG = """\
asana-jobs watch --help, and so on, tell of the other commands. The tour shows what all this can
do, on an Asana of its own: no account is needed.

The token comes from ASANA_ACCESS_TOKEN, the keyring, or a prompt. Signed URLs are masked.
In CSV, an apostrophe stands before what a spreadsheet would run as a formula.
Exit codes: 0 when all is well, 1 when a job failed or could not be read, 2 for a call that
is off or has no token that Asana accepts, 130 when interrupted.
"""


def run(words: Sequence[str]) -> int:
    """Do it, and return the exit code."""
    parser = _parser()
    options = parser.parse_args(words)
    kind = check_output(options, parser)
    if re.fullmatch("[A-Za-z-]{2,}", options.gids[0]):
        parser.error(f"{options.gids[0]!r} is neither a gid nor a command")
    try:
        jobs = _read(options)
    except ReadInterrupted as stop:
        if stop.frame is not None:
            _write(stop.frame, kind, options)
        say(stop)
        return INTERRUPTED
    _write(jobs, kind, options)
    failures = is_failed(jobs) | jobs["error.kind"].notna().to_numpy(bool)
    return SOME_FAILED if failures.any() else DONE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="asana-jobs",
        usage=_USAGE,
        description="Read Asana's asynchronous jobs as a table.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "gids", nargs="+", metavar="GID", help="gids of jobs; - reads them from standard input"
    )
    parser.add_argument(
        "--fields",
        action="append",
        metavar="F,F,…",
        help="fields to read, such as status,new_task.name (default: all)",
    )
    parser.add_argument(
        "--errors",
        choices=("raise", "coerce", "drop"),
        default="coerce",
        help="what becomes of jobs that cannot be read (default: coerce)",
    )
    parser.add_argument("--wait", action="store_true", help="ask again until all jobs are finished")
    add_output(parser)
    parser.add_argument("--version", action="version", version=version("asana_jobs_pd"))
    return parser


def _read(options: argparse.Namespace) -> pd.DataFrame:
    fields = [name for part in options.fields or () for name in re.split(r"[,\s]+", part) if name]
    jobs = read_asana_jobs(gids_of_words(options.gids), fields or None, errors=options.errors)
    if not options.wait:
        return jobs
    return wait_asana_jobs(jobs, errors=options.errors, progress=True)


def _write(jobs: pd.DataFrame, kind: str, options: argparse.Namespace) -> None:
    table = jobs.drop(columns="fetched_at") if options.fields else overview(jobs)
    write(jobs, table, kind, options.output)
