"""`data.tables()`: an export as keyed tables and the relations between them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from asana_jobs_pd._export.answers import ExportAnswers
from asana_jobs_pd._export.results import ByType
from asana_jobs_pd._public import public
from asana_jobs_pd._tables.arrays import (
    codes_of,
    distinct,
    items_of,
    leaves,
    missing,
    texts,
    unique_rows,
)
from asana_jobs_pd._tables.fields import check_fields_are_columns
from asana_jobs_pd._tables.source import LINKS, REFERENCES, ROWS_OF, Source
from asana_jobs_pd.errors import InvalidFrameError

TABLES: Final = (
    *("task", "project", "section", "person", "tag", "portfolio", "custom_field", "option"),
    *("task_project", "task_custom_field", "task_tag", "task_follower", "task_dependency"),
    *("subtask", "portfolio_item", "time_entry", "story"),
)
BRIDGES: Final[Mapping[str, tuple[str, Mapping[str, str]]]] = {
    "task_project": ("memberships", {"project": "project.gid", "section": "section.gid"}),
    "task_tag": ("tags", {"tag": "gid"}),
    "task_follower": ("followers", {"person": "gid"}),
    "task_dependency": ("dependencies", {"dependency": "gid"}),
}
"""Of each table between tasks and others: the list, and where its items have the columns."""
_PEOPLE = pa.list_(pa.struct([(key, pa.string()) for key in ("gid", "name", "email")]))
_OBJECTS = pa.list_(pa.struct([(key, pa.string()) for key in ("gid", "resource_type", "name")]))
VALUES: Final = {
    "text_value": pa.string(),
    "number_value": pa.float64(),
    "enum_value": pa.string(),
    "multi_enum_values": pa.list_(pa.string()),
    "date_value": pa.date32(),
    "date_time_value": pa.timestamp("us", "UTC"),
    "people_value": _PEOPLE,
    "reference_value": _OBJECTS,
}
"""The value columns of `task_custom_field`; each row uses one of them."""


@public
class AsanaTables(ByType[pd.DataFrame]):
    """The tables of an export, by name; returned by ``data.tables()``.

    `task`, `project`, `section`, `portfolio` and `time_entry` have the rows of the export, without
    lists; `person` and `tag`, and every kind that has no rows in the export, are made from the
    references to them. All have a unique column `gid`: rows without a gid are left out, and people
    without a gid have their e-mail address as the key. `custom_field` is the catalogue, with the
    key `column`; `option` has the options of each enum field.

    The other tables have the relations, each pair once: `task_project` (task, project, section),
    `task_tag`, `task_follower` (task, person), `task_dependency` (task, and the one it waits for),
    `subtask` (task, parent, root, depth), `portfolio_item` (portfolio, item, item_type, depth;
    including the items of nested portfolios), `task_custom_field` (task, custom_field, and the
    value in the column of its type) and `story` (task, and the content of the story).

    Parameters
    ----------
    export
        The loaded export.

    See Also
    --------
    AsanaExport.tables : Create the tables.

    Examples
    --------
    >>> tables = data.tables()
    >>> tables["task"]["gid"].is_unique
    True
    """

    _absent = "is not one of the tables"

    def __init__(self, export: ExportAnswers) -> None:
        super().__init__({})
        self._source = Source(export)

    def __getitem__(self, name: str) -> pd.DataFrame:
        if name in TABLES and name not in self._frames:
            self._frames[name] = _made(self._source, name)
        return super().__getitem__(name)

    def __getattr__(self, name: str) -> pd.DataFrame:
        return self[name] if name in TABLES else super().__getattr__(name)

    def __contains__(self, name: object) -> bool:
        return name in TABLES

    def __iter__(self) -> Iterator[str]:
        return iter(TABLES)

    def __len__(self) -> int:
        return len(TABLES)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *TABLES})

    def _ipython_key_completions_(self) -> list[str]:
        return list(TABLES)

    def __repr__(self) -> str:
        rows = ", ".join(f"{name} {len(frame):,}" for name, frame in self.items())
        return f"<AsanaTables: {rows}>"

    def _repr_html_(self) -> str:
        columns = [", ".join(map(str, frame.columns[:8])) for frame in self.values()]
        sizes = [len(frame) for frame in self.values()]
        summary = pd.DataFrame({"rows": sizes, "columns": columns}, index=pd.Index(TABLES))
        return str(summary.to_html(escape=True))


def tables_of(export: ExportAnswers) -> AsanaTables:
    """Return an export as keyed tables, and the relations between them."""
    check_complete(export)
    return AsanaTables(export)


def _made(source: Source, name: str) -> pd.DataFrame:
    if name == "custom_field":
        return source.export.custom_fields.drop(columns="options")
    if name in BRIDGES:
        return source.frame(_bridge(source, name))
    make = _RELATIONS.get(name)
    return _entity(source, name) if make is None else source.frame(make(source))


def check_complete(export: ExportAnswers) -> None:
    """Raise if an export lacks the columns that relations need."""
    if "task" in export:
        remedy = "load {it} too (columns=), or export {it} (fields= of ResourceExport)"
        check_task_columns(export["task"].columns, remedy)
    check_fields_are_columns(export)


def check_task_columns(columns: Iterable[str], remedy: str) -> None:
    """Raise if tasks lack columns that relations need; ``{it}`` in `remedy` stands for them."""
    existing = set(columns)
    if absent := [name for name in ("gid", "memberships") if name not in existing]:
        names = " and no column ".join(map(repr, absent))
        it = "it" if len(absent) == 1 else "them"
        raise InvalidFrameError(
            f"The tasks have no column {names}, which tables are made of: {remedy.format(it=it)}."
        )


def _entity(source: Source, kind: str) -> pd.DataFrame:
    """Return the objects of a kind: rows of the export, or made from references to them."""
    rows = ROWS_OF.get(kind, kind)
    if rows not in source.export and kind not in ("task", "time_entry"):
        return source.frame(_from_references(source, kind))
    frame = source.rows(rows)
    return frame[[name for name in frame.columns if not _is_list(frame[name].dtype)]]


def _is_list(dtype: object) -> bool:
    return isinstance(dtype, pd.ArrowDtype) and bool(pa.types.is_list(dtype.pyarrow_dtype))


def _from_references(source: Source, kind: str) -> pa.Table:
    parts = [
        pa.table(source.referred(reference)) for reference in REFERENCES if reference.kind == kind
    ]
    if kind == "person":
        parts += _people_of_fields(source)
    whole = pa.concat_tables(parts, promote_options="default")
    columns = {name: whole[name] for name in whole.column_names if name != "by"}
    if kind == "person":
        columns["gid"] = _gids_of_people(whole)
    return distinct(columns, "gid")


def _people_of_fields(source: Source) -> Iterator[pa.Table]:
    fields = source.export.custom_fields
    keys = ("gid", "name", "email")
    yield pa.schema([(key, pa.string()) for key in keys]).empty_table()
    for column in fields.loc[(fields["type"] == "people").fillna(value=False), "column"]:
        for resource_type in source.export:
            _, people = source.items(resource_type, column)
            yield pa.table({key: texts(people, key) for key in keys})


def _gids_of_people(people: pa.Table) -> pa.ChunkedArray:
    """Return people's gids; without one, the gid of another with the same e-mail, or the e-mail."""
    both = people.filter(pc.and_(people["gid"].is_valid(), people["email"].is_valid()))
    place = pc.index_in(people["email"], value_set=both["email"], skip_nulls=True)
    return pc.coalesce(people["gid"], both["gid"].take(place), people["email"])


def _bridge(source: Source, name: str) -> pa.Table:
    column, paths = BRIDGES[name]
    rows, values = source.items("task", column)
    keys = {key: texts(values, path) for key, path in paths.items()}
    tasks = source.text("task", "gid")
    table = pa.table({"task": tasks.take(pa.array(rows)) if len(rows) else missing(0), **keys})
    return unique_rows(table, "task", next(iter(paths)))


def _subtasks(source: Source) -> pa.Table:
    """Return tasks with a parent, with the parent, the topmost known ancestor and its distance."""
    tasks, parents = source.text("task", "gid"), source.text("task", "parent.gid")
    has_parent = np.flatnonzero(np.asarray(parents.is_valid()))
    known = codes_of(parents, tasks)
    top = np.where(known >= 0, known, np.arange(len(known)))
    depth = (known >= 0).astype(np.int64)
    for _ in range(len(known).bit_length()):  # distances double each time; a cycle would never end
        if not depth[top].any():
            break
        depth, top = depth + depth[top], top[top]
    outside = np.asarray(parents.is_valid()) & (known < 0)
    depth += outside[top]
    root = np.where(outside[top], len(tasks) + top, top)
    gids = pa.chunked_array([*tasks.chunks, *parents.chunks], pa.string())
    return pa.table(
        {
            "task": tasks.take(pa.array(has_parent)),
            "parent": parents.take(pa.array(has_parent)),
            "root": gids.take(pa.array(root[has_parent])),
            "depth": pa.array(depth[has_parent]),
        }
    )


def _portfolio_items(source: Source) -> pa.Table:
    """Return the items of portfolios, including nested portfolios, and their depth."""
    direct: dict[str, dict[str, str]] = {}
    for resource_type, above, below, kind in LINKS:
        pairs = (source.text(resource_type, f"{end}.gid").to_pylist() for end in (above, below))
        for portfolio, item in zip(*pairs, strict=True):
            if portfolio is not None and item is not None:
                direct.setdefault(portfolio, {})[item] = kind
    rows = [
        (portfolio, item, kind, depth)
        for portfolio in direct
        for item, (kind, depth) in _below(portfolio, direct).items()
    ]
    texts_of = ("portfolio", "item", "item_type")
    schema = pa.schema([*((name, pa.string()) for name in texts_of), ("depth", pa.int64())])
    return pa.Table.from_pylist([dict(zip(schema.names, row, strict=True)) for row in rows], schema)


def _below(portfolio: str, direct: Mapping[str, Mapping[str, str]]) -> dict[str, tuple[str, int]]:
    """Return the items of a portfolio with their kind and least depth, even if there are cycles."""
    found: dict[str, tuple[str, int]] = {}
    level, depth = [portfolio], 1
    while level:
        items = {item: kind for above in level for item, kind in direct.get(above, {}).items()}
        new = {item: kind for item, kind in items.items() if item not in {portfolio, *found}}
        found |= {item: (kind, depth) for item, kind in new.items()}
        level, depth = list(new), depth + 1
    return found


def _custom_field_values(source: Source) -> pa.Table:
    """Return a row per task and custom field with a value, which is in the column of its type."""
    fields = source.export.custom_fields
    columns, kinds = fields["column"].tolist(), fields["type"].tolist()
    types = {"row": pa.int64(), "field": pa.int32(), **VALUES}
    parts = [pa.schema(types).empty_table()]
    for number, (name, kind) in enumerate(zip(columns, kinds, strict=True)):
        values = source.column("task", name)
        if values is None:
            continue
        column = value_column(values.type, kind)
        if pa.types.is_list(values.type):
            full = pc.fill_null(pc.greater(pc.list_value_length(values), 0), fill_value=False)
        else:
            full = values.is_valid()
        rows = np.flatnonzero(np.asarray(full))
        part = {
            "row": pa.array(rows),
            "field": pa.array(np.full(len(rows), number, np.int32)),
            column: values.take(pa.array(rows)).cast(VALUES[column]),
        }
        times = source.column("task", f"{name}.date_time")
        if times is not None and column == "date_value":
            part["date_time_value"] = times.take(pa.array(rows))
        parts.append(pa.table(part))
    whole = pa.concat_tables(parts, promote_options="default")
    whole = whole.take(pa.array(np.argsort(whole["row"].to_numpy(), kind="stable")))
    named = {
        "task": source.text("task", "gid").take(whole["row"]),
        "custom_field": pa.array(columns, pa.string()).take(whole["field"].combine_chunks()),
    }
    return pa.table(named | {name: whole[name] for name in VALUES})


def value_column(type_: pa.DataType, kind: str) -> str:
    """Return the column of `task_custom_field` for the values of a field."""
    if pa.types.is_list(type_) and pa.types.is_struct(type_.value_type):
        return "people_value" if kind == "people" else "reference_value"
    if pa.types.is_list(type_):
        return "multi_enum_values"
    if pa.types.is_dictionary(type_):
        return "enum_value"
    if pa.types.is_date(type_) or pa.types.is_timestamp(type_):
        return "date_value"
    is_number = pa.types.is_floating(type_) or pa.types.is_integer(type_)
    return "number_value" if is_number else "text_value"


def _options(source: Source) -> pa.Table:
    export = source.export
    options = export.custom_fields["options"].array
    rows, names = items_of(pa.chunked_array(pa.array(options)))
    columns = pa.array(export.custom_fields["column"], pa.string())
    starts = np.searchsorted(rows, rows)
    return pa.table(
        {
            "custom_field": columns.take(pa.array(rows)),
            "name": names.cast(pa.string()),
            "position": pa.array(np.arange(len(rows)) - starts),
        }
    )


def _stories(source: Source) -> pa.Table:
    rows, values = source.items("task", "stories")
    columns = dict(leaves("", values)) if pa.types.is_struct(values.type) else {}
    if "gid" not in columns:
        columns = {"gid": missing(len(rows)), **columns}
    columns.pop("resource_type", None)
    tasks = source.text("task", "gid").take(pa.array(rows)) if len(rows) else missing(0)
    return unique_rows(pa.table({"task": tasks, **columns}), "gid")


_RELATIONS: Final[Mapping[str, Callable[[Source], pa.Table]]] = {
    "option": _options,
    "task_custom_field": _custom_field_values,
    "subtask": _subtasks,
    "portfolio_item": _portfolio_items,
    "story": _stories,
}
