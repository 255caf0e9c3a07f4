"""Turns the lines of files into Arrow batches: sorts them by type of row and decodes them."""

from __future__ import annotations

import gc
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from hashlib import blake2b
from itertools import repeat
from operator import attrgetter, is_
from typing import Any, NamedTuple, TypeAlias

import msgspec
import numpy as np
import pyarrow as pa

from asana_jobs_pd._decode.columns import Doubtful, Rows, array_of, pool
from asana_jobs_pd._decode.custom_fields import CustomFields
from asana_jobs_pd._decode.decoders import (
    ABSENT_RAW,
    MALFORMED,
    MENDED,
    Shape,
    build,
    mended,
    needs_repair,
    parts_of,
    repaired,
    shape_of,
    spelled,
)
from asana_jobs_pd._decode.lines import BOM, Chunk, FileEnd, Lines
from asana_jobs_pd._decode.scan_result import Issue, ReadOptions, ScanResult, abbreviate, spec_of
from asana_jobs_pd._decode.schema import OTHER_KEYS, Node, Spec, child_of, learn, node_of, root_of
from asana_jobs_pd._decode.sources import Content, File
from asana_jobs_pd.errors import ExportFileError

LINE = '"line"'
KEYS = '"keys"'
"""The column with the number of keys in a row."""
DIGEST = '"digest"'
"""The column with a digest that identifies rows without a gid; no key can have its quotes."""
_TYPE = re.compile(rb'\s*\{\s*(?:"gid"\s*:\s*"[^"\\]*"\s*,\s*)?"resource_type"\s*:\s*"([^"\\]+)"')
_BUNDLE = 4000
"""How many rows are decoded at a time."""
_FIRST_BUNDLE, _GROWTH = 64, 8
"""Fewer at first: rows of an unknown shape are decoded more than once."""


@contextmanager
def gc_paused() -> Iterator[None]:
    """Pause the garbage collector of the whole process for a short while."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


class Batch(NamedTuple):
    """Some rows of one type: a column for each key, objects as structs, unknown keys as JSON.

    `place` is the file, the chunk and the order in it: sorted by `place`, batches are in the order
    of the files.
    """

    resource_type: str
    table: pa.RecordBatch
    place: tuple[int, int, int]


Tick: TypeAlias = Callable[[int, int], None]
"""Called with the number of a file and how many of its bytes on disk have been read."""


class Scanner:
    """Reads files, or chunks of them; `scan_result` is what has been learned so far.

    `paths` are the files by number; rows are in the order of these numbers.
    """

    def __init__(self, paths: Mapping[int, File], options: ReadOptions) -> None:
        self.scan_result = ScanResult()
        self.options = options
        self._paths = paths
        self._readers: dict[str, RowReader] = {}
        self._bundle = _FIRST_BUNDLE

    def scan(self) -> Iterator[Batch]:
        """Yield the rows of all files in batches."""
        for chunk in self.chunks():
            yield from self.batches(chunk)

    def chunks(self, tick: Tick | None = None) -> Iterator[Chunk]:
        """Yield the lines of all files."""
        for file, path in self._paths.items():
            content = Content(path)
            lines = Lines(content, file, self.options.max_line_bytes)
            for chunk in lines:
                if tick is not None:
                    tick(file, content.position)
                yield chunk
            if lines.end is not None:
                self._file_ended(file, lines.end)

    def _file_ended(self, file: int, end: FileEnd) -> None:
        """Raise an error because a file ends early, or record an issue."""
        if end.line and self.options.on_bad_lines == "error":
            raise self._error(file, end.line, f"{end.reason}. {end.remedy}")
        value = abbreviate(end.text) if end.text else None
        self.scan_result.issues.add(Issue(file, end.line, None, None, None, value, end.reason))
        if end.line:
            self.scan_result.ended_early.append(file)

    def _error(self, file: int, line: int, what: str) -> ExportFileError:
        path = str(self._paths[file])
        return ExportFileError(f"{path}: {what}", path=path, line=line)

    def batches(self, chunk: Chunk) -> list[Batch]:
        """Return the rows of a chunk, by type."""
        batches: list[Batch] = []
        start = order = 0
        with gc_paused():
            while start < len(chunk.lines):
                size = min(self._bundle, _BUNDLE)
                lines = chunk.lines[start : start + size]
                first_line = chunk.first_line + start
                start += size
                self._bundle = size * _GROWTH
                for name, (numbers, texts) in self._sorted(chunk.file, first_line, lines).items():
                    issues, table = self._reader(name).read(chunk.file, numbers, texts)
                    for issue in issues:
                        self._note(issue)
                    if table is not None:
                        batches.append(Batch(name, table, (chunk.file, chunk.number, order)))
                        order += 1
        return batches

    def _note(self, issue: Issue) -> None:
        """Record an issue; one without a type of row is about a line that cannot be read."""
        if issue.resource_type is None:
            if self.options.on_bad_lines == "error":
                what = f"line {issue.line} cannot be read: {issue.reason}; it begins "
                hint = "on_bad_lines='skip' leaves such lines out."
                value = (issue.value or "")[:60]
                raise self._error(issue.file, issue.line, f"{what}{value!r}. {hint}")
            self.scan_result.skipped += 1
        self.scan_result.issues.add(issue)

    def _reader(self, name: str) -> RowReader:
        reader = self._readers.get(name)
        if reader is None:
            reader = self._readers[name] = RowReader(name, self.options)
            self.scan_result.roots[name] = reader.root
            self.scan_result.known[name] = reader.fields.known
        return reader

    def _sorted(
        self, file: int, first_line: int, lines: Sequence[bytes]
    ) -> dict[str, tuple[list[int], list[bytes]]]:
        """Return line numbers and lines by type of row."""
        by_type: dict[str, tuple[list[int], list[bytes]]] = {}
        groups: dict[bytes, tuple[list[int], list[bytes]] | None] = {}
        match, types = _TYPE.match, self.options.resource_types
        for number, line in enumerate(lines, first_line):
            head = match(line)
            if head is None:
                line = line.removeprefix(BOM)  # noqa: PLW2901
            key = head[1] if head else self._type_of(file, number, line)
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

    def _type_of(self, file: int, number: int, line: bytes) -> bytes | None:
        """Return the type of a row that does not begin with it; None if it has none."""
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
        self._note(_bad_line(file, number, line, reason))
        return None


class _Head(msgspec.Struct):
    resource_type: msgspec.Raw = msgspec.Raw(b"")


_head_of = msgspec.json.Decoder(_Head).decode
_text_of = msgspec.json.Decoder(str).decode


def resource_type_of(line: bytes) -> str | None:
    """Return the type of a row, wherever it is in the line; None if there is none.

    Raises one of `MALFORMED` if the line cannot be read.
    """
    try:
        text = bytes(_head_of(line).resource_type)
    except MALFORMED:
        text = bytes(_head_of(mended(repaired(line)[0])).resource_type)
    return (_text_of(text) or None) if text[:1] == b'"' else None


class RowReader:
    """Decodes the lines of one type of row; learns new keys as they appear."""

    def __init__(self, name: str, options: ReadOptions) -> None:
        self.name = name
        self.fields = CustomFields(always_display=options.custom_fields == "long")
        self.spec = spec_of(name, options)
        self.root = root_of(name)
        columns = options.columns
        if columns is not None and columns == tuple(map(spelled, columns)):
            _restrict(self.root, self.spec, columns)
        self._rebuild()

    def _rebuild(self) -> None:
        self._shape = shape_of(self.root, self.name, self.fields.shape)
        self._decoders = [msgspec.json.Decoder(self._shape.struct).decode]
        if self.fields.exact_shape is not None:
            exact = shape_of(self.root, self.name, self.fields.exact_shape)
            self._decoders.insert(0, msgspec.json.Decoder(exact.struct).decode)

    def read(
        self, file: int, numbers: list[int], lines: list[bytes]
    ) -> tuple[list[Issue], pa.RecordBatch | None]:
        """Return the issues in lines, and their rows as a batch; None if there are no rows."""
        read = self._read(file, numbers, lines)
        if self.fields.expect_latest():
            self._rebuild()
        return read

    def _read(
        self, file: int, numbers: list[int], lines: list[bytes]
    ) -> tuple[list[Issue], pa.RecordBatch | None]:
        rows, strays = self._decoded(lines)
        issues: list[Issue] = []
        if strays:
            lines = list(lines)
            for position in strays:
                lines[position] = self._clean(file, numbers[position], lines[position], issues)
            if self._learn(file, numbers, lines, strays):
                rows, strays = self._decoded(lines)
        for position in strays:
            rows[position] = self._built(file, numbers[position], lines[position], issues)
        plain = np.ones(len(rows), bool)
        plain[strays] = False
        if None in rows:
            kept = [position for position, row in enumerate(rows) if row is not None]
            plain = plain[kept]
            rows = [rows[position] for position in kept]
            numbers = [numbers[position] for position in kept]
            lines = [lines[position] for position in kept]
        if not rows:
            return issues, None
        count = len(issues)
        try:
            return issues, self._table(file, rows, numbers, lines, issues)
        except Doubtful:
            del issues[count:]
        for position in np.flatnonzero(plain).tolist():  # all values are compared with their texts
            rows[position] = self._built(file, numbers[position], lines[position], issues)
        return issues, self._table(file, rows, numbers, lines, issues, exact=True)

    def _clean(self, file: int, number: int, line: bytes, issues: list[Issue]) -> bytes:
        """Return a line, repaired if it is not JSON or its keys cannot be columns."""
        line = line.strip()
        where = (file, number, self.name)
        if needs_repair(line) or not _is_valid(line):
            line, misfits = repaired(line)
            issues += [Issue(*where, None, *misfit) for misfit in misfits]
        if not _is_valid(line):
            better = mended(line)
            if better != line:
                issues.append(Issue(*where, None, None, abbreviate(line), MENDED))
            return repaired(better)[0] if needs_repair(better) else better
        return line

    def _decoded(self, lines: list[bytes]) -> tuple[list[Any], list[int]]:
        """Return a row per line, and the positions of unexpected ones."""
        try:
            return list(map(self._decoders[0], lines)), []
        except MALFORMED:
            pass
        rows = list(map(self._row, lines))
        return rows, [position for position, row in enumerate(rows) if row is None]

    def _row(self, line: bytes) -> Any:
        """Return the row of a line; None if it is not as expected."""
        for decode in self._decoders:
            try:
                return decode(line)
            except MALFORMED:
                pass
        return None

    def _learn(self, file: int, numbers: list[int], lines: list[bytes], strays: list[int]) -> bool:
        """Add the keys of unexpected lines to the tree; return whether there were new ones."""
        ever_grown, left, count = False, strays, 1
        while left:
            grown = False
            for position in left[:count]:
                with suppress(*MALFORMED):  # it is reported when the row is built
                    line = (file, numbers[position])
                    grown |= learn(lines[position].strip(), self.root, self.spec, line)
            left = left[count:]
            if grown:
                self._rebuild()
                strays = self._decoded([lines[position] for position in left])[1]
                left = [left[position] for position in strays]
            ever_grown |= grown
            count *= 2
        return ever_grown

    def _built(self, file: int, number: int, line: bytes, issues: list[Issue]) -> Any:
        """Return the row of a line in which something does not fit; None if it has no row."""
        misfits: list[tuple[str, str, str]] = []
        try:
            actual = resource_type_of(line)
            if actual != self.name:
                raise msgspec.DecodeError(f"it has two resource types, {self.name} and {actual}")
            row = build(self._shape, line, "", lambda *misfit: misfits.append(misfit))
        except MALFORMED as error:
            issues.append(_bad_line(file, number, line, str(error)))
            return None
        where = (file, number, self.name, self._gid(row))
        issues += [Issue(*where, *misfit) for misfit in misfits]
        return row

    def _gid(self, row: Any) -> str | None:
        gid = getattr(row, self._shape.children["gid"][0])
        return None if gid is None or gid is msgspec.UNSET else str(gid)

    def _table(
        self,
        file: int,
        rows: list[Any],
        numbers: list[int],
        lines: list[bytes],
        issues: list[Issue],
        *,
        exact: bool = False,
    ) -> pa.RecordBatch:
        def misfit(position: int, column: str, value: str, reason: str) -> None:
            where = (file, numbers[position], self.name, self._gid(rows[position]))
            issues.append(Issue(*where, column, value, reason))

        context = Rows(
            lambda position: (file, numbers[position]),
            misfit,
            exact=exact,
        )
        columns: dict[str, pa.Array] = {LINE: pool.array(numbers, pa.int64())}
        present = np.full(len(rows), len(self._shape.children), np.int32)
        for key, (attribute, shape) in self._shape.children.items():
            if key != "resource_type":
                values = list(map(attrgetter(attribute), rows))
                present -= _absent(shape, values)
                columns[key] = array_of(shape, values, key, context)
                if key == "gid":
                    columns[DIGEST] = _digests(values, lines)
        columns[KEYS] = pool.array(present)
        return pa.RecordBatch.from_arrays(list(columns.values()), list(columns))


def _bad_line(file: int, number: int, line: bytes, reason: str) -> Issue:
    return Issue(file, number, None, None, None, abbreviate(line), reason)


def _absent(shape: Shape, values: list[Any]) -> np.ndarray | int:
    """Return which rows lack a key; their value becomes None."""
    unset = ABSENT_RAW if shape.type is msgspec.Raw else msgspec.UNSET
    if unset not in values:
        return 0
    absent = list(map(is_, values, repeat(unset)))
    if unset is msgspec.UNSET:
        values[:] = [None if value is unset else value for value in values]
    return np.array(absent)


def _is_valid(line: bytes) -> bool:
    try:
        parts_of(line)
    except MALFORMED:
        return False
    return True


def _digests(gids: Sequence[Any], lines: Sequence[bytes]) -> pa.Array:
    if None not in gids:
        return pool.nulls(len(gids), pa.binary())
    digests = [
        None if gid is not None else blake2b(line, digest_size=16).digest()
        for gid, line in zip(gids, lines, strict=True)
    ]
    return pool.array(digests, pa.binary())


def _restrict(root: Node, spec: Spec, columns: Sequence[str]) -> None:
    """Keep only these columns and the objects around them."""
    if any(column.rpartition(".")[2] == OTHER_KEYS for column in columns):
        return  # other keys are only known once all have been seen
    root.closed = True
    for column in (*columns, "modified_at"):  # which tells the latest of repeated rows
        node, inside = root, spec
        *parents, last = column.split(".")
        for key in parents:
            deeper = child_of(inside, key)
            if key not in node.keys:
                node.keys[key] = node_of(deeper, key)
                node.keys[key].closed = isinstance(deeper, dict)
            node, inside = node.keys[key], deeper  # type: ignore[assignment]
            if not node.closed:
                break
        else:
            child = node.keys.setdefault(last, node_of(child_of(inside, last), last))
            child.closed = False
