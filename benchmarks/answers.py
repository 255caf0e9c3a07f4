"""What an export answers, beside its load and beside what one would write with pandas or DuckDB.

`python -m benchmarks.answers` prints the tables, in about six minutes; a first argument is the
number of repetitions. The exports are those of a generated world.
"""

from __future__ import annotations

import importlib.util
import sys
import tempfile
import zlib
from itertools import islice
from pathlib import Path

import orjson
import pandas as pd
import pyarrow.parquet as pq

import asana_jobs_pd as aj
from asana_jobs_pd.sandbox._world import World
from asana_jobs_pd.sandbox._world_rows import resource_rows
from benchmarks.measure import Figure, show, timed

TASKS, LAKE_TASKS = 200_000, 1_000_000
SHARE = 100
"""The peer of history takes half an hour for all; it is measured on a share of the tasks."""
TEMPLATES = 1000
"""The lake has many rows, which take long to generate: so many different ones but for the gid."""
FOR_LAKE = ("resource_type", "name", "assignee.name", "completed", "memberships")
BY_ASSIGNEE = 'select "assignee.name", count(*) as tasks from {} group by all'


def write(path, lines):
    """Write the lines of an export."""
    packer = zlib.compressobj(1, wbits=31)
    with path.open("wb") as file:
        file.writelines(packer.compress(line + b"\n") for line in lines)
        file.write(packer.flush())
    return path


def world_lines():
    return map(orjson.dumps, resource_rows(World("benchmark", TASKS), "task"))


def lake_lines():
    """Yield the lines of the lake: few different ones, each with a gid of its own."""
    rows = islice(
        resource_rows(World("benchmark", 2 * TEMPLATES), "task", fields=FOR_LAKE), TEMPLATES
    )
    lines = [orjson.dumps({**row, "gid": "@"}) for row in rows]
    for number in range(LAKE_TASKS):
        yield lines[number % TEMPLATES].replace(b'"@"', b'"12%014d"' % number, 1)


def load(path, engine="pandas"):
    return aj.read_asana_export(path, engine=engine, workers=1, progress=False)


def history_by_apply(tasks):
    """Return the intervals in sections as one would write it, with a function for each task."""
    stories = tasks[["gid", "stories"]].explode("stories", ignore_index=True).dropna()
    kinds = ("section_changed", "added_to_project", "removed_from_project")
    some = stories[[story["resource_subtype"] in kinds for story in stories["stories"]]]
    moves = pd.json_normalize(some["stories"].tolist()).assign(task=some["gid"].to_numpy())
    moves["created_at"] = pd.to_datetime(moves["created_at"], utc=True, format="ISO8601")

    def intervals(group):
        group = group.sort_values("created_at", kind="stable")
        value = group["new_section.gid"].fillna(group["old_section.gid"].shift(-1))
        ends = group["created_at"].shift(-1)
        return pd.DataFrame({"value": value, "from": group["created_at"], "to": ends})

    return moves.groupby(["task", "project.gid"])[list(moves.columns)].apply(intervals)


def answers(repetitions, folder):
    """Measure loads, tables and history of one export, in turns."""
    path = write(Path(folder) / "export.jsonl.gz", world_lines())
    times = {name: [] for name in ("pandas", "polars", "tables", "history", "apply")}
    has_polars = importlib.util.find_spec("polars")
    for repetition in range(repetitions):
        data, wall, _ = timed(lambda: load(path))
        times["pandas"].append(wall)
        times["tables"].append(timed(lambda data=data: dict(data.tables().items()))[1])
        times["history"].append(timed(lambda data=data: data.history("section"))[1])
        share = data["task"].iloc[repetition::SHARE]
        times["apply"].append(SHARE * timed(lambda share=share: history_by_apply(share))[1])
        stories = len(data.tables()["story"])
        del data, share
        if has_polars:
            times["polars"].append(timed(lambda: load(path, "polars"))[1])
    figures = show(
        f"Relations of {TASKS:,} tasks",
        [
            Figure("load, `workers=1`", times["pandas"], "s"),
            Figure("`tables()`, all of them", times["tables"], "s"),
            Figure("`tables()` / load", ratios(times["tables"], times["pandas"]), "×", 1.0),
        ],
    )
    figures += show(
        f"History of {stories:,} stories",
        [
            Figure('`history("section")`', times["history"], "s"),
            Figure(
                f"`groupby().apply()`, a {SHARE}th of the tasks, times {SHARE}", times["apply"], "s"
            ),
            Figure("as fast", ratios(times["apply"], times["history"]), "×", 10, "≥"),
        ],
    )
    if has_polars:
        ratio = ratios(times["polars"], times["pandas"])
        figures += show(
            f"Engines, {TASKS:,} tasks",
            [
                Figure('`engine="polars"`', times["polars"], "s"),
                Figure("polars / pandas", ratio, "×", 1.0),
            ],
        )
    return figures


def ratios(ours, theirs):
    return [our / their for our, their in zip(ours, theirs, strict=True)]


def sql(repetitions, folder):
    """Measure a group-by over a lake, beside DuckDB on the same Parquet and on one file of it."""
    import duckdb

    folder = Path(folder)
    lake, by_hand = folder / "lake", folder / "by-hand.parquet"
    export = write(folder / "lake.jsonl.gz", lake_lines())
    aj.asana_export_to_parquet(export, lake, progress=False)
    pq.write_table(pq.read_table(lake / "task", partitioning=None), by_hand)
    queries = {
        "same": f"read_parquet('{lake}/task/*.parquet')",
        "by hand": f"read_parquet('{by_hand}')",
    }
    times = {name: [] for name in ("ours", *queries)}
    for _ in range(repetitions * 7):
        times["ours"].append(timed(lambda: aj.sql(lake, BY_ASSIGNEE.format("task")))[1])
        for name, source in queries.items():
            query = BY_ASSIGNEE.format(source)
            times[name].append(timed(lambda query=query: query_by_hand(duckdb, query))[1])
    return show(
        f"A group-by over a dataset of {LAKE_TASKS:,} rows",
        [
            Figure("`aj.sql`", times["ours"], "s"),
            Figure("DuckDB on the same Parquet", times["same"], "s"),
            Figure("DuckDB on one file that pyarrow wrote", times["by hand"], "s"),
            Figure("`aj.sql` / DuckDB", ratios(times["ours"], times["same"]), "×", 1.1),
            Figure(
                "`aj.sql` / DuckDB, one file", ratios(times["ours"], times["by hand"]), "×", 1.1
            ),
        ],
    )


def query_by_hand(duckdb, query):
    with duckdb.connect() as connection:
        return connection.sql(query).df()


def main(repetitions=3):
    cases = [answers, *([sql] if importlib.util.find_spec("duckdb") else [])]
    figures = []
    for case in cases:
        with tempfile.TemporaryDirectory() as folder:
            figures += case(repetitions, folder)
    return figures


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
