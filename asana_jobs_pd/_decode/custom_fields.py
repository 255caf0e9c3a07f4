"""Custom fields: what msgspec decodes them into, and the Arrow array they are scanned into.

A field that is known has a type of its own in which its definition stands as literals: msgspec
compares them while decoding and creates no objects. A field that is described in any other way
does not fit that type and is decoded as `AnyField`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import lru_cache, partial
from itertools import accumulate, chain
from operator import attrgetter, itemgetter
from typing import Any, Literal, Union

import msgspec
import numpy as np
import pyarrow as pa
from msgspec import UNSET

from asana_jobs_pd._decode.columns import Doubtful, Rows, pool, split_date
from asana_jobs_pd._decode.decoders import (
    Report,
    Shape,
    items_of,
)
from asana_jobs_pd._decode.field_values import (
    DESCRIPTION,
    FIELD_DEFAULTS,
    FIELD_TYPES,
    ITEM_TYPES,
    SCAN_TYPES,
    VALUE_KEYS,
    AnyField,
    arrays_of_kind,
    built_field,
    is_foreign,
    known_options,
    lacks_value,
    shown,
)
from asana_jobs_pd._decode.scan_result import Definition, KnownFields, abbreviate, label
from asana_jobs_pd._decode.schema import Node

_MAX_EXACT_TYPES = 100
"""The most fields with exact types: with more, too many rows would not match them."""
_description_of = attrgetter(*DESCRIPTION)
_display_of = attrgetter("display_value")
_options_of = attrgetter("enum_options")

_Description = tuple[Any, ...]
"""The values of the keys in `DESCRIPTION`, and whether the kind is inferred from the value."""


class _Codes(dict[_Description, int]):
    """The codes of definitions, created as they appear; -1 for what identifies no field."""

    def __init__(self, definitions: list[Definition]) -> None:
        self.definitions = definitions
        self.descriptions: list[_Description] = []

    def __missing__(self, description: _Description) -> int:
        definition = _definition(description)
        if definition is None:
            self[description] = -1
            return -1
        self[description] = code = len(self.definitions)
        self.definitions.append(definition)
        self.descriptions.append(description)
        return code


class CustomFields:
    """Converts the custom fields of rows to arrays, and learns their definitions.

    `shape` decodes any custom fields; `exact_shape` is faster, for fields whose description has not
    changed. With `always_display`, the displayed text is kept for all values.
    """

    def __init__(self, *, always_display: bool = False) -> None:
        self.known = KnownFields()
        self._always_display = always_display
        self._codes = _Codes(self.known.definitions)
        self._latest: dict[str, int] = {}
        self._expected: dict[str, int] = {}
        self._exact: dict[type, int] = defaultdict(lambda: -1)
        self.shape = self._shape(list[AnyField] | None)  # type: ignore[valid-type]
        self.exact_shape: Shape | None = None

    def expect_latest(self) -> bool:
        """Update `exact_shape` to the latest descriptions; return whether it has changed."""
        latest = self._latest if len(self._latest) <= _MAX_EXACT_TYPES else {}
        if latest == self._expected:
            return False
        self._expected = dict(latest)
        types: dict[type, int] = {}
        for code in latest.values():
            kind = self.known.definitions[code].kind
            if (type_ := _exact_type(self._codes.descriptions[code], kind)) is not None:
                types[type_] = code
        self._exact = defaultdict(lambda: -1, types)
        union = list[Union[tuple(types)]] | None if types else None  # type: ignore[misc]  # noqa: UP007
        self.exact_shape = self._shape(union) if types else None
        return True

    def _shape(self, type_: Any) -> Shape:
        return Shape(Node("custom_fields"), type_, builder=self._build, maker=self.array)

    def array(self, values: Sequence[Any], rows: Rows) -> pa.Array:
        """Return the scanned array: for each row, a list of definition codes and values."""
        offsets = list(accumulate([len(value) if value else 0 for value in values], initial=0))
        fields = list(chain.from_iterable(filter(None, values)))
        inside = rows.inside(offsets)
        codes = self._codes_of(fields, inside)
        self._note_lines(codes, inside)
        columns = self._columns(fields, codes, inside)
        items = pa.StructArray.from_arrays(
            [pool.array(codes, pa.int32()), *columns.values()], ["definition", *columns]
        )
        return pa.ListArray.from_arrays(pool.array(offsets, pa.int32()), items)

    def _codes_of(self, fields: list[Any], rows: Rows) -> np.ndarray:
        codes = np.fromiter(map(self._exact.__getitem__, map(type, fields)), np.int32, len(fields))
        others = np.flatnonzero(codes < 0)
        if not len(others):
            return codes
        descriptions = list(map(_description_of, _pick(fields, others)))
        codes[others] = np.fromiter(map(self._codes.__getitem__, descriptions), np.int32)
        for position, description in zip(others.tolist(), descriptions, strict=True):
            misfit = partial(rows.misfit, position)
            field = fields[position]
            if lacks_value(field) and not rows.exact:
                raise Doubtful  # other keys are not decoded
            codes[position] = self._checked(codes[position], description, field, misfit)
        return codes

    def _checked(self, code: int, description: _Description, field: Any, misfit: Report) -> int:
        """Return the code of a field whose kind may be unstated; report values of other kinds."""
        values = [(kind, getattr(field, key)) for kind, key in VALUE_KEYS.items()]
        stated = bool(description[2] or description[3])
        if code >= 0 and self.known.definitions[code].kind not in VALUE_KEYS:
            inferred = _inferred_kind(values, stated=stated)
            code = self._codes[(*description, inferred)] if inferred else code
        if code < 0:
            misfit("custom_fields", shown(field), "a custom field without a gid or a name")
            return code
        definition = self.known.definitions[code]
        html = field.html_text_value
        if html and field.text_value in (None, UNSET, ""):
            misfit(label(definition.key), abbreviate(html), "html_text_value without text_value")
        for kind, value in values:
            if kind != definition.kind and value is not UNSET and value not in (None, []):
                reason = f"{VALUE_KEYS[kind]} of a custom field of type {definition.kind!r}"
                misfit(label(definition.key), shown(value), reason)
        return code

    def _note_lines(self, codes: np.ndarray, rows: Rows) -> None:
        distinct, firsts = np.unique(codes, return_index=True)
        lasts = len(codes) - 1 - np.unique(codes[::-1], return_index=True)[1]
        for index in np.argsort(lasts):
            code = int(distinct[index])
            if code >= 0:
                definition = self.known.definitions[code]
                definition.first = min(definition.first, rows.line(int(firsts[index])))
                definition.last = max(definition.last, rows.line(int(lasts[index])))
                self._latest[definition.key] = code

    def _columns(self, fields: list[Any], codes: np.ndarray, rows: Rows) -> dict[str, pa.Array]:
        kinds = np.array([definition.kind for definition in self.known.definitions] + [""])
        arrays: dict[str, list[tuple[np.ndarray, pa.Array]]] = {}
        for kind in VALUE_KEYS:
            positions = np.flatnonzero((kinds == kind)[codes])
            if len(positions):
                picked = _FieldRows(rows, positions, codes, self.known.definitions)
                columns = self._columns_of_kind(kind, _pick(fields, positions), picked)
                for column, array in columns.items():
                    arrays.setdefault(column, []).append((positions, array))
        shows = ~np.isin(kinds, list(VALUE_KEYS))[codes] | self._always_display
        positions = np.flatnonzero(shows)
        if len(positions):
            texts = list(map(_display_of, _pick(fields, positions)))
            self._note_displayed(texts, _FieldRows(rows, positions, codes, self.known.definitions))
            arrays["display"] = [(positions, pool.array(texts, pa.string()))]
        return {
            column: _spread(arrays.get(column, ()), type_, len(fields))
            for column, type_ in SCAN_TYPES.items()
        }

    def _columns_of_kind(
        self, kind: str, fields: Sequence[Any], rows: _FieldRows
    ) -> dict[str, pa.Array]:
        values = list(map(attrgetter(VALUE_KEYS[kind]), fields))
        stand_ins = self._stand_ins(kind, values, fields, rows)
        options: Sequence[msgspec.Raw] = ()
        if kind in ("enum", "multi_enum"):
            options = list(map(_options_of, fields))
            self._learn_options(options, rows)
        columns = arrays_of_kind(kind, values, options, rows)
        if stand_ins:
            texts = list(map(stand_ins.get, range(len(fields))))
            columns["stand_in"] = pool.array(texts, pa.string())
            if kind == "enum":
                self._note_used(columns["stand_in"], rows)
            if kind == "date":
                self._note_times([text and split_date(text)[1] for text in texts], rows)
        if kind == "enum":
            self._note_used(columns["enum"], rows)
        if kind == "date" and columns["date_time"].null_count < len(fields):
            self._note_times(columns["date_time"].is_valid().to_pylist(), rows)
        return columns

    def _stand_ins(
        self, kind: str, values: list[Any], fields: Sequence[Any], rows: _FieldRows
    ) -> dict[int, str]:
        """Return by position the texts that are used in place of values, which become None."""
        stand_ins: dict[int, str] = {}
        positions: Iterable[int] = range(len(values))
        if kind not in ITEM_TYPES or str not in set(map(type, values)):
            positions = [at for at in positions if values[at] is None or values[at] is UNSET]
        for position in positions:
            value = values[position]
            if value is None or value is UNSET:
                values[position] = None
                text = fields[position].display_value
                if not text or text.isspace():
                    continue
                if value is UNSET or (kind == "text" and rows.definition(position).is_computed):
                    stand_ins[position] = text
                    self.known.displayed.add(rows.definition(position).key)
                else:
                    reason = f"displayed, but {VALUE_KEYS[kind]} is null"
                    rows.misfit(position, "", abbreviate(text), reason)
            elif kind in ITEM_TYPES and type(value) is str and "," in value:
                values[position] = None
                stand_ins[position] = value
        return stand_ins

    def _note_displayed(self, texts: Sequence[str | None], rows: _FieldRows) -> None:
        for position, text in enumerate(texts):
            if text and rows.codes[position] >= 0:
                definition = rows.definition(position)
                if definition.kind not in VALUE_KEYS:
                    self.known.displayed.add(definition.key)
                    if split_date(text)[1]:
                        self.known.timed.add(definition.key)

    def _note_used(self, names: pa.Array, rows: _FieldRows) -> None:
        encoded = pool.dictionary_encode(names, null_encoding="encode")
        distinct = encoded.dictionary.to_pylist()
        pairs = rows.codes.astype(np.int64) * len(distinct) + encoded.indices.to_numpy()
        for pair in np.unique(pairs).tolist():
            code, number = divmod(pair, len(distinct))
            if distinct[number] is not None:
                key = self.known.definitions[code].key
                self.known.used.setdefault(key, set()).add(distinct[number])

    def _note_times(self, dates: Iterable[object], rows: _FieldRows) -> None:
        for code, timed in set(zip(rows.codes.tolist(), map(bool, dates), strict=True)):
            if timed:
                self.known.timed.add(self.known.definitions[code].key)

    def _learn_options(self, lists: Sequence[msgspec.Raw], rows: _FieldRows) -> None:
        for code in np.unique(rows.codes):
            positions = np.flatnonzero(rows.codes == code)
            key = self.known.definitions[code].key
            for index in _ends_of_runs(_pick(lists, positions)):
                position = int(positions[index])
                known = known_options(bytes(lists[position]))
                names = dict.fromkeys(option.name for option in known if option.name is not None)
                if names:
                    self.known.note_options(key, list(names), rows.line(position))

    def _build(self, text: bytes, column: str, report: Report) -> list[Any] | None:
        """Return custom fields without the parts that do not fit."""
        if text[:1] != b"[":
            report(column, abbreviate(text), "not a list")
            return None
        fields = []
        for part in map(bytes, items_of(text)):
            if part[:1] != b"{":
                report(column, abbreviate(part), "not a custom field")
                continue
            field, misfits = built_field(part)
            definition = _definition(_description_of(field))
            for key, value, reason in misfits:
                name = label(definition.key) if definition else f"{column}[].{key}"
                report(name, value, reason)
            fields.append(field)
        return fields


class _FieldRows(Rows):
    """Rows of some custom fields; misfits are reported under the label of the field."""

    def __init__(
        self, rows: Rows, positions: np.ndarray, codes: np.ndarray, known: Sequence[Definition]
    ) -> None:
        own_codes = codes[positions]
        # No reference to self: a cycle would keep all rows of the batch alive.
        super().__init__(
            lambda position: rows.line(int(positions[position])),
            lambda position, _, value, reason: rows.misfit(
                int(positions[position]), label(known[own_codes[position]].key), value, reason
            ),
            exact=rows.exact,
        )
        self.codes = own_codes
        self._known = known

    def definition(self, position: int) -> Definition:
        """Return the definition of the field at a position."""
        return self._known[int(self.codes[position])]


def _definition(description: _Description) -> Definition | None:
    """Return the definition of a field; None if neither a gid nor a name identifies it."""
    gid, name, type_, subtype, representation, precision, format_, currency, *inferred = description
    if gid in (None, "") and name is None:
        return None
    stated = [kind for kind in (subtype, type_, representation) if kind]
    known = [kind for kind in stated[:2] if kind in VALUE_KEYS] + inferred
    return Definition(
        None if gid in (None, "") else str(gid),
        name,
        (known or stated or [""])[0],
        bool(stated),
        representation,
        precision,
        format_,
        currency,
    )


def _inferred_kind(values: Sequence[tuple[str, Any]], *, stated: bool) -> str | None:
    """Return the kind of the only value, or if no kind is stated, of the only key."""
    filled = [kind for kind, value in values if value is not None and value is not UNSET]
    present = [kind for kind, value in values if value is not UNSET]
    candidates = filled if filled or stated else present
    return candidates[0] if len(candidates) == 1 else None


@lru_cache(maxsize=1000)
def _exact_type(description: _Description, kind: str) -> type | None:
    """Return a type for fields with this description; None if that is impossible.

    The gid is the tag; the value of the field's kind must be present, and no other value.
    """
    gid = description[0]
    is_inferred = len(description) > len(DESCRIPTION)
    if not isinstance(gid, str) or not gid or kind not in VALUE_KEYS or is_inferred:
        return None
    if is_foreign(*description[2:4]):
        return None
    stated = dict(zip(DESCRIPTION, description, strict=True))
    read = {"display_value"}
    if kind in ("enum", "multi_enum"):
        read.add("enum_options")
    fields: list[Any] = []
    for key, type_ in FIELD_TYPES.items():
        if stated.get(key) is not None:
            fields.append((key, Literal[stated[key]]))
        elif key == VALUE_KEYS[kind]:
            fields.append((key, type_))
        elif key in read:
            fields.append((key, type_, FIELD_DEFAULTS.get(key)))
        else:
            fields.append((key, None, None))
    return msgspec.defstruct("Field", fields[1:], tag_field="gid", tag=gid, kw_only=True, gc=False)


def _ends_of_runs(lists: Sequence[msgspec.Raw]) -> Iterable[int]:
    """Return the positions of lists that differ from the next one."""
    last = len(lists) - 1
    # Comparing costs less than hashing, and counting less than a loop; nearly always all are equal.
    if lists.count(lists[last]) == len(lists):
        return [last]
    return [
        position
        for position in range(len(lists))
        if position == last or lists[position] != lists[position + 1]
    ]


def _pick(values: Sequence[Any], positions: np.ndarray) -> Sequence[Any]:
    if len(positions) == len(values):
        return values
    if len(positions) == 1:
        return [values[positions[0]]]
    return itemgetter(*positions.tolist())(values) if len(positions) else []


def _spread(
    parts: Sequence[tuple[np.ndarray, pa.Array]], type_: pa.DataType, length: int
) -> pa.Array:
    """Return an array of that length with the parts at their positions, null elsewhere."""
    if not parts:
        return pool.nulls(length, type_)
    if len(parts) == 1 and len(parts[0][1]) == length:
        return parts[0][1]
    source = np.full(length, -1, np.int64)
    start = 0
    for positions, array in parts:
        source[positions] = np.arange(start, start + len(array))
        start += len(array)
    values = parts[0][1] if len(parts) == 1 else pool.concat_arrays([array for _, array in parts])
    return pool.take(values, pool.array(source, mask=source < 0))
