"""From the lines of one type of row to Arrow batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from hashlib import blake2b
from itertools import repeat
from operator import attrgetter, is_
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa

from asana_jobs_pd._decode import pool
from asana_jobs_pd._decode.columns import Rows, array_of
from asana_jobs_pd._decode.custom_fields import CustomFields
from asana_jobs_pd._decode.decoders import (
    ABSENT_RAW,
    MALFORMED,
    MENDED,
    Shape,
    build,
    mended,
    needs_repair,
    repaired,
    shape_of,
    spelled,
)
from asana_jobs_pd._decode.inferred_schema import Node, child_of, learn, node_of, root_of
from asana_jobs_pd._decode.locations import File
from asana_jobs_pd._decode.scan_result import Issue, ReadOptions, abbreviate, spec_of
from asana_jobs_pd._decode.schema import Spec

LINE = '"line"'
KEYS = '"keys"'
"""How many keys the object has."""
DIGEST = '"digest"'
"""Of a row without a gid, what tells it from others. No key of a row can have quotes."""


class _Head(msgspec.Struct):
    resource_type: msgspec.Raw = msgspec.Raw(b"")


_head_of = msgspec.json.Decoder(_Head).decode
_text_of = msgspec.json.Decoder(str).decode


def resource_type_of(line: bytes) -> str | None:
    """Return the type of a row, wherever in the line it stands; None when there is none.

    Raises one of `MALFORMED` when the line cannot be read.
    """
    try:
        text = bytes(_head_of(line).resource_type)
    except MALFORMED:
        text = bytes(_head_of(mended(repaired(line)[0])).resource_type)
    return (_text_of(text) or None) if text[:1] == b'"' else None


class Source(NamedTuple):
    """Lines of a file: which file, its number, the number of the first one."""

    path: File
    file: int
    first_line: int


class RowReader:
    """Decodes the lines of one type of row; grows with the keys it meets.

    `note` keeps an issue; `bad_line` raises that a line cannot be read, or returns it as an issue.
    """

    def __init__(
        self,
        name: str,
        options: ReadOptions,
        note: Callable[[Issue], None],
        bad_line: Callable[[Source, int, bytes, str], Issue],
    ) -> None:
        self.name = name
        self._note = note
        self._bad_line = bad_line
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

    def read(self, source: Source, numbers: list[int], lines: list[bytes]) -> pa.RecordBatch | None:
        """Return the rows of these lines as a batch, None without any."""
        issues, table = self._read(source, numbers, lines)
        for issue in issues:
            self._note(issue)
        if self.fields.expect_latest():
            self._rebuild()
        return table

    def _read(
        self, source: Source, numbers: list[int], lines: list[bytes]
    ) -> tuple[list[Issue], pa.RecordBatch | None]:
        rows, strays = self._decoded(lines)
        issues: list[Issue] = []
        if strays:
            lines = list(lines)
            for position in strays:
                lines[position] = self._clean(source, numbers[position], lines[position], issues)
            if self._learn(source, numbers, lines, strays):
                rows, strays = self._decoded(lines)
        for position in strays:
            rows[position] = self._built(source, numbers[position], lines[position], issues)
        if None in rows:
            kept = [position for position, row in enumerate(rows) if row is not None]
            rows = [rows[position] for position in kept]
            numbers = [numbers[position] for position in kept]
            lines = [lines[position] for position in kept]
        return issues, self._table(source, rows, numbers, lines, issues) if rows else None

    def _clean(self, source: Source, number: int, line: bytes, issues: list[Issue]) -> bytes:
        """Return a line without what keeps it from being JSON that has columns."""
        line = line.strip()
        where = (source.file, number, self.name)
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
        """Return a row a line, and where there are others than expected."""
        try:
            return list(map(self._decoders[0], lines)), []
        except MALFORMED:
            pass
        rows = list(map(self._row, lines))
        return rows, [position for position, row in enumerate(rows) if row is None]

    def _row(self, line: bytes) -> Any:
        """Return the row of a line, None when it is another than expected."""
        for decode in self._decoders:
            try:
                return decode(line)
            except MALFORMED:
                pass
        return None

    def _learn(
        self, source: Source, numbers: list[int], lines: list[bytes], strays: list[int]
    ) -> bool:
        """Add the keys of such lines to the tree; return whether there were new ones."""
        ever_grown, left, count = False, strays, 1
        while left:
            grown = False
            for position in left[:count]:
                with suppress(*MALFORMED):  # reported when it is built
                    line = (source.file, numbers[position])
                    grown |= learn(lines[position].strip(), self.root, self.spec, line)
            left = left[count:]
            if grown:
                self._rebuild()
                strays = self._decoded([lines[position] for position in left])[1]
                left = [left[position] for position in strays]
            ever_grown |= grown
            count *= 2
        return ever_grown

    def _built(self, source: Source, number: int, line: bytes, issues: list[Issue]) -> Any:
        """Return the row of a line in which something does not fit, None when there is none."""
        misfits: list[tuple[str, str, str]] = []
        try:
            actual = resource_type_of(line)
            if actual != self.name:
                raise msgspec.DecodeError(f"it has two resource types, {self.name} and {actual}")
            row = build(self._shape, line, "", lambda *misfit: misfits.append(misfit))
        except MALFORMED as error:
            issues.append(self._bad_line(source, number, line, str(error)))
            return None
        where = (source.file, number, self.name, self._gid(row))
        issues += [Issue(*where, *misfit) for misfit in misfits]
        return row

    def _gid(self, row: Any) -> str | None:
        gid = getattr(row, self._shape.children["gid"][0])
        return None if gid is None or gid is msgspec.UNSET else str(gid)

    def _table(
        self,
        source: Source,
        rows: list[Any],
        numbers: list[int],
        lines: list[bytes],
        issues: list[Issue],
    ) -> pa.RecordBatch:
        def misfit(position: int, column: str, value: str, reason: str) -> None:
            where = (source.file, numbers[position], self.name, self._gid(rows[position]))
            issues.append(Issue(*where, column, value, reason))

        context = Rows(
            lambda position: (source.file, numbers[position]),
            misfit,
            {"custom_fields": self.fields.array},
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


def _absent(shape: Shape, values: list[Any]) -> np.ndarray | int:
    """Return which rows lack a key, for which their value becomes None."""
    unset = ABSENT_RAW if shape.type is msgspec.Raw else msgspec.UNSET
    if unset not in values:
        return 0
    absent = list(map(is_, values, repeat(unset)))
    if unset is msgspec.UNSET:
        values[:] = [None if value is unset else value for value in values]
    return np.array(absent)


def _is_valid(line: bytes) -> bool:
    try:
        _head_of(line)
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
    """Keep only these columns, and what they are in."""
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
