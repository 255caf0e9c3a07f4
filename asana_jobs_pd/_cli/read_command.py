"""``asana-jobs GID…``, or ``asana-jobs read GID…``: read jobs as a table."""

from __future__ import annotations

import argparse
import re
from importlib.metadata import version

import pandas as pd

from asana_jobs_pd._cli.console import (
    AUTHENTICATION,
    EXIT_CODES,
    FAILED,
    INTERRUPTED,
    SUCCESS,
    add_fields,
    add_gids,
    add_output,
    add_quiet,
    add_timeout,
    check_output,
    create_parser,
    gids_of,
    last_frame,
    say_error,
    write,
)
from asana_jobs_pd._jobs.eta import usual_times
from asana_jobs_pd._jobs.read import read_asana_jobs
from asana_jobs_pd._jobs.states import is_failed
from asana_jobs_pd._monitor.wait import wait_asana_jobs
from asana_jobs_pd._report.table import job_table
from asana_jobs_pd.errors import WaitTimeoutError

_USAGE = """\
asana-jobs [read] GID… [options]   read jobs
       asana-jobs watch GID…              follow jobs until they are finished
       asana-jobs download GID…           download the files of exports
       asana-jobs export PARENT…          start graph exports, wait, download, convert
       asana-jobs export-resources WORKSPACE --tasks   the same for resource exports
       asana-jobs recent                  list the jobs known on this machine
       asana-jobs completion SHELL        complete commands and options in a shell
       asana-jobs                         take the tour\
"""
_EPILOG = f"""\
Each command has its own --help, such as asana-jobs watch --help. The tour needs no account: the
package ships a mock Asana server.

{AUTHENTICATION} Signed URLs are masked.
In CSV, text that a spreadsheet would run as a formula is prefixed with an apostrophe; on standard
output, control characters are replaced.
{EXIT_CODES.format(failed="a job failed, could not be read or did not finish in time")}
"""


def read_parser() -> argparse.ArgumentParser:
    """Return the parser of ``asana-jobs read``, which also describes the other commands."""
    parser = create_parser("asana-jobs", "Read Asana's asynchronous jobs as a table.", _EPILOG)
    parser.usage = _USAGE
    add_gids(parser)
    add_fields(parser, "fields to read, such as status,new_task.name (default: all)")
    parser.add_argument(
        "--errors",
        choices=("raise", "coerce", "drop"),
        default="coerce",
        help="jobs that cannot be read: fail, keep their rows (default), or drop them",
    )
    parser.add_argument("--wait", action="store_true", help="wait until all jobs are finished")
    add_timeout(parser, "with --wait: give up after this many seconds")
    add_quiet(parser)
    add_output(parser)
    parser.add_argument("--version", action="version", version=version("asana_jobs_pd"))
    parser.set_defaults(run=_run)
    return parser


def _run(options: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    check_output(options, parser)
    if options.gids and re.fullmatch("[A-Za-z-]{2,}", options.gids[0]):
        parser.error(f"{options.gids[0]!r} is neither a gid nor a command")
    if options.timeout is not None and not options.wait:
        parser.error("--timeout needs --wait")
    gids, jobs = gids_of(options), None
    try:
        jobs = read_asana_jobs(
            gids, options.fields or None, errors=options.errors, progress=options.progress
        )
        if options.wait:
            jobs = wait_asana_jobs(
                jobs,
                errors=options.errors,
                timeout=options.timeout,
                progress=options.progress is None,
            )
    except (KeyboardInterrupt, WaitTimeoutError) as ending:
        jobs = last_frame(ending, jobs)
        if jobs is not None:
            _write(jobs, options)
        say_error(str(ending) or "Interrupted.")
        return FAILED if isinstance(ending, WaitTimeoutError) else INTERRUPTED
    _write(jobs, options)
    failures = is_failed(jobs) | jobs["error.kind"].notna().to_numpy(bool)
    return FAILED if failures.any() else SUCCESS


def _write(jobs: pd.DataFrame, options: argparse.Namespace) -> None:
    estimates = usual_times(jobs)
    table = jobs.drop(columns="fetched_at") if options.fields else job_table(jobs, estimates)
    write(jobs, table, options.format, options.output)
