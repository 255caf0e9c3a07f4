"""Batches are read from disk as they were written."""

from __future__ import annotations

import pyarrow as pa
import pytest

from asana_jobs_pd._decode.scan import Batch
from asana_jobs_pd._export.workers import SpoolReader, SpoolWriter


def batches():
    """Return batches of two types whose columns increase, as when fields appear late."""
    made = []
    for number in range(60):
        width = number // 3
        columns = {"gid": [str(number)] * 5, "line": list(range(5))}
        columns |= {f"late{one}": [None, {"a": [number]}] * 2 + [None] for one in range(width)}
        table = pa.RecordBatch.from_pydict(columns)
        made.append(Batch("task" if number % 2 else "project", table, (0, number, 0)))
    return made


@pytest.mark.parametrize("compression", [None, "lz4"])
def test_batches_come_back(tmp_path, compression):
    """In any order, from more files than are open at a time."""
    made = batches()
    with SpoolWriter(tmp_path, compression) as write:
        stored = [write(batch) for batch in made]
    assert len(list(tmp_path.iterdir())) == 40
    assert [one.rows for one in stored] == [5] * 60
    with SpoolReader() as read:
        for there, batch in reversed(list(zip(stored, made, strict=True))):
            assert read(there) == batch
        assert len(read._open) <= 16


def test_some_columns_come_back_alone(tmp_path):
    """In the order of the file."""
    made = batches()
    with SpoolWriter(tmp_path, "lz4") as write:
        stored = [write(batch) for batch in made]
    with SpoolReader(["gid"]) as read:
        tables = [read(one).table for one in stored]
    assert [table.schema.names for table in tables] == [["gid"]] * 60
    assert [table.column("gid")[4].as_py() for table in tables] == [str(n) for n in range(60)]


def test_files_are_closed_when_writing_fails(tmp_path):
    """What was written so far is complete, and no file stays open."""
    with pytest.raises(KeyboardInterrupt):
        with SpoolWriter(tmp_path) as write:
            stored = write(batches()[0])
            raise KeyboardInterrupt
    with SpoolReader() as read:
        assert read(stored) == batches()[0]
