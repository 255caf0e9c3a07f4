"""What goes back to the client, and Asana's envelopes for what went wrong."""

from __future__ import annotations

import json
from dataclasses import dataclass
from http import HTTPStatus
from random import Random
from typing import Any, Literal

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
    """One answer and how it is delivered."""

    status: int
    body: bytes = b""
    headers: Headers = ()
    delay: float = 0.0
    """Seconds before the first byte."""
    spread: float = 0.0
    """Seconds over which the body trickles."""
    cut: int | None = None
    """Bytes of the body after which the connection ends as `ending` says."""
    ending: Literal["keep", "close", "reset"] = "keep"
    in_flight: Lane | None = None
    """Which of the in-flight limits it holds a place of until it is written."""
    export: bool = False
    """Whether its bytes are those of an export file."""

    @property
    def never_starts(self) -> bool:
        """Whether the connection is reset before the first byte."""
        return self.ending == "reset" and self.cut is None


def json_answer(content: Any, *, status: int = 200, pretty: bool = False) -> Answer:
    """Answer with JSON, indented when it is to be pretty."""
    text = json.dumps(
        content,
        ensure_ascii=False,
        indent=2 if pretty else None,
        separators=None if pretty else (",", ":"),
    )
    return Answer(status, text.encode(), _JSON)


def error(status: int, message: str | None = None, *, seed: object = 0) -> Answer:
    """Answer with Asana's error envelope; a 500 carries the phrase its support asks for."""
    detail = {"message": message or MESSAGES.get(status) or reason(status), "help": HELP}
    if status == HTTPStatus.INTERNAL_SERVER_ERROR:
        detail["phrase"] = phrase(seed)
    return json_answer({"errors": [detail]}, status=status)


def phrase(seed: object) -> str:
    """Make a phrase such as `6 sad squid snuggle softly`, the same for the same seed."""
    rng = Random(str(seed))
    return f"{rng.randint(2, 31)} " + " ".join(rng.choice(words) for words in _PHRASES)


def html(status: int) -> Answer:
    """Answer with the page of a proxy that stands before Asana."""
    head = f"{status} {reason(status)}"
    page = f"<html>\n<head><title>{head}</title></head>\n<body><h1>{head}</h1></body>\n</html>\n"
    return Answer(status, page.encode(), _HTML)


def xml_error(status: int, code: str, message: str) -> Answer:
    """Answer with the error document of S3."""
    document = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<Error><Code>{code}</Code><Message>{message}</Message>"
        "<RequestId>SANDBOX</RequestId><HostId>127.0.0.1</HostId></Error>"
    )
    return Answer(status, document.encode(), _XML)


def reason(status: int) -> str:
    """Return the words for a status code, known or not."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
