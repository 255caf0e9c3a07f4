"""Tells listeners what has changed, in a thread of its own."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable

import pandas as pd

from asana_jobs_pd._api.redact import clean
from asana_jobs_pd._jobs.callbacks import Callbacks
from asana_jobs_pd._jobs.clock import Signals

__all__ = ["Teller"]

RHYTHM = 0.2
"""Seconds between two tellings: making rows costs some 20 ms, however few they are."""


class Teller:
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
    """

    def __init__(
        self,
        lock: threading.RLock,
        rows: Callable[[Iterable[str]], pd.DataFrame],
        failed: Callable[[str], None],
    ) -> None:
        self.lock = lock
        self.changes = Callbacks("on_change")
        self.states = Callbacks("on_state")
        self._rows = rows
        self._failed = failed
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
