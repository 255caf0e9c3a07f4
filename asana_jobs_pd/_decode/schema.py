"""The fields of a type of row, both documented and seen.

What was seen is a tree that grows with the keys of the rows, and merges in any order. Documented
fields have the kind that the table says. Of the others only the kinds of their values are noted
(`Node.seen`); `settled` decides what they are when everything has been seen. Merging is
associative and commutative, so that the result does not depend on batches or processes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, TypeAlias

import msgspec

Spec: TypeAlias = str | list[Any] | dict[str, Any]
SCHEMA: Final[dict[str, dict[str, Spec]]] = json.loads(
    Path(__file__).with_name("schema.json").read_text(encoding="utf-8")
)
"""Every documented field of every type of row: a dict is an object, the entry of a list describes
its items, a text is a kind. `scripts/export_schema.py` derives it from Asana's description.

`gid` and `text` become strings, `time` UTC timestamps, `date` dates; `bool`, `int` and `float`
speak for themselves; `custom_fields` become columns of their own.
"""
Place = tuple[int, int, int]
"""Where a key was first seen: file number, line, position in its object."""

NOWHERE: Place = (2**62, 0, 0)
TEXT, BOOL, INT, BIG, HUGE, FLOAT, OBJECT, LIST, DEEP = (1 << bit for bit in range(9))
"""Kinds of values; numbers that no float equals are also `BIG`, integers beyond 64 bits `HUGE`."""
_SCALARS = {
    TEXT: "text",
    BOOL: "bool",
    INT: "int",
    INT | BIG: "int",
    FLOAT: "float",
    INT | FLOAT: "float",
}
_OF_TYPE = {
    str: TEXT,
    bool: BOOL,
    int: INT,
    float: FLOAT,
    Decimal: FLOAT | BIG,
    dict: OBJECT,
    list: LIST,
}
MAX_DEPTH = 12
"""Objects nested deeper than this stay JSON text."""
MAX_KEYS = 1000
"""So do objects with more distinct keys; in documented objects only the undocumented keys count."""
OTHER_KEYS = "other_keys"
"""The column for these keys."""

_parts = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_items = msgspec.json.Decoder(list[msgspec.Raw]).decode


class Node(msgspec.Struct):
    """A field and the fields inside it.

    In a `closed` object, no other keys were requested; a `wide` one has too many for columns.
    """

    kind: str
    first: Place = NOWHERE
    keys: dict[str, Node] = msgspec.field(default_factory=dict)
    item: Node | None = None
    seen: int = 0
    closed: bool = False
    wide: bool = False

    def columns(self) -> dict[str, Node]:
        """Return the keys that are columns; in a wide object, only those whose kind is known."""
        if not self.wide:
            return self.keys
        known = (key for key, child in self.keys.items() if child.kind != "raw")
        return {key: self.keys[key] for key in known}


def root_of(resource_type: str) -> Node:
    """Return the tree of a type of row before any row has been seen."""
    spec = SCHEMA.get(resource_type, {})
    root = Node("object")
    for key in ("gid", "resource_type"):
        root.keys[key] = node_of(spec.get(key), key)
    return root


def node_of(spec: Spec | None, key: str = "") -> Node:
    """Return a field as in the schema, or as its name suggests."""
    if isinstance(spec, str):
        return Node(spec)
    if isinstance(spec, dict):
        return Node("object")
    if isinstance(spec, list):
        return Node("list", item=node_of(spec[0]))
    return Node(kind_by_name(key) or "raw")


def kind_by_name(key: str) -> str | None:
    """Return the kind that a name has everywhere in Asana; None if there is none."""
    if key == "gid":
        return "gid"
    if key in ("name", "resource_type", "resource_subtype"):
        return "text"
    if key.endswith("_at"):
        return "time"
    return "date" if key.endswith("_on") else None


def child_of(spec: Spec | None, key: str) -> Spec | None:
    """Return the schema of a key in an object."""
    return spec.get(key) if isinstance(spec, dict) else None


def learn(text: bytes, node: Node, spec: Spec | None, line: tuple[int, int]) -> bool:
    """Add the keys of a JSON text that the tree lacks; return whether there were any."""
    if node.kind == "object" and text[:1] == b"{":
        grown = False
        for order, (key, part) in enumerate(_parts(text).items()):
            child = node.keys.get(key)
            if child is None:
                if node.closed or (node.wide and child_of(spec, key) is None):
                    continue
                child = node.keys[key] = node_of(child_of(spec, key), key)
                child.first = (*line, order)
                grown = True
            if child.kind in ("object", "list"):
                grown |= learn(bytes(part), child, child_of(spec, key), line)
        node.wide = node.wide or _has_many(node)
        return grown
    if node.kind == "list" and node.item is not None and text[:1] == b"[":
        inside = spec[0] if isinstance(spec, list) else None
        return sum(learn(bytes(part), node.item, inside, line) for part in _items(text)) > 0
    return False


def _has_many(node: Node) -> bool:
    raw = sum(child.kind == "raw" for child in node.keys.values()) if node.keys else 0
    return (len(node.keys) if node.kind == "raw" else raw) > MAX_KEYS


def observe(node: Node, value: object, line: Callable[[], tuple[int, int]], depth: int = 0) -> None:
    """Record the kind of a value in a ``raw`` field, and the keys inside it."""
    if value is None or node.kind != "raw":
        return
    node.seen |= _bits(value, depth)
    if node.seen & DEEP or node.wide:
        node.keys, node.item = {}, None
    elif isinstance(value, dict):
        _observe_keys(node, value, line, depth)
    elif isinstance(value, list):
        if node.item is None:
            node.item = Node("raw")
        for item in value:
            observe(node.item, item, line, depth + 1)


def _bits(value: object, depth: int) -> int:
    bits = _OF_TYPE[type(value)]
    if bits in (OBJECT, LIST) and depth >= MAX_DEPTH:
        bits |= DEEP
    if bits == INT and isinstance(value, int):
        if not -(2**63) <= value < 2**63:
            return HUGE
        if int(float(value)) != value:
            bits |= BIG
    return bits


def _observe_keys(
    node: Node, value: dict[str, object], line: Callable[[], tuple[int, int]], depth: int
) -> None:
    for order, (key, inner) in enumerate(value.items()):
        child = node.keys.get(key)
        if child is None:
            child = node.keys[key] = Node(kind_by_name(key) or "raw")
            child.first = (*line(), order)
            if _has_many(node):
                node.wide, node.keys, node.item = True, {}, None
                return
        observe(child, inner, line, depth + 1)


def merge(left: Node, right: Node) -> Node:
    """Return the union of two trees of the same type of row."""
    merged = Node(left.kind, min(left.first, right.first), closed=left.closed)
    merged.seen = left.seen | right.seen
    merged.wide = left.wide or right.wide
    if merged.seen & DEEP or (merged.wide and merged.kind == "raw"):
        return merged
    merged.keys = left.keys | right.keys
    for key in left.keys.keys() & right.keys.keys():
        merged.keys[key] = merge(left.keys[key], right.keys[key])
    both = left.item and right.item and merge(left.item, right.item)
    merged.item = both or left.item or right.item
    merged.wide = merged.wide or _has_many(merged)
    if merged.wide and merged.kind == "raw":
        merged.keys, merged.item = {}, None
    return merged


def settled(node: Node, spec: Spec | None) -> Node:
    """Return the tree with every field decided, in the order of the schema, then of the file.

    An object wins over a list, a list over a scalar; scalars of different kinds become text.
    """
    if node.kind == "raw":
        return _decided(node)
    if node.kind == "list" and node.item is not None:
        inside = spec[0] if isinstance(spec, list) else None
        return Node("list", node.first, item=settled(node.item, inside))
    if node.kind != "object":
        return node
    keys = node.columns()
    if node.closed:  # requested, but never present
        keys = {key: child for key, child in keys.items() if child.kind != "raw" or child.seen}
    keys = keys or {key: node_of(child_of(spec, key), key) for key in _usual(spec)}
    known = spec if isinstance(spec, dict) else {}
    order = [key for key in known if key in keys]
    order += sorted(keys.keys() - known.keys(), key=lambda key: (keys[key].first, key))
    columns = {key: settled(keys[key], known.get(key)) for key in order}
    if node.wide:
        first = min(child.first for child in node.keys.values() if child.kind == "raw")
        columns[OTHER_KEYS] = Node("json", first, wide=True)
    return Node("object", node.first, columns, wide=node.wide)


def _usual(spec: Spec | None) -> Iterable[str]:
    """Return the columns for an object that is always null."""
    if not isinstance(spec, dict):
        return ()
    if "name" in spec:
        return ("gid", "name")
    return [key for key, inner in spec.items() if isinstance(inner, str)] or spec


def _decided(node: Node) -> Node:
    seen = node.seen
    if seen & DEEP or node.wide or not seen:
        return Node("json", node.first, wide=node.wide)
    if seen & OBJECT and node.keys:
        order = sorted(node.keys, key=lambda key: (node.keys[key].first, key))
        return Node("object", node.first, {key: _decided_child(node.keys[key]) for key in order})
    if seen & LIST and not seen & OBJECT:
        inside = _decided_child(node.item) if node.item is not None else Node("json")
        return Node("list", node.first, item=inside)
    return Node(_SCALARS.get(seen, "json"), node.first)


def _decided_child(node: Node) -> Node:
    return _decided(node) if node.kind == "raw" else node
