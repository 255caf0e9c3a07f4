"""`compare_asana_exports`: two exports, row by row."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from asana_jobs_pd._compare.cells import (
    CHANGES,
    KEY,
    KINDS,
    ColumnPair,
    comparable,
    diff,
)
from asana_jobs_pd._compare.comparison import ExportComparison
from asana_jobs_pd._compare.inputs import (
    DatasetInput,
    Export,
    FramesInput,
    Rows,
    Selection,
    compare_input,
    field_keys,
    fields_of,
    pair_columns,
)
from asana_jobs_pd._decode.sources import StorageOptions
from asana_jobs_pd._export.deduplicate import MODIFIED
from asana_jobs_pd._export.request import names_of
from asana_jobs_pd._export.results import TEXT
from asana_jobs_pd._files import os_error_reason
from asana_jobs_pd._public import public
from asana_jobs_pd.errors import (
    ExportWriteError,
    InvalidOptionError,
)

PARTITION_BYTES = 32 << 20
"""The uncompressed Parquet bytes compared at a time; they take several times that in memory."""
MAX_PARTITIONS = 256
"""The most partitions: all their files are open at the same time."""


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
        The result of `read_asana_export`; a dict of DataFrames by `resource_type`; export files,
        which are loaded: a path, a list of paths, a folder or a pattern; or the folder of a
        Parquet dataset that `asana_export_to_parquet` wrote (a local path, or a URL for fsspec).
        The two may be of different kinds and have different dtypes. DataFrames are not modified.
        Datasets are read in batches and partitioned by gid into temporary files, so that only the
        result and a fraction of the rows are in memory. Of several rows with one gid the one
        modified last counts; if that is equal or unknown, the last one.
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
        For URLs: what fsspec needs to open them.

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
        When a DataFrame or a dataset has no gids.
    ExportFileError
        When a folder does not hold a dataset, or a file or folder cannot be read.
    ExportWriteError
        When temporary files cannot be written: the disk is full, permission denied.

    Warns
    -----
    AsanaValueWarning
        When export files have values that could not be read.

    See Also
    --------
    read_asana_export : Load an export.
    asana_export_to_parquet : Make a dataset of it.

    Examples
    --------
    >>> later = {**data, "task": data["task"].assign(name="New name")}
    >>> diff = aj.compare_asana_exports(data, later)
    >>> diff["task"]["column"].unique().tolist()
    ['name']
    """
    if not isinstance(partial, bool):
        raise InvalidOptionError(f"partial={partial!r}: give True or False.")
    inputs = (
        compare_input(old, "old", storage_options),
        compare_input(new, "new", storage_options),
    )
    wanted = names_of("resource_types", resource_types)
    selection = Selection(
        names_of("columns", columns), names_of("ignore", ignore or None) or (), partial
    )
    frames, unchanged = {}, {}
    for name in sorted({*inputs[0].types, *inputs[1].types}):
        if wanted is None or name in wanted:
            changes, unchanged[name] = _compare(inputs, name, selection)
            frames[name] = _frame(changes)
    return ExportComparison(frames, unchanged, _compare_catalogues(inputs, partial=partial))


def _compare(
    inputs: Sequence[FramesInput | DatasetInput], name: str, selection: Selection
) -> tuple[pa.Table, int]:
    """Return the changes of a resource type, and the number of unchanged rows."""
    rows = [export.rows(name) for export in inputs]
    catalogues = [export.catalogue for export in inputs]
    pairs = pair_columns(catalogues, [each.schema for each in rows], selection)
    old, new = (_comparable_rows(*side, pairs) for side in zip(("old", "new"), rows, strict=True))
    count = min(MAX_PARTITIONS, sum(each.size for each in rows) // PARTITION_BYTES + 1)
    if count == 1:
        tables = pa.concat_tables(old), pa.concat_tables(new)
        return diff(*tables, pairs, partial=selection.partial)
    parts, unchanged = [], 0
    try:
        with tempfile.TemporaryDirectory(prefix="asana-compare-") as folder:
            paths = _partitioned(old, Path(folder, "old"), count)
            others = _partitioned(new, Path(folder, "new"), count)
            for path, other in zip(paths, others, strict=True):
                # No variable keeps the tables alive while the next ones are read.
                changes, same = diff(
                    _read_partition(path), _read_partition(other), pairs, partial=selection.partial
                )
                parts.append(changes)
                unchanged += same
    except OSError as error:
        problem = _disk_error(error)
    else:
        return pa.concat_tables(parts), unchanged
    raise problem


def _comparable_rows(which: str, rows: Rows, pairs: Sequence[ColumnPair]) -> Iterator[pa.Table]:
    """Yield the comparable rows of an input in batches; the first is empty, for the schema."""
    needed = {"gid", "name", MODIFIED, *(getattr(pair, which) for pair in pairs)}
    columns = [column for column in rows.schema.names if column in needed]
    start = 0
    for table in chain([rows.schema.empty_table().select(columns)], rows.read(columns)):
        yield comparable(table, pairs, which, np.arange(start, start + len(table)))
        start += len(table)


def _partitioned(tables: Iterator[pa.Table], folder: Path, count: int) -> list[Path]:
    """Write rows to files by their keys, in order."""
    folder.mkdir()
    paths = [folder / f"{number}.arrow" for number in range(count)]
    schema = next(tables).schema
    with ExitStack() as stack:
        files = [stack.enter_context(pa.OSFile(str(path), "wb")) for path in paths]
        writers = [stack.enter_context(pa.ipc.new_stream(file, schema)) for file in files]
        for table in tables:
            keys = np.asarray(table[KEY], object)
            numbers = pd.util.hash_array(keys, categorize=False) % np.uint64(count)
            order = np.argsort(numbers, kind="stable")
            bounds = np.searchsorted(numbers[order], np.arange(count + 1))
            ordered = table.take(pa.array(order)).combine_chunks()
            for writer, start, end in zip(writers, bounds, bounds[1:], strict=False):
                writer.write_table(ordered.slice(start, end - start))
    return paths


def _read_partition(path: Path) -> pa.Table:
    with pa.OSFile(str(path)) as file:
        table = pa.ipc.open_stream(file).read_all()
    path.unlink()
    return table


def _disk_error(error: OSError) -> ExportWriteError:
    folder = tempfile.gettempdir()
    return ExportWriteError(
        f"cannot write temporary files in {folder}: {os_error_reason(error)}. Free some space, or "
        "set TMPDIR to a folder on a larger disk.",
        path=folder,
    )


def _compare_catalogues(
    inputs: Sequence[FramesInput | DatasetInput], *, partial: bool
) -> pd.DataFrame:
    """Return the changes in the definitions of custom fields."""
    old, new = (export.catalogue for export in inputs)
    if old is None or new is None:
        return _frame(CHANGES.empty_table())
    fields = [
        FramesInput({"": _definitions(one, other)}, "custom_fields")
        for one, other in ((old, new), (new, old))
    ]
    changes = _frame(_compare(fields, "", Selection(partial=partial))[0])
    is_key = changes["gid"].str.startswith("{", na=False)
    for column, kind in (("after", "added"), ("before", "removed")):
        rows = is_key & (changes["change"] == kind)
        changes[column] = changes[column].mask(rows, changes["gid"])
    changes["gid"] = changes["gid"].mask(is_key)
    return changes


def _definitions(*catalogues: pd.DataFrame) -> pd.DataFrame:
    """Return the first catalogue with the keys of its fields as gids."""
    fields, _ = catalogues
    keys = field_keys(*(fields_of(each, each["column"]) for each in catalogues))
    return fields.drop(columns=["column", "rows"]).assign(gid=fields["column"].map(keys))


def _frame(changes: pa.Table) -> pd.DataFrame:
    order = [("change", "ascending"), ("position", "ascending"), ("order", "ascending")]
    rows = changes.sort_by(order)
    texts = rows.select(["gid", "name", "column", "before", "after"])
    frame: pd.DataFrame = texts.to_pandas(types_mapper=lambda _type: TEXT)
    kinds = pd.CategoricalDtype(list(KINDS))
    frame.insert(2, "change", pd.Series(np.array(KINDS)[rows["change"].to_numpy()], dtype=kinds))
    return frame
