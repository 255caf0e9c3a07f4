"""HTTP/1.1 messages: requests parsed, responses with Asana's error envelopes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from http import HTTPStatus
from random import Random
from typing import TYPE_CHECKING, Any, Literal

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
    """The input is not a valid request; the connection is closed."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def parse(buffer: bytearray) -> tuple[Request, int] | None:
    """Return the first request in a buffer and its length, or None while it is incomplete."""
    end = buffer.find(b"\r\n\r\n")
    if end < 0:
        if buffer and not buffer[:1].isalpha():  # TLS, for example, which would wait forever
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
    option = headers.get("connection", "").lower()
    if version == "HTTP/1.0":
        return "keep-alive" in option
    if "host" not in headers:
        raise BadRequestError(400)
    return "close" not in option


def head(answer: Answer, *, keep_alive: bool, now: datetime) -> bytes:
    """Return the status line and headers of a response."""
    lines = [
        f"HTTP/1.1 {answer.status} {reason(answer.status)}",
        f"Date: {http_date(now.replace(microsecond=0))}",
        f"Connection: {'keep-alive' if keep_alive else 'close'}",
        f"Content-Length: {len(answer.body)}",
        *(f"{name}: {value}" for name, value in answer.headers),
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


Headers = tuple[tuple[str, str], ...]
Lane = Literal["reads", "writes"]

HELP = (
    "For more information on API status codes and how to handle them, "
    "read the docs on errors: https://developers.asana.com/docs/errors"
)
MESSAGES = {
    400: "Bad Request",
    401: "Not Authorized",
    402: "This feature is only available to premium users",
    403: "Forbidden: you do not have access to this job",
    404: "Not Found",
    405: "Method Not Allowed",
    412: "Sync token invalid or too old",
    429: "You have made too many requests recently. Please, be cool.",
    451: "Request blocked: this domain is not available for legal reasons",
    500: "Server Error",
    503: "Service unavailable, try again later",
}
_JSON: Headers = (("Content-Type", "application/json; charset=UTF-8"),)
_HTML: Headers = (("Content-Type", "text/html"),)
_XML: Headers = (("Content-Type", "application/xml"),)
_PHRASES = (
    ("sad", "shy", "brave", "sleepy", "noisy", "gentle"),
    ("squid", "otters", "geese", "llamas", "newts", "yaks"),
    ("snuggle", "wander", "hum", "juggle", "paddle", "giggle"),
    ("softly", "slowly", "loudly", "twice", "sideways", "daily"),
)


@dataclass(slots=True)
class Answer:
    """One response and how it is delivered."""

    status: int
    body: bytes = b""
    headers: Headers = ()
    delay: float = 0.0
    """Seconds before the first byte."""
    spread: float = 0.0
    """Seconds over which the body is spread."""
    cut: int | None = None
    """Bytes of the body after which the connection ends, as `ending` says."""
    ending: Literal["keep", "close", "reset"] = "keep"
    in_flight: Lane | None = None
    """The in-flight limit whose slot it holds until it is sent."""
    export: bool = False
    """Whether the body is an export file."""

    @property
    def never_starts(self) -> bool:
        """Whether the connection is reset before the first byte."""
        return self.ending == "reset" and self.cut is None


def json_answer(content: Any, *, status: int = 200, pretty: bool = False) -> Answer:
    """Return a JSON response, indented if `pretty`."""
    text = json.dumps(
        content,
        ensure_ascii=False,
        indent=2 if pretty else None,
        separators=None if pretty else (",", ":"),
    )
    return Answer(status, text.encode(), _JSON)


def error(status: int, message: str | None = None, *, seed: object = 0) -> Answer:
    """Return Asana's error envelope; a 500 carries the phrase that Asana's support asks for."""
    detail = {"message": message or MESSAGES.get(status) or reason(status), "help": HELP}
    if status == HTTPStatus.INTERNAL_SERVER_ERROR:
        detail["phrase"] = phrase(seed)
    return json_answer({"errors": [detail]}, status=status)


def phrase(seed: object) -> str:
    """Make a phrase such as `6 sad squid snuggle softly`, the same for the same seed."""
    rng = Random(str(seed))
    return f"{rng.randint(2, 31)} " + " ".join(rng.choice(words) for words in _PHRASES)


def html(status: int) -> Answer:
    """Return the error page of a proxy."""
    head = f"{status} {reason(status)}"
    page = f"<html>\n<head><title>{head}</title></head>\n<body><h1>{head}</h1></body>\n</html>\n"
    return Answer(status, page.encode(), _HTML)


def xml_error(status: int, code: str, message: str) -> Answer:
    """Return an S3 error document."""
    document = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<Error><Code>{code}</Code><Message>{message}</Message>"
        "<RequestId>SANDBOX</RequestId><HostId>127.0.0.1</HostId></Error>"
    )
    return Answer(status, document.encode(), _XML)


def reason(status: int) -> str:
    """Return the reason phrase of a status code."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
