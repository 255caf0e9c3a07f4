"""What waits in memory to become a row group, and how files follow each other."""

from __future__ import annotations

import json
import weakref

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from asana_jobs_pd._parquet import writer as parquet
from asana_jobs_pd._parquet.writer import PIECES, DatasetWriter, _groups


def pieces(count, rows=1):
    """Yield so many tables of a few rows, and hold that they do not pile up."""
    made = []
    for number in range(count):
        table = pa.table({"row": range(number * rows, (number + 1) * rows)})
        made.append(weakref.ref(table))
        assert sum(one() is not None for one in made) <= PIECES + 2
        yield table


def test_rare_rows_do_not_pile_up():
    """Thousands of tables of one row become few, in their order, long before they make a group."""
    (group,) = _groups(pieces(500))
    assert group["row"].to_pylist() == list(range(500))
    assert group["row"].num_chunks < 2 * PIECES


def test_tables_without_rows_are_not_kept():
    """What consists of repeated rows alone costs nothing."""
    assert list(_groups(iter([pa.table({"row": pa.array([], pa.int64())})] * 3))) == []


def test_groups_are_cut_by_their_size(monkeypatch):
    """As soon as there is enough; the last one is what is left."""
    monkeypatch.setattr(parquet, "GROUP", 100 * 8)
    groups = list(_groups(pieces(25, rows=10)))
    assert [len(group) for group in groups] == [100, 100, 50]


@pytest.fixture
def writer(tmp_path):
    """A writer of one column."""
    return DatasetWriter(tmp_path / "task", pa.schema([("row", pa.int64())]))


def test_a_large_file_is_followed_by_another(writer, tmp_path, monkeypatch):
    """Each with its rows and bytes, named in their order."""
    monkeypatch.setattr(parquet, "FILE", 1)
    with writer:
        for table in pieces(3, rows=4):
            writer.write(table)
    assert [one.name for one in writer.files] == [f"part-0000{n}.parquet" for n in range(3)]
    for one in writer.files:
        path = tmp_path / "task" / one.name
        assert (one.rows, one.bytes) == (4, path.stat().st_size)
    assert pq.read_table(tmp_path / "task")["row"].to_pylist() == list(range(12))


def test_a_dataset_of_nothing_has_a_schema(writer, tmp_path):
    """So that readers know its columns."""
    with writer:
        pass
    assert pq.read_table(tmp_path / "task").schema.names == ["row"]


def test_a_file_that_was_cut_off_is_not_counted(writer):
    """When the block fails, what was being written is not closed as if it were whole."""
    with pytest.raises(KeyboardInterrupt):
        with writer:
            writer.write(next(pieces(1)))
            raise KeyboardInterrupt
    assert writer.files == []


def test_metadata_names_no_dtype_that_pandas_cannot_read(tmp_path):
    """Lists are objects there, since pandas fails at the names of Arrow's lists."""
    schema = pa.schema([("a", pa.list_(pa.string())), ("b", pa.date32()), ("c", pa.int64())])
    with DatasetWriter(tmp_path / "task", schema) as writer:
        pass
    metadata = pq.read_schema(tmp_path / "task" / writer.files[0].name).metadata
    columns = json.loads(metadata[b"pandas"])["columns"]
    assert [one["numpy_type"] for one in columns] == ["object", "date32[day][pyarrow]", "Int64"]
