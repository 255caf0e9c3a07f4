"""From a file to numbered lines: gzip or plain, JSON Lines or one JSON document.

Several processes may share a file: each decompresses all of it, which is a tenth of the work, and
keeps the chunks that it claims. A line belongs to the chunk in which it begins, so that the chunks
are the same for any number of processes.
"""

from __future__ import annotations

import gzip
import io
import re
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, Self

import msgspec

from asana_jobs_pd._decode.locations import File
from asana_jobs_pd.errors import ExportFileError

__all__ = ["CHUNK", "Chunk", "Truncated", "read_chunks"]

try:
    from isal import igzip, isal_zlib

    _DAMAGE: tuple[Any, ...] = (EOFError, OSError, zlib.error, isal_zlib.error)
    _unzip: Any = igzip.open
except ImportError:  # no wheel for this platform
    _DAMAGE = (EOFError, OSError, zlib.error)
    _unzip = gzip.open


CHUNK = 12 << 20
"""Bytes; what is in memory at a time, but for a line that is longer."""
SLICE = 2000
"""Rows of a document that are taken for a chunk."""
_DOCUMENT = re.compile(rb"\s*(?:\[|\{\s*\"data\"\s*:\s*\[)")
_ITEMS = msgspec.json.Decoder(list[msgspec.Raw]).decode


class _Data(msgspec.Struct):
    data: list[msgspec.Raw]


class Chunk(NamedTuple):
    """Some lines of a file: number of the chunk, number of its first line, the lines."""

    number: int
    first_line: int
    lines: list[bytes]


class Truncated(Exception):  # noqa: N818  not an error until someone decides so
    """The file ends early, or is damaged; what came before it was good."""


def read_chunks(
    path: File, claim: Callable[[int, int], bool], max_line_bytes: int
) -> Iterator[Chunk]:
    """Yield the lines of a file, in chunks.

    Parameters
    ----------
    path
        A local file, or one behind a URL.
    claim
        Whether to yield a chunk, by its number and how far in the file it ends, in bytes as they
        are on disk; asked once for each, in turn.
    max_line_bytes
        A longer line, or a longer document, is refused.

    Raises
    ------
    ExportFileError
        When there is no such file, it is empty, or a line is too long.
    Truncated
        After the last good line of a damaged file.
    """
    with _Blocks(path) as blocks:
        first = next(blocks, b"").removeprefix(b"\xef\xbb\xbf")
        if _DOCUMENT.match(first):
            if claim(0, 0):
                yield from _document(path, first, blocks, max_line_bytes)
            return
        for chunk in _split(path, first, blocks, claim, max_line_bytes):
            if chunk.lines and max(map(len, chunk.lines)) > max_line_bytes:
                at = next(n for n, line in enumerate(chunk.lines) if len(line) > max_line_bytes)
                raise _too_long(path, chunk.first_line + at, max_line_bytes)
            yield chunk


def _split(
    path: File, block: bytes, blocks: _Blocks, claim: Callable[[int, int], bool], limit: int
) -> Iterator[Chunk]:
    number, newlines, at_start = 0, 0, True
    chunk: Chunk | None = None
    rest: list[bytes] = []
    damage: Truncated | None = None
    while block:
        start = 0 if at_start else block.find(b"\n") + 1
        if chunk is not None:
            rest.append(block[: start - 1] if start else block)
            if sum(map(len, rest)) > limit:
                raise _too_long(path, chunk.first_line + len(chunk.lines), limit)
            if start:
                yield _completed(chunk, rest)
                chunk, rest = None, []
        if claim(number, blocks.position) and (at_start or start):
            lines = (block[start:] if start else block).split(b"\n")
            after = newlines + (start > 0) + len(lines) - 1
            chunk, rest = Chunk(number, newlines + (start > 0) + 1, lines), [lines.pop()]
            if not rest[0]:
                yield chunk
                chunk = None
            newlines = after
        else:
            newlines += block.count(b"\n")
        at_start = block.endswith(b"\n")
        number += 1
        try:
            block = next(blocks, b"")
        except Truncated as error:
            damage, block = error, b""
    if chunk is not None:
        # Of a damaged file, the last line is not whole.
        yield chunk if damage else _completed(chunk, rest)
    if damage:
        raise damage


def _completed(chunk: Chunk, rest: list[bytes]) -> Chunk:
    chunk.lines.append(b"".join(rest))
    return chunk


def _document(path: File, first: bytes, blocks: Iterator[bytes], limit: int) -> Iterator[Chunk]:
    """Yield the rows of one JSON document as if each stood on a line of its own."""
    parts, size = [first], len(first)
    for block in blocks:
        parts.append(block)
        size += len(block)
        if size > limit:
            raise ExportFileError(
                f"{path}: one JSON document of more than {limit:,} bytes, which has to be in "
                "memory as a whole; allow it with max_line_bytes=…",
                path=str(path),
            )
    text = b"".join(parts)
    try:
        is_list = text.lstrip()[:1] == b"["
        rows = _ITEMS(text) if is_list else msgspec.json.decode(text, type=_Data).data
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        reason = str(error)
    else:
        for start in range(0, len(rows), SLICE):
            lines = [bytes(row) for row in rows[start : start + SLICE]]
            yield Chunk(start // SLICE, start + 1, lines)
        return
    raise ExportFileError(f"{path}: the JSON document cannot be read: {reason}.", path=str(path))


class _Blocks:
    """The content of a file, decompressed, in blocks of one size but for the last."""

    def __init__(self, path: File) -> None:
        self._file = _open(path)
        head = self._file.peek(2)[:2]
        self._stream = _unzip(self._file, "rb") if head == b"\x1f\x8b" else self._file
        self._damage = ""

    @property
    def position(self) -> int:
        """How much of the file has been read."""
        return self._file.tell()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        parts: list[bytes] = []
        missing = CHUNK
        try:
            while missing and not self._damage and (part := self._stream.read1(missing)):
                parts.append(part)
                missing -= len(part)
        except _DAMAGE as error:
            self._damage = str(error) or type(error).__name__
        if parts:
            return b"".join(parts) if len(parts) > 1 else parts[0]
        if self._damage:
            raise Truncated(self._damage)
        raise StopIteration


def _open(path: File) -> io.BufferedReader:
    try:
        file = Path(path).open("rb") if isinstance(path, str) else path.open()  # noqa: SIM115
        if file.peek(1):
            return file
        file.close()
        reason = "it is empty, without even the end of a gzip file; download it again"
    except OSError as error:
        reason = error.strerror or str(error)
    raise ExportFileError(f"{path} cannot be read: {reason}.", path=str(path))


def _too_long(path: File, line: int, limit: int) -> ExportFileError:
    return ExportFileError(
        f"{path}: line {line} has more than {limit:,} bytes; allow it with max_line_bytes=…",
        path=str(path),
        line=line,
    )
