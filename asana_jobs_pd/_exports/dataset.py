"""A Parquet dataset of an export as one side of a comparison."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from asana_jobs_pd._api.redact import hide_query
from asana_jobs_pd._exports.cells import conform, plain
from asana_jobs_pd._exports.layout import CATALOGUE, LONG_VALUES, MANIFEST, SUCCESS
from asana_jobs_pd._exports.locations import StorageOptions, filesystem_of, is_url, said
from asana_jobs_pd._exports.sides import refuse_long
from asana_jobs_pd.errors import AsanaJobsError, ExportFileError

__all__ = ["DatasetSide"]

T = TypeVar("T")

ROWS = 16_384
"""Rows that are read at a time."""


class DatasetSide:
    """What `asana_export_to_parquet` wrote; read in batches.

    Parameters
    ----------
    folder
        Local, or a URL that fsspec knows.
    what
        Which side it is, for messages.
    options
        Of the file system of a URL.

    Raises
    ------
    ExportFileError
        When there is no such dataset, or it cannot be read.
    InvalidOptionError
        When it has custom fields in a dataset of their own.
    """

    in_memory = False

    def __init__(
        self, folder: str | os.PathLike[str], what: str, options: StorageOptions = None
    ) -> None:
        self._shown = hide_query(os.fspath(folder))
        self._what = what
        self._options = options
        self._files, self._root = _located(os.fspath(folder), options)
        self._parts = self._read(self._manifest)
        self.catalogue: pd.DataFrame | None = self._read(self._catalogue)

    def types(self) -> list[str]:
        """Return the types of row."""
        return list(self._parts)

    def schema(self, resource_type: str) -> pa.Schema:
        """Return the columns of a type of row; all files have the same."""
        if resource_type not in self._parts:
            return pa.schema([])
        with self._opened(self._parts[resource_type][0]) as file:
            return pa.schema([(field.name, plain(field.type)) for field in file.schema_arrow])

    def size(self, resource_type: str) -> int:
        """Return how many bytes such rows take up in memory, as the files say."""
        return sum(map(self._size, self._parts.get(resource_type, ())))

    def tables(self, resource_type: str, columns: Sequence[str]) -> Iterator[pa.Table]:
        """Yield rows in batches."""
        for part in self._parts.get(resource_type, ()):
            with self._opened(part) as file:
                batches = file.iter_batches(ROWS, columns=list(columns))
                while (batch := self._read(partial(next, batches, None))) is not None:
                    some = batch.select(list(columns))  # a.b is taken for b in a as well
                    arrays = [conform(array, plain(array.type)) for array in some.columns]
                    yield pa.Table.from_arrays(arrays, list(columns))

    def _size(self, part: str) -> int:
        with self._opened(part) as file:
            groups = map(file.metadata.row_group, range(file.num_row_groups))
            return sum(group.total_byte_size for group in groups)

    @contextmanager
    def _opened(self, name: str) -> Iterator[pq.ParquetFile]:
        with ExitStack() as stack:

            def opened() -> pq.ParquetFile:
                source = stack.enter_context(self._open(name))
                return stack.enter_context(pq.ParquetFile(source))

            yield self._read(opened)

    def _manifest(self) -> dict[str, list[str]]:
        """Return the files by type of row."""
        there = [self._exists(name) for name in (MANIFEST, SUCCESS)]
        if not all(there):
            reason = "holds no dataset of an export; asana_export_to_parquet(…) writes one"
            if there[0]:
                reason = "is the dataset of a conversion that was cut off; convert again"
            raise ExportFileError(f"{self._what}: {self._shown} {reason}.", path=self._shown)
        if self._exists(LONG_VALUES):
            raise refuse_long(self._what)
        with self._open(MANIFEST) as file:
            manifest = json.load(file)
        return {
            table["resource_type"]: [f"{table['folder']}/{part['name']}" for part in table["files"]]
            for table in manifest["tables"]
        }

    def _catalogue(self) -> pd.DataFrame:
        with self._open(CATALOGUE) as file:
            return pd.read_parquet(file, dtype_backend="pyarrow")

    def _exists(self, name: str) -> bool:
        path = f"{self._root}/{name}"
        return Path(path).exists() if self._files is None else bool(self._files.exists(path))

    def _open(self, name: str) -> Any:
        path = f"{self._root}/{name}"
        return Path(path).open("rb") if self._files is None else self._files.open(path, "rb")

    def _read(self, do: Callable[[], T]) -> T:
        try:
            return do()
        except AsanaJobsError:
            raise
        except Exception as error:  # noqa: BLE001  each file system has errors of its own
            reason = said(error, self._options)
        raise ExportFileError(
            f"{self._what}: {self._shown} cannot be read: {reason}.", path=self._shown
        )


def _located(folder: str, options: StorageOptions) -> tuple[Any, str]:
    """Return the file system, None for the local one, and the path in it."""
    if not is_url(folder):
        return None, folder
    files, path = filesystem_of(folder, options)
    return files, path.rstrip("/")
