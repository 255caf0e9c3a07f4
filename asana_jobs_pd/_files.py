"""Local paths as users give them, files that are replaced whole, and disk errors in words."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path

from asana_jobs_pd.errors import InvalidOptionError

__all__ = ["explain_os_error", "local_path", "replace_file"]

_URL = re.compile(r"\s*(?:[A-Za-z0-9]+::)*([A-Za-z][A-Za-z0-9+.-]+):/")
"""A scheme has two letters or more (`C:/` is a drive); a `Path` made of a URL keeps one slash."""


def local_path(path: object, option: str, example: str = "folder") -> Path:
    """Return the absolute path of a file or folder on this machine, with ``~`` expanded.

    The one rule for every option that names a place to write to. It need not exist.

    Parameters
    ----------
    path
        What the user gave.
    option
        The name of the option, for the error.
    example
        What to ask for in the error: ``"folder"`` or ``"file"``.

    Raises
    ------
    InvalidOptionError
        When it is a URL, no path at all, or cannot be made absolute.
    """
    text = os.fspath(path) if isinstance(path, str | os.PathLike) else path
    if not isinstance(text, str) or not text or "\0" in text:
        given = type(path).__name__ if isinstance(text, bytes | bytearray) else repr(path)
        raise InvalidOptionError(f"{option}={given}: give the path of a {example}, as text.")
    if url := _URL.match(text):  # the rest may hold a password or a signature
        raise InvalidOptionError(
            f"{option}='{url[1]}://…' is a URL. Give the path of a local {example} and upload "
            "the result afterwards."
        )
    try:
        absolute = Path(text).expanduser().absolute()
    except RuntimeError:
        raise InvalidOptionError(
            f"{option}={text!r}: there is no home folder for '~'; give an absolute path, or "
            f"'./{text}' for a folder of that name."
        ) from None
    except OSError:
        raise InvalidOptionError(
            f"{option}={text!r}: the current folder no longer exists; give an absolute path."
        ) from None
    try:
        str(absolute).encode()
    except UnicodeEncodeError:
        raise InvalidOptionError(
            f"{option}={str(absolute)!r}: this path is not valid UTF-8, so no column or report "
            f"could hold it; choose another {example}."
        ) from None
    return absolute


def replace_file(path: str | os.PathLike[str], write: Callable[[Path], object]) -> Path:
    """Write a file beside the one that it then replaces.

    Parameters
    ----------
    path
        The file; a symbolic link is followed, and the permissions of what it replaces are kept.
    write
        Gets the path of the new file, which exists and is empty.

    Returns
    -------
    pathlib.Path
        The absolute path.

    Raises
    ------
    InvalidOptionError
        When it is no local path, its folder does not exist, or it is a folder itself.
    OSError
        When it cannot be written; the previous file is kept.
    """
    absolute = local_path(path, "path", "file")
    try:
        target = absolute.resolve()
    except RuntimeError:  # before Python 3.13
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(absolute)) from None
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
