"""What a monitor does, in words; and when these are told anew."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asana_jobs_pd._widget.status import (
    Clock,
    Snapshot,
    budget_words,
    clock_of,
    notice_of,
)

WATCHING = Snapshot("watching", 3, 2, {"in_progress": 2, "succeeded": 1}, next_check=12.0)


@pytest.mark.parametrize(
    ("now", "title", "words"),
    [
        (WATCHING, "", ""),
        (replace(WATCHING, counts={"unknown": 3}), "Asking for the first time", ""),
        (replace(WATCHING, pace="Each job is asked about every 6 min."), "", "every 6 min"),
        (replace(WATCHING, last_error="500 Oops"), "", "500 Oops. Nothing is lost"),
        (replace(WATCHING, state="paused"), "Paused", ""),
        (replace(WATCHING, state="no_network", last_error="No answer."), "No answer", "Nothing is"),
        (replace(WATCHING, state="rate_limited"), "Asana asks for a pause", "429 Too Many"),
        (replace(WATCHING, state="unauthorized", last_error="Set it."), "No token", "Set it. Then"),
        (
            replace(WATCHING, state="unauthorized", last_error="401", refused=True),
            "The token is not accepted",
            "401",
        ),
        (replace(WATCHING, state="stopped"), "Cancelled", ""),
        (Snapshot("done", 3, 0, {"succeeded": 3}), "All succeeded", ""),
        (Snapshot("done", 3, 0, {"succeeded": 2, "failed": 1}), "All finished", ""),
        (Snapshot("done"), "Nothing to watch", "no jobs"),
    ],
)
def test_every_state_has_its_words(now, title, words):
    """A few words, and what they mean where that is not plain."""
    notice = notice_of(now)
    assert notice.title.startswith(title)
    assert bool(notice.title) == bool(title)
    assert words in notice.text
    assert bool(notice.text) == bool(words)


def test_words_of_errors_hold_no_secret():
    """Whatever an error says, a token or a signature in it is masked."""
    error = "Bearer 1/234:0123456789abcdef0123456789abcdef https://x/y?X-Amz-Signature=abc"
    said = notice_of(replace(WATCHING, last_error=error)).text
    assert "0123456789abcdef" not in said
    assert "Signature=abc" not in said


@given(st.floats(2, 89), st.lists(st.floats(0.01, 3), max_size=30))
def test_the_passing_of_time_alone_tells_nothing(wait, steps):
    """Between two checks the browser counts down by itself."""
    told = clock_of(replace(WATCHING, next_check=wait), 100.0, Clock())
    assert told.due == 100.0 + wait
    at = 100.0
    for step in steps:
        at += step
        left = 100.0 + wait - at
        if left < -1.4:
            break
        assert clock_of(replace(WATCHING, next_check=max(0.0, left)), at, told) is told


def test_a_check_that_was_made_is_told():
    """The next one is due at another time."""
    told = clock_of(WATCHING, 100.0, Clock())
    new = clock_of(replace(WATCHING, next_check=15.0), 112.0, told)
    assert (new.due, new.seconds, new.words) == (127.0, 15, "next check")


def test_checks_that_never_cease_are_told_once():
    """With many jobs one is always due."""
    busy = replace(WATCHING, next_check=0.3, allowed=1500)
    told = clock_of(busy, 0.0, Clock())
    assert (told.words, told.due) == ("checking now", None)
    assert all(clock_of(replace(busy, used=n), n, told) is told for n in range(30))
    assert clock_of(replace(busy, used=31), 31, told).used == 31


def test_what_has_ended_counts_nothing():
    """No countdown, and the figure is the last one."""
    ended = clock_of(Snapshot("done", used=7, allowed=1500), 5.0, Clock("next check", 9.0, 4, 6))
    assert ended == Clock(used=7)
    assert clock_of(replace(WATCHING, next_check=300.0), 0.0, Clock()).words.endswith("5 min")


def test_budgets():
    """With a limit and without; nothing where nothing was sent."""
    assert budget_words(96, 1500) == "96 of 1,500 requests"
    assert budget_words(1, None) == "1 request in the last minute"
    assert budget_words(0, None) == ""
