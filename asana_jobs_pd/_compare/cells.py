"""The cells of two tables: their common type, whether they differ, and their text.

Two cells are equal, whatever the engine or `dtype_backend` of their columns, if both are

- missing, `nan` or an empty list;
- the same instant, to the microsecond; the same date; the same category name;
- numbers that differ by less than a billionth of their value;
- objects with the same gid: a renamed person or project is still the same;
- lists of such objects, or of a multi-enum field's options, in any order. In other lists, order
  matters.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

LABELS = ("name", "email", "resource_type", "resource_subtype")
"""Keys that describe an object with a gid; they are ignored when gids are compared."""
TOLERANCE = 1e-9
TEXT = pa.large_string()
"""With 64-bit offsets, since the texts of a large frame exceed 2 GiB."""
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


def plain(type_: pa.DataType) -> pa.DataType:
    """Return the one type that represents all types for the same values."""
    if pa.types.is_dictionary(type_):
        return plain(type_.value_type)
    if pa.types.is_list(type_) or pa.types.is_large_list(type_):
        return pa.list_(plain(type_.value_type))
    if pa.types.is_struct(type_):
        return pa.struct([(field.name, plain(field.type)) for field in type_])
    return next((target for matches, target in _PLAIN if matches(type_)), type_)


def common_type(old: pa.DataType, new: pa.DataType) -> pa.DataType | None:
    """Return a plain type for the values of two plain types; None if there is none."""
    if {old, new} == {pa.date32(), TIME}:
        return TIME
    schemas = [pa.schema([("", type_)]) for type_ in (new, old)]
    try:
        return pa.unify_schemas(schemas, promote_options="permissive").field(0).type
    except (pa.ArrowTypeError, pa.ArrowInvalid):
        return None


def conform(array: pa.Array, type_: pa.DataType) -> pa.Array:
    """Cast an array of a plain type to one that `common_type` returned.

    Objects may have fewer keys, or keys in another order: Arrow casts those only since version 20.
    """
    if array.type == type_ or not pa.types.is_nested(array.type):
        return array.cast(type_, safe=False)
    mask = array.is_null() if array.null_count else None
    if pa.types.is_struct(type_):
        keys = [field.name for field in array.type]
        by_key = dict(zip(keys, array.flatten(), strict=True))
        children = [
            conform(by_key.get(field.name, pa.nulls(len(array))), field.type) for field in type_
        ]
        return pa.StructArray.from_arrays(children, fields=list(type_), mask=mask)
    items = conform(array.values, type_.value_type)
    offsets = pa.array(array.offsets.to_numpy())  # with a mask, offsets must not be a slice
    return pa.ListArray.from_arrays(offsets, items, type_, mask=mask)


def combined(column: pa.ChunkedArray) -> pa.Array:
    """Return a column as one array."""
    if column.num_chunks == 1:
        return column.chunk(0)
    return pa.concat_arrays([pa.nulls(0, column.type), *column.chunks])


def differ(
    columns: tuple[pa.ChunkedArray, pa.ChunkedArray],
    rows: tuple[np.ndarray, np.ndarray],
    *,
    any_order: bool = False,
) -> np.ndarray:
    """Return a mask of the rows in which two columns of the same plain type differ.

    `rows` has the numbers of the matching rows in each column. With `any_order`, the order of
    lists of texts does not matter, either.
    """
    unequal: np.ndarray
    old, new = columns
    if pa.types.is_nested(old.type) or pa.types.is_null(old.type):
        codes = _codes(combined(pa.chunked_array([*old.chunks, *new.chunks], old.type)), any_order)
        unequal = codes[rows[0]] != codes[rows[1] + len(old)]
        return unequal
    before, after = (
        combined(column).take(pa.array(numbers))
        for column, numbers in zip(columns, rows, strict=True)
    )
    if pa.types.is_floating(old.type):
        before, after = (pc.fill_null(array, np.nan).to_numpy() for array in (before, after))
        unequal = ~np.isclose(before, after, rtol=TOLERANCE, atol=0.0, equal_nan=True)
    else:
        equal = pc.fill_null(pc.equal(before, after), False)
        same = pc.or_(equal, pc.and_(before.is_null(), after.is_null()))
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
    # The codes in each value become one binary value, which Arrow encodes as one code.
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
    """Return whether a list's items have gids, or contain objects that do, as memberships do."""
    item = type_.value_type
    if not pa.types.is_struct(item):
        return False
    nested = [inner for field in item if pa.types.is_struct(field.type) for inner in field.type]
    return any(field.name == "gid" for field in (*item, *nested))


def texts(array: pa.Array, *, any_order: bool = False) -> pa.Array:
    """Return values of a plain type as lossless text: ISO 8601, numbers in short form, JSON."""
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
