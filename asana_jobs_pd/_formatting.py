"""Durations, times, sizes and counts as text."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo

import pandas as pd

MINUTE, HOUR, DAY = 60, 3600, 86400
_DAYS_ONLY = 10 * DAY
"""Seconds from which hours are left out."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS = ("B", "kB", "MB", "GB", "TB")
_AGE_STEP = 10


def format_elapsed(seconds: float) -> str:
    """Return whole seconds, minutes, hours or days: ``8 s``, ``38 min``, ``1 h 4 min``."""
    whole = max(0, int(seconds))
    if whole < MINUTE:
        return f"{whole} s"
    if whole < HOUR:
        return f"{whole // MINUTE} min"
    large, small = ((DAY, "d"), (HOUR, "h")) if whole >= DAY else ((HOUR, "h"), (MINUTE, "min"))
    rest = whole % large[0] // small[0] if whole < _DAYS_ONLY else 0
    return f"{whole // large[0]} {large[1]}" + (f" {rest} {small[1]}" if rest else "")


def format_duration(seconds: float) -> str:
    """Return a duration in one or two units: ``0.4 s``, ``12 s``, ``4 min``, ``1 h 4 min``."""
    if seconds < _AGE_STEP:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < MINUTE:
        return f"{whole} s"
    for size, unit, smaller, smaller_unit in (
        (DAY, "d", HOUR, "h"),
        (HOUR, "h", MINUTE, "min"),
        (MINUTE, "min", 1, "s"),
    ):
        if whole >= size:
            rest = whole % size // smaller
            return f"{whole // size} {unit}" + (f" {rest} {smaller_unit}" if rest else "")
    raise AssertionError(seconds)  # pragma: no cover


def format_age(seconds: float) -> str:
    """Return an age: as `format_elapsed`, but below a minute in steps of ten seconds."""
    if seconds < _AGE_STEP:
        return "just now"
    return format_elapsed(seconds // _AGE_STEP * _AGE_STEP if seconds < MINUTE else seconds)


def format_epoch(microseconds: int) -> str:
    """Return a time in microseconds since 1970, to the second, in UTC."""
    time = _EPOCH + timedelta(microseconds=microseconds)
    return f"{_iso(time)} UTC"


def format_size(size: float) -> str:
    """Return bytes in decimal units: ``812 B``, ``1.2 MB``, ``96 MB``."""
    power = 0
    while size >= 999.5 and power < len(_UNITS) - 1:  # noqa: PLR2004  it would be rounded to 1000
        size, power = size / 1000, power + 1
    digits = 1 if power and size < 9.95 else 0  # noqa: PLR2004
    return f"{size:.{digits}f} {_UNITS[power]}"


def format_progress(size: int, total: int | None) -> str:
    """Return bytes out of a total: ``412 of 654 MB``; without a total, ``412 MB``."""
    if not total:
        return format_size(size)
    done, of = format_size(size), format_size(total)
    same_unit = done.split()[1] == of.split()[1]
    return f"{done.split()[0] if same_unit else done} of {of}"


def format_count(count: int, noun: str) -> str:
    """Return a count with its noun: ``1 job``, ``1,500 jobs``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def format_time(time: pd.Timestamp, zone: tzinfo) -> str:
    """Return a time to the second in a zone, which is not named.

    A time that would be before the year 1 or after 9999 there is in UTC, and says so.
    """
    try:
        local = time.to_pydatetime(warn=False).astimezone(zone)
    except OverflowError:
        return f"{_iso(time.to_pydatetime(warn=False))} UTC"
    return _iso(local)


def _iso(time: datetime) -> str:
    return time.replace(tzinfo=None).isoformat(sep=" ", timespec="seconds")
