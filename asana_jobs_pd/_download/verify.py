"""Is this a whole gzip file? Told while its bytes arrive, in constant memory."""

from __future__ import annotations

import hashlib
import re
import zlib
from typing import TYPE_CHECKING, Any

from asana_jobs_pd.errors import AsanaJobsError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["MAGIC", "CorruptFileError", "Verifier"]

try:
    from isal import igzip_lib
except ImportError:  # there are no wheels for every platform
    igzip_lib = None  # type: ignore[assignment]


_OUTPUT = 256 * 1024
"""Bytes that are inflated at a time, at the most."""
MAGIC = b"\x1f\x8b"
_TRAILER = "the bytes after the end of its gzip stream are not gzip"


class CorruptFileError(AsanaJobsError):
    """What is wrong with a file, in words."""


class Verifier:
    """Checks a gzip file as its bytes arrive: header, CRC and length of every member, the end.

    What it inflates is counted and dropped, 256 KiB at a time, so that a file that inflates to
    a thousand times its size takes time, but no memory.

    Parameters
    ----------
    max_inflated
        Bytes that the file may inflate to; None for any number.

    Attributes
    ----------
    size : int
        Bytes fed.
    inflated : int
        Bytes they inflate to.
    """

    def __init__(self, max_inflated: int | None = None) -> None:
        self._limit = max_inflated
        self._hash = hashlib.sha256()
        self._member: _Inflater | None = None
        self._head = b""
        self._members = 0
        self.size = 0
        self.inflated = 0

    @property
    def sha256(self) -> str:
        """The SHA-256 of the bytes fed, in hexadecimal digits."""
        return self._hash.hexdigest()

    def feed(self, data: bytes) -> None:
        """Take the next bytes.

        Raises
        ------
        CorruptFileError
            As soon as they cannot be those of a gzip file.
        """
        self._hash.update(data)
        self.size += len(data)
        while data:
            if self._member is None:
                data = self._begin(data)
                continue
            self._inflate(self._member, data)
            data = b""
            if self._member.eof:
                data, self._member = self._member.unused_data, None

    def finish(self) -> None:
        """Take note that there are no more bytes.

        Raises
        ------
        CorruptFileError
            When the file cannot end here.
        """
        if not self.size:
            raise CorruptFileError("it is empty, not even an empty gzip file")
        if self._member is not None or (self._head and not self._members):
            raise CorruptFileError(
                f"it ends in the middle of its gzip stream, after {self.size:,} bytes"
            )
        if self._head:
            raise CorruptFileError(_TRAILER)

    def _begin(self, data: bytes) -> bytes:
        """Begin a member, once its first two bytes are there; between members zeros may stand."""
        if self._members and not self._head:
            data = data.lstrip(b"\0")
        head = self._head + data
        if not MAGIC.startswith(head[:2]):
            raise CorruptFileError(_TRAILER if self._members else _not_gzip(head))
        if len(head) < len(MAGIC):
            self._head = head
            return b""
        self._head, self._member = b"", _make_inflater(self._count)
        self._members += 1
        return head

    def _inflate(self, member: _Inflater, data: bytes) -> None:
        try:
            member.feed(data)
        except _ERRORS as error:
            said = str(error)
        else:
            return
        raise CorruptFileError(
            f"its gzip stream is broken near byte {self.size:,} (after "
            f"{self.inflated:,} inflated bytes): {_words(said)}"
        )

    def _count(self, inflated: int) -> None:
        self.inflated += inflated
        if self._limit is not None and self.inflated > self._limit:
            raise CorruptFileError(
                f"it inflates to more than the {self._limit:,} bytes that max_inflated allows"
            )


class _Inflater:
    """Inflates one member; `inner` does the work.

    Parameters
    ----------
    inner
        A decompressor of ISA-L or of zlib.
    count
        Called with the size of each piece.
    """

    def __init__(self, inner: Any, count: Callable[[int], None]) -> None:
        self._inner = inner
        self._count = count

    @property
    def eof(self) -> bool:
        return bool(self._inner.eof)

    @property
    def unused_data(self) -> bytes:
        return bytes(self._inner.unused_data)

    def feed(self, data: bytes) -> None:
        raise NotImplementedError


class _Isal(_Inflater):
    """With ISA-L, about twice as fast as zlib."""

    def feed(self, data: bytes) -> None:
        inner = self._inner
        self._count(len(inner.decompress(data, _OUTPUT)))
        while not (inner.needs_input or inner.eof):
            self._count(len(inner.decompress(b"", _OUTPUT)))


class _Zlib(_Inflater):
    """With the standard library."""

    def feed(self, data: bytes) -> None:
        inner = self._inner
        while True:
            inflated = len(inner.decompress(data, _OUTPUT))
            self._count(inflated)
            data = inner.unconsumed_tail
            if inner.eof or not (data or inflated == _OUTPUT):
                return


_ERRORS: tuple[type[Exception], ...] = (zlib.error, getattr(igzip_lib, "error", zlib.error))


def _make_inflater(count: Callable[[int], None]) -> _Inflater:
    if igzip_lib is None:
        return _Zlib(zlib.decompressobj(wbits=31), count)
    return _Isal(igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP), count)


def _words(said: str) -> str:
    low = said.lower()
    if "check" in low and "header" not in low:
        return "its CRC or length does not match its content"
    return re.sub(r"^Error -?\d+ (while decompressing data: )?", "", said)


def _not_gzip(head: bytes) -> str:
    first = head.lstrip()[:1]
    looks = {
        b"{": ", it looks like JSON",
        b"[": ", it looks like JSON",
        b"<": ", it looks like XML",
    }
    return f"it is not gzip{looks.get(first, '')}"
