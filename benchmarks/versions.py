"""Two checkouts of the package in turns: what a change costs.

`python -m benchmarks.versions OTHER_CHECKOUT [TURNS]` prints the median of the paired ratios, this
checkout to the other. Both must run with the installed dependencies; only the public API is used.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.measure import Figure, beside, show, timed

HERE = Path(__file__).parents[1]
LIMIT = 1.1


def fetch(base_url):
    import asana_jobs_pd as aj

    client = aj.connect("sandbox", base_url=f"{base_url}/api/1.0", requests_per_minute=None)
    gids = [str(1208 * 10**12 + number) for number in range(2000)]
    aj.read_asana_jobs(gids[:100], client=client, progress=False)
    return lambda: aj.read_asana_jobs(gids, client=client, progress=False)


def frame():
    import asana_jobs_pd as aj
    from benchmarks.frame import RECORDS, records

    rows = records(RECORDS)
    aj.asana_jobs_from_records(rows[:100])
    return lambda: aj.asana_jobs_from_records(rows)


def load(path):
    import asana_jobs_pd as aj

    return lambda: aj.read_asana_export(path, workers=1, progress=False)


def parquet(path):
    import asana_jobs_pd as aj

    folder = Path(tempfile.mkdtemp()) / "export"
    return lambda: aj.asana_export_to_parquet(path, folder, workers=1, progress=False)


def download(base_url):
    import asana_jobs_pd as aj

    client = aj.connect("sandbox", base_url=f"{base_url}/api/1.0", requests_per_minute=None)
    (gid,) = aj.sandbox.Sandbox().gids(1, "export_request")
    jobs = aj.wait_asana_jobs([gid], client=client, progress=False)
    folder = tempfile.mkdtemp()
    return lambda: jobs.asana.download(folder, client=client, progress=False, errors="raise")


def refresh():
    import asana_jobs_pd as aj

    records = [{"gid": str(10**15 + n), "status": "succeeded"} for n in range(10_000)]
    jobs = aj.asana_jobs_from_records(records)
    client = aj.Client("sandbox", base_url="http://127.0.0.1:9/api/1.0")
    return lambda: jobs.asana.refresh(client=client, progress=False)


CASES = {case.__name__: case for case in (fetch, frame, load, parquet, download, refresh)}


def one(name, *arguments):
    """Measure one case in this process."""
    import resource

    call = CASES[name](*arguments)
    _, wall, cpu = timed(call)
    return {"wall": wall, "cpu": cpu, "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}


def run(checkout, name, *arguments):
    """Measure one case of a checkout in a fresh process."""
    with tempfile.TemporaryDirectory() as folder:  # the benchmarks of this checkout for both
        Path(folder, "benchmarks").symlink_to(HERE / "benchmarks")
        environment = os.environ | {"PYTHONPATH": f"{folder}{os.pathsep}{checkout}"}
        command = [sys.executable, "-P", "-m", "benchmarks.versions", "--one", name, *arguments]
        done = subprocess.run(
            command, check=True, env=environment, stdout=subprocess.PIPE, text=True
        )
    return json.loads(done.stdout.splitlines()[-1])


def compare(other, title, turns, *case):
    """Return the paired ratios of wall, CPU and memory."""
    pairs = []
    for turn in range(turns):  # who is first changes: the second finds a machine that is awake
        checkouts = [str(HERE), other] if turn % 2 else [other, str(HERE)]
        figures_of = {checkout: run(checkout, *case) for checkout in checkouts}
        pairs.append((figures_of[str(HERE)], figures_of[other]))
    figures = [
        Figure(
            f"{title}: {what}", [ours[what] / theirs[what] for ours, theirs in pairs], "×", LIMIT
        )
        for what in ("wall", "cpu", "peak")
    ]
    return show(title, figures)


def main(other, turns=5):
    from benchmarks.load import LARGE, SMALL, written

    with tempfile.TemporaryDirectory() as folder:
        small, large = str(written(SMALL, folder)), str(written(LARGE, folder))
        with beside("benchmarks.server", 0.02) as address:
            compare(other, "read 2,000 jobs", turns, "fetch", address.removesuffix("/api/1.0"))
        compare(other, "100,000 records to a frame", turns, "frame")
        compare(other, "refresh 10,000 finished jobs", turns, "refresh")
        sandbox = ("asana_jobs_pd.sandbox", "--export-rows", SMALL, "--url-lifetime", 36000)
        with beside(*sandbox, "--time-scale", 100) as address:
            compare(
                other, "download an export", turns, "download", address.removesuffix("/api/1.0")
            )
        compare(other, "load 20,000 lines", turns, "load", small)
        compare(other, "20,000 lines to Parquet", turns, "parquet", small)
        compare(other, "load 200,000 lines", max(1, turns // 2), "load", large)


if __name__ == "__main__":
    if sys.argv[1] == "--one":
        print(json.dumps(one(*sys.argv[2:])))
    else:
        main(sys.argv[1], *map(int, sys.argv[2:]))
