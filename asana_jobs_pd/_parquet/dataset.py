"""Reads datasets as loaded exports, and writes loaded exports as datasets."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from asana_jobs_pd._decode.scan_result import Issues, ReadOptions
from asana_jobs_pd._decode.sources import input_path
from asana_jobs_pd._export.answers import ExportAnswers
from asana_jobs_pd._export.export import AsanaExport
from asana_jobs_pd._export.request import types_of
from asana_jobs_pd._export.results import Counts, Facts, latest_of, summary, to_frame, with_dates
from asana_jobs_pd._files import local_path
from asana_jobs_pd._http.redaction import hide_query
from asana_jobs_pd._options import check_one_of
from asana_jobs_pd._parquet.convert import describe
from asana_jobs_pd._parquet.destination import (
    CATALOGUE,
    ISSUES,
    LONG_VALUES,
    MANIFEST,
    destination,
    files_by_type,
    staged,
    why_unreadable,
)
from asana_jobs_pd._parquet.writer import DatasetWriter, WrittenFile, folder_of
from asana_jobs_pd._public import public
from asana_jobs_pd.errors import (
    AsanaJobsError,
    ExportFileError,
    InvalidFrameError,
    InvalidOptionError,
)
from asana_jobs_pd.typing import DtypeBackend


@public
def read_asana_dataset(
    folder: str | os.PathLike[str],
    *,
    resource_types: str | Sequence[str] | None = None,
    dtype_backend: DtypeBackend = "numpy_nullable",
) -> AsanaExport:
    """Load a Parquet dataset that `asana_export_to_parquet` or ``data.to_parquet`` wrote.

    Parameters
    ----------
    folder
        The dataset, a local folder.
    resource_types
        Only rows of these types, such as ``"task"``; None for all.
    dtype_backend
        ``"numpy_nullable"`` or ``"pyarrow"``, as in `read_asana_export`.

    Returns
    -------
    AsanaExport
        The same as `read_asana_export` returns for the files that were converted.

    Raises
    ------
    ExportFileError
        If the folder is not a dataset, is unfinished, or cannot be read.
    InvalidOptionError
        If an option is invalid.

    See Also
    --------
    asana_export_to_parquet : Convert exports to a dataset.

    Examples
    --------
    >>> folder = data.to_parquet("saved")
    >>> again = aj.read_asana_dataset("saved")
    >>> again["task"]["gid"].equals(data["task"]["gid"])
    True
    """
    check_one_of("dtype_backend", dtype_backend, ("numpy_nullable", "pyarrow"))
    wanted = types_of(resource_types)
    root = dataset_folder(folder)
    with reading(root):
        manifest = json.loads((root / MANIFEST).read_bytes())
        catalogue = to_frame(_table([root / CATALOGUE]), "numpy_nullable")
        issues = to_frame(_table([root / ISSUES]), "numpy_nullable")
        files = files_by_type(root, manifest)
        frames, facts, values = {}, {}, None
        for table in manifest["tables"]:
            name = table["resource_type"]
            paths = files[name]
            if name is None:
                values = to_frame(_table(paths), dtype_backend)
            elif wanted is None or name in wanted:
                rows = _table(paths)
                facts[name] = Facts(
                    len(rows), rows.num_columns, table["duplicates"], latest_of(rows)
                )
                frames[name] = _with_options(to_frame(rows, dtype_backend), catalogue)
    counts = {str(name): count for name, count in issues["resource_type"].value_counts().items()}
    return AsanaExport(
        frames,
        custom_fields=catalogue.astype({"rows": np.int64, "from_display": np.bool_}),
        custom_field_values=values,
        issues=issues,
        issue_count=manifest["issues"],
        summary=summary(facts, Issues(counts=counts), (pd.NaT, pd.NaT)),
        incomplete_files=manifest["incomplete_sources"],
        options=ReadOptions(wanted),
        backend=dtype_backend,
    )


def dataset_folder(folder: str | os.PathLike[str]) -> Path:
    """Return the folder of a dataset that exists and is complete."""
    if not isinstance(folder, str | os.PathLike):
        raise InvalidOptionError(f"{folder!r} is not the folder of a dataset.")
    root = Path(input_path(folder, "folder"))
    reason = why_unreadable(lambda name: (root / name).exists())
    if reason is None:
        return root.absolute()
    if "://" in str(folder):
        reason = "is not a local folder; copy the dataset to one"
    raise ExportFileError(f"{hide_query(str(folder))} {reason}.", path=hide_query(str(folder)))


@contextlib.contextmanager
def reading(folder: str | os.PathLike[str]) -> Iterator[None]:
    """Raise `ExportFileError` if a dataset turns out to be damaged."""
    try:
        yield
    except AsanaJobsError:
        raise
    except (OSError, ValueError, KeyError, pa.ArrowException) as error:
        reason = str(error).removesuffix(".")
        raise ExportFileError(f"{folder} cannot be read: {reason}.", path=str(folder)) from None


def _table(files: Sequence[str | Path]) -> pa.Table:
    tables = [pq.read_table(file, partitioning=None) for file in files]
    return pa.concat_tables(tables).replace_schema_metadata(None)


def _with_options(frame: pd.DataFrame, catalogue: pd.DataFrame) -> pd.DataFrame:
    """Return a frame whose enum fields have all options as categories, in Asana's order."""
    enums = catalogue[(catalogue["type"] == "enum").fillna(value=False)]
    for column, options in zip(enums["column"], enums["options"], strict=True):
        if column in frame.columns and isinstance(frame[column].dtype, pd.CategoricalDtype):
            frame[column] = frame[column].cat.set_categories(list(options))
    return frame


def write_dataset(
    export: ExportAnswers, dest: str | os.PathLike[str], *, overwrite: bool = False
) -> Path:
    """Write a loaded export as a dataset; return its folder."""
    local_path(dest, "dest")  # refuse URLs before their file system is opened
    target = destination(dest, overwrite=overwrite)
    with staged(target, None, progress=False) as stage:
        counts, duplicates = Counts(), export.report()["duplicates"]
        for name in export:
            rows = _rows_of(export[name], name)
            repeated = int(duplicates.get(name, 0))
            counts.add_facts(name, Facts(len(rows), rows.num_columns, repeated))
            counts.files[name] = _written(rows, stage.dataset / folder_of(name))
        if export.custom_field_values is not None:
            rows = _rows_of(export.custom_field_values, "custom_field_values")
            counts.files[LONG_VALUES] = _written(rows, stage.dataset / LONG_VALUES)
        manifest = {
            "sources": [],
            "incomplete_sources": export.incomplete_files,
            "missing_sources": [],
            "issues": export.issue_count,
        }
        describe(stage.dataset, export.custom_fields, export.issues, counts, manifest)
    return Path(target.path)


def _written(rows: pa.Table, folder: Path) -> list[WrittenFile]:
    with DatasetWriter(folder, rows.schema) as writer:
        writer.write(rows)
    return writer.files


def _rows_of(frame: pd.DataFrame, name: str) -> pa.Table:
    """Return a frame with the types that a conversion writes, which are smaller than pandas'."""
    try:
        is_named = any(name is not None for name in frame.index.names)
        table = pa.Table.from_pandas(frame, preserve_index=is_named)
        return pa.table([*map(_plain_column, table.columns)], names=table.column_names)
    except (pa.ArrowException, ValueError, TypeError) as error:
        raise InvalidFrameError(f"data[{name!r}] cannot be written as Parquet: {error}.") from None


def _plain_column(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_large_string(column.type):
        return column.cast(pa.string())
    if pa.types.is_dictionary(column.type):
        return column.cast(pa.dictionary(pa.int32(), pa.string()))
    return with_dates(column)
