"""The data of a timeline: when each job ran, as far as known, and the line it is drawn on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from asana_jobs_pd._http.redaction import clean
from asana_jobs_pd._jobs.as_jobs import as_times, cast_column
from asana_jobs_pd._jobs.schema import FINAL_STATUSES, dtype_of
from asana_jobs_pd._jobs.states import is_finished, kinds_of
from asana_jobs_pd._jobs.views import unique_jobs
from asana_jobs_pd._report.table import kind_labels
from asana_jobs_pd._vocabulary import UNREADABLE, kind_label, states_of, texts_of
from asana_jobs_pd.errors import InvalidFrameError

_TIME = dtype_of("time")
_MIN_TIME, _MAX_TIME = (
    pd.Timestamp(text).as_unit("us") for text in ("0001-01-01T00Z", "9999-12-31T23:59:59.999999Z")
)
_ENDED = (*FINAL_STATUSES, UNREADABLE)
_HISTORY = ("gid", "status", "at")
MAX_LABELED = 40
"""The most jobs that have a label each."""
MAX_KINDS = 12
"""The most groups in a dense timeline; the smallest kinds share the last group."""

_MAX_NAME = 28
_NARROW_NAME = 10
_MAX_GID = 10


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


def named_column(rows: pd.DataFrame, name: str) -> pd.Series:
    """Return a column that the user named; there must be exactly one."""
    if list(rows.columns).count(name) == 1:
        column: pd.Series = rows[name]
        return column
    raise InvalidFrameError(f"There is no column {name!r}; the columns are {list(rows.columns)}.")


def _reported(rows: pd.DataFrame, leaf: str) -> pd.DataFrame:
    """Return Asana's times of exports; those of other objects do not tell when their job ran."""
    kinds = [kind for kind in kinds_of(rows) if kind.endswith("_export")]
    names = [name for kind in kinds if (name := f"new_{kind}.{leaf}") in rows.columns]
    missing = pd.Series(pd.NaT, rows.index, _TIME)
    return pd.concat([missing, *(as_times(rows[name], name) for name in names)], axis=1)


def _user_times(rows: pd.DataFrame, name: str | None) -> pd.Series:
    if name is None or (name == "fetched_at" and name not in rows.columns):
        return pd.Series(pd.NaT, rows.index, _TIME)
    column = named_column(rows, name)
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


def has_value(value: object) -> bool:
    """Return whether a cell has a value; a list counts as one."""
    return not (pd.api.types.is_scalar(value) and pd.isna(value))  # type: ignore[call-overload]


@dataclass(frozen=True, slots=True)
class TimelineLayout:
    """The lines of a timeline, from the top; `untimed` is the number of jobs without times."""

    rows: pd.DataFrame
    kinds: list[tuple[float, str]]
    labels: list[tuple[float, str]]
    height: float
    dense: bool
    narrow: bool
    untimed: int


def layout_timeline(
    spans: pd.DataFrame, names: pd.Series | None = None, *, narrow: bool = False
) -> TimelineLayout:
    """Place the jobs with known times by kind, then by time.

    A few jobs get a line and a label each, under the label of their kind; many jobs get a thin
    line each. `names` replaces the names of created objects. In a narrow picture, the kinds are
    headings.
    """
    own = ["kind", "line"]  # the user's columns may have these names, even twice
    shown = spans[spans["start"].notna()].drop(columns=own, errors="ignore")
    dense = len(shown) > MAX_LABELED
    kinds = kind_labels(shown).fillna(kind_label("")).astype(object)
    shown = shown.assign(kind=_largest(kinds) if dense else kinds)
    shown = shown.sort_values(["kind", "start", "end"], kind="stable")
    lines, kinds_at, height = _lines(shown["kind"], dense=dense, narrow=narrow)
    shown = shown.assign(line=lines)
    labels = [] if dense else job_labels(shown, names, _NARROW_NAME if narrow else _MAX_NAME)
    return TimelineLayout(
        rows=shown,
        kinds=kinds_at,
        labels=list(zip(lines if labels else [], labels, strict=True)),
        height=height,
        dense=dense,
        narrow=narrow,
        untimed=len(spans) - len(shown),
    )


def _largest(kinds: pd.Series) -> pd.Series:
    """Return kinds with one name for the smallest, so that each has room for its label."""
    others = kinds.value_counts().index[MAX_KINDS - 1 :]
    return kinds if len(others) < 2 else kinds.where(~kinds.isin(others), "other kinds")  # noqa: PLR2004


def _lines(
    kinds: pd.Series, *, dense: bool, narrow: bool
) -> tuple[list[float], list[tuple[float, str]], float]:
    """Return the line of each job, the position of each kind's label, and the total height."""
    scale = len(kinds) if dense else 1
    gap = 0.015 * scale if dense else 0.4
    heading = (0.045 if narrow else 0.0) * scale if dense else 1.0
    min_height = 0.04 * scale if dense and not heading else 0.0
    lines: list[float] = []
    kinds_at, top = [], 0.0
    for kind, count in kinds.value_counts(sort=False).items():
        first, height = top + heading, max(count, min_height)
        lines += (first + 0.5 + np.arange(count)).tolist()
        middle = top + heading / 2 if heading else first + height / 2
        kinds_at.append((middle, f"{kind}  {count:,}" if dense else str(kind)))
        top = first + height + gap
    return lines, kinds_at, max(top - gap, 1.0)


def job_labels(
    rows: pd.DataFrame, names: pd.Series | None = None, max_name: int = _MAX_NAME
) -> list[str]:
    """Return a short, masked label for each job: its name or its created object's, and the gid."""
    names = _created_names(rows) if names is None else names[rows.index]
    gids, sources = (texts_of(rows, name).fillna("") for name in ("gid", "source.gid"))
    labels = []
    for name, gid, source in zip(names, gids, sources, strict=True):
        prefix = clean(str(name), limit=max_name) + "  " if has_value(name) else ""
        origin = f"of {short_gid(clean(source))}" if source else "no gid"
        labels.append(prefix + (short_gid(gid) or origin))
    return labels


def short_gid(gid: str) -> str:
    """Return the start and end of a gid, which tell a job from its neighbors."""
    return gid if len(gid) <= _MAX_GID else f"{gid[:4]}…{gid[-4:]}"


def _created_names(rows: pd.DataFrame) -> pd.Series:
    names = pd.Series(pd.NA, rows.index, "string")
    for kind in kinds_of(rows):
        names = names.fillna(texts_of(rows, f"new_{kind}.name"))
    return names
