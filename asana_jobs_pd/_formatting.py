"""Numbers as people say them: spans of time, moments, sizes, counts. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo

import pandas as pd

__all__ = [
    "age_words",
    "count_words",
    "duration_words",
    "moment_words",
    "part_words",
    "size_words",
    "span_words",
    "time_words",
]

MINUTE, HOUR, DAY = 60, 3600, 86400
LONG = 10 * DAY
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS = ("B", "kB", "MB", "GB", "TB")
_STEP = 10


def span_words(seconds: float) -> str:
    """Return a span in its one or two largest units: ``8 s``, ``38 min``, ``1 h 4 min``."""
    whole = max(0, int(seconds))
    if whole < MINUTE:
        return f"{whole} s"
    if whole < HOUR:
        return f"{whole // MINUTE} min"
    big, small = ((DAY, "d"), (HOUR, "h")) if whole >= DAY else ((HOUR, "h"), (MINUTE, "min"))
    rest = whole % big[0] // small[0] if whole < LONG else 0
    return f"{whole // big[0]} {big[1]}" + (f" {rest} {small[1]}" if rest else "")


def duration_words(seconds: float) -> str:
    """Return a duration in one or two units: ``0.4 s``, ``12 s``, ``4 min``, ``1 h 4 min``."""
    if seconds < _STEP:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < MINUTE:
        return f"{whole} s"
    for size, unit, rest, smaller in (
        (DAY, "d", HOUR, "h"),
        (HOUR, "h", MINUTE, "min"),
        (MINUTE, "min", 1, "s"),
    ):
        if whole >= size:
            more = whole % size // rest
            return f"{whole // size} {unit}" + (f" {more} {smaller}" if more else "")
    raise AssertionError(seconds)  # pragma: no cover


def age_words(seconds: float) -> str:
    """Return an age: as `span_words`, but under a minute in steps of ten seconds."""
    if seconds < _STEP:
        return "just now"
    return span_words(seconds // _STEP * _STEP if seconds < MINUTE else seconds)


def moment_words(microseconds: int) -> str:
    """Return a moment, in microseconds since 1970, exact to the second, in UTC."""
    moment = _EPOCH + timedelta(microseconds=microseconds)
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def size_words(size: float) -> str:
    """Return bytes in decimal units: ``812 B``, ``1.2 MB``, ``96 MB``."""
    power = 0
    while size >= 999.5 and power < len(_UNITS) - 1:  # noqa: PLR2004  it would be told as 1000
        size, power = size / 1000, power + 1
    digits = 1 if power and size < 9.95 else 0  # noqa: PLR2004
    return f"{size:.{digits}f} {_UNITS[power]}"


def part_words(size: int, total: int | None) -> str:
    """Return bytes of so many: ``412 of 654 MB``; of an unknown number, ``412 MB``."""
    if not total:
        return size_words(size)
    done, of = size_words(size), size_words(total)
    same = done.split()[1] == of.split()[1]
    return f"{done.split()[0] if same else done} of {of}"


def count_words(count: int, noun: str) -> str:
    """Return a count with its noun: ``1 job``, ``1,500 jobs``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def time_words(time: pd.Timestamp, zone: tzinfo) -> str:
    """Return a time to the second, in a zone that is told elsewhere."""
    return time.tz_convert(zone).strftime("%Y-%m-%d %H:%M:%S")
