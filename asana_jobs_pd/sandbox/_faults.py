"""Faults on demand: what networks, proxies and servers do on their bad days."""

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
    """One fault waiting for its requests.

    Attributes
    ----------
    kind
        `reset` aborts the connection before the answer, or after `bytes` of the body;
        `truncate` announces the whole body and closes after `bytes`, or half of it;
        `slow` lets the body trickle over `seconds`; `delay` answers after `seconds`;
        `status` answers with an error envelope, `html` with a proxy's page, `empty` with
        no body, `garbage` with 200 and what is not JSON, `redirect` with 302 to `location`;
        `whole` answers a `Range` with 200 and the whole file.
    times
        How many requests it meets.
    gid
        The job, or the parent of a job to be started, whose requests it meets; None for any.
    where
        Whether it meets requests to the API, for export files, or both.
    method
        Whether it meets only `GET`, say, or only `POST`; None for any.
    early
        Whether it strikes before the request is carried out: a POST then starts nothing.
        Otherwise it does, whatever becomes of the answer.
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
                f"no such fault: {self.kind!r}; there are {', '.join(get_args(FaultKind))}"
            )
        if self.where not in get_args(Where):
            raise ValueError(f"where is one of {', '.join(get_args(Where))}, not {self.where!r}")

    def meets(self, where: str, gid: str | None, method: str) -> bool:
        """Whether a request to `api` or `exports` about a job runs into it."""
        right = self.where in (where, "any") and self.method in (None, method)
        return right and self.gid in (None, gid)


class Faults:
    """The faults that wait, first come, first served."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Queue a fault."""
        self._waiting.append(fault)

    def take(self, where: str, gid: str | None, method: str) -> Fault | None:
        """Return the fault a request runs into, used up by one."""
        for place, fault in enumerate(self._waiting):
            if fault.meets(where, gid, method):
                left = replace(fault, times=fault.times - 1)
                self._waiting[place : place + 1] = [left] if left.times > 0 else []
                return fault
        return None


def strike(fault: Fault, answer: Answer, where: str) -> Answer:
    """Return what a fault makes of the answer that was meant, of `api` or of `exports`."""
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
    """Return the same answer, late, slow or in part."""
    seconds = 1.0 if fault.seconds is None else fault.seconds
    match fault.kind:
        case "whole":  # the site has seen to it
            return answer
        case "delay":
            return replace(answer, delay=seconds)
        case "slow":
            return replace(answer, spread=seconds)
        case "truncate":
            cut = len(answer.body) // 2 if fault.bytes is None else fault.bytes
            return replace(answer, cut=cut, ending="close")
    return replace(answer, cut=fault.bytes, ending="reset")
