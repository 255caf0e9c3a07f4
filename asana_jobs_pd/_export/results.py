"""The results of a load: frames by type of row, custom fields, issues, and the report."""

from __future__ import annotations

import contextlib
import difflib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from keyword import iskeyword
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeVar, cast

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pandas._libs.tslibs.nattype import NaTType

from asana_jobs_pd._decode.columns import pool
from asana_jobs_pd._decode.scan_result import Issue, Issues, ReadOptions
from asana_jobs_pd._decode.sources import File
from asana_jobs_pd._export.resolve_schema import Field, ResolvedSchema, documented_schema
from asana_jobs_pd._formatting import format_count, format_time
from asana_jobs_pd.typing import DtypeBackend

if TYPE_CHECKING:
    import polars as pl

F = TypeVar("F")
Time: TypeAlias = pd.Timestamp | NaTType
Window: TypeAlias = tuple[Time, Time]
TEXT = pd.StringDtype("pyarrow")


def to_frame(table: pa.Table, backend: DtypeBackend) -> pd.DataFrame:
    """Return a table as a DataFrame with a RangeIndex; consumes the table to save memory.

    With the default backend, dates become naive `datetime64[us]`, and lists, for which pandas has
    no dtype of its own, `ArrowDtype`.
    """
    if backend == "numpy_nullable":
        for position, field in enumerate(table.schema):
            if pa.types.is_date(field.type):
                times = pool.cast(table.column(position), pa.timestamp("us"))
                table = table.set_column(position, field.name, times)
    mapper = pd.ArrowDtype if backend == "pyarrow" else _nullable
    frame: pd.DataFrame = table.to_pandas(
        types_mapper=mapper, date_as_object=False, self_destruct=True, split_blocks=True
    )
    return frame


def with_dates(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return naive times as dates, which `to_frame` makes times; a user's own may stay times."""
    if pa.types.is_timestamp(column.type) and column.type.tz is None:
        dates = column.cast(pa.date32(), safe=False)
        return dates if dates.cast(column.type, safe=False).equals(column) else column
    return column


def _nullable(type_: pa.DataType) -> Any:
    if pa.types.is_string(type_):
        return TEXT
    if pa.types.is_boolean(type_):
        return pd.BooleanDtype()
    if pa.types.is_integer(type_):  # exports have no larger ones, hashes in SQL are
        return pd.UInt64Dtype() if pa.types.is_uint64(type_) else pd.Int64Dtype()
    if pa.types.is_floating(type_):
        return pd.Float64Dtype()
    return pd.ArrowDtype(type_) if pa.types.is_nested(type_) else None


def arrow_table(table: pa.Table) -> pa.Table:
    """Return a table unchanged."""
    return table


def polars_frame(table: pa.Table) -> pl.DataFrame:
    """Return a table as a polars DataFrame; enum fields keep their options in their order."""
    import polars as pl  # noqa: PLC0415  an extra

    frame = cast("pl.DataFrame", pl.from_arrow(table, rechunk=False))
    fields = [field.name for field in table.schema if pa.types.is_dictionary(field.type)]
    options = {name: table[name].unify_dictionaries().chunk(0).dictionary for name in fields}
    return frame.cast({name: pl.Enum(pl.Series(values)) for name, values in options.items()})


def issues_frame(found: Issues, schema: ResolvedSchema, paths: Sequence[File]) -> pd.DataFrame:
    """Return issues as a frame: file, line, resource_type, gid, column, value, reason."""
    issues = [schema.named(issue) for issue in found.sorted()]
    frame = pd.DataFrame(
        {
            "file": [str(paths[issue.file]) for issue in issues],
            "line": [issue.line or None for issue in issues],
            "resource_type": [issue.resource_type for issue in issues],
            "gid": [issue.gid for issue in issues],
            "column": [issue.column for issue in issues],
            "value": [issue.value for issue in issues],
            "reason": [issue.reason for issue in issues],
        }
    )
    return frame.astype({name: "Int64" if name == "line" else TEXT for name in frame.columns})


def catalogue(fields: Sequence[Field], filled: Mapping[str, int]) -> pd.DataFrame:
    """Return custom fields as a frame, one per row, with the number of rows with a value."""
    options = pa.array([field.options for field in fields], pa.list_(pa.string()))
    return pd.DataFrame(
        {
            "column": _texts([field.column for field in fields]),
            "gid": _texts([field.gid for field in fields]),
            "name": _texts([field.name for field in fields]),
            "type": _texts([field.kind for field in fields]),
            "representation_type": _texts([field.representation for field in fields]),
            "precision": pd.array([field.precision for field in fields], "Int64"),
            "format": _texts([field.format for field in fields]),
            "currency_code": _texts([field.currency for field in fields]),
            "options": pd.arrays.ArrowExtensionArray(options),
            "rows": np.array([filled[field.column] for field in fields], np.int64),
            "from_display": np.array([field.from_display for field in fields], np.bool_),
        }
    )


def _texts(values: Sequence[str | None]) -> Any:
    return pd.array(values, TEXT)


def empty_table(resource_type: str, options: ReadOptions | None) -> pa.Table | None:
    """Return the table of a documented type without rows; None if it was not requested."""
    types = options.resource_types if options else ()
    if options is None or (types is not None and resource_type not in types):
        return None
    schema = documented_schema(resource_type, options)
    return None if schema is None else schema.empty_table()


class Facts(NamedTuple):
    """The facts in a report about a type of row."""

    rows: int
    columns: int
    duplicates: int = 0
    latest: datetime | None = None


class Counts:
    """Counts made while rows are finalized: issues, filled cells, facts by type of row.

    `files` are the written files of each type.
    """

    def __init__(self, issues: Iterable[Issue] = ()) -> None:
        self.issues = Issues()
        self.filled: Counter[str] = Counter()
        self.facts: dict[str, Facts] = {}
        self.files: dict[str, list[Any]] = {}
        for issue in issues:
            self.issues.add(issue)

    def add_rows(self, name: str, table: pa.Table, final: pa.Table) -> None:
        """Count the rows of a type, from the conformed and the final table."""
        for column in final.column_names:
            self.filled[column] += len(final) - final[column].null_count
        self.add_facts(name, Facts(len(final), final.num_columns, 0, latest_of(table)))

    def add_facts(self, name: str, facts: Facts) -> None:
        """Add facts about rows of a type to those known so far."""
        known = self.facts.get(name, Facts(0, 0))
        self.facts[name] = Facts(
            known.rows + facts.rows,
            facts.columns,
            known.duplicates + facts.duplicates,
            max(filter(None, (known.latest, facts.latest)), default=None),
        )

    def add(self, other: Counts) -> None:
        """Add the counts of other rows."""
        self.issues = self.issues.merged(other.issues)
        self.filled.update(other.filled)
        for name, facts in other.facts.items():
            self.add_facts(name, facts)
        for name, files in other.files.items():
            self.files[name] = sorted([*self.files.get(name, ()), *files])


def latest_of(table: pa.Table) -> datetime | None:
    """Return when a row was last modified, or created if rows do not have that."""
    for name in ("modified_at", "created_at"):
        if name in table.column_names and pa.types.is_timestamp(table.schema.field(name).type):
            latest: datetime | None = pc.max(table[name]).as_py()
            return latest
    return None


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


def _times(times: list[Any]) -> Any:
    return pa.array(times, pa.timestamp("us", "UTC"), from_pandas=True).to_pandas().array


class ByType(Mapping[str, F]):
    """A mapping of `resource_type` to frames."""

    _absent = "is not in this export"

    def __init__(self, frames: dict[str, F]) -> None:
        self._frames = frames

    def __getitem__(self, resource_type: str) -> F:
        frame = self._frames.get(resource_type)
        if frame is None:
            frame = self._without_rows(resource_type)
        if frame is None:
            available = ", ".join(map(repr, self)) or "nothing"
            raise KeyError(f"{resource_type!r} {self._absent}; there is {available}")
        return frame

    def __contains__(self, resource_type: object) -> bool:
        return resource_type in self._frames

    def __iter__(self) -> Iterator[str]:
        return iter(self._frames)

    def __len__(self) -> int:
        return len(self._frames)

    def __getattr__(self, name: str) -> F:
        hint = ""
        if not name.startswith("_"):
            with contextlib.suppress(KeyError):
                return self[name]
            if near := difflib.get_close_matches(name, dir(self), 1):
                hint = f". Did you mean {near[0]!r}?"
        raise AttributeError(f"{type(self).__name__!r} has no attribute {name!r}{hint}")

    def __dir__(self) -> list[str]:
        names = {name for name in self._frames if name.isidentifier() and not iskeyword(name)}
        return sorted(names.union(super().__dir__()))

    def _ipython_key_completions_(self) -> list[str]:
        return list(self._frames)

    def _without_rows(self, resource_type: str) -> F | None:  # noqa: ARG002  for subclasses
        """Return the frame of a type that is known but has no rows."""
        return None


class LoadedExport(ByType[F]):
    """A loaded export with any engine: the frames, and the options they were loaded with."""

    def __init__(
        self,
        frames: dict[str, F],
        *,
        custom_field_values: F | None = None,
        incomplete_files: Sequence[str] = (),
        options: ReadOptions | None = None,
        backend: DtypeBackend = "numpy_nullable",
    ) -> None:
        super().__init__(frames)
        self.custom_field_values = custom_field_values
        self.incomplete_files = list(incomplete_files)
        self._options = options
        self.backend = backend


class InMemoryExport(LoadedExport[F]):
    """An export in memory, with the catalogue of custom fields, the issues and the report."""

    def __init__(
        self,
        frames: dict[str, F],
        *,
        custom_fields: pd.DataFrame,
        issues: pd.DataFrame,
        issue_count: int,
        summary: pd.DataFrame,
        **shared: Any,
    ) -> None:
        super().__init__(frames, **shared)
        self.custom_fields = custom_fields
        self.issues = issues
        self.issue_count = issue_count
        self._summary = summary
        self._empty: dict[str, F] = {}

    def report(self) -> pd.DataFrame:
        """Return a report on the loaded export, with one row for each type of row.

        Returns
        -------
        pandas.DataFrame
            Indexed by `resource_type`: `rows`, `columns`, `duplicates` (repeated rows that were
            dropped; the latest of each was kept), `issues`; `as_of.from` and `as_of.to`, the
            period in which Asana wrote the export, if it was loaded through a frame of jobs; and
            `latest`, the latest `modified_at` or `created_at` in the rows.

        See Also
        --------
        AsanaExport.gaps : What the export refers to but does not contain.

        Examples
        --------
        >>> data.report()["rows"].tolist() == [len(frame) for frame in data.values()]
        True
        """
        return self._summary.copy()

    def _converted(self, table: pa.Table) -> F:
        """Return a table as a frame of the engine."""
        raise NotImplementedError

    def _without_rows(self, resource_type: str) -> F | None:
        table = empty_table(resource_type, self._options)
        if table is None:
            return None
        return self._empty.setdefault(resource_type, self._converted(table))

    def __repr__(self) -> str:
        rows = ", ".join(
            f"{name} {frame.shape[0]:,} x {frame.shape[1]}"  # type: ignore[attr-defined]
            for name, frame in self._frames.items()
        )
        return f"<{type(self).__name__}: {'; '.join([rows or 'no rows', *self._notes()])}>"

    def _repr_html_(self) -> str:
        summary = self._summary.drop(columns=["as_of.from", "as_of.to"]).rename_axis(None)
        summary["latest"] = [_minute(time) if pd.notna(time) else "" for time in summary["latest"]]
        table = summary.to_html(escape=True, formatters={"rows": "{:,}".format})
        notes = ["no rows"] * summary.empty + self._notes()
        return f"{table}<p>{'; '.join(notes)}</p>"

    def _notes(self) -> list[str]:
        """Return how current the export is, and how many issues it has."""
        notes: list[str] = []
        for name, label in (("as_of.to", "as of"), ("latest", "last change")):
            time = self._summary[name].max()
            if pd.notna(time) and not notes:
                notes.append(f"{label} {_minute(time)}")
        early = len(self.incomplete_files)
        if early:
            notes.append(format_count(early, "incomplete file"))
        count = self.issue_count
        notes.append(f"{format_count(count, 'issue')}, see .issues" if count else "no issues")
        return notes


def _minute(time: pd.Timestamp) -> str:
    return f"{format_time(time, UTC)[:16]} UTC"
