"""The inputs of a comparison (DataFrames, export files, datasets) and their matching columns."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias, TypeVar, cast

import orjson
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow.fs import FileSystem, FileType, FSSpecHandler, LocalFileSystem, PyFileSystem

from asana_jobs_pd._compare.cells import LABELS, TEXT, common_type, plain
from asana_jobs_pd._decode.sources import (
    StorageOptions,
    filesystem_of,
    input_path,
    is_url,
    message_of,
)
from asana_jobs_pd._export.export import AsanaExport
from asana_jobs_pd._export.read import read_asana_export
from asana_jobs_pd._export.request import matching_files
from asana_jobs_pd._export.results import LoadedExport
from asana_jobs_pd._formatting import format_count
from asana_jobs_pd._http.redaction import hide_query
from asana_jobs_pd._jobs.gids import gid_series
from asana_jobs_pd._parquet.destination import (
    CATALOGUE,
    LONG_VALUES,
    MANIFEST,
    files_by_type,
    set_aside,
    why_unreadable,
)
from asana_jobs_pd.errors import (
    AsanaJobsError,
    AsanaValueWarning,
    ExportFileError,
    InvalidFrameError,
    InvalidOptionError,
    warn_user,
)

Export: TypeAlias = (
    Mapping[str, pd.DataFrame] | str | os.PathLike[str] | Sequence[str | os.PathLike[str]]
)
"""A loaded export, a mapping of `resource_type` to DataFrame, export files, or a dataset."""
_EXPORT_FILES = (".jsonl.gz", ".jsonl", ".json", ".json.gz")
BATCH_ROWS = 16_384
_GID_SUFFIX = re.compile(r"custom_fields(?:\..*)? \[([0-9]+)\]", re.DOTALL)
T = TypeVar("T")


class Rows(NamedTuple):
    """The rows of one type in an export, in plain types.

    `read` yields the given columns, in batches and in order; `size` is how many bytes of them are
    not in memory yet.
    """

    schema: pa.Schema
    read: Callable[[list[str]], Iterator[pa.Table]]
    size: int = 0


def compare_input(export: Export, role: str, options: StorageOptions) -> FramesInput | DatasetInput:
    """Return an input to compare; export files are loaded."""
    if isinstance(export, list | tuple):
        return _loaded(export, role, options)
    if not isinstance(export, str | os.PathLike):
        return FramesInput(cast("Mapping[str, pd.DataFrame]", export), role)
    path = input_path(export, role)
    has_files = Path(path).is_file() or matching_files(path)
    if path.endswith(_EXPORT_FILES) if is_url(path) else has_files:
        return _loaded(path, role, options)
    return DatasetInput(path, role, options)


def _loaded(
    files: str | Sequence[str | os.PathLike[str]], role: str, options: StorageOptions
) -> FramesInput:
    export = read_asana_export(files, storage_options=options)
    if export.issue_count:
        first = export.issues.iloc[0]
        where = "" if pd.isna(first["column"]) else f"{first['column']}, "
        warn_user(
            f"{role} has {format_count(export.issue_count, 'issue')}, such as values that do not "
            f"fit their column, which are not compared; the first: {where}{first['reason']}. "
            "Load it with read_asana_export: .issues lists them.",
            AsanaValueWarning,
        )
    return FramesInput(export, role)


class FramesInput:
    """DataFrames in memory; `role` is "old" or "new" and appears in messages."""

    def __init__(self, frames: Mapping[str, pd.DataFrame], role: str) -> None:
        self._frames = _checked(frames, role)
        self._role = role
        self.types = list(self._frames)
        self.catalogue = frames.custom_fields if isinstance(frames, AsanaExport) else None

    def columns(self, resource_type: str) -> list[str]:
        """Return the columns of the rows of a type."""
        frame = self._frames.get(resource_type)
        return [] if frame is None else list(map(str, frame.columns))

    def rows(self, resource_type: str) -> Rows:
        """Return the rows of a type; empty if there is no such frame."""
        table = pa.table({})
        if resource_type in self._frames:
            name = f"{self._role}[{resource_type!r}]"
            table = _arrow_table(self._frames[resource_type], name)
        return Rows(table.schema, lambda columns: iter([table.select(columns)]))


def _checked(frames: Any, role: str) -> dict[str, pd.DataFrame]:
    if isinstance(frames, pd.DataFrame) and "file.path" in frames.columns:
        raise InvalidOptionError(
            f"{role} is a frame of downloads; load it first: files.asana.load()."
        )
    if not isinstance(frames, Mapping):
        raise InvalidOptionError(
            f"{role}: cannot compare {type(frames).__name__}. Pass the result of "
            "read_asana_export, a dict of DataFrames by resource_type, export files, or the "
            "folder of a Parquet dataset."
        )
    if isinstance(frames, LoadedExport) and not isinstance(frames, AsanaExport):
        raise InvalidOptionError(
            f"{role} is of type {type(frames).__name__}: load it with the pandas engine."
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
        array = pa.array([_text(value) for value in column], TEXT)
    if pa.types.is_timestamp(array.type) and array.type.tz is None and _all_midnight(array):
        array = array.cast(pa.date32())
    return array.cast(plain(array.type), safe=False)


def _all_midnight(array: pa.Array) -> bool:
    """Return whether all naive times are at midnight: pandas has no dtype for dates."""
    return bool(pc.all(pc.equal(array, pc.floor_temporal(array, unit="day"))).as_py() is not False)


def _text(value: Any) -> str | None:
    if isinstance(value, list | dict):
        return orjson.dumps(value, default=str).decode()
    return None if pd.isna(value) else str(value)


class DatasetInput:
    """A dataset written by `asana_export_to_parquet`: a local folder or a URL, read in batches."""

    def __init__(self, folder: str, role: str, options: StorageOptions) -> None:
        self._shown = hide_query(folder)
        self._role = role
        self._options = options
        self._filesystem, self._root = _locate(folder, options)
        self._files, self.catalogue = self._reading(self._contents)
        self.types = list(self._files)

    def columns(self, resource_type: str) -> list[str]:
        """Return the columns of the rows of a type."""
        return list(self.rows(resource_type).schema.names)

    def rows(self, resource_type: str) -> Rows:
        """Return the rows of a type, whose files all have the same columns."""
        paths = self._files.get(resource_type, [])
        schema, size = pa.schema([]), 0
        for path in paths:
            footer = self._reading(partial(pq.read_metadata, path, filesystem=self._filesystem))
            groups = map(footer.row_group, range(footer.num_row_groups))
            size += sum(group.total_byte_size for group in groups)
            schema = footer.schema.to_arrow_schema()
        if paths and "gid" not in schema.names:
            raise InvalidFrameError(
                f"{self._role}: {self._shown} has no column 'gid', by which rows are matched; "
                "convert it too."
            )
        plain_schema = pa.schema([(field.name, plain(field.type)) for field in schema])
        return Rows(plain_schema, partial(self._read, paths, plain_schema), size)

    def _read(self, paths: list[str], schema: pa.Schema, columns: list[str]) -> Iterator[pa.Table]:
        schema = pa.schema([schema.field(column) for column in columns])
        for path in paths:
            opened = partial(pq.ParquetFile, path, filesystem=self._filesystem)
            with self._reading(opened) as file:
                for group in range(file.num_row_groups):  # only one is in memory at a time
                    batches = file.iter_batches(BATCH_ROWS, row_groups=[group], columns=columns)
                    while (batch := self._reading(partial(next, batches, None))) is not None:
                        # The name a.b also selects the field b of a column a; select() does not.
                        table = pa.Table.from_batches([batch.select(columns)])
                        yield table.cast(schema, safe=False)

    def _contents(self) -> tuple[dict[str, list[str]], pd.DataFrame]:
        """Return the paths of the files by resource type, and the catalogue."""
        if reason := why_unreadable(self._exists):
            raise ExportFileError(f"{self._role}: {self._shown} {reason}.", path=self._shown)
        if self._exists(LONG_VALUES):
            raise _long_refused(self._role)
        with self._filesystem.open_input_file(f"{self._root}/{MANIFEST}") as file:
            manifest = orjson.loads(file.read())
        with self._filesystem.open_input_file(f"{self._root}/{CATALOGUE}") as file:
            catalogue = pd.read_parquet(file, dtype_backend="pyarrow")
        return files_by_type(self._root, manifest), catalogue

    def _exists(self, name: str) -> bool:
        info = self._filesystem.get_file_info(f"{self._root}/{name}".rstrip("/"))
        return info.type is not FileType.NotFound

    def _reading(self, read: Callable[[], T]) -> T:
        """Call a function, and raise its errors as our own, without secrets."""
        try:
            return read()
        except AsanaJobsError:
            raise
        except Exception as error:  # noqa: BLE001  each file system has its own errors
            reason = message_of(error, self._options)
        raise ExportFileError(
            f"{self._role}: cannot read {self._shown}: {reason}.", path=self._shown
        )


def _locate(folder: str, options: StorageOptions) -> tuple[FileSystem, str]:
    """Return the file system, and the dataset's path in it."""
    filesystem, path = filesystem_of(folder, options) if is_url(folder) else (None, folder)
    if filesystem is not None:
        return PyFileSystem(FSSpecHandler(filesystem)), path.rstrip("/")
    absolute = Path(path).absolute()
    return LocalFileSystem(), str(set_aside(absolute) or absolute)


class ColumnPair(NamedTuple):
    """A column of each input (None if absent), and a type for the values of both.

    If the column is a label of an object, `gid` is the column with that object's gid; if only one
    of the columns has texts, `typed` is the type of the other.
    """

    column: str
    old: str | None
    new: str | None
    type: pa.DataType
    any_order: bool
    gid: str | None = None
    typed: pa.DataType | None = None


class Field(NamedTuple):
    """What identifies a custom field; in exports without gids, its name and type."""

    gid: str | None
    name: str | None = None
    type: str | None = None


def fields_of(catalogue: pd.DataFrame | None, columns: Iterable[str]) -> dict[str, Field]:
    """Return the custom field of each column: from the catalogue, or the gid in its name."""
    suffixes = {column: _GID_SUFFIX.fullmatch(column) for column in columns}
    fields = {column: Field(suffix[1]) for column, suffix in suffixes.items() if suffix}
    if catalogue is not None:
        cells = catalogue[["column", *Field._fields]].astype("string").astype(object)
        for column, *cell in cells.where(cells.notna(), None).itertuples(index=False):
            if column in suffixes:
                fields[column] = Field(*cell)
    return fields


def field_keys(fields: Mapping[str, Field], others: Mapping[str, Field]) -> dict[str, str]:
    """Return by column a key that identifies each custom field in both exports.

    It is the gid; without one, the gid of the other export's only field with that name and type;
    or else name and type as JSON.
    """
    own = {field.gid for field in fields.values()}
    gids: dict[tuple[str | None, ...], list[str | None]] = {}
    for field in others.values():
        gids.setdefault(field[1:], []).append(field.gid)
    keys = {}
    for column, field in fields.items():
        same = gids.get(field[1:], [])
        adopted = same[0] if len(same) == 1 and same[0] not in own else None
        label = {"name": field.name, "type": field.type}
        keys[column] = field.gid or adopted or orjson.dumps(label).decode()
    return keys


class Selection(NamedTuple):
    """Which columns are compared, and whether the new input contains only what changed."""

    columns: Sequence[str] | None = None
    ignore: Sequence[str] = ()
    partial: bool = False

    def takes(self, column: str) -> bool:
        """Return whether a column is compared."""
        if column in ("gid", "resource_type") or is_within(column, self.ignore):
            return False
        return self.columns is None or is_within(column, self.columns)


def pair_columns(
    catalogues: Sequence[pd.DataFrame | None], schemas: Sequence[pa.Schema], selection: Selection
) -> list[ColumnPair]:
    """Match the columns of both inputs, in the order of the new one, then of the old one.

    If the new input is partial, columns that it does not mention are left out.
    """
    names = old_names, new_names = [schema.names for schema in schemas]
    old_fields, new_fields = map(fields_of, catalogues, names)
    keys = field_keys(old_fields, new_fields), field_keys(new_fields, old_fields)
    matched = [
        (old, new)
        for old, new in _match(old_names, new_names, *keys)
        if any(selection.takes(name) for name in (old, new) if name is not None)
        and not (selection.partial and new is None and _is_unknown(old or "", new_names))
    ]
    columns = {new or old or "" for old, new in matched}
    pairs = []
    for old, new in matched:
        column = new or old or ""
        stem, _, leaf = column.rpartition(".")
        gid = f"{stem}.gid" if leaf in LABELS and f"{stem}.gid" in columns else None
        if gid is not None and leaf == "resource_type":
            continue
        types = [
            schema.field(name).type if name else pa.null()
            for schema, name in zip(schemas, (old, new), strict=True)
        ]
        type_ = common_type(*types)
        typed = None if type_ else next(one for one in types if one != TEXT)
        any_order = column.startswith("custom_fields")
        pairs.append(ColumnPair(column, old, new, type_ or TEXT, any_order, gid, typed))
    return pairs


def _is_unknown(column: str, names: Sequence[str]) -> bool:
    """Return whether an input that lacks a column says nothing about its values.

    Custom fields have a column only if a row has them: rows that have only other custom fields say
    that they do not have this one.
    """
    of_field = is_within(column, ["custom_fields"])
    return bool(names) and not (
        of_field and any(is_within(name, ["custom_fields"]) for name in names)
    )


def _match(
    old: Sequence[str],
    new: Sequence[str],
    old_keys: Mapping[str, str],
    new_keys: Mapping[str, str],
) -> Iterator[tuple[str | None, str | None]]:
    """Yield matching columns: custom fields by key, all others by name."""
    unmatched = dict.fromkeys(old)
    by_key = {key: column for column, key in old_keys.items()}
    for column in new:
        known_in_both = column in old_keys and column in new_keys
        match = by_key.get(new_keys.get(column, ""), "" if known_in_both else column)
        if match in unmatched:
            del unmatched[match]
            yield match, column
        else:
            yield None, column
    yield from ((column, None) for column in unmatched)


def is_within(column: str, names: Iterable[str]) -> bool:
    """Return whether a column is, or is in, one of `names`: ``assignee.gid`` is in ``assignee``."""
    return any(column == name or column.startswith(f"{name}.") for name in names)
