"""The tables of a load, and the report on them, from the batches that were read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple, TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pandas._libs.tslibs.nattype import NaTType

from asana_jobs_pd._decode.columns import pool
from asana_jobs_pd._decode.scan import Batch
from asana_jobs_pd._decode.scan_result import Definition, Issues
from asana_jobs_pd._export.deduplicate import FindKept, kept_rows
from asana_jobs_pd._export.export import TEXT
from asana_jobs_pd._export.finalize import (
    conformed,
    long_values,
    long_values_of_none,
    pivoted,
)
from asana_jobs_pd._export.resolve_schema import ResolvedSchema
from asana_jobs_pd._export.workers import Part

Time: TypeAlias = pd.Timestamp | NaTType
Window: TypeAlias = tuple[Time, Time]
DefinedBatch: TypeAlias = tuple[Batch, list[Definition]]
"""A batch, and the definitions to which its codes of custom fields refer."""


class Facts(NamedTuple):
    """The facts a report states about a type of row."""

    rows: int
    columns: int
    duplicates: int
    latest: Time


class Assembly:
    """Makes the tables of a load, one after another, and collects facts and issues."""

    def __init__(self, schema: ResolvedSchema, find_kept: FindKept = kept_rows) -> None:
        self._schema = schema
        self._find_kept = find_kept
        self._longs: list[pa.Table] = []
        self.issues = Issues()
        self.facts: dict[str, Facts] = {}
        self.filled: Counter[str] = Counter()
        for issue in schema.issues:
            self.issues.add(issue)

    def table(self, name: str, batches: list[DefinedBatch]) -> pa.Table:
        """Return the final table of a type of row without repeated rows; consumes the batches."""
        schema, note = self._schema, self.issues.add
        rows = sum(len(batch.table) for batch, _ in batches)
        kept = self._find_kept(rows, (batch for batch, _ in batches), name, note)
        finals: list[pa.Table] = []
        start = 0
        latest: Time = pd.NaT
        for batch, definitions in _used_up(batches):
            end = start + len(batch.table)
            table = conformed(batch, definitions, schema, note)
            if not kept[start:end].all():
                table = pool.filter_rows(table, pa.array(kept[start:end]))
            finals.append(pivoted(table, schema, name))
            if schema.options.custom_fields == "long":
                self._longs.append(long_values(table, schema, name))
            start, latest = end, later(latest, latest_of(table))
        final = pa.concat_tables(finals)
        for column in final.column_names:
            self.filled[column] += len(final) - final[column].null_count
        count = int(kept.sum())
        self.facts[name] = Facts(count, final.num_columns, rows - count, latest)
        return final

    def long_table(self) -> pa.Table | None:
        """Return the values of custom fields of all types of row, if they were requested."""
        if self._schema.options.custom_fields != "long":
            return None
        return pa.concat_tables(self._longs or [long_values_of_none(self._schema)])


def by_type(parts: list[Part]) -> dict[str, list[DefinedBatch]]:
    """Return the batches of each type of row, in the order of the files; consumes the parts."""
    batches: dict[str, list[DefinedBatch]] = {}
    for part in parts:
        for batch in part.batches:
            definitions = part.scan_result.known[batch.resource_type].definitions
            batches.setdefault(batch.resource_type, []).append((batch, definitions))
        part.batches.clear()
    for of_type in batches.values():
        of_type.sort(key=lambda item: item[0].place)
    return batches


def _used_up(batches: list[DefinedBatch]) -> Iterator[DefinedBatch]:
    """Yield the items of a list, removing each."""
    batches.reverse()
    while batches:
        yield batches.pop()


def latest_of(table: pa.Table) -> Time:
    """Return when the last row was modified; created, for rows that do not say."""
    for name in ("modified_at", "created_at"):
        if name in table.column_names:
            value = pc.max(table[name]).as_py()
            return pd.NaT if value is None else pd.Timestamp(value)
    return pd.NaT


def later(first: Time, second: Time) -> Time:
    """Return the later of two times; either may be missing."""
    if pd.isna(first) or pd.isna(second):
        return second if pd.isna(first) else first
    return max(first, second)


def summary(facts: dict[str, Facts], issues: Issues, window: Window) -> pd.DataFrame:
    """Return the report, one row for each type of row."""
    counts = [[fact.rows, fact.columns, fact.duplicates] for fact in facts.values()]
    rows, columns, duplicates = np.array(counts, np.int64).reshape(-1, 3).T
    return pd.DataFrame(
        {
            "rows": rows,
            "columns": columns,
            "duplicates": duplicates,
            "issues": np.array([issues.counts.get(name, 0) for name in facts], np.int64),
            "as_of.from": _times([window[0]] * len(facts)),
            "as_of.to": _times([window[1]] * len(facts)),
            "latest": _times([fact.latest for fact in facts.values()]),
        },
        index=pd.Index(list(facts), name="resource_type", dtype=TEXT),
    )


def _times(times: list[Time]) -> pd.DatetimeIndex:
    moments = [
        np.datetime64("NaT", "us")
        if pd.isna(time)
        else pd.Timestamp(time).as_unit("us").tz_convert(None).to_datetime64()
        for time in times
    ]
    return pd.DatetimeIndex(np.array(moments, "datetime64[us]"), tz="UTC")
