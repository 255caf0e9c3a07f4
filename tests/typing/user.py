"""A user's script: what type checkers accept, and the mistakes they find.

Checked by mypy and pyright in strict mode; a mistake that is no longer found is an error too.
"""

from __future__ import annotations

import pandas as pd

import asana_jobs_pd as aj

jobs: pd.DataFrame = aj.read_asana_jobs(["1208", 1209], fields=["status", "new_task.name"])
jobs = aj.accessor(jobs).refresh(errors="coerce")
jobs = aj.accessor(jobs).wait(timeout=60, until="any")
files: pd.DataFrame = aj.accessor(jobs).download("exports/", max_workers=2)
data: aj.AsanaExport = aj.accessor(files).load(resource_types="task", dtype_backend="pyarrow")
rows: int = len(aj.accessor(files).load(engine="arrow")["task"])
lazy: aj.AsanaDaskExport = aj.accessor(files).load(engine="dask")
tasks: pd.DataFrame = data["task"]
parts: pd.DataFrame = aj.accessor(files).to_parquet("lake/", overwrite=True)
widget: aj.JobsWidget = aj.accessor(jobs).watch(dest="exports/")
started: pd.DataFrame = aj.export_graph(["1203"], max_age="4h")
client: aj.Client = aj.connect(token=lambda: "2/1200")
eta: pd.DataFrame = aj.accessor(jobs).eta(client=client)
pending: pd.DataFrame = aj.accessor(jobs).pending


def tell(done: int, total: int | None, what: str) -> None:
    """Get told of progress."""


def notify(done: pd.DataFrame) -> None:
    """Get told of the end."""


jobs = aj.accessor(jobs).wait(progress=tell, notify=notify)
jobs = aj.read_asana_jobs("1208", progress=tell)


def mistakes() -> None:
    """Each line has one."""
    aj.accessor(jobs).refrehs()  # type: ignore[attr-defined]  # pyright: ignore
    aj.accessor(jobs).refresh(finish=True)  # type: ignore[call-arg]  # pyright: ignore
    aj.accessor(jobs).wait(until="some")  # type: ignore[arg-type]  # pyright: ignore
    aj.accessor(jobs).wait(notify=tell)  # type: ignore[arg-type]  # pyright: ignore
    aj.read_asana_jobs("1208", progress=notify)  # type: ignore[arg-type]  # pyright: ignore
    aj.connect(lambda: 7)  # type: ignore[arg-type, return-value]  # pyright: ignore
    aj.duplicate_task("1", max_age="4h")  # type: ignore[call-arg]  # pyright: ignore
    aj.accessor(jobs).download(7)  # type: ignore[arg-type]  # pyright: ignore
    aj.read_asana_jobs(1.5)  # type: ignore[arg-type]  # pyright: ignore
    aj.read_asana_jobs("1208", errors="ignore")  # type: ignore[arg-type]  # pyright: ignore
    aj.JobsWidget(jobs, colour="red")  # type: ignore[call-arg]  # pyright: ignore
    aj.no_such_verb(jobs)  # type: ignore[attr-defined]  # pyright: ignore
