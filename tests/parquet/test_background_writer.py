"""Calls run in order in another thread, and none is lost."""

from __future__ import annotations

import threading

import pytest

from asana_jobs_pd._parquet.writer import BackgroundWriter


def test_calls_run_in_order_elsewhere():
    """All are done when the block is left, none in the thread that asked."""
    done = []
    with BackgroundWriter() as background:
        for number in range(100):
            background.do(lambda number: done.append((number, threading.current_thread())), number)
    assert [number for number, _ in done] == list(range(100))
    assert threading.current_thread() not in {thread for _, thread in done}


def test_only_one_call_is_ahead():
    """The second waits until the first is done, so that two are in memory at the most."""
    begun, go = threading.Event(), threading.Event()
    order = []

    def first():
        begun.set()
        go.wait(60)
        order.append("first")

    with BackgroundWriter() as background:
        background.do(first)
        begun.wait(60)
        threading.Timer(0.05, go.set).start()
        background.do(order.append, "second")
        assert order[0] == "first"
    assert order == ["first", "second"]


@pytest.mark.parametrize("after", [0, 1])
def test_an_error_is_raised_by_the_next_call_or_at_the_end(after):
    """As it was raised, once; what came after it did not run."""
    ran = []

    def fail():
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space") as caught:
        with BackgroundWriter() as background:
            background.do(fail)
            for _ in range(after):
                background.do(ran.append, 1)
    assert caught.value.errno == 28
    assert ran == []


def test_an_error_of_the_block_is_not_covered_up():
    """The one who was interrupted hears of that, after the call that was under way."""
    done = []
    with pytest.raises(KeyboardInterrupt):
        with BackgroundWriter() as background:
            background.do(done.append, 1)
            raise KeyboardInterrupt
    assert done == [1]
