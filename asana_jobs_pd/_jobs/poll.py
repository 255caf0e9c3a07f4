"""Ask again until all is finished: the simplest wait, for scripts and the command line."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pandas as pd

from asana_jobs_pd._api.client import Client
from asana_jobs_pd._jobs.read import refresh_asana_jobs
from asana_jobs_pd._jobs.states import is_finished

__all__ = ["delays", "poll_asana_jobs"]


def delays(first: float = 1.0, longest: float = 30.0, growth: float = 1.5) -> Iterator[float]:
    """Yield waits in seconds that grow to the longest."""
    delay = first
    while True:
        yield delay
        delay = min(delay * growth, longest)


def poll_asana_jobs(
    jobs: pd.DataFrame,
    *,
    client: Client | None = None,
    waits: Iterator[float] | None = None,
    sleep: Callable[[float], object] = time.sleep,
) -> Iterator[pd.DataFrame]:
    """Yield the frame after each refresh, until all jobs are finished.

    It also ends when none of the unfinished jobs could be asked for: the network is gone, and
    every one of them was tried several times.
    """
    for wait in waits or delays():
        if is_finished(jobs).all():
            return
        sleep(wait)
        jobs = refresh_asana_jobs(jobs, client=client, progress=False)
        yield jobs
        open_ = jobs[~is_finished(jobs)]
        if len(open_) and open_["error.kind"].isin(("network", "timeout")).all():
            return
