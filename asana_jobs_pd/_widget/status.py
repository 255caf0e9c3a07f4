"""What the widget says about its monitor: a notice, the next check, the request budget."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from asana_jobs_pd._formatting import format_count
from asana_jobs_pd._http.redaction import clean
from asana_jobs_pd._monitor.monitor import JobsMonitor
from asana_jobs_pd._monitor.poller import FINAL_STATES
from asana_jobs_pd._vocabulary import UNKNOWN

_MAX_ERROR = 600
_DUE_NOW = 1.5
"""A check that is due within this many seconds is shown as happening now."""
_JOB_ERROR = re.compile("Job ([0-9]+):", re.ASCII)
_PYTHON_HINT = re.compile(r"\s*[^.]*\brefresh\(\)[^.]*\.|\s*Asana's help: .*", re.DOTALL)
"""Parts of errors that the widget leaves out: what to call (it polls by itself), and links."""
_CONTINUES = "Nothing is lost; polling continues automatically."
_RATE_LIMITED = (
    "429 Too Many Requests: the token's request limit is used up, possibly by another program. "
    f"{_CONTINUES}"
)


class Notice(NamedTuple):
    """What the widget says above the table, besides the counts."""

    title: str = ""
    tone: str = "wait"
    text: str = ""


def notice_of(monitor: JobsMonitor) -> Notice:
    """Return what to say about a monitor."""
    error = _error(monitor)
    match monitor.state:
        case "no_network":
            notice = Notice("No response from Asana", "bad", _sentences(error, _CONTINUES))
        case "rate_limited":
            notice = Notice("Rate limited", "bad", _RATE_LIMITED)
        case "paused":
            notice = Notice("Paused")
        case "watching" | "idle":
            notice = _watching(monitor, error)
        case "unauthorized":
            title = "Token rejected" if monitor.refused else "No token"
            notice = Notice(title, "bad", _sentences(error, "Then press Try again."))
        case "stopped":
            notice = Notice("Stopped", "bad" if error else "wait", error)
        case _:
            notice = _done(monitor)
    return notice


def _error(monitor: JobsMonitor) -> str:
    """Return the last error, unless the row of a finished job already shows it."""
    error = monitor.last_error or ""
    gid = _JOB_ERROR.match(error)
    job = monitor.jobs.get(gid[1]) if gid else None
    if job and job.finished and monitor.refused is None:
        return ""
    return clean(_PYTHON_HINT.sub("", error), limit=_MAX_ERROR)


def _sentences(first: str, second: str) -> str:
    return f"{first if first.endswith(('.', '!', '?', '…')) else f'{first}.'} {second}"


def _watching(monitor: JobsMonitor, error: str) -> Notice:
    if error:
        return Notice("", "bad", _sentences(error, _CONTINUES))
    nothing_yet = monitor.jobs and monitor.counts.get(UNKNOWN) == len(monitor.jobs)
    return Notice("Fetching the jobs" if nothing_yet else "", "run", monitor.pace)


def _done(monitor: JobsMonitor) -> Notice:
    if not monitor.jobs:
        return Notice("No jobs", "wait", "This frame has no jobs to watch.")
    if monitor.counts.get("succeeded") == len(monitor.jobs):
        return Notice("All succeeded", "ok")
    return Notice("All finished")


def status_message(monitor: JobsMonitor, at: float) -> dict[str, Any]:
    """Return what the browser shows above the table, at a time in seconds since 1970.

    `due` is the time of the next check, 0 for now; the browser counts down by itself.
    """
    state, used = monitor.state, monitor.requests_used
    ended = state in FINAL_STATES
    wait = None if ended or state in ("idle", "paused") else monitor.next_check
    return {
        "state": state,
        "ended": ended,
        **notice_of(monitor)._asdict(),
        "due": None if wait is None else 0.0 if wait <= _DUE_NOW else round(at + wait, 1),
        "used": used,
        "budget": format_budget(used, monitor.requests_allowed),
    }


def is_news(
    new: Mapping[str, Any], shown: Mapping[str, Any], allowed: int | None, at: float
) -> bool:
    """Return whether a status is worth sending.

    It is not if only time has passed, if the next check moved by about a second, or if no more
    than a fiftieth of the request budget was used.
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
    """Return how much of the request budget is used; empty if there is nothing to say."""
    if allowed is None:
        return f"{format_count(used, 'request')} in the last minute" if used else ""
    return f"{used:,} of {format_count(allowed, 'request')} per minute"
