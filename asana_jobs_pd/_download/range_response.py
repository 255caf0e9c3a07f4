"""From a response of the file store to the next step of a download."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Literal

from asana_jobs_pd._http.retry import RETRIED, parse_retry_after

_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)", re.ASCII)
_COMPLETE = re.compile(r"bytes \*/(\d{1,18})", re.ASCII)
_LENGTH = re.compile(r"\d{1,18}", re.ASCII)
_CODE = re.compile(rb"<Code>([A-Za-z]{1,40})</Code>")

Action = Literal["fresh", "append", "restart", "complete", "renew", "retry", "fail"]

_RETRIED = RETRIED | {408, 425}
_REFUSED = frozenset({403, 404, 410})
_STEP_OF_CODE: dict[str, Action] = {
    "AccessDenied": "renew",
    "AuthorizationQueryParametersError": "fail",
    "ExpiredToken": "renew",
    "InternalError": "retry",
    "InvalidArgument": "fail",
    "InvalidObjectState": "fail",
    "InvalidRange": "fail",
    "InvalidToken": "renew",
    "NoSuchBucket": "renew",
    "NoSuchKey": "renew",
    "OperationAborted": "retry",
    "PermanentRedirect": "fail",
    "RequestExpired": "renew",
    "RequestTimeTooSkewed": "renew",
    "RequestTimeout": "retry",
    "ServiceUnavailable": "retry",
    "SignatureDoesNotMatch": "renew",
    "SlowDown": "retry",
    "TemporaryRedirect": "fail",
    "TokenRefreshRequired": "renew",
}
"""S3's error codes, which say more than the status: there are a 400 and a 503 for SlowDown.

https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
"""


@dataclass(frozen=True, slots=True)
class NextStep:
    """What to do with a response.

    ``fresh``: the body is the whole file. ``append``: it is what is missing. ``restart``: drop
    the part and ask for the whole file. ``complete``: nothing is missing. ``renew``: ask Asana
    for another URL. ``retry``: ask again later. ``fail``: give up.
    """

    action: Action
    total: int | None = None
    etag: str | None = None
    reason: str = ""
    retry_after: float | None = None


def next_step(
    status: int, headers: Mapping[str, str], code: str | None, size: int, etag: str | None
) -> NextStep:
    """Return what to do with a response of the file store."""
    reason = f"{status} {code}" if code else str(status)
    if status == HTTPStatus.OK:
        return NextStep("fresh", _length(headers), strong_etag(headers), reason)
    if status == HTTPStatus.PARTIAL_CONTENT:
        return _continue(headers, reason, size, etag)
    if status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and size:
        return _end(headers, reason, size)
    if status == HTTPStatus.PRECONDITION_FAILED and size:  # a proxy that minds If-Range
        return NextStep("restart", reason=reason)
    action = _STEP_OF_CODE.get(code or "") if status >= HTTPStatus.BAD_REQUEST else "fail"
    written_now = action is None and status == HTTPStatus.CONFLICT
    if (status in _REFUSED and action != "fail") or written_now:
        action = "renew"
    elif action is None:
        action = "retry" if status in _RETRIED else "fail"
    wait = parse_retry_after(headers.get("Retry-After")) if action == "retry" else None
    return NextStep(action, reason=reason, retry_after=wait)


def _end(headers: Mapping[str, str], reason: str, size: int) -> NextStep:
    match = _COMPLETE.fullmatch(headers.get("Content-Range", ""))
    whole = match is not None and int(match[1]) == size
    return NextStep("complete", size) if whole else NextStep("restart", reason=reason)


def _continue(headers: Mapping[str, str], reason: str, size: int, etag: str | None) -> NextStep:
    match = _RANGE.fullmatch(headers.get("Content-Range", ""))
    if not size and match and match[1] == "0" and match[3] == str(int(match[2]) + 1):
        return NextStep("fresh", int(match[3]), strong_etag(headers), reason)
    if not size or match is None or int(match[1]) != size:
        # Not the bytes that were asked for: with a part, try without; else it makes no sense.
        reason = f"{reason} with other bytes than requested"
        return NextStep("restart" if size else "fail", reason=reason)
    if headers.get("ETag") not in (None, etag):
        return NextStep("restart", reason="the file changed during the download")
    return NextStep("append", None if match[3] == "*" else int(match[3]), etag, reason)


def strong_etag(headers: Mapping[str, str]) -> str | None:
    """Return an ETag that a part can be continued by; a weak or odd one is none."""
    etag = headers.get("ETag") or ""
    return etag if re.fullmatch(r'"[\x21\x23-\x7e]{1,200}"', etag) else None


def error_code(body: bytes) -> str | None:
    """Return S3's code for an error; nothing else of its XML is shown, since it repeats keys."""
    match = _CODE.search(body)
    code = match[1].decode() if match else None
    return code if code in _STEP_OF_CODE else None


def _length(headers: Mapping[str, str]) -> int | None:
    length = headers.get("Content-Length") or ""
    chunked = "Transfer-Encoding" in headers
    return int(length) if not chunked and _LENGTH.fullmatch(length) else None
