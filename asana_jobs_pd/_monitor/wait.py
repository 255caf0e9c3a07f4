"""Wait until jobs are finished: one line of progress, the frame at the end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import get_args

import pandas as pd

from asana_jobs_pd._http.client import Client, is_seconds
from asana_jobs_pd._jobs.as_jobs import as_jobs
from asana_jobs_pd._jobs.ledger import warn_of_ledger_failures
from asana_jobs_pd._jobs.read import check_errors, summary_of, warn_of_changes
from asana_jobs_pd._monitor.monitor import JobsMonitor
from asana_jobs_pd._progress import Progress
from asana_jobs_pd._public import public
from asana_jobs_pd.errors import (
    InvalidOptionError,
    PartialReadError,
    ReadInterrupted,
    WaitTimeoutError,
)
from asana_jobs_pd.typing import Errors, Gids, Until

__all__ = ["wait_asana_jobs", "wait_asana_jobs_async"]

TICK = 0.1


@public
def wait_asana_jobs(
    jobs: Gids,
    *,
    timeout: float | None = None,
    until: Until = "all",
    errors: Errors = "coerce",
    client: Client | None = None,
    progress: bool | None = None,
) -> pd.DataFrame:
    """Wait until jobs are finished, and return their frame.

    Asks for each job that is not finished again and again, first after 2 s, then more and more
    rarely, at most every 60 s, within the token's budget; see `JobsMonitor`. While the network
    is gone it goes on trying: give a `timeout` to limit that.

    Parameters
    ----------
    jobs
        A frame of jobs, which is not changed, or gids as in `read_asana_jobs`.
    timeout
        Seconds to wait at the most; None waits as long as it takes.
    until
        ``"all"`` waits until all are finished, ``"any"`` until one more is than at the call.
        With nothing unfinished, both return at once.
    errors
        What becomes of jobs that cannot be read: ``"coerce"`` says why in ``error.*``,
        ``"drop"`` leaves their rows out, ``"raise"`` waits for the others, then raises.
        A job whose status is ``failed`` is no error.
    client
        What to ask with; None takes the one of the last `connect`, else the environment's.
    progress
        Whether to show a bar. None shows it after a second, unless ``ASANA_JOBS_PROGRESS=0``.

    Returns
    -------
    pandas.DataFrame
        A new frame, as `refresh_asana_jobs` returns it. Jobs are finished when their status is
        ``succeeded`` or ``failed``, or they answered 403 or 404, or five times in a row another
        refusal.

    Raises
    ------
    WaitTimeoutError
        A TimeoutError with ``.frame``, as it stood when the time was up.
    ReadInterrupted
        A KeyboardInterrupt with ``.frame``: Ctrl-C, or a kernel interrupt.
    AuthenticationError
        When the token is not accepted, with ``.frame``.
    PartialReadError
        With ``errors="raise"``, when jobs could not be read.

    Examples
    --------
    >>> import asana_jobs_pd as aj
    >>> from asana_jobs_pd.sandbox import Sandbox
    >>> with Sandbox(time_scale=100) as asana:
    ...     client = aj.connect(asana.token, base_url=asana.base_url)
    ...     jobs = aj.wait_asana_jobs(asana.gids(3), timeout=60)
    >>> jobs["status"].tolist()
    ['succeeded', 'succeeded', 'succeeded']
    """
    wait = _Wait(jobs, timeout, until, errors, client)
    interrupted = False
    with Progress(wait.total, "Asana jobs finished", progress) as bar, wait.monitor:
        try:
            for seconds in wait.ticks(bar):
                wait.monitor.wait(seconds)
        except KeyboardInterrupt:
            interrupted = True
    return wait.settle(interrupted=interrupted)


@public
async def wait_asana_jobs_async(
    jobs: Gids,
    *,
    timeout: float | None = None,  # noqa: ASYNC109  the same as without await
    until: Until = "all",
    errors: Errors = "coerce",
    client: Client | None = None,
    progress: bool | None = None,
) -> pd.DataFrame:
    """Wait as `wait_asana_jobs` does, but let other tasks of the event loop go on meanwhile.

    For cells and programs that await; cancelling the task ends it at once. Parameters, what is
    returned and what is raised are those of `wait_asana_jobs`, but for the interrupt: in an
    ``await`` it comes as a cancellation.
    """
    wait = _Wait(jobs, timeout, until, errors, client)
    with Progress(wait.total, "Asana jobs finished", progress) as bar, wait.monitor:
        for seconds in wait.ticks(bar):
            await asyncio.sleep(seconds)
    return wait.settle(interrupted=False)


class _Wait:
    """A monitor, and when it has been waited for long enough."""

    def __init__(
        self,
        jobs: Gids,
        timeout: float | None,
        until: Until,
        errors: Errors,
        client: Client | None,
    ) -> None:
        check_errors(errors)
        if until not in get_args(Until):
            raise InvalidOptionError(f"until={until!r}: give 'all' or 'any'.")
        if timeout is not None and not is_seconds(timeout):
            raise InvalidOptionError(f"timeout={timeout!r}: give seconds, or None to wait on.")
        self._timeout = timeout
        self._errors = errors
        self.monitor = JobsMonitor(jobs, client=client)
        self.total = len(self.monitor.jobs)
        least = self.monitor.unfinished - 1 if until == "any" else 0
        self._enough = max(0, least)

    def ticks(self, bar: Progress) -> Iterator[float]:
        """Yield seconds to wait, until it is over."""
        began, monitor = time.monotonic(), self.monitor
        shown = (-1, 0)
        while monitor.running and monitor.unfinished > self._enough:
            left = TICK
            if self._timeout is not None:
                left = min(TICK, began + self._timeout - time.monotonic())
            if left <= 0:
                break
            yield left
            now = (monitor.unfinished, int(time.monotonic() - began))
            if now != shown:
                bar.tick(self.total - now[0])
                shown = now
        bar.tick(self.total - monitor.unfinished)

    def settle(self, *, interrupted: bool) -> pd.DataFrame:
        """Return the frame, or raise how the waiting ended."""
        monitor, frame = self.monitor, self.monitor.frame
        if monitor.client is not None:
            warn_of_changes(monitor.client, frame)
        warn_of_ledger_failures(frame)
        if monitor.refused is not None:
            monitor.refused.frame = frame
            raise monitor.refused
        if interrupted:
            raise ReadInterrupted(f"Interrupted: {self._standing()}", frame=frame)
        failed = {gid: job.error for gid, job in monitor.jobs.items() if job.error is not None}
        if monitor.unfinished > self._enough:
            if monitor.failed:
                words = f"The waiting ended early: {monitor.last_error} {self._standing()}"
                raise PartialReadError(words, frame=frame, errors=failed)
            raise WaitTimeoutError(
                f"Not finished within {self._timeout:g} s: {self._standing()}", frame=frame
            )
        if failed and self._errors == "raise":
            raise PartialReadError(summary_of(failed, self.total), frame=frame, errors=failed)
        if failed and self._errors == "drop":
            return frame[~as_jobs(frame)["gid"].isin(list(failed)).to_numpy(bool)]
        return frame

    def _standing(self) -> str:
        monitor = self.monitor
        counts = ", ".join(
            f"{count:,} {status.replace('_', ' ')}" for status, count in monitor.counts.items()
        )
        error = f" The last error: {monitor.last_error}" if monitor.last_error else ""
        return (
            f"{self.total - monitor.unfinished} of {self.total} jobs are finished ({counts}). What "
            f"there is, is in .frame (in a notebook: sys.last_value.frame); its .asana.wait() "
            f"waits on.{error}"
        )
