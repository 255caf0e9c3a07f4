"""The tables of an export as SQL over its Parquet dataset."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from asana_jobs_pd._decode.scan_result import ReadOptions
from asana_jobs_pd._export.results import empty_table
from asana_jobs_pd._parquet.dataset import dataset_folder
from asana_jobs_pd._parquet.destination import CATALOGUE, MANIFEST, files_by_type
from asana_jobs_pd._tables.relations import BRIDGES, check_task_columns, value_column
from asana_jobs_pd._tables.source import LINK_TYPES, LINKS, REFERENCES, ROWS_OF
from asana_jobs_pd.errors import InvalidOptionError

_VALUES: Final = {
    "text_value": "varchar",
    "number_value": "double",
    "enum_value": "varchar",
    "multi_enum_values": "varchar[]",
    "date_value": "date",
    "date_time_value": "timestamptz",
    "people_value": "struct(gid varchar, name varchar, email varchar)[]",
    "reference_value": "struct(gid varchar, resource_type varchar, name varchar)[]",
}
"""The value columns of `task_custom_field`."""
_TYPES: Final = {
    "string": "varchar",
    "bool": "boolean",
    "int64": "bigint",
    "double": "double",
    "date32[day]": "date",
    "timestamp[us, tz=UTC]": "timestamptz",
}
"""The types of documented columns."""
_NOTHING: Final = "where false"
_PERSON: Final = """
with people as ({parts}),
known as (select email, min(gid) as gid from people where gid is not null group by email)
select coalesce(people.gid, known.gid, people.email) as gid, min(name) as name,
    min(people.email) as email
from people left join known on people.email = known.email
where coalesce(people.gid, people.email) is not null group by 1"""
_SUBTASK: Final = """
with recursive tasks(task, parent) as ({tasks}),
up(task, parent, root, depth) as (
    select task, parent, parent, 1::bigint from tasks where parent is not null
    union
    select up.task, up.parent, above.parent, up.depth + 1
    from up join tasks above on above.task = up.root
    where above.parent is not null and up.depth < 64
)
select task, min(parent) as parent, arg_max(root, depth) as root, max(depth) as depth
from up group by task"""
_PORTFOLIO_ITEM: Final = """
with recursive direct(portfolio, item, item_type) as ({links}),
below(portfolio, item, item_type, depth) as (
    select *, 1::bigint from direct
    union
    select below.portfolio, direct.item, direct.item_type, below.depth + 1
    from below join direct on direct.portfolio = below.item
    where below.item_type = 'portfolio' and below.depth < 64
)
select portfolio, item, min(item_type) as item_type, min(depth) as depth
from below where item <> portfolio group by portfolio, item"""


class Lake:
    """A dataset that `asana_export_to_parquet` wrote, in a local folder."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self._root = dataset_folder(folder)
        manifest = json.loads((self._root / MANIFEST).read_bytes())
        self._files = files_by_type(self._root, manifest)
        tasks = self._schema("task").names
        if tasks:
            check_task_columns(tasks, "convert the export with {it} (columns=)")
        if None in self._files or "custom_fields" in tasks:
            raise InvalidOptionError(
                "The custom fields are not columns: convert with custom_fields='columns'."
            )

    def _schema(self, resource_type: str) -> pa.Schema:
        """Return the columns of a type of row; none if there are no such rows."""
        files = self._files.get(resource_type)
        return _contents(files[0]).schema if files else pa.schema([])

    def query(self, name: str) -> str:
        """Return the SQL query for a table."""
        makers: dict[str, Callable[[], str]] = {
            "task_custom_field": self._custom_field_values,
            "portfolio_item": self._portfolio_items,
            "custom_field": lambda: f"select * exclude (options) from {self._catalogue()}",
            "option": self._options,
            "story": self._stories,
            "subtask": self._subtasks,
        }
        if name in makers:
            return makers[name]()
        return self._bridge(name) if name in BRIDGES else self._entity(name)

    def _rows(self, resource_type: str) -> str:
        """Return the SQL source of rows: all links, and of other types rows with a gid."""
        files = self._files[resource_type]
        has_all = resource_type in LINK_TYPES or all(_contents(file).has_gids for file in files)
        return _parquet(files) if has_all else f"(from {_parquet(files)} where gid is not null)"

    def _cells(self, resource_type: str, **columns: str) -> str:
        """Return a query for columns as text; absent ones are null."""
        existing = self._schema(resource_type).names
        cells = ", ".join(
            f"{_id(column) if column in existing else 'null'}::varchar as {name}"
            for name, column in columns.items()
        )
        return f"select {cells} " + (f"from {self._rows(resource_type)}" if existing else _NOTHING)

    def _items(self, resource_type: str, column: str, **paths: str) -> str:
        """Return a query for values in lists of objects, as text; absent ones are null."""
        schema = self._schema(resource_type)
        type_ = schema.field(column).type if column in schema.names else pa.null()
        if not (pa.types.is_list(type_) and pa.types.is_struct(type_.value_type)):
            cells = ", ".join(f"null::varchar as {name}" for name in ("row", *paths))
            return f"select {cells} {_NOTHING}"
        leaves = dict(_leaves(type_.value_type))
        cells = ", ".join(
            f"{_part(leaves[path]) if path in leaves else 'null'}::varchar as {name}"
            for name, path in paths.items()
        )
        row = "gid" if "gid" in schema.names else "null"
        rows = (
            f"select {row} as row, unnest({_id(column)}) as item from {self._rows(resource_type)}"
        )
        return f"select row, {cells} from ({rows})"

    def _bridge(self, name: str) -> str:
        column, paths = BRIDGES[name]
        first, *others = paths
        more = "".join(f", min({other}) as {other}" for other in others)
        return (
            f"select row as task, {first}{more} from ({self._items('task', column, **paths)}) "
            f"where {first} is not null group by row, {first}"
        )

    def _entity(self, kind: str) -> str:
        resource_type = ROWS_OF.get(kind, kind)
        if resource_type in self._files:
            cells = [_id(field.name) for field in _without_lists(self._schema(resource_type))]
            return f"select {', '.join(cells)} from {self._rows(resource_type)}"
        if kind not in ("task", "time_entry"):
            return self._from_references(kind)
        documented = empty_table(resource_type, ReadOptions())
        assert documented is not None
        cells = [
            f"null::{_TYPES[str(field.type)]} as {_id(field.name)}"
            for field in _without_lists(documented.schema)
        ]
        return f"select {', '.join(cells)} {_NOTHING}"

    def _from_references(self, kind: str) -> str:
        more = {"section": {"project": "project.gid"}}.get(kind, {})
        parts = []
        for resource_type, path, of_kind in REFERENCES:
            if of_kind != kind:
                continue
            column, listed, below = path.partition("[]")
            start = f"{below[1:]}." if below else ""
            keys = {"gid": f"{start}gid", "name": f"{start}name"}
            if listed:
                parts.append(self._items(resource_type, column, **keys, **more))
            else:
                ends = {name: f"{column}.{key}" for name, key in keys.items()}
                parts.append(self._cells(resource_type, **ends))
        if kind == "person":
            parts += self._people_of_fields()
            return _PERSON.format(parts=" union all by name ".join(parts))
        project = ', min(project) as "project.gid"' if more else ""
        return (
            f"select gid, min(name) as name{project} "
            f"from ({' union all by name '.join(parts)}) where gid is not null group by gid"
        )

    def _people_of_fields(self) -> Iterator[str]:
        yield f"select null::varchar as email {_NOTHING}"
        fields = self._fields()
        for column in fields.loc[fields["type"] == "people", "column"]:
            for resource_type in self._files:
                yield self._items(resource_type, column, gid="gid", name="name", email="email")

    def _subtasks(self) -> str:
        return _SUBTASK.format(tasks=self._cells("task", gid="gid", parent="parent.gid"))

    def _portfolio_items(self) -> str:
        links = [
            f"select above, below, '{kind}' from "
            f"({self._cells(resource_type, above=f'{above}.gid', below=f'{below}.gid')}) "
            "where above is not null and below is not null"
            for resource_type, above, below, kind in LINKS
        ]
        return _PORTFOLIO_ITEM.format(links=" union ".join(links))

    def _fields(self) -> pd.DataFrame:
        return pd.read_parquet(self._root / CATALOGUE)

    def _custom_field_values(self) -> str:
        schema = self._schema("task")
        fields = self._fields()
        types = {"task": "varchar", "custom_field": "varchar", **_VALUES}
        columns = ", ".join(f"null::{type_} as {name}" for name, type_ in types.items())
        parts = [f"select {columns} where false"]
        for name, kind in zip(fields["column"], fields["type"], strict=True):
            if name not in schema.names:
                continue
            type_ = schema.field(name).type
            column, of_field = value_column(type_, kind), _id(name)
            is_list = pa.types.is_list(type_)
            filled = f"len({of_field}) > 0" if is_list else f"{of_field} is not null"
            values = f"{of_field}::{_VALUES[column]} as {column}"
            if f"{name}.date_time" in schema.names:
                values += f", {_id(f'{name}.date_time')} as date_time_value"
            rows = self._rows("task")
            parts.append(
                f"select gid as task, {_text(name)} as custom_field, {values} "
                f"from {rows} where {filled}"
            )
        return " union all by name ".join(parts)

    def _catalogue(self) -> str:
        return _parquet([self._root / CATALOGUE])

    def _options(self) -> str:
        return (
            'select "column" as custom_field, unnest(options) as name, '
            f"unnest(range(len(options))) as position from {self._catalogue()}"
        )

    def _stories(self) -> str:
        schema = self._schema("task")
        type_ = schema.field("stories").type if "stories" in schema.names else pa.null()
        leaves = dict(_leaves(type_.value_type)) if pa.types.is_list(type_) else {}
        if "gid" not in leaves:
            return f"select null::varchar as task, null::varchar as gid {_NOTHING}"
        leaves.pop("resource_type", None)
        columns = ", ".join(f"{_part(keys)} as {_id(path)}" for path, keys in leaves.items())
        rows = f"select gid as task, unnest(stories) as item from {self._rows('task')}"
        once = "qualify row_number() over (partition by item.gid order by task) = 1"
        return f"select task, {columns} from ({rows}) where item.gid is not null {once}"


class _Contents(NamedTuple):
    """A Parquet file's columns, and whether every row has a gid according to its statistics."""

    schema: pa.Schema
    has_gids: bool


def _contents(file: str) -> _Contents:
    return _read_footer(file, Path(file).stat().st_mtime_ns)


@lru_cache(maxsize=10_000)
def _read_footer(file: str, _modified: int) -> _Contents:
    footer = pq.read_metadata(file)
    schema = footer.schema.to_arrow_schema()
    paths = [footer.schema.column(place).path for place in range(len(footer.schema))]
    if "gid" not in paths:
        return _Contents(schema, has_gids=False)
    gid = paths.index("gid")
    groups = (footer.row_group(number) for number in range(footer.num_row_groups))
    statistics = [group.column(gid).statistics for group in groups]
    return _Contents(schema, all(known and known.null_count == 0 for known in statistics))


def _without_lists(schema: pa.Schema) -> list[pa.Field]:
    return [field for field in schema if not pa.types.is_list(field.type)]


def _leaves(type_: pa.DataType, *keys: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the values in objects, except lists: their column's name, and the keys to them."""
    if pa.types.is_struct(type_):
        for field in type_:
            yield from _leaves(field.type, *keys, field.name)
    elif not pa.types.is_list(type_):
        yield ".".join(keys), keys


def _part(keys: Sequence[str]) -> str:
    return ".".join(map(_id, ("item", *keys)))


def _parquet(files: Sequence[str | Path]) -> str:
    """Return the SQL source for files, with paths that are not read as patterns or partitions."""
    paths = [_text(re.sub(r"([*?[])", r"[\1]", str(file))) for file in files]
    return f"read_parquet([{', '.join(paths)}], hive_partitioning = false)"


def _text(value: object) -> str:
    return "'" + str(value).replace("'", "''") + "'"


def _id(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
