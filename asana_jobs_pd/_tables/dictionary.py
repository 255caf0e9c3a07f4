"""`data.dictionary()`: an explanation of every column of an export, to show to a colleague."""

from __future__ import annotations

from html import escape
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from asana_jobs_pd._export.answers import ExportAnswers
from asana_jobs_pd._export.results import TEXT
from asana_jobs_pd._formatting import format_list
from asana_jobs_pd._public import public
from asana_jobs_pd._tables.arrays import arrow_column, items_of, missing, texts

_LEFT: Final = "style='text-align:left'"
MAX_PROJECTS: Final = 5
"""The most projects that are named; the others are counted."""
MAX_VALUES: Final = 12
"""The most options that are named; the others are counted. Other columns list no more values."""
_MEANINGS: Final = {
    "gid": "globally unique identifier",
    "name": "name",
    "notes": "description, as plain text",
    "html_notes": "description, with formatting",
    "created_at": "when it was created (UTC)",
    "modified_at": "when it was changed last (UTC)",
    "completed": "whether it is completed",
    "completed_at": "when it was completed (UTC)",
    "due_on": "due date",
    "due_at": "due time (UTC), if it is not only a date",
    "start_on": "start date",
    "start_at": "start time (UTC), if it is not only a date",
    "memberships": "projects, and the section in each",
    "projects": "projects",
    "followers": "people who are told of changes",
    "dependencies": "tasks that must be done before",
    "dependents": "tasks that wait for this one",
    "num_subtasks": "how many subtasks it has",
    "actual_time_minutes": "time tracked, in minutes",
    "duration_minutes": "time tracked, in minutes",
    "stories": "comments and changes",
    "permalink_url": "its page in Asana",
}
_OBJECTS: Final = {
    "created_by": "creator",
    "assigned_by": "person who assigned it",
    "completed_by": "person who completed it",
    "attributable_to": "project that it counts for",
    "external": "object elsewhere that an app has linked",
}
"""The names of objects whose key is not a noun."""


@public
class AsanaDictionary(pd.DataFrame):
    """A data dictionary with one row for each column; returned by ``data.dictionary()``.

    Parameters
    ----------
    data, index, columns, dtype, copy
        As in `pandas.DataFrame`.

    See Also
    --------
    AsanaExport.dictionary : Create a data dictionary.

    Examples
    --------
    >>> isinstance(data.dictionary(), pd.DataFrame)
    True
    """

    @property
    def _constructor(self) -> type[pd.DataFrame]:
        return pd.DataFrame  # a selection of it is an ordinary frame

    def _repr_html_(self) -> str:
        types = self.groupby("resource_type", sort=False)
        parts = [f"<h4>{escape(str(name))}</h4>{_html_table(rows)}" for name, rows in types]
        return "".join(parts) or "<p>No rows.</p>"


def _html_table(rows: pd.DataFrame) -> str:
    rows = rows.drop(columns="resource_type").dropna(axis="columns", how="all")
    head = "".join(f"<th {_LEFT}>{escape(name).replace('_', ' ')}</th>" for name in rows.columns)
    body = "".join(
        f"<tr>{''.join(map(_html_cell, rows.columns, row))}</tr>"
        for row in rows.itertuples(index=False, name=None)
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _html_cell(column: str, value: Any) -> str:
    if column == "filled":
        share = f"{value:.0%}"
        bar = f"background:linear-gradient(to right,#8884 {share},transparent {share})"
        return f"<td {_LEFT}><div style='{bar}'>{share}</div></td>"
    style = " style='text-align:left;overflow-wrap:anywhere;max-width:24em'"
    return f"<td{style}>{'' if pd.isna(value) else escape(str(value))}</td>"


def dictionary_of(export: ExportAnswers) -> AsanaDictionary:
    """Return one row for each column of the frames of an export."""
    catalogue: Any = export.custom_fields.itertuples(index=False)
    fields: dict[str, Any] = {field.column: field for field in catalogue}
    by_name: dict[str, list[str]] = {}
    for field in fields.values():
        by_name.setdefault(field.name, []).append(field.column)
    projects = _Projects(export)
    rows = []
    for resource_type in export:
        for name, values in export[resource_type].items():
            column = str(name)
            row: dict[str, Any] = {"resource_type": resource_type, "column": column}
            row["type"], row["meaning"] = _kind(values), _meaning(column)
            row["filled"] = float(_is_filled(values).mean()) if len(values) else 0.0
            field = fields.get(column)
            row["options"] = _options(values, field)
            if field is not None:
                row["type"], row["meaning"] = field.type, _meaning_of_field(field)
                row["projects"] = projects.using(values) if resource_type == "task" else None
                others = [other for other in by_name[field.name] if other != column]
                row["same_name"] = ", ".join(others) or None
            rows.append(row)
    columns = ["resource_type", "column", "type", "meaning", "filled", "options", "projects"]
    frame = pd.DataFrame(rows, columns=[*columns, "same_name"])
    texts = {name: TEXT for name in frame.columns if name != "filled"}
    return AsanaDictionary(frame.astype({**texts, "filled": "Float64"}))


def _meaning(column: str) -> str:
    if column in _MEANINGS:
        return _MEANINGS[column]
    of, _, key = column.rpartition(".")
    if column.startswith("custom_fields."):
        return f"time of the custom field {of.removeprefix('custom_fields.')}"
    words = key.replace("_", " ").replace("num ", "number of ")
    return f"{words} of the {_OBJECTS.get(of, of.replace('_', ' '))}" if of else words


def _meaning_of_field(field: Any) -> str:
    notes = (field.representation_type, field.format, field.currency_code)
    known = [note for note in notes if pd.notna(note) and note not in (field.type, "none")]
    name = field.gid if pd.isna(field.name) else field.name
    return ", ".join([f"custom field {name}", *known])


def _kind(values: pd.Series) -> str:
    """Return a description of a column's type."""
    type_ = pa.array(values.iloc[:1], from_pandas=True).type
    if pa.types.is_list(type_):
        return "list of objects" if pa.types.is_struct(type_.value_type) else "list"
    if pa.types.is_timestamp(type_):
        return "date" if type_.tz is None else "time"
    kinds = {
        "date": pa.types.is_date,
        "true or false": pa.types.is_boolean,
        "whole number": pa.types.is_integer,
        "number": pa.types.is_floating,
    }
    return next((kind for kind, matches in kinds.items() if matches(type_)), "text")


def _is_filled(values: pd.Series) -> np.ndarray:
    """Return which rows have a value; an empty list is not one."""
    dtype = values.dtype
    if isinstance(dtype, pd.ArrowDtype) and pa.types.is_list(dtype.pyarrow_dtype):
        values = values.list.len().replace(0, pd.NA)
    return values.notna().to_numpy(bool)


def _options(values: pd.Series, field: Any) -> str | None:
    """Return the options of a field, or the values of a column that has few, with their counts.

    An enum field has all its options, in Asana's order.
    """
    type_ = values.dtype.pyarrow_dtype if isinstance(values.dtype, pd.ArrowDtype) else pa.null()
    is_enum = isinstance(values.dtype, pd.CategoricalDtype) or pa.types.is_dictionary(type_)
    is_multi_enum = pa.types.is_list(type_) and pa.types.is_string(type_.value_type)
    if is_multi_enum:
        counts = values.list.flatten().value_counts()
    elif is_enum or pd.api.types.is_bool_dtype(values.dtype) or _is_short_text(values):
        counts = values.value_counts(sort=not is_enum)
    else:
        return None
    found = {str(value): count for value, count in counts.items()}
    if is_enum and field is not None:
        found = {option: found.get(option, 0) for option in field.options}
    if not found or (len(found) > MAX_VALUES and not (is_enum or is_multi_enum)):
        return None
    return format_list([f"{value} ({count:,})" for value, count in found.items()], MAX_VALUES)


def _is_short_text(values: pd.Series) -> bool:
    is_key = str(values.name).endswith(("gid", "name", "notes"))
    return pd.api.types.is_string_dtype(values.dtype) and not is_key


class _Projects:
    """Finds the projects that have tasks with a value in a column."""

    def __init__(self, export: ExportAnswers) -> None:
        tasks = export["task"] if "task" in export else pd.DataFrame()
        has_projects = "memberships" in tasks.columns
        lists = arrow_column(tasks, "memberships") if has_projects else missing(0)
        self._rows, memberships = items_of(lists)
        keys = ("project.name", "project.gid")
        names = pc.coalesce(*(texts(memberships, key) for key in keys)).fill_null("")
        self._codes, self._names = pd.factorize(np.asarray(names))

    def using(self, values: pd.Series) -> str | None:
        """Return the names of the projects in whose tasks a column has values."""
        filled = _is_filled(values)[self._rows]
        names = sorted(set(self._names[np.unique(self._codes[filled])]) - {""})
        return format_list(names, MAX_PROJECTS) if names else None
