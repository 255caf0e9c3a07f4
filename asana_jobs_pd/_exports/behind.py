"""Brings a growing file to the disk while it grows, so that the end has not to wait for it."""

from __future__ import annotations

import os
import threading
import time

__all__ = ["WriteBehind"]

_EVERY = 8 * 2**20
_PAUSE = 0.5


class WriteBehind:
    """Syncs an open file each 8 MiB, but not more than twice a second, in a thread of its own.

    Without it the last ``fsync`` of a large file takes as long as a twentieth of a download.

    Parameters
    ----------
    descriptor
        Of the file; it stays open until `finish` has returned.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._pending = 0
        self._next = 0.0
        self._due = threading.Event()
        self._over = False
        self._thread: threading.Thread | None = None
        self._error: OSError | None = None

    def wrote(self, size: int) -> None:
        """Take note of so many new bytes."""
        self._pending += size
        now = time.monotonic()
        if self._pending < _EVERY or now < self._next:
            return
        self._pending, self._next = 0, now + _PAUSE
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="asana-disk", daemon=True)
            self._thread.start()
        self._due.set()

    def finish(self) -> None:
        """End the thread."""
        if self._thread is not None:
            self._over = True
            self._due.set()
            self._thread.join()
            self._thread = None

    def check(self) -> None:
        """Raise what a sync met: the system tells it only once."""
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        while True:
            self._due.wait()
            self._due.clear()
            if self._over:
                return
            try:
                _sync(self._descriptor)
            except OSError as error:
                self._error = error
                return


_sync = getattr(os, "fdatasync", os.fsync)
