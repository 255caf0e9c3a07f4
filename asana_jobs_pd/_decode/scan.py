"""From the lines of files to Arrow batches."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Sequence
from typing import NamedTuple, TypeAlias

import pyarrow as pa

from asana_jobs_pd._decode.decoders import MALFORMED
from asana_jobs_pd._decode.lines import Chunk, FileEnd, read_chunks
from asana_jobs_pd._decode.locations import File
from asana_jobs_pd._decode.row_reader import RowReader, Source, resource_type_of
from asana_jobs_pd._decode.scan_result import Issue, ReadOptions, ScanResult, abbreviate
from asana_jobs_pd._gc_pause import gc_paused
from asana_jobs_pd.errors import ExportFileError

_TYPE = re.compile(rb'\s*\{\s*(?:"gid"\s*:\s*"[^"\\]*"\s*,\s*)?"resource_type"\s*:\s*"([^"\\]+)"')
_BUNDLE = 4000
"""Rows that are decoded at a time."""
_FIRST_BUNDLE, _GROWTH = 64, 8
"""Fewer at first, because rows of an unknown shape are decoded more than once."""


class Batch(NamedTuple):
    """Some rows of one type: a column for each key, objects as structs, unknown keys as JSON.

    `place` is file, chunk and order in it: sorted by it, batches are in the order of the files.
    """

    resource_type: str
    table: pa.RecordBatch
    place: tuple[int, int, int]


Claim: TypeAlias = Callable[[int, int, int], bool]
"""Whether to read a chunk: gets the number of the file, that of the chunk, and how far in the file
it ends, in bytes on disk. Asked once for each chunk, in turn."""


def _everything(_file: int, _chunk: int, _position: int) -> bool:
    return True


class Scanner:
    """Reads files, or the chunks that it claims; `scan_result` is what it has learned so far."""

    def __init__(self, options: ReadOptions, claim: Claim = _everything) -> None:
        self.scan_result = ScanResult()
        self.options = options
        self._claim = claim
        self._readers: dict[str, RowReader] = {}
        self._bundle = _FIRST_BUNDLE

    def scan(self, path: File, file: int) -> Generator[Batch, None, None]:
        """Yield the rows of a file in batches; `file` is its number."""
        chunks = read_chunks(
            path,
            lambda chunk, position: self._claim(file, chunk, position),
            self.options.max_line_bytes,
            lambda end: self._file_ended(path, file, end),
        )
        for chunk in chunks:
            yield from self.batches(path, file, chunk)

    def _file_ended(self, path: File, file: int, end: FileEnd) -> None:
        """Raise that a file ends early, or note it."""
        if end.early and self.options.on_bad_lines == "error":
            message = f"{path}: {end.reason}. Download it again."
            raise ExportFileError(message, path=str(path), line=end.line)
        value = abbreviate(end.text) if end.text else None
        self.scan_result.issues.add(Issue(file, end.line, None, None, None, value, end.reason))
        if end.early:
            self.scan_result.ended_early.append(file)

    def batches(self, path: File, file: int, chunk: Chunk) -> list[Batch]:
        """Return the rows of a chunk, by type."""
        batches: list[Batch] = []
        start = order = 0
        with gc_paused():
            while start < len(chunk.lines):
                size = min(self._bundle, _BUNDLE)
                lines = chunk.lines[start : start + size]
                source = Source(path, file, chunk.first_line + start)
                start += size
                self._bundle = size * _GROWTH
                for name, (numbers, texts) in self._sorted(source, lines).items():
                    table = self._reader(name).read(source, numbers, texts)
                    if table is not None:
                        batches.append(Batch(name, table, (file, chunk.number, order)))
                        order += 1
        return batches

    def note(self, issue: Issue) -> None:
        """Keep an issue; one without a type of row means a line that was left out."""
        self.scan_result.issues.add(issue)
        self.scan_result.skipped += issue.resource_type is None

    def bad_line(self, source: Source, number: int, line: bytes, reason: str) -> Issue:
        """Raise that a line cannot be read, or return it as an issue."""
        if self.options.on_bad_lines != "error":
            return Issue(source.file, number, None, None, None, abbreviate(line), reason)
        raise ExportFileError(
            f"{source.path}: line {number} cannot be read: {reason}; it begins "
            f"{line[:60].decode('utf-8', 'replace')!r}. on_bad_lines='skip' leaves such lines out.",
            path=str(source.path),
            line=number,
        )

    def _reader(self, name: str) -> RowReader:
        reader = self._readers.get(name)
        if reader is None:
            reader = self._readers[name] = RowReader(name, self.options, self.note, self.bad_line)
            self.scan_result.roots[name] = reader.root
            self.scan_result.known[name] = reader.fields.known
        return reader

    def _sorted(
        self, source: Source, lines: Sequence[bytes]
    ) -> dict[str, tuple[list[int], list[bytes]]]:
        """Return numbers and lines by type of row."""
        by_type: dict[str, tuple[list[int], list[bytes]]] = {}
        groups: dict[bytes, tuple[list[int], list[bytes]] | None] = {}
        match, types = _TYPE.match, self.options.resource_types
        for number, line in enumerate(lines, source.first_line):
            head = match(line)
            key = head[1] if head else self._type_of(source, number, line)
            if key is None:
                continue
            if key not in groups:
                name = key.decode("utf-8", "replace")
                wanted = types is None or name in types
                groups[key] = by_type.setdefault(name, ([], [])) if wanted else None
            group = groups[key]
            if group is not None:
                group[0].append(number)
                group[1].append(line)
        return by_type

    def _type_of(self, source: Source, number: int, line: bytes) -> bytes | None:
        """Return the type of a row that does not begin with it, None for a line without one."""
        if not line.strip():
            return None
        try:
            name = resource_type_of(line)
            if name is not None:
                return name.encode()
            reason = "it has no resource_type, as rows of graph and resource exports do"
            if not self._readers:
                reason += "; an organization export has other rows and cannot be read"
        except MALFORMED as error:
            reason = str(error)
        self.note(self.bad_line(source, number, line, reason))
        return None
