"""Comparing two exports, row by row."""

from __future__ import annotations

import errno
import json
import os
import random
import sys

import pandas as pd
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from child_process import run_child
from hypothesis import given
from hypothesis import strategies as st
from rows import write

import asana_jobs_pd as aj
from asana_jobs_pd import compare_asana_exports
from asana_jobs_pd._compare import compare, inputs
from asana_jobs_pd._compare.compare import PARTITION_BYTES
from asana_jobs_pd._decode import sources
from asana_jobs_pd._parquet import writer as parquet
from asana_jobs_pd.errors import AsanaValueWarning, InvalidFieldError

ANA = {"gid": "12", "resource_type": "user", "name": "Ana"}
WEB = {"gid": "9", "resource_type": "project", "name": "Web"}
APP = {"gid": "8", "resource_type": "project", "name": "App"}
TODO, DOING = ({"gid": gid, "resource_type": "section", "name": n} for gid, n in
               (("10", "To do"), ("11", "Doing")))  # fmt: skip


def priority(name, label="Priority", options=("High", "Low")):
    return {
        "gid": "3", "name": label, "type": "enum", "resource_subtype": "enum",
        "enum_value": name and {"gid": "31", "name": name},
        "enum_options": [{"gid": "31", "name": one} for one in options],
    }  # fmt: skip


def cost(number):
    return {"gid": "2", "name": "Cost", "type": "number", "number_value": number, "precision": 2}


def task(gid, **fields):
    return {
        "gid": gid, "resource_type": "task", "name": f"Task {gid}", "completed": False,
        "completed_at": None, "due_on": "2024-09-15", "assignee": ANA,
        "modified_at": "2024-02-22T02:06:58.147Z", "created_at": "2024-02-22T02:06:58Z",
        "memberships": [{"project": WEB, "section": TODO}], "projects": [WEB],
        "followers": [ANA], "custom_fields": [priority("High"), cost(5.2)], **fields,
    }  # fmt: skip


@pytest.fixture
def convert(export, tmp_path, monkeypatch):
    """Convert rows to a dataset, in row groups and batches of a few."""
    monkeypatch.setattr(parquet, "ROW_GROUP_BYTES", 40_000)
    monkeypatch.setattr(sources, "CHUNK", 30_000)
    monkeypatch.setattr(inputs, "BATCH_ROWS", 30)
    numbers = iter(range(100))

    def convert(*rows, **options):
        folder = tmp_path / f"dataset{next(numbers)}"
        aj.asana_export_to_parquet(export(*rows), folder, **options)
        return folder

    return convert


def cells(frame):
    """Return rows as tuples: gid, change, column, before, after."""
    columns = frame[["gid", "change", "column", "before", "after"]].astype(object)
    return [tuple(row) for row in columns.where(columns.notna(), None).itertuples(index=False)]


def test_an_export_is_the_same_as_itself(load):
    """Nothing is reported, and every row counts as unchanged."""
    export = load(task("1"), task("2"))
    found = compare_asana_exports(export, export)
    assert list(found) == ["task"]
    assert len(found["task"]) == 0
    assert found.summary().loc["task"].to_dict() == {
        "added": 0, "removed": 0, "changed": 0, "unchanged": 2,
        "closed": 0, "reopened": 0, "moved": 0, "rescheduled": 0, "reassigned": 0,
    }  # fmt: skip


def test_added_removed_changed(load):
    """Added rows first, then removed ones, then cells in the order of rows and columns."""
    old = load(task("1"), task("2"), task("3"))
    new = load(task("4"), task("3", name="Third", due_on=None), task("1"))
    frame = compare_asana_exports(old, new)["task"]
    assert cells(frame) == [
        ("4", "added", None, None, None),
        ("2", "removed", None, None, None),
        ("3", "changed", "name", "Task 3", "Third"),
        ("3", "changed", "due_on", "2024-09-15", None),
    ]
    assert frame["name"].tolist() == ["Task 4", "Task 2", "Third", "Third"]
    assert list(map(str, frame.dtypes[["gid", "column", "before", "after"]])) == ["string"] * 4
    assert frame["change"].dtype.categories.tolist() == ["added", "removed", "changed"]


def test_a_renamed_custom_field_is_the_same_field(load):
    """A field is matched by gid; its new name and options are reported in `custom_fields`."""
    old = load(task("1"), task("2"))
    renamed = [priority("High", "Urgency", ("High", "Mid", "Low")), cost(5.2)]
    other = [priority("Mid", "Urgency", ("High", "Mid", "Low")), cost(7)]
    found = compare_asana_exports(old, load(task("1", custom_fields=renamed),
                                            task("2", custom_fields=other)))  # fmt: skip
    assert cells(found["task"]) == [
        ("2", "changed", "custom_fields.Cost", "5.2", "7"),
        ("2", "changed", "custom_fields.Urgency", "High", "Mid"),
    ]
    assert cells(found.custom_fields) == [
        ("3", "changed", "name", "Priority", "Urgency"),
        ("3", "changed", "options", '["High","Low"]', '["High","Mid","Low"]'),
    ]


def test_fields_that_swap_their_names_are_not_confused(load):
    """The gid decides, not the name of the column."""
    one, other = cost(1), {**cost(2), "gid": "5", "name": "Price"}
    old = load(task("1", custom_fields=[one, other]))
    new = load(task("1", custom_fields=[{**one, "name": "Price"}, {**other, "name": "Cost"}]))
    assert cells(compare_asana_exports(old, new)["task"]) == []


def test_a_field_of_another_gid_is_another_field(load):
    """With the same name, the old field lost its values and the new one got some."""
    old = load(task("1", custom_fields=[cost(1)]))
    new = load(task("1", custom_fields=[{**cost(1), "gid": "77"}]))
    found = compare_asana_exports(old, new)
    assert cells(found["task"]) == [
        ("1", "changed", "custom_fields.Cost", None, "1"),
        ("1", "changed", "custom_fields.Cost", "1", None),
    ]
    assert cells(found.custom_fields) == [
        ("77", "added", None, None, None),
        ("2", "removed", None, None, None),
    ]


def test_plain_frames_match_fields_by_the_gid_in_the_name(load):
    """Plain frames match by a gid in the column name, otherwise by name."""
    old = {"task": pd.DataFrame({"gid": ["1"], "custom_fields.Cost [2]": [1.0]})}
    new = {"task": pd.DataFrame({"gid": ["1"], "custom_fields.Price [2]": [2.0]})}
    assert cells(compare_asana_exports(old, new)["task"]) == [
        ("1", "changed", "custom_fields.Price [2]", "1", "2")
    ]
    export = load(task("1"))
    plain = {"task": export["task"].drop(columns=["resource_type"])}
    assert cells(compare_asana_exports(plain, export)["task"]) == []
    assert cells(compare_asana_exports(old, export, columns="custom_fields")["task"]) == [
        ("1", "changed", "custom_fields.Cost", "1", "5.2"),
        ("1", "changed", "custom_fields.Priority", None, "High"),
    ]


def test_closed_moved_rescheduled_reassigned(load):
    """The common questions, each answered by a frame with typed columns."""
    bo = {**ANA, "gid": "13", "name": "Bo"}
    old = load(task("1"), task("2"), task("3", completed=True, completed_at="2024-01-02T03:04:05Z"))
    new = load(
        task("1", completed=True, completed_at="2024-03-01T10:00:00.500Z", assignee=bo),
        task("2", due_on="2024-09-18", assignee=None, projects=[APP, WEB],
             memberships=[{"project": APP, "section": TODO}, {"project": WEB, "section": DOING}]),
        task("3", memberships=[], projects=[], due_on=None),
    )  # fmt: skip
    found = compare_asana_exports(old, new)
    assert found.closed.to_dict("list") == {
        "resource_type": ["task"], "gid": ["1"], "name": ["Task 1"],
        "completed_at": [pd.Timestamp("2024-03-01T10:00:00.500Z")],
    }  # fmt: skip
    assert found.reopened["gid"].tolist() == ["3"]
    assert found.reopened["completed_at"].tolist() == [pd.Timestamp("2024-01-02T03:04:05Z")]
    assert found.closed.dtypes["completed_at"] == "datetime64[us, UTC]"

    moves = found.moved.astype(object)
    moves = moves.where(moves.notna(), None).drop(columns=["resource_type", "name"])
    assert [tuple(row) for row in moves.itertuples(index=False)] == [
        ("2", "added", "8", "App", None, "To do"),
        ("2", "section", "9", "Web", "To do", "Doing"),
        ("3", "removed", "9", "Web", "To do", None),
    ]

    dates = found.rescheduled
    assert dates["gid"].tolist() == ["2", "3"]
    assert dates["days"].tolist() == [3.0, pd.NA]
    assert dates["after"].tolist() == [pd.Timestamp("2024-09-18", tz="UTC"), pd.NaT]

    people = found.reassigned.drop(columns=["resource_type", "name"]).fillna("")
    assert people.to_numpy().tolist() == [
        ["1", "12", "Ana", "13", "Bo"],
        ["2", "12", "Ana", "", ""],
    ]
    counts = found.summary().loc["task"]
    assert counts[["changed", "closed", "reopened", "moved"]].tolist() == [3, 1, 1, 2]
    assert counts[["rescheduled", "reassigned"]].tolist() == [2, 2]


def test_any_date_can_be_rescheduled(load):
    """Also one that nanoseconds cannot count; a text that is no date is missing there."""
    old, new = load(task("1"), task("2")), load(task("1", due_on="0001-01-01"), task("2"))
    dates = compare_asana_exports(old, new).rescheduled
    assert dates["after"].dt.year.tolist() == [1]
    assert dates.dtypes["after"] == "datetime64[us, UTC]"
    texts = new["task"].assign(due_on=["soon", "2024-09-16"]).astype({"due_on": "string"})
    dates = compare_asana_exports(old, {"task": texts}).rescheduled
    assert dates["days"].tolist() == [pd.NA, 1.0]


def test_projects_say_where_a_task_went_when_there_are_no_memberships(load):
    """`projects` is used if an export has no memberships."""
    options = {"columns": ["gid", "name", "projects"]}
    found = compare_asana_exports(
        load(task("1"), **options), load(task("1", projects=[APP]), **options)
    )
    assert found.moved[["move", "project.name"]].to_numpy().tolist() == [
        ["removed", "Web"],
        ["added", "App"],
    ]


def test_a_renamed_person_changes_no_task(load):
    """References are compared by gid; a name shows only together with another gid."""
    anna = {**ANA, "name": "Anna"}
    renamed = {**WEB, "name": "Website"}
    old, new = load(task("1")), load(
        task("1", assignee=anna, followers=[anna], projects=[renamed],
             memberships=[{"project": renamed, "section": TODO}])
    )  # fmt: skip
    assert cells(compare_asana_exports(old, new)["task"]) == []
    bo = {**ANA, "gid": "13", "name": "Bo"}
    assert cells(compare_asana_exports(old, load(task("1", assignee=bo)))["task"]) == [
        ("1", "changed", "assignee.gid", "12", "13"),
        ("1", "changed", "assignee.name", "Ana", "Bo"),
    ]


def test_noise_is_no_change(load):
    """The order of followers, rounding, absent columns and empty lists do not count as changes."""
    old = load(task("1", followers=[ANA, {**ANA, "gid": "5"}], likes=[],
                    custom_fields=[cost(0.1 + 0.2)]))  # fmt: skip
    new = load(task("1", followers=[{**ANA, "gid": "5"}, ANA], custom_fields=[cost(0.3)],
                    modified_at="2025-01-01T00:00:00Z"))  # fmt: skip
    assert cells(compare_asana_exports(old, new)["task"]) == []
    assert [row[2] for row in cells(compare_asana_exports(old, new, ignore=())["task"])] == [
        "modified_at"
    ]


def test_only_the_requested_types_and_columns_are_compared(load):
    """`columns` and `ignore` take a column or all in it; `resource_types` selects types."""
    team = {"gid": "90", "resource_type": "team", "name": "A"}
    old = load(task("1"), team)
    new = load(task("1", name="B", assignee=None, due_on=None), {**team, "name": "B"})
    found = compare_asana_exports(old, new, columns=["assignee", "due_on"])
    assert [row[2] for row in cells(found["task"])] == [
        "due_on", "assignee.gid", "assignee.name",
    ]  # fmt: skip
    found = compare_asana_exports(old, new, resource_types="team", ignore="name")
    assert list(found) == ["team"]
    assert cells(found["team"]) == []


def test_a_column_that_no_row_has_is_an_error(load, convert):
    """Otherwise a misspelled column would mean that nothing has changed."""
    old, new = load(task("1")), load(task("1", name="B"))
    for columns, hint in {
        "asignee": "Did you mean 'assignee'",
        "Cost": r"give 'custom_fields\.Cost'",
    }.items():
        for pair in ((old, new), (dict(old), dict(new)), (convert(task("1")), new)):
            with pytest.raises(InvalidFieldError, match=hint):
                compare_asana_exports(*pair, columns=["name", columns])
    assert cells(compare_asana_exports(old, new, columns=["parent", "custom_fields"])["task"]) == []


def test_links_are_compared_as_sets(load):
    """Rows without a gid are added or removed, and shown as JSON."""

    def link(project, portfolio):
        return {
            "resource_type": "project_to_portfolio",
            "project": {"gid": project, "resource_type": "project", "name": f"P{project}"},
            "portfolio": {"gid": portfolio, "resource_type": "portfolio", "name": "All"},
        }

    old = load(link("1", "7"), link("2", "7"))
    new = load(link("3", "7"), link("1", "7"))
    frame = compare_asana_exports(old, new)["project_to_portfolio"]
    assert frame["change"].tolist() == ["added", "removed"]
    assert frame["gid"].isna().all()
    assert json.loads(frame["after"][0]) == {"project.gid": "3", "portfolio.gid": "7"}
    assert json.loads(frame["before"][1]) == {"project.gid": "2", "portfolio.gid": "7"}


def test_types_of_row_on_one_side_only(load):
    """All rows of a type that one export lacks were added, or removed."""
    team = {"gid": "90", "resource_type": "team", "name": "A"}
    found = compare_asana_exports(load(task("1")), load(team))
    assert cells(found["task"]) == [("1", "removed", None, None, None)]
    assert cells(found["team"]) == [("90", "added", None, None, None)]
    assert compare_asana_exports({}, {}).summary().empty


def many(shift):
    """Return tasks, some of which depend on the shift."""
    rows = [
        task(
            str(10**15 + number),
            name=f"Task {number + (shift if number % 7 == 0 else 0)}",
            completed=number % 3 < shift,
            memberships=[{"project": WEB, "section": (TODO, DOING)[(number + shift) % 5 == 0]}],
            custom_fields=[priority(("High", "Low")[(number + shift) % 11 == 0]), cost(number / 3)],
        )
        for number in range(120)
    ]
    links = [{"resource_type": "project_to_portfolio", "project": {"gid": str(n + shift)}}
             for n in range(20)]  # fmt: skip
    return [*rows[shift * 5 :], *links]


def assert_same(one, other):
    """Assert that two comparisons are equal."""
    assert list(one) == list(other)
    for name in one:
        pd.testing.assert_frame_equal(one[name], other[name])
    pd.testing.assert_frame_equal(one.summary(), other.summary())
    pd.testing.assert_frame_equal(one.custom_fields, other.custom_fields)


@pytest.mark.parametrize("backend", ["numpy_nullable", "pyarrow"])
def test_datasets_and_frames_say_the_same(load, convert, monkeypatch, backend):
    """Datasets read in partitions, frames, and either dtype_backend compare the same."""
    old, new = load(*many(0)), load(*many(1), dtype_backend=backend)
    expected = compare_asana_exports(old, new)
    touched = [
        n for n in range(5, 120)
        if n % 7 == 0 or n % 3 == 0 or n % 5 in (0, 4) or n % 11 in (0, 10)
    ]  # fmt: skip
    assert expected.summary().loc["task", ["removed", "changed"]].tolist() == [5, len(touched)]
    folders = convert(*many(0)), convert(*many(1))
    assert_same(compare_asana_exports(*folders), expected)
    monkeypatch.setattr(compare, "PARTITION_BYTES", 30_000)
    assert_same(compare_asana_exports(*folders), expected)
    assert_same(compare_asana_exports(old, folders[1]), expected)
    assert_same(compare_asana_exports(str(folders[0]), new), expected)


def test_a_dataset_may_be_a_url(load, convert):
    """A dataset may be at any URL of fsspec."""
    pytest.importorskip("fsspec")
    folder = convert(task("1"))
    new = load(task("1", name="B"))
    assert cells(compare_asana_exports(folder.as_uri(), new)["task"]) == [
        ("1", "changed", "name", "Task 1", "B")
    ]
    found = compare_asana_exports(f"simplecache::{folder.as_uri()}", new)
    assert cells(found["task"]) == [("1", "changed", "name", "Task 1", "B")]


def test_an_export_file_is_loaded(export, load):
    """A path of a file is that of an export file, as downloads leave it; also as a URL."""
    old, new = export(task("1")), export(task("1", name="B"), packed=False)
    for paths in ((old, new), (str(old), new.as_uri()), (old, load(task("1", name="B")))):
        found = compare_asana_exports(*paths)
        assert cells(found["task"]) == [("1", "changed", "name", "Task 1", "B")]
    empty = old.parent / "empty"
    empty.mkdir()
    with pytest.raises(aj.errors.ExportFileError, match="read_asana_export") as caught:
        compare_asana_exports(empty, new)
    assert caught.value.path == str(empty)


def test_several_files_are_one_export(export, load, tmp_path):
    """As a list, a folder or a pattern."""
    week = tmp_path / "week"
    week.mkdir()
    for name in ("1", "2"):
        export(task(name)).rename(week / f"{name}-graph.jsonl.gz")
    new = load(task("1"), task("2", name="B"))
    for old in (sorted(week.iterdir()), tuple(week.iterdir()), week, f"{week}/*.gz"):
        found = compare_asana_exports(old, new)
        assert cells(found["task"]) == [("2", "changed", "name", "Task 2", "B")]


def test_a_dataset_that_a_kill_left_beside_its_place_is_found(convert, load):
    """Where folders cannot be exchanged, a process may be killed between two renames."""
    folder = convert(task("1"))
    work = folder.with_name(f".{folder.name}.part-00000000-1-5-00000000")
    work.mkdir()
    folder.rename(work / "replaced")
    found = compare_asana_exports(folder, load(task("1", name="B")))
    assert cells(found["task"]) == [("1", "changed", "name", "Task 1", "B")]
    assert not folder.exists()


def test_a_dataset_without_gids_is_an_error_in_words(convert):
    """Rows are matched by them."""
    with pytest.raises(aj.errors.InvalidFrameError, match=r"old: .*dataset0 has no column 'gid'"):
        compare_asana_exports(convert(task("1"), columns="name"), {})


_PEOPLE = st.lists(st.sampled_from([ANA, {**ANA, "name": "Anna"}, {**ANA, "gid": "13"}, None]))
_FIELDS = st.lists(
    st.sampled_from([
        priority("High"), priority("Low"), priority(None, "PRIORITY"), cost(5.2), cost(-0.0),
        cost(5.2 + 1e-12), {**cost(7), "gid": "5", "name": "COST"}, {**cost(1), "gid": None},
        {"gid": "6", "name": "Areas", "type": "multi_enum", "multi_enum_values": [
            {"gid": "61", "name": "API"}, {"gid": "62", "name": "Web"}]},
        {"gid": "6", "name": "Areas", "type": "multi_enum", "multi_enum_values": [
            {"gid": "62", "name": "Web"}, {"gid": "61", "name": "API"}]},
    ]),
    max_size=4, unique_by=lambda field: field["gid"] or field["name"],
)  # fmt: skip
_ROWS = st.lists(
    st.one_of(
        st.builds(
            lambda gid, absent, **fields: {
                name: value for name, value in task(gid, **fields).items() if name not in absent
            },
            st.sampled_from(["1", "2", "3", "007", "x-4", str(2**63)]),
            st.sets(st.sampled_from(["followers", "memberships", "due_on", "Name"])),
            name=st.sampled_from(["A", "a", "", None, "\0"]),
            Name=st.sampled_from(["A", None, 7]),
            due_on=st.sampled_from(["2024-09-15", "0001-01-01", None]),
            followers=_PEOPLE,
            memberships=st.lists(
                st.sampled_from([{"project": WEB, "section": one} for one in (TODO, DOING, None)]),
                max_size=2,
            ),
            odd=st.sampled_from([[[], ["a"]], [["a"], []], [["a"]], [None], {"k": [1]}, 3.5]),
            custom_fields=_FIELDS,
        ),
        st.builds(
            lambda gid, name: {"resource_type": "project_to_portfolio",
                               "project": {"gid": gid, "name": name}},
            st.sampled_from("12"), st.sampled_from("xy"),
        ),
    ),
    max_size=12,
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::asana_jobs_pd.errors.AsanaValueWarning")
@given(old=_ROWS, new=_ROWS, partial=st.booleans())
def test_in_partitions_datasets_say_what_frames_say(tmp_path_factory, old, new, partial):
    """Whatever the rows are: names that differ in case only, lists, categories, odd gids, links."""
    folder = tmp_path_factory.mktemp("exports")
    files = [write(folder / f"{n}.jsonl.gz", rows) for n, rows in enumerate((old, new))]
    datasets = [folder / str(n) for n in range(2)]
    for file, dataset in zip(files, datasets, strict=True):
        aj.asana_export_to_parquet(file, dataset, workers=1)
    expected = compare_asana_exports(*map(aj.read_asana_export, files), partial=partial)
    mixed = (datasets[0], aj.read_asana_export(files[1], dtype_backend="pyarrow"))
    for inputs_ in (datasets, mixed):
        for size in (PARTITION_BYTES, 10):
            compare.PARTITION_BYTES = size
            try:
                assert_same(compare_asana_exports(*inputs_, partial=partial), expected)
            finally:
                compare.PARTITION_BYTES = PARTITION_BYTES


LARGE = """
import resource, sys
import asana_jobs_pd as aj
found = aj.compare_asana_exports(sys.argv[1], sys.argv[2])
counts = found.summary().loc["task", ["added", "removed", "changed", "unchanged"]].tolist()
print(*counts, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the unit of ru_maxrss")
def test_datasets_larger_than_memory(convert, tmp_path):
    """Two datasets of 800 MB in memory are compared in some 300 MB more than a small one."""
    notes = random.Random(0)
    rows = [task(str(n), notes=notes.randbytes(1000).hex()) for n in range(1000)]
    changed = [{**row, "completed": True} if row["gid"] < "2" else row for row in rows[1:]]
    folders = convert(*rows), convert(*changed)
    small = run_child(LARGE, *folders, folder=tmp_path).split()
    assert small[:4] == ["0", "1", "111", "888"]
    copies = 200
    for folder in folders:
        repeat_rows(folder / "task" / "part-00000.parquet", copies)
    large = run_child(LARGE, *folders, folder=tmp_path).split()
    assert [int(count) for count in large[:4]] == [int(count) * copies for count in small[:4]]
    assert int(large[4]) - int(small[4]) < 400_000


def repeat_rows(path, copies):
    """Write the rows of a part so many times, with other gids."""
    table = pq.read_table(path)
    with pq.ParquetWriter(path, table.schema) as writer:
        for number in range(copies):
            gids = pc.binary_join_element_wise(table["gid"], str(number), "-")
            writer.write_table(table.set_column(0, table.schema.field("gid"), gids))


def test_types_of_row_with_strange_names_are_found(load, convert):
    """The manifest says in which folder a resource type is."""
    old = convert({"gid": "1", "resource_type": "../x", "name": "A"})
    found = compare_asana_exports(old, load({"gid": "1", "resource_type": "../x", "name": "B"}))
    assert cells(found["../x"]) == [("1", "changed", "name", "A", "B")]


def test_a_dataset_that_cannot_be_read(convert, monkeypatch, tmp_path):
    """A dataset that cannot be read is an error, and no temporary files are left."""
    folders = convert(*many(0)), convert(*many(1))
    monkeypatch.setattr(compare, "PARTITION_BYTES", 10_000)
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    compare_asana_exports(*folders)
    assert list(temporary.iterdir()) == []
    part = folders[1] / "task" / "part-00000.parquet"
    content = bytearray(part.read_bytes())
    content[1000:3000] = bytes(2000)
    part.write_bytes(content)
    with pytest.raises(aj.errors.ExportFileError, match=r"^new: cannot read .*dataset1: "):
        compare_asana_exports(*folders)
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "the disk is full. Free some space"),
        (errno.EACCES, "permission denied"),
        (errno.EDOM, os.strerror(errno.EDOM)),
    ],
)
def test_temporary_files_that_cannot_be_written(convert, monkeypatch, number, words):
    """A full or read-only disk is an error in words that says where, and what helps."""
    folders = convert(*many(0)), convert(*many(1))
    monkeypatch.setattr(compare, "PARTITION_BYTES", 10_000)

    def refused(*_, **__):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(compare.pa.ipc, "new_stream", refused)
    with pytest.raises(aj.errors.ExportWriteError, match=words) as caught:
        compare_asana_exports(*folders)
    assert "TMPDIR" in str(caught.value)


def test_an_unfinished_dataset_is_refused(convert):
    """A dataset without `_SUCCESS` is unfinished."""
    folder = convert(task("1"))
    (folder / "_SUCCESS").unlink()
    with pytest.raises(
        aj.errors.ExportFileError, match="is an unfinished dataset; convert the export again"
    ):
        compare_asana_exports(folder, folder)


def test_frames_that_have_been_elsewhere(load, tmp_path):
    """CSV, gids in the index or as ints, repeated rows; inputs are not modified."""
    export = load(task("1"), task("2"))
    frame = export["task"][["gid", "name", "completed", "due_on"]]
    path = tmp_path / "tasks.csv"
    frame.to_csv(path, index=False)
    again = pd.read_csv(path)
    assert cells(compare_asana_exports({"task": frame}, {"task": again})["task"]) == []
    indexed = frame.set_index("gid")
    assert cells(compare_asana_exports({"task": frame}, {"task": indexed})["task"]) == []
    twice = pd.concat([frame.assign(name="earlier"), frame])
    before = twice.copy()
    assert cells(compare_asana_exports({"task": frame}, {"task": twice})["task"]) == []
    pd.testing.assert_frame_equal(twice, before)
    mixed = frame.astype({"name": object})
    mixed.loc[0, "name"] = 7
    assert cells(compare_asana_exports({"task": frame}, {"task": mixed})["task"]) == [
        ("1", "changed", "name", "Task 1", "7")
    ]


@pytest.mark.parametrize("options", [{"dtype": {"gid": str}}, {"dtype": str}])
def test_texts_of_a_csv_file_are_the_values_that_they_spell(load, tmp_path, options):
    """Times, dates, true and false, numbers; another value is a change."""
    columns = ["gid", "completed", "due_on", "created_at", "completed_at", "custom_fields.Cost"]
    rows = [
        task("1", created_at="2024-02-22T02:06:58.140Z", custom_fields=[cost(5)]),
        task("2", created_at="2024-02-22T02:06:58Z", custom_fields=[cost(-0.25)]),
        task("3", created_at=None, due_on=None, completed_at="2024-02-22T00:00:00Z"),
    ]
    frame = load(*rows)["task"].reindex(columns=columns)
    path = tmp_path / "tasks.csv"
    frame.to_csv(path, index=False)
    again = pd.read_csv(path, **options)
    assert cells(compare_asana_exports({"task": frame}, {"task": again})["task"]) == []
    again["created_at"] = again["created_at"].str.replace("58", "59")
    found = cells(compare_asana_exports({"task": frame}, {"task": again})["task"])
    assert found == [
        ("1", "changed", "created_at", "2024-02-22T02:06:58.14Z", "2024-02-22T02:06:59.14Z"),
        ("2", "changed", "created_at", "2024-02-22T02:06:58Z", "2024-02-22T02:06:59Z"),
    ]


def test_lists_of_a_csv_file_are_texts(load, tmp_path):
    """They differ from lists, but are no memberships that `moved` could read."""
    frame = load(task("1"))["task"]
    frame.to_csv(tmp_path / "tasks.csv", index=False)
    again = pd.read_csv(tmp_path / "tasks.csv", dtype={"gid": str})
    found = compare_asana_exports({"task": frame}, {"task": again})
    assert "memberships" in set(found["task"]["column"])
    assert found.moved.empty
    assert found.summary().at["task", "moved"] == 0


@pytest.mark.parametrize(
    ("old", "error", "words"),
    [
        (5, aj.errors.AsanaJobsError, "old: cannot compare int"),
        ({"task": [1]}, aj.errors.AsanaJobsError, r"old\['task'\] is not a DataFrame but list"),
        ({"task": pd.DataFrame({"name": ["A"]})}, aj.errors.InvalidFrameError, "no column 'gid'"),
        ({"task": pd.DataFrame({"gid": [1.5]})}, aj.errors.InvalidFrameError, "holds floats"),
        ({"task": pd.DataFrame([["1", "2"]], columns=["gid", "gid"])},
         aj.errors.InvalidFrameError, "more than one column 'gid'"),
        ("/nowhere", aj.errors.ExportFileError, "does not exist"),
    ],
)  # fmt: skip
def test_inputs_that_cannot_be_compared_are_refused(old, error, words):
    """The error says which input it is, and what to pass instead."""
    with pytest.raises(error, match=words):
        compare_asana_exports(old, {})


def test_long_custom_fields_are_refused(load, convert):
    """Long custom fields would be left out silently, so they are refused."""
    with pytest.raises(aj.errors.AsanaJobsError, match="custom_fields='long'"):
        compare_asana_exports({}, convert(task("1"), custom_fields="long"))
    with pytest.raises(aj.errors.AsanaJobsError, match="custom_fields='long'"):
        compare_asana_exports({}, load(task("1"), custom_fields="long"))


def test_raw_custom_fields_are_a_set(load):
    """Raw custom fields are one column, compared by gids and values."""
    fields = [priority("High"), cost(1)]
    raw = {"custom_fields": "raw"}
    old = load(task("1", custom_fields=fields), **raw)
    assert (
        cells(
            compare_asana_exports(old, load(task("1", custom_fields=fields[::-1]), **raw))["task"]
        )
        == []
    )
    found = compare_asana_exports(old, load(task("1", custom_fields=[fields[0], cost(2)]), **raw))
    assert [row[2] for row in cells(found["task"])] == ["custom_fields"]


def test_how_it_shows(load):
    """One line as text; as HTML a table with escaped names; counts by column."""
    name = "<script>alert(1)</script>"
    old, new = load(task("1")), load(task("1", name=name), {"gid": "4", "resource_type": name})
    found = compare_asana_exports(old, new)
    assert "task +0 -0 ~1" in repr(found)
    assert repr(compare_asana_exports({}, {})) == "<ExportComparison: nothing to compare>"
    html = found._repr_html_()
    assert "<script>" not in html
    assert "0 custom fields differ" in html
    assert found.columns_changed().to_numpy().tolist() == [["task", "name", 1]]
    with pytest.raises(KeyError, match="'nope' is in neither export; there is"):
        found["nope"]
    assert len(found) == 2


def test_a_partial_export_removes_nothing(load, convert):
    """What an incremental export lacks is unchanged: tasks, resource types and custom fields."""
    team = {"gid": "90", "resource_type": "team", "name": "A"}
    old = load(task("1"), task("2"), task("3"), team)
    rows = [task("2", name="Second", custom_fields=[cost(7)]), task("4")]
    assert compare_asana_exports(old, load(*rows)).summary()["removed"].tolist() == [2, 1]
    for new in (load(*rows), convert(*rows)):
        found = compare_asana_exports(old, new, partial=True)
        assert cells(found["task"]) == [
            ("4", "added", None, None, None),
            ("2", "changed", "name", "Task 2", "Second"),
            ("2", "changed", "custom_fields.Cost", "5.2", "7"),
            ("2", "changed", "custom_fields.Priority", "High", None),
        ]
        counts = found.summary()[["added", "removed", "changed", "unchanged"]]
        assert counts.loc["task"].tolist() == [1, 0, 1, 2]
        assert counts.loc["team"].tolist() == [0, 0, 0, 1]
    only_cost = load(task("2", custom_fields=[cost(5.2)]))
    assert "removed" in set(compare_asana_exports(old, only_cost).custom_fields["change"])
    assert cells(compare_asana_exports(old, only_cost, partial=True).custom_fields) == []
    with pytest.raises(aj.errors.InvalidOptionError, match="partial='yes'"):
        compare_asana_exports(old, old, partial="yes")


def test_a_partial_export_may_have_fewer_columns(load, convert):
    """Keys that none of its rows has are unchanged; a time of day that is gone is a change."""
    launch = {"gid": "20", "name": "Launch", "type": "date"}
    timed = {"date": "2024-08-23", "date_time": "2024-08-23T10:00:00Z"}
    old = load(task("1", custom_fields=[cost(5.2), {**launch, "date_value": timed}]))
    slim = {"gid": "1", "resource_type": "task", "name": "Task 1", "completed": True}
    day = {**launch, "date_value": {"date": "2024-08-23"}}
    for make in (load, convert):
        found = compare_asana_exports(old, make(slim), partial=True)
        assert cells(found["task"]) == [("1", "changed", "completed", "false", "true")]
        found = compare_asana_exports(old, make({**slim, "custom_fields": [day]}), partial=True)
        assert [(column, new) for _, _, column, _, new in cells(found["task"])] == [
            ("completed", "true"),
            ("custom_fields.Cost", None),
            ("custom_fields.Launch.date_time", None),
        ]
    links = [
        {
            "resource_type": "project_to_portfolio",
            "project": {"gid": gid},
            "portfolio": {"gid": "5"},
        }
        for gid in "12"
    ]
    found = compare_asana_exports(load(*links), load(slim), partial=True)
    assert found.summary().at["project_to_portfolio", "unchanged"] == 2
    whole = compare_asana_exports(old, load(slim))["task"]["column"]
    assert "custom_fields.Cost" in set(whole)


def test_partial_in_partitions(load, convert, monkeypatch):
    """Partitioning by gid changes no counts."""
    full, delta = many(0), many(1)[50:90]
    expected = compare_asana_exports(load(*full), load(*delta), partial=True)
    assert expected.summary()["removed"].sum() == 0
    assert expected.summary()[["changed", "unchanged"]].loc["task"].sum() == 120
    monkeypatch.setattr(compare, "PARTITION_BYTES", 30_000)
    assert_same(compare_asana_exports(convert(*full), convert(*delta), partial=True), expected)


@pytest.mark.parametrize("times", [
    ("2024-02-22T02:06:58.147Z", "2024-02-22T02:06:58Z"),
    pd.to_datetime(["2024-02-22T02:06:58.147Z", "2024-02-22T02:06:58Z"], format="ISO8601"),
])  # fmt: skip
def test_of_repeated_rows_the_one_modified_last_counts(load, times):
    """Compared as times, whatever the order; without times, the last row counts."""
    later, earlier = times
    frame = pd.DataFrame(
        {"gid": ["1", "1"], "name": ["new", "old"], "modified_at": [later, earlier]}
    )
    new = pd.DataFrame({"gid": ["1"], "name": ["new"]})
    for old in (frame, frame[::-1]):
        assert cells(compare_asana_exports({"task": old}, {"task": new})["task"]) == []
    unknown = frame.assign(modified_at=[later, None])
    assert cells(compare_asana_exports({"task": unknown}, {"task": new})["task"]) == [
        ("1", "changed", "name", "old", "new")
    ]
    replaced = pd.concat([unknown[1:], frame])
    assert cells(compare_asana_exports({"task": replaced}, {"task": new})["task"]) == []


@pytest.mark.parametrize("backend", ["numpy_nullable", "pyarrow"])
def test_dates_are_the_same_in_parquet_and_frames(load, convert, backend):
    """Naive datetime64, Arrow dates and Parquet dates are equal, and read as dates."""
    launch = {"gid": "6", "name": "Launch", "type": "date"}
    rows = [task("1", custom_fields=[{**launch, "date_value": {"date": "2024-08-23"}}]),
            task("2", due_on=None, custom_fields=[{**launch, "date_value": None}])]  # fmt: skip
    folder, loaded = convert(*rows), load(*rows, dtype_backend=backend)
    naive = {
        name: frame.assign(
            **{
                column: pd.to_datetime(frame[column].astype("string"))
                for column in ("due_on", "custom_fields.Launch")
                if column in frame
            }
        )
        for name, frame in loaded.items()
    }
    for export in (loaded, naive):
        for found in (compare_asana_exports(folder, export), compare_asana_exports(export, folder)):
            assert cells(found["task"]) == []
    moved = load(task("1", due_on="2024-09-16", custom_fields=rows[0]["custom_fields"]), rows[1])
    for export in (folder, naive):
        assert cells(compare_asana_exports(export, moved)["task"]) == [
            ("1", "changed", "due_on", "2024-09-15", "2024-09-16")
        ]


def keyed(*fields, values):
    """Return frames with a catalogue of fields: column, gid, name, type."""
    catalogue = pd.DataFrame(fields, columns=["column", "gid", "name", "type"], dtype="string")
    frame = pd.DataFrame({"gid": ["1"], **values})
    return aj.AsanaExport(
        {"task": frame},
        custom_fields=catalogue.assign(rows=1),
        issues=pd.DataFrame(),
        issue_count=0,
        summary=pd.DataFrame(),
    )


A, B = "custom_fields.Cost", "custom_fields.Cost [number]"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ([(A, None, "Cost", "number")], [(B, None, "Cost", "number")], []),
        ([(A, "2", "Cost", "number")], [(B, None, "Cost", "number")], []),
        ([(A, None, "Cost", "number")], [(B, "2", "Cost", "number")], []),
        ([(A, "2", "Cost", "number")], [(B, "2", "Price", "number")], [("2", "name")]),
        ([(A, None, "Cost", "number")], [(B, None, "Cost", "text")], [None, None]),
        ([(A, None, "Cost", "number")], [(B, None, "Price", "number")], [None, None]),
    ],
)
def test_fields_without_a_gid_are_matched_by_name_and_type(old, new, expected):
    """Also when only one of the exports has gids; other names or types are other fields."""
    found = compare_asana_exports(
        keyed(*old, values={old[0][0]: [1.0]}), keyed(*new, values={new[0][0]: [1.0]})
    )
    assert len(found["task"]) == (2 if expected == [None, None] else 0)
    changes = cells(found.custom_fields)
    if expected == [None, None]:
        assert [change for _, change, *_ in changes] == ["added", "removed"]
        assert [gid for gid, *_ in changes] == [None, None]
        name, type_ = new[0][2:]
        assert json.loads(changes[0][-1]) == {"name": name, "type": type_}
        assert json.loads(changes[1][-2]) == {"name": "Cost", "type": "number"}
    else:
        assert [(gid, column) for gid, _, column, *_ in changes] == expected


def test_an_ambiguous_name_matches_no_field():
    """Two fields with one name and type, told apart by gid, are not the one without a gid."""
    old = keyed((A, "2", "Cost", "number"), (B, "3", "Cost", "number"),
                values={A: [1.0], B: [2.0]})  # fmt: skip
    new = keyed(("custom_fields.Cost [3]", None, "Cost", "number"),
                values={"custom_fields.Cost [3]": [1.0]})  # fmt: skip
    for exports in ((old, new), (new, old)):
        assert len(compare_asana_exports(*exports)["task"]) == 3


def test_a_field_without_a_gid_is_not_one_that_is_there_with_its_gid():
    """Where an export holds both, the other export's field matches only the one with the gid."""
    old = keyed((A, "2", "Cost", "number"), (B, None, "Cost", "number"),
                values={A: [1.0], B: [2.0]})  # fmt: skip
    new = keyed((A, "2", "Cost", "number"), values={A: [1.0]})
    found = compare_asana_exports(old, new)
    assert cells(found["task"]) == [("1", "changed", B, "2", None)]
    assert [change for _, change, *_ in cells(found.custom_fields)] == ["removed"]


@pytest.mark.parametrize("kind", ["frames", "datasets"])
def test_an_export_without_gids_of_fields_meets_one_with_gids(load, convert, kind):
    """Graph exports are documented without them; the values are compared, not the shapes."""
    make = load if kind == "frames" else convert
    graph = [
        {"name": "Cost", "type": "number", "number_value": 5.2},
        {"name": "Priority", "type": "enum", "enum_value": "High"},
    ]
    old = make(task("1", custom_fields=graph))
    assert cells(compare_asana_exports(old, make(task("1", custom_fields=graph)))["task"]) == []
    found = compare_asana_exports(old, make(task("1", custom_fields=[priority("High"), cost(5.2)])))
    assert cells(found["task"]) == []
    assert not {"added", "removed"} & set(found.custom_fields["change"])
    found = compare_asana_exports(old, make(task("1", custom_fields=[priority("Low"), cost(7)])))
    assert cells(found["task"]) == [
        ("1", "changed", "custom_fields.Cost", "5.2", "7"),
        ("1", "changed", "custom_fields.Priority", "High", "Low"),
    ]


def test_a_type_in_the_name_of_a_column_is_no_gid():
    """`Cost [number]` and `Price [number]` are two fields: the suffix is not a gid."""
    frame = pd.DataFrame(
        {"gid": ["1"], "custom_fields.Cost [number]": [1], "custom_fields.Price [number]": [2]}
    )
    other = frame.iloc[:, [0, 2, 1]]
    assert cells(compare_asana_exports({"task": frame}, {"task": other})["task"]) == []


def test_values_that_cannot_be_compared_cause_a_warning(tmp_path):
    """Files whose values do not fit give a warning with the first; else two would look equal."""
    for name, number in (("old", 5), ("new", 6)):
        field = {"gid": "7", "name": "F", "type": "rating", "stars": number}
        row = {"gid": "1", "resource_type": "task", "custom_fields": [field]}
        (tmp_path / f"{name}.jsonl").write_text(json.dumps(row))
    with pytest.warns(
        AsanaValueWarning, match=r"(old|new) has 1 issue, .*F, undocumented key 'stars'"
    ) as told:
        aj.compare_asana_exports(tmp_path / "old.jsonl", tmp_path / "new.jsonl")
    assert len(told) == 2
