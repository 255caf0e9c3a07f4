"""Export files made of rows, and loads of them."""

from __future__ import annotations

import gzip
import json

import pandas as pd
import pytest

import asana_jobs_pd as aj


def as_lines(rows):
    """Return rows as JSON Lines; bytes and texts as they are."""
    lines = [
        row
        if isinstance(row, bytes)
        else row.encode()
        if isinstance(row, str)
        else json.dumps(row).encode()
        for row in rows
    ]
    return b"".join(line + b"\n" for line in lines)


@pytest.fixture
def export(tmp_path):
    """Write an export of rows, or of bytes as they are; return its path."""
    count = 0

    def write(*rows, content=None, packed=True):
        nonlocal count
        count += 1
        path = tmp_path / f"{count}-resource.jsonl.gz"
        data = as_lines(rows) if content is None else content
        path.write_bytes(gzip.compress(data, 1) if packed else data)
        return path

    return write


@pytest.fixture
def load(export):
    """Load an export of such rows in this process."""

    def read(*rows, **options):
        return aj.read_asana_export(export(*rows), **{"workers": 1, "progress": False, **options})

    return read


def task(gid="1", **fields):
    """Return a task row."""
    return {"gid": gid, "resource_type": "task", **fields}


def issues_of(data):
    """Return issues as tuples: line, gid, column, value, reason."""
    columns = ["line", "gid", "column", "value", "reason"]
    rows = data.issues[columns].itertuples(index=False)
    return [tuple(None if pd.isna(cell) else cell for cell in row) for row in rows]
