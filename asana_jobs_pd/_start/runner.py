"""Sends the requests that start jobs: the queue decides, threads send and poll."""

from __future__ import annotations

import logging
import queue
import re
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from http import HTTPStatus

from asana_jobs_pd._http.client import Client
from asana_jobs_pd._http.rate_limit import Cancelled, Limiter
from asana_jobs_pd._http.responses import UNKNOWN, PostResult
from asana_jobs_pd._http.threads import Clock, RealClock, Signals, start_thread
from asana_jobs_pd._jobs.frame import ReadResult
from asana_jobs_pd._jobs.ledger import Recorder
from asana_jobs_pd._jobs.read import read_one
from asana_jobs_pd._jobs.schema import EVERYTHING, FINAL_STATUSES
from asana_jobs_pd._start.endpoints import Endpoint
from asana_jobs_pd._start.queue import MAX_UNCLEAR, StartQueue
from asana_jobs_pd._start.recent import UNREADABLE, RecentJob, RecentJobs
from asana_jobs_pd._start.requests import StartRequest, StartResult
from asana_jobs_pd.errors import (
    AuthenticationError,
    ClientClosedError,
    NetworkError,
    NoThreadsError,
    RequestError,
)

log = logging.getLogger("asana_jobs_pd")

TICK = 0.1
GRACE = 0.15
"""Seconds allowed for responses on their way when it is stopped."""
_IN_PROGRESS = re.compile(r"in[ -]progress|concurrent", re.IGNORECASE)
_ONE_ALREADY = re.compile(r"already|at a time|one export|running|limit", re.IGNORECASE)


def is_in_progress(endpoint: Endpoint, error: RequestError | None) -> bool:
    """Tell whether Asana refused because another export or duplication is still running.

    A second resource export of a workspace gets a 403, as missing permissions do; the message is
    not documented, so several wordings are recognized.
    """
    if error is None or error.status != HTTPStatus.FORBIDDEN:
        return False
    if _IN_PROGRESS.search(error.reason):
        return True
    return endpoint.name == "export_resources" and bool(_ONE_ALREADY.search(error.reason))


class Runner:
    """Sends requests, each once, and polls the jobs that run while others wait.

    It fills in `results`, one per request; they are complete when `run` has ended, however it
    ended. `failure` is the exception that ended it early, such as an AuthenticationError.
    """

    def __init__(
        self,
        requests: Sequence[StartRequest],
        results: Sequence[StartResult],
        client: Client,
        recent: RecentJobs | None = None,
        *,
        clock: Clock | None = None,
    ) -> None:
        self._requests = requests
        self._results = results
        self._client = client
        self._recent = recent
        self._clock = clock or RealClock()
        self._queue = StartQueue(len(requests), running=_running.get(client.limiter, ()))
        self._items: dict[str, list[int]] = {}
        self._posting = 0
        self._looking: set[int] = set()
        self._closed = False
        self._obstacle = ""
        self._lock = threading.Lock()
        self._signals: Signals = queue.SimpleQueue()
        self._stop = threading.Event()
        self._recorder = Recorder(client)
        self.failure: BaseException | None = None

    @property
    def decided(self) -> int:
        """The number of requests that have a result."""
        with self._lock:
            return sum(state is not None for state in self._queue.states)

    @property
    def status_text(self) -> str:
        """What is running and waiting, in words."""
        with self._lock:
            text = f"{len(self._queue.running)} running"
            if self._queue.waiting:
                text += f", {self._queue.waiting} waiting"
            return f"{text} ({self._obstacle})" if self._obstacle else text

    def run(self, tick: Callable[[], object], over: Callable[[float], bool]) -> None:
        """Return when all is decided or `over` says that time is up; call `tick` meanwhile."""
        try:
            while not self._finished() and not over(self._clock.now()):
                self._dispatch()
                self._clock.wait(self._signals, self._pause())
                tick()
        finally:
            self._stop.set()
            self._client.limiter.wake()
            try:
                self._wait_for_responses()
            finally:
                with self._lock:
                    self._close()
                self._recorder.write()

    def _finished(self) -> bool:
        with self._lock:
            return self.failure is not None or (self._queue.done and not self._posting)

    def _pause(self) -> float:
        with self._lock:
            return min(self._queue.wait(self._clock.now()), TICK)

    def _dispatch(self) -> None:
        with self._lock:
            now = self._clock.now()
            while (item := self._queue.take(now)) is not None:
                self._posting += 1
                if self._recent is not None:
                    self._looking.add(item)
                try:
                    start_thread(self._take_or_post, "asana-jobs-start", item)
                except NoThreadsError as error:
                    self._posting -= 1
                    self._note_withdrawn(item, error)
                    return
            while (gid := self._queue.take_poll(now)) is not None:
                try:
                    start_thread(self._poll, "asana-jobs-start", gid)
                except NoThreadsError:
                    self._queue.polled(gid, now, finished=False)

    # In threads, which no interrupt reaches, so that each response is recorded

    def _take_or_post(self, item: int) -> None:
        try:
            if self._recent is None or not self._take(item, self._recent):
                self._post(item)
        finally:
            self._note(self._note_posting_ended)

    def _take(self, item: int, recent: RecentJobs) -> bool:
        """Take a recent job instead of starting one; return whether nothing is to be started."""
        try:
            found = recent.find(self._requests[item], self._stop)
        except BaseException as error:  # noqa: BLE001  as below
            self._note(self._note_withdrawn, item, error)
            return True
        if found is None:
            return not self._note(self._looking.discard, item)
        if isinstance(found, RequestError):
            self._note(self._note_unchecked, item, found)
        else:
            self._note(self._note_taken, item, found)
        return True

    def _post(self, item: int) -> None:
        request = self._requests[item]
        try:
            posted = self._client.post_job(
                request.path,
                request.body,
                subject=request.subject,
                gid=request.gid,
                stop=self._stop,
            )
            in_time = self._note(self._note_posted, item, posted)
            _log(request, posted, in_time=in_time)
            if posted.delivery == "taken":
                self._record_started(request, posted)
            if posted.record.get("status") in FINAL_STATUSES:  # nobody would read all of it later
                self._poll(posted.record["gid"])
        except (Cancelled, ClientClosedError) as error:  # before it was sent
            self._note(self._note_withdrawn, item, error)
        except BaseException as error:  # noqa: BLE001  it is raised again by the caller
            self._note(self._note_failure, error)

    def _record_started(self, request: StartRequest, posted: PostResult) -> None:
        """Write a new gid to the ledger."""
        gid = posted.record["gid"]
        start = request.gid, request.fingerprint
        self._recorder.add(gid, posted.record, posted.sent_at, start)
        self._recorder.write()

    def _poll(self, gid: str) -> None:
        try:
            result = read_one(gid, EVERYTHING, self._client, stop=self._stop, background=True)
            self._note(self._note_polled, gid, result)
        except Cancelled:
            pass
        except BaseException as error:  # noqa: BLE001  as above
            self._note(self._note_failure, error)

    def _note(self, note: Callable[..., None], *arguments: object) -> bool:
        """Call a function with the lock held, unless it is too late; return whether it was."""
        with self._lock:
            in_time = not self._closed
            if in_time:
                note(*arguments)
        self._signals.put("news")
        return in_time

    def _note_taken(self, item: int, job: RecentJob) -> None:
        self._looking.discard(item)
        request = self._requests[item]
        log.info("%s %s: the recent job %s is taken", request.subject, request.gid, job.gid)
        result, now, gid = self._results[item], self._clock.now(), job.gid
        result.record, result.asked_at = job.record, job.asked_at
        self._recorder.add(gid, job.record, job.asked_at)
        self._items.setdefault(gid, []).append(item)
        self._queue.started(item, gid, now, taken=True)
        if job.record.get("status") in FINAL_STATUSES:
            self._queue.polled(gid, now, finished=True)

    def _note_unchecked(self, item: int, error: RequestError) -> None:
        self._looking.discard(item)
        log.warning("%s", error)
        self._results[item].error = error
        self._queue.unclear(item, self._clock.now(), sent=False)

    def _note_posted(self, item: int, posted: PostResult) -> None:
        now, result, error = self._clock.now(), self._results[item], posted.error
        result.requested_at, result.asked_at = posted.requested_at, posted.sent_at
        result.error = error
        self._obstacle = ""
        if posted.delivery == "taken":
            result.record = posted.record
            gid = posted.record["gid"]
            self._items.setdefault(gid, []).append(item)  # a cached export may come twice
            self._queue.started(item, gid, now)
        elif _must_wait(self._requests[item], posted):
            alone = posted.delivery != "later"
            self._queue.later(item, now, wait=posted.retry_after, alone=alone)
            self._obstacle = f"Asana says {error.reason[:60]!r}" if error else ""
        elif posted.delivery == "refused":
            self._queue.refused(item)
        else:
            self._queue.unclear(item, now, sent=posted.delivery == "unknown")
        if isinstance(error, AuthenticationError):
            self.failure = self.failure or error

    def _note_polled(self, gid: str, result: ReadResult) -> None:
        if result.error is not None:
            finished = result.error.status in UNREADABLE
        else:
            finished = result.record.get("status") in FINAL_STATUSES
            self._recorder.add(gid, result.record, result.asked_at)
            for item in self._items.get(gid, ()):
                self._results[item].record = result.record
                self._results[item].asked_at = result.asked_at
        if gid in self._queue.running:
            self._queue.polled(gid, self._clock.now(), finished=finished)
        if isinstance(result.error, AuthenticationError):
            self.failure = self.failure or result.error

    def _note_withdrawn(self, item: int, error: BaseException) -> None:
        self._looking.discard(item)
        self._queue.withdraw(item)
        if not isinstance(error, Cancelled):
            self.failure = self.failure or error

    def _note_failure(self, error: BaseException) -> None:
        self.failure = self.failure or error

    def _note_posting_ended(self) -> None:
        self._posting -= 1

    def _wait_for_responses(self) -> None:
        deadline = time.monotonic() + GRACE
        while self._queue.sending and (left := deadline - time.monotonic()) > 0:
            try:
                self._signals.get(timeout=left)
            except queue.Empty:
                break

    def _close(self) -> None:
        self._closed = True
        for item in self._looking:  # no request was sent for those
            self._queue.withdraw(item)
        lost = self._queue.sending
        for item, state in enumerate(self._queue.close()):
            result, request = self._results[item], self._requests[item]
            result.state = state
            if item in lost:
                result.error = _error(request, f"stopped before a response came; {UNKNOWN}")
            elif state == "not_sent" and result.error is None and self._queue.gave_up:
                reason = f"not sent: {MAX_UNCLEAR} requests in a row had no clear response"
                result.error = _error(request, reason)
        _running[self._client.limiter] = self._queue.running


def _must_wait(request: StartRequest, posted: PostResult) -> bool:
    return posted.delivery == "later" or is_in_progress(request.endpoint, posted.error)


def _log(request: StartRequest, posted: PostResult, *, in_time: bool) -> None:
    """Log the outcome of a request; nobody else hears of a job that started too late."""
    if posted.delivery == "taken":
        level = logging.INFO if in_time else logging.WARNING
        gid = posted.record["gid"]
        log.log(level, "%s %s: job %s was started", request.subject, request.gid, gid)
    elif _must_wait(request, posted):
        log.info("%s; it is sent again later", posted.error)
    else:
        log.warning("%s", posted.error)


def _error(request: StartRequest, reason: str) -> NetworkError:
    return NetworkError(
        f"{request.subject} {request.gid}: {reason}.", gid=request.gid, reason=reason
    )


_running: weakref.WeakKeyDictionary[Limiter, tuple[str, ...]] = weakref.WeakKeyDictionary()
"""Jobs started by this process and not yet seen to finish: they count in the next call too."""
