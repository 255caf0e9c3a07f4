"""The data of a timeline: when each job started and ended, and where its bar goes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, tzinfo
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from asana_jobs_pd._http.redaction import clean
from asana_jobs_pd._jobs.as_jobs import as_times, cast_column
from asana_jobs_pd._jobs.schema import FINAL_STATUSES, dtype_of
from asana_jobs_pd._jobs.states import is_finished, kinds_of
from asana_jobs_pd._jobs.views import unique_jobs
from asana_jobs_pd._vocabulary import UNREADABLE, kind_label, states_of
from asana_jobs_pd.errors import InvalidFrameError, InvalidOptionError


def zone_of(zone: str | tzinfo | None) -> tzinfo:
    """Return the time zone of an option; UTC by default."""
    if zone is None:
        return UTC
    if isinstance(zone, tzinfo):
        return zone
    try:
        return ZoneInfo(zone)
    except (KeyError, TypeError, ValueError, OSError):  # depends on the value and the system
        pass
    raise InvalidOptionError(f"tz={zone!r} is not a time zone; use one such as 'Europe/Berlin'.")


def zone_name(zone: tzinfo) -> str:
    """Return the name of a time zone."""
    return getattr(zone, "key", None) or str(zone)


_TIME = dtype_of("time")
_MIN_TIME, _MAX_TIME = (
    pd.Timestamp(text).as_unit("us") for text in ("0001-01-01T00Z", "9999-12-31T23:59:59.999999Z")
)
_ENDED = (*FINAL_STATUSES, UNREADABLE)
_HISTORY = ("gid", "status", "at")


def job_spans(
    jobs: pd.DataFrame,
    *,
    history: pd.DataFrame | None = None,
    start: str | None = None,
    end: str | None = None,
) -> pd.DataFrame:
    """Return when each job started and ended."""
    rows = unique_jobs(jobs, without_gid=True)
    first, final, last = _observations(rows, history)
    finished = is_finished(rows)
    created = _reported(rows, "created_at").min(axis=1)
    completed = _reported(rows, "completed_at").max(axis=1).where(finished)
    started = created.fillna(_user_times(rows, start)).fillna(first)
    ended = completed.fillna(_user_times(rows, end)).fillna(final).where(finished)
    last_seen = pd.concat([_user_times(rows, "fetched_at"), last], axis=1).max(axis=1)
    ended = ended.fillna(last_seen.where(~finished))
    started, ended = started.fillna(ended), ended.fillna(started)
    spans = pd.DataFrame(
        {
            "state": states_of(rows),
            "start": started,
            "end": ended.where(ended >= started, started),
            "running": ~finished & ended.notna().to_numpy(bool),
            "observed": (created.isna() | (completed.isna() & finished)).to_numpy(bool),
        },
        index=rows.index,
    )
    return pd.concat([spans, rows.drop(columns=spans.columns, errors="ignore")], axis=1)


def _column(rows: pd.DataFrame, name: str) -> pd.Series:
    if name in rows.columns:
        column: pd.Series = rows[name]
        return column
    raise InvalidFrameError(f"There is no column {name!r}; the columns are {list(rows.columns)}.")


def _reported(rows: pd.DataFrame, leaf: str) -> pd.DataFrame:
    """Return Asana's times of exports; other objects are older or younger than their job."""
    kinds = [kind for kind in kinds_of(rows) if kind.endswith("_export")]
    names = [name for kind in kinds if (name := f"new_{kind}.{leaf}") in rows.columns]
    missing = pd.Series(pd.NaT, rows.index, _TIME)
    return pd.concat([missing, *(as_times(rows[name], name) for name in names)], axis=1)


def _user_times(rows: pd.DataFrame, name: str | None) -> pd.Series:
    if name is None or (name == "fetched_at" and name not in rows.columns):
        return pd.Series(pd.NaT, rows.index, _TIME)
    column = _column(rows, name)
    if column.dtype == object and not column.map(pd.api.types.is_scalar).all():
        raise InvalidFrameError(f"The column {name!r} contains lists or other objects, not times.")
    if getattr(column.dtype, "kind", "") == "m":
        raise InvalidFrameError(f"The column {name!r} contains durations, not times.")
    times = as_times(column, name)
    if not times.dropna().between(_MIN_TIME, _MAX_TIME).all():
        raise InvalidFrameError(f"The column {name!r} contains times outside the years 1 to 9999.")
    return times


def _observations(
    rows: pd.DataFrame, history: pd.DataFrame | None
) -> tuple[pd.Series, pd.Series, pd.Series]:
    """Return when each job was first observed, first observed as finished, and last observed."""
    if history is None:
        missing = pd.Series(pd.NaT, rows.index, _TIME)
        return missing, missing, missing
    if not isinstance(history, pd.DataFrame) or not set(_HISTORY) <= set(history.columns):
        raise InvalidFrameError(
            "history must be a frame with gid, status and at, such as a monitor's .history."
        )
    gids = cast_column(history["gid"], "gid").to_numpy(object)
    times = as_times(history["at"], "at").set_axis(gids)
    final = times[history["status"].isin(_ENDED).to_numpy(bool)]
    by_gid = [
        times.groupby(level=0).min(),
        final.groupby(level=0).min(),
        times.groupby(level=0).max(),
    ]
    keys = rows["gid"].to_numpy(object)
    first, finished, last = (series.reindex(keys).set_axis(rows.index) for series in by_gid)
    return first, finished, last


MAX_LABELED = 40
"""Up to so many jobs are labeled one by one."""

_MAX_NAME = 28
_MAX_GID = 10
_KIND_GAP = 0.015
"""The gap between kinds of many jobs, as a fraction of the number of jobs."""
_MIN_KIND_HEIGHT = 0.04
"""The least height of a kind of many jobs, as such a fraction: its label needs room."""


@dataclass(frozen=True, slots=True)
class TimelineLayout:
    """The lines of a timeline, from the top."""

    rows: pd.DataFrame
    kinds: list[tuple[float, str]]
    labels: list[tuple[float, str]]
    height: float
    untimed: int

    @property
    def dense(self) -> bool:
        """Whether there are too many jobs for labels."""
        return not self.labels


def layout_timeline(spans: pd.DataFrame, label: str | None = None) -> TimelineLayout:
    """Place jobs by kind, then by time.

    A few jobs get a line and a label each, under the label of their kind; of many, each gets a
    thin line. `label` names the column of labels.
    """
    dense = len(spans) > MAX_LABELED
    untimed = spans["start"].isna()
    shown = spans[~untimed] if dense else spans
    missing = pd.Series(pd.NA, shown.index, "string")
    kinds = shown.get("resource_subtype", missing).astype("string").fillna("").map(kind_label)
    shown = shown.assign(kind=kinds.astype(object)).sort_values(
        ["kind", "start", "end"], kind="stable"
    )
    lines, kinds_at, height = _lines(shown["kind"], dense=dense)
    shown = shown.assign(line=lines)
    labels = [] if dense else list(zip(lines, job_labels(shown, label), strict=True))
    return TimelineLayout(shown, kinds_at, labels, height, int(untimed.sum()) if dense else 0)


def _lines(kinds: pd.Series, *, dense: bool) -> tuple[list[float], list[tuple[float, str]], float]:
    gap = len(kinds) * _KIND_GAP if dense else 0.4
    min_height = len(kinds) * _MIN_KIND_HEIGHT if dense else 0.0
    lines: list[float] = []
    kinds_at, top = [], 0.0
    for kind, count in kinds.value_counts(sort=False).items():
        first = top if dense else top + 1
        lines += (first + 0.5 + np.arange(count)).tolist()
        height = max(count, min_height)
        middle, label = (first + height / 2, f"{kind}  {count:,}") if dense else (top + 0.5, kind)
        kinds_at.append((middle, str(label)))
        top = first + height + gap
    return lines, kinds_at, max(top - gap, 1.0)


def job_labels(rows: pd.DataFrame, column: str | None = None) -> list[str]:
    """Return a short, masked label per job: the created object's name, or `column`, and the gid."""
    sources = rows.get("source.gid", pd.Series(pd.NA, rows.index, "string"))
    parts = zip(_names(rows, column), rows["gid"], sources, strict=True)
    return [_label(*part) for part in parts]


def short_gid(gid: str) -> str:
    """Return the start and the end of a gid, which tell it from its neighbors."""
    return gid if len(gid) <= _MAX_GID else f"{gid[:4]}…{gid[-4:]}"


def _label(name: object, gid: object, source: object) -> str:
    prefix = clean(str(name), limit=_MAX_NAME) + "  " if _has_value(name) else ""
    if _has_value(gid):
        return prefix + short_gid(str(gid))
    return prefix + (f"of {short_gid(clean(str(source)))}" if _has_value(source) else "no gid")


def _has_value(value: object) -> bool:
    return not (pd.api.types.is_scalar(value) and pd.isna(value))  # type: ignore[call-overload]


def _names(rows: pd.DataFrame, column: str | None) -> pd.Series:
    if column is not None:
        labels = _column(rows, column)
        return labels.astype("string") if isinstance(labels.dtype, pd.ArrowDtype) else labels
    names = pd.Series(pd.NA, rows.index, "string")
    for kind in kinds_of(rows):
        if (name := f"new_{kind}.name") in rows.columns:
            names = names.fillna(rows[name].astype("string"))
    return names


_FIRST_TIME, _LAST_TIME = (
    pd.Timestamp(text).as_unit("us") for text in ("0001-01-03T00:00Z", "9999-12-29T00:00Z")
)
_STEPS = (
    *("1s", "2s", "5s", "10s", "20s", "30s", "1min", "2min", "5min", "10min", "20min", "30min"),
    *("1h", "2h", "3h", "6h", "12h"),
    *("1D", "2D", "7D", "14D", "28D", "91D", "364D", "3640D"),
)
_MAX_TICKS = 8
_STEP_SIZES = [pd.Timedelta(text).as_unit("us") for text in _STEPS]
_LONGEST_STEP = _STEP_SIZES[-1]
_DAY = pd.Timedelta(days=1)


def _local(time: pd.Timestamp, zone: tzinfo) -> pd.Timestamp:
    """Return a time in a zone; at either end of Python's times, one that every zone has."""
    inside = min(max(time, _FIRST_TIME), _LAST_TIME)
    return inside.tz_convert(zone).tz_localize(None)


def time_ticks(
    start: pd.Timestamp, end: pd.Timestamp, zone: tzinfo
) -> list[tuple[pd.Timestamp, str]]:
    """Return about eight round times of a zone between two times, with their labels.

    The first label, and the first of each day, has a date; the others have the time only.
    """
    local, until = (_local(time, zone) for time in (start, end))
    step = next(
        (size for size in _STEP_SIZES if (until - local) / size <= _MAX_TICKS),
        _LONGEST_STEP * -(-(until - local) // (_LONGEST_STEP * _MAX_TICKS)),
    )
    first = local.ceil(step)
    count = int((until - first) / step) + 1
    naive = pd.DatetimeIndex(first.to_datetime64() + np.arange(count) * step.to_timedelta64())
    # An hour that a change of clocks leaves out, or has twice, gets no tick.
    times = naive.tz_localize(zone, ambiguous="NaT", nonexistent="NaT").dropna()
    labeled: list[tuple[pd.Timestamp, str]] = []
    day = ""
    for time in times:
        date = time.strftime("%Y-%m-%d" if step >= _DAY or not labeled else "%m-%d")
        hour = time.strftime("%H:%M:%S" if step < pd.Timedelta(minutes=1) else "%H:%M")
        new = time.strftime("%Y-%m-%d") != day
        day = time.strftime("%Y-%m-%d")
        label = date if step >= _DAY else f"{date} {hour}" if new else hour
        labeled.append((time.tz_convert("UTC"), label))
    return labeled
