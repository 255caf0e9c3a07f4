"""`data.field()`: a custom field by name or gid, whatever else is loaded."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

import pandas as pd

from asana_jobs_pd._export.answers import ExportAnswers
from asana_jobs_pd._formatting import format_list
from asana_jobs_pd.errors import InvalidFieldError, InvalidOptionError

MAX_NAMES = 20
"""The most names in a message."""


def field_of(
    export: ExportAnswers, name: str, *, resource_type: str | None = None, merge: bool = False
) -> pd.Series:
    """Return a custom field's column."""
    fields = find_fields(export, name, resource_type)
    one_type = len(set(fields["type"])) == 1
    if len(fields) > 1 and not (merge and one_type):
        comparable = one_type and len(set(fields["currency_code"].dropna())) <= 1
        remedy = ", or merge=True for the first value in each row" if comparable else ""
        different = "" if one_type else " of different types"
        raise InvalidFieldError(
            f"{len(fields)} custom fields{different} are called {name!r}: {choices(fields)}. "
            f"Give the gid or the column of one{remedy}."
        )
    frame = export[_type_with(export, fields["column"].tolist(), resource_type)]
    for column in fields["column"]:
        if column not in frame.columns:
            raise InvalidFieldError(f"{column!r} was not loaded; add it to columns=.")
    columns = [frame[column] for column in fields["column"]]
    if len(columns) > 1 and isinstance(columns[0].dtype, pd.CategoricalDtype):
        options = dict.fromkeys(option for column in columns for option in column.cat.categories)
        columns = [column.cat.set_categories(list(options)) for column in columns]
    merged: pd.Series = columns[0]
    for column in columns[1:]:
        merged = merged.fillna(column)
    return merged if len(fields) == 1 else merged.rename(f"custom_fields.{name}")


def find_fields(export: ExportAnswers, name: str, resource_type: str | None = None) -> pd.DataFrame:
    """Return the rows of the catalogue with a name, gid or column; at least one.

    If there are several, those that only other types of row have are left out.
    """
    if not isinstance(name, str) or not name:
        raise InvalidOptionError(f"field={name!r}: give the name or the gid of a field, as text.")
    check_fields_are_columns(export)
    fields = export.custom_fields
    for key in ("column", "gid", "name"):
        found = fields[(fields[key] == name).fillna(value=False).to_numpy(bool)]
        if len(found) > 1:
            of_type = export[_type_with(export, found["column"].tolist(), resource_type)].columns
            of_all = {column for frame in export.values() for column in frame.columns}
            return found[~found["column"].isin(of_all.difference(of_type))]
        if len(found):
            return found
    names = fields["name"].dropna().unique().tolist()
    if not names:
        raise InvalidFieldError(
            "No custom fields were loaded. If columns= leaves them out, add 'custom_fields'."
        )
    raise InvalidFieldError(
        f"No custom field of this export is called {name!r}. {_suggestion(name, names)}"
    )


def check_fields_are_columns(export: ExportAnswers) -> None:
    """Raise if the custom fields were loaded as ``"raw"`` or ``"long"``."""
    nested = any("custom_fields" in frame.columns for frame in export.values())
    if nested or export.custom_field_values is not None:
        raise InvalidOptionError(
            "The custom fields are not columns: load the export with custom_fields='columns'."
        )


def choices(fields: pd.DataFrame) -> str:
    """Return fields as text: column and type, and for amounts of money the currency."""
    kinds = fields["type"].where(fields["currency_code"].isna(), fields["currency_code"])
    return ", ".join(
        f"{column!r} ({kind})" for column, kind in zip(fields["column"], kinds, strict=True)
    )


def _suggestion(name: str, names: Sequence[str]) -> str:
    folded = [known.casefold() for known in names]
    matches = dict.fromkeys(difflib.get_close_matches(name.casefold(), folded, 3, 0.5))
    near = [repr(known) for match in matches for known in names if known.casefold() == match]
    if near:
        return f"Did you mean {' or '.join(near)}?"
    return f"It has {format_list([*map(repr, names)], MAX_NAMES)}."


def _type_with(export: ExportAnswers, columns: list[str], resource_type: str | None) -> str:
    """Return the type of row to use: the given one if it has the columns, or one that has."""
    types = [name for name in export if not export[name].columns.intersection(columns).empty]
    if not types:
        raise InvalidFieldError(f"{columns[0]!r} was not loaded; add it to columns=.")
    if resource_type is None:
        return "task" if "task" in types else types[0]
    if resource_type in types:
        return resource_type
    raise InvalidFieldError(
        f"Rows of type {resource_type!r} have no column {columns[0]!r}; it is in those of type "
        f"{' and '.join(map(repr, types))}."
    )
