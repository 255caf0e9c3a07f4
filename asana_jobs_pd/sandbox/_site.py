"""Everything behind the port: the API under its limits, the export files, the counters."""

from __future__ import annotations

from dataclasses import replace
from threading import Lock
from typing import TYPE_CHECKING

from ._answers import Answer, Lane, error, json_answer
from ._api import PREFIX, Query, gid_of, parse_query
from ._exports import gid_of_file
from ._faults import Faults, strike
from ._starts import parent_of
from ._stats import Counters, SeenRequest

if TYPE_CHECKING:
    from datetime import datetime

    from ._api import Api
    from ._clock import Clock
    from ._exports import Exports
    from ._http import Request
    from ._limits import Limits


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
