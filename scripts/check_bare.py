"""Check an installation without extras: it reads, waits, downloads and loads, and names what lacks.

``python scripts/check_bare.py``, in an environment with ``pip install asana_jobs_pd`` and no more.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from importlib.metadata import metadata
from pathlib import Path

import pandas as pd

import asana_jobs_pd as aj
from asana_jobs_pd.__main__ import run_command
from asana_jobs_pd.sandbox import Sandbox

NOT_CHECKED = {"anywidget", "all", "test"}
"""The widget itself says what a front end needs; the others are lists of extras."""


def use(asana: Sandbox) -> tuple[pd.DataFrame, aj.AsanaExport]:
    """Go from gids to frames."""
    gids = asana.gids(6)
    asana.finish(*gids)
    jobs = aj.read_asana_jobs(gids).asana.wait()
    assert jobs["status"].eq("succeeded").all()
    files = jobs.asana.exports.asana.download("exports")
    assert files["file.error"].isna().all()
    data = files.asana.load()
    assert len(data["task"])
    assert len(data.tables()["task"])
    assert aj.read_asana_dataset(data.to_parquet("lake"))["task"].equals(data["task"])
    assert aj.compare_asana_exports("lake", data).summary()["changed"].sum() == 0
    return jobs, data


def uses_of_extras(jobs: pd.DataFrame, data: aj.AsanaExport) -> dict[str, Callable[[], object]]:
    """Return a call for each extra that does not work without it."""
    [file] = jobs["gid"].loc[lambda gid: gid.str.startswith("1203")]
    path = f"exports/{file}-graph.jsonl.gz"
    return {
        "plot": jobs.asana.plot.status,
        "report": lambda: jobs.asana.report("jobs.html"),
        "excel": lambda: jobs.asana.to_excel("jobs.xlsx"),
        "remote": lambda: aj.read_asana_export("s3://bucket/1208-graph.jsonl.gz"),
        "dask": lambda: aj.read_asana_export(path, engine="dask"),
        "polars": lambda: aj.read_asana_export(path, engine="polars"),
        "sql": lambda: data.sql("select 1"),
        "keyring": aj.connect,
        "completion": lambda: run_command(["completion", "bash"]),
    }


def main() -> int:
    """Check it in a folder of its own, and return the exit code."""
    os.environ.update(ASANA_JOBS_LEDGER="0", ASANA_JOBS_PROGRESS="0")
    for name in ("ASANA_ACCESS_TOKEN", "ASANA_PAT", "ASANA_TOKEN"):
        os.environ.pop(name, None)
    missing = []
    with tempfile.TemporaryDirectory() as folder, Sandbox() as asana:
        os.chdir(folder)
        aj.connect(asana.token, base_url=asana.base_url)
        calls = uses_of_extras(*use(asana))
        extras = set(metadata("asana_jobs_pd").get_all("Provides-Extra") or ()) - NOT_CHECKED
        if unknown := extras ^ calls.keys():
            missing.append(f"extras without a call here, or the other way round: {unknown}")
        for extra, call in calls.items():
            try:
                call()
            except (aj.errors.MissingExtraError, aj.errors.TokenError) as error:
                if f"asana_jobs_pd[{extra}]" not in str(error):
                    missing.append(f"{extra} is not named: {error}")
            else:
                missing.append(f"{extra} is not missing")
        os.chdir(Path(folder).parent)
    print(*missing or ["a bare installation works, and names the extras that it lacks"], sep="\n")
    return bool(missing)


if __name__ == "__main__":
    sys.exit(main())
