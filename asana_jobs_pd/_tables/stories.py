"""The changes of a field according to the stories of tasks, and its current values."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
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
    |approved|changes_requested|rejected
    |assigned|unassigned|completion_liked|due_today|duplicated(_from|_to)?|mentioned
    |(un)?marked_duplicate|marked_(in)?complete|message_(comment_added|edited)
    |task_(created|liked)""",
    re.VERBOSE,
)
"""The known kinds of story; any other might be a change that we would miss."""


_NAMES: Final = ("name", "email", "gid")
"""The keys of list items that are shown: the first one that exists."""


class Tracked(NamedTuple):
    """How stories record a field.

    Attributes
    ----------
    subtypes
        The kinds of story that change it.
    paths
        Where stories may have its values, after ``old_`` and ``new_``; for dates with a time, there
        may only be the time.
    column
        The column of tasks with its current value.
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
    item_keys
        What identifies the items of lists; the options in tasks have only names.
    """

    subtypes: tuple[str, ...]
    paths: tuple[str, ...]
    column: str
    is_object: bool = False
    per_project: bool = False
    one_path: bool = False
    starts_empty: bool = False
    custom_field: tuple[str, str] | None = None
    item_keys: tuple[str, ...] = _NAMES


_APPROVALS = ("approved", "rejected", "changes_requested", "approval_status_changed")
_DATES = ("due_date_changed", "start_date_changed")
TRACKED: Final[Mapping[str, Tracked]] = {
    "section": Tracked(
        ("section_changed", "added_to_project", "removed_from_project"),
        ("section",),
        "memberships",
        is_object=True,
        per_project=True,
        starts_empty=True,
    ),
    "assignee": Tracked(
        ("assigned", "unassigned"),
        ("assignee",),
        "assignee",
        is_object=True,
        one_path=True,
        starts_empty=True,
    ),
    "completed": Tracked(
        ("marked_complete", "marked_incomplete", *_APPROVALS), (), "completed", starts_empty=True
    ),
    "due_on": Tracked(_DATES, ("dates.due_on", "dates.due_at"), "due_on"),
    "start_on": Tracked(_DATES, ("dates.start_on", "dates.start_at"), "start_on"),
    "name": Tracked(("name_changed",), ("name",), "name"),
}
_PATHS: Final = {
    "text": ("text_value",),
    "number": ("number_value",),
    "enum": ("enum_value.name",),
    "multi_enum": ("multi_enum_values",),
    "date": tuple(f"date_value.{key}" for key in ("due_on", "date", "due_at", "date_time")),
    "people": ("people_value",),
}
"""The keys of stories with the value of a custom field, by its type."""


class Values(NamedTuple):
    """Values of a field, and if these do not identify them, their keys: the gid, or gids."""

    shown: pa.ChunkedArray
    key: pa.ChunkedArray


class Events(NamedTuple):
    """Stories that change a field, one array per attribute.

    `told` and `old_told` say whether a story has the new and the old value: one that adds a task to
    a project does not name the section, and one that assigns it may not name the old assignee.
    `untimed` is the number of stories that were left out because they have no time.
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
    untimed: int


class Present(NamedTuple):
    """The current values of a field; for sections, one for each project of a task."""

    row: np.ndarray
    project: pa.ChunkedArray
    now: Values


def tracked_field(export: ExportAnswers, field: str, also: Sequence[str] = ()) -> Tracked:
    """Return how stories record a field; a custom field is given by name, gid or column.

    An error names all missing columns of tasks, including those that the caller needs (`also`),
    because another export may take hours.
    """
    tracked = TRACKED.get(field) or _custom_field(export, field)
    column = "assignee.gid" if field == "assignee" else tracked.column
    loaded = export["task"].columns if "task" in export else ()
    needed = [name for name in ("gid", "created_at", "stories", column) if name not in loaded]
    if needed:
        needed += [name for name in also if name not in loaded]
        names = ", ".join(map(repr, needed))
        raise InvalidFrameError(
            f"The history of {field!r} needs tasks with the column{'s' * (len(needed) > 1)} "
            f"{names}. Stories are in resource exports (aj.export_resources), not in graph "
            f"exports; if columns= or fields= leave something out, add {names}."
        )
    return tracked


def _custom_field(export: ExportAnswers, field: str) -> Tracked:
    try:
        fields = find_fields(export, field)
    except InvalidFieldError as error:
        near = difflib.get_close_matches(field, TRACKED, 1)
        message = f"{field!r} is not a field. Did you mean {near[0]!r}?" if near else error
        raise InvalidFieldError(f"{message} Other fields: {', '.join(TRACKED)}.") from None
    if len(fields) > 1:
        raise InvalidFieldError(
            f"{len(fields)} custom fields are called {field!r}: {choices(fields)}. Give the gid or "
            "the column of one."
        )
    found = fields.iloc[0]
    if found["type"] not in _PATHS:
        raise InvalidFieldError(
            f"Stories do not say how custom fields of type {found['type']!r} change."
        )
    key = "name" if pd.isna(found["gid"]) else "gid"
    subtypes = (f"{found['type']}_custom_field_changed",)
    return Tracked(
        subtypes,
        _PATHS[found["type"]],
        found["column"],
        custom_field=(key, str(found[key])),
        item_keys=("gid", *_NAMES) if found["type"] == "people" else _NAMES,
    )


def events_of(source: Source, tracked: Tracked) -> Events:
    """Return the stories that change a field; those without a time are left out."""
    rows, stories = source.items("task", "stories")
    subtypes = _required(stories, "resource_subtype")
    picked = pc.is_in(subtypes, value_set=pa.array(tracked.subtypes))
    if tracked.custom_field is not None and pc.any(picked).as_py():
        key, value = tracked.custom_field
        field = pc.equal(_required(stories, f"custom_field.{key}"), value)
        picked = pc.fill_null(pc.and_(picked, field), fill_value=False)
    times = _required(stories, "created_at").cast(pa.int64())
    chosen = np.flatnonzero(np.asarray(pc.and_(picked, times.is_valid())))
    taken = _Chosen(stories, pa.array(chosen))
    subtype = np.asarray(taken.text("resource_subtype")).astype(object)
    new, old, old_told = (_changes if tracked.paths else _completions)(taken, subtype, tracked)
    return Events(
        rows[chosen],
        _projects(source, taken) if tracked.per_project else missing(len(chosen)),
        np.asarray(times.take(taken.places)),
        taken.text("created_by.gid"),
        subtype,
        new,
        old,
        subtype != "added_to_project",
        old_told,
        (pc.sum(picked).as_py() or 0) - len(chosen),
    )


def _required(stories: pa.ChunkedArray, path: str) -> pa.ChunkedArray:
    """Return a field of all stories; raise if the export left it out."""
    found = child(stories, path)
    if found is None and len(stories):
        raise _lacking(path)
    return missing(0) if found is None else found


def _lacking(path: str) -> InvalidFrameError:
    return InvalidFrameError(
        f"The stories have no {path!r}, which their history needs: if fields= of "
        f"ResourceExport names fields of stories, add 'stories.{path}'."
    )


class _Chosen(NamedTuple):
    """Some of the stories, column by column: taking whole ones, with 100 fields each, is slow."""

    stories: pa.ChunkedArray
    places: pa.Array

    def column(self, path: str) -> pa.ChunkedArray | None:
        """Return a field; None if there is no such field."""
        found = child(self.stories, path)
        return None if found is None else found.take(self.places)

    def text(self, path: str) -> pa.ChunkedArray:
        """Return a field as text; missing if there is no such field."""
        return texts(self.stories, path).take(self.places)


def _changes(
    stories: _Chosen, subtype: np.ndarray, tracked: Tracked
) -> tuple[Values, Values, np.ndarray]:
    """Return the new and old values, and which of the old ones stories have."""
    prefixes = ("", "") if tracked.one_path else ("new_", "old_")
    new, old = (_values(stories, tracked, prefix) for prefix in prefixes)
    cleared = np.isin(subtype, ("removed_from_project", "unassigned"))
    keys = [f"{prefix}{tracked.paths[0]}".partition(".")[0] for prefix in prefixes]
    told = ~cleared & (subtype != "added_to_project")
    if told.any() and all(child(stories.stories, key) is None for key in keys):
        raise _lacking(keys[0])
    new = Values(*(_cleared(values, cleared) for values in new))
    old_told = ~np.isin(subtype, ("removed_from_project", "assigned"))
    if tracked.one_path:  # the earlier assignee, if the story names one
        old_told &= np.asarray(old.shown.is_valid())
    return new, old, old_told


def _completions(
    stories: _Chosen, subtype: np.ndarray, _: Tracked
) -> tuple[Values, Values, np.ndarray]:
    """Return like `_changes` whether tasks are completed: approvals are, unless pending."""
    status, before = (stories.text(f"{prefix}_approval_status") for prefix in ("new", "old"))
    approval = np.isin(subtype, _APPROVALS)
    decided = subtype != "marked_incomplete"
    done = np.where(subtype == _APPROVALS[-1], _is_decided(status), decided)
    was_done = np.where(approval, _is_decided(before), ~done)
    told = ~approval | np.asarray(before.is_valid())
    new, old = (
        Values(pa.chunked_array([pa.array(flags)]), missing(len(flags)))
        for flags in (done, was_done)
    )
    return new, old, told


def _is_decided(status: pa.ChunkedArray) -> np.ndarray:
    return np.asarray(pc.fill_null(pc.not_equal(status, "pending"), fill_value=False))


def _values(stories: _Chosen, tracked: Tracked, prefix: str) -> Values:
    paths = [prefix + path for path in tracked.paths]
    if tracked.is_object:
        return _objects(*(stories.text(f"{paths[0]}.{key}") for key in ("name", "gid")))
    found = [column for column in map(stories.column, paths) if column is not None]
    if not found:
        return Values(missing(len(stories.places)), missing(len(stories.places)))
    if len(paths) > 1:
        found = [_days(column) for column in found]
    return _shown(pc.coalesce(*found), tracked)


def _days(times: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return the dates of times; keys that Asana does not document arrive as texts."""
    if pa.types.is_string(times.type):
        dates = pc.utf8_slice_codeunits(times, 0, 10)
        times = pc.strptime(dates, format="%Y-%m-%d", unit="us", error_is_null=True)
    return times.cast(pa.date32())


def _objects(names: pa.ChunkedArray, gids: pa.ChunkedArray) -> Values:
    """Return objects by their names; those without one by their gids."""
    return Values(pc.coalesce(names, gids), gids)


def _cleared(values: pa.ChunkedArray, cleared: np.ndarray) -> pa.ChunkedArray:
    if not cleared.any():
        return values
    return pc.if_else(pa.array(cleared), pa.scalar(None, values.type), values)


def _projects(source: Source, stories: _Chosen) -> pa.ChunkedArray:
    """Return the projects of stories; if one only names sections, from those."""
    found = stories.text("project.gid")
    if not found.null_count:
        return found
    sections = [stories.text(f"{prefix}_section.gid") for prefix in ("new", "old")]
    of_sections = [stories.text(f"{prefix}_section.project.gid") for prefix in ("new", "old")]
    _, members = source.items("task", "memberships")
    keys = [texts(members, "section.gid"), source.text("section", "gid")]
    homes = [texts(members, "project.gid"), source.text("section", "project.gid")]
    found, unresolved = pc.coalesce(found, *of_sections), len(found) + 1
    while 0 < found.null_count < unresolved:  # a known section identifies the project of the other
        unresolved = found.null_count
        known, home = joined(*keys, *sections), joined(*homes, found, found)
        usable = pc.and_(known.is_valid(), home.is_valid())
        known, home = known.filter(usable), home.filter(usable)
        places = [pc.index_in(section, value_set=known) for section in sections]
        found = pc.coalesce(found, *(home.take(place) for place in places))
    return found


def joined(*columns: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return columns of text, concatenated."""
    return pa.chunked_array([chunk for column in columns for chunk in column.chunks], pa.string())


def present_of(source: Source, tracked: Tracked) -> Present:
    """Return the current values of a field."""
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
    return Present(np.arange(count), missing(count), _shown(column, tracked))


def _shown(column: pa.ChunkedArray, tracked: Tracked) -> Values:
    """Return comparable values: dates as days, lists as the names in them."""
    if pa.types.is_list(column.type):
        return Values(*(_joined(column, keys) for keys in (_NAMES, tracked.item_keys)))
    if pa.types.is_dictionary(column.type):
        column = column.cast(pa.string())
    if pa.types.is_timestamp(column.type):  # pandas has dates as timestamps
        column = column.cast(pa.date32())
    if pa.types.is_string(column.type):  # an emptied text field is "" or null
        column = pc.if_else(pc.equal(column, ""), pa.scalar(None, pa.string()), column)
    return Values(column, missing(len(column)))


def _joined(lists: pa.ChunkedArray, keys: tuple[str, ...]) -> pa.ChunkedArray:
    """Return a text for each list: the first existing key of each item, joined."""
    return pa.chunked_array([_joined_chunk(chunk, keys) for chunk in lists.chunks], pa.string())


def _joined_chunk(lists: pa.ListArray, keys: tuple[str, ...]) -> pa.Array:
    items = lists.flatten()
    if pa.types.is_struct(items.type):
        known = [key for key in keys if items.type.get_field_index(key) >= 0]
        items = pc.coalesce(*(pc.struct_field(items, key).cast(pa.string()) for key in known), "?")
    lengths = np.asarray(pc.fill_null(pc.list_value_length(lists), 0))
    offsets = np.concatenate(([0], np.cumsum(lengths))).astype(np.int32)
    items = pc.fill_null(items.cast(pa.string()), "?")
    text = pc.binary_join(pa.ListArray.from_arrays(pa.array(offsets), items), ", ")
    return pc.if_else(pa.array(lengths > 0), text, pa.scalar(None, pa.string()))


def unknown_stories(source: Source) -> dict[str, int]:
    """Return the unknown kinds of story with their counts."""
    subtypes = texts(source.items("task", "stories").values, "resource_subtype")
    counts = pc.value_counts(pc.fill_null(subtypes, "without a kind")).to_pylist()
    return {
        count["values"]: count["counts"]
        for count in counts
        if not _KNOWN_STORIES.fullmatch(count["values"])
    }
