"""Real TLS on loopback, by an authority that only those know who are told."""

from __future__ import annotations

import http.server
import json
import ssl
import threading

import pytest
import trustme

from asana_jobs_pd._http.client import Client

from .conftest import GID, TOKEN, failure


class Jobs(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        """Response with the job, and note whose connection it was."""
        self.server.peers.add(self.client_address)
        body = json.dumps({"data": {"gid": GID, "status": "succeeded"}}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

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
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Jobs) as made:
        made.daemon_threads, made.peers = True, set()
        made.socket = context.wrap_socket(made.socket, server_side=True)
        thread = threading.Thread(target=made.serve_forever, daemon=True)
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def client_of(server, **options):
    return Client(
        TOKEN,
        base_url=f"https://127.0.0.1:{server.server_port}/api/1.0",
        requests_per_minute=None,
        max_retries=0,
        **options,
    )


def test_an_authority_that_is_trusted(server, authority, tmp_path):
    """Requests go by one connection, which is kept."""
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    with client_of(server, verify=str(bundle)) as client:
        assert [client.get_job(GID)["gid"] for _ in range(3)] == [GID] * 3
    assert len(server.peers) == 1


def test_one_that_is_not(server):
    """Nothing is sent; the words say what to do."""
    with client_of(server) as client:
        error = failure(client)
    assert "TLS" in str(error)
    assert "verify=" in str(error)
    assert not server.peers
