"""Numbers in words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asana_jobs_pd._formatting import (
    age_words,
    count_words,
    moment_words,
    part_words,
    size_words,
    span_words,
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
def test_spans(seconds, words):
    """A span is told in its one or two largest units."""
    assert span_words(seconds) == words


@pytest.mark.parametrize(("age", "words"), [(-3, "just now"), (9, "just now"), (29, "20 s")])
def test_ages_under_a_minute_are_told_in_tens(age, words):
    """A table that is drawn now and then must not pretend to be exact."""
    assert age_words(age) == words
    assert age_words(61) == "1 min"


@given(st.floats(0, 1e8))
def test_a_span_is_never_told_as_more_than_it_is(seconds):
    """Reading the words back gives at most the span, and nearly all of it."""
    unit = {"s": 1, "min": 60, "h": 3600, "d": 86400}
    parts = span_words(seconds).split()
    told = sum(int(n) * unit[u] for n, u in zip(parts[::2], parts[1::2], strict=True))
    assert told <= seconds < told + unit[parts[-1]] + (86400 if parts[-1] != "s" else 0)


@pytest.mark.parametrize(
    ("size", "words"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (96e6, "96 MB"), (999.9e6, "1.0 GB")],
)
def test_sizes(size, words):
    """Sizes are told in decimal units with two or three digits."""
    assert size_words(size) == words


def test_parts():
    """The unit is told once where it is the same."""
    assert part_words(412_000_000, 654_000_000) == "412 of 654 MB"
    assert part_words(412_000, 654_000_000) == "412 kB of 654 MB"
    assert part_words(412, None) == "412 B"


def test_moments_and_counts():
    """Moments are exact to the second, counts have their noun."""
    assert moment_words(1_767_225_600_999_999) == "2026-01-01 00:00:00 UTC"
    assert [count_words(n, "job") for n in (0, 1, 1500)] == ["0 jobs", "1 job", "1,500 jobs"]
