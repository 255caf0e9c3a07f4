"""A lock on an open file that other processes respect, and the system frees."""

from __future__ import annotations

import errno
import os
import sys

__all__ = ["try_lock"]

if sys.platform == "win32":
    import msvcrt

    _FAR = 2**62
    """A byte far beyond any content: there, a lock keeps nobody from reading."""

    def _lock(descriptor: int) -> None:
        place = os.lseek(descriptor, 0, os.SEEK_CUR)
        os.lseek(descriptor, _FAR, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        finally:
            os.lseek(descriptor, place, os.SEEK_SET)

else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


_HELD = {errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES, errno.EDEADLK}


def try_lock(descriptor: int) -> bool:
    """Lock an open file, and tell whether that was possible; closing it frees it.

    A file system without locks counts as locked: bytes are written at their own place and
    checked, so that two downloads of one file only cost twice the traffic.
    """
    try:
        _lock(descriptor)
    except OSError as error:
        return error.errno not in _HELD
    return True
