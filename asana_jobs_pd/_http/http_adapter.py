"""An adapter of requests for one server: little work per request, and a deadline for every wait."""

from __future__ import annotations

import io
import logging
import os
import re
import socket
import ssl
import threading
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import lru_cache
from http.client import HTTPException, HTTPResponse, IncompleteRead, UnknownProtocol
from pathlib import Path
from typing import Any, cast

import requests
import urllib3
from requests.adapters import DEFAULT_CA_BUNDLE_PATH, HTTPAdapter
from requests.structures import CaseInsensitiveDict
from urllib3.connection import port_by_scheme
from urllib3.connectionpool import HTTPConnectionPool
from urllib3.exceptions import ConnectTimeoutError, HTTPError, ProxyError
from urllib3.util.connection import allowed_gai_family
from urllib3.util.ssl_ import create_urllib3_context
from urllib3.util.wait import wait_for_write

from asana_jobs_pd._http.rate_limit import Cancelled
from asana_jobs_pd._http.redaction import Hidden, own_request

STOP_INTERVAL = 0.2
"""Seconds between two checks of whether a waiting request was cancelled."""
MAX_INTERIM_ANSWERS = 100
"""The most interim responses, such as 103 Early Hints, before the final one."""
MAX_IDLE = 120.0
"""Seconds after which a firewall or proxy may have silently dropped an idle connection."""
_MAX_HEADERS = 100
_MAX_LINE = 65_536
_VISIBLE = re.compile(r"[\x21-\x7e]+")

Settings = Hidden[dict[str, Any]]

_log = logging.getLogger("urllib3.connectionpool")


class SlowAnswerError(TimeoutError):
    """A response was not complete by its deadline, although bytes kept arriving."""


class AnswerTimeout(urllib3.Timeout):
    """How long a request may wait: to connect, between bytes, and for the whole response.

    A response, or each piece of a `streamed` one, may take twice the time between bytes. Once
    `stop` is set, every wait soon ends with ``Cancelled``.
    """

    def __init__(
        self,
        connect: float,
        read: float,
        stop: threading.Event | None = None,
        *,
        streamed: bool = False,
    ) -> None:
        super().__init__(connect=connect, read=read)
        self.connect, self.silence, self.answer = connect, read, 2 * read
        self.streamed, self._stop = streamed, stop

    def step(self, until: float) -> float:
        """Return the seconds until the next check; raise if cancelled or past the deadline."""
        if self._stop is not None and self._stop.is_set():
            raise Cancelled
        left = until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left if self._stop is None else min(left, STOP_INTERVAL)


_sending = threading.local()
"""The timeout of the request that this thread is sending, for code that makes connections."""


class _TimedReader(socket.SocketIO):
    """Reads from a socket until the deadline of a response."""

    def __init__(self, sock: Any) -> None:
        super().__init__(sock, "r")
        getattr(sock, "socket", sock)._io_refs += 1  # noqa: SLF001  as its own makefile does
        self._socket = sock
        self._timeout: AnswerTimeout = _sending.timeout
        self._deadline = time.monotonic() + self._timeout.answer

    def makefile(self, mode: str) -> io.BufferedReader:  # noqa: ARG002  always "rb"
        """Return a buffered file: ``HTTPResponse`` needs nothing else from a socket."""
        return io.BufferedReader(self)

    def expect_piece(self) -> None:
        """Restart the deadline for the next piece of a streamed body."""
        if self._timeout.streamed:
            self._deadline = time.monotonic() + self._timeout.answer

    def readinto(self, buffer: Any) -> int:
        silent_until = time.monotonic() + self._timeout.silence
        while True:
            if time.monotonic() >= self._deadline:
                raise SlowAnswerError
            wait = self._timeout.step(min(silent_until, self._deadline))
            if self._socket.gettimeout() != wait:  # setting it costs a system call
                self._socket.settimeout(wait)
            with suppress(TimeoutError):
                return int(self._socket.recv_into(buffer))


class _Head(HTTPResponse):
    """A response that is read within its deadlines, after any interim ones."""

    def __init__(self, sock: Any, debuglevel: int = 0, method: str | None = None) -> None:
        self.reader = _TimedReader(sock)
        super().__init__(self.reader, debuglevel, method)  # type: ignore[arg-type]

    def begin(self) -> None:
        """Read the head as the base class does, but six times as fast, without email's parser."""
        version, self.status, self.reason = self._final_status()
        if not version.startswith("HTTP/1."):
            raise UnknownProtocol(version)
        self.code, self.version = self.status, 10 if version == "HTTP/1.0" else 11
        self.headers = self.msg = headers = self._read_headers()  # type: ignore[assignment]
        self.chunked = headers.get("Transfer-Encoding", "").lower() == "chunked"
        self.chunk_left = None
        length = headers.get("Content-Length", "")
        known = length.isascii() and length.isdigit() and not self.chunked
        self.length = int(length) if known else None
        if self.status in (204, 304) or self.status < 200:  # noqa: PLR2004  they have no body
            self.length = 0
        endless = self.length is None and not self.chunked
        self.will_close = endless or self._check_close()  # type: ignore[attr-defined]

    def _final_status(self) -> tuple[str, int, str]:
        for _ in range(MAX_INTERIM_ANSWERS):
            line: tuple[str, int, str] = self._read_status()  # type: ignore[attr-defined]
            if not 100 <= line[1] < 200 or line[1] == 101:  # noqa: PLR2004  1xx but a switch
                return line
            self._read_headers()
        raise HTTPException(f"more than {MAX_INTERIM_ANSWERS} interim answers")

    def _read_headers(self) -> urllib3.HTTPHeaderDict:
        pairs: list[tuple[str, str]] = []
        while (line := self.fp.readline(_MAX_LINE + 1)) not in (b"\r\n", b"\n"):
            if not line:
                raise IncompleteRead(b"")
            if len(line) > _MAX_LINE or len(pairs) >= _MAX_HEADERS:
                raise HTTPException("the headers are too long")
            text = line.decode("latin-1")
            if text[0] in " \t" and pairs:  # an obsolete continuation of the previous line
                text = f"{pairs[-1][0]}:{pairs.pop()[1]} {text}"
            name, colon, value = text.partition(":")
            if colon:
                pairs.append((name.strip(), value.strip()))
        return urllib3.HTTPHeaderDict(pairs)


class _TimedTLS(ssl.SSLSocket):
    """A TLS socket whose handshake can be cancelled."""

    def do_handshake(self, block: bool = False) -> None:
        waits: AnswerTimeout = _sending.timeout
        until = time.monotonic() + waits.connect
        try:
            while True:
                self.settimeout(waits.step(until))
                with suppress(TimeoutError):
                    super().do_handshake(block)
                    break
        except BaseException:
            self.close()
            raise
        self.settimeout(waits.connect)


def _new_conn(connection: Any) -> socket.socket:
    return _connect(connection._dns_host, connection.port, connection.socket_options or ())  # noqa: SLF001


def _connect(host: str, port: int, options: Iterable[tuple[Any, ...]]) -> socket.socket:
    """Connect to the first reachable address of a host."""
    failure = OSError(f"no address for {host}")
    addresses = socket.getaddrinfo(host.strip("[]"), port, allowed_gai_family(), socket.SOCK_STREAM)
    for family, kind, protocol, _, address in addresses:
        connection = socket.socket(family, kind, protocol)
        try:
            for option in options:
                connection.setsockopt(*option)
            _connect_to(connection, address)
        except BaseException as error:
            connection.close()
            if not isinstance(error, OSError):
                raise
            failure = error
        else:
            return connection
    raise failure


def _connect_to(connection: socket.socket, address: Any) -> None:
    waits: AnswerTimeout = _sending.timeout
    until = time.monotonic() + waits.connect
    connection.setblocking(False)
    with suppress(BlockingIOError):
        connection.connect(address)
    while not wait_for_write(connection, waits.step(until)):
        pass
    if number := connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
        raise OSError(number, os.strerror(number))
    connection.settimeout(waits.connect)


class _TimedPool:
    """A connection pool that sends a request once; retries and redirects are up to the caller.

    urllib3's `urlopen` handles redirects, retries, the host, proxies and their headers for each
    request, and returns a response with many more features: a third of the cost of a request, for
    nothing that is needed here (ADR 14).
    """

    def urlopen(
        self, method: str, url: str, *, body: Any, headers: Any, timeout: AnswerTimeout, **_: Any
    ) -> _Response:
        """Send a request; the connection returns to the pool once the body has been read."""
        pool: Any = self
        _sending.timeout = timeout
        is_single = (
            headers.get("Connection") == "close"
        )  # a connection that no earlier request has used
        connection = pool._new_conn() if is_single else pool._get_conn()  # noqa: SLF001
        connection.is_single = is_single
        try:
            if time.monotonic() - getattr(connection, "used_at", 0.0) > MAX_IDLE:
                connection.close()
            if connection.is_closed:
                self._open(connection, timeout)
            connection.sock.settimeout(timeout.connect)
            with suppress(BrokenPipeError):  # there may still be a response
                connection.sock.sendall(_request_head(method, url, self._host_header(), headers))
                for piece in body or ():
                    connection.sock.sendall(piece)
            response = _Head(connection.sock, method=method)
            response.begin()
        except BaseException as error:
            self.give_back(connection, usable=False)
            unreached = pool.proxy is not None and not connection.has_connected_to_proxy
            if unreached and isinstance(error, OSError | HTTPException | HTTPError):
                raise ProxyError("Unable to connect to proxy", error) from error
            raise
        origin = (pool.scheme, pool.host, pool.port)
        _log.debug('%s://%s:%s "%s %s HTTP/1.1" %s', *origin, method, url, response.status)
        return _Response(self, connection, response)

    def give_back(self, connection: Any, *, usable: bool) -> None:
        """Return a connection to the pool; close it first if it cannot be used again."""
        connection.used_at = time.monotonic()
        if not usable or connection.is_single:
            connection.close()
        if not connection.is_single:
            self._put_conn(connection)  # type: ignore[attr-defined]

    def _open(self, connection: Any, timeout: AnswerTimeout) -> None:
        pool: Any = self
        connection.timeout = timeout.connect
        try:
            if pool.proxy is not None:
                pool._prepare_proxy(connection)  # noqa: SLF001
            pool._validate_conn(connection)  # noqa: SLF001  connects by TLS, and warns without it
            if connection.is_closed:
                connection.connect()
        except TimeoutError as error:
            raise ConnectTimeoutError(connection, "Connection timed out.") from error

    def _host_header(self) -> str:
        pool: Any = self
        host = f"[{pool.host}]" if ":" in pool.host else pool.host
        is_default = pool.port in (None, port_by_scheme[pool.scheme])
        return host if is_default else f"{host}:{pool.port}"


def _request_head(method: str, url: str, host: str, headers: Mapping[str, str]) -> bytes:
    lines = [f"{method} {url} HTTP/1.1", f"Host: {host}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if not _VISIBLE.fullmatch(url) or any("\r" in line or "\n" in line for line in lines):
        raise ValueError("a request with control characters")
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def _use_timed_pools(manager: urllib3.PoolManager) -> None:
    """Make a pool manager create these pools, for HTTP, TLS and SOCKS alike."""
    classes = manager.pool_classes_by_scheme
    manager.pool_classes_by_scheme = {scheme: _timed(pool) for scheme, pool in classes.items()}


@lru_cache(maxsize=8)
def _timed(pool: Any) -> type:
    connection = pool.ConnectionCls
    changes: dict[str, Any] = {"response_class": _Head}  # of a proxy, to CONNECT
    if connection.__module__ == HTTPConnectionPool.ConnectionCls.__module__:  # not SOCKS
        changes["_new_conn"] = _new_conn
    timed = type(connection.__name__, (connection,), changes)
    return type(pool.__name__, (_TimedPool, pool), {"ConnectionCls": timed})


class _Response:
    """A response whose status, headers and body can be read once."""

    def __init__(self, pool: _TimedPool, connection: Any, response: _Head) -> None:
        self._pool, self._connection, self._response = pool, connection, response
        self.status, self.headers = response.status, response.headers
        self._is_open = True

    def read(self, amt: int, decode_content: bool = False) -> bytes:  # noqa: ARG002  as urllib3's
        """Return what has arrived of the body, undecoded: at most `amt` bytes."""
        if not self._is_open:
            return b""
        self._response.reader.expect_piece()
        try:
            data = self._response.read1(amt)
        except BaseException:
            self.close()
            raise
        left = self._response.length
        if not data and left:
            self.close()
            raise IncompleteRead(data, left)
        if left == 0 or self._response.isclosed():
            self._end(usable=not self._response.will_close)
        return data

    def close(self) -> None:
        """Close the connection unless the whole body was read."""
        self._end(usable=False)

    def _end(self, *, usable: bool) -> None:
        if self._is_open:
            self._is_open = False
            self._response.close()  # the connection may be closed, which does not close this
            self._pool.give_back(self._connection, usable=usable)


class _PlainResponse(requests.Response):
    """A response without a cookie jar and a history."""

    def __init__(self, request: requests.PreparedRequest, raw: Any) -> None:
        self.request, self.raw, self.status_code = request, raw, raw.status
        self.headers = raw.headers  # case-insensitive as well


class OneServerAdapter(HTTPAdapter):
    """An adapter for one server, which determines only once what is the same for all requests.

    It keeps no cookies, and marks the log records of urllib3 during a request as ours.
    """

    def __init__(self, origin: str, settings: Settings, pool_size: int) -> None:
        super().__init__(pool_connections=1, pool_maxsize=pool_size)
        _use_timed_pools(self.poolmanager)
        self._origin, self._settings = origin, settings
        self._verify = settings.reveal()["verify"]
        self._pool: Any = None

    def exchange(
        self,
        method: str,
        url: str,
        headers: CaseInsensitiveDict[str],
        timeout: AnswerTimeout,
        body: Iterable[bytes] | None = None,
    ) -> Any:
        """Send a request to this server, and return the response with its body unread."""
        request, waits, content = (
            requests.PreparedRequest(),
            cast("Any", timeout),
            cast("Any", body),
        )
        request.method, request.url, request.headers, request.body = method, url, headers, content
        own_request.active = True
        try:
            return self.send(request, stream=True, timeout=waits, verify=self._verify).raw
        finally:
            own_request.active = False

    def proxy_manager_for(self, proxy: str, **options: Any) -> urllib3.PoolManager:
        if proxy.lower().startswith("https"):
            options["proxy_ssl_context"] = self._tls()
        manager: urllib3.PoolManager = super().proxy_manager_for(proxy, **options)
        _use_timed_pools(manager)
        return manager

    def get_connection_with_tls_context(self, request: Any, *_: Any, **__: Any) -> Any:
        """Return the pool for this server, which is made when it is first needed."""
        if self._pool is None:
            self._pool = super().get_connection_with_tls_context(request, **self._settings.reveal())
        return self._pool

    def build_connection_pool_key_attributes(self, *args: Any, **options: Any) -> Any:
        host, _ = super().build_connection_pool_key_attributes(*args, **options)
        return host, {"ssl_context": self._tls()} if host["scheme"] == "https" else {}

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Do nothing: the TLS context has the certificates."""

    def build_response(self, req: requests.PreparedRequest, resp: Any) -> requests.Response:
        return _PlainResponse(req, resp)

    def request_url(self, request: requests.PreparedRequest, proxies: Any) -> str:  # noqa: ARG002
        """Return the path only: https uses proxies by CONNECT, and http never uses a proxy."""
        path = str(request.url).removeprefix(self._origin)
        return path if path.startswith("/") else f"/{path}"

    def _tls(self) -> ssl.SSLContext:
        """Return the TLS context that all connections share: loading certificates takes long."""
        verify = self._verify
        context = create_urllib3_context(cert_reqs=ssl.CERT_REQUIRED if verify else ssl.CERT_NONE)
        context.sslsocket_class = _TimedTLS
        if verify:
            bundle = DEFAULT_CA_BUNDLE_PATH if verify is True else verify
            kind = "capath" if Path(bundle).is_dir() else "cafile"
            context.load_verify_locations(**{kind: bundle})
        return context
