"""Requests to one server, for which what is the same for all of them is found out once."""

from __future__ import annotations

import ssl
from http.client import HTTPException
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ProtocolError, SSLError

__all__ = ["OneServerAdapter", "PlainResponse"]


class _Pool(HTTPConnectionPool):
    """A pool that sends a request once and leaves the rest to those who know what it is for.

    `urlopen` weighs redirects, retries, the host, proxies and the headers of proxies anew for every
    request. None of that is ever wanted here: a fifth of what a request costs. Requests by a proxy
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
    ) -> urllib3.BaseHTTPResponse:
        """Send a request; its connection comes back when the body of the response was read."""
        connection = self._get_conn()
        try:
            return self._make_request(
                connection,
                method,
                url,
                body=body,
                headers=headers,
                timeout=timeout,
                chunked=chunked,
                response_conn=connection,
                preload_content=False,
                decode_content=False,
            )
        except BaseException as error:
            connection.close()
            self._put_conn(connection)
            if isinstance(error, ssl.SSLError):
                raise SSLError(error) from error
            if isinstance(error, OSError | HTTPException):
                raise ProtocolError("Connection aborted.", error) from error
            raise


class _SecurePool(_Pool, HTTPSConnectionPool):
    """The same by HTTPS."""


class PlainResponse(requests.Response):
    """What is needed of a response: no cookie jar, no history."""

    def __init__(self, request: requests.PreparedRequest, raw: urllib3.BaseHTTPResponse) -> None:
        self.request, self.raw, self.status_code = request, raw, raw.status
        self.headers = raw.headers  # type: ignore[assignment]  # case-insensitive as well


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

    def build_response(
        self, req: requests.PreparedRequest, resp: urllib3.BaseHTTPResponse
    ) -> requests.Response:
        return PlainResponse(req, resp)
