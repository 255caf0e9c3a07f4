"""The threads of a monitor: one decides what is due, a few poll, one notifies listeners.

They are daemons and hold no reference to the monitor: they end when it is garbage collected.
"""

from __future__ import annotations

import logging
import os
import queue
import threading
import weakref
from collections.abc import Callable
from http import HTTPStatus
from typing import TypeAlias

from asana_jobs_pd._http.rate_limit import Cancelled, Limiter
from asana_jobs_pd._http.redaction import clean
from asana_jobs_pd._http.threads import Clock, Signals, start_thread
from asana_jobs_pd._jobs.frame import ReadResult
from asana_jobs_pd._jobs.ledger import Recorder
from asana_jobs_pd._monitor.job_table import JobTable
from asana_jobs_pd._monitor.notifier import Notifier
from asana_jobs_pd._monitor.schedule import (
    NetworkBackoff,
    Schedule,
    join_rate,
    leave_rate,
    rate_of,
)
from asana_jobs_pd._vocabulary import counts_by_state
from asana_jobs_pd.errors import (
    AsanaJobsError,
    AuthenticationError,
    NetworkError,
    NoThreadsError,
)
from asana_jobs_pd.typing import MonitorState

log = logging.getLogger("asana_jobs_pd")

LOG_INTERVAL = 10.0
"""Seconds between two lines of the log about progress; a change of state is logged at once."""
MAX_WORKERS = 25
"""Half of what Asana allows in flight: the rest is left for foreground reads."""

Ask: TypeAlias = Callable[[str, threading.Event], ReadResult]


class WorkerPool:
    """A few daemon threads that poll; one more is started only when all are busy.

    `ask` fetches a job, and may raise ``Cancelled`` once `stop` is set; `report` gets the result,
    in the same thread, and takes the job out of `in_flight`; `failed` gets a description of
    anything else that `ask` raised: nothing can be polled after that.
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
        self.in_flight: set[str] = set()

    def submit(self, gid: str) -> None:
        """Queue a job to be polled."""
        self.in_flight.add(gid)
        self._todo.put(gid)
        if self._threads < len(self.in_flight):
            try:
                start_thread(self._work, "asana-jobs-poll")
            except NoThreadsError:  # go on with the threads there are
                if not self._threads:
                    raise
            else:
                self._threads += 1

    def dismiss(self) -> None:
        """Wake waiting threads, so that they notice the stop."""
        for _ in range(self._threads):
            self._todo.put(None)

    def _work(self) -> None:
        while (gid := self._todo.get()) is not None and not self._stop.is_set():
            try:
                self._report(gid, self._ask(gid, self._stop), self._stop)
            except Cancelled:
                return
            except Exception as error:  # noqa: BLE001  a thread has nobody to raise it to
                self._failed(_text_of(error), self._stop)
                return


FINAL_STATES: tuple[MonitorState, ...] = ("done", "stopped", "unauthorized")
_RESTARTABLE: tuple[MonitorState, ...] = ("idle", "stopped", "unauthorized")


class Poller:
    """Polls the jobs of a table until they are finished; `start` may begin it again.

    `lock` guards everything here, the table included. `version` grows with every visible change;
    `failed` says that it ended because it could not go on; `signals` wakes the deciding thread,
    and ``"end"`` makes that one stop everything.
    """

    def __init__(self, table: JobTable, clock: Clock) -> None:
        self.table = table
        self.clock = clock
        self.state: MonitorState = "idle"
        self.last_error: str | None = None
        self.failed = False
        self.refused: AuthenticationError | None = None
        self.version = 0
        self.limiter: Limiter | None = None
        self.recorder: Recorder | None = None
        self.lock = threading.RLock()
        self.finished = threading.Event()
        self.notifier = Notifier(self.lock, table.rows, self._callback_failed, self._after_round)
        self._logged: tuple[MonitorState, int, float] = ("idle", 0, 0.0)
        self._stop = threading.Event()
        self._ask: Ask = _ask_nothing
        self._prepare()
        _all.add(self)

    def _prepare(self) -> None:
        """Schedule all unfinished jobs."""
        now = self.clock.now()
        self.schedule = Schedule(now)
        due = {gid: job for gid, job in self.table.jobs.items() if not job.finished}
        self.schedule.add([gid for gid in due if due[gid].status == "unknown"], now, urgent=True)
        self.schedule.add([gid for gid in due if due[gid].status != "unknown"], now)
        self.signals: Signals = queue.SimpleQueue()
        self.workers = WorkerPool(self._ask, self._stop, self._report, self._give_up)
        self._backoff = NetworkBackoff()
        self._error_gid: str | None = None

    def start(self, ask: Ask, limiter: Limiter, recorder: Recorder | None = None) -> None:
        """Start polling, unless it is running or all jobs are finished."""
        with self.lock:
            if self.state not in _RESTARTABLE:
                return
            self._ask, self.limiter, self.recorder = ask, limiter, recorder
            self.last_error = self.refused = None
            self.failed = False
            self._stop = threading.Event()
            self._prepare()
            self.finished.clear()
            self.state = "idle"
            try:
                self.notifier.start(self._stop)
                self._set_state("watching")
                join_rate(self.schedule, limiter)
                start_thread(self._run, "asana-jobs-watch", self._stop)
            except NoThreadsError as error:
                self._end("stopped", str(error))
                raise

    def finish(self) -> None:
        """End because there is nothing left to poll."""
        with self.lock:
            self._end("done")

    def refuse(self, reason: str) -> None:
        """End before the start because there is no token."""
        with self.lock:
            if self.state in _RESTARTABLE:
                self.state = "idle"
                self._end("unauthorized", reason)

    def stop(self) -> None:
        """End without waiting for requests in flight."""
        with self.lock:
            self._end("stopped")

    def pause(self, *, paused: bool) -> None:
        """Pause or resume polling."""
        with self.lock:
            if self.state in (*FINAL_STATES, "idle") or paused == (self.state == "paused"):
                return
            self.schedule.freeze(self.clock.now(), frozen=paused)
            self._set_state("paused" if paused else "watching")
            self.signals.put("pause")

    def poll_now(self) -> None:
        """Poll all unfinished jobs, as soon as the limits allow."""
        with self.lock:
            self.schedule.make_all_due(self.clock.now())
            self._backoff.skip(self.clock.now())
            self.signals.put("poll")

    def record(self) -> None:
        """Write changes to the ledger; without holding the lock, since a disk may be slow."""
        if self.recorder is not None:
            self.recorder.write()

    def _after_round(self) -> None:
        """Log how it goes, and write it to the ledger; without the lock, as `record`."""
        state, unfinished, now = self.state, self.table.unfinished, self.clock.now()
        last_state, last_unfinished, logged_at = self._logged
        progressed = unfinished != last_unfinished and now - logged_at >= LOG_INTERVAL
        if state != last_state or progressed:
            self._logged = state, unfinished, now
            with self.lock:
                counts = counts_by_state(self.table.counts)
            trouble = self.last_error if state in ("no_network", *FINAL_STATES) else None
            log.log(
                logging.WARNING if trouble else logging.INFO,
                "%s: %d of %d jobs are finished (%s)%s",
                state.replace("_", " ").capitalize(),
                len(self.table.jobs) - unfinished,
                len(self.table.jobs),
                counts,
                f"; {trouble}" if trouble else "",
            )
        self.record()

    def after_fork(self) -> None:
        """Become stopped: a fork has none of the threads, and one may have held a lock."""
        self.lock = threading.RLock()
        self.notifier.after_fork(self.lock)
        self.recorder = None
        self.finished = threading.Event()
        if self.state not in FINAL_STATES:
            self.state = "idle" if self.state == "idle" else "stopped"
            self.last_error = "The process was forked; start() watches from here, too."
        if self.state in FINAL_STATES:
            self.finished.set()

    def next_check(self) -> float | None:
        """Return the seconds until the next request, None when none is scheduled."""
        with self.lock:
            if self.state in (*FINAL_STATES, "idle", "paused") or self.limiter is None:
                return None
            now = self.clock.now()
            held = max(self.limiter.closed_for(), self._backoff.left(now))
            wait = 0.0 if self.workers.in_flight else self.schedule.wait(now)
            return None if wait is None else max(wait, held)

    # What is due

    def _run(self, stop: threading.Event) -> None:
        wait: float | None = 0.0
        signals = self.signals
        while not stop.is_set():
            if self.clock.wait(signals, wait) == "end":
                self.stop()
            with self.lock:
                if not stop.is_set():
                    try:
                        wait = self._dispatch()
                    except Exception as error:  # noqa: BLE001  a thread has nobody to raise it to
                        self._give_up(_text_of(error), stop)

    def _dispatch(self) -> float | None:
        """Queue the jobs that are due; return the seconds to wait, None to wait for a signal."""
        if not len(self.schedule) and not self.workers.in_flight:
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
        if (held := self._backoff.left(now)) > 0:
            return held
        most = 1 if self._backoff else min(MAX_WORKERS, self.limiter.budget.max_in_flight)
        self.schedule.set_rate(rate_of(self.schedule, self.limiter), now)
        while len(self.workers.in_flight) < most:
            gid = self.schedule.take(now, urgent_only=paused)
            if gid is None:
                return self.schedule.wait(now, urgent_only=paused)
            self.workers.submit(gid)
        return None

    # What came back

    def _report(self, gid: str, result: ReadResult, stop: threading.Event) -> None:
        with self.lock:
            if not stop.is_set():
                self._take_over(gid, result)
                self.signals.put("response")

    def _give_up(self, reason: str, stop: threading.Event) -> None:
        with self.lock:
            if not stop.is_set():
                self._end("stopped", reason)

    def _take_over(self, gid: str, result: ReadResult) -> None:
        now, error = self.clock.now(), result.error
        self.workers.in_flight.discard(gid)
        if error is not None and error.status == HTTPStatus.TOO_MANY_REQUESTS:
            self._set_error(gid, str(error))  # about the token, not about the job
            self.schedule.put_back(gid, now)
            return
        if self.recorder is not None and error is None:
            self.recorder.add(gid, result.record, result.asked_at)
        change = self.table.update(gid, result)
        if change.any:
            self.version += 1
            self.notifier.job_changed(gid)
        if change.finished:
            self.schedule.forget(gid)
        else:
            self.schedule.put_back(gid, now, changed=change.status)
        if isinstance(error, AuthenticationError):
            self.refused = error
            self._end("unauthorized", str(error))
            return
        if error is not None:
            self._set_error(gid, str(error))
        elif self._backoff or gid == self._error_gid:
            self._set_error(None, None)
        self._backoff.note(now, answered=not isinstance(error, NetworkError))
        if self._backoff and self.state != "paused":
            self._set_state("no_network")
        elif self.state == "no_network" and not self._backoff:
            self._set_state("watching")

    # What others see

    def _set_error(self, gid: str | None, text: str | None) -> None:
        self._error_gid = gid
        if text != self.last_error:
            self.last_error = text
            self._state_changed()

    def _set_state(self, state: MonitorState) -> None:
        if state != self.state and self.state not in FINAL_STATES:
            self.state = state
            self._state_changed()

    def _state_changed(self) -> None:
        self.version += 1
        self.notifier.state_changed()

    def _callback_failed(self, text: str) -> None:
        with self.lock:  # do not tell listeners: the one that fails might be told
            self.last_error = text
            self.version += 1

    def _end(self, state: MonitorState, reason: str | None = None) -> None:
        if self.state in FINAL_STATES:
            return
        if reason:
            self.last_error, self.failed = reason, True
        self._stop.set()
        self._set_state(state)
        leave_rate(self.schedule)
        self.workers.dismiss()
        self.signals.put(None)
        self.notifier.wake()
        if self.limiter is not None:
            self.limiter.wake()
        self.finished.set()


def _text_of(error: Exception) -> str:
    text = clean(str(error))
    return text if isinstance(error, AsanaJobsError) else f"{type(error).__name__}: {text}"


def _ask_nothing(gid: str, stop: threading.Event) -> ReadResult:  # noqa: ARG001
    raise Cancelled


_all: weakref.WeakSet[Poller] = weakref.WeakSet()


def _stop_after_fork() -> None:
    for poller in list(_all):
        poller.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_stop_after_fork)
