"""What the sandbox has seen, for tests and benchmarks to judge a client by."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import asdict, dataclass, field
from typing import Any


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
