"""Equality and text of cells, for whole Arrow columns at a time.

Two cells are equal, whatever the engine or `dtype_backend` of their columns, when both are

- missing, `nan` or an empty list;
- the same instant, to the microsecond; the same date; the same category name;
- numbers that differ by less than a billionth of themselves;
- objects with the same gid: a renamed person or project is still the same one;
- lists of such objects, or of a multi-enum field's options, in any order. Other lists are ordered.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

LABELS = ("name", "email", "resource_type", "resource_subtype")
"""Keys that describe an object with a gid; they do not decide whether it is the same."""
TOLERANCE = 1e-9
_TIME = pa.timestamp("us", "UTC")
_PLAIN = (
    (pa.types.is_large_string, pa.string()),
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
_WIDER = ((pa.int64(), pa.float64()), (pa.date32(), _TIME))


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
    if old == new or pa.types.is_null(new):
        return old
    if pa.types.is_null(old):
        return new
    if pa.types.is_struct(old) and pa.types.is_struct(new):
        return _common_struct(old, new)
    if pa.types.is_list(old) and pa.types.is_list(new):
        item = common_type(old.value_type, new.value_type)
        return None if item is None else pa.list_(item)
    return next((wide for narrow, wide in _WIDER if {old, new} == {narrow, wide}), None)


def _common_struct(old: pa.DataType, new: pa.DataType) -> pa.DataType | None:
    old_types, new_types = ({field.name: field.type for field in type_} for type_ in (old, new))
    common = {
        name: common_type(old_types.get(name, pa.null()), new_types.get(name, pa.null()))
        for name in dict.fromkeys((*new_types, *old_types))
    }
    return None if None in common.values() else pa.struct(list(common.items()))


def conform(array: pa.Array, type_: pa.DataType) -> pa.Array:
    """Cast an array to a type returned by `plain` or `common_type`."""
    if array.type == type_:
        return array
    if pa.types.is_dictionary(array.type):
        return conform(array.dictionary_decode(), type_)
    if pa.types.is_null(array.type):
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
    """Return a code for each run of codes, equal for equal runs."""
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
    type_ = array.type
    if pa.types.is_string(type_):
        return array
    if pa.types.is_timestamp(type_):
        return _iso_times(array)
    if pa.types.is_floating(type_):
        return pa.array(map(_shortest, array.to_pylist()), pa.string())
    if pa.types.is_nested(type_):
        unordered = pa.types.is_list(type_) and (any_order or is_set(type_))
        return pa.array((_json(value, unordered) for value in array.to_pylist()), pa.string())
    return array.cast(pa.string())


def respelled(array: pa.Array, type_: pa.DataType) -> pa.Array:
    """Return texts in which pandas wrote values of a plain type as `texts` writes them."""
    for matches, pattern, replacement in _SPELLINGS:
        if matches(type_):
            array = pc.replace_substring_regex(array, pattern, replacement)
    return array


def _iso_times(array: pa.Array) -> pa.Array:
    text = array.cast(pa.timestamp("us")).cast(pa.string())
    # Arrow writes all six digits of a fraction.
    text = pc.replace_substring_regex(pc.replace_substring(text, " ", "T"), r"\.?0*$", "")
    return pc.binary_join_element_wise(text, "Z", "")


def _shortest(number: float | None) -> str | None:
    return None if number is None else repr(number).removesuffix(".0")


def _json(value: Any, unordered: bool) -> str | None:
    if value is None:
        return None
    if unordered:
        value = sorted(value, key=orjson.dumps)
    return orjson.dumps(value).decode()
