"""`compare_asana_exports`: compare two exports row by row."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import chain
from pathlib import Path

import numpy as np
import orjson
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from asana_jobs_pd._compare.cells import TEXT, TIME, combined, conform, differ, respelled, texts
from asana_jobs_pd._compare.comparison import ExportComparison
from asana_jobs_pd._compare.inputs import (
    ColumnPair,
    DatasetInput,
    Export,
    FramesInput,
    Rows,
    Selection,
    compare_input,
    field_keys,
    fields_of,
    is_within,
    pair_columns,
)
from asana_jobs_pd._decode.scan import DIGEST
from asana_jobs_pd._decode.schema import SCHEMA
from asana_jobs_pd._decode.sources import StorageOptions
from asana_jobs_pd._export.deduplicate import MODIFIED, RowKeys, keys_of
from asana_jobs_pd._export.request import names_of, types_of
from asana_jobs_pd._export.resolve_schema import not_a_column
from asana_jobs_pd._export.results import TEXT as STRING
from asana_jobs_pd._files import os_error_reason
from asana_jobs_pd._public import public
from asana_jobs_pd.errors import ExportWriteError, InvalidFieldError, InvalidOptionError

PARTITION_BYTES = 32 << 20
"""The uncompressed Parquet bytes compared at a time; in memory they take several times that."""
MAX_PARTITIONS = 256
"""The most partitions: all their files are open at the same time."""

KINDS = ("added", "removed", "changed")
CHANGES = pa.schema(
    [
        ("gid", TEXT),
        ("name", TEXT),
        ("change", pa.int8()),
        ("column", TEXT),
        ("before", TEXT),
        ("after", TEXT),
        ("position", pa.int64()),
        ("order", pa.int32()),
    ]
)
"""`change` indexes `KINDS`; rows are sorted by `change`, `position` and `order`."""


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
    same instant, whatever their dtype; numbers that differ by less than a billionth of their
    value; categories with the same name; objects with the same gid, such as an assignee who was
    renamed; lists of objects with gids (memberships, followers, tags, …) and multi-enum values in
    any order. An empty text is not a missing value.

    Parameters
    ----------
    old, new
        The result of `read_asana_export`; a dict of DataFrames by `resource_type`; export files,
        which are loaded: a path, a list of paths, a folder or a pattern; or the folder of a
        Parquet dataset that `asana_export_to_parquet` wrote (a local path, or a URL for fsspec).
        The two may be of different kinds and have different dtypes. DataFrames are not modified.
        Large datasets are read in batches and partitioned by gid into temporary files, so that
        only the result and a fraction of the rows are in memory. If several rows have the same
        gid, the one modified last counts; if that is unknown, or the same, the last one.
    resource_types
        Compare only these types of rows; None for all.
    columns
        Compare only these columns, such as ``"due_on"``, ``"custom_fields"``, or ``"assignee"``
        for everything in it.
    ignore
        Columns to leave out. `modified_at` only says that other columns have changed.
    partial
        True if `new` contains only what was modified since `old`, such as an incremental export:
        objects, columns and definitions of custom fields that it lacks count as unchanged, not as
        removed. A custom field that is gone from a row is a change, unless no row has any.
    storage_options
        The options that fsspec needs to open URLs.

    Returns
    -------
    ExportComparison
        A mapping of `resource_type` to DataFrame, with `summary()`, `closed`, `moved`,
        `rescheduled` and others.

    Raises
    ------
    InvalidOptionError, InvalidFieldError
        If an input cannot be compared, an option is invalid, or no row has a column of `columns`.
    InvalidFrameError
        If a DataFrame or a dataset has no gids.
    ExportFileError
        If a folder does not contain a dataset, or a file or folder cannot be read.
    ExportWriteError
        If temporary files cannot be written, for example because the disk is full.

    Warns
    -----
    AsanaValueWarning
        If export files have values that could not be read.

    See Also
    --------
    read_asana_export : Load an export.
    asana_export_to_parquet : Convert an export to a dataset.

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
    wanted = types_of(resource_types)
    types = [
        name
        for name in sorted({*inputs[0].types, *inputs[1].types})
        if wanted is None or name in wanted
    ]
    selection = Selection(
        names_of("columns", columns), names_of("ignore", ignore or None) or (), partial
    )
    _check_columns(inputs, types, selection)
    frames, unchanged = {}, {}
    for name in types:
        changes, unchanged[name] = _compare(inputs, name, selection)
        frames[name] = _frame(changes)
    return ExportComparison(frames, unchanged, _compare_catalogues(inputs, partial=partial))


def _check_columns(
    inputs: Sequence[FramesInput | DatasetInput], types: Sequence[str], selection: Selection
) -> None:
    """Raise if a requested column is in neither input: nothing would seem to have changed."""
    if selection.columns is None or not types:
        return
    existing = {"custom_fields"}.union(
        *(SCHEMA.get(name, ()) for name in types),
        *(each.columns(name) for each in inputs for name in types),
    )
    for column in selection.columns:
        if not any(is_within(name, [column]) for name in existing):
            raise InvalidFieldError(f"columns: {not_a_column(column, existing)}")


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
        return _diff(*tables, pairs, partial=selection.partial)
    parts, unchanged = [], 0
    try:
        with tempfile.TemporaryDirectory(prefix="asana-compare-") as folder:
            paths = _partitioned(old, Path(folder, "old"), count)
            others = _partitioned(new, Path(folder, "new"), count)
            for path, other in zip(paths, others, strict=True):
                # No variable keeps the tables alive while the next ones are read.
                changes, same = _diff(
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
    """Yield the comparable rows of an input in batches; the first is empty and has the schema."""
    needed = {"gid", "name", MODIFIED, *(getattr(pair, which) for pair in pairs)}
    columns = [column for column in rows.schema.names if column in needed]
    start = 0
    for table in chain([rows.schema.empty_table().select(columns)], rows.read(columns)):
        yield _comparable(table, pairs, which, np.arange(start, start + len(table)))
        start += len(table)


def _partitioned(tables: Iterator[pa.Table], folder: Path, count: int) -> list[Path]:
    """Write rows to one file per partition of their keys, in order."""
    folder.mkdir()
    paths = [folder / f"{number}.arrow" for number in range(count)]
    schema = next(tables).schema
    with ExitStack() as stack:
        files = [stack.enter_context(pa.OSFile(str(path), "wb")) for path in paths]
        writers = [stack.enter_context(pa.ipc.new_stream(file, schema)) for file in files]
        for table in tables:
            keys = np.asarray(table["key"], object)
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


def _comparable(
    table: pa.Table, pairs: Sequence[ColumnPair], which: str, positions: np.ndarray
) -> pa.Table:
    """Return rows of the "old" or "new" input with keys; columns are named by number of pair."""
    columns = {
        str(number): pa.nulls(len(table), pair.type)
        if (name := getattr(pair, which)) is None
        else _as_type(combined(table[name]), pair)
        for number, pair in enumerate(pairs)
    }
    gids, names, modified = (
        combined(table[name]) if name in table.column_names else pa.nulls(len(table), TEXT)
        for name in ("gid", "name", MODIFIED)
    )
    head = {
        "gid": gids,
        "key": _keys(gids, pairs, columns),
        "position": pa.array(positions),
        "name": texts(names),
        MODIFIED: _times(modified),
    }
    return pa.table(head | columns)


def _as_type(array: pa.Array, pair: ColumnPair) -> pa.Array:
    if pair.typed is None:
        return conform(array, pair.type)
    if array.type == TEXT:
        return respelled(array, pair.typed)
    return texts(array, any_order=pair.any_order)


def _times(array: pa.Array) -> pa.Array:
    try:
        return array.cast(TIME, safe=False)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):  # not times
        return pa.nulls(len(array), TIME)


def _keys(gids: pa.Array, pairs: Sequence[ColumnPair], columns: dict[str, pa.Array]) -> pa.Array:
    """Return the gids, or a row's content as JSON if it has no gid."""
    missing = pc.is_null(gids)
    if not gids.null_count:
        return gids
    content = {
        pair.column: texts(columns[str(number)].filter(missing), any_order=pair.any_order)
        for number, pair in enumerate(pairs)
        if pair.gid is None
    }
    rows = pa.table(content).to_pylist() if content else [{}] * gids.null_count
    documents = [
        orjson.dumps({name: text for name, text in row.items() if text is not None}).decode()
        for row in rows
    ]
    return pc.replace_with_mask(gids, missing, pa.array(documents, TEXT))


def _diff(
    old: pa.Table, new: pa.Table, pairs: Sequence[ColumnPair], *, partial: bool = False
) -> tuple[pa.Table, int]:
    """Return the changes between comparable rows, and the number of unchanged rows.

    With `partial`, rows that only the old table has count as unchanged.
    """
    old, new = _without_repeats(old), _without_repeats(new)
    index = pc.index_in(combined(new["key"]), value_set=combined(old["key"]))
    match = pc.fill_null(index, -1).to_numpy().astype(np.int64)
    new_rows = np.flatnonzero(match >= 0)
    old_rows = match[new_rows]
    added = new.filter(pa.array(match < 0))
    removed = old.filter(pc.invert(pc.is_in(combined(old["key"]), value_set=combined(new["key"]))))
    parts = [_changes(added, "added", after=_content(added))]
    if not partial:
        parts.append(_changes(removed, "removed", before=_content(removed)))
    changed = np.zeros(len(new_rows), bool)
    masks: dict[str, np.ndarray] = {}
    # Gids come before their labels: a label counts as changed only if its gid has changed.
    for number, pair in sorted(enumerate(pairs), key=lambda item: item[1].gid is not None):
        columns = old[str(number)], new[str(number)]
        mask = differ(columns, (old_rows, new_rows), any_order=pair.any_order)
        if pair.gid is not None:
            mask &= masks[pair.gid]
        masks[pair.column] = mask
        changed |= mask
        if mask.any():
            rows = new.select(["gid", "name", "position"]).take(pa.array(new_rows[mask]))
            before, after = (
                texts(combined(column).take(pa.array(numbers[mask])), any_order=pair.any_order)
                for column, numbers in zip(columns, (old_rows, new_rows), strict=True)
            )
            column = pa.array([pair.column] * len(rows), TEXT)
            parts.append(
                _changes(rows, "changed", number, column=column, before=before, after=after)
            )
    unchanged = int((~changed).sum()) + (len(removed) if partial else 0)
    return pa.concat_tables(parts), unchanged


def _without_repeats(table: pa.Table) -> pa.Table:
    """Keep one row per key: the one modified last, or the last in order if that is unknown."""
    if pc.count_distinct(table["key"]).as_py() == len(table):
        return table
    gids, modified = combined(table["key"]), combined(table[MODIFIED])
    columns = {"gid": gids, MODIFIED: modified, DIGEST: pa.nulls(len(table), pa.binary())}
    keys = RowKeys(len(table))
    keys.add(keys_of(pa.RecordBatch.from_pydict(columns)))
    return table.filter(pa.array(keys.kept()))


def _content(rows: pa.Table) -> pa.ChunkedArray:
    """Return the content of rows without a gid as JSON."""
    return pc.if_else(pc.is_null(rows["gid"]), rows["key"], pa.scalar(None, TEXT))


def _changes(rows: pa.Table, change: str, order: int = -1, **cells: pa.Array) -> pa.Table:
    """Return rows of the schema `CHANGES`; `cells` are column, before and after."""
    missing = pa.nulls(len(rows), TEXT)
    columns = {
        **{name: rows[name] for name in ("gid", "name", "position")},
        "change": pa.array(np.full(len(rows), KINDS.index(change), np.int8)),
        "order": pa.array(np.full(len(rows), order, np.int32)),
    }
    return pa.table(
        dict.fromkeys(("column", "before", "after"), missing) | columns | cells, CHANGES
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
    """Return the first of two catalogues, with the keys of its fields as gids."""
    fields, _ = catalogues
    keys = field_keys(*(fields_of(each, each["column"]) for each in catalogues))
    return fields.drop(columns=["column", "rows"]).assign(gid=fields["column"].map(keys))


def _frame(changes: pa.Table) -> pd.DataFrame:
    order = [("change", "ascending"), ("position", "ascending"), ("order", "ascending")]
    rows = changes.sort_by(order)
    texts = rows.select(["gid", "name", "column", "before", "after"])
    frame: pd.DataFrame = texts.to_pandas(types_mapper=lambda _type: STRING)
    kinds = pd.CategoricalDtype(list(KINDS))
    frame.insert(2, "change", pd.Series(np.array(KINDS)[rows["change"].to_numpy()], dtype=kinds))
    return frame
