"""The decisions about retries hold for every number."""

import math
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asana_jobs_pd._http.retry import MAX_WAIT, RETRIED, RetryPolicy, backoff, parse_retry_after

chances = st.floats(0, 1)
tries = st.integers(1, 2000)
statuses = st.none() | st.sampled_from(sorted(RETRIED))
hints = st.none() | st.floats(0.1, MAX_WAIT)


@given(statuses, tries, st.floats(0, 1e6), hints, chances, st.integers(0, 50), st.floats(0, 1e4))
def test_no_try_starts_after_the_cap(status, tries, elapsed, hint, chance, retries, seconds):
    """There are at most so many tries, and none starts later than so many seconds."""
    policy = RetryPolicy(retries, seconds)
    wait = policy.wait(status=status, tries=tries, elapsed=elapsed, retry_after=hint, chance=chance)
    if wait is not None:
        assert tries <= retries
        assert wait > 0
        assert elapsed + wait <= seconds
    else:
        latest = hint if hint is not None else backoff(tries, chance)
        assert tries > retries or elapsed + latest > seconds


@given(st.integers(100, 999).filter(lambda status: status not in RETRIED), tries, hints, chances)
def test_other_statuses_are_final(status, tries, hint, chance):
    """Only 429, 500, 502, 503, 504 and no answer at all are tried again."""
    policy = RetryPolicy(10_000, math.inf)
    wait = policy.wait(status=status, tries=tries, elapsed=0, retry_after=hint, chance=chance)
    assert wait is None


@pytest.mark.parametrize("status", [None, 429, 500, 502, 503, 504])
def test_transient_failures_are_retried(status):
    """The waits of those follow the server's word, else the backoff."""
    policy = RetryPolicy()
    asked = {"status": status, "tries": 1, "elapsed": 0.0, "chance": 0.0}
    assert policy.wait(**asked, retry_after=None) == 0.5
    assert policy.wait(**asked, retry_after=7.0) == 7.0


def test_five_retries_within_ten_minutes_are_the_default():
    """The sixth failure is final, and so is what would wait past ten minutes."""
    policy = RetryPolicy()
    asked = {"status": 503, "retry_after": 1.0, "chance": 0.5}
    assert policy.wait(**asked, tries=5, elapsed=0.0) == 1.0
    assert policy.wait(**asked, tries=6, elapsed=0.0) is None
    assert policy.wait(**asked, tries=1, elapsed=599.0) == 1.0
    assert policy.wait(**asked, tries=1, elapsed=599.5) is None


@given(tries, chances)
def test_backoff_stays_in_its_bounds(tries, chance):
    """A wait is between a quarter of a second and 30 seconds, and never overflows."""
    assert 0.25 <= backoff(tries, chance) <= 30


@given(tries, chances)
def test_backoff_doubles_and_is_spread(tries, chance):
    """The longest wait doubles until 30 seconds; chance takes away up to half of it."""
    longest = backoff(tries, 0)
    assert longest == min(0.5 * 2 ** min(tries - 1, 10), 30)
    assert longest / 2 <= backoff(tries, chance) <= longest
    assert backoff(tries, 1) == longest / 2


@pytest.mark.parametrize(
    "value",
    [
        *(None, "", " ", "soon", "-1", "-0.5", "nan", "inf", "-inf", "Infinity", "1e999", "0x10"),
        *("Fri, 31 Dec 1999 23:59:59 GMT", "2024-01-01", "1, 2", "5 seconds", "\ud83d"),
        *("1_000", "1e3", "+5", "\u0661", "1.2.3", "1,5", "0b11", "Infinity", "Fri, 99 Dec 9999"),
    ],
)
def test_a_header_that_says_nothing_of_use(value):
    """Without a usable header (text, past dates, huge waits) our own backoff applies."""
    assert parse_retry_after(value) is None


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("1", 1),
        (" 30 ", 30),
        ("2.5", 2.5),
        ("0", 0.1),
        ("0.01", 0.1),
        ("300", 300),
        ("9" * 99, 300),
    ],
)
def test_a_header_in_seconds(value, seconds):
    """It is used between a tenth of a second and five minutes."""
    assert parse_retry_after(value) == seconds


@pytest.mark.parametrize(
    ("value", "date", "seconds"),
    [
        ("Thu, 01 Jan 2026 00:00:42 GMT", "Thu, 01 Jan 2026 00:00:12 GMT", 30),
        ("Thu, 01 Jan 2026 00:00:42 +0000", "Thu, 01 Jan 2026 01:00:40 +0100", 2),
        ("Thu, 01 Jan 2026 09:00:00 GMT", "Thu, 01 Jan 2026 00:00:00 GMT", 300),
        ("Thu, 01 Jan 2026 00:00:00 GMT", "Thu, 01 Jan 2026 00:00:00 GMT", None),
        ("Wed, 31 Dec 2025 23:59:00 GMT", "Thu, 01 Jan 2026 00:00:00 GMT", None),
        ("7", "Thu, 01 Jan 2026 00:00:00 GMT", 7),
    ],
)
def test_a_header_with_a_date(value, date, seconds):
    """It counts from the answer's own date: our clock may be off."""
    assert parse_retry_after(value, date) == seconds


@pytest.mark.parametrize("date", [None, "", "soon", "Fri, 99 Dec 2025"])
def test_without_a_date_of_its_own_our_clock_counts(date):
    """A date to come is waited for."""
    value = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    assert 50 < parse_retry_after(value, date) <= 100


@given(st.text() | st.floats().map(str) | st.integers().map(str))
def test_any_header_gives_a_sane_wait_or_none(value):
    """Whatever a server sends, the wait is between a tenth of a second and five minutes."""
    seconds = parse_retry_after(value)
    assert seconds is None or 0.1 <= seconds <= MAX_WAIT
