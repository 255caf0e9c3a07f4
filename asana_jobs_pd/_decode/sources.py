"""Files to read, local or at a URL, and their decompressed content up to any damage.

A file may be plain or gzip, of several members, or gzip within gzip.
"""

from __future__ import annotations

import io
import os
import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from asana_jobs_pd._http.redaction import clean, hide_query
from asana_jobs_pd.errors import ExportFileError, InvalidOptionError, MissingExtraError

try:
    from isal import isal_zlib

    _fast: Any = isal_zlib.decompressobj
    _ERRORS: tuple[Any, ...] = (zlib.error, isal_zlib.error)
except ImportError:  # no wheel for this platform
    _fast, _ERRORS = zlib.decompressobj, (zlib.error,)

StorageOptions: TypeAlias = Mapping[str, Any] | None
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+(?:://|::)")
_REMOTE = 8 << 20
_MIN_SECRET_LENGTH = 8


def is_url(path: str) -> bool:
    """Return whether a path is a URL for fsspec; a Windows drive is not."""
    return _URL.match(path) is not None


def input_path(path: str | os.PathLike[str], option: str) -> str:
    """Return a path or URL to read as text, with ``~`` expanded, as pandas does."""
    text = os.path.expanduser(os.fspath(path))  # noqa: PTH111  Path changes URLs
    if not text:  # it would be the current folder
        raise InvalidOptionError(f"{option}='': give a path.")
    return text


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
        """Return the size in bytes; 0 if the server does not say."""
        try:
            return int(self.filesystem.size(self.path) or 0)
        except Exception as error:  # noqa: BLE001  each file system has errors of its own
            reason = message_of(error)
        raise self.unreadable(reason)

    def open(self) -> io.BufferedReader:
        """Return the file, opened for reading; its errors are `ExportFileError`."""
        try:
            return io.BufferedReader(_Raw(self, self.filesystem.open(self.path, "rb")), _REMOTE)
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
    """Return the file system of a URL (None for the local one), and the path in it."""
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
    """Return the message of a file system's error on one line, without secrets."""
    secrets = [value for value in (options or {}).values() if isinstance(value, str)]
    long_secrets = [value for value in secrets if len(value) >= _MIN_SECRET_LENGTH]
    return clean(str(error), *long_secrets) or type(error).__name__


CHUNK = 12 << 20
"""The bytes of content in memory at a time, unless a line is longer."""
Read: TypeAlias = Callable[[int], bytes]
"""Returns at most the given number of bytes; none at the end."""

MAGIC = b"\x1f\x8b"
MAX_LAYERS = 3
_HEADER = MAGIC + b"\x08"
_GZIP = 16 + zlib.MAX_WBITS
_PIECE = 1 << 18
_CAREFUL_PIECE = 1 << 12
_TRAILING = "bytes after the end of the gzip data were ignored"


class Damage(Exception):  # noqa: N818  not an error until the reader decides so
    """The data ends early or is damaged; everything before that has been returned."""


class Gunzip:
    """Reads the content of gzip members; `trailing` is set if something else follows them.

    zlib's own decompressor, asked to be careful, returns everything up to the damaged bit; the
    faster one loses what it had decompressed last.
    """

    def __init__(self, read: Read, *, careful: bool) -> None:
        self._read = read
        self._careful = careful
        self._new = zlib.decompressobj if careful else _fast
        self._member = self._new(_GZIP)
        self._input = b""
        self._error = ""
        self.trailing = ""

    def __call__(self, size: int) -> bytes:
        """Return some bytes; none at the end. A careful reader may return more than `size`."""
        while not self._member.eof or self._next_member():
            self._input = self._input or self._read(_CAREFUL_PIECE if self._careful else _PIECE)
            at_end = not self._input
            content = self._inflated() if self._careful else self._quickly_inflated(size)
            if content:
                return content
            if self._error or (at_end and not self._member.eof):
                raise Damage(self._error or "the gzip data is incomplete")
        return b""

    def _quickly_inflated(self, size: int) -> bytes:
        try:
            content: bytes = self._member.decompress(self._input, size)
        except _ERRORS as error:
            self._error = _reason(error)
            return b""
        self._input = self._member.unused_data or self._member.unconsumed_tail
        return content

    def _inflated(self) -> bytes:
        if self._error:
            return b""
        before = self._member.copy()
        piece, rest = self._input[:_CAREFUL_PIECE], self._input[_CAREFUL_PIECE:]
        try:
            content: bytes = self._member.decompress(piece)
        except zlib.error as error:
            self._error = _reason(error)
            return _up_to_error(before, piece)
        self._input = self._member.unused_data + rest
        return content

    def _next_member(self) -> bool:
        """Return whether there is another member; zeros before it are padding."""
        padded = False
        while True:
            rest = self._input.lstrip(b"\0")
            padded |= len(rest) < len(self._input)
            if len(rest) >= len(_HEADER):
                break
            more = self._read(_PIECE)
            self._input = rest + more
            if not more:
                break
        if _begins_member(rest):
            self._input, self._member = rest, self._new(_GZIP)
            return True
        if rest or padded:
            self.trailing = _TRAILING
        return False


def _begins_member(data: bytes) -> bool:
    """Return whether a member begins here, even if a byte of its header is missing or damaged."""
    if len(data) < len(_HEADER):
        return bool(data) and _HEADER.startswith(data)
    same = sum(byte == expected for byte, expected in zip(data, _HEADER, strict=False))
    return same >= len(MAGIC)


def _up_to_error(member: Any, data: bytes) -> bytes:
    parts = []
    try:
        for start in range(len(data)):
            parts.append(member.decompress(data[start : start + 1]))  # noqa: PERF401  up to an error
    except zlib.error:
        pass
    return b"".join(parts)


def _reason(error: Exception) -> str:
    return f"the gzip data is damaged: {str(error).rpartition(': ')[2]}"


def decompressed(
    file: io.BufferedReader, path: object, *, careful: bool = False
) -> tuple[Read, list[Gunzip]]:
    """Return a reader of a file's content, gzip or not, and the number of gzip layers around it."""
    read: Read = file.read1
    head = file.peek(2)[:2]
    layers: list[Gunzip] = []
    while head and MAGIC.startswith(head):
        if len(layers) == MAX_LAYERS:
            raise ExportFileError(
                f"{path} is gzip within gzip, more than {MAX_LAYERS} times; decompress it first.",
                path=str(path),
            )
        layers.append(Gunzip(read, careful=careful))
        head, read = _peeked(layers[-1])
    return read, layers


def _peeked(read: Read) -> tuple[bytes, Read]:
    """Return a reader's first bytes, and a reader that starts with them again."""
    first: list[bytes] = []
    errors: list[Exception] = []
    try:
        while sum(map(len, first)) < len(MAGIC) and (piece := read(len(MAGIC))):
            first.append(piece)
    except (Damage, OSError) as error:
        errors.append(error)

    def again(size: int) -> bytes:
        if first:
            return first.pop(0)
        if errors:
            raise errors[0]
        return read(size)

    return b"".join(first)[:2], again


class Content:
    """The decompressed content of a file in blocks of at least `CHUNK` bytes, except the last.

    `position` is how much of the file on disk has been read. After the last block, `damage` and
    `trailing` say how the file ends.
    """

    def __init__(self, path: File) -> None:
        self.path = path
        self.position = 0
        self.damage = self.trailing = ""

    def __iter__(self) -> Iterator[bytes]:
        parts: list[bytes] = []
        size = 0
        for piece in self._pieces():
            parts.append(piece)
            size += len(piece)
            if size >= CHUNK:
                block, parts, size = b"".join(parts), [], 0
                yield block
        if parts:
            yield b"".join(parts)

    def _pieces(self) -> Iterator[bytes]:
        """Yield the content; after damage, also what a careful reader finds before it."""
        yielded = 0
        layers: list[Gunzip] = []
        for careful in (False, True):
            self.damage, size = "", 0
            with _open(self.path) as file:
                try:
                    read, layers = decompressed(file, self.path, careful=careful)
                    while piece := read(CHUNK):
                        self.position = file.tell() if file.seekable() else 0  # a pipe
                        size += len(piece)
                        if size > yielded:
                            yield piece[yielded - size :]
                            yielded = size
                    if not size and not layers:
                        self._note_damage("it is empty, without even the end of a gzip file")
                except (Damage, OSError) as error:
                    self._note_damage(str(error))
            if not self.damage or not layers:
                break
        self.trailing = next((layer.trailing for layer in layers if layer.trailing), "")

    def _note_damage(self, reason: str) -> None:
        self.damage = f"the file is damaged or ends early: {reason}"


def _open(path: File) -> io.BufferedReader:
    try:
        file = Path(path).open("rb") if isinstance(path, str) else path.open()  # noqa: SIM115
        file.peek(1)
    except OSError as error:
        reason = error.strerror or str(error)
    else:
        return file
    raise ExportFileError(f"{path} cannot be read: {reason}.", path=str(path))
