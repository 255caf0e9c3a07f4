"""Elements of a page, built as a tree: text stays text, whatever is in it. Pure."""

from __future__ import annotations

from typing import TypeAlias
from xml.etree import ElementTree as ET

__all__ = ["Child", "Element", "element", "page"]

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
