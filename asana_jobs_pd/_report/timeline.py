"""Drawing on matplotlib Axes: timelines, and what all plots share."""

from __future__ import annotations

import functools
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from asana_jobs_pd._report.timeline_data import TimelineLayout, time_ticks
from asana_jobs_pd._vocabulary import UNREADABLE, StateStyle, is_dark, ordered_states, state_style
from asana_jobs_pd.errors import InvalidOptionError, MissingExtraError

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes


_OPAQUE = 0.5
_LEGEND_ENTRY = 1.4
"""The width of a legend's entry in inches."""


def require_matplotlib() -> None:
    """Raise a `MissingExtraError` if matplotlib is not installed."""
    try:
        import matplotlib as mpl  # noqa: F401, PLC0415  an extra
    except ImportError:
        pass
    else:
        return
    raise MissingExtraError("Plots need matplotlib: pip install 'asana_jobs_pd[plot]'.")


def axes_for(ax: Axes | None, size: tuple[float, float]) -> Axes:
    """Return the caller's Axes, or those of a new figure of a size in inches."""
    require_matplotlib()
    from matplotlib.axes import Axes  # noqa: PLC0415  an extra

    if ax is None:
        from matplotlib import pyplot as plt  # noqa: PLC0415  an extra

        return plt.subplots(figsize=size, layout="constrained")[1]
    if not isinstance(ax, Axes):
        raise InvalidOptionError(f"ax must be matplotlib Axes, not a {type(ax).__name__}.")
    return ax


def has_dark_background(ax: Axes) -> bool:
    """Tell whether the Axes, or the figure behind them, are dark."""
    from matplotlib.colors import to_hex, to_rgba  # noqa: PLC0415  an extra

    for background in (ax.get_facecolor(), ax.figure.get_facecolor()):
        if to_rgba(background)[3] > _OPAQUE:
            return is_dark(to_hex(background))
    return False


def simplify(ax: Axes) -> None:
    """Keep of the frame only the lower edge and thin vertical grid lines."""
    for side in ("top", "right", "left"):
        ax.spines[side].set_visible(False)
    ax.spines["bottom"].set_alpha(0.3)
    ax.tick_params(axis="both", length=0)
    ax.tick_params(axis="y", pad=6)
    ax.grid(visible=True, axis="x", alpha=0.25, linewidth=0.6)
    ax.grid(visible=False, axis="y")
    ax.set_axisbelow(True)


def add_legend(ax: Axes, handles: Sequence[Artist], title: str | None) -> None:
    """Put a legend above the Axes, and the title above it."""
    width = float(ax.get_window_extent().width / ax.figure.dpi)
    columns = max(1, min(len(handles), int(width / _LEGEND_ENTRY)))
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
            text.set(parse_math=False, usetex=False, fontfamily=fonts())
    if title is not None:
        ax.set_title(
            drawable(title),
            loc="left",
            fontweight="bold",
            fontfamily=fonts(),
            pad=10 + 20 * rows,
        )


_FONTS = (
    *("Noto Sans CJK JP", "Noto Sans CJK SC", "Source Han Sans", "Yu Gothic", "Hiragino Sans"),
    *("PingFang SC", "Microsoft YaHei", "WenQuanYi Zen Hei", "Malgun Gothic", "AppleGothic"),
    *("Arial Unicode MS", "Noto Sans Arabic", "Noto Sans Hebrew", "Noto Sans Devanagari"),
    *("Noto Sans Thai", "Noto Emoji", "Segoe UI Emoji", "Segoe UI Symbol", "DejaVu Sans"),
)
"""Fonts for scripts that the font of the plot may lack; the installed ones are used."""
_MISSING_GLYPH = "□"


def fonts() -> tuple[str, ...]:
    """Return the font families of a plot: the configured ones, then fallbacks."""
    from matplotlib import font_manager, rcParams  # noqa: PLC0415  an extra

    installed = {font.name for font in font_manager.fontManager.ttflist}
    return (*rcParams["font.family"], *(name for name in _FONTS if name in installed))


def drawable(text: str) -> str:
    """Return a text without characters that no font has: matplotlib would warn of each."""
    glyphs = _glyphs(fonts())
    if all(ord(character) in glyphs for character in text):
        return text
    shown = (
        character if ord(character) in glyphs else _MISSING_GLYPH
        for character in text
        if ord(character) in glyphs or unicodedata.category(character)[0] not in "CM"
    )
    return "".join(shown)


@functools.lru_cache(maxsize=8)
def _glyphs(families: tuple[str, ...]) -> frozenset[int]:
    """Return the characters that a family has in normal and in bold."""
    from matplotlib import font_manager  # noqa: PLC0415  an extra

    glyphs: set[int] = set()
    for family in families:
        styles = (font_manager.FontProperties(family=[family], weight=name) for name in _WEIGHTS)
        charmaps = [
            set(font_manager.get_font(font_manager.findfont(style)).get_charmap())
            for style in styles
        ]
        glyphs |= charmaps[0] & charmaps[1]
    return frozenset(glyphs)


_WEIGHTS = ("normal", "bold")


def show_message(ax: Axes, text: str) -> None:
    """Say why there is nothing to see."""
    ax.text(0.5, 0.5, text, transform=ax.transAxes, ha="center", va="center", alpha=0.75)
    ax.set_xticks([])
    ax.set_yticks([])


_DAY = 86_400.0
_OBSERVED_ALPHA = 0.38
_REPORTED_ALPHA = 0.92
_FADE = 0.035
"""The open end of a running job, as a fraction of the width."""
_FAILURES = ("failed", UNREADABLE)
_MIN_WIDTH = 60.0 / _DAY
"""The width in days of a timeline whose times are all the same."""
_FIRST_DAY, _LAST_DAY = -719_160.0, 2_932_894.0
"""Two days after the year 1 begins, and before 9999 ends: a zone may shift times."""
_FIRST_SAFE_DAY, _LAST_SAFE_DAY = -354_285.0, 2_567_652.0
"""The years 1000 and 9000: matplotlib may look for ticks far outside the axis."""


def draw_timeline(
    ax: Axes, layout: TimelineLayout, zone: tzinfo, style: dict[str, Any]
) -> list[Artist]:
    """Draw the jobs and return the handles for a legend, one per state."""
    rows = layout.rows
    start, end = _days(rows["start"]), _days(rows["end"])
    width = max(np.ptp(_known(np.concatenate([start, end]))), _MIN_WIDTH)
    dark = has_dark_background(ax)
    handles: list[Artist] = []
    for state in ordered_states(rows["state"]):
        look, mask = state_style(state), (rows["state"] == state).to_numpy(bool)
        color = look.color(dark=dark)
        jobs = _StateJobs(ax, rows[mask], start[mask], end[mask], look, color, layout.dense)
        jobs.draw_bars(style)
        jobs.draw_fades(width * _FADE)
        jobs.draw_marks()
        jobs.draw_notes()
        handles.append(_handle(color, f"{drawable(look.label)} ({mask.sum():,})"))
    if (rows["observed"].to_numpy(bool) & (end > start)).any():
        color = state_style("not_started").color(dark=dark)
        handles.append(_handle(color, "pale: observed", _OBSERVED_ALPHA))
    _time_axis(ax, zone, width, np.concatenate([start, end]))
    _label_axis(ax, layout)
    return handles


@dataclass(frozen=True, slots=True)
class _StateJobs:
    """The jobs in one state, to be drawn in its color."""

    ax: Axes
    rows: pd.DataFrame
    start: np.ndarray
    end: np.ndarray
    style: StateStyle
    color: str
    dense: bool

    def draw_bars(self, style: dict[str, Any]) -> None:
        """Draw solid bars for times that Asana reports, pale ones for observed times."""
        observed, running = (self.rows[name].to_numpy(bool) for name in ("observed", "running"))
        for pale in (False, True):
            mask = (observed == pale) & (self.end > self.start)
            if mask.any():
                corners = self._corners(mask, self.start[mask], self.end[mask])
                order = 0.9 if running[mask].any() else 1.0
                self._add_bars(corners, pale, {"zorder": order, **style})

    def _add_bars(self, corners: Any, pale: bool, style: dict[str, Any]) -> None:
        from matplotlib.collections import PolyCollection  # noqa: PLC0415  an extra
        from matplotlib.colors import to_rgba  # noqa: PLC0415  an extra

        face = to_rgba(self.color, _OBSERVED_ALPHA if pale else _REPORTED_ALPHA)
        edge = face if self.dense else to_rgba(self.color, _REPORTED_ALPHA)
        bars = PolyCollection(
            corners,
            label=f"{self.style.label}, observed" if pale else self.style.label,
            facecolor=face,
            edgecolor=edge,
            linewidth=0.3 if self.dense else 0.8,
        )
        bars.set(**style)
        self.ax.add_collection(bars)

    def draw_fades(self, length: float) -> None:
        """Let running jobs fade out after the time when they were last observed."""
        from matplotlib.collections import PolyCollection  # noqa: PLC0415  an extra
        from matplotlib.colors import to_rgba  # noqa: PLC0415  an extra

        running = self.rows["running"].to_numpy(bool)
        if not running.any():
            return
        slices = 3 if self.dense else 10
        steps = [length * part / slices for part in range(slices)]
        starts = [self.end[running] + step for step in steps]
        corners: Any = np.concatenate(
            [self._corners(running, at, at + length / slices) for at in starts]
        )
        alphas = [0.6 * (1 - (part + 0.5) / slices) for part in range(slices)]
        fade = PolyCollection(
            corners,
            facecolor=np.repeat(
                [to_rgba(self.color, alpha) for alpha in alphas], running.sum(), axis=0
            ),
            linewidth=0,
            antialiased=False,
            label="_open end",
            zorder=0.9,
        )
        self.ax.add_collection(fade)

    def draw_marks(self) -> None:
        """Mark failures, and jobs of which one time is known, with shapes."""
        failed = self.rows["state"].isin(_FAILURES).to_numpy(bool) & ~np.isnan(self.end)
        moment = (self.start == self.end) & ~failed
        for marker, label, mask in (("X", "_failed", failed), ("o", "_moment", moment)):
            if mask.any():
                self.ax.scatter(
                    self.end[mask],
                    self.rows["line"].to_numpy(float)[mask],
                    s=8 if self.dense else 34,
                    marker=marker,
                    color=self.color,
                    edgecolor=self.ax.get_facecolor(),
                    linewidth=0 if self.dense else 0.7,
                    zorder=3,
                    label=label,
                )

    def draw_notes(self) -> None:
        """Label the jobs whose times are unknown."""
        for line in self.rows["line"][self.rows["start"].isna()]:
            self.ax.text(
                0.008,
                line,
                f"{drawable(self.style.label)}, times unknown",
                fontfamily=fonts(),
                transform=self.ax.get_yaxis_transform(),
                va="center",
                color=self.color,
                fontsize="small",
                parse_math=False,
            )

    def _corners(self, mask: np.ndarray, left: np.ndarray, right: np.ndarray) -> Any:
        line = self.rows["line"].to_numpy(float)[mask]
        half = 0.5 if self.dense else 0.31
        top, bottom = line - half, line + half
        xs = np.stack([left, left, right, right], axis=1)
        return np.stack([xs, np.stack([top, bottom, bottom, top], axis=1)], axis=2)


def _handle(color: str, label: str, alpha: float = _REPORTED_ALPHA) -> Artist:
    from matplotlib.colors import to_rgba  # noqa: PLC0415  an extra
    from matplotlib.patches import Patch  # noqa: PLC0415  an extra

    return Patch(facecolor=to_rgba(color, alpha), edgecolor=color, label=label)


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
    low, high = ax.get_xlim()
    if low < _FIRST_SAFE_DAY or high > _LAST_SAFE_DAY:
        _limit_time_axis(ax, zone, width)


def _limit_time_axis(ax: Axes, zone: tzinfo, width: float) -> None:
    """Keep the axis within Python's times, with ticks of our own: matplotlib's leave them."""
    low, high = ax.get_xlim()
    low = min(max(low, _FIRST_DAY), _LAST_DAY - width)
    high = max(min(high, _LAST_DAY), low + width)
    start, end = (pd.Timestamp(round(day * _DAY), unit="s", tz="UTC") for day in (low, high))
    labeled = time_ticks(start, end, zone)
    days = [time.timestamp() / _DAY for time, _ in labeled]
    ax.set_xticks(days, labels=[label for _, label in labeled])
    ax.set_xlim(low, high)


def _label_axis(ax: Axes, layout: TimelineLayout) -> None:
    ticks = sorted([*layout.kinds, *layout.labels])
    # Names are not formulas: a dollar is a dollar, with TeX too.
    ax.set_yticks(
        [line for line, _ in ticks],
        labels=[drawable(name) for _, name in ticks],
        fontfamily=fonts(),
        parse_math=False,
        usetex=False,
    )
    kinds = {line for line, _ in layout.kinds}
    for (line, _), tick in zip(ticks, ax.yaxis.get_major_ticks(), strict=True):
        if line in kinds:
            tick.label1.set_fontweight("bold")
        else:
            tick.label1.set_fontsize("small")
    pad = layout.height * 0.01 if layout.dense else 0.2
    ax.set_ylim(layout.height + pad, -pad)
