"""``asana-jobs watch GID…``: a table of jobs that stays up to date until all are finished."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import nullcontext

import numpy as np
import pandas as pd

from asana_jobs_pd._cli.console import (
    DONE,
    INTERRUPTED,
    SOME_FAILED,
    Live,
    Size,
    can_redraw,
    gids_of_words,
    make_parser,
    say,
)
from asana_jobs_pd._http.redaction import clean
from asana_jobs_pd._jobs.read import warn_of_changes
from asana_jobs_pd._jobs.states import is_failed, is_finished
from asana_jobs_pd._jobs.views import masked, overview, render
from asana_jobs_pd._monitor.monitor import JobsMonitor

__all__ = ["run"]

TICK = 0.2
_DESCRIPTION = """\
Look at jobs until all are finished. On a terminal a table stays up to date in its place;
elsewhere, each change of a status gives a line.\
"""
_EPILOG = """\
Each job is asked for again after 2 s, then more and more rarely, at most every 60 s. Ctrl-C
leaves the table as it stands; Asana goes on with the jobs.

The token comes from ASANA_ACCESS_TOKEN, the keyring, or a prompt.
Exit codes: 0 when all succeeded, 1 when a job failed or could not be read, 2 for a call that
is off or has no token that Asana accepts, 130 when interrupted.
"""


def run(words: Sequence[str]) -> int:
    """Do it, and return the exit code."""
    options = _parser().parse_args(words)
    monitor = JobsMonitor(gids_of_words(options.gids))
    view = _Table(monitor, Live()) if can_redraw(sys.stdout) else _Lines(monitor)
    interrupted = False
    with monitor, view.screen:
        try:
            while not monitor.wait(TICK):
                view.show()
        except KeyboardInterrupt:
            interrupted = True
        view.end()
    return _ending(monitor, interrupted=interrupted)


def _parser() -> argparse.ArgumentParser:
    parser = make_parser("asana-jobs watch", _DESCRIPTION, _EPILOG)
    parser.add_argument(
        "gids", nargs="+", metavar="GID", help="gids of jobs; - reads them from standard input"
    )
    return parser


def _ending(monitor: JobsMonitor, *, interrupted: bool) -> int:
    if monitor.client is not None:
        warn_of_changes(monitor.client)
    if monitor.refused is not None:
        raise monitor.refused
    if interrupted:
        say(f"Interrupted: {_standing(monitor)}.")
        return INTERRUPTED
    if monitor.failed:
        say(f"The watching ended early: {monitor.last_error}")
        return SOME_FAILED
    return SOME_FAILED if is_failed(monitor.frame).any() else DONE


class _Table:
    """The table in its place."""

    def __init__(self, monitor: JobsMonitor, screen: Live) -> None:
        self._monitor = monitor
        self._shown: tuple[object, ...] = ()
        self.screen = screen

    def show(self) -> None:
        """Draw it again when there is something new."""
        size = self.screen.size
        news = (self._monitor.version, _head(self._monitor), size)
        if news != self._shown:
            head = clean(_head(self._monitor), limit=size.columns)
            self.screen.draw([head, *table_lines(self._monitor.frame, size)])
            self._shown = news

    def end(self) -> None:
        """Leave all rows on the terminal."""
        frame, columns = self._monitor.frame, self.screen.size.columns
        self.screen.leave([*_lines(frame, columns), f"{_standing(self._monitor)}."])


class _Lines:
    """A line for each change since it was made."""

    screen = nullcontext()

    def __init__(self, monitor: JobsMonitor) -> None:
        self._monitor = monitor
        self._version = -1
        self._before = monitor.frame

    def show(self) -> None:
        """Print what is new."""
        version = self._monitor.version
        if version == self._version:
            return
        now, self._version = self._monitor.frame, version
        if lines := change_lines(self._before, now):
            print("\n".join(lines), flush=True)
        self._before = now

    def end(self) -> None:
        """Print what is new, and how it stands."""
        self.show()
        print(f"{_standing(self._monitor)}.", flush=True)


def table_lines(frame: pd.DataFrame, size: Size) -> list[str]:
    """Return a table that leaves two lines of the terminal free.

    Where there is no room for all rows, those that are not finished come first, and the last
    line says how many are left out.
    """
    room = max(1, size.lines - 3)
    if len(frame) <= room:
        return _lines(frame, size.columns)
    first = np.argsort(is_finished(frame), kind="stable")[: max(1, room - 1)]
    left = len(frame) - len(first)
    return [*_lines(frame.iloc[first], size.columns), f"… and {left:,} more"]


def change_lines(before: pd.DataFrame, now: pd.DataFrame) -> list[str]:
    """Return a line for each row whose status, or error, has changed: time, gid, what it is."""
    names = ["status", "error.status", "error.kind"]
    old, new = (frame[names].astype("string").fillna("") for frame in (before, now))
    changed = now[(old.to_numpy() != new.to_numpy()).any(axis=1)]
    times = changed["fetched_at"].dt.strftime("%Y-%m-%dT%H:%M:%SZ").fillna("")
    table = masked(overview(changed)).fillna("")
    rows = zip(times, table.itertuples(index=False), strict=True)
    return [clean("  ".join([time, *filter(None, map(str, cells))])) for time, cells in rows]


def _lines(frame: pd.DataFrame, columns: int) -> list[str]:
    return render(masked(overview(frame)), width=columns).split("\n")


def _head(monitor: JobsMonitor) -> str:
    words = f"{_standing(monitor)}."
    seconds = monitor.next_check
    if monitor.state != "watching":
        words += f" {monitor.state.replace('_', ' ').capitalize()}."
    if seconds is not None:
        words += f" Next check in {seconds:.0f} s." if seconds >= 1 else " Checking."
    return f"{words} {monitor.last_error or monitor.pace}".rstrip()


def _standing(monitor: JobsMonitor) -> str:
    total = len(monitor.jobs)
    counts = ", ".join(
        f"{count:,} {status.replace('_', ' ')}" for status, count in monitor.counts.items()
    )
    return f"{total - monitor.unfinished:,} of {total:,} finished" + (counts and f": {counts}")
