"""What the widget says about its monitor, and when that changes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asana_jobs_pd._widget.status import (
    Clock,
    Snapshot,
    format_budget,
    next_clock,
    notice_of,
)

WATCHING = Snapshot("watching", 3, 2, {"in_progress": 2, "succeeded": 1}, next_check=12.0)


@pytest.mark.parametrize(
    ("now", "title", "words"),
    [
        (WATCHING, "", ""),
        (replace(WATCHING, counts={"unknown": 3}), "Fetching the jobs", ""),
        (replace(WATCHING, pace="Each job is asked about every 6 min."), "", "every 6 min"),
        (replace(WATCHING, last_error="500 Oops"), "", "500 Oops. Nothing is lost"),
        (
            replace(WATCHING, last_error="500 Oops. Read later; refresh() asks again."),
            "",
            "500 Oops. Nothing is lost",
        ),
        (replace(WATCHING, state="paused"), "Paused", ""),
        (
            replace(WATCHING, state="no_network", last_error="No answer."),
            "No response",
            "Nothing is",
        ),
        (replace(WATCHING, state="rate_limited"), "Rate limited", "429 Too Many"),
        (replace(WATCHING, state="unauthorized", last_error="Set it."), "No token", "Set it. Then"),
        (
            replace(WATCHING, state="unauthorized", last_error="401", refused=True),
            "Token rejected",
            "401",
        ),
        (replace(WATCHING, state="stopped"), "Stopped", ""),
        (Snapshot("done", 3, 0, {"succeeded": 3}), "All succeeded", ""),
        (Snapshot("done", 3, 0, {"succeeded": 2, "failed": 1}), "All finished", ""),
        (Snapshot("done"), "No jobs", "no jobs"),
    ],
)
def test_every_state_has_a_notice(now, title, words):
    """A few words, and what they mean where that is not obvious."""
    notice = notice_of(now)
    assert notice.title.startswith(title)
    assert bool(notice.title) == bool(title)
    assert words in notice.text
    assert bool(notice.text) == bool(words)


def test_notices_hold_no_secret():
    """Whatever an error says, a token or a signature in it is masked."""
    error = "Bearer 1/234:0123456789abcdef0123456789abcdef https://x/y?X-Amz-Signature=abc"
    text = notice_of(replace(WATCHING, last_error=error)).text
    assert "0123456789abcdef" not in text
    assert "Signature=abc" not in text


@given(st.floats(2, 89), st.lists(st.floats(0.01, 3), max_size=30))
def test_the_passing_of_time_alone_changes_nothing(wait, steps):
    """Between two checks the browser counts down by itself."""
    shown = next_clock(replace(WATCHING, next_check=wait), 100.0, Clock())
    assert shown.due == 100.0 + wait
    at = 100.0
    for step in steps:
        at += step
        left = 100.0 + wait - at
        if left < -1.4:
            break
        assert next_clock(replace(WATCHING, next_check=max(0.0, left)), at, shown) is shown


def test_a_completed_check_restarts_the_countdown():
    """The next one is due at another time."""
    shown = next_clock(WATCHING, 100.0, Clock())
    new = next_clock(replace(WATCHING, next_check=15.0), 112.0, shown)
    assert (new.due, new.seconds, new.text) == (127.0, 15, "next check")


def test_constant_checks_are_shown_once():
    """With many jobs one is always due."""
    busy = replace(WATCHING, next_check=0.3, allowed=1500)
    shown = next_clock(busy, 0.0, Clock())
    assert (shown.text, shown.due) == ("checking now", None)
    assert all(next_clock(replace(busy, used=n), n, shown) is shown for n in range(30))
    assert next_clock(replace(busy, used=31), 31, shown).used == 31


def test_an_ended_monitor_has_no_countdown():
    """The request count is the last one."""
    ended = next_clock(Snapshot("done", used=7, allowed=1500), 5.0, Clock("next check", 9.0, 4, 6))
    assert ended == Clock(used=7)
    assert next_clock(replace(WATCHING, next_check=300.0), 0.0, Clock()).text.endswith("5 min")


def test_budgets():
    """With a limit and without; nothing if nothing was sent."""
    assert format_budget(96, 1500) == "96 of 1,500 requests"
    assert format_budget(1, None) == "1 request in the last minute"
    assert format_budget(0, None) == ""
