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
