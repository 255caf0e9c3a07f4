"""The frame: columns, order, dtypes."""

from __future__ import annotations

import gc
import warnings

import pandas as pd
import pytest
from seed import EXAMPLE, GRAPH_URL, RESOURCE_URL

import asana_jobs_pd as aj
from asana_jobs_pd._jobs.schema import BOOKKEEPING, COLUMNS, FIELDS, dtype_of
from asana_jobs_pd.errors import AsanaValueWarning, InvalidFieldError, InvalidGidError

AT = pd.Timestamp("2012-02-22T02:06:58.147Z")
DONE = pd.Timestamp("2012-02-22T03:06:58.147Z")

SEED_ROW = {
    "gid": "12345",
    "status": "in_progress",
    "resource_subtype": "duplicate_task",
    "resource_type": "job",
    "new_project.gid": "12345",
    "new_project.resource_type": "project",
    "new_project.name": "Stuff to buy",
    "new_task.gid": "12345",
    "new_task.resource_type": "task",
    "new_task.name": "Bug Task",
    "new_task.resource_subtype": "default_task",
    "new_task.created_by.gid": "1111",
    "new_task.created_by.resource_type": "user",
    "new_project_template.gid": "12345",
    "new_project_template.resource_type": "project_template",
    "new_project_template.name": "Packing list",
    "new_task_template.gid": pd.NA,
    "new_task_template.resource_type": pd.NA,
    "new_task_template.name": pd.NA,
    "new_portfolio.gid": pd.NA,
    "new_portfolio.resource_type": pd.NA,
    "new_portfolio.name": pd.NA,
    "new_graph_export.gid": "12345",
    "new_graph_export.resource_type": "graph_export",
    "new_graph_export.created_at": AT,
    "new_graph_export.completed_at": DONE,
    "new_graph_export.download_url": GRAPH_URL,
    "new_resource_export.gid": "12345",
    "new_resource_export.resource_type": "export_request",
    "new_resource_export.created_at": AT,
    "new_resource_export.completed_at": DONE,
    "new_resource_export.download_url": RESOURCE_URL,
    "fetched_at": pd.NaT,
    "error.status": pd.NA,
    "error.kind": pd.NA,
    "error.message": pd.NA,
    "error.help": pd.NA,
    "error.phrase": pd.NA,
}


@pytest.mark.parametrize("column", SEED_ROW)
def test_the_seeds_example_becomes_one_right_row(column):
    """Each column of the contract's own example holds its value, URLs with spaces included."""
    jobs = aj.asana_jobs_from_records([EXAMPLE])
    assert list(jobs.columns) == list(SEED_ROW)
    want, value = SEED_ROW[column], jobs.at[0, column]
    assert value is want or value == want


def test_the_seeds_example_over_the_wire(asana, client):
    """The same row comes out of a read, with the time it was asked for."""
    asana.record("12345", EXAMPLE)
    jobs = aj.read_asana_jobs("12345", client=client)
    want = aj.asana_jobs_from_records([EXAMPLE])
    assert jobs["fetched_at"].notna().all()
    columns = [name for name in want.columns if name != "fetched_at"]
    pd.testing.assert_frame_equal(jobs[columns], want[columns])


@pytest.mark.parametrize("records", [[], [EXAMPLE], [{"gid": "1"}] * 3])
def test_dtypes_do_not_depend_on_the_data(records):
    """An empty frame has the dtypes of a full one."""
    jobs = aj.asana_jobs_from_records(records)
    assert {name: jobs[name].dtype for name in jobs.columns} == {
        column.name: dtype_of(column.kind) for column in (*FIELDS, *BOOKKEEPING)
    }
    assert jobs.index.equals(pd.RangeIndex(len(records)))


def test_column_order():
    """gid, the fields as documented, what else arrived, fetched_at, error.*."""
    jobs = aj.asana_jobs_from_records([{"gid": "1", "zeta": "1", "new_goal": {"gid": "2"}}])
    documented = [column.name for column in FIELDS]
    ours = ["fetched_at", *[name for name in COLUMNS if name.startswith("error.")]]
    assert list(jobs.columns) == [*documented, "new_goal.gid", "zeta", *ours]
    narrow = aj.asana_jobs_from_records([EXAMPLE], ["status", "new_task.name"])
    assert list(narrow.columns) == ["gid", "status", "new_task.name", *ours]


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("2012-02-22T02:06:58.147Z", "2012-02-22T02:06:58.147Z"),
        ("2012-02-22T02:06:58Z", "2012-02-22T02:06:58Z"),
        ("2012-02-22T02:06:58.147123Z", "2012-02-22T02:06:58.147123Z"),
        ("2012-02-22T04:06:58+02:00", "2012-02-22T02:06:58Z"),
    ],
)
def test_times_of_every_form_become_utc(text, want):
    """With and without a fraction, in one column, whatever the offset."""
    records = [{"gid": "1", "new_graph_export": {"created_at": value}} for value in (text, None)]
    records.append({"gid": "2", "new_graph_export": {"created_at": "2020-01-01T00:00:00Z"}})
    times = aj.asana_jobs_from_records(records)["new_graph_export.created_at"]
    assert times.dtype == "datetime64[us, UTC]"
    assert times[0] == pd.Timestamp(want)
    assert pd.isna(times[1])


@pytest.mark.parametrize("bad", ["soon", "", 5, ["x"], "2012-13-45T00:00:00Z"])
def test_an_invalid_time_becomes_missing_with_a_warning(bad):
    """The dtype and the other times stay, and the warning names job and value."""
    records = [
        {"gid": "77", "new_graph_export": {"created_at": bad}},
        {"gid": "78", "new_graph_export": {"created_at": "2020-01-01T00:00:00.1234567Z"}},
    ]
    with pytest.warns(AsanaValueWarning, match=r"new_graph_export\.created_at of job 77"):
        times = aj.asana_jobs_from_records(records)["new_graph_export.created_at"]
    assert times.dtype == "datetime64[us, UTC]"
    assert pd.isna(times[0])
    assert times[1] == pd.Timestamp("2020-01-01T00:00:00.123456Z")


def test_more_digits_than_microseconds_are_no_reason_to_warn():
    """Nanoseconds are cut, silently: nothing of Asana's has them."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        aj.asana_jobs_from_records(
            [{"gid": "1", "new_graph_export": {"created_at": "2020-01-01T00:00:00.123456789Z"}}]
        )


@pytest.mark.parametrize("bad", [[{}], [{"gid": None}], [{"gid": 1.5}], ["12"], [None]])
def test_records_without_a_gid_are_refused(bad):
    """A record must say whose it is."""
    with pytest.raises(InvalidGidError):
        aj.asana_jobs_from_records(bad)


@pytest.mark.parametrize("good", ["7", 7, 2**80, "007"])
def test_gids_of_records_may_be_whole_numbers(good):
    """A text of digits as it is, an int as its digits, beside ordinary ones."""
    jobs = aj.asana_jobs_from_records([{"gid": "1"}, {"gid": good, "status": "failed"}])
    assert list(jobs["gid"]) == ["1", str(good)]
    assert list(jobs["status"].isna()) == [True, False]


@pytest.mark.parametrize("bad", [0, -5, True, 1.5, "", "1-2", "٣", ["1"]])
def test_a_gid_that_is_none_is_named_with_its_position(bad):
    """Invalid gids are refused however they look as text, and garbage collection resumes."""
    with pytest.raises(InvalidGidError, match=r"gids\[2001\] ="):
        aj.asana_jobs_from_records([*[{"gid": "1"}] * 2001, {"gid": bad}])
    assert gc.isenabled()


def test_a_record_that_is_none_is_named_with_its_position():
    """A list of pairs could be taken for a dict, but is refused."""
    with pytest.raises(InvalidGidError, match=r"records\[2001\] is a list"):
        aj.asana_jobs_from_records([*[{"gid": "1"}] * 2001, [("gid", "1")]])


def test_unknown_fields_are_refused():
    """As in reading."""
    with pytest.raises(InvalidFieldError):
        aj.asana_jobs_from_records([EXAMPLE], ["stat"])
    assert "goal" in aj.asana_jobs_from_records([EXAMPLE], ["goal"], strict=False)


def test_the_records_are_not_changed():
    """They belong to the caller."""
    record = {"gid": "1", "status": 5, "new_task": "x"}
    aj.asana_jobs_from_records([record])
    assert record == {"gid": "1", "status": 5, "new_task": "x"}


def test_cells_can_be_set():
    """The frame belongs to the user: no column is read-only memory."""
    jobs = aj.asana_jobs_from_records([EXAMPLE, {"gid": "2"}])
    for column in jobs.columns:
        jobs.loc[1, column] = jobs[column].iloc[0]
    jobs.loc[0, "error.status"] = 404
    assert (
        jobs.loc[1].drop("error.status").dropna().equals(jobs.loc[0].drop("error.status").dropna())
    )
