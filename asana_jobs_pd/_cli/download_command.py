"""``asana-jobs download GID…``: download the files of exports and convert them."""

from __future__ import annotations

import argparse

from asana_jobs_pd._cli.console import (
    AUTHENTICATION,
    EXIT_CODES,
    add_gids,
    check_output,
    create_parser,
    gids_of,
)
from asana_jobs_pd._cli.pipeline import add_steps, check_steps, run_steps
from asana_jobs_pd._jobs.read import read_asana_jobs

_DESCRIPTION = """\
Download the files of completed exports, resumed and verified. --wait waits for unfinished jobs
first, --to parquet converts the files.\
"""
_EPILOG = f"""\
A complete file that is already there is not fetched again; an interrupted download resumes.

{AUTHENTICATION}
{EXIT_CODES.format(failed="a job has no file, or it took too long")}
"""


def download_parser() -> argparse.ArgumentParser:
    """Return the parser of ``asana-jobs download``."""
    parser = create_parser("asana-jobs download", _DESCRIPTION, _EPILOG)
    add_gids(parser)
    parser.add_argument(
        "--dest",
        dest="folder",
        default=".",
        metavar="DIR",
        help="download the files to this folder (default: the current one)",
    )
    parser.add_argument("--wait", action="store_true", help="wait until all jobs are finished")
    add_steps(parser, "with --wait: give up after this many seconds")
    parser.set_defaults(run=_run)
    return parser


def _run(options: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    check_output(options, parser)
    if options.timeout is not None and not options.wait:
        parser.error("--timeout needs --wait")
    gids = gids_of(options, parser.prog)
    check_steps(options, parser, "--dest")
    return run_steps(
        options, lambda: read_asana_jobs(gids, errors="coerce", progress=options.progress)
    )
