"""The public verb that converts exports to Parquet."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from asana_jobs_pd._decode.locations import StorageOptions
from asana_jobs_pd._decode.scan_result import ScanResult
from asana_jobs_pd._export.arrow_memory import compact_memory
from asana_jobs_pd._export.assemble import summary, warn_lost
from asana_jobs_pd._export.export import TEXT, catalogue, issues_frame
from asana_jobs_pd._export.finalize import check_columns
from asana_jobs_pd._export.read import MAX_LINE_BYTES, Engine, check_engine, ticker
from asana_jobs_pd._export.request import (
    BadLines,
    CustomFieldsAs,
    ExportPaths,
    Request,
    check_request,
)
from asana_jobs_pd._export.resolve_schema import ResolvedSchema, resolve_schema
from asana_jobs_pd._export.workers import spooled
from asana_jobs_pd._parquet.destination import (
    CATALOGUE,
    ISSUES,
    LONG_VALUES,
    MANIFEST,
    SUCCESS,
    Destination,
    Stage,
    destination,
    folder_of,
    staged,
)
from asana_jobs_pd._parquet.writer import Conversion, readable_by_pandas
from asana_jobs_pd._progress import Progress
from asana_jobs_pd._public import public
from asana_jobs_pd.errors import InvalidOptionError

if TYPE_CHECKING:
    from asana_jobs_pd._parquet.dask_write import Converted

__all__ = ["asana_export_to_parquet"]


@public
def asana_export_to_parquet(
    paths: ExportPaths,
    dest: str | os.PathLike[str],
    *,
    engine: Engine = "pandas",
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
    progress: bool | None = None,
) -> pd.DataFrame:
    """Convert graph and resource exports, of any size, to Parquet: a dataset a type of row.

    What `read_asana_export` would load is what the datasets hold, cell by cell: one schema over
    all files, custom fields matched by their gid, of repeated rows the latest kept, rows in
    the order of the files. Memory does not grow with the files but for 21 to 29 bytes a row. The
    files are read once; what was read waits on disk, compressed, for the second pass.

    ::

        dest/task/part-00000.parquet   a folder a type of row, files in the order of the rows
        dest/_custom_fields.parquet    as `data.custom_fields`
        dest/_issues.parquet           as `data.issues`
        dest/_manifest.json            types of rows, folders, rows, files
        dest/_SUCCESS                  empty, and last: where it is, the rest is whole

    The dataset of a type is what ``pandas.read_parquet``, ``polars.scan_parquet``, DuckDB's
    ``read_parquet`` and Dask take for one. A type with another name than Asana's have is in a
    folder ``other-…``, which the returned frame and the manifest tell.

    Parameters
    ----------
    paths
        As in `read_asana_export`.
    dest
        A folder that is not there yet, or is empty; or a URL that fsspec opens, such as
        ``s3://bucket/export`` (extra ``[remote]``).
    engine
        ``"pandas"``: this machine. ``"dask"`` (extra ``[dask]``): the active `dask.distributed`
        client, whose workers read the files twice and each write their parts. They must see the
        files, and a local dest, under the same paths.
    resource_types, columns, on_bad_lines, max_line_bytes
        As in `read_asana_export`. Without the column `gid`, exports cannot be compared later.
    custom_fields
        As there; the values of ``"long"`` are the dataset ``_custom_field_values``.
    overwrite
        Replaces a dataset of ours that is there, never anything else.
    workers
        How many processes read at the same time; None for one, or for large files up to four,
        one a core. The result is the same. Not with Dask, whose own workers they are.
    blocksize
        With Dask: how many bytes of text make a part, about; None for 256 MiB.
    storage_options
        For URLs: what fsspec needs to open them.
    temp_dir
        Where what was read waits: about a tenth of the size that the exports have as text. None
        for beside a local dest, and for the system's folder where dest is a URL.
    progress
        True shows a bar at once, False never; None after a second.

    Returns
    -------
    pandas.DataFrame
        Indexed by `resource_type`, as `data.report()`, and with the dataset's `path`, the number of
        its `files` and their `bytes`.

    Raises
    ------
    ExportFileError
        When a file cannot be read: missing, damaged, another format, a malformed line.
    ExportWriteError
        When dest is there already, or cannot be written: no permission, the disk is full.
    ExportWorkerError
        When a worker process was ended.
    MissingExtraError
        When a URL needs a package that is not installed.
    InvalidOptionError, InvalidFieldError, InvalidFrameError
        When an option, a column or a frame cannot be what it is.

    Notes
    -----
    A local dest comes to be by one rename. When that has not happened, because of an error, an
    interrupt or a power cut, there is nothing of that name; only a process that was killed leaves
    its work behind, in a folder ``.<name>.part-…`` beside it. Object stores have no such rename:
    the files are uploaded when all are made, and removed when that fails. ``_SUCCESS`` comes last;
    without it, an upload was cut off. With ``overwrite=True`` the old dataset is away during the
    upload, and on this machine between two renames. With Dask, workers write to a URL directly.
    """
    check_engine(engine, workers, blocksize)
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
    place = destination(dest, storage_options, overwrite=overwrite)
    if temp_dir is not None and not isinstance(temp_dir, str | os.PathLike):
        raise InvalidOptionError(f"temp_dir={temp_dir!r}: give a folder, or None.")
    temporary = None if temp_dir is None else os.fspath(temp_dir)
    if engine == "dask":
        return _with_dask(request, place, temporary, blocksize)
    with compact_memory(), staged(place, temporary, progress) as stage:
        return _converted(request, stage, place, progress)


def _with_dask(
    request: Request, place: Destination, temp_dir: str | None, blocksize: int | None
) -> pd.DataFrame:
    from asana_jobs_pd._export.dask_load import BLOCKSIZE, planned  # noqa: PLC0415  an extra
    from asana_jobs_pd._parquet.dask_write import convert_with_dask  # noqa: PLC0415  an extra

    plan = planned(request, blocksize or BLOCKSIZE)
    with staged(place, temp_dir, progress=False, by_others=True) as stage:
        made = convert_with_dask(plan, place, stage)
        return _described(made, plan.learned, plan.settled, (plan.request, stage, place))


def _converted(
    request: Request, stage: Stage, place: Destination, progress: bool | None
) -> pd.DataFrame:
    """Make the dataset in the stage; return what there is to say of it."""
    with Progress(sum(request.sizes), "Reading", progress, unit="B") as bar:
        tick = ticker(request, bar)
        shares = spooled(request.paths, request.options, request.workers, tick, stage.scratch)
    learned = reduce(ScanResult.merged, (share.learned for share in shares))
    warn_lost(learned, request)
    settled = resolve_schema(learned, request.options)
    check_columns(settled)
    with Progress(sum(share.rows for share in shares), "Writing", progress, unit="row") as bar:
        conversion = Conversion(shares, settled, stage.dataset, bar.tick)
        conversion.run()
    return _described(conversion, learned, settled, (request, stage, place))


def _described(
    conversion: Conversion | Converted,
    learned: ScanResult,
    settled: ResolvedSchema,
    context: tuple[Request, Stage, Destination],
) -> pd.DataFrame:
    """Write what there is to say of the datasets beside them; return the report."""
    request, stage, place = context
    issues = learned.issues.merged(conversion.issues)
    found = [settled.named(one) for one in issues.sorted()]
    _write(catalogue(settled.fields, conversion.filled), stage.dataset / CATALOGUE)
    _write(issues_frame(found, request.paths), stage.dataset / ISSUES)
    report = summary(conversion.facts, issues, request.window)
    report = _with_files(report, conversion, place)
    _write_manifest(stage.dataset, conversion, request, issues.count)
    (stage.dataset / SUCCESS).touch()
    return report


def _write(frame: pd.DataFrame, path: Path) -> None:
    table = pa.Table.from_pandas(frame, preserve_index=False)
    types = [pa.string() if one.type == pa.large_string() else one.type for one in table.schema]
    schema = pa.schema(list(zip(table.column_names, types, strict=True)))
    schema = readable_by_pandas(schema, frame)
    pq.write_table(table.cast(schema).replace_schema_metadata(schema.metadata), path)


def _with_files(
    report: pd.DataFrame, conversion: Conversion | Converted, place: Destination
) -> pd.DataFrame:
    base = str(place) if place.filesystem is not None else place.path
    paths = [f"{base.rstrip('/')}/{folder_of(name)}" for name in report.index]
    files = [conversion.files[name] for name in report.index]
    return report.assign(
        path=pd.array(paths, TEXT),
        files=np.array([len(some) for some in files], np.int64),
        bytes=np.array([sum(one.bytes for one in some) for some in files], np.int64),
    )


def _write_manifest(
    folder: Path, conversion: Conversion | Converted, request: Request, issues: int
) -> None:
    tables: list[dict[str, Any]] = [
        {
            "resource_type": name,
            "folder": folder_of(name),
            "rows": facts.rows,
            "duplicates": facts.duplicates,
            "files": [one._asdict() for one in conversion.files[name]],
        }
        for name, facts in conversion.facts.items()
    ]
    values = [one._asdict() for one in conversion.files.get(LONG_VALUES, ())]
    if values:
        tables.append({"resource_type": None, "folder": LONG_VALUES, "files": values})
    manifest = {
        "format": "asana_jobs_pd export",
        "version": 1,
        "sources": list(map(str, request.paths)),
        "tables": tables,
        "issues": issues,
    }
    text = json.dumps(manifest, indent=2, ensure_ascii=False)
    (folder / MANIFEST).write_text(text, "utf-8")
