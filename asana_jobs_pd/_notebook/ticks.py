"""Round times for the axis of a timeline. Pure."""

from __future__ import annotations

from datetime import tzinfo

import pandas as pd

__all__ = ["ticks"]

_STEPS = (
    *("1s", "2s", "5s", "10s", "20s", "30s", "1min", "2min", "5min", "10min", "20min", "30min"),
    *("1h", "2h", "3h", "6h", "12h"),
    *("1D", "2D", "7D", "14D", "28D", "91D", "364D", "3640D"),
)
_MOST = 8
_DAY = pd.Timedelta(days=1)


def ticks(begin: pd.Timestamp, end: pd.Timestamp, zone: tzinfo) -> list[tuple[pd.Timestamp, str]]:
    """Return at most eight round times of a zone between two times, with what they are called.

    The first, and the first of each day, carries its date; the others their hour alone.
    """
    local, until = (time.tz_convert(zone).tz_localize(None) for time in (begin, end))
    step = next(
        (size for text in _STEPS if (until - local) / (size := pd.Timedelta(text)) <= _MOST),
        pd.Timedelta(_STEPS[-1]),
    )
    naive = pd.date_range(local.ceil(step), until, freq=step)
    # An hour that a change of clocks leaves out, or has twice, gets no tick.
    times = naive.tz_localize(zone, ambiguous="NaT", nonexistent="NaT").dropna()
    found: list[tuple[pd.Timestamp, str]] = []
    day = ""
    for time in times:
        date = time.strftime("%Y-%m-%d" if step >= _DAY or not found else "%m-%d")
        hour = time.strftime("%H:%M:%S" if step < pd.Timedelta(minutes=1) else "%H:%M")
        new = time.strftime("%Y-%m-%d") != day
        day = time.strftime("%Y-%m-%d")
        words = date if step >= _DAY else f"{date} {hour}" if new else hour
        found.append((time.tz_convert("UTC"), words))
    return found
