"""Less memory for Arrow, where many small arrays become columns."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa

__all__ = ["compact_memory"]

_lock = threading.Lock()
_users = 0
_usual: pa.MemoryPool | None = None


@contextmanager
def compact_memory() -> Iterator[None]:
    """Let Arrow take memory from the system.

    Its own pools round the many small arrays of batches up: a fifth more for a whole load. The
    pool is the process's, so that the last one to leave restores it.
    """
    global _users, _usual  # noqa: PLW0603  as is the pool itself
    with _lock:
        if not _users:
            _usual = pa.default_memory_pool()
            pa.set_memory_pool(pa.system_memory_pool())
        _users += 1
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if not _users:
                pa.set_memory_pool(_usual)
