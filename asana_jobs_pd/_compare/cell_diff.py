"""Differences between two tables: rows matched by key, compared column by column."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import orjson
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from asana_jobs_pd._compare.cell_values import (
    LABELS,
    common_type,
    conform,
    differ,
    respelled,
    texts,
)

KINDS = ("added", "removed", "changed")
KEY, POSITION, NAME, MODIFIED = "#key", "#position", "#name", "#modified"
CHANGES = pa.schema(
    [
        ("gid", pa.string()),
        ("name", pa.string()),
        ("change", pa.int8()),
        ("column", pa.string()),
        ("before", pa.string()),
        ("after", pa.string()),
        ("position", pa.int64()),
        ("order", pa.int32()),
    ]
)
"""`change` indexes `KINDS`; rows are sorted by `change`, `position` and `order`."""


class FieldKey(NamedTuple):
    """Identity of a custom field: its gid, or its name and type when it has none."""

    gid: str | None
    name: str | None = None
    type: str | None = None


class ColumnPair(NamedTuple):
    """A column of either input (None where there is none) and a type that holds both.

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


def pair_columns(
    schemas: tuple[pa.Schema, pa.Schema],
    fields: tuple[Mapping[str, FieldKey], Mapping[str, FieldKey]],
    columns: Sequence[str] | None,
    ignore: Sequence[str],
    *,
    partial: bool = False,
) -> list[ColumnPair]:
    """Match the columns of both inputs: in the order of the new one, then of the old one.

    With `partial`, columns of which the new input says nothing are left out.
    """
    old_schema, new_schema = schemas
    matched = [
        (old, new)
        for old, new in _match(old_schema.names, new_schema.names, *fields)
        if any(_selected(name, columns, ignore) for name in (old, new) if name is not None)
        and not (partial and new is None and _is_unknown(old or "", new_schema.names))
    ]
    names = [new or old or "" for old, new in matched]
    compared = [index for index, name in enumerate(names) if not _is_type_of(name, names)]
    index_of = {names[index]: number for number, index in enumerate(compared)}
    pairs = []
    for index in compared:
        column, (old, new) = names[index], matched[index]
        types = [
            schema.field(name).type if name else pa.null()
            for schema, name in ((old_schema, old), (new_schema, new))
        ]
        type_ = common_type(*types)
        typed = None if type_ else next((one for one in types if not pa.types.is_string(one)), None)
        stem, _, leaf = column.rpartition(".")
        gid = index_of.get(f"{stem}.gid") if leaf in LABELS else None
        any_order = column.startswith("custom_fields")
        pairs.append(ColumnPair(column, old, new, type_ or pa.string(), any_order, gid, typed))
    return pairs


def _is_unknown(column: str, names: Sequence[str]) -> bool:
    """Whether rows with other columns say nothing of this one.

    Custom fields have columns only if a row has them: rows without one deny it if they have others.
    """
    of_field = is_within(column, ["custom_fields"])
    return bool(names) and not (
        of_field and any(is_within(name, ["custom_fields"]) for name in names)
    )


def _is_type_of(column: str, names: Sequence[str]) -> bool:
    stem, _, leaf = column.rpartition(".")
    return leaf == "resource_type" and f"{stem}.gid" in names


def _match(
    old: Sequence[str],
    new: Sequence[str],
    old_fields: Mapping[str, FieldKey],
    new_fields: Mapping[str, FieldKey],
) -> Iterator[tuple[str | None, str | None]]:
    """Yield matching columns: custom fields by key, all others by name."""
    unmatched = dict.fromkeys(old)
    for column in new:
        match = None
        if column in new_fields:
            match = _same_field(new_fields[column], old_fields, unmatched)
        if match is None and column in unmatched:
            known_on_both = column in new_fields and column in old_fields
            match = None if known_on_both else column
        unmatched.pop(match, None)  # type: ignore[arg-type]
        yield match, column
    yield from ((column, None) for column in unmatched)


def _same_field(
    field: FieldKey, candidates: Mapping[str, FieldKey], unmatched: Mapping[str, None]
) -> str | None:
    """Return the column of the same field: by gid, or by name and type if either has no gid."""
    by_label = []
    for column, other in candidates.items():
        if column not in unmatched:
            continue
        if field.gid is not None and field.gid == other.gid:
            return column
        if None in (field.gid, other.gid) and field[1:] == other[1:]:
            by_label.append(column)
    return by_label[0] if len(by_label) == 1 else None


def _selected(column: str, columns: Sequence[str] | None, ignore: Sequence[str]) -> bool:
    if column in ("gid", "resource_type") or is_within(column, ignore):
        return False
    return columns is None or is_within(column, columns)


def is_within(column: str, names: Iterable[str]) -> bool:
    """Whether a column is one of these names or nested in one: ``assignee.gid`` in ``assignee``."""
    return any(column == name or column.startswith(f"{name}.") for name in names)


def comparable(table: pa.Table, pairs: Sequence[ColumnPair], which: str, start: int) -> pa.Table:
    """Return rows of one input (`which` is "old" or "new") with their keys and paired columns.

    `start` is the position of the first row in its input.
    """
    columns: dict[str, pa.Array] = {}
    for number, pair in enumerate(pairs):
        name = getattr(pair, which)
        if name is not None:
            columns[str(number)] = _as_type(_combined(table[name]), pair)
    gids = _combined(table["gid"])
    names = _combined(table["name"]) if "name" in table.column_names else pa.nulls(len(table))
    head = {
        "gid": gids,
        KEY: _keys(gids, pairs, columns),
        POSITION: pa.array(np.arange(start, start + len(table))),
        NAME: texts(names).cast(pa.string()),
    }
    if "modified_at" in table.column_names:
        head[MODIFIED] = _modified(_combined(table["modified_at"]))
    return pa.table(head | columns)


def _as_type(array: pa.Array, pair: ColumnPair) -> pa.Array:
    if pair.typed is not None and pa.types.is_string(array.type):
        return respelled(array, pair.typed)
    if pair.type == pa.string():
        return texts(array, any_order=pair.any_order).cast(pa.string())
    return conform(array, pair.type)


def _modified(array: pa.Array) -> pa.Array:
    try:
        return array.cast(pa.timestamp("us", "UTC"), safe=False).cast(pa.int64())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):  # not times
        return pa.nulls(len(array), pa.int64())


def _combined(column: pa.ChunkedArray) -> pa.Array:
    array = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
    return pa.concat_arrays(array.chunks) if isinstance(array, pa.ChunkedArray) else array


def _keys(gids: pa.Array, pairs: Sequence[ColumnPair], columns: dict[str, pa.Array]) -> pa.Array:
    """Return the gids; for a row without one, its content as JSON."""
    if not gids.null_count:
        return gids
    missing = pc.is_null(gids)
    content = {
        pairs[int(number)].column: texts(
            array.filter(missing), any_order=pairs[int(number)].any_order
        ).to_pylist()
        for number, array in columns.items()
        if pairs[int(number)].gid is None
    }
    rows = zip(*content.values(), strict=True) if content else [()] * gids.null_count
    documents = [
        orjson.dumps(
            {name: text for name, text in zip(content, row, strict=True) if text is not None}
        )
        for row in rows
    ]
    keys = pa.array([document.decode() for document in documents], pa.string())
    index = np.cumsum(missing.to_numpy(zero_copy_only=False)) - 1
    return pc.coalesce(gids, keys.take(pa.array(np.maximum(index, 0))))


def diff(
    old: pa.Table, new: pa.Table, pairs: Sequence[ColumnPair], *, partial: bool = False
) -> tuple[pa.Table, int]:
    """Return the changes between comparable rows, and how many rows are the same.

    With `partial`, rows that only the old table has count as the same.
    """
    old, new = _deduplicated(old), _deduplicated(new)
    index = pc.index_in(_combined(new[KEY]), value_set=_combined(old[KEY]))
    match = pc.fill_null(index, -1).to_numpy().astype(np.int64)
    only_old = np.ones(len(old), bool)
    only_old[match[match >= 0]] = False
    parts = [_row_changes(new, np.flatnonzero(match < 0), "added")]
    if not partial:
        parts.append(_row_changes(old, np.flatnonzero(only_old), "removed"))
    both = np.flatnonzero(match >= 0)
    changed = np.zeros(len(both), bool)
    for part, mask in _cell_changes(_MatchedRows(old, new, match[both], both), pairs):
        changed |= mask
        parts.append(part)
    same = int((~changed).sum()) + (int(only_old.sum()) if partial else 0)
    return pa.concat_tables(parts), same


def _deduplicated(table: pa.Table) -> pa.Table:
    """Keep one row per key: the one modified last, or the last in order where that is unknown."""
    encoded = _combined(table[KEY]).dictionary_encode()
    if len(encoded.dictionary) == len(table):
        return table
    codes = encoded.indices.to_numpy()
    order = np.arange(len(table))
    if MODIFIED in table.column_names:
        order = _by_modification(codes, _combined(table[MODIFIED]))
    last = np.empty(len(encoded.dictionary), np.int64)
    last[codes[order]] = order
    return table.take(pa.array(np.sort(last)))


def _by_modification(codes: np.ndarray, times: pa.Array) -> np.ndarray:
    """Return rows so that the last of each key is the one to keep.

    A row without a time replaces those before it, whenever they were modified.
    """
    unknown = pd.Series(times.is_null().to_numpy(zero_copy_only=False))
    replaced = unknown.groupby(codes).cumsum()
    eligible = np.flatnonzero(replaced == replaced.groupby(codes).transform("max"))
    modified = pc.fill_null(times, np.iinfo(np.int64).min).to_numpy()
    order: np.ndarray = eligible[np.lexsort((eligible, modified[eligible]))]
    return order


def _row_changes(table: pa.Table, rows: np.ndarray, change: str) -> pa.Table:
    taken = table.select(["gid", NAME, KEY, POSITION]).take(pa.array(rows))
    content = pc.if_else(pc.is_null(taken["gid"]), taken[KEY], pa.scalar(None, pa.string()))
    missing = pa.nulls(len(rows), pa.string())
    before, after = (content if change == kind else missing for kind in ("removed", "added"))
    return _change_rows(taken, change, (missing, before, after), -1)


def _change_rows(rows: pa.Table, change: str, cells: Sequence[pa.Array], order: int) -> pa.Table:
    """Return rows of the schema `CHANGES`; `cells` are column, before and after."""
    kinds = pa.array(np.full(len(rows), KINDS.index(change), np.int8))
    orders = pa.array(np.full(len(rows), order, np.int32))
    columns = [rows["gid"], rows[NAME], kinds, *cells, rows[POSITION], orders]
    return pa.table(columns, schema=CHANGES)


class _MatchedRows(NamedTuple):
    """Two tables, and the rows of each that have the same key."""

    old: pa.Table
    new: pa.Table
    old_rows: np.ndarray
    new_rows: np.ndarray


def _cell_changes(
    matched: _MatchedRows, pairs: Sequence[ColumnPair]
) -> Iterator[tuple[pa.Table, np.ndarray]]:
    """Yield the changed cells of each pair of columns, and the mask of their rows."""
    by_gid = {
        pair.gid: _mask(matched, pair.gid, pairs[pair.gid])
        for pair in pairs
        if pair.gid is not None
    }
    heads = matched.new.select(["gid", NAME, POSITION])
    for number, pair in enumerate(pairs):
        mask = by_gid[number] if number in by_gid else _mask(matched, number, pair)
        if pair.gid is not None:
            mask &= by_gid[pair.gid]
        changed = np.flatnonzero(mask)
        if not len(changed):
            continue
        old = _cells(matched.old, number, matched.old_rows[changed], pair)
        new = _cells(matched.new, number, matched.new_rows[changed], pair)
        before, after = (texts(cells, any_order=pair.any_order) for cells in (old, new))
        column = pa.array([pair.column] * len(changed), pa.string())
        rows = heads.take(pa.array(matched.new_rows[changed]))
        yield _change_rows(rows, "changed", (column, before, after), number), mask


def _mask(matched: _MatchedRows, number: int, pair: ColumnPair) -> np.ndarray:
    old = _cells(matched.old, number, matched.old_rows, pair)
    new = _cells(matched.new, number, matched.new_rows, pair)
    return differ(old, new, any_order=pair.any_order)


def _cells(table: pa.Table, number: int, rows: np.ndarray, pair: ColumnPair) -> pa.Array:
    name = str(number)
    if name not in table.column_names:
        return pa.nulls(len(rows), pair.type)
    return _combined(table[name]).take(pa.array(rows))
