"""Watching jobs: what is requested, what listeners hear, and how it ends."""

from __future__ import annotations

import copy
import gc
import logging
import pickle
import sys
import threading
import time
import weakref

import pandas as pd
import pytest
from conftest import TOKEN
from driven import DrivenClock, until

import asana_jobs_pd as aj
from asana_jobs_pd._http.rate_limit import Limiter
from asana_jobs_pd._monitor.poller import Notifier
from asana_jobs_pd.errors import (
    AsanaJobsError,
    InvalidFrameError,
    InvalidGidError,
    InvalidOptionError,
    NoThreadsError,
    TokenError,
)


def ours():
    return [thread for thread in threading.enumerate() if thread.name.startswith("asana-jobs-")]


@pytest.fixture(autouse=True)
def no_threads_left():
    """Whatever was watched in a test, its threads end with it."""
    yield
    gc.collect()
    until(lambda: not ours())


@pytest.fixture
def clock():
    """The time of monitors, apart from that of the sandbox."""
    return DrivenClock()


@pytest.fixture
def watch(client, clock):
    """Start monitors; they are stopped at the end."""
    started = []

    def make(jobs, **options):
        monitor = aj.JobsMonitor(jobs, **{"client": client, "clock": clock, **options})
        started.append(monitor)
        return monitor.start()

    yield make
    for monitor in started:
        monitor.stop()


def settled(monitor, clock):
    """Return when nothing is in flight and the monitor waits for time to pass."""
    poller = monitor._poller
    clock.settle(lambda: not poller.in_flight, over=lambda: not monitor.running)


def go(monitor, clock, seconds, step=2.0):
    """Let time pass, and wait for what is due."""
    settled(monitor, clock)
    for _ in range(int(seconds / step)):
        clock.advance(step)
        settled(monitor, clock)


def test_it_watches_until_all_are_finished(asana, client, clock, watch):
    """Unfinished jobs are asked for as they grow older, then it is done and its threads end."""
    jobs = aj.read_asana_jobs(asana.gids(12), client=client)
    open_ = jobs.asana.pending["gid"].tolist()
    asana.reset_stats()
    monitor = watch(jobs)
    assert monitor.state == "watching"
    settled(monitor, clock)
    assert asana.stats.requests == 0
    go(monitor, clock, 2)
    assert sorted(request.path.rsplit("/", 1)[-1] for request in asana.requests) == sorted(open_)
    assert monitor.running
    asana.advance(60)
    go(monitor, clock, 4)
    assert monitor.wait(120)
    assert monitor.state == "done"
    assert not len(monitor.frame.asana.pending)
    assert asana.stats.requests == 2 * len(open_)
    until(lambda: not ours())
    assert monitor.next_check is None
    assert sum(monitor.counts.values()) == 12
    assert monitor.counts["failed"] == 1
    assert repr(monitor) == "<JobsMonitor of 12 jobs, done: 11 succeeded, 1 failed>"


def test_gids_are_read_at_once(asana, watch, client):
    """What was never read does not wait, and the frame is what a read gives."""
    gids = asana.gids(9)
    asana.finish(*gids)
    monitor = watch(gids)
    assert monitor.wait(120)
    want = aj.read_asana_jobs(gids, client=client)
    # Each answer signs its URLs anew, and is of another moment.
    moving = [name for name in want if name == "fetched_at" or name.endswith("url")]
    pd.testing.assert_frame_equal(monitor.frame.drop(columns=moving), want.drop(columns=moving))
    pd.testing.assert_index_equal(monitor.frame.columns, want.columns)


def test_nothing_to_watch_is_done_without_a_token():
    """A frame of finished jobs needs no request, nor does an empty list of gids."""
    done = aj.asana_jobs_from_records([{"gid": "1", "status": "failed"}])
    for jobs in (done, [], done.iloc[:0]):
        monitor = aj.JobsMonitor(jobs).start()
        assert monitor.wait(0)
        assert monitor.state == "done"
        assert len(monitor.frame) == len(jobs)


def test_index_columns_and_repeats_stay(asana, client, clock, watch):
    """Rows without a gid stay as they are; a gid in two rows is asked for once."""
    one, two = asana.gids(2)
    frame = pd.DataFrame(
        {"mine": [1, 2, 3, 4], "gid": pd.array([two, None, one, two], "string[pyarrow]")},
        index=["a", "b", "a", "c"],
    )
    heard = []
    asana.finish(one, two)
    monitor = aj.JobsMonitor(frame, client=client, clock=clock)
    monitor.on_change(heard.append)
    with monitor:
        assert monitor.wait(120)
    jobs = monitor.frame
    assert asana.stats.requests == 2
    assert list(jobs.index) == ["a", "b", "a", "c"]
    pd.testing.assert_frame_equal(jobs[["mine", "gid"]], frame)
    assert jobs["status"].tolist() == ["succeeded", pd.NA, "succeeded", "succeeded"]
    until(lambda: sum(map(len, heard)) == 3)
    assert sorted(row for rows in heard for row in rows["mine"]) == [1, 3, 4]
    assert "mine" in frame.columns
    assert "status" not in frame.columns
    assert monitor.counts == {"succeeded": 2}


def test_the_status_is_asked_for_when_the_frame_has_none(asana, client, watch):
    """Without it no job would ever be finished."""
    jobs = aj.read_asana_jobs(asana.gids(2)[1], ["new_task.name"], client=client)
    asana.finish(*asana.gids(2))
    asana.reset_stats()
    monitor = watch(jobs)
    assert monitor.wait(120)
    assert set(asana.requests[0].opt_fields) == {"new_task.name", "status"}
    assert monitor.frame["status"].tolist() == ["succeeded"]


def test_listeners_hear_changed_rows_only(asana, client, clock, watch):
    """A poll without news is not reported, although fetched_at and signatures change."""
    gid, other = asana.gids(3)[1:]
    record = {"gid": gid, "status": "in_progress", "new_graph_export": {"gid": "5"}}

    def serve(signature, **more):
        export = {"gid": "5", "download_url": f"https://x.test/f?X-Amz-Signature={signature}"}
        asana.record(gid, {**record, "new_graph_export": export, **more})

    serve("1")
    asana.progress(other)
    jobs = aj.read_asana_jobs([gid, other], client=client)
    heard, states = [], []
    monitor = watch(jobs)
    monitor.on_change(heard.append)
    monitor.on_state(lambda: states.append(monitor.state))
    version, before = monitor.version, monitor.frame
    for signature in "23456":
        serve(signature)
        go(monitor, clock, 12)
    go(monitor, clock, 60)
    assert asana.stats.requests > 10
    assert heard == []
    assert monitor.version == version
    assert (monitor.frame["fetched_at"] > before["fetched_at"]).all()
    assert monitor.frame["new_graph_export.download_url"][0].endswith("6")
    serve("7", status="queued_twice")
    go(monitor, clock, 60, step=20)
    until(lambda: heard)
    (rows,) = heard
    assert rows["gid"].tolist() == [gid]
    assert rows["status"].tolist() == ["queued_twice"]
    assert list(rows.columns) == list(jobs.columns)
    assert monitor.running
    assert monitor.version > version
    history = monitor.history
    assert history[["gid", "status"]].to_numpy().tolist() == [[gid, "queued_twice"]]
    assert history.dtypes.astype(str).tolist() == ["string", "string", "datetime64[us, UTC]"]


def test_a_change_that_is_not_of_the_status_is_heard(asana, client, clock, watch):
    """For example a name that arrives later."""
    gid = asana.gids(1)[0]
    asana.record(gid, {"gid": gid, "status": "in_progress"})
    heard = []
    monitor = watch(aj.read_asana_jobs(gid, client=client))
    monitor.on_change(heard.append)
    asana.record(gid, {"gid": gid, "status": "in_progress", "new_task": {"gid": "7", "name": "x"}})
    go(monitor, clock, 4)
    until(lambda: heard)
    assert heard[0]["new_task.name"].tolist() == ["x"]
    assert not len(monitor.history)


def test_401_stops_it_in_words(asana, watch):
    """The message says what to do, without the token."""
    with aj.Client(TOKEN + "0", base_url=asana.base_url) as stranger:
        monitor = watch(asana.gids(30), client=stranger)
        assert monitor.wait(120)
    assert monitor.state == "unauthorized"
    assert "401" in monitor.last_error
    assert "https://app.asana.com/0/my-apps" in monitor.last_error
    assert monitor.refused.status == 401
    assert TOKEN not in f"{monitor.last_error} {monitor!r} {vars(monitor)}"
    assert monitor.frame["status"].isna().all()


def test_a_missing_token_raises_and_shows_in_the_state():
    """Starting raises the remedy; the state has it too."""
    monitor = aj.JobsMonitor(["1"])
    with pytest.raises(TokenError, match="ASANA_ACCESS_TOKEN"):
        monitor.start()
    assert monitor.state == "unauthorized"
    assert "ASANA_ACCESS_TOKEN" in monitor.last_error


@pytest.mark.parametrize("gone", [403, 404])
def test_jobs_that_are_gone_end(asana, client, clock, watch, gone):
    """403 and 404 end their row, which keeps what it had and says why."""
    gid = asana.gids(2)[1]
    jobs = aj.read_asana_jobs(gid, client=client)
    asana.answer(gid, gone)
    monitor = watch(jobs)
    go(monitor, clock, 4)
    assert monitor.wait(120)
    assert monitor.state == "done"
    assert monitor.counts == {"unreadable": 1}
    row = monitor.frame.iloc[0]
    assert row["error.status"] == gone
    assert row["status"] == jobs["status"][0]
    assert monitor.history["status"].tolist() == ["unreadable"]


def test_other_refusals_end_after_five(asana, clock, watch):
    """Repeating a request does not change a 400: it must not keep a wait going forever."""
    gid = asana.gids(1)[0]
    asana.answer(gid, 400)
    monitor = watch([gid])
    go(monitor, clock, 120)
    assert monitor.wait(120)
    assert asana.stats.by_status[400] >= 5
    assert monitor.frame["error.status"].tolist() == [400]


def test_errors_of_the_server_go_on_and_are_taken_back(asana, client, clock, watch):
    """A 500 shows in its row and in words, until the job answers again."""
    gid = asana.gids(2)[1]
    asana.progress(gid)
    monitor = watch(aj.read_asana_jobs(gid, client=client))
    asana.answer(gid, 500)
    go(monitor, clock, 4)
    assert monitor.running
    assert "500" in monitor.last_error
    assert monitor.frame["error.status"].tolist() == [500]
    assert monitor.frame["status"].tolist() == ["in_progress"]
    asana.answer(gid, 200)
    go(monitor, clock, 60)
    assert monitor.last_error is None
    assert monitor.frame["error.kind"].isna().all()
    assert monitor.state == "watching"


def test_a_record_survives_an_error_that_comes_before_the_frame_is_made(
    asana, client, clock, watch
):
    """The frame is made late: news of a job, then an error of it, are both in it."""
    gid = asana.gids(2)[1]
    jobs = aj.read_asana_jobs(gid, client=client)
    monitor = watch(jobs)
    asana.progress(gid)
    go(monitor, clock, 2)
    asana.answer(gid, 500)
    go(monitor, clock, 10)
    row = monitor.frame.iloc[0]
    assert (row["status"], row["error.status"]) == ("in_progress", 500)


def test_without_a_network_it_holds_back_and_goes_on(asana, client, clock, watch):
    """The state says so; single requests try, less and less often; then it continues."""
    jobs = aj.read_asana_jobs(asana.gids(12), client=client)
    asana.reset_stats()
    asana.fault("reset", times=100)
    monitor = watch(jobs)
    states = []
    monitor.on_state(lambda: states.append(monitor.state))
    go(monitor, clock, 2)
    assert monitor.state == "no_network"
    assert "failed" in monitor.last_error
    first = asana.stats.requests
    go(monitor, clock, 300)
    assert first <= asana.stats.requests <= first + 15
    assert monitor.next_check <= 60
    asana._site.faults.clear()
    asana.advance(60)
    go(monitor, clock, 120)
    assert monitor.state == "done"
    assert monitor.last_error is None
    until(lambda: states and states[-1] == "done")
    assert "no_network" in states


def test_a_429_is_waited_out_and_shows_in_the_state(asana, clock, watch):
    """It says nothing about the job; nothing is asked until the gate opens."""
    limiter = Limiter(None, 50, clock=clock.now)
    gid = asana.gids(1)[0]
    asana.finish(gid)
    asana.fault("status", status=429)
    with aj.Client(asana.token, base_url=asana.base_url, limiter=limiter) as client:
        monitor = watch([gid], client=client)
        until(lambda: monitor.state == "rate_limited")
        settled(monitor, clock)
        assert monitor.next_check > 0
        assert monitor.frame["error.status"].isna().all()
        assert "429" in monitor.last_error
        go(monitor, clock, 10)
        assert monitor.wait(120)
    assert monitor.frame["status"].tolist() == ["succeeded"]
    assert asana.stats.requests == 2


def test_pause_resume_and_refresh_now(asana, client, clock, watch):
    """While paused, it polls only on demand; when resumed, it continues where it was."""
    gids = asana.gids(9)
    for gid in gids:
        asana.progress(gid)
    jobs = aj.read_asana_jobs(gids, client=client)
    asana.reset_stats()
    monitor = watch(jobs)
    monitor.pause()
    go(monitor, clock, 100, step=50)
    assert (monitor.state, asana.stats.requests, monitor.next_check) == ("paused", 0, None)
    monitor.refresh_now()
    until(lambda: asana.stats.requests == 9)
    go(monitor, clock, 100, step=50)
    assert asana.stats.requests == 9
    assert monitor.state == "paused"
    monitor.resume()
    settled(monitor, clock)
    assert monitor.state == "watching"
    assert 0 < monitor.next_check <= 60
    go(monitor, clock, 60)
    assert asana.stats.requests >= 18
    monitor.pause()
    asana.finish(*gids)
    monitor.refresh_now()
    assert monitor.wait(120)
    assert monitor.state == "done"


def test_stop_and_start_again(asana, client, clock, watch):
    """A stopped monitor sends nothing; started again, it continues from what it knows."""
    gids = asana.gids(9)
    jobs = aj.read_asana_jobs(gids, client=client)
    monitor = watch(jobs)
    monitor.stop()
    assert (monitor.state, monitor.running, monitor.wait(0)) == ("stopped", False, True)
    until(lambda: not ours())
    asana.reset_stats()
    clock.advance(600)
    monitor.pause()
    monitor.resume()
    assert monitor.state == "stopped"
    assert asana.stats.requests == 0
    asana.advance(60)
    assert monitor.start() is monitor
    assert monitor.start().state == "watching"
    go(monitor, clock, 4)
    assert monitor.wait(120)
    assert monitor.state == "done"
    assert monitor.start().state == "done"


def test_a_callback_that_raises_harms_nobody(asana, clock, watch, caplog):
    """The error is logged and reported; other listeners hear, and the monitor continues."""
    gids = asana.gids(4)
    asana.finish(*gids[:2])
    asana.progress(gids[2])
    heard = []

    def broken(rows):
        raise ValueError("it broke")

    with caplog.at_level(logging.CRITICAL, "asana_jobs_pd"):
        monitor = watch(gids[:3])
        monitor.on_change(broken)
        monitor.on_state(lambda: 1 / 0)
        monitor.on_change(heard.append)
        monitor.refresh_now()
        until(lambda: sum(map(len, heard)) >= 1)
        until(lambda: monitor.last_error is not None)
        assert "raised" in monitor.last_error
        assert monitor.running
        asana.finish(*gids)
        monitor.refresh_now()
        go(monitor, clock, 60)
    assert monitor.state == "done"


def test_a_callback_may_stop_it(asana, client, clock, watch):
    """From the monitor's own thread, without a deadlock."""
    gids = asana.gids(9)
    for gid in gids:
        asana.progress(gid)
    monitor = aj.JobsMonitor(gids, client=client, clock=clock)
    monitor.on_change(lambda rows: monitor.stop())
    monitor.start()
    assert monitor.wait(120)
    assert monitor.state == "stopped"


def test_methods_are_held_weakly_and_what_was_added_can_go(asana, client, clock, watch):
    """A listener that was collected hears nothing and is not kept alive."""

    class Listener:
        heard = 0

        def hear(self, _):
            type(self).heard += 1

    listener, plain = Listener(), []
    gone = weakref.ref(listener)
    monitor = aj.JobsMonitor(asana.gids(2)[1], client=client, clock=clock)
    monitor.on_change(listener.hear)
    remove = monitor.on_change(plain.append)
    del listener
    gc.collect()
    assert gone() is None
    remove()
    remove()
    with monitor:
        until(lambda: monitor.version > 1)
        settled(monitor, clock)
    until(lambda: not ours())
    assert (Listener.heard, plain) == (0, [])
    with pytest.raises(TypeError, match="not callable"):
        monitor.on_change(None)


def test_a_monitor_that_nobody_holds_ends(asana, client, clock):
    """Its threads notice, though it still had work to do."""
    gids = asana.gids(9)
    for gid in gids:
        asana.progress(gid)
    monitor = aj.JobsMonitor(gids, client=client, clock=clock).start()
    poller, gone = monitor._poller, weakref.ref(monitor)
    until(lambda: poller.table.counts == {"in_progress": 9})
    del monitor
    gc.collect()
    assert gone() is None
    until(lambda: not ours())
    assert poller.state == "stopped"


def test_it_is_not_pickled_or_copied(client):
    """Its frame is what travels."""
    monitor = aj.JobsMonitor(["1"], client=client)
    for action in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(AsanaJobsError, match=r"\.frame"):
            action(monitor)


def test_invalid_input_is_refused_before_any_request(asana):
    """Gids, frames and clients are checked at once."""
    with pytest.raises(InvalidGidError):
        aj.JobsMonitor(["12x"])
    with pytest.raises(InvalidFrameError):
        aj.JobsMonitor(pd.DataFrame({"id": ["1"]}))
    with pytest.raises(InvalidOptionError, match="connect"):
        aj.JobsMonitor(["1"], client="token")
    assert asana.stats.requests == 0


def test_a_closed_client_stops_it_in_words(asana, clock, watch):
    """The monitor ends and says why."""
    with aj.Client(asana.token, base_url=asana.base_url) as client:
        monitor = watch(asana.gids(9), client=client)
        settled(monitor, clock)
    monitor.refresh_now()
    assert monitor.wait(120)
    assert monitor.state == "stopped"
    assert "closed" in monitor.last_error


def test_reads_go_first_and_find_room(asana, watch):
    """Though more jobs are watched than the minute allows, a read does not wait for the next."""
    limiter = Limiter(20, 50)
    with aj.Client(asana.token, base_url=asana.base_url, limiter=limiter) as client:
        monitor = watch(asana.gids(200), client=client)
        until(lambda: limiter.used() == 16)
        assert (monitor.requests_used, monitor.requests_allowed) == (16, 20)
        jobs = aj.read_asana_jobs(asana.gids(4), client=client)
        assert jobs["status"].notna().all()
        assert limiter.used() == 20
        monitor.stop()


def test_it_says_when_the_budget_does_not_carry_all(client, clock):
    """1,000 jobs, 100 requests a minute of which polls may have 80: one every 12 min 30 s."""
    limiter = Limiter(100, 50, clock=clock.now)
    jobs = aj.asana_jobs_from_records(
        [{"gid": str(n), "status": "in_progress"} for n in range(1, 1001)]
    )
    mine = aj.Client("sandbox", base_url=client.base_url, limiter=limiter)
    with mine, aj.JobsMonitor(jobs, client=mine, clock=clock) as monitor:
        settled(monitor, clock)
        assert monitor.pace == (
            "Each job is checked about every 12 min 30 s: 1,000 jobs share a limit of 100 requests "
            "per minute."
        )
    assert monitor.pace == ""


def test_a_forked_child_does_not_watch(asana, client, clock, watch):
    """Its copy says that it is stopped, and answers without a lock of the parent's."""
    from forked import in_child

    monitor = watch(asana.gids(9))
    settled(monitor, clock)
    with monitor._poller.lock:
        said = in_child(lambda: (monitor.state, len(monitor.frame), monitor.wait(1)))
    assert said == "('stopped', 9, True)"
    assert monitor.state == "watching"


@pytest.mark.slow
def test_an_hour_of_ticks_leaves_memory_flat(client, clock):
    """3,600 ticks of a second: what 20 jobs need does not grow, listeners or not."""
    from asana_jobs_pd._jobs.frame import ReadResult
    from asana_jobs_pd._monitor.job_table import JobTable
    from asana_jobs_pd._monitor.poller import Poller

    states = ("in_progress", "not_started")
    asked = [0]

    def ask(gid):
        asked[0] += 1
        record = {"gid": gid, "status": states[asked[0] // 700 % 2], "new_task": {"gid": "5"}}
        return ReadResult(asked[0], record)

    records = [{"gid": str(number), "status": "in_progress"} for number in range(1, 21)]
    narrow = aj.asana_jobs_from_records(records, ["status", "new_task.gid"])
    poller = Poller(JobTable(narrow), clock)
    poller.table.history = type(poller.table.history)(maxlen=20)
    heard = [0]
    poller.notifier._running = True  # this thread is its thread, too
    poller.notifier.add("on_change", lambda rows: heard.__setitem__(0, heard[0] + len(rows)))
    poller.limiter = Limiter(None, 50, clock=clock.now)
    poller._workers = 25  # this thread is all of them

    def tick(times):
        for _ in range(times):
            clock.advance(1)
            with poller.lock:
                poller._dispatch()
                while not poller._todo.empty():
                    gid = poller._todo.get()
                    poller._take_over(gid, ask(gid))
            while not poller.signals.empty():
                poller.signals.get()
            if poller.notifier._woken:
                for listener in poller.notifier._next_round():
                    poller.notifier._call(listener)
        gc.collect()
        return sys.getallocatedblocks()

    after_ten_minutes = tick(600)
    after_an_hour = tick(3000)
    assert asked[0] > 1000
    assert heard[0] > 20
    assert after_an_hour - after_ten_minutes < 1000


@pytest.fixture
def notifier():
    """A notifier whose rows are the gids themselves; it has ended when the test has."""
    finished = threading.Event()
    notifier = Notifier(threading.RLock(), finished, list, pytest.fail)
    yield notifier
    finished.set()
    tell(notifier, "last")


def tell(notifier, gid):
    with notifier._lock:
        notifier.tell("on_change", gid)


def test_listeners_hear_less_often_while_changes_keep_coming(notifier):
    """Making the rows of one job costs as much as those of twenty; nothing is lost."""
    heard = []
    notifier.add("on_change", heard.append)
    begun = time.monotonic()
    for number in range(80):
        tell(notifier, str(number))
        time.sleep(0.01)
    seconds = time.monotonic() - begun
    until(lambda: [gid for gids in heard for gid in gids] == [str(n) for n in range(80)])
    assert len(heard) <= 4 + seconds / 0.4


def test_a_slow_listener_hears_less_often(notifier):
    """What changes during a call comes with the next one, once."""
    gate, calls = threading.Event(), []

    def slow(gids):
        calls.append(gids)
        assert gate.wait(120)

    notifier.add("on_change", slow)
    tell(notifier, "first")
    until(lambda: calls)
    for number in range(500):
        tell(notifier, str(number % 50))
    gate.set()
    until(lambda: len(calls) == 2)
    assert calls == [["first"], [str(number) for number in range(50)]]


def test_a_late_listener_first_hears_of_all_that_has_changed(asana, client, clock, watch):
    """Once, in one frame; then of what changes, as the others do."""
    gids = asana.gids(4)
    asana.finish(*gids[:2])
    for gid in gids[2:]:
        asana.progress(gid)
    early, late, states = [], [], []
    monitor = aj.JobsMonitor(gids, client=client, clock=clock)
    monitor.on_change(early.append)
    with monitor:
        until(lambda: sum(map(len, early)) == 4)
        monitor.on_change(late.append)
        monitor.on_state(lambda: states.append(monitor.state))
        until(lambda: late and states)
        assert sorted(late[0]["gid"]) == sorted(gids)
        assert late[0].set_index("gid")["status"].value_counts().to_dict() == {
            "succeeded": 2,
            "in_progress": 2,
        }
        asana.finish(*gids)
        go(monitor, clock, 4)
        assert monitor.wait(120)
    until(lambda: sum(map(len, late)) == 6)
    assert sum(map(len, early)) == 6
    assert {gid for rows in late[1:] for gid in rows["gid"]} == set(gids[2:])


@pytest.mark.parametrize("ended", ["done", "stopped"])
def test_a_listener_hears_of_the_past_after_the_end_too(asana, client, clock, watch, ended):
    """Though the threads have ended; one that nothing has happened to hears nothing."""
    gids = asana.gids(3)
    asana.finish(*gids[:2])
    if ended == "done":
        asana.finish(*gids)
    monitor = watch(gids)
    until(lambda: monitor.counts.get("succeeded", 0) >= 2)
    settled(monitor, clock)
    monitor.stop()
    until(lambda: not ours())
    assert monitor.state == ended
    heard, states = [], []
    monitor.on_change(heard.append)
    monitor.on_state(lambda: states.append(monitor.state))
    until(lambda: heard and states)
    until(lambda: not ours())
    assert sorted(heard[0]["gid"]) == sorted(gids)
    assert (len(heard), states) == (1, [ended])
    idle = aj.JobsMonitor(gids, client=client)
    idle.on_change(heard.append)
    assert not ours()


def test_values_of_any_shape_are_taken(asana, client, clock, watch):
    """Anything may be in place of a text: the monitor continues, and the row shows it."""
    deep = "x"
    for _ in range(900):
        deep = [deep]
    gids = asana.gids(3)
    for gid, value in zip(gids, (deep, {"a": [1, None]}, 1e308), strict=True):
        asana.record(gid, {"gid": gid, "status": "in_progress", "new_task": {"name": value}})
    monitor = watch(gids)
    until(lambda: monitor.counts == {"in_progress": 3})
    for gid in gids:
        asana.record(gid, {"gid": gid, "status": "succeeded", "new_task": None})
    go(monitor, clock, 4)
    assert monitor.wait(120)
    assert monitor.frame["status"].tolist() == ["succeeded"] * 3
    assert monitor.last_error is None


def test_without_threads_it_says_what_needs_them(asana, client, monkeypatch):
    """An error of ours at the start; the monitor has ended, and can be started later."""
    monitor = aj.JobsMonitor(asana.gids(2), client=client)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", no_more_threads)
        with pytest.raises(NoThreadsError, match=r"watching, .*need threads"):
            monitor.start()
    assert monitor.state == "stopped"
    assert "another thread" in monitor.last_error
    asana.finish(*asana.gids(2))
    assert monitor.start().wait(120)
    assert monitor.state == "done"


def test_a_pool_that_cannot_grow_goes_on_with_what_it_has(asana, client, clock, watch, monkeypatch):
    """One thread for all jobs; without any, the monitor ends and says why."""
    gids = asana.gids(6)
    asana.finish(*gids)
    started = []
    start = threading.Thread.start

    def one_worker(thread):
        if thread.name == "asana-jobs-poll":
            if len(started) >= limit:
                no_more_threads(thread)
            started.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", one_worker)
    limit = 1
    assert watch(gids).wait(120)
    assert len(started) == 1
    limit = 0
    monitor = watch(gids)
    assert monitor.wait(120)
    assert (monitor.state, monitor.failed) == ("stopped", True)
    assert "another thread" in monitor.last_error


def no_more_threads(thread):
    raise RuntimeError("can't start new thread")
