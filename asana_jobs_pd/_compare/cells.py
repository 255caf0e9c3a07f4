"""Cells of two tables: their common type, whether they differ, and their text.

Two cells are equal, whatever the engine or `dtype_backend` of their columns, when both are

- missing, `nan` or an empty list;
- the same instant, to the microsecond; the same date; the same category name;
- numbers that differ by less than a billionth of themselves;
- objects with the same gid: a renamed person or project is still the same one;
- lists of such objects, or of a multi-enum field's options, in any order. Other lists are ordered.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from asana_jobs_pd._decode.scan import DIGEST
from asana_jobs_pd._export.deduplicate import MODIFIED, RowKeys, keys_of

LABELS = ("name", "email", "resource_type", "resource_subtype")
"""Keys that describe an object with a gid; they are ignored when gids are compared."""
TOLERANCE = 1e-9
TEXT = pa.large_string()
"""64-bit offsets: texts of a large frame exceed 2 GiB."""
TIME = pa.timestamp("us", "UTC")
_PLAIN = (
    (pa.types.is_string, TEXT),
    (pa.types.is_timestamp, TIME),
    (pa.types.is_date, pa.date32()),
    (pa.types.is_integer, pa.int64()),
    (pa.types.is_floating, pa.float64()),
    (pa.types.is_decimal, pa.float64()),
)
_TIME_SPELLING = (
    r"^(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(\.\d*[1-9])?\.?0*(?:\+00:00|Z)$",
    r"\1T\2\3Z",
)
_SPELLINGS: tuple[tuple[Callable[[pa.DataType], bool], str, str], ...] = (
    (pa.types.is_timestamp, *_TIME_SPELLING),
    (pa.types.is_date, r"^(\d{4}-\d\d-\d\d)[ T]00:00:00(?:\.0*)?$", r"\1"),
    (pa.types.is_boolean, "^True$", "true"),
    (pa.types.is_boolean, "^False$", "false"),
    (pa.types.is_floating, r"^(-?\d+)\.0$", r"\1"),
)

KINDS = ("added", "removed", "changed")
KEY, POSITION, NAME = "key", "position", "name"
"""Columns of comparable rows beside `gid`; the others are named by the number of their pair."""
CHANGES = pa.schema(
    [
        ("gid", TEXT),
        ("name", TEXT),
        ("change", pa.int8()),
        ("column", TEXT),
        ("before", TEXT),
        ("after", TEXT),
        ("position", pa.int64()),
        ("order", pa.int32()),
    ]
)
"""`change` indexes `KINDS`; rows are sorted by `change`, `position` and `order`."""


class ColumnPair(NamedTuple):
    """A column of each input (None if absent) and a type that holds both.

    `gid` is the index of the pair that holds the gid of which this column is a label; `typed` is
    the type that one column has where the other one has texts.
    """

    column: str
    old: str | None
    new: str | None
    type: pa.DataType
    any_order: bool
    gid: int | None = None
    typed: pa.DataType | None = None


def plain(type_: pa.DataType) -> pa.DataType:
    """Return the type that stands for all types that hold the same values."""
    if pa.types.is_dictionary(type_):
        return plain(type_.value_type)
    if pa.types.is_list(type_) or pa.types.is_large_list(type_):
        return pa.list_(plain(type_.value_type))
    if pa.types.is_struct(type_):
        return pa.struct([(field.name, plain(field.type)) for field in type_])
    return next((target for matches, target in _PLAIN if matches(type_)), type_)


def common_type(old: pa.DataType, new: pa.DataType) -> pa.DataType | None:
    """Return a plain type that holds the values of two plain types, or None."""
    if {old, new} == {pa.date32(), TIME}:
        return TIME
    schemas = [pa.schema([("", type_)]) for type_ in (new, old)]
    try:
        return pa.unify_schemas(schemas, promote_options="permissive").field(0).type
    except (pa.ArrowTypeError, pa.ArrowInvalid):
        return None


def conform(array: pa.Array, type_: pa.DataType) -> pa.Array:
    """Cast an array to a type returned by `plain` or `common_type`."""
    try:
        return array.cast(type_, safe=False)
    except pa.ArrowTypeError:  # before Arrow 18: objects with fewer keys, or in another order
        return pa.array(array.to_pylist(), type_)


def differ(old: pa.Array, new: pa.Array, *, any_order: bool = False) -> np.ndarray:
    """Return a mask of the rows in which two arrays of one plain type differ.

    `any_order` also ignores the order of lists of texts.
    """
    unequal: np.ndarray
    if pa.types.is_floating(old.type):
        before, after = (pc.fill_null(array, np.nan).to_numpy() for array in (old, new))
        unequal = ~np.isclose(before, after, rtol=TOLERANCE, atol=0.0, equal_nan=True)
    elif pa.types.is_nested(old.type) or pa.types.is_null(old.type):
        codes = _codes(pa.concat_arrays([old, new]), any_order)
        unequal = codes[: len(old)] != codes[len(old) :]
    else:
        same = pc.or_(
            pc.fill_null(pc.equal(old, new), False), pc.and_(old.is_null(), new.is_null())
        )
        unequal = ~same.to_numpy(zero_copy_only=False)
    return unequal


def _codes(array: pa.Array, any_order: bool) -> np.ndarray:
    """Return an integer per value, equal for equal values; -1 for missing ones."""
    if pa.types.is_struct(array.type):
        codes, missing, offsets = _codes_in_objects(array, any_order)
    elif pa.types.is_list(array.type):
        codes, missing, offsets = _codes_in_lists(array, any_order)
    elif pa.types.is_null(array.type):
        return np.full(len(array), -1, np.int32)
    else:
        plain_codes: np.ndarray = pc.fill_null(array.dictionary_encode().indices, -1).to_numpy()
        return plain_codes
    # The codes in each value are one binary value, of which Arrow makes one code.
    buffers = [
        None,
        pa.py_buffer(np.ascontiguousarray(offsets * 4, np.int64)),
        pa.py_buffer(np.ascontiguousarray(codes, np.int32)),
    ]
    values = pa.LargeBinaryArray.from_buffers(pa.large_binary(), len(array), buffers)
    return np.where(missing, -1, values.dictionary_encode().indices.to_numpy())


def _codes_in_objects(array: pa.Array, any_order: bool) -> tuple[np.ndarray, ...]:
    """Return the codes of all keys, which objects are missing, and where each starts."""
    keys = [field.name for field in array.type]
    codes = [
        _codes(values, any_order)
        for key, values in zip(keys, array.flatten(), strict=True)
        if "gid" not in keys or key not in LABELS
    ]
    by_object = np.array(codes, np.int32).reshape(len(codes), len(array)).T
    offsets = np.arange(len(array) + 1) * len(codes)
    return by_object.reshape(-1), np.all(by_object < 0, axis=1), offsets


def _codes_in_lists(array: pa.Array, any_order: bool) -> tuple[np.ndarray, ...]:
    """Return the codes of all items, which lists are missing, and where each starts."""
    offsets = array.offsets.to_numpy().astype(np.int64)
    items = array.values.slice(offsets[0], offsets[-1] - offsets[0])
    codes = _codes(items, any_order)
    lengths = np.diff(offsets)
    if any_order or is_set(array.type):
        codes = codes[np.lexsort((codes, np.repeat(np.arange(len(array)), lengths)))]
    missing = array.is_null().to_numpy(zero_copy_only=False) | (lengths == 0)
    return codes, missing, offsets - offsets[0]


def is_set(type_: pa.DataType) -> bool:
    """Whether the items of a list have gids, or hold objects that do, as memberships do."""
    item = type_.value_type
    if not pa.types.is_struct(item):
        return False
    nested = [inner for field in item if pa.types.is_struct(field.type) for inner in field.type]
    return any(field.name == "gid" for field in (*item, *nested))


def texts(array: pa.Array, *, any_order: bool = False) -> pa.Array:
    """Return values of a plain type as lossless text: ISO 8601, shortest numbers, JSON."""
    if pa.types.is_timestamp(array.type):
        times = array.cast(pa.timestamp("us")).cast(pa.string())
        times = pc.binary_join_element_wise(times, "Z", "")
        return pc.replace_substring_regex(times, *_TIME_SPELLING).cast(TEXT)
    if pa.types.is_floating(array.type):
        numbers = (None if number is None else repr(number) for number in array.to_pylist())
        return respelled(pa.array(numbers, TEXT), array.type)
    if pa.types.is_nested(array.type):
        unordered = pa.types.is_list(array.type) and (any_order or is_set(array.type))
        return pa.array((_json(value, unordered) for value in array.to_pylist()), TEXT)
    return array.cast(TEXT)


def _json(value: Any, unordered: bool) -> str | None:
    if value is None:
        return None
    if unordered:
        value = sorted(value, key=orjson.dumps)
    return orjson.dumps(value).decode()


def respelled(array: pa.Array, type_: pa.DataType) -> pa.Array:
    """Return texts that pandas wrote for values of a plain type, spelled as `texts` does."""
    for matches, pattern, replacement in _SPELLINGS:
        if matches(type_):
            array = pc.replace_substring_regex(array, pattern, replacement)
    return array


def comparable(
    table: pa.Table, pairs: Sequence[ColumnPair], which: str, positions: np.ndarray
) -> pa.Table:
    """Return plain rows of one input ("old" or "new") with their keys and paired columns."""
    columns = {
        str(number): _as_type(_combined(table[name]), pair)
        for number, pair in enumerate(pairs)
        if (name := getattr(pair, which)) is not None
    }
    gids, names, modified = (
        _combined(table[name]) if name in table.column_names else pa.nulls(len(table), TEXT)
        for name in ("gid", "name", MODIFIED)
    )
    head = {
        "gid": gids,
        KEY: _keys(gids, pairs, columns),
        POSITION: pa.array(positions),
        NAME: texts(names),
        MODIFIED: _times(modified),
    }
    return pa.table(head | columns)


def _as_type(array: pa.Array, pair: ColumnPair) -> pa.Array:
    if pair.typed is None:
        return conform(array, pair.type)
    if array.type == TEXT:
        return respelled(array, pair.typed)
    return texts(array, any_order=pair.any_order)


def _times(array: pa.Array) -> pa.Array:
    try:
        return array.cast(TIME, safe=False)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):  # not times
        return pa.nulls(len(array), TIME)


def _combined(column: pa.ChunkedArray) -> pa.Array:
    array = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
    return pa.concat_arrays(array.chunks) if isinstance(array, pa.ChunkedArray) else array


def _keys(gids: pa.Array, pairs: Sequence[ColumnPair], columns: dict[str, pa.Array]) -> pa.Array:
    """Return the gids; for a row without one, its content as JSON."""
    missing = pc.is_null(gids)
    if not gids.null_count:
        return gids
    content = {
        pair.column: texts(columns[str(number)].filter(missing), any_order=pair.any_order)
        for number, pair in enumerate(pairs)
        if pair.gid is None and str(number) in columns
    }
    rows = pa.table(content).to_pylist() if content else [{}] * gids.null_count
    documents = [
        orjson.dumps({name: text for name, text in row.items() if text is not None}).decode()
        for row in rows
    ]
    return pc.replace_with_mask(gids, missing, pa.array(documents, TEXT))


def diff(
    old: pa.Table, new: pa.Table, pairs: Sequence[ColumnPair], *, partial: bool = False
) -> tuple[pa.Table, int]:
    """Return the changes between comparable rows, and the number of unchanged rows.

    With `partial`, rows that only the old table has count as unchanged.
    """
    old, new = _without_repeats(old), _without_repeats(new)
    index = pc.index_in(_combined(new[KEY]), value_set=_combined(old[KEY]))
    match = pc.fill_null(index, -1).to_numpy().astype(np.int64)
    new_rows = np.flatnonzero(match >= 0)
    old_rows = match[new_rows]
    added = new.filter(pa.array(match < 0))
    removed = old.filter(pc.invert(pc.is_in(_combined(old[KEY]), value_set=_combined(new[KEY]))))
    parts = [_changes(added, "added", after=_content(added))]
    if not partial:
        parts.append(_changes(removed, "removed", before=_content(removed)))
    masks: dict[int, np.ndarray] = {}
    # Gids come before their labels, which count only where the gid differs.
    for number, pair in sorted(enumerate(pairs), key=lambda item: item[1].gid is not None):
        before, after = _cells(old, number, old_rows, pair), _cells(new, number, new_rows, pair)
        mask = differ(before, after, any_order=pair.any_order)
        if pair.gid is not None:
            mask &= masks[pair.gid]
        masks[number] = mask
        if mask.any():
            rows = new.select(["gid", NAME, POSITION]).take(pa.array(new_rows[mask]))
            before, after = (
                texts(array.filter(pa.array(mask)), any_order=pair.any_order)
                for array in (before, after)
            )
            column = pa.array([pair.column] * len(rows), TEXT)
            parts.append(
                _changes(rows, "changed", number, column=column, before=before, after=after)
            )
    unchanged = len(new_rows) - int(np.any([*masks.values()], axis=0).sum())
    return pa.concat_tables(parts), unchanged + (len(removed) if partial else 0)


def _without_repeats(table: pa.Table) -> pa.Table:
    """Keep one row per key: the one modified last, or the last in order where that is unknown."""
    if pc.count_distinct(table[KEY]).as_py() == len(table):
        return table
    gids, modified = _combined(table[KEY]), _combined(table[MODIFIED])
    columns = {"gid": gids, MODIFIED: modified, DIGEST: pa.nulls(len(table), pa.binary())}
    keys = RowKeys(len(table))
    keys.add(keys_of(pa.RecordBatch.from_pydict(columns)))
    return table.filter(pa.array(keys.kept()))


def _cells(table: pa.Table, number: int, rows: np.ndarray, pair: ColumnPair) -> pa.Array:
    name = str(number)
    if name not in table.column_names:
        return pa.nulls(len(rows), pair.type)
    return _combined(table[name]).take(pa.array(rows))


def _content(rows: pa.Table) -> pa.ChunkedArray:
    """Return the content of rows without a gid as JSON."""
    return pc.if_else(pc.is_null(rows["gid"]), rows[KEY], pa.scalar(None, TEXT))


def _changes(rows: pa.Table, change: str, order: int = -1, **cells: pa.Array) -> pa.Table:
    """Return rows of the schema `CHANGES`; `cells` are column, before and after."""
    missing = pa.nulls(len(rows), TEXT)
    columns = {
        "gid": rows["gid"],
        "name": rows[NAME],
        "change": pa.array(np.full(len(rows), KINDS.index(change), np.int8)),
        "position": rows[POSITION],
        "order": pa.array(np.full(len(rows), order, np.int32)),
    }
    return pa.table(
        dict.fromkeys(("column", "before", "after"), missing) | columns | cells, CHANGES
    )
