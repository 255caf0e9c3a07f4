"""The widget's style sheet: jobs.css with the colors of both themes."""

from __future__ import annotations

import re
from importlib.resources import files

from asana_jobs_pd._vocabulary import DARK_THEME, LIGHT_THEME, STATE_STYLES

_DARK_THEMES = (
    '[data-jp-theme-light="false"] .aj',  # JupyterLab, Notebook 7, Voilà
    ".vscode-dark .aj",
    ".vscode-high-contrast:not(.vscode-high-contrast-light) .aj",
    "html[theme=dark] .aj",  # Colab
)
_TONES = {"ok": "succeeded", "run": "in-progress", "wait": "not-started", "bad": "failed"}


def css() -> str:
    """Return the style sheet on one line; where no theme is known, it is light."""
    light = _variables(LIGHT_THEME, {state: style.light for state, style in STATE_STYLES.items()})
    dark = _variables(DARK_THEME, {state: style.dark for state, style in STATE_STYLES.items()})
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
