"""Custom fields as they come in rows: an array of lists, and the definitions they belong to."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, chain
from operator import attrgetter, itemgetter
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from asana_jobs_pd._exports.columns import Rows, array_of
from asana_jobs_pd._exports.nodes import Node
from asana_jobs_pd._exports.shapes import MALFORMED, Shape, decoder_of, shape_of

__all__ = [
    "INTERIM",
    "NO_LINE",
    "CustomFields",
    "Definition",
    "DisplayNeeded",
    "Known",
    "field_shape",
    "label",
]

_PERSON = {"gid": Node("gid"), "name": Node("text"), "email": Node("text")}
_LINK = {"gid": Node("gid"), "resource_type": Node("text"), "name": Node("text")}
_OPTION = Node("object", keys={"name": Node("text")}, closed=True)
_DAY = {"date": Node("text"), "date_time": Node("text")}
_DEFINED = (
    "gid",
    "name",
    "resource_subtype",
    "type",
    "representation_type",
    "precision",
    "format",
    "currency_code",
)
_VALUES = {
    "text": ("text_value", Node("text")),
    "number": ("number_value", Node("float")),
    "enum": ("enum_value", _OPTION),
    "multi_enum": ("multi_enum_values", Node("list", item=_OPTION)),
    "date": ("date_value", Node("object", keys=_DAY, closed=True)),
    "people": ("people_value", Node("list", item=Node("object", keys=_PERSON, closed=True))),
    "reference": ("reference_value", Node("list", item=Node("object", keys=_LINK, closed=True))),
}
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
_INTERIM_LIST = pa.list_(
    pa.struct([("definition", pa.int32()), *INTERIM.items()]),
)
NO_LINE = (2**62, 0)


def label(gid: object) -> str:
    """Return the name of a custom field's column before names are settled."""
    return f"custom_fields:{gid}"


def field_shape(*, display: bool) -> Shape:
    """Return the shape of the `custom_fields` of a row, with their display values or without."""
    keys = {key: Node("gid" if key == "gid" else "text") for key in _DEFINED}
    keys["precision"] = Node("int")
    keys |= dict(_VALUES.values())
    keys["enum_options"] = Node("raw")
    if display:
        keys["display_value"] = Node("text")
    item = shape_of(Node("object", keys=keys, closed=True))
    return Shape(Node("custom_fields"), list[item.struct] | None, item=item)  # type: ignore[name-defined]


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
        return self.kind not in _VALUES or self.representation in ("formula", "custom_id")


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


class DisplayNeeded(Exception):  # noqa: N818  a signal
    """A field came whose value may be in `display_value` only, which was not read so far."""


class _Nameless(Exception):  # noqa: N818  a signal
    """A custom field came without a gid."""


class _Codes(dict[tuple[Any, ...], int]):
    """The codes of definitions, made as they come."""

    def __init__(self, definitions: list[Definition]) -> None:
        self._definitions = definitions

    def __missing__(self, key: tuple[Any, ...]) -> int:
        if key[0] is None:
            raise _Nameless
        self[key] = code = len(self)
        self._definitions.append(_definition(key))
        return code


class CustomFields:
    """Makes the interim array of the custom fields of a batch of rows, and learns from them.

    Parameters
    ----------
    always_display
        Whether display values are wanted of all fields.
    """

    def __init__(self, *, always_display: bool = False) -> None:
        self.known = Known()
        self.display = self._always = always_display
        self.shape = field_shape(display=always_display)
        self._codes = _Codes(self.known.definitions)
        self._options: dict[tuple[str, bytes], list[str]] = {}
        self._defined = self._getter()

    def _getter(self) -> Any:
        assert self.shape.item is not None
        return attrgetter(*(self.shape.item.children[key][0] for key in _DEFINED))

    def _value(self, key: str) -> Any:
        assert self.shape.item is not None
        return attrgetter(self.shape.item.children[key][0])

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
            kept.append([field for field in fields or () if gid(field) is not None])
            for _ in range(len(fields or ()) - len(kept[-1])):
                rows.misfit(position, "custom_fields", "", "a custom field without a gid")
        return kept

    def _code(self, flat: list[Any], rows: Rows) -> np.ndarray:
        known = self.known.definitions
        codes = map(self._codes.__getitem__, map(self._defined, flat))
        found = np.fromiter(codes, np.int32, len(flat))
        if not self.display and any(one.shows for one in known):
            self.display = True
            self.shape = field_shape(display=True)
            self._defined = self._getter()
            raise DisplayNeeded
        distinct, firsts = np.unique(found, return_index=True)
        lasts = len(found) - 1 - np.unique(found[::-1], return_index=True)[1]
        for code, first, last in zip(distinct, firsts, lasts, strict=True):
            definition = known[code]
            definition.first = min(definition.first, rows.line(first))
            definition.last = max(definition.last, rows.line(last))
        return found

    def _columns(self, flat: list[Any], codes: np.ndarray, rows: Rows) -> dict[str, pa.Array]:
        kinds = np.array([one.kind for one in self.known.definitions] or [""])
        shows = np.array([one.shows for one in self.known.definitions] or [False])
        columns = {kind: pa.nulls(len(flat), type_) for kind, type_ in INTERIM.items()}
        for kind in _VALUES:
            where = np.flatnonzero((kinds == kind)[codes])
            if len(where):
                some = _pick(flat, where)
                inner = _Picked(rows, where, [self.known.definitions[c].gid for c in codes[where]])
                array = self._of_kind(kind, some, inner)
                columns[kind] = _spread(array, where, len(flat))
        if self.display and len(flat):
            where = np.flatnonzero(shows[codes] | self._always)
            texts = list(map(self._value("display_value"), _pick(flat, where)))
            columns["display"] = _spread(pa.array(texts, pa.string()), where, len(flat))
        return columns

    def _of_kind(self, kind: str, some: Sequence[Any], rows: _Picked) -> pa.Array:
        assert self.shape.item is not None
        key = _VALUES[kind][0]
        values = list(map(self._value(key), some))
        shape = self.shape.item.children[key][1]
        if kind in ("enum", "multi_enum"):
            self._learn_options(some, rows)
        if kind == "enum":
            name = attrgetter(shape.children["name"][0])
            names = [None if value is None else name(value) for value in values]
            for gid, used in set(zip(rows.gids, names, strict=True)):
                if used is not None:
                    self.known.used.setdefault(gid, set()).add(used)
            return pa.array(names, pa.string())
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

    def _learn_options(self, some: Sequence[Any], rows: _Picked) -> None:
        lists = map(self._value("enum_options"), some)
        current: dict[str, msgspec.Raw] = {}
        last: dict[str, int] = {}
        for position, (gid, options) in enumerate(zip(rows.gids, lists, strict=True)):
            # Comparing costs less than hashing, and a field's list is nearly always the same.
            if gid not in current or options != current[gid]:
                if gid in current:
                    self._note_options(gid, current[gid], rows.line(last[gid]))
                current[gid] = options
            last[gid] = position
        for gid, options in current.items():
            self._note_options(gid, options, rows.line(last[gid]))

    def _note_options(self, gid: str, options: msgspec.Raw, line: tuple[int, int]) -> None:
        text = bytes(options)
        names = self._options.get((gid, text))
        if names is None:
            names = self._options[gid, text] = _option_names(text)
        if names:
            self.known.note_options(gid, names, line)


class _Picked(Rows):
    """Rows of some of the custom fields, that names their columns."""

    def __init__(self, rows: Rows, where: np.ndarray, gids: list[str]) -> None:
        super().__init__(
            lambda position: rows.line(int(where[position])),
            lambda position, _, value, reason: rows.misfit(
                int(where[position]), label(gids[position]), value, reason
            ),
        )
        self.gids = gids


def _definition(key: tuple[Any, ...]) -> Definition:
    gid, name, subtype, type_, representation, precision, format_, currency = key
    kind = subtype or type_ or representation or ""
    return Definition(str(gid), name, kind, representation, precision, format_, currency)


def _option_names(text: bytes) -> list[str]:
    try:
        options = decoder_of(list[dict[str, msgspec.Raw]] | None)(text) or []
        names = [decoder_of(str | None)(option.get("name", b"null")) for option in options]
    except MALFORMED:
        return []
    return list(dict.fromkeys(name for name in names if name is not None))


def _midnight(day: str | None) -> str | None:
    return day and f"{day}T00:00:00Z"


def _pick(flat: list[Any], where: np.ndarray) -> Sequence[Any]:
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
