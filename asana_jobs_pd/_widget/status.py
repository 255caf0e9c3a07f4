"""What the widget says about its monitor: a notice, and when the next check is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from asana_jobs_pd._formatting import format_count, format_duration
from asana_jobs_pd._http.redaction import clean
from asana_jobs_pd._monitor.monitor import JobsMonitor
from asana_jobs_pd._vocabulary import UNKNOWN
from asana_jobs_pd.typing import MonitorState

DUE_NOW = 1.5
"""A check that is due within so many seconds is shown as "checking now"."""
MAX_COUNTDOWN = 90
"""Seconds up to which the browser counts down; longer waits are shown as text."""
_MAX_ERROR = 600
_JOB_ERROR = re.compile("Job ([0-9]+):", re.ASCII)
_PYTHON_HINT = re.compile(r"\s*[^.]*\brefresh\(\)[^.]*\.")
"""A sentence about what to call next: here, polling continues by itself."""
_CONTINUES = "Nothing is lost; polling continues automatically."
_RATE_LIMITED = (
    "429 Too Many Requests: the token's request limit is used up, possibly by another program. "
    f"{_CONTINUES}"
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
        """Whether it sends no more requests."""
        return self.state in ("done", "stopped", "unauthorized")


def snapshot(monitor: JobsMonitor) -> Snapshot:
    """Return a monitor as it is now."""
    return Snapshot(
        monitor.state,
        len(monitor.jobs),
        monitor.unfinished,
        monitor.counts,
        _error(monitor),
        monitor.refused is not None,
        monitor.failed,
        monitor.next_check,
        monitor.pace,
        monitor.requests_used,
        monitor.requests_allowed,
    )


def _error(monitor: JobsMonitor) -> str | None:
    """Return the last error, unless it ended a job: then that job's row shows it."""
    error = monitor.last_error
    gid = _JOB_ERROR.match(error or "")
    job = monitor.jobs.get(gid[1]) if gid else None
    return None if job and job.finished and monitor.refused is None else error


@dataclass(frozen=True, slots=True)
class Notice:
    """What the widget says besides the counts."""

    title: str = ""
    tone: str = "wait"
    text: str = ""


def notice_of(now: Snapshot) -> Notice:
    """Return what to say about a monitor."""
    error = clean(_PYTHON_HINT.sub("", now.last_error or ""), limit=_MAX_ERROR)
    match now.state:
        case "no_network":
            notice = Notice("No response from Asana", "bad", _sentences(error, _CONTINUES))
        case "rate_limited":
            notice = Notice("Rate limited", "bad", _RATE_LIMITED)
        case "paused":
            notice = Notice("Paused", "wait")
        case "watching" | "idle":
            notice = _watching(now, error)
        case _:
            notice = _ended(now, error)
    return notice


def _sentences(first: str, second: str) -> str:
    return f"{first if first.endswith(('.', '!', '?', '…')) else f'{first}.'} {second}"


def _watching(now: Snapshot, error: str) -> Notice:
    if error:
        return Notice("", "bad", _sentences(error, _CONTINUES))
    if now.total and now.counts.get(UNKNOWN) == now.total:
        return Notice("Fetching the jobs", "run", now.pace)
    return Notice("", "run", now.pace)


def _ended(now: Snapshot, error: str) -> Notice:
    if now.state == "unauthorized":
        title = "Token rejected" if now.refused else "No token"
        return Notice(title, "bad", _sentences(error, "Then press Try again."))
    if now.state == "stopped":
        return Notice("Stopped", "bad" if error else "wait", error)
    if not now.total:
        return Notice("No jobs", "wait", "This frame has no jobs to watch.")
    if now.counts.get("succeeded", 0) == now.total:
        return Notice("All succeeded", "ok", "")
    return Notice("All finished", "wait", "")


@dataclass(frozen=True, slots=True)
class Clock:
    """When the next check is."""

    text: str = ""
    due: float | None = None
    seconds: int = 0
    used: int = 0


def next_clock(now: Snapshot, at: float, shown: Clock) -> Clock:
    """Return the clock to show at a time; the one that is shown for as long as it is right.

    The browser counts down by itself, so the passing of time alone changes nothing.
    """
    new = _clock(now, at, shown)
    slack = 0.02 * (now.allowed or 0) if not now.ended else 0
    same = (new.text, new.due is None) == (shown.text, shown.due is None)
    if same and new.due is not None and shown.due is not None:
        same = abs(new.due - shown.due) < 1  # whole seconds are shown
    return shown if same and abs(new.used - shown.used) <= slack else new


def _clock(now: Snapshot, at: float, shown: Clock) -> Clock:
    if now.ended or now.state in ("idle", "paused"):
        return Clock(used=now.used)
    wait = now.next_check
    if wait is None or wait <= DUE_NOW:
        if shown.due is not None and at < shown.due + DUE_NOW:
            return Clock(shown.text, shown.due, shown.seconds, now.used)  # nearly at zero
        return Clock("checking now", used=now.used)
    if wait > MAX_COUNTDOWN:
        return Clock(f"next check in {format_duration(int(wait))}", used=now.used)
    return Clock("next check", at + wait, round(wait), now.used)


def format_budget(used: int, allowed: int | None) -> str:
    """Return how much of the request budget is used: ``96 of 1,500 requests``, or nothing."""
    if allowed is None:
        return f"{format_count(used, 'request')} in the last minute" if used else ""
    return f"{used:,} of {format_count(allowed, 'request')}"
