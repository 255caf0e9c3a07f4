"""Sizes, durations and times as people read them. Pure."""

from __future__ import annotations

from datetime import tzinfo

import pandas as pd

__all__ = ["duration_words", "size_words", "time_words"]

_UNITS = ("bytes", "kB", "MB", "GB", "TB")
_THOUSAND, _TEN = 1000, 10
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400


def size_words(size: int) -> str:
    """Return a number of bytes in decimal units: ``96 MB``, ``1.4 GB``."""
    number, unit = float(size), 0
    while number >= _THOUSAND - 0.5 and unit < len(_UNITS) - 1:
        number, unit = number / _THOUSAND, unit + 1
    return (
        f"{number:.1f} {_UNITS[unit]}" if unit and number < _TEN else f"{number:.0f} {_UNITS[unit]}"
    )


def duration_words(seconds: float) -> str:
    """Return a duration in one or two units: ``0.4 s``, ``12 s``, ``4 min``, ``1 h 4 min``."""
    if seconds < _TEN:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < _MINUTE:
        return f"{whole} s"
    for size, unit, rest, smaller in (
        (_DAY, "d", _HOUR, "h"),
        (_HOUR, "h", _MINUTE, "min"),
        (_MINUTE, "min", 1, "s"),
    ):
        if whole >= size:
            more = whole % size // rest
            return f"{whole // size} {unit}" + (f" {more} {smaller}" if more else "")
    raise AssertionError(seconds)  # pragma: no cover


def time_words(time: pd.Timestamp, zone: tzinfo) -> str:
    """Return a time to the second, in a zone that is told elsewhere."""
    return time.tz_convert(zone).strftime("%Y-%m-%d %H:%M:%S")
