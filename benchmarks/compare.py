"""Two datasets of a million tasks compared: what it takes, and whether memory stays where it is.

`python -m benchmarks.compare` prints the table; with OLD NEW, one measurement. The rows are those
of `load`, repeated with other gids; one of 128 is removed, one of 32 has another name.
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

import asana_jobs_pd as aj
from benchmarks.load import written
from benchmarks.measure import Figure, fresh, interleaved, show, timed

LINES = 50_000
COPIES = 24
LIMIT = 600
"""MB: in memory, the rows of both take some five times that."""


def made(folder):
    """Write two datasets; return their paths and the number of rows of each."""
    source = written(LINES, folder)
    paths = [Path(folder, name) for name in ("old", "new")]
    for path in paths:
        aj.asana_export_to_parquet(source, path, resource_types="task", progress=False)
        part = path / "task" / "part-00000.parquet"
        table = pq.read_table(part)
        if path.name == "new":
            number = pa.array(range(len(table)))
            renamed = pc.equal(pc.bit_wise_and(number, 31), 1)
            names = pc.if_else(renamed, "renamed", table["name"])
            at = table.schema.get_field_index("name")
            table = table.set_column(at, table.schema.field(at), names)
            table = table.filter(pc.not_equal(pc.bit_wise_and(number, 127), 0))
        with pq.ParquetWriter(part, table.schema, compression="zstd") as writer:
            for copy in range(COPIES):
                gids = pc.binary_join_element_wise(table["gid"], str(copy), "")
                writer.write_table(table.set_column(0, table.schema.field(0), gids))
    return paths, len(table) * COPIES


def measure(*paths):
    found, wall, cpu = timed(lambda: aj.compare_asana_exports(*paths))
    assert found.summary().loc["task", ["removed", "changed", "unchanged"]].all()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    return {"wall": wall, "cpu": cpu, "peak": peak}


def main(repetitions=3):
    with tempfile.TemporaryDirectory() as folder:
        paths, rows = made(folder)
        results = interleaved(["ours"], repetitions, lambda _: fresh("compare", *paths))["ours"]
    values = {what: [result[what] for result in results] for what in ("wall", "cpu", "peak")}
    figures = [
        Figure("asana_jobs_pd: wall", values["wall"], "s"),
        Figure("asana_jobs_pd: cpu", values["cpu"], "s"),
        Figure("asana_jobs_pd: peak", values["peak"], "MB", LIMIT),
    ]
    return show(f"Two datasets of {rows:,} tasks compared", figures)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(measure(*sys.argv[1:])))
    else:
        main()
