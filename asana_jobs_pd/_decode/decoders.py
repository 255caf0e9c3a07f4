"""Trees of fields as msgspec types, and the slow way for what does not fit them."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from typing import Any, Literal, TypeAlias

import msgspec

from asana_jobs_pd._decode.inferred_schema import Node
from asana_jobs_pd._decode.scan_result import abbreviate

__all__ = [
    "ABSENT_RAW",
    "MALFORMED",
    "MENDED",
    "Report",
    "Shape",
    "build",
    "decoder_of",
    "items_of",
    "mended",
    "parts_of",
    "shape_of",
]

Report: TypeAlias = Callable[[str, str, str], None]
"""Receives the column, the value and the reason of a misfit."""

MALFORMED = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What msgspec raises for a text that is not JSON, or does not fit."""

MENDED = "not valid Unicode; U+FFFD replaces what was not"
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rb"|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
ABSENT_RAW = msgspec.Raw(b"")
_WHOLE = re.compile(rb"-?[0-9]+\.0+|-?[0-9]+(?:\.[0-9]+)?[eE]\+?[0-9]{1,2}")
_LEAVES: dict[str, Any] = {
    "text": str | None,
    "gid": str | int | None,
    "time": str | None,
    "date": str | None,
    "bool": bool | None,
    "int": int | None,
    "float": int | float | None,
    "raw": msgspec.Raw,
    "json": msgspec.Raw,
}
_REASONS = {
    "text": "not a text",
    "gid": "not a gid",
    "time": "not a time",
    "date": "not a date",
    "bool": "not true or false",
    "int": "not a whole number",
    "float": "not a number",
    "object": "not an object",
    "list": "not a list",
}
parts_of = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
items_of = msgspec.json.Decoder(list[msgspec.Raw]).decode


@dataclass(slots=True)
class Shape:
    """A node with the type that msgspec decodes it into.

    Parameters
    ----------
    node
        The field.
    type
        For annotations.
    struct
        Of an object: the class of its instances.
    blank
        An instance without any values.
    children
        Of an object: attribute and shape by key.
    item
        Of a list: the shape of its items.
    builder
        Replaces the slow way.
    """

    node: Node
    type: Any
    struct: Any = None
    blank: Any = None
    children: dict[str, tuple[str, Shape]] = field(default_factory=dict)
    item: Shape | None = None
    builder: Callable[[bytes, str, Report], Any] | None = None


def shape_of(node: Node, row: str | None = None, custom_fields: Shape | None = None) -> Shape:
    """Return the shape of a tree.

    `row` is the resource type that the object of a line must have; `custom_fields` the shape of
    nodes of that kind.
    """
    if node.kind == "list":
        assert node.item is not None
        item = shape_of(node.item, None, custom_fields)
        return Shape(node, list[item.type] | None, item=item)  # type: ignore[name-defined]
    if node.kind == "custom_fields" and custom_fields is not None:
        return custom_fields
    if node.kind != "object":
        return Shape(node, _LEAVES[node.kind])
    shape = Shape(node, None)
    fields: list[Any] = []
    for number, (key, child) in enumerate(node.keys.items()):
        inner = shape_of(child, None, custom_fields)
        shape.children[key] = (f"f{number}", inner)
        type_: Any = inner.type
        default: Any = None
        if type_ is msgspec.Raw:
            default = ABSENT_RAW
        elif row is not None:
            type_, default = type_ | msgspec.UnsetType, msgspec.UNSET
        fields.append((f"f{number}", type_, default))
    if row is not None:
        attribute = shape.children["resource_type"][0]
        fields = [(name, *rest) for name, *rest in fields if name != attribute]
        fields.insert(0, (attribute, Literal[row]))
    shape.struct = msgspec.defstruct(
        "Row" if row else "Part",
        fields,
        rename={attribute: key for key, (attribute, _) in shape.children.items()},
        forbid_unknown_fields=not node.closed,
        gc=False,
    )
    shape.type = shape.struct | None
    shape.blank = shape.struct(row) if row is not None else shape.struct()
    return shape


@lru_cache(maxsize=256)
def decoder_of(type_: Any) -> Callable[[bytes], Any]:
    """Return the decoder of a type."""
    return msgspec.json.Decoder(type_).decode


def build(shape: Shape, text: bytes, column: str, report: Report) -> Any:
    """Return a value piece by piece from valid JSON; what does not fit is None and reported."""
    kind = shape.node.kind
    if kind in ("raw", "json"):
        return msgspec.Raw(text)
    if text == b"null":
        return None
    if shape.builder is not None:
        return shape.builder(text, column, report)
    if kind == "object":
        return _build_object(shape, text, column, report)
    if kind == "list":
        return _build_list(shape, text, column, report)
    return _build_leaf(shape, text, column, report)


def _build_leaf(shape: Shape, text: bytes, column: str, report: Report) -> Any:
    kind = shape.node.kind
    with suppress(*MALFORMED):
        return decoder_of(shape.type)(text)
    if kind == "int" and _WHOLE.fullmatch(text):
        number = Decimal(text.decode())
        if number == number.to_integral_value():
            return int(number)
    better = mended(text)
    if better != text:
        report(column, abbreviate(text), MENDED)
        return build(shape, better, column, report)
    report(column, abbreviate(text), _REASONS[kind])
    return None


def mended(text: bytes) -> bytes:
    """Return a JSON text with U+FFFD for what UTF-8 cannot hold: halves of pairs, stray bytes."""
    whole = text.decode("utf-8", "replace").encode()
    return _ESCAPE.sub(lambda match: rb"\ufffd" if match[1] else match[0], whole)


def _build_object(shape: Shape, text: bytes, column: str, report: Report) -> Any:
    if text[:1] != b"{":
        report(column, abbreviate(text), _REASONS["object"])
        return None
    parts = parts_of(text)
    prefix = f"{column}." if column else ""
    values = {
        attribute: build(inner, bytes(parts[key]), prefix + key, report)
        for key, (attribute, inner) in shape.children.items()
        if key in parts
    }
    if not shape.node.closed:
        for key in parts.keys() - shape.children.keys():
            report(prefix + key, abbreviate(bytes(parts[key])), "a key that cannot be a column")
    return shape.struct(**values)


def _build_list(shape: Shape, text: bytes, column: str, report: Report) -> Any:
    if text[:1] != b"[":
        report(column, abbreviate(text), _REASONS["list"])
        return None
    assert shape.item is not None
    return [build(shape.item, bytes(part), f"{column}[]", report) for part in items_of(text)]
