"""`data.history()`: the values of a field of every task over time, from its stories."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from asana_jobs_pd._export.answers import ExportAnswers
from asana_jobs_pd._tables.arrays import codes_of
from asana_jobs_pd._tables.relations import Source
from asana_jobs_pd._tables.stories import (
    Events,
    Present,
    Tracked,
    Values,
    events_of,
    present_of,
    tracked_field,
    unknown_stories,
)
from asana_jobs_pd.errors import AsanaValueWarning, warn_user

NEVER: Final = np.iinfo(np.int64).min
_TIME: Final = pa.timestamp("us", "UTC")
ORIGINS: Final = ("story", "creation", "unknown")


def history_of(export: ExportAnswers, field: str) -> pd.DataFrame:
    """Return the values of a field of every task, from its creation until the export."""
    tracked = tracked_field(export, field)
    source = Source(export)
    events, present = events_of(source, tracked), present_of(source, tracked)
    pool = _Pool([events.new, events.old, present.now])
    moments = _moments(source, events, present)
    intervals = _replay(moments, pool, tracked)
    _warn(source, field, moments, intervals, pool)
    by = [*events.by.chunks, *source.text("task", "created_by.gid").chunks]
    columns = {
        "task": source.text("task", "gid").take(pa.array(intervals.task)),
        "project": moments.projects.take(_places(intervals.project)),
        "value": pool.shown.take(_places(intervals.value)),
        "value.gid": pool.gid.take(_places(intervals.value)),
        "from": _times(intervals.start),
        "to": _times(intervals.end),
        "by": pa.chunked_array(by, pa.string()).take(pa.array(intervals.by)),
        "origin": pa.array(np.array(ORIGINS, object)[intervals.origin], pa.string()),
    }
    if tracked.path != "section":
        del columns["project"]
    if not tracked.is_object:
        del columns["value.gid"]
    return source.frame(pa.table(columns))


def _places(places: np.ndarray) -> pa.Array:
    return pa.array(places, mask=places < 0)


def _times(times: np.ndarray) -> pa.Array:
    return pa.array(times, pa.int64(), mask=times == NEVER).cast(_TIME)


class _Pool:
    """All values of a field: equal values have equal `codes`, missing ones -1."""

    def __init__(self, values: list[Values]) -> None:
        type_ = values[-1].shown.type
        shown = [chunk for part in values for chunk in part.shown.cast(type_).chunks]
        self.shown = pa.chunked_array(shown, type_)
        gids = [chunk for part in values for chunk in part.gid.chunks]
        self.gid = pa.chunked_array(gids, pa.string())
        keys = pc.coalesce(self.gid, self.shown) if pa.types.is_string(type_) else self.shown
        unique = pc.unique(keys).drop_null()
        self.codes = np.append(codes_of(keys, unique), -1)  # the last is that of place -1
        not_completed = pc.index(unique, pa.scalar(value=False)).as_py() if _is_bool(type_) else -1
        self.filled = (self.codes >= 0) & (self.codes != not_completed)


def _is_bool(type_: pa.DataType) -> bool:
    return bool(pa.types.is_boolean(type_))


class _Moments(NamedTuple):
    """Creations and changes, ordered by task, project and time.

    A `group` is a task, or a task in a project. Values are places in the pool, -1 for a missing
    one: `value` after the moment, `before` it, and `now`, that of its group at the end. `first`
    is a story before which the field was empty.
    """

    group: np.ndarray
    task: np.ndarray
    project: np.ndarray
    projects: pa.Array
    at: np.ndarray
    by: np.ndarray
    created: np.ndarray
    value: np.ndarray
    told: np.ndarray
    before: np.ndarray
    old_told: np.ndarray
    first: np.ndarray
    now: np.ndarray


def _moments(source: Source, events: Events, present: Present) -> _Moments:
    both = [*events.project.chunks, *present.project.chunks]
    projects = pc.unique(pa.chunked_array(both, pa.string())).drop_null()
    size, count = len(projects) + 1, len(events.row)
    of_events, of_present = (
        part.row * size + codes_of(part.project, projects) + 1 for part in (events, present)
    )
    groups = np.unique(np.concatenate((of_events, of_present)))
    now = np.full(len(groups), -1, np.int64)
    now[np.searchsorted(groups, of_present)] = 2 * count + np.arange(len(of_present))
    group = np.concatenate((groups, of_events))
    is_event = np.arange(len(group)) >= len(groups)
    at = np.concatenate((_created_at(source)[groups // size], events.at))
    order = np.lexsort((at, is_event, group))
    group, is_event = group[order], is_event[order]
    event = (order - len(groups))[is_event]

    def of_event(values: np.ndarray, otherwise: object) -> np.ndarray:
        filled = np.full(len(order), otherwise, values.dtype)
        filled[is_event] = values[event]
        return filled

    first = np.isin(events.subtype, ("assigned", "added_to_project"))
    return _Moments(
        group=group,
        task=group // size,
        project=group % size - 1,
        projects=projects,
        at=at[order],
        by=np.where(is_event, of_event(np.arange(count), 0), count + group // size),
        created=~is_event,
        value=of_event(np.arange(count), -1),
        told=of_event(events.told, otherwise=False),
        before=of_event(count + np.arange(count), -1),
        old_told=of_event(events.old_told, otherwise=False),
        first=of_event(first, otherwise=False),
        now=now[np.searchsorted(groups, group)],
    )


def _created_at(source: Source) -> np.ndarray:
    created = source.column("task", "created_at")
    assert created is not None
    return np.asarray(pc.fill_null(created.cast(pa.int64()), NEVER))


class _Intervals(NamedTuple):
    task: np.ndarray
    project: np.ndarray
    value: np.ndarray
    start: np.ndarray
    end: np.ndarray
    by: np.ndarray
    origin: np.ndarray
    is_last: np.ndarray
    now: np.ndarray


def _replay(moments: _Moments, values: _Pool, tracked: Tracked) -> _Intervals:
    """Return the intervals between moments: each ends where the next of its group begins."""
    follows = _follows(moments.group)
    next_ = np.minimum(np.arange(len(follows)) + 1, len(follows) - 1)
    told_later = follows & moments.old_told[next_]
    value = np.where(told_later, moments.before[next_], -1)
    value = np.where(follows, value, moments.now)
    value = np.where(moments.told, moments.value, value)
    unknown = follows & ~told_later & ~moments.first[next_]
    if tracked.starts_empty:
        unknown |= values.filled[value]
    unknown &= moments.created
    origin = np.where(unknown, 2, moments.created)
    start = np.where(moments.created & follows, _earlier(moments.at, next_), moments.at)
    kept = ~(follows & (start == start[next_]))
    if tracked.path == "section":  # before it was in the project
        kept &= ~moments.created | values.filled[value]
    kept = np.flatnonzero(kept)
    again = np.append(False, _follows(moments.group[kept])[:-1])
    again[1:] &= values.codes[value[kept]][1:] == values.codes[value[kept]][:-1]
    again[1:] &= ~unknown[kept][:-1]
    kept = kept[~again]
    follows = _follows(moments.group[kept])
    return _Intervals(
        moments.task[kept],
        moments.project[kept],
        value[kept],
        start[kept],
        np.where(follows, np.append(start[kept][1:], NEVER), NEVER),
        moments.by[kept],
        origin[kept],
        ~follows,
        moments.now[kept],
    )


def _follows(group: np.ndarray) -> np.ndarray:
    """Whether the next moment is of the same group."""
    follows: np.ndarray = np.append(group[1:] == group[:-1], False)[: len(group)]
    return follows


def _earlier(at: np.ndarray, next_: np.ndarray) -> np.ndarray:
    """Return the times of creations, or of the first story where that one is missing or later."""
    first: np.ndarray = np.where(at == NEVER, at[next_], np.minimum(at, at[next_]))
    return first


def _warn(
    source: Source, field: str, moments: _Moments, intervals: _Intervals, values: _Pool
) -> None:
    """Warn of stories of unknown kinds, and of last stories that disagree with the task."""
    notes = []
    unknown = unknown_stories(source)
    if unknown:
        shown = ", ".join(f"{name} ({count})" for name, count in list(unknown.items())[:5])
        notes.append(f"stories of unknown kinds were not taken into account: {shown}")
    wrong = values.codes[intervals.value] != values.codes[intervals.now]
    stale = np.flatnonzero(intervals.is_last & wrong)
    if len(stale):
        gid = source.text("task", "gid")[int(intervals.task[stale[0]])].as_py()
        notes.append(
            f"in {len(stale):,} cases the last story disagrees with the task, such as {gid}"
        )
    follows = np.append(False, _follows(moments.group)[:-1]) & moments.old_told
    previous = np.append(-1, np.where(moments.told, moments.value, -1)[:-1])
    lost = follows & np.append(False, moments.told[:-1])
    lost &= values.codes[moments.before] != values.codes[previous]
    if lost.any():
        notes.append(f"{int(lost.sum()):,} stories contradict the ones before them")
    if notes:
        warn_user(f"History of {field!r}: {'; '.join(notes)}.", AsanaValueWarning)
