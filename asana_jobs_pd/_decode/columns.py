"""Converts decoded values to Arrow arrays: whole columns at once, or by cell if some do not fit."""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections.abc import Callable, Sequence
from contextlib import suppress
from decimal import Decimal
from functools import partial
from itertools import accumulate, chain
from operator import attrgetter
from types import SimpleNamespace
from typing import Any, TypeAlias

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from asana_jobs_pd._decode.decoders import (
    LARGE,
    MALFORMED,
    MENDED,
    Shape,
    exact_float,
    mended,
    needs_repair,
    repaired,
    unspelled,
)
from asana_jobs_pd._decode.scan_result import abbreviate
from asana_jobs_pd._decode.schema import Node, observe

_SYSTEM = pa.system_memory_pool()
pool = SimpleNamespace(
    array=partial(pa.array, memory_pool=_SYSTEM),
    cast=partial(pc.cast, memory_pool=_SYSTEM),
    concat_arrays=partial(pa.concat_arrays, memory_pool=_SYSTEM),
    dictionary_encode=partial(pc.dictionary_encode, memory_pool=_SYSTEM),
    filter_rows=partial(pc.filter, memory_pool=_SYSTEM),
    index_in=partial(pc.index_in, memory_pool=_SYSTEM),
    nulls=partial(pa.nulls, memory_pool=_SYSTEM),
    take=partial(pc.take, memory_pool=_SYSTEM),
)
"""Arrow's functions with the memory that Python objects leave.

Arrow's own pools hold a third more at the peak of a load, and cost a tenth of its time.
"""
TYPES: dict[str, pa.DataType] = {
    "text": pa.string(),
    "gid": pa.string(),
    "time": pa.timestamp("us", "UTC"),
    "date": pa.date32(),
    "bool": pa.bool_(),
    "int": pa.int64(),
    "float": pa.float64(),
    "raw": pa.binary(),
    "json": pa.string(),
}
_RANGES: dict[str, tuple[int, int]] = {
    kind: tuple(pa.scalar(text).cast(TYPES[kind]).value for text in texts)
    for kind, texts in {
        "time": ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"),
        "date": ("0001-01-01", "9999-12-31"),
    }.items()
}
_REASONS = {
    "time": "not a time",
    "date": "not a date",
    "int": "a whole number beyond 64 bits",
}
DATE = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:[T ](.+))?", re.ASCII)
DATE_LENGTH = len("2024-08-23")
_MIDNIGHT = re.compile(r"00:00(?::00(?:\.0+)?)?(?:Z|[+-]00:?00)?", re.ASCII)
MISFITS = (pa.ArrowException, OverflowError, TypeError, ValueError)
"""The errors that Arrow raises for a value that does not fit its type."""


def _float_or_decimal(text: str) -> float | Decimal:
    """Return a number as a float, or as a Decimal if a float would change it."""
    try:
        return exact_float(text)
    except ValueError:
        number = Decimal(text)
        if math.isinf(float(number)):
            raise
        return number


_any = msgspec.json.Decoder(float_hook=_float_or_decimal).decode

Misfit: TypeAlias = Callable[[int, str, str, str], None]
"""Receives the position, the column, the value and the reason."""


class Doubtful(Exception):  # noqa: N818  not an error until the reader decides so
    """Decoding may have lost something, such as digits of a large number: check the text."""


class Rows:
    """Where the values of a column come from.

    `line` returns the file and line of the row at a position; `misfit` is called with a value that
    does not fit; `exact` says that all values have been compared with their texts.
    """

    def __init__(
        self,
        line: Callable[[int], tuple[int, int]],
        misfit: Misfit,
        *,
        exact: bool = True,
    ) -> None:
        self.line = line
        self.misfit = misfit
        self.exact = exact

    def inside(self, offsets: Sequence[int]) -> Rows:
        """Return the rows of a list column's items."""

        def row(position: int) -> int:
            return bisect_right(offsets, position) - 1

        return Rows(
            lambda position: self.line(row(position)),
            lambda position, *what: self.misfit(row(position), *what),
            exact=self.exact,
        )


def type_of(node: Node) -> pa.DataType:
    """Return the Arrow type of a field."""
    if node.kind == "object":
        return pa.struct([(unspelled(key), type_of(child)) for key, child in node.keys.items()])
    if node.kind == "list":
        assert node.item is not None
        return pa.list_(type_of(node.item))
    return TYPES[node.kind]


def array_of(shape: Shape, values: Sequence[Any], column: str, rows: Rows) -> pa.Array:
    """Return the decoded values of a column as an Arrow array."""
    kind = shape.node.kind
    if shape.maker is not None:
        array: pa.Array = shape.maker(values, rows)
        return array
    if kind in _MAKERS:
        return _MAKERS[kind](shape, values, column, rows)
    try:
        return pool.array(values, TYPES[kind])
    except MISFITS:
        return _integers(values, kind, column, rows)


def _objects(shape: Shape, values: Sequence[Any], column: str, rows: Rows) -> pa.Array:
    if not shape.children:
        return pool.array([None if value is None else {} for value in values], pa.struct([]))
    missing = _mask(values)
    there = values
    if missing is not None:
        there = [shape.blank if value is None else value for value in values]
    children = [
        array_of(inner, list(map(attrgetter(name), there)), f"{column}.{key}", rows)
        for key, (name, inner) in shape.children.items()
    ]
    return pa.StructArray.from_arrays(children, list(map(unspelled, shape.children)), mask=missing)


def _mask(values: Sequence[Any]) -> pa.Array | None:
    missing = [value is None for value in values]
    return pool.array(missing) if True in missing else None


def _lists(shape: Shape, values: Sequence[Any], column: str, rows: Rows) -> pa.Array:
    assert shape.item is not None
    offsets = list(accumulate([len(value) if value else 0 for value in values], initial=0))
    flat = list(chain.from_iterable(filter(None, values)))
    items = array_of(shape.item, flat, f"{column}[]", rows.inside(offsets))
    return pa.ListArray.from_arrays(pool.array(offsets, pa.int32()), items, mask=_mask(values))


def _raws(shape: Shape, values: Sequence[Any], column: str, rows: Rows) -> pa.Array:
    texts: list[bytes | None] = []
    for position, value in enumerate(values):
        text: bytes | None = bytes(value) or None
        if text is not None:
            if needs_repair(text):
                text = _repaired(text, position, column, rows)
            try:
                parsed = _any(text)
            except MALFORMED:
                text, parsed = _salvaged(text, position, column, rows)
            observe(shape.node, parsed, lambda place=position: rows.line(place))  # type: ignore[misc]
        texts.append(None if text == b"null" else text)
    return pool.array(texts, TYPES["raw"])


def _repaired(text: bytes, position: int, column: str, rows: Rows) -> bytes:
    better, misfits = repaired(text, column)
    for misfit in misfits:
        rows.misfit(position, *misfit)
    return better


def _salvaged(text: bytes, position: int, column: str, rows: Rows) -> tuple[bytes | None, Any]:
    """Return undecodable JSON without its invalid parts; None if that is impossible."""
    text = _repaired(text, position, column, rows)
    better = mended(text)
    if better != text and needs_repair(better):  # mended keys may need respelling
        better = _repaired(better, position, column, rows)
    try:
        value = _any(better)
    except MALFORMED as error:
        reason = f"cannot be read: {error}"
    else:
        if better != text:
            rows.misfit(position, column, abbreviate(text), MENDED)
        return better, value
    rows.misfit(position, column, abbreviate(text), reason)
    return None, None


def parsed_texts(texts: Sequence[str | None], kind: str, column: str, rows: Rows) -> pa.Array:
    """Return texts as times or dates."""
    return _cast(pool.array(texts, pa.string()), kind, column, rows)


def split_date(text: str) -> tuple[str, str | None]:
    """Return the date in a text, and the whole text if it has a time other than midnight UTC."""
    match = DATE.fullmatch(text.strip())
    if match is None:
        return text, None
    day, time = match.groups()
    return day, None if time is None or _MIDNIGHT.fullmatch(time) else text.strip()


def _text(value: Any) -> str | None:
    """Return texts unchanged, and other JSON as it was written."""
    text = bytes(value)
    if not text or text == b"null":
        return None
    if text[:1] != b'"':
        return text.decode("utf-8", "replace")
    try:
        return str(_any(text))
    except MALFORMED:
        return text.decode("utf-8", "replace")


def _cast(texts: pa.Array, kind: str, column: str, rows: Rows, start: int = 0) -> pa.Array:
    """Return parsed texts, bisecting the array to find the one that cannot be parsed."""
    type_ = TYPES[kind]
    with suppress(pa.ArrowInvalid):
        array = pool.cast(texts, type_)
        if _is_showable(array, kind):
            return array
    if len(texts) == 1:
        day, time = split_date(texts[0].as_py())
        if kind == "date" and time is None and day != texts[0].as_py():
            return _cast(pool.array([day], pa.string()), kind, column, rows, start)
        rows.misfit(start, column, abbreviate(texts[0].as_py()), _REASONS[kind])
        return pool.nulls(1, type_)
    half = len(texts) // 2
    left = _cast(texts[:half], kind, column, rows, start)
    return pool.concat_arrays([left, _cast(texts[half:], kind, column, rows, start + half)])


def _is_showable(array: pa.Array, kind: str) -> bool:
    """Return whether all years are 1 to 9999: pandas cannot show others, not even in a repr."""
    first, last = _RANGES[kind]
    extremes = pc.min_max(array)
    least, greatest = extremes["min"].value, extremes["max"].value
    return least is None or (first <= least and greatest <= last)


def _integers(values: Sequence[Any], kind: str, column: str, rows: Rows) -> pa.Array:
    """Return whole numbers as an array; those that do not fit are reported."""
    if kind == "gid":
        return gid_texts(values)
    fitting = [value if value is None or -(2**63) <= value < 2**63 else None for value in values]
    for position, (value, fits) in enumerate(zip(values, fitting, strict=True)):
        if value != fits:
            rows.misfit(position, column, abbreviate(str(value)), _REASONS[kind])
    return pool.array(fitting, TYPES[kind])


def float_array(values: Sequence[float | None], rows: Rows) -> pa.Array:
    """Return numbers as floats; raise `Doubtful` if some may have been rounded."""
    with suppress(*MISFITS):
        array = pool.array(values, TYPES["float"])
        extremes = pc.min_max(array)
        least, greatest = extremes["min"].as_py(), extremes["max"].as_py()
        if rows.exact or least is None or (least > -LARGE and greatest < LARGE):
            return array
    if not rows.exact:
        raise Doubtful
    return pool.array([None if value is None else float(value) for value in values], TYPES["float"])


def gid_texts(gids: Sequence[str | int | None]) -> pa.Array:
    """Return gids as texts; some may be numbers."""
    try:
        return pool.array(gids, TYPES["gid"])
    except MISFITS:
        return pool.array([None if gid is None else str(gid) for gid in gids], TYPES["gid"])


_MAKERS: dict[str, Callable[[Shape, Sequence[Any], str, Rows], pa.Array]] = {
    "object": _objects,
    "list": _lists,
    "raw": _raws,
    "json": lambda _shape, values, *_: pool.array(list(map(_text, values)), TYPES["json"]),
    "float": lambda _shape, values, _column, rows: float_array(values, rows),
    "time": lambda _shape, values, column, rows: parsed_texts(values, "time", column, rows),
    "date": lambda _shape, values, column, rows: parsed_texts(values, "date", column, rows),
}
