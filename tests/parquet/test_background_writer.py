"""Calls run in order in another thread, and none is lost."""

from __future__ import annotations

import threading

import pytest

from asana_jobs_pd._parquet.writer import BackgroundWriter


def test_calls_run_in_order_elsewhere():
    """All calls are done when the context is left, none of them in the calling thread."""
    done = []
    with BackgroundWriter() as background:
        for number in range(100):
            background.do(lambda number: done.append((number, threading.current_thread())), number)
    assert [number for number, _ in done] == list(range(100))
    assert threading.current_thread() not in {thread for _, thread in done}


def test_only_one_call_is_ahead():
    """The second call waits for the first, so that the data of at most two is in memory."""
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
    """The error is raised once, unchanged, and later calls do not run."""
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
    """An interrupt is raised unchanged, after the call that is running."""
    done = []
    with pytest.raises(KeyboardInterrupt):
        with BackgroundWriter() as background:
            background.do(done.append, 1)
            raise KeyboardInterrupt
    assert done == [1]


def test_without_threads_calls_are_run_at_once(monkeypatch):
    """A conversion is slower then, but ends well; errors are raised where they arise."""

    def refuse(_):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("threading.Thread.start", refuse)
    calls = []
    with BackgroundWriter() as background:
        background.do(calls.append, 1)
        assert calls == [1]
        with pytest.raises(ZeroDivisionError):
            background.do(divmod, 1, 0)
