"""Trees of fields as msgspec types, and the slow path for rows that do not fit them.

A line that is not quite JSON, or has what no column can hold, is repaired: `NaN`, `Infinity` and
numbers out of range become null; what is nested too deeply becomes a text, so that it does not
depend on the interpreter whether it loads; keys with quotes, backslashes or control characters,
which msgspec cannot name, are spelled with private characters.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from typing import Any, Literal, TypeAlias

import msgspec

from asana_jobs_pd._decode.scan_result import abbreviate
from asana_jobs_pd._decode.schema import Node

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
REST = '"other_keys"'
"""The column for the other keys of a wide object; no key can have this name, with its quotes."""
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
    "object": "not an object",
    "list": "not a list",
}
_MAX_NESTING = 200
_OUT_OF_RANGE = "not a number that JSON or a column can hold"
_INEXACT = "a whole number that a float cannot hold exactly"
_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?", re.ASCII)
LARGE = 2.0**53
"""Below this, floats are exact for every whole number."""
_MAX_DIGITS = 4000
"""The most digits of a whole number: Python refuses to convert more than 4,300."""
_TOKEN = re.compile(
    rb'"[^"\\]*(?:\\.[^"\\]*)*(?:"(\s*:)?|\\?\Z)|[\]\[{}]|-?(?:NaN|Infinity)|-?[0-9][0-9.eE+-]*',
    re.DOTALL,
)
_ESCAPED_KEY = re.compile(rb'\\.[^"\\]{0,500}"\s*:', re.DOTALL)
_SPELLINGS = {code: 0x10F700 + code for code in (*range(0x20), ord('"'), ord("\\"))}
_CHARACTERS = {private: code for code, private in _SPELLINGS.items()}

Misfits: TypeAlias = list[tuple[str, str, str]]
"""The column, value and reason of each misfit."""
parts_of = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
items_of = msgspec.json.Decoder(list[msgspec.Raw]).decode


@dataclass(slots=True)
class Shape:
    """A node with the type that msgspec decodes it into.

    `builder` builds a value that does not fit the type, and `maker` an array, if that needs special
    code.
    """

    node: Node
    type: Any
    struct: Any = None
    blank: Any = None
    children: dict[str, tuple[str, Shape]] = field(default_factory=dict)
    item: Shape | None = None
    builder: Callable[[bytes, str, Report], Any] | None = None
    maker: Callable[[Sequence[Any], Any], Any] | None = None


def shape_of(node: Node, row: str | None = None, custom_fields: Shape | None = None) -> Shape:
    """Return the shape of a tree.

    `row` is the resource type that the object in a line must have; `custom_fields` is the shape for
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
    columns = node.columns() | ({REST: Node("json")} if node.wide else {})
    for number, (key, child) in enumerate(columns.items()):
        inner, name = shape_of(child, None, custom_fields), f"f{number}"
        shape.children[key] = (name, inner)
        if row is not None and key == "resource_type":
            fields.append((name, Literal[row]))
        elif inner.type is msgspec.Raw:
            fields.append((name, msgspec.Raw, ABSENT_RAW))
        elif row is not None:
            fields.append((name, inner.type | msgspec.UnsetType, msgspec.UNSET))
        else:
            fields.append((name, inner.type, None))
    shape.struct = msgspec.defstruct(
        "Row" if row else "Part",
        fields,
        rename={attribute: spelled(key) for key, (attribute, _) in shape.children.items()},
        forbid_unknown_fields=not node.closed,
        kw_only=True,
        gc=False,
    )
    shape.type = shape.struct | None
    shape.blank = shape.struct() if row is None else None
    return shape


@lru_cache(maxsize=256)
def decoder_of(type_: Any) -> Callable[[bytes], Any]:
    """Return the decoder of a type."""
    return msgspec.json.Decoder(type_).decode


def build(shape: Shape, text: bytes, column: str, report: Report) -> Any:
    """Build a value piece by piece from valid JSON; misfits become None and are reported."""
    kind = shape.node.kind
    if shape.type is msgspec.Raw:
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
    if kind == "float":
        try:
            return exact_float(text.decode("utf-8", "replace"))
        except ValueError as error:
            report(column, abbreviate(text), str(error))
            return None
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


def exact_float(text: str) -> float:
    """Return a number as a float; raise ValueError if that is impossible or rounds a whole number.

    A number with an exponent, as in 6.02e23, is compared with how the float is printed.
    """
    if not _NUMBER.fullmatch(text):
        raise ValueError("not a number")
    number = float(text)
    if math.isinf(number):
        raise ValueError(_OUT_OF_RANGE)
    if abs(number) >= LARGE:
        same = Decimal(repr(number)) if "e" in text.lower() else Decimal(number)
        if Decimal(text) not in (same, Decimal(number)):
            raise ValueError(_INEXACT)
    return number


def mended(text: bytes) -> bytes:
    """Return a JSON text with U+FFFD in place of lone surrogates and invalid bytes."""
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
    others = {key: bytes(parts[key]) for key in sorted(parts.keys() - shape.children.keys())}
    if shape.node.wide:
        values[shape.children[REST][0]] = json_object(others)
    elif not shape.node.closed:
        for key, value in others.items():
            report(prefix + key, abbreviate(value), "a key that cannot be a column")
    return shape.struct(**values)


def json_object(parts: dict[str, bytes]) -> msgspec.Raw:
    """Return values as a JSON object, leaving out those that are null."""
    kept = {unspelled(key): msgspec.Raw(text) for key, text in parts.items() if text != b"null"}
    return msgspec.Raw(msgspec.json.encode(kept)) if kept else ABSENT_RAW


def _build_list(shape: Shape, text: bytes, column: str, report: Report) -> Any:
    if text[:1] != b"[":
        report(column, abbreviate(text), _REASONS["list"])
        return None
    assert shape.item is not None
    return [build(shape.item, bytes(part), f"{column}[]", report) for part in items_of(text)]


def spelled(key: str) -> str:
    """Return a key in characters that a field name may have."""
    return key.translate(_SPELLINGS)


def unspelled(key: str) -> str:
    """Undo `spelled`."""
    return key.translate(_CHARACTERS)


def needs_repair(text: bytes) -> bool:
    """Return whether valid JSON may have keys that must be respelled, or be nested too deeply."""
    if text[:1] not in (b"{", b"["):
        return False
    if text.count(b"{") + text.count(b"[") > _MAX_NESTING:
        return True
    return b"\\" in text and _ESCAPED_KEY.search(text) is not None


def repaired(text: bytes, column: str | None = None) -> tuple[bytes, Misfits]:
    """Return a repaired row or column value, and the column, value and reason of each loss."""
    scan = _Scan(text, column)
    for match in _TOKEN.finditer(text):
        scan.token(match)
    parts: list[bytes] = []
    misfits: Misfits = []
    end = 0
    for start, stop, replacement, name in scan.edits:
        parts += text[end:start], replacement
        end = stop
        if replacement == b"null":
            misfits.append((name, abbreviate(text[start:stop]), _OUT_OF_RANGE))
    return b"".join([*parts, text[end:]]), misfits


class _Scan:
    """Walks over the tokens of a text and records what to replace, by what, and in which column."""

    def __init__(self, text: bytes, column: str | None) -> None:
        self.edits: list[tuple[int, int, bytes, str]] = []
        self._text = text
        self._column = column or ""
        self._level = 1 if column is None else 0
        """The depth of column values."""
        self._depth = self._deepest = self._start = 0

    def token(self, match: re.Match[bytes]) -> None:
        """Process the next token."""
        first = match[0][:1]
        if first in b"{[":
            if self._depth == self._level:
                self._start, self._deepest = match.start(), 0
            self._depth += 1
            self._deepest = max(self._deepest, self._depth)
        elif first in b"}]":
            self._depth -= 1
            if self._depth == self._level and self._deepest > _MAX_NESTING:
                self._flatten(match.end())
        elif first != b'"':
            if not _in_range(match[0]):
                self.edits.append((*match.span(), b"null", self._column))
        elif match[1] is not None:
            self._key(match)

    def _flatten(self, end: int) -> None:
        """Replace a value that is nested too deeply with its text."""
        text = self._text[self._start : end].decode("utf-8", "replace")
        self.edits = [edit for edit in self.edits if edit[0] < self._start]
        self.edits.append((self._start, end, json.dumps(text).encode(), self._column))

    def _key(self, match: re.Match[bytes]) -> None:
        end = match.start(1)
        is_column = self._depth == self._level == 1
        literal = self._text[match.start() : end]
        if not is_column and b"\\" not in literal:
            return
        try:
            key = json.loads(literal)
            shown = json.loads(mended(literal))
        except ValueError:
            key, shown = "", mended(literal)[1:-1].decode()
        if is_column:
            self._column = shown
        if key != spelled(key):
            replacement = json.dumps(spelled(key)).encode()
            self.edits.append((match.start(), end, replacement, self._column))


def _in_range(number: bytes) -> bool:
    if number[-1:] in b"Ny":
        return False
    with suppress(ValueError):
        return math.isfinite(float(number)) and (
            len(number) <= _MAX_DIGITS or not number.strip(b"-").isdigit()
        )
    return True  # not a number: decoding will report it
