"""Columns of loaded frames as Arrow arrays, and access to their lists and objects."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from asana_jobs_pd._export.results import with_dates


class Items(NamedTuple):
    """The items in the lists of a column, and the row of each."""

    rows: np.ndarray
    values: pa.ChunkedArray


def arrow_column(frame: pd.DataFrame, name: str) -> pa.ChunkedArray:
    """Return a column of a frame as an Arrow array, with the types that exports have."""
    array = pa.array(frame[name], from_pandas=True)
    column = array if isinstance(array, pa.ChunkedArray) else pa.chunked_array([array])
    if pa.types.is_large_string(column.type):  # pandas has large strings; objects in lists do not
        return column.cast(pa.string())
    if pa.types.is_dictionary(column.type) and pa.types.is_null(column.type.value_type):
        return missing(len(column))  # an enum field without options
    return with_dates(column)


def items_of(lists: pa.ChunkedArray) -> Items:
    """Return the items of lists; none for a column without lists."""
    if not pa.types.is_list(lists.type):
        return Items(np.empty(0, np.int64), pa.chunked_array([], pa.null()))
    rows, values, start = [np.empty(0, np.int64)], [], 0
    for chunk in lists.chunks:
        rows.append(pc.list_parent_indices(chunk).to_numpy() + start)
        values.append(chunk.flatten())
        start += len(chunk)
    return Items(np.concatenate(rows), pa.chunked_array(values, lists.type.value_type))


def child(objects: pa.ChunkedArray, path: str) -> pa.ChunkedArray | None:
    """Return a field of objects, such as "project.gid"; None if there is no such field."""
    type_, keys = objects.type, path.split(".")
    for key in keys:
        if not pa.types.is_struct(type_) or type_.get_field_index(key) < 0:
            return None
        type_ = type_.field(key).type
    return pc.struct_field(objects, keys) if len(objects) else pa.chunked_array([], type_)


def texts(objects: pa.ChunkedArray, path: str) -> pa.ChunkedArray:
    """Return a field of objects as text; missing if there is no such field."""
    found = child(objects, path)
    if found is None or pa.types.is_nested(found.type):
        return missing(len(objects))
    return found if pa.types.is_string(found.type) else found.cast(pa.string())


def missing(length: int, type_: pa.DataType | None = None) -> pa.ChunkedArray:
    """Return an array of nulls."""
    return pa.chunked_array([pa.nulls(length, type_ or pa.string())])


def leaves(name: str, column: pa.ChunkedArray) -> Iterator[tuple[str, pa.ChunkedArray]]:
    """Yield the leaves of objects with their paths, without lists."""
    if pa.types.is_struct(column.type):
        for number, field in enumerate(column.type):  # a name may contain dots
            empty = pa.chunked_array([], field.type)
            values = pc.struct_field(column, [number]) if len(column) else empty
            yield from leaves(f"{name}.{field.name}" if name else field.name, values)
    elif not pa.types.is_list(column.type):
        yield name, column


def codes_of(values: pa.ChunkedArray, among: pa.ChunkedArray | pa.Array) -> np.ndarray:
    """Return the position of each value among others; -1 if absent."""
    found = pc.index_in(values, value_set=among, skip_nulls=True)
    return np.asarray(found.fill_null(-1)).astype(np.int64)


def distinct(columns: Mapping[str, pa.ChunkedArray], key: str) -> pa.Table:
    """Return one row per value of a key; of several values in another column, the least."""
    unique = pc.unique(columns[key]).drop_null()
    codes = codes_of(columns[key], unique)
    table: dict[str, pa.Array] = {key: unique}
    for name in columns.keys() - {key}:
        values = pc.unique(columns[name]).drop_null()
        values = values.take(pc.sort_indices(values))
        ranks = codes_of(columns[name], values)
        rows = np.flatnonzero((codes >= 0) & (ranks >= 0))
        least = np.full(len(unique), len(values), np.int64)
        np.minimum.at(least, codes[rows], ranks[rows])
        table[name] = values.take(pa.array(least, mask=least == len(values)))
    return pa.table({name: table[name] for name in columns})


def unique_rows(table: pa.Table, *keys: str) -> pa.Table:
    """Return the rows of a table that have all keys; of equal rows, only the first."""
    combined = np.zeros(len(table), np.int64)
    valid = np.ones(len(table), np.bool_)
    for key in keys:
        unique = pc.unique(table[key])
        codes = codes_of(table[key], unique)
        valid &= codes >= 0
        combined = combined * (len(unique) + 1) + codes
    rows = np.flatnonzero(valid)
    _, first = np.unique(combined[rows], return_index=True)
    return table if len(first) == len(table) else table.take(pa.array(rows[np.sort(first)]))
