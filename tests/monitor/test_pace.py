"""How many polls a second the budget carries, for all monitors of a token together."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asana_jobs_pd._http.rate_limit import Limiter
from asana_jobs_pd._monitor.schedule import Schedule, slow_rate_text


def schedule_of(jobs, limiter):
    schedule = Schedule(0.0)
    schedule.add([str(number) for number in range(jobs)], 0.0)
    schedule.share(limiter, 0.0)
    return schedule


def rate_of(schedule, limiter):
    schedule.share(limiter, 0.0)
    return schedule.rate


@pytest.mark.parametrize(("limit", "rate"), [(1500, 20), (150, 2), (60, 0.8), (None, 25)])
def test_polls_have_four_fifths_of_the_budget(limit, rate):
    """The rest is for reads in the foreground; without a limit, a processor is spared."""
    limiter = Limiter(limit, 50)
    assert rate_of(schedule_of(3, limiter), limiter) == pytest.approx(rate)


@given(st.lists(st.integers(1, 300), min_size=1, max_size=5))
def test_monitors_share_by_demand(sizes):
    """However many there are, together they have what one would have; others are not counted."""
    limiter, other = Limiter(1500, 50), Limiter(1500, 50)
    schedules = [schedule_of(size, limiter) for size in sizes]
    alone = schedule_of(5, other)
    rates = [rate_of(schedule, limiter) for schedule in schedules]
    assert sum(rates) == pytest.approx(20)
    for size, rate in zip(sizes, rates, strict=True):
        assert rate == pytest.approx(20 * size / sum(sizes))
    assert rate_of(alone, other) == pytest.approx(20)
    for schedule in schedules[1:]:
        schedule.leave()
    assert rate_of(schedules[0], limiter) == pytest.approx(20)


def test_a_budget_that_a_429_has_cut_is_what_counts():
    """The pace follows what the server accepts."""
    limiter = Limiter(1500, 50)
    schedule = schedule_of(10_000, limiter)
    limiter.budget.allowed = 150
    assert rate_of(schedule, limiter) == pytest.approx(2)


def test_words_are_there_only_when_the_budget_is_short():
    """They say how often each job is polled, and why."""
    limiter = Limiter(1500, 50)
    many, few = schedule_of(10_000, limiter), schedule_of(3, Limiter(1500, 50))
    assert slow_rate_text(many, limiter) == (
        "Each job is checked about every 8 min 20 s: 10,000 jobs share a limit of 1,500 requests "
        "per minute."
    )
    assert slow_rate_text(few, limiter) == ""
    free = Limiter(None, 50)
    many.share(free, 0.0)
    assert "a limit of 25 requests per second" in slow_rate_text(many, free)
