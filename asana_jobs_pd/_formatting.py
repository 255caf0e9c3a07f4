"""Durations, times, sizes, counts and lists as text."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, tzinfo

import pandas as pd

_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_LARGEST_FIRST = (
    (_DAY, "d", _HOUR, "h"),
    (_HOUR, "h", _MINUTE, "min"),
    (_MINUTE, "min", 1, "s"),
)
_MANY = 20
"""With this many of a unit or more, the smaller unit is left out."""
_ROUNDED = 1.5
"""A range is in the largest unit of which its end has at least this many."""
_TENTHS = 10
"""Durations of fewer seconds are shown with tenths."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS = ("B", "kB", "MB", "GB", "TB")


def format_duration(seconds: float) -> str:
    """Return a duration in its one or two largest units, rounded down.

    ``0.4 s``, ``12 s``, ``4 min 10 s``, ``38 min``, ``1 h 4 min``, ``9 d 3 h``, ``40 d``.
    """
    if 0 < seconds < _TENTHS:
        return f"{int(seconds * 10) / 10:g} s"
    whole = max(0, int(seconds))
    for size, unit, smaller, smaller_unit in _LARGEST_FIRST:
        if whole >= size:
            rest = whole % size // smaller if whole < _MANY * size else 0
            return f"{whole // size} {unit}" + (f" {rest} {smaller_unit}" if rest else "")
    return f"{whole} s"


def format_range(low: float, high: float) -> str:
    """Return a range of seconds, in the unit that suits its end: ``4 to 9 min``, ``up to 2 h``."""
    size, unit = next(
        ((size, unit) for size, unit, *_ in _LARGEST_FIRST if high >= _ROUNDED * size), (1, "s")
    )
    first, last = round(low / size), round(high / size)
    if not last:
        return f"under 1 {unit}"
    if first == last:
        return f"{last} {unit}"
    return f"{first} to {last} {unit}" if first else f"up to {last} {unit}"


def format_epoch(microseconds: int) -> str:
    """Return a time in microseconds since 1970, to the second, in UTC."""
    time = _EPOCH + timedelta(microseconds=microseconds)
    return f"{_iso(time)} UTC"


def format_size(size: float) -> str:
    """Return a number of bytes in decimal units: ``812 B``, ``1.2 MB``, ``96 MB``."""
    power = 0
    while size >= 999.5 and power < len(_UNITS) - 1:  # noqa: PLR2004  it would be rounded to 1000
        size, power = size / 1000, power + 1
    digits = 1 if power and size < 9.95 else 0  # noqa: PLR2004
    return f"{size:.{digits}f} {_UNITS[power]}"


def format_progress(size: int, total: int | None) -> str:
    """Return a number of bytes out of a total: ``412 of 654 MB``; without a total, ``412 MB``."""
    if not total:
        return format_size(size)
    done, of = format_size(size), format_size(total)
    same_unit = done.split()[1] == of.split()[1]
    return f"{done.split()[0] if same_unit else done} of {of}"


def format_count(count: int, noun: str, plural: str = "") -> str:
    """Return a count with its noun: ``1 job``, ``1,500 jobs``."""
    return f"{count:,} {noun if count == 1 else plural or f'{noun}s'}"


def format_list(names: Sequence[str], limit: int) -> str:
    """Return the first names of a list, and how many more there are."""
    more = f" and {len(names) - limit:,} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more


def format_time(time: pd.Timestamp, zone: tzinfo) -> str:
    """Return a time to the second in a zone, without the zone's name.

    Times that would be before the year 1 or after 9999 in that zone are given in UTC, with "UTC".
    """
    try:
        local = time.to_pydatetime(warn=False).astimezone(zone)
    except OverflowError:
        return f"{_iso(time.to_pydatetime(warn=False))} UTC"
    return _iso(local)


def _iso(time: datetime) -> str:
    return time.replace(tzinfo=None).isoformat(sep=" ", timespec="seconds")
