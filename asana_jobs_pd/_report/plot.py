"""`df.asana.plot`: plots of jobs with matplotlib, in the manner of pandas."""

from __future__ import annotations

from datetime import tzinfo
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from asana_jobs_pd._formatting import format_count
from asana_jobs_pd._jobs.views import unique_jobs
from asana_jobs_pd._public import public
from asana_jobs_pd._report.timeline import (
    add_legend,
    axes_for,
    draw_timeline,
    drawable,
    fonts,
    has_dark_background,
    require_matplotlib,
    show_message,
    simplify,
)
from asana_jobs_pd._report.timeline_data import (
    TimelineLayout,
    job_spans,
    layout_timeline,
    zone_name,
    zone_of,
)
from asana_jobs_pd._vocabulary import kind_label, ordered_states, state_style, states_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes


_WIDTH = 10.0
_MIN_LABELED = 0.06
"""The fraction of the longest bar below which a count has no room in it."""


class AsanaPlot:
    """Plots of a frame of jobs: ``jobs.asana.plot.timeline()``, ``.status()``."""

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
        """Draw a bar per job over time; see `plot_asana_timeline`."""
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
    """Draw a bar per job over time, grouped by kind and colored by state.

    Asana reports times for exports only: their bars are solid, from ``created_at`` to
    ``completed_at``. Other jobs get a pale bar from the times at which they were observed
    (`history`, `start`, `end`). Unfinished jobs fade out where they were last observed, at
    ``fetched_at`` at least. The end of a finished job is never guessed: if it is unknown, the
    plot says so. Up to 40 jobs are labeled; with more, each gets a thin line under its kind.

    Parameters
    ----------
    jobs
        A frame of jobs; it is not changed.
    history
        The ``history`` of a monitor, with ``gid``, ``status`` and ``at``.
    start, end
        Columns of `jobs` with times of jobs for which Asana reports none.
    label
        The column with the labels; by default the created object's name, and the gid.
    tz
        The time zone of the axis, shown in its label; UTC by default.
    ax
        The Axes to draw on; by default those of a new figure.
    figsize
        The size of the new figure in inches; by default 10 wide, and as high as the jobs need.
    legend
        Whether to add a legend of the states with their counts.
    title
        The title of the plot.
    **kwargs
        Properties of the bars, a ``matplotlib.collections.PolyCollection``.

    Returns
    -------
    matplotlib.axes.Axes
        Has one ``PolyCollection`` per state, with the state's label; times are days since 1970,
        UTC.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    InvalidFrameError
        If `jobs`, a column or the history is invalid.
    InvalidOptionError
        If `ax` or `tz` is invalid.
    """
    require_matplotlib()
    zone = zone_of(tz)
    layout = layout_timeline(job_spans(jobs, history=history, start=start, end=end), label)
    height = 6.5 if layout.dense else 1.3 + 0.27 * layout.height
    ax = axes_for(ax, figsize or (_WIDTH, height))
    simplify(ax)
    if not len(layout.rows):
        untimed = f"{format_count(layout.untimed, 'job')}, times unknown"
        show_message(ax, untimed if layout.untimed else "no jobs")
        add_legend(ax, [], title)
        return ax
    handles = draw_timeline(ax, layout, zone, kwargs)
    ax.set_xlabel(f"time ({zone_name(zone)}){_omitted(layout)}", loc="left")
    add_legend(ax, handles if legend else [], title)
    return ax


def _omitted(layout: TimelineLayout) -> str:
    if not layout.untimed:
        return ""
    return f" · {format_count(layout.untimed, 'job')} with unknown times not shown"


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
    """Draw how many jobs of each kind are in each state: one bar per kind.

    Parameters
    ----------
    jobs
        A frame of jobs; it is not changed. A repeated gid counts once.
    ax, figsize, legend, title
        As in `plot_asana_timeline`.
    **kwargs
        Passed to ``Axes.barh``.

    Returns
    -------
    matplotlib.axes.Axes
        Has one ``BarContainer`` per state, with the state's label; kinds are sorted by their
        number of jobs.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    InvalidFrameError
        If `jobs` is not a frame of jobs.
    InvalidOptionError
        If `ax` is invalid.
    """
    require_matplotlib()
    counts = _counts(jobs)
    ax = axes_for(ax, figsize or (_WIDTH, 1.4 + 0.46 * max(len(counts), 1)))
    simplify(ax)
    if not len(counts):
        show_message(ax, "no jobs")
    handles = _draw_stacks(ax, counts, kwargs) if len(counts) else []
    add_legend(ax, handles if legend else [], title)
    return ax


def _counts(jobs: pd.DataFrame) -> pd.DataFrame:
    """Return the number of jobs; kinds by size, states in display order."""
    rows = unique_jobs(jobs, without_gid=True)
    missing = pd.Series(pd.NA, rows.index, "string")
    kinds = rows.get("resource_subtype", missing).fillna("").map(kind_label).to_numpy(object)
    counts = pd.crosstab(kinds, states_of(rows))
    counts = counts[ordered_states(list(counts.columns))]
    order = counts.sum(axis=1).sort_values(ascending=False, kind="stable").index
    return counts.loc[order]


def _draw_stacks(ax: Axes, counts: pd.DataFrame, style: dict[str, Any]) -> list[Any]:
    dark = has_dark_background(ax)
    totals = counts.sum(axis=1).to_numpy()
    lines, left, handles = np.arange(len(counts)), np.zeros(len(counts)), []
    for state in counts.columns:
        look, values = state_style(state), counts[state].to_numpy()
        options: dict[str, Any] = {
            "height": 0.62,
            "color": look.color(dark=dark),
            "linewidth": 1.2,
            "edgecolor": ax.get_facecolor(),
            "label": f"{drawable(look.label)} ({values.sum():,})",
            **style,
        }
        bars = ax.barh(lines, values, left=left, **options)
        roomy = values > totals.max() * _MIN_LABELED
        texts = [f"{value:,}" if room else "" for value, room in zip(values, roomy, strict=True)]
        inside = "#111111" if dark else "#ffffff"
        ax.bar_label(bars, texts, label_type="center", color=inside, fontsize="small")
        left = left + values
        handles.append(bars)
    for line, total in zip(lines, totals, strict=True):
        ax.annotate(f"{total:,}", (total, line), (5, 0), textcoords="offset points", va="center")
    _label_stacks(ax, counts, totals.max())
    return handles


def _label_stacks(ax: Axes, counts: pd.DataFrame, longest: int) -> None:
    from matplotlib.ticker import MaxNLocator  # noqa: PLC0415  an extra

    lines = np.arange(len(counts))
    ax.set_yticks(
        lines,
        labels=[drawable(kind) for kind in counts.index],
        parse_math=False,
        usetex=False,
        fontfamily=fonts(),
    )
    ax.set_ylim(len(counts) - 0.5, -0.5)
    ax.set_xlim(0, longest * 1.08)
    ax.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
    ax.set_xlabel("jobs")
