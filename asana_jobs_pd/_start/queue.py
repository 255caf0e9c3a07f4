"""Which request to start a job goes next, and which running job to ask for. Pure but for its state.

Asana lets a user run five duplications, instantiations and exports at a time. The queue keeps to
that by counting what it sent and what it has not seen end; what others run, it learns from
refusals that say "later".
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from asana_jobs_pd.typing import StartState

__all__ = ["MOST_JOBS", "StartQueue"]

MOST_JOBS = 5
"""Jobs that Asana lets a user run at the same time."""
FIRST_ASK, LONGEST_ASK, GROWTH = 2.0, 30.0, 1.5
"""Seconds between two questions after the same job, at first and at most."""
FIRST_HOLD, LONGEST_HOLD = 5.0, 60.0
"""Seconds to wait after a "later" that names no time, at first and at most."""
MOST_DOUBTS = 3
"""Requests in a row without a clear answer, after which nothing more is sent."""


@dataclass(slots=True)
class _Running:
    """A job that is not known to have ended: when to ask for it, and how long to wait then."""

    ask_at: float
    wait: float = FIRST_ASK
    asked: bool = False


class StartQueue:
    """What is to be started, what is being sent, and what runs.

    Parameters
    ----------
    items
        How many requests there are; they are numbered from 0 and sent in this order.
    running
        Gids of jobs that run already, as far as is known.
    most
        Jobs at the same time.

    Attributes
    ----------
    states : list
        What became of each request so far; None while it is not decided.
    gave_up : bool
        Whether too many requests in a row had no clear answer.
    """

    def __init__(self, items: int, *, running: Iterable[str] = (), most: int = MOST_JOBS) -> None:
        self.states: list[StartState | None] = [None] * items
        self.gave_up = False
        self._most = most
        self._waiting: dict[int, float] = dict.fromkeys(range(items), -math.inf)
        self._sending: set[int] = set()
        self._running = {gid: _Running(-math.inf) for gid in running}
        self._hold_until = -math.inf
        self._holds: dict[int | None, int] = {}
        self._doubts = 0

    @property
    def running(self) -> tuple[str, ...]:
        """Gids of the jobs that are not known to have ended."""
        return tuple(self._running)

    @property
    def sending(self) -> frozenset[int]:
        """The requests that are under way."""
        return frozenset(self._sending)

    @property
    def waiting(self) -> int:
        """How many requests have not been sent yet."""
        return len(self._waiting)

    @property
    def done(self) -> bool:
        """Whether every request is decided, or will not be sent."""
        return not self._sending and (self.gave_up or not self._waiting)

    def take(self, now: float) -> int | None:
        """Return the next request to send; None when none may be sent now."""
        if not self._has_room() or self.gave_up or now < self._hold_until:
            return None
        for item, not_before in self._waiting.items():
            if not_before <= now:
                del self._waiting[item]
                self._sending.add(item)
                return item
        return None

    def ask(self, now: float) -> str | None:
        """Return the gid of a running job to ask for; None when none is due."""
        if not self._waiting or self.gave_up:
            return None
        for gid, job in self._running.items():
            if not job.asked and job.ask_at <= now:
                job.asked = True
                return gid
        return None

    def wait(self, now: float) -> float:
        """Return the seconds until something can be due; inf when only an answer changes that."""
        due = [job.ask_at for job in self._running.values() if not job.asked]
        if self._has_room():
            due += [max(self._hold_until, start) for start in self._waiting.values()]
        return max(0.0, min(due, default=math.inf) - now) if self._waiting else math.inf

    def started(self, item: int, gid: str, now: float) -> None:
        """Note that a request has started a job."""
        self._decide(item, "started")
        self._running[gid] = _Running(now + FIRST_ASK)
        self._answered(item)

    def refused(self, item: int) -> None:
        """Note that Asana has refused a request for good."""
        self._decide(item, "refused")
        self._answered(item)

    def unclear(self, item: int, now: float, *, sent: bool) -> None:
        """Note that no clear answer came: a job was started or not, or nothing got out at all.

        From now on one request goes at a time, and none for a while. After a few in a row the
        rest is not sent: each might start a job that nobody knows of.
        """
        self._decide(item, "unknown" if sent else "not_sent")
        self._doubts += 1
        self.gave_up = self._doubts >= MOST_DOUBTS
        self._hold_until = max(self._hold_until, now + FIRST_ASK * 2.0 ** (self._doubts - 1))

    def later(
        self, item: int, now: float, *, wait: float | None = None, alone: bool = False
    ) -> None:
        """Note that a request has to wait: it goes back to its place in the line.

        Parameters
        ----------
        item
            The request.
        now
            The time.
        wait
            How many seconds, when Asana said so; else longer each time.
        alone
            Whether only this request has to: of its workspace, an export is in progress.
        """
        key = item if alone else None
        times = self._holds[key] = self._holds.get(key, 0) + 1
        if wait is None:
            wait = min(FIRST_HOLD * 2.0 ** (times - 1), LONGEST_HOLD)
        self._sending.remove(item)
        self._waiting = dict(sorted({**self._waiting, item: -math.inf}.items()))
        if alone:
            self._waiting[item] = now + wait
        else:
            self._hold_until = max(self._hold_until, now + wait)
        self._doubts = 0

    def seen(self, gid: str, now: float, *, over: bool) -> None:
        """Note what an answer, or none, said of a running job."""
        job = self._running[gid]
        if over:
            del self._running[gid]
            if not self._doubts and None in self._holds:
                self._hold_until = now  # there is room where there was none
            return
        job.asked = False
        job.wait = min(job.wait * GROWTH, LONGEST_ASK)
        job.ask_at = now + job.wait

    def withdraw(self, item: int) -> None:
        """Note that a request that was about to be sent was not."""
        self._sending.remove(item)
        self._waiting = dict(sorted({**self._waiting, item: -math.inf}.items()))

    def close(self) -> list[StartState]:
        """Return what became of every request, when nothing more is heard."""
        for item in tuple(self._sending):
            self._decide(item, "unknown")
        return [state or "not_sent" for state in self.states]

    def _has_room(self) -> bool:
        if self._doubts and self._sending:
            return False
        return len(self._running) + len(self._sending) < self._most

    def _decide(self, item: int, state: StartState) -> None:
        self._sending.remove(item)
        self.states[item] = state

    def _answered(self, item: int) -> None:
        self._doubts = 0
        self._holds.pop(None, None)
        self._holds.pop(item, None)
