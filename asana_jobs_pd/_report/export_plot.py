"""`data.plot`: charts of a loaded export, in the style of pandas' own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from asana_jobs_pd._export.answers import ExportAnswers
from asana_jobs_pd._report.plot import MATPLOTLIB, add_legend, axes_for, drawable, simplify
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
        axes = axes_for(ax, figsize)
        labels = [drawable(str(name)) for name in counts.columns]
        if len(counts):
            areas = axes.stackplot(counts.index, counts.to_numpy().T, labels=labels, **kwargs)
            return _finished(axes, areas[::-1])
        return axes

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
        axes = axes_for(ax, figsize)
        lines = [
            axes.plot(counts.index, counts[name], style, label=name, **kwargs)[0]
            for name, style in (("created", "--"), ("completed", "-"))
        ]
        return _finished(axes, lines)


def _finished(axes: Axes, handles: Sequence[Artist]) -> Axes:
    simplify(axes)
    axes.grid(visible=True, axis="y", alpha=0.25, linewidth=0.6)
    axes.set_ylabel("tasks")
    add_legend(axes, handles, None)
    return axes
