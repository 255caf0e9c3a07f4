"""From the lines of files to Arrow batches, and what was learnt of them on the way."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from hashlib import blake2b
from operator import attrgetter
from typing import Any, Literal, NamedTuple, TypeAlias, TypeVar

import msgspec
import pyarrow as pa

from asana_jobs_pd._exports.columns import Rows, array_of
from asana_jobs_pd._exports.custom_fields import CustomFields, DisplayNeeded, Known
from asana_jobs_pd._exports.issues import Issue, Issues, shown
from asana_jobs_pd._exports.lines import Chunk, Truncated, read_chunks
from asana_jobs_pd._exports.locations import File
from asana_jobs_pd._exports.nodes import Node, child_of, learn, merge, node_of, root_of
from asana_jobs_pd._exports.schema import SCHEMA, Spec
from asana_jobs_pd._exports.shapes import MALFORMED, MENDED, build, mended, shape_of
from asana_jobs_pd._jobs.collector import collector_paused
from asana_jobs_pd.errors import ExportFileError

__all__ = [
    "DIGEST",
    "LINE",
    "Batch",
    "Claim",
    "Learned",
    "ReadOptions",
    "Scanner",
    "spec_of",
]

T = TypeVar("T")

LINE = "#line"
DIGEST = "#digest"
"""Of a row without a gid, what tells it from others."""
_TYPE = re.compile(rb'\s*\{\s*(?:"gid"\s*:\s*"[^"\\]*"\s*,\s*)?"resource_type"\s*:\s*"([^"\\]+)"')
_BUNDLE = 4000
"""Rows that are decoded at a time."""


class ReadOptions(msgspec.Struct, frozen=True):
    """What to read; goes to other processes as it is."""

    resource_types: tuple[str, ...] | None = None
    columns: tuple[str, ...] | None = None
    custom_fields: Literal["columns", "long", "raw"] = "columns"
    on_bad_lines: Literal["error", "warn", "skip"] = "error"
    max_line_bytes: int = 64 << 20


class Learned(msgspec.Struct):
    """What was learnt from files, or parts of them; merges in any order.

    Parameters
    ----------
    roots
        The fields of each type of row.
    known
        The custom fields of each type of row.
    issues
        What did not fit.
    skipped
        How many lines could not be read.
    """

    roots: dict[str, Node] = msgspec.field(default_factory=dict)
    known: dict[str, Known] = msgspec.field(default_factory=dict)
    issues: Issues = msgspec.field(default_factory=Issues)
    skipped: int = 0

    def merged(self, other: Learned) -> Learned:
        """Return what both have learnt."""
        roots = _joined(self.roots, other.roots, merge)
        known = _joined(self.known, other.known, Known.merged)
        issues = self.issues.merged(other.issues)
        return Learned(roots, known, issues, self.skipped + other.skipped)


def _joined(one: dict[str, T], other: dict[str, T], join: Callable[[T, T], T]) -> dict[str, T]:
    both = {name: join(one[name], other[name]) for name in one.keys() & other.keys()}
    whole = one | other | both
    return {name: whole[name] for name in sorted(whole)}


class Batch(NamedTuple):
    """Some rows of one type.

    Parameters
    ----------
    resource_type
        Their type.
    table
        A column a key, objects as structs, unknown keys as JSON; `LINE` and `DIGEST`.
    place
        File, chunk and order in it: sorted by it, batches are in the order of the files.
    """

    resource_type: str
    table: pa.RecordBatch
    place: tuple[int, int, int]


class _Head(msgspec.Struct):
    resource_type: msgspec.Raw = msgspec.Raw(b"")


_head = msgspec.json.Decoder(_Head).decode
_name = msgspec.json.Decoder(str).decode


def spec_of(resource_type: str, options: ReadOptions) -> dict[str, Spec]:
    """Return what the schema says of a type of row, under these options."""
    spec: dict[str, Spec] = {"custom_fields": "custom_fields"} | SCHEMA.get(resource_type, {})
    if options.custom_fields == "raw":
        del spec["custom_fields"]
    return spec


Claim: TypeAlias = Callable[[int, int, int], bool]


def _everything(_file: int, _chunk: int, _position: int) -> bool:
    return True


class Scanner:
    """Reads files, or its share of them; `learned` tells what it has seen so far.

    Parameters
    ----------
    options
        What to read.
    claim
        Whether to read a chunk, by the numbers of its file and itself and how far in the file it
        ends, in bytes on disk; all of them by default. Asked once for each chunk, in turn.
    """

    def __init__(self, options: ReadOptions, claim: Claim = _everything) -> None:
        self.learned = Learned()
        self.options = options
        self._claim = claim
        self._readers: dict[str, _RowReader] = {}

    def scan(self, path: File, file: int) -> Generator[Batch, None, None]:
        """Yield the rows of a file in batches.

        Parameters
        ----------
        path
            The file.
        file
            Its number.

        Raises
        ------
        ExportFileError
            When it cannot be read, or a line of it, unless `on_bad_lines` allows that.
        """
        first = False

        def claim(number: int, position: int) -> bool:
            nonlocal first
            mine = self._claim(file, number, position)
            first |= mine and number == 0
            return mine

        try:
            for chunk in read_chunks(path, claim, self.options.max_line_bytes):
                yield from self.batches(path, file, chunk)
        except Truncated as error:
            reason = str(error)
        else:
            return
        message = f"the file is damaged or ends early: {reason}"
        if self.options.on_bad_lines == "error":
            raise ExportFileError(f"{path}: {message}. Download it again.", path=str(path))
        if first:  # of several that read this file, one says it
            self.learned.issues.add(Issue(file, 0, None, None, None, None, message))

    def batches(self, path: File, file: int, chunk: Chunk) -> list[Batch]:
        """Return the rows of a chunk, by type."""
        batches: list[Batch] = []
        order = 0
        with collector_paused():
            for start in range(0, len(chunk.lines), _BUNDLE):
                lines = chunk.lines[start : start + _BUNDLE]
                source = _Source(path, file, chunk.first_line + start)
                for name, (numbers, texts) in self._sorted(source, lines).items():
                    table = self._reader(name).read(source, numbers, texts)
                    if table is not None:
                        batches.append(Batch(name, table, (file, chunk.number, order)))
                        order += 1
        return batches

    def note(self, issue: Issue) -> None:
        """Keep an issue; one without a type of row is that of a line that was left out."""
        self.learned.issues.add(issue)
        self.learned.skipped += issue.resource_type is None

    def bad_line(self, source: _Source, number: int, line: bytes, reason: str) -> Issue:
        """Raise that a line cannot be read, or return it as an issue."""
        if self.options.on_bad_lines != "error":
            return Issue(source.file, number, None, None, None, shown(line), reason)
        raise ExportFileError(
            f"{source.path}: line {number} cannot be read: {reason}; it begins "
            f"{line[:60].decode('utf-8', 'replace')!r}. on_bad_lines='skip' leaves such lines out.",
            path=str(source.path),
            line=number,
        )

    def _reader(self, name: str) -> _RowReader:
        reader = self._readers.get(name)
        if reader is None:
            reader = self._readers[name] = _RowReader(self, name)
            self.learned.roots[name] = reader.root
            self.learned.known[name] = reader.fields.known
        return reader

    def _sorted(
        self, source: _Source, lines: Sequence[bytes]
    ) -> dict[str, tuple[list[int], list[bytes]]]:
        """Return numbers and lines by type of row."""
        found: dict[str, tuple[list[int], list[bytes]]] = {}
        of: dict[bytes, tuple[list[int], list[bytes]] | None] = {}
        match, types = _TYPE.match, self.options.resource_types
        for number, line in enumerate(lines, source.first_line):
            head = match(line)
            key = head[1] if head else self._type_of(source, number, line)
            if key is None:
                continue
            if key not in of:
                name = key.decode("utf-8", "replace")
                of[key] = found.setdefault(name, ([], [])) if _wanted(name, types) else None
            group = of[key]
            if group is not None:
                group[0].append(number)
                group[1].append(line)
        return found

    def _type_of(self, source: _Source, number: int, line: bytes) -> bytes | None:
        """Return the type of a row the long way, or None for a line that is none."""
        if not line.strip():
            return None
        try:
            text = bytes(_head(line).resource_type)
            if text[:1] == b'"' and len(text) > len('""'):
                return _name(text).encode()
            reason = "it has no resource_type, as rows of graph and resource exports do"
            if not self._readers:
                reason += "; an organization export has other rows and cannot be read"
        except MALFORMED as error:
            reason = str(error)
        self.note(self.bad_line(source, number, line, reason))
        return None


class _Source(NamedTuple):
    path: File
    file: int
    first_line: int


def _wanted(name: str, types: tuple[str, ...] | None) -> bool:
    return types is None or name in types


class _RowReader:
    """Decodes the lines of one type of row; grows with what it meets."""

    def __init__(self, scanner: Scanner, name: str) -> None:
        self.name = name
        self._scanner = scanner
        self.fields = CustomFields(always_display=scanner.options.custom_fields == "long")
        self.spec = spec_of(name, scanner.options)
        self.root = root_of(name)
        if scanner.options.columns is not None:
            _restrict(self.root, self.spec, scanner.options.columns)
        self._rebuild()

    def _rebuild(self) -> None:
        self._shape = shape_of(self.root, self.name, self.fields.shape)
        self._decode = msgspec.json.Decoder(self._shape.struct).decode

    def read(
        self, source: _Source, numbers: list[int], lines: list[bytes]
    ) -> pa.RecordBatch | None:
        """Return the rows of these lines as a batch, None without any."""
        try:
            issues, table = self._read(source, numbers, lines)
        except DisplayNeeded:
            self._rebuild()
            issues, table = self._read(source, numbers, lines)
        for issue in issues:
            self._scanner.note(issue)
        return table

    def _read(
        self, source: _Source, numbers: list[int], lines: list[bytes]
    ) -> tuple[list[Issue], pa.RecordBatch | None]:
        rows, strays = self._decoded(lines)
        issues: list[Issue] = []
        if strays:
            lines = list(lines)
            for place in strays:
                lines[place] = self._clean(source, numbers[place], lines[place], issues)
            if self._learn(source, numbers, lines, strays):
                rows, strays = self._decoded(lines)
        for place in strays:
            rows[place] = self._built(source, numbers[place], lines[place], issues)
        if None in rows:
            there = [place for place, row in enumerate(rows) if row is not None]
            rows = [rows[place] for place in there]
            numbers = [numbers[place] for place in there]
            lines = [lines[place] for place in there]
        return issues, self._table(source, rows, numbers, lines, issues) if rows else None

    def _clean(self, source: _Source, number: int, line: bytes, issues: list[Issue]) -> bytes:
        """Return a line without what is not Unicode, if that is all that is wrong with it."""
        line = line.strip()
        try:
            _head(line)
        except MALFORMED:
            better = mended(line)
            if better != line:
                where = (source.file, number, self.name)
                issues.append(Issue(*where, None, None, shown(line), MENDED))
            return better
        return line

    def _decoded(self, lines: list[bytes]) -> tuple[list[Any], list[int]]:
        """Return a row a line, and where there are others than expected."""
        decode = self._decode
        try:
            return list(map(decode, lines)), []
        except MALFORMED:
            pass
        rows: list[Any] = []
        strays: list[int] = []
        for place, line in enumerate(lines):
            try:
                rows.append(decode(line))
            except MALFORMED:
                rows.append(None)
                strays.append(place)
        return rows, strays

    def _learn(
        self, source: _Source, numbers: list[int], lines: list[bytes], strays: list[int]
    ) -> bool:
        """Add the keys of such lines to the tree; return whether there were new ones."""
        ever, left, most = False, strays, 1
        while left:
            grown = False
            for place in left[:most]:
                with suppress(*MALFORMED):  # told when it is built
                    where = (source.file, numbers[place])
                    grown |= learn(lines[place].strip(), self.root, self.spec, where)
            left = left[most:]
            if grown:
                self._rebuild()
                there = [lines[place] for place in left]
                left = [left[place] for place in self._decoded(there)[1]]
            ever |= grown
            most *= 2
        return ever

    def _built(self, source: _Source, number: int, line: bytes, issues: list[Issue]) -> Any:
        """Return the row of a line in which something does not fit, None when there is none."""
        found: list[tuple[str, str, str]] = []
        try:
            actual = _name(bytes(_head(line).resource_type))
            if actual != self.name:
                raise msgspec.DecodeError(f"it has two resource types, {self.name} and {actual}")
            row = build(self._shape, line, "", lambda *what: found.append(what))
        except MALFORMED as error:
            issues.append(self._scanner.bad_line(source, number, line, str(error)))
            return None
        where = (source.file, number, self.name, self._gid(row))
        issues += [Issue(*where, *what) for what in found]
        return row

    def _gid(self, row: Any) -> str | None:
        gid = getattr(row, self._shape.children["gid"][0])
        return None if gid is None else str(gid)

    def _table(
        self,
        source: _Source,
        rows: list[Any],
        numbers: list[int],
        lines: list[bytes],
        issues: list[Issue],
    ) -> pa.RecordBatch:
        def misfit(place: int, column: str, value: str, reason: str) -> None:
            where = (source.file, numbers[place], self.name, self._gid(rows[place]))
            issues.append(Issue(*where, column, value, reason))

        context = Rows(
            lambda place: (source.file, numbers[place]),
            misfit,
            {"custom_fields": self.fields.array},
        )
        columns: dict[str, pa.Array] = {LINE: pa.array(numbers, pa.int64())}
        # Custom fields go first: they may need to be read in another way.
        order = sorted(self._shape.children, key=lambda key: key != "custom_fields")
        for key in order:
            attribute, shape = self._shape.children[key]
            if key != "resource_type":
                values = list(map(attrgetter(attribute), rows))
                columns[key] = array_of(shape, values, key, context)
                if key == "gid":
                    columns[DIGEST] = _digests(values, lines)
        return pa.RecordBatch.from_arrays(list(columns.values()), list(columns))


def _digests(gids: Sequence[Any], lines: Sequence[bytes]) -> pa.Array:
    if None not in gids:
        return pa.nulls(len(gids), pa.binary())
    digests = [
        None if gid is not None else blake2b(line, digest_size=16).digest()
        for gid, line in zip(gids, lines, strict=True)
    ]
    return pa.array(digests, pa.binary())


def _restrict(root: Node, spec: Spec, columns: Sequence[str]) -> None:
    """Leave only these columns, and what they are in."""
    root.closed = True
    for column in columns:
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
