"""A monitor watches jobs until they are finished; it draws nothing."""

from __future__ import annotations

import sys
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any, NoReturn, Self

import pandas as pd

from asana_jobs_pd._http.client import Client, check_client
from asana_jobs_pd._http.default_client import default_client, forget_default
from asana_jobs_pd._http.threads import Clock, RealClock
from asana_jobs_pd._jobs.fetch import ReadResult, fetch_job
from asana_jobs_pd._jobs.ledger import Recorder
from asana_jobs_pd._jobs.schema import Plan
from asana_jobs_pd._monitor.job_table import JobState, JobTable
from asana_jobs_pd._monitor.poller import FINAL_STATES, Poller
from asana_jobs_pd._monitor.schedule import slow_rate_text
from asana_jobs_pd._public import public
from asana_jobs_pd._vocabulary import counts_by_state
from asana_jobs_pd.errors import AsanaJobsError, AuthenticationError, RequestError, TokenError
from asana_jobs_pd.typing import Gids, MonitorState

TICK = 0.1
"""Seconds per wait: on every system an interrupt is noticed between two of them."""


@public
class JobsMonitor:
    """Polls jobs in background threads until all are finished.

    Each job is polled 2 s after the start, then after a quarter of the time since its status last
    changed, at most every 60 s. When the token's limits do not allow that, all delays stretch, and
    `pace` says so. Reads in the foreground go first, and always find a fifth of the limit free.

    A failed request does not end the watching: the monitor keeps trying, less and less often while
    the network is down. A 401 stops it. A job that answers 403 or 404, or five times in a row with
    another refusal such as 400, is not polled any more. Once all jobs are finished, or nobody holds
    the monitor any more, its threads end. They keep no process and no kernel from exiting.

    All methods may be called from any thread, and from callbacks; all properties are snapshots.

    Parameters
    ----------
    jobs
        A frame of jobs, however it was saved or merged, or gids as in `read_asana_jobs`. It is
        copied. Jobs that were never read are polled at once.
    client
        The client to use; None takes, at the start, the one of the last `connect`, else the
        environment's.
    clock
        For tests.

    Raises
    ------
    InvalidFrameError, InvalidGidError
        When `jobs` is not a frame of jobs or gids.

    See Also
    --------
    wait_asana_jobs : Block until jobs are finished.

    Notes
    -----
    A monitor that was started in a notebook cell is stopped when that cell runs again.

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
        self._poller = Poller(JobTable(jobs), clock or RealClock())
        # The poller's own threads end it: a finalizer may run anywhere and must not take locks.
        weakref.finalize(self, _end, self._poller).atexit = False

    def __repr__(self) -> str:
        if not hasattr(self, "_poller"):
            return "<JobsMonitor, not set up>"
        counts = counts_by_state(self.counts)
        state = self.state.replace("_", " ")
        return f"<JobsMonitor of {len(self.jobs):,} jobs, {state}{': ' if counts else ''}{counts}>"

    def __reduce__(self) -> NoReturn:
        raise AsanaJobsError(
            "A JobsMonitor cannot be pickled or copied. Its .frame can, and JobsMonitor(frame) "
            "watches it there."
        )

    def __enter__(self) -> Self:
        self._start()  # the `with` block stops it, not the cell
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def frame(self) -> pd.DataFrame:
        """All rows as last seen: a copy, as `refresh_asana_jobs` would return it."""
        with self._poller.lock:
            return self._poller.table.frame()

    @property
    def history(self) -> pd.DataFrame:
        """The changes of status that were seen, oldest first.

        One row per change: ``gid`` and ``status`` (``string``), and ``at``, when it was asked for
        (``datetime64[us, UTC]``). ``"unreadable"`` stands for 403, 404 and other refusals. Only the
        last changes are kept: ten times as many as jobs, at least 1,000.
        """
        with self._poller.lock:
            return self._poller.table.history_frame()

    @property
    def counts(self) -> dict[str, int]:
        """The number of jobs by status, a repeated gid once, in the order of a job's life.

        ``"unknown"`` counts those without a status yet, ``"unreadable"`` those that cannot be
        read.
        """
        with self._poller.lock:
            return self._poller.table.counts

    @property
    def jobs(self) -> dict[str, JobState]:
        """The state of each job by gid: live, do not modify."""
        return self._poller.table.jobs

    @property
    def state(self) -> MonitorState:
        """What it is doing.

        ``idle`` before the start, ``watching``, ``paused``; ``no_network`` and ``rate_limited``
        while it cannot poll; ``done``, ``stopped`` and ``unauthorized`` when it has ended.
        """
        return self._poller.state

    @property
    def unfinished(self) -> int:
        """The number of jobs that are still polled, a repeated gid once."""
        return self._poller.table.unfinished

    @property
    def failed(self) -> bool:
        """Whether it ended because it could not go on; `last_error` says why."""
        return self._poller.failed

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self.state not in (*FINAL_STATES, "idle")

    @property
    def version(self) -> int:
        """A number that grows with every change of a row, the state or the last error."""
        return self._poller.version

    @property
    def last_error(self) -> str | None:
        """What went wrong last; None once it works again."""
        return self._poller.last_error

    @property
    def refused(self) -> AuthenticationError | None:
        """The error that says that the token was rejected."""
        return self._poller.refused

    @property
    def next_check(self) -> float | None:
        """Seconds until the next request; 0 while one is in flight, None when none will come."""
        return self._poller.next_check()

    @property
    def pace(self) -> str:
        """How often each job is polled, in words, when the limits slow that down; else ""."""
        poller = self._poller
        with poller.lock:
            if poller.limiter is None or not self.running:
                return ""
            return slow_rate_text(poller.schedule, poller.limiter)

    @property
    def requests_used(self) -> int:
        """How many requests of the token, whoever sent them, the last minute holds."""
        limiter = self._poller.limiter
        return 0 if limiter is None else limiter.used()

    @property
    def requests_allowed(self) -> int | None:
        """How many requests per minute the token may send; None for no limit of our own."""
        limiter = self._poller.limiter
        if limiter is None or limiter.budget.allowed == float("inf"):
            return None
        return int(limiter.budget.allowed)

    @property
    def client(self) -> Client | None:
        """The client it uses; None before the start, unless it was given one."""
        return self._client

    def start(self, *, ask: bool = True) -> Self:
        """Begin to watch, or begin again after `stop`; return the monitor.

        Does nothing when it is watching already, or all jobs are finished.

        Parameters
        ----------
        ask
            Whether to prompt for a token where there is none.

        Raises
        ------
        TokenError
            When there is no token.
        NoThreadsError
            When the system cannot start a thread.
        """
        self._start(ask=ask)
        _cells.enter(self, current_cell())
        return self

    def _start(self, *, ask: bool = True) -> None:
        poller = self._poller
        if not poller.table.unfinished:
            poller.finish()
            return
        try:
            client = self._given or default_client(ask=ask)
        except TokenError as error:
            poller.refuse(str(error))
            raise
        self._client = client
        poller.start(_Asker(client, poller.table.plan), client.limiter, Recorder(client))

    def pause(self) -> None:
        """Poll nothing until `resume`; requests in flight still count."""
        self._poller.pause(paused=True)

    def resume(self) -> None:
        """Go on after `pause`."""
        self._poller.pause(paused=False)

    def refresh_now(self) -> None:
        """Poll all unfinished jobs now, as fast as the limits allow; once, when paused."""
        self._poller.poll_now()

    def stop(self) -> None:
        """Stop watching; requests in flight are not waited for."""
        self._poller.stop()
        self._poller.record()

    def wait(self, timeout: float | None = None) -> bool:
        """Return True once it is done, stopped or refused, False after `timeout` seconds."""
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

        A callback that is added after the start first gets all rows that have changed so far.

        Parameters
        ----------
        callback
            Gets a DataFrame: rows and columns as in `frame`. Calls never overlap; changes during
            one come with the next. A method is held weakly, with its object; anything else, such
            as a function, is kept. What it raises is logged and shown in `last_error`.

        Returns
        -------
        callable
            Call it to remove the callback.
        """
        return self._poller.notifier.add("on_change", callback)

    def on_state(self, callback: Callable[[], object]) -> Callable[[], None]:
        """Call back without arguments when `state` or `last_error` changed; else as `on_change`."""
        return self._poller.notifier.add("on_state", callback)


class _Asker:
    """Fetches one job. Must not reference the monitor, so that it can be collected."""

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


Cell = tuple[str, object]
"""A name of the cell, and one of this run of it."""


def current_cell() -> Cell | None:
    """Return the cell that this code runs in, None outside of IPython.

    It is named by the id that the front end sends with the request, else by its source, so that two
    cells with the same text count as one.
    """
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if shell is None or threading.current_thread() is not threading.main_thread():
        return None
    request = getattr(shell, "parent_header", None)
    if isinstance(request, dict) and request.get("header"):
        return _of_request(request)
    sources = getattr(shell.history_manager, "input_hist_raw", None)
    return (f"source {sources[-1]}", shell.execution_count) if sources else None


def _of_request(request: dict[str, Any]) -> Cell | None:
    header = request["header"]
    if (
        header.get("msg_type") != "execute_request"
    ):  # for example a button's handler, which no cell runs again
        return None
    cell_id = (request.get("metadata") or {}).get("cellId")
    name = f"id {cell_id}" if cell_id else f"source {request.get('content', {}).get('code')}"
    return name, header.get("msg_id")


class Cells:
    """What each cell started, held weakly; a new run closes what the previous one started."""

    def __init__(self, close: Callable[[Any], object]) -> None:
        self._close = close
        self._lock = threading.Lock()
        self._runs: dict[str, tuple[object, weakref.WeakSet[Any]]] = {}

    def enter(self, started: object, cell: Cell | None) -> None:
        """Note what a cell started."""
        if cell is None:
            return
        name, run = cell
        with self._lock:
            self._runs = {known: entry for known, entry in self._runs.items() if entry[1]}
            last_run, objects = self._runs.get(name, (run, weakref.WeakSet()))
            outdated = []
            if last_run != run:
                outdated, objects = list(objects), weakref.WeakSet()
            objects.add(started)
            self._runs[name] = (run, objects)
        for each in outdated:
            if each is not started:
                self._close(each)


_cells = Cells(JobsMonitor.stop)
"""The monitors that the cells of this kernel have started."""
