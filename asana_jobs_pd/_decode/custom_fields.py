"""Custom fields: what msgspec decodes them into, and the array and definitions they become.

A field that is known has a type of its own in which its definition stands as literals: msgspec
compares them while decoding and creates no objects. A field that is described in any other way
does not fit that type and is decoded as any field.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate, chain
from operator import attrgetter, itemgetter
from typing import Any, Literal, Union

import msgspec
import numpy as np
import pyarrow as pa

from asana_jobs_pd._decode.columns import Rows, array_of
from asana_jobs_pd._decode.decoders import MALFORMED, Shape, decoder_of, shape_of
from asana_jobs_pd._decode.inferred_schema import Node
from asana_jobs_pd._decode.scan_result import Definition, KnownFields

__all__ = ["INTERIM", "CustomFields", "DisplayNeeded", "label"]

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
_KINDS = INTERIM.keys() - {"display"}


def label(gid: object) -> str:
    """Return the name of a custom field's column before names are settled."""
    return f"custom_fields:{gid}"


def displays(kind: str, representation: str | None) -> bool:
    """Whether the value of such a custom field may be in `display_value` only."""
    return kind not in _KINDS or representation in ("formula", "custom_id")


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
    if always_display or displays(kind, representation):
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


_MOST_EXACT = 2000
"""Fields of a type of row, beyond which no more are expected exactly."""


class DisplayNeeded(Exception):  # noqa: N818  a signal
    """A field came whose value may be in `display_value` only, which was not read so far."""


class _Nameless(Exception):  # noqa: N818  a signal
    """A custom field came without a gid."""


class _Codes(dict[Described, int]):
    """The codes of definitions, made as they come."""

    def __init__(self, definitions: list[Definition]) -> None:
        self._definitions = definitions

    def __missing__(self, described: Described) -> int:
        if described[0] is None:
            raise _Nameless
        self[described] = code = len(self)
        self._definitions.append(_definition(described))
        return code


class _Exact(dict[type, int]):
    """The codes of the fields that are expected exactly, by type; -1 for any other."""

    def __missing__(self, _type: type) -> int:
        return -1


class CustomFields:
    """Makes the interim array of the custom fields of a batch of rows, and learns from them.

    Parameters
    ----------
    always_display
        Whether display values are wanted of all fields.

    Attributes
    ----------
    shape : Shape
        What any custom fields can be decoded into.
    exact : Shape or None
        The same, faster, for fields that are described as they were last.
    """

    def __init__(self, *, always_display: bool = False) -> None:
        self.known = KnownFields()
        self._always = always_display
        self._codes = _Codes(self.known.definitions)
        self._options: dict[tuple[str, bytes], list[str]] = {}
        self._latest: dict[str, int] = {}
        self._decode_as(display=always_display)

    def _decode_as(self, *, display: bool) -> None:
        self.display = display
        self.shape = any_field(display=display, always_display=self._always)
        self.exact: Shape | None = None
        self._exact = _Exact()
        self._types: dict[int, type | None] = {}
        self._expected: dict[str, int] = {}
        self._described = attrgetter(*(self._attribute(key) for key in DEFINED))

    def _attribute(self, key: str) -> str:
        assert self.shape.item is not None
        return self.shape.item.children[key][0]

    def _value(self, key: str) -> Any:
        return attrgetter(self._attribute(key))

    def expect(self) -> bool:
        """Expect fields to be described as they were last; return whether that is news."""
        if self._latest == self._expected or len(self._latest) > _MOST_EXACT:
            return False
        self._expected = dict(self._latest)
        described = list(self._codes)
        types = {code: self._type(code, described[code]) for code in self._latest.values()}
        self._exact = _Exact((type_, code) for code, type_ in types.items() if type_ is not None)
        self.exact = exact_fields(self.shape, self._exact) if self._exact else None
        return True

    def _type(self, code: int, described: Described) -> type | None:
        assert self.shape.item is not None
        if code not in self._types:
            self._types[code] = exact_type(self.shape.item, described, always_display=self._always)
        return self._types[code]

    def array(self, values: Sequence[Any], rows: Rows) -> pa.Array:
        """Return the interim array: a list of a definition's code and a value for each row.

        Raises
        ------
        DisplayNeeded
            When the rows have to be read again, with display values.
        """
        try:
            return self._array(values, rows)
        except _Nameless:
            return self._array(self._with_gids(values, rows), rows)

    def _array(self, values: Sequence[Any], rows: Rows) -> pa.Array:
        offsets = list(accumulate([len(value) if value else 0 for value in values], initial=0))
        flat = list(chain.from_iterable(filter(None, values)))
        inside = rows.inside(offsets)
        codes = self._code(flat, inside)
        columns = self._columns(flat, codes, inside)
        items = pa.StructArray.from_arrays(
            [pa.array(codes, pa.int32()), *columns.values()], ["definition", *columns]
        )
        return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), items)

    def _with_gids(self, values: Sequence[Any], rows: Rows) -> Sequence[Any]:
        gid = self._value("gid")
        kept = []
        for position, fields in enumerate(values):
            kept.append(
                [
                    field
                    for field in fields or ()
                    if type(field) in self._exact or gid(field) is not None
                ]
            )
            for _ in range(len(fields or ()) - len(kept[-1])):
                rows.misfit(position, "custom_fields", "", "a custom field without a gid")
        return kept

    def _code(self, flat: list[Any], rows: Rows) -> np.ndarray:
        known = self.known.definitions
        found = np.fromiter(map(self._exact.__getitem__, map(type, flat)), np.int32, len(flat))
        others = np.flatnonzero(found < 0)
        if len(others):
            described = map(self._described, _pick(flat, others))
            found[others] = np.fromiter(map(self._codes.__getitem__, described), np.int32)
        if not self.display and any(displays(one.kind, one.representation) for one in known):
            self._decode_as(display=True)
            raise DisplayNeeded
        distinct, firsts = np.unique(found, return_index=True)
        lasts = len(found) - 1 - np.unique(found[::-1], return_index=True)[1]
        for place in np.argsort(lasts):
            code = int(distinct[place])
            definition = known[code]
            definition.first = min(definition.first, rows.line(int(firsts[place])))
            definition.last = max(definition.last, rows.line(int(lasts[place])))
            self._latest[definition.gid] = code
        return found

    def _columns(self, flat: list[Any], codes: np.ndarray, rows: Rows) -> dict[str, pa.Array]:
        known = self.known.definitions
        kinds = np.array([one.kind for one in known] or [""])
        columns = {kind: pa.nulls(len(flat), type_) for kind, type_ in INTERIM.items()}
        for kind in VALUES:
            where = np.flatnonzero((kinds == kind)[codes])
            if len(where):
                some = _Picked(rows, where, codes[where], known)
                array = self._of_kind(kind, _pick(flat, where), some)
                columns[kind] = _spread(array, where, len(flat))
        if self.display and len(flat):
            shows = np.array([displays(one.kind, one.representation) for one in known] or [False])
            where = np.flatnonzero(shows[codes] | self._always)
            texts = list(map(self._value("display_value"), _pick(flat, where)))
            columns["display"] = _spread(pa.array(texts, pa.string()), where, len(flat))
        return columns

    def _of_kind(self, kind: str, some: Sequence[Any], rows: _Picked) -> pa.Array:
        assert self.shape.item is not None
        key = VALUES[kind][0]
        values = list(map(self._value(key), some))
        shape = self.shape.item.children[key][1]
        if kind in ("enum", "multi_enum"):
            self._learn_options(list(map(self._value("enum_options"), some)), rows)
        if kind == "enum":
            return self._enums(shape, values, rows)
        if kind == "multi_enum":
            assert shape.item is not None
            name = attrgetter(shape.item.children["name"][0])
            lists = [None if value is None else list(map(name, value)) for value in values]
            return pa.array(lists, INTERIM[kind])
        if kind == "date":
            day, time = (attrgetter(shape.children[key][0]) for key in ("date", "date_time"))
            texts = [value and (time(value) or _midnight(day(value))) for value in values]
            return array_of(Shape(Node("time"), None), texts, "", rows)
        return array_of(shape, values, "", rows)

    def _enums(self, shape: Shape, values: Sequence[Any], rows: _Picked) -> pa.Array:
        name = attrgetter(shape.children["name"][0])
        names = [None if value is None else name(value) for value in values]
        for code, used in set(zip(rows.codes.tolist(), names, strict=True)):
            if used is not None:
                gid = self.known.definitions[code].gid
                self.known.used.setdefault(gid, set()).add(used)
        return pa.array(names, pa.string())

    def _learn_options(self, lists: Sequence[msgspec.Raw], rows: _Picked) -> None:
        for code in np.unique(rows.codes):
            where = np.flatnonzero(rows.codes == code)
            gid = self.known.definitions[code].gid
            for place in _ends_of_runs(_pick(lists, where)):
                position = int(where[place])
                self._note_options(gid, lists[position], rows.line(position))

    def _note_options(self, gid: str, options: msgspec.Raw, line: tuple[int, int]) -> None:
        text = bytes(options)
        names = self._options.get((gid, text))
        if names is None:
            names = self._options[gid, text] = _option_names(text)
        if names:
            self.known.note_options(gid, names, line)


class _Picked(Rows):
    """Rows of some of the custom fields, that names their columns."""

    def __init__(
        self, rows: Rows, where: np.ndarray, codes: np.ndarray, known: Sequence[Definition]
    ) -> None:
        super().__init__(
            lambda position: rows.line(int(where[position])),
            lambda position, _, value, reason: rows.misfit(
                int(where[position]), label(known[codes[position]].gid), value, reason
            ),
        )
        self.codes = codes


def _definition(described: Described) -> Definition:
    gid, name, subtype, type_, representation, precision, format_, currency = described
    kind = kind_of(subtype, type_, representation)
    return Definition(str(gid), name, kind, representation, precision, format_, currency)


def _ends_of_runs(lists: Sequence[msgspec.Raw]) -> Iterable[int]:
    """Return where a list stands that the next one does not equal."""
    last = len(lists) - 1
    # Comparing costs less than hashing, and counting less than a loop; nearly always all are equal.
    if lists.count(lists[last]) == len(lists):
        return [last]
    return [
        place for place in range(len(lists)) if place == last or lists[place] != lists[place + 1]
    ]


def _option_names(text: bytes) -> list[str]:
    try:
        options = decoder_of(list[dict[str, msgspec.Raw]] | None)(text) or []
        names = [decoder_of(str | None)(option.get("name", b"null")) for option in options]
    except MALFORMED:
        return []
    return list(dict.fromkeys(name for name in names if name is not None))


def _midnight(day: str | None) -> str | None:
    return day and f"{day}T00:00:00Z"


def _pick(flat: Sequence[Any], where: np.ndarray) -> Sequence[Any]:
    if len(where) == len(flat):
        return flat
    return itemgetter(*where.tolist())(flat) if len(where) > 1 else [flat[place] for place in where]


def _spread(array: pa.Array, where: np.ndarray, length: int) -> pa.Array:
    """Return an array of that length with the values at their positions, null elsewhere."""
    if len(array) == length:
        return array
    source = np.full(length, -1, np.int64)
    source[where] = np.arange(len(where))
    return array.take(pa.array(source, mask=source < 0))
