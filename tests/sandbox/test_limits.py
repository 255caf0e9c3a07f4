"""The limits reject as Asana does."""

from contextlib import ExitStack

import pytest
from driven import until

from .conftest import Asker, connected, fetch, read_reply


def statuses(ask, n):
    gid = ask.asana.gids(1)[0]
    return [ask.job(gid).status for _ in range(n)]


def test_a_window_takes_so_many_requests(sandbox):
    """What exceeds the window is a 429 in Asana's envelope."""
    ask = Asker(sandbox(requests_per_minute=3))
    assert statuses(ask, 5) == [200, 200, 200, 429, 429]
    assert "too many requests" in ask.job("123").error["message"]
    assert ask.asana.stats.throttled_rate == ask.asana.stats.throttled == 3


def test_the_window_slides(sandbox):
    """A request counts for one window after it came, not to the end of a calendar minute."""
    ask = Asker(sandbox(requests_per_minute=2, window=10))
    assert statuses(ask, 1) == [200]
    ask.asana.advance(6)
    assert statuses(ask, 1) == [200]
    ask.asana.advance(4)
    assert statuses(ask, 2) == [200, 429]


def test_rejected_requests_count(sandbox):
    """A client that continues to send stays locked out."""
    ask = Asker(sandbox(requests_per_minute=2, window=10))
    assert statuses(ask, 3) == [200, 200, 429]
    for _ in range(4):
        ask.asana.advance(6)
        assert statuses(ask, 2) == [429, 429]
    ask.asana.advance(10)
    assert statuses(ask, 2) == [200, 200]


def test_errors_count_too(sandbox):
    """A 404 or a 401 takes its place in the window like any other answer."""
    ask = Asker(sandbox(requests_per_minute=2))
    assert ask.job("123").status == 404
    assert fetch(f"{ask.asana.base_url}/jobs/1").status == 401
    assert statuses(ask, 1) == [429]


def test_retry_after_is_when_the_window_has_room(sandbox):
    """It is in whole seconds, rounded up, and true for whoever waits."""
    ask = Asker(sandbox(requests_per_minute=2, window=10))
    assert statuses(ask, 2) == [200, 200]
    ask.asana.advance(2.5)
    assert ask.job("1").headers["Retry-After"] == "8"
    ask.asana.advance(2.5)
    assert ask.job("1").headers["Retry-After"] == "8"
    ask.asana.advance(8)
    assert statuses(ask, 1) == [200]


@pytest.mark.parametrize(("option", "header"), [(True, "60"), (False, None), ("text", "soon")])
def test_retry_after_may_be_missing_or_no_number(sandbox, option, header):
    """As users have reported."""
    ask = Asker(sandbox(requests_per_minute=1, retry_after=option))
    statuses(ask, 1)
    assert ask.job("1").headers["Retry-After"] == header


def test_a_short_window_still_says_one_second(sandbox):
    """`Retry-After` is never 0."""
    ask = Asker(sandbox(requests_per_minute=1, window=0.01))
    statuses(ask, 1)
    assert ask.job("1").headers["Retry-After"] == "1"


def test_so_many_may_be_in_flight(sandbox):
    """One more than allowed at the same time is a 429 without `Retry-After`."""
    ask = Asker(sandbox(max_in_flight=2, latency=0.2))
    gid = ask.asana.gids(1)[0]
    with ExitStack() as stack:
        sockets = [stack.enter_context(connected(ask.asana)) for _ in range(3)]
        for bare in sockets:
            bare.sendall(ask.request(gid))
        replies = [read_reply(bare) for bare in sockets]
    assert sorted(reply.status for reply in replies) == [200, 200, 429]
    (rejected,) = (reply for reply in replies if reply.status == 429)
    assert rejected.headers["Retry-After"] is None
    stats = ask.asana.stats
    assert (stats.throttled_in_flight, stats.throttled, stats.most_in_flight) == (1, 1, 2)


def test_a_client_that_keeps_to_the_number_never_trips(sandbox):
    """A place is free before its answer arrives: the next request may follow at once."""
    ask = Asker(sandbox(max_in_flight=3, latency=0.001))
    gid = ask.asana.gids(1)[0]
    with ExitStack() as stack:
        sockets = [stack.enter_context(connected(ask.asana)) for _ in range(3)]
        for _ in range(50):
            for bare in sockets:
                bare.sendall(ask.request(gid))
            assert {read_reply(bare).status for bare in sockets} == {200}
    assert ask.asana.stats.throttled == 0


def test_a_client_that_hangs_up_frees_its_place(sandbox):
    """A place in flight does not leak when nobody waits for the answer any more."""
    ask = Asker(sandbox(max_in_flight=1))
    gid = ask.asana.gids(1)[0]
    ask.asana.fault("delay", seconds=60)
    with connected(ask.asana) as bare:
        bare.sendall(ask.request(gid))
        until(lambda: ask.asana.stats.requests == 1)
        assert ask.job(gid).status == 429
    until(lambda: ask.job(gid).status == 200)


def test_export_files_know_no_limits(sandbox):
    """The limits are the API's."""
    asana = sandbox(requests_per_minute=1, export_rows=1)
    url = asana.export_url("5", "graph_export")
    assert {fetch(url).status for _ in range(5)} == {200}


def test_the_fullest_window_is_kept(sandbox):
    """`most_in_window` shows how close a client came, or how far beyond it went."""
    ask = Asker(sandbox(requests_per_minute=5))
    statuses(ask, 4)
    ask.asana.advance(60)
    statuses(ask, 2)
    assert ask.asana.stats.most_in_window == 4
