"""The time that a monitor lives by: the real one, or one that a test drives."""

from __future__ import annotations

import queue
import time
from typing import Protocol, TypeAlias

__all__ = ["Clock", "RealClock", "Signals"]

Signals: TypeAlias = "queue.SimpleQueue[str | None]"
"""Wakes a thread. Of all the ways to do so, only this one is safe in the garbage collector."""


class Clock(Protocol):
    """What a monitor needs of a clock."""

    def now(self) -> float:
        """Return seconds; they never go back."""

    def wait(self, signals: Signals, seconds: float | None) -> str | None:
        """Return the next signal, or None when so many seconds went by before."""


class RealClock:
    """Time as it goes by."""

    def now(self) -> float:
        """Return seconds since some moment."""
        return time.monotonic()

    def wait(self, signals: Signals, seconds: float | None) -> str | None:
        """Return the next signal, or None after so many seconds."""
        try:
            # An hour at a time: some systems know no longer waits.
            return signals.get(timeout=None if seconds is None else min(seconds, 3600.0))
        except queue.Empty:
            return None
