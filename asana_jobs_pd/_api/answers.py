"""From an answer to a job's record, or to the error that says why there is none. Pure."""

from __future__ import annotations

import json
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

__all__ = ["Record", "read_answer"]

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


def read_answer(answer: Answer | NoAnswer, gid: str, token: Token) -> Record | RequestError:
    """Return the job's record, or the error; what Asana said is made safe to show."""
    if isinstance(answer, NoAnswer):
        kind = RequestTimeoutError if answer.timed_out else NetworkError
        return kind(
            f"Job {gid}: {answer.reason}. Read again later; refresh() asks only for what is "
            "not finished.",
            gid=gid,
            reason=answer.reason,
        )
    if answer.status != HTTPStatus.OK:
        return _status_error(answer, gid, token)
    if len(answer.body) > LARGEST_BODY:
        return _body_error(gid, f"the answer is larger than {LARGEST_BODY:,} bytes")
    data = _parse(answer.body)
    record = data.get("data") if isinstance(data, dict) else None
    if not isinstance(record, dict):
        said = _excerpt(answer, token)
        return _body_error(gid, f"the answer is not the JSON of a job but {said}")
    if record.get("gid", gid) != gid:
        said = token.hide(clean, str(record["gid"]))
        return _body_error(gid, f"the answer is about another job, {said}")
    return record


def _status_error(answer: Answer, gid: str, token: Token) -> StatusError:
    said = _first_error(answer.body)
    text = {key: token.hide(clean, value) for key, value in said.items()}
    reason = text.get("message") or _without_message(answer, token)
    parts = [f"Job {gid}: {_title(answer.status)}: {reason.rstrip('.')}."]
    if answer.status in _NEXT_STEPS:
        parts.append(_NEXT_STEPS[answer.status])
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
        reason=reason,
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


def _body_error(gid: str, reason: str) -> BodyError:
    return BodyError(
        f"Job {gid}: {reason}. Is base_url Asana's, and is there a proxy in between?",
        gid=gid,
        status=HTTPStatus.OK.value,
        reason=reason,
    )
