"""What commands share: arguments, messages, exit codes and output formats."""

from __future__ import annotations

import argparse
import os
import re
import shlex
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from asana_jobs_pd._files import local_path, replace_file
from asana_jobs_pd._jobs.states import kinds_of
from asana_jobs_pd._jobs.views import masked, render
from asana_jobs_pd._report.excel import escape_formulas
from asana_jobs_pd._vocabulary import kind_label, state_label, states_of
from asana_jobs_pd.errors import (
    AsanaChangeWarning,
    AsanaJobsError,
    AsanaLedgerWarning,
    AsanaStartWarning,
    AsanaValueWarning,
    AuthenticationError,
    InvalidFieldError,
    InvalidFrameError,
    InvalidGidError,
    InvalidOptionError,
    MissingExtraError,
    TokenError,
)

SUCCESS, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130
BROKEN_PIPE = 141
"""What a shell reports when nobody reads the output any more, as in ``… | head``."""
AUTHENTICATION = "The token is read from ASANA_ACCESS_TOKEN, the keyring, or a prompt."
EXIT_CODES = (
    "Exit codes: 0 success, 1 {failed}, 2 invalid usage or no valid token,\n130 interrupted."
)
_USAGE_ERRORS = (
    AuthenticationError,
    InvalidFieldError,
    InvalidFrameError,
    InvalidGidError,
    InvalidOptionError,
    MissingExtraError,
    TokenError,
)
_WARNINGS = (AsanaChangeWarning, AsanaLedgerWarning, AsanaStartWarning, AsanaValueWarning)

_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters other than tab and newline
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # changes of the text direction
    "\ud800-\udfff]"  # halves of surrogate pairs
)
_NOT_STORABLE = re.compile("[\x00\ud800-\udfff]")
"""What a text file in UTF-8 cannot hold."""

_TEXT_FILE = re.compile(r"(?!.*://).*\.(?:csv|tsv|txt)", re.IGNORECASE)

_PYTHON_ONLY = re.compile(r"\bstrict=|\.frame\b|\brefresh\(|\bfinished=True")
"""Sentences with one of these say how to go on in Python."""
_CLI_TERMS = (
    (re.compile(r"\b(?:gids|parents)\[\d+\](?: =|:)? "), ""),
    (re.compile(r"[;,]? or call (?:asana_jobs_pd\.|aj\.)?connect\([^)]*\)[^.;]*"), ""),
    (re.compile(r"\bexport_graph(?= needs )"), "this command"),
    (re.compile(r"\boverwrite=True\b"), "--overwrite"),
    (re.compile(r"\bdest="), "--download "),
    (re.compile(r"\bpath="), "--output "),
)
"""Names of Python options, and what they are called on the command line."""


def say(message: object) -> None:
    """Print a message to standard error in the terms of the command line."""
    text = "\n".join(filter(None, map(_in_cli_terms, str(message).splitlines())))
    print(f"asana-jobs: {_printable(text)}", file=sys.stderr)


def _in_cli_terms(line: str) -> str:
    sentences = re.split(r"(?<=[.?!]) (?=[A-Z])", line)
    text = " ".join(part for part in sentences if not _PYTHON_ONLY.search(part))
    for pattern, replacement in _CLI_TERMS:
        text = pattern.sub(replacement, text)
    return text


def _printable(text: str) -> str:
    return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def create_parser(prog: str, description: str, epilog: str) -> argparse.ArgumentParser:
    """Return a parser that keeps the line breaks of its texts."""
    return argparse.ArgumentParser(
        prog=prog,
        description=description,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def exit_code_of(error: Exception) -> int:
    """Return the exit code of an error: invalid usage, or a failure."""
    return USAGE if isinstance(error, _USAGE_ERRORS) else FAILED


def run_guarded(command: Callable[[], int]) -> int:
    """Run a command, print errors and warnings as messages, and return the exit code."""
    with _warnings_as_messages():
        try:
            code = command()
            if sys.stdout is not None:
                sys.stdout.flush()
        except BrokenPipeError:
            return _end_without_reader()
        except KeyboardInterrupt as interrupt:
            say(str(interrupt) or "Interrupted.")
            return INTERRUPTED
        except (AsanaJobsError, OSError) as error:
            say(error)
            return exit_code_of(error)
    return code


def _end_without_reader() -> int:
    with open(os.devnull, "w") as devnull:  # noqa: PTH123  else Python complains at exit
        os.dup2(devnull.fileno(), sys.stdout.fileno())
    return BROKEN_PIPE


@contextmanager
def _warnings_as_messages() -> Iterator[None]:
    """Print our own warnings without the line of code that Python would show."""
    with warnings.catch_warnings():
        for category in _WARNINGS:
            warnings.simplefilter("always", category)
        show_other = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *args: Any, **more: Any) -> None:
            if issubclass(category, _WARNINGS):
                say(message)
            else:
                show_other(message, category, *args, **more)

        warnings.showwarning = show
        yield


FORMATS = ("table", "csv", "json", "parquet")


def add_gids(parser: argparse.ArgumentParser) -> None:
    """Add the gids of jobs as arguments."""
    parser.add_argument(
        "gids",
        nargs="+",
        metavar="GID",
        help="job gids, separated by spaces or commas; - reads them from standard input",
    )


def split_gids(arguments: Sequence[str], prog: str = "asana-jobs") -> list[str]:
    """Return the gids of arguments, split at blanks and commas; ``-`` is standard input."""
    gids: list[str] = []
    for argument in arguments:
        if _TEXT_FILE.fullmatch(argument):
            raise InvalidGidError(
                f"{argument!r} is a file name, not a gid. To read the gids in it: "
                f"cat {shlex.quote(argument)} | {prog} -"
            )
        text = _standard_input() if argument == "-" else argument
        parts = [part for part in re.split(r"[\s,]+", text) if part]
        if argument == "-" and parts and not re.search("[0-9]", parts[0]):
            raise InvalidGidError(
                f"cat … | {prog} - reads gids only, but standard input begins with {parts[0]!r}. "
                "Leave out a header, for example with tail -n +2 instead of cat."
            )
        gids += parts
    return gids


def _standard_input() -> str:
    if sys.stdin is None:
        raise OSError("Standard input is closed: give the gids as arguments.")
    return sys.stdin.read()


def add_output(parser: argparse.ArgumentParser, *formats: str) -> None:
    """Add the options for the output format, with further formats, and the output file."""
    parser.add_argument(
        "--format",
        choices=(*FORMATS, *formats),
        help="format of the table of jobs (default: from the suffix of --output, else table)",
    )
    parser.add_argument(
        "--output", metavar="FILE", help="write to this file instead of standard output"
    )


def check_output(options: argparse.Namespace, parser: argparse.ArgumentParser) -> str:
    """Return the output format; end with a usage error if it could not be written."""
    if options.output is not None:
        try:
            options.output = local_path(options.output, "path", "file")
        except InvalidOptionError as error:
            parser.error(str(error).replace("path=", "--output "))
    path: Path | None = options.output
    suffix = path.suffix.lstrip(".").lower() if path else "table"
    kind: str = options.format or suffix
    if kind not in FORMATS and not options.format:
        parser.error(f"--output {path}: add --format csv, json or parquet")
    if kind == "parquet" and not path:
        parser.error("--format parquet is binary: add --output FILE")
    if path and not path.parent.is_dir():
        parser.error(f"--output {path}: there is no folder {path.parent}")
    if path and path.is_dir():
        parser.error(f"--output {path} is a folder; give the name of a file in it")
    return kind


def write(frame: pd.DataFrame, table: pd.DataFrame, kind: str, output: Path | None) -> None:
    """Write a frame to a file or to standard output, with signed URLs masked.

    CSV, JSON and Parquet hold `frame`; people see `table`, without its empty columns.
    """
    if kind == "parquet" and output is not None:
        replace_file(output, lambda path: masked(frame).to_parquet(path, index=False))
        return
    text = _text(frame, table, kind)
    if output is None and sys.stdout is None:
        raise OSError("Standard output is closed: give --output FILE.")
    if output is None:
        sys.stdout.write(_printable(text))
    else:
        text = _NOT_STORABLE.sub("\N{REPLACEMENT CHARACTER}", text)
        replace_file(output, lambda path: path.write_text(text, encoding="utf-8"))


def _text(frame: pd.DataFrame, table: pd.DataFrame, kind: str) -> str:
    if kind == "csv":
        return str(
            escape_formulas(masked(_without_lists(frame))).to_csv(index=False, lineterminator="\n")
        )
    if kind == "json":
        records = masked(frame).to_json(
            orient="records", date_format="iso", date_unit="us", indent=1
        )
        return f"{records}\n".replace("\x7f", r"\u007f")
    if kind == "gids":
        return "".join(f"{gid}\n" for gid in frame["gid"].dropna())
    return render(masked(table).dropna(axis=1, how="all")) + "\n"


def _without_lists(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with a line of text per item of a list."""
    if "file.paths" not in frame.columns:
        return frame
    return frame.assign(**{"file.paths": frame["file.paths"].map("\n".join)})


def job_table(jobs: pd.DataFrame) -> pd.DataFrame:
    """Return the columns that people read: gid, kind, status, created object, error."""
    table = pd.DataFrame({"gid": jobs["gid"]})
    if "resource_subtype" in jobs.columns:
        table["kind"] = kind_labels(jobs["resource_subtype"])
    if "status" in jobs.columns:
        table["status"] = state_labels(jobs)
    created = pd.Series(pd.NA, jobs.index, "string")
    for kind in kinds_of(jobs):
        for leaf in ("name", "gid"):
            if (column := f"new_{kind}.{leaf}") in jobs.columns:
                objects = kind_label(kind) + " " + jobs[column].astype("string")
                created = created.fillna(objects)
    table["created"] = created
    status = jobs["error.status"].astype("string") + " "
    table["error"] = status.fillna("") + jobs["error.message"].astype("string")
    return table.dropna(axis=1, how="all")


def kind_labels(subtypes: pd.Series) -> pd.Series:
    """Return the labels of kinds; missing ones stay missing."""
    return subtypes.astype("string").map(kind_label, na_action="ignore").astype("string")


def state_labels(jobs: pd.DataFrame) -> pd.Series:
    """Return the label of each row's state."""
    return pd.Series([state_label(state) for state in states_of(jobs)], jobs.index, "string")
