"""How states and kinds of jobs are shown to people: labels, marks, colors and links.

Used by the widget, the report, the plots and the command line; described in docs/columns.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from asana_jobs_pd._http.redaction import clean
from asana_jobs_pd._jobs.schema import FINAL_STATUSES
from asana_jobs_pd._jobs.states import NOT_REQUESTED, is_finished

UNREADABLE, UNKNOWN = "unreadable", "unknown"
NO_ACCESS = {
    403: "not yours: only a job's creator can read it",
    404: "not found, or not yours: only a job's creator can read it",
}
"""What the HTTP statuses mean after which a job is not read again."""

LIGHT_THEME = {
    "bg": "#ffffff",
    "soft": "#f6f6f8",
    "fg": "#1c1c1e",
    "dim": "#5c5c66",
    "line": "#dcdce0",
    "edge": "#8a8a94",
    "accent": "#0b5fcc",
    "hover": "#eef3fb",
}
"""The colors of the widget and the report.

`fg`, `dim`, `accent` and the colors of states have a contrast of at least 4.5:1 on `bg`, `soft` and
`hover`.
"""
DARK_THEME = {
    "bg": "#111111",
    "soft": "#1c1c1e",
    "fg": "#ececee",
    "dim": "#ababb3",
    "line": "#3a3a3c",
    "edge": "#7c7c84",
    "accent": "#7cb8ff",
    "hover": "#1d2733",
}


@dataclass(frozen=True, slots=True)
class StateStyle:
    """How a state is shown; color is never the only cue."""

    state: str
    label: str
    mark: str
    light: str
    dark: str

    def color(self, *, dark: bool) -> str:
        """Return the color for a background."""
        return self.dark if dark else self.light


STATE_STYLES: dict[str, StateStyle] = {
    style.state: style
    for style in (
        StateStyle("succeeded", "succeeded", "✓", "#1a7f37", "#6fcf97"),
        StateStyle("in_progress", "in progress", "●", "#0b5fcc", "#7cb8ff"),
        StateStyle("not_started", "not started", "○", "#5c5c66", "#b6b6bd"),
        StateStyle("failed", "failed", "✕", "#c0271d", "#ff8f85"),
        StateStyle(UNREADABLE, "unreadable", "!", "#8a5300", "#f0b35a"),
        StateStyle(UNKNOWN, "unknown", "?", "#6b4fa0", "#c3a8f5"),
    )
}
"""In display order."""

_KIND_LABELS = {
    "graph_export_request": "graph export",
    "export_request": "resource export",
    "graph": "graph export",
    "resource": "resource export",
}
"""Labels that differ from the name in ``resource_subtype`` or ``file.kind``."""
_MAX_LABEL = 30
_PATHS = {
    "project": "0/{gid}/list",
    "portfolio": "0/portfolio/{gid}/list",
    "project_template": "0/project-templates/{gid}/list",
}
"""The pages of created objects in Asana's web app; other kinds have the same page as tasks."""


def state_style(state: str) -> StateStyle:
    """Return the style of a state; one that Asana adds later is labeled with its own name."""
    if state in STATE_STYLES:
        return STATE_STYLES[state]
    unknown = STATE_STYLES[UNKNOWN]
    label = clean(state.replace("_", " "), limit=_MAX_LABEL) or unknown.label
    return StateStyle(state, label, unknown.mark, unknown.light, unknown.dark)


def state_label(state: str) -> str:
    """Return the label of a state."""
    return state_style(state).label


def counts_by_state(counts: Mapping[str, int]) -> str:
    """Return counts as text, in their order: ``2 succeeded, 1 in progress``."""
    return ", ".join(f"{count:,} {state_label(state)}" for state, count in counts.items())


def kind_label(kind: str) -> str:
    """Return the label of a ``resource_subtype``, a kind in ``results()`` or a ``file.kind``."""
    label = _KIND_LABELS.get(kind) or clean(kind.replace("_", " "), limit=_MAX_LABEL)
    return label or "unknown kind"


def asana_url(kind: str, gid: str) -> str:
    """Return an object's page in the web app; `kind` is as in ``results()``, `gid` is checked."""
    return "https://app.asana.com/" + _PATHS.get(kind, "0/0/{gid}").format(gid=gid)


def ordered_states(states: Iterable[str]) -> list[str]:
    """Return the distinct states in display order, then others by name."""
    distinct = set(states)
    return [state for state in STATE_STYLES if state in distinct] + sorted(
        distinct - STATE_STYLES.keys()
    )


def texts_of(jobs: pd.DataFrame, name: str) -> pd.Series:
    """Return a column as text; all missing if the frame does not have it."""
    return jobs.get(name, pd.Series(pd.NA, jobs.index)).astype("string")


def states_of(jobs: pd.DataFrame) -> np.ndarray:
    """Return the state of each row, as an array of objects.

    It is the status, or ``source.state`` if there is no job, or else ``unreadable`` or ``unknown``.
    """
    status = texts_of(jobs, "status").fillna(UNKNOWN).to_numpy(object)
    source = texts_of(jobs, "source.state").fillna("").to_numpy(object)
    not_requested = np.isin(source, NOT_REQUESTED) & (status == UNKNOWN)
    gave_up = is_finished(jobs) & ~np.isin(status, FINAL_STATUSES)
    errors = texts_of(jobs, "error.kind").notna().to_numpy(bool)
    unreadable = gave_up | (errors & (status == UNKNOWN))
    return np.where(not_requested, source, np.where(unreadable, UNREADABLE, status))


def contrast(color: str, other: str) -> float:
    """Return the contrast of two colors ``#rrggbb``, 1 to 21, as defined by WCAG 2."""
    darker, lighter = sorted((_luminance(color), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def is_dark(background: str) -> bool:
    """Return whether light text is easier to read on a background ``#rrggbb``."""
    return contrast(background, "#ffffff") > contrast(background, "#000000")


def _luminance(color: str) -> float:
    channels = [int(channel, 16) / 255 for channel in re.findall("[0-9a-fA-F]{2}", color)]
    linear = [
        channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4  # noqa: PLR2004
        for channel in channels[:3]
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
