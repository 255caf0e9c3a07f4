"""The tour: read, watch and summarize a dozen jobs of a mock Asana server."""

from __future__ import annotations

import pandas as pd

from asana_jobs_pd._cli.watch_command import TICK, view_of
from asana_jobs_pd._http.client import Client
from asana_jobs_pd._jobs.read import read_asana_jobs
from asana_jobs_pd._jobs.views import render
from asana_jobs_pd._monitor.monitor import JobsMonitor
from asana_jobs_pd._report.table import job_table
from asana_jobs_pd.sandbox import Sandbox

_NEXT = """\
Next, read your own jobs:

  export ASANA_ACCESS_TOKEN=…           # https://app.asana.com/0/my-apps
  asana-jobs 1208…4806 1208…4913 --wait

or in Python:

  import asana_jobs_pd as aj
  jobs = aj.read_asana_jobs(["1208…4806", "1208…4913"])
  jobs = jobs.asana.wait()
"""


def run_tour() -> None:
    """Run the tour; it takes a few seconds and needs no account."""
    with (
        Sandbox() as asana,
        Client(asana.token, base_url=asana.base_url) as client,
    ):
        gids = asana.gids(12)
        print("A mock Asana server is running on this machine. Reading 12 of its jobs:\n")
        jobs = read_asana_jobs(gids, client=client)
        print(render(job_table(jobs)), end="\n\n")
        print("Watching the jobs until they are finished:\n")
        before, jobs = jobs, _watch(jobs, client)
        changed = jobs.asana.changes(before)["gid"].nunique()
        print(f"\n{changed} jobs changed. jobs.asana.summary():\n")
        print(render(jobs.asana.summary(), index=True), end="\n\n")
        print("jobs.asana.results():\n")
        print(render(jobs.asana.results()), end="\n\n")
    print(_NEXT, end="")


def _watch(jobs: pd.DataFrame, client: Client) -> pd.DataFrame:
    with JobsMonitor(jobs, client=client) as monitor, view_of(monitor) as view:
        while not monitor.wait(TICK):
            view.show()
        view.end()
    return monitor.frame
