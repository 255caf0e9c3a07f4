"""Local paths as users give them, files written whole and by whom, and disk errors in words."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import platform
import re
import secrets
import shutil
import stat
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Literal, TypeAlias

from asana_jobs_pd.errors import AsanaJobsError, ExportWriteError, InvalidOptionError

_URL = re.compile(r"\s*(?:[A-Za-z0-9]+::)*([A-Za-z][A-Za-z0-9+.-]+):/")
"""A scheme has two letters or more (`C:/` is a drive); a `Path` made of a URL keeps one slash."""


def local_path(path: object, option: str, example: str = "folder") -> Path:
    """Return the absolute path of a file or folder on this machine, with ``~`` expanded.

    The one rule for every option that names a place to write to. It need not exist.
    """
    text = os.fspath(path) if isinstance(path, str | os.PathLike) else path
    if not isinstance(text, str) or not text or "\0" in text:
        given = type(path).__name__ if isinstance(text, bytes | bytearray) else repr(path)
        raise InvalidOptionError(f"{option}={given}: give the path of a {example}, as text.")
    if url := _URL.match(text):  # the rest may hold a password or a signature
        raise InvalidOptionError(
            f"{option}='{url[1]}://…' is a URL. Give the path of a local {example}, and copy it to "
            "or from there with another program."
        )
    try:
        absolute = Path(text).expanduser().absolute()
        str(absolute).encode()
    except UnicodeEncodeError:
        problem = f"not valid UTF-8, so no column could hold it; choose another {example}"
    except RuntimeError:
        problem = f"there is no home folder for '~'; give an absolute path, or './{text}'"
    except OSError:
        problem = "the current folder no longer exists; give an absolute path"
    else:
        return absolute
    raise InvalidOptionError(f"{option}={text!r}: {problem}.")


def replace_file(path: str | os.PathLike[str], write: Callable[[Path], object]) -> Path:
    """Write a file beside the one that it then replaces."""
    target = _file_in_a_folder(path)
    part = target.with_name(f".{target.name[:100]}.{secrets.token_hex(4)}.part")
    try:
        _write_and_replace(part, target, write)
    except AsanaJobsError:
        raise
    except OSError as error:
        raise _write_error(target, error) from None
    return target


def _file_in_a_folder(path: str | os.PathLike[str]) -> Path:
    """Return where a file is to be written, links resolved; its folder must exist."""
    absolute = local_path(path, "path", "file")
    try:
        target = absolute.resolve()
        has_folder, is_folder = target.parent.is_dir(), target.is_dir()
    except RuntimeError:  # before Python 3.13
        raise _write_error(absolute, OSError(errno.ELOOP, os.strerror(errno.ELOOP))) from None
    except OSError as error:
        raise _write_error(absolute, error) from None
    if not has_folder:
        raise InvalidOptionError(f"path={str(path)!r}: there is no folder {str(target.parent)!r}.")
    if is_folder:
        raise InvalidOptionError(f"path={str(path)!r} is a folder; give the name of a file in it.")
    return target


def _write_and_replace(part: Path, target: Path, write: Callable[[Path], object]) -> None:
    try:
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        write(part)
        with contextlib.suppress(FileNotFoundError):
            shutil.copymode(target, part)
        part.replace(target)
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def _write_error(path: Path, error: OSError) -> ExportWriteError:
    return ExportWriteError(f"Cannot write {path}: {os_error_reason(error)}.", path=str(path))


def sync_folder(folder: Path) -> None:
    """Bring a new name to the disk, where folders can be synced."""
    if os.name != "posix":
        return
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def is_plain_file(path: Path) -> bool:
    """Tell whether it is a regular file that has no other name."""
    found = path.lstat()
    return stat.S_ISREG(found.st_mode) and found.st_nlink == 1


def move_file(source: Path, target: Path) -> bool:
    """Rename a file, and tell whether it existed."""
    try:
        source.replace(target)
    except FileNotFoundError:
        return False
    return True


def remove_file(path: Path) -> None:
    """Remove a file if that is possible."""
    with contextlib.suppress(OSError):
        path.unlink()


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """Let an OSError of a descriptor name the file."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = str(path)
        raise


OS_ERRORS = {
    getattr(errno, "EDQUOT", errno.ENOSPC): "your disk quota is used up",
    errno.ENOSPC: "the disk is full",
    errno.EFBIG: "the file exceeds a limit of the file system or of the process (ulimit -f)",
    errno.EIO: "the disk reported an input/output error",
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
    errno.EROFS: "the file system is read-only",
    errno.ENOENT: "a folder does not exist",
    errno.EEXIST: "a file of this name exists, not a folder",
    errno.ENOTEMPTY: "another process wrote to this folder in the meantime",
    errno.ENOTDIR: "a part of this path is a file, not a folder",
    errno.EISDIR: "a folder has the name of the file",
    errno.ENAMETOOLONG: "the name is too long for this file system",
    errno.ELOOP: "this is a symbolic link, which is not followed",
    errno.EMFILE: "too many files are open",
    errno.EXDEV: "it is the root of a disk or volume; choose a folder in it",
    errno.EBUSY: "it is in use, or the root of a disk or volume; choose a folder in it",
}


def os_error_reason(error: OSError, remedies: Mapping[int, str] | None = None) -> str:
    """Return what went wrong and, as far as there is one for it, the remedy."""
    number = error.errno or 0
    reason = OS_ERRORS.get(number) or error.strerror or str(error) or type(error).__name__
    remedy = (remedies or {}).get(number)
    return f"{reason}; {remedy}" if remedy else reason


_REMEDIES = dict.fromkeys(
    (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST), "choose another dest"
) | {
    getattr(errno, "EDQUOT", errno.ENOSPC): "free some space and try again (downloads resume)",
    errno.ENOSPC: "free some space and try again (downloads resume)",
    errno.EISDIR: "move it away",
    errno.ELOOP: "remove it",
    errno.EMFILE: "use a smaller max_workers",
}


def explain_os_error(error: OSError) -> str:
    """Return what went wrong with which file of a download, and what helps."""
    reason = os_error_reason(error, _REMEDIES)
    return f"{os.fsdecode(error.filename)}: {reason}" if error.filename else reason


OWNER = re.compile(r"([0-9a-f]{8})-(\d{1,10})-(\d{1,20})-[0-9a-f]{8}", re.ASCII)
"""The process that writes an unfinished file: a part of its name, so that no lock is needed."""
OwnerState: TypeAlias = Literal["alive", "dead", "unknown"]
_held: set[str] = set()


def new_owner() -> str:
    """Return an owner that lives until it is released, or this process ends."""
    pid = os.getpid()
    owner = f"{machine_id()}-{pid}-{started_at(pid)}-{secrets.token_hex(4)}"
    _held.add(owner)
    return owner


def release_owner(owner: str) -> None:
    _held.discard(owner)


def owner_state(owner: str) -> OwnerState:
    """Return whether an owner lives; ``"unknown"`` on another machine, and on Windows."""
    match = OWNER.fullmatch(owner)
    if match is None or match[1] != machine_id():
        return "unknown"
    pid, started = int(match[2]), int(match[3])
    if pid == os.getpid():
        return "alive" if owner in _held else "dead"
    if os.name != "posix":  # there, os.kill ends a process whatever the signal
        return "unknown"
    try:
        os.kill(pid, 0)
        same = started_at(pid) in (0, started)
    except PermissionError:
        same = True
    except (ProcessLookupError, OverflowError):
        same = False
    return "alive" if same else "dead"


@lru_cache(maxsize=1)
def machine_id() -> str:
    """Return what tells apart machines, their boots, and containers, whose pids differ."""
    facts = [platform.node()]
    with contextlib.suppress(OSError):
        facts.append(Path("/proc/sys/kernel/random/boot_id").read_text("ascii"))
        facts.append(str(Path("/proc/self/ns/pid").readlink()))
    return hashlib.sha256("|".join(facts).encode()).hexdigest()[:8]


def started_at(pid: int) -> int:
    """Return when a process started, which tells its pid from a reused one; 0 if unknown."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except (OSError, ValueError):
        return 0
    if fields[0] in (b"Z", b"X"):  # it has ended, and its parent does not know yet
        raise ProcessLookupError
    return int(fields[19])
