"""Exports with Dask: two passes over the files, on whatever cluster is active.

The first pass learns the columns and which rows are repeated, and sends back only that. The second
is lazy: a partition is a part of a file, read when it is computed, and read again when the worker
that had it is lost. Neither passes more to a worker than paths, options and columns.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import reduce
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import uuid4

import msgspec
import pandas as pd
import pyarrow as pa

from asana_jobs_pd._decode.locations import File
from asana_jobs_pd._decode.scan_result import Issues, ScanResult
from asana_jobs_pd._export.assemble import Facts, incomplete_files, latest_of, summary, warn_lost
from asana_jobs_pd._export.dask_blocks import (
    Block,
    Reading,
    Survey,
    blocks_of,
    keys_for,
    nothing_of,
    read_block,
    survey,
)
from asana_jobs_pd._export.export import (
    AsanaDaskExport,
    Backend,
    Counted,
    catalogue,
    issues_frame,
    to_frame,
)
from asana_jobs_pd._export.finalize import (
    check_columns,
    long_values,
    long_values_of_none,
    pivoted,
    schema_of,
)
from asana_jobs_pd._export.request import Request
from asana_jobs_pd._export.resolve_schema import ResolvedSchema, resolve_schema
from asana_jobs_pd.errors import MissingExtraError

if TYPE_CHECKING:
    import dask.dataframe as dd

__all__ = [
    "BLOCKSIZE",
    "Count",
    "Plan",
    "Totals",
    "count_of",
    "load_with_dask",
    "planned",
    "totals",
]

BLOCKSIZE = 256 << 20
"""Bytes of text that make a partition."""
LARGE = 12 << 20
"""Bytes on disk for each share of a file in the first pass."""
MOST_SHARES = 16
"""Of one file, in the first pass: each decompresses all of it."""


class Plan(NamedTuple):
    """What the first pass has led to: the columns, and the blocks of each type of row."""

    request: Request
    scan_result: ScanResult
    settled: ResolvedSchema
    blocks: dict[str, list[Block]]

    def reading(self, name: str) -> bytes:
        """Return what a task needs to know of a type of row, encoded."""
        roots = {name: self.settled.roots[name]}
        own = msgspec.structs.replace(self.settled, roots=roots, issues=[])
        return msgspec.msgpack.encode(Reading(name, own))


def load_with_dask(request: Request, backend: Backend, blocksize: int) -> AsanaDaskExport:
    """Return Dask DataFrames of the files.

    Parameters
    ----------
    request
        What was asked for.
    backend
        Which dtypes.
    blocksize
        How many bytes of text make a partition, about.

    Raises
    ------
    MissingExtraError
        When Dask is not installed.
    ExportFileError
        When a file cannot be read, by any of the workers.
    """
    plan = planned(request, blocksize)
    import dask  # noqa: PLC0415  an extra, which is there now

    token = uuid4().hex
    names = list(plan.blocks)
    with dask.config.set({"dataframe.convert-string": False}):  # they are what they should be
        frames = {name: _frame(plan, name, backend, token) for name in names}
        values = _values(plan, backend, token)
    return AsanaDaskExport(
        frames,
        custom_fields=_uncounted(plan.settled),
        custom_field_values=values,
        rows={name: sum(block.left for block in plan.blocks[name]) for name in names},
        count=lambda: _counted(plan),
        incomplete_files=incomplete_files(plan.scan_result, plan.request),
        options=request.options,
        backend=backend,
    )


def _require_dask() -> None:
    """Raise when Dask is not there."""
    try:
        import dask.dataframe  # noqa: F401, PLC0415  an extra
    except ImportError as error:
        reason = str(error)
    else:
        return
    raise MissingExtraError(
        f"engine='dask' needs a package that is not installed ({reason}): "
        'pip install "asana_jobs_pd[dask]".'
    )


def planned(request: Request, blocksize: int) -> Plan:
    """Read everything once, on the cluster, and return what to do then.

    Raises
    ------
    MissingExtraError
        When Dask is not installed.
    ExportFileError
        When a file cannot be read, by any of the workers.
    """
    _require_dask()
    request = request._replace(paths=[_everywhere(path) for path in request.paths])
    surveys = _surveys(request)
    learned = reduce(ScanResult.merged, (one.scan_result for some in surveys for one in some))
    warn_lost(learned, request)
    settled = resolve_schema(learned, request.options)
    check_columns(settled)
    return Plan(
        request, learned, settled, blocks_of(request.paths, surveys, blocksize, learned.issues.add)
    )


def _everywhere(path: File) -> File:
    """Return a path that does not depend on where a process was started."""
    return os.path.abspath(path) if isinstance(path, str) else path  # noqa: PTH100  not resolved


def _surveys(request: Request) -> list[list[Survey]]:
    import dask  # noqa: PLC0415

    task = dask.delayed(survey, pure=False)
    tasks = []
    for file, (path, size) in enumerate(zip(request.paths, request.sizes, strict=True)):
        shares = min(MOST_SHARES, size // LARGE + 1)
        tasks.append([task(path, file, share, shares, request.options) for share in range(shares)])
    (found,) = dask.compute(tasks)
    decode = msgspec.msgpack.Decoder(Survey).decode
    return [[decode(one) for one in some] for some in found]


class ReadPartition:
    """Makes a partition; goes to the workers with each task.

    Parameters
    ----------
    readings
        What is to be known of each type of row, encoded.
    backend
        Which dtypes.
    token
        Tells this load from others of files of the same names.
    long
        Whether the values of custom fields are wanted, and not the rows.
    """

    def __init__(
        self, readings: Mapping[str, bytes], backend: Backend, token: str, *, long: bool = False
    ) -> None:
        self._readings = dict(readings)
        self._backend = backend
        self._token = token
        self._long = long

    def __call__(
        self, name: str, block: Block, columns: Sequence[str] | None = None
    ) -> pd.DataFrame:
        """Return the rows of a block; Dask gives `columns` when it needs no others."""
        reading = msgspec.msgpack.decode(self._readings[name], type=Reading)
        table, _ = read_block(block, reading, keys_for(columns, reading.settled, name))
        make = long_values if self._long else pivoted
        final = make(table, reading.settled, name)
        frame = to_frame(final if columns is None else final.select(list(columns)), self._backend)
        if not self._long:
            frame.index = pd.RangeIndex(block.start, block.start + len(frame))
        return frame

    def __dask_tokenize__(self) -> tuple[str, str, bool, tuple[str, ...]]:
        return type(self).__name__, self._token, self._long, tuple(self._readings)

    def __repr__(self) -> str:
        return f"<ReadPartition: {', '.join(self._readings)}>"


def _frame(plan: Plan, name: str, backend: Backend, token: str) -> dd.DataFrame:
    """Return the Dask DataFrame of a type of row."""
    import dask.dataframe as dd  # noqa: PLC0415

    blocks = [block for block in plan.blocks[name] if block.left]
    encoded = plan.reading(name)
    nothing = nothing_of(msgspec.msgpack.decode(encoded, type=Reading))
    return dd.from_map(
        ReadPartition({name: encoded}, backend, token),
        [name] * len(blocks),
        blocks,
        meta=to_frame(pivoted(nothing, plan.settled, name), backend),
        divisions=(*(block.start for block in blocks), blocks[-1].start + blocks[-1].left - 1),
        label=f"asana-{name}",
    )


def _values(plan: Plan, backend: Backend, token: str) -> dd.DataFrame | None:
    """Return the values of custom fields of all types of row, when they were asked for."""
    if plan.settled.options.custom_fields != "long":
        return None
    import dask.dataframe as dd  # noqa: PLC0415

    pairs = [(name, block) for name, some in plan.blocks.items() for block in some if block.left]
    meta = to_frame(long_values_of_none(plan.settled), backend)
    if not pairs:
        return dd.from_pandas(meta, npartitions=1)
    names, blocks = zip(*pairs, strict=True)
    readings = {name: plan.reading(name) for name in plan.blocks}
    read = ReadPartition(readings, backend, token, long=True)
    return dd.from_map(read, names, blocks, meta=meta, label="asana-custom-field-values")


def _uncounted(settled: ResolvedSchema) -> pd.DataFrame:
    frame = catalogue(settled.fields, Counter())
    return frame.assign(rows=pd.array([pd.NA] * len(frame), "Int64"))


class Count(msgspec.Struct):
    """What there is to say of a block: cells that are filled, the latest time, what did not fit."""

    filled: dict[str, int]
    latest: str | None
    issues: Issues


def count_block(block: Block, encoded: bytes) -> bytes:
    """Read a block; return the `Count` of it, encoded."""
    reading = msgspec.msgpack.decode(encoded, type=Reading)
    table, issues = read_block(block, reading)
    final = pivoted(table, reading.settled, reading.resource_type)
    return msgspec.msgpack.encode(count_of(table, final, issues))


def count_of(table: pa.Table, final: pa.Table, issues: Issues) -> Count:
    """Return the count of a block, conformed and as it is shown."""
    filled = {name: len(final) - final[name].null_count for name in final.column_names}
    latest = latest_of(table)
    return Count(filled, None if pd.isna(latest) else latest.isoformat(), issues)


def _counted(plan: Plan) -> Counted:
    """Read everything once more, on the cluster; return what there is to say of it."""
    import dask  # noqa: PLC0415

    task = dask.delayed(count_block, pure=False)
    tasks: dict[str, list[Any]] = {}
    for name, blocks in plan.blocks.items():
        encoded = dask.delayed(plan.reading(name))
        tasks[name] = [task(block, encoded) for block in blocks]
    (found,) = dask.compute(tasks)
    decode = msgspec.msgpack.Decoder(Count).decode
    total = totals(plan, {name: list(map(decode, some)) for name, some in found.items()})
    issues = plan.scan_result.issues.merged(total.issues)
    named = [plan.settled.named(issue) for issue in issues.sorted()]
    return Counted(
        catalogue(plan.settled.fields, total.filled),
        issues_frame(named, plan.request.paths),
        issues.count,
        summary(total.facts, issues, plan.request.window),
    )


class Totals(NamedTuple):
    """What the counts of all blocks amount to; `issues` are those that settling found, and they."""

    issues: Issues
    filled: Counter[str]
    facts: dict[str, Facts]


def totals(plan: Plan, counts: Mapping[str, Sequence[Count]]) -> Totals:
    """Return what the counts of all blocks amount to."""
    issues = Issues()
    for issue in plan.settled.issues:
        issues.add(issue)
    filled: Counter[str] = Counter()
    for one in (one for some in counts.values() for one in some):
        issues = issues.merged(one.issues)
        filled.update(one.filled)
    return Totals(issues, filled, {name: _facts(plan, name, some) for name, some in counts.items()})


def _facts(plan: Plan, name: str, counts: Sequence[Count]) -> Facts:
    blocks = plan.blocks[name]
    times = [pd.Timestamp(one.latest) for one in counts if one.latest is not None]
    return Facts(
        sum(block.left for block in blocks),
        len(schema_of(plan.settled, name)),
        sum(len(block.dropped) for block in blocks),
        max(times, default=pd.NaT),
    )
