"""The results of a load: frames by type of row, custom fields, issues."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd
import pyarrow as pa

from asana_jobs_pd._decode.columns import pool
from asana_jobs_pd._decode.scan_result import Issue, ReadOptions
from asana_jobs_pd._decode.sources import File
from asana_jobs_pd._export.by_type import ByType, F
from asana_jobs_pd._export.history_answers import HistoryAnswers
from asana_jobs_pd._export.resolve_schema import Field, documented_schema
from asana_jobs_pd._formatting import format_count, format_time
from asana_jobs_pd._public import public
from asana_jobs_pd.typing import DtypeBackend

if TYPE_CHECKING:
    import polars as pl


class LoadedExport(ByType[F]):
    """What was loaded, whatever the engine: frames, and how they were asked for."""

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


TEXT = pd.StringDtype("pyarrow")


def to_frame(table: pa.Table, backend: DtypeBackend) -> pd.DataFrame:
    """Return a table as a DataFrame with a RangeIndex; consumes the table to save memory.

    In the default backend dates become naive `datetime64[us]`, and lists, for which pandas has no
    dtype of its own, `ArrowDtype`.
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


def _nullable(type_: pa.DataType) -> Any:
    if pa.types.is_string(type_):
        return TEXT
    if pa.types.is_boolean(type_):
        return pd.BooleanDtype()
    if pa.types.is_integer(type_):
        return pd.Int64Dtype()
    if pa.types.is_floating(type_):
        return pd.Float64Dtype()
    return pd.ArrowDtype(type_) if pa.types.is_nested(type_) else None


def polars_frame(table: pa.Table) -> pl.DataFrame:
    """Return a table as a DataFrame of polars; enum fields keep their options, in their order."""
    import polars as pl  # noqa: PLC0415  an extra

    frame = cast("pl.DataFrame", pl.from_arrow(table, rechunk=False))
    fields = [field.name for field in table.schema if pa.types.is_dictionary(field.type)]
    options = {name: table[name].unify_dictionaries().chunk(0).dictionary for name in fields}
    return frame.cast({name: pl.Enum(pl.Series(values)) for name, values in options.items()})


def issues_frame(issues: Sequence[Issue], paths: Sequence[File]) -> pd.DataFrame:
    """Return issues as a frame: file, line, resource_type, gid, column, value, reason."""
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
    """Return custom fields as a frame, one per row, with how many rows have a value."""
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
    """Return the table of a documented type without rows, None if it was not requested."""
    types = options.resource_types if options else ()
    if options is None or (types is not None and resource_type not in types):
        return None
    schema = documented_schema(resource_type, options)
    return None if schema is None else schema.empty_table()


class InMemoryExport(LoadedExport[F]):
    """What was loaded into memory, with the catalogue of custom fields, issues and the report."""

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
        """Return what was loaded, one row for each type of row.

        Returns
        -------
        pandas.DataFrame
            Indexed by `resource_type`: `rows`, `columns`, `duplicates` (repeated rows that were
            dropped, the latest of each kept), `issues`; `as_of.from` and `as_of.to`, the time in
            which Asana wrote the export, when it was loaded through a frame of jobs; and
            `latest`, the latest `modified_at` or `created_at` in the rows.

        See Also
        --------
        AsanaExport.gaps : What the export refers to and does not contain.

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
        return f"{self._summary.to_html(escape=True)}<p>{'; '.join(self._notes())}</p>"

    def _notes(self) -> list[str]:
        """Return how current the export is, and how many issues it has."""
        notes: list[str] = []
        for name, label in (("as_of.to", "as of"), ("latest", "last change")):
            time = self._summary[name].max()
            if pd.notna(time) and not notes:
                notes.append(f"{label} {format_time(time, UTC)[:16]} UTC")
        early = len(self.incomplete_files)
        if early:
            notes.append(format_count(early, "incomplete file"))
        count = self.issue_count
        notes.append(f"{format_count(count, 'issue')}, see .issues" if count else "no issues")
        return notes


@public
class AsanaExport(InMemoryExport[pd.DataFrame], HistoryAnswers):
    """The DataFrames of an export, by `resource_type`; made by `read_asana_export`.

    Iteration, `len` and `in` are about types that have rows. ``data["task"]`` without a row is an
    empty frame with the documented columns and their dtypes; a type that Asana does not document,
    or that `resource_types` left out, is a `KeyError`.

    Parameters
    ----------
    frames, custom_fields, issues, issue_count, summary, **shared
        What was read; `read_asana_export` makes it.

    Attributes
    ----------
    custom_fields : pandas.DataFrame
        The catalogue: one row per custom field over all types of row, in the order in which they
        came first. `column`, `gid`, `name`, `type`, `representation_type`, `precision`,
        `format`, `currency_code`, `options` (of an enum, in Asana's order), `rows`, the number of
        rows with a value, and `from_display`, whether some value is the text that Asana displays,
        as its own key was absent.
    custom_field_values : pandas.DataFrame or None
        With ``custom_fields="long"``: one row for each value; else None.
    issues : pandas.DataFrame
        What did not fit and became missing, lines that were left out, custom fields that changed:
        `file`, `line` (from 1), `resource_type`, `gid`, `column`, `value`, `reason`. The first
        10,000; `issue_count` counts all.
    issue_count : int
        How many issues there are.
    incomplete_files : list of str
        The files that are damaged or end early; `issues` says where. Empty when all rows of all
        files are here.

    See Also
    --------
    read_asana_export : Load files.
    read_asana_dataset : Load a Parquet dataset.

    Examples
    --------
    >>> data["task"][["gid", "name", "completed", "due_on"]].dtypes.astype(str).tolist()
    ['string', 'string', 'boolean', 'datetime64[us]']
    >>> sorted(data)
    ['message', 'task', 'team']
    """

    _gap_count: int | None = None

    def _converted(self, table: pa.Table) -> pd.DataFrame:
        return to_frame(table, self.backend)

    def _notes(self) -> list[str]:
        """Return how current the export is, and how many issues and gaps it has."""
        if self._gap_count is None:
            try:
                self._gap_count = len(self.gaps())
            except Exception:  # noqa: BLE001  frames that lack columns, or were changed, have a repr
                self._gap_count = 0
        gaps = [f"{format_count(self._gap_count, 'gap')}, see .gaps()"] if self._gap_count else []
        return [*super()._notes(), *gaps]


@public
class AsanaArrowExport(InMemoryExport[F]):
    """The tables of an export; ``read_asana_export(engine="arrow")`` or ``engine="polars"``.

    A mapping of `resource_type` to ``pyarrow.Table`` or ``polars.DataFrame``, with the columns that
    the pandas engine gives. Dates are dates; enum fields are dictionaries, in polars ``Enum``.
    `custom_fields`, `issues`, `issue_count` and `incomplete_files` are those of `AsanaExport`,
    and `custom_field_values` is a table.

    Parameters
    ----------
    frames, **shared
        What was read; `read_asana_export` makes it.

    See Also
    --------
    AsanaExport : The same for pandas.

    Examples
    --------
    >>> tables = aj.read_asana_export(files, engine="arrow")
    >>> tables["task"].column("due_on").type
    DataType(date32[day])
    """

    def __init__(self, frames: dict[str, F], **shared: Any) -> None:
        self._convert: Callable[[pa.Table], F] = shared.pop("convert")
        super().__init__(frames, **shared)

    def __getattr__(self, name: str) -> F:
        if not name.startswith("_") and hasattr(AsanaExport, name):
            raise AttributeError(
                f"{name!r} needs the pandas engine: load the export without engine=."
            )
        return super().__getattr__(name)

    def _converted(self, table: pa.Table) -> F:
        return self._convert(table)
