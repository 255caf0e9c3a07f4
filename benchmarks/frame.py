"""Records to a typed frame: ours beside `pd.json_normalize` with the same dtypes.

`python -m benchmarks.frame` prints the table; with CONTENDER, one measurement.
"""

from __future__ import annotations

import json
import statistics
import sys

import orjson
import pandas as pd

import asana_jobs_pd as aj
from benchmarks.fetch import FIRST_GID, OURS
from benchmarks.measure import Figure, fresh, interleaved, show, timed

RECORDS = 100_000
THEIRS = "`pd.json_normalize`"
CREATED = ("new_project", "new_task", "new_graph_export", "new_resource_export", "new_portfolio")


def records(count):
    """Return records as `GET /jobs/{gid}` sends them; one in ten has a key unknown to us."""
    return [orjson.loads(orjson.dumps(_record(number))) for number in range(count)]


def _record(number):
    gid = str(FIRST_GID + number)
    kind = CREATED[number % len(CREATED)]
    created = {"gid": gid[::-1], "resource_type": kind.removeprefix("new_")}
    if kind.endswith("export"):
        created["created_at"] = f"2026-11-24T08:{number % 60:02}:17.{number % 1000:03}Z"
        created["completed_at"] = f"2026-11-24T09:{number % 60:02}:17.{number % 1000:03}Z"
        created["download_url"] = f"https://example.com/{gid}?X-Amz-Signature={number:064x}"
    else:
        created["name"] = f"Plan {number}"
    if kind == "new_task":
        created["resource_subtype"] = "default_task"
        created["created_by"] = {"gid": "1208", "resource_type": "user"}
    record = {"gid": gid, "resource_type": "job", "resource_subtype": "duplicate_task"}
    record |= {"status": "succeeded", **dict.fromkeys(CREATED), kind: created}
    return record | ({"new_goal": {"gid": gid}} if number % 10 == 0 else {})


def normalized(rows):
    """Return the frame of `json_normalize`, with the dtypes that ours has."""
    frame = pd.json_normalize(rows)
    for name in frame.columns:
        if name.endswith("_at"):
            times = pd.to_datetime(frame[name], utc=True, format="ISO8601")
            frame[name] = times.astype("datetime64[us, UTC]")
        else:
            frame[name] = frame[name].astype("string")
    return frame


CONTENDERS = {OURS: aj.asana_jobs_from_records, THEIRS: normalized}


def measure(name):
    """Return the seconds of many records, and the median of those of one."""
    build, rows = CONTENDERS[name], records(RECORDS)
    build(rows[:100])
    frame, many, _ = timed(lambda: build(rows))
    assert frame["new_goal.gid"].count() == RECORDS // 10
    assert frame["new_graph_export.created_at"].dtype == "datetime64[us, UTC]"
    one = [timed(lambda row=row: build([row]))[1] for row in rows[:500]]
    return {"many": many, "one": statistics.median(one)}


def main(repetitions=5):
    results = interleaved(CONTENDERS, repetitions, lambda name: fresh("frame", name))
    ours, theirs = results[OURS], results[THEIRS]
    pairs = zip(ours, theirs, strict=True)
    return show(
        f"{RECORDS:,} records to a typed frame, an unknown key in one of ten",
        [
            Figure(f"{OURS}: all", [result["many"] * 1000 for result in ours], "ms"),
            Figure(f"{THEIRS}: all", [result["many"] * 1000 for result in theirs], "ms"),
            Figure(
                f"{OURS}: as fast as {THEIRS}",
                [their["many"] / our["many"] for our, their in pairs],
                "×",
                6,
                "≥",
            ),
            Figure(f"{OURS}: one", [result["one"] * 1000 for result in ours], "ms", 1.5),
            Figure(f"{THEIRS}: one", [result["one"] * 1000 for result in theirs], "ms"),
        ],
    )


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(measure(sys.argv[1])))
    else:
        main()
