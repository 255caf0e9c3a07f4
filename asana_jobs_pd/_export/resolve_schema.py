"""The columns of a load, resolved once everything has been scanned."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Collection, Iterator, Sequence

import msgspec
import pyarrow as pa

from asana_jobs_pd._decode.columns import type_of
from asana_jobs_pd._decode.decoders import unspelled
from asana_jobs_pd._decode.field_values import SCAN_TYPES, VALUE_KEYS
from asana_jobs_pd._decode.scan_result import (
    Definition,
    Issue,
    KnownFields,
    ReadOptions,
    ScanResult,
    label,
    spec_of,
)
from asana_jobs_pd._decode.schema import MAX_KEYS, SCHEMA, Node, Spec, node_of, settled
from asana_jobs_pd.errors import InvalidFieldError

_MANY_KEYS = f"more than {MAX_KEYS:,} different keys that are not documented: kept as JSON"


class Field(msgspec.Struct):
    """A custom field with its column."""

    gid: str | None
    name: str | None
    column: str
    time_column: str | None
    kind: str
    representation: str | None
    precision: int | None
    format: str | None
    currency: str | None
    options: list[str] | None
    from_display: bool

    @property
    def source(self) -> str:
        """The scanned column that has its values."""
        return self.kind if self.kind in VALUE_KEYS else "display"

    @property
    def type(self) -> pa.DataType:
        """The Arrow type of its column."""
        if self.kind == "enum":
            return pa.dictionary(pa.int32(), pa.string())
        return SCAN_TYPES[self.source]


class ResolvedSchema(msgspec.Struct):
    """The columns of a load."""

    options: ReadOptions
    roots: dict[str, Node]
    fields: list[Field]
    of_type: dict[str, list[int]]
    issues: list[Issue]
    positions: dict[str, int] = {}

    def named(self, issue: Issue) -> Issue:
        """Return an issue with the name of the column instead of the label of the custom field."""
        prefix = label("")
        if issue.column is None:
            return issue
        if not issue.column.startswith(prefix):
            return msgspec.structs.replace(issue, column=unspelled(issue.column))
        key = issue.column.removeprefix(prefix)
        position = self.positions.get(key)
        name = key.rpartition("\0")[2]
        column = f"custom_fields [{name}]" if position is None else self.fields[position].column
        return msgspec.structs.replace(issue, column=column)


def resolve_schema(learned: ScanResult, options: ReadOptions) -> ResolvedSchema:
    """Return the columns for everything that was learned in the scans.

    A custom field has the name and kind of its last definition in the order of the files;
    definitions that state their kind have priority.
    """
    roots = {
        name: settled(root, spec_of(name, options)) for name, root in sorted(learned.roots.items())
    }
    known = KnownFields()
    for part in learned.known.values():
        known = known.merged(part)
    groups: dict[str, list[Definition]] = {}
    main_keys = _main_keys(known.definitions)
    for definition in sorted(known.definitions, key=lambda one: (one.first, repr(one.identity))):
        groups.setdefault(main_keys[definition.key], []).append(definition)
    fields = [_field(group, known) for group in groups.values()]
    taken = {column.casefold() for root in roots.values() for column, _ in plain_columns(root)}
    _name_columns(fields, taken)
    place = {key: position for position, key in enumerate(groups)}
    positions = {key: place[main] for key, main in main_keys.items()}
    of_type = {
        name: sorted({positions[one.key] for one in part.definitions if one.key in positions})
        for name, part in learned.known.items()
    }
    changes = [
        issue
        for field, group in zip(fields, groups.values(), strict=True)
        for issue in _changes(field, group)
    ]
    kept = [
        Issue(*node.first[:2], name, None, column, None, _MANY_KEYS)
        for name, root in roots.items()
        for column, node in _wide(root, "")
    ]
    return ResolvedSchema(options, roots, fields, of_type, kept + changes, positions)


def _wide(node: Node, column: str) -> Iterator[tuple[str, Node]]:
    """Yield the columns that are kept as JSON because there are too many keys."""
    if node.wide and node.kind == "json":
        yield column, node
    for key, child in node.keys.items():
        yield from _wide(child, f"{column}.{key}" if column else key)
    if node.item is not None:
        yield from _wide(node.item, f"{column}[]")


def _main_keys(definitions: list[Definition]) -> dict[str, str]:
    """Map each key to the key whose column it shares.

    A field without a gid is the same as the field with a gid, the same name and the same kind, if
    there is exactly one; if it has no kind either, it is the only field with that name.
    """
    main = {definition.key: definition.key for definition in definitions}
    with_kind = [definition for definition in definitions if definition.kind]
    by_kind: dict[tuple[str | None, str], set[str]] = {}
    for definition in with_kind:
        if definition.gid is not None:
            by_kind.setdefault((definition.name, definition.kind), set()).add(definition.key)
    for definition in with_kind:
        keys = by_kind.get((definition.name, definition.kind), set())
        if definition.gid is None and len(keys) == 1:
            main[definition.key] = min(keys)
    by_name: dict[str | None, set[str]] = {}
    for definition in with_kind:
        by_name.setdefault(definition.name, set()).add(main[definition.key])
    for definition in definitions:
        keys = by_name.get(definition.name, set())
        if definition.gid is None and not definition.kind and len(keys) == 1:
            main[definition.key] = min(keys)
    return main


def _field(group: list[Definition], known: KnownFields) -> Field:
    """Return the field for its definitions; its column is named later."""
    rank = max(definition.rank for definition in group)
    ordered = sorted(group, key=lambda one: (one.rank == rank, one.last, repr(one.identity)))
    last = ordered[-1]
    detailed = [
        definition
        for definition in ordered
        if definition.kind == last.kind
        and (definition.format, definition.precision, definition.currency) != (None, None, None)
    ]
    detail = detailed[-1] if detailed else last
    keys = {definition.key for definition in group}
    return Field(
        next((one.gid for one in group if one.gid is not None), None),
        next((one.name for one in reversed(ordered) if one.name is not None), None),
        "",
        "" if last.kind == "date" and keys & known.timed else None,
        last.kind,
        next((one.representation for one in reversed(ordered) if one.representation), None),
        detail.precision,
        detail.format,
        detail.currency,
        _options(known, keys) if last.kind in ("enum", "multi_enum") else None,
        bool(keys & known.displayed),
    )


def _options(known: KnownFields, keys: Collection[str]) -> list[str]:
    """Return the names of options: from the last list, then earlier lists, then values."""
    lists = sorted((pair for key in keys for pair in known.options.get(key, ())), reverse=True)
    used = {name for key in keys for name in known.used.get(key, ())}
    names = [name for _, list_ in lists for name in list_]
    return list(dict.fromkeys([*names, *sorted(used)]))


def _name_columns(fields: list[Field], taken: set[str]) -> None:
    """Give every field its own column; names that differ only in case count as the same.

    If the plain name is not unique, the gid is added, or the kind of a field without one.
    """
    taken = taken | {"custom_fields"}
    for field in fields:
        field.column = "custom_fields" if field.name is None else f"custom_fields.{field.name}"
    marked: set[int] = set()
    while True:
        counts = Counter([*taken, *(field.column.casefold() for field in fields)])
        shared = [
            number
            for number, field in enumerate(fields)
            if number not in marked and counts[field.column.casefold()] > 1
        ]
        if not shared:
            break
        for number in shared:
            field = fields[number]
            field.column += f" [{field.kind if field.gid is None else field.gid}]"
        marked.update(shared)
    for field in fields:
        field.column = _unique(field.column, taken)
    for field in fields:
        if field.time_column is not None:
            field.time_column = _unique(f"{field.column}.date_time", taken)


def _unique(name: str, taken: set[str]) -> str:
    """Return a name, with a number if it is already taken, and reserve it."""
    number, unique = 1, name
    while unique.casefold() in taken:
        number += 1
        unique = f"{name} ({number})"
    taken.add(unique.casefold())
    return unique


def _changes(field: Field, definitions: list[Definition]) -> Iterator[Issue]:
    for definition in definitions:
        for old, new, what in (
            (definition.name, field.name, "name"),
            (definition.kind, field.kind, "type"),
        ):
            if old and old != new:
                yield Issue(
                    *definition.first,
                    None,
                    field.gid,
                    field.column,
                    old,
                    f"the {what} of a custom field that later is {new!r}; the last one is used",
                )


def plain_columns(root: Node) -> list[tuple[str, Node]]:
    """Return the columns of a type of row, without custom fields, by unique name."""
    taken: set[str] = set()
    return [
        (_unique(unspelled(name), taken), node)
        for key, child in root.keys.items()
        if child.kind != "custom_fields"
        for name, node in _flat(key, child)
    ]


def _flat(name: str, node: Node) -> Iterator[tuple[str, Node]]:
    if node.kind != "object":
        yield name, node
    for key, child in node.keys.items() if node.kind == "object" else ():
        yield from _flat(f"{name}.{key}", child)


def schema_of(schema: ResolvedSchema, resource_type: str) -> pa.Schema:
    """Return the final schema of a type of row, which `pivoted` returns."""
    columns = {column: type_of(node) for column, node in plain_columns(schema.roots[resource_type])}
    if schema.options.custom_fields == "columns":
        for number in schema.of_type[resource_type]:
            field = schema.fields[number]
            columns[field.column] = field.type
            if field.time_column is not None:
                columns[field.time_column] = SCAN_TYPES["date_time"]
    requested = [name for name in columns if is_requested(name, schema)]
    order = in_order(requested, schema.options.columns)
    return pa.schema([(name, columns[name]) for name in order])


def documented_schema(resource_type: str, options: ReadOptions) -> pa.Schema | None:
    """Return the final schema of a type that has no rows; None if it is undocumented."""
    if resource_type not in SCHEMA:
        return None
    spec = spec_of(resource_type, options)
    root = settled(_documented(spec), spec)
    if options.custom_fields == "raw" and "custom_fields" in SCHEMA[resource_type]:
        root.keys["custom_fields"] = Node("list", item=Node("json"))
    roots = {resource_type: root}
    return schema_of(ResolvedSchema(options, roots, [], {resource_type: []}, []), resource_type)


def _documented(spec: Spec, key: str = "") -> Node:
    if isinstance(spec, dict):
        keys = {name: _documented(inner, name) for name, inner in spec.items()}
        return Node("object", keys=keys)
    if isinstance(spec, list):
        return Node("list", item=_documented(spec[0]))
    return node_of(spec, key)


def check_columns(schema: ResolvedSchema) -> None:
    """Raise `InvalidFieldError` if no type of row has a requested column."""
    if schema.options.columns is None or not schema.roots:
        return
    existing: set[str] = {"custom_fields"}
    for name in schema.roots:
        existing |= {*schema_of(schema, name).names, *SCHEMA.get(name, {})}
    for column in schema.options.columns:
        if not any(_is_in(name, column) for name in existing):
            raise InvalidFieldError(f"columns: {not_a_column(column, existing, schema.fields)}")


def not_a_column(column: str, existing: Collection[str], fields: Sequence[Field] = ()) -> str:
    """Return a message that there is no such column, with the most similar ones."""
    named = [repr(field.column) for field in fields if column == f"custom_fields.{field.name}"]
    if named:
        return f"{column!r} is the name of {len(named)} custom fields; give {' or '.join(named)}."
    near = difflib.get_close_matches(column, sorted({*existing, *(f.column for f in fields)}), 1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    if not near and not column.startswith("custom_fields"):  # the others were not read
        hint = f" If it is a custom field, give {f'custom_fields.{column}'!r}."
    return f"no row has {column!r}.{hint}"


def is_requested(column: str, schema: ResolvedSchema) -> bool:
    requested = schema.options.columns
    return requested is None or any(_is_in(column, name) for name in requested)


def _is_in(column: str, name: str) -> bool:
    return column == name or column.startswith(f"{name}.")


def in_order(columns: Sequence[str], requested: tuple[str, ...] | None) -> Sequence[str]:
    if requested is None:
        return columns
    return sorted(
        columns, key=lambda column: [_is_in(column, name) for name in requested].index(True)
    )
