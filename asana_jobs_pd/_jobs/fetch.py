"""Fetch many jobs concurrently."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from typing import Any

from asana_jobs_pd._http.client import Client
from asana_jobs_pd._http.redaction import clean
from asana_jobs_pd._http.threads import Batch
from asana_jobs_pd._jobs.ledger import Recorder
from asana_jobs_pd._jobs.schema import Plan
from asana_jobs_pd._progress import Progress
from asana_jobs_pd.errors import AuthenticationError, BodyError, NetworkError, RequestError
from asana_jobs_pd.typing import ProgressCallback

NEVER = -(2**63)
"""NumPy's NaT as an integer."""


@dataclass(frozen=True, slots=True)
class ReadResult:
    """A record, or the error that explains its absence; neither when the job was not requested.

    ``asked_at`` is in microseconds since 1970 (UTC), or ``NEVER``.
    """

    asked_at: int = NEVER
    record: dict[str, Any] = field(default_factory=dict, repr=False)
    error: RequestError | None = None


NOT_ASKED = ReadResult()


@dataclass(frozen=True, slots=True)
class FetchResult:
    """The result of each gid; `failure` ended the fetch early, such as a 401."""

    gids: Sequence[str]
    results: list[ReadResult] = field(repr=False)
    failure: BaseException | None = None

    @property
    def errors(self) -> dict[str, RequestError]:
        """The error of each gid that has one."""
        pairs = zip(self.gids, self.results, strict=True)
        return {gid: result.error for gid, result in pairs if result.error is not None}

    @property
    def read(self) -> int:
        """How many jobs have a record."""
        return sum(bool(result.record) for result in self.results)


class Fetch:
    """Fetches every gid once, in several threads; `end` returns what there is, at any moment.

    A 401, an interrupt or a lost network ends it; the remaining gids are not requested.
    """

    def __init__(self, gids: Sequence[str], plan: Plan) -> None:
        self._gids = gids
        self._plan = plan
        self._results: list[ReadResult | None] = [None] * len(gids)
        self._stop = threading.Event()
        self._failure: BaseException | None = None
        self._outage: NetworkError | None = None
        self.client: Client | None = None

    def run(self, client: Client, *, progress: bool | ProgressCallback | None) -> None:
        """Return when all is fetched, at most ``client.max_in_flight`` at a time, or it ended."""
        self.client = client
        call = partial(self._read, client)
        batch = Batch(call, self._gids, client.max_in_flight, self._stop)
        self._results = batch.results
        try:
            with Progress(len(self._gids), "Asana jobs", progress) as bar:
                batch.run(bar.tick)
        finally:
            self._give_up(client)
        self._failure = self._failure or batch.failure
        self._record(client)

    def end(self) -> FetchResult:
        """Stop what is in flight, and return what there is."""
        if self.client is not None:
            self._give_up(self.client)
        rest = ReadResult(error=self._outage) if self._outage else NOT_ASKED
        return FetchResult(self._gids, [each or rest for each in self._results], self._failure)

    def _read(self, client: Client, gid: str) -> ReadResult:
        began, asked_at = time.monotonic(), time.time_ns() // 1000
        result = fetch_job(gid, self._plan, client, stop=self._stop)
        if not isinstance(result, RequestError):
            return ReadResult(asked_at, result)
        if isinstance(result, NetworkError) and (outage := client.outage_since(began)):
            reason = f"not asked: {outage}"
            self._outage = NetworkError(reason, reason=reason)
            self._give_up(client)
        if isinstance(result, AuthenticationError):
            self._failure = result
            self._give_up(client)
        return ReadResult(asked_at, error=result)

    def _give_up(self, client: Client) -> None:
        self._stop.set()
        client.limiter.wake()

    def _record(self, client: Client) -> None:
        recorder = Recorder(client)
        for gid, result in zip(self._gids, self._results, strict=True):
            if result and result.record:
                recorder.add(gid, result.record, result.asked_at)
        recorder.write()


def fetch_job(
    gid: str, plan: Plan, client: Client, *, stop: threading.Event, background: bool = False
) -> dict[str, Any] | RequestError:
    """Fetch one job, without the optional fields if Asana does not know them."""
    optional = plan.optional - client.refused_fields
    fields = tuple(
        name for name in plan.opt_fields if name not in plan.optional or name in optional
    )
    result = client.ask_job(gid, fields, stop=stop, background=background)
    if optional and _is_bad_request(result):
        # Perhaps Asana does not know those; if the gid is at fault, fewer fields do not help.
        fewer = tuple(name for name in fields if name not in optional)
        retried = client.ask_job(gid, fewer, stop=stop, background=background)
        if not _is_bad_request(retried):
            if not isinstance(retried, RequestError):
                client.refused_fields |= optional
            result = retried
    return result


def not_a_job(gid: str, record: dict[str, Any]) -> BodyError | None:
    """Return the error of a record that is something other than a job."""
    kind = record.get("resource_type")
    if kind is None or kind == "job":
        return None
    reason = f"the response is not a job: its resource_type is {clean(str(kind))!r}"
    message = f"Job {gid}: {reason}. Check the gid and base_url."
    return BodyError(message, gid=gid, status=HTTPStatus.OK.value, reason=reason)


def _is_bad_request(result: object) -> bool:
    return isinstance(result, RequestError) and result.status == HTTPStatus.BAD_REQUEST
