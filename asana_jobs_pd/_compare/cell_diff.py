"""What is different between two tables: rows matched by key, compared column by column. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from asana_jobs_pd._compare.cell_values import LABELS, common_type, conform, differ, texts

__all__ = ["CHANGES", "KEY", "KINDS", "Pair", "changes", "is_one_of", "pairs_of", "prepared"]

KINDS = ("added", "removed", "changed")
KEY, PLACE, NAME = "#key", "#place", "#name"
CHANGES = pa.schema(
    [
        ("gid", pa.string()),
        ("name", pa.string()),
        ("change", pa.int8()),
        ("column", pa.string()),
        ("before", pa.string()),
        ("after", pa.string()),
        ("place", pa.int64()),
        ("order", pa.int32()),
    ]
)
"""`change` by its place in `KINDS`; `place` and `order` say where the row belongs."""


class Pair(NamedTuple):
    """A column of the new side and what it is on the old one.

    Parameters
    ----------
    column
        Its name in the result.
    old, new
        Its name on each side, None where there is none: nothing is there then.
    type
        Holds the values of both.
    any_order
        Whether the order of its lists of texts means nothing.
    gid
        The place of the pair whose gid says whether this one, a name, is of interest.
    """

    column: str
    old: str | None
    new: str | None
    type: pa.DataType
    any_order: bool
    gid: int | None = None


def pairs_of(
    old: pa.Schema,
    new: pa.Schema,
    fields: tuple[dict[str, str], dict[str, str]],
    columns: Sequence[str] | None,
    ignore: Sequence[str],
) -> list[Pair]:
    """Return which columns meet, in the order of the new side, then of the old one.

    Parameters
    ----------
    old, new
        The columns of each side, in plain types.
    fields
        Of each side, the gids of custom fields by column.
    columns, ignore
        The columns that are wanted, all for None, and those that are not.
    """
    wanted = [
        (here, there)
        for here, there in _matched(old.names, new.names, *fields)
        if _wanted(here or there or "", columns, ignore)
        or _wanted(there or here or "", columns, ignore)
    ]
    names = [there or here or "" for here, there in wanted]
    kept = [n for n, name in enumerate(names) if not _is_type_of(name, names)]
    places = {names[n]: place for place, n in enumerate(kept)}
    pairs = []
    for n in kept:
        column, (here, there) = names[n], wanted[n]
        type_ = common_type(
            old.field(here).type if here else pa.null(),
            new.field(there).type if there else pa.null(),
        )
        stem, _, leaf = column.rpartition(".")
        pairs.append(
            Pair(
                column,
                here,
                there,
                type_ or pa.string(),
                column.startswith("custom_fields"),
                places.get(f"{stem}.gid") if leaf in LABELS else None,
            )
        )
    return pairs


def _is_type_of(column: str, names: Sequence[str]) -> bool:
    """Whether a column says of what type the object is whose gid stands beside it."""
    stem, _, leaf = column.rpartition(".")
    return leaf == "resource_type" and f"{stem}.gid" in names


def _matched(
    old: Sequence[str], new: Sequence[str], old_gids: dict[str, str], new_gids: dict[str, str]
) -> Iterator[tuple[str | None, str | None]]:
    """Yield the columns of both sides that are the same: custom fields by gid, else by name."""
    by_gid = {gid: column for column, gid in old_gids.items()}
    left = dict.fromkeys(old)
    for column in new:
        gid = new_gids.get(column)
        here = by_gid.get(gid) if gid is not None else None
        if here is None and column in left and (gid is None or column not in old_gids):
            here = column
        left.pop(here, None)  # type: ignore[arg-type]
        yield here, column
    yield from ((column, None) for column in left)


def _wanted(column: str, columns: Sequence[str] | None, ignore: Sequence[str]) -> bool:
    if column in ("gid", "resource_type") or is_one_of(column, ignore):
        return False
    return columns is None or is_one_of(column, columns)


def is_one_of(column: str, names: Iterable[str]) -> bool:
    """Whether a column is one of these, or in one of them: ``assignee.gid`` is in ``assignee``."""
    return any(column == name or column.startswith(f"{name}.") for name in names)


def prepared(table: pa.Table, pairs: Sequence[Pair], side: str, place: int) -> pa.Table:
    """Return the rows of one side with their key, their places, and a column for each pair.

    Parameters
    ----------
    table
        With a column ``gid``, and the pairs' columns of this side.
    pairs
        What meets.
    side
        ``"old"`` or ``"new"``.
    place
        Of the first row, on its side.
    """
    columns: dict[str, pa.Array] = {}
    for number, pair in enumerate(pairs):
        name = getattr(pair, side)
        if name is not None:
            columns[str(number)] = _as_type(_whole(table[name]), pair)
    gids = _whole(table["gid"])
    names = _whole(table["name"]) if "name" in table.column_names else pa.nulls(len(table))
    head = {
        "gid": gids,
        KEY: _keys(gids, pairs, columns),
        PLACE: pa.array(np.arange(place, place + len(table))),
        NAME: texts(names).cast(pa.string()),
    }
    return pa.table(head | columns)


def _as_type(array: pa.Array, pair: Pair) -> pa.Array:
    if pair.type == pa.string():
        return texts(array, any_order=pair.any_order).cast(pa.string())
    return conform(array, pair.type)


def _whole(column: pa.ChunkedArray) -> pa.Array:
    whole = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
    return pa.concat_arrays(whole.chunks) if isinstance(whole, pa.ChunkedArray) else whole


def _keys(gids: pa.Array, pairs: Sequence[Pair], columns: dict[str, pa.Array]) -> pa.Array:
    """Return the gids; of a row without one, all that it says, as JSON."""
    if not gids.null_count:
        return gids
    without = pc.is_null(gids)
    said = {
        pairs[int(number)].column: texts(
            array.filter(without), any_order=pairs[int(number)].any_order
        ).to_pylist()
        for number, array in columns.items()
        if pairs[int(number)].gid is None
    }
    rows = zip(*said.values(), strict=True) if said else [()] * gids.null_count
    bodies = [
        orjson.dumps({name: text for name, text in zip(said, row, strict=True) if text is not None})
        for row in rows
    ]
    keys = pa.array([body.decode() for body in bodies], pa.string())
    place = np.cumsum(without.to_numpy(zero_copy_only=False)) - 1
    return pc.coalesce(gids, keys.take(pa.array(np.maximum(place, 0))))


def changes(old: pa.Table, new: pa.Table, pairs: Sequence[Pair]) -> tuple[pa.Table, int]:
    """Return what is different between prepared rows, and how many are the same.

    Of rows with the same key on one side the last is taken. Keys do not need to be in order.
    """
    old, new = _last_of_each(old), _last_of_each(new)
    found = pc.index_in(_whole(new[KEY]), value_set=_whole(old[KEY]))
    at = pc.fill_null(found, -1).to_numpy().astype(np.int64)
    gone = np.ones(len(old), bool)
    gone[at[at >= 0]] = False
    parts = [
        _whole_rows(new, np.flatnonzero(at < 0), "added"),
        _whole_rows(old, np.flatnonzero(gone), "removed"),
    ]
    both = np.flatnonzero(at >= 0)
    touched = np.zeros(len(both), bool)
    for part, mask in _cells(_Matched(old, new, at[both], both), pairs):
        touched |= mask
        parts.append(part)
    return pa.concat_tables(parts), int((~touched).sum())


def _last_of_each(table: pa.Table) -> pa.Table:
    codes = _whole(table[KEY]).dictionary_encode()
    if len(codes.dictionary) == len(table):
        return table
    last = np.empty(len(codes.dictionary), np.int64)
    last[codes.indices.to_numpy()] = np.arange(len(table))
    return table.take(pa.array(np.sort(last)))


def _whole_rows(table: pa.Table, rows: np.ndarray, change: str) -> pa.Table:
    some = table.select(["gid", NAME, KEY, PLACE]).take(pa.array(rows))
    said = pc.if_else(pc.is_null(some["gid"]), some[KEY], pa.scalar(None, pa.string()))
    nothing = pa.nulls(len(rows), pa.string())
    before, after = (said if change == kind else nothing for kind in ("removed", "added"))
    return _rows(some, change, (nothing, before, after), -1)


def _rows(rows: pa.Table, change: str, cells: Sequence[pa.Array], order: int) -> pa.Table:
    """Return rows of the result; `cells` are column, before and after."""
    kinds = pa.array(np.full(len(rows), KINDS.index(change), np.int8))
    orders = pa.array(np.full(len(rows), order, np.int32))
    columns = [rows["gid"], rows[NAME], kinds, *cells, rows[PLACE], orders]
    return pa.table(columns, schema=CHANGES)


class _Matched(NamedTuple):
    """Rows of both sides that have the same key."""

    old: pa.Table
    new: pa.Table
    here: np.ndarray
    there: np.ndarray


def _cells(matched: _Matched, pairs: Sequence[Pair]) -> Iterator[tuple[pa.Table, np.ndarray]]:
    """Yield for each pair of columns what changed in matched rows, and in which."""
    gids = {pair.gid for pair in pairs if pair.gid is not None}
    by_gid = {number: _mask(matched, number, pairs[number]) for number in gids}
    heads = matched.new.select(["gid", NAME, PLACE])
    for number, pair in enumerate(pairs):
        mask = by_gid[number] if number in by_gid else _mask(matched, number, pair)
        if pair.gid is not None:
            mask &= by_gid[pair.gid]
        rows = np.flatnonzero(mask)
        if not len(rows):
            continue
        places = matched.there[rows]
        old = _taken(matched.old, number, matched.here[rows], pair)
        new = _taken(matched.new, number, places, pair)
        before, after = (texts(side, any_order=pair.any_order) for side in (old, new))
        column = pa.array([pair.column] * len(rows), pa.string())
        some = heads.take(pa.array(places))
        yield _rows(some, "changed", (column, before, after), number), mask


def _mask(matched: _Matched, number: int, pair: Pair) -> np.ndarray:
    old = _taken(matched.old, number, matched.here, pair)
    new = _taken(matched.new, number, matched.there, pair)
    return differ(old, new, any_order=pair.any_order)


def _taken(table: pa.Table, number: int, rows: np.ndarray, pair: Pair) -> pa.Array:
    name = str(number)
    if name not in table.column_names:
        return pa.nulls(len(rows), pair.type)
    return _whole(table[name]).take(pa.array(rows))
