"""Clients of the sandbox: plain ones, and sockets for what plain clients cannot do."""

from __future__ import annotations

import http.client
import json
import socket
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

import pytest

TIMEOUT = 60.0


@dataclass(frozen=True)
class Reply:
    """An answer as a client got it."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def data(self):
        return self.json["data"]

    @property
    def error(self):
        (only,) = self.json["errors"]
        return only


def fetch(url, *, method="GET", headers=None, body=None):
    """Ask for a URL on a connection of its own."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=TIMEOUT)
    try:
        target = f"{parts.path}?{parts.query}" if parts.query else parts.path
        connection.request(method, target, body=body, headers=headers or {})
        with connection.getresponse() as answer:
            return Reply(answer.status, answer.headers, answer.read())
    finally:
        connection.close()


class Asker:
    """Asks one sandbox for jobs, with its token."""

    def __init__(self, asana):
        self.asana = asana
        self.headers = {"Authorization": f"Bearer {asana.token}"}

    def job(self, gid, fields=None, **options):
        """Ask for a job; `fields` become `opt_fields`."""
        if fields is not None:
            options["opt_fields"] = ",".join(fields)
        query = f"?{urlencode(options)}" if options else ""
        return self.path(f"/jobs/{gid}{query}")

    def path(self, path, *, method="GET"):
        """Ask for anything under the base URL."""
        return fetch(self.asana.base_url + path, method=method, headers=self.headers)

    def statuses(self, gids):
        """Return where jobs stand."""
        return [self.job(gid).data["status"] for gid in gids]

    def request(self, gid, *headers):
        """Return a request as bytes, for a socket."""
        lines = [f"GET /api/1.0/jobs/{gid} HTTP/1.1", "Host: sandbox", *headers]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        return ("\r\n".join(lines) + "\r\n\r\n").encode()


@contextmanager
def connected(asana):
    """Open a bare socket to a sandbox."""
    parts = urlsplit(asana.base_url)
    with socket.create_connection((parts.hostname, parts.port), timeout=TIMEOUT) as bare:
        yield bare


def read_reply(bare):
    """Read one answer from a socket, which stays open."""
    with http.client.HTTPResponse(bare) as answer:
        answer.begin()
        return Reply(answer.status, answer.headers, answer.read())


def read_all(bare):
    """Read from a socket to the end of the connection."""
    return b"".join(iter(lambda: bare.recv(65536), b""))


@pytest.fixture
def asana(sandbox):
    """A sandbox whose clock stands still."""
    return sandbox()


@pytest.fixture
def ask(asana):
    """What asks that sandbox."""
    return Asker(asana)
