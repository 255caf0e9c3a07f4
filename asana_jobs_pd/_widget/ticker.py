"""A widget's thread, which sends what has changed, and ends once nothing can change any more."""

from __future__ import annotations

import logging
import threading
import weakref
from collections.abc import Callable

from asana_jobs_pd._http.threads import start_thread

log = logging.getLogger("asana_jobs_pd")


class Ticker:
    """Calls a method again and again from a daemon thread, for as long as it returns True.

    The method is held weakly; exceptions are logged.
    """

    INTERVAL = 1.0
    MIN_INTERVAL = 0.15
    """The least seconds between two calls; changes in between are sent together."""

    def __init__(self, tick: Callable[[], bool]) -> None:
        self._tick = weakref.WeakMethod(tick)
        self._lock = threading.Lock()
        self._running = False
        self._woken, self._stop = threading.Event(), threading.Event()

    def wake(self) -> None:
        """Call the method soon; start a new thread if the last one has ended."""
        with self._lock:
            self._woken.set()
            start, self._running = not (self._running or self._stop.is_set()), True
        if start:
            start_thread(_run, "asana-jobs-send", self)

    def stop(self) -> None:
        """Stop calling the method."""
        self._stop.set()
        self._woken.set()

    def run_once(self) -> bool:
        """Wait, call the method, and return whether to continue."""
        self._woken.wait(self.INTERVAL)
        self._woken.clear()
        more, tick = False, self._tick()
        if tick is not None and not self._stop.is_set():
            try:
                more = tick()
            except Exception:
                log.exception("The widget could not be updated; trying again")
                more = True
            self._stop.wait(self.MIN_INTERVAL)
        with self._lock:
            self._running = more or (self._woken.is_set() and not self._stop.is_set())
            return self._running


def _run(ticker: Ticker) -> None:
    while ticker.run_once():  # the thread must not keep the widget alive while it waits
        pass
