"""Local paths, replacing files atomically, owners of unfinished files, and disk errors."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import platform
import re
import secrets
import shutil
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Literal, TypeAlias

from asana_jobs_pd.errors import AsanaJobsError, ExportWriteError, InvalidOptionError

_URL = re.compile(r"\s*(?:[A-Za-z0-9]+::)*([A-Za-z][A-Za-z0-9+.-]+):/")
"""Schemes have two or more letters (`C:/` is a drive); a `Path` made from a URL keeps one slash."""


def local_path(path: object, option: str, example: str = "folder") -> Path:
    """Return the absolute path of a file or folder on this machine, with ``~`` expanded.

    Every option that says where to write is checked here. The path need not exist.
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
    """Write to a temporary file in the same folder, then rename it to `path`."""
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
    """Return the path to write to, with links resolved; its folder must exist."""
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


def sync_path(path: Path) -> None:
    """Sync a file, or a folder's entries, to disk; Windows cannot sync folders."""
    if path.is_dir() and os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


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
    """Return what went wrong, and the remedy if `remedies` has one for it."""
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
    """Return which file of a download failed, why, and what to do about it."""
    reason = os_error_reason(error, _REMEDIES)
    return f"{os.fsdecode(error.filename)}: {reason}" if error.filename else reason


OWNER = re.compile(r"([0-9a-f]{8})-(\d{1,10})-(\d{1,20})-[0-9a-f]{8}", re.ASCII)
"""Identifies the process that writes a file: as part of its name, so that no lock is needed."""
OwnerState: TypeAlias = Literal["alive", "dead", "unknown"]
_held: set[str] = set()


def new_owner() -> str:
    """Return an owner that is alive until it is released or this process ends."""
    pid = os.getpid()
    owner = f"{machine_id()}-{pid}-{started_at(pid)}-{secrets.token_hex(4)}"
    _held.add(owner)
    return owner


def release_owner(owner: str) -> None:
    _held.discard(owner)


def owner_state(owner: str) -> OwnerState:
    """Return whether an owner is alive: ``"unknown"`` if on another machine or on Windows."""
    match = OWNER.fullmatch(owner)
    if match is None or match[1] != machine_id():
        return "unknown"
    pid, started = int(match[2]), int(match[3])
    if pid == os.getpid():
        return "alive" if owner in _held else "dead"
    if os.name != "posix":  # on Windows, os.kill ends a process whatever the signal
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
    """Return an id that differs wherever pids do: by machine, boot and container."""
    facts = [platform.node()]
    with contextlib.suppress(OSError):
        facts.append(Path("/proc/sys/kernel/random/boot_id").read_text("ascii"))
        facts.append(str(Path("/proc/self/ns/pid").readlink()))
    return hashlib.sha256("|".join(facts).encode()).hexdigest()[:8]


def started_at(pid: int) -> int:
    """Return when a process started, to recognize a reused pid; 0 if unknown."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except (OSError, ValueError):
        return 0
    if fields[0] in (b"Z", b"X"):  # it has ended, but its parent has not collected it yet
        raise ProcessLookupError
    return int(fields[19])
