"""Jobs to a frame, 50 in flight: ours beside the official client, requests and aiohttp.

`python -m benchmarks.fetch` prints the tables; with CONTENDER JOBS BASE_URL, one measurement.
"""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor

from benchmarks.measure import Figure, beside, fresh, interleaved, show, timed

WORKERS = 50
WARM_UP = 100
FIRST_GID = 1208000000000000


def ours(base_url):
    import asana_jobs_pd as aj

    client = aj.connect("sandbox", base_url=base_url, requests_per_minute=None)
    return lambda gids: aj.read_asana_jobs(gids, client=client, progress=False)


def official(base_url, workers=1):
    import asana
    import pandas as pd

    configuration = asana.Configuration()
    configuration.host, configuration.access_token = base_url, "sandbox"
    configuration.connection_pool_maxsize = workers
    api = asana.JobsApi(asana.ApiClient(configuration))
    options = {"opt_fields": _all_fields()}

    def read(gids):
        with ThreadPoolExecutor(workers) as executor:
            jobs = executor.map(lambda gid: api.get_job(gid, dict(options)), gids)
        return pd.json_normalize(list(jobs))

    return read


def official_with_threads(base_url):
    return official(base_url, WORKERS)


def requests_with_threads(base_url):
    import pandas as pd
    import requests

    session = requests.Session()
    session.headers["Authorization"] = "Bearer sandbox"
    # Without this, 40 of the 50 threads would connect anew for every request.
    session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=WORKERS))
    params = {"opt_fields": _all_fields()}

    def ask(gid):
        response = session.get(f"{base_url}/jobs/{gid}", params=params, timeout=60)
        response.raise_for_status()
        return response.json()["data"]

    def read(gids):
        with ThreadPoolExecutor(WORKERS) as executor:
            jobs = executor.map(ask, gids)
        return pd.json_normalize(list(jobs))

    return read


def with_aiohttp(base_url):
    import asyncio
    import atexit

    import aiohttp
    import pandas as pd

    params = {"opt_fields": _all_fields()}
    loop = asyncio.new_event_loop()

    async def open_session():
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=WORKERS),
            headers={"Authorization": "Bearer sandbox"},
        )

    async def ask(gid):
        async with session.get(f"{base_url}/jobs/{gid}", params=params) as response:
            response.raise_for_status()
            return (await response.json())["data"]

    async def ask_all(gids):
        return await asyncio.gather(*map(ask, gids))

    session = loop.run_until_complete(open_session())
    atexit.register(lambda: loop.run_until_complete(session.close()))
    return lambda gids: pd.json_normalize(loop.run_until_complete(ask_all(gids)))


OURS = "asana_jobs_pd"
PLAIN = "requests + 50 threads"
ALONE = "`asana` client, one after another"
CONTENDERS = {
    OURS: ours,
    "`asana` client + 50 threads": official_with_threads,
    PLAIN: requests_with_threads,
    "aiohttp": with_aiohttp,
    ALONE: official,
}


def measure(name, jobs, base_url):
    """Return the wall and CPU seconds of one read in this process, after one that warms up."""
    read = CONTENDERS[name](base_url)
    read(_gids(1 if name == ALONE else WARM_UP))
    frame, wall, cpu = timed(lambda: read(_gids(jobs)))
    assert list(frame["gid"]) == _gids(jobs)
    assert (frame["status"] == "succeeded").all()
    return {"wall": wall, "cpu": cpu}


def case(jobs, latency, target, share, repetitions):
    bound = jobs * latency / WORKERS
    with beside("benchmarks.server", latency) as base_url:

        def run(name):
            # One after another takes 50 times as long: a tenth of the jobs tells as much.
            count = jobs // 10 if name == ALONE else jobs
            result = fresh("fetch", name, count, base_url)
            return {key: value * jobs / count for key, value in result.items()}

        together = [name for name in CONTENDERS if name != ALONE]
        results = interleaved(together, repetitions, run) | interleaved([ALONE], 1, run)

    def figures(what, unit, target, of):
        for name in CONTENDERS:
            values = [of(result) for result in results[name]]
            yield Figure(f"{name}: {what}", values, unit, target if name == OURS else None)

    return show(
        f"{jobs:,} jobs, {latency * 1000:.0f} ms, {WORKERS} in flight: bound {bound:.2f} s",
        [
            *figures("wall", "× bound", target, lambda result: result["wall"] / bound),
            *figures("CPU, 1,000 jobs", "s", 0.46, lambda result: result["cpu"] * 1000 / jobs),
            Figure(f"{OURS}: CPU, share of {PLAIN}", _shares(results), "×", share),
        ],
    )


def _shares(results):
    pairs = zip(results[OURS], results[PLAIN], strict=True)
    return [mine["cpu"] / theirs["cpu"] for mine, theirs in pairs]


def main(repetitions=5):
    # The shares: 0.46 s of the 0.868 s and 0.773 s that requests + threads took where the
    # target was set. Seconds depend on the machine, and on its hour.
    return [
        *case(300, 0.1, 1.10, 0.46 / 0.868, repetitions),
        *case(3000, 0.02, 1.25, 0.46 / 0.773, repetitions),
    ]


def _gids(count):
    return [str(FIRST_GID + number) for number in range(count)]


def _all_fields():
    """Return what ours asks for by default, so that every contender asks the same."""
    from asana_jobs_pd._jobs.schema import EVERYTHING

    return ",".join(EVERYTHING.ask)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(measure(sys.argv[1], int(sys.argv[2]), sys.argv[3])))
    else:
        main()
