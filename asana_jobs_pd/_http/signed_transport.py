"""GET requests to signed URLs: no token, no cookies, no netrc, the body as it comes."""

from __future__ import annotations

import contextlib
import math
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter

from asana_jobs_pd._http.http_adapter import (
    FinalResponse,
    PlainAdapter,
    Proxies,
    Settings,
    hide_proxies,
    settings_for,
)
from asana_jobs_pd._http.redaction import clean, hide_query
from asana_jobs_pd._http.responses import ServerClock
from asana_jobs_pd._http.signed_urls import SignedUrl
from asana_jobs_pd._http.transport import (
    ConnectionFailure,
    explain,
    user_agent,
)

if TYPE_CHECKING:
    import urllib3


CHUNK = 256 * 1024
"""Bytes that are read at a time, at most."""
MIN_RATE = 1024
"""Bytes a second below which a transfer is cut and tried again."""

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MAX_REDIRECTS = 5


class Stream:
    """A response whose body is read piece by piece, undecoded.

    Attributes
    ----------
    status : int
        The HTTP status.
    headers : Mapping
        By name, in any case.
    """

    __slots__ = ("_owner", "_raw", "_received", "_timeout", "_waited", "headers", "status")

    def __init__(
        self,
        raw: urllib3.BaseHTTPResponse,
        timeout: tuple[float, float],
        owner: SignedTransport | None = None,
    ) -> None:
        self.status, self.headers = raw.status, raw.headers
        self._raw, self._timeout, self._owner = raw, timeout, owner
        self._received, self._waited = 0, 0.0

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
        """Return what has arrived, at most `size` bytes; none at the end; never raises."""
        began = time.monotonic()
        try:
            data = self._raw.read1(size, decode_content=False) or b""
        except Exception as error:  # noqa: BLE001  whatever it is, its traceback holds the URL
            return explain(error, self._timeout, clean)
        self._received += len(data)
        self._waited += time.monotonic() - began  # our own pauses do not count
        if data and self._waited >= self._timeout[1]:
            if self._received < MIN_RATE * self._waited:
                return self._too_slow()
            self._received, self._waited = 0, 0.0
        return data

    def _too_slow(self) -> ConnectionFailure:
        reason = f"only {self._received:,} bytes came in {self._waited:.0f} s"
        return ConnectionFailure(reason, timed_out=True)

    def close(self) -> None:
        """Give the connection back if the body was read, else close it."""
        if self._owner is not None:
            self._owner.forget(self)
        with contextlib.suppress(Exception):
            self._raw.close()

    def shut_down(self) -> None:
        """End a `read` that waits in another thread."""
        with contextlib.suppress(Exception):  # it may end by itself meanwhile
            _shut_down(self._raw.fileno())


def _shut_down(descriptor: int) -> None:
    """End what waits on a socket; of two descriptors, either is the connection."""
    with socket.fromfd(descriptor, socket.AF_INET, socket.SOCK_STREAM) as twin:
        twin.shutdown(socket.SHUT_RDWR)


class _HeaderWaits:
    """The sockets on which threads wait for the headers of a response, so that others can cut it.

    A timeout of the socket alone never ends a server that sends a byte of a header now and
    then, or one ``100 Continue`` after the other.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[int, tuple[int, float]] = {}
        self._cut: set[int] = set()
        self._closed = False

    @contextlib.contextmanager
    def watch(self, descriptor: int) -> Iterator[None]:
        """Let the wait of this thread be cut while it is in here."""
        thread = threading.get_ident()
        with self._lock:
            self._cut.discard(thread)
            self._waiting[thread] = descriptor, time.monotonic()
            if self._closed:
                self._shut_down(thread)
        try:
            yield
        finally:
            with self._lock:
                self._waiting.pop(thread, None)

    def was_cut(self) -> bool:
        """Tell whether the last wait of this thread was cut."""
        return threading.get_ident() in self._cut

    def cut(self, seconds: float) -> None:
        """End the waits that have lasted for so long."""
        now = time.monotonic()
        with self._lock:
            for thread, (_, since) in self._waiting.items():
                if now - since >= seconds:
                    self._shut_down(thread)

    def close(self) -> None:
        """End all waits, now and in future."""
        self._closed = True
        self.cut(0)

    def _shut_down(self, thread: int) -> None:
        self._cut.add(thread)
        with contextlib.suppress(OSError):
            _shut_down(self._waiting[thread][0])


class SignedTransport:
    """Sends GET requests to signed URLs, wherever they lead over https.

    Neither a token nor cookies nor netrc go along: S3 refuses a request with both a signature
    and an ``Authorization`` header, and a token sent there is a token leaked.

    Attributes
    ----------
    heard_at : float
        When a response came last, by the monotonic clock.
    """

    __slots__ = (
        "_adapter",
        "_clock",
        "_closed",
        "_lock",
        "_loopback",
        "_settings",
        "_streams",
        "_timeout",
        "_waits",
        "heard_at",
    )

    def __init__(
        self,
        *,
        loopback: bool,
        timeout: tuple[float, float],
        proxies: Mapping[str, str] | Proxies | None,
        verify: bool | str | None,
        clock: ServerClock | None = None,
        adapter: HTTPAdapter | None = None,
    ) -> None:
        self._loopback = loopback
        self._timeout = timeout
        self._settings = _Settings(hide_proxies(proxies), verify)
        self._waits = _HeaderWaits()
        self._adapter: HTTPAdapter = adapter or _WatchedAdapter(self._waits)
        self._clock = clock or ServerClock()
        self._streams: set[Stream] = set()
        self._lock = threading.Lock()
        self._closed = False
        self.heard_at = -math.inf

    def __repr__(self) -> str:
        return "<SignedTransport>"

    def refusal(self, url: SignedUrl) -> str | None:
        """Return why nothing is fetched from a URL, or None when it may be."""
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
            if isinstance(answer, ConnectionFailure) or answer.status not in _REDIRECTS:
                return answer
            location = answer.headers.get("Location", "").strip()
            if not location:  # S3 does so for a bucket in another region
                return answer
            answer.close()
            url = url.redirect(location)
        return ConnectionFailure(f"more than {_MAX_REDIRECTS} redirects", retryable=False)

    def cut_overdue(self) -> None:
        """Cut requests whose headers are not complete in time; to be called now and then."""
        self._waits.cut(self._timeout[1])

    def close(self) -> None:
        """End what is under way, in whichever threads, and close the connections."""
        with self._lock:
            self._closed = True
            streams = list(self._streams)
        self._waits.close()
        for stream in streams:
            stream.shut_down()
        self._adapter.close()

    def forget(self, stream: Stream) -> None:
        """Drop a stream that was closed."""
        with self._lock:
            self._streams.discard(stream)

    def _send(self, url: SignedUrl, headers: Mapping[str, str]) -> Stream | ConnectionFailure:
        try:
            request = requests.PreparedRequest()
            request.method = "GET"
            request.url = requests.utils.requote_uri(url.reveal())
            request.headers = requests.structures.CaseInsensitiveDict(_HEADERS | dict(headers))
            response = self._adapter.send(
                request, stream=True, timeout=self._timeout, **self._settings.of(request.url)
            )
        except Exception as error:  # noqa: BLE001  whatever it is, its traceback holds the URL
            failure = explain(error, self._timeout, clean)
            return self._cut_failure() if self._waits.was_cut() else failure
        if self._waits.was_cut():  # headers that end early look like fewer headers
            response.raw.close()
            return self._cut_failure()
        self.heard_at = time.monotonic()
        if not self._clock.is_known:  # files are dated by Asana's clock
            self._clock.note(response.raw.headers)
        stream = Stream(response.raw, self._timeout, self)
        with self._lock:
            self._streams.add(stream)
            if not self._closed:
                return stream
        stream.close()
        return ConnectionFailure("cancelled", retryable=False)

    def _cut_failure(self) -> ConnectionFailure:
        reason = f"no complete response within {self._timeout[1]:g} s"
        return ConnectionFailure(reason, timed_out=True, retryable=not self._closed)


_HEADERS = {
    "User-Agent": user_agent(),
    "Accept": "*/*",
    "Accept-Encoding": "identity",  # else a proxy may pack what is packed already
}


class _WatchedAdapter(PlainAdapter):
    """An adapter whose waits for headers can be cut."""

    def __init__(self, waits: _HeaderWaits) -> None:
        super().__init__(pool_connections=4, pool_maxsize=32)
        self._waits = waits
        self._watched: dict[type, type] = {}

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
        pool: Any = super().get_connection_with_tls_context(*args, **kwargs)
        if pool.ConnectionCls not in self._watched.values():
            pool.ConnectionCls = self._watch(pool.ConnectionCls)
        return pool

    def _watch(self, connection_class: Any) -> type:
        """Return the class of connections that say when they wait for headers."""
        if connection_class not in self._watched:
            waits = self._waits

            class Watched(connection_class):  # type: ignore[misc]
                response_class = FinalResponse

                def getresponse(self) -> Any:
                    with waits.watch(self.sock.fileno()):
                        return super().getresponse()

            self._watched[connection_class] = Watched
        return self._watched[connection_class]


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
