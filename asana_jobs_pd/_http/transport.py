"""One request, sent over a pooled connection or by the user's transport, and its outcome."""

from __future__ import annotations

import ssl
import threading
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from http import HTTPStatus
from http.client import HTTPException, IncompleteRead
from importlib.metadata import version
from typing import Any, ClassVar, Literal, Protocol, Self, TypeAlias, runtime_checkable

import orjson
import requests
import urllib3
from requests.structures import CaseInsensitiveDict

from asana_jobs_pd._http.addresses import Network
from asana_jobs_pd._http.auth import Token
from asana_jobs_pd._http.http_adapter import AnswerTimeout
from asana_jobs_pd._http.rate_limit import Cancelled
from asana_jobs_pd._http.redaction import clean, hide_query
from asana_jobs_pd.errors import InvalidOptionError

Method: TypeAlias = Literal["GET", "POST"]
MAX_BODY = 16 * 2**20
"""Bytes; a job's record has a few thousand."""


@dataclass(frozen=True, slots=True, repr=False)
class Request:
    """A request that a `Transport` sends.

    Parameters
    ----------
    method : {"GET", "POST"}
        The HTTP method.
    url : str
        The whole URL, including the query.
    headers : Mapping of str to str
        The headers by name, in any case. ``Authorization`` has the token, which no repr shows.
    body : bytes
        The JSON of a POST; empty for a GET.

    See Also
    --------
    Response : The response to a request.
    MockTransport : Stores the requests that it gets.

    Examples
    --------
    >>> from asana_jobs_pd.testing import Request
    >>> Request("GET", "https://app.asana.com/api/1.0/jobs/12")
    <Request GET https://app.asana.com/api/1.0/jobs/12>
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def __repr__(self) -> str:
        return f"<Request {self.method} {hide_query(self.url)}>"


@dataclass(frozen=True, slots=True, repr=False)
class Response:
    """The response to a request.

    Parameters
    ----------
    status : int
        The HTTP status.
    headers : Mapping of str to str
        By name.
    body : bytes
        The body, with any ``Content-Encoding`` already decoded.

    See Also
    --------
    Response.from_json : Create a response with a JSON body.

    Examples
    --------
    >>> from asana_jobs_pd.testing import Response
    >>> Response(429, {"Retry-After": "30"})
    <Response 429, 0 bytes>
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def __repr__(self) -> str:
        return f"<Response {self.status}, {len(self.body):,} bytes>"

    @classmethod
    def from_json(
        cls, value: object, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> Self:
        """Return a response with a JSON body.

        Parameters
        ----------
        value
            The body, such as ``{"data": {…}}``.
        status
            The HTTP status.
        headers
            Further headers.

        Returns
        -------
        Response
            The response, with ``Content-Type: application/json``.

        See Also
        --------
        MockTransport : Use it in a test.

        Examples
        --------
        >>> from asana_jobs_pd.testing import Response
        >>> Response.from_json({"data": {"gid": "12"}}).body
        b'{"data":{"gid":"12"}}'
        """
        kind = {"Content-Type": "application/json"}
        return cls(status, {**kind, **(headers or {})}, orjson.dumps(value))


@runtime_checkable
class Transport(Protocol):
    """The protocol of an object that sends a client's requests, passed as ``transport=``.

    Any object with the method ``send`` fits; `MockTransport` makes one from a function.

    Parameters
    ----------
    *args, **kwargs
        A protocol cannot be instantiated.

    See Also
    --------
    MockTransport : A transport made from a function.

    Examples
    --------
    >>> from asana_jobs_pd.testing import MockTransport, Response, Transport
    >>> isinstance(MockTransport(lambda request: Response()), Transport)
    True
    """

    def send(self, request: Request, /) -> Response:
        """Return the response to a request; called from several threads at once.

        Parameters
        ----------
        request
            The request.

        Returns
        -------
        Response
            The response.

        See Also
        --------
        MockTransport.send : The same with a function.

        Notes
        -----
        Raise `ConnectionError` or `TimeoutError` if there is no response: the request is then
        retried as after a network failure. Any other exception ends the read, and has partial
        results in its ``frame``.

        Examples
        --------
        >>> from asana_jobs_pd.testing import Request, Response
        >>> class Offline:
        ...     def send(self, request: Request, /) -> Response:
        ...         raise ConnectionError("no network here")
        >>> jobs = aj.read_asana_jobs(
        ...     "12", errors="coerce", client=aj.Client(transport=Offline(), max_retries=0)
        ... )
        >>> jobs["error.kind"].tolist()
        ['network']
        """
        ...


@dataclass(frozen=True, slots=True)
class ConnectionFailure:
    """The reason why there was no response, without secrets."""

    reason: str
    timed_out: bool = False
    retryable: bool = True
    sent: bool = True
    """Whether any of a POST's body was sent."""
    status: ClassVar[None] = None
    headers: ClassVar[Mapping[str, str]] = {}


Answer: TypeAlias = Response | ConnectionFailure


class CustomTransport:
    """Sends requests with a user's `Transport`."""

    def __init__(self, transport: Transport, token: Token) -> None:
        if not isinstance(transport, Transport):
            raise InvalidOptionError(
                f"transport is a {type(transport).__name__} without a method send(request)."
            )
        self._send, self._token = transport.send, token

    def send(
        self,
        method: Method,
        url: str,
        stop: threading.Event | None = None,  # noqa: ARG002  nothing is known of its waits
        body: bytes = b"",
    ) -> Answer:
        return self.exchange(Request(method, url, _headers(self._token, body), body))

    def exchange(self, request: Request) -> Answer:
        try:
            response = self._send(request)
        except OSError as error:
            text = self._token.hide(clean, str(error) or type(error).__name__)
            late = isinstance(error, TimeoutError)
            refused = isinstance(error, ConnectionRefusedError)
            return ConnectionFailure(text, timed_out=late, sent=not refused)
        if not isinstance(response, Response):
            raise InvalidOptionError(
                f"transport.send() returned a {type(response).__name__}, not a Response."
            )
        return replace(response, headers=CaseInsensitiveDict(response.headers))


class RequestsTransport:
    """Sends GET and POST requests to one server with one token.

    What ``requests.Session.get`` determines for every request (environment, proxies, cookies,
    netrc, headers, pool) is determined only once here. Redirects are not followed, so that the
    token is not sent elsewhere.
    """

    __slots__ = ("_adapter", "_headers", "_timeout", "_token")  # no vars()

    def __init__(self, base_url: str, token: Token, network: Network) -> None:
        self._token, self._timeout = token, network.timeout
        self._headers = _headers(token)
        self._adapter = network.adapter(base_url)

    def __repr__(self) -> str:
        return "<RequestsTransport>"

    def send(
        self,
        method: Method,
        url: str,
        stop: threading.Event | None = None,
        body: bytes = b"",
    ) -> Answer:
        """Send one request, with a body of JSON; never raises for what the network does.

        Raises ``Cancelled`` soon after `stop` is set, unless there is a body. A body is sent over a
        new connection: the server might be closing an old one at that very moment, and then nobody
        could say whether the request had arrived.
        """
        if self._headers["Authorization"] is not self._token.header:  # it was renewed
            self._headers = _headers(self._token)
        headers, content = self._headers, None
        if body:
            headers, content = _headers(self._token, body), _Body(body)
            headers.update({"Content-Length": str(len(body)), "Connection": "close"})
        waits = AnswerTimeout(*self._timeout, None if body else stop)
        try:
            return _read(self._adapter.exchange(method, url, headers, waits, content))
        except Cancelled:
            pass
        except Exception as error:  # noqa: BLE001  whatever it is, its traceback holds the headers
            failure = explain(error, self._timeout, partial(self._token.hide, clean))
            return replace(failure, sent=content is None or content.sent)
        except BaseException as interrupt:  # noqa: BLE001
            raise interrupt.with_traceback(None) from None  # its frames hold the headers
        raise Cancelled


class _Body:
    """The body of a POST, which knows whether any of it was sent; headers are sent before it."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.sent = False

    def __iter__(self) -> Iterator[bytes]:
        self.sent = True
        yield self._content


def _headers(token: Token, body: bytes = b"") -> CaseInsensitiveDict[str]:
    headers = CaseInsensitiveDict(
        {
            "User-Agent": user_agent(),
            "Accept": "application/json",
            "Accept-Encoding": "gzip",
            "Authorization": token.header,
        }
    )
    if body:
        headers["Content-Type"] = "application/json"
    return headers


def explain(
    error: Exception, timeout: tuple[float, float], hide: Callable[..., str]
) -> ConnectionFailure:
    """Return why there was no response; `hide` masks secrets, as ``clean`` does."""
    if isinstance(error, Cancelled):
        return ConnectionFailure("cancelled", retryable=False)
    chain = _chain(error)
    cause, names = chain[-1], {type(link).__name__ for link in chain}
    connect, read = timeout
    for kinds, reason in (
        ({"ConnectTimeout", "ConnectTimeoutError"}, f"no connection within {connect:g} s"),
        ({"SlowAnswerError"}, f"no complete answer within {2 * read:g} s"),
        ({"ReadTimeout", "ReadTimeoutError", "TimeoutError"}, f"no data for {read:g} s"),
    ):
        if names & kinds:
            return ConnectionFailure(reason, timed_out=True)
    if any(isinstance(fact, IncompleteRead) for fact in (cause, *cause.args)):
        return ConnectionFailure("the connection ended in the middle of the response")
    detail = hide(str(cause) or type(cause).__name__)
    reason, retryable = f"the connection failed: {detail}", True
    ended = isinstance(cause, ssl.SSLEOFError | ssl.SSLZeroReturnError | ssl.SSLSyscallError)
    if "SSLError" in names or (isinstance(cause, ssl.SSLError) and not ended):
        hint = "set verify= or REQUESTS_CA_BUNDLE to the path of your CA bundle"
        reason, retryable = f"the TLS connection failed ({hint}): {detail}", False
    elif "ProxyError" in names:
        reason = f"the proxy refused or cannot be reached (HTTPS_PROXY): {detail}"
    elif names & {"NameResolutionError", "gaierror"}:
        reason = "the server's name cannot be resolved: is there a network?"
    else:
        network = requests.ConnectionError | urllib3.exceptions.HTTPError | HTTPException | OSError
        retryable = isinstance(error, network) and not isinstance(error, ValueError)
    return ConnectionFailure(reason, retryable=retryable)


_GZIP = b"\x1f\x8b"
_PIECE = 256 * 1024


def _read(raw: Any) -> Response:
    pieces, left = [], MAX_BODY + 1
    while left and (piece := raw.read(min(left, _PIECE), decode_content=False)):
        pieces.append(piece)
        left -= len(piece)
    raw.close()  # the rest of it must not be read as the next response
    body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
    if body[:2] == _GZIP:  # whatever the header says: it may be false
        unpacked = _gunzip(body)
        if unpacked is None and HTTPStatus.OK <= raw.status < HTTPStatus.MULTIPLE_CHOICES:
            raise urllib3.exceptions.DecodeError("the compressed body is damaged")
        body = unpacked or body
    return Response(raw.status, raw.headers, body)


def _gunzip(body: bytes) -> bytes | None:
    """Return at most ``MAX_BODY`` + 1 bytes of the inflated body; None if it is damaged."""
    text, rest = b"", body
    while rest[:2] == _GZIP and len(text) <= MAX_BODY:  # other bytes after a member are ignored
        inflater = zlib.decompressobj(wbits=31)
        try:
            text += inflater.decompress(rest, MAX_BODY + 1 - len(text))
        except zlib.error:
            return None
        if not inflater.eof and len(text) <= MAX_BODY:
            return None
        rest = inflater.unused_data
    return text


def _chain(error: BaseException) -> list[BaseException]:
    """Return an error and its causes, the deepest last."""
    links: list[BaseException] = []
    link: object = error
    while isinstance(link, BaseException) and link not in links:
        links.append(link)
        inner = getattr(link, "reason", None) or (link.args[0] if link.args else None)
        link = inner if isinstance(inner, BaseException) else None
    return links


@lru_cache(maxsize=1)
def user_agent() -> str:
    """Return the User-Agent header."""
    return f"asana_jobs_pd/{version('asana_jobs_pd')} requests/{requests.__version__}"
