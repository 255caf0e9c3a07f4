"""Where each job stands in a timeline: by kind, then by time. Pure.

A few jobs get a line and a label each, under the name of their kind. Many get a thin line each,
and their kind is the label.
"""

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
from asana_jobs_pd._palette import UNKNOWN, UNREADABLE, kind_words
from asana_jobs_pd.errors import InvalidFrameError, InvalidOptionError

__all__ = [
    "MOST_LABELLED",
    "Arrangement",
    "arrange",
    "column_of",
    "labels_of",
    "short_gid",
    "spans_of",
    "states_of",
    "zone_of",
    "zone_words",
]


def zone_of(zone: str | tzinfo | None) -> tzinfo:
    """Return a zone by its name, as it is, or UTC.

    Raises
    ------
    InvalidOptionError
        When there is no zone of that name.
    """
    if zone is None:
        return UTC
    if isinstance(zone, tzinfo):
        return zone
    try:
        return ZoneInfo(zone)
    except (KeyError, TypeError, ValueError, OSError):  # whatever it is, a zone it is not
        pass
    raise InvalidOptionError(f"tz={zone!r} is no time zone; give one such as 'Europe/Berlin'.")


def zone_words(zone: tzinfo) -> str:
    """Return what a zone is called."""
    return getattr(zone, "key", None) or str(zone)


_TIME = dtype_of("time")
_ENDED = (*FINAL_STATUSES, UNREADABLE)
_HISTORY = ("gid", "status", "at")


def states_of(jobs: pd.DataFrame) -> np.ndarray:
    """Return the state of each row: its status, ``unreadable`` or ``unknown``, as objects."""
    missing = pd.Series(pd.NA, jobs.index, "string")
    status = jobs.get("status", missing).astype("string").fillna(UNKNOWN).to_numpy(object)
    gone = is_finished(jobs) & ~np.isin(status, FINAL_STATUSES)
    errors = jobs.get("error.kind", missing).notna().to_numpy(bool)
    return np.where(gone | (errors & (status == UNKNOWN)), UNREADABLE, status)


def spans_of(
    jobs: pd.DataFrame,
    *,
    history: pd.DataFrame | None = None,
    start: str | None = None,
    end: str | None = None,
) -> pd.DataFrame:
    """Return when each job began and ended.

    Parameters
    ----------
    jobs
        A frame of jobs, with nothing but ``gid`` if need be.
    history
        What a monitor saw of them: ``gid``, ``status``, ``at``. What is finished, `jobs` says.
    start, end
        Columns of `jobs` with times of jobs to which Asana gives none.

    Returns
    -------
    pandas.DataFrame
        The jobs in their dtypes, each gid once, rows without one kept, and before their columns

        - ``state``, as of `states_of`;
        - ``start`` and ``end``, ``datetime64[us, UTC]``: from ``created_at`` to ``completed_at``
          of exports; else the column, else the first and the final sight in the history. What
          is not finished ends when it was last seen, at ``fetched_at`` at the least. Of what is
          finished, that says nothing: it may have ended long before it was read. Equal where
          only one moment is known, missing where none is; never in the wrong order;
        - ``running``: seen at `end`, and not finished then;
        - ``seen``: whether the span is what was seen, and not what Asana reports.

    Raises
    ------
    InvalidFrameError
        When these are no jobs, or a column or the history is not what it should be.
    """
    rows = unique_jobs(jobs, without_gid=True)
    first, final, last = _sights(rows, history)
    finished = is_finished(rows)
    created = _reported(rows, "created_at").min(axis=1)
    completed = _reported(rows, "completed_at").max(axis=1).where(finished)
    begun = created.fillna(_column(rows, start)).fillna(first)
    ended = completed.fillna(_column(rows, end)).fillna(final).where(finished)
    still = pd.concat([_column(rows, "fetched_at"), last], axis=1).max(axis=1)
    ended = ended.fillna(still.where(~finished))
    begun, ended = begun.fillna(ended), ended.fillna(begun)
    found = pd.DataFrame(
        {
            "state": states_of(rows),
            "start": begun,
            "end": ended.where(ended >= begun, begun),
            "running": ~finished & ended.notna().to_numpy(bool),
            "seen": (created.isna() | (completed.isna() & finished)).to_numpy(bool),
        },
        index=rows.index,
    )
    return pd.concat([found, rows.drop(columns=found.columns, errors="ignore")], axis=1)


def column_of(rows: pd.DataFrame, name: str) -> pd.Series:
    """Return a column that the caller named, or raise an `InvalidFrameError`."""
    if name in rows.columns:
        column: pd.Series = rows[name]
        return column
    raise InvalidFrameError(f"There is no column {name!r}; there are {list(rows.columns)}.")


def _reported(rows: pd.DataFrame, leaf: str) -> pd.DataFrame:
    """Return what Asana says of exports; other objects are older or younger than their job."""
    kinds = [kind for kind in kinds_of(rows) if kind.endswith("_export")]
    names = [name for kind in kinds if (name := f"new_{kind}.{leaf}") in rows.columns]
    nothing = pd.Series(pd.NaT, rows.index, _TIME)
    return pd.concat([nothing, *(as_times(rows[name], name) for name in names)], axis=1)


def _column(rows: pd.DataFrame, name: str | None) -> pd.Series:
    if name is None or (name == "fetched_at" and name not in rows.columns):
        return pd.Series(pd.NaT, rows.index, _TIME)
    return as_times(column_of(rows, name), name)


def _sights(
    rows: pd.DataFrame, history: pd.DataFrame | None
) -> tuple[pd.Series, pd.Series, pd.Series]:
    """Return when each job was seen first, finished first, and last."""
    nothing = pd.Series(pd.NaT, rows.index, _TIME)
    if history is None:
        return nothing, nothing, nothing
    if not isinstance(history, pd.DataFrame) or not set(_HISTORY) <= set(history.columns):
        raise InvalidFrameError("history is a frame with gid, status and at: a monitor's .history.")
    gids = cast_column(history["gid"], "gid").to_numpy(object)
    times = as_times(history["at"], "at").set_axis(gids)
    final = times[history["status"].isin(_ENDED).to_numpy(bool)]
    by_gid = [
        times.groupby(level=0).min(),
        final.groupby(level=0).min(),
        times.groupby(level=0).max(),
    ]
    keys = rows["gid"].to_numpy(object)
    first, finished, last = (part.reindex(keys).set_axis(rows.index) for part in by_gid)
    return first, finished, last


MOST_LABELLED = 40
"""So many jobs are told one by one."""

_LONGEST = 28
_LONGEST_GID = 10
_GAP = 0.015
"""Between kinds of many jobs, as a part of all lines."""
_LEAST = 0.04
"""The room of a kind, so that its name has some too."""


@dataclass(frozen=True, slots=True)
class Arrangement:
    """A timeline's lines, from the top.

    Parameters
    ----------
    rows
        What `spans_of` returns, in order, with ``line``, the middle of each job's line.
    heads
        Lines with the name of a kind, and the name.
    labels
        Lines with a job's name, and the name; none when there are many.
    height
        How many lines there are in all.
    untimed
        How many jobs are left out since no time of theirs is known.
    """

    rows: pd.DataFrame
    heads: list[tuple[float, str]]
    labels: list[tuple[float, str]]
    height: float
    untimed: int

    @property
    def dense(self) -> bool:
        """Whether there are too many jobs for a label each."""
        return not self.labels


def arrange(spans: pd.DataFrame, label: str | None = None) -> Arrangement:
    """Return the lines of a timeline.

    Parameters
    ----------
    spans
        What `spans_of` returns.
    label
        The column with the labels; None for the name of what was created, and the gid.
    """
    dense = len(spans) > MOST_LABELLED
    untimed = spans["start"].isna()
    shown = spans[~untimed] if dense else spans
    missing = pd.Series(pd.NA, shown.index, "string")
    kinds = shown.get("resource_subtype", missing).fillna("unknown kind").map(kind_words)
    shown = shown.assign(kind=kinds.astype(object)).sort_values(
        ["kind", "start", "end"], kind="stable"
    )
    lines, heads, height = _lines(shown["kind"], dense=dense)
    shown = shown.assign(line=lines)
    labels = [] if dense else list(zip(lines, labels_of(shown, label), strict=True))
    return Arrangement(shown, heads, labels, height, int(untimed.sum()) if dense else 0)


def _lines(kinds: pd.Series, *, dense: bool) -> tuple[list[float], list[tuple[float, str]], float]:
    counts = kinds.value_counts(sort=False)
    gap = len(kinds) * _GAP if dense else 0.4
    least = len(kinds) * _LEAST if dense else 0.0
    lines: list[float] = []
    heads, top = [], 0.0
    for kind, count in counts.items():
        first = top if dense else top + 1
        lines += (first + 0.5 + np.arange(count)).tolist()
        room = max(count, least)
        heads.append((first + room / 2, f"{kind}  {count:,}") if dense else (top + 0.5, str(kind)))
        top = first + room + gap
    return lines, heads, max(top - gap, 1.0)


def labels_of(rows: pd.DataFrame, column: str | None = None) -> list[str]:
    """Return a short name for each job, without control characters or anything signed."""
    sources = rows.get("source.gid", pd.Series(pd.NA, rows.index, "string"))
    parts = zip(_names(rows, column), rows["gid"], sources, strict=True)
    return [_label(*part) for part in parts]


def short_gid(gid: str) -> str:
    """Return the ends of a gid, which tell it from its neighbours."""
    return gid if len(gid) <= _LONGEST_GID else f"{gid[:4]}…{gid[-4:]}"


def _label(name: object, gid: object, source: object) -> str:
    """Return the name, if there is one, and the gid; else the gid of what the job was to be of."""
    words = clean(str(name), limit=_LONGEST) + "  " if _is_told(name) else ""
    if _is_told(gid):
        return words + short_gid(str(gid))
    return words + (f"of {short_gid(clean(str(source)))}" if _is_told(source) else "no gid")


def _is_told(value: object) -> bool:
    return not bool(pd.isna(value))  # type: ignore[call-overload]


def _names(rows: pd.DataFrame, column: str | None) -> pd.Series:
    if column is not None:
        return column_of(rows, column)
    names = pd.Series(pd.NA, rows.index, "string")
    for kind in kinds_of(rows):
        if (name := f"new_{kind}.name") in rows.columns:
            names = names.fillna(rows[name].astype("string"))
    return names
