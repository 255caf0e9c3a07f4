"""Export files to typed frames: ours beside what a user would take instead.

`python -m benchmarks.load` prints the tables; with CONTENDER FILE, one measurement. The rows are
the sandbox's: resource exports with tasks, teams and messages, and custom fields of all types.
"""

from __future__ import annotations

import gzip
import importlib.util
import json
import resource
import sys
import tempfile
import warnings
import zlib
from pathlib import Path

import pandas as pd

import asana_jobs_pd as aj
from asana_jobs_pd._decode.schema import SCHEMA
from asana_jobs_pd.sandbox._exports import export_rows
from benchmarks.measure import Figure, fresh, interleaved, show, timed

SMALL, LARGE = 20_000, 200_000
OURS = "asana_jobs_pd"
OURS_ALONE = "asana_jobs_pd, workers=1"
READ_JSON = "`read_json` + `json_normalize`"
JSON = "gzip + json + `json_normalize`"
DUCKDB = "DuckDB to pandas"
DUCKDB_TEXT = "DuckDB to pandas, what is nested left as JSON text"
DUCKDB_SCHEMA = "DuckDB to pandas, its schema written by hand"
POLARS = "polars to pandas"
ROWS = ("task", "team", "message")
VALUE_OF = {
    "text": "text_value",
    "number": "number_value",
    "enum": "enum_value.name",
    "multi_enum": "multi_enum_values",
    "date": "date_value",
    "people": "people_value",
    "reference": "reference_value",
}
OBJECT = "STRUCT(gid VARCHAR, name VARCHAR)"
FIELD_TYPE = (
    "STRUCT(gid VARCHAR, name VARCHAR, type VARCHAR, text_value VARCHAR, number_value DOUBLE,"
    f" enum_value {OBJECT}, multi_enum_values {OBJECT}[],"
    " date_value STRUCT(date DATE, date_time TIMESTAMPTZ),"
    f" people_value {OBJECT}[], reference_value {OBJECT}[], display_value VARCHAR)"
)


def ours(path):
    return dict(aj.read_asana_export(path, progress=False))


def ours_alone(path):
    return dict(aj.read_asana_export(path, workers=1, progress=False))


def by_read_json(path):
    warnings.simplefilter("ignore")  # one of the two options is on its way out
    rows = pd.read_json(path, lines=True, dtype=False, convert_dates=False)
    return normalized(rows.to_dict("records"))


def by_json(path):
    with gzip.open(path) as lines:
        return normalized([json.loads(line) for line in lines])


def normalized(rows):
    """Return a frame a type of row, custom fields as columns, times and dates converted."""
    frames = {}
    for name in {row["resource_type"] for row in rows}:
        some = [row for row in rows if row["resource_type"] == name]
        for row in some:
            fields = row.pop("custom_fields", None)
            if isinstance(fields, list):
                row["cf"] = {field["gid"]: field["display_value"] for field in fields}
        frame = pd.json_normalize(some).drop_duplicates("gid", keep="last")
        for column in frame.columns:
            if column.endswith("_at"):
                frame[column] = pd.to_datetime(frame[column], utc=True, format="ISO8601")
        frames[name] = frame
    return frames


def by_duckdb(path, options=""):
    """Read with a schema from a sample: late fields are lost, as is what conflicts with it."""
    import duckdb

    return {"all": duckdb.sql(f"select * from read_ndjson('{path}'{options})").df()}


def by_duckdb_text(path):
    return by_duckdb(path, ", maximum_depth=2")


def by_duckdb_schema(path):
    """Read with the whole schema given and custom fields pivoted: what does not fit is lost."""
    import duckdb

    columns = {key: duckdb_type(spec) for kind in ROWS for key, spec in SCHEMA[kind].items()}
    columns |= {"resource_type": "VARCHAR", "custom_fields": FIELD_TYPE + "[]"}
    connection = duckdb.connect()
    connection.execute(
        f"create temp table export as select * from read_ndjson('{path}', columns={columns},"
        " ignore_errors=true)"
    )
    fields = connection.sql(
        "select distinct f.gid, f.name, f.type from (select unnest(custom_fields) f from export)"
    ).fetchall()
    pivoted = [
        f"list_filter(custom_fields, lambda f: f.gid = '{gid}')[1].{VALUE_OF[kind]}"
        f' as "{name} [{gid}]"'
        for gid, name, kind in fields
    ]
    return {
        kind: connection.sql(
            f"select {', '.join([*(k for k in SCHEMA[kind] if k != 'custom_fields'), *pivoted])}"
            f" from export where resource_type = '{kind}'"
            " qualify row_number() over (partition by gid) = 1"
        ).df()
        for kind in ROWS
    }


def duckdb_type(spec):
    """Return DuckDB's type for an entry of the table of documented fields."""
    if isinstance(spec, list):
        return duckdb_type(spec[0]) + "[]"
    if isinstance(spec, dict):
        return "STRUCT(" + ", ".join(f'"{k}" {duckdb_type(v)}' for k, v in spec.items()) + ")"
    return {
        "time": "TIMESTAMPTZ",
        "date": "DATE",
        "bool": "BOOLEAN",
        "int": "BIGINT",
        "float": "DOUBLE",
        "custom_fields": "JSON",
    }.get(spec, "VARCHAR")


def by_polars(path):
    import polars as pl

    with gzip.open(path) as file:
        return {"all": pl.read_ndjson(file.read(), infer_schema_length=None).to_pandas()}


CONTENDERS = {
    OURS: ours,
    OURS_ALONE: ours_alone,
    READ_JSON: by_read_json,
    JSON: by_json,
    DUCKDB: by_duckdb,
    DUCKDB_TEXT: by_duckdb_text,
    DUCKDB_SCHEMA: by_duckdb_schema,
    POLARS: by_polars,
}
NEEDS = {DUCKDB: "duckdb", DUCKDB_TEXT: "duckdb", DUCKDB_SCHEMA: "duckdb", POLARS: "polars"}
TOO_LARGE = {READ_JSON, POLARS}
"""They need more memory for the large file than most machines have."""


def written(count, folder):
    """Write an export of so many rows; return its path."""
    path = Path(folder) / f"{count}.jsonl.gz"
    packer = zlib.compressobj(6, wbits=31)
    with path.open("wb") as file:
        for row in export_rows("export_request", count, "benchmark"):
            line = json.dumps(row, ensure_ascii=False, separators=(",", ":"))
            file.write(packer.compress(line.encode() + b"\n"))
        file.write(packer.flush())
    return path


def measure(name, path):
    """Return wall and CPU seconds of a load, and the peak of memory in MB, workers' included."""
    frames, wall, _ = timed(lambda: CONTENDERS[name](path))
    assert sum(map(len, frames.values()))
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return {
        "wall": wall,
        "cpu": sum(one.ru_utime + one.ru_stime for one in used),
        "peak": sum(one.ru_maxrss for one in used) / 1024,
    }


def compare(count, repetitions, folder):
    path = written(count, folder)
    names = [
        name
        for name in CONTENDERS
        if importlib.util.find_spec(NEEDS.get(name, "pandas"))
        and (count <= SMALL or name not in TOO_LARGE)
    ]
    results = interleaved(names, repetitions, lambda name: fresh("load", name, path))
    figures = []
    for name in names:
        for what, unit in (("wall", "s"), ("cpu", "s"), ("peak", "MB")):
            limit = 600 if (name, what) == (OURS_ALONE, "peak") else None
            values = [result[what] for result in results[name]]
            figures.append(Figure(f"{name}: {what}", values, unit, limit))
    factors = {READ_JSON: 6} if count <= SMALL else {JSON: 6, DUCKDB: 1.7, DUCKDB_TEXT: 1.7}
    for name, factor in factors.items():
        if name in names:
            pairs = zip(results[OURS], results[name], strict=True)
            ratios = [their["wall"] / our["wall"] for our, their in pairs]
            figures.append(Figure(f"as fast as {name}", ratios, "×", factor, "≥"))
    size = path.stat().st_size / 1e6
    return show(f"{count:,} lines of an export to frames, {size:.0f} MB on disk", figures)


def main(repetitions=3):
    with tempfile.TemporaryDirectory() as folder:
        return compare(SMALL, repetitions, folder) + compare(LARGE, repetitions, folder)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(measure(*sys.argv[1:])))
    else:
        main()
