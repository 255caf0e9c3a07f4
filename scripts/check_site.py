"""Check a built site: every asset is local, every link within it leads somewhere.

``python scripts/check_site.py docs/_build/html`` prints what is wrong; then it exits with 1.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

ASSETS = {"script": "src", "link": "href", "img": "src", "iframe": "src", "source": "srcset"}
_OF_CSS = re.compile(r"""(?:url\(|@import)\s*['"]?((?:https?:)?//[^'")\s]+)""")
_LOADS = re.compile(r"""(?:import\(|from\s*|fetch\(|\.src\s*=\s*)['"]((?:https?:)?//[^'"]+)""")


class Page(HTMLParser):
    """The assets, links and anchors of one page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.assets: list[str] = []
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self._inline = ""
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what a tag loads, links to and can be linked to by."""
        given = {name: value or "" for name, value in attrs}
        self.anchors |= {given[name] for name in ("id", "name") if name in given}
        self._inline = tag if tag in ("style", "script") else ""
        self.assets += _OF_CSS.findall(given.get("style", ""))
        if tag in ASSETS and given.get("rel") not in ("canonical", "license"):
            self.assets.append(given.get(ASSETS[tag], ""))
        elif tag == "a" and "href" in given:
            self.links.append(given["href"])

    def handle_data(self, data: str) -> None:
        """Note what styles and scripts in the page load."""
        if self._inline:
            self.assets += _OF_CSS.findall(data) + _LOADS.findall(data)


def problems(root: Path) -> Iterator[str]:
    """Yield what is wrong with the site in a folder."""
    pages = {
        path: Page(path) for path in sorted(root.rglob("*.html")) if "_static" not in path.parts
    }
    for path, page in pages.items():
        name = path.relative_to(root)
        yield from (f"{name} loads {url}" for url in page.assets if urlsplit(url).netloc)
        for link in page.links:
            url = urlsplit(link)
            if url.scheme or url.netloc or not (url.path or url.fragment):
                continue
            target = (path.parent / unquote(url.path)).resolve() if url.path else path
            if not target.exists():
                yield f"{name} links to {link}, which does not exist"
            elif target in pages and url.fragment and url.fragment not in pages[target].anchors:
                yield f"{name} links to {link}, which has no such anchor"
    for style in root.rglob("*.css"):
        found = _OF_CSS.findall(style.read_text(encoding="utf-8"))
        yield from (f"{style.relative_to(root)} loads {url}" for url in found)
    for needed in ("searchindex.js", "objects.inv"):
        if not (root / needed).is_file():
            yield f"{needed} is missing"


def main(folder: str) -> int:
    """Check the site and return the exit code."""
    root = Path(folder).resolve()
    found = list(problems(root))
    print(
        *found
        or [f"{len(list(root.rglob('*.html')))} pages: assets are local, links lead somewhere"],
        sep="\n",
    )
    return bool(found)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
