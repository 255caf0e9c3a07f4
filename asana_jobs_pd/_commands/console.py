"""What a command says, and how it ends: in words and exit codes, never in a traceback."""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

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
    "code_of",
    "guarded",
    "make_parser",
    "say",
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
