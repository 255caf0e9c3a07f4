"""The tour: a dozen jobs of every kind on an Asana of one's own, from first read to results."""

from __future__ import annotations

import sys
import time

import pandas as pd

from asana_jobs_pd._http.client import Client
from asana_jobs_pd._jobs.read import read_asana_jobs
from asana_jobs_pd._jobs.views import overview, render
from asana_jobs_pd._monitor.monitor import JobsMonitor
from asana_jobs_pd.sandbox import Sandbox

__all__ = ["run_demo"]

_NEXT = """\
Next, with your own jobs:

  export ASANA_ACCESS_TOKEN=…           # https://app.asana.com/0/my-apps
  asana-jobs 1208…4806 1208…4913 --wait

or in Python:

  import asana_jobs_pd as aj
  jobs = aj.read_asana_jobs(["1208…4806", "1208…4913"])
  jobs = jobs.asana.wait()
"""


def run_demo() -> None:
    """Read, watch and sum up a dozen jobs; takes some seconds and no account."""
    with (
        Sandbox() as asana,
        Client(asana.token, base_url=asana.base_url) as client,
    ):
        gids = asana.gids(12)
        print("An Asana of your own runs on this machine. Reading 12 of its jobs:\n")
        jobs = read_asana_jobs(gids, client=client)
        print(render(overview(jobs)), end="\n\n")
        print("Asking again for what is not finished:\n")
        before, jobs = jobs, _watch(jobs, client)
        changed = jobs.asana.changes(before)["gid"].nunique()
        print(f"\n{changed} jobs have changed. jobs.asana.summary():\n")
        print(render(jobs.asana.summary(), index=True), end="\n\n")
        print("jobs.asana.results():\n")
        print(render(jobs.asana.results()), end="\n\n")
    print(_NEXT, end="")


def _watch(jobs: pd.DataFrame, client: Client) -> pd.DataFrame:
    began, live, last = time.monotonic(), sys.stdout.isatty(), ""
    with JobsMonitor(jobs, client=client) as monitor:
        ended = False
        while not ended:
            ended = monitor.wait(0.25)
            bar = _bar(monitor)
            line = f"  {time.monotonic() - began:4.1f} s  {bar}"
            if live or bar != last:
                print(f"\r{line}" if live else line, end="" if live else "\n", flush=True)
            last = bar
    if live:
        print()
    return monitor.frame


def _bar(monitor: JobsMonitor, width: int = 36) -> str:
    total = len(monitor.jobs)
    done = total - monitor.unfinished
    full = width * done // total
    running = ", ".join(
        f"{count} {status.replace('_', ' ')}" for status, count in monitor.counts.items()
    )
    return f"{'█' * full}{'░' * (width - full)} {done:2} of {total}  {running:<58}"
