"""`compare_asana_exports`: two exports, row by row."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import orjson
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from asana_jobs_pd._compare.cell_diff import (
    CHANGES,
    KEY,
    KINDS,
    ColumnPair,
    comparable,
    diff,
    pair_columns,
)
from asana_jobs_pd._compare.comparison import ExportComparison
from asana_jobs_pd._compare.inputs import (
    CompareInput,
    DatasetInput,
    Export,
    FramesInput,
    field_keys,
)
from asana_jobs_pd._decode.locations import StorageOptions
from asana_jobs_pd._export.export import TEXT
from asana_jobs_pd._export.read import names_of
from asana_jobs_pd._public import public
from asana_jobs_pd.errors import ExportWriteError, InvalidOptionError

T = TypeVar("T")
MAX_PARTITIONS = 256
"""Partitions are files that are open at the same time."""
PARTITION_BYTES = 32 << 20
"""Uncompressed Parquet bytes compared at a time; in memory they take several times that."""
MEMORY_PARTITION_BYTES = 1 << 30
"""The same for two inputs in memory: Arrow strings must stay below 2 GiB."""


@public
def compare_asana_exports(
    old: Export,
    new: Export,
    *,
    resource_types: str | Sequence[str] | None = None,
    columns: str | Sequence[str] | None = None,
    ignore: str | Sequence[str] = "modified_at",
    partial: bool = False,
    storage_options: StorageOptions = None,
) -> ExportComparison:
    """Compare two exports: added and removed objects, and changed cells.

    Objects are matched by `resource_type` and gid, columns by name, and custom fields by their
    gid, so that a renamed field is the same field; a field without a gid is matched by its name
    and type. Rows without a gid, such as the links of graph exports, are compared as sets.

    These count as equal: a missing value, an absent column and an empty list; times that are the
    same instant, whatever their dtype; numbers that differ by less than a billionth of themselves;
    categories with the same name; objects with the same gid, such as an assignee who was renamed;
    lists of objects with gids (memberships, followers, tags, …) and multi-enum values in any
    order. An empty text is not missing.

    Parameters
    ----------
    old, new
        The result of `read_asana_export`, a dict of DataFrames by `resource_type`, or the folder
        of a Parquet dataset that `asana_export_to_parquet` wrote (a local path, or a URL for
        fsspec). The two may be of different kinds and have different dtypes. DataFrames are not
        modified. Datasets are read in batches and partitioned by gid into temporary files, so
        that only the result and a fraction of the rows are in memory. Of several rows with one
        gid the one modified last counts; if that is equal or unknown, the last one.
    resource_types
        Compare only these types of rows; None for all.
    columns
        Compare only these columns: ``"due_on"``, ``"assignee"`` for everything in it,
        ``"custom_fields"``.
    ignore
        Columns to leave out. `modified_at` only repeats what other columns say.
    partial
        True when `new` contains only what was modified since `old`, such as an incremental export:
        objects, columns and definitions of custom fields that it lacks count as unchanged, not as
        removed. A custom field that is gone from a row is a change, unless no row has any.
    storage_options
        For datasets at URLs: what fsspec needs to open them.

    Returns
    -------
    ExportComparison
        A mapping of `resource_type` to DataFrame, with `summary()`, `closed`, `moved`,
        `rescheduled` and others.

    Raises
    ------
    InvalidOptionError
        When an input cannot be compared, or an option is invalid.
    InvalidFrameError
        When a DataFrame has no gids.
    ExportFileError
        When a folder does not hold a dataset, or cannot be read.
    ExportWriteError
        When temporary files cannot be written: the disk is full, permission denied.

    Examples
    --------
    >>> diff = aj.compare_asana_exports("export-2026-11/", "export-2026-12/")
    >>> diff.summary()
    >>> diff["task"]
    """
    if not isinstance(partial, bool):
        raise InvalidOptionError(f"partial={partial!r}: give True or False.")
    inputs = _input(old, "old", storage_options), _input(new, "new", storage_options)
    wanted = names_of("resource_types", resource_types)
    selection = _Selection(
        names_of("columns", columns), names_of("ignore", ignore or None) or (), partial
    )
    frames, unchanged = {}, {}
    for name in sorted({*inputs[0].types(), *inputs[1].types()}):
        if wanted is None or name in wanted:
            changes, unchanged[name] = _compare(inputs, name, selection)
            frames[name] = _frame(changes)
    return ExportComparison(frames, unchanged, _frame(_compare_catalogues(inputs, partial)))


class _Selection(NamedTuple):
    """Which columns are compared, and whether the new input holds only what changed."""

    columns: Sequence[str] | None
    ignore: Sequence[str]
    partial: bool


def _input(export: Export, role: str, options: StorageOptions) -> CompareInput:
    if isinstance(export, str | os.PathLike):
        return DatasetInput(export, role, options)
    return FramesInput(export, role)


def _compare(
    inputs: tuple[CompareInput, CompareInput], name: str, selection: _Selection
) -> tuple[pa.Table, int]:
    """Return the changes of a resource type, and the number of unchanged rows."""
    old, new = inputs
    schemas = old.schema(name), new.schema(name)
    fields = field_keys(old, schemas[0].names), field_keys(new, schemas[1].names)
    pairs = pair_columns(
        schemas, fields, selection.columns, selection.ignore, partial=selection.partial
    )
    streams = _comparable_rows(old, name, pairs, "old"), _comparable_rows(new, name, pairs, "new")
    limit = MEMORY_PARTITION_BYTES if old.in_memory and new.in_memory else PARTITION_BYTES
    count = min(MAX_PARTITIONS, (old.size(name) + new.size(name)) // limit + 1)
    if count > 1:
        return _on_disk(lambda: _diff_partitions(streams, pairs, count, partial=selection.partial))
    tables = _concat(streams[0], pairs, "old"), _concat(streams[1], pairs, "new")
    return diff(*tables, pairs, partial=selection.partial)


def _on_disk(compare: Callable[[], T]) -> T:
    """Call a function; raise what the system says of its temporary files as ours."""
    try:
        return compare()
    except OSError as error:
        reason = error.strerror or str(error)
    folder = tempfile.gettempdir()
    raise ExportWriteError(
        f"cannot write temporary files in {folder}: {reason}. Free some space, or set TMPDIR to a "
        "folder on a larger disk.",
        path=folder,
    )


def _diff_partitions(
    streams: tuple[Iterator[pa.Table], Iterator[pa.Table]],
    pairs: list[ColumnPair],
    count: int,
    *,
    partial: bool,
) -> tuple[pa.Table, int]:
    parts, unchanged = [], 0
    with tempfile.TemporaryDirectory(prefix="asana-compare-") as folder:
        paths = []
        for which, stream in zip(("old", "new"), streams, strict=True):
            (Path(folder) / which).mkdir()
            paths.append(write_partitions(stream, KEY, count, Path(folder) / which))
        for old_path, new_path in zip(*paths, strict=True):
            old = _concat(_read_partition(old_path), pairs, "old")
            new = _concat(_read_partition(new_path), pairs, "new")
            changes, same = diff(old, new, pairs, partial=partial)
            parts.append(changes)
            unchanged += same
            for path in (old_path, new_path):
                path.unlink(missing_ok=True)
    return pa.concat_tables(parts), unchanged


def partition_of(keys: pa.Array, count: int) -> np.ndarray:
    """Return the partition of each key: the same on every machine and in every run."""
    hashes = pd.util.hash_array(
        keys.to_numpy(zero_copy_only=False).astype(object), categorize=False
    )
    numbers: np.ndarray = (hashes % np.uint64(count)).astype(np.int64)
    return numbers


def write_partitions(tables: Iterable[pa.Table], key: str, count: int, folder: Path) -> list[Path]:
    """Partition rows by a key into files, keeping their order; empty partitions have no file."""
    paths = [folder / f"{number}.arrow" for number in range(count)]
    with ExitStack() as stack:
        writers: dict[int, Any] = {}
        for table in tables:
            for number, rows in _split(table, key, count):
                if number not in writers:
                    sink = stack.enter_context(pa.OSFile(str(paths[number]), "wb"))
                    writers[number] = stack.enter_context(pa.ipc.new_stream(sink, table.schema))
                writers[number].write_table(rows)
    return paths


def _split(table: pa.Table, key: str, count: int) -> Iterator[tuple[int, pa.Table]]:
    if not len(table):
        return
    numbers = partition_of(table[key].combine_chunks(), count)
    order = np.argsort(numbers, kind="stable")
    bounds = np.searchsorted(numbers[order], np.arange(count + 1))
    ordered = table.take(pa.array(order)).combine_chunks()
    for number in range(count):
        start, end = int(bounds[number]), int(bounds[number + 1])
        if end > start:
            yield number, ordered.slice(start, end - start)


def _read_partition(path: Path) -> Iterator[pa.Table]:
    if path.exists():
        with pa.OSFile(str(path)) as source:
            yield pa.ipc.open_stream(source).read_all()


def _comparable_rows(
    export: CompareInput, name: str, pairs: list[ColumnPair], which: str
) -> Iterator[pa.Table]:
    available = export.schema(name).names
    # Datasets have no repeated rows of which the one modified last had to be found.
    head = ("gid", "name", "modified_at") if export.in_memory else ("gid", "name")
    columns = dict.fromkeys((*head, *(getattr(pair, which) for pair in pairs)))
    start = 0
    for table in export.tables(name, [column for column in columns if column in available]):
        if len(table):
            yield comparable(table, pairs, which, start)
            start += len(table)


def _concat(tables: Iterator[pa.Table], pairs: list[ColumnPair], which: str) -> pa.Table:
    parts = list(tables)
    if parts:
        return pa.concat_tables(parts)
    types = {getattr(pair, which): pair.type for pair in pairs} | {"gid": pa.string()}
    columns = {name: pa.nulls(0, type_) for name, type_ in types.items() if name is not None}
    return comparable(pa.table(columns), pairs, which, 0)


def _compare_catalogues(inputs: tuple[CompareInput, CompareInput], partial: bool) -> pa.Table:
    """Return the changes in the definitions of custom fields."""
    old, new = (export.catalogue for export in inputs)
    if old is None or new is None:
        return CHANGES.empty_table()
    old, new = _with_keys(old, new), _with_keys(new, old)
    frames = (
        FramesInput({"": old}, "old.custom_fields"),
        FramesInput({"": new}, "new.custom_fields"),
    )
    changes, _ = _compare(frames, "", _Selection(None, (), partial))
    return _without_keys(changes)


def _with_keys(fields: pd.DataFrame, others: pd.DataFrame) -> pd.DataFrame:
    """Give each field without a gid that of the same field in the other export, or a JSON key."""
    labels = list(zip(others["name"], others["type"], strict=True))
    gids = dict(zip(labels, others["gid"], strict=True))
    keys = []
    for gid, *label in fields[["gid", "name", "type"]].astype(object).itertuples(index=False):
        other = gids[tuple(label)] if labels.count(tuple(label)) == 1 else None
        if not pd.isna(gid):
            keys.append(gid)
        elif other is not None and not pd.isna(other):
            keys.append(other)
        else:
            name, type_ = (None if pd.isna(part) else part for part in label)
            keys.append(orjson.dumps({"name": name, "type": type_}).decode())
    return fields.drop(columns=["column", "rows"]).assign(gid=pd.array(keys, TEXT))


def _without_keys(changes: pa.Table) -> pa.Table:
    """Move the JSON keys of custom fields without a gid to where those of rows stand."""
    changes = changes.combine_chunks()
    is_key = pc.fill_null(pc.starts_with(changes["gid"], "{"), False)
    missing = pa.scalar(None, pa.string())
    for column, kind in (("after", "added"), ("before", "removed")):
        rows = pc.and_(is_key, pc.equal(changes["change"], KINDS.index(kind)))
        index = CHANGES.get_field_index(column)
        values = pc.if_else(rows, changes["gid"], changes[column])
        changes = changes.set_column(index, CHANGES.field(index), values)
    gids = pc.if_else(is_key, missing, changes["gid"])
    return changes.set_column(0, CHANGES.field(0), gids)


def _frame(changes: pa.Table) -> pd.DataFrame:
    order = [("change", "ascending"), ("position", "ascending"), ("order", "ascending")]
    rows = changes.sort_by(order)
    kinds = pa.DictionaryArray.from_arrays(
        rows["change"].combine_chunks().cast(pa.int8()), pa.array(KINDS)
    )
    columns = {name: rows[name] for name in ("gid", "name", "column", "before", "after")}
    data = {name: pd.Series(column.to_pandas(), dtype=TEXT) for name, column in columns.items()}
    data["change"] = kinds.to_pandas()
    return pd.DataFrame(data)[["gid", "name", "change", "column", "before", "after"]]
