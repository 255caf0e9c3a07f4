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

from asana_jobs_pd._decode.scan import DIGEST, Batch
from asana_jobs_pd._export.deduplicate import MODIFIED, kept_rows

LABELS = ("name", "email", "resource_type", "resource_subtype")
"""Keys that describe an object with a gid; they are ignored when gids are compared."""
TOLERANCE = 1e-9
TEXT = pa.large_string()
"""64-bit offsets: texts of a large frame exceed 2 GiB."""
_TIME = pa.timestamp("us", "UTC")
_PLAIN = (
    (pa.types.is_string, TEXT),
    (pa.types.is_timestamp, _TIME),
    (pa.types.is_date, pa.date32()),
    (pa.types.is_integer, pa.int64()),
    (pa.types.is_floating, pa.float64()),
    (pa.types.is_decimal, pa.float64()),
)
_SPELLINGS: tuple[tuple[Callable[[pa.DataType], bool], str, str], ...] = (
    (
        pa.types.is_timestamp,
        r"^(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(\.\d*[1-9])?\.?0*(?:\+00:00|Z)$",
        r"\1T\2\3Z",
    ),
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
    if {old, new} == {pa.date32(), _TIME}:
        return _TIME
    schemas = [pa.schema([("", type_)]) for type_ in (new, old)]
    try:
        return pa.unify_schemas(schemas, promote_options="permissive").field(0).type
    except (pa.ArrowTypeError, pa.ArrowInvalid):
        return None


def conform(array: pa.Array, type_: pa.DataType) -> pa.Array:
    """Cast an array to a type returned by `plain` or `common_type`."""
    if array.type == type_:
        return array
    if pa.types.is_dictionary(array.type):
        return conform(array.dictionary_decode(), type_)
    if pa.types.is_null(array.type) or pa.types.is_null(type_):
        return pa.nulls(len(array), type_)
    mask = array.is_null() if array.null_count else None
    if pa.types.is_struct(array.type):
        names = [field.name for field in array.type]
        by_name = dict(zip(names, array.flatten(), strict=True))
        children = [
            conform(by_name.get(field.name, pa.nulls(len(array))), field.type) for field in type_
        ]
        return pa.StructArray.from_arrays(children, fields=list(type_), mask=mask)
    if pa.types.is_list(type_):
        items = conform(array.values, type_.value_type)
        offsets = pa.array(array.offsets.to_numpy().astype(np.int32))
        return pa.ListArray.from_arrays(offsets, items, mask=mask).cast(type_)
    if pa.types.is_timestamp(array.type) and array.type.tz is None:
        array = array.cast(pa.timestamp("us"), safe=False)
    return array.cast(type_, safe=False)


def differ(old: pa.Array, new: pa.Array, *, any_order: bool = False) -> np.ndarray:
    """Return a mask of the rows in which two arrays of one plain type differ.

    `any_order` also ignores the order of lists of texts.
    """
    if pa.types.is_nested(old.type):
        codes = _codes(pa.concat_arrays([old, new]), any_order)
        unequal: np.ndarray = codes[: len(old)] != codes[len(old) :]
        return unequal
    if pa.types.is_null(old.type):
        return np.zeros(len(old), bool)
    if pa.types.is_floating(old.type):
        before, after = (pc.fill_null(array, np.nan).to_numpy() for array in (old, new))
        close = np.isclose(before, after, rtol=TOLERANCE, atol=0.0, equal_nan=True)
        return ~np.asarray(close, bool)
    before, after = (array.is_null().to_numpy(zero_copy_only=False) for array in (old, new))
    unequal = pc.fill_null(pc.not_equal(old, new), False).to_numpy(zero_copy_only=False)
    unequal |= before != after
    return unequal


def _codes(array: pa.Array, any_order: bool) -> np.ndarray:
    """Return an integer per value, equal for equal values; -1 for missing ones."""
    if pa.types.is_struct(array.type):
        return _struct_codes(array, any_order)
    if pa.types.is_list(array.type):
        return _list_codes(array, any_order)
    if pa.types.is_null(array.type):
        return np.full(len(array), -1, np.int32)
    indices = array.dictionary_encode().indices
    codes: np.ndarray = pc.fill_null(indices, -1).to_numpy()
    return codes


def _struct_codes(array: pa.Array, any_order: bool) -> np.ndarray:
    names = [field.name for field in array.type]
    columns = [
        _codes(child, any_order)
        for name, child in zip(names, array.flatten(), strict=True)
        if "gid" not in names or name not in LABELS
    ]
    if not columns:
        return np.full(len(array), -1, np.int32)
    ends = np.arange(len(array) + 1, dtype=np.int64) * len(columns)
    codes = _codes_of_runs(np.stack(columns, axis=1).reshape(-1), ends)
    missing = np.all(np.stack(columns) < 0, axis=0)
    return np.where(missing, -1, codes)


def _list_codes(array: pa.Array, any_order: bool) -> np.ndarray:
    offsets = array.offsets.to_numpy().astype(np.int64)
    items = array.values.slice(offsets[0], offsets[-1] - offsets[0])
    codes = _codes(items, any_order)
    lengths = np.diff(offsets)
    if any_order or is_set(array.type):
        codes = codes[np.lexsort((codes, np.repeat(np.arange(len(array)), lengths)))]
    missing = array.is_null().to_numpy(zero_copy_only=False) | (lengths == 0)
    return np.where(missing, -1, _codes_of_runs(codes, offsets - offsets[0]))


def _codes_of_runs(codes: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Return a code for each run of codes, the same for equal runs."""
    data = pa.py_buffer(np.ascontiguousarray(codes, np.int32))
    bounds = pa.py_buffer(np.ascontiguousarray(offsets * 4))
    buffers = [None, bounds, data]
    runs = pa.LargeBinaryArray.from_buffers(pa.large_binary(), len(offsets) - 1, buffers)
    run_codes: np.ndarray = runs.dictionary_encode().indices.to_numpy()
    return run_codes


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
        # Arrow writes all six digits of a fraction.
        text = array.cast(pa.timestamp("us")).cast(pa.string())
        text = pc.replace_substring_regex(pc.replace_substring(text, " ", "T"), r"\.?0*$", "")
        array = pc.binary_join_element_wise(text, "Z", "")
    elif pa.types.is_floating(array.type):
        array = pa.array(map(_shortest, array.to_pylist()), TEXT)
    elif pa.types.is_nested(array.type):
        unordered = pa.types.is_list(array.type) and (any_order or is_set(array.type))
        array = pa.array((_json(value, unordered) for value in array.to_pylist()), TEXT)
    return array.cast(TEXT)


def _shortest(number: float | None) -> str | None:
    return None if number is None else repr(number).removesuffix(".0")


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
    """Return rows of one input (`which` is "old" or "new") with their keys and paired columns."""
    columns: dict[str, pa.Array] = {}
    for number, pair in enumerate(pairs):
        name = getattr(pair, which)
        if name is not None:
            columns[str(number)] = _as_type(_combined(table[name]), pair)
    gids, names = (
        _combined(table[name]) if name in table.column_names else pa.nulls(len(table), TEXT)
        for name in ("gid", "name")
    )
    gids = conform(gids, TEXT)
    head = {
        "gid": gids,
        KEY: _keys(gids, pairs, columns),
        POSITION: pa.array(positions),
        NAME: texts(conform(names, plain(names.type))),
    }
    if MODIFIED in table.column_names:
        head[MODIFIED] = _times(_combined(table[MODIFIED]))
    return pa.table(head | columns)


def _as_type(array: pa.Array, pair: ColumnPair) -> pa.Array:
    if pair.typed is None:
        return conform(array, pair.type)
    array = conform(array, plain(array.type))
    if array.type == TEXT:
        return respelled(array, pair.typed)
    return texts(array, any_order=pair.any_order)


def _times(array: pa.Array) -> pa.Array:
    try:
        return array.cast(_TIME, safe=False)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):  # not times
        return pa.nulls(len(array), _TIME)


def _combined(column: pa.ChunkedArray) -> pa.Array:
    array = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
    return pa.concat_arrays(array.chunks) if isinstance(array, pa.ChunkedArray) else array


def _keys(gids: pa.Array, pairs: Sequence[ColumnPair], columns: dict[str, pa.Array]) -> pa.Array:
    """Return the gids; for a row without one, its content as JSON."""
    if not gids.null_count:
        return gids
    missing = pc.is_null(gids)
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
    only_old = np.ones(len(old), bool)
    only_old[old_rows] = False
    parts = [_row_changes(new.filter(pa.array(match < 0)), "added")]
    if not partial:
        parts.append(_row_changes(old.filter(pa.array(only_old)), "removed"))
    changed = np.zeros(len(new_rows), bool)
    gid_masks = dict.fromkeys((pair.gid for pair in pairs), changed)
    # Gids come before their labels, which count only where the gid differs.
    for number, pair in sorted(enumerate(pairs), key=lambda item: item[1].gid is not None):
        before, after = (
            _cells(table, number, rows, pair) for table, rows in ((old, old_rows), (new, new_rows))
        )
        mask = differ(before, after, any_order=pair.any_order)
        if pair.gid is not None:
            mask &= gid_masks[pair.gid]
        elif number in gid_masks:
            gid_masks[number] = mask
        changed |= mask
        if mask.any():
            cells = [array.filter(pa.array(mask)) for array in (before, after)]
            rows = new.select(["gid", NAME, POSITION]).take(pa.array(new_rows[mask]))
            parts.append(_cell_changes(rows, number, pair, cells))
    same = int((~changed).sum()) + (int(only_old.sum()) if partial else 0)
    return pa.concat_tables(parts), same


def _without_repeats(table: pa.Table) -> pa.Table:
    """Keep one row per key: the one modified last, or the last in order where that is unknown."""
    if pc.count_distinct(table[KEY]).as_py() == len(table):
        return table
    kept = kept_rows(len(table), [Batch("", key_batch(table), (0, 0, 0))], "", lambda _issue: None)
    return table.filter(pa.array(kept))


def key_batch(table: pa.Table) -> pa.RecordBatch:
    """Return the keys and times of comparable rows in the form `deduplicate` takes."""
    columns = {"gid": _combined(table[KEY]), DIGEST: pa.nulls(len(table), pa.binary())}
    if MODIFIED in table.column_names:
        columns[MODIFIED] = _combined(table[MODIFIED])
    return pa.RecordBatch.from_arrays(list(columns.values()), list(columns))


def _cells(table: pa.Table, number: int, rows: np.ndarray, pair: ColumnPair) -> pa.Array:
    name = str(number)
    if name not in table.column_names:
        return pa.nulls(len(rows), pair.type)
    return _combined(table[name]).take(pa.array(rows))


def _row_changes(rows: pa.Table, change: str) -> pa.Table:
    missing = pa.nulls(len(rows), TEXT)
    content = pc.if_else(pc.is_null(rows["gid"]), rows[KEY], pa.scalar(None, TEXT))
    before, after = (content if change == kind else missing for kind in ("removed", "added"))
    return _change_rows(rows, change, (missing, before, after), -1)


def _cell_changes(
    rows: pa.Table, number: int, pair: ColumnPair, cells: Sequence[pa.Array]
) -> pa.Table:
    column = pa.array([pair.column] * len(rows), TEXT)
    before, after = (texts(array, any_order=pair.any_order) for array in cells)
    return _change_rows(rows, "changed", (column, before, after), number)


def _change_rows(rows: pa.Table, change: str, cells: Sequence[pa.Array], order: int) -> pa.Table:
    """Return rows of the schema `CHANGES`; `cells` are column, before and after."""
    kinds = pa.array(np.full(len(rows), KINDS.index(change), np.int8))
    orders = pa.array(np.full(len(rows), order, np.int32))
    columns = [rows["gid"], rows[NAME], kinds, *cells, rows[POSITION], orders]
    return pa.table(columns, schema=CHANGES)
