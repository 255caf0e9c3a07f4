"""Round times for an axis, and time zones."""

from __future__ import annotations

from datetime import UTC, timedelta, timezone
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asana_jobs_pd._report.timeline_data import time_ticks, zone_name, zone_of
from asana_jobs_pd.errors import InvalidOptionError

BERLIN = ZoneInfo("Europe/Berlin")


def stamp(text):
    return pd.Timestamp(text, tz="UTC")


def test_ticks_are_round_in_their_zone():
    """The first carries the date, so does the first of another day; the others their hour."""
    labeled = time_ticks(stamp("2026-11-24T20:10"), stamp("2026-11-25T01:00"), BERLIN)
    assert [words for _, words in labeled] == [
        "2026-11-24 22:00", "23:00", "11-25 00:00", "01:00", "02:00"
    ]  # fmt: skip
    assert labeled[0][0] == stamp("2026-11-24T21:00")


def test_days_have_no_hours():
    """Over weeks and years, labels are dates."""
    labeled = time_ticks(stamp("2026-11-01"), stamp("2026-11-08"), UTC)
    assert labeled[0][1] == "2026-11-01"
    assert len(labeled) == 8


@pytest.mark.parametrize("day", ["2026-03-29", "2026-10-25"])
def test_daylight_saving_changes(day):
    """Hours that occur twice or not at all have no tick."""
    labeled = time_ticks(stamp(f"{day}T00:00"), stamp(f"{day}T04:00"), BERLIN)
    times = [time for time, _ in labeled]
    assert times == sorted(set(times))
    assert times


@settings(max_examples=40)
@given(
    start=st.datetimes(pd.Timestamp("1990-01-01"), pd.Timestamp("2100-01-01")),
    length=st.floats(60, 2.4e9),
)
def test_ticks_are_few_and_inside(start, length):
    """At most nine, at least one for a span over a minute, all within it."""
    start = pd.Timestamp(start).tz_localize("UTC").as_unit("us")
    end = start + pd.Timedelta(seconds=length)
    times = [time for time, _ in time_ticks(start, end, UTC)]
    assert 1 <= len(times) <= 9
    assert all(start <= time <= end for time in times)


def test_times_and_zones():
    """UTC by default; a fixed offset has its own name."""
    assert zone_name(BERLIN) == "Europe/Berlin"
    assert zone_name(zone_of(None)) == "UTC"
    assert zone_name(zone_of(timezone(timedelta(hours=2)))) == "UTC+02:00"


@pytest.mark.parametrize("zone", ["Mars/Base", "../etc/passwd", 5, ""])
def test_an_invalid_zone_is_named(zone):
    """In the error."""
    with pytest.raises(InvalidOptionError, match="tz="):
        zone_of(zone)
