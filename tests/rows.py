"""Rows of export files, and files of them, for tests."""

from __future__ import annotations

import gzip
import json


def write(path, rows):
    """Write rows as an export file; return its path as a text."""
    path.write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode()))
    return str(path)


def field(gid, kind, value, name=None, **more):
    """Return a custom field as a row has it."""
    key = {"multi_enum": "multi_enum_values"}.get(kind, f"{kind}_value")
    return {"gid": gid, "name": name or kind, "resource_subtype": kind, key: value, **more}


def task(gid, **more):
    """Return a task."""
    return {"gid": gid, "resource_type": "task", **more}


GRAPH_FIELDS = [
    {"name": "Cost", "type": "number", "number_value": 5.2},
    {"name": "cost", "type": "number", "number_value": 7},
    {"name": "Cost", "type": "text", "text_value": "about 5"},
    {"name": "Priority", "type": "enum", "enum_value": "High"},
    {"name": "Areas", "type": "multi_enum", "multi_enum_values": ["API", "Web"]},
    {"name": "Launch", "type": "date", "date_value": "2024-08-23"},
    {"name": "Owners", "type": "people", "people_value": [{"email": "ana@example.com"}]},
]
"""Custom fields as graph exports are documented: without gids, with plain option values."""

NAMESAKES = [
    field("1", "number", 1, "Cost"),
    field("2", "number", 2, "Cost"),
    field("3", "number", 3, "Cost [1]"),
    field("4", "number", 4, "COST"),
    field("5", "number", 5, "#line"),
]
"""Custom fields whose names would share a column."""
