"""Gids in, frames out: the arguments and formats that commands share."""

from __future__ import annotations

import argparse
import os
import re
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self, TextIO

import pandas as pd

from asana_jobs_pd._files import replace_file
from asana_jobs_pd._jobs.views import masked, render
from asana_jobs_pd._report.excel import disarm_frame
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

__all__ = [
    "DONE",
    "INTERRUPTED",
    "SOME_FAILED",
    "USAGE",
    "Live",
    "Size",
    "add_output",
    "can_redraw",
    "check_output",
    "code_of",
    "gids_of_words",
    "guarded",
    "make_parser",
    "say",
    "write",
]

DONE, SOME_FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130
NO_READER = 141
"""What a shell shows of a program whose output nobody reads any more, as in ``… | head``."""
_USAGE = (
    AuthenticationError,
    InvalidFieldError,
    InvalidFrameError,
    InvalidGidError,
    InvalidOptionError,
    MissingExtraError,
    TokenError,
)
_OURS = (AsanaChangeWarning, AsanaLedgerWarning, AsanaStartWarning, AsanaValueWarning)


def say(message: object) -> None:
    """Say something to the person, on standard error."""
    print(f"asana-jobs: {message}", file=sys.stderr)


def make_parser(prog: str, description: str, epilog: str) -> argparse.ArgumentParser:
    """Return a command's parser, whose texts stay as they are written."""
    return argparse.ArgumentParser(
        prog=prog,
        description=description,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def code_of(error: Exception) -> int:
    """Return the exit code of an error: whether the call is off, or something failed."""
    return USAGE if isinstance(error, _USAGE) else SOME_FAILED


def guarded(command: Callable[[], int]) -> int:
    """Run a command; say what ended it, and return its exit code."""
    with _warnings_in_words():
        try:
            code = command()
            sys.stdout.flush()
        except BrokenPipeError:
            return _without_reader()
        except KeyboardInterrupt as stop:
            say(str(stop) or "Interrupted.")
            return INTERRUPTED
        except (AsanaJobsError, OSError) as error:
            say(error)
            return code_of(error)
    return code


def _without_reader() -> int:
    with open(os.devnull, "w") as nowhere:  # noqa: PTH123  else Python complains at its end
        os.dup2(nowhere.fileno(), sys.stdout.fileno())
    return NO_READER


@contextmanager
def _warnings_in_words() -> Iterator[None]:
    """Say our own warnings, without the line of code that they would name."""
    with warnings.catch_warnings():
        for category in _OURS:
            warnings.simplefilter("always", category)
        others = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
            if issubclass(category, _OURS):
                say(message)
            else:
                others(message, category, *where, **more)

        warnings.showwarning = show
        yield


_BEGIN = "\x1b[?25l\x1b[?7l"  # no cursor; what is too long is cut, not wrapped
_END = "\x1b[?7h\x1b[?25h"
_REST_OF_LINE, _REST_OF_SCREEN = "\x1b[K", "\x1b[J"


class Size(NamedTuple):
    """Of a terminal, in characters."""

    columns: int
    lines: int


def can_redraw(stream: TextIO) -> bool:
    """Tell whether a stream is a terminal on which the cursor can be moved."""
    modern = os.name != "nt" or bool({"WT_SESSION", "ANSICON", "TERM"} & set(os.environ))
    return stream.isatty() and modern and os.environ.get("TERM") != "dumb"


class Live:
    """A block of lines at the end of a terminal; as a context manager it gives the cursor back.

    Parameters
    ----------
    stream
        The terminal; None for standard output.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self._drawn: list[int] = []

    def __enter__(self) -> Self:
        self._put(_BEGIN)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._put(_END)

    @property
    def size(self) -> Size:
        """How large the terminal is now."""
        try:
            columns, lines = os.get_terminal_size(self._stream.fileno())
        except (OSError, ValueError):
            columns = lines = 0
        return Size(columns or 80, lines or 24)  # some terminals do not know

    def draw(self, lines: Sequence[str]) -> None:
        """Put lines in the place of those that were drawn last, as many as there is room for."""
        shown = lines[: max(1, self.size.lines - 1)]
        text = self._back() + "".join(f"{line}{_REST_OF_LINE}\n" for line in shown)
        self._drawn = [len(line) for line in shown]
        self._put(text + _REST_OF_SCREEN)

    def leave(self, lines: Sequence[str]) -> None:
        """Put all lines there, however many, to stay."""
        text = self._back() + _REST_OF_SCREEN + "".join(f"{line}\n" for line in lines)
        self._drawn = []
        self._put(text)

    def _back(self) -> str:
        """Return what moves the cursor to the first line.

        Where the terminal has become narrower, lines that were drawn before take more than one.
        """
        columns, most = self.size
        rows = sum(max(1, -(-length // columns)) for length in self._drawn)
        return f"\r\x1b[{min(rows, most - 1)}A" if rows else "\r"

    def _put(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


FORMATS = ("table", "csv", "json", "parquet")


def gids_of_words(words: Sequence[str]) -> list[str]:
    """Return the gids of arguments, apart where blanks or commas are; ``-`` is standard input."""
    gids: list[str] = []
    for word in words:
        text = sys.stdin.read() if word == "-" else word
        gids += [part for part in re.split(r"[\s,]+", text) if part]
    return gids


def add_output(parser: argparse.ArgumentParser, *more: str) -> None:
    """Add the options that say in which form a frame is written, and where; `more` are formats."""
    parser.add_argument(
        "--format", choices=(*FORMATS, *more), help="default: by the suffix of --output, else table"
    )
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help="write there instead of to standard output"
    )


def check_output(options: argparse.Namespace, parser: argparse.ArgumentParser) -> str:
    """Return the format; end with a usage error where it could not be written in the end."""
    suffix = options.output.suffix.lstrip(".").lower() if options.output else "table"
    kind: str = options.format or suffix
    if kind not in FORMATS and not options.format:
        parser.error(f"--output {options.output}: say --format csv, json or parquet")
    if kind == "parquet" and not options.output:
        parser.error("--format parquet needs --output FILE: it is not text")
    if options.output and not options.output.expanduser().parent.is_dir():
        parser.error(f"--output {options.output}: there is no folder {options.output.parent}")
    if options.output and options.output.expanduser().is_dir():
        parser.error(f"--output {options.output} is a folder; give the name of a file in it")
    return kind


def write(frame: pd.DataFrame, table: pd.DataFrame, kind: str, output: Path | None) -> None:
    """Write a frame, masked, to a file or to standard output.

    Parameters
    ----------
    frame
        What CSV, JSON and Parquet hold.
    table
        What a person gets to see of it; columns without a value are left out.
    kind
        The format.
    output
        The file; None for standard output.
    """
    if kind == "parquet" and output is not None:
        replace_file(output, lambda path: masked(frame).to_parquet(path, index=False))
        return
    text = _text(frame, table, kind)
    if output is None:
        sys.stdout.write(text)
    else:
        replace_file(output, lambda path: path.write_text(text, encoding="utf-8"))


def _text(frame: pd.DataFrame, table: pd.DataFrame, kind: str) -> str:
    if kind == "csv":
        return disarm_frame(masked(_flat(frame))).to_csv(index=False)
    if kind == "json":
        records = masked(frame).to_json(
            orient="records", date_format="iso", date_unit="us", indent=1
        )
        return f"{records}\n"
    if kind == "gids":
        return "".join(f"{gid}\n" for gid in frame["gid"].dropna())
    return render(masked(table).dropna(axis=1, how="all")) + "\n"


def _flat(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with lists as texts of a line each."""
    if "file.paths" not in frame.columns:
        return frame
    return frame.assign(**{"file.paths": frame["file.paths"].map("\n".join)})
