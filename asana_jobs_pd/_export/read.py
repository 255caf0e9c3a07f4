"""`read_asana_export`: load export files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial, reduce
from typing import TYPE_CHECKING, Any, Literal, Unpack, overload

import pandas as pd
import pyarrow as pa

from asana_jobs_pd._decode.columns import pool
from asana_jobs_pd._decode.scan import Batch
from asana_jobs_pd._decode.scan_result import ScanResult
from asana_jobs_pd._decode.sources import StorageOptions
from asana_jobs_pd._export.deduplicate import FindKept, kept_rows
from asana_jobs_pd._export.export import AsanaArrowExport, AsanaExport
from asana_jobs_pd._export.finalize import conformed, long_values, long_values_of_none, pivoted
from asana_jobs_pd._export.request import (
    MAX_LINE_BYTES,
    BadLines,
    CustomFieldsAs,
    Engine,
    ExportPaths,
    LoadOptions,
    Request,
    check_engine,
    check_request,
)
from asana_jobs_pd._export.resolve_schema import ResolvedSchema, check_columns, resolve_schema
from asana_jobs_pd._export.results import (
    Counts,
    Facts,
    arrow_table,
    catalogue,
    issues_frame,
    polars_frame,
    summary,
    to_frame,
)
from asana_jobs_pd._export.workers import Defined, Share, by_type, scanned
from asana_jobs_pd._formatting import format_count
from asana_jobs_pd._progress import Progress
from asana_jobs_pd._public import public
from asana_jobs_pd.errors import AsanaValueWarning, require_extra, warn_user
from asana_jobs_pd.typing import DtypeBackend, ProgressCallback

if TYPE_CHECKING:
    from asana_jobs_pd._export.dask_export import AsanaDaskExport


@overload
def read_asana_export(
    paths: ExportPaths,
    *,
    engine: Literal["pandas"] = "pandas",
    workers: int | None = None,
    blocksize: None = None,
    progress: bool | ProgressCallback | None = None,
    **options: Unpack[LoadOptions],
) -> AsanaExport: ...


@overload
def read_asana_export(
    paths: ExportPaths,
    *,
    engine: Literal["arrow", "polars"],
    workers: int | None = None,
    blocksize: None = None,
    progress: bool | ProgressCallback | None = None,
    **options: Unpack[LoadOptions],
) -> AsanaArrowExport[Any]: ...


@overload
def read_asana_export(
    paths: ExportPaths,
    *,
    engine: Literal["dask"],
    workers: None = None,
    blocksize: int | None = None,
    progress: bool | ProgressCallback | None = None,
    **options: Unpack[LoadOptions],
) -> AsanaDaskExport: ...


@public
def read_asana_export(
    paths: ExportPaths,
    *,
    engine: Engine = "pandas",
    resource_types: str | Sequence[str] | None = None,
    columns: str | Sequence[str] | None = None,
    custom_fields: CustomFieldsAs = "columns",
    dtype_backend: DtypeBackend = "numpy_nullable",
    on_bad_lines: BadLines = "error",
    workers: int | None = None,
    blocksize: int | None = None,
    max_line_bytes: int = MAX_LINE_BYTES,
    storage_options: StorageOptions = None,
    progress: bool | ProgressCallback | None = None,
) -> AsanaExport | AsanaArrowExport[Any] | AsanaDaskExport:
    """Load graph and resource exports into typed DataFrames, one for each type of row.

    The dtypes follow a table that is derived from Asana's published API description, so that they
    do not depend on the data; undocumented fields are resolved over all files together. The page
    *exports* of the documentation has all rules.

    Parameters
    ----------
    paths
        One file or several; a folder of them (``….jsonl.gz``, ``….jsonl``) or a pattern such as
        ``"exports/*.gz"``; or the frame that a download returned (rows without a file are
        skipped). Files may be gzip or plain, JSON Lines or one JSON document. URLs that fsspec
        opens (extra ``[remote]``) are read by one process. If an object is in several files, its
        latest row is kept. Objects that were deleted between two exports of a project are still
        in the older one, so pass only the newest.
    engine
        ``"pandas"``; ``"arrow"`` or ``"polars"`` (extra ``[polars]``) for Arrow tables or polars
        frames, without a detour through pandas; or ``"dask"`` (extra ``[dask]``) for data that is
        too large for memory or one machine: the files are read once to learn their columns, then
        lazily, file by file, on the active `dask.distributed` client, whose workers must see the
        same files under the same paths.
    resource_types
        Only rows of these types, such as ``"task"``; None for all.
    columns
        Only these columns, in this order: ``"name"``, ``"assignee.gid"``, ``"assignee"`` for
        everything in it, ``"custom_fields"`` or ``"custom_fields.Priority"``. Only they are
        decoded. Each frame has those that its type of row has.
    custom_fields
        ``"columns"``: a typed column for each field, named ``custom_fields.<name>``, with
        `` [<gid>]`` if fields share a name. ``"long"``: one frame of all values,
        `custom_field_values`. ``"raw"``: the list from the file.
    dtype_backend
        ``"numpy_nullable"`` or ``"pyarrow"``, as in pandas. Lists are Arrow lists in both, because
        pandas has no list dtype of its own. It has no effect with Arrow and polars.
    on_bad_lines
        What to do with malformed lines, and with files that are damaged or end early: ``"error"``
        raises; ``"warn"`` and ``"skip"`` keep all complete lines, with or without a warning. In
        both cases, `issues` lists what was left out, and `incomplete_files` the damaged files.
    workers
        How many processes read at the same time. None takes one, or for large files up to four,
        one per processor. The result is the same. If no Python process can be started, one reads.
        Not with Dask, which has its own workers.
    blocksize
        Deprecated, has no effect: with Dask, each file is a partition.
    max_line_bytes
        Longer lines and documents raise an error, to limit the memory needed.
    storage_options
        The options that fsspec needs to open URLs.
    progress
        True shows a progress bar at once, False never, None after a second; a callable is called
        with ``(done, total, what)`` instead, in bytes. Dask has its own dashboard.

    Returns
    -------
    AsanaExport, AsanaArrowExport or AsanaDaskExport
        A mapping of `resource_type` to DataFrame, with `custom_fields`, `issues` and `report()`;
        with other engines, to Arrow tables or polars frames with the same columns, or to Dask
        DataFrames that compute to the same frames.
        Rows are in the order of the files. Of repeated rows (with the same gid or, without one,
        the same bytes), the one with the latest `modified_at` is kept, or else the last.

    Raises
    ------
    ExportFileError
        If a file cannot be read: missing, damaged, in another format, or with a malformed line.
    ExportWorkerError
        If a worker process was killed or failed.
    MissingExtraError
        If the engine, or a URL, needs a package that is not installed.
    InvalidOptionError, InvalidFieldError, InvalidFrameError
        If an option, a column or a frame is invalid.

    See Also
    --------
    asana_export_to_parquet : Convert exports to Parquet, in bounded memory.
    compare_asana_exports : Find what changed between two exports.

    Examples
    --------
    >>> data = aj.read_asana_export("exports/1204000000000000-resource.jsonl.gz")
    >>> data["task"]["due_on"].dtype
    dtype('<M8[us]')

    Only some types and columns, which needs less time and memory:

    >>> data = aj.read_asana_export(files, resource_types="task", columns=["gid", "name"])
    >>> list(data["task"].columns)
    ['gid', 'name']
    """
    check_engine(engine, workers, blocksize)
    request = check_request(
        paths,
        resource_types=resource_types,
        columns=columns,
        custom_fields=custom_fields,
        dtype_backend=dtype_backend,
        on_bad_lines=on_bad_lines,
        workers=workers,
        max_line_bytes=max_line_bytes,
        storage_options=storage_options,
    )
    if engine == "dask":
        from asana_jobs_pd._export.dask_load import load_with_dask  # noqa: PLC0415  an extra

        return load_with_dask(request, dtype_backend)
    if engine == "polars":
        require_extra("polars", "polars", "engine='polars' needs polars")
    with Progress(sum(request.sizes), "Loading", progress, "B") as bar:
        asked = (request.paths, request.options, request.workers, ticker(request, bar))
        with scanned(*asked) as parts:
            return assemble(parts, request, dtype_backend, engine)


def assemble(
    parts: list[Share[Batch]], request: Request, backend: DtypeBackend, engine: Engine = "pandas"
) -> AsanaExport | AsanaArrowExport[Any]:
    """Return the frames of everything read; consumes the parts."""
    scan_result = reduce(ScanResult.merged, (part.scan_result for part in parts))
    warn_lost(scan_result, request)
    schema = resolve_schema(scan_result, request.options)
    check_columns(schema)
    assembly = Assembly(schema)
    converters: dict[str, Callable[[pa.Table], Any]] = {
        "pandas": partial(to_frame, backend=backend),
        "polars": polars_frame,
        "arrow": arrow_table,
    }
    convert = converters[engine]
    frames = {}
    batches = by_type(parts)
    while batches:
        name = min(batches)
        table = assembly.table(name, batches.pop(name))
        frames[name] = convert(table)
        del table
    long_table = assembly.long_table()
    issues = scan_result.issues.merged(assembly.counts.issues)
    report = summary(assembly.counts.facts, issues, request.window)
    warn_repeated(report, request)
    make = AsanaExport if engine == "pandas" else partial(AsanaArrowExport, convert=convert)
    return make(
        frames,
        custom_fields=catalogue(schema.fields, assembly.counts.filled),
        custom_field_values=None if long_table is None else convert(long_table),
        issues=issues_frame(issues, schema, request.paths),
        issue_count=issues.count,
        summary=report,
        incomplete_files=incomplete_files(scan_result, request),
        options=request.options,
        backend=backend,
    )


class Assembly:
    """Makes the tables of a load, one after another, and counts their contents."""

    def __init__(self, schema: ResolvedSchema, find_kept: FindKept = kept_rows) -> None:
        self._schema = schema
        self._find_kept = find_kept
        self._longs: list[pa.Table] = []
        self.counts = Counts(schema.issues)

    def table(self, name: str, batches: list[Defined[Batch]]) -> pa.Table:
        """Return the final table of a type of row without repeated rows; consumes the batches."""
        schema, note = self._schema, self.counts.issues.add
        rows = sum(len(batch.table) for batch, _ in batches)
        kept = self._find_kept(rows, (batch for batch, _ in batches), name, note)
        finals: list[pa.Table] = []
        start = 0
        for batch, definitions in _used_up(batches):
            end = start + len(batch.table)
            table = conformed(batch, definitions, schema, note)
            if not kept[start:end].all():
                table = pool.filter_rows(table, pa.array(kept[start:end]))
            finals.append(pivoted(table, schema, name))
            self.counts.add_rows(name, table, finals[-1])
            if schema.options.custom_fields == "long":
                self._longs.append(long_values(table, schema, name))
            start = end
        final = pa.concat_tables(finals)
        duplicates = rows - int(kept.sum())
        self.counts.add_facts(name, Facts(0, final.num_columns, duplicates))
        return final

    def long_table(self) -> pa.Table | None:
        """Return the values of custom fields of all types of row, if they were requested."""
        if self._schema.options.custom_fields != "long":
            return None
        return pa.concat_tables(self._longs or [long_values_of_none(self._schema)])


def _used_up(batches: list[Defined[Batch]]) -> Iterator[Defined[Batch]]:
    """Yield the items of a list and remove them."""
    batches.reverse()
    while batches:
        yield batches.pop()


def ticker(request: Request, bar: Progress) -> Callable[[int, int], None]:
    before = [sum(request.sizes[:number]) for number in range(len(request.sizes))]
    return lambda file, position: bar.tick(before[file] + position)


def warn_lost(scan_result: ScanResult, request: Request) -> None:
    """Warn once, if requested, about lines that were left out and files that end early."""
    lost = [issue for issue in scan_result.issues.sorted() if issue.resource_type is None]
    if request.options.on_bad_lines != "warn" or not lost:
        return
    counts = [
        (scan_result.skipped, "line was left out", "lines were left out"),
        (len(scan_result.ended_early), "file ends early", "files end early"),
    ]
    total = "; ".join(format_count(*count) for count in counts if count[0])
    prefix = f"{total}; the first: " if total else ""
    line = f" line {lost[0].line}" if lost[0].line else ""
    path = request.paths[lost[0].file]
    warn_user(f"{prefix}{path}{line}: {lost[0].reason}. See .issues.", AsanaValueWarning)


def warn_repeated(report: pd.DataFrame, request: Request) -> None:
    """Warn about repeated rows in the files of a folder: they may be exports of one project."""
    repeated = int(report["duplicates"].sum())
    if request.is_folder and repeated:
        warn_user(
            f"{format_count(repeated, 'row')} of these {len(request.paths)} files came more than "
            "once, and the latest of each counts. Of several exports of one project give only the "
            "newest: what was deleted since is still in the others. If the files belong together, "
            "list them.",
            AsanaValueWarning,
        )


def incomplete_files(scan_result: ScanResult, request: Request) -> list[str]:
    return [str(request.paths[file]) for file in scan_result.ended_early]
