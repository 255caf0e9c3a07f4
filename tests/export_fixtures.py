"""A sandbox with short export files, succeeded jobs, and files and loads of given rows."""

from __future__ import annotations

import gzip
import hashlib
import json
import time
import zlib
from pathlib import Path
from urllib.request import urlopen

import pandas as pd
import pytest
from conftest import TOKEN

import asana_jobs_pd as aj
from asana_jobs_pd._http.retry import RetryPolicy

ROWS = 60


class Quick(RetryPolicy):
    """As many retries as any policy, but without delay."""

    def wait(self, **values):
        seconds = super().wait(**values)
        return None if seconds is None else 0.01


@pytest.fixture
def asana(sandbox):
    """A sandbox in real time, so that its URLs are fresh; its files are short."""
    return sandbox(token=TOKEN, clock=None, export_rows=ROWS)


@pytest.fixture
def client(asana):
    """A client that does not try for long."""
    with aj.Client(asana.token, base_url=asana.base_url, requests_per_minute=None) as made:
        made.policy = Quick(retries=2)
        yield made


@pytest.fixture
def gid(asana):
    """A resource export that has succeeded."""
    (gid,) = asana.gids(1, "export_request")
    asana.finish(gid)
    return gid


@pytest.fixture
def jobs(gid, client):
    """Its frame."""
    return aj.read_asana_jobs(gid, client=client)


@pytest.fixture
def content(asana, gid):
    """The content of its file, fetched by another client and not counted."""
    body = fetched(asana, gid)
    while asana.stats.export_bytes < len(body):  # they are counted once they were sent
        time.sleep(0.001)
    asana.reset_stats()
    return body


def fetched(asana, gid):
    """Return a resource export's file as another client gets it."""
    with urlopen(asana.export_url(gid, "export_request")) as answer:
        return answer.read()


def check(row, content):
    """Check that a row describes a file with exactly this content."""
    assert pd.isna(row["file.error"]), row["file.error"]
    path = Path(row["file.path"])
    assert path.is_absolute()
    assert path.read_bytes() == content
    assert row["file.bytes"] == len(content)
    assert row["file.sha256"] == hashlib.sha256(content).hexdigest()


def only(frame):
    """Return the only row."""
    assert len(frame) == 1
    return frame.iloc[0]


def packed(data, level=6):
    """Return bytes as a gzip file without a date."""
    packer = zlib.compressobj(level, wbits=31)
    return packer.compress(data) + packer.flush()


def ranges(asana):
    """Return the Range headers of the requests for files, in order."""
    return [seen.range for seen in asana.requests if seen.path.startswith("/exports/")]


def names(folder):
    """Return the names in a folder."""
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


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
