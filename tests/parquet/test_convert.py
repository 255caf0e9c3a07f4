"""Exports converted to Parquet hold what reading them gives."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
import warnings
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest
from child_process import TIMEOUT, run_child, start_child
from pandas.testing import assert_frame_equal
from rows import GRAPH_FIELDS, NAMESAKES, field, task, write

import asana_jobs_pd as aj
from asana_jobs_pd import errors
from asana_jobs_pd._decode.schema import SCHEMA
from asana_jobs_pd._parquet import writer as parquet
from asana_jobs_pd.sandbox._exports import export_rows

POSIX = pytest.mark.skipif(os.name == "nt", reason="named pipes and signals")


OPTIONS = {"enum_options": [{"gid": f"3{n}", "name": n} for n in ("Low", "High", "Never used")]}
ODD = [
    task("1", name="replaced", num_likes=1),
    task("9007199254740993", name="a gid beyond a float", due_on="2026-02-30"),
    task("2", assignee={"gid": "12", "name": "Ana"}, custom_fields=[
        field("51", "enum", {"gid": "3Low", "name": "Low"}, "Priority", **OPTIONS),
        field("52", "enum", None, "Priority"),
        field("53", "date", {"date": "2026-01-02", "date_time": None}),
        field("54", "number", 5.25),
    ]),
    {"resource_type": "project_to_portfolio", "portfolio": {"gid": "7"}, "project": {"gid": "8"}},
    {"resource_type": "project_to_portfolio", "project": {"gid": "8"}, "portfolio": {"gid": "7"}},
    {"resource_type": "project_to_portfolio", "portfolio": {"gid": "7"}, "project": {"gid": "8"}},
    {"gid": "ext-1", "resource_type": "something/new", "size": 3},
]  # fmt: skip
LATE = [
    task("1", name="the last", num_likes="many", late={"key": [1, 2]}),
    task("3", due_on="2026-02-03", late="a text now", custom_fields=[
        field("51", "enum", {"gid": "3High", "name": "High"}, "Priority", **OPTIONS),
        field("55", "multi_enum", [{"name": "API"}, {"name": "Web"}], **OPTIONS),
        field("56", "people", [{"gid": "12", "name": "Ana"}]),
        field("54", "number", None, "renamed"),
    ]),
    {"gid": "ext-1", "resource_type": "something/new", "size": 4.5},
    {"gid": "01", "resource_type": "something/new"},
]  # fmt: skip


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Four files: both kinds of export of the sandbox, and rows that are hard to get right."""
    folder = tmp_path_factory.mktemp("files")
    return [
        write(folder / "a.jsonl.gz", export_rows("graph_export", 100, "7")),
        write(folder / "b.jsonl.gz", ODD),
        write(folder / "c.jsonl.gz", export_rows("export_request", 100, "7")),
        write(folder / "d.jsonl.gz", LATE),
    ]


@pytest.fixture(scope="module")
def loaded(files):
    """The files as frames with Arrow dtypes."""
    return aj.read_asana_export(files, dtype_backend="pyarrow")


@pytest.fixture(scope="module")
def converted(files, tmp_path_factory):
    """The files as datasets: their folder, and the frame that lists them."""
    dest = tmp_path_factory.mktemp("converted") / "export"
    return dest, aj.asana_export_to_parquet(files, dest)


@pytest.fixture
def dest(tmp_path):
    """A destination in an otherwise empty folder."""
    (tmp_path / "out").mkdir()
    return tmp_path / "out" / "export"


def assert_equal(read, frame):
    """Assert that frames with Arrow dtypes have the same columns, dtypes and cells."""
    assert read.dtypes.to_dict() == frame.dtypes.to_dict()
    assert list(read) == list(frame)
    for name in frame:
        cells = (pa.array(one[name]).to_pylist() for one in (read, frame))
        assert next(cells) == next(cells)


def assert_same(data, dest, written):
    """Assert that datasets hold what was loaded with Arrow dtypes, cell by cell."""
    assert list(written.index) == list(data)
    for name, frame in data.items():
        assert_equal(pd.read_parquet(written.path[name], dtype_backend="pyarrow"), frame)
    assert_frame_equal(written[data.report().columns], data.report())
    issues = pd.read_parquet(dest / "_issues.parquet", dtype_backend="pyarrow")
    assert issues.to_dict("list") == data.issues.astype(issues.dtypes).to_dict("list")


def test_datasets_hold_what_reading_gives(loaded, converted):
    """Datasets have the values, dtypes, order, custom fields, issues and counts of a load."""
    assert len(loaded.issues) == 4
    assert loaded.report()["duplicates"].to_dict().items() >= {
        "project_to_portfolio": 1, "something/new": 1,
    }.items()  # fmt: skip
    assert_same(loaded, *converted)


@pytest.mark.parametrize("how", ["long", "raw"])
def test_other_custom_fields_are_written_as_they_are_read(files, dest, how):
    """As rows of their own, or as JSON; the manifest lists them, too."""
    data = aj.read_asana_export(files, custom_fields=how, dtype_backend="pyarrow")
    assert len(data.issues) == (3 if how == "raw" else 4)
    written = aj.asana_export_to_parquet(files, dest, custom_fields=how)
    assert_same(data, dest, written)
    assert_manifest(files, dest, written)
    if how == "long":
        values = pd.read_parquet(dest / "_custom_field_values", dtype_backend="pyarrow")
        assert_equal(values, data.custom_field_values)


@pytest.fixture
def shapes(tmp_path):
    """Files with custom fields of every documented shape, and names that collide."""
    rows = [
        task("1", due_on="2024-09-15", custom_fields=GRAPH_FIELDS),
        task("2", due_on=None, Name="our own column", custom_fields=NAMESAKES),
        task("3", custom_fields=[field("1", "number", 2**60 + 1, "Cost"), *GRAPH_FIELDS[3:]]),
    ]
    return [write(tmp_path / "a.jsonl.gz", rows[:2]), write(tmp_path / "b.jsonl.gz", rows[2:])]


@pytest.mark.parametrize("how", ["columns", "long", "raw"])
def test_every_shape_of_custom_fields_is_converted(shapes, dest, how):
    """Without gids, with plain option values, with names that collide: as reading gives it."""
    data = aj.read_asana_export(shapes, custom_fields=how, dtype_backend="pyarrow")
    written = aj.asana_export_to_parquet(shapes, dest, custom_fields=how)
    assert_same(data, dest, written)
    if how == "columns":
        fields = pd.read_parquet(dest / "_custom_fields.parquet")
        assert (fields["rows"] > 0).all()
        assert set(fields["column"]) <= set(data["task"].columns)
        assert fields["gid"].isna().sum() >= len(GRAPH_FIELDS) - 2


def test_column_names_are_unique_whatever_their_case(shapes, dest):
    """DuckDB and other readers do not tell upper from lower case."""
    written = aj.asana_export_to_parquet(shapes, dest)
    names = pq.read_schema(Path(written.path["task"]) / "part-00000.parquet").names
    assert len({name.casefold() for name in names}) == len(names)


def test_dates_are_dates_in_parquet(shapes, dest):
    """Arrow's date32, also for date custom fields; pandas reads them as Arrow dates."""
    aj.asana_export_to_parquet(shapes, dest)
    schema = pq.read_schema(dest / "task" / "part-00000.parquet")
    for name in ("due_on", "custom_fields.Launch"):
        assert schema.field(name).type == "date32"
        assert pd.read_parquet(dest / "task")[name].dtype == "date32[day][pyarrow]"


@pytest.mark.parametrize("order", [1, -1])
def test_of_repeated_rows_the_one_modified_last_is_converted(tmp_path, dest, order):
    """Compared as times, whatever the order of the files."""
    times = ("2024-02-22T02:06:58.147Z", "2024-02-22T02:06:58Z")
    files = [
        write(tmp_path / f"{n}.jsonl.gz", [task("1", name=name, modified_at=time)])
        for n, (name, time) in enumerate(zip(("later", "earlier"), times, strict=True))
    ]
    aj.asana_export_to_parquet(files[::order], dest)
    assert pd.read_parquet(dest / "task")["name"].tolist() == ["later"]


@pytest.mark.parametrize("group", [1, 100_000])
def test_small_row_groups_and_files_change_nothing(group, files, dest, monkeypatch):
    """Many row groups in many files are read as one dataset, in the same order."""
    monkeypatch.setattr(parquet, "ROW_GROUP_BYTES", group)
    monkeypatch.setattr(parquet, "MAX_PENDING_TABLES", 2)
    monkeypatch.setattr(parquet, "MAX_FILE_BYTES", 20_000)
    data = aj.read_asana_export(files * 2, dtype_backend="pyarrow")
    written = aj.asana_export_to_parquet(files * 2, dest)
    groups = pq.read_metadata(dest / "task" / "part-00000.parquet").num_row_groups
    assert written.files["task"] > 1 or groups > 1
    assert_same(data, dest, written)


@pytest.mark.slow
def test_processes_change_nothing(files, dest):
    """Two worker processes give the datasets of one."""
    data = aj.read_asana_export(files, dtype_backend="pyarrow", workers=1)
    assert_same(data, dest, aj.asana_export_to_parquet(files, dest, workers=2))


def test_plain_pandas_reads_nullable_dtypes(files, converted):
    """All columns but lists have the dtypes of `read_asana_export`; dates are Arrow's."""
    _, written = converted
    for name, frame in aj.read_asana_export(files).items():
        read = pd.read_parquet(written.path[name])
        for column in frame:
            if not str(frame[column].dtype).startswith(("list", "struct")):
                dtype = frame[column].dtype.name
                dtype = "date32[day][pyarrow]" if dtype == "datetime64[us]" else dtype
                assert read[column].dtype.name == dtype
                values = read[column].astype(frame[column].dtype)
                pd.testing.assert_series_equal(values, frame[column])


def test_categories_are_all_options(converted):
    """An enum reads as a category with all options, in Asana's order, also those no row has."""
    dest, _ = converted
    column = pd.read_parquet(dest / "task")["custom_fields.Priority [51]"]
    assert list(column.cat.categories) == ["Low", "High", "Never used"]


def test_the_catalogue_is_beside_them(loaded, converted):
    """The catalogue of custom fields has columns, options and numbers of values."""
    dest, _ = converted
    there = pd.read_parquet(dest / "_custom_fields.parquet")
    data = loaded.custom_fields
    assert there["column"].tolist() == data["column"].tolist()
    assert there["rows"].tolist() == data["rows"].tolist()
    options = [None if one is None else list(one) for one in there["options"]]
    assert options == [None if one is pd.NA else list(one) for one in data["options"]]


def assert_manifest(files, dest, written):
    """Assert that the manifest lists folders, files and rows, and that `_SUCCESS` is empty."""
    manifest = json.loads((dest / "_manifest.json").read_text("utf-8"))
    named = {
        dest / table["folder"] / file["name"]: (file["rows"], file["bytes"])
        for table in manifest["tables"]
        for file in table["files"]
    }
    there = {path for path in dest.glob("*/*") if path.is_file()}
    assert set(named) == there
    for path, (rows, size) in named.items():
        assert pq.read_metadata(path).num_rows == rows
        assert path.stat().st_size == size
    sizes = [size for path, (_, size) in named.items() if path.parent.name[0] != "_"]
    assert written["bytes"].sum() == sum(sizes)
    assert manifest["sources"] == files
    assert (dest / "_SUCCESS").read_bytes() == b""


def test_the_manifest_names_every_file(files, converted):
    """With its rows and bytes, and every source."""
    assert_manifest(files, *converted)


def test_a_different_cell_is_noticed(loaded):
    """The comparison used by these tests finds a different cell or dtype."""
    frame = loaded["task"]
    other = frame.copy()
    other.loc[3, "name"] = "another"
    with pytest.raises(AssertionError):
        assert_equal(other, frame)
    with pytest.raises(AssertionError):
        assert_equal(frame.astype({"name": "string"}), frame)


@pytest.mark.parametrize("value", [[], None, {}, [{}]])
def test_documented_lists_and_objects_that_are_empty_everywhere(tmp_path, dest, value):
    """Parquet has no objects without keys, so they have those that are documented."""
    rows = [
        {"gid": "1", "resource_type": name}
        | {key: value for key, kind in keys.items() if not isinstance(kind, str)}
        for name, keys in SCHEMA.items()
    ]
    source = write(tmp_path / "a.jsonl.gz", rows)
    data = aj.read_asana_export(source, dtype_backend="pyarrow")
    assert_same(data, dest, aj.asana_export_to_parquet(source, dest))


def test_a_type_with_an_odd_name_has_a_folder_of_ours(converted):
    """Whatever a file calls its rows, nothing is written outside dest."""
    dest, written = converted
    folder = Path(written.path["something/new"])
    assert folder.parent == dest
    assert folder.name.startswith("other-")


def test_other_tools_read_them(converted):
    """Arrow, like DuckDB, polars and Dask, reads the folder as one table."""
    dest, _ = converted
    table = pyarrow.dataset.dataset(dest / "task").to_table(columns=["gid", "due_on"])
    assert table.schema.field("due_on").type == "date32"
    assert "9007199254740993" in table["gid"].to_pylist()


def test_only_what_was_asked_for(files, dest):
    """Resource types and columns are selected as in reading."""
    options = {"resource_types": "task", "columns": ["num_likes", "custom_fields.date", "name"]}
    written = aj.asana_export_to_parquet(files, dest, **options)
    assert list(written.index) == ["task"]
    data = aj.read_asana_export(files, dtype_backend="pyarrow", **options)
    assert_same(data, dest, written)


def test_nothing_to_convert_is_a_dataset_of_nothing(tmp_path, dest):
    """Without rows of the selected type there is no folder, but the export is complete."""
    source = write(tmp_path / "a.jsonl.gz", ODD)
    written = aj.asana_export_to_parquet(source, dest, resource_types="goal")
    assert len(written) == 0
    assert (dest / "_SUCCESS").exists()


def test_the_accessor_converts_downloaded_files(files, dest):
    """A frame of files is converted; rows without a file are skipped."""
    frame = pd.DataFrame({"gid": ["1", "2"], "file.path": [files[1], None]})
    written = frame.asana.to_parquet(dest)
    assert written.rows["task"] == 3


def test_both_passes_have_a_bar(files, dest, capsys):
    """The bars count bytes of the files, then rows; progress=False shows none."""
    aj.asana_export_to_parquet(files[1:], dest, progress=True)
    bars = capsys.readouterr().err
    assert "Reading: 100%" in bars
    assert "Writing: 100%" in bars
    aj.asana_export_to_parquet(files[1], dest, progress=False, overwrite=True)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("temp_dir", [7, b"folder"])
def test_temp_dir_is_a_path(files, dest, temp_dir):
    """Anything but a path is refused before anything is read."""
    with pytest.raises(errors.InvalidOptionError, match="temp_dir="):
        aj.asana_export_to_parquet(files, dest, temp_dir=temp_dir)


def test_bad_lines_leave_nothing(tmp_path, dest):
    """A bad last line leaves no dataset and no temporary folder; if skipped, it is an issue."""
    source = tmp_path / "bad.jsonl"
    source.write_text("\n".join(map(json.dumps, ODD)) + "\n{oops\n", "utf-8")
    with pytest.raises(errors.ExportFileError, match="line 8"):
        aj.asana_export_to_parquet(source, dest)
    assert list(dest.parent.iterdir()) == []
    aj.asana_export_to_parquet(source, dest, on_bad_lines="skip")
    assert pd.read_parquet(dest / "_issues.parquet")["line"].max() == 8


def test_a_dataset_is_replaced_only_when_asked(files, dest):
    """Without overwrite it is an error before anything is read; with it, no old file is left."""
    aj.asana_export_to_parquet(files[1:], dest)
    with pytest.raises(errors.ExportWriteError, match="overwrite=True") as caught:
        aj.asana_export_to_parquet(files, dest)
    assert caught.value.path == str(dest)
    aj.asana_export_to_parquet(files[1], dest, resource_types="task", overwrite=True)
    assert sorted(path.name for path in dest.iterdir() if path.is_dir()) == ["task"]
    assert [path.name for path in dest.parent.iterdir()] == ["export"]


@pytest.mark.parametrize(("keep", "on_bad_lines"), [(0.3, "skip"), (0.7, "warn"), (0.99, "skip")])
def test_a_file_that_ends_early_is_said_and_replaces_nothing(tmp_path, dest, keep, on_bad_lines):
    """The result and the manifest say so, and an existing dataset is kept despite `overwrite`."""
    source = tmp_path / "cut.jsonl.gz"
    whole = Path(write(source, export_rows("graph_export", 100, "7"))).read_bytes()
    source.write_bytes(whole[: int(len(whole) * keep)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", errors.AsanaValueWarning)
        written = aj.asana_export_to_parquet([source], dest, on_bad_lines=on_bad_lines)
    assert written.attrs["incomplete_files"] == [str(source)]
    assert not written["complete"].any()
    manifest = json.loads((dest / "_manifest.json").read_text("utf-8"))
    assert manifest["incomplete_sources"] == [str(source)]
    source.write_bytes(whole)
    written = aj.asana_export_to_parquet([source], dest, overwrite=True)
    assert written["complete"].all()
    assert written.attrs["incomplete_files"] == []
    before = {path: path.read_bytes() for path in dest.rglob("*") if path.is_file()}
    source.write_bytes(whole[: int(len(whole) * keep)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", errors.AsanaValueWarning)
        with pytest.raises(errors.ExportWriteError, match=r"was not replaced: .*cut.jsonl.gz"):
            aj.asana_export_to_parquet([source], dest, on_bad_lines=on_bad_lines, overwrite=True)
    assert {path: path.read_bytes() for path in dest.rglob("*") if path.is_file()} == before
    assert [path.name for path in dest.parent.iterdir()] == ["export"]


SCRIPT = """
import sys
import asana_jobs_pd as aj
aj.asana_export_to_parquet(sys.argv[1], sys.argv[2], workers=int(sys.argv[3]), progress=False)
"""


def started(source, dest, workers):
    """Start a conversion that waits for more of a pipe; return when it has begun to work."""
    process = start_child(
        SCRIPT, source, dest, workers, folder=source.parent, stderr=subprocess.PIPE
    )
    pipe = source.open("wb")
    pipe.write(b"".join(json.dumps(row).encode() + b"\n" for row in ODD))
    pipe.flush()
    deadline = time.monotonic() + TIMEOUT
    while not list(dest.parent.glob(".export.part-*/*/worker0")):
        assert time.monotonic() < deadline
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.01)
    return process, pipe


@POSIX
@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_an_interrupt_leaves_nothing(tmp_path, dest, workers):
    """Ctrl-C ends it while it waits for data; nothing is left."""
    source = tmp_path / "pipe"
    os.mkfifo(source)
    process, pipe = started(source, dest, workers)
    with pipe:
        process.send_signal(signal.SIGINT)
        _, printed = process.communicate(timeout=TIMEOUT)
    assert "KeyboardInterrupt" in printed
    assert list(dest.parent.iterdir()) == []


@POSIX
@pytest.mark.slow
def test_a_killed_process_leaves_no_dataset(tmp_path, dest):
    """Its work folder has another name, and the next conversion removes it."""
    source = tmp_path / "pipe"
    os.mkfifo(source)
    process, pipe = started(source, dest, 1)
    with pipe:
        process.kill()
        process.communicate(timeout=TIMEOUT)
    assert not dest.exists()
    assert [path.name for path in dest.parent.iterdir()] != []
    aj.asana_export_to_parquet(write(tmp_path / "b.jsonl.gz", ODD), dest)
    assert (dest / "_SUCCESS").exists()
    assert [path.name for path in dest.parent.iterdir()] == ["export"]


LIMITED = """
import resource, sys
import asana_jobs_pd as aj
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    aj.asana_export_to_parquet(sys.argv[1], sys.argv[2], workers=int(sys.argv[3]), progress=False)
except aj.errors.ExportWriteError as error:
    print(error)
"""


@POSIX
@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_a_disk_that_takes_no_more_is_said_in_words(tmp_path, dest, workers):
    """Whichever process meets the limit, the error says so and nothing is left."""
    source = write(tmp_path / "a.jsonl.gz", list(export_rows("graph_export", 500, "7")) * 5)
    printed = run_child(LIMITED, source, dest, workers, folder=tmp_path)
    assert f"cannot write {dest}: the file exceeds a limit" in printed
    assert list(dest.parent.iterdir()) == []
