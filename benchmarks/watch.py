"""Watching 10,000 jobs of which none changes: what it costs, and what a reader notices of it.

`python -m benchmarks.watch` prints the table; with BASE_URL, one measurement.
"""

from __future__ import annotations

import json
import sys
import time

import asana_jobs_pd as aj
from asana_jobs_pd._http.rate_limit import Limiter
from asana_jobs_pd.sandbox import Sandbox
from benchmarks.limits import server
from benchmarks.measure import Figure, beside, fresh, show, timed

JOBS = 10_000
BUDGET = 1500
SECONDS = 30.0
READ = 200


def measure(base_url):
    # The sandbox's clock stands nearly still; every fourth of its jobs was finished before.
    gids = [gid for n, gid in enumerate(Sandbox().gids(JOBS * 4 // 3 + 4)) if n % 4][:JOBS]
    jobs = aj.read_asana_jobs(
        gids, client=aj.Client("sandbox", base_url=base_url, limiter=Limiter(None, 50))
    )
    assert len(jobs.asana.pending) == JOBS
    client = aj.Client("sandbox", base_url=base_url, limiter=Limiter(BUDGET, 50))
    heard = []
    monitor = aj.JobsMonitor(jobs, client=client)
    monitor.on_change(heard.append)
    _, start, _ = timed(monitor.start)
    time.sleep(5)
    server(base_url, "reset", b"")
    _, wall, cpu = timed(lambda: time.sleep(SECONDS))
    polls = server(base_url, "stats")["requests"]
    _, read, _ = timed(lambda: aj.read_asana_jobs(gids[:READ], client=client, progress=False))
    _, frame, _ = timed(lambda: monitor.frame)
    print(monitor.pace, file=sys.stderr)
    monitor.stop()
    assert not heard
    return {
        "start": start * 1000,
        "cpu": 100 * cpu / wall,
        "polls": polls / wall,
        "read": read,
        "frame": frame * 1000,
    }


def main(repetitions=3):
    options = ("--time-scale", 1e-6)
    with beside("asana_jobs_pd.sandbox", *options) as base_url:
        results = [fresh("watch", base_url) for _ in range(repetitions)]

    def figure(what, key, *args, **kwargs):
        return Figure(what, [result[key] for result in results], *args, **kwargs)

    return show(
        f"{JOBS:,} watched jobs, none of which changes, {BUDGET:,} requests a minute",
        [
            figure("CPU", "cpu", "% of a core", 5),
            figure("polls", "polls", "a second", 25, each=True),
            figure("the monitor's start", "start", "ms"),
            figure(f"a read of {READ} jobs meanwhile", "read", "s", 1),
            figure("the frame, made after all that", "frame", "ms"),
        ],
    )


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(measure(sys.argv[1])))
    else:
        main()
