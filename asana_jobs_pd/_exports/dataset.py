"""The files of one Parquet dataset, as pandas reads them back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from asana_jobs_pd._exports.frames import to_frame
from asana_jobs_pd._exports.layout import part_name

__all__ = ["DatasetWriter", "Written", "readable_by_pandas"]

FILE = 256 << 20
"""Bytes on disk after which a file is followed by another."""


class Written(NamedTuple):
    """A file of a dataset: its name, rows and bytes."""

    name: str
    rows: int
    bytes: int


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
        self._writer.write_table(ordered.combine_chunks(), row_group_size=len(table))
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
