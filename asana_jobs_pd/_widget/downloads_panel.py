"""The widget's downloads below the table: progress bars, then results and links."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import ipywidgets as w
import pandas as pd
from IPython.display import FileLink

from asana_jobs_pd._download.export_files import FileProgress
from asana_jobs_pd._formatting import format_count, format_progress, format_size
from asana_jobs_pd._vocabulary import kind_label
from asana_jobs_pd._widget.controls import ControlFactory, set_class
from asana_jobs_pd._widget.markup import escape

MAX_FILE_LINES = 8
"""How many files get a bar of their own."""
_SPEED_SAMPLES = 12
_MAX_ERRORS = 6
_MAX_LINKS = 20
_PRIORITY = {"running": 0, "failed": 1, "done": 2, "waiting": 3}
_CHECK_MARK = '<i class="aj-mark aj-succeeded"></i>'
_CROSS_MARK = '<i class="aj-mark aj-failed"></i>'


@dataclass(frozen=True, slots=True)
class FileLine:
    """A line with a bar."""

    label: str
    text: str
    fraction: float
    tone: str = "run"


class Speeds:
    """Bytes per second of each file and of all, over the last seconds."""

    def __init__(self) -> None:
        self._samples: dict[str, deque[tuple[float, int]]] = {}

    def update(self, label: str, done: int, at: float) -> float:
        """Record the bytes done at a time in seconds, and return the speed."""
        samples = self._samples.setdefault(label, deque(maxlen=_SPEED_SAMPLES))
        if samples and done < samples[-1][1]:  # it started over
            samples.clear()
        samples.append((at, done))
        (start, before), (end, after) = samples[0], samples[-1]
        return (after - before) / (end - start) if end > start else 0.0


def file_lines(
    files: Sequence[FileProgress], speeds: Speeds, at: float, *, ended: bool = False
) -> list[FileLine]:
    """Return a line per file, or the most interesting ones when there are many.

    `ended` says that the download has ended, whatever the state of the files.
    """
    shown = list(files)
    if len(shown) > MAX_FILE_LINES:
        shown = sorted(shown, key=lambda file: _PRIORITY[file.state])[:MAX_FILE_LINES]
    return [_file_line(file, speeds, at, ended=ended) for file in shown]


def _file_line(file: FileProgress, speeds: Speeds, at: float, *, ended: bool) -> FileLine:
    text = escape(f"{file.file.gid} {kind_label(file.file.kind)}")
    label = f'<span title="{escape(file.file.name)}">{text}</span>'
    speed = speeds.update(file.file.label, file.done, at)
    if ended and file.state in ("waiting", "running"):
        text = f'<span class="aj-dim">stopped at {format_progress(file.done, file.total)}</span>'
        return FileLine(label, text, _fraction(file), "stop")
    if file.note and file.state in ("waiting", "running"):
        return FileLine(label, f'<span class="aj-dim">{escape(file.note)}</span>', _fraction(file))
    match file.state:
        case "waiting":
            return FileLine(label, '<span class="aj-dim">waiting</span>', 0.0)
        case "done":
            text = f'<span class="aj-ok">{_CHECK_MARK}verified, {format_size(file.done)}</span>'
            return FileLine(label, text, 1.0, "done")
        case "failed":
            text = f'<span class="aj-bad">{_CROSS_MARK}failed</span>'
            return FileLine(label, text, _fraction(file), "stop")
    return FileLine(label, _progress_html(file.done, file.total, speed), _fraction(file))


def total_line(
    files: Sequence[FileProgress], speeds: Speeds, at: float, *, ended: bool = False
) -> FileLine:
    """Return the line for all files together; parameters as in `file_lines`."""
    finished = sum(file.state in ("done", "failed") for file in files)
    done = sum(file.done for file in files)
    sizes = [file.total or file.done for file in files if file.state != "waiting"]
    total = sum(sizes) if len(sizes) == len(files) else None
    speed = speeds.update("", done, at)
    label = f"<span>{finished} of {format_count(len(files), 'file')}</span>"
    if files and all(file.state == "done" for file in files):
        return FileLine(label, f"<span>{format_size(done)}</span>", 1.0, "done")
    fraction = sum(map(_fraction, files)) / len(files) if files else 0.0
    text = _progress_html(done, total, 0.0 if ended else speed)
    return FileLine(label, text, round(fraction, 3))


def _progress_html(done: int, total: int | None, speed: float) -> str:
    rate = f" · {format_size(speed)}/s" if speed >= 1 else ""
    return f"<span>{format_progress(done, total)}{rate}</span>"


def _fraction(file: FileProgress) -> float:
    if file.state == "done":
        return 1.0
    return round(min(1.0, file.done / file.total), 3) if file.total else 0.0


def downloaded_html(files: pd.DataFrame, *, cancelled: bool, folder: str) -> str:
    """Return the result of a download: how many files, where, and what failed."""
    count = int(files["file.path"].notna().sum())
    lines = []
    if count:
        size = format_size(int(files["file.bytes"].fillna(0).sum()))
        text = f"{format_count(count, 'file')} verified, {size}, in {escape(folder, 300)}"
        lines.append(f'<div class="aj-ok">{_CHECK_MARK}{text}</div>')
    if cancelled:
        lines.append('<div class="aj-dim">Cancelled. Download again to resume.</div>')
    failed = files[files["file.path"].isna()]
    shown = failed.iloc[: 0 if cancelled else _MAX_ERRORS]
    for gid, kind, error in zip(shown["gid"], shown["file.kind"], shown["file.error"], strict=True):
        label = gid if pd.isna(kind) else f"{gid} {kind_label(kind)}"
        lines.append(
            f'<div class="aj-bad aj-wrap">{_CROSS_MARK}{escape(label)}: {escape(error, 500)}</div>'
        )
    if len(failed) > len(shown) and not cancelled:
        lines.append(f'<div class="aj-dim">… and {len(failed) - len(shown):,} more</div>')
    return f'<div role="status">{"".join(lines)}</div>'


def loaded_html(rows: Mapping[str, int]) -> str:
    """Return what was loaded: the number of rows of each type."""
    counts = [format_count(count, f"{escape(name, 60)} row") for name, count in rows.items()]
    return (
        f'<div class="aj-ok aj-wrap" role="status">{_CHECK_MARK}'
        f'Loaded {", ".join(counts) or "no rows"} into <span class="aj-gid">widget.data</span>.'
        "</div>"
    )


class DownloadsPanel:
    """What the box below the table shows; its controls are created on first use."""

    def __init__(self, factory: ControlFactory, box: w.VBox) -> None:
        self._factory = factory
        self._box = box
        self._lines: list[_Line] = []
        self._message = factory.create(w.HTML, "aj-gone")
        self._links = factory.create(w.Output, "aj-links", "aj-gone")

    def show_progress(self, total: FileLine, files: Sequence[FileLine]) -> None:
        """Show a bar for all files, and one for each."""
        lines = [total, *files]
        while len(self._lines) < len(lines):
            self._lines.append(_Line(self._factory, first=not self._lines))
        for line, shown in zip(self._lines, lines, strict=False):
            line.show(shown)
        self._arrange(len(lines))

    def show_message(self, html: str) -> None:
        """Show a message below the bars; "" for none."""
        self._message.value = html
        set_class(self._message, "aj-gone", not html)
        self._arrange(self._line_count)

    def show_links(self, paths: Sequence[str]) -> None:
        """Show links to files, or paths where the server cannot reach them."""
        shown = [_link(path) for path in paths[:_MAX_LINKS]]
        if len(paths) > _MAX_LINKS:
            more = f"… and {len(paths) - _MAX_LINKS:,} more in widget.files"
            shown.append(_output(f"<span>{more}</span>", more))
        self._links.outputs = tuple(shown)
        set_class(self._links, "aj-gone", not paths)

    def clear(self) -> None:
        """Show nothing."""
        self.show_message("")
        self.show_links([])
        self._arrange(0)

    @property
    def _line_count(self) -> int:
        return max(0, len(self._box.children) - 2)

    def _arrange(self, count: int) -> None:
        children = (*(line.box for line in self._lines[:count]), self._message, self._links)
        if children != self._box.children:
            self._box.children = children
        set_class(self._box, "aj-gone", not count and not self._message.value)


class _Line:
    """A label, a bar and a text."""

    def __init__(self, factory: ControlFactory, *, first: bool) -> None:
        self._label = factory.create(w.HTML)
        self._bar = factory.create(w.FloatProgress, min=0.0, max=1.0)
        self._text = factory.create(w.HTML, "aj-words")
        classes = ("aj-file", "aj-all") if first else ("aj-file",)
        self.box = factory.create(w.HBox, *classes, children=(self._label, self._bar, self._text))

    def show(self, line: FileLine) -> None:
        self._label.value, self._text.value = line.label, line.text
        self._bar.value = line.fraction
        for tone in ("done", "stop"):
            set_class(self._bar, f"aj-{tone}", line.tone == tone)


def _link(path: str) -> dict[str, object]:
    """Return a link that works where the server runs in the notebook's folder."""
    try:
        relative = os.path.relpath(path)
    except ValueError:  # another drive
        relative = os.pardir
    if relative.startswith(os.pardir) or not Path(relative).is_file():
        return _output(f"<code>{escape(path, 400)}</code>", path)
    link = FileLink(relative.replace(os.sep, "/"), result_html_suffix="")  # type: ignore[no-untyped-call]
    return _output(link._repr_html_(), path)  # type: ignore[no-untyped-call]


def _output(html: str, text: str) -> dict[str, object]:
    return {
        "output_type": "display_data",
        "data": {"text/html": html, "text/plain": text},
        "metadata": {},
    }
