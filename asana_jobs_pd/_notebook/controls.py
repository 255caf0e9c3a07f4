"""The stock controls of the widget, and how they stand; what they say comes from elsewhere."""

from __future__ import annotations

from typing import Any

import ipywidgets as w

from asana_jobs_pd._notebook.page import COLUMNS, PAGE, STATE_CHOICES
from asana_jobs_pd._notebook.style import css

__all__ = ["Controls", "Kit", "toggle"]

_HINT = "Filter by name, kind or gid"


class Kit:
    """Makes stock widgets that share a layout, and a style for each kind; closes them all.

    Every layout and style is an object on the wire, too: sharing makes a first paint quicker.
    """

    def __init__(self) -> None:
        self._made: list[w.Widget] = []
        self._shared: dict[object, dict[str, Any]] = {}

    def make(self, kind: type[Any], *classes: str, **traits: Any) -> Any:
        """Return a widget with CSS classes."""
        shared = self._shared.get(kind)
        made = kind(**{**(shared or self._layout()), **traits})
        if shared is None:
            style = {"style": made.style} if made.has_trait("style") else {}
            self._shared[kind] = {"layout": made.layout, **style}
            self._made += [made.layout, *style.values()]
        if classes:
            made._dom_classes = classes  # noqa: SLF001  one message, not one a class
        self._made.append(made)
        return made

    def close(self) -> None:
        """Close all that was made."""
        for made in reversed(self._made):
            made.close()
        self._made.clear()
        self._shared.clear()

    def _layout(self) -> dict[str, Any]:
        first = next(iter(self._shared.values()), None)
        return {"layout": first["layout"]} if first else {}


def toggle(widget: w.DOMWidget, name: str, on: bool) -> None:
    """Add a CSS class, or take it away."""
    (widget.add_class if on else widget.remove_class)(name)


class Controls:
    """All parts of the widget but the downloads, from top to bottom.

    Parameters
    ----------
    kit
        What they are made with.
    dest
        What the folder field holds at first.
    slots
        How many rows a page has, each with a box to tick.
    """

    def __init__(self, kit: Kit, dest: str, slots: int = PAGE) -> None:
        make = kit.make
        self.style = make(w.HTML, "aj-gone", value=f"<style>{css()}</style>")
        self.head, self.clock = make(w.HTML, "aj-head"), make(w.HTML, "aj-clock")
        self.bar, self.notice, self.table = make(w.HTML), make(w.HTML), make(w.HTML)
        self.filter = make(w.Text, "aj-fill", placeholder=_HINT, description="Filter the jobs")
        self.state = make(
            w.Dropdown, "aj-pick", options=STATE_CHOICES, value="", description="Show"
        )
        self.refresh = _button(make, "Refresh", "Ask Asana for all unfinished jobs now")
        self.pause = _button(make, "Pause", "Ask Asana for nothing until you resume")
        self.heads = {
            column.key: _button(make, column.title, "", f"aj-c-{column.key}") for column in COLUMNS
        }
        self.all = _box(make, description="Select all exports on this page")
        self.checks = tuple(_box(make, "aj-off") for _ in range(slots))
        self.panel = make(w.VBox, "aj-panel", "aj-gone")
        self.download = _button(make, "Download completed", "", "aj-primary")
        self.folder = make(w.Text, "aj-folder", value=dest, description="Folder for the files")
        self.cancel = _button(make, "Cancel", "Stop the downloads; they can go on later", "aj-gone")
        self.load = _button(make, "Load", "Read the files into widget.data", "aj-gone")
        self.pages = make(w.HTML, "aj-pages")
        self.previous = _button(make, "Previous", "Previous page of jobs")
        self.next = _button(make, "Next", "Next page of jobs")
        self.children = self._stand(kit)

    def _stand(self, kit: Kit) -> tuple[w.Widget, ...]:
        make = kit.make
        to = make(w.HTML, "aj-label", value="to")
        heads = (self.all, *self.heads.values())
        checks = make(w.VBox, "aj-checks", children=self.checks)
        lines = (
            make(w.HBox, "aj-heads", children=heads),
            make(w.HBox, "aj-rows", children=(checks, self.table)),
        )
        foot = (self.download, to, self.folder, self.cancel, self.load)
        pager = (self.pages, self.previous, self.next)
        return (
            self.style,
            make(w.HBox, "aj-top", children=(self.head, self.clock)),
            self.bar,
            self.notice,
            make(
                w.HBox,
                "aj-tools",
                children=(self.filter, self.state, self.refresh, self.pause),
            ),
            make(w.VBox, "aj-scroll", children=lines),
            self.panel,
            make(w.HBox, "aj-foot", children=(*foot, *pager)),
        )


def _box(make: Any, *classes: str, **traits: Any) -> Any:
    return make(w.Checkbox, "aj-check", *classes, indent=False, **traits)


def _button(make: Any, text: str, tooltip: str, *classes: str) -> w.Button:
    return make(w.Button, *classes, description=text, tooltip=tooltip or text)
