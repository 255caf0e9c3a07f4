"""Requests to one server, for which what is the same for all of them is found out once."""

from __future__ import annotations

import io
import logging
import ssl
from contextlib import suppress
from http.client import HTTPConnection, HTTPException, HTTPResponse, IncompleteRead
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ProtocolError, ReadTimeoutError, SSLError

__all__ = ["OneServerAdapter", "PlainResponse"]

_log = logging.getLogger("urllib3.connectionpool")
"""Where urllib3 tells of requests, and queries are masked."""


class _Pool(HTTPConnectionPool):
    """A pool that sends a request once and leaves the rest to those who know what it is for.

    urllib3's `urlopen` weighs redirects, retries, the host, proxies and their headers anew for
    each request, and makes a response that can do much more than be read. A quarter of what a
    request costs, and nothing of it is ever wanted here. Proxies have pools of their own, which
    go the usual way.
    """

    def urlopen(  # type: ignore[override]  # as requests calls it
        self,
        method: str,
        url: str,
        *,
        body: Any,
        headers: Any,
        timeout: Any,
        chunked: bool,
        **_: Any,
    ) -> _Response:
        """Send a request; its connection comes back when the body of the response was read."""
        connection: Any = self._get_conn()
        try:
            connection.timeout = timeout.connect_timeout
            self._validate_conn(connection)  # connects, by TLS
            with suppress(BrokenPipeError):  # there may be an answer all the same
                connection.request(method, url, body=body, headers=headers, chunked=chunked)
            connection.sock.settimeout(timeout.read_timeout)
            # Not urllib3's own: a response that is no more than what the standard library has.
            response = HTTPConnection.getresponse(connection)
        except (OSError, HTTPException) as error:
            self.give_back(connection, usable=False)
            raise _as_of_urllib3(error, self, url) from error
        except BaseException:
            self.give_back(connection, usable=False)
            raise
        where, asked = (self.scheme, self.host, self.port), (method, url, response.status)
        _log.debug('%s://%s:%s "%s %s HTTP/1.1" %s', *where, *asked)
        return _Response(self, connection, response, url)

    def give_back(self, connection: Any, *, usable: bool) -> None:
        """Take a connection back, closed when nothing more may be sent over it."""
        if not usable:
            connection.close()
        self._put_conn(connection)


class _SecurePool(_Pool, HTTPSConnectionPool):
    """The same by HTTPS."""


class _Response:
    """A response of which the status, the headers and the body can be read, once."""

    def __init__(self, pool: _Pool, connection: Any, response: HTTPResponse, url: str) -> None:
        self._pool, self._connection, self._response, self._url = pool, connection, response, url
        self.status, self.headers = response.status, response.headers

    def read(self, amt: int, decode_content: bool) -> bytes:
        """Return the body, or so many bytes of a longer one; the connection is given back.

        Raises
        ------
        HTTPError
            Of urllib3: when it ends early, nothing comes, or it cannot be decoded.
        """
        usable = False
        try:
            body = self._response.read(amt)
            if self._response.length and len(body) < amt:
                raise IncompleteRead(body, self._response.length)
            usable = self._response.isclosed()
        except (OSError, HTTPException) as error:
            raise _as_of_urllib3(error, self._pool, self._url) from error
        finally:
            self._pool.give_back(self._connection, usable=usable)
        if decode_content and "Content-Encoding" in self.headers:
            encoded = urllib3.HTTPResponse(
                io.BytesIO(body), dict(self.headers.items()), self.status, preload_content=False
            )
            return encoded.read(amt, decode_content=True)
        return body

    def close(self) -> None:
        """Do nothing: the connection was closed already, unless the whole body was read."""


def _as_of_urllib3(error: OSError | HTTPException, pool: _Pool, url: str) -> Exception:
    """Return an error of a connection as urllib3 would, for requests to tell them apart."""
    if isinstance(error, TimeoutError):
        return ReadTimeoutError(pool, url, "Read timed out.")
    if isinstance(error, ssl.SSLError):
        return SSLError(error)
    return ProtocolError("Connection aborted.", error)


class PlainResponse(requests.Response):
    """What is needed of a response: no cookie jar, no history."""

    def __init__(self, request: requests.PreparedRequest, raw: Any) -> None:
        self.request, self.raw, self.status_code = request, raw, raw.status
        self.headers = raw.headers  # case-insensitive as well


class OneServerAdapter(HTTPAdapter):
    """An adapter for one server, which finds out once what is the same for all requests."""

    def __init__(self, origin: str, pool_size: int) -> None:
        super().__init__(pool_connections=1, pool_maxsize=pool_size)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}
        self._origin = origin
        self._pool: HTTPConnectionPool | None = None
        self._verified = False

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

    def build_response(self, req: requests.PreparedRequest, resp: Any) -> requests.Response:
        return PlainResponse(req, resp)
