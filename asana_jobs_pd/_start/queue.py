"""Decides which request to start a job is sent next, and which running job is polled."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from asana_jobs_pd._http.retry import backoff
from asana_jobs_pd.typing import StartState

MAX_RUNNING = 5
"""How many jobs Asana lets a user run at the same time."""
MIN_POLL_DELAY, MAX_POLL_DELAY, POLL_GROWTH = 2.0, 30.0, 1.5
"""Seconds between two polls of the same job, at first and at most."""
MIN_HOLD, MAX_HOLD = 5.0, 60.0
"""Seconds to wait after a "later" without a time, at first and at most."""
MAX_UNCLEAR = 3
"""After this many requests in a row without a clear response, nothing more is sent."""


@dataclass(slots=True)
class _Running:
    """A job not known to have finished: when to poll it next, and the delay after that."""

    poll_at: float
    delay: float = MIN_POLL_DELAY
    in_flight: bool = False


class StartQueue:
    """The requests of a call and the running jobs, of which Asana allows five at a time.

    It counts its own jobs that are not known to have finished; jobs of others show in refusals that
    mean "later".

    Requests are numbered from 0, and sent in order: `waiting` has those not sent yet, `sending`
    those in flight. `running` are the jobs that are not known to have finished. `states` has the
    outcome of each request, None while it is open; `gave_up` says that too many in a row had no
    clear response.
    """

    def __init__(self, items: int, *, running: Iterable[str] = ()) -> None:
        self.states: list[StartState | None] = [None] * items
        self.gave_up = False
        self.waiting: dict[int, float] = dict.fromkeys(range(items), -math.inf)
        self.sending: set[int] = set()
        self.running = {gid: _Running(-math.inf) for gid in running}
        self._hold_until = -math.inf
        self._holds: dict[int | None, int] = {}
        self._unclear = 0

    @property
    def done(self) -> bool:
        """Whether every request has an outcome or will not be sent."""
        return not self.sending and (self.gave_up or not self.waiting)

    def take(self, now: float) -> int | None:
        """Return the next request to send; None if none may be sent now."""
        if not self._has_room() or self.gave_up or now < self._hold_until:
            return None
        for item, not_before in self.waiting.items():
            if not_before <= now:
                del self.waiting[item]
                self.sending.add(item)
                return item
        return None

    def take_poll(self, now: float) -> str | None:
        """Return the gid of a running job to poll; None if none is due."""
        if not self.waiting or self.gave_up:
            return None
        for gid, job in self.running.items():
            if not job.in_flight and job.poll_at <= now:
                job.in_flight = True
                return gid
        return None

    def wait(self, now: float) -> float:
        """Return the seconds until something is due; inf if nothing is until a response arrives."""
        due = [job.poll_at for job in self.running.values() if not job.in_flight]
        if self._has_room():
            due += [max(self._hold_until, start) for start in self.waiting.values()]
        return max(0.0, min(due, default=math.inf) - now) if self.waiting else math.inf

    def started(self, item: int, gid: str, now: float, *, taken: bool = False) -> None:
        """Record that a request has started a job, or that an earlier job was taken instead."""
        self._decide(item, "taken" if taken else "started")
        self.running[gid] = _Running(now + MIN_POLL_DELAY)
        self._clear(item)

    def refused(self, item: int) -> None:
        """Record that Asana refused a request for good."""
        self._decide(item, "refused")
        self._clear(item)

    def unclear(self, item: int, now: float, *, sent: bool) -> None:
        """Record that there was no clear response: a job may have been started.

        From now on, requests are sent one at a time, after a pause. After a few in a row, the rest
        is not sent: each request might start a job whose gid nobody knows.
        """
        self._decide(item, "unknown" if sent else "not_sent")
        self._unclear += 1
        self.gave_up = self._unclear >= MAX_UNCLEAR
        pause = backoff(self._unclear, 0.0, first=MIN_POLL_DELAY)
        self._hold_until = max(self._hold_until, now + pause)

    def later(
        self, item: int, now: float, *, wait: float | None = None, alone: bool = False
    ) -> None:
        """Put a request back in its place, to be sent after `wait` seconds, or longer each time.

        `alone` says that only this request has to wait, because its workspace has a running export.
        """
        key = item if alone else None
        times = self._holds[key] = self._holds.get(key, 0) + 1
        if wait is None:
            wait = backoff(times, 0.0, first=MIN_HOLD, most=MAX_HOLD)
        self.withdraw(item)
        if alone:
            self.waiting[item] = now + wait
        else:
            self._hold_until = max(self._hold_until, now + wait)
        self._unclear = 0

    def polled(self, gid: str, now: float, *, finished: bool) -> None:
        """Record the result of a poll."""
        job = self.running[gid]
        if finished:
            del self.running[gid]
            if not self._unclear and None in self._holds:
                self._hold_until = now  # there is room again
            return
        job.in_flight = False
        job.delay = min(job.delay * POLL_GROWTH, MAX_POLL_DELAY)
        job.poll_at = now + job.delay

    def withdraw(self, item: int) -> None:
        """Put back a request that was not sent after all."""
        self.sending.remove(item)
        self.waiting = dict(sorted({**self.waiting, item: -math.inf}.items()))

    def close(self) -> list[StartState]:
        """Return the outcome of every request; later responses no longer count."""
        for item in tuple(self.sending):
            self._decide(item, "unknown")
        return [state or "not_sent" for state in self.states]

    def _has_room(self) -> bool:
        if self._unclear and self.sending:
            return False
        return len(self.running) + len(self.sending) < MAX_RUNNING

    def _decide(self, item: int, state: StartState) -> None:
        self.sending.remove(item)
        self.states[item] = state

    def _clear(self, item: int) -> None:
        self._unclear = 0
        self._holds.pop(None, None)
        self._holds.pop(item, None)
