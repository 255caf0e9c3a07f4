"""Everything behind the port: the API under its limits, the export files, the counters."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import asdict, dataclass, field, replace
from threading import Lock
from typing import TYPE_CHECKING, Any

from ._api import PREFIX, Query, gid_of, parse_query
from ._exports import gid_of_file
from ._faults import Faults, strike
from ._http import Answer, Lane, error, json_answer
from ._starts import parent_of

if TYPE_CHECKING:
    from datetime import datetime

    from ._api import Api
    from ._clock import Clock
    from ._exports import Exports
    from ._http import Request
    from ._limits import Limits


@dataclass(frozen=True, slots=True)
class Stats:
    """A snapshot of the counters.

    Attributes
    ----------
    requests
        Requests to the API, rejected ones included.
    by_status
        How many of them got which status; 0 stands for a connection reset before the answer.
    throttled_rate, throttled_in_flight
        The 429s given by either limit.
    most_in_flight
        The most requests to the API held at once.
    most_in_window
        The most requests in one window, rejected ones included; 0 without `requests_per_minute`.
    jobs_started
        Jobs that were started by a POST.
    most_running
        The most jobs started by a POST that ran at once.
    downloads
        Requests for export files.
    export_bytes
        Bytes of export files handed to the network.
    authorization_on_exports
        Requests for export files that carried a token where none belongs.
    connections
        Connections accepted, those that ask for `/sandbox/stats` included.
    bad_requests
        What came in and was not HTTP as it should be.
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
        """The 429s given by both limits."""
        return self.throttled_rate + self.throttled_in_flight

    def as_dict(self) -> dict[str, Any]:
        """Return the counters as they go into JSON, `throttled` included."""
        return {**asdict(self), "throttled": self.throttled}


@dataclass(frozen=True, slots=True)
class SeenRequest:
    """One request as it came in; what it was authorized with is not kept.

    Attributes
    ----------
    method, path
        As sent; the query of an export's URL is a credential and not kept either.
    opt_fields
        The names asked for, in order; empty when there were none.
    opt_pretty
        The value as sent, or None.
    range
        The `Range` header, or None.
    at
        Seconds of the sandbox's clock.
    status
        What was answered; 0 for a connection reset before the answer.
    body
        As sent; empty when there was none.
    """

    method: str
    path: str
    opt_fields: tuple[str, ...]
    opt_pretty: str | None
    range: str | None
    at: float
    status: int
    body: str = ""


class Counters:
    """The counters while they count; `snapshot` reads them."""

    def __init__(self) -> None:
        self.totals: Counter[str] = Counter()
        self.by_status: Counter[int] = Counter()
        self.most_in_flight = 0
        self.most_in_window = 0
        self.most_running = 0
        self.seen: deque[SeenRequest] = deque(maxlen=10_000)

    def peak(self, in_flight: int, in_window: int) -> None:
        """Keep the highest of both."""
        self.most_in_flight = max(self.most_in_flight, in_flight)
        self.most_in_window = max(self.most_in_window, in_window)

    def snapshot(self) -> Stats:
        """Return the counters as they stand."""
        return Stats(
            by_status=dict(sorted(self.by_status.items())),
            most_in_flight=self.most_in_flight,
            most_in_window=self.most_in_window,
            most_running=self.most_running,
            **self.totals,
        )


class Site:
    """Answers requests one at a time, counts them, and lets other threads change things between.

    Whoever changes something of a part does it under `lock`.
    """

    def __init__(
        self, *, api: Api, exports: Exports, limits: Limits, clock: Clock, latency: float
    ) -> None:
        self.lock = Lock()
        self.faults = Faults()
        self.counters = Counters()
        self._api = api
        self._exports = exports
        self._limits = limits
        self._clock = clock
        self._latency = latency

    def handle(self, request: Request) -> Answer:
        """Answer a request."""
        with self.lock:
            if request.path.startswith(PREFIX):
                return self._ask_api(request)
            if request.path.startswith("/exports/"):
                return self._ask_exports(request)
            return self._ask_sandbox(request)

    def leave(self, lane: Lane) -> None:
        """Take note that an answer with a place in flight goes out, or never will."""
        with self.lock:
            self._limits.leave(lane)

    def instant(self) -> datetime:
        """Return what time it is."""
        return self._clock.instant(self._clock.now())

    def count(self, what: str, number: int = 1) -> None:
        """Count what the wire sees."""
        with self.lock:
            self.counters.totals[what] += number

    def _ask_api(self, request: Request) -> Answer:
        counters = self.counters
        counters.totals["requests"] += 1
        lane: Lane = "reads" if request.method == "GET" else "writes"
        rejection = self._limits.admit(self._clock.client_now(), lane)
        counters.peak(self._limits.now_in_flight, self._limits.in_window)
        if rejection is not None:
            answer, why = rejection
            counters.totals[f"throttled_{why}"] += 1
        else:
            before, gid = self._api.jobs_started, gid_of(request.path) or parent_of(request)
            answer = self._under_faults(self._api, request, "api", gid)
            answer.in_flight = lane
            counters.totals["jobs_started"] += self._api.jobs_started - before
            counters.most_running = max(counters.most_running, self._api.jobs_running)
        answer.delay += self._latency
        counters.by_status[_seen_status(answer)] += 1
        self._keep(request, parse_query(request.query), answer)
        return answer

    def _ask_exports(self, request: Request) -> Answer:
        self.counters.totals["downloads"] += 1
        if "authorization" in request.headers:
            self.counters.totals["authorization_on_exports"] += 1
        answer = self._under_faults(self._exports, request, "exports", gid_of_file(request.path))
        self._keep(request, Query((), None), answer)
        return answer

    def _ask_sandbox(self, request: Request) -> Answer:
        match request.method, request.path:
            case "GET", "/sandbox/stats":
                return json_answer(self.counters.snapshot().as_dict())
            case "POST", "/sandbox/reset":
                self.counters = Counters()
                return json_answer({})
        return error(404, "No matching route for request")

    def _under_faults(
        self, part: Api | Exports, request: Request, where: str, gid: str | None
    ) -> Answer:
        fault = self.faults.take(where, gid, request.method)
        if fault is not None and fault.early:
            return strike(fault, error(fault.status or 503), where)
        if fault is not None and fault.kind == "whole":
            headers = {name: text for name, text in request.headers.items() if name != "range"}
            request = replace(request, headers=headers)
        answer = part.answer(request)
        return answer if fault is None else strike(fault, answer, where)

    def _keep(self, request: Request, query: Query, answer: Answer) -> None:
        self.counters.seen.append(
            SeenRequest(
                request.method,
                request.path,
                query.opt_fields,
                query.opt_pretty,
                request.headers.get("range"),
                self._clock.now(),
                _seen_status(answer),
                request.body.decode(errors="replace"),
            )
        )


def _seen_status(answer: Answer) -> int:
    return 0 if answer.never_starts else answer.status
