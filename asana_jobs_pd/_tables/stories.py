"""The changes of a field in the stories of tasks, and its present value in the tasks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from asana_jobs_pd._export.answers import ExportAnswers
from asana_jobs_pd._tables.arrays import child, missing, texts
from asana_jobs_pd._tables.fields import choices, find_fields
from asana_jobs_pd._tables.source import Source
from asana_jobs_pd.errors import InvalidFieldError, InvalidFrameError

_KNOWN_STORIES: Final = re.compile(
    r"""(added_to|removed_from)_(project|tag|task)
    |(attachment|comment|dependency|dependent|follower|reaction|story_reaction|subtask|vote)
        _(added|removed|liked)
    |(date|enum|multi_enum|number|people|reference|text)_custom_field_changed
    |(approval_status|due_date|name|notes|resource_subtype|section|start_date)_changed
    |dependency_(due_date_changed|duplicated|marked_complete|marked_incomplete)
    |assigned|unassigned|completion_liked|due_today|duplicated(_from|_to)?|mentioned
    |(un)?marked_duplicate|marked_(in)?complete|message_(comment_added|edited)
    |task_(created|liked)""",
    re.VERBOSE,
)
"""The known kinds of story; any other might be a change that we would miss."""


class Tracked(NamedTuple):
    """How stories tell of a field.

    Attributes
    ----------
    subtypes
        The kinds of story that change it.
    path
        Where stories have its values, after ``old_`` and ``new_``.
    column
        Where tasks have its value now.
    is_object
        Whether its values have gids.
    per_project
        Whether a task has a value in each of its projects.
    one_path
        Whether stories have only one value: without ``old_`` and ``new_``.
    starts_empty
        Whether a task that is created with a value has a story that says so.
    custom_field
        The gid of the custom field, or its name if it has no gid.
    """

    subtypes: tuple[str, ...]
    path: str
    column: str
    is_object: bool = False
    per_project: bool = False
    one_path: bool = False
    starts_empty: bool = False
    custom_field: tuple[str, str] | None = None


_DATES = ("due_date_changed", "start_date_changed")
TRACKED: Final[Mapping[str, Tracked]] = {
    "section": Tracked(
        ("section_changed", "added_to_project", "removed_from_project"),
        "section",
        "memberships",
        is_object=True,
        per_project=True,
        starts_empty=True,
    ),
    "assignee": Tracked(
        ("assigned", "unassigned"),
        "assignee",
        "assignee",
        is_object=True,
        one_path=True,
        starts_empty=True,
    ),
    "completed": Tracked(
        ("marked_complete", "marked_incomplete"), "", "completed", starts_empty=True
    ),
    "due_on": Tracked(_DATES, "dates.due_on", "due_on"),
    "start_on": Tracked(_DATES, "dates.start_on", "start_on"),
    "name": Tracked(("name_changed",), "name", "name"),
}
_PATHS: Final = {
    "text": "text_value",
    "number": "number_value",
    "enum": "enum_value.name",
    "multi_enum": "multi_enum_values",
    "date": "date_value.due_on",
    "people": "people_value",
}
"""The keys of stories with the value of a custom field, by its type."""


class Values(NamedTuple):
    """Values of a field as text, and their gids if they are objects."""

    shown: pa.ChunkedArray
    gid: pa.ChunkedArray


class Events(NamedTuple):
    """Stories that change a field, one array per attribute.

    `told` and `old_told` say whether a story gives the new and the old value: one that adds a task
    to a project does not name the section, and one that assigns it may not name the old assignee.
    """

    row: np.ndarray
    project: pa.ChunkedArray
    at: np.ndarray
    by: pa.ChunkedArray
    subtype: np.ndarray
    new: Values
    old: Values
    told: np.ndarray
    old_told: np.ndarray


class Present(NamedTuple):
    """The present values of a field; one section for each project of a task."""

    row: np.ndarray
    project: pa.ChunkedArray
    now: Values


def tracked_field(export: ExportAnswers, field: str) -> Tracked:
    """Return how stories record a field; a custom field is given by name, gid or column."""
    tracked = TRACKED.get(field) or _custom_field(export, field)
    column = tracked.column
    if field == "assignee":
        column = "assignee.gid"
    for name in ("gid", "created_at", "stories", column):
        if "task" not in export or name not in export["task"].columns:
            raise InvalidFrameError(
                f"The history of {field!r} needs tasks with the column {name!r}. Stories are in "
                "resource exports (aj.export_resources), not in graph exports; if columns= or "
                f"fields= leave something out, add {name!r}."
            )
    return tracked


def _custom_field(export: ExportAnswers, field: str) -> Tracked:
    try:
        fields = find_fields(export, field)
    except InvalidFieldError as error:
        raise InvalidFieldError(f"{error} Other fields: {', '.join(TRACKED)}.") from None
    if len(fields) > 1:
        raise InvalidFieldError(
            f"{len(fields)} custom fields are called {field!r}: {choices(fields)}. Give the gid or "
            "the column of one."
        )
    found = fields.iloc[0]
    if found["type"] not in _PATHS:
        raise InvalidFieldError(f"Stories do not tell of custom fields of type {found['type']!r}.")
    key = "name" if pd.isna(found["gid"]) else "gid"
    subtypes = (f"{found['type']}_custom_field_changed",)
    return Tracked(
        subtypes, _PATHS[found["type"]], found["column"], custom_field=(key, str(found[key]))
    )


def events_of(source: Source, tracked: Tracked) -> Events:
    """Return the stories that change a field; those without a time are left out."""
    rows, stories = source.items("task", "stories")
    subtypes = texts(stories, "resource_subtype")
    picked = pc.is_in(subtypes, value_set=pa.array(tracked.subtypes))
    if tracked.custom_field is not None:
        key, value = tracked.custom_field
        field = pc.equal(texts(stories, f"custom_field.{key}"), value)
        picked = pc.fill_null(pc.and_(picked, field), fill_value=False)
    times = child(stories, "created_at")
    times = missing(len(stories), pa.int64()) if times is None else times.cast(pa.int64())
    chosen = np.flatnonzero(np.asarray(pc.and_(picked, times.is_valid())))
    taken = pa.array(chosen)
    subtype = np.asarray(subtypes.take(taken)).astype(object)
    cleared = np.isin(subtype, ("removed_from_project", "unassigned"))
    prefixes = ("", "") if tracked.one_path else ("new_", "old_")
    new, old = (_values(stories, taken, tracked, prefix) for prefix in prefixes)
    if not tracked.path:  # completed, or not
        done = subtype == "marked_complete"
        new, old = (_flags(flags) for flags in (done, ~done))
    old_told = ~np.isin(subtype, ("removed_from_project", "assigned"))
    if tracked.one_path:  # the earlier assignee, if the story names one
        old_told &= np.asarray(old.shown.is_valid())
    new = Values(*(_cleared(values, cleared) for values in new))
    return Events(
        rows[chosen],
        texts(stories, "project.gid").take(taken) if tracked.per_project else missing(len(chosen)),
        np.asarray(times.take(taken)),
        texts(stories, "created_by.gid").take(taken),
        subtype,
        new,
        old,
        subtype != "added_to_project",
        old_told,
    )


def _values(stories: pa.ChunkedArray, taken: pa.Array, tracked: Tracked, prefix: str) -> Values:
    name, _, rest = f"{prefix}{tracked.path}".partition(".")
    if tracked.is_object:
        return _objects(*(texts(stories, f"{name}.{key}").take(taken) for key in ("name", "gid")))
    found = child(stories, f"{name}.{rest}" if rest else name)
    shown = missing(len(taken)) if found is None else shown_values(found.take(taken))
    return Values(shown, missing(len(taken)))


def _objects(names: pa.ChunkedArray, gids: pa.ChunkedArray) -> Values:
    """Return objects by their names; those without one by their gids."""
    return Values(pc.coalesce(names, gids), gids)


def _flags(flags: np.ndarray) -> Values:
    return Values(pa.chunked_array([pa.array(flags)]), missing(len(flags)))


def _cleared(values: pa.ChunkedArray, cleared: np.ndarray) -> pa.ChunkedArray:
    if not cleared.any():
        return values
    return pc.if_else(pa.array(cleared), pa.scalar(None, values.type), values)


def present_of(source: Source, tracked: Tracked) -> Present:
    """Return the present values of a field."""
    if tracked.per_project:
        rows, values = source.items("task", "memberships")
        names = _objects(texts(values, "section.name"), texts(values, "section.gid"))
        return Present(rows, texts(values, "project.gid"), names)
    count = len(source.text("task", "gid"))
    if tracked.is_object:
        pair = [source.text("task", f"{tracked.column}.{key}") for key in ("name", "gid")]
        return Present(np.arange(count), missing(count), _objects(*pair))
    column = source.column("task", tracked.column)
    assert column is not None
    return Present(np.arange(count), missing(count), Values(shown_values(column), missing(count)))


def shown_values(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return comparable values: dates as times, lists as the names in them."""
    if pa.types.is_list(column.type):
        return pa.chunked_array([_joined(chunk) for chunk in column.chunks], pa.string())
    if pa.types.is_dictionary(column.type):
        return column.cast(pa.string())
    return column.cast(pa.timestamp("us")) if pa.types.is_date(column.type) else column


def _joined(lists: pa.ListArray) -> pa.Array:
    names = lists.flatten()
    if pa.types.is_struct(names.type):
        names = pc.struct_field(names, "name")
    lengths = np.asarray(pc.fill_null(pc.list_value_length(lists), 0))
    offsets = np.concatenate(([0], np.cumsum(lengths))).astype(np.int32)
    filled = pa.ListArray.from_arrays(pa.array(offsets), pc.fill_null(names.cast(pa.string()), "?"))
    return pc.if_else(
        pa.array(lengths > 0), pc.binary_join(filled, ", "), pa.scalar(None, pa.string())
    )


def unknown_stories(source: Source) -> dict[str, int]:
    """Return the unknown kinds of story with their counts."""
    subtypes = texts(source.items("task", "stories").values, "resource_subtype")
    counts = pc.value_counts(subtypes).to_pylist()
    return {
        str(count["values"]): count["counts"]
        for count in counts
        if not _KNOWN_STORIES.fullmatch(str(count["values"]))
    }
