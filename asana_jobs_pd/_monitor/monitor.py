"""A monitor watches jobs until they are finished; it draws nothing."""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable
from typing import NoReturn, Self

import pandas as pd

from asana_jobs_pd._http.client import Client, check_client
from asana_jobs_pd._http.default_client import default_client
from asana_jobs_pd._http.threads import Clock, RealClock
from asana_jobs_pd._monitor.job_table import JobTable
from asana_jobs_pd._monitor.notebook_cells import Cells, current_cell
from asana_jobs_pd._monitor.poller import Poller
from asana_jobs_pd._monitor.snapshots import MonitorSnapshots
from asana_jobs_pd._public import public
from asana_jobs_pd._vocabulary import counts_by_state
from asana_jobs_pd.errors import AsanaJobsError, TokenError
from asana_jobs_pd.typing import Gids

TICK = 0.1
"""Seconds per wait: on every system an interrupt is noticed between two of them."""


@public
class JobsMonitor(MonitorSnapshots):
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
        If `jobs` is not a frame of jobs or gids.

    See Also
    --------
    wait_asana_jobs : Block until jobs are finished.
    JobsWidget : The same, to look at in a notebook.

    Notes
    -----
    A monitor that was started in a notebook cell is stopped when that cell runs again.

    Examples
    --------
    >>> with aj.JobsMonitor(gids) as monitor:
    ...     monitor.wait()
    True
    >>> monitor
    <JobsMonitor of 8 jobs, done: 8 succeeded>
    """

    def __init__(
        self, jobs: Gids, *, client: Client | None = None, clock: Clock | None = None
    ) -> None:
        check_client(client)
        self._client = client
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

    def start(self, *, ask: bool = True) -> Self:
        """Begin to watch, or begin again after `stop`.

        Does nothing when it is watching already, or all jobs are finished. ``with`` calls it, and
        `stop` at the end.

        Parameters
        ----------
        ask
            Whether to prompt for a token where there is none.

        Returns
        -------
        JobsMonitor
            The monitor itself.

        Raises
        ------
        TokenError
            If there is no token.
        NoThreadsError
            If the system cannot start a thread.

        See Also
        --------
        JobsMonitor.stop : End it.

        Examples
        --------
        >>> watching = aj.JobsMonitor(gids).start()
        >>> watching.wait()
        True
        """
        self._start(ask=ask)
        _cells.enter(self, current_cell())
        return self

    def _start(self, *, ask: bool = True) -> None:
        poller = self._poller
        if not poller.table.unfinished:
            poller.end("done")
            return
        try:
            client = self._client or default_client(ask=ask)
        except TokenError as error:
            poller.end("unauthorized", str(error))
            raise
        poller.start(client)

    def pause(self) -> None:
        """Poll nothing until `resume`; requests in flight still count.

        See Also
        --------
        JobsMonitor.resume : Go on.

        Examples
        --------
        >>> with aj.JobsMonitor(running) as watching:
        ...     watching.pause()
        ...     watching.state
        'paused'
        """
        self._poller.pause(paused=True)

    def resume(self) -> None:
        """Go on after `pause`.

        See Also
        --------
        JobsMonitor.pause : Poll nothing until then.

        Examples
        --------
        >>> with aj.JobsMonitor(running) as watching:
        ...     watching.pause()
        ...     watching.resume()
        ...     watching.state
        'watching'
        """
        self._poller.pause(paused=False)

    def refresh_now(self) -> None:
        """Poll all unfinished jobs now, as fast as the limits allow; once, when paused.

        See Also
        --------
        JobsMonitor.next_check : When it would poll by itself.

        Examples
        --------
        >>> with aj.JobsMonitor(asana.gids(3, start=300)) as watching:
        ...     asana.finish(*asana.gids(3, start=300))
        ...     watching.refresh_now()
        ...     watching.wait()
        True
        """
        self._poller.poll_now()

    def stop(self) -> None:
        """Stop watching; requests in flight are not waited for.

        See Also
        --------
        JobsMonitor.start : Begin again.

        Examples
        --------
        >>> watching = aj.JobsMonitor(running).start()
        >>> watching.stop()
        >>> watching.state
        'stopped'
        """
        self._poller.end("stopped")
        self._poller.record()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is done, stopped or refused.

        Parameters
        ----------
        timeout
            The maximum number of seconds to wait; None waits as long as it takes.

        Returns
        -------
        bool
            True when it has ended, False after `timeout` seconds.

        See Also
        --------
        wait_asana_jobs : Wait, and return the frame.

        Examples
        --------
        >>> monitor.wait(timeout=60)
        True
        """
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

        See Also
        --------
        JobsMonitor.on_state : The same for the state.

        Examples
        --------
        >>> import queue
        >>> changes = queue.Queue()
        >>> with aj.JobsMonitor(gids) as watching:
        ...     remove = watching.on_change(changes.put)
        ...     changes.get(timeout=60)["status"].unique().tolist()
        ['succeeded']
        """
        return self._poller.notifier.add("on_change", callback)

    def on_state(self, callback: Callable[[], object]) -> Callable[[], None]:
        """Call back when `state` or `last_error` changed.

        Parameters
        ----------
        callback
            Called without arguments; else as in `on_change`.

        Returns
        -------
        callable
            Call it to remove the callback.

        See Also
        --------
        JobsMonitor.on_change : The same for rows.

        Examples
        --------
        >>> states = []
        >>> with aj.JobsMonitor(gids) as watching:
        ...     remove = watching.on_state(lambda: states.append(watching.state))
        ...     done = watching.wait()
        """
        return self._poller.notifier.add("on_state", callback)


def _end(poller: Poller) -> None:
    poller.signals.put("end")


_cells = Cells(JobsMonitor.stop)
"""The monitors that the cells of this kernel have started."""
