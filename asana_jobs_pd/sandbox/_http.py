"""HTTP/1.1 as bytes: a request out of a buffer, an answer's head into one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ._answers import Answer, reason
from ._clock import http_date

if TYPE_CHECKING:
    from datetime import datetime

MAX_HEAD = 16 * 1024
MAX_TARGET = 8 * 1024
MAX_BODY = 64 * 1024


@dataclass(slots=True)
class Request:
    """One request; header names are in lower case."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    keep_alive: bool
    body: bytes = b""


class BadRequestError(Exception):
    """What came in is not a request to be answered; the connection ends."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def parse(buffer: bytearray) -> tuple[Request, int] | None:
    """Return the first request of a buffer and its length, or None while it is incomplete.

    Raises
    ------
    BadRequestError
        If it cannot become one.
    """
    end = buffer.find(b"\r\n\r\n")
    if end < 0:
        if buffer and not buffer[:1].isalpha():  # TLS, say, which would wait for ever
            raise BadRequestError(400)
        if len(buffer) > MAX_HEAD:
            raise BadRequestError(431)
        return None
    if end > MAX_HEAD:
        raise BadRequestError(431)
    line, *lines = buffer[:end].decode("latin-1").split("\r\n")
    method, path, query, version = _request_line(line)
    headers = _headers(lines)
    size = end + 4 + _body_length(headers)
    if len(buffer) < size:
        return None
    keep_alive = _keeps_alive(version, headers)
    body = bytes(buffer[end + 4 : size])
    return Request(method, path, query, headers, keep_alive, body), size


def _request_line(line: str) -> tuple[str, str, str, str]:
    parts = line.split(" ")
    if len(parts) != 3 or not parts[0].isalpha() or not parts[1].startswith("/"):  # noqa: PLR2004
        raise BadRequestError(400)
    method, target, version = parts
    if len(target) > MAX_TARGET:
        raise BadRequestError(414)
    if version not in ("HTTP/1.1", "HTTP/1.0"):
        raise BadRequestError(505 if version.startswith("HTTP/") else 400)
    path, _, query = target.partition("?")
    return method, path, query, version


def _headers(lines: list[str]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name or name.strip() != name:
            raise BadRequestError(400)
        name = name.lower()
        value = value.strip()
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def _body_length(headers: dict[str, str]) -> int:
    if "transfer-encoding" in headers:
        raise BadRequestError(501)
    length = headers.get("content-length", "0")
    if not (length.isascii() and length.isdigit()):
        raise BadRequestError(400)
    if len(length) > len(str(MAX_BODY)) or int(length) > MAX_BODY:
        raise BadRequestError(413)
    return int(length)


def _keeps_alive(version: str, headers: dict[str, str]) -> bool:
    wish = headers.get("connection", "").lower()
    if version == "HTTP/1.0":
        return "keep-alive" in wish
    if "host" not in headers:
        raise BadRequestError(400)
    return "close" not in wish


def head(answer: Answer, *, keep_alive: bool, now: datetime) -> bytes:
    """Return an answer's status line and headers."""
    lines = [
        f"HTTP/1.1 {answer.status} {reason(answer.status)}",
        f"Date: {http_date(now.replace(microsecond=0))}",
        f"Connection: {'keep-alive' if keep_alive else 'close'}",
        f"Content-Length: {len(answer.body)}",
        *(f"{name}: {value}" for name, value in answer.headers),
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()
