"""Durations, times, sizes and counts as text."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asana_jobs_pd._formatting import (
    format_count,
    format_duration,
    format_epoch,
    format_progress,
    format_size,
    format_time,
)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5, "0 s"), (0, "0 s"), (0.42, "0.4 s"), (3, "3 s"), (12.4, "12 s"), (59.9, "59 s"),
        (60, "1 min"), (250, "4 min 10 s"), (750, "12 min 30 s"), (2299, "38 min"), (3600, "1 h"),
        (3840, "1 h 4 min"), (86_400, "1 d"), (90_000, "1 d 1 h"), (97_200, "1 d 3 h"),
        (172_800, "2 d"), (20 * 86_400 + 3600, "20 d"),
    ],
)  # fmt: skip
def test_durations(seconds, words):
    """A duration is shown in its one or two largest units."""
    assert format_duration(seconds) == words


@given(st.floats(0, 1e8))
def test_durations_are_never_overstated(seconds):
    """Parsing the text gives at most the duration, and 90 % of it or all but 0.1 s."""
    unit = {"s": 1, "min": 60, "h": 3600, "d": 86400}
    parts = format_duration(seconds).split()
    shown = sum(float(n) * unit[u] for n, u in zip(parts[::2], parts[1::2], strict=True))
    assert shown <= seconds < max(shown / 0.9, shown + 0.11)


@pytest.mark.parametrize(
    ("size", "words"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (96_000_000, "96 MB"), (999_700_000, "1.0 GB"),
     (999.9e6, "1.0 GB"), (10**16, "10000 TB")],
)  # fmt: skip
def test_sizes(size, words):
    """Sizes have decimal units and two or three digits."""
    assert format_size(size) == words


def test_progress():
    """The unit is shown once where it is the same."""
    assert format_progress(412_000_000, 654_000_000) == "412 of 654 MB"
    assert format_progress(412_000, 654_000_000) == "412 kB of 654 MB"
    assert format_progress(412, None) == "412 B"


def test_times_and_counts():
    """Times are exact to the second, counts have their noun."""
    assert format_epoch(1_767_225_600_999_999) == "2026-01-01 00:00:00 UTC"
    assert [format_count(n, "job") for n in (0, 1, 1500)] == ["0 jobs", "1 job", "1,500 jobs"]
    assert format_count(2, "line was", "lines were") == "2 lines were"
    time = pd.Timestamp("2026-11-24T08:00:01.9", tz="UTC")
    assert format_time(time, ZoneInfo("Europe/Berlin")) == "2026-11-24 09:00:01"
