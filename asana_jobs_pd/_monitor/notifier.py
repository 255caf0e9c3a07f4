"""Tells listeners what has changed, in its own thread."""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
import types
import weakref
from collections.abc import Callable, Iterable
from typing import Any, Literal, TypeAlias

import pandas as pd

from asana_jobs_pd._http.redaction import clean
from asana_jobs_pd._http.threads import Signals, start_thread
from asana_jobs_pd.errors import NoThreadsError

log = logging.getLogger("asana_jobs_pd")

MIN_INTERVAL, MAX_INTERVAL = 0.1, 0.8
"""Seconds between two rounds, longer while changes keep coming: a row costs as much as twenty."""

Event: TypeAlias = Literal["on_change", "on_state"]


class _Listener:
    """A callback and what it has not been told yet; a method is held weakly."""

    def __init__(self, event: Event, callback: Callable[..., object]) -> None:
        if not callable(callback):
            raise TypeError(f"{event}: {callback!r} is not callable.")
        self.event = event
        self.missed_gids: dict[str, None] = {}
        self.missed_state = False
        weak = isinstance(callback, types.MethodType)
        self.callback: Callable[[], Callable[..., object] | None] = (
            weakref.WeakMethod(callback) if weak else lambda: callback
        )

    def call(self, *arguments: Any) -> str | None:
        """Call back; return a description of what it raised."""
        callback = self.callback()
        if callback is None:
            return None
        try:
            callback(*arguments)
        except Exception as error:
            name = getattr(callback, "__qualname__", type(callback).__name__)
            failure = f"{self.event}: {name} raised {type(error).__name__}: {clean(str(error))}"
            log.exception("%s; the monitor keeps running", failure)
            return failure
        return None


class Notifier:
    """Collects changes and calls the listeners, one round after the other.

    What changes during a round, or in the pause after it, comes with the next one: a slow listener
    hears less often, not later and later. A late one first hears of all changes so far.
    `rows` makes the rows of some jobs, `failed` gets descriptions of callbacks that raised,
    `afterwards` is called at the end of a round. All methods but `start` need `lock` held, and so
    does `rows`.
    """

    def __init__(
        self,
        lock: threading.RLock,
        rows: Callable[[Iterable[str]], pd.DataFrame],
        failed: Callable[[str], None],
        afterwards: Callable[[], object] = bool,
    ) -> None:
        self.lock = lock
        self._rows = rows
        self._failed = failed
        self._afterwards = afterwards
        self._listeners: list[_Listener] = []
        self._gids: dict[str, None] = {}
        self._gids_so_far: dict[str, None] = {}
        self._state_changed = self._state_changed_so_far = False
        self._running = self._woken = False
        self._signals: Signals = queue.SimpleQueue()
        self._calling = threading.Lock()

    def start(self, stop: threading.Event) -> None:
        """Start the thread; it ends once `stop` is set and everything has been told."""
        with self.lock:
            self._signals = queue.SimpleQueue()
            self._woken = False
            start_thread(self._run, "asana-jobs-notify", stop, self._signals)
            self._running = True

    def add(self, event: Event, callback: Callable[..., object]) -> Callable[[], None]:
        """Add a listener; call the returned function to remove it."""
        listener = _Listener(event, callback)
        with self.lock:
            self._listeners.append(listener)
            if event == "on_change":
                listener.missed_gids = self._gids_so_far.copy()
            else:
                listener.missed_state = self._state_changed_so_far
            if listener.missed_gids or listener.missed_state:
                self.wake()
        return lambda: self._remove(listener)

    def job_changed(self, gid: str) -> None:
        """Note that something about a job has changed."""
        self._gids[gid] = self._gids_so_far[gid] = None
        self.wake()

    def state_changed(self) -> None:
        """Note that the state or the last error has changed."""
        self._state_changed = self._state_changed_so_far = True
        self.wake()

    def wake(self) -> None:
        """Wake the thread for one round; start a new one if it has ended."""
        if self._running:
            if not self._woken:
                self._woken = True
                self._signals.put(None)
        elif self._listeners:
            ended = threading.Event()
            ended.set()
            with contextlib.suppress(NoThreadsError):
                self.start(ended)
                self.wake()

    def after_fork(self, lock: threading.RLock) -> None:
        """Forget the thread and replace the lock, whose holder may not exist in this process."""
        self.lock, self._calling = lock, threading.Lock()
        self._running = False

    def _remove(self, listener: _Listener) -> None:
        with self.lock, contextlib.suppress(ValueError):
            self._listeners.remove(listener)

    def _run(self, stop: threading.Event, signals: Signals) -> None:
        ended, pause = False, MIN_INTERVAL
        while not ended:
            pause = MIN_INTERVAL if signals.empty() else min(2 * pause, MAX_INTERVAL)
            signals.get()
            with self._calling:
                ended, calls, failure = self._next_round(stop, signals)
                for listener, arguments in calls:
                    failure = listener.call(*arguments) or failure
            if failure:
                self._failed(failure)
            self._afterwards()
            stop.wait(pause)

    def _next_round(
        self, stop: threading.Event, signals: Signals
    ) -> tuple[bool, list[tuple[_Listener, tuple[Any, ...]]], str | None]:
        """Return whether it is the last round, whom to call with what, and the last error."""
        calls: list[tuple[_Listener, tuple[Any, ...]]] = []
        failure = None
        with self.lock:
            ended = stop.is_set()
            gids, state_changed = self._gids, self._state_changed
            self._gids, self._state_changed, self._woken = {}, False, False
            if ended and signals is self._signals:  # and was not started again
                self._running = False
            self._listeners = [each for each in self._listeners if each.callback() is not None]
            try:
                calls = self._changes(gids)
            except Exception as error:  # noqa: BLE001  rows that cannot be made into a frame
                failure = f"{type(error).__name__}: {clean(str(error))}"
            for listener in self._listeners:
                if listener.event == "on_state" and (state_changed or listener.missed_state):
                    listener.missed_state = False
                    calls.append((listener, ()))
        return ended, calls, failure

    def _changes(self, gids: dict[str, None]) -> list[tuple[_Listener, tuple[Any, ...]]]:
        calls: list[tuple[_Listener, tuple[Any, ...]]] = []
        rows: dict[tuple[str, ...], pd.DataFrame] = {}
        for listener in self._listeners:
            if listener.event == "on_change" and (due := {**listener.missed_gids, **gids}):
                listener.missed_gids = {}
                key = tuple(due)
                if key not in rows:
                    rows[key] = self._rows(due)
                calls.append((listener, (rows[key],)))
        return calls
