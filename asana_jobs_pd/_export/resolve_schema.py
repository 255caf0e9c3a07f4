"""What all parts of a load have learnt together: the columns, once and for all. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

import msgspec

from asana_jobs_pd._decode.custom_fields import INTERIM
from asana_jobs_pd._decode.inferred_schema import Node, settled
from asana_jobs_pd._decode.scan_result import (
    Definition,
    Issue,
    KnownFields,
    ReadOptions,
    ScanResult,
    spec_of,
)

__all__ = ["Field", "ResolvedSchema", "flat_columns", "resolve_schema"]

_LABEL = re.compile(r"custom_fields:([^.\[]*).*")


class Field(msgspec.Struct):
    """A custom field, settled.

    Parameters
    ----------
    gid, name, kind, representation, precision, format, currency
        As the last definition has them.
    column
        The name of its column.
    options
        Of an enum: the names of its options, in Asana's order.
    """

    gid: str
    name: str | None
    column: str
    kind: str
    representation: str | None
    precision: int | None
    format: str | None
    currency: str | None
    options: list[str] | None

    @property
    def source(self) -> str:
        """Which of the interim values it takes."""
        return self.kind if self.kind in INTERIM else "display"

    @property
    def shows(self) -> bool:
        """Whether a text without a value has one in what is displayed."""
        return self.source == "text" and self.representation in ("formula", "custom_id")


class ResolvedSchema(msgspec.Struct):
    """The columns of a load.

    Parameters
    ----------
    options
        What was asked for.
    roots
        The fields of each type of row, decided.
    fields
        The custom fields, in the order in which they came first.
    of_type
        The places in `fields` of those that a type of row has.
    issues
        What was found in settling: fields that changed their name or kind.
    """

    options: ReadOptions
    roots: dict[str, Node]
    fields: list[Field]
    of_type: dict[str, list[int]]
    issues: list[Issue]

    def named(self, issue: Issue) -> Issue:
        """Return an issue with the name of the column instead of the label of a custom field."""
        match = _LABEL.fullmatch(issue.column or "")
        if match is None:
            return issue
        columns = {field.gid: field.column for field in self.fields}
        column = columns.get(match[1], f"custom_fields [{match[1]}]")
        return msgspec.structs.replace(issue, column=column)


def resolve_schema(learned: ScanResult, options: ReadOptions) -> ResolvedSchema:
    """Return the columns of everything that was learnt, merged before.

    A custom field is called, and has the kind, what its last definition in the order of the files
    says. Its name is that of its column where no other field has it; the gid is added where one
    does.
    """
    roots = {
        name: settled(root, spec_of(name, options)) for name, root in sorted(learned.roots.items())
    }
    known = KnownFields()
    for one in learned.known.values():
        known = known.merged(one)
    by_gid: dict[str, list[Definition]] = {}
    for definition in sorted(known.definitions, key=lambda one: (one.first, repr(one.identity))):
        by_gid.setdefault(definition.gid, []).append(definition)
    last = [max(some, key=lambda one: (one.last, repr(one.identity))) for some in by_gid.values()]
    names = Counter(one.name for one in last)
    fields = [_field(one, known, shared=names[one.name] > 1) for one in last]
    place = {field.gid: number for number, field in enumerate(fields)}
    of_type = {
        name: sorted({place[one.gid] for one in some.definitions})
        for name, some in learned.known.items()
    }
    issues = [issue for field in fields for issue in _changes(field, by_gid[field.gid])]
    return ResolvedSchema(options, roots, fields, of_type, issues)


def _field(one: Definition, known: KnownFields, *, shared: bool) -> Field:
    plain = f"custom_fields.{one.name}"
    column = (
        f"{plain if one.name else 'custom_fields'} [{one.gid}]" if shared or not one.name else plain
    )
    options = _options(known, one.gid) if one.kind in ("enum", "multi_enum") else None
    return Field(
        one.gid,
        one.name,
        column,
        one.kind,
        one.representation,
        one.precision,
        one.format,
        one.currency,
        options,
    )


def _options(known: KnownFields, gid: str) -> list[str]:
    """Return the names of options: of the last list first, then of earlier ones, then as used."""
    lists = sorted(known.options.get(gid, ()), key=lambda pair: (pair[0], pair[1]), reverse=True)
    names = [name for _, some in lists for name in some]
    return list(dict.fromkeys([*names, *sorted(known.used.get(gid, ()))]))


def _changes(field: Field, definitions: list[Definition]) -> Iterator[Issue]:
    for one in definitions:
        for old, new, what in (
            (one.name, field.name, "name"),
            (one.kind, field.kind, "type"),
        ):
            if old != new:
                yield Issue(
                    *one.first,
                    None,
                    field.gid,
                    field.column,
                    old,
                    f"the {what} of a custom field that later is {new!r}; the last one is used",
                )


def flat_columns(node: Node, prefix: str = "") -> Iterator[tuple[str, Node]]:
    """Yield the columns of an object, dotted, with their nodes."""
    for key, child in node.keys.items():
        if child.kind == "object":
            yield from flat_columns(child, f"{prefix}{key}.")
        else:
            yield prefix + key, child
