"""The properties of a monitor, which are snapshots of its state."""

from __future__ import annotations

import pandas as pd

from asana_jobs_pd._http.client import Client
from asana_jobs_pd._monitor.job_table import JobState
from asana_jobs_pd._monitor.poller import Poller
from asana_jobs_pd._monitor.schedule import slow_rate_text
from asana_jobs_pd.errors import AuthenticationError
from asana_jobs_pd.typing import MonitorState


class MonitorSnapshots:
    """The properties of a `JobsMonitor`; each is a snapshot."""

    _poller: Poller
    _client: Client | None

    @property
    def frame(self) -> pd.DataFrame:
        """All rows in their last known state, as `refresh_asana_jobs` would return them; a copy.

        See Also
        --------
        JobsMonitor.on_change : Only the rows that changed, as they change.

        Examples
        --------
        >>> monitor.frame["status"].unique().tolist()
        ['succeeded']
        """
        with self._poller.lock:
            return self._poller.table.frame()

    @property
    def history(self) -> pd.DataFrame:
        """The observed status changes, oldest first.

        One row per change: ``gid`` and ``status`` (``string``), and ``at``, when it was requested
        (``datetime64[us, UTC]``). ``"unreadable"`` stands for 403, 404 and other refusals. Only the
        latest changes are kept: ten times as many as there are jobs, but at least 1,000.

        See Also
        --------
        plot_asana_timeline : Draw the history.

        Examples
        --------
        >>> list(monitor.history.columns)
        ['gid', 'status', 'at']
        """
        with self._poller.lock:
            return self._poller.table.history_frame()

    @property
    def counts(self) -> dict[str, int]:
        """The number of jobs by status, a repeated gid once, in the order of a job's life.

        ``"unknown"`` counts those without a status yet, ``"unreadable"`` those that cannot be
        read.

        See Also
        --------
        JobsMonitor.unfinished : How many are still polled.

        Examples
        --------
        >>> monitor.counts
        {'succeeded': 8}
        """
        with self._poller.lock:
            return self._poller.table.counts

    @property
    def jobs(self) -> dict[str, JobState]:
        """The state of each job by gid, as a live dict, which must not be modified.

        See Also
        --------
        JobsMonitor.frame : The same as a frame.

        Examples
        --------
        >>> len(monitor.jobs)
        8
        """
        return self._poller.table.jobs

    @property
    def state(self) -> MonitorState:
        """The state of the monitor.

        ``idle`` before the start, ``watching``, ``paused``; ``no_network`` and ``rate_limited``
        while it cannot poll; ``done``, ``stopped`` and ``unauthorized`` when it has ended.

        See Also
        --------
        JobsMonitor.on_state : Be called when it changes.

        Examples
        --------
        >>> monitor.state
        'done'
        """
        return self._poller.state

    @property
    def unfinished(self) -> int:
        """The number of jobs that are still polled, a repeated gid once.

        See Also
        --------
        JobsMonitor.counts : The number of jobs by status.

        Examples
        --------
        >>> monitor.unfinished
        0
        """
        return self._poller.table.unfinished

    @property
    def failed(self) -> bool:
        """Whether it ended because it could not continue; `last_error` says why.

        See Also
        --------
        JobsMonitor.last_error : What went wrong.

        Examples
        --------
        >>> monitor.failed
        False
        """
        return self._poller.failed

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended.

        See Also
        --------
        JobsMonitor.state : What it is doing.

        Examples
        --------
        >>> monitor.running
        False
        """
        return self._poller.running

    @property
    def version(self) -> int:
        """A number that grows with every change of a row, the state or the last error.

        See Also
        --------
        JobsMonitor.on_change : Be called with what changed.

        Examples
        --------
        >>> seen = monitor.version
        >>> monitor.version > seen
        False
        """
        return self._poller.version

    @property
    def last_error(self) -> str | None:
        """The last error; None once requests succeed again.

        See Also
        --------
        JobsMonitor.refused : The error if the token was rejected.

        Examples
        --------
        >>> monitor.last_error is None
        True
        """
        return self._poller.last_error

    @property
    def refused(self) -> AuthenticationError | None:
        """The error if the token was rejected, otherwise None.

        See Also
        --------
        JobsMonitor.last_error : The last error, as text.

        Examples
        --------
        >>> monitor.refused is None
        True
        """
        return self._poller.refused

    @property
    def next_check(self) -> float | None:
        """Seconds until the next request; 0 while one is in flight, None if there will be none.

        See Also
        --------
        JobsMonitor.refresh_now : Poll without waiting for it.

        Examples
        --------
        >>> monitor.next_check is None  # it is done
        True
        """
        return self._poller.next_check()

    @property
    def pace(self) -> str:
        """How often each job is polled, as text, if the limits slow that down; otherwise "".

        See Also
        --------
        JobsMonitor.requests_allowed : The limit of the token.

        Examples
        --------
        >>> monitor.pace
        ''
        """
        poller = self._poller
        with poller.lock:
            if poller.limiter is None or not self.running:
                return ""
            return slow_rate_text(poller.schedule, poller.limiter)

    @property
    def requests_used(self) -> int:
        """The number of requests with this token in the last minute, by all its clients.

        See Also
        --------
        JobsMonitor.requests_allowed : The limit of the token.

        Examples
        --------
        >>> monitor.requests_used <= monitor.requests_allowed
        True
        """
        limiter = self._poller.limiter
        return 0 if limiter is None else limiter.used()

    @property
    def requests_allowed(self) -> int | None:
        """How many requests per minute may be sent with the token; None for no limit of our own.

        See Also
        --------
        connect : Set it with ``requests_per_minute``.

        Examples
        --------
        >>> monitor.requests_allowed
        1500
        """
        limiter = self._poller.limiter
        if limiter is None or limiter.budget.allowed == float("inf"):
            return None
        return int(limiter.budget.allowed)

    @property
    def client(self) -> Client | None:
        """The client in use; None before the start, unless one was passed.

        See Also
        --------
        connect : Create the default client.

        Examples
        --------
        >>> monitor.client is client
        True
        """
        return self._poller.client or self._client
