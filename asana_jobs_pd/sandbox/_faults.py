"""Faults on demand: what networks, proxies and servers do on a bad day."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, get_args

from ._http import Answer, error, html, xml_error

FaultKind = Literal[
    "reset", "status", "html", "empty", "truncate", "slow", "delay", "garbage", "redirect", "whole"
]
Where = Literal["api", "exports", "any"]

_GARBAGE = b'\xff\xfe{"data": {"gid": '


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One queued fault.

    Attributes
    ----------
    kind
        `reset` aborts the connection before the response, or after `bytes` of the body;
        `truncate` announces the whole body and closes after `bytes`, or half of it;
        `slow` spreads the body over `seconds`; `delay` responds after `seconds`;
        `status` responds with an error envelope, `html` with a proxy's error page, `empty`
        without a body, `garbage` with 200 and invalid JSON, `redirect` with 302 to `location`;
        `whole` responds to a `Range` request with 200 and the whole file.
    times
        How many requests it applies to.
    gid
        The job, or the parent of a job to start, to whose requests it applies; None for any.
    where
        Whether it applies to API requests, to requests for export files, or to both.
    method
        The method it applies to; None for any.
    early
        Whether it applies before the request is processed: a POST then starts nothing.
        Otherwise the job is started, whatever happens to the response.
    """

    kind: FaultKind
    times: int = 1
    gid: str | None = None
    status: int | None = None
    seconds: float | None = None
    bytes: int | None = None
    location: str | None = None
    where: Where = "api"
    method: str | None = None
    early: bool = False

    def __post_init__(self) -> None:
        if self.kind not in get_args(FaultKind):
            raise ValueError(
                f"unknown fault {self.kind!r}; choose from {', '.join(get_args(FaultKind))}"
            )
        if self.where not in get_args(Where):
            raise ValueError(
                f"where must be one of {', '.join(get_args(Where))}, not {self.where!r}"
            )

    def applies(self, where: str, gid: str | None, method: str) -> bool:
        """Whether the fault applies to a request."""
        right = self.where in (where, "any") and self.method in (None, method)
        return right and self.gid in (None, gid)


class Faults:
    """The queue of faults, first in, first out."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Queue a fault."""
        self._waiting.append(fault)

    def take(self, where: str, gid: str | None, method: str) -> Fault | None:
        """Return the fault that applies to a request, and use it up by one."""
        for position, fault in enumerate(self._waiting):
            if fault.applies(where, gid, method):
                left = replace(fault, times=fault.times - 1)
                self._waiting[position : position + 1] = [left] if left.times > 0 else []
                return fault
        return None


def strike(fault: Fault, answer: Answer, where: str) -> Answer:
    """Return the response that a fault makes of the intended one."""
    match fault.kind:
        case "status":
            return _error(fault, where)
        case "html":
            return html(fault.status or 502)
        case "empty":
            return Answer(fault.status or 502)
        case "garbage":
            return Answer(fault.status or 200, _GARBAGE, answer.headers)
        case "redirect":
            location = fault.location or "https://elsewhere.invalid/"
            return Answer(fault.status or 302, headers=(("Location", location),))
        case _:
            return _deliver_badly(fault, answer)


def _error(fault: Fault, where: str) -> Answer:
    if where == "exports":
        return xml_error(fault.status or 503, "SlowDown", "Please reduce your request rate.")
    return error(fault.status or 500, seed=fault.gid)


def _deliver_badly(fault: Fault, answer: Answer) -> Answer:
    """Return the same response, late, slow or in part."""
    seconds = 1.0 if fault.seconds is None else fault.seconds
    match fault.kind:
        case "whole":  # handled by the site
            return answer
        case "delay":
            return replace(answer, delay=seconds)
        case "slow":
            return replace(answer, spread=seconds)
        case "truncate":
            cut = len(answer.body) // 2 if fault.bytes is None else fault.bytes
            return replace(answer, cut=cut, ending="close")
    return replace(answer, cut=fault.bytes, ending="reset")
