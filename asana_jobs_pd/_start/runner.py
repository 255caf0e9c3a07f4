"""Starts jobs, five at a time: the queue decides, threads of our own send and ask."""

from __future__ import annotations

import logging
import queue
import re
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any

from asana_jobs_pd._http.client import Client
from asana_jobs_pd._http.rate_limit import Cancelled, Limiter
from asana_jobs_pd._http.responses import UNKNOWN, PostResult
from asana_jobs_pd._jobs.fetch import fetch_job
from asana_jobs_pd._jobs.ledger import Recorder
from asana_jobs_pd._jobs.schema import EVERYTHING, FINAL_STATUSES
from asana_jobs_pd._monitor.schedule import Clock, RealClock, Signals
from asana_jobs_pd._start.endpoints import Endpoint
from asana_jobs_pd._start.queue import MOST_DOUBTS, StartQueue
from asana_jobs_pd._start.requests import StartRequest, StartResult
from asana_jobs_pd.errors import AuthenticationError, ClientClosedError, NetworkError, RequestError

__all__ = ["Starter", "is_in_progress"]

_RUNNING = re.compile(r"in[ -]progress|concurrent", re.IGNORECASE)
_ONE_ALREADY = re.compile(r"already|at a time|one export|running|limit", re.IGNORECASE)


def is_in_progress(verb: Endpoint, error: RequestError | None) -> bool:
    """Tell whether Asana refused because of another export or duplication that still runs.

    One resource export a workspace is answered with 403, like what one may not do; Asana's
    words are not documented, so that several are taken for it.
    """
    if error is None or error.status != HTTPStatus.FORBIDDEN:
        return False
    if _RUNNING.search(error.reason):
        return True
    return verb.name == "export_resources" and bool(_ONE_ALREADY.search(error.reason))


log = logging.getLogger("asana_jobs_pd")
TICK = 0.1
GRACE = 0.15
"""Seconds for answers that are on their way when it is stopped."""


class Starter:
    """Sends requests, each once, and watches the jobs that run while others wait.

    Parameters
    ----------
    requests
        What to send, in this order.
    client
        What to send it with.
    clock
        What tells the time.

    Attributes
    ----------
    begun : list of StartResult
        One a request; complete when `run` has ended, however it did.
    refused : AuthenticationError or None
        The answer that the token is not accepted, which ended it.
    failure : BaseException or None
        What else ended it.
    """

    def __init__(
        self, requests: Sequence[StartRequest], client: Client, *, clock: Clock | None = None
    ) -> None:
        self._requests = requests
        self._client = client
        self._clock = clock or RealClock()
        self._queue = StartQueue(len(requests), running=_running.get(client.limiter, ()))
        self._items: dict[str, list[int]] = {}
        self._posting = 0
        self._closed = False
        self._obstacle = ""
        self._lock = threading.Lock()
        self._signals: Signals = queue.SimpleQueue()
        self._stop = threading.Event()
        self._recorder = Recorder(client)
        self.begun = [StartResult() for _ in requests]
        self.refused: AuthenticationError | None = None
        self.failure: BaseException | None = None

    @property
    def decided(self) -> int:
        """How many requests were started, refused, or cannot be told."""
        with self._lock:
            return sum(state is not None for state in self._queue.states)

    @property
    def standing(self) -> str:
        """How it goes, in words."""
        with self._lock:
            words = f"{len(self._queue.running)} running"
            if self._queue.waiting:
                words += f", {self._queue.waiting} waiting"
            return f"{words} ({self._obstacle})" if self._obstacle else words

    def run(self, tick: Callable[[], object], over: Callable[[float], bool]) -> None:
        """Return when all is decided, or `over` says so of the time; call `tick` meanwhile.

        Raises
        ------
        KeyboardInterrupt
            After what came until then was taken down.
        """
        try:
            while not self._finished() and not over(self._clock.now()):
                self._hand_out()
                self._clock.wait(self._signals, self._pause())
                tick()
        finally:
            self._stop.set()
            self._client.limiter.wake()
            try:
                self._wait_for_answers()
            finally:
                with self._lock:
                    self._settle()
                self._recorder.write()

    def _finished(self) -> bool:
        with self._lock:
            ended = self.refused is not None or self.failure is not None
            return ended or (self._queue.done and not self._posting)

    def _pause(self) -> float:
        with self._lock:
            return min(self._queue.wait(self._clock.now()), TICK)

    def _hand_out(self) -> None:
        with self._lock:
            now = self._clock.now()
            while (item := self._queue.take(now)) is not None:
                self._posting += 1
                if not _in_thread(self._post, item):
                    self._posting -= 1
                    self._queue.withdraw(item)
                    self.failure = RuntimeError("the system has no more threads")
                    return
            while (gid := self._queue.ask(now)) is not None:
                if not _in_thread(self._ask, gid):
                    self._queue.seen(gid, now, over=False)

    # In threads of their own, which no interrupt reaches: what came is taken down by them

    def _post(self, item: int) -> None:
        request = self._requests[item]
        try:
            posted = self._client.post_job(
                request.path,
                request.body,
                subject=request.verb.what,
                gid=request.gid,
                stop=self._stop,
            )
            in_time = self._tell(self._note_posted, item, posted)
            if posted.delivery == "taken":
                gid = posted.record["gid"]
                if not in_time:
                    log.warning("%s %s: job %s was started", request.verb.what, request.gid, gid)
                self._recorder.add(gid, posted.record, posted.sent_at, request.gid)
                self._recorder.write()  # nobody else knows this gid
            if posted.record.get("status") in FINAL_STATUSES:  # nobody would read all of it later
                self._ask(posted.record["gid"])
        except (Cancelled, ClientClosedError) as error:  # before it was sent
            self._tell(self._note_withdrawn, item, error)
        except BaseException as error:  # noqa: BLE001  it is raised again where it is seen
            self._tell(self._note_failure, error)
        finally:
            self._tell(self._note_posting_over)

    def _ask(self, gid: str) -> None:
        try:
            asked_at = time.time_ns() // 1000
            answer = fetch_job(gid, EVERYTHING, self._client, stop=self._stop, background=True)
            self._tell(self._note_answer, gid, answer, asked_at)
        except Cancelled:
            pass
        except BaseException as error:  # noqa: BLE001  as above
            self._tell(self._note_failure, error)

    def _tell(self, note: Callable[..., None], *what: object) -> bool:
        """Take something down, unless it is too late; return whether it was in time."""
        with self._lock:
            in_time = not self._closed
            if in_time:
                note(*what)
        self._signals.put("news")
        return in_time

    def _note_posted(self, item: int, posted: PostResult) -> None:
        now, begun, error = self._clock.now(), self.begun[item], posted.error
        begun.requested_at, begun.asked_at = posted.requested_at, posted.sent_at
        begun.error = error
        self._obstacle = ""
        if posted.delivery == "taken":
            begun.record = posted.record
            gid = posted.record["gid"]
            self._items.setdefault(gid, []).append(item)  # out of a cache, one may come twice
            self._queue.started(item, gid, now)
        elif posted.delivery == "later" or is_in_progress(self._requests[item].verb, error):
            alone = posted.delivery != "later"
            self._queue.later(item, now, wait=posted.retry_after, alone=alone)
            self._obstacle = f"Asana says {error.reason[:60]!r}" if error else ""
        elif posted.delivery == "refused":
            self._queue.refused(item)
        else:
            self._queue.unclear(item, now, sent=posted.delivery == "unknown")
        if isinstance(error, AuthenticationError):
            self.refused = error

    def _note_answer(self, gid: str, answer: dict[str, Any] | RequestError, asked_at: int) -> None:
        if isinstance(answer, RequestError):
            over = answer.status in _UNREADABLE
        else:
            over = answer.get("status") in FINAL_STATUSES
            self._recorder.add(gid, answer, asked_at)
            for item in self._items.get(gid, ()):
                self.begun[item].record, self.begun[item].asked_at = answer, asked_at
        if gid in self._queue.running:
            self._queue.seen(gid, self._clock.now(), over=over)
        if isinstance(answer, AuthenticationError):
            self.refused = answer

    def _note_withdrawn(self, item: int, error: Exception) -> None:
        self._queue.withdraw(item)
        if isinstance(error, ClientClosedError):
            self.failure = error

    def _note_failure(self, error: BaseException) -> None:
        self.failure = self.failure or error

    def _note_posting_over(self) -> None:
        self._posting -= 1

    def _wait_for_answers(self) -> None:
        deadline = time.monotonic() + GRACE
        while self._queue.sending and (left := deadline - time.monotonic()) > 0:
            try:
                self._signals.get(timeout=left)
            except queue.Empty:
                break

    def _settle(self) -> None:
        self._closed = True
        lost = self._queue.sending
        for item, state in enumerate(self._queue.close()):
            begun = self.begun[item]
            begun.state = state
            if item in lost:
                begun.error = _error(
                    self._requests[item], f"ended before an answer came; {UNKNOWN}"
                )
            elif state == "not_sent" and begun.error is None and self._queue.gave_up:
                why = f"not sent: {MOST_DOUBTS} requests in a row had no clear answer"
                begun.error = _error(self._requests[item], why)
        _running[self._client.limiter] = self._queue.running


def _in_thread(work: Callable[..., None], subject: object) -> bool:
    thread = threading.Thread(target=work, args=(subject,), name="asana-jobs-start", daemon=True)
    try:
        thread.start()
    except RuntimeError:
        return False
    return True


def _error(request: StartRequest, reason: str) -> NetworkError:
    return NetworkError(
        f"{request.verb.what} {request.gid}: {reason}.", gid=request.gid, reason=reason
    )


_UNREADABLE = frozenset(range(400, 500)) - {401, 408, 429}
"""Answers that will not change: such a job does not keep others waiting."""
_running: weakref.WeakKeyDictionary[Limiter, tuple[str, ...]] = weakref.WeakKeyDictionary()
"""Jobs that this process has started and not seen end: they count in the next call, too."""
