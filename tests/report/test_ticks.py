"""Round times for an axis, and times, sizes and durations in words."""

from __future__ import annotations

from datetime import UTC, timedelta, timezone
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asana_jobs_pd._formatting import duration_words, size_words, time_words
from asana_jobs_pd._report.report_svg import ticks
from asana_jobs_pd._report.timeline_data import zone_of, zone_words
from asana_jobs_pd.errors import InvalidOptionError

BERLIN = ZoneInfo("Europe/Berlin")


def stamp(text):
    return pd.Timestamp(text, tz="UTC")


def test_ticks_are_round_in_their_zone():
    """The first carries the date, so does the first of another day; the others their hour."""
    told = ticks(stamp("2026-11-24T20:10"), stamp("2026-11-25T01:00"), BERLIN)
    assert [words for _, words in told] == [
        "2026-11-24 22:00", "23:00", "11-25 00:00", "01:00", "02:00"
    ]  # fmt: skip
    assert told[0][0] == stamp("2026-11-24T21:00")


def test_days_are_told_without_hours():
    """Over weeks and years, dates alone."""
    told = ticks(stamp("2026-11-01"), stamp("2026-11-08"), UTC)
    assert told[0][1] == "2026-11-01"
    assert len(told) == 8


@pytest.mark.parametrize("day", ["2026-03-29", "2026-10-25"])
def test_a_change_of_clocks_is_no_trouble(day):
    """Hours that are there twice or not at all have no tick."""
    told = ticks(stamp(f"{day}T00:00"), stamp(f"{day}T04:00"), BERLIN)
    times = [time for time, _ in told]
    assert times == sorted(set(times))
    assert times


@settings(max_examples=40)
@given(
    begin=st.datetimes(pd.Timestamp("1990-01-01"), pd.Timestamp("2100-01-01")),
    length=st.floats(60, 2.4e9),
)
def test_ticks_are_few_and_inside(begin, length):
    """At most nine, at least one for a span over a minute, all within it."""
    begin = pd.Timestamp(begin).tz_localize("UTC").as_unit("us")
    end = begin + pd.Timedelta(seconds=length)
    times = [time for time, _ in ticks(begin, end, UTC)]
    assert 1 <= len(times) <= 9
    assert all(begin <= time <= end for time in times)


@pytest.mark.parametrize(
    ("size", "words"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (96_000_000, "96 MB"),
     (999_700_000, "1.0 GB"), (10**16, "10000 TB")],
)  # fmt: skip
def test_sizes(size, words):
    """Decimal units, two digits at the least."""
    assert size_words(size) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.42, "0.4 s"), (12.4, "12 s"), (59.6, "1 min"), (250, "4 min 10 s"), (3840, "1 h 4 min"),
     (90_000, "1 d 1 h"), (172_800, "2 d")],
)  # fmt: skip
def test_durations(seconds, words):
    """One unit or two."""
    assert duration_words(seconds) == words


def test_times_and_zones_in_words():
    """A time is in the zone that is named elsewhere."""
    assert time_words(stamp("2026-11-24T08:00:01.9"), BERLIN) == "2026-11-24 09:00:01"
    assert zone_words(BERLIN) == "Europe/Berlin"
    assert zone_words(zone_of(None)) == "UTC"
    assert zone_words(zone_of(timezone(timedelta(hours=2)))) == "UTC+02:00"


@pytest.mark.parametrize("zone", ["Mars/Base", "../etc/passwd", 5, ""])
def test_what_is_no_zone_is_told(zone):
    """By its value."""
    with pytest.raises(InvalidOptionError, match="tz="):
        zone_of(zone)
