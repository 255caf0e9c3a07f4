"""The budget holds against a strict server, simulated event by event in fake time."""

import heapq
import itertools
import math
import random
from collections import Counter, deque
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asana_jobs_pd._http.rate_limit import Budget
from asana_jobs_pd._http.retry import backoff

WINDOW = 60.0


@dataclass
class Strict:
    """A server that counts every request that arrives in a sliding window, rejected ones too."""

    limit: int
    most: int = 0
    times: deque = field(default_factory=deque)

    def arrive(self, now):
        """Return None, or the seconds until there is room if nothing else comes."""
        while self.times and self.times[0] <= now - WINDOW:
            self.times.popleft()
        self.times.append(now)
        self.most = max(self.most, len(self.times))
        if len(self.times) <= self.limit:
            return None
        return max(1, math.ceil(self.times[-self.limit] + WINDOW - now))


@dataclass
class Run:
    """Many jobs, read through one budget from one server, and the results."""

    budget: Budget
    server: Strict
    jobs: int
    latency: tuple[float, float]
    seed: int
    hints: bool = True
    seconds: float = 0.0
    rejected: Counter = field(default_factory=Counter)
    most_in_flight: int = 0

    def __post_init__(self):
        self.chance = random.Random(self.seed)
        self.events = []
        self.left = self.jobs
        self.done = self.number = self.in_flight = 0
        while self.done < self.jobs:
            self._start_what_may()
            delay = self.budget.delay(self.seconds) if self.left else math.inf
            if self.events and self.events[0][0] <= self.seconds + delay:
                self.seconds, _, happens, *details = heapq.heappop(self.events)
                happens(*details)
            else:
                assert delay < math.inf, "nothing is under way and nothing may start"
                self.seconds += max(delay, 1e-9)

    def _start_what_may(self):
        while self.left and self.budget.delay(self.seconds) <= 0:
            self.budget.start()
            self.left -= 1
            self.in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self.in_flight)
            self._later(self._arrive, self.seconds)

    def _later(self, happens, *details):
        self.number += 1
        # The way there and the way back: an arrival is never after its response.
        at = self.seconds + self.chance.uniform(*self.latency) / 2
        heapq.heappush(self.events, (at, self.number, happens, *details))

    def _arrive(self, started):
        self._later(self._respond, started, self.server.arrive(self.seconds))

    def _respond(self, started, hint):
        self.in_flight -= 1
        self.budget.end(self.seconds, accepted=hint is None)
        if hint is None:
            self.done += 1
            return
        self.left += 1
        wait = hint if self.hints else backoff(3, self.chance.random())
        self.budget.close(self.seconds, wait, started=started)
        self.rejected[self.budget.closings] += 1


latencies = st.tuples(st.floats(0.001, 2), st.floats(0, 8)).map(lambda both: (both[0], sum(both)))


@settings(max_examples=150, deadline=None)
@given(
    limit=st.integers(1, 150),
    max_in_flight=st.integers(1, 50),
    windows=st.floats(0.1, 4.9),
    latency=latencies,
    seed=st.integers(0, 10**6),
)
def test_with_the_right_limit_nothing_is_rejected(limit, max_in_flight, windows, latency, seed):
    """Whatever the latencies, the server never counts more than its limit in any window."""
    jobs = max(1, int(limit * windows))
    run = Run(Budget(limit, WINDOW, max_in_flight), Strict(limit), jobs, latency, seed)
    assert not run.rejected
    assert run.server.most <= limit
    assert run.most_in_flight <= max_in_flight
    # A window's worth of requests takes its window, and one more latency; in turns when few fly.
    rounds = math.ceil(jobs / limit)
    turns = math.ceil(min(jobs, limit) / max_in_flight)
    assert run.seconds <= (rounds - 1) * WINDOW + rounds * (turns + 1) * (latency[1] + 1e-3)
    assert run.seconds >= (rounds - 1) * WINDOW


def test_a_whole_window_goes_out_at_once():
    """A burst up to the limit is not slowed down: 1,500 jobs need no waiting at all."""
    run = Run(Budget(1500, WINDOW, 50), Strict(1500), 1500, (0.1, 0.1), 0)
    assert run.seconds == pytest.approx(30 * 0.1)


@pytest.mark.parametrize("hints", [True, False], ids=["with Retry-After", "without"])
@settings(max_examples=15, deadline=None)
@given(latency=st.tuples(st.floats(0.001, 0.5), st.floats(0, 2)), seed=st.integers(0, 10**6))
def test_a_limit_ten_times_too_high_is_learned(hints, latency, seed):
    """4,500 jobs against 150 a minute: all come, with few closings and few rejections in each.

    It takes at most twice the 29 minutes that it would if the limit had been known.
    """
    budget = Budget(1500, WINDOW, 50)
    latency = (latency[0], sum(latency))
    run = Run(budget, Strict(150), 4500, latency, seed, hints)
    assert run.done == 4500
    assert budget.closings <= 5
    assert max(run.rejected.values()) <= 50
    assert run.seconds <= 2 * 29 * WINDOW


@pytest.mark.parametrize(
    ("limit", "seed", "latency", "max_in_flight", "hints"),
    [
        (100, 2, (0.01, 0.11), 5, False),
        (100, 95, (0.01, 0.02), 20, False),
        (140, 254, (1, 2), 20, True),
        (140, 392, (0.05, 0.15), 20, True),
        (100, 37, (0.2, 0.3), 5, False),
    ],
)
def test_the_learned_budget_is_not_one_too_many(limit, seed, latency, max_in_flight, hints):
    """After one closing the new budget fits: there is no second one.

    A window may count a few more responses than the server's own.
    """
    budget = Budget(1500, WINDOW, max_in_flight)
    closed_at = []
    original = budget.close

    def close(now, wait, *, started):
        before = budget.closings
        original(now, wait, started=started)
        closed_at.extend([now] * (budget.closings - before))

    budget.close = close
    Run(budget, Strict(limit), 20 * limit, latency, seed, hints)
    pauses = [later - earlier for earlier, later in itertools.pairwise(closed_at)]
    assert len(closed_at) > 2
    assert min(pauses) > WINDOW


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 10**6), hints=st.booleans())
def test_without_a_limit_of_our_own_the_gate_alone_brings_all_in(seed, hints):
    """Without a limit the server's 429s are still obeyed.

    Everything arrives, after as many closings as it takes.
    """
    budget = Budget(None, WINDOW, 20)
    run = Run(budget, Strict(100), 500, (0.1, 0.3), seed, hints)
    assert run.done == 500
    assert budget.allowed == budget.limit == math.inf
    assert max(run.rejected.values()) <= 20
    assert run.seconds <= 2 * 4 * WINDOW


def test_a_slot_frees_one_window_after_its_response():
    """A request that took long holds its place from its start until its response and a window."""
    budget = Budget(1, WINDOW, 5)
    budget.start()
    assert budget.delay(100) == math.inf
    budget.end(150, accepted=True)
    assert budget.delay(150) == WINDOW
    assert budget.used(209.9) == 1
    assert budget.delay(210) == 0
    assert budget.used(210) == 0


def test_full_and_under_way_waits_for_a_response():
    """When all slots are held by requests in flight, only a response can free one."""
    budget = Budget(2, WINDOW, 5)
    budget.start()
    budget.start()
    assert budget.delay(0) == math.inf
    budget.end(1, accepted=True)
    assert budget.delay(1) == WINDOW


def test_in_flight_is_bounded():
    """One request more than allowed waits for a response."""
    budget = Budget(None, WINDOW, 2)
    budget.start()
    assert budget.delay(0) == 0
    budget.start()
    assert budget.delay(0) == math.inf
    budget.end(0, accepted=True)
    assert budget.delay(0) == 0


def test_a_429_closes_the_gate_for_all_and_one_tries_it():
    """Nothing starts until the gate opens; then one alone, and all after its success."""
    budget = Budget(None, WINDOW, 10)
    budget.start()
    budget.end(5, accepted=False)
    budget.close(5, 30, started=4)
    assert budget.delay(5) == 30
    assert budget.delay(34) == 1
    assert budget.delay(35) == 0
    budget.start()
    assert budget.delay(35) == math.inf
    budget.end(36, accepted=False)
    budget.close(36, 7, started=35)
    assert budget.delay(36) == 7
    assert budget.closings == 2


def test_stragglers_belong_to_the_closing_they_caused():
    """Fifty rejections of one burst close the gate once; the longest wait counts."""
    budget = Budget(1000, WINDOW, 50)
    for _ in range(50):
        budget.start()
    for late in range(50):
        budget.end(10 + late / 100, accepted=False)
        budget.close(10 + late / 100, 5 + late, started=9.0)
    assert budget.closings == 1
    assert budget.opens_at == 10.49 + 54
    assert budget.allowed == 50


def test_requests_that_start_in_the_instant_of_a_closing_belong_to_it():
    """Clocks are coarse: a response and a start may have the same time, and the gate closed then.

    Under a constant latency that is the rule, and each straggler would halve the budget again.
    """
    budget = Budget(1500, WINDOW, 50)
    for started, ended in ((0.0, 0.2), (0.2, 0.4)):
        budget.start()
        budget.end(ended, accepted=False)
        budget.close(ended, 0.1, started=started)
    assert budget.closings == 1
    assert budget.opens_at == 0.5


def test_the_budget_comes_back_step_by_step_and_more_slowly_after_each_failure():
    """A tenth of the limit at a time: after two windows, and after four when that failed."""
    budget = Budget(100, WINDOW, 100)
    for _ in range(64):
        budget.start()
        budget.end(0, accepted=True)
    budget.close(1, 1, started=0)
    assert budget.allowed == 50
    budget.delay(2 + 2 * WINDOW - 1)
    assert budget.allowed == 50
    at = 2 + 2 * WINDOW
    budget.delay(at)
    assert budget.allowed == 60
    for _ in range(32):
        budget.start()
        budget.end(at, accepted=True)
    budget.close(at, 1, started=at)
    assert budget.allowed == 30
    budget.delay(at + 1 + 4 * WINDOW - 1)
    assert budget.allowed == 30
    for step in range(7):
        budget.delay(at + 1 + (4 + 4 * step) * WINDOW)
    assert budget.allowed == 100
    budget.close(at + 100 * WINDOW, 1, started=at + 100 * WINDOW)
    budget.delay(at + 102 * WINDOW + 1)
    assert budget.allowed == 5 + 10, "patience began anew once all had come back"


@given(st.integers(1, 2000), st.integers(0, 3000))
def test_something_is_always_allowed(limit, rejections):
    """However often the server rejects, a twentieth of the limit remains, at least one request."""
    budget = Budget(limit, WINDOW, 50)
    for at in range(min(rejections, 40)):
        budget.start()
        budget.end(at, accepted=False)
        budget.close(at, 0.1, started=at)
    assert max(1, limit // 20) <= budget.allowed <= limit


def test_refusals_are_counted_until_one_is_accepted():
    """How often the gate closed in a row: the wait grows with it when the server gives none."""
    budget = Budget(None, WINDOW, 50)
    for times in range(1, 4):
        budget.start()
        budget.end(times, accepted=False)
        budget.close(times, 0.5, started=times - 0.1)
        assert budget.refusals == times
    budget.start()
    budget.end(5, accepted=True)
    assert budget.refusals == 0


def test_another_program_on_the_token_does_not_stop_us():
    """A 429 with nothing of our own in the window leaves a twentieth of the limit."""
    budget = Budget(1500, WINDOW, 50)
    budget.start()
    budget.end(1, accepted=False)
    budget.close(1, 30, started=0)
    assert budget.allowed == 75


def test_new_limits_take_effect_and_the_past_stays_on_the_account():
    """A new limit counts what was sent; the same limit again keeps what a 429 taught."""
    budget = Budget(10, WINDOW, 5)
    for _ in range(4):
        budget.start()
        budget.end(0, accepted=True)
    budget.configure(4, 1)
    assert budget.delay(1) == WINDOW - 1
    assert budget.max_in_flight == 1
    budget.close(1, 0, started=0)
    learned = budget.allowed
    assert learned < 4
    budget.configure(4, 2)
    assert budget.allowed == learned
    budget.configure(None, 2)
    assert budget.allowed == math.inf


def test_without_a_limit_the_account_does_not_grow():
    """What left the window is forgotten even when nothing is limited."""
    budget = Budget(None, WINDOW, 1)
    for at in range(1000):
        budget.start()
        budget.end(at, accepted=True)
    assert budget.used(1000) <= WINDOW
