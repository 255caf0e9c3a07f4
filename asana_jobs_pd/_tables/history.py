"""`data.history()`: which value a field of every task had, and when, from its stories."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from asana_jobs_pd._export.answers import ExportAnswers
from asana_jobs_pd._formatting import format_count, format_list
from asana_jobs_pd._tables.arrays import codes_of
from asana_jobs_pd._tables.source import Source
from asana_jobs_pd._tables.stories import (
    Events,
    Present,
    Tracked,
    Values,
    events_of,
    joined,
    present_of,
    tracked_field,
    unknown_stories,
)
from asana_jobs_pd.errors import AsanaValueWarning, warn_user

NEVER: Final = np.iinfo(np.int64).min
_TIME: Final = pa.timestamp("us", "UTC")
_MAX_KINDS: Final = 5


def history_of(export: ExportAnswers, field: str, also: Sequence[str] = ()) -> pd.DataFrame:
    """Return the values of a field of every task, from its creation until the export.

    `also` are further columns of tasks that the caller needs.
    """
    tracked = tracked_field(export, field, also)
    source = Source(export)
    events, present = events_of(source, tracked), present_of(source, tracked)
    projects = pc.unique(joined(events.project, present.project)).drop_null()
    pool = _Pool(events.new, events.old, present.now)
    moments = _moments(source, events, present, projects)
    intervals = _replay(moments, pool, tracked)
    _warn(source, field, moments, intervals, pool, untimed=events.untimed)
    by = joined(events.by, source.text("task", "created_by.gid"))
    origin = np.where(intervals["unknown"], "unknown", "story")
    columns = {
        "task": source.text("task", "gid").take(_places(intervals["task"])),
        "project": projects.take(_places(intervals["project"])),
        "value": pool.shown.take(_places(pool.last[intervals["value"]])),
        "value.gid": pool.key.take(_places(intervals["value"])),
        "from": _times(intervals["start"]),
        "to": _times(intervals["end"]),
        "by": by.take(_places(intervals["by"].mask(intervals["unknown"], -1))),
        "origin": np.where(intervals["created"] & ~intervals["unknown"], "creation", origin),
    }
    if not tracked.per_project:
        del columns["project"]
    if not tracked.is_object:
        del columns["value.gid"]
    return source.frame(pa.table(columns))


def _places(places: pd.Series | np.ndarray) -> pa.Array:
    places = np.asarray(places)
    return pa.array(places, mask=places < 0)


def _times(times: pd.Series) -> pa.Array:
    never = (times == NEVER).to_numpy()
    # nulls must not contain NEVER: Arrow's arithmetic would overflow
    return pa.array(np.where(never, 0, times), pa.int64(), mask=never).cast(_TIME)


class _Pool:
    """All values of a field: equal values have equal `codes`, and missing ones have -1.

    `last` is the last place of an equal value, since a renamed object, such as a section, is shown
    with its last name.
    """

    def __init__(self, *values: Values) -> None:
        type_ = values[-1].shown.type
        shown = [chunk for part in values for chunk in part.shown.cast(type_).chunks]
        self.shown = pa.chunked_array(shown, type_)
        self.key = joined(*(part.key for part in values))
        keys = pc.coalesce(self.key, self.shown) if pa.types.is_string(type_) else self.shown
        unique = pc.unique(keys).drop_null()
        codes = codes_of(keys, unique)
        named = pc.fill_null(pc.not_equal(self.shown, keys), fill_value=False)
        last = np.full(len(unique) + 1, -1)
        for places in map(np.flatnonzero, (codes >= 0, named)):
            last[codes[places]] = places
        self.codes = np.append(codes, -1)  # the last one is for place -1
        self.last = last[self.codes]
        is_flag = pa.types.is_boolean(type_)
        empty = pc.index(unique, pa.scalar(value=False)).as_py() if is_flag else -1
        self.filled = (self.codes >= 0) & (self.codes != empty)


def _moments(source: Source, events: Events, present: Present, projects: pa.Array) -> pd.DataFrame:
    """Return creations and changes, sorted by task, project and time.

    A `group` is a task, or a task in a project. Values are places in the pool, or -1 if missing:
    `value` after the moment and `before` it, if the story says so (`told`), and `now`, the group's
    value at the end. `first` marks stories before which the field was empty, and `silent` tasks
    whose stories were not exported.
    """
    size, count = len(projects) + 1, len(events.row)
    of_events, of_present = (
        part.row * size + codes_of(part.project, projects) + 1 for part in (events, present)
    )
    groups = np.unique(np.concatenate((of_events, of_present)))
    now = np.full(len(groups), -1, np.int64)
    now[np.searchsorted(groups, of_present)] = 2 * count + np.arange(len(of_present))
    task, places = groups // size, np.arange(count)
    creations = {
        "group": groups,
        "at": _created_at(source)[task],
        "by": count + task,
        "created": np.ones(len(groups), np.bool_),
        "value": np.full(len(groups), -1),
        "told": np.zeros(len(groups), np.bool_),
        "before": np.full(len(groups), -1),
        "old_told": np.zeros(len(groups), np.bool_),
        "first": np.zeros(len(groups), np.bool_),
    }
    changes = {
        "group": of_events,
        "at": events.at,
        "by": places,
        "created": np.zeros(count, np.bool_),
        "value": places,
        "told": events.told,
        "before": count + places,
        "old_told": events.old_told,
        "first": np.isin(events.subtype, ("assigned", "added_to_project")),
    }
    moments = pd.DataFrame(
        {name: np.concatenate((creations[name], changes[name])) for name in creations}
    )
    order = np.lexsort((moments["at"], ~moments["created"], moments["group"]))
    moments = moments.take(order).reset_index(drop=True)
    moments["task"], moments["project"] = moments["group"] // size, moments["group"] % size - 1
    moments["silent"] = ~np.asarray(source.text("task", "stories").is_valid())[moments["task"]]
    moments["now"] = now[np.searchsorted(groups, moments["group"])]
    return moments


def _created_at(source: Source) -> np.ndarray:
    created = source.column("task", "created_at")
    assert created is not None
    return np.asarray(pc.fill_null(created.cast(pa.int64()), NEVER))


def _replay(moments: pd.DataFrame, values: _Pool, tracked: Tracked) -> pd.DataFrame:
    """Return the intervals between moments, which end where the next one in the group begins."""
    later = _neighbors(moments, 1)
    follows = _is_followed(moments)
    told_later = follows & later["old_told"]
    value = later["before"].where(told_later, moments["now"].mask(follows, -1))
    value = moments["value"].where(moments["told"], value)
    unknown = follows & ~told_later & ~later["first"]
    if tracked.starts_empty:
        unknown |= values.filled[value]
    unknown = (unknown | moments["silent"]) & moments["created"]
    at = moments["at"]
    # without a creation time, or if it is later, the first story counts
    first = later["at"].where(at == NEVER, np.minimum(at, later["at"]))
    start = first.where(moments["created"] & follows, at)
    kept = ~(follows & (start == start.shift(-1, fill_value=0)))
    if tracked.per_project:  # before the task was added to the project
        kept &= ~moments["created"] | values.filled[value] | unknown
    intervals = moments.assign(value=value, unknown=unknown, start=start)[kept]
    code = pd.Series(values.codes[intervals["value"]], intervals.index)
    again = (intervals["group"] == intervals["group"].shift()) & (code == code.shift())
    intervals = intervals[~again | intervals["unknown"].shift(fill_value=False)]
    end = intervals["start"].shift(-1, fill_value=NEVER)
    return intervals.assign(end=end.where(_is_followed(intervals), NEVER))


def _neighbors(moments: pd.DataFrame, step: int) -> pd.DataFrame:
    """Return the moment after or before each one; for the outermost, itself."""
    places = np.arange(len(moments)) + step
    return moments.take(places.clip(0, max(0, len(moments) - 1))).reset_index(drop=True)


def _is_followed(moments: pd.DataFrame) -> pd.Series:
    """Return which moments are followed by another of the same group."""
    return moments["group"] == moments["group"].shift(-1, fill_value=-1)


def _warn(
    source: Source,
    field: str,
    moments: pd.DataFrame,
    intervals: pd.DataFrame,
    values: _Pool,
    *,
    untimed: int,
) -> None:
    """Warn about unknown kinds of story, and stories that contradict others or the task."""
    notes = []
    unknown = unknown_stories(source)
    if unknown:
        kinds = [f"{name} ({count})" for name, count in unknown.items()]
        shown = format_list(kinds, _MAX_KINDS)
        notes.append(f"stories of unknown kinds were not taken into account: {shown}")
    if untimed:
        notes.append(f"stories without a time were not taken into account: {untimed}")
    last = intervals[~_is_followed(intervals)]
    stale = last[values.codes[last["value"]] != values.codes[last["now"]]]
    if len(stale):
        gid = source.text("task", "gid")[int(stale["task"].iloc[0])].as_py()
        notes.append(
            f"in {format_count(len(stale), 'case')} the last story disagrees with the task, "
            f"such as {gid}"
        )
    earlier = _neighbors(moments, -1)
    both_told = (earlier["group"] == moments["group"]) & earlier["told"] & moments["old_told"]
    lost = moments[both_told]
    previous = values.codes[earlier["value"][lost.index]]
    count = int((values.codes[lost["before"]] != previous).sum())
    if count:
        notes.append(f"stories contradict each other in {format_count(count, 'case')}")
    if notes:
        warn_user(f"History of {field!r}: {'; '.join(notes)}.", AsanaValueWarning)
