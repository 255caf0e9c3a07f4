"""A documented type without rows is an empty typed frame."""

from __future__ import annotations

import pickle
from functools import partial

import pandas as pd
import pytest
from export_fixtures import task

import asana_jobs_pd as aj
from asana_jobs_pd._decode.schema import SCHEMA
from asana_jobs_pd.errors import InvalidOptionError


def load(path, **options):
    return aj.read_asana_export(path, workers=1, progress=False, **options)


@pytest.mark.parametrize("resource_type", SCHEMA)
@pytest.mark.parametrize("dtype_backend", ["numpy_nullable", "pyarrow"])
def test_every_documented_type_without_rows(export, resource_type, dtype_backend):
    """It has its documented columns, none of them of dtype object."""
    frame = load(export(), dtype_backend=dtype_backend)[resource_type]
    assert len(frame) == 0
    assert "gid" in frame.columns
    assert frame.columns.is_unique
    assert not any(pd.api.types.is_object_dtype(dtype) for dtype in frame.dtypes)
    assert isinstance(frame.index, pd.RangeIndex)


@pytest.mark.parametrize("dtype_backend", ["numpy_nullable", "pyarrow"])
def test_dtypes_are_those_of_a_frame_with_rows(export, dtype_backend):
    """So a nightly job does not depend on that day's data."""
    people = [{"gid": "1", "resource_type": "user", "name": "A"}]
    times = {"created_at": "2026-01-01T00:00:00Z", "due_on": "2026-01-01"}
    row = task(completed=True, num_likes=1, actual_time_minutes=5, assignee=None, **times)
    row["followers"] = people
    full = load(export(row), dtype_backend=dtype_backend)["task"]
    empty = load(export(), dtype_backend=dtype_backend)["task"]
    assert set(full) <= set(empty)
    pd.testing.assert_series_equal(full.dtypes, empty.dtypes[full.columns])
    order = [column for column in empty if column in full]
    assert order == list(full)


def test_only_types_with_rows_are_listed(export):
    """By iteration, len, in, repr and the report."""
    data = load(export(task()))
    assert len(data["project"]) == 0
    assert data["project"] is data["project"]
    assert (list(data), len(data), "project" in data, "task" in data) == (["task"], 1, False, True)
    assert list(data.report().index) == ["task"]
    assert "project" not in repr(data)
    assert len(data.get("project")) == 0
    with pytest.raises(KeyError, match="'tasks' is not in this export; there is 'task'"):
        data["tasks"]
    assert data.project.equals(data["project"])  # as an attribute, too
    with pytest.raises(AttributeError, match=r"has no attribute 'tasks'\. Did you mean 'task'"):
        data.tasks  # noqa: B018
    assert data.get("tasks") is None
    assert len(pickle.loads(pickle.dumps(data))["team"]) == 0


def test_options_of_the_load_are_kept(export):
    """Requested columns are there; excluded types are not empty frames."""
    data = load(export(task()), columns=["name", "assignee"], resource_types=["task", "project"])
    assert list(data["project"]) == ["name"]
    data = load(export(), columns=["assignee", "name"])
    assert list(data["task"]) == ["assignee.gid", "assignee.resource_type", "assignee.name", "name"]
    data = load(export(task()), resource_types="project")
    assert len(data["project"]) == 0
    with pytest.raises(KeyError, match="there is nothing"):
        data["task"]


def test_a_plural_is_not_a_type_without_rows(export, tmp_path):
    """It would load nothing, convert nothing, and mean that nothing has changed."""
    files, dataset = export(task()), tmp_path / "dataset"
    aj.asana_export_to_parquet(files, dataset)
    for use in (
        partial(aj.read_asana_export, files),
        partial(aj.asana_export_to_parquet, files, tmp_path / "new"),
        partial(aj.read_asana_dataset, dataset),
        partial(aj.compare_asana_exports, dataset, dataset),
    ):
        with pytest.raises(InvalidOptionError, match="no row is a 'tasks'; give 'task'"):
            use(resource_types=["project", "tasks"])
        use(resource_types="new_in_asana")  # not documented, perhaps not there yet


def test_raw_custom_fields_without_rows(export):
    """A column of lists, last, for the types of row that have custom fields."""
    data = load(export(), custom_fields="raw")
    assert data["task"].columns[-1] == "custom_fields"
    assert str(data["task"]["custom_fields"].dtype).startswith("list<")
    assert "custom_fields" not in data["section"]
    data = load(export(), custom_fields="raw", columns=["custom_fields", "name"])
    assert list(data["task"]) == ["custom_fields", "name"]


@pytest.mark.slow
def test_with_dask(export):
    """The same, lazily."""
    pytest.importorskip("dask")
    data = aj.read_asana_export(export(), engine="dask")
    expected = load(export())["task"]
    pd.testing.assert_frame_equal(data["task"].compute(), expected)
    pd.testing.assert_frame_equal(data.compute()["task"], expected)
    assert "task" not in data
    with pytest.raises(KeyError, match="'novelty'"):
        data["novelty"]
