"""Request handling: the API with its rate limits, export files, and counters."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import asdict, dataclass, field, replace
from math import ceil
from threading import Lock
from typing import TYPE_CHECKING, Any, Literal

from ._api import PREFIX, Query, parse_query, target_of
from ._exports import gid_of_file
from ._responses import Fault, Headers, Lane, Response, apply_fault, error, json_response

if TYPE_CHECKING:
    from datetime import datetime

    from ._api import Api
    from ._clock import Clock
    from ._exports import Exports
    from ._server import Request


RetryAfter = bool | Literal["text"]


@dataclass(slots=True)
class Stats:
    """The counters; `Sandbox.stats` is a snapshot of them.

    Parameters
    ----------
    requests
        API requests, including rejected ones.
    by_status
        Their number by status; 0 stands for a connection reset before the response.
    throttled_rate, throttled_in_flight
        429 responses from each limit.
    most_in_flight
        The most API requests in flight.
    most_in_window
        The most requests in one window, including rejected ones; 0 without
        `requests_per_minute`.
    jobs_started
        Jobs started by a POST.
    most_running
        The most concurrently running jobs that were started by a POST.
    downloads
        Requests for export files.
    export_bytes
        Bytes of export files sent.
    authorization_on_exports
        Requests for export files that carried an Authorization header.
    connections
        Accepted connections, including those for `/sandbox/stats`.
    bad_requests
        Requests that were not valid HTTP.

    See Also
    --------
    Sandbox.stats : A snapshot.

    Examples
    --------
    >>> asana.stats.bad_requests
    0
    """

    requests: int = 0
    by_status: dict[int, int] = field(default_factory=dict)
    throttled_rate: int = 0
    throttled_in_flight: int = 0
    most_in_flight: int = 0
    most_in_window: int = 0
    jobs_started: int = 0
    most_running: int = 0
    downloads: int = 0
    export_bytes: int = 0
    authorization_on_exports: int = 0
    connections: int = 0
    bad_requests: int = 0

    @property
    def throttled(self) -> int:
        """429 responses from both limits.

        See Also
        --------
        Stats : The two limits.

        Examples
        --------
        >>> asana.stats.throttled
        0
        """
        return self.throttled_rate + self.throttled_in_flight

    def as_dict(self) -> dict[str, Any]:
        """Return the counters for JSON, including `throttled`.

        Returns
        -------
        dict
            The counters by name.

        See Also
        --------
        Stats.copy : A snapshot.

        Examples
        --------
        >>> asana.stats.as_dict()["throttled"]
        0
        """
        return {**asdict(self), "throttled": self.throttled}

    def copy(self) -> Stats:
        """Return a snapshot.

        Returns
        -------
        Stats
            The same counters, which no longer change.

        See Also
        --------
        Stats.as_dict : For JSON.

        Examples
        --------
        >>> before = asana.stats.copy()
        """
        return replace(self, by_status=dict(sorted(self.by_status.items())))


@dataclass(frozen=True, slots=True)
class SeenRequest:
    """One received request, without its Authorization header.

    Parameters
    ----------
    method, path
        As sent; the query of an export URL is a credential and is not kept.
    opt_fields
        The requested fields, in order; empty if there were none.
    opt_pretty
        The value as sent, or None.
    range
        The `Range` header, or None.
    at
        The time in seconds of the sandbox's clock.
    status
        The status of the response; 0 for a connection reset before it.
    body
        As sent; empty if there was none.

    See Also
    --------
    Sandbox.requests : The last requests.

    Examples
    --------
    >>> asana.requests[0].method
    'GET'
    """

    method: str
    path: str
    opt_fields: tuple[str, ...]
    opt_pretty: str | None
    range: str | None
    at: float
    status: int
    body: str = ""


@dataclass
class Limits:
    """The rate limit, a sliding window over all requests, and the limits on requests in flight."""

    requests: int | None
    window: float
    max_in_flight: dict[Lane, int | None]
    retry_after: RetryAfter
    _times: deque[float] = field(default_factory=deque)
    _in_flight: Counter[Lane] = field(default_factory=Counter)

    def admit(self, now: float, lane: Lane, stats: Stats) -> Response | None:
        """Count a request and reserve a slot, or return the rejection."""
        if self.requests is not None:
            while self._times and self._times[0] <= now - self.window:
                self._times.popleft()
            self._times.append(now)
            stats.most_in_window = max(stats.most_in_window, len(self._times))
            if len(self._times) > self.requests:
                stats.throttled_rate += 1
                return error(429, headers=self._retry_after(now, self.requests))
        limit = self.max_in_flight[lane]
        if limit is not None and self._in_flight[lane] >= limit:
            stats.throttled_in_flight += 1
            return error(429)
        self._in_flight[lane] += 1
        stats.most_in_flight = max(stats.most_in_flight, self._in_flight.total())
        return None

    def leave(self, lane: Lane) -> None:
        """Release the slot of an admitted request."""
        self._in_flight[lane] -= 1

    def _retry_after(self, now: float, allowed: int) -> Headers:
        """Return the header that says when the window has room, if nothing is sent until then."""
        if self.retry_after == "text":
            return (("Retry-After", "soon"),)
        blocking = self._times[-allowed] if allowed else now
        seconds = max(1, ceil(blocking + self.window - now))
        return (("Retry-After", str(seconds)),) if self.retry_after else ()


@dataclass
class Site:
    """Handles requests one at a time and counts them; hold `lock` to change its state."""

    api: Api
    exports: Exports
    limits: Limits
    clock: Clock
    latency: float
    lock: Lock = field(default_factory=Lock)
    faults: list[Fault] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.reset()

    def handle(self, request: Request) -> Response:
        """Return the response to a request."""
        with self.lock:
            if request.path.startswith(PREFIX):
                return self._handle_api(request)
            if request.path.startswith("/exports/"):
                return self._handle_exports(request)
            return self._handle_sandbox(request)

    def leave(self, lane: Lane) -> None:
        """Release the in-flight slot of a response that has been sent or has failed."""
        with self.lock:
            self.limits.leave(lane)

    def instant(self) -> datetime:
        """Return the current time."""
        return self.clock.instant(self.clock.now())

    def reset(self) -> None:
        """Reset all counters and forget the requests."""
        self.stats = Stats()
        self.seen: deque[SeenRequest] = deque(maxlen=10_000)

    def count(self, what: str, number: int = 1) -> None:
        """Add to a counter."""
        with self.lock:
            setattr(self.stats, what, getattr(self.stats, what) + number)

    def _handle_api(self, request: Request) -> Response:
        stats, jobs = self.stats, self.api.jobs
        stats.requests += 1
        lane: Lane = "reads" if request.method == "GET" else "writes"
        response = self.limits.admit(self.clock.client_now(), lane, stats)
        if response is None:
            before = jobs.started
            response = self._respond(self.api, request, "api", target_of(request).gid)
            response.in_flight = lane
            stats.jobs_started += jobs.started - before
            stats.most_running = max(stats.most_running, len(jobs.running()))
        response.delay += self.latency
        status = self._record(request, response, parse_query(request.query))
        stats.by_status[status] = stats.by_status.get(status, 0) + 1
        return response

    def _handle_exports(self, request: Request) -> Response:
        self.stats.downloads += 1
        self.stats.authorization_on_exports += "authorization" in request.headers
        response = self._respond(self.exports, request, "exports", gid_of_file(request.path))
        self._record(request, response, parse_query(""))  # the query is a credential
        return response

    def _handle_sandbox(self, request: Request) -> Response:
        match request.method, request.path:
            case "GET", "/sandbox/stats":
                return json_response(self.stats.copy().as_dict())
            case "POST", "/sandbox/reset":
                self.reset()
                return json_response({})
        return error(404, "No matching route for request")

    def _respond(
        self, part: Api | Exports, request: Request, where: str, gid: str | None
    ) -> Response:
        """Return the response of a part of the site, with the next fault that applies to it."""
        fault = self._take_fault(where, gid, request.method)
        if fault is None:
            return part.respond(request)
        if fault.early:
            return apply_fault(fault, error(fault.status or 503), where)
        if fault.kind == "whole":
            request = replace(request, headers={**request.headers, "range": ""})
        return apply_fault(fault, part.respond(request), where)

    def _take_fault(self, where: str, gid: str | None, method: str) -> Fault | None:
        """Return the first queued fault that applies to a request, and count it as used once."""
        for position, fault in enumerate(self.faults):
            if fault.applies(where, gid, method):
                left = replace(fault, times=fault.times - 1)
                self.faults[position : position + 1] = [left] if left.times > 0 else []
                return fault
        return None

    def _record(self, request: Request, response: Response, query: Query) -> int:
        """Record a request for `Sandbox.requests`; return the status that its client sees."""
        seen = SeenRequest(
            method=request.method,
            path=request.path,
            opt_fields=query.opt_fields,
            opt_pretty=query.opt_pretty,
            range=request.headers.get("range"),
            at=self.clock.now(),
            status=0 if response.never_starts else response.status,
            body=request.body.decode(errors="replace"),
        )
        self.seen.append(seen)
        return seen.status
