"""The downloads below the table: bars while they run, then what came of them and links."""

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
from asana_jobs_pd._formatting import count_words, part_words, size_words
from asana_jobs_pd._widget.controls import Kit, toggle
from asana_jobs_pd._widget.markup import escape

__all__ = ["FileLine", "Panel", "Speeds", "all_line", "file_lines", "loaded_html", "outcome_html"]

SHOWN = 8
"""Files with a bar of their own."""
_SAMPLES = 12
_TOLD = 6
_ORDER = {"running": 0, "failed": 1, "done": 2, "waiting": 3}


@dataclass(frozen=True, slots=True)
class FileLine:
    """A line with a bar.

    Parameters
    ----------
    label, words
        What stands before and behind the bar: HTML.
    part
        How much of it is full, 0 to 1.
    tone
        ``run``, ``done`` or ``stop``: how the bar looks.
    """

    label: str
    words: str
    part: float
    tone: str = "run"


class Speeds:
    """Bytes a second of each file and of all, over the last seconds."""

    def __init__(self) -> None:
        self._samples: dict[str, deque[tuple[float, int]]] = {}

    def note(self, label: str, done: int, at: float) -> float:
        """Take down how far something is at a time in seconds, and return its speed."""
        samples = self._samples.setdefault(label, deque(maxlen=_SAMPLES))
        if samples and done < samples[-1][1]:  # it began anew
            samples.clear()
        samples.append((at, done))
        (first, before), (last, after) = samples[0], samples[-1]
        return (after - before) / (last - first) if last > first else 0.0


def file_lines(
    files: Sequence[FileProgress], speeds: Speeds, at: float, *, over: bool = False
) -> list[FileLine]:
    """Return a line a file: of all, or those of most interest when there are many.

    Parameters
    ----------
    files
        How far they are.
    speeds, at
        What remembers their speeds, and the time in seconds.
    over
        Whether the download has ended, whatever the files say.
    """
    shown = list(files)
    if len(shown) > SHOWN:
        shown = sorted(shown, key=lambda file: _ORDER[file.state])[:SHOWN]
    return [_line(file, speeds, at, over=over) for file in shown]


def _line(file: FileProgress, speeds: Speeds, at: float, *, over: bool) -> FileLine:
    label = f"{file.file.gid} {file.file.kind} export"
    shown = f'<span title="{escape(file.file.name)}">{escape(label)}</span>'
    speed = speeds.note(file.file.label, file.done, at)
    if over and file.state in ("waiting", "running"):
        words = f'<span class="aj-dim">stopped at {part_words(file.done, file.total)}</span>'
        return FileLine(shown, words, _part(file), "stop")
    match file.state:
        case "waiting":
            return FileLine(shown, '<span class="aj-dim">waiting</span>', 0.0)
        case "done":
            words = f'<span class="aj-ok">{_VERIFIED}, {size_words(file.done)}</span>'
            return FileLine(shown, words, 1.0, "done")
        case "failed":
            words = '<span class="aj-bad"><i class="aj-mark aj-failed"></i>failed</span>'
            return FileLine(shown, words, _part(file), "stop")
    return FileLine(shown, _sizes(file.done, file.total, speed), _part(file))


_VERIFIED = '<i class="aj-mark aj-succeeded"></i>verified'


def all_line(
    files: Sequence[FileProgress], speeds: Speeds, at: float, *, over: bool = False
) -> FileLine:
    """Return the line for all files together; parameters as in `file_lines`."""
    ended = sum(file.state in ("done", "failed") for file in files)
    done = sum(file.done for file in files)
    known = [file.total or file.done for file in files if file.state != "waiting"]
    speed = speeds.note("", done, at)
    part = sum(_part(file) for file in files) / len(files) if files else 0.0
    total = sum(known) if len(known) == len(files) else None
    label = f"<span>{ended} of {count_words(len(files), 'file')}</span>"
    if files and all(file.state == "done" for file in files):
        return FileLine(label, f"<span>{size_words(done)}</span>", 1.0, "done")
    return FileLine(label, _sizes(done, total, 0.0 if over else speed), round(part, 3))


def _sizes(done: int, total: int | None, speed: float) -> str:
    rate = f" · {size_words(speed)}/s" if speed >= 1 else ""
    return f"<span>{part_words(done, total)}{rate}</span>"


def _part(file: FileProgress) -> float:
    if file.state == "done":
        return 1.0
    return round(min(1.0, file.done / file.total), 3) if file.total else 0.0


def outcome_html(files: pd.DataFrame, *, cancelled: bool, folder: str) -> str:
    """Return what came of a download: how many files, where, and what failed, in words.

    Parameters
    ----------
    files
        A frame as a download returns it.
    cancelled
        Whether somebody ended it before.
    folder
        Where the files are.
    """
    there = int(files["file.path"].notna().sum())
    sizes = size_words(int(files["file.bytes"].fillna(0).sum()))
    said = f"{count_words(there, 'file')} verified, {sizes}, in {escape(folder, 300)}"
    lines = (
        [f'<div class="aj-ok">{_VERIFIED.removesuffix("verified")}{said}</div>'] if there else []
    )
    if cancelled:
        lines.append(
            '<div class="aj-dim">Cancelled. Download again, and it goes on where it stood.</div>'
        )
    failed = files[files["file.path"].isna()]
    shown = failed.iloc[: 0 if cancelled else _TOLD]
    for gid, kind, error in zip(shown["gid"], shown["file.kind"], shown["file.error"], strict=True):
        label = gid if pd.isna(kind) else f"{gid} {kind} export"
        lines.append(
            f'<div class="aj-bad aj-wrap"><i class="aj-mark aj-failed"></i>{escape(label)}: '
            f"{escape(error, 500)}</div>"
        )
    if len(failed) > len(shown) and not cancelled:
        lines.append(f'<div class="aj-dim">… and {len(failed) - len(shown):,} more</div>')
    return f'<div role="status">{"".join(lines)}</div>'


def loaded_html(rows: Mapping[str, int]) -> str:
    """Return what was loaded: how many rows of which type."""
    parts = [f"{count_words(count, 'row')} of {escape(kind, 60)}" for kind, count in rows.items()]
    told = "; ".join(parts) or "no rows"
    return (
        f'<div class="aj-ok aj-wrap" role="status"><i class="aj-mark aj-succeeded"></i>'
        f'Loaded {told}. They are in <span class="aj-gid">widget.data</span>.</div>'
    )


_LINKS = 20


class Panel:
    """What the panel shows; its parts are made when they are needed first.

    Parameters
    ----------
    kit
        What they are made with.
    box
        Where they stand.
    """

    def __init__(self, kit: Kit, box: w.VBox) -> None:
        self._kit = kit
        self._box = box
        self._lines: list[_Line] = []
        self._said = kit.make(w.HTML, "aj-gone")
        self._links = kit.make(w.Output, "aj-links", "aj-gone")

    def show(self, everything: FileLine, files: Sequence[FileLine]) -> None:
        """Show bars: one for all, and one a file."""
        lines = [everything, *files]
        while len(self._lines) < len(lines):
            self._lines.append(_Line(self._kit, first=not self._lines))
        for line, shown in zip(self._lines, lines, strict=False):
            line.show(shown)
        self._stand(len(lines))

    def say(self, html: str) -> None:
        """Show words below the bars; "" for none."""
        self._said.value = html
        toggle(self._said, "aj-gone", not html)
        self._stand(self._count)

    def link(self, paths: Sequence[str]) -> None:
        """Show links to files; those that no server reaches are told as paths."""
        shown = [_link(path) for path in paths[:_LINKS]]
        if len(paths) > _LINKS:
            more = f"… and {len(paths) - _LINKS:,} more in widget.files"
            shown.append(_output(f"<span>{more}</span>", more))
        self._links.outputs = tuple(shown)
        toggle(self._links, "aj-gone", not paths)

    def clear(self) -> None:
        """Show nothing."""
        self.say("")
        self.link([])
        self._stand(0)

    @property
    def _count(self) -> int:
        return max(0, len(self._box.children) - 2)

    def _stand(self, count: int) -> None:
        children = (*(line.box for line in self._lines[:count]), self._said, self._links)
        if children != self._box.children:
            self._box.children = children
        toggle(self._box, "aj-gone", not count and not self._said.value)


class _Line:
    """A label, a bar and words."""

    def __init__(self, kit: Kit, *, first: bool) -> None:
        self._label = kit.make(w.HTML)
        self._bar = kit.make(w.FloatProgress, min=0.0, max=1.0)
        self._words = kit.make(w.HTML, "aj-words")
        classes = ("aj-file", "aj-all") if first else ("aj-file",)
        self.box = kit.make(w.HBox, *classes, children=(self._label, self._bar, self._words))

    def show(self, line: FileLine) -> None:
        self._label.value, self._words.value = line.label, line.words
        self._bar.value = line.part
        for tone in ("done", "stop"):
            toggle(self._bar, f"aj-{tone}", line.tone == tone)


def _link(path: str) -> dict[str, object]:
    """Return a link, as a server that was started where the notebook is understands it."""
    try:
        near = os.path.relpath(path)
    except ValueError:  # another drive
        near = os.pardir
    if near.startswith(os.pardir) or not Path(near).is_file():
        return _output(f"<code>{escape(path, 400)}</code>", path)
    link = FileLink(near.replace(os.sep, "/"), result_html_suffix="")  # type: ignore[no-untyped-call]
    return _output(link._repr_html_(), path)  # type: ignore[no-untyped-call]


def _output(html: str, text: str) -> dict[str, object]:
    return {
        "output_type": "display_data",
        "data": {"text/html": html, "text/plain": text},
        "metadata": {},
    }
