"""Files and folders on this machine, or at a URL that fsspec opens."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from asana_jobs_pd._http.redaction import clean, hide_query
from asana_jobs_pd.errors import ExportFileError, InvalidOptionError, MissingExtraError

StorageOptions: TypeAlias = Mapping[str, Any] | None
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+(?:://|::)")
_BLOCK = 8 << 20
_MIN_SECRET_LENGTH = 8


def is_url(path: str) -> bool:
    """Whether fsspec opens a path; a Windows drive is not a URL."""
    return _URL.match(path) is not None


@dataclass(frozen=True)
class RemoteFile:
    """A file at a URL; its `str` is the URL without anything that may be a credential."""

    url: str
    path: str = field(repr=False)
    filesystem: Any = field(repr=False)

    def __str__(self) -> str:
        return hide_query(self.url)

    __repr__ = __str__

    def size(self) -> int:
        """Return its size in bytes, 0 if the server does not say."""
        try:
            return int(self.filesystem.size(self.path) or 0)
        except Exception as error:  # noqa: BLE001  each file system has errors of its own
            reason = message_of(error)
        raise self.unreadable(reason)

    def open(self) -> io.BufferedReader:
        """Return the file, opened for reading; its errors are `ExportFileError`."""
        try:
            return io.BufferedReader(_Raw(self, self.filesystem.open(self.path, "rb")), _BLOCK)
        except Exception as error:  # noqa: BLE001
            reason = message_of(error)
        raise self.unreadable(reason)

    def unreadable(self, reason: str) -> ExportFileError:
        return ExportFileError(f"{self} cannot be read: {reason}.", path=str(self))


File: TypeAlias = str | RemoteFile
"""A local path, or a file at a URL."""


class _Raw(io.RawIOBase):
    """A remote file whose read errors are not mistaken for damage."""

    def __init__(self, file: RemoteFile, opened: Any) -> None:
        self._file = file
        self._opened = opened

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return int(self._opened.tell())

    def readinto(self, buffer: Any) -> int:
        try:
            part = self._opened.read(len(buffer))
        except Exception as error:  # noqa: BLE001
            reason = message_of(error)
        else:
            buffer[: len(part)] = part
            return len(part)
        raise self._file.unreadable(reason)

    def close(self) -> None:
        self._opened.close()
        super().close()


def located(path: str | os.PathLike[str], options: StorageOptions = None) -> File:
    """Return a local path, or the remote file at a URL; ``file://`` is local."""
    text = os.fspath(path)
    if not is_url(text):
        return text
    filesystem, inside = filesystem_of(text, options)
    return inside if filesystem is None else RemoteFile(text, inside, filesystem)


def filesystem_of(url: str, options: StorageOptions = None) -> tuple[Any, str]:
    """Return the file system of a URL, None for the local one, and the path on it."""
    problem: Exception
    try:
        from fsspec.core import url_to_fs  # noqa: PLC0415  an extra
        from fsspec.implementations.local import LocalFileSystem  # noqa: PLC0415

        filesystem, path = url_to_fs(url, **(options or {}))
        if type(filesystem) is LocalFileSystem:
            return None, str(Path(path))
        return filesystem, str(path)
    except ImportError as error:
        problem = _missing(url, message_of(error, options))
    except Exception as error:  # noqa: BLE001
        reason = message_of(error, options)
        problem = InvalidOptionError(f"{hide_query(url)} cannot be opened: {reason}.")
    raise problem


def _missing(url: str, reason: str) -> MissingExtraError:
    return MissingExtraError(
        f"{hide_query(url)} needs a package that is not installed ({reason}): "
        'pip install "asana_jobs_pd[remote]", and the package of its storage, such as s3fs, '
        "gcsfs or adlfs."
    )


def message_of(error: BaseException, options: StorageOptions = None) -> str:
    """Return the message of an error of a file system, on one line, without secrets."""
    secrets = [value for value in (options or {}).values() if isinstance(value, str)]
    long_secrets = [value for value in secrets if len(value) >= _MIN_SECRET_LENGTH]
    return clean(str(error), *long_secrets) or type(error).__name__
