"""`engine="arrow"` and `"polars"`: the columns and issues of pandas, without pandas."""

import pickle
import sys

import pandas as pd
import pandas.testing as tm
import pyarrow as pa
import pytest
from rows import GRAPH_FIELDS, NAMESAKES, field, task, write

import asana_jobs_pd as aj
from asana_jobs_pd.errors import InvalidFrameError, InvalidOptionError, MissingExtraError

pl = pytest.importorskip("polars")

OPTIONS = [{"gid": str(n), "name": name} for n, name in enumerate(("Low", "High", "後で"))]
ROWS = [
    task(
        "1",
        due_on="2026-05-21",
        created_at="2026-05-01T10:00:00.5Z",
        completed=True,
        followers=[{"gid": "5", "name": "Ana"}],
        custom_fields=[field("9", "enum", OPTIONS[1], "Prio", enum_options=OPTIONS)],
    ),
    task("2", due_on="soon", custom_fields=[*NAMESAKES, *GRAPH_FIELDS]),
    task("2", due_on="2026-05-22", tags=[]),
    {"gid": "3", "resource_type": "team", "name": "Web"},
]


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return write(tmp_path_factory.mktemp("engines") / "export.gz", ROWS)


@pytest.fixture(params=["arrow", "polars"])
def engine(request):
    return request.param


def as_arrow(frame):
    """Return a frame of any engine as Arrow has it, texts and dates as polars and pandas do."""
    table = frame if isinstance(frame, pa.Table) else frame.to_arrow()
    return [(name, table[name].to_pylist()) for name in table.column_names]


@pytest.mark.parametrize("shape", ["columns", "long", "raw"])
def test_tables_are_those_of_pandas(path, engine, shape):
    expected = aj.read_asana_export(
        path, custom_fields=shape, dtype_backend="pyarrow", progress=False
    )
    data = aj.read_asana_export(path, engine=engine, custom_fields=shape, progress=False)
    assert type(data["task"]) is {"arrow": pa.Table, "polars": pl.DataFrame}[engine]
    assert list(data) == list(expected)
    pairs = [(data[name], expected[name]) for name in [*expected, "project"]]
    if shape == "long":
        pairs.append((data.custom_field_values, expected.custom_field_values))
    for found, frame in pairs:
        assert as_arrow(found) == as_arrow(pa.Table.from_pandas(frame, preserve_index=False))
    tm.assert_frame_equal(data.issues, expected.issues)
    tm.assert_frame_equal(data.custom_fields, expected.custom_fields)
    tm.assert_frame_equal(data.report(), expected.report())


def test_types_are_those_of_the_engine(path):
    table = aj.read_asana_export(path, engine="arrow", progress=False).task
    assert table["due_on"].type == pa.date32()
    assert table["custom_fields.Prio"].type.value_type == pa.string()
    schema = aj.read_asana_export(path, engine="polars", progress=False).task.schema
    assert schema["custom_fields.Prio"] == pl.Enum(["Low", "High", "後で"])
    assert schema["due_on"] == pl.Date
    assert schema["created_at"] == pl.Datetime("us", "UTC")


def test_the_repr_says_what_there_is(path, engine):
    data = aj.read_asana_export(path, engine=engine, progress=False)
    assert repr(data).startswith("<AsanaArrowExport: task 2 x ")
    assert "last change 2026-05-01 10:00 UTC; 1 issue, see .issues" in repr(data)
    assert "<table" in data._repr_html_()


def test_tables_can_be_pickled(path, engine):
    data = aj.read_asana_export(path, engine=engine, progress=False)
    again = pickle.loads(pickle.dumps(data))
    assert again.task.equals(data.task)
    assert again["project"].shape == data["project"].shape


def test_a_frame_of_downloads_loads_with_each_engine(path, engine):
    files = pd.DataFrame({"gid": ["7"], "status": ["succeeded"], "file.path": [path]})
    assert list(files.asana.load(engine=engine, progress=False)) == ["task", "team"]


def test_a_missing_extra_is_named_before_anything_is_read(path, monkeypatch):
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(MissingExtraError, match=r"asana_jobs_pd\[polars\]"):
        aj.read_asana_export(path, engine="polars")


def test_conversions_have_other_engines(path, tmp_path):
    with pytest.raises(InvalidOptionError, match="'pandas', 'dask'"):
        aj.asana_export_to_parquet(path, tmp_path / "lake", engine="polars")


def test_answers_need_the_pandas_engine(path, engine):
    data = aj.read_asana_export(path, engine=engine, progress=False)
    with pytest.raises(AttributeError, match="'tables' needs the pandas engine"):
        data.tables()
    with pytest.raises(AttributeError, match="no attribute 'goals'"):
        data.goals  # noqa: B018
    assert data.team is data["team"]
    with pytest.raises(InvalidOptionError, match="old is of type AsanaArrowExport: load it with"):
        aj.compare_asana_exports(data, data)
    with pytest.raises(InvalidFrameError, match=r"frames\['team'\] is of type (pyarrow|polars)"):
        aj.frames_to_excel({"team": data.team}, "team.xlsx")
