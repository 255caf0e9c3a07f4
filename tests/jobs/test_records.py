"""Records to columns: nothing is lost, nothing is trusted."""

from __future__ import annotations

import copy
import datetime as dt
import decimal

import orjson
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from seed import EXAMPLE

import asana_jobs_pd as aj
from asana_jobs_pd._jobs import frame as module
from asana_jobs_pd._jobs.frame import columns_of
from asana_jobs_pd._jobs.schema import EVERYTHING, FIELDS, plan_fields

text = st.none() | st.text(st.characters(exclude_categories=["Cs"]))
OBJECTS = sorted({column.name.split(".")[0] for column in FIELDS if "." in column.name})


def cells(records, plan=EVERYTHING):
    return {name: array.to_pylist() for name, array in columns_of(records, plan).items()}


def some(column):
    return [value for value in column if value is not None]


@st.composite
def clean_records(draw):
    """Records that only have what the table knows, with anything null or absent."""
    record = {}
    for column in FIELDS:
        *parents, leaf = column.name.split(".")
        node = record
        for parent in parents:
            if not isinstance(node, dict):
                break
            node = node.setdefault(parent, draw(st.sampled_from([None, {}])) or {})
        if draw(st.booleans()):
            node[leaf] = draw(text)
    for name in OBJECTS:
        if draw(st.booleans()):
            record[name] = None
    return record


def leaf(record, path):
    for key in path.split("."):
        record = record.get(key) if isinstance(record, dict) else None
    return record


@given(st.lists(clean_records(), max_size=5))
def test_every_known_leaf_lands_in_its_column(records):
    """A column holds what a walk along its path finds."""
    found = cells(records)
    assert list(found) == [column.name for column in FIELDS if column.name != "gid"]
    for path, column in found.items():
        assert column == [leaf(record, path) for record in records]


@given(st.lists(clean_records(), min_size=1, max_size=4), st.data())
def test_a_misfit_does_not_change_the_other_values(records, data):
    """A value of another type in a chunk changes only that value."""
    want = cells(records)
    record = data.draw(st.sampled_from(records))
    record["status"] = 5
    want["status"] = ["5" if r is record else leaf(r, "status") for r in records]
    assert cells(records) == want


words = st.text(st.characters(exclude_categories=["Cs"]), max_size=9)
json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=8,
)
KEYS = st.sampled_from([*OBJECTS, "gid", "status", "new_goal", "x", "fetched_at"])


@given(st.lists(st.dictionaries(KEYS, json), max_size=4))
def test_any_json_becomes_columns_of_text(records):
    """Whatever arrives, the columns are text of the right length, and nothing is changed."""
    before = copy.deepcopy(records)
    columns = columns_of(records, EVERYTHING)
    assert records == before
    for array in columns.values():
        assert array.type == pa.large_string()
        assert len(array) == len(records)


def strings_in(value):
    if isinstance(value, dict):
        for inner in value.values():
            yield from strings_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from strings_in(inner)
    elif isinstance(value, str):
        yield value


@given(st.dictionaries(st.sampled_from([*OBJECTS, "status", "new_goal", "x"]), json))
def test_no_text_is_lost(record):
    """Every text that arrived can be found in the row."""
    row = "\n".join(some(column[0] for column in cells([record]).values()))
    for arrived in strings_in(record):
        assert arrived in row or orjson.dumps(arrived).decode()[1:-1] in row


def test_an_unknown_new_object_is_flattened():
    """An object that Asana adds later becomes columns like those of the known ones."""
    goal = {"gid": "1", "name": "Grow", "owner": {"gid": "2", "name": "Ana"}, "tags": ["a", 1]}
    found = cells([{"gid": "9", "new_goal": goal}, {"gid": "8", "new_goal": None}])
    assert found["new_goal.gid"] == ["1", None]
    assert found["new_goal.name"] == ["Grow", None]
    assert found["new_goal.owner.name"] == ["Ana", None]
    assert found["new_goal.tags"] == ['["a",1]', None]
    assert "new_goal" not in found


def test_unknown_leaves_become_text():
    """Texts stay as they are; everything else becomes JSON."""
    record = {"note": "hi", "n": 5, "f": 0.5, "flag": True, "list": [1], "object": {"a": None}}
    found = cells([record])
    assert {name: found[name][0] for name in record} == {
        "note": "hi",
        "n": "5",
        "f": "0.5",
        "flag": "true",
        "list": "[1]",
        "object": '{"a":null}',
    }


def test_unknown_leaves_of_known_objects_are_kept():
    """A field that Asana adds to a known object gets its column."""
    found = cells([{"new_task": {"gid": "1", "html": "<b>"}}, {"new_task": None}])
    assert found["new_task.html"] == ["<b>", None]
    assert found["new_task.gid"] == ["1", None]


def test_a_value_that_should_be_an_object_is_kept():
    """A text in place of an object has a column of its own; the others stay right."""
    found = cells([{"new_task": "gone"}, {"new_task": {"gid": "1", "created_by": 7}}])
    assert found["new_task"] == ["gone", None]
    assert found["new_task.gid"] == [None, "1"]
    assert found["new_task.created_by"] == [None, "7"]


def test_a_key_cannot_take_the_place_of_a_column():
    """A key named like a column of ours is kept beside it."""
    record = {"fetched_at": "x", "error.kind": "y", "new_task.name": "z", "new_task": {"name": "n"}}
    found = cells([record])
    assert found["job.fetched_at"] == ["x"]
    assert found["job.error.kind"] == ["y"]
    assert found["job.new_task.name"] == ["z"]
    assert found["new_task.name"] == ["n"]


def test_half_an_emoji_does_not_cost_the_row():
    """A lone surrogate is replaced, the text around it stays."""
    found = cells([{"status": "a\ud83d", "x": "b\udc00"}])
    assert (found["status"], found["x"]) == (["a\ufffd"], ["b\ufffd"])


def test_nesting_beyond_reason_ends_in_words():
    """A thousand levels neither crash nor hide the rest."""
    deep = "end"
    for _ in range(900):
        deep = {"a": deep}
    found = cells([{"new_goal": deep, "x": deep, "status": "failed"}])
    assert found["status"] == ["failed"]
    assert "cannot be shown" in found["x"][0]


def test_explicit_fields_keep_nothing_else():
    """Named fields give exactly their columns, whatever else arrives."""
    found = cells(
        [EXAMPLE | {"x": 1, "new_task": {"name": "n", "y": 2}}], plan_fields(["new_task.name"])
    )
    assert found == {"new_task.name": ["n"]}


def test_fields_outside_the_table_are_found_by_their_path():
    """``strict=False`` fields: a leaf, an object that is flattened, and one that did not come."""
    plan = plan_fields(["new_goal.name", "new_team", "due", "status"], strict=False)
    record = {"new_goal": {"name": "g", "gid": "1"}, "new_team": {"gid": "2", "name": "t"}}
    assert cells([record, {}], plan) == {
        "status": [None, None],
        "new_goal.name": ["g", None],
        "due": [None, None],
        "new_team.gid": ["2", None],
        "new_team.name": ["t", None],
    }


@pytest.mark.parametrize("rows", [0, 1, module.CHUNK - 1, module.CHUNK, 2 * module.CHUNK + 1])
def test_chunks_meet_without_a_seam(rows):
    """Rows and undocumented values stay in place across chunk borders."""
    records = [{"status": str(i)} | ({"x": i} if i % 7 == 3 else {}) for i in range(rows)]
    if rows:
        records[-1]["status"] = -1
    found = cells(records)
    assert found["status"] == [str(i) for i in range(rows)][:-1] + ["-1"] * bool(rows)
    if rows > 3:
        assert found["x"] == [str(i) if i % 7 == 3 else None for i in range(rows)]


def test_keys_and_values_of_any_kind_become_text():
    """Half an emoji in a key, and what other clients make of times and decimals."""
    created = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    record = {
        "gid": "1",
        "half \ud83d": "x",
        "cost": decimal.Decimal("1.10"),
        "new_graph_export": {"gid": "2", "created_at": created},
    }
    frame = aj.asana_jobs_from_records([record])
    assert frame.at[0, "half \ufffd"] == "x"
    assert frame.at[0, "cost"] == "1.10"
    assert frame.at[0, "new_graph_export.created_at"] == created
