"""Draws an arrangement of jobs on matplotlib Axes: bars, open ends, marks, words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from asana_jobs_pd._palette import UNREADABLE, Look, is_dark, look_of, ordered_states
from asana_jobs_pd._report.timeline_data import Arrangement
from asana_jobs_pd.errors import InvalidOptionError, MissingExtraError

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

__all__ = [
    "axes_for",
    "draw_timeline",
    "legend_above",
    "need_matplotlib",
    "on_dark",
    "quiet",
    "say_instead",
]

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


_DAY = 86_400.0
_PALE = 0.38
_SOLID = 0.92
_TAIL = 0.035
"""The open end of what is running, as a part of the width."""
_BAD = ("failed", UNREADABLE)
_SHORTEST = 60.0 / _DAY
"""The width of a picture of one moment, in days."""


def draw_timeline(
    ax: Axes, arranged: Arrangement, zone: tzinfo, style: dict[str, Any]
) -> list[Artist]:
    """Draw the jobs, and return what a legend tells of: one bar a state."""
    rows = arranged.rows
    begin, end = _days(rows["start"]), _days(rows["end"])
    width = max(np.ptp(_known(np.concatenate([begin, end]))), _SHORTEST)
    dark = on_dark(ax)
    handles: list[Artist] = []
    for state in ordered_states(rows["state"]):
        look, there = look_of(state), (rows["state"] == state).to_numpy(bool)
        colour = look.colour(dark=dark)
        part = _State(ax, rows[there], begin[there], end[there], look, colour, arranged.dense)
        part.bars(style)
        part.tails(width * _TAIL)
        part.marks()
        part.words()
        handles.append(_handle(colour, f"{look.word} ({there.sum():,})"))
    if (rows["seen"].to_numpy(bool) & (end > begin)).any():
        handles.append(_handle(look_of("not_started").colour(dark=dark), "pale: as seen", _PALE))
    _time_axis(ax, zone, width, np.concatenate([begin, end]))
    _lines_axis(ax, arranged)
    return handles


@dataclass(frozen=True, slots=True)
class _State:
    """The jobs of one state on Axes, in its colour."""

    ax: Axes
    rows: pd.DataFrame
    begin: np.ndarray
    end: np.ndarray
    look: Look
    colour: str
    dense: bool

    def bars(self, style: dict[str, Any]) -> None:
        """Draw solid bars for what Asana reports, pale ones for what was seen."""
        seen, running = (self.rows[name].to_numpy(bool) for name in ("seen", "running"))
        for pale in (False, True):
            there = (seen == pale) & (self.end > self.begin)
            if there.any():
                corners = self._corners(there, self.begin[there], self.end[there])
                order = 0.9 if running[there].any() else 1.0
                self._add(corners, pale, {"zorder": order, **style})

    def _add(self, corners: Any, pale: bool, style: dict[str, Any]) -> None:
        from matplotlib.collections import PolyCollection  # noqa: PLC0415  an extra
        from matplotlib.colors import to_rgba  # noqa: PLC0415  an extra

        face = to_rgba(self.colour, _PALE if pale else _SOLID)
        edge = face if self.dense else to_rgba(self.colour, _SOLID)
        label = f"{self.look.word}, as seen" if pale else self.look.word
        bars = PolyCollection(
            corners,
            label=label,
            facecolor=face,
            edgecolor=edge,
            linewidth=0.3 if self.dense else 0.8,
        )
        bars.set(**style)
        self.ax.add_collection(bars)

    def tails(self, length: float) -> None:
        """Let what is running fade out behind the moment when it was last seen."""
        from matplotlib.collections import PolyCollection  # noqa: PLC0415  an extra
        from matplotlib.colors import to_rgba  # noqa: PLC0415  an extra

        running = self.rows["running"].to_numpy(bool)
        if not running.any():
            return
        slices = 3 if self.dense else 10
        steps = np.arange(slices) * length / slices
        begins = [self.end[running] + step for step in steps]
        corners: Any = [self._corners(running, at, at + length / slices) for at in begins]
        faces = [to_rgba(self.colour, 0.6 * (1 - (part + 0.5) / slices)) for part in range(slices)]
        corners = np.concatenate(corners)
        fade = PolyCollection(
            corners,
            facecolor=np.repeat(faces, running.sum(), axis=0),
            linewidth=0,
            antialiased=False,
            label="_open end",
            zorder=0.9,
        )
        self.ax.add_collection(fade)

    def marks(self) -> None:
        """Mark moments, and what failed: a shape tells it too, not the colour alone."""
        bad = self.rows["state"].isin(_BAD).to_numpy(bool) & ~np.isnan(self.end)
        moment = (self.begin == self.end) & ~bad
        for marker, label, there in (("X", "_failed", bad), ("o", "_moment", moment)):
            if there.any():
                self.ax.scatter(
                    self.end[there],
                    self.rows["line"].to_numpy(float)[there],
                    s=8 if self.dense else 34,
                    marker=marker,
                    color=self.colour,
                    edgecolor=self.ax.get_facecolor(),
                    linewidth=0 if self.dense else 0.7,
                    zorder=3,
                    label=label,
                )

    def words(self) -> None:
        """Say of what no time is known."""
        for line in self.rows["line"][self.rows["start"].isna()]:
            self.ax.text(
                0.008,
                line,
                f"{self.look.word}, times not known",
                transform=self.ax.get_yaxis_transform(),
                va="center",
                color=self.colour,
                fontsize="small",
                parse_math=False,
            )

    def _corners(self, there: np.ndarray, left: np.ndarray, right: np.ndarray) -> Any:
        line = self.rows["line"].to_numpy(float)[there]
        half = 0.5 if self.dense else 0.31
        top, bottom = line - half, line + half
        xs = np.stack([left, left, right, right], axis=1)
        return np.stack([xs, np.stack([top, bottom, bottom, top], axis=1)], axis=2)


def _handle(colour: str, label: str, alpha: float = _SOLID) -> Artist:
    from matplotlib.colors import to_rgba  # noqa: PLC0415  an extra
    from matplotlib.patches import Patch  # noqa: PLC0415  an extra

    return Patch(facecolor=to_rgba(colour, alpha), edgecolor=colour, label=label)


def _days(times: pd.Series) -> np.ndarray:
    """Return times as matplotlib counts them: days since 1970, UTC."""
    from matplotlib.dates import date2num  # noqa: PLC0415  an extra

    return np.asarray(date2num(times.dt.tz_convert(None).to_numpy("M8[us]")), float)


def _known(days: np.ndarray) -> np.ndarray:
    known = days[~np.isnan(days)]
    return known if len(known) else np.zeros(1)


def _time_axis(ax: Axes, zone: tzinfo, width: float, days: np.ndarray) -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter  # noqa: PLC0415  an extra

    if np.isnan(days).all():
        ax.set_xticks([])
        return
    ax.xaxis_date(zone)
    locator = AutoDateLocator(tz=zone, minticks=3, maxticks=8)
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(ConciseDateFormatter(locator, tz=zone))
    ax.autoscale_view(scaley=False)
    if np.ptp(_known(days)) < width:
        middle = float(np.mean(_known(days)))
        ax.set_xlim(middle - width / 2, middle + width / 2)


def _lines_axis(ax: Axes, arranged: Arrangement) -> None:
    heads = arranged.heads
    ticks = sorted([*heads, *arranged.labels])
    # Names are no formulas: a dollar is a dollar, with TeX too.
    ax.set_yticks(
        [line for line, _ in ticks],
        labels=[name for _, name in ticks],
        parse_math=False,
        usetex=False,
    )
    names = {line for line, _ in heads}
    for (line, _), tick in zip(ticks, ax.yaxis.get_major_ticks(), strict=True):
        if line in names:
            tick.label1.set_fontweight("bold")
        else:
            tick.label1.set_fontsize("small")
    pad = arranged.height * 0.01 if arranged.dense else 0.2
    ax.set_ylim(arranged.height + pad, -pad)
