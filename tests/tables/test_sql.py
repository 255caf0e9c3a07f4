"""SQL over a load and over Parquet: the same tables as `data.tables()`."""

import pandas as pd
import pytest
from rows import field, task, write

import asana_jobs_pd as aj
from asana_jobs_pd.errors import ExportFileError, InvalidFrameError, InvalidOptionError
from asana_jobs_pd.sandbox._world import World
from asana_jobs_pd.sandbox._world_rows import graph_rows, resource_rows

duckdb = pytest.importorskip("duckdb")


@pytest.fixture(scope="module", params=["resource", "graph"])
def both(request, tmp_path_factory):
    """An export, and the same as a Parquet dataset."""
    world = World("sql", 60, hidden=0.2)
    folder = tmp_path_factory.mktemp("lake")
    kind = request.param
    rows = graph_rows(world) if kind == "graph" else resource_rows(world, "task")
    path = write(folder / "export.jsonl.gz", rows)
    aj.asana_export_to_parquet(path, folder / "it's a lake", progress=False)
    return aj.read_asana_export(path, progress=False), folder / "it's a lake"


@pytest.fixture(scope="module")
def tables(both):
    """The tables of the load."""
    return both[0].tables()


def plain(frame):
    """Return the rows of a frame in some order, values as texts."""
    columns = sorted(frame.columns)
    texts = frame[columns].astype(object).where(frame[columns].notna(), None).map(repr)
    return sorted(texts.itertuples(index=False, name=None))


@pytest.mark.parametrize(
    "name",
    [
        *("task", "project", "section", "person", "tag", "portfolio", "custom_field", "option"),
        *("task_project", "task_custom_field", "task_tag", "task_follower", "task_dependency"),
        *("subtask", "portfolio_item", "time_entry", "story"),
    ],
)
def test_a_lake_has_the_tables_of_a_load(both, tables, name):
    _, lake = both
    found, expected = aj.sql(lake, f"from {name}"), tables[name]
    assert list(found.columns) == list(expected.columns)
    assert plain(found) == plain(expected)


def test_the_columns_of_a_lake_have_the_types_of_a_load(both, tables):
    """Dates are dates, so that a query gives the same from both."""
    data, lake = both
    for name in tables:
        types = aj.sql(lake, f"describe {name}").set_index("column_name")["column_type"]
        expected = data.sql(f"describe {name}").set_index("column_name")["column_type"]
        assert types.to_dict() == expected.to_dict(), name
    task = data.sql("describe task").set_index("column_name")["column_type"]
    assert task[["due_on", "created_at"]].tolist() == ["DATE", "TIMESTAMP WITH TIME ZONE"]


def test_differences_of_times_and_sums_are_what_pandas_has(both):
    query = """
        select completed_at - created_at as took, due_on - created_at::date as days,
            sum(num_subtasks) over () as total, completed_at::date as day
        from task where completed order by gid
    """
    data, lake = both
    found = data.sql(query)
    types = ["timedelta64[us]", "Int64", "Int64", "datetime64[us]"]
    assert found.dtypes.astype(str).tolist() == types
    done = data["task"].query("completed").sort_values("gid", ignore_index=True)
    took = done["completed_at"] - done["created_at"]
    assert found["took"].tolist() == took.tolist()
    assert found["day"].tolist() == done["completed_at"].dt.tz_localize(None).dt.floor("D").tolist()
    assert found["total"].eq(done["num_subtasks"].sum()).all()
    pd.testing.assert_frame_equal(aj.sql(lake, query), found)


def test_results_have_nullable_dtypes(both):
    query = """
        select hash(gid) as hash, 1.5::decimal(9, 2) as price, gid = '1' as flag, 1::tinyint as n,
            '2026-01-01 00:00:00.123456789'::timestamp_ns as time, null::varchar as text
        from task
    """
    types = ["UInt64", "Float64", "boolean", "Int64", "datetime64[us]", "string"]
    for data in both:
        assert aj.sql(data, query).dtypes.astype(str).tolist() == types


def test_times_are_utc_wherever_a_query_runs(both, monkeypatch):
    monkeypatch.setenv("TZ", "Pacific/Auckland")
    for data in both:
        zone = aj.sql(data, "select current_setting('timezone') as zone from task limit 1")
        assert zone["zone"].tolist() == ["UTC"]
        kept = "set timezone = 'Europe/Berlin'; select current_setting('timezone') as zone"
        assert aj.sql(data, kept)["zone"].tolist() == ["Europe/Berlin"]


@pytest.mark.parametrize("name", ["lake [26]", "name=x", "it's"])
def test_the_name_of_a_folder_is_no_pattern(tmp_path, name):
    for folder, tasks in (("lake 2", 1), ("lake 6", 2), (name, 3)):
        rows = [task(str(number), name="a", memberships=[]) for number in range(tasks)]
        path = write(tmp_path / "a.gz", rows)
        aj.asana_export_to_parquet(path, tmp_path / folder, progress=False)
    assert aj.sql(tmp_path / name, "from task")["name"].tolist() == ["a"] * 3
    assert "name" in aj.sql(tmp_path / name, "from custom_field")


def test_a_query_joins_tables(both):
    query = """
        select project.name, sum(number_value) as cost
        from task_custom_field join task_project using (task)
        join project on project.gid = task_project.project
        join custom_field on custom_field = custom_field."column"
        where custom_field.name = 'Cost' group by all order by all
    """
    data, lake = both
    expected = data.sql(query)
    assert len(expected) > 3
    assert expected["name"].dtype == "string"
    assert expected["cost"].dtype == "Float64"
    pd.testing.assert_frame_equal(aj.sql(lake, query), expected)


def test_a_duckdb_file_has_all_tables(both, tmp_path):
    data, _ = both
    path = tmp_path / "x.duckdb"
    path.write_text("what was there before")
    assert data.to_duckdb(path) == path
    with duckdb.connect(str(path), read_only=True) as connection:
        names = {name for (name,) in connection.sql("show tables").fetchall()}
        assert names == set(data.tables())
        count = connection.execute("select count(*) from task").fetchone()
        assert count == (len(data["task"]),)


def test_an_enum_field_without_options_is_text(tmp_path):
    row = task("1", memberships=[], custom_fields=[field("5", "enum", None)])
    data = aj.read_asana_export(write(tmp_path / "a.gz", [row]), progress=False)
    assert data.sql("from task")["custom_fields.enum"].dtype == "string"


def test_a_time_of_your_own_without_a_zone_keeps_its_time(tmp_path):
    path = write(tmp_path / "a.gz", [task("1", memberships=[], due_on="2026-05-21")])
    data = aj.read_asana_export(path, progress=False)
    data["task"]["seen"] = pd.Timestamp("2026-05-21 10:30").as_unit("us")
    query = "select typeof(due_on) as due, typeof(seen) as type, hour(seen) as hour from task"
    found = data.sql(query).iloc[0]
    assert (found["due"], found["type"], found["hour"]) == ("DATE", "TIMESTAMP", 10)
    assert data.tables().task["seen"].tolist() == [pd.Timestamp("2026-05-21 10:30")]


def test_a_wrong_query_is_an_error_in_duckdbs_words(both):
    for data in both:
        with pytest.raises(InvalidOptionError, match="nothing_like_it"):
            aj.sql(data, "from nothing_like_it")
        with pytest.raises(InvalidOptionError, match="Quote columns with a dot"):
            aj.sql(data, "select assignee.name from task")
    with pytest.raises(InvalidOptionError, match="give a SQL query"):
        both[0].sql("")


@pytest.mark.parametrize("name", ["lake", "query", "backend", "connection"])
def test_a_query_does_not_read_local_variables(both, name):
    for lake in both:
        with pytest.raises(InvalidOptionError, match=f"Table with name {name} does not exist"):
            aj.sql(lake, f"from {name}")


def test_a_dataset_that_is_written_anew_is_read_anew(tmp_path):
    columns = []
    for keys in ({"name": "a"}, {"name": "b", "notes": "n"}):
        path = write(tmp_path / "export.jsonl.gz", [task("1", memberships=[], **keys)])
        aj.asana_export_to_parquet(path, tmp_path / "lake", overwrite=True, progress=False)
        columns.append(set(aj.sql(tmp_path / "lake", "from task").columns))
    assert columns[1] - columns[0] == {"notes"}


def test_a_folder_that_is_not_a_dataset_is_refused(tmp_path):
    with pytest.raises(ExportFileError, match="does not exist"):
        aj.sql(tmp_path / "absent", "from task")
    with pytest.raises(ExportFileError, match="to_parquet"):
        aj.sql(tmp_path, "from task")
    with pytest.raises(ExportFileError, match="local folder"):
        aj.sql("s3://bucket/lake", "from task")
    with pytest.raises(InvalidOptionError, match=r"lake is of type int: give the folder"):
        aj.sql(5, "from task")


@pytest.mark.parametrize("name", ["_manifest.json", "task/part-00000.parquet"])
def test_a_damaged_dataset_is_named(tmp_path, name):
    path = write(tmp_path / "a.gz", [task("1", memberships=[])])
    aj.asana_export_to_parquet(path, tmp_path / "lake", progress=False)
    (tmp_path / "lake" / name).write_bytes(b"{")
    for read in (lambda lake: aj.sql(lake, "from task"), aj.read_asana_dataset):
        with pytest.raises(ExportFileError, match=r"lake cannot be read: .*[^.]\.$") as caught:
            read(tmp_path / "lake")
        assert caught.value.path == str(tmp_path / "lake")


def test_rows_without_a_gid_and_lists_of_other_things(tmp_path):
    """They are in no table, wherever they are; what is repeated is there once."""
    rows = [
        task("1", memberships=[{"project": {"gid": "9"}}], tags=["x"], followers=[{"name": "Ana"}]),
        task("2", stories=[{"gid": "5", "text": "twice"}, {"gid": "5", "text": "twice"}]),
        task(None, memberships=[{"project": {"gid": "9"}}], stories=[{"text": "no gid"}]),
        {"resource_type": "project", "name": "without a gid"},
    ]
    path = write(tmp_path / "a.gz", rows)
    data = aj.read_asana_export(path, progress=False)
    aj.asana_export_to_parquet(path, tmp_path / "lake", progress=False)
    for name in ("task", "project", "person", "task_project", "task_tag", "story"):
        frame, found = data.tables()[name], aj.sql(tmp_path / "lake", f"from {name}")
        assert len(found) == len(frame), name
        keys = [key for key in ("gid", "task") if key in frame.columns]
        assert plain(found[keys]) == plain(frame[keys])
    assert data.tables().task["gid"].tolist() == ["1", "2"]
    assert data.tables().story["gid"].tolist() == ["5"]
    assert data.tables().task_project["task"].tolist() == ["1"]


def test_an_object_with_two_names_has_the_same_one_everywhere(tmp_path):
    """As when it was renamed while the export ran."""
    rows = [
        task(str(number), memberships=[{"project": {"gid": "9", "name": name}}])
        for number, name in enumerate(("new", "a", None, "old"), 1)
    ]
    path = write(tmp_path / "a.gz", rows)
    aj.asana_export_to_parquet(path, tmp_path / "lake", progress=False)
    data = aj.read_asana_export(path, progress=False)
    for frame in (data.tables().project, aj.sql(tmp_path / "lake", "from project")):
        assert frame[["gid", "name"]].to_numpy().tolist() == [["9", "a"]]


def test_a_lake_without_memberships_is_refused(tmp_path):
    path = write(tmp_path / "a.gz", [task("1", memberships=[{"project": {"gid": "9"}}])])
    aj.asana_export_to_parquet(path, tmp_path / "lake", columns=["gid"], progress=False)
    with pytest.raises(InvalidFrameError, match="memberships"):
        aj.sql(tmp_path / "lake", "from task")
    for shape in ("long", "raw"):
        fields = [field("1", "number", 5)]
        row = task("1", memberships=[{"project": {"gid": "9"}}], custom_fields=fields)
        aj.asana_export_to_parquet(
            write(tmp_path / shape, [row]), tmp_path / f"{shape}.lake", custom_fields=shape
        )
        with pytest.raises(InvalidOptionError, match="custom_fields='columns'"):
            aj.sql(tmp_path / f"{shape}.lake", "from task")
