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
from typing import Any, NamedTuple, TypeAlias

import orjson
import pyarrow as pa

from asana_jobs_pd._jobs.fields import Plan
from asana_jobs_pd._jobs.schema import COLUMNS
from asana_jobs_pd.errors import InvalidGidError

__all__ = ["columns_of"]

Record: TypeAlias = dict[str, Any]
Tree: TypeAlias = dict[str, Any]
"""The fields of the table as they nest: a dict for an object, None for a leaf."""
Leaves: TypeAlias = dict[str, pa.Array]
"""The columns of one chunk, by path."""
Strangers: TypeAlias = tuple[str, Sequence[int], Sequence[object]]
"""Values that are not in the table: their path, their rows, themselves."""

TEXT = pa.large_string()
CHUNK = 2000
DEEPEST = 4
_MISFITS = (pa.ArrowException, TypeError, ValueError)


class _Objects(NamedTuple):
    """Objects of one kind in a chunk: their rows, themselves, all their keys."""

    rows: Sequence[int]
    values: Sequence[Record]
    keys: set[str]


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

    Raises
    ------
    InvalidGidError
        When one is not a dict.
    """
    tree = _tree(row.column for row in plan.columns)
    chunks: list[tuple[int, Leaves]] = []
    strangers: list[Strangers] = []
    for start in range(0, len(records), CHUNK):
        part = records[start : start + CHUNK]
        if set(map(type, part)) != {dict}:
            _refuse_others(part, start)
        objects = _Objects(range(start, start + len(part)), part, set().union(*part))
        present = {name: inner for name, inner in tree.items() if name in objects.keys}
        array, found = _to_arrow(part, start, present)
        chunks.append((len(part), dict(_leaves(array, present))))
        if plan.everything:
            found.extend(_unknown(objects, array, present))
        else:
            found = [(name, objects.rows, _asked(part, name)) for name in plan.others]
        strangers += found
    wanted = {row.column: _joined(row.column, chunks) for row in plan.columns}
    return wanted | _texts(strangers, plan.others, len(records))


def _joined(column: str, chunks: Sequence[tuple[int, Leaves]]) -> pa.ChunkedArray:
    if not any(column in leaves for _, leaves in chunks):
        return pa.chunked_array([pa.nulls(sum(rows for rows, _ in chunks), TEXT)])
    arrays = [
        leaves[column] if column in leaves else pa.nulls(rows, TEXT) for rows, leaves in chunks
    ]
    return pa.chunked_array(arrays, TEXT)


def _refuse_others(part: Sequence[object], start: int) -> None:
    for position, record in enumerate(part, start):
        if not isinstance(record, dict):
            raise InvalidGidError(
                f"records[{position}] is a {type(record).__name__}, not the dict of a job."
            )


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


def _leaves(array: pa.StructArray, tree: Tree, prefix: str = "") -> Iterator[tuple[str, pa.Array]]:
    for child, (name, inner) in zip(array.flatten(), tree.items(), strict=True):
        if inner is None:
            yield prefix + name, child
        else:
            yield from _leaves(child, inner, f"{prefix}{name}.")


def _to_arrow(
    part: Sequence[Record], start: int, tree: Tree
) -> tuple[pa.StructArray, list[Strangers]]:
    struct = _struct(tree)
    try:
        return pa.array(part, struct), []
    except _MISFITS:
        misfits: list[Strangers] = []
        tidy = [_tidy(record, tree, "", row, misfits) for row, record in enumerate(part, start)]
        return pa.array(tidy, struct), misfits


def _tidy(record: Record, tree: Tree, prefix: str, row: int, misfits: list[Strangers]) -> Record:
    """Return the record with text for leaves; what should be an object and is none is moved."""
    tidy: Record = {}
    for name, inner in tree.items():
        value = record.get(name)
        if inner is None or value is None:
            tidy[name] = None if value is None else _text(value)
        elif isinstance(value, dict):
            tidy[name] = _tidy(value, inner, f"{prefix}{name}.", row, misfits)
        else:
            misfits.append((prefix + name, [row], [value]))
    return tidy


def _unknown(
    objects: _Objects, array: pa.StructArray, tree: Tree, prefix: str = ""
) -> Iterator[Strangers]:
    """Yield what the table does not know; Arrow's nulls tell where objects are."""
    for key in sorted(objects.keys - tree.keys() - {"gid"}):
        yield prefix + key, *_under(key, objects.rows, objects.values)
    record = objects.values.__getitem__
    for name, inner in tree.items():
        if not inner or not (places := _valid(child := array.field(name))):
            continue
        values = list(map(itemgetter(name), map(record, places)))
        keys, deeper = set().union(*values), any(inner.values())
        if deeper or not keys <= inner.keys():
            inside = _Objects([objects.rows[place] for place in places], values, keys)
            below = child.filter(child.is_valid()) if deeper else child
            yield from _unknown(inside, below, inner, f"{prefix}{name}.")


def _under(
    key: str, rows: Sequence[int], objects: Sequence[Record]
) -> tuple[list[int], list[object]]:
    """Return the values of a key, and their rows, where objects have it."""
    places = [place for place, each in enumerate(objects) if key in each]
    return [rows[place] for place in places], [objects[place][key] for place in places]


def _valid(array: pa.Array) -> list[int]:
    if array.null_count == len(array):
        return []
    places: list[int] = array.is_valid().to_numpy(zero_copy_only=False).nonzero()[0].tolist()
    return places


def _asked(part: Sequence[Record], name: str) -> list[object]:
    """Return the values of a field outside the table."""
    values: list[object] = list(part)
    for key in name.split("."):
        values = [value.get(key) if isinstance(value, dict) else None for value in values]
    return values


def _texts(
    strangers: Iterable[Strangers], asked: Sequence[str], rows: int
) -> dict[str, pa.ChunkedArray]:
    cells: defaultdict[str, list[str | None]] = defaultdict(lambda: [None] * rows)
    for stranger in strangers:
        for column, places, texts in _flatten(*stranger):
            cell = cells[column]
            for place, text in zip(places, texts, strict=True):
                cell[place] = text
    for column in sorted(cells.keys() & COLUMNS.keys()):  # a key may not take the place of a column
        cells[f"job.{column}"] = cells.pop(column)
    for name in asked:
        if not any(column.startswith(f"{name}.") for column in cells):
            _ = cells[name]  # asked for: a column even when nothing came
    return {column: pa.chunked_array([pa.array(texts, TEXT)]) for column, texts in cells.items()}


def _flatten(
    path: str, rows: Sequence[int], values: Sequence[object], depth: int = 1
) -> Iterator[tuple[str, list[int], list[str]]]:
    """Yield the columns of values: the leaves of ``new_*`` objects, else their text."""
    leaves: tuple[list[int], list[str]] = [], []
    objects: tuple[list[int], list[Record]] = [], []
    deeper = depth <= DEEPEST and path[:4] == "new_"
    for row, value in zip(rows, values, strict=True):
        if deeper and value and isinstance(value, dict):
            objects[0].append(row)
            objects[1].append(value)
        elif value is not None:
            leaves[0].append(row)
            leaves[1].append(_text(value))
    if leaves[0]:
        yield path, *leaves
    for key in dict.fromkeys(chain.from_iterable(objects[1])):
        yield from _flatten(f"{path}.{key}", *_under(key, *objects), depth + 1)


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
