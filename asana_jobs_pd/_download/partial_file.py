"""``<name>.part``: a file that is on its way, locked, until it gets its name.

Beside it, ``<name>.part.etag`` says which content its bytes belong to. Both survive a process
that is killed, and the next download goes on from them.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from asana_jobs_pd._download.range_response import strong_etag

__all__ = ["BackgroundFsync", "Part", "hash_of", "identity_of", "try_lock"]

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


_EVERY = 8 * 2**20
_PAUSE = 0.5


class BackgroundFsync:
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


_FLAGS = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
_LOOK = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0)
_POSIX = os.name == "posix"
_READ = 256 * 1024


class Part:
    """A part file that is open and locked; as a context manager it lets go of it.

    Raises OSError for what the system does not allow, with the path.

    Attributes
    ----------
    size : int
        Bytes on disk.
    etag : str or None
        What content they belong to; without one, nothing can be appended.
    """

    def __init__(self, target: Path, descriptor: int) -> None:
        self._target = target
        self._path = part_of(target)
        self._descriptor = descriptor
        self.size = os.fstat(descriptor).st_size
        self._behind = BackgroundFsync(descriptor)
        self.etag = self._kept_etag()
        if self.size and self.etag is None:
            self.restart(None)
        os.lseek(descriptor, 0, os.SEEK_END)

    @classmethod
    def try_open(cls, target: Path) -> Part | None:
        """Return the part of a file, made when there is none; None while another has it."""
        path = part_of(target)
        descriptor = os.open(path, _FLAGS, 0o600)
        try:
            _check_regular(descriptor, path)
            if _POSIX:
                os.fchmod(descriptor, 0o600)
            if try_lock(descriptor) and _is_still(path, descriptor):
                return cls(target, descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
        return None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let go; a part without any bytes is removed."""
        if not self.size:
            self.discard()
        self._close()

    def restart(self, etag: str | None) -> None:
        """Drop what there is; what comes now belongs to this ETag."""
        with _named(self._path):
            os.ftruncate(self._descriptor, 0)
            os.lseek(self._descriptor, 0, os.SEEK_SET)
        self.size, self.etag = 0, etag
        self._keep_etag(etag)

    def write(self, data: bytes) -> None:
        """Append bytes; when there is no room for all of them, those that fit stay."""
        rest = memoryview(data)
        with _named(self._path):
            while rest:
                written = os.write(self._descriptor, rest)
                self.size += written
                rest = rest[written:]
        self._behind.wrote(len(data))

    def read(self) -> Iterator[bytes]:
        """Yield what there is."""
        with _named(self._path):
            os.lseek(self._descriptor, 0, os.SEEK_SET)
            while data := os.read(self._descriptor, _READ):
                yield data

    def commit(self) -> None:
        """Bring it safely to the disk and give it its name, which lets go of it."""
        self._behind.finish()
        with _named(self._path):
            self._behind.check()
            os.fsync(self._descriptor)
            if os.fstat(self._descriptor).st_size != self.size:
                raise OSError(errno.EIO, "another program has changed it")
        if not _POSIX:
            self._close()  # an open file cannot be renamed there
        with _named(self._target):
            self._path.replace(self._target)
        _sync_folder(self._target.parent)
        _remove(self._etag_path)
        self._close()

    def discard(self) -> None:
        """Remove it."""
        if self._descriptor < 0:
            return
        _remove(self._etag_path)
        if not _POSIX:
            self._close()
        _remove(self._path)
        self.size, self.etag = 0, None

    def _close(self) -> None:
        self._behind.finish()
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    @property
    def _etag_path(self) -> Path:
        return self._path.with_name(f"{self._path.name}.etag")

    def _kept_etag(self) -> str | None:
        try:
            descriptor = os.open(self._etag_path, _LOOK)
        except OSError:
            return None
        try:
            text = os.read(descriptor, 300).decode("ascii", "replace")
        finally:
            os.close(descriptor)
        return strong_etag({"ETag": text})

    def _keep_etag(self, etag: str | None) -> None:
        _remove(self._etag_path)
        if etag is None:
            return
        with _named(self._etag_path):
            descriptor = os.open(self._etag_path, _FLAGS | os.O_EXCL, 0o600)
            try:
                os.write(descriptor, etag.encode("ascii"))
            finally:
                os.close(descriptor)


def part_of(target: Path) -> Path:
    """Return where the bytes of a file are until it is whole."""
    return target.with_name(f"{target.name}.part")


def _check_regular(descriptor: int, path: Path) -> None:
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        raise OSError(errno.EINVAL, "this is not a regular file; move it away", str(path))


def _is_still(path: Path, descriptor: int) -> bool:
    """Tell whether the file that was locked has its name yet: another may have renamed it."""
    with contextlib.suppress(OSError):
        return os.path.samestat(path.lstat(), os.fstat(descriptor))
    return False


def _sync_folder(folder: Path) -> None:
    """Bring a new name to the disk, where folders can be synced."""
    if not _POSIX:
        return
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink()


@contextlib.contextmanager
def _named(path: Path) -> Iterator[None]:
    """Let an OSError of a descriptor name the file."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = str(path)
        raise
