"""Signed URLs, which are checked when they arrive, and GET requests to them without credentials."""

from __future__ import annotations

import contextlib
import ipaddress
import re
import socket
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, NoReturn, Self
from urllib.parse import SplitResult, parse_qsl, unquote, urljoin

import requests
from requests.structures import CaseInsensitiveDict

from asana_jobs_pd._http.addresses import Network, is_loopback, split_url
from asana_jobs_pd._http.http_adapter import AnswerTimeout
from asana_jobs_pd._http.redaction import clean, hide_query
from asana_jobs_pd._http.transport import (
    ConnectionFailure,
    CustomTransport,
    Request,
    Response,
    explain,
    user_agent,
)

_MARGIN = 30.0
"""Seconds for which a URL must still be valid when a transfer starts."""
_MAX_LIFE = 604_800
_BLANK = re.compile(r"[\x00-\x20\x7f-\xa0\u2028\u2029]+")
_STAMP = re.compile(r"\d{8}T\d{6}Z", re.ASCII)


class SignedUrl:
    """A signed URL, cleaned and checked once, with its expiry. Only requests reveal its text.

    The fragment is dropped, and so are spaces, which Asana's own examples contain: a space that
    belongs to a URL is percent-encoded.

    Attributes
    ----------
    problem : str or None
        Why nothing may be fetched from it, whatever the base URL.
    is_local : bool
        Whether it may lead to this machine.
    expires_at : float or None
        When it expires, in seconds since 1970; None when it does not say.
    """

    __slots__ = ("_text", "expires_at", "is_local", "problem")

    def __init__(self, text: str) -> None:
        self._text = _BLANK.sub("", text).partition("#")[0]
        parts = split_url(self._text)
        self.is_local = leads_to_this_machine(self._text)
        self.problem = _problem(parts, is_loopback(self._text))
        self.expires_at = _expiry(parts.query)

    def __repr__(self) -> str:
        return "<SignedUrl …>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("A signed URL is a credential and is never pickled.")

    def reveal(self) -> str:
        """Return the text, for a request."""
        return self._text

    def redirect(self, location: str) -> SignedUrl:
        """Return the target of a ``Location`` header."""
        try:
            return SignedUrl(urljoin(self._text, location))
        except ValueError:
            return SignedUrl("")

    def is_stale(self, now: float, renewed_at: float | None = None) -> bool:
        """Return whether a new URL is needed before this one is used.

        A URL that was just renewed is never stale, however short its lifetime and whatever our
        clock says; otherwise it might be renewed forever.
        """
        if self.expires_at is None:
            return False
        left = self.expires_at - now
        if renewed_at is None:
            return left < _MARGIN
        life = self.expires_at - renewed_at
        return life > 0 and left < min(_MARGIN, life / 2)


def _problem(parts: SplitResult, loopback: bool) -> str | None:
    if not any(parts):
        return "it is not a URL"
    if not parts.hostname or not parts.hostname.isascii():
        return "it names no server"
    if "@" in parts.netloc:
        return "it contains a user name"
    if parts.scheme != "https" and not (loopback and parts.scheme == "http"):
        return "it is not https"
    return None


def _expiry(query: str) -> float | None:
    fields = dict(parse_qsl(query))
    stamp, life = fields.get("X-Amz-Date", ""), fields.get("X-Amz-Expires", "")
    if not (_STAMP.fullmatch(stamp) and re.fullmatch(r"\d{1,6}", life, re.ASCII)):
        return None
    if not 0 < int(life) <= _MAX_LIFE:
        return None
    try:
        signed = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None
    return signed.timestamp() + int(life)


_LOCAL_NAME = re.compile(
    r"(?:.*\.)?localhost\d?(?:\.localdomain\d?)?|(?:.*\.)?localdomain\d?|ip6-(?:localhost|loopback)"
)


def leads_to_this_machine(url: str) -> bool:
    """Return whether a URL may lead to this machine, however its address is written."""
    host = unquote(split_url(url).hostname or "").lower().partition("%")[0].rstrip(".")
    if _LOCAL_NAME.fullmatch(host):
        return True
    try:
        resolved = socket.getaddrinfo(
            host, None, flags=socket.AI_NUMERICHOST
        )  # without a DNS request
    except (OSError, ValueError):
        return False
    address = ipaddress.ip_address(resolved[0][4][0])
    address = getattr(address, "ipv4_mapped", None) or address
    return address.is_loopback or address.is_unspecified or address.is_link_local


CHUNK = 256 * 1024
"""The most bytes read at a time."""
MIN_RATE = 1024
"""Bytes per second below which a transfer is cut and retried."""

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MAX_REDIRECTS = 5
_HEADERS = {
    "User-Agent": user_agent(),
    "Accept": "*/*",
    "Accept-Encoding": "identity",  # proxies may compress compressed files
}


class Stream:
    """A response whose body is read piece by piece, undecoded.

    Attributes
    ----------
    status : int
        The HTTP status.
    headers : Mapping
        By name, in any case.
    """

    __slots__ = ("_raw", "_received", "_timeout", "_waited", "headers", "status")

    def __init__(self, raw: Any, timeout: tuple[float, float]) -> None:
        self.status, self.headers = raw.status, raw.headers
        self._raw, self._timeout = raw, timeout
        self._received, self._waited = 0, 0.0

    def __repr__(self) -> str:
        return f"<Stream {self.status}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def is_chunked(self) -> bool:
        """Whether the end of the body is marked."""
        coding: str = self.headers.get("Transfer-Encoding", "")
        return coding.lower() == "chunked"

    def read(self, size: int = CHUNK) -> bytes | ConnectionFailure:
        """Return the bytes that have arrived, at most `size`; none at the end. Never raises."""
        began = time.monotonic()
        try:
            data: bytes = self._raw.read(size, decode_content=False)
        except Exception as error:  # noqa: BLE001  whatever it is, its traceback holds the URL
            return explain(error, self._timeout, clean)
        self._received += len(data)
        self._waited += time.monotonic() - began  # our own pauses do not count as the server's
        if data and self._waited >= self._timeout[1]:
            if self._received < MIN_RATE * self._waited:
                reason = f"only {self._received:,} bytes came in {self._waited:.0f} s"
                return ConnectionFailure(reason, timed_out=True)
            self._received, self._waited = 0, 0.0
        return data

    def close(self) -> None:
        """Close the connection, unless the body was read and the connection can be reused."""
        with contextlib.suppress(Exception):
            self._raw.close()


class _WholeBody:
    """The response of a user's transport, read like a `Stream`."""

    def __init__(self, answer: Response) -> None:
        length = {"Content-Length": str(len(answer.body))}
        self.status, self.headers = answer.status, CaseInsensitiveDict({**length, **answer.headers})
        self._body = answer.body

    def read(self, size: int, decode_content: bool) -> bytes:  # noqa: ARG002  as of urllib3
        data, self._body = self._body[:size], self._body[size:]
        return data


class SignedTransport:
    """Sends GET requests to signed URLs on any https server.

    They carry no token, cookies or netrc credentials: S3 refuses a request with both a signature
    and an ``Authorization`` header, and sending a token there would leak it. `note` gets the
    headers of each response; `stop` ends everything once it is set.
    """

    __slots__ = ("_closed", "_custom", "_loopback", "_network", "_note")

    def __init__(
        self,
        network: Network,
        *,
        loopback: bool,
        stop: threading.Event | None = None,
        note: Callable[[Mapping[str, str]], object] = bool,
        custom: CustomTransport | None = None,
    ) -> None:
        self._network, self._loopback, self._custom = network, loopback, custom
        self._note = note
        self._closed = stop or threading.Event()

    def __repr__(self) -> str:
        return "<SignedTransport>"

    def refusal(self, url: SignedUrl) -> str | None:
        """Return why a URL may not be fetched; None if it may."""
        if url.is_local and not self._loopback:
            return "it leads to this machine"
        return url.problem

    def open(self, url: SignedUrl, headers: Mapping[str, str]) -> Stream | ConnectionFailure:
        """Send one GET request, following redirects that are allowed; never raises."""
        for _ in range(_MAX_REDIRECTS + 1):
            if reason := self.refusal(url):
                shown = clean(hide_query(url.reveal()))
                return ConnectionFailure(f"{shown}: {reason}", retryable=False)
            answer = self._send(url, headers)
            if isinstance(answer, ConnectionFailure):
                return answer
            self._note(answer.headers)
            location = answer.headers.get("Location", "").strip()
            if (
                answer.status not in _REDIRECTS or not location
            ):  # S3's redirect to another region has no location
                return answer
            answer.close()
            url = url.redirect(location)
        return ConnectionFailure(f"more than {_MAX_REDIRECTS} redirects", retryable=False)

    def close(self) -> None:
        """End all requests in flight, in any thread."""
        self._closed.set()

    def _send(self, url: SignedUrl, headers: Mapping[str, str]) -> Stream | ConnectionFailure:
        timeout, all_headers = self._network.timeout, CaseInsensitiveDict({**_HEADERS, **headers})
        try:
            if self._custom is not None:
                answer = self._custom.exchange(Request("GET", url.reveal(), all_headers))
                if isinstance(answer, ConnectionFailure):
                    return answer
                return Stream(_WholeBody(answer), timeout)
            target = requests.utils.requote_uri(url.reveal())
            waits = AnswerTimeout(*timeout, self._closed, streamed=True)
            raw = self._network.adapter(target).exchange("GET", target, all_headers, waits)
        except Exception as error:  # noqa: BLE001  whatever it is, its traceback holds the URL
            return explain(error, timeout, clean)
        return Stream(raw, timeout)
