"""4,500 jobs under a server that enforces limits, the minute scaled down.

`python -m benchmarks.limits` prints the tables; with CONTENDER LIMIT WINDOW BASE_URL, one
measurement.
"""

from __future__ import annotations

import json
import math
import sys
import time
from urllib.parse import urljoin
from urllib.request import urlopen

from asana_jobs_pd.sandbox import Sandbox
from benchmarks.fetch import OURS, WARM_UP, WORKERS, official_with_threads
from benchmarks.measure import Figure, beside, fresh, interleaved, show, timed

JOBS = 4500
LATENCY = 0.02
OFFICIAL = "`asana` client + 50 threads"


def measure(name, limit, window, base_url):
    """Read all jobs, `limit` requests in `window` seconds, from an empty window."""
    gids = Sandbox().gids(JOBS)
    limiter, read = _ours(limit, window, base_url) if name == OURS else _theirs(base_url)
    time.sleep(window + 0.2)  # the process before this one may have filled the window
    read(gids[:WARM_UP])
    time.sleep(window + 0.2)
    assert not (limiter and limiter.budget.closings)
    server(base_url, "reset", b"")
    frame, wall, _ = timed(lambda: read(gids))
    if frame is None:
        lost = JOBS
    else:
        lost = JOBS - int((frame["gid"].eq(gids) & frame["status"].notna()).sum())
    return {
        "wall": wall,
        "lost": lost,
        "rejected": server(base_url, "stats")["by_status"].get("429", 0),
        "closings": limiter.budget.closings if limiter else 0,
    }


def _ours(limit, window, base_url):
    import asana_jobs_pd as aj
    from asana_jobs_pd._http.rate_limit import Limiter

    limiter = Limiter(limit, WORKERS, window=window)
    client = aj.Client("sandbox", base_url=base_url, limiter=limiter)
    return limiter, lambda gids: aj.read_asana_jobs(
        gids, client=client, errors="coerce", progress=False
    )


def _theirs(base_url):
    from asana.rest import ApiException

    read_or_raise = official_with_threads(base_url)

    def read(gids):
        try:
            return read_or_raise(gids)
        except ApiException:  # one that fails for good costs all of them
            return None

    return None, read


def server(base_url, what, data=None):
    with urlopen(urljoin(base_url, f"/sandbox/{what}"), data) as response:
        return json.loads(response.read() or "null")


def case(title, *, allowed, window, limit, contenders, repetitions):
    ideal = (math.ceil(JOBS / allowed) - 1) * window + last_burst(allowed) * LATENCY / WORKERS
    options = ("--requests-per-minute", allowed, "--window", window, "--max-in-flight", WORKERS)
    with beside("asana_jobs_pd.sandbox", "--latency", LATENCY, *options) as base_url:
        results = interleaved(
            contenders, repetitions, lambda name: fresh("limits", name, limit, window, base_url)
        )

    def figure(name, what, of, *args, **kwargs):
        return Figure(f"{name}: {what}", [of(result) for result in results[name]], *args, **kwargs)

    title = f"{JOBS:,} jobs, {allowed:,} in {window:g} s, {title}: ideal {ideal:.2f} s"
    return title, ideal, figure


def last_burst(allowed):
    return JOBS - (math.ceil(JOBS / allowed) - 1) * allowed


def paid(repetitions):
    """Keep to the limit that there is."""
    title, ideal, figure = case(
        "and the client knows it",
        allowed=1500,
        window=3.0,
        limit=1500,
        contenders=(OURS, OFFICIAL),
        repetitions=repetitions,
    )

    def wall(result):
        return result["wall"] / ideal

    return show(
        title,
        [
            figure(OURS, "wall", wall, "× ideal", 1.05),
            figure(OURS, "429s", lambda result: result["rejected"], "", 0, "=", each=True),
            figure(OURS, "jobs lost", lambda result: result["lost"], "", 0, "=", each=True),
            figure(OFFICIAL, "wall", wall, "× ideal"),
            figure(OFFICIAL, "429s", lambda result: result["rejected"]),
            figure(OFFICIAL, "jobs lost", lambda result: result["lost"]),
        ],
    )


def free(repetitions):
    """Find out that the limit is a tenth of what the client was told."""
    title, ideal, figure = case(
        "and the client believes in ten times as many",
        allowed=150,
        window=1.0,
        limit=1500,
        contenders=(OURS,),
        repetitions=repetitions,
    )
    return show(
        title,
        [
            figure(OURS, "jobs lost", lambda result: result["lost"], "", 0, "=", each=True),
            figure(
                OURS, "closings of the gate", lambda result: result["closings"], "", 5, each=True
            ),
            figure(
                OURS,
                "429s a closing, on average",
                lambda result: result["rejected"] / max(1, result["closings"]),
                "",
                WORKERS,
                each=True,
            ),
            figure(OURS, "wall", lambda result: result["wall"] / ideal, "× ideal"),
        ],
    )


def main(repetitions=3):
    return [*paid(repetitions), *free(max(1, repetitions - 1))]


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(measure(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), sys.argv[4])))
    else:
        main()
