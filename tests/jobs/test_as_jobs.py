"""One frame for all verbs: whatever way a frame has travelled, they give the same answers."""

from __future__ import annotations

import io
import pickle

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import asana_jobs_pd as aj
from asana_jobs_pd._jobs.as_jobs import as_jobs, with_index_of
from asana_jobs_pd.errors import AsanaValueWarning, InvalidFrameError, InvalidGidError
from asana_jobs_pd.sandbox import Clock, Sandbox

pytestmark = pytest.mark.filterwarnings("ignore:Passing a BlockManager:DeprecationWarning")


class Tracked(pd.DataFrame):
    """A subclass with metadata, as geopandas has it."""

    _metadata = ("crs",)

    @property
    def _constructor(self):
        return Tracked


@pytest.fixture(scope="module")
def server():
    """A sandbox with finished, unfinished, failed and unreadable jobs, and exports."""
    with Sandbox(clock=Clock()) as asana:
        yield asana


@pytest.fixture(scope="module")
def jobs(server):
    """Jobs in every state, as they were read."""
    gids = [*server.gids(18), "999"]
    server.finish(*gids[9:18])
    with aj.Client(server.token, base_url=server.base_url) as client:
        return aj.read_asana_jobs(gids, errors="coerce", client=client)


def csv(frame, **options):
    return pd.read_csv(io.StringIO(frame.to_csv(index=False)), **options)


def parquet(frame, **options):
    buffer = io.BytesIO()
    frame.to_parquet(buffer)
    return pd.read_parquet(buffer, **options)


def json(frame, orient="records"):
    text = frame.to_json(orient=orient, date_format="iso", date_unit="us")
    return pd.read_json(io.StringIO(text), orient=orient, dtype=False)


def excel(frame, tmp_path):
    frame.asana.to_excel(tmp_path / "jobs.xlsx")
    return pd.read_excel(tmp_path / "jobs.xlsx", dtype=object)


def arrow(frame):
    return frame.convert_dtypes(dtype_backend="pyarrow")


def null_typed(frame):
    """Columns without a value have Arrow's null type, as in files of other programs."""
    empty = [name for name in frame.columns if frame[name].isna().all()]
    null = pd.Series(pd.array([None] * len(frame), pd.ArrowDtype(pa.null())), frame.index)
    nulls = dict.fromkeys(empty, null)
    return frame.assign(**nulls)


def objects(frame):
    """Texts, None and Timestamps: what `to_dict` and databases bring."""
    return pd.DataFrame(frame.astype(object).where(frame.notna(), None).to_dict("records"))


def no_labels_twice(frame):
    return frame.set_index(pd.Index([f"row {n}" for n in range(len(frame))])).set_flags(
        allows_duplicate_labels=False
    )


def named_columns(frame):
    return frame.rename_axis("field", axis=1)


def two_of_the_users(frame):
    extra = pd.DataFrame([[1, 2]] * len(frame), columns=["mine", "mine"])
    return pd.concat([frame, extra], axis=1)


def grouped(frame):
    """The grouping column is a level of the index afterwards, beside that of the rows."""
    groups = frame.groupby("resource_subtype", dropna=False, sort=False)
    return groups.apply(lambda rows: rows, include_groups=False)


ROUTES = {
    "as it is": lambda frame: frame,
    "copy": lambda frame: frame.copy(),
    "merge": lambda frame: frame.merge(
        pd.DataFrame({"gid": frame["gid"], "team": "A"}), on="gid", how="left"
    ),
    "query": lambda frame: frame.query("gid > '0'"),
    "concat": lambda frame: pd.concat([frame.iloc[:7], frame.iloc[7:]], ignore_index=True),
    "concat keys": lambda frame: pd.concat({"a": frame.iloc[:7], "b": frame.iloc[7:]}),
    "groupby": grouped,
    "pickle": lambda frame: pickle.loads(pickle.dumps(frame)),
    "csv of texts": lambda frame: csv(frame, dtype=str),
    "csv of objects": lambda frame: csv(frame, dtype=object),
    "csv of strings": lambda frame: csv(frame, dtype="string"),
    "csv with empty texts": lambda frame: csv(frame, dtype=str, keep_default_na=False),
    "csv, inferred but the gid": lambda frame: csv(frame, dtype={"gid": "string"}),
    "csv, inferred": csv,
    "csv of Arrow": lambda frame: csv(frame, dtype_backend="pyarrow", engine="pyarrow"),
    "csv of nullables": lambda frame: csv(frame, dtype_backend="numpy_nullable"),
    "json": json,
    "json columns": lambda frame: json(frame, "columns"),
    "parquet": parquet,
    "parquet of Arrow": lambda frame: parquet(frame, dtype_backend="pyarrow"),
    "parquet of nullables": lambda frame: parquet(frame, dtype_backend="numpy_nullable"),
    "convert_dtypes": lambda frame: frame.convert_dtypes(),
    "Arrow": arrow,
    "Arrow nulls": null_typed,
    "objects": objects,
    "int gids": lambda frame: frame.assign(gid=frame["gid"].astype("int64")),
    "categories": lambda frame: frame.astype(dict.fromkeys(frame.columns, "category")),
    "csv of categories": lambda frame: csv(frame, dtype="category"),
    "gid index": lambda frame: frame.set_index("gid"),
    "status index": lambda frame: frame.set_index("status"),
    "three levels": lambda frame: frame.set_index(["resource_subtype", "gid", "status"]),
    "levels of both": lambda frame: frame.assign(team="A").set_index(["team", "gid", "fetched_at"]),
    "index and column": lambda frame: frame.set_index("gid", drop=False),
    "shuffled columns": lambda frame: frame[frame.columns[::-1]],
    "no duplicate labels": no_labels_twice,
    "no duplicate gids": lambda frame: frame.set_index("gid").set_flags(
        allows_duplicate_labels=False
    ),
    "named columns": named_columns,
    "categorical columns": lambda frame: frame.set_axis(pd.CategoricalIndex(frame.columns), axis=1),
    "users' columns twice": two_of_the_users,
    "subclass": Tracked,
    "naive times": lambda frame: frame.assign(
        **{name: frame[name].dt.tz_localize(None) for name in frame if name.endswith("_at")}
    ),
    "another zone": lambda frame: frame.assign(
        **{name: frame[name].dt.tz_convert("Asia/Tokyo") for name in frame if name.endswith("_at")}
    ),
    "nanoseconds": lambda frame: frame.assign(
        **{name: frame[name].dt.as_unit("ns") for name in frame if name.endswith("_at")}
    ),
    "spaces around gids": lambda frame: frame.assign(gid=" '" + frame["gid"] + "\u00a0"),
}


LOSSY = ("csv, inferred but the gid", "csv, inferred", "csv of Arrow")
"""Here pandas makes floats of the gids of new tasks: they become missing, with a warning."""
QUICK = ("merge", "csv of texts", "parquet of Arrow", "three levels", "csv of categories")


def every(routes):
    """Return all routes, the expensive ones marked slow."""
    return [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in routes]


def answers(frame, jobs):
    """Return what every verb without network says, with nothing of the frame's own shape."""
    asana = frame.asana
    said = {
        name: list(as_jobs(getattr(asana, name))["gid"])
        for name in ("pending", "failed", "exports", "cached")
    }
    results = asana.results()
    return said | {
        "summary": asana.summary().to_dict(),
        "results": results.drop(columns=["new.created_at", "new.completed_at"]).to_numpy().tolist(),
        "times": results["new.completed_at"].dt.strftime("%Y-%m-%d %H:%M:%S").tolist(),
        "changes": asana.changes(jobs).to_dict("records"),
        "reversed": jobs.asana.changes(frame).to_dict("records"),
    }


@pytest.fixture(scope="module")
def want(jobs):
    """The answers of the frame that was read."""
    return answers(jobs, jobs)


@pytest.mark.parametrize("route", every([name for name in ROUTES if name not in LOSSY]))
def test_the_answers_do_not_depend_on_the_way(jobs, want, route):
    """Properties, summary, results and changes are those of the frame that was read."""
    assert 0 < len(want["pending"]) < len(jobs)
    travelled = ROUTES[route](jobs)
    before = travelled.copy()
    got = answers(travelled, jobs)
    for name, value in want.items():
        if isinstance(value, list):  # groupby moves rows
            assert sorted(map(str, got[name])) == sorted(map(str, value)), name
        else:
            assert got[name] == value, name
    pd.testing.assert_frame_equal(travelled, before)


@pytest.mark.parametrize("route", LOSSY)
def test_digits_lost_in_floats_are_reported(jobs, route):
    """The states are still right, and a warning names column and remedy."""
    travelled = ROUTES[route](jobs)
    with pytest.warns(AsanaValueWarning, match=r"new_.*\.gid.*read_jobs_file"):
        pending = travelled.asana.pending
    assert [str(gid) for gid in pending["gid"]] == list(jobs.asana.pending["gid"])


@pytest.mark.parametrize("route", every(ROUTES))
@pytest.mark.filterwarnings("ignore:.*lost digits:asana_jobs_pd.errors.AsanaValueWarning")
def test_refresh_asks_the_same_from_every_frame(server, jobs, route):
    """As many requests, our dtypes, and the index, attrs, flags and class of the input."""
    travelled = ROUTES[route](jobs)
    travelled.attrs["run"] = "nightly"
    with aj.Client(server.token, base_url=server.base_url, requests_per_minute=None) as client:
        server.reset_stats()
        refreshed = travelled.asana.refresh(client=client)
    assert server.stats.requests == len(jobs.asana.pending)
    assert refreshed.attrs == travelled.attrs
    assert type(refreshed) is type(travelled)
    assert refreshed.index.names == travelled.index.names
    assert refreshed.columns.name == travelled.columns.name
    assert refreshed.flags == travelled.flags
    flat = as_jobs(refreshed)
    assert {name: str(flat[name].dtype) for name in jobs} == jobs.dtypes.map(str).to_dict()
    assert set(flat["gid"]) == set(jobs["gid"])


def test_gids_of_an_inferred_csv_with_a_gap_are_refused(jobs):
    """Floats are never guessed; the error names the column and the reader that fits."""
    gap = jobs.reindex(range(len(jobs) + 1))
    with pytest.raises(InvalidFrameError, match=r"'gid' holds floats.*read_jobs_file"):
        _ = csv(gap).asana.pending


@pytest.mark.slow
@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.filterwarnings("ignore:.*lost digits:asana_jobs_pd.errors.AsanaValueWarning")
def test_the_verbs_that_write_take_every_frame(server, jobs, route, tmp_path):
    """Wait, download, report, Excel and charts of every frame work alike."""
    pytest.importorskip("matplotlib").use("agg")
    import matplotlib.pyplot as plt

    travelled = ROUTES[route](jobs)
    subtypes = as_jobs(travelled)["resource_subtype"]
    exports = travelled[subtypes.eq("graph_export_request").to_numpy(bool, na_value=False)]
    with aj.Client(server.token, base_url=server.base_url, requests_per_minute=None) as client:
        with pytest.raises(aj.WaitTimeoutError) as caught:
            travelled.asana.wait(client=client, timeout=0.2)
        files = exports.asana.download(tmp_path, client=client)
    for frame in (caught.value.frame, files):
        flat = as_jobs(frame)
        assert {n: str(flat[n].dtype) for n in jobs} == jobs.dtypes.map(str).to_dict()
        assert frame.index.names == travelled.index.names
    assert files["file.path"].notna().sum() == len(
        jobs.asana.exports.query(
            "resource_subtype == 'graph_export_request' and status == 'succeeded'"
        )
    )
    assert travelled.asana.report(tmp_path / "jobs.html").exists()
    assert travelled.asana.to_excel(tmp_path / "jobs.xlsx").exists()
    for draw in (travelled.asana.plot.timeline, travelled.asana.plot.status):
        plt.close(draw().figure)


@pytest.fixture(scope="module")
def files(server, jobs, tmp_path_factory):
    """The frame of a download of the jobs."""
    with aj.Client(server.token, base_url=server.base_url) as client:
        return jobs.asana.download(tmp_path_factory.mktemp("files"), client=client)


WITHOUT_FILES = "2 rows are exports without a file"


@pytest.fixture(scope="module")
def tasks(files):
    """How many tasks are in these files."""
    with pytest.warns(AsanaValueWarning, match=WITHOUT_FILES):
        return len(files.asana.load()["task"])


@pytest.mark.parametrize("route", ["csv of texts", "csv with empty texts", "json", "three levels"])
def test_downloads_are_loaded_from_every_frame(files, tasks, route):
    """The rows with a file are found by `file.path`, in which an empty text is missing."""
    with pytest.warns(AsanaValueWarning, match=WITHOUT_FILES) as caught:
        assert len(ROUTES[route](files).asana.load()["task"]) == tasks > 0
    assert len(caught) == 1
    twice = pd.concat([files, files[["file.path"]]], axis=1)
    with pytest.raises(InvalidFrameError, match=r"more than one column 'file\.path'"):
        twice.asana.load()


def test_an_excel_file_of_ours_comes_back(jobs, tmp_path):
    """Names of times have their zone appended there; signatures are gone, nothing else."""
    back = excel(jobs, tmp_path)
    assert "fetched_at (UTC)" in back.columns
    assert list(back.asana.pending["gid"]) == list(jobs.asana.pending["gid"])
    assert list(back.asana.failed["gid"]) == list(jobs.asana.failed["gid"])
    assert not len(back.asana.changes(jobs))


def test_a_status_of_the_users_own_is_not_asanas(server):
    """Without evidence of a read it is not trusted.

    All rows are requested, or the error names the column.
    """
    gids = server.gids(4)
    own = pd.DataFrame({"gid": gids, "status": ["failed", "succeeded", "succeeded", None]})
    assert list(own.asana.pending["gid"]) == gids
    assert not len(own.asana.failed)
    with aj.Client(server.token, base_url=server.base_url) as client:
        server.reset_stats()
        assert own.asana.refresh(client=client)["fetched_at"].notna().all()
        assert server.stats.requests == 4
    assert list(own.assign(**{"error.rate": 0.1}).asana.pending["gid"]) == gids
    own["status"] = ["done", "failed", "open", "open"]
    for verb in ("pending", "summary", "results", "refresh", "wait", "download", "to_excel"):
        with pytest.raises(InvalidFrameError, match=r"'status' holds 'done' \(3 of 4 rows\)"):
            member = getattr(own.asana, verb)
            member("x.xlsx") if verb == "to_excel" else callable(member) and member()


@pytest.mark.parametrize("evidence", ["fetched_at", "error.kind", "error.status", "seen.last"])
def test_a_frame_that_was_read_is_trusted(evidence):
    """Any column that only a read, or the ledger, brings is evidence enough."""
    frame = pd.DataFrame({"gid": ["1"], "status": ["succeeded"], evidence: [None]})
    assert not len(frame.asana.pending)


def test_an_untrusted_status_does_not_become_trusted(server):
    """A refresh that fails brings evidence, but not for what it could not read."""
    base_url = server.base_url.replace(str(server.base_url.split(":")[2].split("/")[0]), "9")
    own = pd.DataFrame({"gid": server.gids(1), "status": ["succeeded"]})
    with aj.Client("t", base_url=base_url, max_retries=0) as client:
        refreshed = own.asana.refresh(client=client)
    assert refreshed["error.kind"].tolist() == ["network"]
    assert refreshed["status"].isna().all()
    assert len(refreshed.asana.pending) == 1


def test_a_status_that_was_lost_comes_back(server, jobs):
    """After a merge renamed it to `status_x`, or when it was never requested."""
    lost = jobs.merge(pd.DataFrame({"gid": jobs["gid"], "status": "mine"}), on="gid")
    with aj.Client(server.token, base_url=server.base_url, requests_per_minute=None) as client:
        narrow = aj.read_asana_jobs(jobs["gid"][:9], ["new_task.name"], client=client)
        for frame in (lost, narrow):
            back = frame.asana.refresh(client=client)
            assert back["status"].notna().sum() == back["error.kind"].isna().sum()
            server.reset_stats()
            back.asana.refresh(client=client)
            assert server.stats.requests == len(back.asana.pending) < len(back)


@pytest.mark.parametrize("name", ["status", "new_task.name", "error.status", "new_goal.gid"])
def test_a_column_of_ours_twice_is_an_error_that_names_it(jobs, name):
    """Neither of the two is the right one."""
    frame = jobs.assign(**{"new_goal.gid": "1"})
    twice = pd.concat([frame, frame[[name]]], axis=1)
    with pytest.raises(InvalidFrameError, match=f"more than one column '{name}'"):
        _ = twice.asana.pending


def test_frames_of_other_shapes_are_refused(jobs):
    """Column levels, twice the level gid, other libraries: the error says what to do."""
    with pytest.raises(InvalidFrameError, match="flatten"):
        _ = pd.concat({"a": jobs}, axis=1).asana.pending
    with pytest.raises(InvalidFrameError, match="more than one level 'gid'"):
        index = pd.MultiIndex.from_arrays([["1"], ["2"]], names=["gid", "gid"])
        _ = pd.DataFrame({"x": [1]}, index=index).asana.pending
    members = {"columns": ["gid"], "to_pandas": None, "__module__": "polars.dataframe"}
    polars = type("DataFrame", (), members)
    with pytest.raises(InvalidFrameError, match=r"polars DataFrame.*\.to_pandas\(\)"):
        aj.refresh_asana_jobs(polars())
    with pytest.raises(InvalidGidError, match=r"polars DataFrame.*\.to_pandas\(\)"):
        aj.read_asana_jobs(polars())


@pytest.mark.parametrize("blank", ["", " ", "\u00a0", '""', "'", None, np.nan, pd.NA, pd.NaT])
def test_blank_gids_are_all_alike(server, blank):
    """A frame keeps their rows and requests nothing for them; as gids to read they are refused."""
    frame = pd.DataFrame({"gid": pd.Series([server.gids(1)[0], blank], dtype=object), "x": [1, 2]})
    with aj.Client(server.token, base_url=server.base_url) as client:
        server.reset_stats()
        refreshed = frame.asana.refresh(client=client)
        assert server.stats.requests == 1
        assert refreshed["gid"].isna().tolist() == [False, True]
        assert len(frame.asana.pending) == 1
        for gids in (frame, frame["gid"], list(frame["gid"])):
            with pytest.raises(InvalidGidError, match=r"1 of 2 values .*Leave out blank"):
                aj.read_asana_jobs(gids, client=client)
        assert server.stats.requests == 1


def test_empty_texts_are_missing():
    """An object that a CSV filled with empty texts was not created."""
    frame = pd.DataFrame({
        "gid": ["1", "2"], "fetched_at": "", "status": ["succeeded", ""], "error.status": "",
        "new_task.gid": ["7", ""], "new_task.name": ["x", ""], "new_goal.gid": ["", ""],
    })  # fmt: skip
    assert len(frame.asana.results()) == 1
    assert list(frame.asana.pending["gid"]) == ["2"]


@pytest.mark.parametrize("values", [[2.0**60, 12.0], np.array([2.0**60, 12.0], object)])
@pytest.mark.parametrize("name", ["new_task.gid", "new_goal.gid"])
def test_gids_that_lost_digits_become_missing_with_a_warning(values, name):
    """In known and unknown objects, in float and object columns."""
    frame = pd.DataFrame({"gid": ["1", "2"], "fetched_at": None, name: values})
    with pytest.warns(AsanaValueWarning, match="read_jobs_file"):
        results = frame.asana.results()
    assert results["new.gid"].tolist() == ["12"]


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"])
def test_times_of_every_year_come_back(text):
    """Also in a column with times that only pandas reads."""
    frame = pd.DataFrame({"gid": ["1", "2"], "fetched_at": [text, "2026-01-01 10:00:00+02:00"]})
    times = as_jobs(frame)["fetched_at"]
    assert [time.year for time in times] == [int(text[:4]), 2026]
    records = [{"gid": "1", "new_graph_export": {"created_at": text}}]
    created = aj.asana_jobs_from_records(records)["new_graph_export.created_at"]
    assert created[0].year == int(text[:4])


@pytest.mark.parametrize("dtype", [pd.ArrowDtype(pa.date32()), "datetime64[ns]", "datetime64[s]"])
def test_days_are_times_at_midnight(dtype):
    """In whatever type they are."""
    days = pd.Series(pd.to_datetime(["2026-01-02", None])).astype(dtype)
    frame = pd.DataFrame({"gid": ["1", "2"], "fetched_at": days})
    times = as_jobs(frame)["fetched_at"]
    assert times.dtype == "datetime64[us, UTC]"
    assert times.tolist() == [pd.Timestamp("2026-01-02", tz="UTC"), pd.NaT]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("fetched_at", [1.7e12]),
        ("fetched_at", pd.array([1], pd.ArrowDtype(pa.duration("s")))),
        ("error.status", ["oops"]),
        ("error.status", [1e9]),
        ("error.status", [404.5]),
        ("error.status", [[404]]),
    ],
)
def test_values_that_fit_no_column_are_refused_by_its_name(name, values):
    """With an InvalidFrameError, never another exception."""
    with pytest.raises(InvalidFrameError, match=name):
        _ = pd.DataFrame({"gid": ["1"], name: values}).asana.pending


def test_levels_come_back_as_they_were(jobs):
    """`with_index_of` restores order, names and values of the index; users' levels stay."""
    indexed = jobs.assign(team="A").set_index(["team", "gid", "status"])
    pd.testing.assert_frame_equal(with_index_of(as_jobs(indexed), indexed), indexed)
