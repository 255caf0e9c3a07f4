"""On which line of a timeline the bar of each job is, and what the labels say."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from asana_jobs_pd._http.redaction import clean
from asana_jobs_pd._jobs.states import kinds_of
from asana_jobs_pd._report.spans import has_value
from asana_jobs_pd._vocabulary import kind_label

MAX_LABELED = 40
"""Up to so many jobs are labeled one by one."""
MAX_KINDS = 12
"""The most kinds that many jobs are grouped by; the smallest share a last group."""

_MAX_NAME = 28
_NARROW_NAME = 10
_MAX_GID = 10


@dataclass(frozen=True, slots=True)
class TimelineLayout:
    """The lines of a timeline, from the top; `untimed` counts the jobs that are not on it."""

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

    A few jobs get a line and a label each, under the label of their kind; of many, each gets a
    thin line. `names` are other names than those of created objects. In a narrow picture the kinds
    are headings.
    """
    own = ["kind", "line"]  # the user's columns may have these names, even twice
    shown = spans[spans["start"].notna()].drop(columns=own, errors="ignore")
    dense = len(shown) > MAX_LABELED
    missing = pd.Series(pd.NA, shown.index, "string")
    kinds = shown.get("resource_subtype", missing).astype("string").fillna("").map(kind_label)
    shown = shown.assign(kind=_largest(kinds.astype(object)) if dense else kinds.astype(object))
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
    """Return kinds of which the smallest share a name, so that each has room for its label."""
    others = kinds.value_counts().index[MAX_KINDS - 1 :]
    return kinds if len(others) < 2 else kinds.where(~kinds.isin(others), "other kinds")  # noqa: PLR2004


def _lines(
    kinds: pd.Series, *, dense: bool, narrow: bool
) -> tuple[list[float], list[tuple[float, str]], float]:
    """Return the line of each job, the place of each label of a kind, and the height of all."""
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
    """Return a short, masked label per job: a name, else the created object's, and the gid."""
    names = _created_names(rows) if names is None else names[rows.index]
    sources = rows.get("source.gid", pd.Series(pd.NA, rows.index, "string"))
    labels = []
    for name, gid, source in zip(names, rows["gid"], sources, strict=True):
        prefix = clean(str(name), limit=max_name) + "  " if has_value(name) else ""
        labels.append(prefix + short_name(gid, source))
    return labels


def short_name(gid: object, source: object) -> str:
    """Return what tells a job from its neighbors: of its gid the start and the end."""
    if has_value(gid):
        text = str(gid)
        return text if len(text) <= _MAX_GID else f"{text[:4]}…{text[-4:]}"
    return f"of {short_name(clean(str(source)), None)}" if has_value(source) else "no gid"


def _created_names(rows: pd.DataFrame) -> pd.Series:
    names = pd.Series(pd.NA, rows.index, "string")
    for kind in kinds_of(rows):
        if (name := f"new_{kind}.name") in rows.columns:
            names = names.fillna(rows[name].astype("string"))
    return names
