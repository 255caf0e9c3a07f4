"""A large export to Parquet: what it takes, and whether memory stays where it is.

`python -m benchmarks.parquet` prints the table; with CONTENDER FILE …, one measurement. Twice as
many lines, the file and a copy of it, tell what memory a further row takes.
"""

from __future__ import annotations

import importlib.util
import json
import os
import resource
import shutil
import sys
import tempfile
from pathlib import Path

import pyarrow.parquet as pq

import asana_jobs_pd as aj
from benchmarks.load import OURS, OURS_ALONE, written
from benchmarks.measure import Figure, fresh, interleaved, show, timed

LINES = 1_000_000
DUCKDB = "DuckDB, streaming to one file"


def ours(dest, *paths):
    aj.asana_export_to_parquet(paths, dest, progress=False)


def ours_alone(dest, *paths):
    aj.asana_export_to_parquet(paths, dest, workers=1, progress=False)


def by_duckdb(dest, path):
    """Stream rows to one file: no types of rows, no custom fields, nothing dropped."""
    import duckdb

    dest.mkdir()
    rows = f"read_ndjson('{path}', sample_size=20000, ignore_errors=true)"
    duckdb.sql(f"copy (select * from {rows}) to '{dest}/all.parquet' (compression zstd)")


CONTENDERS = {OURS: ours, OURS_ALONE: ours_alone, DUCKDB: by_duckdb}


def measure(name, *paths):
    """Return seconds, MB on disk, and the peak of memory in bytes of the largest process."""
    folder = Path(tempfile.mkdtemp(dir=Path(paths[0]).parent))
    try:
        _, wall, _ = timed(lambda: CONTENDERS[name](folder / "made", *paths))
        parts = list(folder.rglob("*.parquet"))
        assert sum(pq.read_metadata(part).num_rows for part in parts)
        used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return {
            "wall": wall,
            "cpu": sum(one.ru_utime + one.ru_stime for one in used),
            "peak": max(one.ru_maxrss for one in used) * 1024,
            "disk": sum(part.stat().st_size for part in parts) / 1e6,
        }
    finally:
        shutil.rmtree(folder)


def further_row(path, repetitions):
    """Return the bytes that a row beyond the first million takes, by a copy of the file."""
    copy = path.with_name(f"again-{path.name}")
    os.link(path, copy)
    results = interleaved(
        (1, 2), repetitions, lambda files: fresh("parquet", OURS_ALONE, *(path, copy)[:files])
    )
    pairs = zip(results[1], results[2], strict=True)
    return [(two["peak"] - one["peak"]) / LINES for one, two in pairs]


def compare(path, repetitions):
    names = [name for name in CONTENDERS if name != DUCKDB or importlib.util.find_spec("duckdb")]
    results = interleaved(names, repetitions, lambda name: fresh("parquet", name, path))
    figures = []
    for name in names:
        limit = None if name == DUCKDB else 450
        for what, unit in (("wall", "s"), ("cpu", "s"), ("disk", "MB")):
            values = [result[what] for result in results[name]]
            figures.append(Figure(f"{name}: {what}", values, unit))
        peaks = [result["peak"] / 1e6 for result in results[name]]
        figures.append(Figure(f"{name}: peak a process", peaks, "MB", limit))
    rows = further_row(path, 1)
    figures.append(Figure(f"{OURS_ALONE}: a further row", rows, "bytes", 24))
    size = path.stat().st_size / 1e6
    return show(f"{LINES:,} lines of an export to Parquet, {size:.0f} MB on disk", figures)


def main(repetitions=1):
    with tempfile.TemporaryDirectory() as folder:
        return compare(written(LINES, folder), repetitions)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(measure(*sys.argv[1:])))
    else:
        main()
