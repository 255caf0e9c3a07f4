"""A clock for monitors that a test drives: time passes only when it is told to."""

from __future__ import annotations

import queue
import threading
import time


class DrivenClock:
    """Stands still until `advance`; a waiting thread wakes when its time has come."""

    def __init__(self, seconds=1000.0):
        self._seconds = seconds
        self._lock = threading.Lock()
        self._turn = 0
        self._waiting = {}

    def now(self):
        return self._seconds

    def wait(self, signals, seconds):
        with self._lock:
            deadline = float("inf") if seconds is None else self._seconds + seconds
            waits = deadline > self._seconds
            self._turn += 1
            turn = self._turn
            if waits:
                self._waiting[turn] = (signals, deadline)
        try:
            return signals.get(block=waits, timeout=120)
        except queue.Empty:
            return None
        finally:
            with self._lock:
                self._waiting.pop(turn, None)

    def advance(self, seconds):
        """Let time pass."""
        with self._lock:
            self._seconds += seconds
            for turn, (signals, deadline) in list(self._waiting.items()):
                if deadline <= self._seconds:
                    signals.put(None)
                    del self._waiting[turn]

    def settle(self, ready=lambda: True, over=lambda: False):
        """Return when somebody waits and nobody was woken, twice in a row, and it is ready."""
        before = None

        def quiet():
            nonlocal before
            with self._lock:
                waiting = dict(self._waiting)
            calm = ready() and waiting and all(signals.empty() for signals, _ in waiting.values())
            same = calm and before == waiting.keys()
            before = waiting.keys() if calm else None
            return same

        until(lambda: over() or quiet())


def until(condition, seconds=120.0):
    """Return when a condition holds; fail after a time that only a hang can take."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.001)
