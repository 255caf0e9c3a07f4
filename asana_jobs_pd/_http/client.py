"""`Client`: one token for one server."""

from __future__ import annotations

import logging
import math
import os
import threading
import time
import weakref
from collections.abc import Callable, Mapping
from functools import lru_cache
from http import HTTPStatus
from typing import NoReturn, Self
from urllib.parse import urlencode

from asana_jobs_pd._formatting import format_duration
from asana_jobs_pd._http.addresses import Network, check_base_url, hide_proxies, is_loopback
from asana_jobs_pd._http.auth import Token, environment, find_token
from asana_jobs_pd._http.rate_limit import Limiter, limiter_for, share_limiter
from asana_jobs_pd._http.redaction import mask_logs, redact
from asana_jobs_pd._http.responses import Changes, PostResult, Record, read_job, read_started_job
from asana_jobs_pd._http.retry import (
    RetryPolicy,
    Sent,
    backoff,
    http_date,
    retry_after_of,
    send_repeatedly,
)
from asana_jobs_pd._http.signed_urls import SignedTransport
from asana_jobs_pd._http.transport import (
    CustomTransport,
    Method,
    RequestsTransport,
    Response,
    Transport,
)
from asana_jobs_pd._options import check_client_options
from asana_jobs_pd._public import public
from asana_jobs_pd.errors import ClientClosedError, InvalidOptionError, RequestError, TokenError

BASE_URL = "https://app.asana.com/api/1.0"
OUTAGE = 5.0
"""After this many seconds without any response, a request that fails for good ends the call."""

log = logging.getLogger("asana_jobs_pd")
_NEVER = threading.Event()
_MAX_CONNECTIONS = 500
_ONE_TRY = RetryPolicy(0)


@public
class Client:
    """Reads jobs from one Asana server with one token; `connect` creates one.

    It is thread-safe, keeps its connections until it is closed, never shows its token, and cannot
    be pickled. After a fork, it opens new connections.

    Parameters
    ----------
    token
        A personal access token, service account token or OAuth access token. None looks in
        the environment (``ASANA_ACCESS_TOKEN``, ``ASANA_PAT``, ``ASANA_TOKEN``), then in the
        keyring, then prompts for it in an interactive session. A callable without arguments
        that returns a token is called now, and once whenever Asana rejects the token (401), so
        that a long wait outlives an OAuth token. The thread that notices it calls, while the
        others wait. The callable must not use this client.
    base_url
        The URL of the API: https, or a loopback address. None takes ``ASANA_BASE_URL`` from the
        environment, or else Asana's own URL.
    requests_per_minute
        The token's budget, which all its clients in a process share; the newest client sets it.
        1,500 on paid domains, 150 on free ones; None for no limit of our own
        (https://developers.asana.com/docs/rate-limits).
    max_in_flight
        The most requests at the same time; Asana allows 50.
    timeout
        Seconds to connect, and seconds between two bytes. A complete response may take up to
        twice the second value. Looking up the server's name (DNS) is up to the operating system:
        neither this nor an interrupt can cut it short, but no call waits for it.
    max_retries
        How often a request is retried after a connection failure or a status of 429, 500, 502,
        503 or 504, within ten minutes. The pauses double from half a second up to 30 s, minus up
        to a random half, unless Asana sets them: 5 retries take 8 to 16 s, and 10 up to 2.5
        minutes.
    proxies, verify
        As in requests: a mapping of proxies; the path of a CA bundle, or False. None takes those
        of the environment (``HTTPS_PROXY``, ``REQUESTS_CA_BUNDLE``, …). Loopback addresses are
        reached without a proxy.
    opt_pretty
        Whether to request indented JSON, which is slower, to debug with a proxy that shows traffic.
    ledger
        Whether to record which jobs are read and started, for `recent_jobs`. None records them,
        except with a loopback address, ``ASANA_JOBS_LEDGER=0`` or a `transport`.
    limiter
        Your own limiter instead of the token's.
    transport
        An object that responds to requests instead of the network, for tests without sockets; see
        ``asana_jobs_pd.testing``. It also gets the requests for export files, and needs no token.

    Attributes
    ----------
    policy : RetryPolicy
        How often and for how long a failed request is retried; may be replaced.

    See Also
    --------
    connect : Create a client and make it the default.
    testing.MockTransport : A `transport` made from a function.

    Examples
    --------
    >>> with aj.Client(asana.token, base_url=asana.base_url, max_in_flight=10) as client:
    ...     jobs = aj.read_asana_jobs(gids, client=client)
    >>> client.closed
    True
    """

    def __init__(
        self,
        token: str | Callable[[], str] | Token | None = None,
        *,
        base_url: str | None = None,
        requests_per_minute: int | None = 1500,
        max_in_flight: int = 50,
        timeout: tuple[float, float] = (10.0, 60.0),
        max_retries: int = 5,
        proxies: Mapping[str, str] | None = None,
        verify: bool | str | None = None,
        opt_pretty: bool = False,
        ledger: bool | None = None,
        limiter: Limiter | None = None,
        transport: Transport | None = None,
    ) -> None:
        self._closed = False
        self.rejected = False
        self._limiter = limiter
        self._custom = transport
        self._limits = requests_per_minute, max_in_flight
        self.opt_pretty = opt_pretty
        self.ledger = False if ledger is None and transport is not None else ledger
        self.refused_fields: frozenset[str] = frozenset()
        self.changes = Changes()
        self._dated: tuple[str, float] | None = None
        self._heard_at = -math.inf
        try:
            check_client_options(*self._limits, timeout, max_retries, opt_pretty, ledger)
            if not isinstance(limiter, Limiter | None):
                raise InvalidOptionError(f"limiter={limiter!r} is not a Limiter.")
            self.policy = RetryPolicy(max_retries)
            pool_size = min(max_in_flight, _MAX_CONNECTIONS)
            self._network = Network(timeout, hide_proxies(proxies), verify, pool_size)
            self.base_url = check_base_url(base_url or environment("ASANA_BASE_URL") or BASE_URL)
            self.loopback = is_loopback(self.base_url)
            self._token = find_token(token, optional=transport is not None)
        finally:
            del token, base_url, proxies  # a traceback may show locals
        self.reopen()
        mask_logs()
        _clients.add(self)

    def reopen(self) -> None:
        """Drop all connections and start over, as a forked process must."""
        self._transport: RequestsTransport | CustomTransport
        self._token.reset_lock()
        self._network.forget()
        if self._custom is not None:
            self.limiter = self._limiter or Limiter(*self._limits)
            self._transport = CustomTransport(self._custom, self._token)
            return
        key = self._token.fingerprint, self.base_url
        self.limiter = self._limiter or limiter_for(*key, *self._limits)
        self._transport = RequestsTransport(self.base_url, self._token, self._network)

    def __repr__(self) -> str:
        if not hasattr(self, "_transport"):
            return "<Client, not set up>"
        state = "closed" if self._closed else repr(self.limiter)
        return f"<Client {self.base_url} {self._token!r} {state}>"

    def __reduce__(self) -> NoReturn:
        raise TokenError(
            "A Client is never pickled, since its token would travel along; "
            "the other process calls connect() itself."
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def closed(self) -> bool:
        """Whether the client was closed.

        See Also
        --------
        Client.close : Close it.

        Examples
        --------
        >>> client.closed
        False
        """
        return self._closed

    @property
    def max_in_flight(self) -> int:
        """The most requests that may be in flight at the same time.

        See Also
        --------
        connect : Sets it.

        Examples
        --------
        >>> client.max_in_flight
        50
        """
        return self.limiter.budget.max_in_flight

    def signed_transport(self, stop: threading.Event | None = None) -> SignedTransport:
        """Return the transport for signed URLs: this client's proxies, but not its token."""
        self._check_open()
        return SignedTransport(
            self._network,
            loopback=self.loopback,
            stop=stop,
            note=self._note_headers,
            custom=self._transport if isinstance(self._transport, CustomTransport) else None,
        )

    def outage_since(self, began: float) -> str:
        """Return a description of an outage that has lasted a while; "" if there is none."""
        quiet = time.monotonic() - began
        if quiet < OUTAGE or self._heard_at >= began:
            return ""
        return f"nothing came from the network for {format_duration(quiet)}"

    def server_time(self) -> float:
        """Return the server's time by its last `Date` header, or ours, in seconds since 1970."""
        if self._dated is not None and (date := http_date(self._dated[0])) is not None:
            return date + time.monotonic() - self._dated[1]
        return time.time()

    def close(self) -> None:
        """Close the connections; the client cannot be used any more.

        See Also
        --------
        connect : Create a new one.

        Examples
        --------
        >>> other = aj.Client(asana.token, base_url=asana.base_url)
        >>> other.close()
        >>> other.closed
        True
        """
        self._closed = True
        self._network.close()

    def get_job(self, gid: str, opt_fields: tuple[str, ...] = ()) -> Record:
        """Return the record of one job as Asana sends it.

        Parameters
        ----------
        gid
            The gid of the job.
        opt_fields
            The fields to request; without any, Asana returns its compact record.

        Returns
        -------
        dict
            The record, which Asana calls ``data``.

        See Also
        --------
        read_asana_jobs : Many jobs as a frame.

        Examples
        --------
        >>> client.get_job(gids[0])["status"]
        'succeeded'
        """
        result = self.ask_job(gid, opt_fields)
        if isinstance(result, RequestError):
            raise result
        return result

    def ask_job(
        self,
        gid: str,
        opt_fields: tuple[str, ...] = (),
        *,
        optional: frozenset[str] = frozenset(),
        stop: threading.Event = _NEVER,
        background: bool = False,
    ) -> Record | RequestError:
        """Return the record of one job, or the error that says why there is none.

        Without `opt_fields`, Asana returns its compact record. `optional` fields are left out once
        Asana has refused them. If another thread sets `stop`, ``Cancelled`` is raised. A
        `background` request lets others go first and is not retried: a poller polls again anyway,
        and needs to know at once what is wrong.
        """

        def ask(without: frozenset[str]) -> Record | RequestError:
            fields = tuple(name for name in opt_fields if name not in without)
            url = f"{self.base_url}/jobs/{gid}{_query(fields, self.opt_pretty)}"
            policy = _ONE_TRY if background else self.policy
            sent = send_repeatedly(
                lambda: self._send("GET", url, stop, background=background), policy, stop
            )
            return read_job(sent.answer, gid, self._token)

        refused = optional & self.refused_fields
        result = ask(refused)
        if refused < optional and _is_bad_request(result):
            # Perhaps Asana does not know these fields; if the gid is wrong, this does not help.
            fewer = ask(optional)
            if not isinstance(fewer, RequestError):
                self.refused_fields |= optional
            if not _is_bad_request(fewer):
                result = fewer
        return result

    def post_job(
        self,
        path: str,
        body: bytes,
        *,
        subject: str,
        gid: str,
        stop: threading.Event = _NEVER,
    ) -> PostResult:
        """Ask Asana to start a job; the request is repeated only if it certainly did not arrive.

        `body` is JSON with what Asana calls ``data``; errors name the `subject` (such as
        ``"Project"``) and its `gid`. If `stop` is set before sending, ``Cancelled`` is raised.
        A 429 is left to the caller: it may also stand for a limit on running jobs.
        """
        url = f"{self.base_url}{path}{_query((), self.opt_pretty)}"
        sent = send_repeatedly(
            lambda: self._send("POST", url, stop, body=body), self.policy, stop, post=True
        )
        export = path.startswith("/exports/")
        return read_started_job(sent, subject, gid, self._token, export=export)

    def _send(
        self,
        method: Method,
        url: str,
        stop: threading.Event,
        *,
        body: bytes = b"",
        background: bool = False,
        renewed: bool = False,
    ) -> Sent:
        """Send a request when it is its turn, and again if its rejected token has been replaced."""
        self._check_open()
        post = method == "POST"
        started = self.limiter.acquire(stop, background=background, post=post)
        accepted, closed_for, token = True, None, self._token.header
        at, began = time.time_ns() // 1000, time.monotonic()
        try:
            answer = self._transport.send(method, url, stop, body)
            took = time.monotonic() - began
            if answer.status == HTTPStatus.TOO_MANY_REQUESTS:
                accepted, closed_for = False, retry_after_of(answer)
                if closed_for is None and not post:  # a POST's: perhaps a limit on running jobs
                    closed_for = backoff(3 + self.limiter.budget.refusals)
        finally:
            self.limiter.release(started, accepted=accepted, closed_for=closed_for, post=post)
        if isinstance(answer, Response):
            self._note_headers(answer.headers)
        if answer.status == HTTPStatus.UNAUTHORIZED and not renewed and self._token.renew(token):
            if self._limiter is None:
                share_limiter(self.limiter, self._token.fingerprint, self.base_url)
            return self._send(method, url, stop, body=body, background=background, renewed=True)
        self.rejected |= answer.status == HTTPStatus.UNAUTHORIZED
        return Sent(answer, at, took)

    def _check_open(self) -> None:
        if self._closed:
            raise ClientClosedError("This client was closed; connect() makes a new one.")

    def _note_headers(self, headers: Mapping[str, str]) -> None:
        """Store announced changes, and the date at most once a second; it is parsed when needed."""
        if announced := headers.get("Asana-Change"):
            self.changes.note(self._token.hide(redact, announced))
        self._heard_at = now = time.monotonic()
        if (self._dated is None or now - self._dated[1] >= 1) and (date := headers.get("Date")):
            self._dated = date, now


def _is_bad_request(result: Record | RequestError) -> bool:
    return isinstance(result, RequestError) and result.status == HTTPStatus.BAD_REQUEST


@lru_cache(maxsize=64)
def _query(opt_fields: tuple[str, ...], opt_pretty: bool) -> str:
    parts = {"opt_fields": ",".join(opt_fields), "opt_pretty": "true" if opt_pretty else ""}
    query = urlencode({name: value for name, value in parts.items() if value}, safe=",")
    return f"?{query}" if query else ""


_clients: weakref.WeakSet[Client] = weakref.WeakSet()


def _reopen_after_fork() -> None:
    # Two processes on one socket would read each other's responses.
    for client in list(_clients):
        client.reopen()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reopen_after_fork)


def check_client(client: object) -> None:
    """Raise unless it is a client or None, which stands for the default client."""
    if client is not None and not isinstance(client, Client):
        raise InvalidOptionError(
            f"client is a {type(client).__name__}, not a Client; connect() returns one."
        )
