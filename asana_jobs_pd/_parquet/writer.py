"""From batches on disk to Parquet datasets, within a bound of memory.

Between the two passes stands what was learnt in the first, from which the columns of all files are
decided, and one number a row, which tells the rows that are repeated.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from queue import SimpleQueue
from typing import Any, NamedTuple, Self, TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from asana_jobs_pd._decode.scan_result import Definition, Issues
from asana_jobs_pd._export.assemble import Facts, later, latest_of
from asana_jobs_pd._export.deduplicate import KEY_COLUMNS, kept_rows
from asana_jobs_pd._export.export import to_frame
from asana_jobs_pd._export.finalize import (
    conformed,
    long_values,
    long_values_of_none,
    pivoted,
    schema_of,
)
from asana_jobs_pd._export.request import Time
from asana_jobs_pd._export.resolve_schema import ResolvedSchema
from asana_jobs_pd._export.workers import Share, SpoolReader, Stored
from asana_jobs_pd._gc_pause import gc_paused
from asana_jobs_pd._parquet.destination import LONG_VALUES, folder_of, part_name

__all__ = ["BackgroundWriter", "Conversion", "DatasetWriter", "Written", "readable_by_pandas"]

_Work: TypeAlias = tuple[Callable[..., object], tuple[Any, ...]]


class BackgroundWriter:
    """Runs calls in their order; as a context manager it waits for the last one.

    One call is under way at a time, and the next one is taken when it is done: of what calls work
    on, no more than two are in memory. What a call raises is raised by the next `do`, or when the
    block is left.
    """

    def __init__(self) -> None:
        self._work: SimpleQueue[_Work | None] = SimpleQueue()
        self._idle = threading.Semaphore()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="asana-aside", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._work.put(None)
        self._thread.join()
        if kind is None:
            self._check()

    def do(self, call: Callable[..., object], *arguments: Any) -> None:
        """Run a call when the one before is done; waits for that."""
        self._idle.acquire()
        self._check()
        self._work.put((call, arguments))

    def _check(self) -> None:
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            call, arguments = work
            try:
                call(*arguments)
            except BaseException as error:  # noqa: BLE001  raised where it is waited for
                self._error = error
            del work, call, arguments
            self._idle.release()


GROUP = 48 << 20
"""Bytes in memory of the rows that make a row group."""

PIECES = 64
"""Tables that wait apart: a few rows of many columns take many times their bytes."""
FILE = 256 << 20
"""Bytes on disk after which a file is followed by another."""

Found: TypeAlias = tuple[Stored, list[Definition]]


class Written(NamedTuple):
    """A file of a dataset: its name, rows and bytes."""

    name: str
    rows: int
    bytes: int


class Conversion:
    """The second pass: writes the datasets, and notes what there is to say of them.

    Parameters
    ----------
    shares
        What the first pass has left.
    settled
        The columns that it led to.
    folder
        Gets a folder for each type of row.
    tick
        Is told how many rows have been done.
    """

    def __init__(
        self,
        shares: Sequence[Share],
        settled: ResolvedSchema,
        folder: Path,
        tick: Callable[[int], None],
    ) -> None:
        self._found = _by_type(shares)
        self._settled = settled
        self._folder = folder
        self._tick = tick
        self._done = 0
        self.issues = Issues()
        self.facts: dict[str, Facts] = {}
        self.filled: Counter[str] = Counter()
        self.files: dict[str, list[Written]] = {}
        for issue in settled.issues:
            self.issues.add(issue)

    def run(self) -> None:
        """Write everything."""
        longs = self._long_writer()
        with gc_paused(), BackgroundWriter() as aside:
            for name in sorted(self._found):
                self._write(name, self._found.pop(name), longs, aside)
            if longs is not None:
                aside.do(longs.close)

    def _long_writer(self) -> DatasetWriter | None:
        if self._settled.options.custom_fields != "long":
            return None
        nothing = long_values_of_none(self._settled)
        longs = DatasetWriter(self._folder / LONG_VALUES, nothing.schema)
        self.files[LONG_VALUES] = longs.files
        return longs

    def _write(
        self, name: str, found: list[Found], longs: DatasetWriter | None, aside: BackgroundWriter
    ) -> None:
        kept = self._kept(name, found)
        latest: Time = pd.NaT
        schema = schema_of(self._settled, name)
        writer = DatasetWriter(self._folder / folder_of(name), schema)
        for table in _groups(self._conformed(found, kept)):
            final = pivoted(table, self._settled, name)
            for column in final.column_names:
                self.filled[column] += len(final) - final[column].null_count
            latest = later(latest, latest_of(table))
            aside.do(writer.write, final)
            if longs is not None:
                aside.do(longs.write, long_values(table, self._settled, name))
        aside.do(writer.close)
        rows = int(kept.sum())
        self.facts[name] = Facts(rows, len(schema), len(kept) - rows, latest)
        self.files[name] = writer.files

    def _kept(self, name: str, found: list[Found]) -> np.ndarray:
        rows = sum(stored.rows for stored, _ in found)
        with SpoolReader(KEY_COLUMNS) as read:
            return kept_rows(rows, (read(stored) for stored, _ in found), name, self.issues.add)

    def _conformed(self, found: list[Found], kept: np.ndarray) -> Iterator[pa.Table]:
        start = 0
        with SpoolReader() as read:
            for stored, definitions in found:
                table = conformed(read(stored), definitions, self._settled, self.issues.add)
                here = kept[start : start + stored.rows]
                start += stored.rows
                yield table if here.all() else table.filter(pa.array(here))
                self._done += stored.rows
                self._tick(self._done)


def _by_type(shares: Sequence[Share]) -> dict[str, list[Found]]:
    """Return batches by type of row, in the order of the files, with what their codes mean."""
    found: dict[str, list[Found]] = {}
    for share in shares:
        for stored in share.batches:
            definitions = share.learned.known[stored.resource_type].definitions
            found.setdefault(stored.resource_type, []).append((stored, definitions))
    for some in found.values():
        some.sort(key=lambda one: one[0].place)
    return found


def _groups(tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """Yield tables joined to as much as makes a row group."""
    waiting: list[pa.Table] = []
    size = 0
    for table in tables:
        if not len(table):
            continue
        waiting.append(table)
        size += table.nbytes
        if size >= GROUP:
            yield pa.concat_tables(waiting)
            waiting, size = [], 0
        elif len(waiting) >= PIECES:
            waiting = [pa.concat_tables(waiting).combine_chunks()]
    if waiting:
        yield pa.concat_tables(waiting)


class DatasetWriter:
    """Writes the files of one dataset; each table is a row group.

    Parameters
    ----------
    folder
        Is made.
    schema
        Of all of them.
    """

    def __init__(self, folder: Path, schema: pa.Schema) -> None:
        folder.mkdir()
        self._folder = folder
        nothing = to_frame(schema.empty_table(), "numpy_nullable")
        self._schema = readable_by_pandas(schema, nothing)
        self._writer: Any = None
        self._rows = 0
        self.files: list[Written] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.close()

    @property
    def _path(self) -> Path:
        return self._folder / part_name(len(self.files))

    def write(self, table: pa.Table) -> None:
        """Write a row group, to another file when this one is large."""
        if not len(table):
            return
        if self._writer is None:
            self._begin()
        ordered = table.select(self._schema.names).cast(self._schema)
        self._writer.write_table(ordered, row_group_size=len(table))
        self._rows += len(table)
        if self._path.stat().st_size >= FILE:
            self._end()

    def close(self) -> None:
        """End the last file; a dataset without rows has one too, for its schema."""
        if self._writer is None and not self.files:
            self._begin()
        self._end()

    def _begin(self) -> None:
        self._writer = pq.ParquetWriter(str(self._path), self._schema, compression="zstd")

    def _end(self) -> None:
        if self._writer is None:
            return
        self._writer.close()
        path = self._path
        self.files.append(Written(path.name, self._rows, path.stat().st_size))
        self._writer, self._rows = None, 0


def readable_by_pandas(schema: pa.Schema, frame: pd.DataFrame) -> pa.Schema:
    """Return a schema with what makes `pandas.read_parquet` give the dtypes of a frame.

    Lists are left to pandas: it cannot read their dtypes from metadata.
    """
    metadata = dict(pa.Schema.from_pandas(frame, preserve_index=False).metadata)
    described = json.loads(metadata[b"pandas"])
    nested = {field.name for field in schema if pa.types.is_nested(field.type)}
    for column in described["columns"]:
        if column["field_name"] in nested:
            column["numpy_type"] = "object"
    return schema.with_metadata({b"pandas": json.dumps(described).encode()})
