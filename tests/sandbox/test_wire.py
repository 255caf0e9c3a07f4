"""The server survives whatever arrives over the wire."""

import socket

import pytest
from driven import until

from .conftest import connected, fetch, read_all, read_reply


@pytest.fixture
def gid(ask):
    """A job that answers well."""
    return ask.asana.gids(1)[0]


@pytest.fixture(autouse=True)
def _serves_on(ask, gid):
    """After whatever a test does, others are still served."""
    yield
    assert ask.job(gid).status == 200


def status_of(asana, sent):
    """Send bytes, and return the status of the answer before the connection ends."""
    with connected(asana) as bare:
        bare.sendall(sent)
        bare.shutdown(socket.SHUT_WR)
        answer = read_all(bare)
    return int(answer.split()[1]) if answer else None


def test_connections_are_kept(asana, ask, gid):
    """Many requests go over one connection."""
    with connected(asana) as bare:
        for _ in range(20):
            bare.sendall(ask.request(gid))
            reply = read_reply(bare)
            assert (reply.status, reply.headers["Connection"]) == (200, "keep-alive")
    assert asana.stats.connections == 1


@pytest.mark.parametrize(
    ("version", "headers", "kept"),
    [
        (b"HTTP/1.1", [], True),
        (b"HTTP/1.1", ["Connection: close"], False),
        (b"HTTP/1.0", [], False),
        (b"HTTP/1.0", ["Connection: Keep-Alive"], True),
    ],
)
def test_connections_end_when_the_client_wishes(asana, ask, version, headers, kept):
    """HTTP/1.1 keeps them unless told, HTTP/1.0 only when told."""
    request = ask.request(asana.gids(1)[0], *headers).replace(b"HTTP/1.1", version)
    with connected(asana) as bare:
        bare.sendall(request)
        assert read_reply(bare).headers["Connection"] == ("keep-alive" if kept else "close")
        bare.sendall(request if kept else b"")
        assert bool(bare.recv(1)) is kept


def test_pipelined_requests_are_answered_in_order(asana, ask):
    """Many at once, however they are cut into packets."""
    gids = asana.gids(300)
    stream = b"".join(ask.request(gid) for gid in gids)
    with connected(asana) as bare:
        for place in range(0, len(stream), 7919):
            bare.sendall(stream[place : place + 7919])
        with bare.makefile("rb") as answers:
            seen = []
            for _ in gids:
                length = 0
                while (line := answers.readline()) != b"\r\n":
                    if line.startswith(b"Content-Length:"):
                        length = int(line.split(b":")[1])
                seen.append(answers.read(length)[16:32].decode())
    assert seen == gids


def test_pipelining_without_reading_does_not_fill_the_memory(asana, ask, gid):
    """While an answer is pending, no more than so much is read ahead."""
    asana.fault("delay", seconds=0.3)
    with connected(asana) as bare:
        bare.settimeout(0.1)
        with pytest.raises(TimeoutError):
            bare.sendall(ask.request(gid) * 200_000)


def test_a_request_may_come_in_pieces(asana, ask, gid):
    """Byte by byte is fine."""
    with connected(asana) as bare:
        for byte in ask.request(gid):
            bare.sendall(bytes([byte]))
        assert read_reply(bare).status == 200


def test_a_body_is_read_and_dropped(asana, ask, gid):
    """It is not taken for the next request."""
    with connected(asana) as bare:
        post = ask.request(gid, "Content-Length: 30").replace(b"GET", b"POST")
        bare.sendall(post + b"GET / HTTP/1.1\r\n" + b"x" * 10)
        bare.sendall(b"y" * 4)
        assert read_reply(bare).status == 405
        bare.sendall(ask.request(gid))
        assert read_reply(bare).status == 200


@pytest.mark.parametrize(
    "sent",
    [
        b"NONSENSE\r\n\r\n",
        b"GET /\r\n\r\n",
        b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/2.0\r\nHost: a\r\n\r\n",
        b"GET / FTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 17000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 17000,
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"\r\n",
    ],
    ids=lambda value: repr(value)[:40],
)
def test_what_is_not_http_is_refused(asana, sent):
    """Garbage, and what is too large, gets an answer and a closed connection, and is counted."""
    assert status_of(asana, sent) == 400
    # Another process of the suite may knock as well, at a port that was its own.
    assert asana.stats.bad_requests >= 1
    assert asana.stats.requests == 0


@pytest.mark.parametrize("part", [0, 1, 20, -1])
def test_half_a_request_bothers_nobody(asana, ask, gid, part):
    """A client that stops in the middle gets no response, and others are served meanwhile."""
    with connected(asana) as bare:
        bare.sendall(ask.request(gid)[:part])
        assert ask.job(gid).status == 200
    assert asana.stats.bad_requests == 0


def test_a_client_may_hang_up_while_it_waits(asana, ask, gid):
    """Politely or not, before an answer or in the middle of one."""
    for kind in ("delay", "slow"):
        asana.fault(kind, seconds=0.1)
        before = asana.stats.requests
        with connected(asana) as bare:
            bare.sendall(ask.request(gid))
            until(lambda before=before: asana.stats.requests > before)


def test_a_client_may_stop_reading_a_download(asana):
    """A big file is sent as fast as it is read, and whoever hangs up ends it."""
    size = 20_000_000
    asana.publish("5", bytes(size))
    url = asana.export_url("5", "graph_export")
    with connected(asana) as bare:
        target = url[url.index("/exports") :]
        bare.sendall(f"GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
        until(lambda: asana.stats.export_bytes)
        assert asana.stats.export_bytes < size
    assert len(fetch(url).body) == size


@pytest.mark.parametrize("path", ["/", "/api", "/api/2.0/jobs/1", "/sandbox/other", "/%2e%2e/x"])
def test_unknown_places_are_404(ask, path):
    """Whatever is outside the API is not there."""
    assert fetch(ask.asana.base_url.removesuffix("/api/1.0") + path).status == 404
