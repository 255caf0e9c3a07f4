"""The content of gzip files: all members, what follows them, and everything before any damage."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable
from typing import Any, TypeAlias

from asana_jobs_pd.errors import ExportFileError

try:
    from isal import isal_zlib

    _fast: Any = isal_zlib.decompressobj
    _ERRORS: tuple[Any, ...] = (zlib.error, isal_zlib.error)
except ImportError:  # no wheel for this platform
    _fast, _ERRORS = zlib.decompressobj, (zlib.error,)

Read: TypeAlias = Callable[[int], bytes]
"""Returns at most so many bytes, none at the end."""

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
    """Reads the content of gzip members; `trailing` is set when something else follows them.

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
        """Return some bytes, none at the end; a careful reader may return more than `size`."""
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
        """Whether there is another member; zeros before it are padding."""
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
    """Whether a member begins here, even if one byte of its header is missing or damaged."""
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
    """Return the first bytes that a reader gives, and a reader that starts with them again."""
    first: list[bytes] = []
    errors: list[Exception] = []
    try:
        while sum(map(len, first)) < len(MAGIC) and (piece := read(1 << 20)):
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
