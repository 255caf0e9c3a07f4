"""What the system says of files, in words with a remedy. Pure."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path

from asana_jobs_pd.errors import InvalidOptionError

__all__ = ["explain_os_error", "replace_file"]


def replace_file(path: str | os.PathLike[str], write: Callable[[Path], object]) -> Path:
    """Write a file beside the one that it then replaces.

    Parameters
    ----------
    path
        The file; a symbolic link is followed, and the permissions of what it replaces are kept.
    write
        Gets the path of the new file, which is there and empty.

    Returns
    -------
    pathlib.Path
        The absolute path.

    Raises
    ------
    InvalidOptionError
        When its folder is not there, or it is a folder itself.
    OSError
        When it cannot be written; what was there before still is.
    """
    target = Path(path).expanduser().resolve()
    if not target.parent.is_dir():
        raise InvalidOptionError(f"path={str(path)!r}: there is no folder {str(target.parent)!r}.")
    if target.is_dir():
        raise InvalidOptionError(f"path={str(path)!r} is a folder; give the name of a file in it.")
    part = target.with_name(f".{target.name[:100]}.{secrets.token_hex(4)}.part")
    os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    try:
        write(part)
        with contextlib.suppress(FileNotFoundError):
            shutil.copymode(target, part)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    return target


_WORDS = {
    getattr(errno, "EDQUOT", errno.ENOSPC): (
        "your quota of the disk is used up; make room and download again, it goes on where it stood"
    ),
    errno.ENOSPC: "the disk is full; make room and download again, it goes on where it stood",
    errno.EFBIG: "the file is larger than this file system or a limit (ulimit -f) allows",
    errno.EACCES: "no permission to write there; choose another dest",
    errno.EPERM: "no permission to write there; choose another dest",
    errno.EROFS: "the file system is read-only; choose another dest",
    errno.ENOTDIR: "a part of this path is a file and not a folder; choose another dest",
    errno.EEXIST: "this is a file and not a folder; choose another dest",
    errno.EISDIR: "a folder has the name that the file should get; move it away",
    errno.ENAMETOOLONG: "the name is too long for this file system",
    errno.ELOOP: "this is a symbolic link, which is not followed; remove it",
    errno.EMFILE: "too many files are open; use fewer max_workers",
}


def explain_os_error(error: OSError) -> str:
    """Return what went wrong with which file, and what helps."""
    said = _WORDS.get(error.errno or 0) or error.strerror or type(error).__name__
    return f"{os.fsdecode(error.filename)}: {said}" if error.filename else said
