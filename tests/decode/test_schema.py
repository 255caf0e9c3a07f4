"""The schema of export files knows every leaf that Asana documents."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from export_fixtures import task

from asana_jobs_pd._decode.schema import SCHEMA

LEAVES = Path(__file__).with_name("documented_leaves.txt")
KINDS = {
    "string": ("text", "gid"),
    "date": ("date",),
    "date-time": ("time",),
    "boolean": ("bool",),
    "integer": ("int",),
    "number": ("float",),
    "object": ("custom_fields",),
}


def kind_of(path):
    """Return the kind of a leaf, None for one that the schema does not know."""
    spec = SCHEMA
    for key in path.split("."):
        if spec == "custom_fields":
            return spec
        spec = spec.get(key.removesuffix("[]")) if isinstance(spec, dict) else None
        if key.endswith("[]") and isinstance(spec, list):
            spec = spec[0]
    return spec


def test_every_documented_leaf_has_its_kind():
    """Of every type of row that the published description has, lists included."""
    wrong = {}
    for line in LEAVES.read_text().splitlines():
        path, type_ = line.split()
        if kind_of(path) not in KINDS[type_]:
            wrong[path] = kind_of(path)
    assert wrong == {}


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        *((f"task.stories[].{age}_number_value", "float") for age in ("old", "new")),
        *((f"message.stories[].{age}_dates.due_at", "time") for age in ("old", "new")),
        *((f"task.stories[].{age}_multi_enum_values[].name", "text") for age in ("old", "new")),
        *((f"task.stories[].{age}_people_value[].gid", "gid") for age in ("old", "new")),
        *((f"task.stories[].{age}_enum_value.enabled", "bool") for age in ("old", "new")),
        *((f"task.stories[].{age}_section.gid", "gid") for age in ("old", "new")),
        *(
            (f"task.stories[].{key}.gid", "gid")
            for key in ("assignee", "follower", "task", "project", "section", "tag", "story")
        ),
        *(
            (f"task.stories[].{key}.gid", "gid")
            for key in ("custom_field", "target", "dependency", "duplicate_of")
        ),
        ("task.stories[].source", "text"),
        ("task.attachments[].created_at", "time"),
        ("task.attachments[].size", "int"),
        ("task.attachments[].parent.gid", "gid"),
        ("message.attachments[].permanent_url", "text"),
        ("message.attachments[].host", "text"),
        ("portfolio.current_status_update.created_at", "time"),
        ("project.current_status_update.status_type", "text"),
        ("project.current_status_update.created_by.gid", "gid"),
        ("goal.time_period.end_on", "date"),
        ("goal.privacy_setting", "text"),
        ("goal.default_access_level", "text"),
        ("team.custom_field_settings[].custom_field.precision", "int"),
    ],
)
def test_kinds_that_asana_describes_in_words(path, kind):
    """Keys of stories, attachments, status updates and goals."""
    assert kind_of(path) == kind


def test_a_story_is_typed_whatever_comes(load):
    """A number that is null in all rows stays a number, a time a time."""
    story = {"gid": "1", "new_number_value": None, "old_dates": {"due_at": None}}
    data = load(task(stories=[story]))
    inner = data["task"]["stories"].dtype.pyarrow_dtype.value_type
    assert str(inner.field("new_number_value").type) == "double"
    assert str(inner.field("old_dates").type.field("due_at").type) == "timestamp[us, tz=UTC]"


@pytest.mark.skipif("OPENAPI_YAML" not in os.environ, reason="needs Asana's description")
def test_the_schema_is_what_the_script_derives():
    """From the description at the path in OPENAPI_YAML."""
    script = Path(__file__).parents[2] / "scripts" / "export_schema.py"
    command = [sys.executable, str(script), os.environ["OPENAPI_YAML"]]
    table = subprocess.run(command, check=True, capture_output=True).stdout
    assert json.loads(table) == SCHEMA
    derived = subprocess.run([*command, "--leaves"], check=True, capture_output=True).stdout
    assert derived == LEAVES.read_bytes()
