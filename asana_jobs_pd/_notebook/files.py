"""How far downloads are, in words and parts. Pure but for the speeds, which remember."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from asana_jobs_pd._exports.files import Progress
from asana_jobs_pd._notebook.markup import escape
from asana_jobs_pd._notebook.words import count_words, part_words, size_words

__all__ = ["FileLine", "Speeds", "all_line", "file_lines", "loaded_html", "outcome_html"]

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
    files: Sequence[Progress], speeds: Speeds, at: float, *, over: bool = False
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


def _line(file: Progress, speeds: Speeds, at: float, *, over: bool) -> FileLine:
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
    files: Sequence[Progress], speeds: Speeds, at: float, *, over: bool = False
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


def _part(file: Progress) -> float:
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
