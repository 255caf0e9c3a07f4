"""``asana-jobs watch GID…``: follow jobs in a live table until they are finished."""

from __future__ import annotations

import argparse
import math
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Self, TextIO

import numpy as np
import pandas as pd

from asana_jobs_pd._cli.console import (
    AUTHENTICATION,
    EXIT_CODES,
    FAILED,
    INTERRUPTED,
    SUCCESS,
    add_gids,
    add_timeout,
    create_parser,
    gids_of,
    say,
    say_error,
)
from asana_jobs_pd._formatting import format_duration
from asana_jobs_pd._http.redaction import clean
from asana_jobs_pd._jobs.eta import usual_times
from asana_jobs_pd._jobs.read import frame_or_raise, run_to_end
from asana_jobs_pd._jobs.states import is_failed, is_finished
from asana_jobs_pd._jobs.views import masked, render
from asana_jobs_pd._monitor.monitor import JobsMonitor
from asana_jobs_pd._report.table import job_table
from asana_jobs_pd._vocabulary import counts_by_state

TICK = 0.2
_DESCRIPTION = """\
Follow jobs until all are finished. A terminal shows a live table; elsewhere, each status change
is printed as a line.\
"""
_EPILOG = f"""\
Each job is polled after 2 s, then less and less often, down to once every 60 s. Ctrl-C leaves the
table on the screen; the jobs continue at Asana.

--exec runs a command once all jobs are finished, however they ended. It is split into words as
in a shell, but runs without one. It gets the gids on standard input, one per line, and these
environment variables: ASANA_JOBS_TOTAL, ASANA_JOBS_SUCCEEDED, ASANA_JOBS_FAILED (failed or
unreadable) and ASANA_JOBS_SUMMARY, such as "3 of 3 finished: 3 succeeded":

  asana-jobs watch 12080000000004806 --exec "asana-jobs download - --dest exports"

{AUTHENTICATION}
{EXIT_CODES.format(failed="a job or the --exec command failed, or not all finished in time")}
"""


def watch_parser() -> argparse.ArgumentParser:
    """Return the parser of ``asana-jobs watch``."""
    parser = create_parser("asana-jobs watch", _DESCRIPTION, _EPILOG)
    add_gids(parser)
    parser.add_argument("--exec", metavar="CMD", help="run this command once all jobs are finished")
    add_timeout(parser, "stop after this many seconds, with exit code 1")
    parser.set_defaults(run=_run)
    return parser


def _run(options: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    command = None if options.exec is None else _words(options.exec, parser)
    monitor = JobsMonitor(gids_of(options, parser.prog))
    deadline = math.inf if options.timeout is None else time.monotonic() + options.timeout
    with view_of(monitor) as view:

        def follow() -> None:
            with monitor:
                while not monitor.wait(TICK) and time.monotonic() < deadline:
                    view.show()

        def finish(interrupted: bool) -> int:
            view.end()
            return _exit_code(monitor, interrupted=interrupted)

        code = run_to_end(follow, finish)
    if command is None or code == INTERRUPTED or monitor.failed or monitor.unfinished:
        return code
    return _run_command(command, monitor) or code


def _words(command: str, parser: argparse.ArgumentParser) -> list[str]:
    """Return the words of a command; exit with a usage error if it cannot be run."""
    try:
        words = shlex.split(command, posix=os.name == "posix")
    except ValueError as error:
        parser.error(f"--exec {command}: {error}")
    if not words or shutil.which(words[0]) is None:
        parser.error(f"--exec {command}: there is no such command")
    return words


def _run_command(words: Sequence[str], monitor: JobsMonitor) -> int:
    """Run the command of ``--exec``, and return whether it failed."""
    counts = monitor.counts
    environment = {
        "ASANA_JOBS_TOTAL": str(len(monitor.jobs)),
        "ASANA_JOBS_SUCCEEDED": str(counts.get("succeeded", 0)),
        "ASANA_JOBS_FAILED": str(len(monitor.jobs) - counts.get("succeeded", 0)),
        "ASANA_JOBS_SUMMARY": _progress(monitor),
    }
    gids = "".join(f"{gid}\n" for gid in monitor.jobs)
    try:
        with subprocess.Popen(  # noqa: S603  the user's own command, as words
            words, stdin=subprocess.PIPE, text=True, env={**os.environ, **environment}
        ) as process:
            try:
                process.communicate(gids)
            except KeyboardInterrupt:  # which the command got, too: it may tidy up
                process.wait()
                raise
    except OSError as error:
        say(f"--exec {shlex.join(words)}: {error.strerror or error}")
        return FAILED
    if code := process.returncode:
        ending = f"ended with exit code {code}" if code > 0 else f"was killed (signal {-code})"
        say(f"--exec {shlex.join(words)}: {ending}")
    return FAILED if code else SUCCESS


def _exit_code(monitor: JobsMonitor, *, interrupted: bool) -> int:
    frame_or_raise(monitor.frame, monitor.refused, monitor.client)
    if interrupted:
        say(f"Interrupted: {_progress(monitor)}.")
        return INTERRUPTED
    if monitor.failed:
        say_error(f"Watching ended early: {monitor.last_error}")
    elif monitor.unfinished:
        say(f"Not finished in time: {_progress(monitor)}.")
    done = not monitor.failed and not monitor.unfinished and not is_failed(monitor.frame).any()
    return SUCCESS if done else FAILED


_BEGIN = "\x1b[?25l\x1b[?7l"  # hide the cursor, cut long lines
_END = "\x1b[?7h\x1b[?25h"
_REST_OF_LINE, _REST_OF_SCREEN = "\x1b[K", "\x1b[J"


def can_redraw(stream: TextIO | None) -> bool:
    """Return whether a stream is a terminal with a movable cursor."""
    modern = os.name != "nt" or bool({"WT_SESSION", "ANSICON", "TERM"} & set(os.environ))
    return stream is not None and stream.isatty() and modern and os.environ.get("TERM") != "dumb"


class Live:
    """Lines at the end of a terminal that are redrawn in place, with the cursor hidden."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._drawn: list[int] = []

    def __enter__(self) -> Self:
        self._put(_BEGIN)
        return self

    def __exit__(self, *_: object) -> None:
        self._put(_END)

    @property
    def size(self) -> os.terminal_size:
        """The current size of the terminal."""
        try:
            columns, lines = os.get_terminal_size(self._stream.fileno())
        except (OSError, ValueError):
            columns = lines = 0
        return os.terminal_size((columns or 80, lines or 24))  # unknown on some terminals

    def draw(self, lines: Sequence[str]) -> None:
        """Replace the lines drawn last, with as many as fit."""
        shown = lines[: max(1, self.size.lines - 1)]
        text = self._back() + "".join(f"{line}{_REST_OF_LINE}\n" for line in shown)
        self._drawn = [len(line) for line in shown]
        self._put(text + _REST_OF_SCREEN)

    def leave(self, lines: Sequence[str]) -> None:
        """Replace the lines drawn last with the final ones, however many."""
        text = self._back() + _REST_OF_SCREEN + "".join(f"{line}\n" for line in lines)
        self._drawn = []
        self._put(text)

    def _back(self) -> str:
        """Return the codes that move the cursor to the first line drawn.

        Lines take more rows if the terminal has become narrower.
        """
        columns, lines = self.size
        rows = sum(max(1, -(-length // columns)) for length in self._drawn)
        return f"\r\x1b[{min(rows, lines - 1)}A" if rows else "\r"

    def _put(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


@contextmanager
def view_of(monitor: JobsMonitor) -> Iterator[_Table | _Lines]:
    """Show a monitor: as a live table on a terminal, elsewhere as a line for each change."""
    with Live(sys.stdout) if can_redraw(sys.stdout) else nullcontext() as screen:
        yield _Lines(monitor) if screen is None else _Table(monitor, screen)


class _View:
    """Shows the progress of a monitor."""

    def __init__(self, monitor: JobsMonitor) -> None:
        self._monitor = monitor
        self._estimates: dict[str, str] | None = None

    @property
    def estimates(self) -> dict[str, str]:
        """How long the jobs usually take; looked up once all of them have been read."""
        if self._estimates is None and "unknown" not in self._monitor.counts:
            self._estimates = usual_times(self._monitor.frame, self._monitor.client)
        return self._estimates or {}


class _Table(_View):
    """A live table."""

    def __init__(self, monitor: JobsMonitor, screen: Live) -> None:
        super().__init__(monitor)
        self._screen = screen
        self._drawn: tuple[object, ...] = ()

    def show(self) -> None:
        """Redraw the table if anything has changed."""
        head, size = _head(self._monitor), self._screen.size
        current = (self._monitor.version, head, size)
        if current != self._drawn:
            table = table_lines(self._monitor.frame, size, self.estimates)
            self._screen.draw([clean(head, limit=size.columns), *table])
            self._drawn = current

    def end(self) -> None:
        """Leave the whole table on the terminal."""
        table = _lines(self._monitor.frame, self._screen.size.columns, self.estimates)
        self._screen.leave([*table, f"{_progress(self._monitor)}."])


class _Lines(_View):
    """A line for each change."""

    def __init__(self, monitor: JobsMonitor) -> None:
        super().__init__(monitor)
        self._version = -1
        self._before = monitor.frame

    def show(self) -> None:
        """Print the changes."""
        version = self._monitor.version
        if version == self._version:
            return
        now = self._monitor.frame
        if lines := change_lines(self._before, now, self.estimates):
            print("\n".join(lines), flush=True)
        self._before, self._version = now, version

    def end(self) -> None:
        """Print the last changes and the result."""
        self.show()
        print(f"{_progress(self._monitor)}.", flush=True)


def table_lines(
    frame: pd.DataFrame, size: os.terminal_size, estimates: Mapping[str, str] | None = None
) -> list[str]:
    """Return a table that leaves two lines of the terminal free.

    If not all rows fit, unfinished ones come first, and the last line counts the others.
    """
    room = max(1, size.lines - 3)
    if len(frame) <= room:
        return _lines(frame, size.columns, estimates)
    first = np.argsort(is_finished(frame), kind="stable")[: max(1, room - 1)]
    rest = len(frame) - len(first)
    return [*_lines(frame.iloc[first], size.columns, estimates), f"… and {rest:,} more"]


def change_lines(
    before: pd.DataFrame, now: pd.DataFrame, estimates: Mapping[str, str] | None = None
) -> list[str]:
    """Return a line for each row whose status or error has changed: time, gid, kind, status."""
    names = ["status", "error.status", "error.kind"]
    old, new = (frame[names].astype("string").fillna("") for frame in (before, now))
    changed = now[(old.to_numpy() != new.to_numpy()).any(axis=1)]
    times = changed["fetched_at"].dt.strftime("%Y-%m-%dT%H:%M:%SZ").fillna("")
    table = masked(job_table(changed, estimates)).fillna("")
    rows = zip(times, table.itertuples(index=False), strict=True)
    return [clean("  ".join([time, *filter(None, map(str, cells))])) for time, cells in rows]


def _lines(
    frame: pd.DataFrame, columns: int, estimates: Mapping[str, str] | None = None
) -> list[str]:
    return render(masked(job_table(frame, estimates)), width=columns).split("\n")


def _head(monitor: JobsMonitor) -> str:
    head = f"{_progress(monitor)}."
    seconds = monitor.next_check
    if monitor.state != "watching":
        head += f" {monitor.state.replace('_', ' ').capitalize()}."
    if seconds is not None:
        head += f" Next check in {format_duration(int(seconds))}." if seconds >= 1 else " Checking."
    return f"{head} {monitor.last_error or monitor.pace}".rstrip()


def _progress(monitor: JobsMonitor) -> str:
    total = len(monitor.jobs)
    counts = counts_by_state(monitor.counts)
    return f"{total - monitor.unfinished:,} of {total:,} finished" + (counts and f": {counts}")
