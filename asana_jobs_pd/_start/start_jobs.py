"""Starts jobs: the queue decides, threads send and poll, and every parent gets its row."""

from __future__ import annotations

import contextlib
import logging
import math
import queue
import re
import threading
import time
import weakref
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any

import pandas as pd

from asana_jobs_pd._http.client import Client
from asana_jobs_pd._http.default_client import default_client
from asana_jobs_pd._http.rate_limit import Cancelled, Limiter
from asana_jobs_pd._http.redaction import clean
from asana_jobs_pd._http.responses import UNKNOWN, PostResult
from asana_jobs_pd._http.threads import Clock, RealClock, Signals, start_thread
from asana_jobs_pd._jobs.frame import ReadResult
from asana_jobs_pd._jobs.ledger import Recorder
from asana_jobs_pd._jobs.read import frame_or_raise, read_one, run_to_end
from asana_jobs_pd._jobs.schema import EVERYTHING, FINAL_STATUSES
from asana_jobs_pd._jobs.states import is_cached
from asana_jobs_pd._progress import Progress
from asana_jobs_pd._start.endpoints import ENDPOINTS
from asana_jobs_pd._start.queue import MAX_UNCLEAR, StartQueue
from asana_jobs_pd._start.recent import UNREADABLE, RecentJobs, parse_max_age
from asana_jobs_pd._start.requests import (
    StartOptions,
    StartRequest,
    StartResult,
    check_options,
    parse_parents,
    plan_requests,
    requests_frame,
    started_frame,
)
from asana_jobs_pd.errors import (
    AsanaStartWarning,
    AuthenticationError,
    ClientClosedError,
    NetworkError,
    NoThreadsError,
    PartialStartError,
    StartInterrupted,
    StartStoppedError,
)
from asana_jobs_pd.typing import Gids, StartState

log = logging.getLogger("asana_jobs_pd")

TICK = 0.1
GRACE = 0.15
"""Seconds allowed for responses on their way when it is stopped."""
MAX_SHOWN = 3
_NOT_SENT = (Cancelled, ClientClosedError, NoThreadsError)
"""What is raised instead of sending a request."""
_PARENTS = 'frame.loc[frame["source.state"] == "{}", "source.gid"]'

_running: weakref.WeakKeyDictionary[Limiter, tuple[str, ...]] = weakref.WeakKeyDictionary()
"""Jobs started by this process and not yet seen to finish: they count in the next call too."""


def start_jobs(
    name: str,
    parents: Gids,
    values: Mapping[str, Any],
    options: StartOptions,
    clock: Clock | None = None,
    *,
    max_age: object = None,
) -> pd.DataFrame:
    """Do what the function of that name in `asana_jobs_pd` does."""
    check_options(name, options)
    age = None if max_age is None else parse_max_age(max_age)
    endpoint = ENDPOINTS[name]
    rows = plan_requests(endpoint, parse_parents(endpoint, parents), values)
    unique = list(dict.fromkeys(rows))
    if options.get("dry_run"):
        return requests_frame(unique)
    if not rows:
        return started_frame([], [])
    start = Start(unique, options, age, clock or RealClock())
    return run_to_end(start.run, lambda interrupted: start.finish(rows, interrupted))


class Start:
    """One call: it sends the requests, each once, and polls the jobs that run while others wait.

    Threads, which no interrupt reaches, record each response with the lock held; the main thread
    only decides and waits. So `results` is complete whenever and however `run` ends.
    """

    _recorder: Recorder

    def __init__(
        self,
        requests: Sequence[StartRequest],
        options: StartOptions,
        max_age: float | None,
        clock: Clock,
    ) -> None:
        self._requests = requests
        self._name = requests[0].endpoint.name
        self._options, self._max_age, self._clock = options, max_age, clock
        self._client: Client | None = None
        self._bar = Progress(len(requests), self._name, options.get("progress"))
        self.results = [StartResult() for _ in requests]
        self._queue = StartQueue(len(requests))
        self._recent: RecentJobs | None = None
        self._items_of: dict[str, list[int]] = {}
        self._unsent: set[int] = set()
        self._lost: set[int] = set()
        self._busy = 0
        self._obstacle = self._ending = ""
        self._failure: BaseException | None = None
        self._closed = False
        self._lock, self._stop = threading.Lock(), threading.Event()
        self._signals: Signals = queue.SimpleQueue()

    def run(self) -> None:
        """Send the requests until all are decided, it is stopped, or its time is up."""
        client = self._options.get("client") or default_client()
        if self._max_age is not None:
            self._recent = RecentJobs(self._requests, client, self._max_age)
        self._recorder = Recorder(client)
        self._queue = StartQueue(len(self._requests), running=_running.get(client.limiter, ()))
        self._client = client
        timeout, shown = self._options.get("timeout"), None
        deadline = math.inf if timeout is None else self._clock.now() + timeout
        try:
            with self._bar:
                while not self._is_over(deadline):
                    self._clock.wait(self._signals, self._dispatch(client))
                    shown = self._show(shown)
        except Exception as error:  # noqa: BLE001  no gid may be lost, whatever it is
            self._failure = self._failure or error

    def _is_over(self, deadline: float) -> bool:
        with self._lock:
            if self._failure is not None or (self._queue.done and not self._busy):
                return True
        stop = self._options.get("stop")
        if stop is not None and stop.is_set():
            self._ending = "Stopped"
        elif self._clock.now() >= deadline:
            self._ending = f"Not done within {self._options.get('timeout'):g} s"
        return bool(self._ending)

    def _show(self, shown: object) -> object:
        """Update the bar after a change, or after a second; return what it shows."""
        with self._lock:
            decided = sum(state is not None for state in self._queue.states)
            text = f"{self._name}: {len(self._queue.running)} running"
            if self._queue.waiting:
                text += f", {len(self._queue.waiting)} waiting"
            if self._obstacle:
                text += f" ({self._obstacle})"
        now = (decided, text, int(time.monotonic()))
        if now != shown:
            self._bar.set_label(text)
            self._bar.tick(decided)
        return now

    def _dispatch(self, client: Client) -> float:
        """Send and poll what is due; return the seconds to wait."""
        with self._lock:
            now = self._clock.now()
            while self._failure is None and (item := self._queue.take(now)) is not None:
                self._busy += 1
                if self._recent is not None:
                    self._unsent.add(item)
                try:
                    start_thread(self._take_or_post, "asana-jobs-start", client, item)
                except NoThreadsError as error:
                    self._busy -= 1
                    self._note_exception(item, error)
            while (gid := self._queue.take_poll(now)) is not None:
                try:
                    start_thread(self._poll, "asana-jobs-start", client, gid)
                except NoThreadsError:
                    self._queue.polled(gid, now, finished=False)
            return min(self._queue.wait(self._clock.now()), TICK)

    # In threads

    @contextlib.contextmanager
    def _noting(self) -> Iterator[bool]:
        """Hold the lock; yield whether results still count. The main thread hears of it."""
        with self._lock:
            yield not self._closed
        self._signals.put("news")

    def _take_or_post(self, client: Client, item: int) -> None:
        """Take a recent job, or start one."""
        try:
            if self._recent is None or self._find_none(item, self._recent):
                self._post(client, item, self._requests[item])
        except BaseException as error:  # noqa: BLE001  it is raised again by the caller
            with self._noting() as in_time:
                if in_time:
                    self._note_exception(item, error)
        finally:
            with self._noting():
                self._busy -= 1

    def _find_none(self, item: int, recent: RecentJobs) -> bool:
        """Take a recent job if there is one; return whether one is to be started instead."""
        found = recent.find(self._requests[item], self._stop)
        with self._noting() as in_time:
            self._unsent.discard(item)
            if found is not None and in_time:
                self._note_found(item, found)
        return found is None and in_time

    def _post(self, client: Client, item: int, request: StartRequest) -> None:
        posted = client.post_job(
            request.path, request.body, subject=request.subject, gid=request.gid, stop=self._stop
        )
        with self._noting() as in_time:
            if in_time:
                self._note_posted(item, posted)
        _log(request, posted, in_time=in_time)
        if posted.delivery == "taken":
            gid, start = posted.record["gid"], (request.gid, request.fingerprint)
            self._recorder.add(gid, posted.record, posted.sent_at, start)
            self._recorder.write()
        if posted.record.get("status") in FINAL_STATUSES:  # nobody would read all of it later
            self._poll(client, posted.record["gid"])

    def _poll(self, client: Client, gid: str) -> None:
        try:
            job = read_one(gid, EVERYTHING, client, stop=self._stop, background=True)
            with self._noting() as in_time:
                if in_time:
                    self._note_polled(gid, job)
        except Cancelled:
            pass
        except BaseException as error:  # noqa: BLE001  as above
            with self._noting():
                self._failure = self._failure or error

    # With the lock held

    def _note_found(self, item: int, job: ReadResult) -> None:
        """Take a job that was started before; with an error, nobody knows whether there is one."""
        now, request = self._clock.now(), self._requests[item]
        self.results[item].job = job
        if job.error is not None:
            log.warning("%s", job.error)
            self._queue.unclear(item, now, sent=False)
            return
        gid = job.record["gid"]
        log.info("%s %s: the recent job %s is taken", request.subject, request.gid, gid)
        self._recorder.add(gid, job.record, job.asked_at)
        self._items_of.setdefault(gid, []).append(item)
        self._queue.started(item, gid, now, taken=True)
        if job.record.get("status") in FINAL_STATUSES:
            self._queue.polled(gid, now, finished=True)

    def _note_posted(self, item: int, posted: PostResult) -> None:
        now, result, error = self._clock.now(), self.results[item], posted.error
        result.requested_at = posted.requested_at
        result.job = ReadResult(posted.sent_at, posted.record, error)
        self._obstacle = ""
        if posted.delivery == "taken":
            gid = posted.record["gid"]
            self._items_of.setdefault(gid, []).append(item)  # a cached export may come twice
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
            self._failure = self._failure or error

    def _note_polled(self, gid: str, job: ReadResult) -> None:
        if job.error is not None:
            finished = job.error.status in UNREADABLE
        else:
            finished = job.record.get("status") in FINAL_STATUSES
            self._recorder.add(gid, job.record, job.asked_at)
            for item in self._items_of.get(gid, ()):
                self.results[item].job = job
        if gid in self._queue.running:
            self._queue.polled(gid, self._clock.now(), finished=finished)
        if isinstance(job.error, AuthenticationError):
            self._failure = self._failure or job.error

    def _note_exception(self, item: int, error: BaseException) -> None:
        if item in self._unsent or isinstance(error, _NOT_SENT):
            self._unsent.discard(item)
            self._queue.withdraw(item)
        if not isinstance(error, Cancelled):
            self._failure = self._failure or error

    # At the end

    def _close(self) -> None:
        """Stop, wait a moment for responses on their way, and decide what is still open."""
        if self._client is None:  # an interrupt at the prompt for a token
            return
        self._stop.set()
        self._client.limiter.wake()
        deadline = time.monotonic() + GRACE
        while self._queue.sending and (left := deadline - time.monotonic()) > 0:
            with contextlib.suppress(queue.Empty):
                self._signals.get(timeout=left)
        with self._lock:
            self._closed = True
            for item in self._unsent & self._queue.sending:
                self._queue.withdraw(item)
            self._lost |= self._queue.sending
            for item, state in enumerate(self._queue.close()):
                self._decide(item, state)
            _running[self._client.limiter] = tuple(self._queue.running)
        self._recorder.write()

    def _decide(self, item: int, state: StartState) -> None:
        result, request = self.results[item], self._requests[item]
        result.state = state
        if item in self._lost:
            reason = f"stopped before a response came; {UNKNOWN}"
        elif state == "not_sent" and result.job.error is None and self._queue.gave_up:
            reason = f"not sent: {MAX_UNCLEAR} requests in a row had no clear response"
        else:
            return
        message = f"{request.subject} {request.gid}: {reason}."
        result.job = ReadResult(error=NetworkError(message, gid=request.gid, reason=reason))

    def finish(self, rows: Sequence[StartRequest], interrupted: bool) -> pd.DataFrame:
        """Return one row per parent, with warnings of what matters, or raise how it ended.

        It may be called again, when an interrupt strikes in the middle.
        """
        self._close()
        results = dict(zip(self._requests, self.results, strict=True))
        frame = started_frame(rows, [results[row] for row in rows])
        error, texts = self._error(frame, interrupted), []
        if error is None and not self._complete:
            texts.append(self._summary(frame, examples=True))
        if (cached := int(is_cached(frame).sum())) > 0:
            texts.append(
                f"{cached} of {len(frame)} exports come from Asana's cache: they were completed "
                "before they were requested, up to 4 hours ago. frame.asana.cached shows them."
            )
        if self._recent is not None and not self._recent.known:
            loopback = self._client is not None and self._client.loopback
            remedy = " None is kept of a loopback address unless ASANA_JOBS_LEDGER names a file."
            texts.append(
                "max_age has no effect: there is no ledger of the jobs that this machine has "
                f"started; recent_jobs() would list them.{remedy if loopback else ''}"
            )
        warnings = [(text, AsanaStartWarning) for text in texts]
        return frame_or_raise(frame, error, self._client, warnings)

    @property
    def _complete(self) -> bool:
        return all(result.state in ("started", "taken") for result in self.results)

    def _error(self, frame: pd.DataFrame, interrupted: bool) -> BaseException | None:
        errors = {error.gid: error for result in self.results if (error := result.job.error)}
        summary = self._summary(frame)
        if interrupted:
            return StartInterrupted(f"Interrupted: {summary}")
        if isinstance(self._failure, AuthenticationError):
            return self._failure
        if self._failure is not None:
            kind, reason = type(self._failure).__name__, clean(str(self._failure)).rstrip(".")
            return StartStoppedError(f"{kind}: {reason}. {summary}", errors=errors)
        if self._ending:
            return StartStoppedError(f"{self._ending}: {summary}", errors=errors)
        if self._options.get("errors") == "raise" and not self._complete:
            summary = self._summary(frame, examples=True)
            return PartialStartError(summary, errors=errors)
        return None

    def _summary(self, frame: pd.DataFrame, *, examples: bool = False) -> str:
        counts = frame["source.state"].value_counts()
        unknown = "look in Asana for what they create before you start them again"
        if self._name.startswith("export_"):
            unknown = f"can be started again without harm: {_PARENTS.format('unknown')}"
        hints = {
            "taken": "",
            "refused": "",
            "unknown": f" ({unknown})",
            "not_sent": f" (can be started again: {_PARENTS.format('not_sent')})",
        }
        parts = [f"{counts.get('started', 0)} of {len(frame)} jobs were started"]
        parts += [
            f"{state.replace('_', ' ')}: {counts[state]}{hint}"
            for state, hint in hints.items()
            if state in counts
        ]
        lines = [f"{'; '.join(parts)}. There is a row for each parent in the frame."]
        if examples:
            errors = [result.job.error for result in self.results if result.job.error]
            lines += [f"  {error}" for error in errors[:MAX_SHOWN]]
        return "\n".join(lines)


_IN_PROGRESS = re.compile(r"in[ -]progress|concurrent", re.IGNORECASE)
_ONE_ALREADY = re.compile(r"already|at a time|one export|running|limit", re.IGNORECASE)


def _must_wait(request: StartRequest, posted: PostResult) -> bool:
    """Return whether Asana refused because another export or duplication is still running.

    A second resource export of a workspace gets a 403, as missing permissions do; the message is
    not documented, so several wordings are recognized.
    """
    error = posted.error
    if posted.delivery == "later" or error is None or error.status != HTTPStatus.FORBIDDEN:
        return posted.delivery == "later"
    if _IN_PROGRESS.search(error.reason):
        return True
    resources = request.endpoint.name == "export_resources"
    return resources and bool(_ONE_ALREADY.search(error.reason))


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
