"""Signed URLs say how long they are good, and lead where they may."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from seed import GRAPH_URL, RESOURCE_URL

from asana_jobs_pd._http.signed_urls import MARGIN, expiry, is_stale, refusal, tidy

BASE = "https://asana-export.s3.amazonaws.com/1/download/file.jsonl.gz"
SIGNED = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


def signed(stamp="20260301T120000Z", life="300"):
    return f"{BASE}?X-Amz-Algorithm=AWS4&X-Amz-Date={stamp}&X-Amz-Expires={life}&X-Amz-Signature=a"


@pytest.mark.parametrize("url", [GRAPH_URL, RESOURCE_URL])
def test_asanas_own_examples_have_blanks_that_break_nothing(url):
    """Blanks and the fragment go; the expiry of the example, which has no date, is unknown."""
    assert " " in url
    assert " " not in tidy(url)
    assert "#" not in tidy(url)
    assert refusal(tidy(url), loopback=False) is None
    assert expiry(url) is None


def test_the_end_of_a_url():
    """Its date and its life."""
    assert expiry(signed()) == (SIGNED + timedelta(seconds=300)).timestamp()
    assert expiry(signed(" 20260301T120000Z", "300 ")) == expiry(signed())


@pytest.mark.parametrize(
    ("stamp", "life"),
    [
        ("xxxxxxxx", "300"),
        ("20261301T120000Z", "300"),
        ("20260301T120000", "300"),
        ("20260301T120000Z", ""),
        ("20260301T120000Z", "-5"),
        ("20260301T120000Z", "0"),
        ("20260301T120000Z", "999999"),
        ("٢٠٢٦٠٣٠١T120000Z", "300"),
        ("", ""),
    ],
)
def test_an_odd_end_is_unknown(stamp, life):
    """Then the server's answer tells."""
    assert expiry(signed(stamp, life)) is None


@given(st.text())
def test_no_text_breaks_it(text):
    """Whatever stands in the column."""
    assert expiry(text) is None or isinstance(expiry(text), float)
    refusal(tidy(text), loopback=True)


def test_a_url_about_to_end_is_renewed():
    """With a margin; one that does not say when it ends is tried."""
    assert not is_stale(1000.0, 1000.0 - MARGIN - 1)
    assert is_stale(1000.0, 1000.0 - MARGIN + 1)
    assert is_stale(1000.0, 2000.0)
    assert not is_stale(None, 2000.0)


@given(life=st.floats(-1e6, 1e6), now=st.floats(0, 2e9))
def test_a_renewed_url_is_used(life, now):
    """However short its life, and however wrong our clock: renewing it again would never end."""
    assert not is_stale(now + life, now, renewed_at=now)


def test_a_renewed_url_ends_too():
    """After most of its life, it is asked for once more."""
    assert is_stale(1300.0, 1290.0, renewed_at=1000.0)
    assert not is_stale(1300.0, 1200.0, renewed_at=1000.0)
    assert is_stale(1010.0, 1006.0, renewed_at=1000.0)
    assert not is_stale(1010.0, 1004.0, renewed_at=1000.0)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://asana-export.s3.amazonaws.com/f", "not https"),
        ("ftp://127.0.0.1/f", "not https"),
        ("file:///etc/passwd", "no server"),
        ("https://user:pass@s3.amazonaws.com/f", "names a user"),
        ("https:///f", "no server"),
        ("https://[::1/f", "not a URL"),
        ("https://host:99999/f", "not a URL"),
        ("/f", "no server"),
        ("", "no server"),
    ],
)
def test_where_nothing_is_fetched_from(url, reason):
    """Not from plain http, files or addresses that are none."""
    assert reason in refusal(url, loopback=True)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8000/f", "http://[::1]/f", "https://localhost/f"]
)
def test_this_machine_only_when_asana_is_here(url):
    """A URL from elsewhere does not lead to a program on this machine."""
    assert refusal(url, loopback=True) is None
    assert "this machine" in refusal(url, loopback=False)
