"""The rate limiter: one per token and process, with one gate for all threads."""

from __future__ import annotations

import logging
import math
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable

log = logging.getLogger("asana_jobs_pd")

WINDOW = 60.0
"""The window in seconds: Asana counts requests per minute."""
MAX_POSTS = 15
"""The most requests other than GET in flight, which Asana counts separately."""
BACKGROUND_SHARE = 0.8
"""The share of a window for background requests, so that there is room for foreground reads."""


class Cancelled(Exception):  # noqa: N818  not an error: the caller wants no more
    """Raised in a thread whose work was stopped."""


class Budget:
    """How many requests one token may still send in a window.

    None means no limit. GETs and POSTs in flight are counted separately.

    A 429 closes the gate for everyone, for as long as the server says, or else for a default time.
    Then one request probes whether it is open. After a 429, the budget is half of what it was, or
    what the server accepted in the last window minus a margin, whichever is smaller. It recovers
    by a tenth of the limit at a time; if a step proves one too many, the next one takes twice as
    long. A twentieth of the limit is always kept: if another program has used up the token's
    limit, our own count says nothing about what remains.
    """

    def __init__(self, limit: int | None, window: float, max_in_flight: int) -> None:
        self.window = window
        self.limit = self.allowed = math.inf
        self.configure(limit, max_in_flight)
        self.in_flight = self.posts_in_flight = 0
        self.closings = 0
        self.refusals = 0
        self.opens_at = -math.inf
        self._last_closed = -math.inf
        self._testing = False
        self._patience = 1
        self._next_step = math.inf
        self._ends: deque[float] = deque()
        self._accepted: deque[float] = deque()

    def configure(self, limit: int | None, max_in_flight: int) -> None:
        """Change the limits, and keep what was sent and learned so far."""
        self.max_in_flight = max_in_flight
        new = math.inf if limit is None else limit
        if new != self.limit:
            self.limit = self.allowed = new

    def delay(self, now: float, share: float = 1.0, *, post: bool = False) -> float:
        """Return the seconds until a request may start: 0 for now, inf until a response arrives.

        With a `share` below 1 it may only use that part of the window.
        """
        if now < self.opens_at:
            return self.opens_at - now
        sent = self.in_flight + self.posts_in_flight
        if self._testing and sent:
            return math.inf
        if self.posts_in_flight >= MAX_POSTS if post else self.in_flight >= self.max_in_flight:
            return math.inf
        self._recover(now)
        if self.allowed == math.inf:
            return 0.0
        self._forget(now)
        over = sent + len(self._ends) - max(1, int(self.allowed * share))
        if over < 0:
            return 0.0
        return self._ends[over] + self.window - now if over < len(self._ends) else math.inf

    def used(self, now: float) -> int:
        """Return the number of requests in the window."""
        self._forget(now)
        return self.in_flight + self.posts_in_flight + len(self._ends)

    def start(self, *, post: bool = False) -> None:
        """Record that a request starts."""
        self._count(1, post=post)

    def end(self, now: float, *, accepted: bool, post: bool = False) -> None:
        """Record the end of a request, with or without a response."""
        self._count(-1, post=post)
        self._ends.append(now)
        if accepted:
            self._accepted.append(now)
            self._testing = False
            self.refusals = 0
        if self.limit == math.inf:
            self._forget(now)

    def close(self, now: float, wait: float, *, started: float) -> None:
        """Close the gate for `wait` seconds, after a 429 to a request that was sent at `started`.

        Requests that were in flight when the gate closed do not close it again.
        """
        self.opens_at = max(self.opens_at, now + wait)
        self._testing = True
        if started <= self._last_closed:  # clocks are coarse; the gate was closed in the meantime
            return
        self.closings += 1
        self.refusals += 1
        self._last_closed = now
        self._forget(now)
        if self.limit < math.inf:
            least = max(1, self.limit // 20)
            # Counted by responses, this may be a few more than the server has counted in a window.
            accepted = len(self._accepted) * 31 // 32
            self.allowed = max(least, min(self.allowed // 2, accepted))
        self._patience = min(2 * self._patience, 16)
        self._next_step = self.opens_at + self._patience * self.window

    def _count(self, step: int, *, post: bool) -> None:
        if post:
            self.posts_in_flight += step
        else:
            self.in_flight += step

    def _recover(self, now: float) -> None:
        if self.allowed >= self.limit or now < self._next_step:
            return
        self.allowed = min(self.limit, self.allowed + max(1, self.limit // 10))
        self._next_step = now + self._patience * self.window
        if self.allowed == self.limit:
            self._patience = 1

    def _forget(self, now: float) -> None:
        for times in (self._ends, self._accepted):
            while times and times[0] + self.window <= now:
                times.popleft()


class Limiter:
    """Lets requests start in order, within a budget shared by all threads.

    Foreground requests go before background ones (the polls of a monitor), each kind in order
    of arrival; background ones leave a fifth of the window free. POSTs queue separately, since
    Asana counts those in flight separately, and go first when both wait for the
    window. Only the first in the queue watches the clock.
    """

    def __init__(
        self,
        limit: int | None,
        max_in_flight: int,
        *,
        window: float = WINDOW,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.budget = Budget(limit, window, max_in_flight)
        self._clock = clock
        self.start_afresh()
        _all.add(self)

    def start_afresh(self) -> None:
        """Forget waiting threads and requests in flight: a forked process has neither."""
        self._lock = threading.Lock()
        self._foreground: deque[threading.Condition] = deque()
        self._background: deque[threading.Condition] = deque()
        self._posts: deque[threading.Condition] = deque()
        self.budget.in_flight = self.budget.posts_in_flight = 0

    def __repr__(self) -> str:
        budget = self.budget
        return f"<Limiter {budget.allowed} of {budget.limit} in {budget.window:g} s>"

    def configure(self, limit: int | None, max_in_flight: int) -> None:
        """Change the limits for all clients that share this limiter."""
        with self._lock:
            self.budget.configure(limit, max_in_flight)
            self._call_next()

    def acquire(
        self, stop: threading.Event, *, background: bool = False, post: bool = False
    ) -> float:
        """Wait until a request may start, and return the time; ``Cancelled`` once `stop` is set.

        ``wake`` makes waiting threads check it.
        """
        share = BACKGROUND_SHARE if background else 1.0
        lane = self._posts if post else self._background if background else self._foreground
        turn = threading.Condition(self._lock)
        with self._lock:
            lane.append(turn)
            try:
                while not stop.is_set():
                    now = self._clock()
                    delay = self._delay(turn, now, share, post=post)
                    if delay <= 0:
                        self.budget.start(post=post)
                        return now
                    turn.wait(None if delay == math.inf else delay)
                raise Cancelled
            finally:
                lane.remove(turn)
                self._call_next()

    def release(
        self,
        started: float,
        *,
        accepted: bool = True,
        closed_for: float | None = None,
        post: bool = False,
    ) -> None:
        """Record the end of the request that was sent at `started`; a 429 closes the gate."""
        with self._lock:
            now, closings = self._clock(), self.budget.closings
            self.budget.end(now, accepted=accepted and closed_for is None, post=post)
            if closed_for is not None:
                self.budget.close(now, closed_for, started=started)
            self._call_next()
            closed = self.budget.closings > closings
        if closed:
            log.info("Rate limited (429): no request for %.1f s", closed_for)

    def wake(self) -> None:
        """Make all waiting threads check whether they were stopped."""
        with self._lock:
            for turn in (*self._posts, *self._foreground, *self._background):
                turn.notify()

    def used(self) -> int:
        """Return the number of requests in the current window."""
        with self._lock:
            return self.budget.used(self._clock())

    def closed_for(self) -> float:
        """Return the seconds for which a 429 keeps the gate closed."""
        with self._lock:
            return max(0.0, self.budget.opens_at - self._clock())

    def _delay(self, turn: threading.Condition, now: float, share: float, *, post: bool) -> float:
        """Return the seconds until a turn; inf while another turn comes first."""
        lane = self._posts if post else self._foreground or self._background
        post_may_start = self._posts and self.budget.delay(now, post=True) <= 0
        if turn is not lane[0] or (not post and post_may_start):
            return math.inf
        return self.budget.delay(now, share, post=post)

    def _call_next(self) -> None:
        for lane in (self._posts, self._foreground or self._background):
            if lane:
                lane[0].notify()


_all: weakref.WeakSet[Limiter] = weakref.WeakSet()
_limiters: dict[tuple[str, str], Limiter] = {}
_limiters_lock = threading.Lock()


def limiter_for(fingerprint: str, origin: str, limit: int | None, max_in_flight: int) -> Limiter:
    """Return the limiter of a token at a server, with these limits: the latest ones apply."""
    with _limiters_lock:
        limiter = _limiters.get((fingerprint, origin))
        if limiter is None:
            limiter = _limiters[fingerprint, origin] = Limiter(limit, max_in_flight)
        else:
            limiter.configure(limit, max_in_flight)
        return limiter


def share_limiter(limiter: Limiter, fingerprint: str, origin: str) -> None:
    """Let a token share the limiter of the token that it replaces, unless it already has one."""
    with _limiters_lock:
        _limiters.setdefault((fingerprint, origin), limiter)


def forget_limiters() -> None:
    """Forget the limiters of all tokens; existing clients keep theirs."""
    with _limiters_lock:
        _limiters.clear()


def _forget_after_fork() -> None:
    # Another thread may have held a lock at the moment of the fork.
    global _limiters_lock  # noqa: PLW0603
    _limiters.clear()
    _limiters_lock = threading.Lock()
    for limiter in list(_all):
        limiter.start_afresh()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_after_fork)
