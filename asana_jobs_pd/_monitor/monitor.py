"""Watches jobs until they are finished, without drawing anything."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable
from types import TracebackType
from typing import NoReturn, Self

import pandas as pd

from asana_jobs_pd._http.client import Client, check_client, default_client, forget_default
from asana_jobs_pd._jobs.fetch import ReadResult, fetch_job
from asana_jobs_pd._jobs.fields import Plan
from asana_jobs_pd._jobs.ledger import Recorder
from asana_jobs_pd._monitor.job_table import JobState, JobTable
from asana_jobs_pd._monitor.notebook_cell import Cells, current_cell
from asana_jobs_pd._monitor.poller import FINAL, Poller
from asana_jobs_pd._monitor.schedule import Clock, RealClock, pace_in_words
from asana_jobs_pd._public import public
from asana_jobs_pd.errors import AsanaJobsError, AuthenticationError, RequestError, TokenError
from asana_jobs_pd.typing import Gids, MonitorState

__all__ = ["JobsMonitor", "Standing"]


class Standing:
    """How the jobs and their watching stand."""

    def __init__(self, poller: Poller) -> None:
        self._poller = poller

    @property
    def frame(self) -> pd.DataFrame:
        """All rows as they stand: a copy, as `refresh_asana_jobs` would return it."""
        with self._poller.lock:
            return self._poller.board.frame()

    @property
    def history(self) -> pd.DataFrame:
        """The changes of status that were seen, oldest first.

        One row a change: ``gid`` and ``status`` (``string``), and ``at``, when it was asked for
        (``datetime64[us, UTC]``). ``"unreadable"`` stands for 403, 404 and what else ended a row.
        The last changes are kept: ten times as many as jobs, at least 1,000.
        """
        with self._poller.lock:
            return self._poller.board.history_frame()

    @property
    def counts(self) -> dict[str, int]:
        """How many jobs are in each status, a repeated gid once, in the order of a job's life.

        ``"unknown"`` counts those without a status yet, ``"unreadable"`` those that cannot be
        read.
        """
        with self._poller.lock:
            return self._poller.board.counts

    @property
    def jobs(self) -> dict[str, JobState]:
        """What is known of each job, by gid; live, not to be changed."""
        return self._poller.board.jobs

    @property
    def state(self) -> MonitorState:
        """What it is doing.

        ``idle`` before the start, ``watching``, ``paused``; ``no_network`` and ``rate_limited``
        while it cannot; ``done``, ``stopped`` and ``unauthorized`` when it has ended.
        """
        return self._poller.state

    @property
    def unfinished(self) -> int:
        """How many jobs are still asked for, a repeated gid once."""
        return self._poller.board.open

    @property
    def failed(self) -> bool:
        """Whether it ended because it could not go on; `last_error` says why."""
        return self._poller.failed

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self.state not in (*FINAL, "idle")

    @property
    def version(self) -> int:
        """A number that grows with every change of a row, the state or the last error."""
        return self._poller.version

    @property
    def last_error(self) -> str | None:
        """What went wrong last, in words; None when it went well again."""
        return self._poller.last_error

    @property
    def refused(self) -> AuthenticationError | None:
        """The answer that the token is not accepted."""
        return self._poller.refused

    @property
    def next_check(self) -> float | None:
        """Seconds until the next request; 0 while one is under way, None when none will come."""
        return self._poller.next_check()

    @property
    def pace(self) -> str:
        """How often each job is asked for, in words, when the budget does not carry more; or ""."""
        poller = self._poller
        with poller.lock:
            if poller.limiter is None or not self.running:
                return ""
            return pace_in_words(poller.schedule, poller.limiter)

    @property
    def requests_used(self) -> int:
        """How many requests of the token, whoever sent them, the last minute holds."""
        limiter = self._poller.limiter
        return 0 if limiter is None else limiter.used()

    @property
    def requests_allowed(self) -> int | None:
        """How many requests a minute the token may send; None for no limit of our own."""
        limiter = self._poller.limiter
        if limiter is None or limiter.budget.allowed == float("inf"):
            return None
        return int(limiter.budget.allowed)


TICK = 0.1


@public
class JobsMonitor(Standing):
    """Asks for jobs again and again, in threads of its own, until all are finished.

    Each job is asked for 2 s after the start, then more and more rarely, after a quarter of the
    time since something last happened to it, at most 60 s. When the token's budget does not
    carry that, all delays stretch, and `pace` says so. Reads in the foreground go first, and
    find a fifth of the budget free.

    A request that fails is a state, not an end: the monitor goes on, more and more slowly while
    the network is gone. A 401 stops it. A job that answers 403 or 404, or five times in a row
    another refusal such as 400, is not asked for any more. When all are finished, it is done
    and its threads end, as they do when nobody holds the monitor any more. They keep no process
    and no kernel from ending.

    All methods may be called from any thread, and from callbacks; all properties are snapshots.

    Parameters
    ----------
    jobs
        A frame of jobs, wherever it has been, or gids as in `read_asana_jobs`. It is copied.
        Jobs that were never read are asked for at once.
    client
        What to ask with; None takes, at the start, the one of the last `connect`, else the
        environment's.
    clock
        What tells the time, for tests.

    Raises
    ------
    InvalidFrameError, InvalidGidError
        When these are no jobs.

    See Also
    --------
    wait_asana_jobs : The same, when there is nothing else to do meanwhile.

    Notes
    -----
    Started in a notebook's cell, it is stopped when that cell runs again.

    Examples
    --------
    >>> import asana_jobs_pd as aj
    >>> from asana_jobs_pd.sandbox import Sandbox
    >>> with Sandbox(time_scale=100) as asana:
    ...     client = aj.connect(asana.token, base_url=asana.base_url)
    ...     with aj.JobsMonitor(asana.gids(3), client=client) as monitor:
    ...         monitor.wait()
    True
    >>> monitor
    <JobsMonitor of 3 jobs, done: 3 succeeded>
    """

    def __init__(
        self, jobs: Gids, *, client: Client | None = None, clock: Clock | None = None
    ) -> None:
        check_client(client)
        self._given = self._client = client
        super().__init__(Poller(JobTable(jobs), clock or RealClock()))
        # The poller's own threads end it: a finalizer may run anywhere, so it must not lock.
        weakref.finalize(self, _end, self._poller).atexit = False

    def __repr__(self) -> str:
        counts = ", ".join(
            f"{count:,} {status.replace('_', ' ')}" for status, count in self.counts.items()
        )
        state = self.state.replace("_", " ")
        jobs = len(self._poller.board.jobs)
        return f"<JobsMonitor of {jobs:,} jobs, {state}{': ' if counts else ''}{counts}>"

    def __reduce__(self) -> NoReturn:
        raise AsanaJobsError(
            "A JobsMonitor is never pickled or copied, since its threads would not come along; "
            "its .frame is, and JobsMonitor(frame) watches it there."
        )

    def __enter__(self) -> Self:
        self._start()  # not the cell's to stop: the block does
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self, *, ask: bool = True) -> Self:
        """Begin to watch, or begin again after `stop`; return the monitor.

        Sends one request for each job that is not finished, again and again. Does nothing when
        it is watching already, or all jobs are finished.

        Parameters
        ----------
        ask
            Whether a person may be asked for the token, where there is none.

        Raises
        ------
        TokenError
            When there is no token.
        """
        self._start(ask=ask)
        _cells.enter(self, current_cell())
        return self

    def _start(self, *, ask: bool = True) -> None:
        poller = self._poller
        if not poller.board.open:
            poller.finish()
            return
        try:
            client = self._given or default_client(ask=ask)
        except TokenError as error:
            poller.refuse(str(error))
            raise
        self._client = client
        poller.start(_Asker(client, poller.board.plan), client.limiter, Recorder(client))

    def pause(self) -> None:
        """Ask for nothing until `resume`; requests that are under way still count."""
        self._poller.pause(paused=True)

    def resume(self) -> None:
        """Go on after `pause`."""
        self._poller.pause(paused=False)

    def refresh_now(self) -> None:
        """Ask for all unfinished jobs now, as fast as the limits allow; once, when paused."""
        self._poller.hurry()

    def stop(self) -> None:
        """End the watching; requests that are under way are not waited for."""
        self._poller.stop()
        self._poller.record()

    def wait(self, timeout: float | None = None) -> bool:
        """Return True when it is done, stopped or refused, False after `timeout` seconds."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while not self._poller.finished.is_set():
            left = TICK if deadline is None else min(TICK, deadline - time.monotonic())
            if left <= 0:
                return False
            self._poller.finished.wait(left)
        self._poller.record()
        return True

    def on_change(self, callback: Callable[[pd.DataFrame], object]) -> Callable[[], None]:
        """Call back with the rows that changed, and only these, from a thread of the monitor.

        Parameters
        ----------
        callback
            Gets a DataFrame: rows and columns as in `frame`. Calls never overlap; changes during
            one come with the next. A method is held weakly, with its object; what else there
            is, such as a function, is kept. What it raises is logged and told in `last_error`.

        Returns
        -------
        callable
            Call it to hear no more.
        """
        return self._poller.teller.changes.add(callback)

    def on_state(self, callback: Callable[[], object]) -> Callable[[], None]:
        """Call back without arguments when `state` or `last_error` changed; else as `on_change`."""
        return self._poller.teller.states.add(callback)

    @property
    def client(self) -> Client | None:
        """What it asks with; None before the start, unless it was given one."""
        return self._client


class _Asker:
    """Asks for one job; what it holds of the monitor is nothing."""

    def __init__(self, client: Client, plan: Plan) -> None:
        self._client = client
        self._plan = plan

    def __call__(self, gid: str, stop: threading.Event) -> ReadResult:
        asked_at = time.time_ns() // 1000
        result = fetch_job(gid, self._plan, self._client, stop=stop, background=True)
        if isinstance(result, AuthenticationError):
            forget_default(self._client)
        if isinstance(result, RequestError):
            return ReadResult(asked_at, error=result)
        return ReadResult(asked_at, result)


def _end(poller: Poller) -> None:
    poller.signals.put("end")


_cells = Cells(JobsMonitor.stop)
"""The monitors that the cells of this kernel have started."""
