"""From the answer to a POST to the job it started, or to why there is none. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime

from asana_jobs_pd._api.answers import Record, Wording, error_of, read_record
from asana_jobs_pd._api.attempts import Sent, retry_after_of
from asana_jobs_pd._api.auth import Token
from asana_jobs_pd._api.redact import clean
from asana_jobs_pd._api.retry import Delivery, delivery_of
from asana_jobs_pd._api.transport import Answer, NoAnswer
from asana_jobs_pd.errors import BodyError, RequestError

__all__ = ["UNKNOWN", "Posted", "read_posted"]

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
class Posted:
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


def read_posted(sent: Sent, what: str, gid: str, token: Token) -> Posted:
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
    if isinstance(answer, NoAnswer):
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
    if delivery != "taken" or isinstance(answer, NoAnswer):
        record = error_of(answer, gid, token, wording)
    else:
        record = _job(answer, gid, token, wording)
    error = record if isinstance(record, RequestError) else None
    return Posted(
        "unknown" if delivery == "taken" and error else delivery,
        {} if isinstance(record, RequestError) else record,
        error,
        sent.at,
        _requested_at(sent),
        retry_after_of(answer),
    )


def _job(answer: Answer, gid: str, token: Token, wording: Wording) -> Record | RequestError:
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
    said = sent.answer.headers.get("Date") if isinstance(sent.answer, Answer) else None
    try:
        date = parsedate_to_datetime(said or "")
    except (TypeError, ValueError, IndexError):
        return sent.at
    if date.tzinfo is None:
        date = date.replace(tzinfo=UTC)
    return int((date.timestamp() - sent.took) * 1e6)


def _is_gid(value: object) -> bool:
    return isinstance(value, str) and value.isascii() and value.isdigit()
