"""Writes Parquet datasets from batches on disk, in bounded memory."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from asana_jobs_pd._decode.scan import gc_paused
from asana_jobs_pd._export.deduplicate import KEY_COLUMNS, FindKept, kept_rows
from asana_jobs_pd._export.finalize import (
    conformed,
    long_values,
    long_values_of_none,
    pivoted,
)
from asana_jobs_pd._export.resolve_schema import ResolvedSchema, schema_of
from asana_jobs_pd._export.results import Counts, Facts, to_frame
from asana_jobs_pd._export.workers import Defined, Share, SpoolReader, Stored, by_type
from asana_jobs_pd._parquet.destination import LONG_VALUES

ROW_GROUP_BYTES = 48 << 20
"""A conversion has one row group, and one chunk of text, in memory."""
MAX_PENDING_TABLES = 64
"""Small tables are combined: many columns with a few rows take many times their bytes."""
MAX_FILE_BYTES = 256 << 20
_DATE = pa.date32()
"""Kept as an Arrow dtype, or pandas would read dates as objects."""

_PLAIN_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}", re.ASCII)
_DEVICE_NAME = re.compile(r"con|prn|aux|nul|com[0-9]|lpt[0-9]")


def folder_of(resource_type: str) -> str:
    """Return the folder of a resource type: its name, or a digest if the name is unlike Asana's."""
    if _PLAIN_NAME.fullmatch(resource_type) and not _DEVICE_NAME.fullmatch(resource_type):
        return resource_type
    return f"other-{blake2b(resource_type.encode(), digest_size=8).hexdigest()}"


def part_name(number: int) -> str:
    """Return the name of a dataset's file; names sort in the order of the rows."""
    return f"part-{number:05}.parquet"


class BackgroundWriter:
    """Runs calls in order in one thread; leaving the context waits for the last.

    `do` waits for the previous call, so that the data of at most two calls is in memory. An error
    in a call is raised by the next `do`, or on leaving the context. If no thread can be started,
    `do` runs the call itself.
    """

    def __init__(self) -> None:
        self._thread: ThreadPoolExecutor | None = ThreadPoolExecutor(1, "asana-parquet-writer")
        self._running: Future[object] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._thread is not None:
            self._thread.shutdown()
        if kind is None:
            self._wait()

    def do(self, call: Callable[..., object], *arguments: Any) -> None:
        """Run a call once the previous one has finished."""
        self._wait()
        if self._thread is not None:
            try:
                self._running = self._thread.submit(call, *arguments)
            except RuntimeError:  # no thread can be started
                self._thread = None
        if self._thread is None:
            call(*arguments)

    def _wait(self) -> None:
        running, self._running = self._running, None
        if running is not None:
            running.result()


class WrittenFile(NamedTuple):
    """A file of a dataset."""

    name: str
    rows: int
    bytes: int


class DatasetWriter:
    """Writes the files of one dataset, in a new folder; each table is a row group."""

    def __init__(self, folder: Path, schema: pa.Schema) -> None:
        folder.mkdir()
        self._folder = folder
        dates = {field.name: pd.ArrowDtype(field.type) for field in schema if field.type == _DATE}
        empty = to_frame(schema.empty_table(), "numpy_nullable").astype(dates)
        self._schema = readable_by_pandas(schema, empty)
        self._writer: Any = None
        self._rows = 0
        self.files: list[WrittenFile] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.close()

    @property
    def _path(self) -> Path:
        return self._folder / part_name(len(self.files))

    def write(self, table: pa.Table) -> None:
        """Write a row group; start another file if this one is large."""
        if not len(table):
            return
        if self._writer is None:
            self._open()
        ordered = table.select(self._schema.names).cast(self._schema)
        self._writer.write_table(ordered, row_group_size=len(table))
        self._rows += len(table)
        if self._path.stat().st_size >= MAX_FILE_BYTES:
            self._finish_file()

    def close(self) -> None:
        """Finish the last file; a dataset without rows also has a file, with its schema."""
        if self._writer is None and not self.files:
            self._open()
        self._finish_file()

    def _open(self) -> None:
        self._writer = pq.ParquetWriter(str(self._path), self._schema, compression="zstd")

    def _finish_file(self) -> None:
        if self._writer is None:
            return
        self._writer.close()
        path = self._path
        self.files.append(WrittenFile(path.name, self._rows, path.stat().st_size))
        self._writer, self._rows = None, 0


def readable_by_pandas(schema: pa.Schema, frame: pd.DataFrame) -> pa.Schema:
    """Return a schema from which `pandas.read_parquet` restores the dtypes of a frame.

    Lists are left to pandas, which cannot parse the names of their dtypes.
    """
    metadata = dict(pa.Schema.from_pandas(frame, preserve_index=False).metadata)
    described = json.loads(metadata[b"pandas"])
    nested = {field.name for field in schema if pa.types.is_nested(field.type)}
    for column in described["columns"]:
        if column["field_name"] in nested:
            column["numpy_type"] = "object"
    return schema.with_metadata({b"pandas": json.dumps(described).encode()})


def row_groups(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Combine tables into row groups."""
    pending: list[pa.Table] = []
    size = 0
    for table in tables:
        if not len(table):
            continue
        pending.append(table)
        size += table.nbytes
        if size >= ROW_GROUP_BYTES:
            yield pa.concat_tables(pending)
            pending, size = [], 0
        elif len(pending) >= MAX_PENDING_TABLES:
            pending = [pa.concat_tables(pending).combine_chunks()]
    if pending:
        yield pa.concat_tables(pending)


class Conversion:
    """The second pass over spooled batches; `tick` is called with the number of rows done."""

    def __init__(
        self,
        shares: Iterable[Share[Stored]],
        schema: ResolvedSchema,
        folder: Path,
        tick: Callable[[int], None],
        find_kept: FindKept = kept_rows,
    ) -> None:
        self._batches = by_type(shares)
        self._find_kept = find_kept
        self._schema = schema
        self._folder = folder
        self._tick = tick
        self._done = 0
        self._counts = Counts(schema.issues)

    def run(self) -> Counts:
        """Write all datasets; return their counts."""
        longs = None
        if self._schema.options.custom_fields == "long":
            empty = long_values_of_none(self._schema)
            longs = DatasetWriter(self._folder / LONG_VALUES, empty.schema)
            self._counts.files[LONG_VALUES] = longs.files
        with gc_paused(), BackgroundWriter() as background:
            for name in sorted(self._batches):
                self._write(name, self._batches.pop(name), longs, background)
            if longs is not None:
                background.do(longs.close)
        return self._counts

    def _write(
        self,
        name: str,
        batches: list[Defined[Stored]],
        longs: DatasetWriter | None,
        background: BackgroundWriter,
    ) -> None:
        kept, schema = self._kept_rows(name, batches), schema_of(self._schema, name)
        duplicates = len(kept) - int(kept.sum())
        self._counts.add_facts(name, Facts(0, len(schema), duplicates))
        writer = DatasetWriter(self._folder / folder_of(name), schema)
        for table in row_groups(self._conformed(batches, kept)):
            final = pivoted(table, self._schema, name)
            self._counts.add_rows(name, table, final)
            background.do(writer.write, final)
            if longs is not None:
                background.do(longs.write, long_values(table, self._schema, name))
            del table, final  # before the next row group is made
        background.do(writer.close)
        self._counts.files[name] = writer.files

    def _kept_rows(self, name: str, batches: list[Defined[Stored]]) -> np.ndarray:
        rows = sum(stored.rows for stored, _ in batches)
        with SpoolReader(KEY_COLUMNS) as read:
            found = (read(stored) for stored, _ in batches)
            return self._find_kept(rows, found, name, self._counts.issues.add)

    def _conformed(self, batches: list[Defined[Stored]], kept: np.ndarray) -> Iterator[pa.Table]:
        start, note = 0, self._counts.issues.add
        with SpoolReader() as read:
            for stored, definitions in batches:
                table = conformed(read(stored), definitions, self._schema, note)
                kept_here = kept[start : start + stored.rows]
                start += stored.rows
                yield table if kept_here.all() else table.filter(pa.array(kept_here))
                self._done += stored.rows
                self._tick(self._done)
