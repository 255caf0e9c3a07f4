"""Makes final tables, with the columns of the whole load, from the batches of a scan."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from asana_jobs_pd._decode.columns import TYPES, Rows, array_of, parsed_texts, pool, type_of
from asana_jobs_pd._decode.decoders import (
    MALFORMED,
    REST,
    build,
    decoder_of,
    json_object,
    shape_of,
    unspelled,
)
from asana_jobs_pd._decode.field_values import SCAN_TYPES, VALUE_KEYS, stand_in_value
from asana_jobs_pd._decode.scan import DIGEST, LINE, Batch
from asana_jobs_pd._decode.scan_result import (
    Definition,
    Issue,
    abbreviate,
    label,
)
from asana_jobs_pd._decode.schema import OTHER_KEYS, Node
from asana_jobs_pd._export.resolve_schema import (
    Field,
    ResolvedSchema,
    in_order,
    is_requested,
    plain_columns,
)

FIELDS = '"custom_fields"'
"""No key of a row can have quotes."""
_VALUES = {kind: type_ for kind, type_ in SCAN_TYPES.items() if kind != "stand_in"}
_FIELDS_TYPE = pa.list_(pa.struct([("field", pa.int32()), *_VALUES.items()]))
_NO_VALUE = (None, None)
_MAX_BINS = 1 << 22
_LONG = VALUE_KEYS | {"date_time": "date_value.date_time", "display": "display_value"}


def conformed(
    batch: Batch,
    definitions: Sequence[Definition],
    schema: ResolvedSchema,
    report: Callable[[Issue], None],
) -> pa.Table:
    """Return a batch with the columns of the load, but custom fields, which stay lists.

    `definitions` are those that the same scanner knows for this type of row.
    """
    name, table, (file, _, _) = batch
    lines = table.column(LINE).to_numpy()
    gids = table.column("gid")
    rows = Rows(
        lambda position: (file, int(lines[position])),
        lambda position, *misfit: report(
            Issue(file, int(lines[position]), name, gids[position].as_py(), *misfit)
        ),
    )
    given = dict(zip(table.schema.names, table.columns, strict=True))
    del given[DIGEST]  # bytes that are not JSON
    root = schema.roots[name]
    if root.wide:
        given[OTHER_KEYS] = _other_keys(root, given, len(lines))
    arrays: list[pa.Array] = []
    for key, node in root.keys.items():
        if key == "resource_type":
            arrays.append(pool.array([name] * len(lines), pa.string()))
        elif node.kind != "custom_fields":
            arrays += _leaves(_conform(node, given.get(key), len(lines), key, rows))
    columns = dict(zip((column for column, _ in plain_columns(root)), arrays, strict=True))
    if any(node.kind == "custom_fields" for node in root.keys.values()):
        fields = given.get("custom_fields")
        columns[FIELDS] = _recoded(fields, len(lines), definitions, schema, rows)
    return pa.table(columns)


def _leaves(array: pa.Array) -> Iterator[pa.Array]:
    if not pa.types.is_struct(array.type):
        yield array
        return
    for child in array.flatten():
        yield from _leaves(child)


def _conform(node: Node, array: pa.Array | None, length: int, column: str, rows: Rows) -> pa.Array:
    if array is None:
        return pool.nulls(length, type_of(node))
    if array.type == TYPES["raw"]:
        return _parsed(node, array, column, rows)
    if node.kind == "object":
        given = dict(zip((field.name for field in array.type), array.flatten(), strict=True))
        if node.wide:
            given[OTHER_KEYS] = _other_keys(node, given, length)
        children = [
            _conform(child, given.get(unspelled(key)), length, f"{column}.{key}", rows)
            for key, child in node.keys.items()
        ]
        mask = array.is_null() if array.null_count else None
        names = list(map(unspelled, node.keys))
        return pa.StructArray.from_arrays(children, names, mask=mask)
    if node.kind == "list" and array.type != type_of(node):
        assert node.item is not None
        offsets = array.offsets
        inside = rows.inside(offsets.to_pylist())
        items = _conform(node.item, array.values, len(array.values), f"{column}[]", inside)
        mask = array.is_null() if array.null_count else None
        return pa.ListArray.from_arrays(offsets, items, mask=mask)
    return array


def _other_keys(node: Node, given: dict[str, pa.Array], length: int) -> pa.Array:
    """Return the keys of a wide object that have no column, as JSON objects.

    Batches from before it was known to be wide have a column for every key.
    """
    if REST in given:
        return given[REST]
    objects: list[dict[str, bytes]] = [{} for _ in range(length)]
    for key in sorted(given.keys() - (node.keys.keys() - {OTHER_KEYS})):
        if given[key].type == TYPES["raw"]:
            for parts, text in zip(objects, given[key].to_pylist(), strict=True):
                if text is not None:
                    parts[key] = text
    return pool.array([bytes(json_object(parts)) or None for parts in objects], pa.string())


def _parsed(node: Node, array: pa.Array, column: str, rows: Rows) -> pa.Array:
    """Return values that were kept as JSON in the type that was resolved for them."""
    shape = shape_of(node)
    is_raw = shape.type is msgspec.Raw
    nothing = msgspec.Raw(b"") if is_raw else None
    decode = msgspec.Raw if is_raw else decoder_of(shape.type)
    values: list[Any] = []
    for position, text in enumerate(array.to_pylist()):
        if text is None:
            values.append(nothing)
            continue
        try:
            values.append(decode(text))
        except MALFORMED:

            def report(*misfit: str, position: int = position) -> None:
                rows.misfit(position, *misfit)

            values.append(build(shape, text, column, report))
    return array_of(shape, values, column, rows)


def _recoded(
    array: pa.Array | None,
    length: int,
    definitions: Sequence[Definition],
    schema: ResolvedSchema,
    rows: Rows,
) -> pa.Array:
    """Return custom fields with positions in `schema.fields` in place of codes; -1 is no field."""
    if array is None:
        return pool.nulls(length, _FIELDS_TYPE)
    offsets = array.offsets
    inside = _Items(array.values, definitions, schema, rows.inside(offsets.to_pylist()))
    inside.report_other_kinds()
    inside.stand_in()
    inside.report_repeated(np.repeat(np.arange(length), np.diff(offsets.to_numpy())))
    items = pa.StructArray.from_arrays(
        [pool.array(inside.fields, pa.int32()), *inside.columns.values()],
        ["field", *inside.columns],
    )
    return pa.ListArray.from_arrays(offsets, items)


class _Items:
    """The custom fields of a batch on their way to the columns of a load."""

    def __init__(
        self,
        items: pa.StructArray,
        definitions: Sequence[Definition],
        schema: ResolvedSchema,
        rows: Rows,
    ) -> None:
        self._codes = items.field("definition").to_numpy()
        self._definitions = definitions
        self._schema = schema
        self._rows = rows
        # The last one is for code -1, which is no field.
        positions = [schema.positions.get(definition.key, -1) for definition in definitions]
        self.fields = np.array([*positions, -1], np.int32)[self._codes]
        self.columns = {kind: items.field(kind) for kind in _VALUES}
        self._stand_ins = items.field("stand_in")

    def _misfit(self, item: int, value: str, reason: str) -> None:
        key = self._definitions[self._codes[item]].key
        self._rows.misfit(item, label(key), abbreviate(value), reason)

    def report_other_kinds(self) -> None:
        """Leave out and report values of a kind that their field no longer has."""
        for code in np.unique(self._codes[self._codes >= 0]).tolist():
            definition = self._definitions[code]
            source = definition.kind if definition.kind in VALUE_KEYS else "display"
            field = self._schema.fields[self._schema.positions[definition.key]]
            if source == field.source:
                continue
            items = np.flatnonzero(self._codes == code)
            if source == "display":  # it is used in place of a value of the field's kind
                texts = pool.take(self.columns["display"], pool.array(items))
                self._stand_ins = _replaced(self._stand_ins, items, texts)
                continue
            self.fields[items] = -1
            for item in items.tolist():
                value = self.columns[source][item].as_py()
                value = self._stand_ins[item].as_py() if value is None else value
                if value is not None:
                    reason = f"of type {definition.kind}, but the custom field has another now"
                    self._misfit(item, str(value), reason)

    def stand_in(self) -> None:
        """Convert the texts that are used in place of values."""
        if self._stand_ins.null_count == len(self._stand_ins):
            return
        valid = self._stand_ins.is_valid().to_numpy(zero_copy_only=False)
        for number in np.unique(self.fields[valid]):
            if number < 0:
                continue
            field = self._schema.fields[number]
            options = frozenset(field.options or ())
            items, values = [], []
            for item in np.flatnonzero(valid & (self.fields == number)).tolist():
                text = self._stand_ins[item].as_py()
                stated = self._definitions[self._codes[item]].kind == field.kind
                try:
                    values.append(stand_in_value(field.kind, text.strip(), options, stated=stated))
                except ValueError as error:
                    self._misfit(item, text, str(error))
                else:
                    items.append(item)
            self._fill(field.kind, np.array(items, np.int64), values)

    def _fill(self, kind: str, items: np.ndarray, values: list[Any]) -> None:
        if kind != "date":
            array = pool.array(values, _VALUES[kind])
            self.columns[kind] = _replaced(self.columns[kind], items, array)
            return
        rows = Rows(self._rows.line, lambda at, _, *misfit: self._misfit(int(items[at]), *misfit))
        for column, part in (("date", 0), ("date_time", 1)):
            texts = [value[part] for value in values]
            array = parsed_texts(texts, "time" if part else "date", "", rows)
            self.columns[column] = _replaced(self.columns[column], items, array)

    def report_repeated(self, row_of: np.ndarray) -> None:
        """Leave out and report all but the last value of a field that a row repeats."""
        keys = row_of * (len(self._schema.fields) + 1) + self.fields
        valid = keys[self.fields >= 0]
        if not len(valid) or (valid.max() < _MAX_BINS and np.bincount(valid).max() == 1):
            return
        order = np.argsort(keys, kind="stable")
        repeated = np.flatnonzero(
            (keys[order][1:] == keys[order][:-1]) & (self.fields[order][1:] >= 0)
        )
        for index in repeated[::-1].tolist():
            earlier, later = int(order[index]), int(order[index + 1])
            value, last = self._value(earlier), self._value(later)
            if last == _NO_VALUE:
                self.fields[later] = -1
                order[index + 1] = earlier
            else:
                self.fields[earlier] = -1
                order[index] = later
                if value not in (_NO_VALUE, last):
                    self._misfit(earlier, str(value[0]), "the row has this custom field again")

    def _value(self, item: int) -> tuple[Any, Any]:
        source = self._schema.fields[self.fields[item]].source
        time = self.columns["date_time"][item].as_py() if source == "date" else None
        return self.columns[source][item].as_py(), time


def _replaced(array: pa.Array, positions: np.ndarray, values: pa.Array) -> pa.Array:
    """Return an array with other values at some positions."""
    source = np.arange(len(array))
    source[positions] = len(array) + np.arange(len(values))
    return pool.take(pool.concat_arrays([array, values]), pool.array(source))


def pivoted(table: pa.Table, schema: ResolvedSchema, resource_type: str) -> pa.Table:
    """Return conformed rows with a column for each custom field, limited to what was requested."""
    columns = {name: table[name] for name in table.column_names if name != FIELDS}
    if FIELDS in table.column_names and schema.options.custom_fields == "columns":
        wanted = [
            number
            for number in schema.of_type[resource_type]
            if is_requested(schema.fields[number].column, schema)
        ]
        columns |= _field_columns(_lists_of(table), len(table), wanted, schema.fields)
    requested = [name for name in columns if is_requested(name, schema)]
    order = in_order(requested, schema.options.columns)
    return pa.table({name: columns[name] for name in order})


def _lists_of(table: pa.Table) -> pa.ListArray:
    """Return the custom fields of a table as one array."""
    if FIELDS not in table.column_names or not len(table):
        return pool.nulls(len(table), _FIELDS_TYPE)
    lists = table[FIELDS].combine_chunks()
    return lists.chunk(0) if isinstance(lists, pa.ChunkedArray) else lists


def _field_columns(
    lists: pa.ListArray, length: int, wanted: Iterable[int], fields: Sequence[Field]
) -> dict[str, pa.Array]:
    items = lists.values
    offsets = lists.offsets.to_numpy()
    row_of = np.repeat(np.arange(length), np.diff(offsets))
    codes = items.field("field").to_numpy()[offsets[0] : offsets[-1]] if len(items) else np.empty(0)
    order = np.argsort(codes, kind="stable")
    bounds = np.searchsorted(codes[order], np.arange(len(fields) + 1))
    columns = {}
    for number in wanted:
        field = fields[number]
        positions = order[bounds[number] : bounds[number + 1]]
        source = np.full(length, -1, np.int64)
        source[row_of[positions]] = positions + offsets[0]
        indices = pool.array(source, mask=source < 0)
        columns[field.column] = _values(field, items, indices)
        if field.time_column is not None:
            columns[field.time_column] = pool.take(items.field("date_time"), indices)
    return columns


def _values(field: Field, items: pa.StructArray, indices: pa.Array) -> pa.Array:
    values = pool.take(items.field(field.source), indices)
    if not pa.types.is_dictionary(field.type):
        return values
    options = pool.array(field.options or [], field.type.value_type)
    numbers = pool.cast(pool.index_in(values, value_set=options), field.type.index_type)
    return pa.DictionaryArray.from_arrays(numbers, options)


def long_values(table: pa.Table, schema: ResolvedSchema, resource_type: str) -> pa.Table:
    """Return the custom fields of a conformed table, one row per value, in row order."""
    lists = _lists_of(table)
    items = lists.values
    is_field = pc.greater_equal(items.field("field"), 0)
    row_of = np.repeat(np.arange(len(table)), np.diff(lists.offsets.to_numpy()))
    numbers = pool.filter_rows(items.field("field"), is_field)
    gids = table["gid"].combine_chunks()
    columns = {
        "resource_type": pool.array([resource_type] * len(numbers), pa.string()),
        "gid": pool.take(gids, pool.filter_rows(pool.array(row_of), is_field)),
    }
    for name, attribute in (("gid", "gid"), ("name", "name"), ("type", "kind")):
        texts = pool.array([getattr(field, attribute) for field in schema.fields], pa.string())
        columns[f"custom_field.{name}"] = pool.take(texts, numbers)
    for kind in _VALUES:
        columns[_LONG[kind]] = pool.filter_rows(items.field(kind), is_field)
    return pa.table(columns)


def long_values_of_none(schema: ResolvedSchema) -> pa.Table:
    """Return the table of `long_values` without rows."""
    return long_values(pa.table({"gid": pool.nulls(0, pa.string())}), schema, "")
