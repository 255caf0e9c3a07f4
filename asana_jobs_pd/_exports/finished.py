"""A file that is there already."""

from __future__ import annotations

import contextlib
import hashlib
import stat
from collections.abc import Callable
from pathlib import Path

__all__ = ["hash_of", "identity_of"]

_READ = 256 * 1024


def identity_of(path: Path) -> tuple[int, int, int] | None:
    """Return what tells one file of a name from the next, None when there is none.

    Raises
    ------
    IsADirectoryError
        When a folder has its name.
    """
    with contextlib.suppress(FileNotFoundError):
        found = path.stat()
        if stat.S_ISREG(found.st_mode):
            return found.st_dev, found.st_ino, found.st_mtime_ns
        raise IsADirectoryError(21, "this is not a file", str(path))
    return None


def hash_of(path: Path, check: Callable[[], None]) -> tuple[int, str]:
    """Return the size and the SHA-256 of a file; `check` is called now and then.

    It is not inflated again: it got its name when it was whole.
    """
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while data := file.read(_READ):
            check()
            digest.update(data)
            size += len(data)
    return size, digest.hexdigest()
