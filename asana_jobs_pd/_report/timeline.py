"""`plot_asana_timeline`: one bar per job over time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from asana_jobs_pd._formatting import format_count, format_time
from asana_jobs_pd._jobs.views import unique_jobs
from asana_jobs_pd._public import public
from asana_jobs_pd._report.plot import (
    MATPLOTLIB,
    WIDTH,
    add_legend,
    axes_for,
    drawable,
    fonts,
    has_dark_background,
    plain_text,
    show_message,
    simplify,
    zone_name,
    zone_of,
)
from asana_jobs_pd._report.timeline_data import (
    TimelineLayout,
    job_spans,
    layout_timeline,
    named_column,
)
from asana_jobs_pd._vocabulary import (
    UNREADABLE,
    ordered_states,
    state_label,
    state_style,
)
from asana_jobs_pd.errors import require_extra

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes


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
    """Draw one bar per job over time, grouped by kind and colored by state.

    Asana reports times for exports only: their bars are solid, from ``created_at`` to
    ``completed_at``. Other jobs get a pale bar that covers the times at which they were observed
    (`history`, `start`, `end`). Unfinished jobs fade out where they were last observed, which is
    ``fetched_at`` or later. The end of a finished job is never guessed: jobs without known times
    are counted below the axis. Up to 40 jobs are labeled; more are drawn as thin lines, grouped
    by kind.

    Parameters
    ----------
    jobs
        A frame of jobs; it is not changed.
    history
        The ``history`` of a monitor, with ``gid``, ``status`` and ``at``.
    start, end
        Columns of `jobs` with the times of jobs for which Asana reports none.
    label
        The column with the labels; by default the created object's name and the gid.
    tz
        The time zone of the axis, shown in its label; UTC by default.
    ax
        The Axes to draw on; by default those of a new figure.
    figsize
        The size of the new figure in inches; by default 10 wide and as high as needed.
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

    See Also
    --------
    plot_asana_status : How many are in each state.
    JobsMonitor.history : The times of jobs that are not exports.

    Examples
    --------
    >>> ax = jobs.asana.plot.timeline(tz="Europe/Berlin")
    """
    require_extra(*MATPLOTLIB)
    zone = zone_of(tz)
    rows = unique_jobs(jobs, without_gid=True)
    names = None if label is None else named_column(rows, label)
    layout = layout_timeline(job_spans(jobs, history=history, start=start, end=end), names)
    ax = axes_for(ax, figsize or (WIDTH, timeline_height(layout)))
    untimed = f"{format_count(layout.untimed, 'job')} with unknown times"
    handles: list[Artist] = []
    if len(layout.rows):
        handles = draw_timeline(ax, layout, zone, style=kwargs)
        note = f" · {untimed} not shown" if layout.untimed else ""
        ax.set_xlabel(f"time ({zone_name(zone)}){note}", loc="left", fontfamily=fonts())
    else:
        simplify(ax)
        show_message(ax, untimed if layout.untimed else "no jobs")
    add_legend(ax, handles if legend else [], title)
    return ax


_DAY = 86_400.0
_OBSERVED_ALPHA = 0.38
_REPORTED_ALPHA = 0.92
_FADE = 0.035
"""The open end of a running job, as a fraction of the width."""
_FAILURES = ("failed", UNREADABLE)
_MIN_WIDTH = 60.0 / _DAY
"""The width in days of a timeline whose times are all the same."""
_FIRST_DAY, _LAST_DAY = -719_160.0, 2_932_894.0
"""Two days after the start of year 1 and before the end of 9999: a zone may shift times."""
_FIRST_SAFE_DAY, _LAST_SAFE_DAY = -354_285.0, 2_567_652.0
"""The years 1000 and 9000: matplotlib may look for ticks far outside the axis."""


def timeline_height(layout: TimelineLayout) -> float:
    """Return the height in inches that a figure needs."""
    return 6.5 if layout.dense else 1.3 + 0.27 * layout.height


def draw_timeline(
    ax: Axes,
    layout: TimelineLayout,
    zone: tzinfo,
    *,
    style: dict[str, Any],
    tooltips: Sequence[str] | None = None,
) -> list[Artist]:
    """Draw the jobs and return the handles for a legend, one per state.

    With `tooltips`, one per job, they are the URLs of bars and marks; labels have their whole text.
    """
    simplify(ax)
    dark, handles = has_dark_background(ax), []
    left, right = (_days(layout.rows[name]) for name in ("start", "end"))
    rows = layout.rows[["state", "line", "running", "observed"]]
    rows = rows.assign(left=left, right=right, tip=tooltips)
    width = max(right.max() - left.min(), _MIN_WIDTH)
    for state in ordered_states(rows["state"]):
        part = rows[rows["state"] == state]
        color, label = state_style(state).color(dark=dark), state_label(state)
        _draw_bars(ax, part, color, dense=layout.dense, label=label, style=style)
        _draw_fades(ax, part[part["running"]], color, dense=layout.dense, length=width * _FADE)
        _draw_marks(ax, part, color, dense=layout.dense, failed=state in _FAILURES)
        handles.append(_handle(color, f"{drawable(label)} ({len(part):,})"))
    if (rows["observed"] & (rows["right"] > rows["left"])).any():
        color = state_style("not_started").color(dark=dark)
        handles.append(_handle(color, "pale: observed", _OBSERVED_ALPHA))
    _time_axis(ax, zone, width, float(np.mean([left, right])))
    _label_axis(ax, layout, with_text=tooltips is not None)
    return handles


def _draw_bars(
    ax: Axes, rows: pd.DataFrame, color: str, *, dense: bool, label: str, style: dict[str, Any]
) -> None:
    """Draw solid bars for times that Asana reports, and pale ones for observed times."""
    for pale, bars in rows[rows["right"] > rows["left"]].groupby("observed"):
        face = _rgba(color, _OBSERVED_ALPHA if pale else _REPORTED_ALPHA)
        options: dict[str, Any] = {
            "label": f"{label}, observed" if pale else label,
            "facecolor": face,
            "edgecolor": face if dense else _rgba(color, _REPORTED_ALPHA),
            "linewidth": 0.3 if dense else 0.8,
            "zorder": 0.9 if bars["running"].any() else 1.0,
            "urls": _urls(bars),
        }
        _add_boxes(ax, bars, {**options, **style}, dense=dense)


def _draw_fades(ax: Axes, running: pd.DataFrame, color: str, *, dense: bool, length: float) -> None:
    """Make running jobs fade out after they were last observed."""
    if not len(running):
        return
    slices = 3 if dense else 10
    ends = [running["right"] + length * part / slices for part in range(slices + 1)]
    parts = [running.assign(left=left, right=right) for left, right in pairwise(ends)]
    faces = [_rgba(color, 0.6 * (1 - (part + 0.5) / slices)) for part in range(slices)]
    options = {
        "facecolor": np.repeat(faces, len(running), axis=0),
        "linewidth": 0,
        "antialiased": False,
        "label": "_open end",
        "zorder": 0.9,
    }
    _add_boxes(ax, pd.concat(parts), options, dense=dense)


def _draw_marks(ax: Axes, rows: pd.DataFrame, color: str, *, dense: bool, failed: bool) -> None:
    """Mark failures, and jobs with only one known time, with shapes."""
    marked = rows if failed else rows[rows["left"] == rows["right"]]
    if len(marked):
        ax.scatter(
            marked["right"],
            marked["line"],
            s=8 if dense else 34,
            marker="X" if failed else "o",
            color=color,
            edgecolor=ax.get_facecolor(),
            linewidth=0 if dense else 0.7,
            zorder=3,
            label="_failed" if failed else "_moment",
            urls=_urls(marked),
        )


def _add_boxes(ax: Axes, rows: pd.DataFrame, options: dict[str, Any], *, dense: bool) -> None:
    from matplotlib.collections import PolyCollection  # noqa: PLC0415  an extra

    half = 0.5 if dense else 0.31
    left, right, line = (rows[name].to_numpy(float) for name in ("left", "right", "line"))
    corners = ((left, line - half), (left, line + half), (right, line + half), (right, line - half))
    boxes: Any = np.array(corners).transpose(2, 0, 1)
    collection = PolyCollection(boxes)
    collection.set(**options)
    ax.add_collection(collection)


def _urls(rows: pd.DataFrame) -> list[str | None]:
    return [*rows["tip"], None]  # matplotlib 3.8 ignores a list with a single URL


def _rgba(color: str, alpha: float) -> tuple[float, float, float, float]:
    from matplotlib.colors import to_rgba  # noqa: PLC0415  an extra

    return to_rgba(color, alpha)


def _handle(color: str, label: str, alpha: float = _REPORTED_ALPHA) -> Artist:
    from matplotlib.patches import Patch  # noqa: PLC0415  an extra

    return Patch(facecolor=_rgba(color, alpha), edgecolor=color, label=label)


def _days(times: pd.Series) -> np.ndarray:
    """Return times as matplotlib counts them: days since 1970, UTC."""
    from matplotlib.dates import date2num  # noqa: PLC0415  an extra

    return np.asarray(date2num(times.dt.tz_convert(None).to_numpy("M8[us]")), float)


def _time_axis(ax: Axes, zone: tzinfo, width: float, middle: float) -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter  # noqa: PLC0415  an extra

    ax.xaxis_date(zone)
    inches = ax.get_window_extent().width / ax.figure.dpi
    # Fewer than five would be too few for some spans: matplotlib warns.
    locator = AutoDateLocator(tz=zone, minticks=2, maxticks=int(np.clip(1.3 * inches, 5, 8)))
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(ConciseDateFormatter(locator, tz=zone))
    ax.autoscale_view(scaley=False)
    if width == _MIN_WIDTH:
        ax.set_xlim(middle - width / 2, middle + width / 2)
    low, high = ax.get_xlim()
    if low < _FIRST_SAFE_DAY or high > _LAST_SAFE_DAY:
        low = min(max(low, _FIRST_DAY), _LAST_DAY - width)
        high = max(min(high, _LAST_DAY), low + width)
        ticks = np.linspace(low, high, 5)[1:-1]
        times = [pd.Timestamp(round(day * _DAY), unit="s", tz="UTC") for day in ticks]
        ax.set_xticks(ticks, labels=[format_time(time, zone)[:16] for time in times])
        ax.set_xlim(low, high)


def _label_axis(ax: Axes, layout: TimelineLayout, *, with_text: bool) -> None:
    ticks = sorted(layout.labels if layout.narrow else [*layout.kinds, *layout.labels])
    labels = [drawable(name) for _, name in ticks]
    ax.set_yticks([line for line, _ in ticks], labels=labels, **plain_text())
    kinds = dict(layout.kinds)
    for (line, name), tick in zip(ticks, ax.yaxis.get_major_ticks(), strict=True):
        if line in kinds:
            tick.label1.set_fontweight("bold")
            continue
        tick.label1.set_fontsize("small")
        if with_text:
            tick.label1.set_url(name)
    if layout.narrow:
        for line, kind in layout.kinds:
            options = {"transform": ax.get_yaxis_transform(), "fontweight": "bold", **plain_text()}
            ax.text(0, line, drawable(kind), va="center", **options)
    pad = layout.height * 0.01 if layout.dense else 0.2
    ax.set_ylim(layout.height + pad, -pad)
