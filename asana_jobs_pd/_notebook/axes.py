"""What all pictures need of matplotlib: an Axes, its ground, a quiet frame, a legend."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from asana_jobs_pd._notebook.palette import is_dark
from asana_jobs_pd.errors import InvalidOptionError, MissingExtraError

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

__all__ = ["axes_for", "legend_above", "need_matplotlib", "on_dark", "quiet", "say_instead"]

_ENOUGH = 0.5
_ENTRY = 1.4
"""Inches that a legend's entry takes."""


def need_matplotlib() -> None:
    """Raise a `MissingExtraError` when matplotlib is not installed."""
    try:
        import matplotlib as mpl  # noqa: F401, PLC0415  an extra
    except ImportError:
        pass
    else:
        return
    raise MissingExtraError(
        "Pictures need matplotlib: pip install 'asana_jobs_pd[plot]' installs it."
    )


def axes_for(ax: Axes | None, size: tuple[float, float]) -> Axes:
    """Return the Axes of the caller, or one in a new figure of so many inches."""
    need_matplotlib()
    from matplotlib.axes import Axes  # noqa: PLC0415  an extra

    if ax is None:
        from matplotlib import pyplot as plt  # noqa: PLC0415  an extra

        return plt.subplots(figsize=size, layout="constrained")[1]
    if not isinstance(ax, Axes):
        raise InvalidOptionError(f"ax is a {type(ax).__name__}; plt.subplots() makes an Axes.")
    return ax


def on_dark(ax: Axes) -> bool:
    """Tell whether what is drawn there stands on a dark ground."""
    from matplotlib.colors import to_hex, to_rgba  # noqa: PLC0415  an extra

    for ground in (ax.get_facecolor(), ax.figure.get_facecolor()):
        if to_rgba(ground)[3] > _ENOUGH:
            return is_dark(to_hex(ground))
    return False


def quiet(ax: Axes) -> None:
    """Leave of the frame what helps to read: the lower edge, and fine lines up from it."""
    for side in ("top", "right", "left"):
        ax.spines[side].set_visible(False)
    ax.spines["bottom"].set_alpha(0.3)
    ax.tick_params(axis="both", length=0)
    ax.tick_params(axis="y", pad=6)
    ax.grid(visible=True, axis="x", alpha=0.25, linewidth=0.6)
    ax.grid(visible=False, axis="y")
    ax.set_axisbelow(True)


def legend_above(ax: Axes, handles: Sequence[Artist], title: str | None) -> None:
    """Set the legend in lines above the Axes, and the title above it."""
    columns = max(1, min(len(handles), int(_inches(ax) / _ENTRY)))
    rows = -(-len(handles) // columns)
    if handles:
        legend = ax.legend(
            handles=handles,
            loc="lower left",
            bbox_to_anchor=(0, 1.0),
            ncols=columns,
            frameon=False,
            borderaxespad=0.2,
            handlelength=1.1,
            handleheight=1.0,
            columnspacing=1.4,
        )
        for text in legend.get_texts():
            text.set(parse_math=False, usetex=False)
    if title is not None:
        ax.set_title(title, loc="left", fontweight="bold", pad=10 + 20 * rows)


def _inches(ax: Axes) -> float:
    return float(ax.get_window_extent().width / ax.figure.dpi)


def say_instead(ax: Axes, words: str, **style: Any) -> None:
    """Say why there is nothing to see."""
    ax.text(0.5, 0.5, words, transform=ax.transAxes, ha="center", va="center", alpha=0.75, **style)
    ax.set_xticks([])
    ax.set_yticks([])
