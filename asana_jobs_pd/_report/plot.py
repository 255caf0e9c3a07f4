"""`plot_asana_status`, and what all our matplotlib charts share."""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterator, Sequence
from datetime import UTC, tzinfo
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from asana_jobs_pd._jobs.views import unique_jobs
from asana_jobs_pd._public import public
from asana_jobs_pd._report.table import kind_labels
from asana_jobs_pd._vocabulary import (
    STATE_STYLES,
    is_dark,
    kind_label,
    ordered_states,
    state_style,
    states_of,
)
from asana_jobs_pd.errors import InvalidOptionError, require_extra

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

WIDTH = 10.0
"""The width of a new figure in inches."""
MATPLOTLIB = ("matplotlib", "plot", "Plots need matplotlib")


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
    """Draw how many jobs of each kind are in each state: one bar per kind, with every count.

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

    See Also
    --------
    plot_asana_timeline : When they ran.

    Examples
    --------
    >>> ax = jobs.asana.plot.status()
    """
    require_extra(*MATPLOTLIB)
    counts = _counts(jobs)
    ax = axes_for(ax, figsize or (WIDTH, 1.4 + 0.46 * max(len(counts), 1)))
    simplify(ax)
    if not len(counts):
        show_message(ax, "no jobs")
    handles = _draw_stacks(ax, counts, kwargs) if len(counts) else []
    add_legend(ax, handles if legend else [], title)
    return ax


def _counts(jobs: pd.DataFrame) -> pd.DataFrame:
    """Return the number of jobs; kinds by size, states in display order."""
    rows = unique_jobs(jobs, without_gid=True)
    kinds = kind_labels(rows).fillna(kind_label(""))
    counts = pd.crosstab(kinds.to_numpy(object), states_of(rows))
    counts = counts[ordered_states(list(counts.columns))]
    order = counts.sum(axis=1).sort_values(ascending=False, kind="stable").index
    return counts.loc[order]


def _draw_stacks(ax: Axes, counts: pd.DataFrame, style: dict[str, Any]) -> list[Any]:
    """Draw the bars; a count that does not fit into its bar follows the total, in its color."""
    dark = has_dark_background(ax)
    totals = counts.sum(axis=1).to_numpy()
    width = float(ax.get_window_extent().width / ax.figure.dpi) / (totals.max() * 1.08)
    left, handles = np.zeros(len(counts)), []
    ends = [_append_text(ax, (total, line), f"{total:,}") for line, total in enumerate(totals)]
    for state in counts.columns:
        shown, values = state_style(state), counts[state].to_numpy()
        color = shown.color(dark=dark)
        options: dict[str, Any] = {
            "height": 0.62,
            "color": color,
            "linewidth": 1.2,
            "edgecolor": ax.get_facecolor(),
            "label": f"{drawable(shown.label)} ({values.sum():,})",
            **style,
        }
        bars = ax.barh(np.arange(len(counts)), values, left=left, **options)
        texts = [f"{value:,}" if value else "" for value in values]
        for line, (value, text) in enumerate(zip(values, texts, strict=True)):
            if text and value * width < _MIN_ROOM + _DIGIT_WIDTH * len(text):
                ends[line] = _append_text(ax, ends[line], f"{shown.mark} {text}", color=color)
                texts[line] = ""
        inside = "#111111" if dark else "#ffffff"
        ax.bar_label(bars, texts, label_type="center", color=inside, fontsize="small")
        left = left + values
        handles.append(bars)
    _label_stacks(ax, counts, totals.max())
    return handles


_MIN_ROOM, _DIGIT_WIDTH = 0.1, 0.08
"""The inches that a count needs in its bar: a minimum, and for each digit."""


def _append_text(ax: Axes, before: Any, text: str, **options: Any) -> Any:
    """Write a text to the right of a point or of another text."""
    point = isinstance(before, tuple)
    return ax.annotate(
        text,
        before if point else (1, 0.5),
        (5 if point else 8, 0),
        xycoords="data" if point else before,
        textcoords="offset points",
        va="center",
        fontfamily=fonts(),
        **options,
    )


def _label_stacks(ax: Axes, counts: pd.DataFrame, longest: int) -> None:
    from matplotlib.ticker import MaxNLocator  # noqa: PLC0415  an extra

    labels = [drawable(kind) for kind in counts.index]
    ax.set_yticks(np.arange(len(counts)), labels=labels, **plain_text())
    ax.set_ylim(len(counts) - 0.5, -0.5)
    ax.set_xlim(0, longest * 1.08)
    ax.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
    ax.set_xlabel("jobs", fontfamily=fonts())


_OPAQUE = 0.5
_LEGEND_ENTRY = 1.4
"""The width of a legend entry in inches."""


def axes_for(ax: Axes | None, size: tuple[float, float]) -> Axes:
    """Return the caller's Axes, or those of a new figure; `size` is in inches."""
    from matplotlib.axes import Axes  # noqa: PLC0415  an extra

    if ax is None:
        from matplotlib import pyplot as plt  # noqa: PLC0415  an extra

        return plt.subplots(figsize=size, layout="constrained")[1]
    if not isinstance(ax, Axes):
        raise InvalidOptionError(f"ax must be matplotlib Axes, not a {type(ax).__name__}.")
    return ax


def has_dark_background(ax: Axes) -> bool:
    """Return whether the Axes, or the figure behind them, are dark."""
    from matplotlib.colors import to_hex, to_rgba  # noqa: PLC0415  an extra

    for background in (ax.get_facecolor(), ax.figure.get_facecolor()):
        if to_rgba(background)[3] > _OPAQUE:
            return is_dark(to_hex(background))
    return False


def simplify(ax: Axes) -> None:
    """Remove everything around the plot but the lower edge and thin vertical grid lines."""
    for side in ("top", "right", "left"):
        ax.spines[side].set_visible(False)
    ax.spines["bottom"].set_alpha(0.3)
    ax.tick_params(axis="both", length=0)
    ax.tick_params(axis="y", pad=6)
    ax.grid(visible=True, axis="x", alpha=0.25, linewidth=0.6)
    ax.grid(visible=False, axis="y")
    ax.set_axisbelow(True)


def add_legend(
    ax: Axes, handles: Sequence[Artist], title: str | None, *, entry: float = _LEGEND_ENTRY
) -> None:
    """Put a legend above the Axes, with entries of a width in inches, and the title above it."""
    longest = max((len(label.get_text()) for label in ax.get_yticklabels()), default=0)
    inches = [box.width / ax.figure.dpi for box in (ax.get_window_extent(), ax.figure.bbox)]
    width = min(inches[0], inches[1] - longest * _DIGIT_WIDTH)
    columns = max(1, min(len(handles), int(width / entry)))
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
            text.set(**plain_text())
    if title is not None:
        ax.set_title(
            drawable(title),
            loc="left",
            fontweight="bold",
            fontfamily=fonts(),
            pad=10 + 20 * rows,
        )


_FONTS = (
    *("Noto Sans CJK JP", "Noto Sans CJK SC", "Noto Sans JP", "Noto Sans SC", "Source Han Sans"),
    *("Yu Gothic", "Meiryo", "MS Gothic", "Hiragino Sans", "IPAGothic", "IPAexGothic"),
    *("PingFang SC", "Microsoft YaHei", "SimHei", "WenQuanYi Zen Hei", "WenQuanYi Micro Hei"),
    *("Malgun Gothic", "Apple SD Gothic Neo", "AppleGothic", "NanumGothic", "Droid Sans Fallback"),
    *("Arial Unicode MS", "Noto Sans Arabic", "Noto Sans Hebrew", "Noto Sans Devanagari"),
    *("Noto Sans Thai", "Noto Emoji", "Segoe UI Emoji", "Segoe UI Symbol", "Symbola"),
    "DejaVu Sans",
)
"""Fonts for scripts that the plot's own font may lack; those that are installed are used."""
_MISSING_GLYPH = "□"


def fonts() -> tuple[str, ...]:
    """Return the font families of a plot: the configured ones, then fallbacks."""
    from matplotlib import font_manager, rcParams  # noqa: PLC0415  an extra

    installed = {font.name for font in font_manager.fontManager.ttflist}
    return (*rcParams["font.family"], *(name for name in _FONTS if name in installed))


def plain_text() -> dict[str, Any]:
    """Return options for texts from outside: a dollar sign never starts a formula."""
    return {"fontfamily": fonts(), "parse_math": False, "usetex": False}


def drawable(text: str) -> str:
    """Return a text without characters that no font has: matplotlib would warn about each."""
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
    """Return the characters that a family has in both normal and bold."""
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
    """Show a message in place of a chart."""
    options: dict[str, Any] = {"ha": "center", "va": "center", "alpha": 0.75, "fontfamily": fonts()}
    ax.text(0.5, 0.5, text, transform=ax.transAxes, **options)
    ax.set_xticks([])
    ax.set_yticks([])


_COLORS = {
    "#000000": "currentColor",
    "#b0b0b0": "currentColor",  # grid lines
    **{style.light: f"var(--{state})" for state, style in STATE_STYLES.items()},
}
_HREF = "{http://www.w3.org/1999/xlink}href"
_BOX = re.compile(r"M (\S+) (\S+) L \1 (\S+) L (\S+) \3 L \4 \2 z")


def svg_for_page(svg: str, prefix: str, label: str) -> str:
    """Return matplotlib's SVG for use in a page: only its shapes and texts, in the page's style.

    Ids begin with `prefix`. Links become tooltips; the link of a text replaces the text.
    """
    source = ET.fromstring(svg)  # noqa: S314  it is matplotlib's
    view_box = source.get("viewBox", "")
    drawing = ET.Element("svg", {"viewBox": view_box, "role": "img", "aria-label": label})
    for tag, shape, tip in _shapes(source):
        style = _page_style(shape.get("style", ""))
        given: dict[str, str] = {
            key: _short(value) for key, value in shape.attrib.items() if key in ("d", "x", "y")
        }
        last = drawing[-1] if len(drawing) else drawing
        if "id" in shape.attrib:
            definition = {"id": prefix + shape.attrib["id"], **given}
            ET.SubElement(ET.SubElement(drawing, "defs"), tag, definition)
        elif tag == "path" and not tip and (last.tag, last.get("style")) == (tag, style):
            last.set("d", last.get("d", "") + given["d"])  # thousands of bars are one shape
        elif style != "fill: none":
            parent = drawing
            if href := shape.get(_HREF):
                given["href"] = f"#{prefix}{href.removeprefix('#')}"
                same = (last.tag, last.get("style")) == ("g", style)
                parent = last if same else ET.SubElement(drawing, "g", {"style": style})
            element = ET.SubElement(parent, tag, given if href else {**given, "style": style})
            if tag == "text":
                element.text = tip or shape.text
            elif tip:
                ET.SubElement(element, "title").text = tip
    return ET.tostring(drawing, encoding="unicode")


def _shapes(group: ET.Element, tip: str = "") -> Iterator[tuple[str, ET.Element, str]]:
    """Yield the shapes of a drawing in order, each with its tag and the link around it."""
    for element in group:
        tag = element.tag.rpartition("}")[2]
        if tag in ("path", "use", "text"):
            yield tag, element, tip
        elif tag in ("g", "a", "defs"):
            yield from _shapes(element, element.get(_HREF, tip))


def _page_style(style: str) -> str:
    """Return the style of a shape with the colors and the font of the page."""
    parts = [part for part in style.split("; ") if not part.startswith("font-family")]
    return re.sub("#[0-9a-f]{6}", lambda color: _COLORS.get(color[0], color[0]), "; ".join(parts))


def _short(path: str) -> str:
    """Return a path, or a number, with two decimals; boxes are written in half the space."""
    rounded = re.sub(r"-?\d+\.\d+", lambda number: f"{float(number[0]):.2f}", path)
    return _BOX.sub(r"M\1 \2V\3H\4V\2z", " ".join(rounded.split()))


def zone_of(zone: str | tzinfo | None) -> tzinfo:
    """Return the time zone of an option; UTC by default."""
    if zone is None:
        return UTC
    if isinstance(zone, tzinfo):
        return zone
    try:
        return ZoneInfo(zone)
    except (KeyError, TypeError, ValueError, OSError):  # depends on the value and the system
        pass
    raise InvalidOptionError(f"tz={zone!r} is not a time zone; use one such as 'Europe/Berlin'.")


def zone_name(zone: tzinfo) -> str:
    """Return the name of a time zone."""
    return getattr(zone, "key", None) or str(zone)
