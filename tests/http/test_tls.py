"""Real TLS on loopback, with an authority that only these tests trust."""

from __future__ import annotations

import http.server
import json
import socket
import ssl
import threading
import time
from contextlib import suppress

import pytest
import trustme
from urllib3.exceptions import InsecureRequestWarning

from asana_jobs_pd._http.client import Client
from asana_jobs_pd._http.rate_limit import Cancelled

from .conftest import GID, TOKEN, failure


class Jobs(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        """Answer with the job, and note whose connection it was."""
        self.server.peers.add(self.client_address)
        if self.path.endswith("/13"):
            self.drip()
            return
        body = json.dumps({"data": {"gid": GID, "status": "succeeded"}}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        """Answer as to a GET."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def drip(self):
        """Send a byte now and then, until the client leaves."""
        self.send_response(200)
        self.send_header("Content-Length", "99999")
        self.end_headers()
        self.server.dripping.set()
        with suppress(OSError):
            while True:
                self.wfile.write(b" ")
                time.sleep(0.02)

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture
def authority():
    """An authority for certificates."""
    return trustme.CA()


@pytest.fixture
def server(authority):
    """A server of jobs with a certificate of it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "asana.test").configure_cert(context)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Jobs) as made:
        made.daemon_threads, made.peers, made.dripping = True, set(), threading.Event()
        made.socket = context.wrap_socket(made.socket, server_side=True)
        thread = threading.Thread(target=made.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield made
        made.shutdown()
        thread.join()


class Proxy:
    """A proxy that makes tunnels to one server, whatever host is asked for."""

    def __init__(self, port):
        self._port, self.heads = port, []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.place = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.url = f"http://me:hunter2@{self.place}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with suppress(OSError):
            while True:
                bare, _ = self._listener.accept()
                threading.Thread(target=self._tunnel, args=(bare,), daemon=True).start()

    def _agree(self, near):
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += near.recv(1)
        self.heads.append(head)
        near.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")

    def _tunnel(self, near):
        self._agree(near)
        with near, socket.create_connection(("127.0.0.1", self._port)) as far, suppress(OSError):
            back = threading.Thread(target=self._copy, args=(far, near), daemon=True)
            back.start()
            self._copy(near, far)
            back.join(10)

    def _copy(self, source, target):
        with suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    def stop(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


class SocksProxy(Proxy):
    """The same by SOCKS 5."""

    def __init__(self, port):
        super().__init__(port)
        self.url = f"socks5h://{self.place}"

    def _agree(self, near):
        assert near.recv(3)[:1] == b"\x05"
        near.sendall(b"\x05\x00")
        head = near.recv(5)
        self.heads.append(near.recv(head[4] + 2)[:-2])
        near.sendall(b"\x05\x00\x00\x01" + bytes(6))


@pytest.fixture
def proxy(server):
    """A proxy to the server."""
    made = Proxy(server.server_port)
    yield made
    made.stop()


@pytest.fixture
def socks_proxy(server):
    """A SOCKS proxy to the server."""
    pytest.importorskip("socks")
    made = SocksProxy(server.server_port)
    yield made
    made.stop()


@pytest.fixture
def client(server, authority, tmp_path):
    """Make clients that trust the server."""
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    made = []

    def make(**options):
        made.append(client_of(server, verify=str(bundle), **options))
        return made[-1]

    yield make
    for each in made:
        each.close()


def client_of(server, **options):
    base_url = f"https://127.0.0.1:{server.server_port}/api/1.0"
    options = {"base_url": base_url, "requests_per_minute": None, "max_retries": 0, **options}
    return Client(TOKEN, **options)


def test_an_authority_that_is_trusted(server, client):
    """Requests go by one connection, which is kept."""
    mine = client()
    assert [mine.get_job(GID)["gid"] for _ in range(3)] == [GID] * 3
    assert len(server.peers) == 1


WAYS = pytest.mark.parametrize("way", ["directly", "proxy", "socks_proxy"])


@pytest.fixture
def by(client, request):
    """Make a client that goes one way or the other; the certificate is for both names."""

    def make(way, **options):
        if way == "directly":
            return client(**options)
        proxied = {"https": request.getfixturevalue(way).url}
        return client(base_url="https://asana.test/api/1.0", proxies=proxied, **options)

    return make


@WAYS
def test_requests_go_either_way(by, way, server, request):
    """Over one connection; the proxy sees neither paths nor the token."""
    mine = by(way)
    assert [mine.get_job(GID)["gid"] for _ in range(3)] == [GID] * 3
    posted = mine.post_job("/exports/graph", b"{}", subject="Project", gid="1")
    assert posted.record["gid"] == GID
    assert len(server.peers) == 2, "a POST has a connection of its own"
    heads = [] if way == "directly" else request.getfixturevalue(way).heads
    assert len(heads) == (0 if way == "directly" else 2)
    for head in heads:
        by_name = {"proxy": b"CONNECT asana.test:443 HTTP/1.", "socks_proxy": b"asana.test"}
        assert head.startswith(by_name[way])
        assert TOKEN.encode() not in head
        assert b"/jobs/" not in head


@WAYS
def test_an_answer_has_a_deadline(by, way):
    """Over TLS, and through a proxy as well."""
    mine = by(way, timeout=(60, 0.5))
    error = failure(mine, "13")
    assert "no complete answer within 1 s" in str(error)
    assert mine.get_job(GID)["gid"] == GID


@WAYS
def test_a_cancelled_wait_ends_soon(by, way, server):
    """Over TLS, and through a proxy as well; the client goes on."""
    mine, stop, ends = by(way, timeout=(60, 60)), threading.Event(), []

    def ask():
        with pytest.raises(Cancelled):
            mine.ask_job("13", stop=stop)
        ends.append(True)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    assert server.dripping.wait(60)
    stop.set()
    thread.join(30)
    assert ends == [True]
    assert mine.get_job(GID)["gid"] == GID


def test_verification_can_be_switched_off(server):
    """It is the user's decision; urllib3 warns."""
    with client_of(server, verify=False) as client, pytest.warns(InsecureRequestWarning):
        assert client.get_job(GID)["gid"] == GID


def test_one_that_is_not(server):
    """No request is made; the message says what to do."""
    with client_of(server) as client:
        error = failure(client)
    assert "TLS" in str(error)
    assert "verify=" in str(error)
    assert not server.peers
