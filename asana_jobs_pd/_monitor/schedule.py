"""How many polls a second the budget carries, shared by all monitors of a limiter; in words."""

from __future__ import annotations

import heapq
import math
import queue
import random
import time
import weakref
from collections.abc import Callable, Iterable
from typing import Protocol, TypeAlias

from asana_jobs_pd._http.rate_limit import BACKGROUND_SHARE, Limiter

__all__ = [
    "FASTEST",
    "FIRST",
    "LONGEST",
    "Clock",
    "NetworkBackoff",
    "RealClock",
    "Schedule",
    "Signals",
    "delay_for",
    "duration",
    "enter_budget",
    "leave_budget",
    "pace_in_words",
    "rate_of",
]

Signals: TypeAlias = "queue.SimpleQueue[str | None]"
"""Wakes a thread. Of all the ways to do so, only this one is safe in the garbage collector."""


class Clock(Protocol):
    """What a monitor needs of a clock."""

    def now(self) -> float:
        """Return seconds; they never go back."""

    def wait(self, signals: Signals, seconds: float | None) -> str | None:
        """Return the next signal, or None when so many seconds went by before."""


class RealClock:
    """Time as it goes by."""

    def now(self) -> float:
        """Return seconds since some moment."""
        return time.monotonic()

    def wait(self, signals: Signals, seconds: float | None) -> str | None:
        """Return the next signal, or None after so many seconds."""
        try:
            # An hour at a time: some systems know no longer waits.
            return signals.get(timeout=None if seconds is None else min(seconds, 3600.0))
        except queue.Empty:
            return None


FIRST = 2.0
LONGEST = 60.0
PART_OF_AGE = 0.25
JITTER = 0.25


def delay_for(age: float, chance: float) -> float:
    """Return the seconds until a job is asked for again: a quarter of its age, 2 to 60.

    Parameters
    ----------
    age
        Seconds since it was first seen, or since something last happened to it.
    chance
        A number from 0 to 1; it makes the delay up to a quarter longer, so that jobs of one
        age do not come all at once.
    """
    plain = min(max(age * PART_OF_AGE, FIRST), LONGEST / (1 + JITTER))
    return plain * (1 + JITTER * chance)


class Schedule:
    """The jobs that are not finished, by when they are due.

    A job is either in the schedule or, once taken, with whoever took it, until it comes back
    with `again`. Every step costs the logarithm of the number of jobs at most.

    Parameters
    ----------
    now
        The time, in seconds of any clock that does not go back.
    rate
        How many jobs a second may be taken in the long run.
    chance
        Returns numbers from 0 to 1.
    """

    def __init__(
        self,
        now: float,
        *,
        rate: float = math.inf,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._chance = chance
        self._at = now
        self._own_time = 0.0
        self._rate = rate
        self._frozen = False
        self._heap: list[tuple[float, int, str]] = []
        self._turn = 0
        self._since: dict[str, float] = {}
        # In units of one in a million seconds, whole: a sum of floats would drift.
        self._weights: dict[str, int] = {}
        self._weight = 0

    def __len__(self) -> int:
        return len(self._heap)

    @property
    def demand(self) -> float:
        """How many jobs a second would be due without stretching."""
        return self._weight / 1e6

    @property
    def stretch(self) -> float:
        """The factor of all delays: 1 when the budget carries all jobs."""
        return max(1.0, self.demand / self._rate)

    @property
    def interval(self) -> float:
        """The seconds between two requests for the same job, on average; 0 without jobs."""
        return len(self) / min(self.demand, self._rate) if self._weight else 0.0

    def add(self, gids: Iterable[str], now: float, *, urgent: bool = False) -> None:
        """Take up jobs: at once when urgent, else spread over the first delay."""
        self._tick(now)
        new = list(gids)
        for place, gid in enumerate(new, 1):
            due = -math.inf if urgent else self._own_time + FIRST * place / len(new)
            self._since[gid] = now
            self._push(gid, due, FIRST)

    def take(self, now: float, *, urgent_only: bool = False) -> str | None:
        """Return the job that is due first, None when none is; it has left the schedule."""
        if self.wait(now, urgent_only=urgent_only) != 0:
            return None
        gid = heapq.heappop(self._heap)[2]
        self._weight -= self._weights.pop(gid)
        return gid

    def again(self, gid: str, now: float, *, changed: bool = False) -> None:
        """Take a job back; the delay starts anew when something happened to it."""
        self._tick(now)
        if changed:
            self._since[gid] = now
        delay = delay_for(now - self._since[gid], self._chance())
        self._push(gid, self._own_time + delay, delay)

    def forget(self, gid: str) -> None:
        """Let go of a job that was taken and is finished."""
        self._since.pop(gid, None)

    def hurry(self, now: float) -> None:
        """Make all jobs due now, in the order in which they would have been."""
        self._tick(now)
        self._heap = [(-math.inf, turn, gid) for turn, (*_, gid) in enumerate(sorted(self._heap))]
        self._turn = len(self._heap)

    def wait(self, now: float, *, urgent_only: bool = False) -> float | None:
        """Return the seconds until a job is due: 0 when one is, None when none will be."""
        self._tick(now)
        if not self._heap:
            return None
        due = self._heap[0][0]
        if due == -math.inf:
            return 0.0
        if urgent_only or self._frozen:
            return None
        # A hair's breadth of rounding must not make someone wait for nothing, again and again.
        left = (due - self._own_time) * self.stretch
        return left if left > 1e-6 else 0.0  # noqa: PLR2004

    def set_rate(self, rate: float, now: float) -> None:
        """Change how many jobs a second may be taken."""
        self._tick(now)
        self._rate = rate

    def freeze(self, now: float, *, frozen: bool) -> None:
        """Stop the time, so that nothing becomes due, or let it go on."""
        self._tick(now)
        self._frozen = frozen

    def _push(self, gid: str, due: float, delay: float) -> None:
        self._turn += 1
        heapq.heappush(self._heap, (due, self._turn, gid))
        self._weights[gid] = round(1e6 / delay)
        self._weight += self._weights[gid]

    def _tick(self, now: float) -> None:
        if not self._frozen:
            self._own_time += max(0.0, now - self._at) / self.stretch
        self._at = max(now, self._at)


class NetworkBackoff:
    """Counts requests without an answer, one after the other; there is none to begin with."""

    def __init__(self) -> None:
        self._failures = 0
        self._until = 0.0

    def __bool__(self) -> bool:
        return self._failures > 0

    def note(self, now: float, *, answered: bool) -> None:
        """Note whether a request was answered: if not, the wait doubles, from 2 s to 60 s."""
        if answered:
            self._failures = 0
            return
        wait = min(FIRST * 2.0 ** min(self._failures, 16), LONGEST)
        self._failures += 1
        self._until = max(self._until, now + wait) if self._failures > 1 else now + wait

    def left(self, now: float) -> float:
        """Return the seconds for which to ask for nothing."""
        return max(0.0, self._until - now) if self._failures else 0.0

    def hurry(self, now: float) -> None:
        """Try now."""
        self._until = now


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
