"""Numbered lines of a file: gzip or plain, JSON Lines or one JSON document.

Several processes may share a file: each decompresses all of it, which is a tenth of the work, and
keeps the chunks that it claims. A line belongs to the chunk in which it begins, so that the chunks
are the same for any number of processes.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import NamedTuple, Self

import msgspec

from asana_jobs_pd._decode.decoders import MALFORMED, mended
from asana_jobs_pd._decode.gunzip import Damage, decompressed
from asana_jobs_pd._decode.locations import File
from asana_jobs_pd.errors import ExportFileError

CHUNK = 12 << 20
"""The bytes in memory at a time, unless a line is longer."""
DOCUMENT_CHUNK = 2000
"""The rows of a JSON document in a chunk."""
BOM = b"\xef\xbb\xbf"
"""The byte order mark. Files that were put together have one in front of later lines as well."""
_DOCUMENT = re.compile(
    r"\s*(?:\[|\{\s*(?:\"next_page\"\s*:\s*(?:null|\{[^{}]*\})\s*,\s*)?\"data\"\s*:\s*\[)"
)
_ROW_OF_ITS_OWN = re.compile(rb"\n\s*\{[^\n]*\"resource_type\"[^\n]*\}\s*(?:\n|$)")
_document_starts = re.compile(_DOCUMENT.pattern.encode()).match
_ITEMS = msgspec.json.Decoder(list[msgspec.Raw]).decode
_CONTROL = bytes(set(range(32)) - set(b"\t\n\r\f"))
_SAMPLE = 1000


class _Data(msgspec.Struct):
    data: list[msgspec.Raw]


class Chunk(NamedTuple):
    """Some lines of a file: number of the chunk, number of its first line, the lines."""

    number: int
    first_line: int
    lines: list[bytes]


class FileEnd(NamedTuple):
    """How a file ends that is damaged or ends early.

    `line` is the first line that is missing or incomplete, `text` what there is of it; both are
    empty when every line is there.
    """

    reason: str
    early: bool
    line: int = 0
    text: bytes = b""


Claim = Callable[[int, int], bool]


def read_chunks(
    path: File, claim: Claim, max_line_bytes: int, on_end: Callable[[FileEnd], None]
) -> Iterator[Chunk]:
    """Yield the lines of a file, in chunks."""
    with _Blocks(path) as blocks:
        yield from _Reader(path, blocks, max_line_bytes, on_end).chunks(claim)


class _Reader:
    """Cuts the blocks of a file into chunks of whole lines."""

    def __init__(
        self, path: File, blocks: _Blocks, limit: int, on_end: Callable[[FileEnd], None]
    ) -> None:
        self._path = path
        self._blocks = blocks
        self._limit = limit
        self._on_end = on_end

    def chunks(self, claim: Claim) -> Iterator[Chunk]:
        first = next(self._blocks, b"").removeprefix(BOM)
        if _document_starts(first):
            if claim(0, 0):
                yield from self._document(first)
        elif _is_binary(first):
            if claim(0, 0):
                reason = "the file is damaged: it is neither gzip nor JSON text"
                self._on_end(FileEnd(reason, early=True, line=1))
        else:
            yield from self._split(first, claim)

    def _split(self, block: bytes, claim: Claim) -> Iterator[Chunk]:
        number, newlines, tail = 0, 0, b""
        chunk: Chunk | None = None
        rest: list[bytes] = []
        while block:
            start = block.find(b"\n") + 1 if tail else 0
            if chunk is not None:
                rest.append(block[: start - 1] if start else block)
                self._check_length(sum(map(len, rest)), chunk.first_line + len(chunk.lines))
                if start:
                    yield self._checked(_completed(chunk, rest))
                    chunk = None
            if claim(number, self._blocks.position) and (start or not tail):
                lines = block.split(b"\n")
                if start:  # the first line belongs to the previous chunk
                    newlines += 1
                    del lines[0]
                rest = [lines.pop()]
                chunk = Chunk(number, newlines + 1, lines)
                newlines += len(lines)
                if not rest[0]:
                    yield self._checked(chunk)
                    chunk = None
            else:
                newlines += block.count(b"\n")
            tail = _tail(tail, block)
            number += 1
            block = next(self._blocks, b"")
        cut, damage = "", self._blocks.damage
        if chunk is not None:
            # A last line without a newline is whole unless the file is damaged.
            cut = "" if damage else _cut(b"".join(rest))
            yield self._checked(chunk if damage or cut else _completed(chunk, rest))
        if cut or damage or self._blocks.trailing:
            self._end(newlines + 1, tail, cut, lambda: claim(number, self._blocks.position))

    def _end(self, line: int, tail: bytes, cut: str, claimed: Callable[[], bool]) -> None:
        """Report how the file ends, in the process that has its last line or claims its end."""
        damage, trailing = self._blocks.damage, self._blocks.trailing
        if cut:
            damage = f"the file ends early: line {line} {cut}"
        elif not claimed():
            return
        if damage:
            self._on_end(FileEnd(damage, early=True, line=line, text=tail))
        else:
            self._on_end(FileEnd(trailing, early=False))

    def _document(self, first: bytes) -> Iterator[Chunk]:
        """Yield the rows of one JSON document as if each were on its own line."""
        text = self._whole(first)
        damage, trailing = self._blocks.damage, self._blocks.trailing
        end = FileEnd(trailing, early=False) if trailing else None
        try:
            lines = _rows(text)
        except MALFORMED as error:
            lines, rest = _whole_rows(text)
            if _has_lines(text, lines):
                yield from self._split(text, lambda *_: True)
                return
            reason = damage or f"the JSON document cannot be read: {error}"
            end = FileEnd(reason, early=True, line=len(lines) + 1, text=rest)
        if damage and (end is None or not end.early):
            end = FileEnd(damage, early=True, line=len(lines) + 1)
        for start in range(0, len(lines), DOCUMENT_CHUNK):
            number = start // DOCUMENT_CHUNK
            yield Chunk(number, start + 1, lines[start : start + DOCUMENT_CHUNK])
        if end is not None:
            self._on_end(end)

    def _whole(self, first: bytes) -> bytes:
        parts, size = [first], len(first)
        for block in self._blocks:
            parts.append(block)
            size += len(block)
            if size > self._limit:
                raise ExportFileError(
                    f"{self._path}: one JSON document of more than {self._limit:,} bytes, which "
                    "has to fit in memory; allow it with max_line_bytes=…",
                    path=str(self._path),
                )
        return b"".join(parts)

    def _checked(self, chunk: Chunk) -> Chunk:
        if chunk.lines and max(map(len, chunk.lines)) > self._limit:
            for number, line in enumerate(chunk.lines, chunk.first_line):
                self._check_length(len(line), number)
        return chunk

    def _check_length(self, length: int, line: int) -> None:
        if length > self._limit:
            raise ExportFileError(
                f"{self._path}: line {line} has more than {self._limit:,} bytes; "
                "allow it with max_line_bytes=…",
                path=str(self._path),
                line=line,
            )


def _completed(chunk: Chunk, rest: list[bytes]) -> Chunk:
    chunk.lines.append(b"".join(rest))
    return chunk


def _tail(before: bytes, block: bytes) -> bytes:
    """Return the beginning of the line that is incomplete after a block."""
    start = block.rfind(b"\n") + 1
    return block[start : start + _SAMPLE] if start else (before + block)[:_SAMPLE]


def _is_binary(block: bytes) -> bool:
    sample = block.partition(b"\n")[0][:_SAMPLE]  # what follows a line of text is damage
    return (len(sample) - len(sample.translate(None, _CONTROL))) * 20 > len(sample)


def _cut(line: bytes) -> str:
    """Describe how a last line without a newline is incomplete, if it is."""
    line = line.strip().removeprefix(BOM)
    if not line:
        return ""
    try:
        msgspec.json.decode(mended(line), type=msgspec.Raw)
    except MALFORMED as error:
        if not line.endswith(b"}") or "truncated" in str(error):
            return f"cannot be read: {error}"
    return ""


def _rows(text: bytes) -> list[bytes]:
    """Return the rows of a document, or of several, each on a line of its own."""
    try:
        is_list = text.lstrip()[:1] == b"["
        rows = _ITEMS(text) if is_list else msgspec.json.decode(text, type=_Data).data
    except MALFORMED:
        lines = [line for line in text.split(b"\n") if line and not line.isspace()]
        if len(lines) > 1 and all(map(_document_starts, lines)):
            return list(chain.from_iterable(map(_rows, lines)))
        raise
    return list(map(bytes, rows))


def _has_lines(text: bytes, rows: list[bytes]) -> bool:
    """Whether an apparent document is JSON Lines that begin with a list."""
    return not any(row[:1] == b"{" for row in rows) and _ROW_OF_ITS_OWN.search(text) is not None


def _whole_rows(text: bytes) -> tuple[list[bytes], bytes]:
    """Return the rows of a damaged document before the damage, and the text from there."""
    whole = text.decode("utf-8", "surrogateescape")
    scan = json.JSONDecoder(strict=False, parse_int=len, parse_float=len).raw_decode
    start = _DOCUMENT.match(whole)
    assert start is not None
    position, rows = _past_space(whole, start.end()), []
    while True:
        try:
            value, end = scan(whole, position)
        except (ValueError, RecursionError):
            break
        after = _past_space(whole, end)
        if not isinstance(value, dict) and whole[after : after + 1] not in (",", "]"):
            break
        rows.append(whole[position:end].encode("utf-8", "surrogateescape"))
        position = after
        if whole[after : after + 1] != ",":
            break
        position = _past_space(whole, after + 1)
    return rows, whole[position : position + _SAMPLE].encode("utf-8", "surrogateescape")


def _past_space(text: str, position: int) -> int:
    while text[position : position + 1] in (" ", "\t", "\n", "\r"):
        position += 1
    return position


class _Blocks:
    """The decompressed content of a file in blocks of equal size, except the last.

    Once the last one has been read, `damage` and `trailing` say how the file ends.
    """

    def __init__(self, path: File) -> None:
        self._path = path
        self._file = _open(path)
        try:
            self._read, self._layers = decompressed(self._file, path)
        except BaseException:
            self._file.close()
            raise
        self._pieces = self._all_pieces()
        self._left = b""
        self._missing = CHUNK
        self.damage = ""

    @property
    def position(self) -> int:
        """The number of bytes read of the file on disk."""
        return self._file.tell()

    @property
    def trailing(self) -> str:
        """A description of what follows the gzip data."""
        return next((layer.trailing for layer in self._layers if layer.trailing), "")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        parts, self._missing = [self._left] * bool(self._left), CHUNK - len(self._left)
        while self._missing > 0 and (piece := next(self._pieces, b"")):
            parts.append(piece)
            self._missing -= len(piece)
        whole = b"".join(parts)
        self._left = whole[CHUNK:]
        if not whole:
            raise StopIteration
        return whole[:CHUNK]

    def _all_pieces(self) -> Iterator[bytes]:
        """Yield the content; after damage, also what a careful reader finds before it."""
        read, yielded = self._read, 0
        try:
            while piece := read(self._missing):
                yielded += len(piece)
                yield piece
            if not self._file.tell():
                self._note_damage("it is empty, without even the end of a gzip file")
        except (Damage, OSError) as error:
            self._note_damage(str(error))
            if self._layers:
                yield from self._rest_with_care(yielded)

    def _rest_with_care(self, skipped: int) -> Iterator[bytes]:
        with _open(self._path) as file:
            read, self._layers = decompressed(file, self._path, careful=True)
            try:
                while piece := read(self._missing):
                    if skipped < len(piece):
                        yield piece[skipped:]
                    skipped = max(0, skipped - len(piece))
                self.damage = ""
            except (Damage, OSError) as error:
                self._note_damage(str(error))

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
