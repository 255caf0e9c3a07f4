"""`JobsMonitor`: watches jobs until they are finished, and displays nothing."""

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
"""Seconds per wait: every system notices an interrupt between two waits."""


@public
class JobsMonitor(MonitorSnapshots):
    """Polls jobs in background threads until all are finished.

    Each job is polled 2 s after the start, then after a quarter of the time since its status last
    changed, down to once every 60 s. If the token's limits do not allow that, all delays are
    stretched, and `pace` says so. Foreground reads go first, and a fifth of the limit is always
    free for them.

    After a failed request, the monitor keeps trying, less and less often while the network is
    down. A 401 stops it. A job is not polled any more after a response of 403 or 404, or after
    another refusal such as 400 five times in a row. The threads end once all jobs are finished or
    the monitor is garbage collected. They never keep a process or kernel from exiting.

    All methods may be called from any thread, and from callbacks; all properties are snapshots.

    Parameters
    ----------
    jobs
        A frame of jobs, which is copied, or gids in any form that `read_asana_jobs` takes. Jobs
        that were never read are polled at once.
    client
        The client to use; None takes, at the start, the one of the last `connect`, else the
        environment's.
    clock
        For tests.

    Raises
    ------
    InvalidFrameError, InvalidGidError
        If `jobs` is neither a frame of jobs nor gids.

    See Also
    --------
    wait_asana_jobs : Block until jobs are finished.
    JobsWidget : The same as a live table in a notebook.

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
        # The poller's own threads end it: a finalizer may run anywhere, and must not take locks.
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
        """Start watching, also again after `stop`.

        Does nothing if it is already watching, or if all jobs are finished. ``with`` calls it, and
        `stop` at the end.

        Parameters
        ----------
        ask
            Whether to prompt for a token if there is none.

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
        JobsMonitor.stop : Stop watching.

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
        """Stop polling until `resume`; responses to requests in flight are still used.

        See Also
        --------
        JobsMonitor.resume : Continue.

        Examples
        --------
        >>> with aj.JobsMonitor(running) as watching:
        ...     watching.pause()
        ...     watching.state
        'paused'
        """
        self._poller.pause(paused=True)

    def resume(self) -> None:
        """Continue after `pause`.

        See Also
        --------
        JobsMonitor.pause : Stop polling until then.

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
        """Poll all unfinished jobs now, as fast as the limits allow; if paused, only once.

        See Also
        --------
        JobsMonitor.next_check : When it would poll anyway.

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
        """Stop watching, without waiting for requests in flight.

        See Also
        --------
        JobsMonitor.start : Start again.

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
        """Wait until the monitor is done, stopped, or its token is rejected.

        Parameters
        ----------
        timeout
            The maximum number of seconds to wait; None for no limit.

        Returns
        -------
        bool
            True if it has ended, False after `timeout` seconds.

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
        """Call back with just the rows that changed, from a thread of the monitor.

        A callback that is added after the start first gets all rows that have changed so far.

        Parameters
        ----------
        callback
            Gets a DataFrame with rows and columns as in `frame`. Calls never overlap; changes
            during a call come with the next one. A method and its object are held weakly;
            anything else, such as a function, is kept alive. Exceptions are logged and shown in
            `last_error`.

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
        """Call back when `state` or `last_error` has changed.

        Parameters
        ----------
        callback
            Called without arguments; otherwise as in `on_change`.

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
