"""The tables of an export as SQL over its Parquet dataset."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from asana_jobs_pd._parquet.dataset import dataset_folder
from asana_jobs_pd._parquet.destination import CATALOGUE, MANIFEST
from asana_jobs_pd._tables.relations import (
    BRIDGES,
    LINKS,
    REFERENCES,
    ROWS_OF,
    value_column,
)
from asana_jobs_pd.errors import InvalidFrameError, InvalidOptionError

_OBJECT: Final = "struct(gid varchar, name varchar)"
_LISTS: Final = {
    "memberships": f"struct(project {_OBJECT}, section {_OBJECT})[]",
    "stories": f"struct(created_by {_OBJECT})[]",
}
"""The types of the lists that relations need; other lists have objects."""
_VALUES: Final = {
    "text_value": "varchar",
    "number_value": "double",
    "enum_value": "varchar",
    "multi_enum_values": "varchar[]",
    "date_value": "timestamp",
    "date_time_value": "timestamptz",
    "people_value": "struct(gid varchar, name varchar, email varchar)[]",
    "reference_value": "struct(gid varchar, resource_type varchar, name varchar)[]",
}
"""The value columns of `task_custom_field`."""
_SUBTASK: Final = """
with recursive up(task, parent, root, depth) as (
    select gid, "parent.gid", "parent.gid", 1 from {task} where "parent.gid" is not null
    union
    select up.task, up.parent, above."parent.gid", up.depth + 1
    from up join {task} above on above.gid = up.root
    where above."parent.gid" is not null and up.depth < 64
)
select task, any_value(parent) as parent, arg_max(root, depth) as root, max(depth) as depth
from up group by task"""
_PORTFOLIO_ITEM: Final = """
with recursive direct(portfolio, item, item_type) as ({links}),
below(portfolio, item, item_type, depth) as (
    select *, 1 from direct
    union
    select below.portfolio, direct.item, direct.item_type, below.depth + 1
    from below join direct on direct.portfolio = below.item
    where below.item_type = 'portfolio' and below.depth < 64
)
select portfolio, item, any_value(item_type) as item_type, min(depth) as depth
from below where item <> portfolio group by portfolio, item"""


class Lake:
    """A dataset that `asana_export_to_parquet` wrote, in a local folder."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self._root = dataset_folder(folder)
        self._files: dict[str, list[Path]] = {}
        for table in json.loads((self._root / MANIFEST).read_bytes())["tables"]:
            place = self._root / table["folder"]
            self._files[table["resource_type"]] = [place / file["name"] for file in table["files"]]
        self._schemas: dict[str, pa.Schema] = {}
        tasks = self._schema("task").names
        if tasks and "memberships" not in tasks:
            raise InvalidFrameError(
                "The tasks have no column 'memberships', without which they are in no project: "
                "convert the export with it (columns=)."
            )
        if None in self._files or "custom_fields" in tasks:
            raise InvalidOptionError(
                "The custom fields are not columns: convert with custom_fields='columns'."
            )

    def _schema(self, resource_type: str) -> pa.Schema:
        """Return the columns of a type of row; none if there are no such rows."""
        if resource_type not in self._files:
            return pa.schema([])
        if resource_type not in self._schemas:
            self._schemas[resource_type] = pq.read_schema(self._files[resource_type][0])
        return self._schemas[resource_type]

    def query(self, name: str) -> str:
        """Return the query that makes a table."""
        makers: dict[str, Callable[[], str]] = {
            "task_custom_field": self._custom_field_values,
            "portfolio_item": self._portfolio_items,
            "custom_field": lambda: f"select * exclude (options) from {self._catalogue()}",
            "option": self._options,
            "story": self._stories,
            "subtask": lambda: _SUBTASK.format(task=self._rows("task", "gid", "parent.gid")),
        }
        if name in makers:
            return makers[name]()
        return self._bridge(name) if name in BRIDGES else self._entity(name)

    def _rows(self, resource_type: str, *texts: str, items: str | None = None) -> str:
        """Return the FROM clause for some columns of rows; absent columns are null.

        `items` is a list of objects, whose items have what relations need, whatever the export has.
        """
        files = self._files.get(resource_type)
        existing = self._schema(resource_type).names
        types = dict.fromkeys(texts, "varchar")
        if items is not None:
            types[items] = _LISTS.get(items, f"{_OBJECT}[]")
        columns = ", ".join(
            f"{_id(name) if name in existing else 'null'}::{type_} as {_id(name)}"
            for name, type_ in types.items()
        )
        return f"(select {columns} {'where false' if files is None else f'from {_parquet(files)}'})"

    def _bridge(self, name: str) -> str:
        column, paths = BRIDGES[name]
        (first, key), *others = paths.items()
        more = "".join(f", any_value(item.{path}) as {other}" for other, path in others)
        rows = self._rows("task", "gid", items=column)
        return (
            f"select gid as task, item.{key} as {first}{more} "
            f"from (select gid, unnest({column}) as item from {rows}) "
            f"where item.{key} is not null group by gid, item.{key}"
        )

    def _entity(self, kind: str) -> str:
        resource_type = ROWS_OF.get(kind, kind)
        if resource_type not in self._files and kind not in ("task", "time_entry"):
            return self._from_references(kind)
        if resource_type not in self._files:
            return f"from {self._rows(resource_type, 'gid')}"
        columns = [
            _id(field.name)
            for field in self._schema(resource_type)
            if not (pa.types.is_list(field.type) and pa.types.is_struct(field.type.value_type))
        ]
        return f"select {', '.join(columns)} from {_parquet(self._files[resource_type])}"

    def _from_references(self, kind: str) -> str:
        of_section = kind == "section"
        parts = []
        for reference in REFERENCES:
            if reference.kind != kind:
                continue
            column, listed, path = reference.path.partition("[]")
            if listed:
                rows = self._rows(reference.resource_type, items=column)
                project = ", item.project.gid as project" if of_section else ""
                parts.append(
                    f"select item{path}.gid as gid, item{path}.name as name{project} "
                    f"from (select unnest({column}) as item from {rows})"
                )
            else:
                ends = f"{column}.gid", f"{column}.name"
                rows = self._rows(reference.resource_type, *ends)
                parts.append(f"select {_id(ends[0])} as gid, {_id(ends[1])} as name from {rows}")
        project = ', any_value(project) as "project.gid"' if of_section else ""
        return (
            f"select gid, any_value(name) as name{project} from ({' union all '.join(parts)}) "
            "where gid is not null group by gid"
        )

    def _portfolio_items(self) -> str:
        links = []
        for resource_type, above, below, kind in LINKS:
            ends = f"{above}.gid", f"{below}.gid"
            rows = self._rows(resource_type, *ends)
            links.append(f"select {_id(ends[0])}, {_id(ends[1])}, '{kind}' from {rows}")
        return _PORTFOLIO_ITEM.format(links=" union ".join(links))

    def _custom_field_values(self) -> str:
        schema = self._schema("task")
        fields = pd.read_parquet(self._root / CATALOGUE)
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
            rows = _parquet(self._files["task"])
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
        if "stories" not in schema.names:
            return "select null::varchar as task, null::varchar as gid where false"
        columns = ["gid as task"]
        for path, leaf in _leaves(schema.field("stories").type.value_type):
            if path != "resource_type":
                columns.append(f"item.{'.'.join(map(_id, leaf))} as {_id(path)}")
        rows = f"select gid, unnest(stories) as item from {_parquet(self._files['task'])}"
        return f"select {', '.join(columns)} from ({rows})"


def _leaves(type_: pa.DataType, *keys: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the leaves of objects, without lists: the column's name and the path of keys."""
    if pa.types.is_struct(type_):
        for field in type_:
            yield from _leaves(field.type, *keys, field.name)
    elif not pa.types.is_list(type_):
        yield ".".join(keys), keys


def _parquet(files: Sequence[Path]) -> str:
    return f"read_parquet([{', '.join(map(_text, files))}])"


def _text(value: object) -> str:
    return "'" + str(value).replace("'", "''") + "'"


def _id(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
