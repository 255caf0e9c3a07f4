"""The timeline of a report as SVG: no matplotlib, no script. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any, TypeAlias
from xml.etree import ElementTree as ET

import numpy as np
import pandas as pd

from asana_jobs_pd._formatting import duration_words, time_words
from asana_jobs_pd._palette import LOOKS, UNKNOWN, UNREADABLE, look_of
from asana_jobs_pd._report.timeline_data import Arrangement

__all__ = ["Child", "Element", "element", "page", "state_class", "ticks", "timeline_svg"]

Element: TypeAlias = ET.Element
Child: TypeAlias = Element | str | None


def element(name: str, /, *children: Child, **attributes: object) -> Element:
    """Return an element with children, of which texts are escaped when they are written.

    Of an attribute's name a trailing underscore goes and others become hyphens, as in ``class_``
    and ``aria_label``; one that is None is left out, and so is a child.
    """
    made = ET.Element(name)
    for key, value in attributes.items():
        if value is not None:
            made.set(key.rstrip("_").replace("_", "-"), str(value))
    last: Element | None = None
    for child in children:
        if isinstance(child, str) and last is None:
            made.text = (made.text or "") + child
        elif isinstance(child, str) and last is not None:
            last.tail = (last.tail or "") + child
        elif isinstance(child, Element):
            made.append(child)
            last = child
    return made


def page(root: Element) -> str:
    """Return a whole HTML page."""
    return "<!doctype html>\n" + ET.tostring(root, encoding="unicode", method="html") + "\n"


_STEPS = (
    *("1s", "2s", "5s", "10s", "20s", "30s", "1min", "2min", "5min", "10min", "20min", "30min"),
    *("1h", "2h", "3h", "6h", "12h"),
    *("1D", "2D", "7D", "14D", "28D", "91D", "364D", "3640D"),
)
_MOST = 8
_DAY = pd.Timedelta(days=1)


def ticks(begin: pd.Timestamp, end: pd.Timestamp, zone: tzinfo) -> list[tuple[pd.Timestamp, str]]:
    """Return at most eight round times of a zone between two times, with what they are called.

    The first, and the first of each day, carries its date; the others their hour alone.
    """
    local, until = (time.tz_convert(zone).tz_localize(None) for time in (begin, end))
    step = next(
        (size for text in _STEPS if (until - local) / (size := pd.Timedelta(text)) <= _MOST),
        pd.Timedelta(_STEPS[-1]),
    )
    naive = pd.date_range(local.ceil(step), until, freq=step)
    # An hour that a change of clocks leaves out, or has twice, gets no tick.
    times = naive.tz_localize(zone, ambiguous="NaT", nonexistent="NaT").dropna()
    found: list[tuple[pd.Timestamp, str]] = []
    day = ""
    for time in times:
        date = time.strftime("%Y-%m-%d" if step >= _DAY or not found else "%m-%d")
        hour = time.strftime("%H:%M:%S" if step < pd.Timedelta(minutes=1) else "%H:%M")
        new = time.strftime("%Y-%m-%d") != day
        day = time.strftime("%Y-%m-%d")
        words = date if step >= _DAY else f"{date} {hour}" if new else hour
        found.append((time.tz_convert("UTC"), words))
    return found


WIDTH, LABELS, RIGHT = 960.0, 270.0, 44.0
LINE, DENSE_HEIGHT, FOOT = 22.0, 460.0, 26.0
_TAIL = 26.0
_SHORTEST = 2.0
_BAD = ("failed", UNREADABLE)


def state_class(state: str) -> str:
    """Return the CSS class that gives an element the colour of a state."""
    return f"s-{state if state in LOOKS else UNKNOWN}"


def timeline_svg(arranged: Arrangement, zone: tzinfo) -> Element:
    """Return a drawing 960 units wide: one bar a job, as `arrange` placed them."""
    height = DENSE_HEIGHT if arranged.dense else arranged.height * LINE
    scale = _scale_of(arranged, height)
    return element(
        "svg",
        _gradients(),
        *_axis(scale, height, zone),
        *_texts(arranged, scale),
        *(_dense_bars(arranged.rows, scale) if arranged.dense else _bars(arranged, scale, zone)),
        viewBox=f"0 0 {WIDTH:g} {height + FOOT:g}",
        role="img",
        aria_label=f"Timeline of {len(arranged.rows):,} jobs",
    )


@dataclass(frozen=True, slots=True)
class _Scale:
    """Times and lines to units of the drawing; without any time, `begin` is None."""

    begin: pd.Timestamp | None
    end: pd.Timestamp | None
    line: float

    def xs(self, times: pd.Series) -> np.ndarray:
        """Return where times are, NaN for those that are not known."""
        if self.begin is None or self.end is None:
            return np.full(len(times), np.nan)
        width = WIDTH - LABELS - RIGHT
        part = (times - self.begin) / (self.end - self.begin)
        return np.asarray(LABELS + part.to_numpy(float, na_value=np.nan) * width)


def _scale_of(arranged: Arrangement, height: float) -> _Scale:
    rows = arranged.rows
    begin, end = rows["start"].min(), rows["end"].max()
    if pd.isna(begin):
        return _Scale(None, None, height / arranged.height)
    least = pd.Timedelta(minutes=1)
    if end - begin < least:
        begin, end = begin - least / 2, end + least / 2
    return _Scale(begin, end, height / arranged.height)


def _gradients() -> Element:
    stops = [(0, 0.6), (1, 0.0)]
    return element(
        "defs",
        *(
            element(
                "linearGradient",
                *(
                    element("stop", offset=at, stop_color="var(--c)", stop_opacity=opacity)
                    for at, opacity in stops
                ),
                id=f"fade-{state}",
                class_=state_class(state),
            )
            for state in LOOKS
        ),
    )


def _axis(scale: _Scale, height: float, zone: tzinfo) -> Iterator[Element]:
    if scale.begin is None or scale.end is None:
        return
    marks = ticks(scale.begin, scale.end, zone)
    xs = scale.xs(pd.Series([time for time, _ in marks], dtype="datetime64[us, UTC]"))
    for x, (_, words) in zip(xs, marks, strict=True):
        yield element("line", x1=f"{x:.1f}", x2=f"{x:.1f}", y1=0, y2=f"{height:g}", class_="grid")
        yield element("text", words, x=f"{x:.1f}", y=f"{height + 17:g}", class_="tick")


def _texts(arranged: Arrangement, scale: _Scale) -> Iterator[Element]:
    for texts, kind in ((arranged.heads, "head"), (arranged.labels, "label")):
        for line, words in texts:
            y = f"{line * scale.line + 4:.1f}"
            yield element("text", words, x=LABELS - 10, y=y, class_=kind)


def _bars(arranged: Arrangement, scale: _Scale, zone: tzinfo) -> Iterator[Element]:
    rows = arranged.rows
    left, right = scale.xs(rows["start"]), scale.xs(rows["end"])
    needed = rows[["gid", "state", "start", "end", "running", "seen", "line"]]
    told: Iterator[Any] = needed.itertuples()
    for row, x1, x2 in zip(told, left, right, strict=True):
        y = row.line * scale.line
        shapes = [element("title", _told(row, zone)), *_shapes(row, x1, x2, y)]
        yield element("g", *shapes, class_=state_class(row.state))


def _shapes(row: Any, x1: float, x2: float, y: float) -> Iterator[Element]:
    if np.isnan(x1):
        words = f"{look_of(row.state).word}, times not known"
        yield element("text", words, x=LABELS + 4, y=f"{y + 4:.1f}", class_="note")
        return
    top, high = f"{y - 7:.1f}", 14
    if row.running:
        fade = f"url(#fade-{row.state if row.state in LOOKS else UNKNOWN})"
        yield element("rect", x=f"{x2:.1f}", y=top, width=_TAIL, height=high, fill=fade)
    if x2 > x1:
        yield element(
            "rect",
            x=f"{x1:.1f}",
            y=top,
            width=f"{max(x2 - x1, _SHORTEST):.1f}",
            height=high,
            rx=2,
            class_="seen" if row.seen else "bar",
        )
    elif row.state not in _BAD:
        yield element("circle", cx=f"{x2:.1f}", cy=f"{y:.1f}", r=4, class_="bar")
    if row.state in _BAD:
        cross = f"M{x2 - 4:.1f} {y - 4:.1f}l8 8m0-8l-8 8"
        yield element("path", d=cross, class_="cross")


def _told(row: Any, zone: tzinfo) -> str:
    word = look_of(row.state).word
    if pd.isna(row.start):
        return f"{row.gid}: {word}, times not known"
    begin, end = time_words(row.start, zone), time_words(row.end, zone)
    if row.start == row.end:
        return f"{row.gid}: {word}, {begin}"
    lasted = duration_words((row.end - row.start).total_seconds())
    source = "as seen" if row.seen else "as Asana reports"
    return (
        f"{row.gid}: {word}, {begin} to {end}{' and on' if row.running else ''}, {lasted}, {source}"
    )


def _dense_bars(rows: pd.DataFrame, scale: _Scale) -> Iterator[Element]:
    """Draw all bars of a look as one path: what is running first, what failed on top."""
    left, right = scale.xs(rows["start"]), scale.xs(rows["end"])
    top = (rows["line"].to_numpy(float) - 0.5) * scale.line
    high = np.full(len(rows), max(scale.line, 0.4))
    states = rows["state"].to_numpy(object)
    seen, running = rows["seen"].to_numpy(bool), rows["running"].to_numpy(bool)
    boxes = np.stack([left, top, np.maximum(right - left, _SHORTEST), high], axis=1)
    tails = np.stack([right, top, np.full(len(rows), _TAIL), high], axis=1)
    spots = np.stack([right - 2, top - 1.5, np.full(len(rows), 4.0), high + 3], axis=1)
    for state in sorted(set(states), key=lambda state: (state in _BAD, state == "succeeded")):
        there = states == state
        yield from _path(there & running, tails, state, "tail")
        yield from _path(there & seen, boxes, state, "seen")
        yield from _path(there & ~seen, boxes, state, "bar")
        yield from _path(there & np.isin(states, _BAD), spots, state, "bar")


def _path(there: np.ndarray, boxes: np.ndarray, state: str, look: str) -> Iterator[Element]:
    if there.any():
        d = "".join(f"M{x:.1f} {y:.2f}h{w:.1f}v{h:.2f}h-{w:.1f}z" for x, y, w, h in boxes[there])
        yield element("path", d=d, class_=f"{state_class(state)} {look}")
