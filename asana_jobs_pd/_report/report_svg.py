"""HTML elements, and the timeline of a report as SVG."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any, TypeAlias
from xml.etree import ElementTree as ET

import numpy as np
import pandas as pd

from asana_jobs_pd._formatting import format_count, format_duration, format_time
from asana_jobs_pd._report.timeline_data import TimelineLayout, time_ticks
from asana_jobs_pd._vocabulary import STATE_STYLES, UNKNOWN, UNREADABLE, state_label

Element: TypeAlias = ET.Element
Child: TypeAlias = Element | str | None


def element(name: str, /, *children: Child, **attributes: object) -> Element:
    """Return an element; texts are escaped when it is serialized.

    Attributes are written as ``class_`` and ``aria_label``; None is left out.
    """
    root = ET.Element(name)
    for key, value in attributes.items():
        if value is not None:
            root.set(key.rstrip("_").replace("_", "-"), str(value))
    last: Element | None = None
    for child in children:
        if isinstance(child, str) and last is None:
            root.text = (root.text or "") + child
        elif isinstance(child, str) and last is not None:
            last.tail = (last.tail or "") + child
        elif isinstance(child, Element):
            root.append(child)
            last = child
    return root


def html_page(root: Element) -> str:
    """Return a whole HTML page."""
    return "<!doctype html>\n" + ET.tostring(root, encoding="unicode", method="html") + "\n"


WIDTH, LABEL_WIDTH, RIGHT_MARGIN = 960.0, 270.0, 44.0
LINE_HEIGHT, DENSE_HEIGHT, AXIS_HEIGHT = 22.0, 460.0, 26.0
_FADE_WIDTH = 26.0
_MIN_BAR = 2.0
_FAILURES = ("failed", UNREADABLE)


def state_class(state: str) -> str:
    """Return the CSS class that gives an element the colour of a state."""
    return f"s-{state if state in STATE_STYLES else UNKNOWN}"


def timeline_svg(layout: TimelineLayout, zone: tzinfo) -> Element:
    """Return a drawing 960 units wide with one bar per job."""
    height = DENSE_HEIGHT if layout.dense else layout.height * LINE_HEIGHT
    scale = _scale_of(layout, height)
    return element(
        "svg",
        _gradients(),
        *_axis(scale, height, zone),
        *_texts(layout, scale),
        *(_dense_bars(layout.rows, scale) if layout.dense else _bars(layout, scale, zone)),
        viewBox=f"0 0 {WIDTH:g} {height + AXIS_HEIGHT:g}",
        role="img",
        aria_label=f"Timeline of {format_count(len(layout.rows), 'job')}",
    )


@dataclass(frozen=True, slots=True)
class _Scale:
    """Maps times and lines to units of the drawing; without any time, `start` is None."""

    start: pd.Timestamp | None
    end: pd.Timestamp | None
    line: float

    def xs(self, times: pd.Series) -> np.ndarray:
        """Return the positions of times, NaN for unknown ones."""
        if self.start is None or self.end is None:
            return np.full(len(times), np.nan)
        width = WIDTH - LABEL_WIDTH - RIGHT_MARGIN
        fraction = (times - self.start) / (self.end - self.start)
        return np.asarray(LABEL_WIDTH + fraction.to_numpy(float, na_value=np.nan) * width)


def _scale_of(layout: TimelineLayout, height: float) -> _Scale:
    rows = layout.rows
    start, end = rows["start"].min(), rows["end"].max()
    if pd.isna(start):
        return _Scale(None, None, height / layout.height)
    minute = pd.Timedelta(minutes=1).as_unit("us")
    if end - start < minute:
        start, end = start - minute / 2, end + minute / 2
    return _Scale(start, end, height / layout.height)


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
            for state in STATE_STYLES
        ),
    )


def _axis(scale: _Scale, height: float, zone: tzinfo) -> Iterator[Element]:
    if scale.start is None or scale.end is None:
        return
    labeled = time_ticks(scale.start, scale.end, zone)
    xs = scale.xs(pd.Series([time for time, _ in labeled], dtype="datetime64[us, UTC]"))
    for x, (_, label) in zip(xs, labeled, strict=True):
        yield element("line", x1=f"{x:.1f}", x2=f"{x:.1f}", y1=0, y2=f"{height:g}", class_="grid")
        yield element("text", label, x=f"{x:.1f}", y=f"{height + 17:g}", class_="tick")


def _texts(layout: TimelineLayout, scale: _Scale) -> Iterator[Element]:
    for texts, css_class in ((layout.kinds, "head"), (layout.labels, "label")):
        for line, text in texts:
            y = f"{line * scale.line + 4:.1f}"
            yield element("text", text, x=LABEL_WIDTH - 10, y=y, class_=css_class)


def _bars(layout: TimelineLayout, scale: _Scale, zone: tzinfo) -> Iterator[Element]:
    rows = layout.rows
    left, right = scale.xs(rows["start"]), scale.xs(rows["end"])
    columns = rows[["gid", "state", "start", "end", "running", "observed", "line"]]
    tuples: Iterator[Any] = columns.itertuples()
    for row, x1, x2 in zip(tuples, left, right, strict=True):
        y = row.line * scale.line
        shapes = [element("title", _tooltip(row, zone)), *_shapes(row, x1, x2, y)]
        yield element("g", *shapes, class_=state_class(row.state))


def _shapes(row: Any, x1: float, x2: float, y: float) -> Iterator[Element]:
    if np.isnan(x1):
        text = f"{state_label(row.state)}, times unknown"
        yield element("text", text, x=LABEL_WIDTH + 4, y=f"{y + 4:.1f}", class_="note")
        return
    top, height = f"{y - 7:.1f}", 14
    if row.running:
        fade = f"url(#fade-{row.state if row.state in STATE_STYLES else UNKNOWN})"
        yield element("rect", x=f"{x2:.1f}", y=top, width=_FADE_WIDTH, height=height, fill=fade)
    if x2 > x1:
        yield element(
            "rect",
            x=f"{x1:.1f}",
            y=top,
            width=f"{max(x2 - x1, _MIN_BAR):.1f}",
            height=height,
            rx=2,
            class_="observed" if row.observed else "bar",
        )
    elif row.state not in _FAILURES:
        yield element("circle", cx=f"{x2:.1f}", cy=f"{y:.1f}", r=4, class_="bar")
    if row.state in _FAILURES:
        cross = f"M{x2 - 4:.1f} {y - 4:.1f}l8 8m0-8l-8 8"
        yield element("path", d=cross, class_="cross")


def _tooltip(row: Any, zone: tzinfo) -> str:
    label = state_label(row.state)
    if pd.isna(row.start):
        return f"{row.gid}: {label}, times unknown"
    start, end = format_time(row.start, zone), format_time(row.end, zone)
    if row.start == row.end:
        return f"{row.gid}: {label}, {start}"
    duration = format_duration((row.end - row.start).total_seconds())
    running = " (unfinished)" if row.running else ""
    source = "observed" if row.observed else "reported by Asana"
    return f"{row.gid}: {label}, {start} to {end}{running}, {duration}, {source}"


def _dense_bars(rows: pd.DataFrame, scale: _Scale) -> Iterator[Element]:
    """Draw all bars of a state as one path: running ones first, failures on top."""
    left, right = scale.xs(rows["start"]), scale.xs(rows["end"])
    top = (rows["line"].to_numpy(float) - 0.5) * scale.line
    height = np.full(len(rows), max(scale.line, 0.4))
    states = rows["state"].to_numpy(object)
    observed, running = rows["observed"].to_numpy(bool), rows["running"].to_numpy(bool)
    boxes = np.stack([left, top, np.maximum(right - left, _MIN_BAR), height], axis=1)
    fades = np.stack([right, top, np.full(len(rows), _FADE_WIDTH), height], axis=1)
    spots = np.stack([right - 2, top - 1.5, np.full(len(rows), 4.0), height + 3], axis=1)
    for state in sorted(set(states), key=lambda state: (state in _FAILURES, state == "succeeded")):
        mask = states == state
        yield from _path(mask & running, fades, state, "fade")
        yield from _path(mask & observed, boxes, state, "observed")
        yield from _path(mask & ~observed, boxes, state, "bar")
        yield from _path(mask & np.isin(states, _FAILURES), spots, state, "bar")


def _path(mask: np.ndarray, boxes: np.ndarray, state: str, css_class: str) -> Iterator[Element]:
    if mask.any():
        d = "".join(f"M{x:.1f} {y:.2f}h{w:.1f}v{h:.2f}h-{w:.1f}z" for x, y, w, h in boxes[mask])
        yield element("path", d=d, class_=f"{state_class(state)} {css_class}")
