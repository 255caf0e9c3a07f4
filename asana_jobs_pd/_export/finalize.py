"""From the batches of a scan to tables with the columns of the whole load."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from asana_jobs_pd._decode.columns import TYPES, Rows, array_of, type_of
from asana_jobs_pd._decode.custom_fields import INTERIM, label
from asana_jobs_pd._decode.decoders import MALFORMED, build, decoder_of, shape_of
from asana_jobs_pd._decode.inferred_schema import Node
from asana_jobs_pd._decode.row_reader import LINE
from asana_jobs_pd._decode.scan import Batch
from asana_jobs_pd._decode.scan_result import Definition, Issue, abbreviate
from asana_jobs_pd._decode.schema import SCHEMA
from asana_jobs_pd._export.resolve_schema import Field, ResolvedSchema, flat_columns
from asana_jobs_pd.errors import InvalidFieldError

__all__ = [
    "check_columns",
    "conformed",
    "long_values",
    "long_values_of_none",
    "pivoted",
    "schema_of",
]

FIELDS = "#custom_fields"
_FIELDS_TYPE = pa.list_(pa.struct([("field", pa.int32()), *INTERIM.items()]))
_LONG = {
    "text": "text_value",
    "number": "number_value",
    "enum": "enum_value",
    "multi_enum": "multi_enum_values",
    "date": "date_value",
    "people": "people_value",
    "reference": "reference_value",
    "display": "display_value",
}


def conformed(
    batch: Batch,
    definitions: Sequence[Definition],
    settled: ResolvedSchema,
    tell: Callable[[Issue], None],
) -> pa.Table:
    """Return a batch with the load's columns but for custom fields, which stay lists.

    Parameters
    ----------
    batch
        Of a scanner.
    definitions
        What the same scanner knows of this type of row: `learned.known[…].definitions`.
    settled
        The columns of the load.
    tell
        Is told of what does not fit, now that it is known what should be there.
    """
    name, table, (file, _, _) = batch
    lines = table.column(LINE).to_numpy()
    gids = table.column("gid")
    rows = Rows(
        lambda place: (file, int(lines[place])),
        lambda place, *what: tell(Issue(file, int(lines[place]), name, gids[place].as_py(), *what)),
    )
    found = dict(zip(table.schema.names, table.columns, strict=True))
    columns: dict[str, pa.Array] = {}
    for key, node in settled.roots[name].keys.items():
        if node.kind == "custom_fields":
            columns[FIELDS] = _recoded(found.get(key), len(lines), definitions, settled, rows)
        elif key == "resource_type":
            columns[key] = pa.array([name] * len(lines), pa.string())
        else:
            array = _conform(node, found.get(key), len(lines), key, rows)
            for column, part in _flat(key, array):
                columns[_free(column, columns)] = part
    return pa.table(columns)


def _free(column: str, taken: dict[str, pa.Array]) -> str:
    return column if column not in taken else _free(f"{column} (2)", taken)


def _flat(name: str, array: pa.Array) -> Iterator[tuple[str, pa.Array]]:
    if not pa.types.is_struct(array.type):
        yield name, array
        return
    for field, child in zip(array.type, array.flatten(), strict=True):
        yield from _flat(f"{name}.{field.name}", child)


def _conform(node: Node, array: pa.Array | None, rows: int, column: str, where: Rows) -> pa.Array:
    if array is None:
        return pa.nulls(rows, type_of(node))
    if array.type == TYPES["raw"]:
        return _parsed(node, array, column, where)
    if node.kind == "object":
        there = dict(zip((field.name for field in array.type), array.flatten(), strict=True))
        children = [
            _conform(child, there.get(key), rows, f"{column}.{key}", where)
            for key, child in node.keys.items()
        ]
        mask = array.is_null() if array.null_count else None
        return pa.StructArray.from_arrays(children, list(node.keys), mask=mask)
    if node.kind == "list" and array.type != type_of(node):
        assert node.item is not None
        offsets = array.offsets
        inside = where.inside(offsets.to_pylist())
        items = _conform(node.item, array.values, len(array.values), f"{column}[]", inside)
        mask = array.is_null() if array.null_count else None
        return pa.ListArray.from_arrays(offsets, items, mask=mask)
    return array


def _parsed(node: Node, array: pa.Array, column: str, where: Rows) -> pa.Array:
    """Return what was kept as JSON as what it turned out to be."""
    shape = shape_of(node)
    nothing = msgspec.Raw(b"") if node.kind == "json" else None
    decode = decoder_of(shape.type)
    values: list[Any] = []
    for place, text in enumerate(array.to_pylist()):
        if text is None:
            values.append(nothing)
            continue
        try:
            values.append(msgspec.Raw(text) if node.kind == "json" else decode(text))
        except MALFORMED:

            def report(*what: str, place: int = place) -> None:
                where.misfit(place, *what)

            values.append(build(shape, text, column, report))
    return array_of(shape, values, column, where)


def _recoded(
    array: pa.Array | None,
    rows: int,
    definitions: Sequence[Definition],
    settled: ResolvedSchema,
    where: Rows,
) -> pa.Array:
    """Return custom fields with places in `settled.fields` for codes, -1 for another kind."""
    if array is None:
        return pa.nulls(rows, _FIELDS_TYPE)
    place = {field.gid: number for number, field in enumerate(settled.fields)}
    to = np.array([place[one.gid] for one in definitions] or [-1], np.int32)
    sources = [one.kind if one.kind in INTERIM else "display" for one in definitions]
    items = array.values
    codes = items.field("definition").to_numpy()
    for code, (one, source) in enumerate(zip(definitions, sources, strict=True)):
        if source != settled.fields[to[code]].source:
            to[code] = -1
            inside = where.inside(array.offsets.to_pylist())
            for at in np.flatnonzero(codes == code).tolist():
                value = items.field(source)[at].as_py()
                if value is not None:
                    reason = f"of type {one.kind}, where the custom field has another now"
                    inside.misfit(at, label(one.gid), abbreviate(str(value)), reason)
    children = [items.field(kind) for kind in INTERIM]
    again = pa.StructArray.from_arrays(
        [pa.array(to[codes], pa.int32()), *children], ["field", *INTERIM]
    )
    return pa.ListArray.from_arrays(array.offsets, again)


def schema_of(settled: ResolvedSchema, resource_type: str) -> pa.Schema:
    """Return the final schema of a type of row, as `pivoted` gives it."""
    columns: dict[str, pa.DataType] = {}
    for key, node in settled.roots[resource_type].keys.items():
        if node.kind != "custom_fields":
            for column, leaf in flat_columns(Node("object", keys={key: node})):
                columns[_free(column, columns)] = type_of(leaf)
    if settled.options.custom_fields == "columns":
        for number in settled.of_type[resource_type]:
            field = settled.fields[number]
            columns[field.column] = _final_type(field)
    asked = [name for name in columns if _asked(name, settled)]
    order = _in_order(asked, settled.options.columns)
    return pa.schema([(name, columns[name]) for name in order])


def pivoted(table: pa.Table, settled: ResolvedSchema, resource_type: str) -> pa.Table:
    """Return a conformed table, or several of them in one, with a column for each custom field.

    Only the columns that were asked for.
    """
    columns = {
        name: table[name] for name in table.column_names if name != FIELDS and _asked(name, settled)
    }
    if FIELDS in table.column_names and settled.options.custom_fields == "columns":
        wanted = [
            number
            for number in settled.of_type[resource_type]
            if _asked(settled.fields[number].column, settled)
        ]
        columns |= _field_columns(_lists_of(table), len(table), wanted, settled.fields)
    order = _in_order(columns, settled.options.columns)
    return pa.table({name: columns[name] for name in order})


def _lists_of(table: pa.Table) -> pa.ListArray:
    """Return the custom fields of a table in one piece."""
    if FIELDS not in table.column_names or not len(table):
        return pa.nulls(len(table), _FIELDS_TYPE)
    lists = table[FIELDS].combine_chunks()
    return lists.chunk(0) if isinstance(lists, pa.ChunkedArray) else lists


def _field_columns(
    lists: pa.ListArray, rows: int, wanted: Iterable[int], fields: Sequence[Field]
) -> dict[str, pa.Array]:
    items = lists.values
    offsets = lists.offsets.to_numpy()
    row_of = np.repeat(np.arange(rows), np.diff(offsets))
    codes = items.field("field").to_numpy()[offsets[0] : offsets[-1]] if len(items) else np.empty(0)
    order = np.argsort(codes, kind="stable")
    bounds = np.searchsorted(codes[order], np.arange(len(fields) + 1))
    columns = {}
    for number in wanted:
        at = order[bounds[number] : bounds[number + 1]]
        source = np.full(rows, -1, np.int64)
        source[row_of[at]] = at + offsets[0]
        take = pa.array(source, mask=source < 0)
        columns[fields[number].column] = _values(fields[number], items, take)
    return columns


def _values(field: Field, items: pa.StructArray, take: pa.Array) -> pa.Array:
    values = items.field(field.source).take(take)
    if field.shows:
        values = pc.coalesce(values, items.field("display").take(take))
    if field.kind != "enum":
        return values
    options = pa.array(field.options or [], pa.string())
    places = pc.index_in(values, value_set=options).cast(pa.int32())
    return pa.DictionaryArray.from_arrays(places, options)


def long_values(table: pa.Table, settled: ResolvedSchema, resource_type: str) -> pa.Table:
    """Return the custom fields of a conformed table, one row a value, in the order of the rows."""
    lists = _lists_of(table)
    items = lists.values
    there = pc.greater_equal(items.field("field"), 0)
    row_of = np.repeat(np.arange(len(table)), np.diff(lists.offsets.to_numpy()))
    places = items.field("field").filter(there)
    gids = table["gid"].combine_chunks()
    columns = {
        "resource_type": pa.array([resource_type] * len(places), pa.string()),
        "gid": gids.take(pa.array(row_of).filter(there)),
    }
    for name, attribute in (("gid", "gid"), ("name", "name"), ("type", "kind")):
        known = pa.array([getattr(one, attribute) for one in settled.fields], pa.string())
        columns[f"custom_field.{name}"] = known.take(places)
    for kind, name in _LONG.items():
        columns[name] = items.field(kind).filter(there)
    return pa.table(columns)


def long_values_of_none(settled: ResolvedSchema) -> pa.Table:
    """Return the same of no rows at all."""
    nothing = pa.table({"gid": pa.nulls(0, pa.string())})
    return long_values(nothing, settled, "")


def check_columns(settled: ResolvedSchema) -> None:
    """Raise when a column that was asked for is in no type of row.

    Raises
    ------
    InvalidFieldError
        With the nearest one that is.
    """
    if settled.options.columns is None or not settled.roots:
        return
    there: set[str] = {"custom_fields"}
    for name in settled.roots:
        there |= {*schema_of(settled, name).names, *SCHEMA.get(name, {})}
    for column in settled.options.columns:
        if not any(one == column or one.startswith(f"{column}.") for one in there):
            near = difflib.get_close_matches(column, sorted(there), 1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise InvalidFieldError(f"columns: no row has {column!r}.{hint}")


def _final_type(field: Field) -> pa.DataType:
    if field.kind == "enum":
        return pa.dictionary(pa.int32(), pa.string())
    return INTERIM[field.source]


def _asked(column: str, settled: ResolvedSchema) -> bool:
    asked = settled.options.columns
    return asked is None or any(column == one or column.startswith(f"{one}.") for one in asked)


def _in_order(columns: Iterable[str], asked: tuple[str, ...] | None) -> list[str]:
    if asked is None:
        return list(columns)

    def place(column: str) -> int:
        return next(
            n for n, one in enumerate(asked) if column == one or column.startswith(f"{one}.")
        )

    return sorted(columns, key=place)
