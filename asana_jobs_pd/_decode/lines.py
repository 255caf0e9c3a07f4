"""The lines of a file, numbered, in chunks: JSON Lines, or the rows of one JSON document."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import NamedTuple

import msgspec

from asana_jobs_pd._decode.decoders import MALFORMED, mended
from asana_jobs_pd._decode.sources import Content
from asana_jobs_pd.errors import ExportFileError

DOCUMENT_CHUNK = 2000
"""The rows of a JSON document in a chunk."""
BOM = b"\xef\xbb\xbf"
"""The byte order mark; concatenated files also have one before later lines."""
_DOCUMENT = re.compile(
    r"\s*(?:\[|\{\s*(?:\"next_page\"\s*:\s*(?:null|\{[^{}]*\})\s*,\s*)?\"data\"\s*:\s*\[)"
)
_ROW_OF_ITS_OWN = re.compile(rb"\n\s*\{[^\n]*\"resource_type\"[^\n]*\}\s*(?:\n|$)")
_document_starts = re.compile(_DOCUMENT.pattern.encode()).match
_ITEMS = msgspec.json.Decoder(list[msgspec.Raw]).decode
_OTHER_FORMATS = {
    b"PK\x03\x04": "a ZIP archive",
    b"\x28\xb5\x2f\xfd": "compressed with Zstandard",
    b"BZh": "compressed with bzip2",
    b"\xfd7zXZ\x00": "compressed with xz",
}
"""The first bytes of compressed formats other than gzip."""
_CONTROL = bytes(set(range(32)) - set(b"\t\n\r\f"))
_SAMPLE = 1000


class _Data(msgspec.Struct):
    data: list[msgspec.Raw]


class Chunk(NamedTuple):
    """Some lines of a file, with the numbers of the file, the chunk and the first line."""

    file: int
    number: int
    first_line: int
    lines: list[bytes]


class FileEnd(NamedTuple):
    """How a file ends that is damaged, ends early, or is followed by other bytes.

    `line` is the first line that is missing or incomplete, 0 if none is; `text` is the part of it
    that is there.
    """

    reason: str
    line: int = 0
    text: bytes = b""
    remedy: str = "Download it again."


class Lines:
    """The chunks of a file; after the last one, `end` describes the end if something is wrong."""

    def __init__(self, content: Content, file: int, limit: int) -> None:
        self._content = content
        self._file = file
        self._limit = limit
        self.end: FileEnd | None = None

    def __iter__(self) -> Iterator[Chunk]:
        blocks = iter(self._content)
        first = next(blocks, b"").removeprefix(BOM)
        if _document_starts(first):
            yield from self._document(chain([first], blocks))
        elif format_ := next(filter(first.startswith, _OTHER_FORMATS), None):
            reason = f"the file is {_OTHER_FORMATS[format_]}, which is not supported"
            self.end = FileEnd(reason, line=1, remedy="Decompress it first.")
        elif _is_binary(first):
            reason = "the file is damaged: it is neither gzip nor JSON text"
            self.end = FileEnd(reason, line=1)
        else:
            yield from self._split(chain([first], blocks))

    def _split(self, blocks: Iterable[bytes]) -> Iterator[Chunk]:
        number, line = 0, 1
        parts: list[bytes] = []
        for number, block in enumerate(blocks):
            lines = block.split(b"\n")
            parts.append(lines[0])
            self._check_length(sum(map(len, parts)), line)
            if len(lines) > 1:
                lines[0] = b"".join(parts)
                parts = [lines.pop()]
                yield self._checked(Chunk(self._file, number, line, lines))
                line += len(lines)
        last, damage = b"".join(parts), self._content.damage
        # A last line without a newline is complete unless the file is damaged.
        if not damage and (cut := _cut(last)):
            damage = f"the file ends early: line {line} {cut}"
        if damage:
            self.end = FileEnd(damage, line=line, text=last[:_SAMPLE])
            return
        yield self._checked(Chunk(self._file, number + 1, line, [last]))
        self._note_trailing()

    def _document(self, blocks: Iterable[bytes]) -> Iterator[Chunk]:
        """Yield the rows of one JSON document as if each were on its own line."""
        text = self._whole(blocks)
        damage, rest = self._content.damage, b""
        try:
            lines = _rows(text)
        except MALFORMED as error:
            lines, rest = _whole_rows(text)
            if _has_lines(text, lines):
                yield from self._split([text])
                return
            damage = damage or f"the JSON document cannot be read: {error}"
        for start in range(0, len(lines), DOCUMENT_CHUNK):
            rows = lines[start : start + DOCUMENT_CHUNK]
            yield Chunk(self._file, start // DOCUMENT_CHUNK, start + 1, rows)
        if damage:
            self.end = FileEnd(damage, line=len(lines) + 1, text=rest)
        else:
            self._note_trailing()

    def _note_trailing(self) -> None:
        if self._content.trailing:
            self.end = FileEnd(self._content.trailing)

    def _whole(self, blocks: Iterable[bytes]) -> bytes:
        parts, size = [], 0
        for block in blocks:
            parts.append(block)
            size += len(block)
            if size > self._limit:
                raise ExportFileError(
                    f"{self._content.path}: one JSON document of more than {self._limit:,} bytes, "
                    "which has to fit in memory; allow it with max_line_bytes=…",
                    path=str(self._content.path),
                )
        return b"".join(parts)

    def _checked(self, chunk: Chunk) -> Chunk:
        if max(map(len, chunk.lines)) > self._limit:
            for number, line in enumerate(chunk.lines, chunk.first_line):
                self._check_length(len(line), number)
        return chunk

    def _check_length(self, length: int, line: int) -> None:
        if length > self._limit:
            raise ExportFileError(
                f"{self._content.path}: line {line} has more than {self._limit:,} bytes; "
                "allow it with max_line_bytes=…",
                path=str(self._content.path),
                line=line,
            )


def _is_binary(block: bytes) -> bool:
    sample = block.partition(b"\n")[0][:_SAMPLE]  # what follows a line of text is damage
    return (len(sample) - len(sample.translate(None, _CONTROL))) * 20 > len(sample)


def _cut(line: bytes) -> str:
    """Return how a last line without a newline is incomplete; "" if it is complete."""
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
    """Return the rows of one or more documents, each as a line."""
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
    """Return whether what looks like a document is JSON Lines that begin with a list."""
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
