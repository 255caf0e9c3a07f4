"""Exports with Dask: the same as with pandas, read lazily, on workers that may be lost."""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import signal
import sys
import time
import warnings
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from pandas.testing import assert_frame_equal, assert_series_equal
from rows import GRAPH_FIELDS, NAMESAKES, field, task, write

import asana_jobs_pd as aj
from asana_jobs_pd import errors
from asana_jobs_pd._decode import sources
from asana_jobs_pd._export import dask_load, results
from asana_jobs_pd._parquet import dask_write
from asana_jobs_pd._parquet import writer as parquet
from asana_jobs_pd.sandbox._exports import export_rows

dask = pytest.importorskip("dask")
distributed = pytest.importorskip("distributed")

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("dask")]

TOKEN = "2/1200000000000001/1200000000000002:0123456789abcdef0123456789abcdef"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """Two worker processes on this machine, with ten times the usual deadlines.

    Their scratch space is their own: the default one is shared by all clusters of the machine,
    which remove each other's folders. Warnings are not errors while it starts: Dask's own, such as
    of a port that is in use, would be a RuntimeError of the cluster.
    """
    settings = {
        "distributed.worker.daemon": True,
        "distributed.comm.timeouts.connect": "300s",
        "distributed.comm.timeouts.tcp": "300s",
        "distributed.comm.retry.count": 5,
        "distributed.scheduler.worker-ttl": None,
        "distributed.admin.log-format": "%(message)s",
        "temporary-directory": str(tmp_path_factory.mktemp("dask")),
    }
    with dask.config.set(settings), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            worker_dashboard_address="127.0.0.1:0",
            scheduler_kwargs={"dashboard": False},
            memory_limit=0,
            silence_logs=50,
        ) as running:
            yield running


@pytest.fixture
def client(cluster):
    """The active client."""
    with distributed.Client(cluster, set_as_default=True) as connected:
        connected.wait_for_workers(2, timeout=300)
        yield connected


@pytest.fixture
def threads():
    """Dask without a cluster, in this process."""
    with dask.config.set(scheduler="synchronous"):
        yield


@pytest.fixture
def small(monkeypatch):
    """Chunks of a few rows, so that files have many; in this process only."""
    monkeypatch.setattr(sources, "CHUNK", 25_000)


LINK = {"resource_type": "project_to_portfolio", "portfolio": {"gid": "7"}, "project": {"gid": "8"}}
OPTIONS = {"enum_options": [{"gid": f"3{n}", "name": n} for n in ("Low", "High", "Never used")]}
FIRST = [
    task("1", name="comes again", num_likes=1),
    task("9007199254740993", due_on="2026-02-30"),
    task("2", assignee={"gid": "12", "name": "Ana"}, custom_fields=[
        field("51", "enum", {"gid": "3Low", "name": "Low"}, "Priority", **OPTIONS),
        field("52", "number", 1, "Priority"), field("54", "number", 5.25),
    ]),
    LINK, LINK, {"gid": "ext-1", "resource_type": "something/new", "size": 3},
]  # fmt: skip
LATER = [
    task("1", name="the last", late={"key": [1, 2]}),
    task("3", late="a text now", custom_fields=[
        field("51", "enum", {"gid": "3High", "name": "High"}, "Urgency", **OPTIONS),
        field("54", "text", "a number before"),
        field("55", "multi_enum", [{"name": "API"}, {"name": "Web"}], **OPTIONS),
    ]),
    dict(reversed(LINK.items())), LINK,
    {"gid": "ext-1", "resource_type": "something/new", "size": 4.5},
]  # fmt: skip


@pytest.fixture
def files(tmp_path):
    """Files whose columns are known only together, and which repeat each other's rows."""
    document = tmp_path / "document.json"
    document.write_text(json.dumps({"data": [task("77", name="in a document"), task("2")]}))
    return [
        write(tmp_path / "a.jsonl.gz", FIRST),
        write(tmp_path / "b.jsonl.gz", export_rows("export_request", 60, "7")),
        str(document),
        write(tmp_path / "c.jsonl.gz", LATER),
    ]


def assert_same(found, expected):
    """Assert that a computed load is what the pandas engine gives, cell by cell."""
    assert list(found) == list(expected)
    for name in expected:
        assert_frame_equal(found[name], expected[name], check_categorical=True)
    assert_frame_equal(found.custom_fields, expected.custom_fields)
    assert_frame_equal(found.issues, expected.issues)
    assert_frame_equal(found.report(), expected.report())
    assert found.issue_count == expected.issue_count
    if expected.custom_field_values is not None:
        assert_frame_equal(found.custom_field_values, expected.custom_field_values)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"dtype_backend": "pyarrow"},
        {"custom_fields": "long"},
        {"custom_fields": "raw", "resource_types": ["task", "team"]},
        {"columns": ["name", "assignee", "custom_fields"]},
    ],
    ids=str,
)
def test_computed_it_is_what_pandas_gives(files, small, threads, options):
    """Computed frames equal those of pandas: cells, index, categories and names."""
    found = aj.read_asana_export(files, engine="dask", **options)
    expected = aj.read_asana_export(files, **options)
    assert found["task"].npartitions == 4  # one per file
    assert_same(found.compute(), expected)
    for name in expected:
        assert_frame_equal(found[name]._meta, expected[name][:0])


@pytest.mark.parametrize("custom_fields", ["columns", "long", "raw"])
def test_every_shape_of_custom_fields(tmp_path, threads, custom_fields):
    """Without gids, with plain option values, with names that collide; the latest of two rows."""
    latest = {"modified_at": "2024-02-22T02:06:58.147Z", "name": "latest"}
    files = [
        write(tmp_path / "a.jsonl.gz", [task("1", custom_fields=GRAPH_FIELDS, **latest)]),
        write(tmp_path / "b.jsonl.gz", [
            task("1", custom_fields=GRAPH_FIELDS[:2], modified_at="2024-02-22T02:06:58Z"),
            task("2", due_on="2024-09-15", custom_fields=NAMESAKES),
        ]),
    ]  # fmt: skip
    options = {"custom_fields": custom_fields}
    found = aj.read_asana_export(files, engine="dask", **options).compute()
    assert_same(found, aj.read_asana_export(files, **options))
    assert found["task"]["name"].dropna().tolist() == ["latest"]
    aj.asana_export_to_parquet(files, tmp_path / "dask", engine="dask", **options)
    aj.asana_export_to_parquet(files, tmp_path / "pandas", **options)
    assert_same_dataset(tmp_path / "dask", tmp_path / "pandas")


def test_on_a_cluster_of_two_processes(files, client):
    """On a cluster too, with files scanned and partitions read by the workers."""
    found = aj.read_asana_export(files, engine="dask")
    expected = aj.read_asana_export(files)
    assert found["task"].npartitions == 4  # one a file
    assert_same(found.compute(), expected)


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_worker_that_is_killed_with_its_partitions(files, client):
    """The partitions of a killed worker are read again by the other one, and are the same."""
    found = aj.read_asana_export(files, engine="dask")["task"].persist()
    distributed.wait(found, timeout=60)
    holders = client.who_has(found)
    assert all(holders.values())
    victim = next(iter(holders.values()))[0]
    lost = [key for key, workers in holders.items() if victim in workers]
    assert lost
    process = client.run(os.getpid, workers=[victim])[victim]
    os.kill(process, signal.SIGKILL)
    deadline = time.monotonic() + 60
    while victim in client.scheduler_info()["workers"] and time.monotonic() < deadline:
        time.sleep(0.02)
    assert victim not in client.scheduler_info()["workers"]
    assert_frame_equal(found.compute(), aj.read_asana_export(files)["task"])
    again = client.who_has(found)
    assert all(victim not in again[key] for key in lost)


def test_no_token_travels(files, client):
    """No token is in what is sent or in a worker, although this process has one."""
    aj.connect(TOKEN)
    url = "https://x/?X-Amz-Signature=s3cret"
    jobs = pd.DataFrame({"gid": ["1", "2"], "file.path": files[:2]})
    jobs["new_graph_export.download_url"] = url
    data = jobs.asana.load(engine="dask")
    sent = pickle.dumps(dict(data["task"].dask)) + repr(data).encode() + data._repr_html_().encode()
    assert b"a.jsonl.gz" in sent
    for secret in (TOKEN, "s3cret", "X-Amz"):
        assert secret.encode() not in sent

    assert_frame_equal(data["task"].compute(), jobs.asana.load()["task"])

    def knows():
        import gc

        from asana_jobs_pd._http.client import Client

        return [repr(one) for one in gc.get_objects() if isinstance(one, Client)]

    assert not any(client.run(knows).values())


def test_only_the_columns_that_dask_needs_are_made(files, threads, monkeypatch):
    """Dask asks for the columns it needs; divisions are known."""
    frame = aj.read_asana_export(files, engine="dask")["task"]
    expected = aj.read_asana_export(files)["task"]
    asked = []
    monkeypatch.setattr(
        results,
        "to_frame",
        lambda table, backend, make=results.to_frame: (
            asked.append(table.column_names) or make(table, backend)
        ),
    )
    assert_series_equal(frame["name"].compute(), expected["name"])
    assert asked == [["name"]] * 4
    for name in expected.columns:
        assert_series_equal(frame[name].compute(), expected[name])
    some = ["custom_fields.text", "gid", "late.key"]
    assert_frame_equal(frame[some].compute(), expected[some])
    assert frame.known_divisions
    assert_frame_equal(frame.loc[3:5].compute(), expected.loc[3:5])
    assert len(frame) == len(expected)


def test_what_is_known_at_once_and_what_is_counted_later(files, threads, monkeypatch):
    """The catalogue costs nothing; issues and the report are counted once."""
    found = aj.read_asana_export(files, engine="dask")
    expected = aj.read_asana_export(files)
    columns = ["column", "gid", "type", "options"]
    assert_frame_equal(found.custom_fields[columns], expected.custom_fields[columns])
    assert found.custom_fields["rows"].isna().all()
    assert_frame_equal(found.report(), expected.report())
    for path in files:
        Path(path).unlink()
    assert_frame_equal(found.issues, expected.issues)
    assert_frame_equal(found.custom_fields, expected.custom_fields)
    assert found.issue_count == expected.issue_count > 0


def test_how_it_shows(files, threads):
    """The repr shows rows, columns and partitions without reading again."""
    found = aj.read_asana_export(files, engine="dask")
    rows, columns = aj.read_asana_export(files)["task"].shape
    assert f"task {rows} x {columns} in 4" in repr(found)
    assert "<td>4</td>" in found._repr_html_()
    assert len(found) == len(list(found))
    with pytest.raises(KeyError, match="'nope' is not in this export; there is 'message'"):
        found["nope"]
    with pytest.raises(AttributeError, match=r"'tables' needs the pandas engine: compute\(\)"):
        found.tables()
    with pytest.raises(AttributeError, match="no attribute 'nope'"):
        found.nope  # noqa: B018


def test_a_damaged_file(files, small, threads):
    """Rows before the damage are read, and one issue reports it."""
    content = Path(files[1]).read_bytes()
    Path(files[1]).write_bytes(content[: len(content) * 2 // 3])
    with pytest.raises(errors.ExportFileError, match="damaged or ends early"):
        aj.read_asana_export(files, engine="dask")
    found = aj.read_asana_export(files, engine="dask", on_bad_lines="skip")
    assert_same(found.compute(), aj.read_asana_export(files, on_bad_lines="skip"))


def test_a_file_that_changes_between_the_passes(files, threads):
    """A file that changes between the passes is an error, not other rows than planned."""
    found = aj.read_asana_export(files[0], engine="dask")
    rows = [{**row, "gid": "5"} if row.get("gid") == "2" else row for row in FIRST]
    write(Path(files[0]), rows)
    with pytest.raises(errors.ExportFileError, match="changed between passes"):
        found["task"].compute()


def test_errors_come_from_the_workers_as_they_are(files, client, tmp_path):
    """Errors of workers arrive unchanged, with file and line."""
    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"gid":"1","resource_type":"task"}\n{"gid": oops\n')
    with pytest.raises(errors.ExportFileError, match="line 2 cannot be read") as caught:
        aj.read_asana_export([*files, bad], engine="dask")
    assert (caught.value.path, caught.value.line) == (str(bad), 2)
    with pytest.warns(errors.AsanaValueWarning, match="1 line was left out"):
        found = aj.read_asana_export(bad, engine="dask", on_bad_lines="warn")
    assert found["task"]["gid"].compute().tolist() == ["1"]


def test_a_file_that_a_worker_does_not_see(files, client, tmp_path):
    """The error names the worker and the remedy."""

    def forget(path):
        import asana_jobs_pd._export.dask_load as module

        class Hiding(type(Path())):
            def exists(self, **_):
                return str(self) != path

        module.Path = Hiding if path else Path

    found = aj.read_asana_export(files, engine="dask")
    client.run(forget, files[0])
    try:
        for read in (lambda: aj.read_asana_export(files, engine="dask"), found.compute):
            with pytest.raises(errors.ExportFileError, match="does not exist for Dask worker tcp"):
                read()
    finally:
        client.run(forget, None)
    assert_same(found.compute(), aj.read_asana_export(files))


def test_a_worker_without_the_package(files, client, monkeypatch):
    """It is named before any task is sent."""
    monkeypatch.setattr(dask_load, "_HAS_PACKAGE", "__import__('os').getpid() < 0")
    with pytest.raises(errors.MissingExtraError, match="not installed on Dask worker tcp://"):
        aj.read_asana_export(files, engine="dask")


def test_workers_that_are_killed_again_and_again(files, client):
    """The error says which worker it was and what may help."""
    with dask.config.set({"distributed.scheduler.allowed-failures": 0}):
        client.run_on_scheduler(allow_no_failure)
        with pytest.raises(errors.ExportWorkerError, match=r"Dask worker tcp://.* was killed"):
            dask_load.compute([dask.delayed(os._exit, pure=False)(1)])
    client.wait_for_workers(2, timeout=300)
    assert_same(aj.read_asana_export(files, engine="dask").compute(), aj.read_asana_export(files))


def allow_no_failure(dask_scheduler):
    """Give a task up when its first worker is lost."""
    dask_scheduler.allowed_failures = 0


def test_one_large_file_is_worth_a_warning(files, threads, monkeypatch):
    """It is one partition, since gzip cannot be split; the warning says what to do."""
    monkeypatch.setattr(dask_load, "LARGE_TEXT", 1000)
    with pytest.warns(pd.errors.PerformanceWarning, match=r"one partition: .*asana_export_to_par"):
        found = aj.read_asana_export(files, engine="dask")
    assert_same(found.compute(), aj.read_asana_export(files))


def test_blocksize_has_no_effect_any_more(files, threads, tmp_path):
    """It is accepted, with a warning."""
    with pytest.warns(FutureWarning, match="blocksize has no effect"):
        found = aj.read_asana_export(files, engine="dask", blocksize=1000)
    assert found["task"].npartitions == 4
    with pytest.warns(FutureWarning, match="blocksize has no effect"):
        aj.asana_export_to_parquet(files, tmp_path / "out", engine="dask", blocksize=1000)


@pytest.mark.parametrize("on_bad_lines", ["skip", "warn"])
@pytest.mark.filterwarnings("ignore::asana_jobs_pd.errors.AsanaValueWarning")
def test_a_file_that_ends_early_never_replaces_a_dataset(files, threads, tmp_path, on_bad_lines):
    """As with pandas: the result says so, and an existing dataset is kept."""
    dest = tmp_path / "out"
    aj.asana_export_to_parquet(files, dest)
    content = Path(files[1]).read_bytes()
    Path(files[1]).write_bytes(content[: len(content) * 2 // 3])
    options = {"engine": "dask", "on_bad_lines": on_bad_lines}
    found = aj.read_asana_export(files, **options)
    assert found.incomplete_files == [files[1]]
    with pytest.raises(errors.ExportWriteError, match="was not replaced"):
        aj.asana_export_to_parquet(files, dest, overwrite=True, **options)
    written = aj.asana_export_to_parquet(files, tmp_path / "other", **options)
    assert written.attrs["incomplete_files"] == [files[1]]
    assert not written["complete"].any()


@pytest.mark.parametrize("custom_fields", ["columns", "long"])
def test_nothing_to_load(tmp_path, threads, custom_fields):
    """No rows give no frames; their custom field values are an empty frame."""
    path = tmp_path / "none.jsonl"
    path.write_text("\n")
    options = {"custom_fields": custom_fields}
    found = aj.read_asana_export(path, engine="dask", **options)
    assert repr(found) == "<AsanaDaskExport: no rows>"
    assert_same(found.compute(), aj.read_asana_export(path, **options))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"engine": "spark"}, "give one of 'pandas', 'arrow', 'polars', 'dask'"),
        ({"engine": "dask", "workers": 2}, "Dask's workers read"),
        ({"blocksize": 5}, "goes with engine='dask' only"),
        ({"engine": "dask", "blocksize": 0}, "give a whole number"),
    ],
)
def test_options_that_do_not_go_together(files, options, words):
    """Options that do not go together are errors in words."""
    with pytest.raises(errors.InvalidOptionError, match=words):
        aj.read_asana_export(files, **options)


def test_without_dask(files, monkeypatch):
    """The error says which extra to install."""
    for name in [name for name in sys.modules if name.split(".")[0] == "dask"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "dask", None)
    with pytest.raises(errors.MissingExtraError, match=r'pip install "asana_jobs_pd\[dask\]"'):
        aj.read_asana_export(files, engine="dask")


def test_a_url(files, threads):
    """Workers read URLs through fsspec."""
    fsspec = pytest.importorskip("fsspec")
    memory = fsspec.filesystem("memory")
    with contextlib.suppress(FileNotFoundError):
        memory.rm("/dask", recursive=True)
    memory.pipe("/dask/a.jsonl.gz", Path(files[0]).read_bytes())
    found = aj.read_asana_export("memory://dask/a.jsonl.gz", engine="dask")
    assert_frame_equal(found["task"].compute(), aj.read_asana_export(files[0])["task"])


def assert_same_dataset(folder, expected):
    """Assert that a dataset and its metadata equal what the pandas engine writes."""
    there = sorted(path.name for path in expected.iterdir())
    assert sorted(path.name for path in folder.iterdir()) == there
    for name in there:
        if (expected / name).is_dir():
            found, wanted = (pq.read_table(one / name) for one in (folder, expected))
            assert found.equals(wanted)
            assert found.schema.metadata == wanted.schema.metadata
        elif name.endswith(".parquet"):
            assert pq.read_table(folder / name).equals(pq.read_table(expected / name))
    manifests = [json.loads((one / "_manifest.json").read_text()) for one in (folder, expected)]
    for manifest in manifests:
        for table in manifest["tables"]:
            files = table.pop("files")
            rows = sum(file["rows"] for file in files)
            assert rows == table.get("rows", rows)
    assert manifests[0] == manifests[1]


@pytest.mark.parametrize("custom_fields", ["columns", "long"])
def test_datasets_are_what_pandas_writes(files, small, threads, tmp_path, custom_fields):
    """A part per file, with the same rows, schema, catalogue, issues and report."""
    options = {"custom_fields": custom_fields}
    report = aj.asana_export_to_parquet(files, tmp_path / "dask", engine="dask", **options)
    expected = aj.asana_export_to_parquet(files, tmp_path / "pandas", **options)
    assert_same_dataset(tmp_path / "dask", tmp_path / "pandas")
    same = [name for name in expected.columns if name not in ("path", "files", "bytes")]
    assert_frame_equal(report[same], expected[same])
    assert report.loc["task", "files"] == 4  # one per file
    assert report.loc["task", "files"] == len(list((tmp_path / "dask" / "task").iterdir()))


def test_workers_write_the_datasets(files, client, tmp_path):
    """Each worker puts its parts in place as a whole; nothing else is left."""
    jobs = pd.DataFrame({"gid": ["1", "2", "3", "4"], "file.path": files})
    jobs.asana.to_parquet(tmp_path / "dask", engine="dask")
    aj.asana_export_to_parquet(files, tmp_path / "pandas")
    assert_same_dataset(tmp_path / "dask", tmp_path / "pandas")
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_temp_dir_is_where_workers_spool(files, threads, tmp_path, monkeypatch):
    """Only rows are spooled there; parts are made beside the dataset, to be renamed."""
    (tmp_path / "large").mkdir()
    spooled = []
    monkeypatch.setattr(
        dask_write, "SpoolWriter",
        lambda folder, *_, make=dask_write.SpoolWriter: spooled.append(folder) or make(folder, *_),
    )  # fmt: skip
    options = {"engine": "dask", "temp_dir": tmp_path / "large"}
    aj.asana_export_to_parquet(files, tmp_path / "dask", **options)
    assert {folder.parent for folder in spooled} == {tmp_path / "large"}
    assert list((tmp_path / "large").iterdir()) == []
    aj.asana_export_to_parquet(files, tmp_path / "pandas")
    assert_same_dataset(tmp_path / "dask", tmp_path / "pandas")


def test_large_parts_have_several_files(files, small, threads, tmp_path, monkeypatch):
    """The files of a large part are in the order of its rows."""
    monkeypatch.setattr(parquet, "ROW_GROUP_BYTES", 10_000)
    monkeypatch.setattr(parquet, "MAX_FILE_BYTES", 20_000)
    aj.asana_export_to_parquet(files[1:2], tmp_path / "dask", engine="dask")
    names = sorted(path.name for path in (tmp_path / "dask" / "task").iterdir())
    assert names[:2] == ["part-00000-00000.parquet", "part-00000-00001.parquet"]
    gids = pq.read_table(tmp_path / "dask" / "task")["gid"].to_pylist()
    assert gids == aj.read_asana_export(files[1])["task"]["gid"].tolist()


def test_workers_write_to_a_url(files, threads, tmp_path):
    """Workers upload parts directly, `_SUCCESS` comes last, and a failure leaves nothing."""
    memory = pytest.importorskip("fsspec").filesystem("memory")
    with contextlib.suppress(FileNotFoundError):
        memory.rm("/made", recursive=True)
    url = "memory://made/export"
    for overwrite in (False, True):
        aj.asana_export_to_parquet(files, url, engine="dask", overwrite=overwrite)
        local = tmp_path / f"copy{overwrite}"
        memory.get("/made/export", str(local), recursive=True)
        if not overwrite:
            aj.asana_export_to_parquet(files, tmp_path / "pandas")
        assert_same_dataset(local, tmp_path / "pandas")
    with pytest.raises(errors.ExportWriteError, match="overwrite=True replaces it"):
        aj.asana_export_to_parquet(files, url, engine="dask")


@pytest.mark.parametrize("where", ["local", "memory://broken/export"])
def test_when_a_worker_cannot_write(files, threads, tmp_path, monkeypatch, where):
    """If a worker cannot write, the error says so and there is no dataset."""

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(dask_write, "_move", full)
    dest = tmp_path / "export" if where == "local" else where
    with pytest.raises(errors.ExportWriteError, match=r"a worker cannot write .*: .*No space left"):
        aj.asana_export_to_parquet(files, dest, engine="dask")
    assert not [path for path in tmp_path.iterdir() if "export" in path.name]
    if where != "local":
        assert not pytest.importorskip("fsspec").filesystem("memory").find("/broken")
