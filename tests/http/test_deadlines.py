"""An answer has a deadline, however a server stretches it, and a cancelled wait ends soon."""

from __future__ import annotations

import contextlib
import itertools
import json
import socket
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

import asana_jobs_pd as aj
from asana_jobs_pd._http.rate_limit import Cancelled
from asana_jobs_pd.errors import NetworkError, RequestTimeoutError

from .conftest import GID, TOKEN, failure, http, told

RECORD = json.dumps({"data": {"gid": GID, "status": "succeeded"}})
ANSWER = http(200, RECORD)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


class Dripping:
    """A server that sends pieces of bytes, one every `pause` seconds, until the client leaves."""

    def __init__(self, pieces, pause):
        self._pieces, self._pause, self._over = pieces, pause, threading.Event()
        self.asked, self.left = threading.Event(), threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.origin = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                bare, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(bare,), daemon=True).start()

    def _serve(self, bare):
        with bare, contextlib.suppress(OSError):
            bare.recv(65536)
            self.asked.set()
            for piece in self._pieces():
                bare.sendall(piece)
                if self._over.wait(self._pause):
                    return
            bare.settimeout(60)
            bare.recv(1)
        self.left.set()

    def stop(self):
        self._over.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@pytest.fixture
def dripping():
    """Make such servers."""
    made = []

    def make(pieces, pause=0.02):
        made.append(Dripping(pieces, pause))
        return made[-1]

    yield make
    for server in made:
        server.stop()


def of(*pieces, then=b""):
    """Return pieces, and then one over and over."""
    return lambda: itertools.chain(pieces, itertools.repeat(then))


STRETCHED = {
    "a byte of the body at a time": of(HEAD + b"Content-Length: 99999\r\n\r\n", then=b" "),
    "a body without a length": of(HEAD + b"\r\n", then=b" "),
    "chunks": of(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", then=b"1\r\n \r\n"),
    "a byte of the first line at a time": of(b"HTTP/1.1 200 ", then=b"O"),
    "header after header": of(HEAD, then=b"X: y\r\n"),
    "one long header": of(HEAD + b"X: ", then=b"y"),
    "100 Continue": of(then=b"HTTP/1.1 100 Continue\r\n\r\n"),
    "102 Processing": of(then=b"HTTP/1.1 102 Processing\r\n\r\n"),
    "103 Early Hints": of(then=b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"),
}


def test_an_answer_has_a_deadline(client, dripping):
    """Bytes that keep coming within the read timeout do not hold a read for ever."""
    clients = [
        client(base_url=dripping(pieces, 0.05).origin, timeout=(5, 0.5))
        for pieces in STRETCHED.values()
    ]
    with ThreadPoolExecutor(len(clients)) as pool:  # each waits for a second
        errors = dict(zip(STRETCHED, pool.map(failure, clients), strict=True))
    for how, error in errors.items():
        assert error.kind in ("timeout", "network"), how
        if isinstance(error, RequestTimeoutError):
            assert "no complete answer within 1 s" in str(error), how
        else:
            assert isinstance(error, NetworkError), how
        assert TOKEN not in told(error), how


@pytest.mark.parametrize("status", ["100 Continue", "102 Processing", "103 Early Hints", "199 X"])
@pytest.mark.parametrize("times", [1, 2, 20])
def test_interim_answers_come_before_the_final_one(client, scripted, status, times):
    """They are passed over, headers and all, whatever their number is within reason."""
    interim = f"HTTP/1.1 {status}\r\nLink: </style.css>; rel=preload\r\n\r\n".encode()
    assert client(scripted(interim * times + ANSWER)).get_job(GID)["status"] == "succeeded"


def test_a_flood_of_interim_answers_is_an_error(client, scripted):
    """A thousand interim responses are refused."""
    error = failure(client(scripted(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 1000 + ANSWER)))
    assert "more than 100 interim answers" in str(error)


def test_a_switch_of_protocols_is_no_interim_answer(client, scripted):
    """It was not requested."""
    assert failure(client(scripted(http(101)))).status == 101


def cancelled(mine, ready):
    """Ask in a thread, cancel it when it waits, and return how it ended."""
    stop, ends = threading.Event(), []

    def ask():
        try:
            ends.append(mine.ask_job(GID, stop=stop))
        except Cancelled as error:
            ends.append(error)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    ready()
    stop.set()
    thread.join(10)
    return ends


def test_a_cancelled_handshake_ends_soon(client, dripping):
    """A server that says nothing to a TLS hello does not keep a thread until its timeout."""
    server = dripping(lambda: iter(()))
    mine = client(base_url=server.origin.replace("http", "https"), timeout=(60, 60))
    (end,) = cancelled(mine, lambda: server.asked.wait(10))
    assert isinstance(end, Cancelled)
    assert server.left.wait(10)


@pytest.mark.skipif(sys.platform != "linux", reason="how many connections wait depends on it")
def test_a_cancelled_connect_ends_soon(client):
    """Nor does a host that answers no connection at all."""
    with contextlib.ExitStack() as sockets:
        listener = sockets.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        address = listener.getsockname()
        for _ in range(4):  # they fill the queue; what comes then is dropped
            waiting = sockets.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(address)
        mine = client(base_url=f"http://127.0.0.1:{address[1]}", timeout=(60, 60))
        (end,) = cancelled(mine, lambda: time.sleep(0.3))
        assert isinstance(end, Cancelled)
        late = client(base_url=f"http://127.0.0.1:{address[1]}", timeout=(0.3, 60))
        assert "no connection within 0.3 s" in str(failure(late))


WAITS = {
    "for the first byte": of(),
    "for the rest of the headers": of(HEAD),
    "for the rest of the body": of(HEAD + b"Content-Length: 99\r\n\r\n{"),
}


@pytest.mark.parametrize("pieces", WAITS.values(), ids=WAITS)
def test_a_cancelled_wait_ends_soon(client, dripping, pieces):
    """Long before any timeout; the connection is closed, and the next read uses a new one."""
    server = dripping(lambda: iter([next(iter(pieces()))]))
    mine = client(base_url=server.origin, timeout=(60, 60))
    (end,) = cancelled(mine, lambda: server.asked.wait(10))
    assert isinstance(end, Cancelled)
    assert server.left.wait(10)
    assert mine.limiter.budget.in_flight == 0


def test_the_threads_of_an_interrupted_read_end_soon(client, dripping):
    """Although the server never responds: none of them waits for the whole timeout."""
    server = dripping(lambda: iter(()))
    mine = client(base_url=server.origin, timeout=(60, 60))

    def interrupt(*_):
        server.asked.wait(10)
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("asana_jobs_pd._progress.Progress.tick", interrupt)
        with pytest.raises(aj.ReadInterrupted):
            aj.read_asana_jobs([GID, "12"], client=mine)
    deadline = time.monotonic() + 10
    while any(thread.name == "asana-jobs" for thread in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_post_is_never_cut(client, dripping):
    """Its response holds the gid of a started job, so it is waited for."""
    created = http(201, json.dumps({"data": {"gid": "7", "resource_type": "job"}}))
    server, stop = dripping(lambda: iter([created[:20], created[20:]]), 0.5), threading.Event()
    mine = client(base_url=server.origin, timeout=(60, 60))
    threading.Thread(target=lambda: (server.asked.wait(10), stop.set()), daemon=True).start()
    posted = mine.post_job("/exports/graph", b"{}", subject="Project", gid="12", stop=stop)
    assert posted.record["gid"] == "7"


def test_a_name_server_that_does_not_answer_holds_nobody(client, monkeypatch):
    """The look-up goes on in its thread until the system gives up; a wait ends without it."""
    asked, over = threading.Event(), threading.Event()

    def hang(*_):
        asked.set()
        assert over.wait(60)
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    made = client(base_url="https://asana.example/api/1.0", ledger=False)
    began = time.monotonic()
    with pytest.raises(aj.WaitTimeoutError):
        aj.wait_asana_jobs("12", client=made, timeout=0.5)
    assert asked.is_set()
    assert time.monotonic() - began < 30
    over.set()
