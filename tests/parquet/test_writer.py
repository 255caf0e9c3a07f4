"""Row groups of bounded size, and the files of a dataset."""

from __future__ import annotations

import json
import weakref

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from asana_jobs_pd._parquet import writer as parquet
from asana_jobs_pd._parquet.writer import MAX_PENDING_TABLES, DatasetWriter, row_groups


def tables(count, rows=1):
    """Yield so many tables of a few rows, and assert that they do not accumulate."""
    made = []
    for number in range(count):
        table = pa.table({"row": pa.array(range(number * rows, (number + 1) * rows), pa.int64())})
        made.append(weakref.ref(table))
        assert sum(reference() is not None for reference in made) <= MAX_PENDING_TABLES + 2
        yield table


def groups(parts):
    """Return the sizes of the row groups made of tables, and the rows."""
    sizes, rows = [], []
    for group in row_groups(parts):
        sizes.append(len(group))
        rows += group["row"].to_pylist()
    return sizes, rows


def test_many_small_tables_are_combined():
    """Hundreds of tables of one row do not wait one by one, and keep their order."""
    assert groups(tables(500)) == ([500], list(range(500)))


def test_tables_without_rows_write_nothing():
    """Batches that consist of repeated rows only make no row group."""
    assert groups([pa.table({"row": pa.array([], pa.int64())})] * 3) == ([], [])


def test_a_row_group_is_written_once_it_is_large_enough(monkeypatch):
    """The last one holds the remaining rows."""
    monkeypatch.setattr(parquet, "ROW_GROUP_BYTES", 100 * 8)
    sizes, rows = groups(tables(25, rows=10))
    assert sizes == [100, 100, 50]
    assert rows == list(range(250))


@pytest.fixture
def writer(tmp_path):
    """A writer of one column."""
    return DatasetWriter(tmp_path / "task", pa.schema([("row", pa.int64())]))


def test_a_large_file_is_followed_by_another(writer, tmp_path, monkeypatch):
    """Each with its rows and bytes, named in their order."""
    monkeypatch.setattr(parquet, "MAX_FILE_BYTES", 1)
    with writer:
        for table in tables(3, rows=4):
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
            writer.write(next(tables(1)))
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
