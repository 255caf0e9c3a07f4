"""``<name>.part``: a partial file, claimed by one process until it gets its final name.

``<name>.part.etag`` beside it holds the ETag of the content that its bytes belong to. A process
claims both by renaming that file to ``<name>.part.<owner>.etag``: only one process can succeed, and
no lock is needed, which network file systems may lack. An owner shows that it is alive by touching
its claim. If the owner was killed, its part is resumed. If nobody can tell, as on another machine,
a copy of the part is resumed, so that two processes never write to the same file.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, NamedTuple, Self

from asana_jobs_pd._download.verify import FileRecord, strong_etag
from asana_jobs_pd._files import (
    OWNER,
    OwnerState,
    new_owner,
    owner_state,
    release_owner,
    sync_path,
)

STALE = 60.0
"""Seconds without a heartbeat after which an owner is presumed dead."""
_BEAT = 5.0
_READ = 256 * 1024
_POSIX = os.name == "posix"
_NOFOLLOW = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | _NOFOLLOW


class Claims:
    """The claims on one part, watched over time: an owner that touches its claim is alive."""

    def __init__(self, target: Path) -> None:
        self._part = part_of(target)
        self._beats: dict[str, tuple[int, float]] = {}

    def path_of(self, owner: str) -> Path:
        return self._part.with_name(f"{self._part.name}.{owner}.etag")

    def data_path_of(self, owner: str) -> Path:
        """Return the path of an owner's own copy, before it is renamed."""
        return self._part.with_name(f"{self._part.name}.{owner}")

    @property
    def unowned(self) -> Path:
        """The ETag of a part that nobody owns."""
        return self._part.with_name(f"{self._part.name}.etag")

    def states(self) -> dict[str, OwnerState]:
        """Return the owners' states; ``"unknown"`` means no heartbeat for a while."""
        prefix = f"{self._part.name}."
        paths = self._part.parent.glob(f"{prefix}*.etag")
        owners = [path.name.removeprefix(prefix).removesuffix(".etag") for path in paths]
        return {owner: self._look_at(owner) for owner in owners if OWNER.fullmatch(owner)}

    def _look_at(self, owner: str) -> OwnerState:
        state = owner_state(owner)
        if state == "dead":
            return state
        try:
            beat = self.path_of(owner).stat().st_mtime_ns
        except OSError:
            return "alive"  # it is being released at this very moment
        last_beat, since = self._beats.get(owner, (None, 0.0))
        if beat != last_beat:
            self._beats[owner] = beat, time.monotonic()
            return "alive"
        return "unknown" if time.monotonic() - since > STALE else "alive"

    def take(self, owner: str, others: Mapping[str, OwnerState]) -> bool:
        """Claim the part, and return whether it is certain that no other process writes to it.

        Raises FileNotFoundError if another process was faster.
        """
        mine = self.path_of(owner)
        adopted = [other for other in others if _read_etag(self.path_of(other)) is not None]
        if len(adopted) == 1:
            self.path_of(adopted[0]).rename(mine)
        elif adopted or not _move_file(self.unowned, mine):
            os.close(os.open(mine, _NEW, 0o600))
        if not _is_plain_file(mine):  # a link: the file it leads to must not be written to
            etag = _read_etag(mine) or ""
            _remove_file(mine)
            mine.write_text(etag, "ascii")
        for other in others:
            _remove_file(self.path_of(other))
            if self._part.exists() or not _move_file(self.data_path_of(other), self._part):
                _remove_file(self.data_path_of(other))
        if any(state == "alive" for other, state in self.states().items() if other != owner):
            self.release(owner, keep=True)
            raise FileNotFoundError  # both claimed it at the same moment
        return "unknown" not in others.values()

    def sweep(self) -> None:
        """Remove what processes left that were killed just after naming the file."""
        if not self._part.exists():
            for owner in [owner for owner, state in self.states().items() if state == "dead"]:
                _remove_file(self.path_of(owner))
                _remove_file(self.data_path_of(owner))

    def release(self, owner: str, *, keep: bool) -> None:
        """Release the part; keep its ETag for the next owner if it can be resumed."""
        mine = self.path_of(owner)
        if not keep or _read_etag(mine) is None or not _move_file(mine, self.unowned):
            _remove_file(mine)


class PartialFile:
    """A part that this process owns; a context manager that releases it.

    Its methods raise OSError, with the path, for what the system does not allow.

    Attributes
    ----------
    size : int
        Bytes on disk.
    etag : str or None
        The ETag of the content they belong to; without one, nothing can be appended.
    """

    def __init__(self, target: Path, claims: Claims, owner: str, *, in_place: bool) -> None:
        self._path = part_of(target)
        self._claims, self._owner = claims, owner
        self._own_path = claims.data_path_of(owner)
        self._beaten_at = time.monotonic()
        self.etag = _read_etag(claims.path_of(owner))
        self._descriptor, is_ours = self._open(in_place=in_place)
        self._place, self._touched, self._stat = self._path, False, self._stat_now()
        self.size = self._stat.size
        try:
            if not is_ours:
                self._write_own(self.read())
                self._rename_to(self._path)
            os.lseek(self._descriptor, 0, os.SEEK_END)
        except BaseException:
            self._close()
            raise

    @classmethod
    def try_open(cls, target: Path, claims: Claims | None = None) -> PartialFile | None:
        """Return the part of a file, created if needed; None while another process owns it.

        While you wait for it, pass the same `claims` each time.
        """
        claims = claims or Claims(target)
        others = claims.states()
        if "alive" in others.values():
            return None
        owner = new_owner()
        try:
            in_place = claims.take(owner, others)
            return cls(target, claims, owner, in_place=in_place)
        except BaseException as error:
            claims.release(owner, keep=True)
            release_owner(owner)
            if isinstance(error, FileNotFoundError | FileExistsError):
                return None
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Release the part, and remove it if it cannot be resumed."""
        keep = self.size > 0 and self.etag is not None and self._is_in_place()
        if not keep:
            self.discard()
        self._close()
        self._claims.release(self._owner, keep=keep)
        release_owner(self._owner)

    def beat(self) -> None:
        """Show that this process is alive; called regularly, from any thread."""
        now = time.monotonic()
        if now - self._beaten_at >= _BEAT:
            self._beaten_at = now
            with contextlib.suppress(OSError):
                os.utime(self._claims.path_of(self._owner))

    def restart(self, etag: str | None) -> None:
        """Discard the bytes so far; the next ones belong to this ETag."""
        if not self._is_untouched():
            self.rewrite(())
        with _path_in_errors(self._path):
            os.ftruncate(self._descriptor, 0)
            os.lseek(self._descriptor, 0, os.SEEK_SET)
        self.size, self._stat = 0, self._stat_now()
        self._keep_etag(etag)

    def write(self, data: bytes) -> None:
        """Append bytes; on a full disk, those that fit are kept."""
        self._touched |= self._stat_now() != self._stat
        rest = memoryview(data)
        with _path_in_errors(self._path):
            try:
                while rest:
                    written = os.write(self._descriptor, rest)
                    self.size += written
                    rest = rest[written:]
            finally:
                self._stat = self._stat_now()

    def read(self) -> Iterator[bytes]:
        """Yield the bytes so far."""
        with _path_in_errors(self._path):
            os.lseek(self._descriptor, 0, os.SEEK_SET)
            while data := os.read(self._descriptor, _READ):
                yield data

    def open_reader(self) -> BinaryIO:
        """Return a file object that reads the bytes so far, and can be closed."""
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        return os.fdopen(os.dup(self._descriptor), "rb")

    def rewrite(self, chunks: Iterable[bytes]) -> None:
        """Replace the content with a new file, to which nothing can be appended."""
        self._keep_etag(None)
        self._write_own(chunks)
        self._rename_to(self._path)

    def commit(self, target: Path, record: FileRecord) -> bool:
        """Give the file its final name; return whether its bytes are those that were verified.

        If another program may have changed them, they are copied to a new file and checked again.
        """
        with _path_in_errors(self._path):
            os.fsync(self._descriptor)
        before = self._stat
        if not (self._is_untouched() and self._move_out()):
            self._write_own(self.read())
            if not record.matches(self.read()):
                _remove_file(self._own_path)
                return False
            with _path_in_errors(self._own_path):
                os.fsync(self._descriptor)
            if _is_file(self._path, before):
                _remove_file(self._path)
        record.leave(self._descriptor)
        self._rename_to(target)
        with contextlib.suppress(OSError):  # not every file system can do that
            sync_path(target.parent)
        self.size = 0
        return True

    def discard(self) -> None:
        """Remove the part."""
        if self._is_in_place():
            self._close()
            _remove_file(self._path)
        _remove_file(self._own_path)
        self.size, self.etag = 0, None

    def _open(self, *, in_place: bool) -> tuple[int, bool]:
        """Return a descriptor of the part, and whether it may be written to."""
        with _path_in_errors(self._path):
            try:
                found = self._path.lstat()
            except FileNotFoundError:
                self.etag = None
                return os.open(self._path, _NEW, 0o600), True
            if stat.S_ISLNK(found.st_mode):
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
            if not stat.S_ISREG(found.st_mode):
                raise OSError(errno.EINVAL, "this is not a regular file; move it away")
            if self.etag is None:  # nobody knows which content the bytes belong to
                self._path.unlink()
                return os.open(self._path, _NEW, 0o600), True
            is_ours = in_place and _is_plain_file(self._path)
            descriptor = os.open(self._path, (os.O_RDWR if is_ours else os.O_RDONLY) | _NOFOLLOW)
            if _POSIX and is_ours:
                os.fchmod(descriptor, 0o600)
            return descriptor, is_ours

    def _stat_now(self) -> _Stat:
        found = os.fstat(self._descriptor)
        return _Stat(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_nlink)

    def _is_in_place(self) -> bool:
        return self._descriptor >= 0 and _is_file(self._path, self._stat_now())

    def _is_untouched(self) -> bool:
        """Return whether nobody else has changed, moved or linked the part since the last write."""
        self._touched |= self._stat_now() != self._stat or self._stat.links != 1
        return not self._touched and self._is_in_place()

    def _move_out(self) -> bool:
        """Move the part to a name nobody else uses; return whether it was still the same file."""
        self._rename_to(self._own_path)
        if _is_file(self._own_path, self._stat):
            return True
        self._rename_to(self._path)
        return False

    def _write_own(self, chunks: Iterable[bytes]) -> None:
        """Write the chunks to a new file of our own, and continue with that one."""
        _remove_file(self._own_path)
        with _path_in_errors(self._own_path), contextlib.ExitStack() as undo:
            descriptor = os.open(self._own_path, _NEW, 0o600)
            undo.callback(_remove_file, self._own_path)
            undo.callback(os.close, descriptor)
            for data in chunks:
                rest = memoryview(data)
                while rest:
                    rest = rest[os.write(descriptor, rest) :]
            undo.pop_all()
        self._close()
        self._descriptor, self._place = descriptor, self._own_path
        self._touched, self._stat = False, self._stat_now()
        self.size = self._stat.size

    def _rename_to(self, path: Path) -> None:
        with _path_in_errors(path):
            if not _POSIX:  # Windows cannot rename an open file
                self._close()
            self._place.replace(path)
            if not _POSIX:
                self._descriptor = os.open(path, os.O_RDWR | _NOFOLLOW)
        self._place = path
        self._stat = self._stat_now()

    def _keep_etag(self, etag: str | None) -> None:
        self.etag = etag
        with contextlib.suppress(FileNotFoundError):  # taken by a process that presumes us dead
            descriptor = os.open(self._claims.path_of(self._owner), os.O_WRONLY | _NOFOLLOW)
            with _path_in_errors(self._path):
                try:
                    os.ftruncate(descriptor, 0)
                    os.write(descriptor, (etag or "").encode("ascii"))
                finally:
                    os.close(descriptor)

    def _close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class _Stat(NamedTuple):
    """What changes when another program writes to a file, replaces it or links to it."""

    device: int
    inode: int
    size: int
    modified_at: int
    links: int


def _is_file(path: Path, known: _Stat) -> bool:
    """Return whether a path leads to a known file."""
    with contextlib.suppress(OSError):
        found = path.lstat()
        return (found.st_dev, found.st_ino) == known[:2]
    return False


def part_of(target: Path) -> Path:
    """Return the path of a file while it is incomplete."""
    return target.with_name(f"{target.name}.part")


def _read_etag(path: Path) -> str | None:
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | _NOFOLLOW)
        with open(descriptor, "rb", buffering=0) as file:  # noqa: PTH123  a descriptor
            text = (file.read(300) or b"").decode("ascii", "replace")
    except OSError:
        return None
    return strong_etag({"ETag": text})


def _is_plain_file(path: Path) -> bool:
    """Return whether it is a regular file without hard links."""
    found = path.lstat()
    return stat.S_ISREG(found.st_mode) and found.st_nlink == 1


def _move_file(source: Path, target: Path) -> bool:
    """Rename a file, and return whether it existed."""
    try:
        source.replace(target)
    except FileNotFoundError:
        return False
    return True


def _remove_file(path: Path) -> None:
    """Remove a file if possible."""
    with contextlib.suppress(OSError):
        path.unlink()


@contextlib.contextmanager
def _path_in_errors(path: Path) -> Iterator[None]:
    """Add the path to an OSError raised for a file descriptor."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = str(path)
        raise
