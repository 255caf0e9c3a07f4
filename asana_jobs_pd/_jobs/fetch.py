"""Fetch many jobs at the same time, and know how it ended."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from asana_jobs_pd._http.client import Client
from asana_jobs_pd._http.parallel_map import Batch
from asana_jobs_pd._jobs.fields import Plan
from asana_jobs_pd._jobs.ledger import Recorder
from asana_jobs_pd._progress import Progress
from asana_jobs_pd.errors import AuthenticationError, NetworkError, RequestError

__all__ = ["NEVER", "NOT_ASKED", "Fetched", "ReadResult", "ask_planned", "fetch_jobs"]

NEVER = -(2**63)
"""What NumPy takes for "not a time"."""


@dataclass(frozen=True, slots=True)
class ReadResult:
    """A record, or the error that says why there is none; neither when it was not asked for.

    Parameters
    ----------
    asked_at
        Microseconds since 1970 (UTC), or ``NEVER``.
    record
        What Asana answered, empty when it did not; its signed URLs stay out of the repr.
    error
        Why there is no record.
    """

    asked_at: int = NEVER
    record: dict[str, Any] = field(default_factory=dict, repr=False)
    error: RequestError | None = None


NOT_ASKED = ReadResult()


OUTAGE = 5.0
"""Seconds without any answer after which a request that failed for good speaks for all."""


@dataclass(slots=True)
class Fetched:
    """What became of each gid, and of the whole.

    Parameters
    ----------
    gids
        What was to be asked for, each once.
    outcomes
        One a gid, in their order.
    refused
        The answer that the token is not accepted, which ended the reading.
    interrupted
        Whether Ctrl-C or a kernel interrupt ended it.
    """

    gids: Sequence[str]
    outcomes: list[ReadResult] = field(repr=False)
    refused: AuthenticationError | None = None
    interrupted: bool = False

    @property
    def errors(self) -> dict[str, RequestError]:
        """The error of each gid that has one."""
        pairs = zip(self.gids, self.outcomes, strict=True)
        return {gid: outcome.error for gid, outcome in pairs if outcome.error is not None}

    @property
    def read(self) -> int:
        """How many have a record."""
        return sum(bool(outcome.record) for outcome in self.outcomes)


def fetch_jobs(
    gids: Sequence[str], plan: Plan, client: Client, *, progress: bool | None
) -> Fetched:
    """Ask for every gid once, at most ``client.max_in_flight`` at the same time.

    A 401, an interrupt and a network that is gone end it at once: what came before is
    returned, the rest is not asked for.
    """
    reader = _Reader(plan, client)
    batch = Batch(reader.read, gids, client.max_in_flight)
    reader.stop = batch.stop
    interrupted = False
    with Progress(len(gids), "Asana jobs", progress) as bar:
        try:
            batch.run(bar.tick)
        except KeyboardInterrupt:
            interrupted = True
        batch.stop.set()
        client.limiter.wake()
    rest = ReadResult(error=reader.outage) if reader.outage else NOT_ASKED
    outcomes = [outcome or rest for outcome in batch.results]
    try:
        _record(gids, outcomes, client)
    except KeyboardInterrupt:
        interrupted = True
    return Fetched(gids, outcomes, reader.refused, interrupted)


def _record(gids: Sequence[str], outcomes: Sequence[ReadResult], client: Client) -> None:
    recorder = Recorder(client)
    for gid, outcome in zip(gids, outcomes, strict=True):
        if outcome.record:
            recorder.add(gid, outcome.record, outcome.asked_at)
    recorder.write()


def ask_planned(
    gid: str, plan: Plan, client: Client, *, stop: threading.Event, background: bool = False
) -> dict[str, Any] | RequestError:
    """Ask for one gid, without the optional fields when this Asana does not know them.

    Raises
    ------
    Cancelled
        When `stop` was set meanwhile.
    """
    optional = plan.optional - client.refused_fields
    ask = tuple(name for name in plan.ask if name not in plan.optional or name in optional)
    result = client.ask_job(gid, ask, stop=stop, background=background)
    if optional and _is_bad_request(result):
        # Perhaps this Asana does not know those; if it is the gid, less does not help.
        fewer = tuple(name for name in ask if name not in optional)
        again = client.ask_job(gid, fewer, stop=stop, background=background)
        if not _is_bad_request(again):
            if not isinstance(again, RequestError):
                client.refused_fields |= optional
            return again
    return result


class _Reader:
    """Reads one gid after the other, in several threads, and sees when to give up."""

    def __init__(self, plan: Plan, client: Client) -> None:
        self._plan = plan
        self._client = client
        self._answered_at = -OUTAGE
        self.stop = threading.Event()
        self.refused: AuthenticationError | None = None
        self.outage: NetworkError | None = None

    def read(self, gid: str) -> ReadResult:
        began, asked_at = time.monotonic(), time.time_ns() // 1000
        result = ask_planned(gid, self._plan, self._client, stop=self.stop)
        if not isinstance(result, RequestError):
            self._answered_at = time.monotonic()
            return ReadResult(asked_at, result)
        if isinstance(result, NetworkError):
            self._notice_outage(began)
        else:
            self._answered_at = time.monotonic()
        if isinstance(result, AuthenticationError):
            self.refused = result
            self._give_up()
        return ReadResult(asked_at, error=result)

    def _notice_outage(self, began: float) -> None:
        quiet = time.monotonic() - max(began, self._answered_at)
        if quiet >= OUTAGE and self._answered_at < began:
            reason = f"not asked: nothing came from the network for {quiet:.0f} s"
            self.outage = NetworkError(reason, reason=reason)
            self._give_up()

    def _give_up(self) -> None:
        self.stop.set()
        self._client.limiter.wake()


def _is_bad_request(result: object) -> bool:
    return isinstance(result, RequestError) and result.status == HTTPStatus.BAD_REQUEST
