"""From an answer of the file store to what to do with it. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Literal

from asana_jobs_pd._http.retry import RETRIED, parse_retry_after

__all__ = ["Decision", "code_of", "decide", "strong_etag"]

_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)", re.ASCII)
_COMPLETE = re.compile(r"bytes \*/(\d{1,18})", re.ASCII)
_LENGTH = re.compile(r"\d{1,18}", re.ASCII)
_CODE = re.compile(rb"<Code>([A-Za-z]{1,40})</Code>")
_REFUSED = frozenset({403, 404, 410})
_EXPIRED = frozenset({"ExpiredToken", "InvalidToken"})
_CODES = frozenset(
    {
        "AccessDenied",
        "AuthorizationQueryParametersError",
        "ExpiredToken",
        "InternalError",
        "InvalidArgument",
        "InvalidObjectState",
        "InvalidRange",
        "InvalidToken",
        "NoSuchBucket",
        "NoSuchKey",
        "RequestTimeout",
        "ServiceUnavailable",
        "SignatureDoesNotMatch",
        "SlowDown",
    }
)


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do with an answer.

    Parameters
    ----------
    action
        ``fresh``: the body is the whole file. ``append``: it is what is missing.
        ``restart``: drop the part and ask for the whole file. ``complete``: nothing is missing.
        ``renew``: ask Asana for another URL. ``retry``: ask again later. ``fail``: give up.
    total
        Bytes of the whole file, where the answer says so.
    etag
        What identifies the file's content.
    reason
        The answer, in a few words.
    retry_after
        Seconds the server wants us to wait.
    """

    action: Literal["fresh", "append", "restart", "complete", "renew", "retry", "fail"]
    total: int | None = None
    etag: str | None = None
    reason: str = ""
    retry_after: float | None = None


def decide(
    status: int, headers: Mapping[str, str], code: str | None, size: int, etag: str | None
) -> Decision:
    """Return what to do with an answer of the file store.

    Parameters
    ----------
    status, headers
        Of the answer.
    code
        What `code_of` found in the body of an error.
    size
        Bytes that are on disk; when there are any, the rest was asked for.
    etag
        The ETag they belong to.
    """
    said = f"{status} {code}" if code else str(status)
    if status == HTTPStatus.OK:
        return Decision("fresh", _length(headers), strong_etag(headers), said)
    if status == HTTPStatus.PARTIAL_CONTENT:
        return _continue(headers, said, size, etag)
    if status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and size:
        return _end(headers, said, size)
    if status in _REFUSED or code in _EXPIRED:
        return Decision("renew", reason=said)
    if status in RETRIED or code == "RequestTimeout":
        wait = parse_retry_after(headers.get("Retry-After"))
        return Decision("retry", reason=said, retry_after=wait)
    return Decision("fail", reason=said)


def _end(headers: Mapping[str, str], said: str, size: int) -> Decision:
    match = _COMPLETE.fullmatch(headers.get("Content-Range", ""))
    whole = match is not None and int(match[1]) == size
    return Decision("complete", size) if whole else Decision("restart", reason=said)


def _continue(headers: Mapping[str, str], said: str, size: int, etag: str | None) -> Decision:
    match = _RANGE.fullmatch(headers.get("Content-Range", ""))
    if not size or match is None or int(match[1]) != size:
        # Not the bytes that were asked for: with a part, try without; else it makes no sense.
        reason = f"{said} with other bytes than asked for"
        return Decision("restart" if size else "fail", reason=reason)
    if headers.get("ETag") not in (None, etag):
        return Decision("restart", reason="the file has changed meanwhile")
    return Decision("append", None if match[3] == "*" else int(match[3]), etag, said)


def strong_etag(headers: Mapping[str, str]) -> str | None:
    """Return an ETag that a part can be continued by; a weak or odd one is none."""
    etag = headers.get("ETag") or ""
    return etag if re.fullmatch(r'"[\x21\x23-\x7e]{1,200}"', etag) else None


def code_of(body: bytes) -> str | None:
    """Return S3's word for an error; nothing else of its XML is shown, since it repeats keys."""
    match = _CODE.search(body)
    code = match[1].decode() if match else None
    return code if code in _CODES else None


def _length(headers: Mapping[str, str]) -> int | None:
    length = headers.get("Content-Length") or ""
    packed = "Transfer-Encoding" in headers
    return int(length) if not packed and _LENGTH.fullmatch(length) else None
