"""What the widget says about its monitor, and when that changes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made import Watched

from asana_jobs_pd._widget.status import (
    format_budget,
    is_news,
    notice_of,
    status_message,
)

JOBS = dict.fromkeys("123")
WATCHING = Watched("watching", JOBS, {"in_progress": 2, "succeeded": 1}, next_check=12.0)


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
            replace(
                WATCHING,
                state="unauthorized",
                last_error="401. Asana's help: Docs.",
                refused=ValueError(),
            ),
            "Token rejected",
            "401. Then press Try again.",
        ),
        (replace(WATCHING, state="stopped"), "Stopped", ""),
        (Watched("done", JOBS, {"succeeded": 3}), "All succeeded", ""),
        (Watched("done", JOBS, {"succeeded": 2, "failed": 1}), "All finished", ""),
        (Watched("done"), "No jobs", "no jobs"),
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
    """Whatever an error says, tokens and signatures in it are masked."""
    error = "Bearer 1/234:0123456789abcdef0123456789abcdef https://x/y?X-Amz-Signature=abc"
    text = notice_of(replace(WATCHING, last_error=error)).text
    assert "0123456789abcdef" not in text
    assert "Signature=abc" not in text


@given(st.floats(2, 900), st.lists(st.floats(0.01, 3), max_size=30))
def test_the_passing_of_time_alone_is_no_news(wait, steps):
    """Between two checks the browser counts down by itself."""
    shown = status_message(replace(WATCHING, next_check=wait), 100.0)
    assert shown["due"] == pytest.approx(100.0 + wait, abs=0.1) or wait <= 1.5
    at = 100.0
    for step in steps:
        at += step
        left = max(0.0, 100.0 + wait - at)
        new = status_message(replace(WATCHING, next_check=left), at)
        assert not is_news(new, shown, 1500, at)


def test_a_completed_check_is_news():
    """The next one is due at another time."""
    shown = status_message(WATCHING, 100.0)
    new = status_message(replace(WATCHING, next_check=15.0), 112.0)
    assert new["due"] == 127.0
    assert is_news(new, shown, 1500, 112.0)


def test_a_check_that_comes_early_is_news():
    """Otherwise the page would continue its countdown."""
    shown = status_message(replace(WATCHING, next_check=40.0), 100.0)
    assert is_news(status_message(replace(WATCHING, next_check=0.0), 101.0), shown, 1500, 101.0)


def test_small_changes_of_a_status_are_not_sent():
    """With many jobs one is always due; the budget is reported in steps of a fiftieth."""
    busy = replace(WATCHING, next_check=0.3, requests_allowed=1500)
    shown = status_message(busy, 0.0)
    assert shown["due"] == 0.0
    for used in range(32):
        new = status_message(replace(busy, requests_used=used), used)
        assert is_news(new, shown, 1500, used) == (used == 31)


@pytest.mark.parametrize("state", ["done", "stopped", "paused", "idle", "unauthorized"])
def test_nothing_is_due_when_nothing_is_polled(state):
    """The request count is the last one."""
    message = status_message(
        replace(WATCHING, state=state, requests_used=7, requests_allowed=1500), 5.0
    )
    assert message["due"] is None
    assert message["budget"] == "7 of 1,500 requests per minute"


def test_budgets():
    """With a limit and without; nothing if nothing was sent."""
    assert format_budget(96, 1500) == "96 of 1,500 requests per minute"
    assert format_budget(1, None) == "1 request in the last minute"
    assert format_budget(0, None) == ""
