"""What the widget says about its monitor: a notice, and when the next check is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from asana_jobs_pd._formatting import format_count
from asana_jobs_pd._http.redaction import clean
from asana_jobs_pd._monitor.monitor import JobsMonitor
from asana_jobs_pd._vocabulary import UNKNOWN
from asana_jobs_pd.typing import MonitorState

_MAX_ERROR = 600
_DUE_NOW = 1.5
"""A check that is due within so many seconds is one that is happening now."""
_JOB_ERROR = re.compile("Job ([0-9]+):", re.ASCII)
_PYTHON_HINT = re.compile(r"\s*[^.]*\brefresh\(\)[^.]*\.|\s*Asana's help: .*", re.DOTALL)
"""What to call next: here, polling continues by itself. And where Asana describes all errors."""
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


def status_message(now: Snapshot, at: float) -> dict[str, Any]:
    """Return what the browser shows above the table, at a time in seconds since 1970.

    `due` is when the next check is, 0 for now: the browser counts down by itself.
    """
    notice = notice_of(now)
    wait = None if now.ended or now.state in ("idle", "paused") else now.next_check
    return {
        "state": now.state,
        "ended": now.ended,
        "title": notice.title,
        "tone": notice.tone,
        "text": notice.text,
        "due": None if wait is None else 0.0 if wait <= _DUE_NOW else round(at + wait, 1),
        "used": now.used,
        "budget": format_budget(now.used, now.allowed),
    }


def is_news(
    new: Mapping[str, Any], shown: Mapping[str, Any], allowed: int | None, at: float
) -> bool:
    """Tell whether a status is worth a message at a time: the passing of time alone is not.

    Nor is a check a second earlier or later, or a fiftieth of the request budget.
    """
    slack = 0 if new["ended"] else 0.02 * (allowed or 0)
    return (
        any(new[key] != shown.get(key) for key in ("state", "ended", "title", "tone", "text"))
        or abs(new["used"] - shown.get("used", 0)) > slack
        or _reschedules(new["due"], shown.get("due"), at)
    )


def _reschedules(due: float | None, shown: float | None, at: float) -> bool:
    if due is None or shown is None:
        return due is not shown
    return abs(max(due, at) - max(shown, at)) > _DUE_NOW


def format_budget(used: int, allowed: int | None) -> str:
    """Return how much of the request budget is used, or nothing."""
    if allowed is None:
        return f"{format_count(used, 'request')} in the last minute" if used else ""
    return f"{used:,} of {format_count(allowed, 'request')} per minute"
