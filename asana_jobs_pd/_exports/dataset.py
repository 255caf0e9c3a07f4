"""A Parquet dataset of an export as one side of a comparison."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import fsspec
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds

from asana_jobs_pd._api.redact import clean, hide_query
from asana_jobs_pd._exports.cells import conform, plain
from asana_jobs_pd.errors import ExportFileError

__all__ = ["DatasetSide"]

T = TypeVar("T")

ROWS = 16_384
"""Rows that are read at a time."""
CATALOGUE = "custom_fields.parquet"


class DatasetSide:
    """What `asana_export_to_parquet` wrote; read in batches.

    Parameters
    ----------
    folder
        Local, or a URL that fsspec knows.
    what
        Which side it is, for messages.

    Raises
    ------
    ExportFileError
        When there is no such dataset.
    """

    def __init__(self, folder: str | os.PathLike[str], what: str) -> None:
        self._folder = os.fspath(folder)
        self._what = what
        self._files, self._root = self._read(lambda: fsspec.core.url_to_fs(self._folder))
        self._parts = self._read(lambda: _parts_by_type(self._files, self._root))
        if not self._parts:
            raise ExportFileError(
                f"{what}: {hide_query(self._folder)} holds no Parquet dataset of an export; "
                "asana_export_to_parquet(…) writes one.",
                path=hide_query(self._folder),
            )
        self.catalogue = self._read(self._catalogue)

    def types(self) -> list[str]:
        """Return the types of row."""
        return list(self._parts)

    def schema(self, resource_type: str) -> pa.Schema:
        """Return the columns of a type of row."""
        if resource_type not in self._parts:
            return pa.schema([])
        fields = self._read(lambda: self._dataset(resource_type).schema)
        return pa.schema([(field.name, plain(field.type)) for field in fields])

    def size(self, resource_type: str) -> int:
        """Return how many bytes such rows take up in memory, as the files say."""
        if resource_type not in self._parts:
            return 0
        return self._read(lambda: _bytes_of(self._dataset(resource_type)))

    def tables(self, resource_type: str, columns: Sequence[str]) -> Iterator[pa.Table]:
        """Yield rows in batches."""
        if resource_type not in self._parts:
            return
        batches = self._read(
            lambda: self._dataset(resource_type).to_batches(
                columns=list(columns), batch_size=ROWS, batch_readahead=2, fragment_readahead=1
            )
        )
        while (batch := self._read(lambda: next(batches, None))) is not None:
            arrays = [conform(array, plain(array.type)) for array in batch.columns]
            yield pa.Table.from_arrays(arrays, list(columns))

    def _dataset(self, name: str) -> ds.Dataset:
        return ds.dataset(self._parts[name], format="parquet", filesystem=self._files)

    def _catalogue(self) -> pd.DataFrame | None:
        path = f"{self._root}/{CATALOGUE}"
        if not self._files.exists(path):
            return None
        with self._files.open(path) as file:
            return pd.read_parquet(file, dtype_backend="pyarrow")

    def _read(self, do: Callable[[], T]) -> T:
        try:
            return do()
        except (pa.ArrowException, OSError, ImportError, ValueError) as error:
            reason = clean(str(error))
        where = hide_query(self._folder)
        raise ExportFileError(f"{self._what}: {where} cannot be read: {reason}.", path=where)


def _bytes_of(dataset: Any) -> int:
    groups = [group for part in dataset.get_fragments() for group in part.row_groups]
    return sum(group.total_byte_size for group in groups)


def _parts_by_type(files: Any, root: str) -> dict[str, list[str]]:
    if not files.isdir(root):
        return {}
    found: dict[str, list[str]] = {}
    for path in sorted(files.glob(f"{root}/*/*.parquet")):
        found.setdefault(path.rsplit("/", 2)[-2], []).append(path)
    return found
