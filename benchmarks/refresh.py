"""`refresh()` of 10,000 rows with 50 unfinished: how many requests it sends.

`python -m benchmarks.refresh` prints the table; with BASE_URL, one measurement.
"""

from __future__ import annotations

import json
import sys

import asana_jobs_pd as aj
from asana_jobs_pd.sandbox import Sandbox
from benchmarks.frame import records
from benchmarks.limits import server
from benchmarks.measure import Figure, beside, fresh, show, timed

ROWS = 10_000
UNFINISHED = 50


def measure(base_url):
    client = aj.connect("sandbox", base_url=base_url, requests_per_minute=None)
    due = [{"gid": gid, "status": "in_progress"} for gid in Sandbox().gids(UNFINISHED)]
    done = records(ROWS - UNFINISHED)
    jobs = aj.asana_jobs_from_records([*done[::2], *due, *done[1::2]])
    jobs.asana.refresh(client=client, progress=False)
    server(base_url, "reset", b"")
    fresh_jobs, wall, _ = timed(lambda: jobs.asana.refresh(client=client, progress=False))
    assert list(fresh_jobs["gid"]) == list(jobs["gid"])
    assert fresh_jobs["fetched_at"].count() == UNFINISHED
    return {"requests": server(base_url, "stats")["requests"], "wall": wall}


def main(repetitions=3):
    with beside("asana_jobs_pd.sandbox") as base_url:
        results = [fresh("refresh", base_url) for _ in range(repetitions)]
    return show(
        f"refresh() of {ROWS:,} rows, {UNFINISHED} unfinished, no latency",
        [
            Figure(
                "requests sent",
                [result["requests"] for result in results],
                "",
                UNFINISHED,
                "=",
                each=True,
            ),
            Figure("wall", [result["wall"] * 1000 for result in results], "ms"),
        ],
    )


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(measure(sys.argv[1])))
    else:
        main()
