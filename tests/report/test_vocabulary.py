"""Labels, marks and colors of states, and labels of kinds."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from made import record

import asana_jobs_pd as aj
from asana_jobs_pd._vocabulary import (
    DARK_THEME,
    LIGHT_THEME,
    STATE_STYLES,
    asana_url,
    contrast,
    is_dark,
    kind_label,
    ordered_states,
    state_label,
    states_of,
)

GROUNDS = ("bg", "soft", "hover")
LIGHT_GROUNDS = [LIGHT_THEME[name] for name in GROUNDS]
DARK_GROUNDS = ["#000000", *(DARK_THEME[name] for name in GROUNDS)]


@pytest.mark.parametrize("style", STATE_STYLES.values(), ids=STATE_STYLES)
def test_every_color_is_legible(style):
    """The contrast is at least 4.5 on every background of its theme."""
    for background in LIGHT_GROUNDS:
        assert contrast(style.color(dark=False), background) >= 4.5
    for background in DARK_GROUNDS:
        assert contrast(style.color(dark=True), background) >= 4.5


def test_no_two_states_look_alike():
    """Colors, marks and labels are unique."""
    for part in ("label", "mark", "light", "dark"):
        assert len({getattr(style, part) for style in STATE_STYLES.values()}) == len(STATE_STYLES)
    assert all(len(style.mark) == 1 for style in STATE_STYLES.values())


def test_contrast_is_that_of_wcag():
    """Known values: black on white 21, a color on itself 1, #767676 on white just 4.5."""
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#777777") == pytest.approx(1)
    assert (
        contrast("#767676", "#ffffff")
        == contrast("#ffffff", "#767676")
        == pytest.approx(4.54, abs=0.01)
    )


def test_backgrounds_are_dark_or_light():
    """By what is legible on them."""
    assert all(map(is_dark, DARK_GROUNDS))
    assert not any(map(is_dark, LIGHT_GROUNDS))


def test_a_new_status_is_labeled_with_its_name():
    """As one line of text, and it comes last."""
    assert state_label("on_hold") == "on hold"
    assert state_label("a\x1b\nb") == "a b"
    assert state_label("") == "unknown"
    assert ordered_states(["zz", "failed", "aa", "succeeded", "failed"]) == [
        "succeeded", "failed", "aa", "zz"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("kinds", "label"),
    [
        (["graph_export_request", "graph_export", "graph"], "graph export"),
        (["export_request", "resource_export", "resource"], "resource export"),
        (["duplicate_task"], "duplicate task"),
        ([""], "unknown kind"),
    ],
)
def test_a_kind_has_one_label(kinds, label):
    """Whether it is a resource_subtype, a kind in results() or a file.kind."""
    assert {kind_label(kind) for kind in kinds} == {label}


def test_the_documentation_has_every_state_and_kind():
    """docs/columns.md lists the labels of all states, and of the kinds of exports."""
    text = (Path(__file__).parents[2] / "docs" / "columns.md").read_text(encoding="utf-8")
    for style in STATE_STYLES.values():
        assert f"| `{style.state}` | {style.label} | {style.mark} |" in text
    for kind in ("graph_export_request", "export_request"):
        assert f"| `{kind}` | " in text
        assert f"| {kind_label(kind)} |" in text


def test_states_explain_a_missing_status():
    """Errors: unreadable; not read: unknown; a new status under its own name."""
    known = [record(1, "queued"), record(2, "in_progress")]
    jobs = aj.asana_jobs_from_records([*known, *({"gid": str(gid)} for gid in range(3, 7))])
    jobs["error.status"] = pd.array([pd.NA, 404, 403, 500, pd.NA, pd.NA], "Int16")
    jobs["error.kind"] = pd.array([pd.NA, "http", "http", "http", "timeout", pd.NA], "string")
    assert list(states_of(jobs)) == [
        "queued", "unreadable", "unreadable", "unreadable", "unreadable", "unknown"
    ]  # fmt: skip


def test_jobs_that_were_never_started_have_the_state_of_their_request():
    """They are not unreadable: there is no job to read."""
    sources = ["refused", "not_sent", "unknown", "started"]
    jobs = pd.DataFrame({"gid": [None, None, None, "1"], "source.state": sources})
    assert list(states_of(jobs)) == ["refused", "not_sent", "unreadable", "unknown"]


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("task", "0/0/12"),
        ("project", "0/12/list"),
        ("portfolio", "0/portfolio/12/list"),
        ("project_template", "0/project-templates/12/list"),
        ("task_template", "0/0/12"),
    ],
)
def test_created_objects_have_a_page(kind, path):
    """The link of each kind, as Asana's web app has it."""
    assert asana_url(kind, "12") == f"https://app.asana.com/{path}"
