"""Asana announces changes of its API in response headers; each is passed on once."""

from __future__ import annotations

import re
from collections.abc import Iterable

from asana_jobs_pd._api.redact import clean

__all__ = ["Changes", "describe_change"]

MOST = 100
_NEXT_CHANGE = re.compile(r",(?=\s*name=)")


class Changes:
    """The announcements that came, each one once however often it came."""

    def __init__(self) -> None:
        self._seen: set[str] = set()
        self._news: list[str] = []

    def note(self, headers: Iterable[str]) -> None:
        """Take note of ``Asana-Change`` headers; any thread may."""
        for header in headers:
            for change in _NEXT_CHANGE.split(header):
                if change not in self._seen and len(self._seen) < MOST:
                    self._seen.add(change)
                    self._news.append(describe_change(change))

    def take(self) -> list[str]:
        """Return in words what came since the last call."""
        news, self._news = self._news, []
        return news


def describe_change(header: str) -> str:
    """Return an ``Asana-Change`` header in words.

    Its form is ``name=…;info=URL;affected=true``
    (https://developers.asana.com/docs/deprecations).
    """
    pairs = (part.partition("=") for part in header.split(";"))
    told = {key.strip(): clean(value) for key, _, value in pairs}
    name = told.get("name") or clean(header)
    affected = {"true": "it affects this request", "false": "it does not affect this request"}
    words = [f"Asana announces a change of its API, {name!r}"]
    if text := affected.get(told.get("affected", "")):
        words.append(text)
    if info := told.get("info"):
        words.append(f"read {info}")
    return "; ".join(words) + "."
