"""One look for each state of a job: word, mark and colours, light and dark. Pure.

Colours carry text too: each has a contrast of at least 4.5:1 on the grounds of its theme. No
colour stands alone: the mark and the word say the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from asana_jobs_pd._http.redaction import clean

__all__ = [
    "DARK_GROUNDS",
    "LIGHT_GROUNDS",
    "LOOKS",
    "UNKNOWN",
    "UNREADABLE",
    "Look",
    "contrast",
    "is_dark",
    "kind_words",
    "look_of",
    "ordered_states",
]

UNREADABLE, UNKNOWN = "unreadable", "unknown"
LIGHT_GROUNDS = ("#ffffff", "#f6f6f8")
DARK_GROUNDS = ("#000000", "#111111", "#1c1c1e")


@dataclass(frozen=True, slots=True)
class Look:
    """How a state is shown.

    Parameters
    ----------
    state
        A status, ``unreadable`` (403, 404 or another error instead of a record) or ``unknown``
        (not read yet).
    word
        What people read.
    mark
        One character of a shape of its own, in every usual font.
    light, dark
        Colours, as ``#rrggbb``, on a light and on a dark ground.
    """

    state: str
    word: str
    mark: str
    light: str
    dark: str

    def colour(self, *, dark: bool) -> str:
        """Return the colour for a ground."""
        return self.dark if dark else self.light


LOOKS: dict[str, Look] = {
    look.state: look
    for look in (
        Look("succeeded", "succeeded", "✓", "#1a7f37", "#6fcf97"),
        Look("in_progress", "in progress", "●", "#0b5fcc", "#7cb8ff"),
        Look("not_started", "not started", "○", "#5c5c66", "#b6b6bd"),
        Look("failed", "failed", "✕", "#c0271d", "#ff8f85"),
        Look(UNREADABLE, "unreadable", "!", "#8a5300", "#f0b35a"),
        Look(UNKNOWN, "unknown", "?", "#6b4fa0", "#c3a8f5"),
    )
}
"""In the order in which they are told."""

_LONGEST = 30
_KINDS = {"graph_export_request": "graph export", "export_request": "resource export"}


def look_of(state: str) -> Look:
    """Return the look of a state; one that Asana adds later is told by its own name."""
    if state in LOOKS:
        return LOOKS[state]
    other = LOOKS[UNKNOWN]
    word = clean(state.replace("_", " "), limit=_LONGEST) or other.word
    return Look(state, word, other.mark, other.light, other.dark)


def ordered_states(states: Iterable[str]) -> list[str]:
    """Return the different states: the known ones in their order, then others by name."""
    there = set(states)
    return [state for state in LOOKS if state in there] + sorted(there - LOOKS.keys())


def kind_words(subtype: str) -> str:
    """Return a ``resource_subtype`` as people say it."""
    known = _KINDS.get(subtype) or clean(subtype.replace("_", " "), limit=_LONGEST)
    return known or "unknown kind"


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours ``#rrggbb``, 1 to 21, as WCAG 2 defines it."""
    dim, bright = sorted((_luminance(one), _luminance(other)))
    return (bright + 0.05) / (dim + 0.05)


def is_dark(ground: str) -> bool:
    """Tell whether light colours are read better on a ground ``#rrggbb``."""
    return contrast(ground, "#ffffff") > contrast(ground, "#000000")


def _luminance(colour: str) -> float:
    parts = [int(part, 16) / 255 for part in re.findall("[0-9a-fA-F]{2}", colour)]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4  # noqa: PLR2004
        for part in parts[:3]
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
