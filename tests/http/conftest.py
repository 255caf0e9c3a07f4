"""A clean environment for every test, servers on loopback, and places for secrets."""

from __future__ import annotations

import socket
import sys
import threading
import time
import traceback
import types
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

import pytest

from asana_jobs_pd import Client
from asana_jobs_pd._http.rate_limit import Cancelled
from asana_jobs_pd.errors import RequestError
from asana_jobs_pd.sandbox import Sandbox
from asana_jobs_pd.testing import reset

TOKEN = "2/1201234567890/1209876543210:" + "0123456789abcdef" * 2
SIGNATURE = "f00dfeed" * 8
GID = "1200000000000000"
_SURROUNDINGS = (
    *("ASANA_ACCESS_TOKEN", "ASANA_PAT", "ASANA_TOKEN", "ASANA_BASE_URL"),
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
    *("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
)


@pytest.fixture(autouse=True)
def surroundings(monkeypatch, tmp_path):
    """No token, proxy, keyring, netrc or default client except a test's own."""
    for name in _SURROUNDINGS:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    keyring = types.ModuleType("keyring")
    keyring.get_password = lambda *_: None
    monkeypatch.setitem(sys.modules, "keyring", keyring)
    reset()
    yield
    reset()


class Now:
    """A clock that stands still until a test sets it."""

    def __init__(self, seconds=1000.0):
        self.seconds = seconds

    def __call__(self):
        return self.seconds


class Hasty(threading.Event):
    """A stop event that is never set and whose waits take no time: it records their lengths."""

    def __init__(self):
        super().__init__()
        self.waits = []

    def wait(self, timeout=None):
        self.waits.append(timeout)
        return self.is_set()


def http(status=200, body=b"", *headers, reason="Whatever"):
    """Return an answer as bytes, with a length."""
    body = body if isinstance(body, bytes) else body.encode()
    lines = [
        f"HTTP/1.1 {status} {reason}",
        f"Content-Length: {len(body)}",
        "Connection: close",
        *headers,
    ]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


@dataclass(repr=False)
class Scripted:
    """A server that gives these bytes in turn, the last ones repeatedly, and keeps the requests.

    Every response has a connection of its own: the server hangs up after it.
    """

    answers: list[bytes]
    heads: list[bytes] = field(default_factory=list)

    def __post_init__(self):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.origin = f"http://127.0.0.1:{self.port}"
        self._given = 0
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self):
        while True:
            try:
                bare, _ = self._listener.accept()
            except OSError:
                return
            with bare, suppress(OSError):
                bare.settimeout(60)
                head = b""
                # A TLS handshake has no end of head; the answer to it is not TLS.
                while b"\r\n\r\n" not in head and head[:1] != b"\x16":
                    if not (more := bare.recv(65536)):
                        break
                    head += more
                if not head:
                    continue
                self.heads.append(head)
                bare.sendall(self.answers[min(self._given, len(self.answers) - 1)])
                self._given += 1

    def stop(self):
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(60)


@pytest.fixture
def scripted():
    """Make servers that send given bytes."""
    made = []

    def make(*answers):
        made.append(Scripted(list(answers)))
        return made[-1]

    yield make
    for server in made:
        server.stop()


@pytest.fixture
def sandbox(sandbox):
    """Make sandboxes whose token must not be shown."""
    return partial(sandbox, token=TOKEN)


@pytest.fixture
def asana(sandbox):
    """A sandbox."""
    return sandbox()


@pytest.fixture
def client():
    """Make clients of a server; they are closed afterwards. One try, unless told otherwise."""
    made = []

    def make(server=None, **options):
        if isinstance(server, Sandbox):
            options["base_url"] = server.base_url
        elif isinstance(server, Scripted):
            options["base_url"] = server.origin
        made.append(Client(**{"token": TOKEN, "max_retries": 0, **options}))
        return made[-1]

    yield make
    for each in made:
        each.close()


def failure(client, gid=GID, opt_fields=()):
    """Return the error that a read raises; its traceback holds no frame of a test."""
    try:
        client.get_job(gid, opt_fields)
    except RequestError as error:
        return error
    raise AssertionError("it did not fail")


def told(error):
    """Return everything an error shows: its message, attributes and traceback with all locals."""
    trace = traceback.TracebackException.from_exception(error, capture_locals=True)
    return "\n".join([str(error), repr(error), repr(vars(error)), *trace.format()])


def eventually(true, seconds=60.0):
    """Wait until a condition holds."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def waiting(limiter):
    """Return how many requests wait for their turn."""
    return sum(map(len, (limiter._foreground, limiter._background, limiter._posts)))


class Line:
    """Threads that acquire in turn, and the order in which they succeeded.

    They release at once, unless they `keep` what they got, in `started`.
    """

    def __init__(self, limiter, *, keep=False):
        self.limiter, self.keep, self.started = limiter, keep, {}
        self.stop = threading.Event()
        self.order = []
        self.threads = []

    def join(self, name, **how):
        """Start waiting; when this returns, the thread is in the queue."""
        before = self.waiting
        thread = threading.Thread(target=self._wait, args=(name,), kwargs=how, daemon=True)
        self.threads.append(thread)
        thread.start()
        eventually(lambda: self.waiting > before)

    @property
    def waiting(self):
        return waiting(self.limiter)

    def _wait(self, name, **how):
        try:
            started = self.started[name] = self.limiter.acquire(self.stop, **how)
        except Cancelled:
            self.order.append(f"{name} stopped")
        else:
            self.order.append(name)
            if not self.keep:
                self.limiter.release(started)

    def end(self):
        for thread in self.threads:
            thread.join(60)
            assert not thread.is_alive()
