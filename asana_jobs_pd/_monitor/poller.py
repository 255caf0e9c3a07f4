"""The threads of a monitor: one decides what is due, a few ask, one tells who listens.

They are daemons and know nothing of the monitor: when nobody holds it any more, they end.
"""

from __future__ import annotations

import os
import queue
import threading
import weakref
from collections.abc import Callable
from http import HTTPStatus
from typing import TypeAlias

from asana_jobs_pd._http.rate_limit import Cancelled, Limiter
from asana_jobs_pd._http.redaction import clean
from asana_jobs_pd._jobs.fetch import ReadResult
from asana_jobs_pd._jobs.ledger import Recorder
from asana_jobs_pd._monitor.job_table import JobTable
from asana_jobs_pd._monitor.notifier import Notifier
from asana_jobs_pd._monitor.schedule import (
    Clock,
    NetworkBackoff,
    Schedule,
    Signals,
    enter_budget,
    leave_budget,
    rate_of,
)
from asana_jobs_pd.errors import AsanaJobsError, AuthenticationError, NetworkError
from asana_jobs_pd.typing import MonitorState

__all__ = ["FINAL", "MOST_WORKERS", "Ask", "Poller", "WorkerPool"]

MOST_WORKERS = 25
"""Half of what Asana allows in flight: the rest is for reads in the foreground."""

Ask: TypeAlias = Callable[[str, threading.Event], ReadResult]


class WorkerPool:
    """A few daemon threads; one more is started only when all are busy.

    Parameters
    ----------
    ask
        Asks for a job; may raise ``Cancelled`` once `stop` is set.
    stop
        Set it, and call `dismiss`, to end the threads.
    report
        Gets what came of a job, in the thread that asked.
    failed
        Hears in words of whatever else `ask` raised: then nothing can be asked any more.

    Attributes
    ----------
    under_way : set of str
        The jobs that were given and not reported yet; whoever reports takes them out.
    """

    def __init__(
        self,
        ask: Ask,
        stop: threading.Event,
        report: Callable[[str, ReadResult, threading.Event], None],
        failed: Callable[[str, threading.Event], None],
    ) -> None:
        self._ask = ask
        self._stop = stop
        self._report = report
        self._failed = failed
        self._threads = 0
        self._todo: Signals = queue.SimpleQueue()
        self.under_way: set[str] = set()

    def give(self, gid: str) -> None:
        """Have a job asked for."""
        self.under_way.add(gid)
        self._todo.put(gid)
        if self._threads < len(self.under_way):
            self._threads += 1
            threading.Thread(target=self._work, name="asana-jobs-poll", daemon=True).start()

    def dismiss(self) -> None:
        """Wake those who wait, so that they see the stop."""
        for _ in range(self._threads):
            self._todo.put(None)

    def _work(self) -> None:
        while (gid := self._todo.get()) is not None and not self._stop.is_set():
            try:
                outcome = self._ask(gid, self._stop)
            except Cancelled:
                return
            except Exception as error:  # noqa: BLE001  a thread has nobody to raise it to
                said = clean(str(error))
                ours = isinstance(error, AsanaJobsError)
                self._failed(said if ours else f"{type(error).__name__}: {said}", self._stop)
                return
            self._report(gid, outcome, self._stop)


FINAL: tuple[MonitorState, ...] = ("done", "stopped", "unauthorized")


class Poller:
    """Asks for the jobs of a board until they are over; `start` begins anew after an end.

    Parameters
    ----------
    board
        The jobs; from now on only to be touched with ``lock`` held.
    clock
        What tells the time.

    Attributes
    ----------
    lock : threading.RLock
        Guards everything here.
    state : str
        A `MonitorState`.
    last_error : str or None
        What went wrong last, in words.
    failed : bool
        Whether it ended because it could not go on.
    refused : AuthenticationError or None
        The answer that the token is not accepted.
    version : int
        Grows with everything that can be seen.
    crew : WorkerPool
        Who asks.
    signals : queue.SimpleQueue
        Wakes the thread that decides; ``"end"`` makes it stop all.
    """

    def __init__(self, board: JobTable, clock: Clock) -> None:
        self.board = board
        self.clock = clock
        self.state: MonitorState = "idle"
        self.last_error: str | None = None
        self.failed = False
        self.refused: AuthenticationError | None = None
        self.version = 0
        self.limiter: Limiter | None = None
        self.lock = threading.RLock()
        self.finished = threading.Event()
        self.recorder: Recorder | None = None
        self.teller = Notifier(self.lock, board.rows, self._callback_failed, self.record)
        self._stop = threading.Event()
        self._ask: Ask = _ask_nothing
        self._prepare()
        _all.add(self)

    def _prepare(self) -> None:
        """Plan anew what is not over."""
        now = self.clock.now()
        self.schedule = Schedule(now)
        due = {gid: job for gid, job in self.board.jobs.items() if not job.over}
        self.schedule.add([gid for gid in due if due[gid].status == "unknown"], now, urgent=True)
        self.schedule.add([gid for gid in due if due[gid].status != "unknown"], now)
        self.signals: Signals = queue.SimpleQueue()
        self.crew = WorkerPool(self._ask, self._stop, self._report, self._give_up)
        self._outage = NetworkBackoff()
        self._error_of: str | None = None

    def start(self, ask: Ask, limiter: Limiter, recorder: Recorder | None = None) -> None:
        """Begin, unless it runs or all is over."""
        with self.lock:
            if self.state not in ("idle", "stopped", "unauthorized"):
                return
            self._ask, self.limiter, self.recorder = ask, limiter, recorder
            self.last_error = self.refused = None
            self.failed = False
            self._stop = threading.Event()
            self._prepare()
            self.finished.clear()
            self.state = "idle"
            self.teller.start(self._stop)
            self._set_state("watching")
            enter_budget(self.schedule, limiter)
            threading.Thread(
                target=self._decide, args=(self._stop,), name="asana-jobs-watch", daemon=True
            ).start()

    def finish(self) -> None:
        """Be done: there is nothing to ask for."""
        with self.lock:
            self._end("done")

    def refuse(self, reason: str) -> None:
        """Say that it cannot begin: there is no token."""
        with self.lock:
            if self.state in ("idle", "stopped", "unauthorized"):
                self.state = "idle"
                self._end("unauthorized", reason)

    def stop(self) -> None:
        """End all of it, without waiting for requests that are under way."""
        with self.lock:
            self._end("stopped")

    def pause(self, *, paused: bool) -> None:
        """Ask for nothing more, or go on."""
        with self.lock:
            if self.state in (*FINAL, "idle") or paused == (self.state == "paused"):
                return
            self.schedule.freeze(self.clock.now(), frozen=paused)
            self._set_state("paused" if paused else "watching")
            self.signals.put("pause")

    def hurry(self) -> None:
        """Ask for all that is not over, as soon as the limits allow."""
        with self.lock:
            self.schedule.hurry(self.clock.now())
            self._outage.hurry(self.clock.now())
            self.signals.put("hurry")

    def record(self) -> None:
        """Write the jobs that changed to the ledger; without the lock, since a disk may be slow."""
        if self.recorder is not None:
            self.recorder.write()

    def after_fork(self) -> None:
        """Be stopped: the threads did not come along, and one may have held a lock."""
        self.lock = self.teller.lock = threading.RLock()
        self.recorder = None
        self.finished = threading.Event()
        if self.state not in FINAL:
            self.state = "idle" if self.state == "idle" else "stopped"
            self.last_error = "The process was forked; start() watches from here, too."
        if self.state in FINAL:
            self.finished.set()

    def next_check(self) -> float | None:
        """Return the seconds until the next request, None when there will be none by itself."""
        with self.lock:
            if self.state in (*FINAL, "idle", "paused") or self.limiter is None:
                return None
            now = self.clock.now()
            held = max(self.limiter.closed_for(), self._outage.left(now))
            wait = 0.0 if self.crew.under_way else self.schedule.wait(now)
            return None if wait is None else max(wait, held)

    # What is due

    def _decide(self, stop: threading.Event) -> None:
        wait: float | None = 0.0
        signals = self.signals
        while not stop.is_set():
            if self.clock.wait(signals, wait) == "end":
                self.stop()
            with self.lock:
                if not stop.is_set():
                    try:
                        wait = self._hand_out()
                    except Exception as error:  # noqa: BLE001  no thread to be had, say
                        self._give_up(f"{type(error).__name__}: {clean(str(error))}", stop)

    def _hand_out(self) -> float | None:
        """Give out what is due; return the seconds to wait, None until something happens."""
        if not len(self.schedule) and not self.crew.under_way:
            self._end("done")
            return None
        now, paused = self.clock.now(), self.state == "paused"
        assert self.limiter is not None
        if (closed := self.limiter.closed_for()) > 0:
            if not paused:
                self._set_state("rate_limited")
            return closed
        if self.state == "rate_limited":
            self._set_state("watching")
        if (held := self._outage.left(now)) > 0:
            return held
        most = 1 if self._outage else min(MOST_WORKERS, self.limiter.budget.max_in_flight)
        self.schedule.set_rate(rate_of(self.schedule, self.limiter), now)
        while len(self.crew.under_way) < most:
            gid = self.schedule.take(now, urgent_only=paused)
            if gid is None:
                return self.schedule.wait(now, urgent_only=paused)
            self.crew.give(gid)
        return None

    # What came of it

    def _report(self, gid: str, outcome: ReadResult, stop: threading.Event) -> None:
        with self.lock:
            if not stop.is_set():
                self._note(gid, outcome)
                self.signals.put("answer")

    def _give_up(self, reason: str, stop: threading.Event) -> None:
        with self.lock:
            if not stop.is_set():
                self._end("stopped", reason)

    def _note(self, gid: str, outcome: ReadResult) -> None:
        now, error = self.clock.now(), outcome.error
        self.crew.under_way.discard(gid)
        if error is not None and error.status == HTTPStatus.TOO_MANY_REQUESTS:
            self._complain(gid, str(error))  # of the token; it says nothing about the job
            self.schedule.again(gid, now)
            return
        news = self.board.note(gid, outcome)
        if news.changed:
            self.version += 1
            self.teller.row(gid)
            if self.recorder is not None and error is None:
                self.recorder.add(gid, outcome.record, outcome.asked_at)
        if news.over:
            self.schedule.forget(gid)
        else:
            self.schedule.again(gid, now, changed=news.status_changed)
        if isinstance(error, AuthenticationError):
            self.refused = error
            self._end("unauthorized", str(error))
            return
        if error is not None:
            self._complain(gid, str(error))
        elif self._outage or gid == self._error_of:
            self._complain(None, None)
        self._outage.note(now, answered=not isinstance(error, NetworkError))
        if self._outage and self.state != "paused":
            self._set_state("no_network")
        elif self.state == "no_network" and not self._outage:
            self._set_state("watching")

    # Saying

    def _complain(self, gid: str | None, words: str | None) -> None:
        self._error_of = gid
        if words != self.last_error:
            self.last_error = words
            self._see()

    def _set_state(self, state: MonitorState) -> None:
        if state != self.state and self.state not in FINAL:
            self.state = state
            self._see()

    def _see(self) -> None:
        self.version += 1
        self.teller.state()

    def _callback_failed(self, words: str) -> None:
        with self.lock:  # not told: the listener who hears of it may be the one that fails
            self.last_error = words
            self.version += 1

    def _end(self, state: MonitorState, reason: str | None = None) -> None:
        if self.state in FINAL:
            return
        if reason:
            self.last_error, self.failed = reason, True
        self._set_state(state)
        self._stop.set()
        leave_budget(self.schedule)
        self.crew.dismiss()
        self.signals.put(None)
        self.teller.wake()
        if self.limiter is not None:
            self.limiter.wake()
        self.finished.set()


def _ask_nothing(gid: str, stop: threading.Event) -> ReadResult:  # noqa: ARG001
    raise Cancelled


_all: weakref.WeakSet[Poller] = weakref.WeakSet()


def _stop_after_fork() -> None:
    for poller in list(_all):
        poller.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_stop_after_fork)
