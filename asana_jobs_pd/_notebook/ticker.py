"""A thread that draws: soon after it is woken, else once a second, until there is no more to do."""

from __future__ import annotations

import logging
import threading
import weakref
from collections.abc import Callable

__all__ = ["Ticker"]

log = logging.getLogger("asana_jobs_pd")

INTERVAL = 1.0
REST = 0.15
"""Seconds between two drawings at the least: what changes meanwhile is drawn together."""


class Ticker:
    """Calls a method again and again, from one daemon thread of its own.

    Parameters
    ----------
    tick
        A method, held weakly with its object; it returns whether there is more to come. What
        it raises is logged.
    """

    def __init__(self, tick: Callable[[], bool]) -> None:
        self._tick = weakref.WeakMethod(tick)
        self._lock = threading.Lock()
        self._running = False
        self._woken = threading.Event()
        self._stop = threading.Event()

    def wake(self) -> None:
        """Tick soon; begin again when it had come to its end."""
        with self._lock:
            self._woken.set()
            if self._running or self._stop.is_set():
                return
            self._running = True
        threading.Thread(target=_run, args=(self,), name="asana-jobs-draw", daemon=True).start()

    def stop(self) -> None:
        """Tick no more."""
        self._stop.set()
        self._woken.set()

    def run_once(self) -> bool:
        """Wait, tick, and tell whether to go on."""
        self._woken.wait(INTERVAL)
        self._woken.clear()
        more = self._call()
        if more:
            self._stop.wait(REST)
        with self._lock:
            self._running = more or (self._woken.is_set() and not self._stop.is_set())
            return self._running

    def _call(self) -> bool:
        tick = self._tick()
        if tick is None or self._stop.is_set():
            return False
        try:
            return tick()
        except Exception:
            log.exception("The widget could not be drawn; it tries again")
            return True


def _run(ticker: Ticker) -> None:
    while ticker.run_once():
        pass
