"""From the answer to a POST to the job it started, or to why there is none. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from asana_jobs_pd._api.answers import Record, Wording, error_of, read_record
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
    answered_at
        When Asana answered, by its own clock, in microseconds since 1970; None if it does not
        say.
    retry_after
        How many seconds to wait, when Asana said so.
    """

    delivery: Delivery
    record: Record = field(default_factory=dict, repr=False)
    error: RequestError | None = None
    answered_at: int | None = None
    retry_after: float | None = None


def read_posted(
    answer: Answer | NoAnswer, what: str, gid: str, token: Token, retry_after: float | None
) -> Posted:
    """Return what an answer says about the job that was to be started.

    Parameters
    ----------
    answer
        What came back.
    what, gid
        What it was started from, such as ``"Project"``, and its gid.
    token
        What to hide in Asana's words.
    retry_after
        Of the answer, in seconds.
    """
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
    date = answered_at(answer)
    if delivery != "taken" or isinstance(answer, NoAnswer):
        return Posted(delivery, {}, error_of(answer, gid, token, wording), date, retry_after)
    record = read_record(answer, gid, token, wording)
    if isinstance(record, RequestError):
        return Posted("unknown", {}, _doubtful(record), date)
    if not _is_gid(record.get("gid")):
        said = token.hide(clean, repr(record.get("gid")))
        reason = f"the answer is a job without a gid: {said}"
        error = BodyError(f"{what} {gid}: {reason}.", gid=gid, status=201, reason=reason)
        return Posted("unknown", {}, _doubtful(error), date)
    return Posted("taken", record, None, date)


def answered_at(answer: Answer | NoAnswer) -> int | None:
    """Return an answer's ``Date``, in microseconds since 1970."""
    said = answer.headers.get("Date") if isinstance(answer, Answer) else None
    try:
        date = parsedate_to_datetime(said or "")
    except (TypeError, ValueError, IndexError):
        return None
    if date.tzinfo is None:
        date = date.replace(tzinfo=UTC)
    return int((date - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()) * 1_000_000


def _is_gid(value: object) -> bool:
    return isinstance(value, str) and value.isascii() and value.isdigit()


def _doubtful(error: RequestError) -> RequestError:
    reason = f"{error.reason}; {UNKNOWN}"
    return BodyError(f"{error} {_LOOK}", gid=error.gid, status=error.status, reason=reason)
