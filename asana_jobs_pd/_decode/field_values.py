"""Converts values of custom fields, in whatever form they arrive, to Arrow arrays.

Asana documents objects in one place and plain texts in another: an option is `{"name": "High"}`
or `"High"`, a date `{"date": "2024-08-23"}` or `"2024-08-23"`, a person an object or an e-mail
address. What is displayed stands in for a value whose key is absent, if it is not ambiguous.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from functools import lru_cache
from itertools import accumulate, chain
from operator import attrgetter
from types import NoneType
from typing import Annotated, Any, TypeAlias

import msgspec
import pyarrow as pa
from msgspec import UNSET, UnsetType

from asana_jobs_pd._decode.columns import (
    DATE,
    DATE_LENGTH,
    Doubtful,
    Rows,
    float_array,
    gid_texts,
    parsed_texts,
    pool,
    split_date,
)
from asana_jobs_pd._decode.decoders import (
    ABSENT_RAW,
    MALFORMED,
    MENDED,
    decoder_of,
    exact_float,
    items_of,
    mended,
    parts_of,
)
from asana_jobs_pd._decode.scan_result import abbreviate


class _Option(msgspec.Struct, gc=False):
    """An option of an enum."""

    name: str | None = None
    gid: str | int | None = None


class _Day(msgspec.Struct, gc=False):
    date: str | UnsetType | None = UNSET
    date_time: str | UnsetType | None = UNSET


class _Person(msgspec.Struct, gc=False):
    gid: str | int | None = None
    name: str | None = None
    email: str | None = None


class _Link(msgspec.Struct, gc=False):
    gid: str | int | None = None
    resource_type: str | None = None
    name: str | None = None


VALUE_KEYS = {
    "text": "text_value",
    "number": "number_value",
    "enum": "enum_value",
    "multi_enum": "multi_enum_values",
    "date": "date_value",
    "people": "people_value",
    "reference": "reference_value",
}
VALUE_TYPES: dict[str, Any] = {
    "text": str | None,
    "number": int | float | str | None,
    "enum": _Option | str | None,
    "multi_enum": list[_Option | str | None] | _Option | str | None,
    "date": _Day | str | None,
    "people": list[_Person | str | None] | _Person | str | None,
    "reference": list[_Link | str | None] | _Link | str | None,
}
"""The types that a value may have, by kind."""
ITEM_TYPES: dict[str, Any] = {
    "multi_enum": _Option | str | None,
    "people": _Person | str | None,
    "reference": _Link | str | None,
}
ITEM_STRUCTS: dict[str, Any] = {"people": _Person, "reference": _Link}
_PEOPLE = pa.list_(pa.struct([("gid", pa.string()), ("name", pa.string()), ("email", pa.string())]))
_LINKS = pa.list_(
    pa.struct([("gid", pa.string()), ("resource_type", pa.string()), ("name", pa.string())])
)
SCAN_TYPES: dict[str, pa.DataType] = {
    "text": pa.string(),
    "number": pa.float64(),
    "enum": pa.string(),
    "multi_enum": pa.list_(pa.string()),
    "date": pa.date32(),
    "date_time": pa.timestamp("us", "UTC"),
    "people": _PEOPLE,
    "reference": _LINKS,
    "display": pa.string(),
    "stand_in": pa.string(),
}
"""The types of values while files are scanned, before the schema is resolved: one column for each
kind of field. That of the field's kind is filled, or `stand_in`: the text that Asana displays where
the key of the value is absent. Dates may have a time of day as well.

The dtype of a field's column in a frame follows from `Field.type` in `resolve_schema.py`."""

_INT64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
DESCRIPTION: dict[str, Any] = {
    "gid": str | int | None,
    "name": str | None,
    "type": str | None,
    "resource_subtype": str | None,
    "representation_type": str | None,
    "precision": _INT64 | None,
    "format": str | None,
    "currency_code": str | None,
}
FIELD_TYPES: dict[str, Any] = {
    **DESCRIPTION,
    "enum_options": msgspec.Raw,
    **{VALUE_KEYS[kind]: type_ for kind, type_ in VALUE_TYPES.items()},
    "html_text_value": str | None,
    "display_value": str | None,
}
"""In the order in which keys arrive: the fastest to decode."""
FIELD_DEFAULTS: dict[str, Any] = dict.fromkeys(VALUE_KEYS.values(), UNSET)
FIELD_DEFAULTS["enum_options"] = ABSENT_RAW
AnyField = msgspec.defstruct(
    "AnyField",
    [(key, type_, FIELD_DEFAULTS.get(key)) for key, type_ in FIELD_TYPES.items()],
    gc=False,
)

_ABOUT_THE_FIELD = re.compile(
    "resource_type|asana_created_field|created_by|custom_label(?:_position)?|default_access_level"
    "|description|enabled|has_notifications_enabled|id_prefix|input_restrictions"
    "|is_formula_field|is_global_to_workspace|is_value_read_only|privacy_setting"
)
"""The other documented keys of a custom field, none of which has its value."""
_NOTHING = (b"null", b'""', b"[]", b"{}")
_PLAIN_DECIMAL = re.compile(r"-?[0-9]+(?:\.[0-9]+)?", re.ASCII)
Misfit: TypeAlias = Callable[[int, Any, str], None]
"""Receives the position, the value and the reason."""


def arrays_of_kind(
    kind: str, values: Sequence[Any], options: Sequence[msgspec.Raw], rows: Rows
) -> dict[str, pa.Array]:
    """Return the scanned columns of values of one kind; misfits become null and are reported.

    `options` are the `enum_options` beside each value of an enum.
    """

    def misfit(position: int, value: Any, reason: str) -> None:
        text = value if isinstance(value, str) else msgspec.json.encode(value)
        rows.misfit(position, "", abbreviate(text), reason)

    if kind == "text":
        return {kind: pool.array(values, SCAN_TYPES[kind])}
    if kind == "number":
        return {kind: _numbers(values, rows, misfit)}
    if kind == "date":
        return _dates(values, rows)
    if kind == "enum":
        return {kind: _names(values, options, misfit)}
    lists = [value if value is None or type(value) is list else [value] for value in values]
    if kind == "multi_enum":
        return {kind: _option_names(lists, options, misfit)}
    return {kind: _structs(kind, lists, misfit)}


def _numbers(values: Sequence[Any], rows: Rows, misfit: Misfit) -> pa.Array:
    """Return numbers, including numbers in texts."""
    if str in set(map(type, values)):
        values = list(values)
        for position, value in enumerate(values):
            if type(value) is str:
                try:
                    values[position] = exact_float(value.strip())
                except ValueError as error:
                    values[position] = None
                    misfit(position, value, str(error))
    return float_array(values, rows)


def _dates(values: Sequence[Any], rows: Rows) -> dict[str, pa.Array]:
    days: list[str | None] = []
    times: list[str | None] = []
    for value in values:
        day = time = None
        if type(value) is str:
            day, time = split_date(value)
        elif value is not None:
            day, time = value.date, value.date_time
            if day is time is UNSET:
                raise Doubtful
            day, time = day or None, time or None
            if day is None:
                day = time and time[:DATE_LENGTH]
            elif len(day) > DATE_LENGTH:
                day, own_time = split_date(day)
                time = time or own_time
        days.append(day)
        times.append(time)
    return {
        "date": parsed_texts(days, "date", "", rows),
        "date_time": parsed_texts(times, "time", "", rows),
    }


def _name(
    option: _Option, options: Sequence[msgspec.Raw], position: int, misfit: Misfit
) -> str | None:
    """Return the name of an option, looked up by gid if it comes without a name."""
    if option.name is not None:
        return option.name
    if option.gid is None:
        raise Doubtful
    for known in known_options(bytes(options[position])):
        if known.name is not None and str(known.gid) == str(option.gid):
            return known.name
    misfit(position, option, "an option without a name")
    return None


@lru_cache(maxsize=1000)
def known_options(text: bytes) -> list[_Option]:
    """Return the options that a field lists; plain texts are names, others are left out."""
    options: list[_Option | None] = []
    for item in map(bytes, items_of(text)) if text[:1] == b"[" else ():
        with suppress(*MALFORMED):
            option = decoder_of(ITEM_TYPES["multi_enum"])(item)
            options.append(_Option(option) if isinstance(option, str) else option)
    return [option for option in options if option is not None]


def _names(values: Sequence[Any], options: Sequence[msgspec.Raw], misfit: Misfit) -> pa.Array:
    if set(map(type, values)) <= {_Option, NoneType}:
        names = [value and value.name for value in values]
        if names.count(None) == values.count(None):
            return pool.array(names, SCAN_TYPES["enum"])
    names = [
        value and (value if type(value) is str else _name(value, options, position, misfit))
        for position, value in enumerate(values)
    ]
    return pool.array(names, SCAN_TYPES["enum"])


def _option_names(
    lists: Sequence[list[Any] | None], options: Sequence[msgspec.Raw], misfit: Misfit
) -> pa.Array:
    flat = list(chain.from_iterable(filter(None, lists)))
    if set(map(type, flat)) <= {_Option}:
        texts = list(map(attrgetter("name"), flat))
        if None not in texts:
            return _list_array(lists, pool.array(texts, pa.string()))
    names: list[list[str] | None] = []
    for position, items in enumerate(lists):
        if items is None:
            names.append(None)
            continue
        kept = []
        for item in items:
            if item is None:
                misfit(position, "null", "an option that is null")
                continue
            name = item if type(item) is str else _name(item, options, position, misfit)
            if name is not None:
                kept.append(name)
        names.append(kept)
    return pool.array(names, SCAN_TYPES["multi_enum"])


def _list_array(lists: Sequence[list[Any] | None], items: pa.Array) -> pa.ListArray:
    """Return the items of lists as an array of lists."""
    offsets = list(accumulate([len(items) if items else 0 for items in lists], initial=0))
    mask = pool.array([items is None for items in lists], pa.bool_())
    return pa.ListArray.from_arrays(pool.array(offsets, pa.int32()), items, mask=mask)


def _structs(kind: str, lists: Sequence[list[Any] | None], misfit: Misfit) -> pa.Array:
    """Return people or references, which may arrive as plain texts."""
    struct = ITEM_STRUCTS[kind]
    flat = list(chain.from_iterable(filter(None, lists)))
    if not (set(map(type, flat)) <= {struct} and all(map(attrgetter("gid"), flat))):
        lists = [
            items and _as_structs(kind, items, position, misfit)
            for position, items in enumerate(lists)
        ]
        flat = list(chain.from_iterable(filter(None, lists)))
    children = []
    for key in struct.__struct_fields__:
        texts = list(map(attrgetter(key), flat))
        children.append(gid_texts(texts) if key == "gid" else pool.array(texts, pa.string()))
    structs = pa.StructArray.from_arrays(children, list(struct.__struct_fields__))
    return _list_array(lists, structs)


def _as_structs(kind: str, items: list[Any], position: int, misfit: Misfit) -> list[Any]:
    struct = ITEM_STRUCTS[kind]
    kept = []
    for item in items:
        if item is None:
            misfit(position, "null", "an item that is null")
        elif type(item) is str:
            key = "email" if kind == "people" and "@" in item else "name"
            kept.append(struct(**{key: item}))
        elif any(getattr(item, key) is not None for key in struct.__struct_fields__):
            kept.append(item)
        else:
            raise Doubtful
    return kept


def stand_in_value(kind: str, text: str, options: Collection[str], *, stated: bool) -> Any:
    """Return the value of a kind for a displayed text; None if it is ambiguous.

    Options must be known, unless the row states the kind.
    """
    if kind == "number" and _PLAIN_DECIMAL.fullmatch(text):
        return exact_float(text)
    if kind == "date" and DATE.fullmatch(text):
        return split_date(text)
    if kind == "text" or (kind == "enum" and (stated or text in options)):
        return text
    if kind == "multi_enum":
        names = _split(text, options)
        if names is not None:
            return names
        if stated and "," not in text:
            return [text]
    raise ValueError("only display_value is given, which is ambiguous")


def _split(text: str, options: Collection[str]) -> list[str] | None:
    """Return the known options in a comma-separated text."""
    splits: dict[int, list[str]] = {0: []}
    for start in range(len(text)):
        if start in splits:
            for name in options:
                end = start + len(name)
                if name and text.startswith(name, start) and text[end : end + 1] in ("", ","):
                    after = end + 1 + (text[end + 1 : end + 2] == " ")
                    splits.setdefault(after if end < len(text) else end, [*splits[start], name])
    return splits.get(len(text))


def built_field(text: bytes) -> tuple[Any, list[tuple[str, str, str]]]:
    """Return a field without its misfits, and the key, value and reason of each misfit."""
    field: Any = AnyField()
    misfits: list[tuple[str, str, str]] = []
    others: dict[str, bytes] = {}
    for key, part in parts_of(text).items():
        value = bytes(part)
        if key in FIELD_TYPES:
            setattr(field, key, _built_value(key, value, misfits))
        elif value not in _NOTHING and not _ABOUT_THE_FIELD.fullmatch(key):
            others[key] = value
    if others and lacks_value(field):
        values = [key for key in others if re.search("values?$", key)]
        foreign = is_foreign(field.type, field.resource_subtype)
        if len(values) == 1 and (foreign or others[values[0]][:1] not in b"[{"):
            field.display_value = _text_of(others.pop(values[0]))
        for key, value in others.items():
            misfits.append((key, abbreviate(value), f"undocumented key {key!r}"))
    return field, misfits


def is_foreign(type_: str | None, subtype: str | None) -> bool:
    """Return whether a field has an unknown type, whose value may have its own key."""
    return bool({type_, subtype} - {None, "", *VALUE_KEYS})


def lacks_value(field: Any) -> bool:
    """Return whether a field has neither a value under a known key nor a displayed one."""
    if field.display_value:
        return False
    absent = (None, UNSET) if is_foreign(field.type, field.resource_subtype) else (UNSET,)
    return all(getattr(field, key) in absent for key in VALUE_KEYS.values())


def _text_of(value: bytes) -> str:
    return str(decoder_of(str)(mended(value)) if value[:1] == b'"' else value.decode())


def _built_value(key: str, text: bytes, misfits: list[tuple[str, str, str]]) -> Any:
    if key == VALUE_KEYS["number"] and text[:1] in b"-0123456789":
        try:
            return exact_float(text.decode())
        except ValueError as error:
            misfits.append((key, abbreviate(text), str(error)))
            return None
    for attempt in (text, mended(text)):
        try:
            value = decoder_of(FIELD_TYPES[key])(attempt)
        except MALFORMED:
            continue
        if any(map(_says_nothing, value if type(value) is list else [value])):
            break
        if attempt != text:
            misfits.append((key, abbreviate(text), MENDED))
        return value
    kind = next((kind for kind, name in VALUE_KEYS.items() if name == key), "")
    if kind in ITEM_TYPES and text[:1] == b"[":
        items = []
        for part in map(bytes, items_of(text)):
            item = None
            with suppress(*MALFORMED):
                item = decoder_of(ITEM_TYPES[kind])(part)
            if (item is None and part != b"null") or _says_nothing(item):
                misfits.append((key, abbreviate(part), f"not an item of {key}"))
            else:
                items.append(item)
        return items
    misfits.append((key, abbreviate(text), f"not a valid {key}"))
    return None


def _says_nothing(value: Any) -> bool:
    """Return whether an object has none of the keys that are read."""
    return isinstance(value, msgspec.Struct) and value == type(value)()


def shown(value: Any) -> str:
    """Return a decoded field or value as JSON."""
    if isinstance(value, msgspec.Struct):
        pairs = ((key, getattr(value, key)) for key in value.__struct_fields__)
        value = {key: item for key, item in pairs if item not in (None, UNSET, ABSENT_RAW)}
    return abbreviate(msgspec.json.encode(value))
