"""Cells of two columns: whether they differ, and how they read. Whole columns at a time, pure.

What counts as the same, whatever engine or `dtype_backend` the columns come from:

- missing, `nan` and an empty list: nothing is there;
- times by instant, to the microsecond; dates as dates; categories by their names;
- numbers that differ by less than a billionth of themselves;
- objects with a gid by it: a person or project that was renamed is still the same one;
- lists of such objects, and of a multi-enum field's options, in any order. Other lists have one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["LABELS", "common_type", "conform", "differ", "is_set", "plain", "texts"]

LABELS = ("name", "email", "resource_type", "resource_subtype")
"""What only describes the object whose gid stands beside it."""
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
_WIDER = ((pa.int64(), pa.float64()), (pa.date32(), _TIME))


def plain(type_: pa.DataType) -> pa.DataType:
    """Return the one type we use for all that hold the same values."""
    if pa.types.is_dictionary(type_):
        return plain(type_.value_type)
    if pa.types.is_list(type_) or pa.types.is_large_list(type_):
        return pa.list_(plain(type_.value_type))
    if pa.types.is_struct(type_):
        return pa.struct([(field.name, plain(field.type)) for field in type_])
    return next((one for holds, one in _PLAIN if holds(type_)), type_)


def common_type(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    """Return a plain type that holds the values of two plain ones; None when there is none."""
    if one == other or pa.types.is_null(other):
        return one
    if pa.types.is_null(one):
        return other
    if pa.types.is_struct(one) and pa.types.is_struct(other):
        return _common_struct(one, other)
    if pa.types.is_list(one) and pa.types.is_list(other):
        item = common_type(one.value_type, other.value_type)
        return None if item is None else pa.list_(item)
    return next((wide for narrow, wide in _WIDER if {one, other} == {narrow, wide}), None)


def _common_struct(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    here, there = ({field.name: field.type for field in type_} for type_ in (one, other))
    inner = {
        name: common_type(here.get(name, pa.null()), there.get(name, pa.null()))
        for name in dict.fromkeys((*there, *here))
    }
    return None if None in inner.values() else pa.struct(list(inner.items()))


def conform(array: pa.Array, type_: pa.DataType) -> pa.Array:
    """Return an array as a plain type that `plain` and `common_type` gave for it."""
    if array.type == type_:
        return array
    if pa.types.is_dictionary(array.type):
        return conform(array.dictionary_decode(), type_)
    if pa.types.is_null(array.type):
        return pa.nulls(len(array), type_)
    mask = array.is_null() if array.null_count else None
    if pa.types.is_struct(array.type):
        there = dict(zip((field.name for field in array.type), array.flatten(), strict=True))
        children = [
            conform(there[field.name], field.type)
            if field.name in there
            else pa.nulls(len(array), field.type)
            for field in type_
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
    """Return where two arrays of one plain type differ, as a mask.

    Parameters
    ----------
    old, new
        Of the same length.
    any_order
        Whether the order of lists of texts means nothing either.
    """
    if pa.types.is_nested(old.type):
        codes = _codes(pa.concat_arrays([old, new]), any_order)
        unequal: np.ndarray = codes[: len(old)] != codes[len(old) :]
        return unequal
    if pa.types.is_null(old.type):
        return np.zeros(len(old), bool)
    if pa.types.is_floating(old.type):
        return _differ_by_much(old, new)
    here, there = (array.is_null().to_numpy(zero_copy_only=False) for array in (old, new))
    unequal = pc.fill_null(pc.not_equal(old, new), False).to_numpy(zero_copy_only=False)
    result: np.ndarray = unequal | (here != there)
    return result


def _differ_by_much(old: pa.Array, new: pa.Array) -> np.ndarray:
    here, there = (pc.fill_null(array, np.nan).to_numpy() for array in (old, new))
    far = ~np.isclose(here, there, rtol=TOLERANCE, atol=0.0, equal_nan=True)
    result: np.ndarray = far
    return result


def _codes(array: pa.Array, any_order: bool) -> np.ndarray:
    """Return a number for each value, the same for the same ones; -1 for nothing."""
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
    parts = [
        _codes(child, any_order)
        for name, child in zip(names, array.flatten(), strict=True)
        if "gid" not in names or name not in LABELS
    ]
    if not parts:
        return np.full(len(array), -1, np.int32)
    ends = np.arange(len(array) + 1, dtype=np.int64) * len(parts)
    codes = _number(np.stack(parts, axis=1).reshape(-1), ends)
    nothing = np.all(np.stack(parts) < 0, axis=0)
    return np.where(nothing, -1, codes)


def _list_codes(array: pa.Array, any_order: bool) -> np.ndarray:
    offsets = array.offsets.to_numpy().astype(np.int64)
    items = array.values.slice(offsets[0], offsets[-1] - offsets[0])
    codes = _codes(items, any_order)
    lengths = np.diff(offsets)
    if any_order or is_set(array.type):
        codes = codes[np.lexsort((codes, np.repeat(np.arange(len(array)), lengths)))]
    nothing = array.is_null().to_numpy(zero_copy_only=False) | (lengths == 0)
    return np.where(nothing, -1, _number(codes, offsets - offsets[0]))


def _number(codes: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Return a number for each run of codes, by where they end: equal runs get equal ones."""
    data = pa.py_buffer(np.ascontiguousarray(codes, np.int32))
    bounds = pa.py_buffer(np.ascontiguousarray(ends * 4))
    runs = pa.LargeBinaryArray.from_buffers(pa.large_binary(), len(ends) - 1, [None, bounds, data])
    numbers: np.ndarray = runs.dictionary_encode().indices.to_numpy()
    return numbers


def is_set(type_: pa.DataType) -> bool:
    """Whether a list holds objects with gids, directly or one further down: memberships do."""
    item = type_.value_type
    if not pa.types.is_struct(item):
        return False
    inner = [field for field in item if pa.types.is_struct(field.type)]
    return any(field.name == "gid" for field in (*item, *(one for f in inner for one in f.type)))


def texts(array: pa.Array, *, any_order: bool = False) -> pa.Array:
    """Return values of a plain type as text that says all: ISO 8601, shortest numbers, JSON."""
    type_ = array.type
    if pa.types.is_string(type_):
        return array
    if pa.types.is_timestamp(type_):
        return _iso(array)
    if pa.types.is_floating(type_):
        return pa.array(map(_shortest, array.to_pylist()), pa.string())
    if pa.types.is_nested(type_):
        sort = pa.types.is_list(type_) and (any_order or is_set(type_))
        return pa.array((_json(value, sort) for value in array.to_pylist()), pa.string())
    return array.cast(pa.string())


def _iso(array: pa.Array) -> pa.Array:
    """Return times as text; Arrow writes all six digits of a fraction."""
    text = array.cast(pa.timestamp("us")).cast(pa.string())
    text = pc.replace_substring_regex(pc.replace_substring(text, " ", "T"), r"\.?0*$", "")
    return pc.binary_join_element_wise(text, "Z", "")


def _shortest(number: float | None) -> str | None:
    return None if number is None else repr(number).removesuffix(".0")


def _json(value: Any, sort: bool) -> str | None:
    if value is None:
        return None
    if sort:
        value = sorted(value, key=orjson.dumps)
    return orjson.dumps(value).decode()
