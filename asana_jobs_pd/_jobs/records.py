"""From records, as Asana sends them, to Arrow columns: nothing lost, nothing trusted. Pure.

Arrow converts the fields of the table, in chunks that stay in the processor's cache. What it
would drop without a word (keys that the table does not know) or refuse (a value of another
type) is looked for, and kept as text.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from operator import itemgetter
from typing import Any, TypeAlias

import orjson
import pyarrow as pa

from asana_jobs_pd._jobs.fields import Plan
from asana_jobs_pd._jobs.schema import COLUMNS

__all__ = ["columns_of"]

Record: TypeAlias = dict[str, Any]
Tree: TypeAlias = dict[str, Any]
"""The fields of the table as they nest: a dict for an object, None for a leaf."""
Stranger: TypeAlias = tuple[str, int, object]
"""A value that is not in the table: its path, its row, itself."""

TEXT = pa.large_string()
CHUNK = 2000
DEEPEST = 4
_MISFITS = (pa.ArrowException, TypeError, ValueError)


def columns_of(records: Sequence[Record], plan: Plan) -> dict[str, pa.ChunkedArray]:
    """Return the plan's columns, then what else arrived.

    Parameters
    ----------
    records
        One a row, empty for a row that has none.
    plan
        Which columns to return, and whether to keep what else arrived.

    Returns
    -------
    dict of str to pyarrow.ChunkedArray
        ``large_string`` columns, each as long as `records`.
    """
    tree = _tree(row.column for row in plan.columns)
    struct = _struct(tree)
    chunks: list[pa.Array] = []
    strangers: list[Stranger] = []
    for start in range(0, len(records), CHUNK):
        part = records[start : start + CHUNK]
        array, found = _to_arrow(part, tree, struct)
        chunks.append(array)
        if plan.everything:
            found.extend(_unknown(range(len(part)), part, array, tree))
        else:
            found = [stranger for name in plan.others for stranger in _asked(part, name)]
        strangers += [(path, start + row, value) for path, row, value in found]
    known = dict(_leaves(pa.chunked_array(chunks, struct), tree))
    wanted = {row.column: known[row.column] for row in plan.columns}
    return wanted | _texts(strangers, plan.others, len(records))


def _tree(columns: Iterable[str]) -> Tree:
    tree: Tree = {}
    for column in columns:
        *parents, leaf = column.split(".")
        node = tree
        for parent in parents:
            node = node.setdefault(parent, {})
        node[leaf] = None
    return tree


def _struct(tree: Tree) -> pa.DataType:
    return pa.struct(
        [(name, TEXT if inner is None else _struct(inner)) for name, inner in tree.items()]
    )


def _leaves(
    array: pa.ChunkedArray, tree: Tree, prefix: str = ""
) -> Iterator[tuple[str, pa.ChunkedArray]]:
    for child, (name, inner) in zip(array.flatten(), tree.items(), strict=True):
        if inner is None:
            yield prefix + name, child
        else:
            yield from _leaves(child, inner, f"{prefix}{name}.")


def _to_arrow(
    part: Sequence[Record], tree: Tree, struct: pa.DataType
) -> tuple[pa.Array, list[Stranger]]:
    try:
        return pa.array(part, struct), []
    except _MISFITS:
        misfits: list[Stranger] = []
        tidy = [_tidy(record, tree, "", row, misfits) for row, record in enumerate(part)]
        return pa.array(tidy, struct), misfits


def _tidy(record: Record, tree: Tree, prefix: str, row: int, misfits: list[Stranger]) -> Record:
    """Return the record with text for leaves; what should be an object and is none is moved."""
    tidy: Record = {}
    for name, inner in tree.items():
        value = record.get(name)
        if inner is None or value is None:
            tidy[name] = None if value is None else _text(value)
        elif isinstance(value, dict):
            tidy[name] = _tidy(value, inner, f"{prefix}{name}.", row, misfits)
        else:
            misfits.append((prefix + name, row, value))
    return tidy


def _unknown(
    rows: Sequence[int],
    objects: Sequence[Record],
    array: pa.StructArray,
    tree: Tree,
    prefix: str = "",
) -> Iterator[Stranger]:
    """Yield what the table does not know, by row; Arrow's nulls tell where objects are."""
    for key in sorted(set().union(*objects) - tree.keys() - {"gid"}):
        pairs = zip(rows, objects, strict=True)
        yield from ((prefix + key, row, part[key]) for row, part in pairs if key in part)
    if not any(tree.values()):
        return
    at = objects if isinstance(rows, range) else dict(zip(rows, objects, strict=True))
    for child, (name, inner) in zip(array.flatten(), tree.items(), strict=True):
        if inner and (below := _rows_with_one(child)):
            inside = list(map(itemgetter(name), map(at.__getitem__, below)))
            yield from _unknown(below, inside, child, inner, f"{prefix}{name}.")


def _rows_with_one(array: pa.Array) -> list[int]:
    if array.null_count == len(array):
        return []
    rows: list[int] = array.is_valid().to_numpy(zero_copy_only=False).nonzero()[0].tolist()
    return rows


def _asked(part: Sequence[Record], name: str) -> Iterator[Stranger]:
    """Yield the values of a field outside the table, by row."""
    for row, record in enumerate(part):
        value: object = record
        for key in name.split("."):
            value = value.get(key) if isinstance(value, dict) else None
        yield name, row, value


def _texts(
    strangers: Iterable[Stranger], asked: Sequence[str], rows: int
) -> dict[str, pa.ChunkedArray]:
    cells: defaultdict[str, dict[int, str]] = defaultdict(dict)
    for path, row, value in strangers:
        for column, text in _flatten(path, value):
            cells[column][row] = text
    for column in sorted(cells.keys() & COLUMNS.keys()):  # a key may not take the place of a column
        cells[f"job.{column}"] = cells.pop(column)
    for name in asked:
        if not any(column.startswith(f"{name}.") for column in cells):
            _ = cells[name]  # asked for: a column even when nothing came
    return {column: _sparse(texts, rows) for column, texts in cells.items()}


def _sparse(texts: dict[int, str], rows: int) -> pa.ChunkedArray:
    column: list[str | None] = [None] * rows
    for row, text in texts.items():
        column[row] = text
    return pa.chunked_array([pa.array(column, TEXT)])


def _flatten(path: str, value: object, depth: int = 1) -> Iterable[tuple[str, str]]:
    """Return the columns of a value: the leaves of a ``new_*`` object, else its text."""
    if not isinstance(value, dict) or not value or depth > DEEPEST or path[:4] != "new_":
        return () if value is None else ((path, _text(value)),)
    parts = (_flatten(f"{path}.{key}", inner, depth + 1) for key, inner in value.items())
    return chain.from_iterable(parts)


def _text(value: object) -> str:
    """Return a text as it is, anything else as JSON."""
    if isinstance(value, str):
        # A lone surrogate, half of an emoji, has no place in UTF-8.
        if value.isascii():
            return value
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    try:
        return orjson.dumps(value, default=str).decode()
    except orjson.JSONEncodeError:  # nested beyond reason
        return f"<{type(value).__name__} that cannot be shown>"
