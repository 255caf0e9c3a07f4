"""What an export answers: beside the load, and beside what one would write with pandas or DuckDB.

`python -m benchmarks.answers` prints the tables; the exports are those of a generated world.
"""

from __future__ import annotations

import importlib.util
import json
import tempfile
import zlib
from pathlib import Path

import pandas as pd

import asana_jobs_pd as aj
from asana_jobs_pd.sandbox._world import World
from asana_jobs_pd.sandbox._world_rows import resource_rows
from benchmarks.measure import Figure, show, timed

TASKS, STORY_TASKS, LAKE_TASKS = 200_000, 160_000, 1_000_000
SHARE = 40
"""The peer of history takes half an hour for all; it is measured on a share of the tasks."""
FOR_HISTORY = ("resource_type", "created_at", "created_by", "memberships", "stories", "completed")
FOR_LAKE = ("resource_type", "assignee.name", "completed", "memberships")
BY_ASSIGNEE = 'select "assignee.name", count(*) as tasks from {} group by all'


def written(count, folder, fields=None):
    """Write a resource export of so many tasks; return its path."""
    path = Path(folder) / f"{count}.jsonl.gz"
    packer = zlib.compressobj(1, wbits=31)
    with path.open("wb") as file:
        for row in resource_rows(World("benchmark", count), "task", fields=fields):
            file.write(packer.compress(json.dumps(row).encode() + b"\n"))
        file.write(packer.flush())
    return path


def load(path):
    return aj.read_asana_export(path, workers=1, progress=False)


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


def tables(repetitions, folder):
    path = written(TASKS, folder)
    loads, made = [], []
    for _ in range(repetitions):
        data, wall, _ = timed(lambda: load(path))
        loads.append(wall)
        made.append(timed(lambda data=data: dict(data.tables().items()))[1])
    ratios = [own / whole for own, whole in zip(made, loads, strict=True)]
    figures = [
        Figure("load, workers=1", loads, "s"),
        Figure("`tables()`, all of them", made, "s"),
        Figure("`tables()` / load", ratios, "×", 1.0),
    ]
    path.unlink()
    return show(f"Relations of {TASKS:,} tasks", figures)


def history(repetitions, folder):
    data = load(written(STORY_TASKS, folder, FOR_HISTORY))
    count = len(data.tables()["story"])
    ours, theirs = [], []
    for _ in range(repetitions):
        found, wall, _ = timed(lambda: data.history("section"))
        ours.append(wall)
        assert len(found)
        share = data["task"].iloc[::SHARE]
        theirs.append(SHARE * timed(lambda share=share: history_by_apply(share))[1])
    ratios = [their / our for our, their in zip(ours, theirs, strict=True)]
    figures = [
        Figure('`history("section")`', ours, "s"),
        Figure(f"`groupby().apply()`, of a {SHARE}th of the tasks, times {SHARE}", theirs, "s"),
        Figure("as fast", ratios, "×", 10, "≥"),
    ]
    return show(f"History of {count:,} stories", figures)


def sql(repetitions, folder):
    import duckdb

    lake = Path(folder) / "lake"
    aj.asana_export_to_parquet(written(LAKE_TASKS, folder, FOR_LAKE), lake, progress=False)
    by_hand = BY_ASSIGNEE.format(f"read_parquet('{lake}/task/*.parquet')")
    ours, theirs = [], []
    for _ in range(repetitions * 5):
        theirs.append(timed(lambda: query_by_hand(duckdb, by_hand))[1])
        ours.append(timed(lambda: aj.sql(lake, BY_ASSIGNEE.format("task")))[1])
    ratios = [our / their for our, their in zip(ours, theirs, strict=True)]
    figures = [
        Figure("`aj.sql`", ours, "s"),
        Figure("DuckDB on the same Parquet", theirs, "s"),
        Figure("`aj.sql` / DuckDB", ratios, "×", 1.1),
    ]
    return show(f"A group-by over a dataset of {LAKE_TASKS:,} rows", figures)


def query_by_hand(duckdb, query):
    with duckdb.connect() as connection:
        return connection.sql(query).df()


def main(repetitions=3):
    cases = [tables, history, *([sql] if importlib.util.find_spec("duckdb") else [])]
    figures = []
    for case in cases:
        with tempfile.TemporaryDirectory() as folder:
            figures += case(repetitions, folder)
    return figures


if __name__ == "__main__":
    main()
