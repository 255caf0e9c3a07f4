"""``asana-jobs recent``: the jobs this machine has seen."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import pandas as pd

from asana_jobs_pd._commands.console import DONE, say
from asana_jobs_pd._commands.output import add_output, check_output, write
from asana_jobs_pd._jobs.ledger import path, recent_jobs

__all__ = ["run"]

_DESCRIPTION = """\
List the jobs that were read or started on this machine, the latest first. Asana itself can list
none. They are as they were last seen: nothing is sent, and no token is needed.\
"""
_EPILOG = """\
Ask for them again:  asana-jobs recent --status in_progress --format csv | cut -d, -f1 | \\
                     tail -n +2 | asana-jobs watch -
Exit codes: 0 when all is well, also when there is none, 1 when the list cannot be read,
2 for a call that is off.
"""
_COLUMNS = {
    "gid": "gid",
    "resource_subtype": "kind",
    "status": "status",
    "source.gid": "source",
    "label": "label",
    "seen.last": "last seen (UTC)",
}


def run(words: Sequence[str]) -> int:
    """Do it, and return the exit code."""
    parser = _parser()
    options = parser.parse_args(words)
    kind = check_output(options, parser)
    jobs = recent_jobs(options.days, options.status)
    if len(jobs) or kind != "table":
        write(jobs, _table(jobs), kind, options.output)
    if (where := path()) is None:
        say("ASANA_JOBS_LEDGER turns off the list of jobs that were seen: there is none.")
    elif not len(jobs):
        say(f"No {_what(options)} in {where}. Jobs that are read or started from now on will be.")
    return DONE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="asana-jobs recent",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--days",
        type=_days,
        default=30,
        metavar="N",
        help="those last seen in so many days, or all (default: 30)",
    )
    parser.add_argument(
        "--status",
        action="append",
        metavar="STATUS",
        help="those with this status, such as in_progress; may be repeated",
    )
    add_output(parser)
    return parser


def _days(word: str) -> float | None:
    return None if word == "all" else float(word)


def _what(options: argparse.Namespace) -> str:
    status = f" that is {' or '.join(options.status)}" if options.status else ""
    return f"job{status}" + ("" if options.days is None else f" of the last {options.days:g} days")


def _table(jobs: pd.DataFrame) -> pd.DataFrame:
    return jobs[list(_COLUMNS)].rename(columns=_COLUMNS)
