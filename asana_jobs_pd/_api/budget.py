"""The account of one token: how many requests may start, and when. Pure but for its state.

Asana counts requests over a sliding window, rejected ones too, and those in flight. The
account is exact from our side: a request holds its place from its start until one window
after its *response*, so that the server, which saw it earlier, never counts more than
the budget in any window.
"""

from __future__ import annotations

import math
from collections import deque

__all__ = ["MOST_POSTS", "Budget"]

MOST_POSTS = 15
"""Requests in flight other than GET that Asana allows; it counts them apart."""


class Budget:
    """What one token may still send.

    Parameters
    ----------
    limit
        Requests in a window; None for no limit of our own.
    window
        Its length in seconds.
    max_in_flight
        GET requests at the same time; of POSTs there may be ``MOST_POSTS`` besides.

    Notes
    -----
    A 429 closes the gate for everyone until the server's time, or ours, is up. One request
    then tries whether it is open. From a 429 on, the budget is the smaller of half of what it
    was and what the server accepted in the last window, less a margin; it recovers by a tenth of
    the limit at a time, and waits twice as long for the next step whenever a step proved one too
    many. A twentieth of the limit always stays: when another program used the token up, we had
    few requests or none in that window, which says nothing about what there will be for us.
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
        """Set the limits anew; what was sent, and what a 429 taught, stay on the account."""
        self.max_in_flight = max_in_flight
        new = math.inf if limit is None else limit
        if new != self.limit:
            self.limit = self.allowed = new

    def delay(self, now: float, share: float = 1.0, *, post: bool = False) -> float:
        """Return the seconds until a request may start: 0 for now, inf for "on a response".

        With a `share` below 1 it may only use that part of the window.
        """
        if now < self.opens_at:
            return self.opens_at - now
        sent = self.in_flight + self.posts_in_flight
        if self._testing and sent:
            return math.inf
        if self.posts_in_flight >= MOST_POSTS if post else self.in_flight >= self.max_in_flight:
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
        """Return how many requests the window holds."""
        self._forget(now)
        return self.in_flight + self.posts_in_flight + len(self._ends)

    def start(self, *, post: bool = False) -> None:
        """Note that a request starts."""
        self._count(1, post=post)

    def end(self, now: float, *, accepted: bool, post: bool = False) -> None:
        """Note a response, or that none will come."""
        self._count(-1, post=post)
        self._ends.append(now)
        if accepted:
            self._accepted.append(now)
            self._testing = False
            self.refusals = 0
        if self.limit == math.inf:
            self._forget(now)

    def close(self, now: float, wait: float, *, started: float) -> None:
        """Close the gate for `wait` seconds, because of a 429 to a request of `started`.

        Answers to requests that were under way when the gate closed belong to that closing.
        """
        self.opens_at = max(self.opens_at, now + wait)
        self._testing = True
        if started <= self._last_closed:  # clocks are coarse, and the gate was closed since
            return
        self.closings += 1
        self.refusals += 1
        self._last_closed = now
        self._forget(now)
        if self.limit < math.inf:
            least = max(1, self.limit // 20)
            # Counted by responses, it may be a few more than the server had in any window.
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
