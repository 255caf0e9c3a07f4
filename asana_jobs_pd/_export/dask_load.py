"""Loading with Dask: files are scanned on the cluster; each partition is a file, read lazily."""

from __future__ import annotations

import itertools
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa

from asana_jobs_pd._decode.scan import DIGEST, LINE, Batch, Scanner
from asana_jobs_pd._decode.scan_result import Issue, ReadOptions, ScanResult
from asana_jobs_pd._decode.sources import File
from asana_jobs_pd._export import dask_export, results
from asana_jobs_pd._export.deduplicate import Keys, RowKeys, keys_of
from asana_jobs_pd._export.export import AsanaExport
from asana_jobs_pd._export.finalize import conformed, long_values_of_none, pivoted
from asana_jobs_pd._export.read import Assembly, incomplete_files, warn_lost
from asana_jobs_pd._export.request import Request
from asana_jobs_pd._export.resolve_schema import ResolvedSchema, check_columns, resolve_schema
from asana_jobs_pd._export.results import Counts
from asana_jobs_pd._export.workers import Share, by_type
from asana_jobs_pd._formatting import format_size
from asana_jobs_pd.errors import (
    AsanaJobsError,
    ExportFileError,
    ExportWorkerError,
    MissingExtraError,
    warn_user,
)

if TYPE_CHECKING:
    import dask.dataframe as dd

    from asana_jobs_pd.typing import DtypeBackend


LARGE_TEXT = 1 << 30
"""Bytes of text in a file, which is one partition, above which there is a warning."""
_HAS_PACKAGE = "__import__('importlib.util').util.find_spec('asana_jobs_pd') is not None"


class Partition(NamedTuple):
    """The rows of one type in a file; those in `dropped` are repeated elsewhere.

    `start` is the position of the first kept row; `checksum` is over the keys of all rows;
    `number` orders the partitions of all types.
    """

    path: File
    file: int
    name: str
    number: int
    rows: int
    dropped: np.ndarray
    start: int
    checksum: int

    @property
    def kept(self) -> int:
        """The number of rows that are not dropped."""
        return self.rows - len(self.dropped)

    def find_kept(
        self, rows: int, batches: Iterable[Batch], _name: str, _note: Callable[[Issue], None]
    ) -> np.ndarray:
        """Return the rows to keep, as planned; raise if the file has changed since then."""
        checksum = _checksum(keys_of(batch.table) for batch in batches)
        if (rows, checksum) != (self.rows, self.checksum):
            raise ExportFileError(
                f"{self.path} changed between passes, or differs on this worker; load it again.",
                path=str(self.path),
            )
        kept = np.ones(rows, bool)
        kept[self.dropped] = False
        return kept


class Plan(NamedTuple):
    """The result of the first pass: the schema, and the partitions by type."""

    request: Request
    scan_result: ScanResult
    schema: ResolvedSchema
    partitions: dict[str, list[Partition]]


def load_with_dask(request: Request, backend: DtypeBackend) -> dask_export.AsanaDaskExport:
    """Scan the files on the cluster; return Dask DataFrames with a partition per file."""
    plan = plan_load(request)
    import dask  # noqa: PLC0415  an extra, which is installed by now

    with dask.config.set({"dataframe.convert-string": False}):  # dtypes are final
        frames = {name: _frame(plan, name, backend) for name in plan.partitions}
        values = _long_frame(plan, backend)
    fields = results.catalogue(plan.schema.fields, Counter())
    return dask_export.AsanaDaskExport(
        frames,
        custom_fields=fields.assign(rows=pd.array([pd.NA] * len(fields), "Int64")),
        custom_field_values=values,
        rows={name: sum(part.kept for part in parts) for name, parts in plan.partitions.items()},
        count=lambda: _count(plan),
        incomplete_files=incomplete_files(plan.scan_result, plan.request),
        options=request.options,
        backend=backend,
    )


def plan_load(request: Request) -> Plan:
    """Scan all files on the cluster, resolve the schema, and find the repeated rows."""
    _check_cluster()
    import dask  # noqa: PLC0415

    paths = [os.path.abspath(path) if isinstance(path, str) else path for path in request.paths]  # noqa: PTH100
    request = request._replace(paths=paths)
    scan = dask.delayed(_scan_file, pure=False)
    scans = compute([scan(path, file, request.options) for file, path in enumerate(paths)])
    scan_result = reduce(ScanResult.merged, (result for result, _, _ in scans))
    warn_lost(scan_result, request)
    _warn_large(paths, [size for _, size, _ in scans])
    schema = resolve_schema(scan_result, request.options)
    check_columns(schema)
    by_file = [keys for _, _, keys in scans]
    names = sorted({name for keys in by_file for name in keys})
    numbers = itertools.count()
    partitions = {
        name: list(_partitions(name, numbers, paths, by_file, scan_result.issues.add))
        for name in names
    }
    return Plan(request, scan_result, schema, partitions)


def _check_cluster() -> None:
    """Raise if Dask is not installed, or a worker of the active client lacks this package."""
    try:
        import dask.dataframe  # noqa: F401, PLC0415
        from distributed import default_client  # noqa: PLC0415
    except ImportError as error:
        raise MissingExtraError(
            f"engine='dask' needs a package that is not installed ({error}): "
            'pip install "asana_jobs_pd[dask]".'
        ) from None
    try:
        client = default_client()  # type: ignore[no-untyped-call]
    except ValueError:  # there is no cluster
        return
    # A built-in function, which workers can unpickle without the package.
    found = client.run(eval, _HAS_PACKAGE, on_error="ignore")
    if lacking := ", ".join(worker for worker in found if not found[worker]):
        raise MissingExtraError(
            f"asana_jobs_pd is not installed on Dask worker {lacking}: install the same version "
            "wherever workers run."
        )


def compute(tasks: Any) -> Any:
    """Compute tasks with Dask's current scheduler; raise our own error for a lost worker."""
    import dask  # noqa: PLC0415

    try:
        return dask.compute(tasks)[0]
    except AsanaJobsError:
        raise
    except Exception as error:
        if type(error).__name__ != "KilledWorker":
            raise
        worker = getattr(getattr(error, "last_worker", None), "address", "")
    raise ExportWorkerError(
        f"Dask worker {worker} was killed while it read an export, as were others before. If "
        "memory is short, convert the export to Parquet on one machine first."
    )


def _scan_file(
    path: File, file: int, options: ReadOptions
) -> tuple[ScanResult, int, dict[str, list[Keys]]]:
    """Scan a file on a worker; return what was learned, its text size and the keys of its rows."""
    check_visible(path)
    scanner = Scanner({file: path}, options)
    size = 0
    keys: dict[str, list[Keys]] = {}
    for chunk in scanner.chunks():
        size += sum(map(len, chunk.lines))
        for batch in scanner.batches(chunk):
            keys.setdefault(batch.resource_type, []).append(keys_of(batch.table))
    return scanner.scan_result, size, keys


def check_visible(path: File) -> None:
    """Raise if a worker does not see a file that the client sees."""
    if not isinstance(path, str) or Path(path).exists():
        return
    try:
        from distributed import get_worker  # noqa: PLC0415

        process = f"Dask worker {get_worker().address}"
    except (ImportError, ValueError):
        process = "this process"
    raise ExportFileError(
        f"{path} does not exist for {process}. Workers must see the files under the same paths: "
        "use a shared disk, or URLs.",
        path=path,
    )


def _warn_large(paths: Sequence[File], sizes: Sequence[int]) -> None:
    large = [path for path, size in zip(paths, sizes, strict=True) if size > LARGE_TEXT]
    if large:
        warn_user(
            f"{large[0]} holds more than {format_size(LARGE_TEXT)} of text, which is one "
            "partition: a gzip file cannot be split. Convert it in bounded memory with "
            "asana_export_to_parquet(…) first, and open that with dask.dataframe.read_parquet.",
            pd.errors.PerformanceWarning,
        )


def _partitions(
    name: str,
    numbers: Iterator[int],
    paths: Sequence[File],
    by_file: Sequence[Mapping[str, list[Keys]]],
    note: Callable[[Issue], None],
) -> Iterator[Partition]:
    """Find the repeated rows of a type over all files; yield the partition of each file."""
    parts = [keys.get(name, []) for keys in by_file]
    sizes = [sum(len(keys.low) for keys in part) for part in parts]
    row_keys = RowKeys(sum(sizes))
    for file, part in enumerate(parts):
        for keys in part:
            row_keys.add(keys, file)
    masks = np.split(row_keys.kept(name, note), np.cumsum(sizes)[:-1])
    start = 0
    for file, (part, kept) in enumerate(zip(parts, masks, strict=True)):
        if part:
            dropped = np.flatnonzero(~kept).astype(np.int32)
            checksum = _checksum(part)
            yield Partition(
                paths[file], file, name, next(numbers), len(kept), dropped, start, checksum
            )
        start += int(kept.sum())


def _checksum(keys: Iterable[Keys]) -> int:
    return sum(int(part.low.sum(dtype=np.uint64)) for part in keys) % 2**64


def read_partition(
    part: Partition,
    columns: Sequence[str] | None = None,
    *,
    schema: ResolvedSchema,
    backend: DtypeBackend,
    long: bool = False,
) -> pd.DataFrame:
    """Return the rows of a partition; Dask passes `columns` if it needs only these."""
    assembly, (table,) = _assembled([part], schema)
    if long:
        table = assembly.long_table()
    frame = results.to_frame(table if columns is None else table.select(list(columns)), backend)
    if not long:
        frame.index = pd.RangeIndex(part.start, part.start + len(frame))
    return frame


def scan_partitions(
    partitions: Sequence[Partition], options: ReadOptions
) -> tuple[ScanResult, Iterator[Batch]]:
    """Scan the rows of a file again, on a worker; return what is learned while they are read."""
    path, file, *_ = partitions[0]
    check_visible(path)
    names = tuple(partition.name for partition in partitions)
    scanner = Scanner({file: path}, msgspec.structs.replace(options, resource_types=names))
    return scanner.scan_result, scanner.scan()


def _assembled(
    partitions: Sequence[Partition], schema: ResolvedSchema
) -> tuple[Assembly, list[pa.Table]]:
    """Read partitions of one file as the pandas engine does."""
    scan_result, batches = scan_partitions(partitions, schema.options)
    batches_of = by_type([Share(scan_result, list(batches))])
    planned = {part.name: part for part in partitions}
    assembly = Assembly(
        msgspec.structs.replace(schema, issues=[]),
        lambda rows, found, name, note: planned[name].find_kept(rows, found, name, note),
    )
    return assembly, [assembly.table(name, batches_of.get(name, [])) for name in planned]


def _frame(plan: Plan, name: str, backend: DtypeBackend) -> dd.DataFrame:
    parts = [part for part in plan.partitions[name] if part.kept]
    divisions = (*(part.start for part in parts), parts[-1].start + parts[-1].kept - 1)
    head = {LINE: pa.int64(), "gid": pa.string(), DIGEST: pa.binary()}
    batch = Batch(name, pa.RecordBatch.from_pylist([], pa.schema(list(head.items()))), (0, 0, 0))
    empty = conformed(batch, [], plan.schema, plan.scan_result.issues.add)
    meta = results.to_frame(pivoted(empty, plan.schema, name), backend)
    return _from_parts(plan, parts, meta, divisions=divisions, backend=backend)


def _long_frame(plan: Plan, backend: DtypeBackend) -> dd.DataFrame | None:
    if plan.schema.options.custom_fields != "long":
        return None
    parts = [part for part in itertools.chain(*plan.partitions.values()) if part.kept]
    meta = results.to_frame(long_values_of_none(plan.schema), backend)
    return _from_parts(plan, parts, meta, backend=backend, long=True)


def _from_parts(
    plan: Plan, parts: list[Partition], meta: pd.DataFrame, **options: Any
) -> dd.DataFrame:
    import dask.dataframe as dd  # noqa: PLC0415

    if not parts:
        return dd.from_pandas(meta, npartitions=1)
    return dd.from_map(
        read_partition, parts, meta=meta, label="asana-export", schema=plan.schema, **options
    )


def counted(plan: Plan, call: Callable[..., Counts], *arguments: Any) -> Counts:
    """Call a function on the cluster for each file, with its partitions; return all counts."""
    import dask  # noqa: PLC0415

    task, schema = dask.delayed(call, pure=False), dask.delayed(plan.schema)
    files: dict[int, list[Partition]] = {}
    for partition in itertools.chain(*plan.partitions.values()):
        files.setdefault(partition.file, []).append(partition)
    counts = Counts(plan.schema.issues)
    for each in compute([task(parts, schema, *arguments) for parts in files.values()]):
        counts.add(each)
    counts.facts = dict(sorted(counts.facts.items()))
    return counts


def _count_file(partitions: Sequence[Partition], schema: ResolvedSchema) -> Counts:
    return _assembled(partitions, schema)[0].counts


def _count(plan: Plan) -> AsanaExport:
    """Read all files again on the cluster, for the report and the issues, without the frames."""
    counts = counted(plan, _count_file)
    issues = plan.scan_result.issues.merged(counts.issues)
    return AsanaExport(
        {},
        custom_fields=results.catalogue(plan.schema.fields, counts.filled),
        issues=results.issues_frame(issues, plan.schema, plan.request.paths),
        issue_count=issues.count,
        summary=results.summary(counts.facts, issues, plan.request.window),
    )
