"""``asana-jobs recent``: the jobs this machine has seen."""

from __future__ import annotations

import argparse
import contextlib
import math
from collections.abc import Sequence

import pandas as pd

from asana_jobs_pd._cli.console import DONE, add_output, check_output, make_parser, say, write
from asana_jobs_pd._jobs.ledger import path, recent_jobs

__all__ = ["run"]

_DESCRIPTION = """\
List the jobs that were read or started on this machine, the latest first. Asana itself can list
none. They are as they were last seen: nothing is sent, and no token is needed.\
"""
_EPILOG = """\
Watch those that were not finished, with a gid a line in between:

  asana-jobs recent --status not_started --status in_progress --format gids | asana-jobs watch -

Exit codes: 0 when all is well, also when there is no job, 1 when the list cannot be read, 2 for a
call that is off.
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
        say(f"{_none(options)} {where} keeps those that are read or started.")
    return DONE


def _parser() -> argparse.ArgumentParser:
    parser = make_parser("asana-jobs recent", _DESCRIPTION, _EPILOG)
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
    add_output(parser, "gids")
    return parser


def _days(word: str) -> float | None:
    if word == "all":
        return None
    with contextlib.suppress(ValueError):
        if 0 <= (days := float(word)) < math.inf:
            return days
    raise argparse.ArgumentTypeError(f"{word!r} is neither a number of days nor all")


def _none(options: argparse.Namespace) -> str:
    status = f" with status {' or '.join(options.status)}" if options.status else ""
    days = "" if options.days is None else f" in the last {options.days:g} days"
    return f"No job{status} was seen{days}."


def _table(jobs: pd.DataFrame) -> pd.DataFrame:
    return jobs[list(_COLUMNS)].rename(columns=_COLUMNS)
