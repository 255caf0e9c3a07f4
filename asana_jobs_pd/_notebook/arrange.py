"""Where each job stands in a timeline: by kind, then by time. Pure.

A few jobs get a line and a label each, under the name of their kind. Many get a thin line each,
and their kind is the label.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from asana_jobs_pd._api.redact import clean
from asana_jobs_pd._jobs.states import kinds_of
from asana_jobs_pd._notebook.palette import kind_words
from asana_jobs_pd._notebook.spans import column_of

__all__ = ["MOST_LABELLED", "Arrangement", "arrange", "labels_of", "short_gid"]

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
