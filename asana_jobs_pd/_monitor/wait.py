"""`wait_asana_jobs`: wait until jobs are finished, with one progress bar."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator
from typing import get_args

import pandas as pd

from asana_jobs_pd._http.client import Client
from asana_jobs_pd._jobs.as_jobs import as_jobs
from asana_jobs_pd._jobs.read import frame_or_raise, run_to_end, summary_of
from asana_jobs_pd._monitor.monitor import TICK, JobsMonitor
from asana_jobs_pd._options import check_one_of, is_seconds
from asana_jobs_pd._progress import Progress
from asana_jobs_pd._public import public
from asana_jobs_pd._vocabulary import counts_by_state
from asana_jobs_pd.errors import (
    AsanaJobsError,
    InvalidOptionError,
    NoThreadsError,
    PartialReadError,
    ReadInterrupted,
    RequestError,
    WaitTimeoutError,
)
from asana_jobs_pd.typing import Errors, Gids, ProgressCallback, Until

_IN_NOTEBOOK = " (in a notebook: sys.last_value.frame)"


@public
def wait_asana_jobs(
    jobs: Gids,
    *,
    timeout: float | None = None,
    until: Until = "all",
    errors: Errors = "coerce",
    client: Client | None = None,
    progress: bool | ProgressCallback | None = None,
    notify: Callable[[pd.DataFrame], object] | None = None,
) -> pd.DataFrame:
    """Wait until jobs are finished, and return their frame.

    Polls each unfinished job, first after 2 s, then less and less often, down to once every 60 s,
    within the token's limits; see `JobsMonitor`. It keeps trying while the network is down; pass a
    `timeout` to limit that.

    Parameters
    ----------
    jobs
        A frame of jobs, which is not changed, or gids in any form that `read_asana_jobs` takes.
    timeout
        The maximum number of seconds to wait; None for no limit.
    until
        ``"all"`` waits until all jobs are finished, ``"any"`` until one more is finished than at
        the time of the call. If no job is unfinished, both return at once.
    errors
        What to do with jobs that cannot be read. ``"coerce"``: their rows say why in
        ``error.*``. ``"drop"``: their rows are left out. ``"raise"``: wait for the others, then
        raise. A job whose status is ``failed`` is not an error.
    client
        The client to use; None takes the one of the last `connect`, else the environment's.
    progress
        Whether to show a bar. None shows it after a second, unless ``ASANA_JOBS_PROGRESS=0``. A
        callable gets ``(done, total, what)`` instead, as in `read_asana_jobs`.
    notify
        A callable that is called once with the frame when all jobs are finished (with
        ``until="any"``, when one more is), for example to send a message. It is not called after
        a timeout, an interrupt or a rejected token. Its exceptions become warnings.

    Returns
    -------
    pandas.DataFrame
        A new frame, like that of `refresh_asana_jobs`. A job is finished if its status is
        ``succeeded`` or ``failed``, or if the response was 403 or 404, or another refusal five
        times in a row.

    Raises
    ------
    WaitTimeoutError
        A TimeoutError, with the last known state in ``.frame``.
    ReadInterrupted
        On Ctrl-C or a kernel interrupt: a KeyboardInterrupt with ``.frame``.
    AuthenticationError
        If the token is rejected, with ``.frame``.
    PartialReadError
        With ``errors="raise"``, when jobs could not be read.

    See Also
    --------
    wait_asana_jobs_async : The same for asynchronous code.
    refresh_asana_jobs : Read once, without waiting.
    JobsMonitor : Watch in the background.

    Examples
    --------
    >>> jobs = aj.wait_asana_jobs(gids, timeout=60)
    >>> jobs["status"].unique().tolist()
    ['succeeded']
    """
    wait = _Wait(jobs, timeout, until, errors, client, notify=notify)

    def run() -> None:
        with wait.watching(progress) as bar:
            for seconds in wait.ticks(bar):
                wait.monitor.wait(seconds)

    return run_to_end(run, wait.finish)


@public
async def wait_asana_jobs_async(
    jobs: Gids,
    *,
    timeout: float | None = None,  # noqa: ASYNC109  the same as without await
    until: Until = "all",
    errors: Errors = "coerce",
    client: Client | None = None,
    progress: bool | ProgressCallback | None = None,
    notify: Callable[[pd.DataFrame], object] | None = None,
) -> pd.DataFrame:
    """Wait like `wait_asana_jobs`, while other tasks of the event loop continue.

    For asynchronous code; cancelling the task ends it at once.

    Parameters
    ----------
    jobs
        A frame of jobs, or gids.
    timeout, until, errors, client, progress, notify
        As in `wait_asana_jobs`.

    Returns
    -------
    pandas.DataFrame
        The same frame as `wait_asana_jobs`. The errors are the same, too, except that an interrupt
        is a cancellation.

    See Also
    --------
    wait_asana_jobs : The same for synchronous code.

    Examples
    --------
    >>> import asyncio
    >>> jobs = asyncio.run(aj.wait_asana_jobs_async(gids))  # in a notebook: await …
    >>> jobs["status"].unique().tolist()
    ['succeeded']
    """
    wait = _Wait(jobs, timeout, until, errors, client, notify=notify)
    interrupted = False
    try:
        with wait.watching(progress) as bar:
            for seconds in wait.ticks(bar):
                await asyncio.sleep(seconds)
    except KeyboardInterrupt:  # at the token prompt
        interrupted = True
    return run_to_end(bool, lambda again: wait.finish(interrupted or again))


class _Wait:
    """A monitor, and the condition that ends the wait."""

    def __init__(
        self,
        jobs: Gids,
        timeout: float | None,
        until: Until,
        errors: Errors,
        client: Client | None,
        *,
        notify: Callable[[pd.DataFrame], object] | None,
    ) -> None:
        check_one_of("errors", errors, get_args(Errors))
        check_one_of("until", until, get_args(Until))
        if notify is not None and not callable(notify):
            raise InvalidOptionError(f"notify={notify!r}: give a callable(frame), or None.")
        if timeout is not None and not is_seconds(timeout):
            raise InvalidOptionError(f"timeout={timeout!r}: give seconds, or None for no limit.")
        self._timeout = timeout
        self._errors = errors
        self._notify = notify
        self.monitor = JobsMonitor(jobs, client=client)
        self._total = len(self.monitor.jobs)
        self._enough = max(0, self.monitor.unfinished - 1) if until == "any" else 0

    @contextlib.contextmanager
    def watching(self, shown: bool | ProgressCallback | None) -> Iterator[Progress]:
        """Run the monitor, and show a bar."""
        try:
            with Progress(self._total, "Asana jobs finished", shown) as bar, self.monitor:
                yield bar
        except NoThreadsError as error:
            error.frame = self.monitor.frame
            raise

    def ticks(self, bar: Progress) -> Iterator[float]:
        """Yield the seconds to wait, until the wait is over."""
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
                bar.tick(self._total - now[0])
                shown = now
        bar.tick(self._total - monitor.unfinished)

    def finish(self, interrupted: bool) -> pd.DataFrame:
        """Return the frame, or raise the error that ended the wait."""
        monitor = self.monitor
        monitor.stop()
        frame = monitor.frame
        failed = {gid: job.error for gid, job in monitor.jobs.items() if job.error is not None}
        ending: BaseException | None
        if interrupted:
            ending = ReadInterrupted(f"Interrupted: {self._so_far(_IN_NOTEBOOK)}")
        else:
            ending = self._error(failed)
        if failed and self._errors == "drop":
            frame = frame[~as_jobs(frame)["gid"].isin(list(failed)).to_numpy(bool)]
        done = monitor.refused is None and monitor.unfinished <= self._enough
        warnings = self._tell(frame) if done and not interrupted else []
        return frame_or_raise(frame, ending, monitor.client, warnings)

    def _tell(self, frame: pd.DataFrame) -> list[tuple[str, type[Warning]]]:
        """Call `notify`, and return the warnings to issue."""
        try:
            if self._notify is not None:
                self._notify(frame)
        except Exception as error:  # noqa: BLE001  the user's code must not cost the results
            return [(f"notify= raised {type(error).__name__}: {error}", UserWarning)]
        return []

    def _error(self, failed: dict[str, RequestError]) -> AsanaJobsError | None:
        monitor = self.monitor
        if monitor.refused is not None:
            return monitor.refused
        if monitor.unfinished > self._enough and monitor.failed:
            text = f"The wait ended early: {monitor.last_error} {self._so_far()}"
            return PartialReadError(text, errors=failed)
        if monitor.unfinished > self._enough:
            return WaitTimeoutError(f"Not finished within {self._timeout:g} s: {self._so_far()}")
        if failed and self._errors == "raise":
            return PartialReadError(summary_of(failed, self._total), errors=failed)
        return None

    def _so_far(self, where: str = "") -> str:
        monitor = self.monitor
        counts = counts_by_state(monitor.counts)
        error = f" Last error: {monitor.last_error}" if monitor.last_error else ""
        return (
            f"{self._total - monitor.unfinished} of {self._total} jobs are finished ({counts}). "
            f"Partial results are in .frame{where}; call .asana.wait() on it to continue.{error}"
        )
