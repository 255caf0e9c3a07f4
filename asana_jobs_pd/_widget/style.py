"""The widget's style sheet: jobs.css with the colors of both themes."""

from __future__ import annotations

import re
from importlib.resources import files

from asana_jobs_pd._vocabulary import STATE_STYLES

LIGHT = {
    "bg": "#ffffff",
    "soft": "#f6f6f8",
    "fg": "#1c1c1e",
    "dim": "#5c5c66",
    "line": "#dcdce0",
    "edge": "#8a8a94",
    "accent": "#0b5fcc",
    "hover": "#eef3fb",
}
"""Colors of a light theme; `fg`, `dim` and `accent` are read on `bg`, `soft` and `hover`."""
DARK = {
    "bg": "#111111",
    "soft": "#1c1c1e",
    "fg": "#ececee",
    "dim": "#ababb3",
    "line": "#3a3a3c",
    "edge": "#7c7c84",
    "accent": "#7cb8ff",
    "hover": "#1d2733",
}

_DARK_THEMES = (
    '[data-jp-theme-light="false"] .aj',  # JupyterLab, Notebook 7, Voilà
    ".vscode-dark .aj",
    ".vscode-high-contrast:not(.vscode-high-contrast-light) .aj",
    "html[theme=dark] .aj",  # Colab
)
_TONES = {"ok": "succeeded", "run": "in-progress", "wait": "not-started", "bad": "failed"}


def css() -> str:
    """Return the style sheet on one line; where no theme is known, it is light."""
    light = _variables(LIGHT, {state: style.light for state, style in STATE_STYLES.items()})
    dark = _variables(DARK, {state: style.dark for state, style in STATE_STYLES.items()})
    names = {name: name for name in map(_class_name, STATE_STYLES)} | _TONES
    colors = "".join(f".aj .aj-{name}{{color:var(--aj-{tone})}}" for name, tone in names.items())
    themes = f".aj{{{light}color-scheme:light}}{','.join(_DARK_THEMES)}{{{dark}color-scheme:dark}}"
    rules = files("asana_jobs_pd._widget").joinpath("jobs.css").read_text(encoding="utf-8")
    rules = re.sub(r"/\*.*?\*/", "", rules, flags=re.DOTALL)
    return f"{themes}{colors}{''.join(line.strip() for line in rules.splitlines())}"


def _class_name(state: str) -> str:
    return state.replace("_", "-")


def _variables(base: dict[str, str], states: dict[str, str]) -> str:
    pairs = {**base, **{_class_name(state): color for state, color in states.items()}}
    return "".join(f"--aj-{name}:{color};" for name, color in pairs.items())
