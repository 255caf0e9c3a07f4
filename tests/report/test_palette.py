"""Colours, marks and words of states."""

from __future__ import annotations

import pytest

from asana_jobs_pd._palette import (
    DARK_GROUNDS,
    LIGHT_GROUNDS,
    LOOKS,
    contrast,
    is_dark,
    kind_words,
    look_of,
    ordered_states,
)


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
def test_text_in_each_colour_can_be_read(look):
    """A contrast of 4.5 and more on every ground of its theme."""
    for ground in LIGHT_GROUNDS:
        assert contrast(look.colour(dark=False), ground) >= 4.5
    for ground in DARK_GROUNDS:
        assert contrast(look.colour(dark=True), ground) >= 4.5


def test_no_two_states_look_alike():
    """Colour, mark and word are each of one state."""
    for part in ("word", "mark", "light", "dark"):
        assert len({getattr(look, part) for look in LOOKS.values()}) == len(LOOKS)
    assert all(len(look.mark) == 1 for look in LOOKS.values())


def test_contrast_is_that_of_wcag():
    """Known values: black on white 21, a colour on itself 1, #767676 on white just 4.5."""
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#777777") == pytest.approx(1)
    assert (
        contrast("#767676", "#ffffff")
        == contrast("#ffffff", "#767676")
        == pytest.approx(4.54, abs=0.01)
    )


def test_a_ground_is_dark_or_light():
    """By what can be read on it."""
    assert all(is_dark(ground) for ground in DARK_GROUNDS)
    assert not any(is_dark(ground) for ground in LIGHT_GROUNDS)


def test_a_status_that_is_not_known_yet_has_a_look():
    """It is told by its own name, as a line of text, and comes last."""
    assert look_of("on_hold").word == "on hold"
    assert look_of("a\x1b\nb").word == "a b"
    assert look_of("").word == "unknown"
    assert ordered_states(["zz", "failed", "aa", "succeeded", "failed"]) == [
        "succeeded", "failed", "aa", "zz"
    ]  # fmt: skip


def test_kinds_are_told_as_people_say_them():
    """Exports by what they export, others without underscores."""
    assert kind_words("graph_export_request") == "graph export"
    assert kind_words("export_request") == "resource export"
    assert kind_words("duplicate_task") == "duplicate task"
    assert kind_words("") == "unknown kind"
