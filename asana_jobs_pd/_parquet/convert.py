"""`asana_export_to_parquet`: convert exports to Parquet datasets."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from functools import reduce
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from asana_jobs_pd._decode.scan_result import ScanResult
from asana_jobs_pd._decode.sources import StorageOptions
from asana_jobs_pd._export.read import incomplete_files, ticker, warn_lost, warn_repeated
from asana_jobs_pd._export.request import (
    MAX_LINE_BYTES,
    BadLines,
    CustomFieldsAs,
    ExportPaths,
    Request,
    check_engine,
    check_request,
)
from asana_jobs_pd._export.resolve_schema import ResolvedSchema, check_columns, resolve_schema
from asana_jobs_pd._export.results import TEXT, Counts, catalogue, issues_frame, summary
from asana_jobs_pd._export.workers import spooled
from asana_jobs_pd._parquet.destination import (
    CATALOGUE,
    FORMAT,
    ISSUES,
    LONG_VALUES,
    MANIFEST,
    SUCCESS,
    Destination,
    Stage,
    destination,
    keep_existing,
    staged,
)
from asana_jobs_pd._parquet.writer import Conversion, folder_of, readable_by_pandas
from asana_jobs_pd._progress import Progress
from asana_jobs_pd._public import public
from asana_jobs_pd.errors import InvalidOptionError
from asana_jobs_pd.typing import ProgressCallback


@public
def asana_export_to_parquet(
    paths: ExportPaths,
    dest: str | os.PathLike[str],
    *,
    engine: Literal["pandas", "dask"] = "pandas",
    resource_types: str | Sequence[str] | None = None,
    columns: str | Sequence[str] | None = None,
    custom_fields: CustomFieldsAs = "columns",
    on_bad_lines: BadLines = "error",
    overwrite: bool = False,
    workers: int | None = None,
    blocksize: int | None = None,
    max_line_bytes: int = MAX_LINE_BYTES,
    storage_options: StorageOptions = None,
    temp_dir: str | os.PathLike[str] | None = None,
    progress: bool | ProgressCallback | None = None,
) -> pd.DataFrame:
    """Convert graph and resource exports of any size to Parquet, one dataset per resource type.

    The datasets have the same contents as `read_asana_export` would load, cell by cell: one schema
    over all files, custom fields matched by gid, the latest of repeated rows, rows in the order of
    the files. Apart from 21 to 29 bytes per row, memory does not grow with the files. The files are
    read once; between the two passes, the rows are written to disk, compressed.

    ::

        dest/task/part-00000.parquet   a folder per resource type; files in the order of the rows
        dest/_custom_fields.parquet    as `data.custom_fields`
        dest/_issues.parquet           as `data.issues`
        dest/_manifest.json            resource types, folders, rows, files, incomplete sources
        dest/_SUCCESS                  empty and written last: its presence means the rest is whole

    The folder of a resource type is one dataset for ``pandas.read_parquet``,
    ``polars.scan_parquet``, DuckDB's ``read_parquet`` and Dask. A type whose name is unlike Asana's
    is in a folder ``other-…``, which the returned frame and the manifest name.

    Parameters
    ----------
    paths
        As in `read_asana_export`.
    dest
        A folder that does not exist yet or is empty, or a URL that fsspec can write to, such as
        ``s3://bucket/export`` (extra ``[remote]``).
    engine
        ``"pandas"``: this machine. ``"dask"`` (extra ``[dask]``): the active `dask.distributed`
        client, whose workers read each file twice and write its parts. They must see the files,
        and a local dest, under the same paths.
    resource_types, columns
        As in `read_asana_export`. Without the column `gid`, exports cannot be compared later.
    custom_fields
        As in `read_asana_export`; the values of ``"long"`` are in ``_custom_field_values``.
    on_bad_lines
        As in `read_asana_export`. If it allows that, a file that ends early is converted up to the
        damage; the result and the manifest say so, and an existing dataset is not replaced.
    overwrite
        Whether to replace an existing dataset of this package; other files are never replaced.
    workers
        How many processes read at the same time. None takes one, or for large files up to four,
        one per processor. The result is the same. Not with Dask, which has its own workers.
    blocksize
        Deprecated, without effect: with Dask, every file is converted by one task.
    max_line_bytes
        As in `read_asana_export`.
    storage_options
        The options that fsspec needs to open URLs.
    temp_dir
        The folder for temporary files, which take about a tenth of the size of the exports as
        text. None takes the folder of a local dest, or the system's temporary folder if dest is a
        URL; with Dask, it is a folder on each worker.
    progress
        True shows a bar at once, False never, None after a second. A callable is called with
        ``(done, total, what)`` instead, while reading, writing and uploading.

    Returns
    -------
    pandas.DataFrame
        Indexed by `resource_type`: the columns of `data.report()`, the dataset's `path`, the number
        of its `files`, their `bytes`, and whether it is `complete`, False if a source is damaged or
        ends early; ``attrs["incomplete_files"]`` lists those.

    Raises
    ------
    ExportFileError
        If a file cannot be read: missing, damaged, another format, a malformed line.
    ExportWriteError
        If dest already exists or cannot be written (permission denied, the disk is full), or if
        an incomplete dataset would replace an existing one.
    ExportWorkerError
        If a worker process was killed.
    MissingExtraError
        If a URL needs a package that is not installed.
    InvalidOptionError, InvalidFieldError, InvalidFrameError
        If an option, a column or a frame is invalid.

    See Also
    --------
    read_asana_dataset : Load a dataset.
    sql : Query a dataset of any size.

    Notes
    -----
    A local dest appears with a single rename, and is replaced by exchanging two folders atomically:
    at any moment there is the complete old dataset or the complete new one, even after an error, an
    interrupt or a power cut. A process that was killed leaves its work folder ``.<name>.part-…``
    beside dest; the next conversion removes it. Windows and some network disks cannot exchange
    folders: there, a process that is killed between two renames leaves the old dataset in the work
    folder, where `compare_asana_exports` finds it, and the next conversion puts it back.

    Object stores have no rename. Files are uploaded once all of them have been made, ``_SUCCESS``
    last, and removed if that fails. To replace a dataset, the new files are first uploaded under
    ``dest/_part-…``, and copied on the server once they are complete. Only during that copy, dest
    has no ``_SUCCESS``; an error then says where the new dataset is.

    Examples
    --------
    >>> made = aj.asana_export_to_parquet(files, "dataset/", overwrite=True)
    >>> made["complete"].unique().tolist()
    [True]
    >>> task = pd.read_parquet("dataset/task", columns=["gid", "name"])
    """
    check_engine(engine, workers, blocksize, ("pandas", "dask"))
    request = check_request(
        paths,
        resource_types=resource_types,
        columns=columns,
        custom_fields=custom_fields,
        dtype_backend="numpy_nullable",
        on_bad_lines=on_bad_lines,
        workers=workers,
        max_line_bytes=max_line_bytes,
        storage_options=storage_options,
    )
    target = destination(dest, storage_options, overwrite=overwrite)
    if temp_dir is not None and not isinstance(temp_dir, str | os.PathLike):
        raise InvalidOptionError(f"temp_dir={temp_dir!r}: give a folder, or None.")
    spool_dir = None if temp_dir is None else os.fspath(temp_dir)
    if engine == "dask":
        return _convert_with_dask(request, target, spool_dir)
    with staged(target, spool_dir, progress) as stage:
        return _convert(request, stage, target, progress)


def _convert_with_dask(request: Request, dest: Destination, temp_dir: str | None) -> pd.DataFrame:
    from asana_jobs_pd._export.dask_load import plan_load  # noqa: PLC0415  an extra
    from asana_jobs_pd._parquet.dask_write import convert_with_dask  # noqa: PLC0415  an extra

    plan = plan_load(request)
    with staged(dest, temp_dir, progress=False, by_workers=True) as stage:
        _check_complete(plan.scan_result, plan.request, dest)
        counts = convert_with_dask(plan, dest, stage, temp_dir)
        return _finish(counts, plan.scan_result, plan.schema, plan.request, stage)


def _convert(
    request: Request, stage: Stage, dest: Destination, progress: bool | ProgressCallback | None
) -> pd.DataFrame:
    with Progress(sum(request.sizes), "Reading", progress, unit="B") as bar:
        tick = ticker(request, bar)
        shares = spooled(request.paths, request.options, request.workers, tick, stage.scratch)
    scan_result = reduce(ScanResult.merged, (share.scan_result for share in shares))
    warn_lost(scan_result, request)
    _check_complete(scan_result, request, dest)
    schema = resolve_schema(scan_result, request.options)
    check_columns(schema)
    rows = sum(stored.rows for share in shares for stored in share.batches)
    with Progress(rows, "Writing", progress, unit="row") as bar:
        counts = Conversion(shares, schema, stage.dataset, bar.tick).run()
    return _finish(counts, scan_result, schema, request, stage)


def _check_complete(scan_result: ScanResult, request: Request, dest: Destination) -> None:
    """Raise if a dataset that lacks rows would replace another one."""
    if incomplete := incomplete_files(scan_result, request):
        keep_existing(dest, f"{incomplete[0]} is damaged or ends early")
    if request.missing:
        keep_existing(dest, f"an export has no file ({request.missing[0]})")


def _finish(
    counts: Counts,
    scan_result: ScanResult,
    schema: ResolvedSchema,
    request: Request,
    stage: Stage,
) -> pd.DataFrame:
    """Write the catalogue, the issues and the manifest beside the datasets; return the report."""
    issues = scan_result.issues.merged(counts.issues)
    incomplete = incomplete_files(scan_result, request)
    complete = not (incomplete or request.missing)
    report = summary(counts.facts, issues, request.window)
    warn_repeated(report, request)
    report = _with_files(report, counts, stage).assign(complete=complete)
    report.attrs["incomplete_files"] = incomplete
    describe(
        stage.dataset,
        catalogue(schema.fields, counts.filled),
        issues_frame(issues, schema, request.paths),
        counts,
        {
            "sources": list(map(str, request.paths)),
            "incomplete_sources": incomplete,
            "missing_sources": list(request.missing),
            "issues": issues.count,
        },
    )
    return report


def describe(
    dataset: Path,
    custom_fields: pd.DataFrame,
    issues: pd.DataFrame,
    counts: Counts,
    manifest: dict[str, Any],
) -> None:
    """Write the catalogue, the issues and the manifest, and mark the dataset as complete."""
    _write_beside(custom_fields, dataset / CATALOGUE)
    _write_beside(issues, dataset / ISSUES)
    content = {"format": FORMAT, "version": 1, **manifest, "tables": _manifest_tables(counts)}
    text = json.dumps(content, indent=2, ensure_ascii=False)
    (dataset / MANIFEST).write_text(text, "utf-8")
    (dataset / SUCCESS).touch()


def _write_beside(frame: pd.DataFrame, path: Path) -> None:
    """Write the catalogue or the issues."""
    table = pa.Table.from_pandas(frame, preserve_index=False)
    types = [pa.string() if type_ == pa.large_string() else type_ for type_ in table.schema.types]
    schema = pa.schema(list(zip(table.column_names, types, strict=True)))
    schema = readable_by_pandas(schema, frame)
    pq.write_table(table.cast(schema).replace_schema_metadata(schema.metadata), path)


def _with_files(report: pd.DataFrame, counts: Counts, stage: Stage) -> pd.DataFrame:
    paths = [f"{stage.place.rstrip('/')}/{folder_of(name)}" for name in report.index]
    by_type = [counts.files[name] for name in report.index]
    return report.assign(
        path=pd.array(paths, TEXT),
        files=np.array([len(files) for files in by_type], np.int64),
        bytes=np.array([sum(file.bytes for file in files) for files in by_type], np.int64),
    )


def _manifest_tables(counts: Counts) -> list[dict[str, Any]]:
    tables: list[dict[str, Any]] = [
        {
            "resource_type": name,
            "folder": folder_of(name),
            "rows": facts.rows,
            "duplicates": facts.duplicates,
            "files": [file._asdict() for file in counts.files[name]],
        }
        for name, facts in counts.facts.items()
    ]
    values = [file._asdict() for file in counts.files.get(LONG_VALUES, ())]
    if values:
        tables.append({"resource_type": None, "folder": LONG_VALUES, "files": values})
    return tables
