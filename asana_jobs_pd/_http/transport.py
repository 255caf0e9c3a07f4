"""One request over a pooled connection: an answer, or the reason why none came."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import requests
import urllib3

from asana_jobs_pd._http.auth import Token, is_loopback, origin_of
from asana_jobs_pd._http.http_adapter import OneServerAdapter
from asana_jobs_pd._http.rate_limit import MAX_POSTS
from asana_jobs_pd._http.redaction import clean
from asana_jobs_pd.errors import InvalidOptionError

__all__ = [
    "MAX_BODY",
    "ConnectionFailure",
    "Response",
    "Transport",
    "explain",
    "settings_for",
    "user_agent",
]

MAX_BODY = 16 * 2**20
"""Bytes; a job's record has a few thousand."""


@dataclass(frozen=True, slots=True)
class Response:
    """What came back: a status, headers and at most ``MAX_BODY`` + 1 bytes."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    changes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ConnectionFailure:
    """Why nothing came back, in words without secrets."""

    reason: str
    timed_out: bool = False
    retryable: bool = True
    sent: bool = True
    """Whether any of a POST's body went out."""


class Transport:
    """Sends GET and POST requests to one server with one token.

    What ``requests.Session.get`` works out for every request anew (environment, proxies,
    cookies, netrc, headers, the pool to use) is worked out once here. Redirects are not
    followed, so that the token stays where it was sent.

    Parameters
    ----------
    base_url
        The server, as `check_base_url` returns it.
    token
        What authorizes the requests.
    pool_size
        Connections to keep.
    timeout
        Seconds to connect, and between bytes.
    proxies, verify
        As in requests; None for the environment's.
    """

    __slots__ = (
        "_adapter",
        "_headers",
        "_posts",
        "_settings",
        "_timeout",
        "_token",
        "_waits",
    )  # no vars()

    def __init__(
        self,
        base_url: str,
        token: Token,
        *,
        pool_size: int,
        timeout: tuple[float, float],
        proxies: Mapping[str, str] | None,
        verify: bool | str | None,
    ) -> None:
        self._token = token
        self._timeout = timeout
        # requests takes one as it is, and makes one of anything else for each request.
        self._waits: Any = urllib3.Timeout(connect=timeout[0], read=timeout[1])
        self._settings = settings_for(base_url, proxies, verify)
        self._adapter = OneServerAdapter(origin_of(base_url), pool_size)
        self._posts = OneServerAdapter(origin_of(base_url), MAX_POSTS)
        self._headers = requests.structures.CaseInsensitiveDict(
            {
                "User-Agent": user_agent(),
                "Accept": "application/json",
                "Accept-Encoding": "gzip, deflate",
                "Authorization": token.header,
            }
        )

    def __repr__(self) -> str:
        return "<Transport>"

    def get(self, url: str) -> Response | ConnectionFailure:
        """Send one GET request; never raises for what the network does."""
        request = requests.PreparedRequest()
        request.method, request.url, request.headers = "GET", url, self._headers
        return self._exchange(request, self._adapter)

    def post(self, url: str, content: bytes) -> Response | ConnectionFailure:
        """Send one POST request with JSON; never raises for what the network does.

        It has a connection of its own: one that was kept may be closed by the server at that
        very moment, and nobody could say whether the request arrived.
        """
        body = _Body(content)
        request = requests.PreparedRequest()
        request.method, request.url, request.headers = "POST", url, self._headers.copy()
        request.headers["Content-Type"] = "application/json"
        request.headers["Content-Length"] = str(len(content))
        request.headers["Connection"] = "close"
        request.body = body  # type: ignore[assignment]  # an iterable of bytes will do
        answer = self._exchange(request, self._posts)
        return answer if isinstance(answer, Response) else replace(answer, sent=body.sent)

    def _exchange(
        self, request: requests.PreparedRequest, adapter: OneServerAdapter
    ) -> Response | ConnectionFailure:
        try:
            return _read(adapter.send(request, stream=True, timeout=self._waits, **self._settings))
        except Exception as error:  # noqa: BLE001  whatever it is, its traceback holds the headers
            return explain(error, self._timeout, partial(self._token.hide, clean))

    def close(self) -> None:
        """Close the connections."""
        self._adapter.close()
        self._posts.close()


class _Body:
    """The body of a POST, which knows whether any of it went out: headers go before it."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.sent = False

    def __iter__(self) -> Iterator[bytes]:
        self.sent = True
        yield self._content


def explain(
    error: Exception, timeout: tuple[float, float], hide: Callable[..., str]
) -> ConnectionFailure:
    """Return why nothing came, in words; `hide` is ``clean``, or what hides a token as well."""
    kinds = _chain(error)
    names = {type(link).__name__ for link in kinds}
    said = hide(str(kinds[-1]) or type(kinds[-1]).__name__)
    if names & {"ConnectTimeout", "ConnectTimeoutError"}:
        return ConnectionFailure(f"no connection within {timeout[0]:g} s", timed_out=True)
    if names & {"ReadTimeout", "ReadTimeoutError", "TimeoutError"}:
        return ConnectionFailure(f"no data for {timeout[1]:g} s", timed_out=True)
    if "SSLError" in names:
        hint = "give verify= or REQUESTS_CA_BUNDLE your CA bundle's path"
        return ConnectionFailure(f"the TLS connection failed ({hint}): {said}", retryable=False)
    if "ProxyError" in names:
        return ConnectionFailure(f"the proxy cannot be reached or refused (HTTPS_PROXY): {said}")
    if "NameResolutionError" in names:
        return ConnectionFailure("the server's name cannot be resolved: is there a network?")
    passes = isinstance(
        error, requests.ConnectionError | urllib3.exceptions.HTTPError | OSError
    ) and not isinstance(error, ValueError)
    return ConnectionFailure(f"the connection failed: {said}", retryable=passes)


def _read(response: requests.Response) -> Response:
    raw = response.raw
    body = raw.read(MAX_BODY + 1, decode_content=True)
    if len(body) > MAX_BODY:
        raw.close()  # what is left of it must not meet the next request
    changes = raw.headers.get_all("Asana-Change") if "Asana-Change" in raw.headers else ()
    return Response(response.status_code, raw.headers, body, tuple(changes))


def _chain(error: BaseException) -> list[BaseException]:
    """Return an error and what it stands for, the deepest reason last."""
    links: list[BaseException] = []
    link: object = error
    while isinstance(link, BaseException) and link not in links:
        links.append(link)
        inner = getattr(link, "reason", None) or (link.args[0] if link.args else None)
        link = inner if isinstance(inner, BaseException) else None
    return links


def settings_for(
    url: str, proxies: Mapping[str, str] | None, verify: bool | str | None
) -> dict[str, Any]:
    """Return what requests would send a request to a URL with: proxies, CA bundle, certificate.

    Raises
    ------
    InvalidOptionError
        When the CA bundle does not exist.
    """
    with requests.Session() as session:
        merged = session.merge_environment_settings(url, dict(proxies or {}), None, verify, None)
    if is_loopback(url):
        # A plain http request would hand the token to the proxy.
        merged["proxies"] = {}
    bundle = merged["verify"]
    if isinstance(bundle, str | os.PathLike) and not Path(bundle).exists():
        raise InvalidOptionError(
            f"The CA bundle {os.fspath(bundle)!r} does not exist; it comes from verify= or from "
            "the environment (REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE)."
        )
    return {name: merged[name] for name in ("proxies", "verify", "cert")}


def user_agent() -> str:
    """Return how we introduce ourselves."""
    return f"asana_jobs_pd/{version('asana_jobs_pd')} requests/{requests.__version__}"
