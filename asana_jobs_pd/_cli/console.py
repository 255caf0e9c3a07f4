"""What all commands share: arguments, messages, exit codes and output formats."""

from __future__ import annotations

import argparse
import math
import os
import re
import shlex
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pandas as pd

from asana_jobs_pd._files import local_path, replace_file
from asana_jobs_pd._jobs.gids import parse_gid
from asana_jobs_pd._jobs.read_file import read_jobs_file
from asana_jobs_pd._jobs.views import masked, render
from asana_jobs_pd._report.excel import escape_formulas
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
BROKEN_PIPE, TERMINATED = 141, 143
"""What a shell reports after SIGPIPE, as in ``… | head``, and after SIGTERM."""
AUTHENTICATION = "The token is read from ASANA_ACCESS_TOKEN, the keyring, or a prompt."
EXIT_CODES = (
    "Exit codes: 0 success, 1 {failed},\n"
    "2 invalid usage or no valid token, 130 interrupted (Ctrl-C), 143 terminated."
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
"""Characters that a text file in UTF-8 cannot or should not contain."""

_TEXT_FILE = re.compile(r"(?!.*://).*\.(?:csv|tsv|txt)", re.IGNORECASE)

_CLI_TERMS: dict[str, str | Callable[[re.Match[str]], str]] = {
    r"\b(?:gids|parents)\[\d+\](?: =|:)? ": "",
    r"[;,]? or call (?:asana_jobs_pd\.|aj\.)?connect\([^)]*\)[^.;]*": "",
    r" \(can be started again(?: without harm)?: frame\.loc[^)]*\)": "",
    r"To read a file, pass aj\.read_jobs_file\(path\)": "To read a file, give it with --file",
    r": \.errors lists them by gid\.": "",
    r"a string of digits, or a positive int\b": "a whole number, all digits",
    r"\bexport_(?:graph|resources)(?= needs )": "this command",
    r"\brecent_jobs\(\)": "asana-jobs recent",
    r"\bin the frame\b": "in the table",
    r"\boverwrite=True\b": "--overwrite",
    r", or use temp_dir=… on a larger disk": "",
    r"\b(?:proxies|verify)= or (?:from )?": "",
    r"\bbase_url=": "ASANA_BASE_URL=",
    r"\bfilters: (?=(created|modified)_at)": "",
    r"(?:filters\[')?(created|modified)_at\.(after|before)(?:'\])?": r"--\1-\2",
    r"filters\['(\w+)\.any'\]": lambda match: f"--{match[1].replace('_', '-')}",
    r", a day, or a datetime with a time zone": " or a day",
    r", as in '(\S+)' or datetime\([^)]*\)": r", as in '\1'",
    r"\bmax_age(?:=| (?=has))": "--max-age ",
    r", seconds, a timedelta, or None(?=\.)": "",
    r"\bdest[=.](?=\S)": "--download ",
    r"\bpath=": "--output ",
    r"\bcolumn=": "--column ",
}
"""Patterns of Python terms in our messages, and the corresponding terms of the command line."""
_PYTHON_ONLY = re.compile(
    r"\.\w+\(|\w\(\)|\.frame\b|\.errors\b|\bframe\.|\baj\.|\bgid for gid\b|\bas a list\b"
    r"|\b(?:custom_fields|engine|errors|finished|max_line_bytes|on_bad_lines|strict|workers)="
)
"""Sentences and clauses that still match this say how to continue in Python, and are left out.

It matches only our own calls and options: Asana's messages may contain brackets and ``=``, too.
"""


def say(message: str) -> None:
    """Print a message to standard error."""
    print(f"asana-jobs: {_printable(message)}", file=sys.stderr)


def say_error(error: BaseException | Warning | str) -> None:
    """Print the message of an error or warning in the terms of the command line."""
    say(in_cli_terms(str(error)))


def in_cli_terms(message: str) -> str:
    """Return a message of the package without the parts that only make sense in Python."""
    text = message
    for pattern, replacement in _CLI_TERMS.items():
        text = re.sub(pattern, replacement, text)
    parts = re.split(r"(?<=[.?!])(?= [A-Za-z_]+=| [A-Z])|(?=; )|(?=\n)", text)
    kept = "".join(part for part in parts if not _PYTHON_ONLY.search(part)).strip()
    return kept or message


def _printable(text: str) -> str:
    return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def create_parser(prog: str, description: str, epilog: str) -> argparse.ArgumentParser:
    """Return a parser that keeps the line breaks in its description and epilog."""
    return argparse.ArgumentParser(
        prog=prog,
        description=description,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def exit_code_of(error: Exception) -> int:
    """Return the exit code of an error: invalid usage, or a failure."""
    return USAGE if isinstance(error, _USAGE_ERRORS) else FAILED


def last_frame(ending: BaseException, frame: pd.DataFrame | None) -> pd.DataFrame | None:
    """Return the frame that an error carries, or else the frame of the step before."""
    carried: pd.DataFrame | None = getattr(ending, "frame", None)
    return frame if carried is None else carried


def run_guarded(command: Callable[[], int]) -> int:
    """Run a command, print errors and warnings as messages, and return the exit code."""
    with _warnings_as_messages(), _sigterm_as_interrupt() as terminated:
        try:
            code = command()
            if sys.stdout is not None:
                sys.stdout.flush()
        except BrokenPipeError:
            return _end_without_reader()
        except KeyboardInterrupt as interrupt:
            say_error(str(interrupt) or "Interrupted.")
            code = INTERRUPTED
        except (AsanaJobsError, OSError) as error:
            say_error(error)
            code = exit_code_of(error)
    return TERMINATED if terminated and code == INTERRUPTED else code


def _end_without_reader() -> int:
    with open(os.devnull, "w") as devnull:  # noqa: PTH123  or Python would complain at exit
        os.dup2(devnull.fileno(), sys.stdout.fileno())
    return BROKEN_PIPE


@contextmanager
def _sigterm_as_interrupt() -> Iterator[list[int]]:
    """Make SIGTERM act like Ctrl-C, so that partial results are printed; yield received signals.

    It stops services and containers: otherwise, the gids of started jobs would be lost.
    """
    received: list[int] = []

    def interrupt(number: int, _frame: object) -> None:
        received.append(number)
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():  # no other may set handlers
        yield received
        return
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield received
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _warnings_as_messages() -> Iterator[None]:
    """Print our own warnings without the line of code that Python would add."""
    with warnings.catch_warnings():
        for category in _WARNINGS:
            warnings.simplefilter("always", category)
        show_other = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *args: Any, **more: Any) -> None:
            if issubclass(category, _WARNINGS):
                say_error(str(message))
            else:
                show_other(message, category, *args, **more)

        warnings.showwarning = show
        yield


FORMATS = ("table", "csv", "json", "parquet")


def add_gids(parser: argparse.ArgumentParser) -> None:
    """Add arguments for job gids, and options for a file with more."""
    parser.add_argument(
        "gids",
        nargs="*",
        metavar="GID",
        help="job gids, separated by spaces or commas; - reads them from standard input",
    )
    parser.add_argument(
        "--file",
        metavar="FILE",
        help="also read the column gid of a CSV, Excel, JSON or Parquet file",
    )
    parser.add_argument(
        "--column", metavar="NAME", help="the column of --file with the gids, if it is not gid"
    )


def add_timeout(parser: argparse.ArgumentParser, what: str) -> None:
    """Add the option that limits the time of a command."""
    parser.add_argument("--timeout", type=_seconds, metavar="SECONDS", help=what)


def add_quiet(parser: argparse.ArgumentParser) -> None:
    """Add the option that hides progress bars, with the value that functions take."""
    parser.add_argument(
        "--quiet", dest="progress", action="store_const", const=False, help="show no progress bar"
    )


def add_fields(parser: argparse.ArgumentParser, what: str) -> None:
    """Add the option that names fields."""
    parser.add_argument("--fields", action="extend", type=_fields, metavar="F,F,…", help=what)


def _fields(text: str) -> list[str]:
    if fields := split(text):
        return fields
    raise argparse.ArgumentTypeError("give at least one field")


def _seconds(text: str) -> float:
    with suppress(ValueError):
        if 0 < (seconds := float(text)) < math.inf:
            return seconds
    raise argparse.ArgumentTypeError(f"{text!r} is not a positive number of seconds")


def gids_of(options: argparse.Namespace, prog: str = "asana-jobs") -> list[str]:
    """Return the gids from the arguments and options of `add_gids`."""
    if options.file is None and not options.gids:
        raise InvalidGidError("Give GIDs, or a file with --file.")
    if options.file is None and options.column is not None:
        raise InvalidOptionError("--column needs --file.")
    gids = split_gids(options.gids, prog) if options.gids else []
    if options.file is None:
        return gids
    try:
        jobs = read_jobs_file(options.file, column=options.column)
    except InvalidOptionError as error:
        message = str(error).replace("path=", "--file ")
    except FileNotFoundError:
        message = f"--file {options.file}: there is no such file."
    else:
        if gids := [*gids, *jobs["gid"].dropna()]:
            return gids
        raise InvalidGidError(f"There are no gids in {options.file}.")
    raise InvalidOptionError(message)


def split_gids(arguments: Sequence[str], prog: str = "asana-jobs") -> list[str]:
    """Return the gids in arguments, split at whitespace and commas; ``-`` is standard input."""
    gids: list[str] = []
    for argument in arguments:
        if _TEXT_FILE.fullmatch(argument):
            raise InvalidGidError(
                f"{argument!r} is a file name, not a gid. To read the gids in it: "
                f"{prog} --file {shlex.quote(argument)}, or without a header "
                f"cat {shlex.quote(argument)} | {prog} -"
            )
        gids += _standard_input() if argument == "-" else split(argument)
    if not gids:
        source = " on standard input" if "-" in arguments else ""
        raise InvalidGidError(f"There are no gids{source}.")
    return gids


def split(text: str) -> list[str]:
    """Return the parts of a text between whitespace and commas."""
    return [part for part in re.split(r"[\s,]+", text) if part]


def _standard_input() -> list[str]:
    """Return the gids on standard input, without a header line such as ``gid``.

    A line is split only if all its parts may be gids: the ``1`` in ``1,2E+15`` is not one.
    """
    if sys.stdin is None:
        raise OSError("Standard input is closed: give the gids as arguments.")
    lines = sys.stdin.read().lstrip("\ufeff").splitlines()
    first = next((number for number, line in enumerate(lines, 1) if line.strip()), None)
    gids: list[str] = []
    for number, line in enumerate(lines, 1):
        if all(map(_is_gid_or_url, parts := split(line))):
            gids += parts
        elif number != first or re.search("[0-9]", line):
            gids.append(parse_gid(line.strip(), f"line {number} of standard input"))
        elif len(columns := re.split(r"[,;\t]", line.strip())) > 1:
            raise InvalidGidError(
                f"Standard input is a table with {len(columns)} columns: give the gids only, or "
                "its file with --file."
            )
    return gids


def _is_gid_or_url(text: str) -> bool:
    with suppress(InvalidGidError):
        return "/" in text or bool(parse_gid(text, "gid"))
    return False


def add_output(parser: argparse.ArgumentParser, *formats: str) -> None:
    """Add the options for the output file and its format, which may be one of `formats`, too."""
    parser.add_argument(
        "--format",
        choices=(*FORMATS, *formats),
        help="format of the table of jobs (default: from the suffix of --output, else table)",
    )
    parser.add_argument(
        "--output", metavar="FILE", help="write to this file instead of standard output"
    )


def check_output(options: argparse.Namespace, parser: argparse.ArgumentParser) -> None:
    """Set the output file and format; exit with a usage error if they cannot be written."""
    if options.output is not None:
        try:
            options.output = local_path(options.output, "path", "file")
        except InvalidOptionError as error:
            parser.error(in_cli_terms(str(error)))
    path: Path | None = options.output
    suffix = path.suffix.lstrip(".").lower() if path else "table"
    if not options.format and suffix not in FORMATS:
        parser.error(f"--output {path}: add --format csv, json or parquet")
    options.format = options.format or suffix
    if options.format == "parquet" and not path:
        parser.error("--format parquet is binary: add --output FILE")
    if path and not path.parent.is_dir():
        parser.error(f"--output {path}: there is no folder {path.parent}")
    if path and path.is_dir():
        parser.error(f"--output {path} is a folder; give the name of a file in it")


def write(frame: pd.DataFrame, table: pd.DataFrame, kind: str, output: Path | None) -> None:
    """Write a frame to a file or to standard output, with signed URLs masked.

    CSV, JSON and Parquet contain `frame`; the format for people has `table` without empty columns.
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
    """Return the frame with each list as text, one item per line."""
    if "file.paths" not in frame.columns:
        return frame
    return frame.assign(**{"file.paths": frame["file.paths"].map("\n".join)})
