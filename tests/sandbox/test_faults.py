"""Faults on demand, as they appear on the socket."""

import http.client
import time

import pytest

from .conftest import Asker, connected, fetch, read_all


def raw(ask, gid):
    """Ask on a bare socket and return all bytes up to the end of the connection."""
    with connected(ask.asana) as bare:
        bare.sendall(ask.request(gid, "Connection: close"))
        return read_all(bare)


@pytest.fixture
def asana(sandbox):
    """A sandbox with short files."""
    return sandbox(export_rows=20)


@pytest.fixture
def gid(asana):
    """A job that answers well without faults."""
    return asana.gids(1)[0]


@pytest.fixture
def url(asana):
    """The URL of a file that is worth interrupting."""
    return asana.export_url("5", "export_request")


def test_reset_ends_the_connection_before_the_answer(asana, ask, gid):
    """The client sees a connection reset, once; it counts as status 0."""
    asana.fault("reset")
    with pytest.raises(ConnectionResetError):
        raw(ask, gid)
    assert ask.job(gid).status == 200
    assert asana.stats.by_status == {0: 1, 200: 1}


@pytest.mark.parametrize("status", [401, 404, 429, 500, 503])
def test_status_is_an_error_envelope(asana, ask, gid, status):
    """Any status, in Asana's form."""
    asana.fault("status", status=status)
    reply = ask.job(gid)
    assert reply.status == status
    assert reply.error["message"]
    assert ask.job(gid).status == 200


@pytest.mark.parametrize("status", [None, 200, 503])
def test_html_is_a_page_of_a_proxy(asana, ask, gid, status):
    """502 by default; 200 as a captive portal does."""
    asana.fault("html", status=status)
    reply = ask.job(gid)
    assert reply.status == (status or 502)
    assert reply.headers["Content-Type"] == "text/html"
    assert b"<html>" in reply.body


@pytest.mark.parametrize("status", [None, 200, 204, 504])
def test_empty_has_no_body(asana, ask, gid, status):
    """A status and nothing else."""
    asana.fault("empty", status=status)
    reply = ask.job(gid)
    assert (reply.status, reply.body) == (status or 502, b"")


def test_truncate_promises_more_than_it_sends(asana, ask, gid):
    """The connection is closed in the middle of the body."""
    asana.fault("truncate")
    with pytest.raises(http.client.IncompleteRead) as caught:
        ask.job(gid)
    assert caught.value.expected > 0
    asana.fault("truncate", bytes=3)
    with pytest.raises(http.client.IncompleteRead) as caught:
        ask.job(gid)
    assert caught.value.partial == b'{"d'


def test_slow_trickles(asana, url):
    """The body comes in small pieces over the time that was asked for, and is complete."""
    whole = fetch(url).body
    asana.fault("slow", seconds=0.2, where="exports")
    begun = time.monotonic()
    assert fetch(url).body == whole
    assert time.monotonic() - begun > 0.15


def test_delay_answers_late(asana, ask, gid):
    """Nothing arrives before that."""
    asana.fault("delay", seconds=0.2)
    begun = time.monotonic()
    assert ask.job(gid).status == 200
    assert time.monotonic() - begun >= 0.19


def test_garbage_is_not_json(asana, ask, gid):
    """200, the right content type, and neither UTF-8 nor JSON."""
    asana.fault("garbage")
    reply = ask.job(gid)
    assert reply.status == 200
    assert reply.headers["Content-Type"].startswith("application/json")
    with pytest.raises(ValueError, match=r"codec can't decode|Expecting"):
        _ = reply.json


def test_redirect_leads_elsewhere(asana, ask, gid):
    """To another host, where no token belongs."""
    asana.fault("redirect", location="https://evil.example/x")
    asana.fault("redirect", status=307)
    reply = ask.job(gid)
    assert (reply.status, reply.headers["Location"]) == (302, "https://evil.example/x")
    assert ask.job(gid).status == 307


def test_faults_come_in_order_and_so_many_times(asana, ask, gid):
    """First come, first served, each for its number of requests."""
    asana.fault("status", status=503, times=2)
    asana.fault("status", status=500)
    assert [ask.job(gid).status for _ in range(4)] == [503, 503, 500, 200]


def test_a_fault_may_wait_for_one_job(asana, ask, gid):
    """Other jobs pass it by."""
    other = asana.gids(1, start=1)[0]
    asana.fault("status", status=503, gid=other)
    assert [ask.job(which).status for which in (gid, other, other)] == [200, 503, 200]


def test_faults_apply_to_the_chosen_requests(asana, ask, gid, url):
    """`api` by default; `exports` or `any` when asked for."""
    asana.fault("empty")
    assert [fetch(url).status, ask.job(gid).status] == [200, 502]
    asana.fault("empty", where="exports")
    assert [ask.job(gid).status, fetch(url).status] == [200, 502]
    asana.fault("empty", where="any", times=2)
    assert [ask.job(gid).status, fetch(url).status, fetch(url).status] == [502, 502, 200]


def test_a_fault_of_an_export_may_wait_for_its_job(asana, url):
    """The gid is that of the job whose file it is."""
    asana.fault("empty", where="exports", gid="6")
    assert fetch(url).status == 200
    assert fetch(asana.export_url("6", "graph_export")).status == 502


def test_an_error_of_an_export_is_xml(asana, url):
    """As S3 says that it is busy."""
    asana.fault("status", where="exports")
    reply = fetch(url)
    assert reply.status == 503
    assert b"<Code>SlowDown</Code>" in reply.body


def test_a_download_may_break_off(asana, url):
    """After so many bytes the connection is closed; a range gets the rest."""
    whole = fetch(url).body
    asana.fault("truncate", bytes=1000, where="exports")
    with pytest.raises(http.client.IncompleteRead) as caught:
        fetch(url)
    assert caught.value.partial == whole[:1000]
    assert fetch(url, headers={"Range": "bytes=1000-"}).body == whole[1000:]


def test_a_download_may_be_reset(asana, url):
    """After so many bytes the connection is reset; only those count as sent."""
    asana.fault("reset", bytes=1000, where="exports")
    with pytest.raises((ConnectionResetError, http.client.IncompleteRead)):
        fetch(url)
    assert asana.stats.export_bytes == 1000


def test_a_rejected_request_uses_up_no_fault(sandbox):
    """The limits come first."""
    ask = Asker(sandbox(requests_per_minute=1))
    gid = ask.asana.gids(1)[0]
    assert ask.job(gid).status == 200
    ask.asana.fault("status", status=503)
    assert ask.job(gid).status == 429
    ask.asana.advance(60)
    assert ask.job(gid).status == 503


@pytest.mark.parametrize(
    ("kind", "options", "words"),
    [
        ("explode", {}, "kind must be one of reset"),
        ("reset", {"where": "x"}, "where must be one"),
    ],
)
def test_a_fault_that_does_not_exist_is_an_error(asana, kind, options, words):
    """The error lists the existing ones."""
    with pytest.raises(ValueError, match=words):
        asana.fault(kind, **options)


def test_whole_ignores_a_range(asana, url):
    """Once: 200 and all of the file, as some servers do; the range is seen all the same."""
    asana.fault("whole", where="exports")
    replies = [fetch(url, headers={"Range": "bytes=10-"}) for _ in range(2)]
    assert [reply.status for reply in replies] == [200, 206]
    assert replies[0].body[10:] == replies[1].body
    assert [seen.range for seen in asana.requests] == ["bytes=10-"] * 2
