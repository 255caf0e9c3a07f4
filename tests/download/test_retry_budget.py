"""Attempts without progress are bounded; bytes at a sufficient rate reset the count."""

from __future__ import annotations

import threading

import pytest

from asana_jobs_pd._download.url_source import FileFailedError, RetryBudget
from asana_jobs_pd._http.rate_limit import Cancelled
from asana_jobs_pd._http.retry import RetryPolicy


class Hasty(threading.Event):
    """A stop event whose waits take no time."""

    def wait(self, timeout=None):  # noqa: ARG002
        return self.is_set()


class Now:
    """A clock that stands still until it is set."""

    seconds = 0.0

    def __call__(self):
        return self.seconds


@pytest.fixture
def now():
    return Now()


@pytest.fixture
def stop():
    return Hasty()


@pytest.fixture
def budget(now, stop):
    return RetryBudget("1-graph", RetryPolicy(retries=2), stop, now)


def test_it_gives_up_after_so_many(budget):
    """The error says what went wrong and how often."""
    for _ in range(2):
        budget.again("no data")
    with pytest.raises(FileFailedError, match="no data, in 3 tries"):
        budget.again("no data")


def test_progress_counts_anew(budget, now):
    """Only beyond the largest size so far.

    A server that always cuts at the same byte is given up.
    """
    for size in range(1, 9):
        assert budget.advance(size * 100_000)
        now.seconds += 60
        budget.again("cut")
    assert not budget.advance(800_000)
    budget.again("cut")
    with pytest.raises(FileFailedError):
        budget.again("cut")


def test_a_trickle_is_no_progress(budget, now):
    """One byte per connection would take forever."""
    for size in (1, 2):
        assert budget.advance(size)
        now.seconds += 60
        budget.again("slow")
    budget.advance(3)
    now.seconds += 60
    with pytest.raises(FileFailedError, match="slow, in 3 tries"):
        budget.again("slow")


def test_permanent_failures_are_not_retried(budget):
    """For example a wrong certificate."""
    with pytest.raises(FileFailedError, match="TLS"):
        budget.again("TLS", retryable=False)


def test_an_answer_that_is_final_is_not_tried_again(budget):
    """As the retry policy decides for all requests."""
    with pytest.raises(FileFailedError):
        budget.again("418", status=418)


def test_restarts_are_bounded(budget):
    """A store that contradicts itself is given up."""
    budget.restart("odd")
    budget.restart("odd")
    with pytest.raises(FileFailedError, match="given up after 2 fresh starts: odd"):
        budget.restart("odd")


def test_waiting_ends_when_it_is_stopped(budget, stop):
    """As a cancelled download wants it."""
    stop.set()
    with pytest.raises(Cancelled):
        budget.again("no data")
