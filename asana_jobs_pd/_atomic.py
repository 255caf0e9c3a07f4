"""A file is there whole, or as it was before."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path

from asana_jobs_pd.errors import InvalidOptionError

__all__ = ["replace_file"]


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
