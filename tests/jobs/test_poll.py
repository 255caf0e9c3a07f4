"""Asking again until all is finished."""

from __future__ import annotations

from itertools import islice

import pytest

import asana_jobs_pd as aj
from asana_jobs_pd._jobs.poll import delays, poll_asana_jobs


def test_delays_grow_to_the_longest():
    """From one second to thirty."""
    waits = list(islice(delays(), 20))
    assert waits[0] == 1.0
    assert waits == sorted(waits)
    assert waits[-1] == 30.0


def test_it_ends_when_all_are_finished(asana, client):
    """Each round asks only for what is open; the last frame has no pending job."""
    jobs = aj.read_asana_jobs(asana.gids(18), client=client)
    frames = list(poll_asana_jobs(jobs, client=client, sleep=lambda _: asana.advance(1.5)))
    assert len(frames) > 1
    assert not len(frames[-1].asana.pending)
    open_ = [len(frame.asana.pending) for frame in frames]
    assert open_ == sorted(open_, reverse=True)


def test_finished_jobs_are_not_polled(asana, client):
    """Nothing to wait for, nothing sent."""
    jobs = aj.asana_jobs_from_records([{"gid": "1", "status": "failed"}])
    assert not list(poll_asana_jobs(jobs, client=client))
    assert asana.stats.requests == 0


def test_it_ends_when_the_network_is_gone(asana):
    """A dead network ends the waiting, with what was known in the frame."""
    with aj.Client(asana.token, base_url=asana.base_url, max_retries=0) as client:
        jobs = aj.read_asana_jobs(asana.gids(9), client=client)
        asana.stop()
        frames = list(poll_asana_jobs(jobs, client=client, sleep=lambda _: None))
    assert len(frames) == 1
    assert list(frames[0]["status"]) == list(jobs["status"])
    assert frames[0].asana.pending["error.kind"].eq("network").all()


@pytest.mark.parametrize("gone", [403, 404])
def test_jobs_that_are_gone_do_not_keep_it_waiting(asana, client, gone):
    """403 and 404 end their row."""
    gid = asana.gids(2)[1]
    jobs = aj.read_asana_jobs(gid, client=client)
    asana.answer(gid, gone)
    (frame,) = poll_asana_jobs(jobs, client=client, sleep=lambda _: None)
    assert frame.at[0, "error.status"] == gone
