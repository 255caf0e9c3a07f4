"""A Parquet dataset of an export as one side of a comparison."""

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
import pyarrow.parquet as pq

from asana_jobs_pd._compare.cell_values import conform, plain
from asana_jobs_pd._decode.locations import StorageOptions, filesystem_of, is_url, said
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

__all__ = ["DatasetSide", "Export", "FrameSide", "Side", "field_gids", "refuse_long"]

Export: TypeAlias = Mapping[str, pd.DataFrame] | str | os.PathLike[str]
"""A load, a mapping of frames by `resource_type`, or the folder of a Parquet dataset."""
_SUFFIX = re.compile(r"custom_fields(?:\..*)? \[([^\[\]]+)\]", re.DOTALL)


class Side(Protocol):
    """What can be compared."""

    catalogue: pd.DataFrame | None
    """Its custom fields, when it knows them."""
    in_memory: bool
    """Whether its rows are."""

    def types(self) -> list[str]:
        """Return the types of row."""

    def schema(self, resource_type: str) -> pa.Schema:
        """Return the columns of a type of row, in plain types; none of a type that is not there."""

    def size(self, resource_type: str) -> int:
        """Return how many bytes such rows take up in memory, about."""

    def tables(self, resource_type: str, columns: Sequence[str]) -> Iterator[pa.Table]:
        """Yield these columns of such rows, in their order, in plain types."""


class FrameSide:
    """Frames in memory; each is converted when its turn comes, and one at a time kept.

    Parameters
    ----------
    frames
        By type of row.
    what
        Which side it is, for messages.

    Raises
    ------
    InvalidOptionError
        For what is no mapping of frames, or has custom fields in a frame of their own.
    """

    in_memory = True

    def __init__(self, frames: Mapping[str, pd.DataFrame], what: str) -> None:
        self._frames = _checked(frames, what)
        self._what = what
        self._name: str | None = None
        self._table = pa.table({})
        self.catalogue = frames.custom_fields if isinstance(frames, AsanaExport) else None

    def types(self) -> list[str]:
        """Return the types of row."""
        return list(self._frames)

    def schema(self, resource_type: str) -> pa.Schema:
        """Return the columns of a type of row."""
        return self._converted(resource_type).schema

    def size(self, resource_type: str) -> int:
        """Return how many bytes such rows take up."""
        return int(self._converted(resource_type).nbytes)

    def tables(self, resource_type: str, columns: Sequence[str]) -> Iterator[pa.Table]:
        """Yield one table."""
        yield self._converted(resource_type).select(list(columns))

    def _converted(self, name: str) -> pa.Table:
        if name not in self._frames:
            return pa.table({})
        if name != self._name:
            self._name, self._table = name, self._convert(name, self._frames[name])
        return self._table

    def _convert(self, name: str, frame: pd.DataFrame) -> pa.Table:
        where = f"{self._what}[{name!r}]"
        twice = frame.columns[frame.columns.duplicated()]
        if len(twice):
            raise InvalidFrameError(f"{where} has more than one column {twice[0]!r}; keep one.")
        columns = {"gid": _gids(frame, where)}
        for column in frame.columns:
            if column != "gid":
                columns[str(column)] = _arrow(frame[column])
        return pa.table(columns)


def _checked(frames: Any, what: str) -> dict[str, pd.DataFrame]:
    if not isinstance(frames, Mapping):
        raise InvalidOptionError(
            f"{what}: {type(frames).__name__} cannot be compared. Give what read_asana_export "
            "returned, a dict of DataFrames by resource_type, or the folder of a Parquet dataset."
        )
    for name, frame in frames.items():
        if not isinstance(frame, pd.DataFrame):
            raise InvalidOptionError(f"{what}[{name!r}] is no DataFrame: {type(frame).__name__}.")
    if isinstance(frames, AsanaExport) and frames.custom_field_values is not None:
        raise refuse_long(what)
    return dict(frames)


def refuse_long(what: str) -> InvalidOptionError:
    """Return the error for custom fields that would be left out silently."""
    return InvalidOptionError(
        f"{what} was made with custom_fields='long', which cannot be compared; make it with "
        "'columns'. To leave custom fields out, give dict(export)."
    )


def _gids(frame: pd.DataFrame, where: str) -> pa.Array:
    """Return the gids, of the column or the index."""
    if "gid" not in frame.columns and "gid" not in frame.index.names:
        raise InvalidFrameError(f"{where} has no 'gid', by which rows are matched; load it too.")
    column = gid_series(frame)
    if pd.api.types.is_float_dtype(column.dtype) and column.notna().any():
        raise InvalidFrameError(
            f"{where}: 'gid' holds floats, which have lost digits; load it as text."
        )
    return _arrow(column.astype(pd.StringDtype("pyarrow")))


def _arrow(column: pd.Series) -> pa.Array:
    """Return a column as an array of a plain type."""
    try:
        array = pa.array(column, from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        array = pa.array([_text(value) for value in column], pa.string())
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks() if array.num_chunks != 1 else array.chunk(0)
    return conform(array, plain(array.type))


def _text(value: Any) -> str | None:
    """Return a value of a column of mixed ones as text."""
    if isinstance(value, list | dict):
        return orjson.dumps(value, default=str).decode()
    return None if pd.isna(value) else str(value)


def field_gids(side: Side, columns: Sequence[str]) -> dict[str, str]:
    """Return the gid of the custom field in each column, as far as it is known.

    The catalogue knows it; else it may stand at the end of the name, in brackets.
    """
    known: dict[str, str] = {}
    if side.catalogue is not None:
        known = dict(zip(side.catalogue["column"], side.catalogue["gid"], strict=True))
    found = {}
    for column in columns:
        match = _SUFFIX.fullmatch(column)
        if column in known:
            found[column] = known[column]
        elif match is not None:
            found[column] = match[1]
    return found


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
