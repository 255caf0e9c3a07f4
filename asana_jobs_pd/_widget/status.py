"""What a monitor is doing, in words for people; and when its next check is told anew. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from asana_jobs_pd._formatting import count_words, span_words
from asana_jobs_pd._http.redaction import clean
from asana_jobs_pd._monitor.monitor import JobsMonitor
from asana_jobs_pd._palette import UNKNOWN
from asana_jobs_pd.typing import MonitorState

__all__ = ["Clock", "Notice", "Snapshot", "budget_words", "clock_of", "notice_of", "snapshot"]

SOON = 1.5
"""A check that is due within so many seconds is told as "checking now"."""
COUNTED = 90
"""Seconds up to which a countdown runs; what is longer is told in words."""
_LIMIT = 600
_OF_JOB = re.compile("Job ([0-9]+):", re.ASCII)
_LOST_NOTHING = "Nothing is lost; checking goes on by itself."
_RATE_LIMITED = (
    "429 Too Many Requests: this token's budget is used up, perhaps by another program. "
    f"{_LOST_NOTHING}"
)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A monitor at one moment; the fields are those of `JobsMonitor`."""

    state: MonitorState = "idle"
    total: int = 0
    unfinished: int = 0
    counts: Mapping[str, int] = field(default_factory=dict)
    last_error: str | None = None
    refused: bool = False
    failed: bool = False
    next_check: float | None = None
    pace: str = ""
    used: int = 0
    allowed: int | None = None

    @property
    def ended(self) -> bool:
        """Whether it sends nothing any more."""
        return self.state in ("done", "stopped", "unauthorized")


def snapshot(monitor: JobsMonitor) -> Snapshot:
    """Return a monitor as it is now."""
    return Snapshot(
        monitor.state,
        len(monitor.jobs),
        monitor.unfinished,
        monitor.counts,
        _trouble(monitor),
        monitor.refused is not None,
        monitor.failed,
        monitor.next_check,
        monitor.pace,
        monitor.requests_used,
        monitor.requests_allowed,
    )


def _trouble(monitor: JobsMonitor) -> str | None:
    """Return the last error, unless it ended a job: then that job's row says so."""
    error = monitor.last_error
    named = _OF_JOB.match(error or "")
    job = monitor.jobs.get(named[1]) if named else None
    return None if job and job.finished and monitor.refused is None else error


@dataclass(frozen=True, slots=True)
class Notice:
    """What is said beside the counts.

    Parameters
    ----------
    title
        A few words; "" for none.
    tone
        ``bad``, ``wait``, ``ok`` or ``run``: how it looks.
    text
        What it means and what to do, below; "" for nothing.
    """

    title: str = ""
    tone: str = "wait"
    text: str = ""


def notice_of(now: Snapshot) -> Notice:
    """Return what there is to say about a monitor."""
    error = clean(now.last_error or "", limit=_LIMIT)
    match now.state:
        case "no_network":
            notice = Notice("No answer from Asana", "bad", _sentences(error, _LOST_NOTHING))
        case "rate_limited":
            notice = Notice("Asana asks for a pause", "bad", _RATE_LIMITED)
        case "paused":
            notice = Notice("Paused", "wait")
        case "watching" | "idle":
            notice = _going(now, error)
        case _:
            notice = _ended(now, error)
    return notice


def _sentences(one: str, other: str) -> str:
    return f"{one if one.endswith(('.', '!', '?', '…')) else f'{one}.'} {other}"


def _going(now: Snapshot, error: str) -> Notice:
    if error:
        return Notice("", "bad", _sentences(error, _LOST_NOTHING))
    if now.total and now.counts.get(UNKNOWN) == now.total:
        return Notice("Asking for the first time", "run", now.pace)
    return Notice("", "run", now.pace)


def _ended(now: Snapshot, error: str) -> Notice:
    if now.state == "unauthorized":
        title = "The token is not accepted" if now.refused else "No token"
        return Notice(title, "bad", _sentences(error, "Then press Try again."))
    if now.state == "stopped":
        return Notice("Cancelled", "bad" if error else "wait", error)
    return _done(now)


def _done(now: Snapshot) -> Notice:
    if not now.total:
        return Notice("Nothing to watch", "wait", "There are no jobs in this frame.")
    bad = now.total - now.counts.get("succeeded", 0)
    if not bad:
        return Notice("All succeeded", "ok", "")
    return Notice("All finished", "wait", "")


@dataclass(frozen=True, slots=True)
class Clock:
    """What is told of the next check.

    Parameters
    ----------
    words
        What stands there; before a countdown, if there is one.
    due
        When the countdown ends, by the same clock as `clock_of` is given; None for none.
    seconds
        What the countdown starts at.
    used
        Requests used, as told.
    """

    words: str = ""
    due: float | None = None
    seconds: int = 0
    used: int = 0


def clock_of(now: Snapshot, at: float, told: Clock) -> Clock:
    """Return what to tell of the next check; what was told before, while that is still true.

    A browser counts down by itself. So the passing of time alone is no reason to tell anything;
    a check that was made is one, since the next is due at another time.

    Parameters
    ----------
    now
        The monitor.
    at
        The time, in seconds.
    told
        What was told last.
    """
    new = _clock(now, at, told)
    slack = 0.02 * (now.allowed or 0) if not now.ended else 0
    same = (new.words, new.due is None) == (told.words, told.due is None)
    if same and new.due is not None and told.due is not None:
        same = abs(new.due - told.due) < 1  # seconds are what is told
    return told if same and abs(new.used - told.used) <= slack else new


def _clock(now: Snapshot, at: float, told: Clock) -> Clock:
    if now.ended or now.state in ("idle", "paused"):
        return Clock(used=now.used)
    wait = now.next_check
    if wait is None or wait <= SOON:
        if told.due is not None and at < told.due + SOON:
            return Clock(told.words, told.due, told.seconds, now.used)  # it is running out
        return Clock("checking now", used=now.used)
    if wait > COUNTED:
        return Clock(f"next check in {span_words(wait)}", used=now.used)
    return Clock("next check", at + wait, round(wait), now.used)


def budget_words(used: int, allowed: int | None) -> str:
    """Return how many requests of the budget are used: ``96 of 1,500 requests``, or nothing."""
    if allowed is None:
        return f"{count_words(used, 'request')} in the last minute" if used else ""
    return f"{used:,} of {count_words(allowed, 'request')}"
