"""A whole load: repeated rows, order, and results that do not depend on how it was done."""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
import threading
import time
import zlib
from datetime import date

import pandas as pd
import pyarrow as pa
import pytest
from export_fixtures import as_lines, task
from hypothesis import given, settings
from hypothesis import strategies as st

import asana_jobs_pd as aj
from asana_jobs_pd._decode import scan, sources
from asana_jobs_pd._export import workers
from asana_jobs_pd.errors import ExportFileError, ExportWorkerError
from asana_jobs_pd.sandbox import Sandbox


def assert_same(one, other):
    assert list(one) == list(other)
    for name in one:
        pd.testing.assert_frame_equal(one[name], other[name])
    for view in ("issues", "custom_fields"):
        pd.testing.assert_frame_equal(getattr(one, view), getattr(other, view))
    pd.testing.assert_frame_equal(one.report(), other.report())


def test_of_repeated_rows_the_last_is_kept(load, export):
    """By type and gid over all files; without a gid, if the bytes are identical."""
    link = {
        "resource_type": "project_to_portfolio",
        "project": {"gid": "1"},
        "portfolio": {"gid": "2"},
    }
    spaced = json.dumps(link, separators=(" , ", ":"))
    rows = [
        task("1", name="old"),
        task("2"),
        {"gid": "1", "resource_type": "team"},
        link,
        link,
        spaced,
        task("3"),
    ]
    one, two = export(*rows), export(task("1", name="new"), link)
    data = aj.read_asana_export([one, two, one.parent / one.name], workers=1)
    assert list(data["task"]["gid"]) == ["2", "3", "1"]
    assert data["task"]["name"].iloc[-1] == "new"
    assert len(data["team"]) == 1
    assert len(data["project_to_portfolio"]) == 2
    assert dict(data.report()["duplicates"]) == {"project_to_portfolio": 2, "task": 1, "team": 0}


CELLS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["x", "2024-01-01", "2024-01-01T00:00:00.5Z", "é"]),
)
VALUES = st.recursive(
    CELLS,
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["gid", "name", "a", "b_on"]), inner, max_size=2)
    ),
    max_leaves=4,
)
KEYS = (
    "name",
    "completed",
    "created_at",
    "num_likes",
    "assignee",
    "followers",
    "new",
    "newer_at",
    "more",
)
FIELD = st.fixed_dictionaries(
    {
        "gid": st.sampled_from(["1", "2", 1, None]),
        "name": st.sampled_from(["A", "B"]),
        "type": st.sampled_from(["text", "number", "enum", "multi_enum", "date", "odd", None]),
    },
    optional={
        "text_value": CELLS,
        "number_value": CELLS,
        "date_value": CELLS | st.fixed_dictionaries({"date_time": CELLS}),
        "multi_enum_values": CELLS | st.lists(CELLS, max_size=2),
        "enum_value": st.none() | st.fixed_dictionaries({"name": st.sampled_from("XYZ")}),
        "enum_options": st.lists(st.fixed_dictionaries({"name": st.sampled_from("XYZ")})),
        "display_value": st.sampled_from(["p", "q"]),
        "representation_type": st.sampled_from(["formula", "text"]),
        "resource_subtype": st.sampled_from(["text", "enum", None, 5, "\ud800"]),
        "precision": st.sampled_from([None, 2, 2.0, 2**70, "x"]),
    },
)
ROW = st.fixed_dictionaries(
    {"gid": st.sampled_from("123456"), "resource_type": st.sampled_from(["task", "novelty"])},
    optional={**dict.fromkeys(KEYS, VALUES), "custom_fields": VALUES | st.lists(FIELD, max_size=3)},
)


@settings(max_examples=30)
@given(
    rows=st.lists(ROW, max_size=12),
    chunk=st.integers(20, 2000),
    bundle=st.integers(1, 5),
    cut=st.integers(0, 12),
    mode=st.sampled_from(["columns", "long", "raw"]),
)
def test_batch_borders_do_not_affect_the_result(tmp_path_factory, rows, chunk, bundle, cut, mode):
    """Any rows, split anywhere and read by any number of scanners, give the same result."""
    path = tmp_path_factory.mktemp("any") / "a.jsonl"
    path.write_bytes(as_lines(rows) or b"\n")
    options = scan.ReadOptions(custom_fields=mode, on_bad_lines="skip")
    whole = assembled(path, options)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sources, "CHUNK", chunk)
        patch.setattr(scan, "_BUNDLE", bundle)
        assert_same(whole, assembled(path, options, scanners=3, cut=cut))


def assembled(path, options, scanners=1, cut=0):
    from asana_jobs_pd._export.read import assemble
    from asana_jobs_pd._export.request import Request

    those = [scan.Scanner({0: str(path)}, options) for _ in range(scanners)]
    parts = [workers.Share(scanner.scan_result, []) for scanner in those]
    for chunk in those[0].chunks():
        number = (chunk.number + cut) % scanners
        parts[number].batches.extend(those[number].batches(chunk))
    return assemble(parts, Request([str(path)], [1], options, 1), "pyarrow")


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Both kinds of the sandbox's exports, as files, with their rows."""
    folder = tmp_path_factory.mktemp("exports")
    found = {}
    with Sandbox(export_rows=300) as asana:
        from sandbox.conftest import fetch

        for kind in ("graph_export", "export_request"):
            path = folder / f"{kind}.jsonl.gz"
            path.write_bytes(fetch(asana.export_url("5", kind)).body)
            found[kind] = (
                path,
                [json.loads(line) for line in zlib.decompress(path.read_bytes(), 31).splitlines()],
            )
    return found


@pytest.mark.parametrize("kind", ["graph_export", "export_request"])
def test_every_cell_of_an_export_arrives(exported, kind):
    """Checked against the rows by code that does not use Arrow."""
    path, rows = exported[kind]
    data = aj.read_asana_export(path, workers=1)
    names = {
        one["gid"]: column
        for one, column in zip(
            data.custom_fields.to_dict("records"), data.custom_fields["column"], strict=True
        )
    }
    last = {}
    for number, row in enumerate(rows):
        last[row["resource_type"], row.get("gid") or json.dumps(row)] = number
    for name, frame in data.items():
        kept = [
            rows[number] for number in sorted(n for (kind_, _), n in last.items() if kind_ == name)
        ]
        assert len(frame) == len(kept)
        for got, row in zip(frame.to_dict("records"), kept, strict=True):
            expected = dict(cells(row, names))
            for column, value in expected.items():
                found = plain(got.pop(column))
                assert without_nulls(found) == without_nulls(value), (name, column)
            assert all(not isinstance(value, str) or pd.isna(value) for value in got.values())


def cells(row, names, prefix=""):
    for key, value in row.items():
        if key == "custom_fields":
            for one in value:
                yield names[one["gid"]], value_of(one)
        elif isinstance(value, dict):
            yield from cells(value, names, f"{prefix}{key}.")
        elif value is not None:
            yield prefix + key, comparable(value)


def value_of(one):
    kind = one["type"]
    value = one[{"multi_enum": "multi_enum_values"}.get(kind, f"{kind}_value")]
    if value is None:
        return None
    if kind == "enum":
        return value["name"]
    if kind == "multi_enum":
        return [option["name"] for option in value]
    if kind == "date":
        return comparable(value["date"])
    keys = {"people": ("gid", "name", "email"), "reference": ("gid", "resource_type", "name")}.get(
        kind
    )
    return [{key: item.get(key) for key in keys} for item in value] if keys else comparable(value)


def comparable(value):
    """Return a value in which 1 equals 1.0 and two spellings of a time are the same."""
    if isinstance(value, list):
        return [comparable(item) for item in value]
    if isinstance(value, dict):
        return {key: comparable(item) for key, item in value.items() if item is not None}
    if (
        isinstance(value, str)
        and len(value) in (10, 20, 24)
        and value[4:5] == "-"
        and value[7:8] == "-"
    ):
        return pd.Timestamp(value).tz_localize("UTC") if len(value) == 10 else pd.Timestamp(value)
    return value


def plain(value):
    if isinstance(value, (list, dict)) or type(value).__name__ == "ndarray":
        return comparable_items(value)
    if pd.isna(value):
        return None
    is_date = isinstance(value, pd.Timestamp) and value.tz is None
    return value.tz_localize("UTC") if is_date else value


def without_nulls(value):
    """Return a value without absent keys of objects, and dates as times."""
    if isinstance(value, list):
        return [without_nulls(item) for item in value]
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, date):
        moment = pd.Timestamp(value)
        return moment.tz_localize("UTC") if moment.tz is None else moment
    return value


def comparable_items(value):
    if isinstance(value, dict):
        return {key: comparable_items(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)) or type(value).__name__ == "ndarray":
        return [comparable_items(item) for item in value]
    return value


def test_processes_give_what_one_gives(export, monkeypatch):
    """The same order, dtypes and issues with their lines, with two processes for several files."""
    monkeypatch.setattr(sources, "CHUNK", 512)
    monkeypatch.setenv("PYTHONWARNINGS", "")
    rows = [
        task(str(n % 180), num_likes="x" if n % 50 == 7 else n, new={"a": n} if n > 150 else "t")
        for n in range(200)
    ]
    paths = [export(*rows[:120]), export(*rows[120:])]
    one = aj.read_asana_export(paths, workers=1)
    monkeypatch.undo()  # the others have chunks of the usual size: everything is in the first
    two = aj.read_asana_export(paths, workers=2)
    assert_same(one, two)
    assert one.issue_count == 4 + 151


@pytest.mark.slow
def test_a_script_needs_no_guard(export, tmp_path):
    """Worker processes do not run the user's script again."""
    script = tmp_path / "s.py"
    script.write_text(
        "import asana_jobs_pd as aj\nprint('once')\n"
        f"print(len(aj.read_asana_export({str(export(task()))!r}, workers=2)['task']))\n"
    )
    run = subprocess.run(
        [sys.executable, script],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert run.stdout.split() == ["once", "1"]


@pytest.fixture
def started(monkeypatch):
    """The worker processes that are started."""
    processes = []
    launch = subprocess.Popen
    monkeypatch.setattr(
        workers.subprocess,
        "Popen",
        lambda *a, **k: processes.append(launch(*a, **k)) or processes[-1],
    )
    return processes


@pytest.fixture
def shared(monkeypatch):
    """Whatever this process does with a chunk, others have time to take the next."""
    monkeypatch.setattr(sources, "CHUNK", 1)
    decode = scan.Scanner.batches

    def slow(scanner, chunk):
        time.sleep(0.02)
        return decode(scanner, chunk)

    monkeypatch.setattr(scan.Scanner, "batches", slow)


def test_an_error_in_another_process_is_the_same_error(export, shared, monkeypatch):
    """It carries the file and the line."""
    monkeypatch.setattr(scan.Scanner, "batches", lambda *_: time.sleep(0.02) or [])  # only here
    with pytest.raises(ExportFileError, match=r"line \d+ cannot be read") as caught:
        aj.read_asana_export(export(*["{"] * 1000), workers=2)
    assert 1 <= caught.value.line <= 1000


def test_a_worker_that_is_killed_is_an_error_in_words(export, shared, started, monkeypatch):
    """The system may kill it when memory is short."""
    feed = workers._WorkerProcess._ask

    def doomed(process, message):
        if isinstance(message, scan.Chunk):
            started[0].kill()
        return feed(process, message)

    monkeypatch.setattr(workers._WorkerProcess, "_ask", doomed)
    with pytest.raises(ExportWorkerError, match=r"was killed \(signal 9\).*workers=1"):
        aj.read_asana_export(export(*map(task, "x" * 1000)), workers=2)


def test_a_worker_that_does_not_get_ready_is_not_needed(export, started, monkeypatch):
    """This process reads what no other takes."""
    monkeypatch.setattr(workers, "_PROGRAM", "raise SystemExit(1)")
    assert len(aj.read_asana_export(export(task("1"), task("2")), workers=2)["task"]) == 2
    assert started[0].returncode is not None


def test_an_interrupt_ends_the_workers(export, started, monkeypatch):
    """At once; no process and no temporary file is left."""

    def interrupted(*_args):
        raise KeyboardInterrupt

    monkeypatch.setattr(scan.Scanner, "batches", interrupted)
    before = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        aj.read_asana_export(export(task()), workers=2)
    assert time.monotonic() - before < 2
    assert started[0].poll() is not None


def test_the_process_is_left_as_it_was(export):
    """The garbage collector runs again, and Arrow's memory pool is unchanged."""
    pool = pa.default_memory_pool().backend_name
    threads = threading.active_count()
    assert gc.isenabled()
    with pytest.raises(ExportFileError):
        aj.read_asana_export(export("{"), workers=1)
    assert gc.isenabled()
    assert pa.default_memory_pool().backend_name == pool
    assert threading.active_count() <= threads
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_nothing_in_a_list_of_objects_stays_nothing(load, monkeypatch):
    """Even before an object has shown what the list contains."""
    monkeypatch.setattr(scan, "_BUNDLE", 1)
    data = load(
        {"gid": "1", "resource_type": "task", "followers": [None]},
        {"gid": "2", "resource_type": "task", "followers": [{"gid": None}]},
    )
    assert [list(cell) for cell in data["task"]["followers"]] == [[None], [{"gid": None}]]
