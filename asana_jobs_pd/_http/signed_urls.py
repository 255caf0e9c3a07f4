"""GET requests to signed URLs: no token, no cookies, no netrc, the body as it comes."""

from __future__ import annotations

import contextlib
import math
import re
import socket
import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qsl, urljoin, urlsplit

import requests

from asana_jobs_pd._http.auth import is_loopback, leads_to_this_machine
from asana_jobs_pd._http.http_adapter import PlainAdapter
from asana_jobs_pd._http.redaction import clean, hide_query
from asana_jobs_pd._http.transport import (
    ConnectionFailure,
    Proxies,
    Settings,
    explain,
    hide_proxies,
    settings_for,
    user_agent,
)

if TYPE_CHECKING:
    import urllib3

__all__ = ["CHUNK", "MARGIN", "SignedTransport", "Stream", "expiry", "is_stale", "refusal", "tidy"]

MARGIN = 30.0
"""Seconds of life that a URL must have left; a transfer that has started runs to its end."""

_LONGEST = 604_800
_BLANK = re.compile(r"[\x00-\x20\x7f-\xa0\u2028\u2029]+")
_STAMP = re.compile(r"\d{8}T\d{6}Z", re.ASCII)


def tidy(url: str) -> str:
    """Return a URL without the blanks that Asana's own examples have in it, and its fragment.

    A blank that belongs to a URL is percent-encoded.
    """
    return _BLANK.sub("", url).partition("#")[0]


def refusal(url: str, *, loopback: bool) -> str | None:
    """Return why nothing is fetched from a URL, or None when it may be.

    Parameters
    ----------
    url
        As `tidy` returns it.
    loopback
        Whether this machine may be asked too, over http: when Asana itself is there.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname
        _ = parts.port  # a bad port is found out only when asked for
    except ValueError:
        return "it is not a URL"
    if not host or not host.isascii():
        return "it names no server"
    if "@" in parts.netloc:
        return "it names a user"
    if leads_to_this_machine(url) and not loopback:
        return "it leads to this machine"
    if parts.scheme != "https" and not (is_loopback(url) and parts.scheme == "http"):
        return "it is not https"
    return None


def expiry(url: str) -> float | None:
    """Return when a signed URL ends, in seconds since 1970; None when it does not say."""
    try:
        query = dict(parse_qsl(urlsplit(tidy(url)).query))
    except ValueError:
        return None
    stamp, life = query.get("X-Amz-Date", ""), query.get("X-Amz-Expires", "")
    if not (_STAMP.fullmatch(stamp) and re.fullmatch(r"\d{1,6}", life, re.ASCII)):
        return None
    if not 0 < int(life) <= _LONGEST:
        return None
    try:
        signed = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None
    return signed.timestamp() + int(life)


def is_stale(ends_at: float | None, now: float, renewed_at: float | None = None) -> bool:
    """Tell whether a URL is to be renewed before it is used.

    One that was just renewed never is, however short its life and whatever our clock says: a
    URL that has to live longer than it can would be renewed for ever.

    Parameters
    ----------
    ends_at
        What `expiry` returned; of a URL that does not say, the server's answer tells.
    now
        Seconds since 1970.
    renewed_at
        When we got it from Asana; None for one that came with the frame.
    """
    if ends_at is None:
        return False
    left = ends_at - now
    if renewed_at is None:
        return left < MARGIN
    life = ends_at - renewed_at
    return life > 0 and left < min(MARGIN, life / 2)


CHUNK = 256 * 1024
"""Bytes that are read at a time, at the most."""

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MOST_REDIRECTS = 5


class Stream:
    """An answer whose body is read bit by bit, undecoded.

    Attributes
    ----------
    status : int
        The HTTP status.
    headers : Mapping
        By name, in any case.
    """

    __slots__ = ("_owner", "_raw", "_timeout", "headers", "status")

    def __init__(
        self,
        raw: urllib3.BaseHTTPResponse,
        timeout: tuple[float, float],
        owner: SignedTransport | None = None,
    ) -> None:
        self.status, self.headers = raw.status, raw.headers
        self._raw, self._timeout, self._owner = raw, timeout, owner

    def __repr__(self) -> str:
        return f"<Stream {self.status}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def read(self, size: int = CHUNK) -> bytes | ConnectionFailure:
        """Return what has come, at most `size` bytes; none at the end; never raises."""
        try:
            return self._raw.read1(size, decode_content=False) or b""
        except Exception as error:  # noqa: BLE001  whatever it is, its traceback holds the URL
            return explain(error, self._timeout, clean)

    def close(self) -> None:
        """Give the connection back if the body was read, else close it."""
        if self._owner is not None:
            self._owner.forget(self)
        with contextlib.suppress(Exception):
            self._raw.close()

    def shut_down(self) -> None:
        """End a `read` that waits in another thread."""
        with (
            contextlib.suppress(Exception),  # it may end by itself meanwhile
            socket.fromfd(self._raw.fileno(), socket.AF_INET, socket.SOCK_STREAM) as twin,
        ):
            twin.shutdown(socket.SHUT_RDWR)  # of two descriptors, either is the connection


class SignedTransport:
    """Sends GET requests to signed URLs, wherever they lead over https.

    Neither a token nor cookies nor netrc go along: S3 refuses a request with both a signature
    and an ``Authorization`` header, and a token sent there is a token leaked.

    Parameters
    ----------
    loopback
        Whether http to this machine is allowed too.
    timeout
        Seconds to connect, and between bytes.
    proxies, verify
        As in requests; None for the environment's.

    Attributes
    ----------
    heard_at : float
        When an answer came last, by the monotonic clock.
    """

    __slots__ = (
        "_adapter",
        "_closed",
        "_lock",
        "_loopback",
        "_settings",
        "_streams",
        "_timeout",
        "heard_at",
    )

    def __init__(
        self,
        *,
        loopback: bool,
        timeout: tuple[float, float],
        proxies: Mapping[str, str] | Proxies | None,
        verify: bool | str | None,
    ) -> None:
        self._loopback = loopback
        self._timeout = timeout
        self._settings = _Settings(hide_proxies(proxies), verify)
        self._adapter = PlainAdapter(pool_connections=4, pool_maxsize=32)
        self._streams: set[Stream] = set()
        self._lock = threading.Lock()
        self._closed = False
        self.heard_at = -math.inf

    def __repr__(self) -> str:
        return "<SignedTransport>"

    def refusal(self, url: str) -> str | None:
        """Return why nothing is fetched from a URL, or None when it may be."""
        return refusal(tidy(url), loopback=self._loopback)

    def open(self, url: str, headers: Mapping[str, str]) -> Stream | ConnectionFailure:
        """Send one GET request, following redirects that are allowed; never raises.

        Parameters
        ----------
        url
            The signed URL.
        headers
            ``Range`` and ``If-Range``.
        """
        place = tidy(url)
        for _ in range(_MOST_REDIRECTS + 1):
            if reason := self.refusal(place):
                return ConnectionFailure(f"{clean(hide_query(place))}: {reason}", retryable=False)
            answer = self._send(place, headers)
            if isinstance(answer, ConnectionFailure) or answer.status not in _REDIRECTS:
                return answer
            answer.close()
            try:
                place = tidy(urljoin(place, answer.headers.get("Location", "")))
            except ValueError:
                return ConnectionFailure("a redirect to what is not a URL", retryable=False)
        return ConnectionFailure(f"more than {_MOST_REDIRECTS} redirects", retryable=False)

    def close(self) -> None:
        """End what is under way, in whichever threads, and close the connections."""
        with self._lock:
            self._closed = True
            streams = list(self._streams)
        for stream in streams:
            stream.shut_down()
        self._adapter.close()

    def forget(self, stream: Stream) -> None:
        """Take note that a stream was closed."""
        with self._lock:
            self._streams.discard(stream)

    def _send(self, url: str, headers: Mapping[str, str]) -> Stream | ConnectionFailure:
        try:
            request = requests.PreparedRequest()
            request.method = "GET"
            request.url = requests.utils.requote_uri(url)
            request.headers = requests.structures.CaseInsensitiveDict(_HEADERS | dict(headers))
            response = self._adapter.send(
                request, stream=True, timeout=self._timeout, **self._settings.of(url)
            )
        except Exception as error:  # noqa: BLE001  whatever it is, its traceback holds the URL
            return explain(error, self._timeout, clean)
        self.heard_at = time.monotonic()
        stream = Stream(response.raw, self._timeout, self)
        with self._lock:
            self._streams.add(stream)
            if not self._closed:
                return stream
        stream.close()
        return ConnectionFailure("cancelled", retryable=False)


_HEADERS = {
    "User-Agent": user_agent(),
    "Accept": "*/*",
    "Accept-Encoding": "identity",  # else a proxy may pack what is packed already
}


class _Settings:
    """Proxies and CA bundle of each server, found out once."""

    __slots__ = ("_known", "_proxies", "_verify")  # a proxy's URL may hold a password

    def __init__(self, proxies: Proxies, verify: bool | str | None) -> None:
        self._proxies, self._verify = proxies, verify
        self._known: dict[str, Settings] = {}

    def of(self, url: str) -> dict[str, Any]:
        """Return what requests would send a request to this URL with."""
        parts = urlsplit(url)
        origin = f"{parts.scheme}://{parts.netloc}"
        if origin not in self._known:
            self._known[origin] = settings_for(origin, self._proxies, self._verify)
        return self._known[origin].reveal()
