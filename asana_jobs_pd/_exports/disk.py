"""What the system says of files, in words with a remedy. Pure."""

from __future__ import annotations

import errno
import os

__all__ = ["explain_os_error"]

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
