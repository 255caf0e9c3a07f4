"""The tables of a load, and the report on them, from the batches that were read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pandas._libs.tslibs.nattype import NaTType

from asana_jobs_pd._decode.columns import pool
from asana_jobs_pd._decode.scan import Batch
from asana_jobs_pd._decode.scan_result import Definition, Issue, Issues
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


class Counts:
    """What is counted while rows get their final form: issues, filled cells, facts by type of row.

    `files` are those of each type, when they are written.
    """

    def __init__(self, issues: Iterable[Issue] = ()) -> None:
        self.issues = Issues()
        self.filled: Counter[str] = Counter()
        self.facts: dict[str, Facts] = {}
        self.files: dict[str, list[Any]] = {}
        for issue in issues:
            self.issues.add(issue)

    def add_rows(self, name: str, table: pa.Table, final: pa.Table) -> None:
        """Count rows of a type, given as they were conformed, and in their final form."""
        for column in final.column_names:
            self.filled[column] += len(final) - final[column].null_count
        self.add_facts(name, Facts(len(final), final.num_columns, 0, latest_of(table)))

    def add_facts(self, name: str, facts: Facts) -> None:
        """Add facts about rows of a type to those that are known."""
        known = self.facts.get(name, Facts(0, 0, 0, pd.NaT))
        self.facts[name] = Facts(
            known.rows + facts.rows,
            facts.columns,
            known.duplicates + facts.duplicates,
            later(known.latest, facts.latest),
        )

    def add(self, other: Counts) -> None:
        """Add the counts of other rows."""
        self.issues = self.issues.merged(other.issues)
        self.filled.update(other.filled)
        for name, facts in other.facts.items():
            self.add_facts(name, facts)
        for name, files in other.files.items():
            self.files[name] = sorted([*self.files.get(name, ()), *files])


class Assembly:
    """Makes the tables of a load, one after another, and counts what is in them."""

    def __init__(self, schema: ResolvedSchema, find_kept: FindKept = kept_rows) -> None:
        self._schema = schema
        self._find_kept = find_kept
        self._longs: list[pa.Table] = []
        self.counts = Counts(schema.issues)

    def table(self, name: str, batches: list[DefinedBatch]) -> pa.Table:
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
        self.counts.add_facts(name, Facts(0, final.num_columns, duplicates, pd.NaT))
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
