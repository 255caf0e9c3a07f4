"""Requests to signed URLs carry nothing of ours and can be ended by other threads."""

from __future__ import annotations

import itertools
import socket
import threading
import time
from contextlib import suppress

import pytest

from asana_jobs_pd._http.addresses import Network, hide_proxies
from asana_jobs_pd._http.client import Client
from asana_jobs_pd._http.signed_urls import SignedTransport, SignedUrl
from asana_jobs_pd._http.transport import ConnectionFailure

from .conftest import TOKEN, http


def transport_of(*timeout):
    return SignedTransport(Network(timeout, hide_proxies(None), None, 5), loopback=True)


@pytest.fixture
def transport():
    made = transport_of(1, 2)
    yield made
    made.close()


def body(answer):
    with answer:
        return b"".join(iter(answer.read, b""))


def sent(server):
    """Return the headers of the requests, as one lower-case text."""
    return b"\n".join(server.heads).decode().lower()


def test_nothing_of_ours_goes_along(scripted, tmp_path, monkeypatch):
    """No token, no netrc, no cookies: S3 refuses a second authorization, and it would leak."""
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    server = scripted(http(200, b"x", "Set-Cookie: session=secret"))
    with Client(TOKEN, base_url=f"{server.origin}/api/1.0") as client:
        transport = client.signed_transport()
        for _ in range(2):
            assert (
                body(transport.open(SignedUrl(f"{server.origin}/f?X-Amz-Signature=1"), {})) == b"x"
            )
    assert len(server.heads) == 2
    for word in ("authorization", "cookie", "secret", TOKEN.lower()):
        assert word not in sent(server)
    assert "accept-encoding: identity" in sent(server)


def test_the_bytes_come_as_they_are(scripted, transport):
    """A Content-Encoding is not undone: what is stored is what is verified."""
    server = scripted(http(200, b"\x1f\x8bnot really gzip", "Content-Encoding: gzip"))
    assert body(transport.open(SignedUrl(f"{server.origin}/f"), {})) == b"\x1f\x8bnot really gzip"


def test_blanks_in_a_url_do_not_reach_the_server(scripted, transport):
    """Asana's own examples have them, and a fragment."""
    server = scripted(http(200, b"x"))
    assert (
        body(transport.open(SignedUrl(f"{server.origin}/download/ f.gz?a=1& b=2#_=_"), {})) == b"x"
    )
    assert server.heads[0].startswith(b"GET /download/f.gz?a=1&b=2 HTTP/1.1")


def test_a_range_is_asked_for_after_a_redirect_too(scripted, transport):
    """Redirects are followed with the same headers."""
    last = scripted(http(206, b"rest"))
    first = scripted(http(302, b"", f"Location: {last.origin}/g"))
    answer = transport.open(SignedUrl(f"{first.origin}/f"), {"Range": "bytes=5-"})
    assert answer.status == 206
    assert body(answer) == b"rest"
    assert "range: bytes=5-" in sent(last)


@pytest.mark.parametrize("place", ["http://s3.example/f?sig=5ec2e7", "ftp://127.0.0.1/f", "//["])
def test_a_redirect_that_is_not_allowed(scripted, transport, place):
    """It ends there, in words without the query."""
    server = scripted(http(302, b"", f"Location: {place}"))
    answer = transport.open(SignedUrl(f"{server.origin}/f"), {})
    assert isinstance(answer, ConnectionFailure)
    assert not answer.retryable
    assert "5ec2e7" not in answer.reason


def test_this_machine_is_out_of_bounds_for_a_client_of_asana(scripted):
    """A URL or redirect from elsewhere does not reach programs on this machine."""
    server = scripted(http(200, b"x"))
    with Client(TOKEN, base_url="https://app.asana.com/api/1.0") as client:
        answer = client.signed_transport().open(SignedUrl(f"{server.origin}/f"), {})
    assert isinstance(answer, ConnectionFailure)
    assert server.heads == []


def test_no_server_is_words(transport):
    """Network failures are returned as reasons, not raised."""
    answer = transport.open(SignedUrl("http://127.0.0.1:9/f?X-Amz-Signature=5ec2e7"), {})
    assert isinstance(answer, ConnectionFailure)
    assert answer.retryable
    assert "5ec2e7" not in answer.reason


def test_a_cut_is_words(scripted, transport):
    """The bytes before it are returned, then the reason."""
    server = scripted(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n12345")
    with transport.open(SignedUrl(f"{server.origin}/f"), {}) as answer:
        assert answer.read() == b"12345"
        assert isinstance(answer.read(), ConnectionFailure)


def test_reading_that_waits_ends_when_the_transport_closes(sandbox):
    """At once, in whichever thread it is."""
    asana = sandbox(clock=None)
    asana.fault("slow", where="exports", seconds=60.0)
    transport = transport_of(5, 30)
    answer = transport.open(SignedUrl(asana.export_url("5", "graph_export")), {})
    assert answer.read()
    ends = []

    def read():
        while data := answer.read():
            if isinstance(data, ConnectionFailure):
                break
        ends.append(time.monotonic())

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    time.sleep(0.2)
    closed = time.monotonic()
    transport.close()
    reader.join(10)
    assert ends[0] - closed < 2
    late = transport.open(SignedUrl(asana.export_url("5", "graph_export")), {})
    assert isinstance(late, ConnectionFailure)


@pytest.mark.parametrize("headers", [(), ("Location: ",)])
def test_a_redirect_to_nowhere_is_asked_for_once(scripted, transport, headers):
    """S3 answers 301 without a Location for a bucket in another region."""
    server = scripted(http(301, b"<Code>PermanentRedirect</Code>", *headers))
    with transport.open(SignedUrl(f"{server.origin}/f"), {}) as answer:
        assert answer.status == 301
    assert len(server.heads) == 1


class Trickle:
    """A server that answers with one piece after the other, until its client hangs up."""

    def __init__(self, *pieces, pause=0.02):
        self._pieces, self._pause = pieces, pause
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = SignedUrl(f"http://127.0.0.1:{self._listener.getsockname()[1]}/f")
        self.asked = threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        connection, _ = self._listener.accept()
        with connection, self._listener, suppress(OSError):
            connection.recv(65536)
            self.asked.set()
            for piece in itertools.chain(self._pieces[:-1], itertools.repeat(self._pieces[-1])):
                connection.sendall(piece)
                time.sleep(self._pause)


ENDLESS_HEADERS = {
    "100 Continue": (b"HTTP/1.1 100 Continue\r\n\r\n",),
    "a long line": (b"HTTP/1.1 200 OK\r\nX: ", b"x"),
    "silence": (b"",),
}


@pytest.mark.parametrize("pieces", ENDLESS_HEADERS.values(), ids=ENDLESS_HEADERS)
@pytest.mark.parametrize("end", ["close", "deadline"])
def test_waiting_for_headers_ends(pieces, end):
    """When the transport is closed, or when they take longer than twice the timeout."""
    server = Trickle(*pieces)
    transport = transport_of(5, 60 if end == "close" else 0.3)
    answers = []
    opening = threading.Thread(
        target=lambda: answers.append(transport.open(server.url, {})), daemon=True
    )
    opening.start()
    assert server.asked.wait(30)
    if end == "close":
        transport.close()
    opening.join(10)
    assert isinstance(answers[0], ConnectionFailure)
    transport.close()


def test_a_trickle_is_cut():
    """Less than the minimum rate counts as nothing; the next attempt resumes there."""
    server = Trickle(b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n", b"x")
    transport = transport_of(5, 0.2)
    with transport.open(server.url, {}) as answer:
        while isinstance(data := answer.read(), bytes):
            assert data
    assert data.retryable
    assert "bytes came in" in data.reason
    transport.close()


@pytest.mark.parametrize("then", [b"1", b"X: y\r\n"], ids=["a chunk's length", "trailers"])
def test_chunk_headers_have_a_deadline(then):
    """Chunk headers and trailers do not hold a transfer forever."""
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n"
    server = Trickle(head + (b"0\r\n" if then != b"1" else b""), then)
    transport = transport_of(5, 0.3)
    with transport.open(server.url, {}) as answer:
        while isinstance(data := answer.read(), bytes):
            assert data
    assert data.timed_out
    transport.close()


def test_a_url_without_a_path_is_asked_for_all_the_same(scripted, transport):
    """The request line has a slash."""
    server = scripted(http(200, b"x"))
    assert body(transport.open(SignedUrl(f"{server.origin}?X-Amz-Signature=1"), {})) == b"x"
    assert server.heads[0].startswith(b"GET /?X-Amz-Signature=1 HTTP/1.1\r\n")


def test_it_shows_nothing(transport):
    """Neither proxies nor URLs."""
    assert repr(transport) == "<SignedTransport>"
    assert not hasattr(transport, "__dict__")
