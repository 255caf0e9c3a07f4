"""From the answer to a POST to the job it started, or to why there is none. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

import orjson

from asana_jobs_pd._http.auth import Token
from asana_jobs_pd._http.redaction import LONGEST, clean
from asana_jobs_pd._http.retry import Delivery, Sent, delivery_of, retry_after_of
from asana_jobs_pd._http.transport import MAX_BODY, ConnectionFailure, Response
from asana_jobs_pd.errors import (
    AuthenticationError,
    BodyError,
    NetworkError,
    RequestError,
    RequestTimeoutError,
    StatusError,
)

__all__ = [
    "UNKNOWN",
    "Changes",
    "PostResult",
    "Record",
    "Wording",
    "describe_change",
    "error_of",
    "read_answer",
    "read_posted",
    "read_record",
]

MOST = 100
_NEXT_CHANGE = re.compile(r",(?=\s*name=)")


class Changes:
    """The announcements that came, each one once however often it came."""

    def __init__(self) -> None:
        self._seen: set[str] = set()
        self._news: list[str] = []

    def note(self, headers: Iterable[str]) -> None:
        """Take note of ``Asana-Change`` headers; any thread may."""
        for header in headers:
            for change in _NEXT_CHANGE.split(header):
                if change not in self._seen and len(self._seen) < MOST:
                    self._seen.add(change)
                    self._news.append(describe_change(change))

    def take(self) -> list[str]:
        """Return in words what came since the last call."""
        news, self._news = self._news, []
        return news


def describe_change(header: str) -> str:
    """Return an ``Asana-Change`` header in words.

    Its form is ``name=…;info=URL;affected=true``
    (https://developers.asana.com/docs/deprecations).
    """
    pairs = (part.partition("=") for part in header.split(";"))
    told = {key.strip(): clean(value) for key, _, value in pairs}
    name = told.get("name") or clean(header)
    affected = {"true": "it affects this request", "false": "it does not affect this request"}
    words = [f"Asana announces a change of its API, {name!r}"]
    if text := affected.get(told.get("affected", "")):
        words.append(text)
    if info := told.get("info"):
        words.append(f"read {info}")
    return "; ".join(words) + "."


Record = dict[str, Any]

_NEXT_STEPS = {
    400: "Check the gid and the field names.",
    401: "Make a new token at https://app.asana.com/0/my-apps and set ASANA_ACCESS_TOKEN.",
    402: "This needs a paid plan.",
    403: "Only the creator of a job can read it, with the scope jobs:read.",
    404: "There is no such job, or it is not yours: only its creator can read it.",
    429: "The token's budget is used up, perhaps by another program; read again later.",
    500: "Try again later; Asana's support finds the incident by its phrase.",
}


@dataclass(frozen=True, slots=True)
class Wording:
    """How an error speaks of its request.

    Parameters
    ----------
    what
        What the gid belongs to, such as ``"Job"``.
    again
        What to do when no answer came.
    steps
        What to do next, by status.
    doubt
        What is to be added to every reason; perhaps nothing.
    """

    what: str
    again: str
    steps: Mapping[int, str]
    doubt: str = ""

    def reason(self, reason: str) -> str:
        """Return a reason with the doubt there is."""
        return f"{reason.rstrip('.')}; {self.doubt}" if self.doubt else reason


_READING = Wording(
    "Job", "Read again later; refresh() asks only for what is not finished.", _NEXT_STEPS
)


def read_answer(
    answer: Response | ConnectionFailure, gid: str, token: Token
) -> Record | RequestError:
    """Return the job's record, or the error; what Asana said is made safe to show.

    Without a `gid` it may be about anything.
    """
    if isinstance(answer, ConnectionFailure) or answer.status != HTTPStatus.OK:
        return error_of(answer, gid, token, _READING)
    record = read_record(answer, gid, token, _READING)
    if gid and not isinstance(record, RequestError) and record.get("gid", gid) != gid:
        said = token.hide(clean, str(record["gid"]))
        return _body_error(gid, f"the answer is about another job, {said}", _READING)
    return record


def read_record(
    answer: Response, gid: str, token: Token, wording: Wording
) -> Record | RequestError:
    """Return the record in the body of an answer that is no error, or why there is none."""
    if len(answer.body) > MAX_BODY:
        return _body_error(gid, f"the answer is larger than {MAX_BODY:,} bytes", wording)
    data = _parse(answer.body)
    record = data.get("data") if isinstance(data, dict) else None
    if not isinstance(record, dict):
        said = _excerpt(answer, token)
        return _body_error(gid, f"the answer is not the JSON of a job but {said}", wording)
    return record


def error_of(
    answer: Response | ConnectionFailure, gid: str, token: Token, wording: Wording
) -> RequestError:
    """Return the error that an answer is, or that none came."""
    if isinstance(answer, ConnectionFailure):
        kind = RequestTimeoutError if answer.timed_out else NetworkError
        return kind(
            f"{wording.what} {gid}: {answer.reason}. {wording.again}",
            gid=gid,
            reason=wording.reason(answer.reason),
        )
    return _status_error(answer, gid, token, wording)


def _status_error(answer: Response, gid: str, token: Token, wording: Wording) -> StatusError:
    said = _first_error(answer.body)
    text = {key: token.hide(clean, value) for key, value in said.items()}
    reason = text.get("message") or _without_message(answer, token)
    parts = [f"{wording.what} {gid}: {_title(answer.status)}: {reason.rstrip('.')}."]
    if wording.doubt:
        parts.append(wording.again)
    elif answer.status in wording.steps:
        parts.append(wording.steps[answer.status])
    if answer.status == HTTPStatus.UNAUTHORIZED:
        parts.append(f"The token came from {token.source}.")
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


def _first_error(body: bytes) -> dict[str, str]:
    data = _parse(body)
    errors = data.get("errors") if isinstance(data, dict) else None
    first = errors[0] if isinstance(errors, list) and errors else None
    if not isinstance(first, dict):
        return {}
    return {
        key: value
        for key in ("message", "help", "phrase")
        if isinstance(value := first.get(key), str) and value
    }


def _parse(body: bytes) -> object:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        pass
    try:  # half of an emoji, cut off by some program, must not cost the row
        text = json.dumps(json.loads(body.decode()), ensure_ascii=False)
        whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return orjson.loads(whole)
    except (ValueError, RecursionError):
        return None


def _excerpt(answer: Response, token: Token) -> str:
    text = token.hide(clean, answer.body[: 5 * LONGEST].decode(errors="replace"))
    if not text:
        return "an empty body"
    kind = token.hide(clean, answer.headers.get("Content-Type") or "no content type")
    return f"{text[:120]!r} ({kind})"


def _title(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def _body_error(gid: str, reason: str, wording: Wording) -> BodyError:
    return BodyError(
        f"{wording.what} {gid}: {reason}. Is base_url Asana's, and is there a proxy in between?",
        gid=gid,
        status=HTTPStatus.OK.value,
        reason=reason,
    )


UNKNOWN = "whether Asana started it is not known"
_AGAIN = "Nothing was started; start it again later."
_LOOK = f"Look in Asana before you start it again: {UNKNOWN}."
_STEPS = {
    400: "Check the gid and the options; nothing was started.",
    402: "This needs a paid plan; nothing was started.",
    403: "You may not do this with it, or a limit is reached; nothing was started.",
    404: "There is no such object, or you may not see it; nothing was started.",
    429: "Nothing was started; start it again later.",
}


@dataclass(frozen=True, slots=True)
class PostResult:
    """What became of a POST.

    Parameters
    ----------
    delivery
        Whether Asana took it.
    record
        The job it started; empty when there is none, or it is not known.
    error
        Why there is no record.
    sent_at
        When it was sent, by our clock, in microseconds since 1970.
    requested_at
        The same by Asana's, as its answer is dated; by ours if it is not.
    retry_after
        How many seconds to wait, when Asana said so.
    """

    delivery: Delivery
    record: Record = field(default_factory=dict, repr=False)
    error: RequestError | None = None
    sent_at: int = 0
    requested_at: int = 0
    retry_after: float | None = None


def read_posted(sent: Sent, what: str, gid: str, token: Token) -> PostResult:
    """Return what became of a job that was to be started.

    Parameters
    ----------
    sent
        What was sent, and what came back.
    what, gid
        What it was started from, such as ``"Project"``, and its gid.
    token
        What to hide in Asana's words.
    """
    answer = sent.answer
    if isinstance(answer, ConnectionFailure):
        delivery = delivery_of(None, sent=answer.sent)
    else:
        delivery = delivery_of(answer.status, sent=True)
    wording = Wording(
        what,
        again=_LOOK if delivery == "unknown" else _AGAIN,
        steps=_STEPS,
        doubt=UNKNOWN if delivery == "unknown" else "",
    )
    record: Record | RequestError
    if delivery != "taken" or isinstance(answer, ConnectionFailure):
        record = error_of(answer, gid, token, wording)
    else:
        record = _job(answer, gid, token, wording)
    error = record if isinstance(record, RequestError) else None
    return PostResult(
        "unknown" if delivery == "taken" and error else delivery,
        {} if isinstance(record, RequestError) else record,
        error,
        sent.at,
        _requested_at(sent),
        retry_after_of(answer),
    )


def _job(answer: Response, gid: str, token: Token, wording: Wording) -> Record | RequestError:
    record = read_record(answer, gid, token, wording)
    if isinstance(record, RequestError):
        reason = record.reason
    elif _is_gid(record.get("gid")):
        return record
    else:
        reason = f"the answer is a job without a gid: {token.hide(clean, repr(record.get('gid')))}"
    return BodyError(
        f"{wording.what} {gid}: {reason}. {_LOOK}",
        gid=gid,
        status=answer.status,
        reason=f"{reason}; {UNKNOWN}",
    )


def _requested_at(sent: Sent) -> int:
    """Return when Asana got it at the earliest, in microseconds since 1970, by its own clock."""
    said = sent.answer.headers.get("Date") if isinstance(sent.answer, Response) else None
    try:
        date = parsedate_to_datetime(said or "")
    except (TypeError, ValueError, IndexError):
        return sent.at
    if date.tzinfo is None:
        date = date.replace(tzinfo=UTC)
    return int((date.timestamp() - sent.took) * 1e6)


def _is_gid(value: object) -> bool:
    return isinstance(value, str) and value.isascii() and value.isdigit()
