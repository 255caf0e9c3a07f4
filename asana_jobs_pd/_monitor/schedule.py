"""When to poll each job: delays grow with a job's age and stretch to what the rate limit allows."""

from __future__ import annotations

import heapq
import math
import random
import weakref
from collections.abc import Callable, Iterable

from asana_jobs_pd._formatting import format_duration
from asana_jobs_pd._http.rate_limit import BACKGROUND_SHARE, Limiter
from asana_jobs_pd._http.retry import backoff

MIN_DELAY = 2.0
MAX_DELAY = 60.0
AGE_FRACTION = 0.25
JITTER = 0.25
MAX_RATE = 25.0
"""The most polls per second, whatever the rate limit, so that a monitor uses little CPU."""


def delay_for(age: float, chance: float) -> float:
    """Return the seconds until the next poll of a job: a quarter of its age, 2 to 60.

    `age` counts from when the job was first seen or last changed its status; `chance`, from 0 to 1,
    makes the delay up to a quarter longer, so that jobs of the same age spread out.
    """
    delay = min(max(age * AGE_FRACTION, MIN_DELAY), MAX_DELAY / (1 + JITTER))
    return delay * (1 + JITTER * chance)


class Schedule:
    """The unfinished jobs by the time of their next poll.

    A job that was taken is not scheduled until it is `put_back`. All methods take at most
    logarithmic time. `rate` is how many jobs per second may be taken in the long run; if that is
    too few, all delays are stretched (`stretch`).
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
        self.rate = rate
        self.frozen = False
        self._heap: list[tuple[float, int, str]] = []
        self._turn = 0
        self._since: dict[str, float] = {}
        # In whole millionths of polls per second: a sum of floats would drift.
        self._weights: dict[str, int] = {}
        self._weight = 0

    def __len__(self) -> int:
        return len(self._heap)

    @property
    def demand(self) -> float:
        """How many jobs per second would be due without stretching."""
        return self._weight / 1e6

    @property
    def stretch(self) -> float:
        """The factor by which all delays are stretched: 1 if the rate is sufficient."""
        return max(1.0, self.demand / self.rate)

    @property
    def interval(self) -> float:
        """The seconds between two polls of the same job, on average; 0 without jobs."""
        return len(self) / min(self.demand, self.rate) if self._weight else 0.0

    def add(self, gids: Iterable[str], now: float, *, urgent: bool = False) -> None:
        """Add jobs: due at once if urgent, otherwise spread over the first delay."""
        self._tick(now)
        new = list(gids)
        for position, gid in enumerate(new, 1):
            due = -math.inf if urgent else self._own_time + MIN_DELAY * position / len(new)
            self._since[gid] = now
            self._push(gid, due, MIN_DELAY)

    def take(self, now: float) -> str | None:
        """Remove and return the job that is due first; None if none is due."""
        if self.wait(now) != 0:
            return None
        gid = heapq.heappop(self._heap)[2]
        self._weight -= self._weights.pop(gid)
        return gid

    def put_back(self, gid: str, now: float, *, changed: bool = False) -> None:
        """Schedule a job that was taken; if its status has changed, its delays start over."""
        self._tick(now)
        if changed:
            self._since[gid] = now
        delay = delay_for(now - self._since[gid], self._chance())
        self._push(gid, self._own_time + delay, delay)

    def forget(self, gid: str) -> None:
        """Drop a job that was taken and is finished."""
        self._since.pop(gid, None)

    def make_all_due(self, now: float) -> None:
        """Make all jobs due now, in the order in which they would have been due."""
        self._tick(now)
        self._heap = [(-math.inf, turn, gid) for turn, (*_, gid) in enumerate(sorted(self._heap))]
        self._turn = len(self._heap)

    def wait(self, now: float) -> float | None:
        """Return the seconds until a job is due: 0 if one is, None if none will be."""
        self._tick(now)
        if not self._heap:
            return None
        due = self._heap[0][0]
        if due == -math.inf:
            return 0.0
        if self.frozen:
            return None
        # Rounding errors must not cause many waits of almost zero seconds.
        left = (due - self._own_time) * self.stretch
        return left if left > 1e-6 else 0.0  # noqa: PLR2004

    def share(self, limiter: Limiter, now: float) -> None:
        """Take a share of the polls per second that a limiter allows, in proportion to demand."""
        self._tick(now)
        _sharing[self] = limiter
        budget = limiter.budget
        self.rate = min(BACKGROUND_SHARE * budget.allowed / budget.window, MAX_RATE)
        if self.demand:
            demands = [other.demand for other, its in list(_sharing.items()) if its is limiter]
            self.rate *= self.demand / sum(demands)

    def leave(self) -> None:
        """Give the share back."""
        _sharing.pop(self, None)

    def freeze(self, now: float, *, frozen: bool) -> None:
        """Freeze or resume the time: while frozen, nothing becomes due by itself."""
        self._tick(now)
        self.frozen = frozen

    def _push(self, gid: str, due: float, delay: float) -> None:
        self._turn += 1
        heapq.heappush(self._heap, (due, self._turn, gid))
        self._weights[gid] = round(1e6 / delay)
        self._weight += self._weights[gid]

    def _tick(self, now: float) -> None:
        if not self.frozen:
            self._own_time += max(0.0, now - self._at) / self.stretch
        self._at = max(now, self._at)


class NetworkBackoff:
    """Counts consecutive attempts without a response; falsy while there are none."""

    def __init__(self) -> None:
        self._failures = 0
        self._until = 0.0

    def __bool__(self) -> bool:
        return self._failures > 0

    def note(self, now: float, *, answered: bool) -> None:
        """Record a poll; without a response, the wait doubles, from 2 s up to 60 s."""
        if answered:
            self._failures = 0
        elif not self.left(now):  # otherwise it was sent before the wait began
            self._failures += 1
            self._until = now + backoff(self._failures, 0.0, first=MIN_DELAY, most=MAX_DELAY)

    def left(self, now: float) -> float:
        """Return the seconds until the next attempt."""
        return max(0.0, self._until - now) if self._failures else 0.0

    def skip(self, now: float) -> None:
        """Allow the next attempt now."""
        self._until = now


_sharing: weakref.WeakKeyDictionary[Schedule, Limiter] = weakref.WeakKeyDictionary()


def slow_rate_text(schedule: Schedule, limiter: Limiter) -> str:
    """Return how often each job is polled if the rate limit slows that down; otherwise ""."""
    if schedule.stretch <= 1.05:  # noqa: PLR2004
        return ""
    allowed, window = limiter.budget.allowed, limiter.budget.window
    limit = f"{MAX_RATE:g} requests per second"
    if allowed < math.inf:
        period = "per minute" if window == 60 else f"in {format_duration(window)}"  # noqa: PLR2004
        limit = f"{allowed:,.0f} requests {period}"
    return (
        f"Each job is checked about every {format_duration(schedule.interval)}: {len(schedule):,} "
        f"jobs share a limit of {limit}."
    )
