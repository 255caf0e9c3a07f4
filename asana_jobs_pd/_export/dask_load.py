"""Exports with Dask: the files are scanned on the cluster; a partition is a file, read lazily."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import uuid4

import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa

from asana_jobs_pd._decode.lines import CHUNK
from asana_jobs_pd._decode.locations import File
from asana_jobs_pd._decode.row_reader import DIGEST, LINE
from asana_jobs_pd._decode.scan import Batch, Scanner
from asana_jobs_pd._decode.scan_result import Issue, Issues, ReadOptions, ScanResult
from asana_jobs_pd._export import assemble, export
from asana_jobs_pd._export.assemble import Assembly, Facts
from asana_jobs_pd._export.deduplicate import Keys, RowKeys, keys_of
from asana_jobs_pd._export.finalize import check_columns, conformed, long_values_of_none, pivoted
from asana_jobs_pd._export.request import Request
from asana_jobs_pd._export.resolve_schema import ResolvedSchema, resolve_schema
from asana_jobs_pd._export.workers import Part
from asana_jobs_pd.errors import (
    AsanaJobsError,
    ExportFileError,
    ExportWorkerError,
    MissingExtraError,
    warn_user,
)

if TYPE_CHECKING:
    import dask.dataframe as dd

__all__ = ["Counts", "FileRows", "Plan", "compute", "load_with_dask", "plan_load"]

LARGE_TEXT = 1 << 30
"""Bytes of text in one file, and so in one partition, above which there is a warning."""
_HAS_PACKAGE = "__import__('importlib.util').util.find_spec('asana_jobs_pd') is not None"


class TypeRows(NamedTuple):
    """The rows of one type in a file: their number, those dropped, the position of the first.

    `checksum` is over their keys, and tells whether the file has changed; `number` orders the
    parts of all types and files.
    """

    number: int
    rows: int
    dropped: np.ndarray
    start: int
    checksum: int

    @property
    def kept(self) -> int:
        """The number of rows that are not dropped."""
        return self.rows - len(self.dropped)


class FileRows(NamedTuple):
    """A file, its number, and its rows by type."""

    path: File
    file: int
    types: dict[str, TypeRows]

    def find_kept(
        self, rows: int, batches: Iterable[Batch], name: str, _note: Callable[[Issue], None]
    ) -> np.ndarray:
        """Return the rows to keep, as planned; raise if the file has changed since."""
        planned = self.types[name]
        if (rows, _checksum(keys_of(batch.table) for batch in batches)) != (
            planned.rows,
            planned.checksum,
        ):
            raise ExportFileError(
                f"{self.path} changed between passes, or differs on this worker; load it again.",
                path=str(self.path),
            )
        kept = np.ones(rows, bool)
        kept[planned.dropped] = False
        return kept

    def scanner(self, options: ReadOptions) -> Scanner:
        """Return a scanner of the planned types, on a worker that sees the file."""
        check_visible(self.path)
        return Scanner(msgspec.structs.replace(options, resource_types=tuple(self.types)))


class Plan(NamedTuple):
    """What the first pass leads to: the schema, and which rows of each file to keep."""

    request: Request
    scan_result: ScanResult
    schema: ResolvedSchema
    names: list[str]
    files: list[FileRows]

    def parts(self, name: str) -> list[FileRows]:
        """Return the files with kept rows of a type, and only those rows."""
        return [
            file._replace(types={name: file.types[name]})
            for file in self.files
            if name in file.types and file.types[name].kept
        ]


def load_with_dask(request: Request, backend: export.Backend) -> export.AsanaDaskExport:
    """Scan the files on the cluster; return Dask DataFrames with a partition per file."""
    plan = plan_load(request)
    import dask  # noqa: PLC0415  an extra, which is installed by now

    token = uuid4().hex
    with dask.config.set({"dataframe.convert-string": False}):  # dtypes are final
        frames = {name: _frame(plan, name, backend, token) for name in plan.names}
        values = _long_frame(plan, backend, token)
    fields = export.catalogue(plan.schema.fields, Counter())
    return export.AsanaDaskExport(
        frames,
        custom_fields=fields.assign(rows=pd.array([pd.NA] * len(fields), "Int64")),
        custom_field_values=values,
        rows={name: sum(f.types[name].kept for f in plan.parts(name)) for name in plan.names},
        count=lambda: _count(plan),
        incomplete_files=assemble.incomplete_files(plan.scan_result, plan.request),
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
    learned = reduce(ScanResult.merged, (learned for learned, _, _ in scans))
    assemble.warn_lost(learned, request)
    _warn_large(paths, [size for _, size, _ in scans])
    schema = resolve_schema(learned, request.options)
    check_columns(schema)
    keys = [found for _, _, found in scans]
    files = [FileRows(path, file, {}) for file, path in enumerate(paths)]
    names = sorted({name for found in keys for name in found})
    for number, name in enumerate(names):
        of_type = [found.get(name, []) for found in keys]
        _plan_rows((number, name), files, of_type, learned.issues.add)
    return Plan(request, learned, schema, names, files)


def _check_cluster() -> None:
    """Raise if Dask is not installed, or a worker of the active client lacks this package."""
    try:
        import dask.dataframe  # noqa: F401, PLC0415
        from distributed import default_client  # noqa: PLC0415
    except ImportError as error:
        reason = str(error)
    else:
        try:
            client = default_client()  # type: ignore[no-untyped-call]
        except ValueError:  # Dask without a cluster
            return
        # A built-in function, which workers can unpickle without the package.
        found = client.run(eval, _HAS_PACKAGE, on_error="ignore")
        reason = ", ".join(worker for worker in found if not found[worker])
        if not reason:
            return
        raise MissingExtraError(
            f"asana_jobs_pd is not installed on Dask worker {reason}: install the same version "
            "wherever workers run."
        )
    raise MissingExtraError(
        f"engine='dask' needs a package that is not installed ({reason}): "
        'pip install "asana_jobs_pd[dask]".'
    )


def compute(tasks: Any) -> Any:
    """Compute tasks where Dask is set to; a lost worker is an error of ours."""
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
    """Scan a file, on a worker: what was learned, the size of its text, the keys of its rows."""
    check_visible(path)
    chunks = []
    scanner = Scanner(options, lambda _file, chunk, _position: chunks.append(chunk) or True)  # type: ignore[func-returns-value]
    keys: dict[str, list[Keys]] = {}
    for batch in scanner.scan(path, file):
        keys.setdefault(batch.resource_type, []).append(keys_of(batch.table))
    return scanner.scan_result, len(chunks) * CHUNK, keys


def check_visible(path: File) -> None:
    """Raise if a worker does not see a file that is there for the client."""
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
            f"{large[0]} holds more than {LARGE_TEXT >> 20:,} MiB of text, which is one partition: "
            "a gzip file cannot be split. Convert it in bounded memory with "
            "asana_export_to_parquet(…) first, and open that with dask.dataframe.read_parquet.",
            pd.errors.PerformanceWarning,
        )


def _plan_rows(
    numbered: tuple[int, str],
    files: list[FileRows],
    keys: list[list[Keys]],
    note: Callable[[Issue], None],
) -> None:
    """Find the repeated rows of a type over all files."""
    number, name = numbered
    sizes = [sum(len(part.low) for part in parts) for parts in keys]
    row_keys = RowKeys(sum(sizes))
    for file, parts in zip(files, keys, strict=True):
        for part in parts:
            row_keys.add(part, file.file)
    kept = row_keys.kept(name, note)
    start = 0
    for file, parts, mask in zip(files, keys, np.split(kept, np.cumsum(sizes)[:-1]), strict=True):
        if parts:
            file.types[name] = TypeRows(
                number * len(files) + file.file,
                len(mask),
                np.flatnonzero(~mask).astype(np.int32),
                start,
                _checksum(parts),
            )
        start += int(mask.sum())


def _checksum(keys: Iterable[Keys]) -> int:
    return sum(int(part.low.sum(dtype=np.uint64)) for part in keys) % 2**64


class ReadPartition:
    """Reads a partition; it is sent to the workers with each task, and holds no client of Asana."""

    def __init__(
        self, schema: ResolvedSchema, backend: export.Backend, token: str, *, long: bool = False
    ) -> None:
        self._schema = schema
        self._backend = backend
        self._token = token
        self._long = long

    def __call__(self, part: FileRows, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """Return the rows of a type in a file; Dask passes `columns` when it needs no others."""
        (name,) = part.types
        assembly, tables = _assembled(part, self._schema)
        if self._long:
            return assembly.long_frame(self._backend)  # type: ignore[return-value]
        table = tables[name] if columns is None else tables[name].select(list(columns))
        frame = export.to_frame(table, self._backend)
        start = part.types[name].start
        frame.index = pd.RangeIndex(start, start + len(frame))
        return frame

    def __dask_tokenize__(self) -> tuple[str, str, bool]:
        return type(self).__name__, self._token, self._long


def _assembled(part: FileRows, schema: ResolvedSchema) -> tuple[Assembly, dict[str, pa.Table]]:
    """Read the planned rows of a file with the reader of the pandas engine."""
    scanner = part.scanner(schema.options)
    batches = list(scanner.scan(part.path, part.file))
    by_type = assemble.by_type([Part(scanner.scan_result, batches)])
    assembly = Assembly(msgspec.structs.replace(schema, issues=[]), part.find_kept)
    return assembly, {name: assembly.table(name, by_type.get(name, [])) for name in part.types}


def _frame(plan: Plan, name: str, backend: export.Backend, token: str) -> dd.DataFrame:
    parts = plan.parts(name)
    rows = [part.types[name] for part in parts]
    divisions = (*(part.start for part in rows), rows[-1].start + rows[-1].kept - 1)
    head = {LINE: pa.int64(), "gid": pa.string(), DIGEST: pa.binary()}
    batch = Batch(name, pa.RecordBatch.from_pylist([], pa.schema(list(head.items()))), (0, 0, 0))
    empty = conformed(batch, [], plan.schema, plan.scan_result.issues.add)
    meta = export.to_frame(pivoted(empty, plan.schema, name), backend)
    return _from_parts(ReadPartition(plan.schema, backend, token), parts, meta, divisions)


def _long_frame(plan: Plan, backend: export.Backend, token: str) -> dd.DataFrame | None:
    if plan.schema.options.custom_fields != "long":
        return None
    parts = [part for name in plan.names for part in plan.parts(name)]
    meta = export.to_frame(long_values_of_none(plan.schema), backend)
    return _from_parts(ReadPartition(plan.schema, backend, token, long=True), parts, meta)


def _from_parts(
    read: ReadPartition,
    parts: list[FileRows],
    meta: pd.DataFrame,
    divisions: tuple[int, ...] | None = None,
) -> dd.DataFrame:
    import dask.dataframe as dd  # noqa: PLC0415

    if not parts:
        return dd.from_pandas(meta, npartitions=1)
    return dd.from_map(read, parts, meta=meta, divisions=divisions, label="asana-export")


class Counts(NamedTuple):
    """What is known once rows are final: issues, filled cells by column, facts by type."""

    issues: Issues
    filled: Counter[str]
    facts: dict[str, Facts]

    @classmethod
    def total(cls, schema: ResolvedSchema, counts: Iterable[Counts]) -> Counts:
        """Return the counts of all files, and the issues of resolving the schema."""
        issues, filled, facts = Issues(), Counter[str](), dict[str, Facts]()
        for issue in schema.issues:
            issues.add(issue)
        for part in counts:
            issues = issues.merged(part.issues)
            filled.update(part.filled)
            for name, fact in part.facts.items():
                known = facts.get(name, Facts(0, fact.columns, 0, pd.NaT))
                latest = assemble.later(known.latest, fact.latest)
                duplicates = known.duplicates + fact.duplicates
                facts[name] = Facts(known.rows + fact.rows, fact.columns, duplicates, latest)
        return cls(issues, filled, {name: facts[name] for name in sorted(facts)})


def _count_file(part: FileRows, schema: ResolvedSchema) -> Counts:
    assembly, _ = _assembled(part, schema)
    return Counts(assembly.issues, assembly.filled, assembly.facts)


def _count(plan: Plan) -> export.Counted:
    """Read everything once more, on the cluster, for the report and the issues."""
    import dask  # noqa: PLC0415

    count, schema = dask.delayed(_count_file, pure=False), dask.delayed(plan.schema)
    counts = compute([count(file, schema) for file in plan.files if file.types])
    issues, filled, facts = Counts.total(plan.schema, counts)
    issues = plan.scan_result.issues.merged(issues)
    named = [plan.schema.named(issue) for issue in issues.sorted()]
    return export.Counted(
        export.catalogue(plan.schema.fields, filled),
        export.issues_frame(named, plan.request.paths),
        issues.count,
        assemble.summary(facts, issues, plan.request.window),
    )
