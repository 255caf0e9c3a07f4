"""`data.field()`: a custom field by its name or gid, whatever else is loaded."""

from __future__ import annotations

import difflib

import pandas as pd

from asana_jobs_pd._export.answers import ExportAnswers
from asana_jobs_pd.errors import InvalidFieldError, InvalidOptionError


def field_of(
    export: ExportAnswers, name: str, *, resource_type: str | None = None, merge: bool = False
) -> pd.Series:
    """Return a custom field's column."""
    fields = find_fields(export, name)
    one_type = len(set(fields["type"])) == 1
    if len(fields) > 1 and not (merge and one_type):
        remedy = ", or merge=True for the first value in each row" if one_type else ""
        raise InvalidFieldError(
            f"{len(fields)} custom fields{' of different types' * (not one_type)} are called "
            f"{name!r}: {choices(fields)}. Give the gid or the column of one{remedy}."
        )
    frame = export[_type_with(export, fields["column"].tolist(), resource_type)]
    columns = [frame[column] for column in fields["column"] if column in frame.columns]
    if len(columns) > 1 and isinstance(columns[0].dtype, pd.CategoricalDtype):
        options = dict.fromkeys(option for column in columns for option in column.cat.categories)
        columns = [column.cat.set_categories(list(options)) for column in columns]
    merged: pd.Series = columns[0]
    for column in columns[1:]:
        merged = merged.fillna(column)
    return merged if len(fields) == 1 else merged.rename(f"custom_fields.{name}")


def find_fields(export: ExportAnswers, name: str) -> pd.DataFrame:
    """Return the rows of the catalogue with a name, gid or column; at least one."""
    if not isinstance(name, str) or not name:
        raise InvalidOptionError(f"field: {name!r} is not the name or the gid of a custom field.")
    fields = export.custom_fields
    for key in ("column", "gid", "name"):
        found = fields[(fields[key] == name).fillna(value=False).to_numpy(bool)]
        if len(found):
            return found
    names = fields["name"].dropna().unique().tolist()
    near = ", ".join(map(repr, difflib.get_close_matches(name, names, 3, 0.5)))
    known = f"Did you mean one of {near}?" if near else f"It has {names[:20]}."
    raise InvalidFieldError(f"No custom field of this export is called {name!r}. {known}")


def choices(fields: pd.DataFrame) -> str:
    """Return fields as text: column and type."""
    pairs = zip(fields["column"], fields["type"], strict=True)
    return ", ".join(f"{column!r} ({kind})" for column, kind in pairs)


def _type_with(export: ExportAnswers, columns: list[str], resource_type: str | None) -> str:
    types = [name for name in export if not export[name].columns.intersection(columns).empty]
    if resource_type is None and types:
        return "task" if "task" in types else types[0]
    if resource_type in types:
        return str(resource_type)
    have = f"{', '.join(types)} have it" if types else "its column was not loaded (columns=)"
    raise InvalidFieldError(f"No {resource_type or 'row'} has the column {columns[0]!r}: {have}.")
