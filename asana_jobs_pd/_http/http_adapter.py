"""Adapters of requests: little work per request, a deadline for every answer, their settings."""

from __future__ import annotations

import io
import logging
import math
import os
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from http.client import HTTPConnection, HTTPException, HTTPResponse, IncompleteRead, parse_headers
from pathlib import Path
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError, ProtocolError, ProxyError, ReadTimeoutError, SSLError

from asana_jobs_pd._http.auth import is_loopback
from asana_jobs_pd._http.rate_limit import Cancelled
from asana_jobs_pd._http.redaction import Hidden, own_request
from asana_jobs_pd.errors import InvalidOptionError

STOP_INTERVAL = 0.2
"""Seconds between two looks at whether a request that waits was cancelled."""
MAX_INTERIM_ANSWERS = 100
"""Answers such as 103 Early Hints that may come before the final one."""

Proxies = Hidden[Mapping[str, str]]
Settings = Hidden[dict[str, Any]]

_log = logging.getLogger("urllib3.connectionpool")


class SlowAnswerError(TimeoutError):
    """An answer was not complete when its deadline came, though bytes kept coming."""


class AnswerTimeout(urllib3.Timeout):
    """The timeouts of one request: to connect, between bytes, and for the whole answer.

    With `stop`, waiting for the answer ends with ``Cancelled`` soon after that is set.
    """

    def __init__(
        self, connect: float, read: float, total: float, stop: threading.Event | None = None
    ) -> None:
        super().__init__(connect=connect, read=read)
        self.silence, self.answer, self.stop = read, total, stop


class _TimedReader(socket.SocketIO):
    """Reads from a socket until the deadline of an answer."""

    def __init__(self, sock: Any, timeout: AnswerTimeout) -> None:
        super().__init__(sock, "r")
        getattr(sock, "socket", sock)._io_refs += 1  # noqa: SLF001  as its own makefile does
        self._socket = sock
        self._silence, self._stop = timeout.silence, timeout.stop
        self._longest = math.inf if timeout.stop is None else STOP_INTERVAL
        self._deadline = time.monotonic() + timeout.answer

    def makefile(self, mode: str) -> io.BufferedReader:  # noqa: ARG002  always "rb"
        """Return a buffered file: all that ``HTTPResponse`` wants of a socket."""
        return io.BufferedReader(self)

    def readinto(self, buffer: Any) -> int:
        silent_until = time.monotonic() + self._silence
        while True:
            if self._stop is not None and self._stop.is_set():
                raise Cancelled
            now = time.monotonic()
            if now >= self._deadline:
                raise SlowAnswerError
            if now >= silent_until:
                raise TimeoutError
            wait = min(silent_until - now, self._deadline - now, self._longest)
            if self._socket.gettimeout() != wait:  # setting it is a call of the system
                self._socket.settimeout(wait)
            with suppress(TimeoutError):
                return int(self._socket.recv_into(buffer))


class FinalResponse(HTTPResponse):
    """A response that comes after any interim ones."""

    def _read_status(self) -> tuple[str, int, str]:
        for _ in range(MAX_INTERIM_ANSWERS):
            line: tuple[str, int, str] = super()._read_status()  # type: ignore[misc]
            if not 100 <= line[1] < 200 or line[1] == 101:  # noqa: PLR2004  1xx but a switch
                return line
            parse_headers(self.fp)
        raise HTTPException(f"more than {MAX_INTERIM_ANSWERS} interim answers")


class _TimedResponse(FinalResponse):
    """A response read through a `_TimedReader`."""

    def __init__(
        self, sock: Any, debuglevel: int = 0, method: str | None = None, *, timeout: AnswerTimeout
    ) -> None:
        super().__init__(_TimedReader(sock, timeout), debuglevel, method)  # type: ignore[arg-type]


class _Pool(HTTPConnectionPool):
    """A pool that sends a request once and leaves retries and redirects to its caller.

    urllib3's `urlopen` weighs redirects, retries, the host, proxies and their headers for each
    request, and returns a response that can do much more than be read: a quarter of the cost of
    a request, and none of it is wanted here (ADR 14).
    """

    def urlopen(  # type: ignore[override]  # as requests calls it
        self,
        method: str,
        url: str,
        *,
        body: Any,
        headers: Any,
        timeout: AnswerTimeout,
        chunked: bool,
        **_: Any,
    ) -> _Response:
        """Send a request; its connection returns to the pool once the body was read."""
        connection: Any = self._get_conn()
        try:
            self._connect(connection, timeout)
            with suppress(BrokenPipeError):  # there may be an answer all the same
                connection.request(method, url, body=body, headers=headers, chunked=chunked)
            response = _read_head(connection, timeout)
        except (OSError, HTTPException, HTTPError) as error:
            self.give_back(connection, usable=False)
            raise self._translate(error, connection, url) from error
        except BaseException:
            self.give_back(connection, usable=False)
            raise
        origin = (self.scheme, self.host, self.port)
        _log.debug('%s://%s:%s "%s %s HTTP/1.1" %s', *origin, method, url, response.status)
        return _Response(self, connection, response, url)

    def give_back(self, connection: Any, *, usable: bool) -> None:
        """Return a connection to the pool, closed when nothing more may be sent over it."""
        if not usable:
            connection.close()
        self._put_conn(connection)

    def _connect(self, connection: Any, timeout: AnswerTimeout) -> None:
        connection.timeout = timeout.connect_timeout
        if self.proxy is not None and connection.is_closed:
            self._prepare_proxy(connection)
        self._validate_conn(connection)  # connects, by TLS

    def _translate(self, error: Exception, connection: Any, url: str) -> Exception:
        """Return an error as urllib3's own `urlopen` would raise it."""
        if self.proxy is not None and not connection.has_connected_to_proxy:
            return ProxyError("Unable to connect to proxy", error)
        return error if isinstance(error, HTTPError) else _as_of_urllib3(error, self, url)


class _SecurePool(_Pool, HTTPSConnectionPool):
    """The same over TLS."""


_POOLS = {"http": _Pool, "https": _SecurePool}


def _read_head(connection: Any, timeout: AnswerTimeout) -> HTTPResponse:
    """Return the response of the standard library, which can be read and little more."""
    connection.response_class = partial(_TimedResponse, timeout=timeout)
    try:
        return HTTPConnection.getresponse(connection)
    finally:
        del connection.response_class  # a proxy's answer to CONNECT is read without


class _Response:
    """A response whose status, headers and body can be read, once."""

    def __init__(self, pool: _Pool, connection: Any, response: HTTPResponse, url: str) -> None:
        self._pool, self._connection, self._response, self._url = pool, connection, response, url
        self.status, self.headers = response.status, response.headers
        self._read = False

    def read(self, amt: int, decode_content: bool = False) -> bytes:  # noqa: ARG002  as urllib3's
        """Return the body as it came, or that many bytes of a longer one."""
        if self._read:
            return b""
        self._read, usable = True, False
        try:
            body = self._response.read(amt)
            if self._response.length and len(body) < amt:
                raise IncompleteRead(body, self._response.length)
            usable = self._response.isclosed()
        except (OSError, HTTPException) as error:
            raise _as_of_urllib3(error, self._pool, self._url) from error
        finally:
            self._response.close()  # the connection may be closed, which does not close this
            self._pool.give_back(self._connection, usable=usable)
        return body

    def close(self) -> None:
        """Do nothing: the connection was closed already unless the whole body was read."""


def _as_of_urllib3(error: Exception, pool: _Pool, url: str) -> Exception:
    if isinstance(error, SlowAnswerError):
        return error
    if isinstance(error, TimeoutError):
        return ReadTimeoutError(pool, url, "Read timed out.")
    if isinstance(error, ssl.SSLError):
        return SSLError(error)
    return ProtocolError("Connection aborted.", error)


class _PlainResponse(requests.Response):
    """A response without a cookie jar and a history."""

    def __init__(self, request: requests.PreparedRequest, raw: Any) -> None:
        self.request, self.raw, self.status_code = request, raw, raw.status
        self.headers = raw.headers  # case-insensitive as well


class PlainAdapter(HTTPAdapter):
    """An adapter that keeps no cookies, and marks what urllib3 logs meanwhile as ours."""

    def send(self, *args: Any, **kwargs: Any) -> requests.Response:
        own_request.active = True
        try:
            return super().send(*args, **kwargs)
        finally:
            own_request.active = False

    def build_response(self, req: requests.PreparedRequest, resp: Any) -> requests.Response:
        return _PlainResponse(req, resp)


class OneServerAdapter(PlainAdapter):
    """An adapter for one server, which works out once what is the same for all requests."""

    def __init__(self, origin: str, pool_size: int) -> None:
        super().__init__(pool_connections=1, pool_maxsize=pool_size)
        self.poolmanager.pool_classes_by_scheme = _POOLS
        self._origin = origin
        self._pool: HTTPConnectionPool | None = None
        self._verified = False

    def proxy_manager_for(self, proxy: str, **options: Any) -> urllib3.ProxyManager:
        manager: urllib3.ProxyManager = super().proxy_manager_for(proxy, **options)
        if type(manager) is urllib3.ProxyManager:  # SOCKS has pools of its own
            manager.pool_classes_by_scheme = _POOLS
        return manager

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> HTTPConnectionPool:
        if self._pool is None:
            self._pool = super().get_connection_with_tls_context(*args, **kwargs)  # type: ignore[assignment]
        return self._pool  # type: ignore[return-value]

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        if not self._verified:
            super().cert_verify(conn, url, verify, cert)  # type: ignore[no-untyped-call]
            self._verified = True

    def request_url(self, request: requests.PreparedRequest, proxies: Any) -> str:  # noqa: ARG002
        """Return the path: https goes through a proxy by CONNECT, and http never does."""
        assert request.url is not None
        return request.url.removeprefix(self._origin)


def hide_proxies(proxies: Mapping[str, str] | Proxies | None) -> Proxies:
    """Return proxies, whose URLs may hold passwords, out of sight; refuse what is no mapping."""
    if isinstance(proxies, Hidden):
        return proxies
    kind = type(proxies).__name__
    try:
        valid = isinstance(proxies, Mapping | None) and all(
            isinstance(scheme, str) and isinstance(url, str | None)
            for scheme, url in (proxies or {}).items()
        )
        hidden: Proxies = Hidden(dict(proxies or {}) if valid else {})
    finally:
        del proxies  # a traceback may show locals
    if not valid:
        raise InvalidOptionError(
            f"proxies is a {kind}: give a mapping of schemes to URLs, such as "
            "{'https': 'http://proxy.example:3128'}."
        )
    return hidden


def settings_for(url: str, proxies: Proxies, verify: bool | str | None) -> Settings:
    """Return what requests would send a request with: proxies, CA bundle, certificate."""
    if not isinstance(verify, bool | str | os.PathLike | None):
        raise InvalidOptionError(
            f"verify is a {type(verify).__name__}: give True, False or the path of a CA bundle."
        )
    settings = _merge_environment(url, proxies, verify)
    if settings is None:
        raise InvalidOptionError(
            "The proxy settings cannot be used; they come from proxies= or from the environment "
            "(HTTPS_PROXY, NO_PROXY)."
        )
    bundle = settings.reveal()["verify"]
    if isinstance(bundle, str | os.PathLike) and not _exists(bundle):
        raise InvalidOptionError(
            f"The CA bundle {os.fspath(bundle)!r} does not exist; it comes from verify= or from "
            "the environment (REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE)."
        )
    return settings


def _merge_environment(url: str, proxies: Proxies, verify: bool | str | None) -> Settings | None:
    try:
        with requests.Session() as session:
            merged = session.merge_environment_settings(
                url, dict(proxies.reveal()), None, verify, None
            )
    except ValueError:
        return None
    if is_loopback(url):
        merged["proxies"] = {}  # a plain http request would hand the token to the proxy
    return Hidden({name: merged[name] for name in ("proxies", "verify", "cert")})


def _exists(path: str | os.PathLike[str]) -> bool:
    try:
        return Path(path).exists()
    except (OSError, ValueError):
        return False
