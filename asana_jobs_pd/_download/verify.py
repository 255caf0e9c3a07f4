"""Verification of an export file while its bytes arrive, in constant memory."""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

import orjson

from asana_jobs_pd.errors import AsanaJobsError

_zlib: Any = zlib
with suppress(ImportError):  # there are no wheels for every platform
    from isal import isal_zlib as _zlib  # about twice as fast

Format = Literal["gzip", "json"]

_OUTPUT = 256 * 1024
"""The most bytes inflated at a time."""
_MAX_TRAILING = 16 * 2**20
"""The most bytes tolerated after the end of the gzip stream, zeros included."""
_MAX_LINE = 4 * 2**20
"""The most bytes of a last line that are parsed to see whether it is complete."""
_MAGIC = b"\x1f\x8b"
_BLANKS = b" \t\r\n"
_HEAD = 64 * 1024
_ROW = re.compile(rb'"(?:gid|resource_type)"\s*:|"data"\s*:\s*\[|\A\s*\[\s*\]')
"""Found in the first row of every export, and not in JSON such as a login page's."""


class CorruptFileError(AsanaJobsError):
    """The reason why a file is not a valid export."""


def format_of(head: bytes) -> Format | None:
    """Return the format of a file by its first bytes; None if it cannot be an export."""
    if head and _MAGIC.startswith(head[: len(_MAGIC)]):
        return "gzip"
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip(_BLANKS)
    return "json" if text[:1] in (b"{", b"[") and _ROW.search(text[:_HEAD]) else None


class Verifier:
    """Checks an export file as its bytes arrive.

    In a gzip file it checks the header, CRC and length of every member, and the end. The inflated
    bytes are counted and discarded, 256 KiB at a time, so that a file that inflates to a thousand
    times its size takes time, but no memory. In a file that was decompressed on the way, it
    checks that the beginning and the end look like JSON.

    Attributes
    ----------
    format : {"gzip", "json"} or None
        None until enough bytes have been fed.
    size : int
        Bytes fed.
    """

    def __init__(self, max_inflated: int | None = None) -> None:
        self._limit = max_inflated
        self._hash = hashlib.sha256()
        self._head = b""
        self._checker: _GzipChecker | _JsonChecker | None = None
        self.format: Format | None = None
        self.size = 0

    @property
    def sha256(self) -> str:
        """The SHA-256 of the bytes fed, in hexadecimal digits."""
        return self._hash.hexdigest()

    @property
    def inflated(self) -> int:
        """The number of bytes they inflate to."""
        return self._checker.inflated if self._checker else 0

    @property
    def trailing(self) -> int:
        """The number of bytes after the gzip stream, unless they are zeros (tape padding)."""
        return self._checker.trailing if self._checker and self._checker.garbage else 0

    @property
    def nested(self) -> bool:
        """Whether it is gzip within gzip."""
        return self._checker is not None and self._checker.nested

    @property
    def too_large(self) -> bool:
        """Whether there is more than `max_inflated` allows."""
        skipped = self._checker.skipped if self._checker else 0
        # Bytes that are compressed inflate to about as many, or more.
        packed = self.size - self.size // 100 - _OUTPUT
        return self._limit is not None and max(self.inflated + skipped, packed) > self._limit

    def feed(self, data: bytes) -> None:
        """Check the next bytes; raise CorruptFileError as soon as they cannot be an export's."""
        self._hash.update(data)
        self.size += len(data)
        if self._checker is not None:
            self._checker.feed(data)
            self._check_limit()
            return
        self._head += data
        if len(self._head) >= _HEAD or self._head.startswith(_MAGIC):
            self._begin()

    def finish(self) -> None:
        """Raise CorruptFileError if the file cannot end here."""
        if not self.size:
            raise CorruptFileError("it is empty, not even an empty gzip file")
        (self._checker or self._begin()).finish()

    def is_complete(self) -> bool:
        """Return whether the file can end here; raise CorruptFileError if it never can."""
        try:
            self.finish()
        except CorruptFileError:
            if self.too_large or (self.size and self.format is None):
                raise
            return False
        return True

    def _begin(self) -> _GzipChecker | _JsonChecker:
        head, self._head = self._head, b""
        self.format = format_of(head)
        if self.format is None:
            raise CorruptFileError(_not_an_export(head))
        is_gzip = self.format == "gzip"
        checker = self._checker = _GzipChecker(self._check_limit) if is_gzip else _JsonChecker()
        checker.feed(head)
        self._check_limit()
        return checker

    def _check_limit(self) -> None:
        if self.too_large:
            raise CorruptFileError(
                f"it inflates to more than the {self._limit:,} bytes that max_inflated allows"
            )


def strong_etag(headers: Mapping[str, str]) -> str | None:
    """Return the ETag if a part can be resumed with it; None if it is weak or malformed."""
    etag = headers.get("ETag") or ""
    return etag if re.fullmatch(r'"[\x21\x23-\x7e]{1,200}"', etag) else None


_ATTRIBUTE = "user.asana_jobs_pd.export"


@dataclass(frozen=True, slots=True)
class FileRecord:
    """What a download stores in a file's extended attribute to recognize it next time.

    Where the file system has no such attributes, the file is verified from beginning to end.
    """

    size: int
    sha256: str
    etag: str | None = None

    def leave(self, descriptor: int) -> None:
        """Store it in an open file's attribute."""
        with suppress(OSError, AttributeError):
            os.setxattr(descriptor, _ATTRIBUTE, orjson.dumps(self))

    @classmethod
    def of(cls, descriptor: int) -> FileRecord | None:
        """Return the record of an open file."""
        try:
            found = orjson.loads(os.getxattr(descriptor, _ATTRIBUTE))
            return cls(int(found["size"]), str(found["sha256"]), found.get("etag"))
        except (OSError, AttributeError, ValueError, TypeError, KeyError):
            return None

    def matches(self, chunks: Iterable[bytes]) -> bool:
        """Return whether these bytes are the recorded ones."""
        digest, size = hashlib.sha256(), 0
        for data in chunks:
            digest.update(data)
            size += len(data)
        return (size, digest.hexdigest()) == (self.size, self.sha256)


_FLAGS = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


def check_finished(
    path: Path, max_inflated: int | None, check_stop: Callable[[], None]
) -> FileRecord | None:
    """Return the record of a file that an earlier download left or that is complete, else None.

    `check_stop` is called regularly.
    """
    try:
        descriptor = os.open(path, _FLAGS)
    except FileNotFoundError:
        return None
    except OSError:
        if path.is_symlink():  # it is replaced; its target is left alone
            return None
        raise
    with open(descriptor, "rb", buffering=0) as file:  # noqa: PTH123  a descriptor

        def chunks() -> Iterator[bytes]:
            while data := file.read(_OUTPUT):
                check_stop()
                yield data

        record = FileRecord.of(descriptor)
        if record is not None:
            return record if record.matches(chunks()) else None
        record = _verify(chunks(), max_inflated)
        if record is not None:
            record.leave(descriptor)
        return record


def _verify(chunks: Iterable[bytes], max_inflated: int | None) -> FileRecord | None:
    """Return the record of a complete gzip file; other formats do not show where they end."""
    verifier = Verifier(max_inflated)
    try:
        for data in chunks:
            verifier.feed(data)
        verifier.finish()
    except CorruptFileError:
        if verifier.too_large:
            raise
        return None
    whole = verifier.format == "gzip" and not verifier.nested
    return FileRecord(verifier.size, verifier.sha256) if whole else None


_DOCUMENT = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:\[|\{\s*\"data\"\s*:\s*\[)")
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"', re.DOTALL)


class _JsonChecker:
    """Checks that a JSON document, or the last line of JSON Lines, is complete."""

    skipped = trailing = 0
    garbage = nested = False

    def __init__(self) -> None:
        self._tail = b""
        self._document: _Nesting | None = None
        self._has_lines = False
        self.inflated = 0

    def feed(self, data: bytes) -> None:
        if not self.inflated and _DOCUMENT.match(data):
            self._document = _Nesting()
        self.inflated += len(data)
        if self._document is not None:
            self._document.feed(data)
        tail = self._tail + data
        cut = tail.rstrip(_BLANKS).rfind(b"\n")
        self._has_lines |= cut >= 0
        self._tail = tail[cut + 1 :][-_MAX_LINE:]

    def finish(self) -> None:
        line = self._tail.strip(_BLANKS)
        whole = line[-1:] in (b"}", b"]")
        if self._document is not None:
            whole = whole and self._document.depth == 0
        elif whole and self._has_lines and line[:1] == b"{" and len(self._tail) < _MAX_LINE:
            try:
                orjson.loads(line)
            except orjson.JSONDecodeError:
                whole = False
        if not whole:
            raise CorruptFileError("it ends in the middle of a line of JSON")


class _Nesting:
    """The number of open brackets in a JSON document."""

    def __init__(self) -> None:
        self._string = b""
        self.depth = 0

    def feed(self, data: bytes) -> None:
        text = _STRING.sub(b"", self._string + data)
        text, quote, rest = text.partition(b'"')
        self._string = quote + rest[-_MAX_LINE:]
        self.depth += text.count(b"[") + text.count(b"{") - text.count(b"]") - text.count(b"}")


class _GzipChecker:
    """Checks the members of a gzip file; `on_output` is called after each piece of output."""

    def __init__(self, on_output: Callable[[], None]) -> None:
        self._on_output = on_output
        self._member: Any = None
        self._head = b""
        self._members = 0
        self._size = 0
        self._first_output = b""
        self.inflated = self.trailing = self.skipped = 0
        self.garbage = self.nested = False

    def feed(self, data: bytes) -> None:
        self._size += len(data)
        while data:
            data = self._begin(data) if self._member is None else self._inflate(data)

    def finish(self) -> None:
        if self._member is not None or self._head:
            raise CorruptFileError(
                f"it ends in the middle of its gzip stream, after {self._size:,} bytes"
            )

    def _begin(self, data: bytes) -> bytes:
        """Begin a member once its first two bytes are there; skip zeros between members."""
        if self.garbage:
            self._skip(len(data))
            return b""
        if self._members and not self._head:
            rest = data.lstrip(b"\0")
            self._skip(len(data) - len(rest))
            data = rest
        head = self._head + data
        if not _MAGIC.startswith(head[:2]):  # gunzip ignores it too
            self.garbage, self._head = True, b""
            self._skip(len(head))
            return b""
        if len(head) < len(_MAGIC):
            self._head = head
            return b""
        self._head, self._member = b"", _zlib.decompressobj(wbits=31)
        self._members += 1
        self.trailing = 0
        return head

    def _skip(self, size: int) -> None:
        self.trailing += size
        self.skipped += size
        if self.trailing > _MAX_TRAILING:
            raise CorruptFileError(
                f"more than {_MAX_TRAILING:,} bytes follow the end of its gzip stream"
            )

    def _inflate(self, data: bytes) -> bytes:
        """Inflate a piece of a member; return the bytes that follow the member."""
        member, output = self._member, b""
        try:
            while data or len(output) == _OUTPUT:
                output = member.decompress(data, _OUTPUT)
                self._count(output)
                data = b"" if member.eof else member.unconsumed_tail
        except (zlib.error, _zlib.error) as error:
            message = str(error)
        else:
            self._member = None if member.eof else member
            rest: bytes = member.unused_data
            return rest
        raise CorruptFileError(
            f"its gzip stream is broken near byte {self._size:,} (after "
            f"{self.inflated:,} inflated bytes): {_gzip_error_words(message)}"
        )

    def _count(self, output: bytes) -> None:
        if len(self._first_output) < len(_MAGIC):
            self._first_output = (self._first_output + output)[:16]
            self.nested = self._first_output.startswith(_MAGIC)
            if self._first_output.lstrip(_BLANKS).startswith(b"<"):
                raise CorruptFileError("it inflates to HTML or XML, not to JSON Lines")
        self.inflated += len(output)
        self._on_output()


def unpack(file: BinaryIO) -> Iterator[bytes]:
    """Yield the inflated content of a verified gzip file."""
    with (
        suppress(gzip.BadGzipFile),  # bytes after its end
        gzip.GzipFile(fileobj=file, mode="rb") as packed,
    ):
        while data := packed.read(_OUTPUT):
            yield data


def _gzip_error_words(message: str) -> str:
    low = message.lower()
    if "check" in low and "header" not in low:
        return "its CRC or length does not match its content"
    return re.sub(r"^Error -?\d+ (while decompressing data: )?", "", message)


def _not_an_export(head: bytes) -> str:
    first = head.lstrip(_BLANKS)[:1]
    looks = {
        b"{": "; it looks like JSON, but not like an export",
        b"[": "; it looks like JSON, but not like an export",
        b"<": "; it looks like XML",
    }
    return f"it is not gzip{looks.get(first, '')}"
