"""From the parts that processes have read to what the user gets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import reduce
from typing import NamedTuple, TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from asana_jobs_pd._decode.scan import Batch
from asana_jobs_pd._decode.scan_result import Definition, Issues, ScanResult
from asana_jobs_pd._export.deduplicate import FindKept, kept_rows
from asana_jobs_pd._export.export import (
    TEXT,
    AsanaExport,
    Backend,
    catalogue,
    issues_frame,
    to_frame,
)
from asana_jobs_pd._export.finalize import (
    check_columns,
    conformed,
    long_values,
    long_values_of_none,
    pivoted,
)
from asana_jobs_pd._export.request import Request, Time, Window
from asana_jobs_pd._export.resolve_schema import ResolvedSchema, resolve_schema
from asana_jobs_pd._export.workers import Part
from asana_jobs_pd.errors import AsanaValueWarning, warn_user

__all__ = [
    "Assembly",
    "Facts",
    "assemble",
    "by_type",
    "incomplete_files",
    "later",
    "latest_of",
    "summary",
    "warn_lost",
]

Found: TypeAlias = tuple[Batch, list[Definition]]


class Facts(NamedTuple):
    """What there is to say of a type of row."""

    rows: int
    columns: int
    duplicates: int
    latest: Time


def assemble(parts: list[Part], request: Request, backend: Backend) -> AsanaExport:
    """Return the frames of everything that was read.

    Parameters
    ----------
    parts
        Is used up.
    request
        What was asked for.
    backend
        Which dtypes.
    """
    learned = reduce(ScanResult.merged, (part.scan_result for part in parts))
    warn_lost(learned, request)
    settled = resolve_schema(learned, request.options)
    check_columns(settled)
    assembly = Assembly(settled)
    frames = {}
    found = by_type(parts)
    while found:
        name = min(found)
        table = assembly.table(name, found.pop(name))
        frames[name] = to_frame(table, backend)
        del table
    issues = learned.issues.merged(assembly.issues)
    return AsanaExport(
        frames,
        custom_fields=catalogue(settled.fields, assembly.filled),
        custom_field_values=assembly.long_frame(backend),
        issues=issues_frame([settled.named(one) for one in issues.sorted()], request.paths),
        issue_count=issues.count,
        summary=summary(assembly.facts, issues, request.window),
        incomplete_files=incomplete_files(learned, request),
        options=request.options,
        backend=backend,
    )


class Assembly:
    """Makes the tables of a load one after another, and notes what there is to say of them."""

    def __init__(self, settled: ResolvedSchema, find_kept: FindKept = kept_rows) -> None:
        self._settled = settled
        self._find_kept = find_kept
        self._longs: list[pa.Table] = []
        self.issues = Issues()
        self.facts: dict[str, Facts] = {}
        self.filled: Counter[str] = Counter()
        for issue in settled.issues:
            self.issues.add(issue)

    def table(self, name: str, found: list[Found]) -> pa.Table:
        """Return the final table of a type of row, repeated rows dropped.

        Batch by batch, each of which is given up for what it becomes.
        """
        settled, tell = self._settled, self.issues.add
        rows = sum(len(batch.table) for batch, _ in found)
        kept = self._find_kept(rows, (batch for batch, _ in found), name, tell)
        finals: list[pa.Table] = []
        start = 0
        latest: Time = pd.NaT
        for batch, definitions in _used_up(found):
            end = start + len(batch.table)
            table = conformed(batch, definitions, settled, tell)
            if not kept[start:end].all():
                table = table.filter(pa.array(kept[start:end]))
            finals.append(pivoted(table, settled, name))
            if settled.options.custom_fields == "long":
                self._longs.append(long_values(table, settled, name))
            start, latest = end, later(latest, latest_of(table))
        final = pa.concat_tables(finals)
        for column in final.column_names:
            self.filled[column] += len(final) - final[column].null_count
        left = int(kept.sum())
        self.facts[name] = Facts(left, final.num_columns, rows - left, latest)
        return final

    def long_frame(self, backend: Backend) -> pd.DataFrame | None:
        """Return the values of custom fields of all types of row, when they were asked for."""
        if self._settled.options.custom_fields != "long":
            return None
        longs = self._longs or [long_values_of_none(self._settled)]
        return to_frame(pa.concat_tables(longs), backend)


def by_type(parts: list[Part]) -> dict[str, list[Found]]:
    """Return batches by type of row, in the order of the files, with what their codes mean."""
    found: dict[str, list[Found]] = {}
    for part in parts:
        for batch in part.batches:
            definitions = part.scan_result.known[batch.resource_type].definitions
            found.setdefault(batch.resource_type, []).append((batch, definitions))
        part.batches.clear()
    for some in found.values():
        some.sort(key=lambda one: one[0].place)
    return found


def _used_up(found: list[Found]) -> Iterator[Found]:
    """Yield what is in a list, which then no longer holds it."""
    found.reverse()
    while found:
        yield found.pop()


def latest_of(table: pa.Table) -> Time:
    """Return when the last row was modified, or created where it does not say."""
    for name in ("modified_at", "created_at"):
        if name in table.column_names:
            value = pc.max(table[name]).as_py()
            return pd.NaT if value is None else pd.Timestamp(value)
    return pd.NaT


def later(one: Time, other: Time) -> Time:
    """Return the later of two times of which either may be missing."""
    return other if pd.isna(one) else one if pd.isna(other) else max(one, other)


def summary(facts: dict[str, Facts], issues: Issues, window: Window) -> pd.DataFrame:
    names = list(facts)
    return pd.DataFrame(
        {
            "rows": np.array([one.rows for one in facts.values()], np.int64),
            "columns": np.array([one.columns for one in facts.values()], np.int64),
            "duplicates": np.array([one.duplicates for one in facts.values()], np.int64),
            "issues": np.array([issues.counts.get(name, 0) for name in names], np.int64),
            "as_of.from": _times([window[0]] * len(names)),
            "as_of.to": _times([window[1]] * len(names)),
            "latest": _times([one.latest for one in facts.values()]),
        },
        index=pd.Index(names, name="resource_type", dtype=TEXT),
    )


def _times(times: list[Time]) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(pd.to_datetime(pd.Series(times, dtype=object), utc=True)).as_unit("us")


def warn_lost(learned: ScanResult, request: Request) -> None:
    """Warn once, when asked to, of lines that were left out and of files that end early."""
    if request.options.on_bad_lines != "warn":
        return
    lost = [issue for issue in learned.issues.sorted() if issue.resource_type is None]
    if not lost:
        return
    first = lost[0]
    line = f" line {first.line}" if first.line else ""
    counts = [
        _counted(learned.skipped, "line was left out", "lines were left out"),
        _counted(len(learned.ended_early), "file ends early", "files end early"),
    ]
    summary = "; ".join(filter(None, counts)) or "Not everything was read"
    path = request.paths[first.file]
    warn_user(
        f"{summary}; the first: {path}{line}: {first.reason}. See .issues.", AsanaValueWarning
    )


def _counted(count: int, singular: str, plural: str) -> str:
    return f"{count:,} {singular if count == 1 else plural}" if count else ""


def incomplete_files(learned: ScanResult, request: Request) -> list[str]:
    return [str(request.paths[file]) for file in learned.ended_early]
