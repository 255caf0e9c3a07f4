"""Batches on disk, between processes or two passes: Arrow files, and where each batch is."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any, Literal, Self

import msgspec
import pyarrow as pa

from asana_jobs_pd._exports.learned import Learned
from asana_jobs_pd._exports.scan import Batch

__all__ = ["Compression", "Share", "SpoolReader", "SpoolWriter", "Stored"]

Compression = Literal["lz4"] | None
_SUFFIX = ".arrow"
_MOST_OPEN = 16


class Stored(msgspec.Struct):
    """Where a batch is: its file, its number in that, how many rows, its place in the load."""

    resource_type: str
    file: str
    number: int
    rows: int
    place: tuple[int, int, int]


class Share(msgspec.Struct):
    """What one process has read: what it learnt, and where its batches are, in order."""

    learned: Learned
    batches: list[Stored]

    @property
    def rows(self) -> int:
        """How many rows that are."""
        return sum(stored.rows for stored in self.batches)


class SpoolWriter:
    """Writes batches to files, a new one whenever the schema of a type of row has changed.

    Parameters
    ----------
    folder
        Where; a context manager that closes the files there.
    compression
        ``"lz4"``, or None for batches that are to be mapped into memory.
    """

    def __init__(self, folder: Path, compression: Compression = None) -> None:
        self._folder = folder
        self._options = pa.ipc.IpcWriteOptions(compression=compression)
        self._open: dict[str, tuple[pa.Schema, Any, str, ExitStack]] = {}
        self._count: dict[str, int] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with ExitStack() as closing:
            for one in self._open.values():
                closing.push(one[-1])

    def __call__(self, batch: Batch) -> Stored:
        """Write a batch; return where it is."""
        name, schema = batch.resource_type, batch.table.schema
        if name not in self._open or self._open[name][0] != schema:
            if name in self._open:
                self._open.pop(name)[-1].close()
            self._begin(name, schema)
        _, writer, file, _ = self._open[name]
        writer.write_batch(batch.table)
        number = self._count[file]
        self._count[file] += 1
        return Stored(name, file, number, batch.table.num_rows, batch.place)

    def _begin(self, name: str, schema: pa.Schema) -> None:
        path = self._folder / f"{len(self._count)}{_SUFFIX}"
        with ExitStack() as stack:
            sink: IO[bytes] = stack.enter_context(path.open("wb"))
            writer = stack.enter_context(pa.ipc.new_file(sink, schema, options=self._options))
            self._open[name] = (schema, writer, str(path), stack.pop_all())
        self._count[str(path)] = 0


class SpoolReader:
    """Reads stored batches without mapping their files: what was read can be forgotten.

    Parameters
    ----------
    columns
        Read only these, and not the others' bytes; None for all.
    """

    def __init__(self, columns: Sequence[str] | None = None) -> None:
        self._columns = columns
        self._open: dict[str, Any] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.clear()

    def __call__(self, stored: Stored) -> Batch:
        """Return a batch."""
        file = self._open.pop(stored.file, None) or self._reader(stored.file)
        self._open[stored.file] = file  # the last one used stands last
        if len(self._open) > _MOST_OPEN:
            del self._open[next(iter(self._open))]
        return Batch(stored.resource_type, file.get_batch(stored.number), stored.place)

    def _reader(self, file: str) -> Any:
        source = pa.OSFile(file)
        if self._columns is None:
            return pa.ipc.open_file(source)
        names = pa.ipc.open_file(source).schema.names
        wanted = [names.index(name) for name in self._columns]
        return pa.ipc.open_file(source, options=pa.ipc.IpcReadOptions(included_fields=wanted))
