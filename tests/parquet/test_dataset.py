"""Datasets read as loads, and loads written as datasets."""

import pandas as pd
import pandas.testing as tm
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rows import GRAPH_FIELDS, field, task, write

import asana_jobs_pd as aj
from asana_jobs_pd.errors import (
    ExportFileError,
    ExportWriteError,
    InvalidFrameError,
    InvalidOptionError,
)
from asana_jobs_pd.sandbox._world import World
from asana_jobs_pd.sandbox._world_rows import graph_rows, resource_rows


@pytest.fixture(scope="module", params=["resource", "graph"])
def path(request, tmp_path_factory):
    world = World(5, 60)
    rows = graph_rows(world) if request.param == "graph" else resource_rows(world, "task")
    return write(tmp_path_factory.mktemp("export") / "export.gz", rows)


def assert_equal(found, expected):
    """Compare frames; lists apart, which pandas 2.2 cannot compare."""
    assert found.dtypes.equals(expected.dtypes)
    lists = [name for name, dtype in expected.dtypes.items() if str(dtype).startswith("list")]
    for name in lists:
        assert pa.array(found[name]).to_pylist() == pa.array(expected[name]).to_pylist()
    tm.assert_frame_equal(found.drop(columns=lists), expected.drop(columns=lists))


def assert_same(found, expected):
    assert list(found) == list(expected)
    for name in expected:
        assert_equal(found[name], expected[name])
    tm.assert_frame_equal(found.custom_fields, expected.custom_fields)
    tm.assert_frame_equal(found.issues, expected.issues)
    tm.assert_frame_equal(found.report(), expected.report())


@pytest.mark.parametrize("backend", ["numpy_nullable", "pyarrow"])
def test_a_converted_export_is_read_as_a_load(path, tmp_path, backend):
    aj.asana_export_to_parquet(path, tmp_path / "lake", progress=False)
    found = aj.read_asana_dataset(tmp_path / "lake", dtype_backend=backend)
    expected = aj.read_asana_export(path, dtype_backend=backend, progress=False)
    order = sorted(expected)
    tm.assert_frame_equal(found.report(), expected.report().loc[order])
    for name in order:
        assert_equal(found[name], expected[name])
    tm.assert_frame_equal(found.custom_fields, expected.custom_fields)


@pytest.mark.parametrize("backend", ["numpy_nullable", "pyarrow"])
def test_a_load_is_written_and_read(path, tmp_path, backend):
    data = aj.read_asana_export(path, dtype_backend=backend, progress=False)
    lake = data.to_parquet(tmp_path / "lake")
    assert lake == tmp_path / "lake"
    assert_same(aj.read_asana_dataset(lake, dtype_backend=backend), data)


def test_a_dataset_answers_what_a_load_answers(path, tmp_path):
    data = aj.read_asana_export(path, progress=False)
    lake = aj.read_asana_dataset(data.to_parquet(tmp_path / "lake"))
    tm.assert_frame_equal(lake.gaps(), data.gaps())
    for name, frame in data.tables().items():
        tm.assert_frame_equal(lake.tables()[name], frame)


def test_issues_and_some_types_come_back(tmp_path):
    rows = [
        task("1", due_on="soon", custom_fields=GRAPH_FIELDS),
        {"gid": "2", "resource_type": "team"},
    ]
    data = aj.read_asana_export(write(tmp_path / "a", rows), progress=False)
    lake = data.to_parquet(tmp_path / "lake")
    assert_same(aj.read_asana_dataset(lake), data)
    tasks = aj.read_asana_dataset(lake, resource_types="task")
    assert list(tasks) == ["task"]
    assert aj.read_asana_dataset(lake)["project"].empty


def test_an_existing_dataset_is_only_replaced_on_demand(tmp_path):
    data = aj.read_asana_export(write(tmp_path / "a", [task("1")]), progress=False)
    lake = data.to_parquet(tmp_path / "lake")
    with pytest.raises(ExportWriteError, match="overwrite=True"):
        data.to_parquet(lake)
    assert data.to_parquet(lake, overwrite=True) == lake


def test_errors_of_writing_and_reading_say_why(tmp_path):
    path = write(tmp_path / "a", [task("1")])
    data = aj.read_asana_export(path, progress=False)
    with pytest.raises(ExportFileError, match="not a dataset"):
        aj.read_asana_dataset(tmp_path)
    for url in ("s3://bucket/lake?token=x", "https://store.example/lake?token=x"):
        with pytest.raises(InvalidOptionError, match=r"://…' is a URL\. Give .* local folder"):
            data.to_parquet(url)
    with pytest.raises(InvalidOptionError, match="overwrite='no': give True or False"):
        aj.asana_export_to_parquet(path, tmp_path / "lake", overwrite="no")
    with pytest.raises(InvalidOptionError, match="resource_types: 5 is not a name"):
        aj.read_asana_export(path, resource_types=5)
    with pytest.raises(ExportFileError, match="copy the dataset"):
        aj.read_asana_dataset("s3://bucket/lake?token=x")
    lake = data.to_parquet(tmp_path / "lake")
    (lake / "task" / "part-00000.parquet").write_bytes(b"damaged")
    with pytest.raises(ExportFileError, match="cannot be read"):
        aj.read_asana_dataset(lake)


@pytest.mark.parametrize("fields", [[field("1", "number", 5), field("2", "date", None)], []])
def test_values_of_custom_fields_in_one_frame_come_back(fields, tmp_path):
    path = write(tmp_path / "a", [task("1", custom_fields=fields)])
    data = aj.read_asana_export(path, custom_fields="long", progress=False)
    aj.asana_export_to_parquet(path, tmp_path / "long", custom_fields="long", progress=False)
    for lake in (data.to_parquet(tmp_path / "lake"), tmp_path / "long"):
        read = aj.read_asana_dataset(lake)
        assert_same(read, data)
        tm.assert_frame_equal(read.custom_field_values, data.custom_field_values)


def test_the_home_folder_may_be_written_with_a_tilde(tmp_path, monkeypatch):
    """Where something is read as where it is written."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    write(tmp_path / "a.jsonl", [task("1", memberships=[])])
    data = aj.read_asana_export("~/a.jsonl", progress=False)
    assert list(aj.read_asana_export(["~/*.jsonl"], progress=False)["task"]["gid"]) == ["1"]
    assert data.to_parquet("~/lake") == tmp_path / "lake"
    assert list(aj.read_asana_dataset("~/lake")["task"]["gid"]) == ["1"]
    assert len(aj.compare_asana_exports("~/lake", "~/a.jsonl").summary()) == 1


@pytest.mark.parametrize(
    "read",
    [aj.read_asana_export, aj.read_asana_dataset, lambda path: aj.compare_asana_exports(path, {})],
)
def test_an_empty_path_is_not_the_current_folder(read, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "a.jsonl", [task("1")])
    with pytest.raises(InvalidOptionError, match="='': give a path"):
        read("")


def test_columns_of_your_own_are_written(tmp_path):
    """A time without a zone stays one; only dates become dates."""
    rows = [task("1", due_on="2026-01-02"), task("2", due_on=None)]
    data = aj.read_asana_export(write(tmp_path / "a", rows), progress=False)
    data.task["seen"] = pd.Series(pd.to_datetime(["2026-01-02T12:34:56", None]))
    data.task["late"] = [True, False]
    back = aj.read_asana_dataset(data.to_parquet(tmp_path / "lake"))["task"]
    assert back["seen"].iloc[0] == pd.Timestamp("2026-01-02T12:34:56")
    assert back["late"].tolist() == [True, False]
    assert (
        pq.read_schema(tmp_path / "lake/task/part-00000.parquet").field("due_on").type == "date32"
    )
    data.task.index = pd.Index(["x", "y"], name="key")
    back = aj.read_asana_dataset(data.to_parquet(tmp_path / "indexed"))["task"]
    assert back["key"].tolist() == ["x", "y"]
    data.task.index = pd.RangeIndex(2)
    data.task["mixed"] = pd.Series([1, "a"], dtype=object)
    with pytest.raises(InvalidFrameError, match=r"data\['task'\] cannot be written.*mixed"):
        data.to_parquet(tmp_path / "other")
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("dtype_backend", ["numpy_nullable", "pyarrow"])
def test_what_pandas_writes_reads_back_as_documented(dtype_backend, tmp_path):
    """With `dtype_backend="pyarrow"` where pyarrow has it, else past the metadata of pandas."""
    row = task("1", due_on="2026-01-02", tags=[{"gid": "2", "name": "a"}])
    path = write(tmp_path / "a", [row, task("2", tags=[])])
    data = aj.read_asana_export(path, dtype_backend=dtype_backend, progress=False)
    data["task"].to_parquet(tmp_path / "task.parquet")
    table = pq.read_table(tmp_path / "task.parquet")
    frames = [table.to_pandas(types_mapper=pd.ArrowDtype, ignore_metadata=True)]
    if int(pa.__version__.partition(".")[0]) >= 19:
        frames.append(pd.read_parquet(tmp_path / "task.parquet", dtype_backend="pyarrow"))
    for back in frames:
        assert back["gid"].tolist() == ["1", "2"]
        assert str(back["due_on"].iloc[0])[:10] == "2026-01-02"
        names = [[tag["name"] for tag in tags] for tags in back["tags"]]
        assert names == [["a"], []]
