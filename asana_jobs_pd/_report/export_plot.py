"""`data.plot`: charts of a loaded export, in the style of pandas' own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from asana_jobs_pd._export.answers import ExportAnswers
from asana_jobs_pd._report.plot import (
    MATPLOTLIB,
    add_legend,
    axes_for,
    drawable,
    fonts,
    has_dark_background,
    show_message,
    simplify,
)
from asana_jobs_pd._tables.flow import burnup_of, flow_of
from asana_jobs_pd.errors import require_extra

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.artist import Artist
    from matplotlib.axes import Axes


class ExportPlot:
    """Plots of an export: ``data.plot.flow()``, ``data.plot.burnup()``."""

    def __init__(self, export: ExportAnswers) -> None:
        self._export = export

    def flow(
        self,
        field: str = "section",
        *,
        project: str | None = None,
        freq: str = "D",
        tz: str = "UTC",
        ax: Axes | None = None,
        figsize: tuple[float, float] = (10.0, 5.0),
        **kwargs: Any,
    ) -> Axes:
        """Draw a cumulative flow diagram of ``data.flow(field)``.

        The values that tasks reach last are at the bottom. The colors go from dark to light, so
        that they differ in print and for color-blind people, too.

        Parameters
        ----------
        field, project, freq, tz
            As in ``data.flow``.
        ax, figsize
            Axes to draw into, or the size of a new figure in inches.
        **kwargs
            Properties of the areas, a ``matplotlib.collections.PolyCollection``.
        """
        require_extra(*MATPLOTLIB)
        counts = flow_of(self._export, field, project=project, freq=freq, tz=tz).iloc[:, ::-1]
        axes, areas = axes_for(ax, figsize), []
        if counts.size:
            counts = _from_zero(counts)
            labels = [drawable(_short(str(name))) for name in counts.columns]
            style: dict[str, Any] = {
                "colors": _shades(axes, len(labels)),
                "edgecolor": axes.get_facecolor(),
                "linewidth": min(0.5, 10 / len(labels)),
                **_full_names(kwargs, "areas"),
            }
            areas = axes.stackplot(counts.index, counts.to_numpy().T, labels=labels, **style)
        return _finished(axes, areas[::-1])

    def burnup(
        self,
        *,
        project: str | None = None,
        freq: str = "D",
        tz: str = "UTC",
        ax: Axes | None = None,
        figsize: tuple[float, float] = (10.0, 5.0),
        **kwargs: Any,
    ) -> Axes:
        """Draw ``data.burnup()``: how many tasks there were, and how many were completed.

        Parameters
        ----------
        project, freq, tz
            As in ``data.burnup``.
        ax, figsize
            Axes to draw into, or the size of a new figure in inches.
        **kwargs
            Properties of the lines, ``matplotlib.lines.Line2D``.
        """
        require_extra(*MATPLOTLIB)
        counts = burnup_of(self._export, project=project, freq=freq, tz=tz)
        axes, lines = axes_for(ax, figsize), []
        if len(counts):
            counts, style = _from_zero(counts), _full_names(kwargs, "lines")
            lines = [
                axes.plot(counts.index, counts[name], **{"label": name, "linestyle": line} | style)[
                    0
                ]
                for name, line in (("created", "--"), ("completed", "-"))
            ]
        return _finished(axes, lines)


_MAX_ENTRIES, _MAX_NAME, _MARGIN, _CHARACTER = 24, 30, 0.5, 0.07
"""Limits of the legend (entries, characters of a name) and its inches (margin, character)."""


def _full_names(style: dict[str, Any], artist: str) -> dict[str, Any]:
    """Return properties by their full names: ``lw`` would stand beside our ``linewidth``."""
    from matplotlib import cbook, collections, lines  # noqa: PLC0415  an extra

    kinds = {"areas": collections.PolyCollection, "lines": lines.Line2D}
    return cbook.normalize_kwargs(style, kinds[artist])


def _short(name: str) -> str:
    return name if len(name) <= _MAX_NAME else name[: _MAX_NAME - 1] + "…"


def _from_zero(counts: pd.DataFrame) -> pd.DataFrame:
    """Return counts that can be drawn: a single day begins with none on the day before."""
    if len(counts) > 1:
        return counts
    before = pd.DatetimeIndex(counts.index).shift(-1)
    return pd.concat([pd.DataFrame(0, before, counts.columns), counts])


def _shades(axes: Axes, count: int) -> np.ndarray:
    from matplotlib import colormaps  # noqa: PLC0415  an extra

    low, high = (0.25, 1.0) if has_dark_background(axes) else (0.05, 0.93)
    return np.asarray(colormaps["viridis"](np.linspace(low, high, count)))


def _finished(axes: Axes, handles: Sequence[Artist]) -> Axes:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter  # noqa: PLC0415  an extra
    from matplotlib.lines import Line2D  # noqa: PLC0415  an extra
    from matplotlib.ticker import MaxNLocator  # noqa: PLC0415  an extra

    simplify(axes)
    if not handles:
        show_message(axes, "no tasks")
        return axes
    days = int(axes.dataLim.width)
    locator = AutoDateLocator(minticks=min(4, max(1, days)), maxticks=8)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    axes.yaxis.set_major_locator(MaxNLocator("auto", integer=True))
    axes.set_ylim(bottom=0)
    axes.margins(x=0)
    axes.grid(visible=True, axis="y", alpha=0.25, linewidth=0.6)
    axes.set_ylabel("tasks", fontfamily=fonts())
    shown = list(handles[:_MAX_ENTRIES])
    if len(handles) > len(shown):
        rest = f"and {len(handles) - len(shown):,} more"
        shown.append(Line2D([], [], linestyle="none", label=rest))
    longest = max(len(str(handle.get_label())) for handle in shown)
    add_legend(axes, shown, None, entry=_MARGIN + _CHARACTER * longest)
    return axes
