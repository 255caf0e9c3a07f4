"""From an answer to a job's record, or to the error that says why there is none. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import orjson

from asana_jobs_pd._api.auth import Token
from asana_jobs_pd._api.redact import LONGEST, clean
from asana_jobs_pd._api.transport import LARGEST_BODY, Answer, NoAnswer
from asana_jobs_pd.errors import (
    AuthenticationError,
    BodyError,
    NetworkError,
    RequestError,
    RequestTimeoutError,
    StatusError,
)

__all__ = ["Record", "Wording", "error_of", "read_answer", "read_record"]

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


def read_answer(answer: Answer | NoAnswer, gid: str, token: Token) -> Record | RequestError:
    """Return the job's record, or the error; what Asana said is made safe to show.

    Without a `gid` it may be about anything.
    """
    if isinstance(answer, NoAnswer) or answer.status != HTTPStatus.OK:
        return error_of(answer, gid, token, _READING)
    record = read_record(answer, gid, token, _READING)
    if gid and not isinstance(record, RequestError) and record.get("gid", gid) != gid:
        said = token.hide(clean, str(record["gid"]))
        return _body_error(gid, f"the answer is about another job, {said}", _READING)
    return record


def read_record(answer: Answer, gid: str, token: Token, wording: Wording) -> Record | RequestError:
    """Return the record in the body of an answer that is no error, or why there is none."""
    if len(answer.body) > LARGEST_BODY:
        return _body_error(gid, f"the answer is larger than {LARGEST_BODY:,} bytes", wording)
    data = _parse(answer.body)
    record = data.get("data") if isinstance(data, dict) else None
    if not isinstance(record, dict):
        said = _excerpt(answer, token)
        return _body_error(gid, f"the answer is not the JSON of a job but {said}", wording)
    return record


def error_of(answer: Answer | NoAnswer, gid: str, token: Token, wording: Wording) -> RequestError:
    """Return the error that an answer is, or that none came."""
    if isinstance(answer, NoAnswer):
        kind = RequestTimeoutError if answer.timed_out else NetworkError
        return kind(
            f"{wording.what} {gid}: {answer.reason}. {wording.again}",
            gid=gid,
            reason=wording.reason(answer.reason),
        )
    return _status_error(answer, gid, token, wording)


def _status_error(answer: Answer, gid: str, token: Token, wording: Wording) -> StatusError:
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


def _without_message(answer: Answer, token: Token) -> str:
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


def _excerpt(answer: Answer, token: Token) -> str:
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
