"""``df.asana.plot``: pictures of jobs with matplotlib, after pandas' habits."""

from __future__ import annotations

from datetime import tzinfo
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from asana_jobs_pd._jobs.views import unique_jobs
from asana_jobs_pd._palette import kind_words, look_of, ordered_states
from asana_jobs_pd._public import public
from asana_jobs_pd._report.timeline import (
    axes_for,
    draw_timeline,
    legend_above,
    need_matplotlib,
    on_dark,
    quiet,
    say_instead,
)
from asana_jobs_pd._report.timeline_data import (
    Arrangement,
    arrange,
    spans_of,
    states_of,
    zone_of,
    zone_words,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["AsanaPlot", "plot_asana_status", "plot_asana_timeline"]

_WIDTH = 10.0
_NARROWEST = 0.06
"""A part of the widest bar below which a count has no room in it."""


class AsanaPlot:
    """Pictures of a frame of jobs: ``jobs.asana.plot.timeline()``, ``.status()``."""

    def __init__(self, frame: pd.DataFrame) -> None:
        self._frame = frame

    def timeline(
        self,
        *,
        history: pd.DataFrame | None = None,
        start: str | None = None,
        end: str | None = None,
        label: str | None = None,
        tz: str | tzinfo | None = None,
        ax: Axes | None = None,
        figsize: tuple[float, float] | None = None,
        legend: bool = True,
        title: str | None = None,
        **kwargs: Any,
    ) -> Axes:
        """Draw a bar a job over time; see `plot_asana_timeline`."""
        return plot_asana_timeline(
            self._frame,
            history=history,
            start=start,
            end=end,
            label=label,
            tz=tz,
            ax=ax,
            figsize=figsize,
            legend=legend,
            title=title,
            **kwargs,
        )

    def status(
        self,
        *,
        ax: Axes | None = None,
        figsize: tuple[float, float] | None = None,
        legend: bool = True,
        title: str | None = None,
        **kwargs: Any,
    ) -> Axes:
        """Draw how many jobs of each kind are in each state; see `plot_asana_status`."""
        return plot_asana_status(
            self._frame, ax=ax, figsize=figsize, legend=legend, title=title, **kwargs
        )


@public
def plot_asana_timeline(
    jobs: pd.DataFrame,
    *,
    history: pd.DataFrame | None = None,
    start: str | None = None,
    end: str | None = None,
    label: str | None = None,
    tz: str | tzinfo | None = None,
    ax: Axes | None = None,
    figsize: tuple[float, float] | None = None,
    legend: bool = True,
    title: str | None = None,
    **kwargs: Any,
) -> Axes:
    """Draw a bar a job over time, by kind, coloured by state.

    Asana gives times to exports alone: their bars are solid, from ``created_at`` to
    ``completed_at``. Other jobs get a pale bar of what was seen of them (`history`, `start`,
    `end`). What is not finished fades out where it was last seen, at ``fetched_at`` at the
    least; what is finished is not given a time it may not have had, and the picture says so.
    Up to 40 jobs have a label each; of more, each has a thin line under its kind.

    Parameters
    ----------
    jobs
        A frame of jobs; it is not changed.
    history
        What a monitor saw of them: its ``history``, with ``gid``, ``status`` and ``at``.
    start, end
        Columns of `jobs` with the times of jobs to which Asana gives none.
    label
        The column with the labels; by default the name of what was created, and the gid.
    tz
        The time zone of the axis, which names it; UTC by default.
    ax
        Where to draw; by default on a new figure.
    figsize
        Inches of the new figure; by default 10 wide, and as high as the jobs need.
    legend
        Whether to tell the states, with their counts.
    title
        Stands above it.
    **kwargs
        For the bars: properties of a ``matplotlib.collections.PolyCollection``.

    Returns
    -------
    matplotlib.axes.Axes
        A ``PolyCollection`` a state, labelled with its words; time in days since 1970, UTC.

    Raises
    ------
    MissingExtraError
        When matplotlib is not installed.
    InvalidFrameError
        When these are no jobs, or a column or the history is not what it should be.
    InvalidOptionError
        When `ax` or `tz` is none.
    """
    need_matplotlib()
    zone = zone_of(tz)
    arranged = arrange(spans_of(jobs, history=history, start=start, end=end), label)
    high = 6.5 if arranged.dense else 1.3 + 0.27 * arranged.height
    ax = axes_for(ax, figsize or (_WIDTH, high))
    quiet(ax)
    if not len(arranged.rows):
        say_instead(ax, _nothing(arranged))
        legend_above(ax, [], title)
        return ax
    handles = draw_timeline(ax, arranged, zone, kwargs)
    ax.set_xlabel(f"time ({zone_words(zone)}){_left_out(arranged)}", loc="left")
    legend_above(ax, handles if legend else [], title)
    return ax


@public
def plot_asana_status(
    jobs: pd.DataFrame,
    *,
    ax: Axes | None = None,
    figsize: tuple[float, float] | None = None,
    legend: bool = True,
    title: str | None = None,
    **kwargs: Any,
) -> Axes:
    """Draw how many jobs of each kind are in each state: a bar a kind.

    Parameters
    ----------
    jobs
        A frame of jobs; it is not changed. A repeated gid counts once.
    ax, figsize, legend, title
        As in `plot_asana_timeline`.
    **kwargs
        For ``Axes.barh``.

    Returns
    -------
    matplotlib.axes.Axes
        A ``BarContainer`` a state, labelled with its words; kinds by their number of jobs.

    Raises
    ------
    MissingExtraError
        When matplotlib is not installed.
    InvalidFrameError
        When these are no jobs.
    InvalidOptionError
        When `ax` is none.
    """
    need_matplotlib()
    counts = _counts(jobs)
    ax = axes_for(ax, figsize or (_WIDTH, 1.4 + 0.46 * max(len(counts), 1)))
    quiet(ax)
    if not len(counts):
        say_instead(ax, "no jobs")
    handles = _stack(ax, counts, kwargs) if len(counts) else []
    legend_above(ax, handles if legend else [], title)
    return ax


def _counts(jobs: pd.DataFrame) -> pd.DataFrame:
    """Return the number of jobs, kinds by size from the top, states in their order."""
    rows = unique_jobs(jobs, without_gid=True)
    missing = pd.Series(pd.NA, rows.index, "string")
    kinds = rows.get("resource_subtype", missing).fillna("unknown kind").to_numpy(object)
    counts = pd.crosstab(kinds, states_of(rows))
    counts = counts[ordered_states(list(counts.columns))]
    order = counts.sum(axis=1).sort_values(ascending=False, kind="stable").index
    return counts.loc[order]


def _stack(ax: Axes, counts: pd.DataFrame, style: dict[str, Any]) -> list[Any]:
    from matplotlib.ticker import MaxNLocator  # noqa: PLC0415  an extra

    dark = on_dark(ax)
    totals = counts.sum(axis=1).to_numpy()
    lines, left, handles = np.arange(len(counts)), np.zeros(len(counts)), []
    for state in counts.columns:
        look, values = look_of(state), counts[state].to_numpy()
        label = f"{look.word} ({values.sum():,})"
        look_and: dict[str, Any] = {
            "height": 0.62,
            "color": look.colour(dark=dark),
            "linewidth": 1.2,
        }
        look_and |= {"edgecolor": ax.get_facecolor(), "label": label, **style}
        bars = ax.barh(lines, values, left=left, **look_and)
        roomy = values > totals.max() * _NARROWEST
        told = [f"{value:,}" if room else "" for value, room in zip(values, roomy, strict=True)]
        inside = "#111111" if dark else "#ffffff"
        ax.bar_label(bars, told, label_type="center", color=inside, fontsize="small")
        left = left + values
        handles.append(bars)
    for line, total in zip(lines, totals, strict=True):
        ax.annotate(f"{total:,}", (total, line), (5, 0), textcoords="offset points", va="center")
    ax.set_yticks(
        lines, labels=[kind_words(kind) for kind in counts.index], parse_math=False, usetex=False
    )
    ax.set_ylim(len(counts) - 0.5, -0.5)
    ax.set_xlim(0, totals.max() * 1.08)
    ax.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
    ax.set_xlabel("jobs")
    return handles


def _nothing(arranged: Arrangement) -> str:
    return "no jobs" if not arranged.untimed else f"{arranged.untimed:,} jobs, times not known"


def _left_out(arranged: Arrangement) -> str:
    if not arranged.untimed:
        return ""
    return f" · {arranged.untimed:,} without known times not shown"
