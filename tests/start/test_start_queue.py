"""Five at a time, in order, each once, whatever comes back and whenever."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asana_jobs_pd._start.queue import MAX_POLL_DELAY, MAX_RUNNING, MAX_UNCLEAR, StartQueue

ANSWERS = ("started", "refused", "later", "alone", "unknown", "undelivered", "withdrawn")


class World:
    """A server and a network that respond as scripted, in steps of time."""

    def __init__(self, queue, draw, answers):
        self.queue, self._draw, self._answers = queue, draw, answers
        self.now = 0.0
        self.sent = []
        self.taken = set()
        self.under_way = []
        self.ends = {}
        self.most = 0

    def step(self):
        while (item := self.queue.take(self.now)) is not None:
            assert item not in self.taken, "sent again, though it had been taken"
            self.sent.append(item)
            self.under_way.append(item)
        self.most = max(self.most, len(self.queue.running) + len(self.queue.sending))
        assert self.most <= MAX_RUNNING
        while (gid := self.queue.take_poll(self.now)) is not None:
            self.queue.polled(gid, self.now, finished=self.ends.get(gid, 0.0) <= self.now)
        if self.under_way:
            place = self._draw(st.integers(0, len(self.under_way) - 1))
            self._answer(self.under_way.pop(place))
        else:
            self.now += min(max(self.queue.wait(self.now), 0.01), 3600.0)

    def _answer(self, item):
        kind = self._draw(st.sampled_from(self._answers))
        queue = self.queue
        if kind == "started":
            self.taken.add(item)
            self.ends[str(item)] = self.now + self._draw(st.floats(0, 500))
            queue.started(item, str(item), self.now)
        elif kind == "refused":
            self.taken.add(item)
            queue.refused(item)
        elif kind == "withdrawn":
            queue.withdraw(item)
        elif kind in ("later", "alone"):
            wait = self._draw(st.none() | st.floats(0, 300))
            queue.later(item, self.now, wait=wait, alone=kind == "alone")
        else:
            self.taken.add(item)
            queue.unclear(item, self.now, sent=kind == "unknown")


def run(data, items, answers, steps=3000):
    world = World(StartQueue(items), data.draw, answers)
    for _ in range(steps):
        if world.queue.done:
            break
        world.step()
    return world


@settings(max_examples=25)
@given(st.data(), st.integers(0, 20), st.sets(st.sampled_from(ANSWERS), min_size=1))
def test_never_more_than_five_and_never_twice(data, items, answers):
    """At most five run or are sent, whatever the responses are.

    Nothing that may have arrived is sent again.
    """
    world = run(data, items, sorted(answers), steps=200)
    states = world.queue.close()
    assert len(states) == items
    assert set(states) <= {"started", "refused", "unknown", "not_sent"}
    for item, state in enumerate(states):
        assert (state == "started") == (str(item) in world.ends)
        assert state != "unknown" or item in world.sent


@settings(max_examples=25)
@given(st.data(), st.integers(0, 20))
def test_everyone_is_started_or_refused_in_the_end(data, items):
    """ "Later" and lost answers in between only delay it."""
    world = run(data, items, ("started", "started", "refused", "later", "alone"))
    assert world.queue.done
    assert set(world.queue.states) <= {"started", "refused"}
    assert not world.queue.gave_up


@settings(max_examples=25)
@given(st.data(), st.integers(0, 20))
def test_they_go_in_order(data, items):
    """The first sending of each is in the order of the items."""
    world = run(data, items, ("started", "refused", "later", "withdrawn"))
    first = list(dict.fromkeys(world.sent))
    assert first == sorted(first)


@pytest.mark.parametrize("sent", [True, False])
def test_doubts_make_it_careful_and_then_stop(sent):
    """Without clear answers one goes at a time, later and later; after three nothing goes."""
    queue, now = StartQueue(10), 0.0
    first = [queue.take(now) for _ in range(MAX_RUNNING)]
    assert queue.take(now) is None
    queue.unclear(first[0], now, sent=sent)
    for item in first[1:]:
        queue.withdraw(item)
    waits = []
    while not queue.done:
        wait = queue.wait(now)
        waits.append(wait)
        assert queue.take(now + wait - 0.001) is None
        now += wait
        item = queue.take(now)
        assert queue.take(now) is None, "one at a time"
        assert queue.wait(now) == math.inf, "until its answer is there"
        queue.unclear(item, now, sent=sent)
    assert waits == [2.0, 4.0]
    assert queue.gave_up
    assert queue.take(now + 1e6) is None
    word = "unknown" if sent else "not_sent"
    assert queue.close() == [word] * MAX_UNCLEAR + ["not_sent"] * 7


def test_a_clear_answer_takes_doubts_away():
    """After it, five go at a time again."""
    queue = StartQueue(10)
    queue.unclear(queue.take(0.0), 0.0, sent=True)
    queue.refused(queue.take(2.0))
    assert [queue.take(2.0) for _ in range(6)] == [2, 3, 4, 5, 6, None]


def test_later_holds_everybody_but_alone_only_itself():
    """A 429 concerns everybody; the limit of one workspace does not."""
    queue = StartQueue(3)
    queue.later(queue.take(0.0), 0.0, alone=True)
    assert [queue.take(0.0) for _ in range(3)] == [1, 2, None]
    assert queue.wait(0.0) == 5.0
    queue.later(1, 0.0, wait=30.0)
    assert queue.take(29.9) is None
    assert [queue.take(30.0), queue.take(30.0)] == [0, 1]


def test_an_end_makes_room_at_once():
    """After a 429 that named no time, the end of a job of ours ends the waiting."""
    queue = StartQueue(2)
    queue.started(queue.take(0.0), "a", 0.0)
    queue.later(queue.take(0.0), 0.0)
    assert queue.take(4.0) is None
    assert queue.take_poll(4.0) == "a"
    queue.polled("a", 4.0, finished=True)
    assert queue.take(4.0) == 1


def test_waits_grow_up_to_a_minute():
    """5 s, 10 s, 20 s, …; a start resets them."""
    queue, now, waits = StartQueue(2), 0.0, []
    for _ in range(6):
        item = queue.take(now)
        queue.later(item, now)
        waits.append(queue.wait(now))
        now += waits[-1]
    assert waits == [5.0, 10.0, 20.0, 40.0, 60.0, 60.0]
    queue.started(queue.take(now), "a", now)
    queue.later(queue.take(now), now)
    assert queue._hold_until == now + 5.0


def test_jobs_are_asked_for_only_while_somebody_waits():
    """One at a time, less and less often."""
    queue = StartQueue(MAX_RUNNING + 1)
    for item in range(MAX_RUNNING):
        assert queue.take(0.0) == item
        queue.started(item, str(item), 0.0)
    assert queue.wait(0.0) == 2.0
    assert queue.take_poll(1.9) is None
    assert queue.take_poll(2.0) == "0"
    now, waits = 2.0, []
    for _ in range(12):
        queue.polled("0", now, finished=False)
        waits.append(queue.running["0"].poll_at - now)
        now += waits[-1]
        while queue.take_poll(now) not in ("0", None):
            pass
    assert waits == sorted(waits)
    assert waits[-1] == MAX_POLL_DELAY
    queue.polled("0", now, finished=True)
    assert queue.take(now) == MAX_RUNNING
    assert queue.take_poll(now + 1000) is None, "nobody waits any more"


def test_jobs_of_earlier_calls_count():
    """A job that already runs takes a place and is polled at once."""
    queue = StartQueue(3, running=["x", "y", "z"])
    assert [queue.take(0.0) for _ in range(3)] == [0, 1, None]
    assert {queue.take_poll(0.0) for _ in range(3)} == {"x", "y", "z"}
    queue.polled("y", 0.0, finished=True)
    assert queue.take(0.0) == 2
    assert set(queue.running) == {"x", "z"}


def test_requests_in_flight_at_the_end_are_unknown():
    """Whether it arrived cannot be known."""
    queue = StartQueue(7)
    for _ in range(5):
        queue.take(0.0)
    queue.refused(0)
    queue.withdraw(1)
    assert queue.close() == ["refused", "not_sent", *["unknown"] * 3, "not_sent", "not_sent"]
