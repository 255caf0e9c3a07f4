"""``asana-jobs recent``: list the jobs known on this machine."""

from __future__ import annotations

import argparse
import contextlib
import math
import os
from pathlib import Path

import pandas as pd

from asana_jobs_pd._cli.console import (
    SUCCESS,
    add_output,
    check_output,
    create_parser,
    say,
    write,
)
from asana_jobs_pd._http.addresses import is_loopback
from asana_jobs_pd._jobs.eta import usual_times
from asana_jobs_pd._jobs.ledger import SETTING, path, recent_jobs
from asana_jobs_pd._report.table import kind_labels, state_labels

_DESCRIPTION = """\
List the jobs that were read or started on this machine, latest first: Asana itself cannot list
jobs. They are shown as last seen; no request is made, and no token is needed.\
"""
_EPILOG = """\
To watch the jobs that were unfinished:

  asana-jobs recent --status not_started --status in_progress --format gids | asana-jobs watch -

Exit codes: 0 success, even without jobs, 1 the list cannot be read, 2 invalid usage.
"""
_COLUMNS = {
    "gid": "gid",
    "resource_subtype": "kind",
    "status": "status",
    "source.gid": "source",
    "label": "label",
    "seen.last": "last seen (UTC)",
}


def recent_parser() -> argparse.ArgumentParser:
    """Return the parser of ``asana-jobs recent``."""
    parser = create_parser("asana-jobs recent", _DESCRIPTION, _EPILOG)
    parser.add_argument(
        "--days",
        type=_days,
        default=30,
        metavar="N",
        help="jobs last seen within N days: N, or the word 'all' (default: 30)",
    )
    parser.add_argument(
        "--status",
        action="append",
        type=lambda text: text.replace(" ", "_"),
        metavar="STATUS",
        help="jobs with this status, such as in_progress; may be repeated",
    )
    add_output(parser, "gids")
    parser.set_defaults(run=_run)
    return parser


def _run(options: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    check_output(options, parser)
    jobs = recent_jobs(options.days, options.status)
    if len(jobs) or options.format != "table":
        write(jobs, _table(jobs), options.format, options.output)
    if (ledger := path()) is None:
        say("There is no list of known jobs: ASANA_JOBS_LEDGER turns it off.")
    elif not len(jobs):
        say(f"{_no_jobs(options)} {_where_listed(ledger)}")
    return SUCCESS


def _days(text: str) -> float | None:
    if text == "all":
        return None
    with contextlib.suppress(ValueError):
        if 0 <= (days := float(text)) < math.inf:
            return days
    raise argparse.ArgumentTypeError(f"{text!r} is neither a number of days nor the word 'all'")


def _no_jobs(options: argparse.Namespace) -> str:
    status = f" with status {' or '.join(options.status)}" if options.status else ""
    days = "" if options.days is None else f" in the last {options.days:g} days"
    return f"No jobs{status} were seen{days}."


def _where_listed(ledger: Path) -> str:
    if is_loopback(os.environ.get("ASANA_BASE_URL", "")) and not os.environ.get(SETTING):
        return (
            "Jobs of a loopback address, such as a sandbox, are only recorded in a file of their "
            f"own: set {SETTING}=FILE."
        )
    return f"Jobs that are read or started are listed in {ledger}."


def _table(jobs: pd.DataFrame) -> pd.DataFrame:
    table = jobs[list(_COLUMNS)].rename(columns=_COLUMNS)
    estimates = jobs["gid"].map(usual_times(jobs)).astype("string")
    return table.assign(kind=kind_labels(jobs), status=state_labels(jobs), estimate=estimates)
