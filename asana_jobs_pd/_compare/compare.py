"""Two exports, row by row."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from asana_jobs_pd._compare.cell_diff import CHANGES, KEY, KINDS, Pair, changes, pairs_of, prepared
from asana_jobs_pd._compare.comparison import ExportComparison
from asana_jobs_pd._compare.inputs import DatasetSide, Export, FrameSide, Side, field_gids
from asana_jobs_pd._decode.locations import StorageOptions
from asana_jobs_pd._export.export import TEXT
from asana_jobs_pd._export.request import names_of
from asana_jobs_pd._public import public

__all__ = ["MOST", "bucket_of", "compare_asana_exports", "shared_out"]

MOST = 256
"""Files that are open at a time."""


def bucket_of(keys: pa.Array, count: int) -> np.ndarray:
    """Return the bucket of each key: the same on every machine and in every run."""
    hashes = pd.util.hash_array(
        keys.to_numpy(zero_copy_only=False).astype(object), categorize=False
    )
    places: np.ndarray = (hashes % np.uint64(count)).astype(np.int64)
    return places


def shared_out(tables: Iterable[pa.Table], key: str, count: int, folder: Path) -> list[Path]:
    """Write rows to so many files by their key, in their order; return the files.

    Parameters
    ----------
    tables
        All of one schema.
    key
        The column that decides.
    count
        How many files; one without rows is not written.
    folder
        Where; it must exist.
    """
    paths = [folder / f"{number}.arrow" for number in range(count)]
    with ExitStack() as stack:
        writers: dict[int, Any] = {}
        for table in tables:
            for number, some in _split(table, key, count):
                if number not in writers:
                    sink = stack.enter_context(pa.OSFile(str(paths[number]), "wb"))
                    writers[number] = stack.enter_context(pa.ipc.new_stream(sink, table.schema))
                writers[number].write_table(some)
    return paths


def _split(table: pa.Table, key: str, count: int) -> Iterator[tuple[int, pa.Table]]:
    if not len(table):
        return
    places = bucket_of(table[key].combine_chunks(), count)
    order = np.argsort(places, kind="stable")
    bounds = np.searchsorted(places[order], np.arange(count + 1))
    whole = table.take(pa.array(order)).combine_chunks()
    for number in range(count):
        start, end = int(bounds[number]), int(bounds[number + 1])
        if end > start:
            yield number, whole.slice(start, end - start)


AT_ONCE = 32 << 20
"""Bytes in Parquet, a fraction of those in memory, that are compared at a time.

More are shared out to files first.
"""
IN_MEMORY = 1 << 30
"""The same for two sides that are in memory anyway: Arrow's texts must stay below 2 GiB."""


@public
def compare_asana_exports(
    old: Export,
    new: Export,
    *,
    resource_types: str | Sequence[str] | None = None,
    columns: str | Sequence[str] | None = None,
    ignore: str | Sequence[str] = "modified_at",
    storage_options: StorageOptions = None,
) -> ExportComparison:
    """Compare two exports: which objects were added and removed, and which cells changed.

    Objects meet by `resource_type` and gid, columns by name, those of custom fields by the gid of
    the field: one that was renamed is the same. Rows without a gid, such as the links of graph
    exports, are compared as sets.

    The same are: missing, an absent column and an empty list; times by instant, whatever the
    dtype; numbers that differ by less than a billionth of themselves; categories by their names;
    an object of another name with the same gid, such as an assignee who was renamed; lists of
    objects with gids (memberships, followers, tags, …) and multi-enum values in any order. An
    empty text is not missing.

    Parameters
    ----------
    old, new
        What `read_asana_export` returned, a dict of DataFrames by `resource_type`, or the folder
        of a Parquet dataset that `asana_export_to_parquet` wrote (local, or a URL for fsspec).
        They may be of different kinds, and of different `dtype_backend`. Frames are not changed.
        Datasets are read in batches and shared out to temporary files, so that memory is needed
        for the result and a part of the rows.
    resource_types
        Only these types of row; None for all.
    columns
        Only these columns: ``"due_on"``, ``"assignee"`` for all in it, ``"custom_fields"``.
    ignore
        Not these columns. `modified_at` says nothing that the others do not.
    storage_options
        For datasets behind a URL: what fsspec needs to open them.

    Returns
    -------
    ExportComparison
        A mapping of `resource_type` to DataFrame, with `summary()`, `closed`, `moved`,
        `rescheduled`, …

    Raises
    ------
    InvalidOptionError
        For what cannot be compared.
    InvalidFrameError
        For a frame without gids.
    ExportFileError
        When a folder holds no dataset.
    """
    sides = _side(old, "old", storage_options), _side(new, "new", storage_options)
    wanted = names_of("resource_types", resource_types)
    shown = names_of("columns", columns)
    hidden = names_of("ignore", ignore or None) or ()
    types = dict.fromkeys(name for side in sides[::-1] for name in side.types())
    frames, unchanged = {}, {}
    for name in sorted(types):
        if wanted is None or name in wanted:
            found, unchanged[name] = _compared(sides, name, shown, hidden)
            frames[name] = _frame(found)
    return ExportComparison(frames, unchanged, _frame(_catalogues(sides)))


def _side(export: Export, what: str, options: StorageOptions) -> Side:
    if isinstance(export, str | os.PathLike):
        return DatasetSide(export, what, options)
    return FrameSide(export, what)


def _compared(
    sides: tuple[Side, Side], name: str, columns: Sequence[str] | None, ignore: Sequence[str]
) -> tuple[pa.Table, int]:
    """Return what is different in a type of row, and how many rows are the same."""
    schemas = [side.schema(name) for side in sides]
    fields = [field_gids(side, schema.names) for side, schema in zip(sides, schemas, strict=True)]
    pairs = pairs_of(schemas[0], schemas[1], (fields[0], fields[1]), columns, ignore)
    streams = (_rows(sides[0], name, pairs, "old"), _rows(sides[1], name, pairs, "new"))
    limit = IN_MEMORY if sides[0].in_memory and sides[1].in_memory else AT_ONCE
    count = min(MOST, sum(side.size(name) for side in sides) // limit + 1)
    if count == 1:
        return changes(_one(streams[0], pairs, "old"), _one(streams[1], pairs, "new"), pairs)
    return _by_buckets(streams, pairs, count)


def _by_buckets(
    streams: tuple[Iterator[pa.Table], Iterator[pa.Table]], pairs: list[Pair], count: int
) -> tuple[pa.Table, int]:
    parts, same = [], 0
    with tempfile.TemporaryDirectory(prefix="asana-compare-") as folder:
        files = []
        for side, stream in zip(("old", "new"), streams, strict=True):
            (Path(folder) / side).mkdir()
            files.append(shared_out(stream, KEY, count, Path(folder) / side))
        for old, new in zip(*files, strict=True):
            found, unchanged = changes(
                _one(_stored(old), pairs, "old"), _one(_stored(new), pairs, "new"), pairs
            )
            parts.append(found)
            same += unchanged
            for path in (old, new):
                path.unlink(missing_ok=True)
    return pa.concat_tables(parts), same


def _stored(path: Path) -> Iterator[pa.Table]:
    if path.exists():
        with pa.OSFile(str(path)) as source:
            yield pa.ipc.open_stream(source).read_all()


def _rows(side: Side, name: str, pairs: list[Pair], which: str) -> Iterator[pa.Table]:
    """Yield the prepared rows of a side."""
    there = side.schema(name).names
    columns = dict.fromkeys(getattr(pair, which) for pair in pairs)
    needed = [column for column in ("gid", "name", *columns) if column in there]
    place = 0
    for table in side.tables(name, list(dict.fromkeys(needed))):
        if len(table):
            yield prepared(table, pairs, which, place)
            place += len(table)


def _one(tables: Iterator[pa.Table], pairs: list[Pair], which: str) -> pa.Table:
    found = list(tables)
    if found:
        return pa.concat_tables(found)
    return prepared(_nothing(pairs, which), pairs, which, 0)


def _nothing(pairs: list[Pair], which: str) -> pa.Table:
    names = {getattr(pair, which): pair.type for pair in pairs} | {"gid": pa.string()}
    return pa.table({name: pa.nulls(0, type_) for name, type_ in names.items() if name is not None})


def _catalogues(sides: tuple[Side, Side]) -> pa.Table:
    """Return what is different in the definitions of custom fields."""
    known = [side.catalogue for side in sides if side.catalogue is not None]
    if len(known) < len(sides):
        return CHANGES.empty_table()
    old, new = (frame.drop(columns=["column", "rows"]) for frame in known)
    both = FrameSide({"": old}, "old.custom_fields"), FrameSide({"": new}, "new.custom_fields")
    return _compared(both, "", None, ())[0]


def _frame(found: pa.Table) -> pd.DataFrame:
    """Return changes in their order as a frame."""
    order = [("change", "ascending"), ("place", "ascending"), ("order", "ascending")]
    rows = found.sort_by(order)
    kinds = pa.DictionaryArray.from_arrays(
        rows["change"].combine_chunks().cast(pa.int8()), pa.array(KINDS)
    )
    columns = {name: rows[name] for name in ("gid", "name", "column", "before", "after")}
    data = {name: pd.Series(column.to_pandas(), dtype=TEXT) for name, column in columns.items()}
    data["change"] = kinds.to_pandas()
    return pd.DataFrame(data)[["gid", "name", "change", "column", "before", "after"]]
