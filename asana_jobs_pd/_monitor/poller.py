"""The threads of a monitor: one decides what is due, a few poll, one calls listeners.

They are daemons and hold no reference to the monitor: they end when it is garbage collected.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import threading
import types
import weakref
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Literal, TypeAlias

import pandas as pd

from asana_jobs_pd._http.client import Client
from asana_jobs_pd._http.rate_limit import Cancelled, Limiter
from asana_jobs_pd._http.redaction import clean
from asana_jobs_pd._http.threads import Clock, Signals, start_thread
from asana_jobs_pd._jobs.frame import ReadResult
from asana_jobs_pd._jobs.ledger import Recorder
from asana_jobs_pd._jobs.read import read_one
from asana_jobs_pd._monitor.job_table import JobTable
from asana_jobs_pd._monitor.schedule import NetworkBackoff, Schedule
from asana_jobs_pd._vocabulary import counts_by_state
from asana_jobs_pd.errors import (
    AsanaJobsError,
    AuthenticationError,
    NetworkError,
    NoThreadsError,
)
from asana_jobs_pd.typing import MonitorState

log = logging.getLogger("asana_jobs_pd")

MAX_WORKERS = 25
"""Half of what Asana allows in flight; the rest is for foreground reads."""
FINAL_STATES: tuple[MonitorState, ...] = ("done", "stopped", "unauthorized")


class Poller:
    """Polls the jobs of a table until they are finished; `start` may be called again.

    `lock` guards everything here, including the table. `version` grows with every visible change;
    `failed` says that polling ended because it could not continue; `signals` wakes the thread that
    decides, and ``"end"`` makes it stop everything.
    """

    def __init__(self, table: JobTable, clock: Clock) -> None:
        self.table = table
        self.clock = clock
        self.state: MonitorState = "idle"
        self.last_error: str | None = None
        self.failed = False
        self.refused: AuthenticationError | None = None
        self.version = 0
        self.client: Client | None = None
        self.limiter: Limiter | None = None
        self._recorder: Recorder | None = None
        self.lock = threading.RLock()
        self.finished = threading.Event()
        self.notifier = Notifier(
            self.lock, self.finished, table.rows, self._callback_failed, self._after_round
        )
        self._logged: MonitorState = "idle"
        self._prepare()
        _all.add(self)

    def _prepare(self) -> None:
        """Schedule all unfinished jobs."""
        now = self.clock.now()
        self.schedule = Schedule(now)
        due = {gid: job.status for gid, job in self.table.jobs.items() if not job.finished}
        self.schedule.add([gid for gid in due if due[gid] == "unknown"], now, urgent=True)
        self.schedule.add([gid for gid in due if due[gid] != "unknown"], now)
        self.signals: Signals = queue.SimpleQueue()
        self.in_flight: set[str] = set()
        self._todo: Signals = queue.SimpleQueue()
        self._workers = 0
        self._stop = threading.Event()
        self._backoff = NetworkBackoff()
        self._error_gid: str | None = None

    @property
    def running(self) -> bool:
        """Whether polling was started and has not ended."""
        return self.state not in (*FINAL_STATES, "idle")

    def start(self, client: Client) -> None:
        """Start polling, unless it is running."""
        with self.lock:
            if self.running:
                return
            self.client, self.limiter, self._recorder = client, client.limiter, Recorder(client)
            self.last_error, self.refused, self.failed = None, None, False
            self._prepare()
            self.finished.clear()
            self._set_state("watching")
            try:
                self.notifier.start()
                start_thread(self._run, "asana-jobs-watch", self._stop)
            except NoThreadsError as error:
                self.end("stopped", str(error))
                raise

    def end(self, state: MonitorState, reason: str | None = None) -> None:
        """Stop, without waiting for requests in flight; `reason` says why it cannot continue."""
        with self.lock:
            # A start may fail, too: then the state was "idle" or "stopped" before.
            if self.state in FINAL_STATES and state != "unauthorized":
                return
            if reason:
                self.last_error, self.failed = reason, True
            self._stop.set()
            self._set_state(state)
            self.schedule.leave()
            for _ in range(self._workers):
                self._todo.put(None)
            self.signals.put(None)
            if self.limiter is not None:
                self.limiter.wake()
            self.finished.set()

    def pause(self, *, paused: bool) -> None:
        """Pause or resume polling."""
        with self.lock:
            if self.running and paused != self.schedule.frozen:
                self.schedule.freeze(self.clock.now(), frozen=paused)
                self._update_state()
                self.signals.put("pause")

    def poll_now(self) -> None:
        """Poll all unfinished jobs, as soon as the limits allow."""
        with self.lock:
            self.schedule.make_all_due(self.clock.now())
            self._backoff.skip(self.clock.now())
            self.signals.put("poll")

    def record(self) -> None:
        """Write changes to the ledger, without holding the lock, since disks may be slow."""
        if self._recorder is not None:
            self._recorder.write()

    def next_check(self) -> float | None:
        """Return the seconds until the next request; None if none is scheduled."""
        with self.lock:
            if not self.running or self.limiter is None:
                return None
            now = self.clock.now()
            held = max(self.limiter.closed_for(), self._backoff.left(now))
            wait = 0.0 if self.in_flight else self.schedule.wait(now)
            return None if wait is None else max(wait, held)

    def after_fork(self) -> None:
        """Switch to stopped: a fork has no threads, and one of them may have held a lock."""
        self.lock = threading.RLock()
        self.finished = threading.Event()
        self.notifier.reset(self.lock, self.finished)
        self._recorder = None
        if self.running:
            self.state = "stopped"
            self.last_error = "The process was forked; start() watches from here, too."
        if self.state in FINAL_STATES:
            self.finished.set()

    # What is due

    def _run(self, stop: threading.Event) -> None:
        wait: float | None = 0.0
        signals = self.signals
        while not stop.is_set():
            if self.clock.wait(signals, wait) == "end":
                self.end("stopped")
            with self.lock:
                if not stop.is_set():
                    try:
                        wait = self._dispatch()
                    except Exception as error:  # noqa: BLE001  a thread has nobody to raise it to
                        self._give_up(error, stop)

    def _dispatch(self) -> float | None:
        """Hand out the jobs that are due; return the seconds to wait, None to wait for a signal."""
        if not len(self.schedule) and not self.in_flight:
            self.end("done")
            return None
        now = self.clock.now()
        assert self.limiter is not None
        self._update_state()
        if (held := self.limiter.closed_for() or self._backoff.left(now)) > 0:
            return held
        most = 1 if self._backoff else min(MAX_WORKERS, self.limiter.budget.max_in_flight)
        self.schedule.share(self.limiter, now)
        while len(self.in_flight) < most:
            gid = self.schedule.take(now)
            if gid is None:
                return self.schedule.wait(now)
            self._hand_out(gid)
        return None

    def _hand_out(self, gid: str) -> None:
        """Have a job polled; another thread is started only if all are busy."""
        self.in_flight.add(gid)
        self._todo.put(gid)
        if self._workers < len(self.in_flight):
            try:
                start_thread(self._work, "asana-jobs-poll", self.client, self._todo, self._stop)
            except NoThreadsError:  # continue with the existing threads
                if not self._workers:
                    raise
            else:
                self._workers += 1

    def _work(self, client: Client, todo: Signals, stop: threading.Event) -> None:
        while (gid := todo.get()) is not None and not stop.is_set():
            try:
                result = read_one(gid, self.table.plan, client, stop=stop, background=True)
                with self.lock:
                    if not stop.is_set():
                        self._take_over(gid, result)
                        self.signals.put("response")
            except Cancelled:
                return
            except BaseException as error:  # noqa: BLE001  or nobody would hear of this job again
                self._give_up(error, stop)

    def _give_up(self, error: BaseException, stop: threading.Event) -> None:
        text = clean(str(error))
        with self.lock:
            if not stop.is_set():
                ours = isinstance(error, AsanaJobsError)
                self.end("stopped", text if ours else f"{type(error).__name__}: {text}")

    # What came back

    def _take_over(self, gid: str, result: ReadResult) -> None:
        now, error = self.clock.now(), result.error
        self.in_flight.discard(gid)
        if error is not None and error.status == HTTPStatus.TOO_MANY_REQUESTS:
            self._set_error(gid, str(error))  # it concerns the token, not the job
            self.schedule.put_back(gid, now)
            return
        if self._recorder is not None and error is None:
            self._recorder.add(gid, result.record, result.asked_at)
        change = self.table.update(gid, result)
        if change:
            self.version += 1
            self.notifier.tell("on_change", gid)
        if self.table.jobs[gid].finished:
            self.schedule.forget(gid)
        else:
            self.schedule.put_back(gid, now, changed=change == "status")
        if isinstance(error, AuthenticationError):
            self.refused = error
            self.end("unauthorized", str(error))
            return
        if error is not None:
            self._set_error(gid, str(error))
        elif self._backoff or gid == self._error_gid:
            self._set_error(None, None)
        self._backoff.note(now, answered=not isinstance(error, NetworkError))
        self._update_state()

    # What others see

    def _update_state(self) -> None:
        state: MonitorState = "watching"
        if self.schedule.frozen:
            state = "paused"
        elif self.limiter is not None and self.limiter.closed_for() > 0:
            state = "rate_limited"
        elif self._backoff:
            state = "no_network"
        self._set_state(state)

    def _set_error(self, gid: str | None, text: str | None) -> None:
        self._error_gid = gid
        if text != self.last_error:
            self.last_error = text
            self._state_changed()

    def _set_state(self, state: MonitorState) -> None:
        if state != self.state:
            self.state = state
            self._state_changed()

    def _state_changed(self) -> None:
        self.version += 1
        self.notifier.tell("on_state")

    def _callback_failed(self, text: str) -> None:
        with self.lock:  # do not notify listeners: one of them has just failed
            self.last_error = text
            self.version += 1

    def _after_round(self) -> None:
        """Log a change of the state and write to the ledger, like `record` without the lock."""
        if (state := self.state) != self._logged:
            self._logged = state
            trouble = self.last_error if state in ("no_network", *FINAL_STATES) else None
            level = logging.WARNING if trouble else logging.INFO
            if log.isEnabledFor(level):
                with self.lock:
                    counts = counts_by_state(self.table.counts)
                jobs, unfinished = len(self.table.jobs), self.table.unfinished
                finished = f"{jobs - unfinished} of {jobs} jobs are finished ({counts})"
                text = f"{state.replace('_', ' ').capitalize()}: {finished}"
                log.log(level, "%s", f"{text}; {trouble}" if trouble else text)
        self.record()


MIN_INTERVAL, MAX_INTERVAL = 0.1, 0.8
"""Seconds between rounds, more while changes keep coming: twenty rows cost as much as one."""

Event: TypeAlias = Literal["on_change", "on_state"]


class _Listener:
    """A callback, and the changed jobs it has not been called with; methods are held weakly."""

    def __init__(self, event: Event, callback: Callable[..., object]) -> None:
        if not callable(callback):
            raise TypeError(f"{event}: {callback!r} is not callable.")
        self.event = event
        self.missed: dict[str, None] = {}
        weak = isinstance(callback, types.MethodType)
        self.callback: Callable[[], Callable[..., object] | None] = (
            weakref.WeakMethod(callback) if weak else lambda: callback
        )


class Notifier:
    """Calls listeners with what has changed, in its own thread, one round after the other.

    Changes during a round, or in the pause after it, come with the next round: a slow listener is
    called less often, not later and later. One that is added late first gets all changes so far.
    `rows` returns the rows of some jobs, `failed` gets descriptions of callbacks that raised, and
    `afterwards` is called at the end of a round. `tell` and `start` need `lock` to be held.
    """

    def __init__(
        self,
        lock: threading.RLock,
        finished: threading.Event,
        rows: Callable[[Iterable[str]], pd.DataFrame],
        failed: Callable[[str], object],
        afterwards: Callable[[], object] = bool,
    ) -> None:
        self._rows, self._failed, self._afterwards = rows, failed, afterwards
        self._listeners: list[_Listener] = []
        self._so_far: dict[Event, dict[str, None]] = {"on_change": {}, "on_state": {}}
        self._woken = False
        self.reset(lock, finished)

    def reset(self, lock: threading.RLock, finished: threading.Event) -> None:
        """Forget the thread, which a fork lacks, and the lock, which the thread may have held."""
        self._lock, self._finished, self._running = lock, finished, False
        self._news = threading.Condition(lock)

    def start(self) -> None:
        """Start the thread unless it runs; it ends once `finished` is set and all were called."""
        if not self._running:
            start_thread(self._run, "asana-jobs-notify")
            self._running = True

    def add(self, event: Event, callback: Callable[..., object]) -> Callable[[], None]:
        """Add a listener; call the returned function to remove it."""
        listener = _Listener(event, callback)
        with self._lock:
            self._listeners.append(listener)
            listener.missed = self._so_far[event].copy()
            if listener.missed:
                self._wake()

        def remove() -> None:
            with self._lock, contextlib.suppress(ValueError):
                self._listeners.remove(listener)

        return remove

    def tell(self, event: Event, gid: str = "") -> None:
        """Record that a job, the state or the last error has changed."""
        self._so_far[event][gid] = None
        for listener in self._listeners:
            if listener.event == event:
                listener.missed[gid] = None
        self._wake()

    def _wake(self) -> None:
        self._woken = True
        self._news.notify()
        if self._listeners:
            with contextlib.suppress(NoThreadsError):
                self.start()

    def _run(self) -> None:
        pause = MIN_INTERVAL
        while (listeners := self._next_round()) is not None:
            for listener in listeners:
                self._call(listener)
            self._afterwards()
            self._finished.wait(pause)
            pause = min(2 * pause, MAX_INTERVAL) if self._woken else MIN_INTERVAL

    def _next_round(self) -> list[_Listener] | None:
        """Wait for a change; return the listeners to call, or None after the last change."""
        with self._news:
            self._news.wait_for(lambda: self._woken or self._finished.is_set())
            if not self._woken:
                self._running = False
                return None
            self._woken = False
            self._listeners = [each for each in self._listeners if each.callback() is not None]
            return self._listeners.copy()

    def _call(self, listener: _Listener) -> None:
        callback = listener.callback()
        try:
            with self._lock:
                missed, listener.missed = listener.missed, {}
                rows = [self._rows(missed)] if missed and listener.event == "on_change" else []
            if missed and callback is not None:
                callback(*rows)
        except Exception as error:
            name = getattr(callback, "__qualname__", type(callback).__name__)
            failure = f"{listener.event}: {name} raised {type(error).__name__}: {clean(str(error))}"
            log.exception("%s; the monitor keeps running", failure)
            self._failed(failure)


_all: weakref.WeakSet[Poller] = weakref.WeakSet()


def _stop_after_fork() -> None:
    for poller in list(_all):
        poller.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_stop_after_fork)
