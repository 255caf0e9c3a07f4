"""What a monitor shows: snapshots, from any thread."""

from __future__ import annotations

import pandas as pd

from asana_jobs_pd._jobs.board import JobState
from asana_jobs_pd._jobs.pace import pace_in_words
from asana_jobs_pd._jobs.poller import FINAL, Poller
from asana_jobs_pd.errors import AuthenticationError
from asana_jobs_pd.typing import MonitorState

__all__ = ["Standing"]


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
