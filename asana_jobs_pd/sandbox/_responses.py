"""Responses: Asana's envelopes, errors from S3 and proxies, and the faults applied to them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Literal, TypedDict, get_args

Headers = tuple[tuple[str, str], ...]
Lane = Literal["reads", "writes"]

HELP = (
    "For more information on API status codes and how to handle them, "
    "read the docs on errors: https://developers.asana.com/docs/errors"
)
PHRASE = "6 sad squid snuggle softly"
"""The phrase in a 500 that Asana's support asks for."""
MESSAGES = {
    401: "Not Authorized",
    402: "This feature is only available to premium users",
    403: "Forbidden: you do not have access to this job",
    405: "Method Not Allowed",
    412: "Sync token invalid or too old",
    429: "You have made too many requests recently. Please, be cool.",
    451: "Request blocked: this domain is not available for legal reasons",
    500: "Server Error",
    503: "Service unavailable, try again later",
}
_REASONS = {status.value: status.phrase for status in HTTPStatus}
_JSON: Headers = (("Content-Type", "application/json; charset=UTF-8"),)


@dataclass(slots=True)
class Response:
    """One response and how it is delivered."""

    status: int
    body: bytes = b""
    headers: Headers = ()
    delay: float = 0.0
    """Seconds before the first byte."""
    spread: float = 0.0
    """Seconds over which the body is spread."""
    cut: int | None = None
    """Bytes of the body after which the connection ends, in the way that `ending` says."""
    ending: Literal["keep", "close", "reset"] = "keep"
    in_flight: Lane | None = None
    """The in-flight limit in which it takes a slot until it is sent."""
    export: bool = False
    """Whether the body is an export file."""

    @property
    def never_starts(self) -> bool:
        """Whether the connection is reset before the first byte."""
        return self.ending == "reset" and self.cut is None


class RefusedError(Exception):
    """A request that cannot be served; `response` is sent instead."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status)
        self.response = response


def json_response(content: Any, status: int = 200, *, pretty: bool = False) -> Response:
    """Return a JSON response, indented if `pretty`."""
    text = json.dumps(
        content,
        ensure_ascii=False,
        indent=2 if pretty else None,
        separators=None if pretty else (",", ":"),
    )
    return Response(status, text.encode(), _JSON)


def error(status: int, message: str | None = None, headers: Headers = ()) -> Response:
    """Return Asana's error envelope."""
    detail = {"message": message or MESSAGES.get(status) or reason(status), "help": HELP}
    if status == HTTPStatus.INTERNAL_SERVER_ERROR:
        detail["phrase"] = PHRASE
    response = json_response({"errors": [detail]}, status)
    response.headers += headers
    return response


def xml_error(status: int, code: str, message: str) -> Response:
    """Return an S3 error document."""
    document = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<Error><Code>{code}</Code><Message>{message}</Message>"
        "<RequestId>SANDBOX</RequestId><HostId>127.0.0.1</HostId></Error>"
    )
    return Response(status, document.encode(), (("Content-Type", "application/xml"),))


def reason(status: int) -> str:
    """Return the reason phrase of a status code."""
    return _REASONS.get(status, "Unknown")


FaultKind = Literal[
    "reset", "status", "html", "empty", "truncate", "slow", "delay", "garbage", "redirect", "whole"
]
Where = Literal["api", "exports", "any"]

_GARBAGE = b'\xff\xfe{"data": {"gid": '


class FaultOptions(TypedDict, total=False):
    """The options of a `Fault` besides its kind."""

    times: int
    gid: str | None
    status: int | None
    seconds: float | None
    bytes: int | None
    location: str | None
    where: Where
    method: str | None
    early: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One queued fault.

    Parameters
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
        The fault only applies to requests for this job, or to start one from this parent; None
        for any.
    status
        The status of `status`, `html` and `empty`.
    seconds, bytes, location
        Options of the kinds above.
    where
        Whether it applies to API requests, to requests for export files, or to both.
    method
        The method it applies to; None for any.
    early
        Whether it applies before the request is processed: a POST then starts nothing.
        Otherwise the job is started, whatever happens to the response.

    See Also
    --------
    Sandbox.fault : Queue a fault.

    Examples
    --------
    >>> Fault(kind="status", status=503).times
    1
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
        for name, value, choices in (
            ("kind", self.kind, get_args(FaultKind)),
            ("where", self.where, get_args(Where)),
        ):
            if value not in choices:
                raise ValueError(f"{name} must be one of {', '.join(choices)}, not {value!r}")

    def applies(self, where: str, gid: str | None, method: str) -> bool:
        """Return whether the fault applies to a request.

        Parameters
        ----------
        where, gid, method
            Where the request goes, the job or parent it is about, and its method.

        Returns
        -------
        bool
            Whether it applies.

        See Also
        --------
        Sandbox.fault : Queue a fault.

        Examples
        --------
        >>> Fault(kind="reset", gid="12").applies("api", "13", "GET")
        False
        """
        matches = self.where in (where, "any") and self.method in (None, method)
        return matches and self.gid in (None, gid)


def apply_fault(fault: Fault, response: Response, where: str) -> Response:
    """Return the intended response with a fault; `whole` has already changed the request."""
    seconds = 1.0 if fault.seconds is None else fault.seconds
    match fault.kind:
        case "delay":
            response.delay = seconds
        case "slow":
            response.spread = seconds
        case "truncate":
            response.cut = len(response.body) // 2 if fault.bytes is None else fault.bytes
            response.ending = "close"
        case "reset":
            response.cut, response.ending = fault.bytes, "reset"
        case "status" | "html" | "empty" | "garbage" | "redirect":
            return _replacement(fault, response.headers, where)
    return response


def _replacement(fault: Fault, headers: Headers, where: str) -> Response:
    """Return a response that replaces the intended one."""
    match fault.kind:
        case "status" if where == "exports":
            message = "Please reduce your request rate."
            return xml_error(fault.status or 503, "SlowDown", message)
        case "status":
            return error(fault.status or 500)
        case "html":
            return _html(fault.status or 502)
        case "garbage":
            return Response(fault.status or 200, _GARBAGE, headers)
        case "redirect":
            location = fault.location or "https://elsewhere.invalid/"
            return Response(fault.status or 302, headers=(("Location", location),))
    return Response(fault.status or 502)


def _html(status: int) -> Response:
    """Return the error page of a proxy."""
    title = f"{status} {reason(status)}"
    page = f"<html>\n<head><title>{title}</title></head>\n<body><h1>{title}</h1></body>\n</html>\n"
    return Response(status, page.encode(), (("Content-Type", "text/html"),))
