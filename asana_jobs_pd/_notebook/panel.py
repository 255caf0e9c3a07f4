"""The downloads below the table: bars while they run, then what came of them and links."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import ipywidgets as w
from IPython.display import FileLink

from asana_jobs_pd._notebook.controls import Kit, toggle
from asana_jobs_pd._notebook.files import FileLine
from asana_jobs_pd._notebook.markup import escape

__all__ = ["Panel"]

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
