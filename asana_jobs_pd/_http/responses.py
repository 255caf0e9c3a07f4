"""Turns a response into the record of a job, or into the error that says why there is none."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from http import HTTPStatus
from typing import Any

import orjson

from asana_jobs_pd._http.auth import Token
from asana_jobs_pd._http.redaction import MAX_TEXT, clean
from asana_jobs_pd._http.retry import Delivery, Sent, delivery_of, http_date, retry_after_of
from asana_jobs_pd._http.transport import MAX_BODY, Answer, ConnectionFailure, Response
from asana_jobs_pd.errors import (
    AuthenticationError,
    BodyError,
    NetworkError,
    RequestError,
    RequestTimeoutError,
    StatusError,
)

MAX_CHANGES = 100
MAX_ERRORS = 5
"""The most messages of a response that are shown."""
_NEXT_CHANGE = re.compile(r",\s*(?=name=)")

Record = dict[str, Any]


class Changes:
    """The changes to its API that Asana has announced, each of them once."""

    def __init__(self) -> None:
        self._seen: set[str] = set()
        self.news: list[str] = []

    def note(self, header: str) -> None:
        """Record an ``Asana-Change`` header, or several joined by commas, from any thread."""
        for change in _NEXT_CHANGE.split(header):
            if change not in self._seen and len(self._seen) < MAX_CHANGES:
                self._seen.add(change)
                self.news.append(describe_change(change))

    def take(self) -> list[str]:
        """Return descriptions of the changes announced since the last call."""
        news, self.news = self.news, []
        return news


def describe_change(header: str) -> str:
    """Return a description of an ``Asana-Change`` header.

    Its form is ``name=…;info=URL;affected=true``
    (https://developers.asana.com/docs/deprecations).
    """
    pairs = (part.partition("=") for part in header[:MAX_TEXT].split(";"))
    values = {key.strip(): clean(value) for key, _, value in pairs}
    name = values.get("name") or clean(header)
    affected = {"true": "it affects this request", "false": "it does not affect this request"}
    words = [f"Asana announces a change to its API, {name!r}"]
    if text := affected.get(values.get("affected", "")):
        words.append(text)
    if info := values.get("info"):
        words.append(f"read {info}")
    return "; ".join(words) + "."


@dataclass(frozen=True, slots=True)
class Wording:
    """How an error message describes its request."""

    subject: str
    """What the gid identifies, such as ``"Job"``."""
    again: str
    """What to do if there was no response."""
    steps: Mapping[int, str]
    """What to do next, by status."""
    doubt: str = ""
    """What to add to every reason, if anything."""

    def reason(self, reason: str) -> str:
        return f"{reason.rstrip('.')}; {self.doubt}" if self.doubt else reason


_READING = Wording(
    "Job",
    "Read again later; refresh() asks only for unfinished jobs.",
    {
        400: "Check the gid and the field names.",
        402: "This needs a paid plan.",
        403: "Only the creator of a job can read it, with the scope jobs:read.",
        404: "There is no such job, or it is not yours: only its creator can read it.",
        429: "The token's budget is used up, perhaps by another program; read again later.",
        500: "Try again later; Asana's support finds the incident by its phrase.",
    },
)


def read_job(answer: Answer, gid: str, token: Token) -> Record | RequestError:
    """Return the job's record, or an error with Asana's messages, safe to show."""
    if isinstance(answer, ConnectionFailure) or not _is_success(answer.status):
        return _error_of(answer, gid, token, _READING)
    record = _record(answer, token)
    if isinstance(record, str):
        reason = record
    elif record.get("gid", gid) == gid:
        return record
    else:
        reason = f"the answer is about another job, {token.hide(clean, str(record['gid']))}"
    hint = "Is base_url Asana's, and is there a proxy in between?"
    return BodyError(f"Job {gid}: {reason}. {hint}", gid=gid, status=answer.status, reason=reason)


def _record(answer: Response, token: Token) -> Record | str:
    """Return the record in a body, with its gid as text, or why there is none."""
    if len(answer.body) > MAX_BODY:
        return f"the answer exceeds {MAX_BODY:,} bytes"
    data = _parse(answer.body)
    record = data.get("data") if isinstance(data, dict) else None
    if not isinstance(record, dict) or not record:
        return f"the answer is not the JSON of a job but {_excerpt(answer, token)}"
    kind = record.get("resource_type", "job")
    if kind not in ("job", None):
        other = token.hide(clean, f"{kind!r} (gid {record.get('gid')})")
        return f"the answer is not a job: its resource_type is {other}"
    if type(record.get("gid")) is int:
        record["gid"] = str(record["gid"])
    return record


def _error_of(answer: Answer, gid: str, token: Token, wording: Wording) -> RequestError:
    if isinstance(answer, Response):
        return _status_error(answer, gid, token, wording)
    kind = RequestTimeoutError if answer.timed_out else NetworkError
    return kind(
        f"{wording.subject} {gid}: {answer.reason}. {wording.again}",
        gid=gid,
        reason=wording.reason(answer.reason),
    )


def _status_error(answer: Response, gid: str, token: Token, wording: Wording) -> StatusError:
    text = {key: token.hide(clean, value) for key, value in _errors(answer.body).items()}
    reason = text.get("message") or _without_message(answer, token)
    parts = [f"{wording.subject} {gid}: {_title(answer.status)}: {reason.rstrip('.')}."]
    if wording.doubt:
        parts.append(wording.again)
    elif answer.status in wording.steps:
        parts.append(wording.steps[answer.status])
    if answer.status == HTTPStatus.UNAUTHORIZED:
        parts.append(f"{token.remedy} The token came from {token.source}.")
    if phrase := text.get("phrase"):
        parts.append(f"Phrase: {phrase}.")
    if help_text := text.get("help"):
        parts.append(f"Asana's help: {help_text}")
    kind = AuthenticationError if answer.status == HTTPStatus.UNAUTHORIZED else StatusError
    return kind(
        " ".join(parts),
        gid=gid,
        status=answer.status,
        reason=wording.reason(reason),
        help=text.get("help"),
        phrase=text.get("phrase"),
    )


def _without_message(answer: Response, token: Token) -> str:
    if HTTPStatus.MULTIPLE_CHOICES <= answer.status < HTTPStatus.BAD_REQUEST:
        return "a redirect, which is not followed; check base_url and the proxy"
    return f"without a message from Asana: {_excerpt(answer, token)}"


def _errors(body: bytes) -> dict[str, str]:
    """Return the message, help and phrase of all errors in a body, without repeats."""
    data = _parse(body)
    errors = data.get("errors") if isinstance(data, dict) else None
    dicts = (
        [error for error in errors if isinstance(error, dict)] if isinstance(errors, list) else []
    )
    joined = {}
    for key in ("message", "help", "phrase"):
        texts = [text for error in dicts if isinstance(text := error.get(key), str) and text]
        texts = list(dict.fromkeys(texts))
        more = f" (and {len(texts) - MAX_ERRORS} more)" if len(texts) > MAX_ERRORS else ""
        shown = [text[:MAX_TEXT] for text in texts[:MAX_ERRORS]]
        if len(shown) > 1:
            shown = [text.strip().rstrip(".;") for text in shown]
        if shown:
            joined[key] = "; ".join(shown) + more
    return joined


_UNUSUAL_NUMBER = re.compile(rb"[:,\[][ \t\r\n]*+-?[\d.]{16}")
"""Numbers that a parser may round: integers beyond 64 bits, decimals beyond a double."""


def _parse(body: bytes) -> object:
    """Return JSON as Python objects, with every digit kept; None if it is not JSON."""
    if _UNUSUAL_NUMBER.search(body) is None:
        try:
            return orjson.loads(body)
        except orjson.JSONDecodeError:
            pass  # NaN, 1e400, or half of an emoji must not lose the row
    try:
        value = _load(body.decode(json.detect_encoding(body)))
        text = json.dumps(value, ensure_ascii=False)
        if not text.isascii():
            whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
            value = value if whole == text else _load(whole)
    except (ValueError, RecursionError):
        return None
    return value


def _load(text: str) -> object:
    return json.loads(text, parse_int=_integer, parse_float=_decimal, parse_constant=str)


def _integer(digits: str) -> int | str:
    """Return an integer, or text beyond 64 bits, where other tools would round it."""
    if len(digits) <= 20 and -(2**63) <= (number := int(digits)) < 2**64:  # noqa: PLR2004
        return number
    return digits


def _decimal(text: str) -> float | str:
    """Return a decimal as a float, or as text if a float would change its value."""
    number = float(text)
    try:
        return number if Decimal(repr(number)) == Decimal(text) else text
    except ArithmeticError:  # an absurdly large exponent
        return text


def _excerpt(answer: Response, token: Token) -> str:
    text = token.hide(clean, answer.body[: 5 * MAX_TEXT].decode(errors="replace"))
    if not text:
        return "an empty body"
    kind = token.hide(clean, answer.headers.get("Content-Type") or "no content type")
    return f"{text[:120]!r} ({kind})"


def _title(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def _is_success(status: int) -> bool:
    return HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES


UNKNOWN = "it is not known whether Asana started it"
_AGAIN = "Nothing was started; start it again later."
_LOOK = f"Look in Asana for what it creates before you start it again: {UNKNOWN}."
_REPEAT = f"Start it again, which does no harm to an export: {UNKNOWN}."
_STEPS = {
    400: "Check the gid and the options; nothing was started.",
    402: "This needs a paid plan; nothing was started.",
    403: "You have no permission for this, or a limit is reached; nothing was started.",
    404: (
        "There is no such object, or you have no access to it; a job's gid is not that of what it "
        "exports or copies. Nothing was started."
    ),
    429: "Nothing was started; start it again later.",
}
_EXPORT_STEPS = {
    **_STEPS,
    403: (
        "Exports need an Enterprise plan, and a token with the permission for them: an OAuth token "
        "may lack the scope. A resource export is also refused while another one of its workspace "
        "is running. Nothing was started."
    ),
}


@dataclass(frozen=True, slots=True)
class PostResult:
    """The outcome of a POST."""

    delivery: Delivery
    record: Record = field(default_factory=dict, repr=False)
    """The started job; empty if there is none or it is unknown."""
    error: RequestError | None = None
    """Why there is no job."""
    sent_at: int = 0
    """When it was sent, by our clock, in microseconds since 1970."""
    requested_at: int = 0
    """The same by Asana's clock (its `Date` header), or by ours if that header is missing."""
    retry_after: float | None = None
    """Seconds to wait, if Asana said so."""


def read_started_job(
    sent: Sent, subject: str, gid: str, token: Token, *, export: bool = False
) -> PostResult:
    """Return the outcome of a request to start a job from the `subject` with this gid."""
    answer = sent.answer
    delivery = delivery_of(answer)
    doubtful = delivery in ("unknown", "taken")
    wording = Wording(
        subject,
        again=(_REPEAT if export else _LOOK) if doubtful else _AGAIN,
        steps=_EXPORT_STEPS if export else _STEPS,
        doubt=UNKNOWN if delivery == "unknown" else "",
    )
    record: Record | str = {}
    error: RequestError | None = None
    if isinstance(answer, ConnectionFailure) or delivery != "taken":
        error = _error_of(answer, gid, token, wording)
    else:
        record = _record(answer, token)
        if isinstance(record, dict) and not _is_gid(found := record.get("gid")):
            record = f"the answer is a job without a gid: {token.hide(clean, repr(found))}"
    if isinstance(record, str):
        message, reason = f"{subject} {gid}: {record}. {wording.again}", f"{record}; {UNKNOWN}"
        error = BodyError(message, gid=gid, status=answer.status, reason=reason)
        record, delivery = {}, "unknown"
    at = _requested_at(sent)
    return PostResult(delivery, record, error, sent.at, at, retry_after_of(answer))


def _requested_at(sent: Sent) -> int:
    """Return the earliest time Asana can have received it, in microseconds by Asana's clock."""
    date = http_date(sent.answer.headers.get("Date"))
    return sent.at if date is None else int((date - sent.took) * 1e6)


def _is_gid(value: object) -> bool:
    return isinstance(value, str) and value.isascii() and value.isdigit()
