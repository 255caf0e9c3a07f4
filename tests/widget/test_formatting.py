"""Durations, sizes and counts as text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asana_jobs_pd._formatting import (
    format_age,
    format_count,
    format_elapsed,
    format_epoch,
    format_progress,
    format_size,
)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (2299, "38 min"),
        (3600, "1 h"),
        (3840, "1 h 4 min"),
        (86400, "1 d"),
        (97200, "1 d 3 h"),
        (864000 + 3600, "10 d"),
        (-5, "0 s"),
    ],
)
def test_elapsed_time(seconds, words):
    """It is shown in its one or two largest units."""
    assert format_elapsed(seconds) == words


@pytest.mark.parametrize(("age", "words"), [(-3, "just now"), (9, "just now"), (29, "20 s")])
def test_ages_below_a_minute_are_rounded_down_to_tens(age, words):
    """A table that is redrawn now and then must not pretend to be exact."""
    assert format_age(age) == words
    assert format_age(61) == "1 min"


@given(st.floats(0, 1e8))
def test_elapsed_time_is_never_overstated(seconds):
    """Parsing the text gives at most the elapsed time, and nearly all of it."""
    unit = {"s": 1, "min": 60, "h": 3600, "d": 86400}
    parts = format_elapsed(seconds).split()
    shown = sum(int(n) * unit[u] for n, u in zip(parts[::2], parts[1::2], strict=True))
    assert shown <= seconds < shown + unit[parts[-1]] + (86400 if parts[-1] != "s" else 0)


@pytest.mark.parametrize(
    ("size", "words"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (96e6, "96 MB"), (999.9e6, "1.0 GB")],
)
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
