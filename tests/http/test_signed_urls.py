"""Signed URLs know when they expire, and are used only for allowed addresses."""

from __future__ import annotations

import pickle
import time
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from seed import GRAPH_URL, RESOURCE_URL

from asana_jobs_pd import Client
from asana_jobs_pd._http.addresses import Network, hide_proxies
from asana_jobs_pd._http.signed_urls import SignedTransport, SignedUrl
from asana_jobs_pd.testing import MockTransport, Response

BASE = "https://asana-export.s3.amazonaws.com/1/download/file.jsonl.gz"
SIGNED = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


def signed(stamp="20260301T120000Z", life="300"):
    return f"{BASE}?X-Amz-Algorithm=AWS4&X-Amz-Date={stamp}&X-Amz-Expires={life}&X-Amz-Signature=a"


def transport(*, loopback):
    return SignedTransport(Network((1, 2), hide_proxies(None), None, 5), loopback=loopback)


@pytest.mark.parametrize("url", [GRAPH_URL, RESOURCE_URL])
def test_asanas_own_examples_have_blanks_that_break_nothing(url):
    """Spaces and the fragment are removed; the example has no date, so its expiry is unknown."""
    assert " " in url
    parsed = SignedUrl(url)
    assert " " not in parsed.reveal()
    assert "#" not in parsed.reveal()
    assert parsed.problem is None
    assert parsed.expires_at is None


def test_the_expiry_of_a_url():
    """Its date and its life."""
    expires_at = (SIGNED + timedelta(seconds=300)).timestamp()
    assert SignedUrl(signed()).expires_at == expires_at
    assert SignedUrl(signed(" 20260301T120000Z", "300 ")).expires_at == expires_at


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
def test_an_odd_expiry_is_unknown(stamp, life):
    """Then the server's response decides."""
    assert SignedUrl(signed(stamp, life)).expires_at is None


@given(st.text() | st.text().map("https://[{}".format) | st.text().map("https://s3/?{}".format))
def test_any_text_can_be_parsed(text):
    """Whatever the column contains."""
    parsed = SignedUrl(text)
    assert parsed.expires_at is None or isinstance(parsed.expires_at, float)
    assert parsed.problem is None or isinstance(parsed.problem, str)
    assert isinstance(parsed.redirect(text).is_local, bool)


def test_it_shows_and_pickles_nothing():
    """A signed URL is a credential: it has no text, no dict, no pickle."""
    parsed = SignedUrl(signed())
    assert repr(parsed) == str(parsed) == "<SignedUrl …>"
    assert not hasattr(parsed, "__dict__")
    with pytest.raises(TypeError, match="never pickled"):
        pickle.dumps(parsed)


def url_for(seconds):
    """Return a URL that expires so many seconds after the one day in March."""
    return SignedUrl(signed(life=str(seconds)))


def test_a_url_about_to_expire_is_renewed():
    """With a margin of half a minute; one that does not say when it expires is tried."""
    expires_at = url_for(300).expires_at
    assert not url_for(300).is_stale(expires_at - 31)
    assert url_for(300).is_stale(expires_at - 29)
    assert url_for(300).is_stale(expires_at + 1000)
    assert not SignedUrl(BASE).is_stale(expires_at)


@given(life=st.integers(1, 604_800), now=st.floats(0, 4e9))
def test_a_renewed_url_is_used(life, now):
    """However short its life, and however wrong our clock: renewing it again would never end."""
    assert not url_for(life).is_stale(now, renewed_at=now)


@pytest.mark.parametrize(
    ("life", "age", "stale"), [(300, 290, True), (300, 200, False), (10, 6, True), (10, 4, False)]
)
def test_a_renewed_url_expires_too(life, age, stale):
    """After most of its life, another is asked for."""
    start = SIGNED.timestamp()
    assert url_for(life).is_stale(start + age, renewed_at=start) is stale


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://asana-export.s3.amazonaws.com/f", "not https"),
        ("ftp://127.0.0.1/f", "not https"),
        ("file:///etc/passwd", "no server"),
        ("https://user:pass@s3.amazonaws.com/f", "a user name"),
        ("https:///f", "no server"),
        ("https://[::1/f", "not a URL"),
        ("https://host:99999/f", "not a URL"),
        ("/f", "no server"),
        ("", "not a URL"),
    ],
)
def test_urls_that_may_not_be_fetched(url, reason):
    """Plain http, files and malformed addresses are refused."""
    assert reason in transport(loopback=True).refusal(SignedUrl(url))


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost", "[::1]"])
def test_this_machine_only_when_asana_is_here(host):
    """A URL from elsewhere does not lead to a program on this machine."""
    for scheme in ("http", "https"):
        url = SignedUrl(f"{scheme}://{host}/f")
        assert transport(loopback=True).refusal(url) is None
        assert "this machine" in transport(loopback=False).refusal(url)


@pytest.mark.parametrize("host", ["127.1", "0.0.0.0", "localhost.", "[::ffff:127.0.0.1]"])
def test_this_machine_in_other_spellings(host):
    """Never over http, and elsewhere not at all."""
    assert "not https" in transport(loopback=True).refusal(SignedUrl(f"http://{host}/f"))
    assert "this machine" in transport(loopback=False).refusal(SignedUrl(f"https://{host}/f"))


def test_the_servers_clock_runs_on_from_the_last_date():
    """Ours may be wrong; a missing or malformed Date changes nothing."""
    dates = [None, "Sun, 01 Mar 2026 12:00:00 GMT", "yesterday"]

    def answer(_):
        date = dates.pop(0)
        return Response.from_json({"data": {"gid": "12"}}, headers={"Date": date} if date else {})

    def asked():
        client = Client(transport=MockTransport(answer))
        client.get_job("12")
        return client.server_time()

    assert asked() == pytest.approx(time.time(), abs=600)
    assert asked() == pytest.approx(SIGNED.timestamp(), abs=600)
    assert asked() == pytest.approx(time.time(), abs=600)
