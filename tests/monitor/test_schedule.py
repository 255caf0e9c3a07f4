"""When which job is polled next."""

from __future__ import annotations

import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asana_jobs_pd._monitor.schedule import (
    MAX_DELAY,
    MIN_DELAY,
    NetworkBackoff,
    Schedule,
    delay_for,
)

ages = st.floats(0, 1e7)
chances = st.floats(0, 1)


@given(ages, chances)
def test_a_delay_is_between_2_and_60_seconds(age, chance):
    """Whatever the age."""
    assert MIN_DELAY <= delay_for(age, chance) <= MAX_DELAY


@given(ages, ages, chances)
def test_delays_grow_with_age(one, other, chance):
    """A young job is asked for more often than an old one."""
    young, old = sorted((one, other))
    assert delay_for(young, chance) <= delay_for(old, chance)


@given(ages)
def test_chance_makes_a_delay_longer_by_up_to_a_quarter(age):
    """So that jobs of the same age are not polled all at once."""
    assert delay_for(age, 1) == pytest.approx(1.25 * delay_for(age, 0))


def run(schedule, seconds, *, step=0.25, now=0.0, alter=lambda gid, now: False):
    """Take what is due as time passes, and put it back; return what was taken when."""
    taken, end = [], now + seconds
    while now < end:
        while (gid := schedule.take(now)) is not None:
            taken.append((now, gid))
            schedule.put_back(gid, now, changed=alter(gid, now))
        now += step
    return taken


def test_one_job_is_asked_for_more_and_more_rarely():
    """After 2 s, then after a quarter of its age, at last every 48 to 60 s."""
    schedule = Schedule(0.0, chance=lambda: 0.0)
    schedule.add(["1"], 0.0)
    times = [at for at, _ in run(schedule, 600)]
    gaps = [b - a for a, b in zip([0.0, *times], times, strict=False)]
    assert times[0] == MIN_DELAY
    assert gaps == sorted(gaps)
    assert gaps[-1] == 48
    assert 15 < len(times) < 30


def test_a_change_starts_the_delays_anew():
    """What has just started to run may end soon."""
    schedule = Schedule(0.0, chance=lambda: 0.0)
    schedule.add(["1"], 0.0)
    run(schedule, 400)
    schedule.make_all_due(400.0)
    assert schedule.take(400.0) == "1"
    schedule.put_back("1", 400.0, changed=True)
    assert schedule.wait(400.0) == pytest.approx(MIN_DELAY)


@given(st.integers(1, 60), st.floats(0.05, 5), st.integers(0, 2**32))
def test_the_rate_is_kept_in_the_long_run(jobs, rate, seed):
    """However many jobs there are, and whatever the jitter is."""
    import random

    schedule = Schedule(0.0, rate=rate, chance=random.Random(seed).random)
    schedule.add([str(number) for number in range(jobs)], 0.0)
    seconds = 240
    # Jobs of one age keep together for a while: a round may come early, no more.
    assert len(run(schedule, seconds)) <= rate * seconds * 1.1 + jobs + 1


@given(st.integers(1, 60), st.floats(0.05, 5))
def test_nobody_starves(jobs, rate):
    """Each job is polled within three rounds of the allowed rate, however old it is."""
    schedule = Schedule(0.0, rate=rate, chance=lambda: 0.5)
    gids = [str(number) for number in range(jobs)]
    schedule.add(gids, 0.0)
    seconds = 3 * max(MAX_DELAY, jobs / rate) + 10
    counts = Counter(gid for _, gid in run(schedule, seconds))
    assert min(counts[gid] for gid in gids) >= 1


def test_the_young_are_asked_for_more_often_when_the_budget_is_short():
    """All delays stretch by one factor, so that their proportions stay."""
    schedule = Schedule(0.0, rate=1.0, chance=lambda: 0.0)
    schedule.add([f"old{number}" for number in range(100)], 0.0)
    run(schedule, 1500)
    schedule.add(["young"], 1500.0)
    taken = run(schedule, 300, now=1500.0, alter=lambda gid, now: gid == "young")
    counts = Counter(gid for _, gid in taken)
    assert counts["young"] >= 5 * max(counts[gid] for gid in counts if gid != "young")


def test_jobs_that_end_speed_up_the_rest_at_once():
    """A thousand jobs stretch the delays; when all but one end, it is not kept waiting."""
    schedule = Schedule(0.0, rate=1.0, chance=lambda: 0.0)
    schedule.add([str(number) for number in range(1000)], 0.0)
    assert schedule.stretch == pytest.approx(500)
    assert schedule.interval == pytest.approx(1000)
    schedule.make_all_due(0.0)
    for _ in range(999):
        schedule.forget(schedule.take(0.0))
    schedule.put_back(schedule.take(0.0), 0.0)
    assert schedule.stretch == 1
    assert schedule.wait(0.0) == pytest.approx(MIN_DELAY)


def test_the_first_round_is_spread():
    """A hundred jobs do not come at the same instant."""
    schedule = Schedule(0.0)
    schedule.add([str(number) for number in range(100)], 0.0)
    times = [at for at, _ in run(schedule, MIN_DELAY + 0.01, step=0.02)][:100]
    assert len(set(times)) > 90
    assert [gid for _, gid in run(Schedule(0.0), 1)] == []


def test_the_urgent_come_first_and_at_once():
    """Jobs never read before do not wait, and keep their order."""
    schedule = Schedule(0.0)
    schedule.add(["a", "b"], 0.0)
    schedule.add(["c", "d"], 0.0, urgent=True)
    assert [schedule.take(0.0), schedule.take(0.0), schedule.take(0.0)] == ["c", "d", None]


def test_frozen_time_makes_nothing_due_but_what_is_urgent():
    """After a pause it continues where it was."""
    schedule = Schedule(0.0)
    schedule.add(["a"], 0.0)
    schedule.freeze(1.0, frozen=True)
    assert schedule.wait(100.0) is None
    assert schedule.take(100.0) is None
    schedule.freeze(100.0, frozen=False)
    assert schedule.wait(100.0) == pytest.approx(1.0)
    schedule.freeze(100.0, frozen=True)
    schedule.make_all_due(100.0)
    assert schedule.take(100.0) == "a"


@given(st.lists(st.tuples(st.sampled_from("tah"), st.floats(0, 90)), max_size=60))
def test_demand_is_what_is_in_the_schedule(steps):
    """The sum that is kept is the sum of the parts, whatever was done; each job is there once."""
    schedule, now, out = Schedule(0.0, rate=0.7), 0.0, []
    schedule.add(list("uvwxyz"), 0.0)
    for what, seconds in steps:
        now += seconds
        if what == "t" and (gid := schedule.take(now)):
            out.append(gid)
        elif what == "a" and out:
            schedule.put_back(out.pop(), now, changed=seconds > 45)
        elif what == "h":
            schedule.make_all_due(now)
        inside = [gid for *_, gid in schedule._heap]
        assert sorted([*inside, *out]) == list("uvwxyz")
        assert schedule._weight == sum(schedule._weights.values())
        assert set(schedule._weights) == set(inside)
        assert schedule.stretch == max(1.0, schedule.demand / 0.7)
        wait = schedule.wait(now)
        assert wait is None if not inside else 0 <= wait < math.inf


def test_polls_in_flight_when_an_outage_begins_count_once():
    """Otherwise 25 polls that fail together would end a short outage after a minute only."""
    outage = NetworkBackoff()
    for _ in range(25):
        outage.note(100.0, answered=False)
    assert outage.left(100.0) == 2
    outage.note(101.0, answered=False)
    assert outage.left(101.0) == 1


def test_an_outage_holds_back_longer_and_longer():
    """2 s, doubling up to 60 s; one response ends it."""
    outage, now, waits = NetworkBackoff(), 100.0, []
    for _ in range(7):
        outage.note(now, answered=False)
        waits.append(outage.left(now))
        now += outage.left(now)
    assert waits == [2, 4, 8, 16, 32, 60, 60]
    outage.skip(now)
    assert outage.left(now) == 0
    assert outage
    outage.note(now, answered=True)
    assert not outage
    assert outage.left(now) == 0
