"""Tells listeners what has changed, in a thread of its own."""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
import types
import weakref
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

import pandas as pd

from asana_jobs_pd._http.redaction import clean
from asana_jobs_pd._monitor.schedule import Signals

__all__ = ["Callbacks", "Notifier"]

log = logging.getLogger("asana_jobs_pd")

_Reference: TypeAlias = Callable[[], Callable[..., object] | None]


class Callbacks:
    """Callbacks, called in the order in which they came.

    Methods of objects are held weakly: a listener that is gone is not kept alive by what it
    listened to.

    Parameters
    ----------
    what
        What they are called, in messages.
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._lock = threading.Lock()
        self._references: list[_Reference] = []

    def __bool__(self) -> bool:
        return bool(self._references)

    def add(self, callback: Callable[..., object]) -> Callable[[], None]:
        """Add a callback; call what is returned to take it away again."""
        if not callable(callback):
            raise TypeError(f"{self._what}: {callback!r} cannot be called.")
        reference: _Reference
        if isinstance(callback, types.MethodType):
            reference = weakref.WeakMethod(callback)
        else:

            def reference() -> Callable[..., object]:
                return callback

        with self._lock:
            self._references.append(reference)
        return lambda: self._remove(reference)

    def call(self, *arguments: Any) -> str | None:
        """Call them all; return in words what the last one that failed raised."""
        failure = None
        for reference in tuple(self._references):
            callback = reference()
            if callback is None:
                self._remove(reference)
                continue
            try:
                callback(*arguments)
            except Exception as error:
                name = getattr(callback, "__qualname__", type(callback).__name__)
                failure = f"{self._what}: {name} raised {type(error).__name__}: {clean(str(error))}"
                log.exception("%s; the watching goes on", failure)
        return failure

    def _remove(self, reference: _Reference) -> None:
        with self._lock, contextlib.suppress(ValueError):
            self._references.remove(reference)


RHYTHM = 0.2
"""Seconds between two tellings: making rows costs some 20 ms, however few they are."""


class Notifier:
    """Collects what changed, and tells it one call after the other.

    What changes while a callback takes its time, or within a fifth of a second, comes with the
    next call: a slow listener hears less often, not later and later.

    Parameters
    ----------
    lock
        Held by whoever calls `row` and `state`.
    rows
        Makes the rows of some jobs, with the lock held.
    failed
        Hears in words of callbacks that raised.
    afterwards
        Called in the same thread once all listeners have heard.
    """

    def __init__(
        self,
        lock: threading.RLock,
        rows: Callable[[Iterable[str]], pd.DataFrame],
        failed: Callable[[str], None],
        afterwards: Callable[[], object] = bool,
    ) -> None:
        self.lock = lock
        self.changes = Callbacks("on_change")
        self.states = Callbacks("on_state")
        self._rows = rows
        self._failed = failed
        self._afterwards = afterwards
        self._gids: dict[str, None] = {}
        self._state = False
        self._woken = False
        self._signals: Signals = queue.SimpleQueue()

    def start(self, stop: threading.Event) -> None:
        """Begin to tell, until `stop` is set and all is told."""
        self._signals = queue.SimpleQueue()
        self._woken = False
        threading.Thread(
            target=self._tell, args=(stop, self._signals), name="asana-jobs-tell", daemon=True
        ).start()

    def row(self, gid: str) -> None:
        """Note that something about a job has changed."""
        self._gids[gid] = None
        self.wake()

    def state(self) -> None:
        """Note that something about the whole has changed."""
        self._state = True
        self.wake()

    def wake(self) -> None:
        """Make the thread look, once."""
        if not self._woken:
            self._woken = True
            self._signals.put(None)

    def _tell(self, stop: threading.Event, signals: Signals) -> None:
        ended = False
        while not ended:
            signals.get()
            try:
                ended = self._tell_once(stop)
            except Exception as error:  # noqa: BLE001  rows that cannot be made into a frame
                self._failed(f"{type(error).__name__}: {clean(str(error))}")
            self._afterwards()
            stop.wait(RHYTHM)

    def _tell_once(self, stop: threading.Event) -> bool:
        with self.lock:
            ended = stop.is_set()
            gids, said = self._gids, self._state
            self._gids, self._state, self._woken = {}, False, False
            rows = self._rows(gids) if gids and self.changes else None
        failure = self.changes.call(rows) if rows is not None else None
        if said:
            failure = self.states.call() or failure
        if failure:
            self._failed(failure)
        return ended
