"""The command line: ``python -m asana_jobs_pd``, or ``asana-jobs``."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import pandas as pd

from asana_jobs_pd._atomic import replace_file
from asana_jobs_pd._formulas import disarm_frame
from asana_jobs_pd._jobs.read import read_asana_jobs
from asana_jobs_pd._jobs.states import is_failed
from asana_jobs_pd._jobs.wait import wait_asana_jobs
from asana_jobs_pd._table import masked, overview, render
from asana_jobs_pd.errors import (
    AsanaJobsError,
    PartialReadError,
    ReadInterrupted,
)

__all__ = ["main"]

DONE, SOME_FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130
FORMATS = ("table", "csv", "json", "parquet")
_EPILOG = """\
Without arguments it shows what it can do, on an Asana of its own: no account is needed.

The token comes from ASANA_ACCESS_TOKEN, the keyring, or a prompt. Signed URLs are masked.
In CSV, an apostrophe stands before what a spreadsheet would run as a formula.
Exit codes: 0 when all is well, 1 when a job failed or could not be read, 2 for a call that
is off or has no token that Asana accepts, 130 when interrupted.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if not options.gids:
        return _demo()
    kind = _format(options, parser)
    try:
        jobs = _read(options)
    except ReadInterrupted as stop:
        if stop.frame is not None:
            _write(stop.frame, kind, options)
        print(f"asana-jobs: {stop}", file=sys.stderr)
        return INTERRUPTED
    except PartialReadError as error:
        print(f"asana-jobs: {error}", file=sys.stderr)
        return SOME_FAILED
    except AsanaJobsError as error:
        print(f"asana-jobs: {error}", file=sys.stderr)
        return USAGE
    _write(jobs, kind, options)
    failures = is_failed(jobs) | jobs["error.kind"].notna().to_numpy(bool)
    return SOME_FAILED if failures.any() else DONE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="asana-jobs",
        description="Read Asana's asynchronous jobs as a table.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "gids", nargs="*", metavar="GID", help="gids of jobs; - reads them from standard input"
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
    parser.add_argument(
        "--format", choices=FORMATS, help="default: by the suffix of --output, else table"
    )
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help="write there instead of to standard output"
    )
    parser.add_argument("--version", action="version", version=version("asana_jobs_pd"))
    return parser


def _format(options: argparse.Namespace, parser: argparse.ArgumentParser) -> str:
    suffix = options.output.suffix.lstrip(".").lower() if options.output else "table"
    kind: str = options.format or suffix
    if kind not in FORMATS:
        parser.error(f"--output {options.output}: say --format csv, json or parquet")
    if kind == "parquet" and not options.output:
        parser.error("--format parquet needs --output FILE: it is not text")
    return kind


def _demo() -> int:
    from asana_jobs_pd._demo import run_demo  # noqa: PLC0415  the sandbox is for the demo alone

    try:
        run_demo()
    except KeyboardInterrupt:
        return INTERRUPTED
    return DONE


def _read(options: argparse.Namespace) -> pd.DataFrame:
    fields = [name for part in options.fields or () for name in re.split(r"[,\s]+", part) if name]
    jobs = read_asana_jobs(_gids(options.gids), fields or None, errors=options.errors)
    if not options.wait:
        return jobs
    return wait_asana_jobs(jobs, errors=options.errors, progress=True)


def _gids(arguments: Sequence[str]) -> list[str]:
    gids: list[str] = []
    for argument in arguments:
        text = sys.stdin.read() if argument == "-" else argument
        gids += re.split(r"[\s,]+", text.strip()) if text.strip() else []
    return gids


def _write(jobs: pd.DataFrame, kind: str, options: argparse.Namespace) -> None:
    if kind == "table":
        table = jobs.drop(columns="fetched_at") if options.fields else overview(jobs)
        text = render(masked(table).dropna(axis=1, how="all")) + "\n"
    elif kind == "csv":
        text = disarm_frame(masked(jobs)).to_csv(index=False)
    elif kind == "json":
        records = masked(jobs).to_json(
            orient="records", date_format="iso", date_unit="us", indent=1
        )
        text = f"{records}\n"
    if options.output is None:
        sys.stdout.write(text)
    elif kind == "parquet":
        replace_file(options.output, lambda path: masked(jobs).to_parquet(path, index=False))
    else:
        replace_file(options.output, lambda path: path.write_text(text, encoding="utf-8"))


if __name__ == "__main__":
    sys.exit(main())
