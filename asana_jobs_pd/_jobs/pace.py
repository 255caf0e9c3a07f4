"""How many polls a second the budget carries, shared by all monitors of a limiter; in words."""

from __future__ import annotations

import weakref

from asana_jobs_pd._api.limits import BACKGROUND_SHARE, Limiter
from asana_jobs_pd._jobs.schedule import Schedule

__all__ = ["FASTEST", "duration", "enter_budget", "leave_budget", "pace_in_words", "rate_of"]

FASTEST = 25.0
"""Polls a second at the most, whatever the budget: a monitor must not keep a processor busy."""

_sharing: weakref.WeakKeyDictionary[Schedule, Limiter] = weakref.WeakKeyDictionary()


def enter_budget(schedule: Schedule, limiter: Limiter) -> None:
    """Note that a schedule draws on a limiter from now on."""
    _sharing[schedule] = limiter


def leave_budget(schedule: Schedule) -> None:
    """Note that it does so no more."""
    _sharing.pop(schedule, None)


def rate_of(schedule: Schedule, limiter: Limiter) -> float:
    """Return the polls a second that a schedule may have: its part, by demand, of what there is."""
    budget = limiter.budget
    carried = min(BACKGROUND_SHARE * budget.allowed / budget.window, FASTEST)
    demands = [each.demand for each, its in list(_sharing.items()) if its is limiter]
    if not schedule.demand or schedule not in _sharing:
        return carried
    return carried * schedule.demand / sum(demands)


def pace_in_words(schedule: Schedule, limiter: Limiter) -> str:
    """Say how often each job is asked for, when that is more rarely than it should be; else ""."""
    if schedule.stretch <= 1.05:  # noqa: PLR2004
        return ""
    allowed, window = limiter.budget.allowed, duration(limiter.budget.window)
    why = f"the budget of {allowed:,.0f} requests in {window}" if allowed < float("inf") else ""
    return (
        f"Each job is asked about every {duration(schedule.interval)}: {len(schedule):,} jobs are "
        f"more than {why or f'{FASTEST:g} requests a second'} would carry at the usual pace."
    )


def duration(seconds: float) -> str:
    """Return seconds in the two largest units that count, such as ``6 min 40 s``."""
    whole = round(seconds) if seconds < 600 else round(seconds / 10) * 10  # noqa: PLR2004
    hours, rest = divmod(max(1, whole), 3600)
    minutes, left = divmod(rest, 60)
    if hours:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    if minutes:
        return f"{minutes} min {left} s" if left else f"{minutes} min"
    return f"{left} s"
