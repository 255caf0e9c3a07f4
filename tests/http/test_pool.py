"""A batch calls a function on every item, in order, and can be left at any moment."""

import re
import threading
import time

import pytest

from asana_jobs_pd._http.rate_limit import Cancelled
from asana_jobs_pd._http.threads import Batch
from asana_jobs_pd.errors import NoThreadsError


def ours():
    """Return the threads that batches started and that still live."""
    return [thread for thread in threading.enumerate() if thread.name == "asana-jobs"]


@pytest.fixture(autouse=True)
def no_threads_left():
    """A test leaves no thread behind, and so it cannot meet those of another."""
    yield
    for thread in ours():
        thread.join(60)
        assert not thread.is_alive()


@pytest.fixture
def gate():
    """Lets calls wait; it opens at the end of the test at the latest."""
    event = threading.Event()
    yield event
    event.set()


def test_results_are_in_the_order_of_the_items():
    """Whatever ends first, a result stands where its item stood."""

    def call(number):
        time.sleep((7 * number % 5) / 1000)
        return number * number

    batch = Batch(call, range(40), 8)
    batch.run()
    assert batch.results == [number * number for number in range(40)]
    assert batch.done == 40


@pytest.mark.parametrize("workers", [1, 2, 7])
def test_few_workers_do_many_items(workers):
    """Never more calls at the same time than workers, and every item once."""
    lock = threading.Lock()
    seen, names, now, most = [], set(), 0, 0

    def call(item):
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
            seen.append(item)
            names.add(threading.current_thread().ident)
        time.sleep(0.0005)
        with lock:
            now -= 1

    Batch(call, range(150), workers).run()
    assert sorted(seen) == list(range(150))
    assert most <= workers
    assert len(names) <= workers


def test_no_more_threads_than_items(monkeypatch):
    """Two items need no fifty threads."""
    started = few_threads(monkeypatch, 50)
    batch = Batch(lambda item: threading.current_thread().name, ["a", "b"], 50)
    batch.run()
    assert batch.results == ["asana-jobs"] * 2
    assert len(started) == 2


def test_no_items():
    """Nothing to do is done at once, and ticks once."""
    ticks = []
    batch = Batch(str, [], 5)
    batch.run(ticks.append)
    assert (batch.results, ticks) == ([], [0])


def test_ticks_tell_the_progress(gate):
    """While calls run, `tick` hears how many items were taken up; at the end all were."""
    ticks = []

    def tick(done):
        ticks.append(done)
        gate.set()

    batch = Batch(lambda item: gate.wait(60), range(3), 1)
    batch.run(tick, every=0.005)
    assert ticks[0] == 1
    assert ticks[-1] == 3
    assert batch.results == [True] * 3


def test_the_first_exception_is_kept(gate):
    """What a call raises first ends the batch, though another fails before the batch has ended."""
    second_runs = threading.Event()

    def call(item):
        if item == 0:
            second_runs.wait(60)
            raise ValueError("first")
        second_runs.set()
        gate.wait(60)
        raise KeyError("second")

    batch = Batch(call, range(10), 2)
    threading.Timer(0.05, gate.set).start()
    batch.run(every=0.5)
    assert repr(batch.failure) == "ValueError('first')"
    assert batch.stop.is_set()
    assert batch.results == [None] * 10


def test_an_exception_does_not_wait_for_the_other_calls(gate):
    """A call that hangs for a minute does not keep back what another raised."""

    def call(item):
        if item == 0:
            raise ValueError(item)
        return gate.wait(60)

    before = time.monotonic()
    batch = Batch(call, range(10), 2)
    batch.run()
    assert repr(batch.failure) == "ValueError(0)"
    assert time.monotonic() - before < 20


def test_stop_returns_though_calls_are_under_way(gate):
    """A stopped batch starts no more calls, and does not wait for those that hang."""
    batch = Batch(lambda item: item if item < 2 else gate.wait(60), range(100), 3)
    threading.Timer(0.05, batch.stop.set).start()
    before = time.monotonic()
    batch.run()
    assert time.monotonic() - before < 20
    assert batch.results == [0, 1, *[None] * 98]
    assert batch.done == 5


def test_calls_that_are_about_to_end_are_kept_after_a_stop(gate):
    """After a stop, responses that are about to arrive have a moment left."""
    under_way = threading.Event()

    def call(item):
        if item == 0:
            under_way.wait(60)
            batch.stop.set()
            return "stopped"
        under_way.set()
        gate.wait(60)
        return "in time"

    batch = Batch(call, range(2), 2)
    batch.run(lambda done: gate.set(), every=0.3)
    assert batch.results == ["stopped", "in time"]


def test_a_stopped_worker_ends_quietly():
    """Cancelled is how a call says that it was told to end; it is no failure."""

    def call(item):
        if item == 3:
            batch.stop.set()
            raise Cancelled
        return item

    batch = Batch(call, range(10), 1)
    batch.run()
    assert batch.results == [0, 1, 2, *[None] * 7]


def test_an_interrupt_leaves_only_daemon_threads(gate):
    """Ctrl-C comes out at once; threads whose calls hang are daemons, which nothing waits for."""

    def tick(done):
        raise KeyboardInterrupt

    batch = Batch(lambda item: gate.wait(60), range(100), 5)
    before = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        batch.run(tick)
    assert time.monotonic() - before < 20
    assert batch.stop.is_set()
    assert len(ours()) == 5
    assert all(thread.daemon for thread in ours())
    gate.set()
    for thread in ours():
        thread.join(60)
    assert batch.done == 5, "none of them took up another item"


def test_an_interrupt_in_a_call_comes_out():
    """It is raised where it is seen."""

    def call(item):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Batch(call, range(3), 2).run()


def few_threads(monkeypatch, most, before_failing=lambda: None):
    """Let the system have no more threads than so many."""
    started = []
    start = threading.Thread.start

    def limited(thread):
        if thread.name == "asana-jobs":
            if len(started) >= most:
                before_failing()
                raise RuntimeError("can't start new thread")
            started.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", limited)
    return started


def test_the_threads_there_are_will_do(monkeypatch):
    """When the system gives no more threads, the existing ones do the work."""
    started = few_threads(monkeypatch, 2)
    batch = Batch(str, range(50), 10)
    batch.run()
    assert batch.results == [str(number) for number in range(50)]
    assert len(started) == 2


def test_no_thread_at_all_is_an_error(monkeypatch):
    """Without a single thread nothing could run, so it is an error."""
    few_threads(monkeypatch, 0)
    batch = Batch(str, range(5), 3)
    batch.run()
    assert isinstance(batch.failure, NoThreadsError)
    assert re.search(r"new thread.*Reading, .* need threads", str(batch.failure))


def test_no_more_threads_when_the_work_is_done_already(monkeypatch):
    """If the first worker did everything before the second failed to start, all is well."""
    started = few_threads(monkeypatch, 1, lambda: started[0].join(60))
    batch = Batch(str, range(5), 3)
    batch.run()
    assert batch.results == list("01234")


def test_no_more_threads_when_the_first_worker_failed(monkeypatch):
    """What it raised is kept, not that there were no more threads."""
    started = few_threads(monkeypatch, 1, lambda: started[0].join(60))
    batch = Batch(lambda item: 1 // item, range(5), 3)
    batch.run()
    assert isinstance(batch.failure, ZeroDivisionError)
