"""The rows of export files are as realistic, and as awkward, as Asana's."""

import json
import zlib
from collections import Counter
from itertools import pairwise

import pytest

from asana_jobs_pd.sandbox import Sandbox

from .conftest import fetch

FIELD_VALUES = {
    "text": "text_value",
    "number": "number_value",
    "enum": "enum_value",
    "multi_enum": "multi_enum_values",
    "date": "date_value",
    "people": "people_value",
    "reference": "reference_value",
}


def rows_of(asana, resource_type, gid="5"):
    content = zlib.decompress(fetch(asana.export_url(gid, resource_type)).body, 31)
    assert content.endswith(b"\n")
    return [json.loads(line) for line in content.splitlines()]


@pytest.fixture(scope="module")
def exported():
    """The rows of an export of either kind, as long as it is by default."""
    with Sandbox() as asana:
        return {kind: rows_of(asana, kind) for kind in ("graph_export", "export_request")}


@pytest.fixture(scope="module")
def tasks(exported):
    """The task rows of a resource export."""
    return [row for row in exported["export_request"] if row["resource_type"] == "task"]


@pytest.fixture(scope="module")
def fields(tasks):
    """The custom fields of these."""
    return [field for task in tasks for field in task["custom_fields"]]


@pytest.mark.parametrize(
    ("resource_type", "types"),
    [
        (
            "graph_export",
            {
                "portfolio",
                "project",
                "task",
                "section",
                "portfolio_to_portfolio",
                "project_to_portfolio",
                "allocation",
                "time_tracking_entry",
            },
        ),
        ("export_request", {"task", "team", "message"}),
    ],
)
def test_an_export_has_rows_of_all_its_types(sandbox, resource_type, types):
    """Even a short one, and it has as many rows as were asked for, in no order."""
    for count in (8, 300):
        rows = rows_of(sandbox(export_rows=count), resource_type)
        assert len(rows) == count
        assert {row["resource_type"] for row in rows} == types
    in_order = [row["resource_type"] for row in rows]
    assert sum(one != other for one, other in pairwise(in_order)) > 20


def test_links_have_no_gid(exported):
    """The rows that join portfolios and projects are known by their ends only."""
    for row in exported["graph_export"]:
        assert ("gid" in row) is ("_to_" not in row["resource_type"])


def test_a_graph_export_agrees_with_itself(exported):
    """Time entries are of tasks in the file, subtasks have parents, memberships their sections."""
    rows = exported["graph_export"]
    gids = {row["gid"] for row in rows if "gid" in row}
    tasks = [row for row in rows if row["resource_type"] == "task"]
    entries = [row["task"] for row in rows if row["resource_type"] == "time_tracking_entry"]
    sections = [each["section"] for task in tasks for each in task["memberships"]]
    parents = [task["parent"] for task in tasks if task["parent"]]
    assert min(map(len, (entries, sections, parents))) > 5
    assert {each["gid"] for each in (*entries, *sections, *parents)} <= gids


def test_hidden_projects_are_left_out(sandbox):
    """Of exports of everything and of what was started; links to them remain."""
    asana = sandbox(export_rows=400, hidden=0.4)
    rows = rows_of(asana, "graph_export")
    linked = {
        row["project"]["gid"] for row in rows if row["resource_type"] == "project_to_portfolio"
    }
    projects = {row["gid"] for row in rows if row["resource_type"] == "project"}
    assert projects < linked
    memberships = [each for row in rows for each in row.get("memberships", ())]
    assert {each["project"]["gid"] for each in memberships} <= projects


@pytest.mark.parametrize("field_gids", [True, False])
def test_custom_fields_of_a_graph_export_may_lack_gids(sandbox, field_gids):
    """As Asana documents them."""
    rows = rows_of(sandbox(field_gids=field_gids), "graph_export")
    fields = [field for row in rows for field in row.get("custom_fields", ())]
    assert {"gid" in field for field in fields} == {field_gids}


def test_some_rows_of_a_resource_export_repeat(exported):
    """Overlapping filters bring a row twice, the same both times."""
    lines = Counter(json.dumps(row) for row in exported["export_request"])
    assert sum(lines.values()) - len(lines) == 4
    gids = Counter(json.loads(line)["gid"] for line in lines)
    assert set(gids.values()) == {1}


def test_custom_fields_come_in_every_type(fields):
    """All types and representations, with values and without."""
    assert {field["type"] for field in fields} == set(FIELD_VALUES)
    assert {"formula", "custom_id"} < {field["representation_type"] for field in fields}
    assert {"currency", "percentage"} < {field.get("format") for field in fields}
    for kind, key in FIELD_VALUES.items():
        values = [field[key] for field in fields if field["type"] == kind]
        assert any(values), kind
        assert [] in values or None in values, kind


def test_a_display_value_goes_with_every_value(fields):
    """It is null for what is empty, and text otherwise."""
    for field in fields:
        value = field[FIELD_VALUES[field["type"]]]
        assert isinstance(field["display_value"], str) is (value not in (None, []))


def test_percentages_are_shares(fields):
    """0.25 means 25 %."""
    shares = [field for field in fields if field.get("format") == "percentage"]
    for field in shares:
        if field["number_value"] is not None:
            assert 0 <= field["number_value"] <= 1
            assert field["display_value"] == f"{field['number_value']:.0%}"


def test_two_custom_fields_share_a_name(fields):
    """The gid is the key: two fields called Priority even differ in type."""
    found = {(field["gid"], field["type"]) for field in fields if field["name"] == "Priority"}
    assert {kind for _, kind in found} == {"enum", "number"}


def test_people_of_a_graph_export_have_addresses(exported):
    """Its custom fields are trimmed, and its people come with `email`."""
    fields = [field for row in exported["graph_export"] for field in row.get("custom_fields", ())]
    people = [person for field in fields for person in field.get("people_value") or ()]
    assert people
    assert all("@" in person["email"] for person in people)
    assert all("enum_options" not in field for field in fields)


def test_rows_have_nulls_unicode_and_both_kinds_of_timestamps(tasks):
    """What parsers and frames stumble over is there."""
    assert {task["assignee"] is None for task in tasks} == {True, False}
    assert any(not task["name"].isascii() for task in tasks)
    assert {len(task["created_at"]) for task in tasks} == {20, 24}
    assert {"external" in task for task in tasks} == {True, False}
    assert all(task["stories"] for task in tasks)
