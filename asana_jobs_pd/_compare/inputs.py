"""What can be compared: DataFrames in memory, or the Parquet dataset of an export."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeAlias, TypeVar

import orjson
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from asana_jobs_pd._compare.cell_diff import FieldKey
from asana_jobs_pd._compare.cell_values import conform, plain
from asana_jobs_pd._decode.locations import StorageOptions, filesystem_of, is_url, message_of
from asana_jobs_pd._export.export import AsanaExport
from asana_jobs_pd._http.redaction import hide_query
from asana_jobs_pd._jobs.gids import gid_series
from asana_jobs_pd._parquet.destination import CATALOGUE, LONG_VALUES, MANIFEST, SUCCESS
from asana_jobs_pd.errors import (
    AsanaJobsError,
    ExportFileError,
    InvalidFrameError,
    InvalidOptionError,
)

Export: TypeAlias = Mapping[str, pd.DataFrame] | str | os.PathLike[str]
"""A loaded export, a mapping of `resource_type` to DataFrame, or the folder of a dataset."""
BATCH_ROWS = 16_384
_GID_SUFFIX = re.compile(r"custom_fields(?:\..*)? \[([0-9]+)\]", re.DOTALL)
T = TypeVar("T")


class CompareInput(Protocol):
    """One of the two exports to compare, as Arrow tables of plain types."""

    catalogue: pd.DataFrame | None
    in_memory: bool

    def types(self) -> list[str]:
        """Return the resource types."""

    def schema(self, resource_type: str) -> pa.Schema:
        """Return the columns of a resource type; none for an unknown type."""

    def size(self, resource_type: str) -> int:
        """Return the approximate size of a resource type's rows in bytes."""

    def tables(self, resource_type: str, columns: Sequence[str]) -> Iterator[pa.Table]:
        """Yield the rows of a resource type in order."""


class FramesInput:
    """DataFrames in memory, converted one at a time; `role` is "old" or "new", for messages."""

    in_memory = True

    def __init__(self, frames: Mapping[str, pd.DataFrame], role: str) -> None:
        self._frames = _checked(frames, role)
        self._role = role
        self._cached_type: str | None = None
        self._cached = pa.table({})
        self.catalogue = frames.custom_fields if isinstance(frames, AsanaExport) else None

    def types(self) -> list[str]:
        """Return the resource types."""
        return list(self._frames)

    def schema(self, resource_type: str) -> pa.Schema:
        """Return the columns of a resource type."""
        return self._table(resource_type).schema

    def size(self, resource_type: str) -> int:
        """Return the size of a resource type's rows."""
        return int(self._table(resource_type).nbytes)

    def tables(self, resource_type: str, columns: Sequence[str]) -> Iterator[pa.Table]:
        """Yield one table."""
        yield self._table(resource_type).select(list(columns))

    def _table(self, resource_type: str) -> pa.Table:
        if resource_type not in self._frames:
            return pa.table({})
        if resource_type != self._cached_type:
            name = f"{self._role}[{resource_type!r}]"
            self._cached = _arrow_table(self._frames[resource_type], name)
            self._cached_type = resource_type
        return self._cached


def _checked(frames: Any, role: str) -> dict[str, pd.DataFrame]:
    if isinstance(frames, pd.DataFrame) and "file.path" in frames.columns:
        raise InvalidOptionError(
            f"{role} is a frame of downloads; load it first: files.asana.load()."
        )
    if not isinstance(frames, Mapping):
        raise InvalidOptionError(
            f"{role}: cannot compare {type(frames).__name__}. Pass the result of "
            "read_asana_export, a dict of DataFrames by resource_type, or the folder of a "
            "Parquet dataset."
        )
    for name, frame in frames.items():
        if not isinstance(frame, pd.DataFrame):
            raise InvalidOptionError(
                f"{role}[{name!r}] is not a DataFrame but {type(frame).__name__}."
            )
    if isinstance(frames, AsanaExport) and frames.custom_field_values is not None:
        raise _long_refused(role)
    return dict(frames)


def _long_refused(role: str) -> InvalidOptionError:
    return InvalidOptionError(
        f"{role} was made with custom_fields='long', which cannot be compared: use "
        "custom_fields='columns'. To compare without custom fields, pass dict(export)."
    )


def _arrow_table(frame: pd.DataFrame, name: str) -> pa.Table:
    duplicates = frame.columns[frame.columns.duplicated()]
    if len(duplicates):
        raise InvalidFrameError(f"{name} has more than one column {duplicates[0]!r}; keep one.")
    columns = {"gid": _gids(frame, name)}
    for column in frame.columns:
        if column != "gid":
            columns[str(column)] = _arrow_array(frame[column])
    return pa.table(columns)


def _gids(frame: pd.DataFrame, name: str) -> pa.Array:
    """Return the gids, from the column or the index."""
    if "gid" not in frame.columns and "gid" not in frame.index.names:
        raise InvalidFrameError(
            f"{name} has no column 'gid', by which rows are matched; load it too."
        )
    gids = gid_series(frame)
    if pd.api.types.is_float_dtype(gids.dtype) and gids.notna().any():
        raise InvalidFrameError(
            f"{name}: 'gid' holds floats, which have lost digits; load it as text."
        )
    return _arrow_array(gids.astype(pd.StringDtype("pyarrow")))


def _arrow_array(column: pd.Series) -> pa.Array:
    try:
        array = pa.array(column, from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError):  # mixed values
        array = pa.array([_text(value) for value in column], pa.string())
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks() if array.num_chunks != 1 else array.chunk(0)
    if pa.types.is_timestamp(array.type) and array.type.tz is None and _all_midnight(array):
        return array.cast(pa.date32())
    return conform(array, plain(array.type))


def _all_midnight(array: pa.Array) -> bool:
    """Whether naive times are dates, as pandas has no dtype for those."""
    return bool(pc.all(pc.equal(array, pc.floor_temporal(array, unit="day"))).as_py() is not False)


def _text(value: Any) -> str | None:
    if isinstance(value, list | dict):
        return orjson.dumps(value, default=str).decode()
    return None if pd.isna(value) else str(value)


def field_keys(export: CompareInput, columns: Sequence[str]) -> dict[str, FieldKey]:
    """Return the keys of custom field columns: from the catalogue, or a gid in the column name."""
    known: dict[str, FieldKey] = {}
    if export.catalogue is not None:
        fields = export.catalogue[["column", "gid", "name", "type"]].astype(object)
        for column, *key in fields.itertuples(index=False):
            known[column] = FieldKey(*(None if pd.isna(value) else str(value) for value in key))
    keys = {}
    for column in columns:
        suffix = _GID_SUFFIX.fullmatch(column)
        if column in known:
            keys[column] = known[column]
        elif suffix is not None:
            keys[column] = FieldKey(suffix[1])
    return keys


class DatasetInput:
    """A dataset written by `asana_export_to_parquet`: a local folder or a URL, read in batches."""

    in_memory = False

    def __init__(
        self, folder: str | os.PathLike[str], role: str, options: StorageOptions = None
    ) -> None:
        self._shown = hide_query(os.fspath(folder))
        self._role = role
        self._options = options
        self._filesystem, self._root = _locate(os.fspath(folder), options)
        self._files = self._reading(self._read_manifest)
        self.catalogue: pd.DataFrame | None = self._reading(self._read_catalogue)

    def types(self) -> list[str]:
        """Return the resource types."""
        return list(self._files)

    def schema(self, resource_type: str) -> pa.Schema:
        """Return the columns of a resource type; all its files have the same."""
        if resource_type not in self._files:
            return pa.schema([])
        with self._parquet_file(self._files[resource_type][0]) as file:
            return pa.schema([(field.name, plain(field.type)) for field in file.schema_arrow])

    def size(self, resource_type: str) -> int:
        """Return the uncompressed size of a resource type's rows in Parquet."""
        return sum(map(self._file_size, self._files.get(resource_type, ())))

    def tables(self, resource_type: str, columns: Sequence[str]) -> Iterator[pa.Table]:
        """Yield the rows in batches."""
        for name in self._files.get(resource_type, ()):
            with self._parquet_file(name) as file:
                batches = file.iter_batches(BATCH_ROWS, columns=list(columns))
                while (batch := self._reading(partial(next, batches, None))) is not None:
                    # Parquet takes the name a.b for the field b of a column a as well.
                    selected = batch.select(list(columns))
                    arrays = [conform(array, plain(array.type)) for array in selected.columns]
                    yield pa.Table.from_arrays(arrays, list(columns))

    def _file_size(self, name: str) -> int:
        with self._parquet_file(name) as file:
            groups = map(file.metadata.row_group, range(file.num_row_groups))
            return sum(group.total_byte_size for group in groups)

    @contextmanager
    def _parquet_file(self, name: str) -> Iterator[pq.ParquetFile]:
        with ExitStack() as stack:

            def opened() -> pq.ParquetFile:
                source = stack.enter_context(self._open(name))
                return stack.enter_context(pq.ParquetFile(source))

            yield self._reading(opened)

    def _read_manifest(self) -> dict[str, list[str]]:
        """Return the names of the files by resource type."""
        has_manifest, finished = (self._exists(name) for name in (MANIFEST, SUCCESS))
        if not has_manifest or not finished:
            reason = "is not a dataset of an export; asana_export_to_parquet(…) writes one"
            if has_manifest:
                reason = "is an unfinished dataset; convert the export again"
            elif self._filesystem is None and Path(self._root).is_file():
                reason = (
                    "is a file; load it first: files.asana.load(), or aj.read_asana_export(path)"
                )
            elif self._filesystem is None and not Path(self._root).exists():
                reason = "does not exist"
            raise ExportFileError(f"{self._role}: {self._shown} {reason}.", path=self._shown)
        if self._exists(LONG_VALUES):
            raise _long_refused(self._role)
        with self._open(MANIFEST) as file:
            manifest = json.load(file)
        return {
            table["resource_type"]: [f"{table['folder']}/{file['name']}" for file in table["files"]]
            for table in manifest["tables"]
        }

    def _read_catalogue(self) -> pd.DataFrame:
        with self._open(CATALOGUE) as file:
            return pd.read_parquet(file, dtype_backend="pyarrow")

    def _exists(self, name: str) -> bool:
        path = f"{self._root}/{name}"
        if self._filesystem is None:
            return Path(path).exists()
        return bool(self._filesystem.exists(path))

    def _open(self, name: str) -> Any:
        path = f"{self._root}/{name}"
        return Path(path).open("rb") if self._filesystem is None else self._filesystem.open(path)

    def _reading(self, read: Callable[[], T]) -> T:
        """Call a function; raise its errors as ours, without secrets."""
        try:
            return read()
        except AsanaJobsError:
            raise
        except Exception as error:  # noqa: BLE001  each file system has its own errors
            reason = message_of(error, self._options)
        raise ExportFileError(
            f"{self._role}: cannot read {self._shown}: {reason}.", path=self._shown
        )


def _locate(folder: str, options: StorageOptions) -> tuple[Any, str]:
    """Return the file system (None for the local one) and the path in it."""
    if not is_url(folder):
        return None, folder
    filesystem, path = filesystem_of(folder, options)
    return filesystem, path.rstrip("/")
