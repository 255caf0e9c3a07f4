"""The queue is fair, the gate is shared, and nobody waits forever."""

import os
import threading
import time
import warnings

import pytest
from forked import in_child

from asana_jobs_pd._http.rate_limit import Cancelled, Limiter, limiter_for

from .conftest import Line, Now, eventually, waiting

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
forks = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")


@pytest.fixture
def never():
    return threading.Event()


def test_first_come_first_served(never):
    """Waiting threads get through in the order in which they came."""
    limiter = Limiter(None, 1)
    started = limiter.acquire(never)
    line = Line(limiter)
    names = [str(number) for number in range(8)]
    for name in names:
        line.join(name)
    limiter.release(started)
    line.end()
    assert line.order == names


def test_readers_go_before_polls(never):
    """A monitor's polls wait for all readers, even those that came later."""
    limiter = Limiter(None, 1)
    started = limiter.acquire(never)
    line = Line(limiter)
    for name, background in (("p1", True), ("r1", False), ("p2", True), ("r2", False)):
        line.join(name, background=background)
    limiter.release(started)
    line.end()
    assert line.order == ["r1", "r2", "p1", "p2"]


def test_polls_leave_a_fifth_of_the_window_to_readers(never):
    """A reader finds a slot even if polls would take them all; a budget of one is still used."""
    clock = Now()
    limiter = Limiter(10, 50, clock=clock)
    for _ in range(8):
        limiter.release(limiter.acquire(never, background=True))
    line = Line(limiter)
    line.join("poll", background=True)
    limiter.release(limiter.acquire(never))  # does not wait, though a poll does
    limiter.release(limiter.acquire(never))
    assert limiter.used() == 10
    assert line.order == []
    clock.seconds += 60
    limiter.wake()
    line.end()
    assert line.order == ["poll"]
    small = Limiter(1, 50, clock=clock)
    small.release(small.acquire(never, background=True))
    assert small.used() == 1


def test_the_gate_says_how_long_it_is_closed(never):
    """So that callers can report it."""
    clock = Now()
    limiter = Limiter(10, 50, clock=clock)
    assert limiter.closed_for() == 0
    limiter.release(limiter.acquire(never), closed_for=7)
    assert limiter.closed_for() == 7
    clock.seconds += 8
    assert limiter.closed_for() == 0


def test_nobody_overtakes_the_line():
    """A newcomer goes to the end of the queue, even if there is a slot at that moment."""
    clock = Now()
    limiter = Limiter(1, 5, clock=clock)
    line = Line(limiter)
    limiter.release(limiter.acquire(line.stop))
    line.join("first")
    clock.seconds += 60  # there is room, but nobody was woken
    line.join("second")
    limiter.wake()
    eventually(lambda: line.order == ["first"])
    clock.seconds += 60
    limiter.wake()
    line.end()
    assert line.order == ["first", "second"]


def test_a_poll_is_passed_by_a_reader_when_the_window_frees(never):
    """A reader who comes later takes the slot for which a poll was waiting."""
    clock = Now()
    limiter = Limiter(1, 5, clock=clock)
    limiter.release(limiter.acquire(never))
    line = Line(limiter)
    line.join("poll", background=True)
    line.join("reader")
    for _ in range(2):
        clock.seconds += 60
        limiter.wake()
        eventually(lambda: clock.seconds < 1120 or len(line.order) == 2)
        eventually(lambda: len(line.order) >= 1)
    line.end()
    assert line.order == ["reader", "poll"]


def test_the_first_in_line_wakes_by_itself(never):
    """It needs no signal when the window frees."""
    limiter = Limiter(1, 5, window=0.1)
    limiter.release(limiter.acquire(never))
    before = time.monotonic()
    limiter.release(limiter.acquire(never))
    limiter.release(limiter.acquire(never))
    assert time.monotonic() - before >= 0.2


def test_stop_wakes_those_who_wait(never):
    """Once stopped and woken, all who wait raise Cancelled at once, and the line is empty."""
    limiter = Limiter(1, 1)
    limiter.acquire(never)
    line = Line(limiter)
    for name in "ab":
        line.join(name)
    line.join("c", background=True)
    line.stop.set()
    limiter.wake()
    line.end()
    assert sorted(line.order) == ["a stopped", "b stopped", "c stopped"]
    assert line.waiting == 0


def test_a_stopped_request_does_not_start(never):
    """A stop that is already set is seen before a slot is taken."""
    limiter = Limiter(5, 5)
    never.set()
    with pytest.raises(Cancelled):
        limiter.acquire(never)
    assert limiter.used() == 0


def test_one_who_gives_up_lets_the_others_through(never):
    """Stopping the first in the queue does not hold up the next."""
    limiter = Limiter(None, 1)
    started = limiter.acquire(never)
    leaving, staying = Line(limiter), Line(limiter)
    leaving.join("leaving")
    staying.join("staying")
    leaving.stop.set()
    limiter.wake()
    leaving.end()
    limiter.release(started)
    staying.end()
    assert (leaving.order, staying.order) == (["leaving stopped"], ["staying"])


def test_the_gate_closes_for_all(never):
    """After one 429 nobody starts, reader or poll, until the gate opens; then one tries it."""
    clock = Now()
    limiter = Limiter(None, 10, clock=clock)
    limiter.release(limiter.acquire(never), closed_for=30)
    line = Line(limiter)
    line.join("reader")
    line.join("poll", background=True)
    clock.seconds += 29.5
    limiter.wake()
    time.sleep(0.02)
    assert line.order == []
    clock.seconds += 0.5
    limiter.wake()
    line.end()
    assert line.order == ["reader", "poll"]


def test_one_tries_whether_the_gate_is_open(never):
    """After the gate has opened, the others wait for the answer to the first."""
    clock = Now()
    limiter = Limiter(None, 10, clock=clock)
    limiter.release(limiter.acquire(never), closed_for=30)
    clock.seconds += 30
    started = limiter.acquire(never)
    line = Line(limiter)
    line.join("a")
    line.join("b")
    assert line.order == []
    limiter.release(started)
    line.end()
    assert sorted(line.order) == ["a", "b"]


def test_new_limits_wake_the_line(never):
    """Who waits under the old limits gets through under wider ones."""
    limiter = Limiter(1, 1)
    limiter.acquire(never)
    line = Line(limiter)
    line.join("a")
    limiter.configure(10, 2)
    line.end()
    assert line.order == ["a"]


def test_a_token_has_one_limiter_at_a_server():
    """All clients of a token share the account; another token or server has its own."""
    one = limiter_for("token", "https://a", 100, 5)
    assert limiter_for("token", "https://a", 150, 7) is one
    assert (one.budget.limit, one.budget.max_in_flight) == (150, 7)
    assert limiter_for("token", "https://b", 1, 1) is not one
    assert limiter_for("other", "https://a", 1, 1) is not one
    assert one.budget.limit == 150


def test_the_repr_of_a_limiter(never):
    """Its repr shows the budget; `used` counts the requests in the window."""
    limiter = Limiter(150, 5)
    assert repr(limiter) == "<Limiter 150 of 150 in 60 s>"
    limiter.release(limiter.acquire(never))
    assert limiter.used() == 1


def test_many_threads_stay_within_both_limits():
    """Forty threads on real clocks: never more in flight than allowed, and all get through."""
    limiter = Limiter(1000, 3)
    stop, lock = threading.Event(), threading.Lock()
    now = most = through = 0

    def work():
        nonlocal now, most, through
        for _ in range(10):
            started = limiter.acquire(stop)
            with lock:
                now += 1
                most = max(most, now)
            time.sleep(0.0001)
            with lock:
                now -= 1
                through += 1
            limiter.release(started)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert through == limiter.used() == 400
    assert 1 <= most <= 3


@needs_fork
@forks
@pytest.mark.parametrize("own", [True, False], ids=["own limiter", "the token's limiter"])
def test_a_fork_while_others_wait_and_hold_the_lock(never, own):
    """In the child nothing waits and nothing is in flight, whatever the parent did."""
    limiter = Limiter(10, 1) if own else limiter_for("token", "https://a", 10, 1)
    started = limiter.acquire(never)
    line = Line(limiter)
    line.join("waiting")

    def child():
        mine = limiter if own else limiter_for("token", "https://a", 10, 1)
        mine.release(mine.acquire(threading.Event()))
        return mine.budget.in_flight, waiting(mine)

    with limiter._lock, warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        said = in_child(child)
    assert said == "(0, 0)"
    limiter.release(started)
    line.end()
    assert line.order == ["waiting"]
