"""What msgspec decodes custom fields into: a type for any, and exact ones for those that are known.

An exact type has the definition of its field as literals: it is compared as it is decoded, not
made into eight texts that then are looked up. A field that is described in any other way does not
fit its exact type, and is decoded as any.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, Union

import msgspec
import pyarrow as pa

from asana_jobs_pd._decode.decoders import MALFORMED, Shape, decoder_of, shape_of
from asana_jobs_pd._decode.inferred_schema import Node

__all__ = [
    "DEFINED",
    "INTERIM",
    "NO_LINE",
    "VALUES",
    "Definition",
    "Described",
    "Known",
    "any_field",
    "exact_fields",
    "exact_type",
    "kind_of",
    "label",
    "shows",
]

_PEOPLE = pa.list_(pa.struct([("gid", pa.string()), ("name", pa.string()), ("email", pa.string())]))
_LINKS = pa.list_(
    pa.struct([("gid", pa.string()), ("resource_type", pa.string()), ("name", pa.string())])
)
INTERIM: dict[str, pa.DataType] = {
    "text": pa.string(),
    "number": pa.float64(),
    "enum": pa.string(),
    "multi_enum": pa.list_(pa.string()),
    "date": pa.timestamp("us", "UTC"),
    "people": _PEOPLE,
    "reference": _LINKS,
    "display": pa.string(),
}
"""The value of a custom field by its kind: one of these is filled."""
NO_LINE = (2**62, 0)
_KINDS = INTERIM.keys() - {"display"}


def label(gid: object) -> str:
    """Return the name of a custom field's column before names are settled."""
    return f"custom_fields:{gid}"


def shows(kind: str, representation: str | None) -> bool:
    """Whether the value of such a custom field may be in `display_value` only."""
    return kind not in _KINDS or representation in ("formula", "custom_id")


class Definition(msgspec.Struct):
    """A custom field as rows describe it; one that changes has several.

    `first` and `last` are file and line where it stood.
    """

    gid: str
    name: str | None
    kind: str
    representation: str | None
    precision: int | None
    format: str | None
    currency: str | None
    first: tuple[int, int] = NO_LINE
    last: tuple[int, int] = (-1, 0)

    @property
    def key(self) -> tuple[object, ...]:
        """What tells it from others."""
        return (
            self.gid,
            self.name,
            self.kind,
            self.representation,
            self.precision,
            self.format,
            self.currency,
        )

    @property
    def key_text(self) -> str:
        """The same, to sort by."""
        return repr(self.key)

    @property
    def shows(self) -> bool:
        """Whether its value may be in `display_value` only."""
        return shows(self.kind, self.representation)


class Known(msgspec.Struct):
    """What is known of custom fields: definitions, options, and the names that values had.

    Parameters
    ----------
    definitions
        In the order of their codes in the interim array.
    options
        By gid: the lists of options that came, each with file and line where it stood last.
    used
        By gid: the options that rows have.
    """

    definitions: list[Definition] = msgspec.field(default_factory=list)
    options: dict[str, list[tuple[tuple[int, int], list[str]]]] = msgspec.field(
        default_factory=dict
    )
    used: dict[str, set[str]] = msgspec.field(default_factory=dict)

    def merged(self, other: Known) -> Known:
        """Return what both know; codes no longer mean anything."""
        definitions: dict[tuple[object, ...], Definition] = {}
        for one in (*self.definitions, *other.definitions):
            there = definitions.get(one.key, one)
            definitions[one.key] = msgspec.structs.replace(
                one, first=min(one.first, there.first), last=max(one.last, there.last)
            )
        whole = Known(list(definitions.values()))
        for known in (self, other):
            for gid, lists in known.options.items():
                for line, names in lists:
                    whole.note_options(gid, names, line)
            for gid, used in known.used.items():
                whole.used[gid] = whole.used.get(gid, set()) | used
        return whole

    def note_options(self, gid: str, names: list[str], line: tuple[int, int]) -> None:
        """Note a list of options and where it stood."""
        lists = self.options.setdefault(gid, [])
        for place, (last, there) in enumerate(lists):
            if there == names:
                lists[place] = (max(last, line), names)
                return
        lists.append((line, names))


DEFINED = (
    "gid",
    "name",
    "resource_subtype",
    "type",
    "representation_type",
    "precision",
    "format",
    "currency_code",
)
"""The keys of a definition."""
Described = tuple[Any, ...]
"""Their values."""

_PERSON = {"gid": Node("gid"), "name": Node("text"), "email": Node("text")}
_LINK = {"gid": Node("gid"), "resource_type": Node("text"), "name": Node("text")}
_OPTION = Node("object", keys={"name": Node("text")}, closed=True)
_DAY = {"date": Node("text"), "date_time": Node("text")}
VALUES = {
    "text": ("text_value", Node("text")),
    "number": ("number_value", Node("float")),
    "enum": ("enum_value", _OPTION),
    "multi_enum": ("multi_enum_values", Node("list", item=_OPTION)),
    "date": ("date_value", Node("object", keys=_DAY, closed=True)),
    "people": ("people_value", Node("list", item=Node("object", keys=_PERSON, closed=True))),
    "reference": ("reference_value", Node("list", item=Node("object", keys=_LINK, closed=True))),
}
"""By kind: the key of the value, and what it is."""
_NOTHING = msgspec.Raw(b"")
_text_of = decoder_of(str | None)


def any_field(*, display: bool, always_display: bool) -> Shape:
    """Return the shape of the `custom_fields` of a row.

    Parameters
    ----------
    display
        Whether display values are decoded.
    always_display
        Whether those of all fields are of interest.
    """
    keys = {key: Node("gid" if key == "gid" else "text") for key in DEFINED}
    keys["precision"] = Node("int64")
    keys |= dict(VALUES.values())
    keys["enum_options"] = Node("raw")
    if display:
        keys["display_value"] = Node("text")
    item = shape_of(Node("object", keys=keys, closed=True))

    def relevant(parts: Mapping[str, msgspec.Raw]) -> Iterable[str]:
        try:
            subtype, type_, representation = (
                _text_of(parts.get(key, b"null"))
                for key in ("resource_subtype", "type", "representation_type")
            )
        except MALFORMED:
            return item.children
        kind = kind_of(subtype, type_, representation)
        return _relevant(item, kind, representation, always_display=always_display)

    item.relevant = relevant
    return Shape(Node("custom_fields"), list[item.struct] | None, item=item)  # type: ignore[name-defined]


def kind_of(subtype: str | None, type_: str | None, representation: str | None) -> str:
    """Return the kind of a custom field, "" for one that does not say."""
    return subtype or type_ or representation or ""


def _relevant(
    item: Shape, kind: str, representation: str | None, *, always_display: bool
) -> list[str]:
    """Return the keys that say something of a field of this kind."""
    keys = [*DEFINED]
    if kind in VALUES:
        keys.append(VALUES[kind][0])
    if kind in ("enum", "multi_enum"):
        keys.append("enum_options")
    if always_display or shows(kind, representation):
        keys.append("display_value")
    return [key for key in keys if key in item.children]


def exact_type(item: Shape, described: Described, *, always_display: bool) -> type | None:
    """Return a type for a field that is described so, None when there cannot be one.

    Its attributes are called as those of the type for any; there is none for the gid.
    """
    said = dict(zip(DEFINED, described, strict=True))
    gid = said["gid"]
    if not isinstance(gid, str):
        return None
    kind = kind_of(said["resource_subtype"], said["type"], said["representation_type"])
    required: list[Any] = []
    others: list[Any] = []
    names = {}
    for key in _relevant(item, kind, said["representation_type"], always_display=always_display):
        if key == "gid":
            continue
        attribute, shape = item.children[key]
        names[attribute] = key
        if key not in said:
            others.append((attribute, shape.type, _NOTHING if shape.type is msgspec.Raw else None))
        elif said[key] is None:
            others.append((attribute, None, None))
        else:
            required.append((attribute, Literal[said[key]]))
    return msgspec.defstruct(
        "Field", required + others, rename=names, tag_field="gid", tag=gid, gc=False
    )


def exact_fields(shape: Shape, types: Iterable[Any]) -> Shape:
    """Return the shape of the `custom_fields` of a row in which only such are."""
    return Shape(shape.node, list[Union[tuple(types)]] | None, item=shape.item)  # type: ignore[misc]  # noqa: UP007
