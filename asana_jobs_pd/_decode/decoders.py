"""Trees of fields as types for msgspec, and the way around for what does not fit them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Annotated, Any, Literal, TypeAlias

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
    "mended",
    "shape_of",
]

Report: TypeAlias = Callable[[str, str, str], None]
"""Gets the column, the value and the reason of a misfit."""

MALFORMED = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What msgspec raises for a text that is no JSON, or does not fit."""

MENDED = "not valid Unicode: U+FFFD stands for what was not"
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rb"|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
ABSENT_RAW = msgspec.Raw(b"")
_LEAVES: dict[str, Any] = {
    "text": str | None,
    "gid": str | int | None,
    "time": str | None,
    "date": str | None,
    "bool": bool | None,
    "int": int | None,
    "int64": Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)] | None,
    "float": float | None,
    "raw": msgspec.Raw,
    "json": msgspec.Raw,
}
_WORDS = {
    "text": "not a text",
    "gid": "not a gid",
    "time": "not a time",
    "date": "not a date",
    "bool": "not true or false",
    "int": "not a whole number",
    "int64": "not a whole number of 64 bits",
    "float": "not a number",
    "object": "not an object",
    "list": "not a list",
}
_parts = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_items = msgspec.json.Decoder(list[msgspec.Raw]).decode


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
        For an object: the class of its instances.
    blank
        An instance without anything.
    children
        For an object: attribute and shape by key.
    item
        For a list: what is in it.
    relevant
        For an object: returns which of its keys say something, by the others; all by default.
    """

    node: Node
    type: Any
    struct: Any = None
    blank: Any = None
    children: dict[str, tuple[str, Shape]] = field(default_factory=dict)
    item: Shape | None = None
    relevant: Callable[[dict[str, msgspec.Raw]], Iterable[str]] | None = None


def shape_of(node: Node, row: str | None = None, custom_fields: Shape | None = None) -> Shape:
    """Return the shape of a tree.

    Parameters
    ----------
    node
        The field.
    row
        For the object of a line: its resource type, which it then must have.
    custom_fields
        The shape of that kind.
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
        fields = [one for one in fields if one[0] != attribute]
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
    """Return a value piece by piece: what does not fit is None and reported.

    Parameters
    ----------
    shape
        What it should be.
    text
        A JSON text that is well-formed.
    column
        Its name in a report.
    report
        Is told of every misfit.
    """
    kind = shape.node.kind
    if kind in ("raw", "json"):
        return msgspec.Raw(text)
    if text == b"null":
        return None
    if kind in _BUILDERS:
        return _BUILDERS[kind](shape, text, column, report)
    return _build_leaf(shape, text, column, report)


def _build_leaf(shape: Shape, text: bytes, column: str, report: Report) -> Any:
    kind = shape.node.kind
    with suppress(*MALFORMED):
        return decoder_of(shape.type)(text)
    if kind in ("int", "int64") and (whole := _whole(text)) is not None:
        with suppress(*MALFORMED):
            return msgspec.convert(whole, shape.type)
    better = mended(text)
    if better != text:
        report(column, abbreviate(text), MENDED)
        return build(shape, better, column, report)
    report(column, abbreviate(text), _WORDS[kind])
    return None


def mended(text: bytes) -> bytes:
    """Return a JSON text with U+FFFD for what UTF-8 cannot hold: halves of pairs, stray bytes."""
    whole = text.decode("utf-8", "replace").encode()
    return _ESCAPE.sub(lambda match: rb"\ufffd" if match[1] else match[0], whole)


def _build_object(shape: Shape, text: bytes, column: str, report: Report) -> Any:
    if text[:1] != b"{":
        report(column, abbreviate(text), _WORDS["object"])
        return None
    parts = _parts(text)
    prefix = f"{column}." if column else ""
    values = {}
    for key in shape.relevant(parts) if shape.relevant else shape.children:
        if key in parts:
            attribute, inner = shape.children[key]
            values[attribute] = build(inner, bytes(parts[key]), prefix + key, report)
    if not shape.node.closed:
        for key in parts.keys() - shape.children.keys():
            report(prefix + key, abbreviate(bytes(parts[key])), "a key that cannot be a column")
    return shape.struct(**values)


def _build_list(shape: Shape, text: bytes, column: str, report: Report) -> Any:
    if text[:1] != b"[":
        report(column, abbreviate(text), _WORDS["list"])
        return None
    assert shape.item is not None
    return [build(shape.item, bytes(part), f"{column}[]", report) for part in _items(text)]


def _build_fields(shape: Shape, text: bytes, column: str, report: Report) -> Any:
    """Return custom fields; a report names them by their gids."""
    if text[:1] != b"[":
        report(column, abbreviate(text), _WORDS["list"])
        return None
    assert shape.item is not None
    built = []
    for part in map(bytes, _items(text)):
        gid = bytes(_parts(part).get("gid", b"null")) if part[:1] == b"{" else b"null"
        if gid == b"null":
            report(column, abbreviate(part), "not a custom field with a gid")
            continue
        name = gid.decode("utf-8", "replace").strip('"')
        built.append(build(shape.item, part, f"{column}:{name}", report))
    return built


def _whole(text: bytes) -> int | None:
    """Return a number such as 3.0 as a whole one."""
    try:
        number = decoder_of(float)(text)
    except MALFORMED:
        return None
    return int(number) if number.is_integer() else None


_BUILDERS: dict[str, Callable[[Shape, bytes, str, Report], Any]] = {
    "object": _build_object,
    "custom_fields": _build_fields,
    "list": _build_list,
}
