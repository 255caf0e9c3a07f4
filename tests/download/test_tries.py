"""RetryBudget in vain are bounded; progress starts the count anew."""

from __future__ import annotations

import threading

import pytest

from asana_jobs_pd._download.transfer import RetryBudget
from asana_jobs_pd._download.url_source import FileFailedError
from asana_jobs_pd._http.rate_limit import Cancelled
from asana_jobs_pd._http.retry import RetryPolicy


class Hasty(threading.Event):
    """A stop on whom waiting takes no time."""

    def wait(self, timeout=None):  # noqa: ARG002
        return self.is_set()


@pytest.fixture
def tries():
    return RetryBudget("1-graph", RetryPolicy(retries=2), Hasty())


def test_it_gives_up_after_so_many(tries):
    """With what went wrong, and how often."""
    for _ in range(2):
        tries.again("no data")
    with pytest.raises(FileFailedError, match="no data, in 3 tries"):
        tries.again("no data")


def test_progress_counts_anew(tries):
    """Only beyond what there ever was: a server that cuts at the same byte for ever is given up."""
    for size in range(1, 9):
        assert tries.advance(size)
        tries.again("cut")
    assert not tries.advance(8)
    tries.again("cut")
    with pytest.raises(FileFailedError):
        tries.again("cut")


def test_what_cannot_pass_is_not_tried_again(tries):
    """A wrong certificate, say."""
    with pytest.raises(FileFailedError, match="TLS"):
        tries.again("TLS", retryable=False)


def test_an_answer_that_is_final_is_not_tried_again(tries):
    """As the policy has it for all requests."""
    with pytest.raises(FileFailedError):
        tries.again("418", status=418)


def test_restarts_are_bounded(tries):
    """A store that contradicts itself is not asked for ever."""
    tries.restart("odd")
    tries.restart("odd")
    with pytest.raises(FileFailedError, match="contradicts"):
        tries.restart("odd")


def test_waiting_ends_when_it_is_stopped(tries):
    """As a cancelled download wants it."""
    tries._stop.set()
    with pytest.raises(Cancelled):
        tries.again("no data")
