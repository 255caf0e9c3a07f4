"""SQL over an export: over its tables in memory, or a Parquet dataset of any size."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa

from asana_jobs_pd._export.answers import ExportAnswers
from asana_jobs_pd._export.results import to_frame
from asana_jobs_pd._files import replace_file
from asana_jobs_pd._parquet.dataset import reading
from asana_jobs_pd._public import public
from asana_jobs_pd._tables.arrays import arrow_column
from asana_jobs_pd._tables.lake import Lake
from asana_jobs_pd._tables.relations import TABLES, AsanaTables, tables_of
from asana_jobs_pd.errors import InvalidOptionError, require_extra

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_DUCKDB = ("duckdb", "sql", "SQL needs DuckDB")
_CONFIG = {"python_enable_replacements": False}
"""Names in a query are our tables, never our local variables."""
_DURATION = pa.duration("us")


@public
def sql(lake: ExportAnswers | str | os.PathLike[str], query: str) -> pd.DataFrame:
    """Return the result of a SQL query over the tables of an export.

    The tables are those of ``data.tables()``, as views: `task`, `project`, `task_project`, …; a
    column with a dot in its name is quoted: ``select "assignee.name", count(*) from task group by
    all``. Times are UTC.

    Parameters
    ----------
    lake
        A folder of any size that `asana_export_to_parquet` or ``data.to_parquet`` wrote, of which
        DuckDB reads only what the query needs; or a loaded export.
    query
        A query in DuckDB's SQL.

    Returns
    -------
    pandas.DataFrame
        The result.

    Raises
    ------
    MissingExtraError
        If DuckDB is not installed.
    ExportFileError
        If the folder is not a dataset, or cannot be read.
    InvalidOptionError
        If DuckDB rejects the query; the message is DuckDB's.

    See Also
    --------
    AsanaExport.sql : The same for a loaded export.
    AsanaExport.tables : The tables.

    Examples
    --------
    >>> folder = data.to_parquet("queried")
    >>> result = aj.sql("queried", "select count(*) as tasks from task")
    >>> result["tasks"].tolist() == [len(data["task"])]
    True
    """
    if not isinstance(query, str) or not query.strip():
        raise InvalidOptionError(f"query={query!r}: give a SQL query, such as 'from task'.")
    if not isinstance(lake, ExportAnswers | str | os.PathLike):
        raise InvalidOptionError(
            f"lake is of type {type(lake).__name__}: give the folder of a dataset, or an export "
            "that was loaded with the pandas engine."
        )
    backend = lake.backend if isinstance(lake, ExportAnswers) else "numpy_nullable"
    duckdb = require_extra(*_DUCKDB)
    with duckdb.connect(config=_CONFIG) as connection:
        connection.execute("set timezone = 'UTC'")
        try:
            _create_views(connection, lake, set(re.findall(r"\w+", query.lower())))
            result = connection.sql(query)
            table = pa.table({}) if result is None else result.to_arrow_table()
        except duckdb.Error as error:
            dotted = "Referenced table" in str(error)
            hint = '\nQuote columns with a dot in their name: "assignee.name".' if dotted else ""
            raise InvalidOptionError(f"The query failed: {error}{hint}") from None
        return to_frame(_plain(table), backend)  # closing evicts caches: convert before it


def write_duckdb(export: ExportAnswers, path: str | os.PathLike[str]) -> Path:
    """Write the tables of an export to a DuckDB file."""
    duckdb = require_extra(*_DUCKDB)

    def write(part: Path) -> None:
        part.unlink(missing_ok=True)  # DuckDB creates the file itself
        with duckdb.connect(str(part)) as connection:
            for name, view in _frames_of(export):
                connection.register("view_to_copy", view())
                connection.sql(f'create table "{name}" as from view_to_copy')
                connection.unregister("view_to_copy")

    return replace_file(path, write)


def _create_views(
    connection: DuckDBPyConnection,
    lake: ExportAnswers | str | os.PathLike[str],
    wanted: set[str],
) -> None:
    """Create the views that a query may use."""
    names = wanted.intersection(TABLES) or TABLES  # such as "show tables"
    if isinstance(lake, ExportAnswers):
        for name, view in _frames_of(lake):
            if name in names:
                connection.register(name, view())
        return
    with reading(lake):
        views = Lake(lake)
        for name in TABLES:
            if name in names:
                connection.execute(f'create view "{name}" as {views.query(name)}')


def _frames_of(export: ExportAnswers) -> Iterator[tuple[str, Callable[[], pa.Table]]]:
    """Yield the name of each table, and a function that returns it as an Arrow table."""
    tables = tables_of(export)
    for name in TABLES:
        yield name, partial(_arrow, tables, name)


def _arrow(tables: AsanaTables, name: str) -> pa.Table:
    frame = tables[name]
    return pa.table({str(name): arrow_column(frame, name) for name in frame.columns})


def _plain(table: pa.Table) -> pa.Table:
    """Return a result with the types of our frames."""
    return pa.table(list(map(_plain_column, table.columns)), names=table.column_names)


def _plain_column(column: pa.ChunkedArray) -> pa.ChunkedArray:
    type_ = column.type
    if pa.types.is_large_string(type_):
        return column.cast(pa.string())
    if pa.types.is_decimal(type_):
        if type_.scale == 0:  # such as the sum of whole numbers
            with contextlib.suppress(pa.ArrowInvalid):
                return column.cast(pa.int64())
        return column.cast(pa.float64())
    if pa.types.is_timestamp(type_):
        return column.cast(pa.timestamp("us", "UTC" if type_.tz else None), safe=False)
    return _durations(column) if pa.types.is_interval(type_) else column


def _durations(intervals: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return intervals as durations, with a month as 30 days, as in DuckDB's own frames."""
    layout = [("months", "i4"), ("days", "i4"), ("nanoseconds", "i8")]
    chunks = []
    for chunk in intervals.chunks:
        parts = np.frombuffer(chunk.buffers()[1], layout, len(chunk), 16 * chunk.offset)
        days = parts["months"].astype(np.int64) * 30 + parts["days"]
        time = days * 86_400_000_000 + parts["nanoseconds"] // 1000
        chunks.append(pa.array(time, mask=~np.asarray(chunk.is_valid())).cast(_DURATION))
    return pa.chunked_array(chunks, _DURATION)
