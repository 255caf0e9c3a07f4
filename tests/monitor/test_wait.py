"""Waiting: when it ends, and which errors carry the frame."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
import warnings

import numpy as np
import pandas as pd
import pytest
from conftest import TOKEN
from driven import until

import asana_jobs_pd as aj
from asana_jobs_pd.errors import (
    AuthenticationError,
    InvalidFrameError,
    InvalidOptionError,
    NoThreadsError,
    PartialReadError,
    ReadInterrupted,
    WaitTimeoutError,
)
from asana_jobs_pd.testing import MockTransport


@pytest.fixture
def stuck(asana, client):
    """Three jobs that do not finish by themselves."""
    gids = asana.gids(3)
    for gid in gids:
        asana.progress(gid)
    jobs = aj.read_asana_jobs(gids, client=client)
    asana.reset_stats()
    return jobs


def test_it_returns_the_finished_frame(asana, client, stuck):
    """As refresh would; the caller's frame stays as it was."""
    before = stuck.copy(deep=True)
    asana.finish(*stuck["gid"])
    jobs = stuck[["gid"]].set_index("gid").assign(mine=1).asana.wait(client=client, timeout=120)
    assert jobs["status"].tolist() == ["succeeded"] * 3
    assert jobs.index.tolist() == stuck["gid"].tolist()
    assert jobs["mine"].tolist() == [1] * 3
    pd.testing.assert_frame_equal(stuck, before)


def test_gids_are_enough(asana, client):
    """The plain function takes what a read takes."""
    gids = asana.gids(3)
    asana.finish(*gids)
    jobs = aj.wait_asana_jobs(gids, client=client, timeout=120)
    assert jobs["gid"].tolist() == gids
    assert not len(jobs.asana.pending)


def test_any_ends_with_one_more(asana, client, stuck):
    """One more than at the call, whatever was finished before."""
    asana.finish(stuck["gid"][0])
    first = stuck.asana.wait(until="any", client=client, timeout=120)
    assert first["status"].tolist() == ["succeeded", "in_progress", "in_progress"]
    asana.finish(stuck["gid"][1])
    second = first.asana.wait(until="any", client=client, timeout=120)
    assert second["status"].tolist() == ["succeeded", "succeeded", "in_progress"]


@pytest.mark.parametrize("until_", ["all", "any"])
def test_nothing_to_wait_for_is_over_at_once(until_):
    """No request is made and no token is needed."""
    jobs = aj.asana_jobs_from_records([{"gid": "1", "status": "failed"}])
    pd.testing.assert_frame_equal(jobs.asana.wait(until=until_), jobs)


def test_a_timeout_carries_the_frame(asana, client, stuck):
    """It is a TimeoutError that says how many jobs have finished."""
    asana.finish(stuck["gid"][0])
    jobs = aj.read_asana_jobs(stuck["gid"].iloc[[0, 0, 1]], client=client)
    with pytest.raises(TimeoutError, match="1 of 2 jobs are finished") as caught:
        aj.wait_asana_jobs(jobs, client=client, timeout=0.3)
    error = caught.value
    assert isinstance(error, WaitTimeoutError)
    assert "0.3 s" in str(error)
    assert "1 in progress, 1 succeeded" in str(error)
    assert error.frame["status"].tolist() == ["succeeded", "succeeded", "in_progress"]


def test_an_interrupt_ends_it_at_once_with_the_frame(asana, client, stuck):
    """Though a request is in flight for much longer."""
    asana.fault("delay", times=3, seconds=60)
    main, at = threading.main_thread().ident, []

    def interrupt():
        until(lambda: client.limiter.budget.in_flight > 0)
        at.append(time.monotonic())
        signal.pthread_kill(main, signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(ReadInterrupted, match="0 of 3 jobs are finished") as caught:
        aj.wait_asana_jobs(stuck[["gid"]], client=client)
    assert time.monotonic() - at[0] < 10, "0.3 s on a quiet machine"
    thread.join()
    assert caught.value.frame["gid"].tolist() == stuck["gid"].tolist()


def test_errors_decide_about_what_cannot_be_read(asana, client):
    """A 404 ends a row; it is kept, dropped, or raised when everything else is finished."""
    gids = [*asana.gids(2), "999"]
    asana.finish(*gids[:2])
    kept = aj.wait_asana_jobs(gids, client=client)
    assert kept["error.status"].tolist() == [pd.NA, pd.NA, 404]
    dropped = aj.wait_asana_jobs(gids, client=client, errors="drop")
    assert dropped["gid"].tolist() == gids[:2]
    with pytest.raises(PartialReadError, match="1 of 3 jobs could not be read") as caught:
        aj.wait_asana_jobs(gids, client=client, errors="raise")
    assert list(caught.value.errors) == ["999"]
    assert caught.value.frame["status"].tolist() == ["succeeded", "succeeded", pd.NA]


def test_a_failed_job_is_no_error(asana, client):
    """Its status says so; reading it succeeded."""
    gid = asana.gids(12)[11]
    asana.progress(gid, status="failed")
    jobs = aj.wait_asana_jobs(gid, client=client, errors="raise")
    assert jobs["status"].tolist() == ["failed"]


def test_401_is_raised_with_the_frame(asana, stuck):
    """At once, and without the token."""
    with aj.Client(TOKEN + "0", base_url=asana.base_url) as stranger:
        with pytest.raises(AuthenticationError, match="401") as caught:
            stuck[["gid"]].asana.wait(client=stranger)
    assert caught.value.frame["gid"].tolist() == stuck["gid"].tolist()
    assert TOKEN not in str(caught.value)


def test_a_wait_that_cannot_go_on_says_so(asana, stuck):
    """For example when the client is closed meanwhile; the frame is in the error."""
    client = aj.Client(asana.token, base_url=asana.base_url)
    client.close()
    with pytest.raises(PartialReadError, match="closed") as caught:
        stuck[["gid"]].asana.wait(client=client)
    assert len(caught.value.frame) == 3


def test_a_test_that_fails_in_its_transport_ends_the_wait():
    """``pytest.fail`` raises no Exception; a poller that died of it would be waited for."""

    def handler(_request):
        pytest.fail("unexpected")

    with aj.Client(transport=MockTransport(handler)) as client:
        with pytest.raises(PartialReadError, match="unexpected"):
            aj.wait_asana_jobs(["12"], client=client)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"until": "some"}, "until='some'"),
        ({"errors": "ignore"}, "errors='ignore'"),
        ({"timeout": -1}, "timeout=-1"),
        ({"timeout": "60"}, "timeout='60'"),
        ({"timeout": float("nan")}, "timeout=nan"),
        ({"timeout": np.timedelta64(5, "s")}, r"timeout=\w+\.timedelta64"),
        ({"client": "token"}, "client"),
        ({"progress": 1}, "progress=1"),
    ],
)
def test_options_are_checked_before_anything_is_sent(asana, stuck, options, named):
    """The message names the option and its value."""
    with pytest.raises(InvalidOptionError, match=named):
        stuck.asana.wait(**options)
    assert asana.stats.requests == 0


def test_a_frame_without_gids_is_refused():
    """As everywhere."""
    with pytest.raises(InvalidFrameError, match="gid"):
        pd.DataFrame({"id": ["1"]}).asana.wait()


def test_one_line_of_progress(asana, client, stuck, monkeypatch):
    """It counts finished jobs and is not redrawn without news."""
    terminal = io.StringIO()
    monkeypatch.setattr(sys, "stderr", terminal)
    asana.finish(*stuck["gid"])
    asana.fault("delay", times=3, seconds=0.5)
    stuck[["gid"]].asana.wait(client=client, progress=True, timeout=120)
    assert "3/3" in terminal.getvalue()
    assert terminal.getvalue().count("\n") == 1
    assert terminal.getvalue().count("\r") < 20


def test_api_changes_cause_a_warning(sandbox):
    """Asana's announcements reach the user's line, once."""
    asana = sandbox(token=TOKEN, changes=["name=x;info=https://x.test;affected=true"])
    gids = asana.gids(3)
    asana.finish(*gids)
    with aj.Client(asana.token, base_url=asana.base_url) as client:
        with pytest.warns(aj.AsanaChangeWarning) as caught:
            aj.wait_asana_jobs(gids, client=client)
    assert [warning.filename for warning in caught] == [__file__]


def test_warnings_that_are_errors_carry_the_frame(sandbox):
    """The jobs have been waited for, and are not lost; an error of the wait itself comes first."""
    asana = sandbox(token=TOKEN, changes=["name=x;info=https://x.test;affected=true"])
    gids = [*asana.gids(3), "999"]
    asana.finish(*gids[:3])
    for errors, expected in (("coerce", aj.AsanaChangeWarning), ("raise", PartialReadError)):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with aj.Client(asana.token, base_url=asana.base_url) as client:
                with pytest.raises(expected) as caught:
                    aj.wait_asana_jobs(gids, client=client, errors=errors)
        assert caught.value.frame["status"].notna().tolist() == [True] * 3 + [False]


def test_an_interrupt_before_the_first_request_has_the_frame(monkeypatch):
    """For example at the prompt for a token."""
    from asana_jobs_pd._monitor import monitor

    def prompt(ask=True):
        raise KeyboardInterrupt

    monkeypatch.setattr(monitor, "default_client", prompt)
    with pytest.raises(ReadInterrupted, match="0 of 2 jobs are finished") as caught:
        aj.wait_asana_jobs(["1", "2"])
    assert caught.value.frame["gid"].tolist() == ["1", "2"]


def test_without_threads_the_error_has_the_frame(asana, client, stuck, monkeypatch):
    """It says what needs threads."""

    def no_more(thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", no_more)
    with pytest.raises(NoThreadsError, match=r"waiting, .*need threads") as caught:
        stuck.asana.wait(client=client)
    assert caught.value.frame["gid"].tolist() == stuck["gid"].tolist()


def test_async_lets_other_tasks_go_on(asana, client, stuck):
    """It ends because another task of the same loop finishes the jobs; the frame is the same."""

    async def finish_later():
        for _ in range(5):
            await asyncio.sleep(0.01)
        asana.finish(*stuck["gid"])

    async def main():
        task = asyncio.create_task(finish_later())
        jobs = await stuck[["gid"]].asana.wait_async(client=client, timeout=120)
        await task
        return jobs

    assert asyncio.run(main())["status"].tolist() == ["succeeded"] * 3


def test_async_ends_when_it_is_cancelled(asana, client, stuck):
    """At once, though a request is in flight; the monitor stops."""
    asana.fault("delay", times=3, seconds=60)

    async def main():
        task = asyncio.create_task(stuck[["gid"]].asana.wait_async(client=client))
        while not client.limiter.budget.in_flight:  # noqa: ASYNC110  no event tells it
            await asyncio.sleep(0.01)
        began = time.monotonic()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return time.monotonic() - began

    assert asyncio.run(main()) < 10, "0.3 s on a quiet machine"


def test_async_times_out_with_the_frame(client, stuck):
    """As without await."""
    with pytest.raises(WaitTimeoutError) as caught:
        asyncio.run(aj.wait_asana_jobs_async(stuck, client=client, timeout=0.3))
    assert len(caught.value.frame) == 3


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["monitor", "interrupt"])
def test_nothing_keeps_the_process_from_ending(sandbox, ending, tmp_path):
    """A running monitor, with requests in flight for minutes, does not hold the interpreter."""
    asana = sandbox(token=TOKEN)
    asana.fault("delay", times=50, seconds=600)
    code = f"""
        import os, signal, threading, time
        import asana_jobs_pd as aj
        jobs = {asana.gids(9)!r}
        if {ending == "monitor"}:
            monitor = aj.JobsMonitor(jobs).start()
            while not monitor.requests_used:
                time.sleep(0.05)
        else:
            limiter = aj.connect().limiter
            def interrupt():
                while not limiter.used():
                    time.sleep(0.05)
                os.kill(os.getpid(), signal.SIGINT)
            threading.Thread(target=interrupt, daemon=True).start()
            try:
                aj.wait_asana_jobs(jobs)
            except KeyboardInterrupt as stop:
                assert len(stop.frame) == 9
        print("end", flush=True)
    """
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(code)],
        cwd=tmp_path,
        env={**os.environ, **asana.environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout.readline() == "end\n"
        began = time.monotonic()
        _, err = process.communicate(timeout=120)
    assert time.monotonic() - began < 60
    assert (process.returncode, err) == (0, "")


def test_notify_is_called_once_when_all_jobs_are_finished(asana, client):
    """With the frame that is returned; awaited or not, and when nothing was unfinished."""
    asana.finish(*asana.gids(2))
    told = []
    frame = aj.wait_asana_jobs(asana.gids(2), client=client, notify=told.append)
    again = frame.asana.wait(client=client, notify=told.append)
    asyncio.run(frame.asana.wait_async(client=client, notify=told.append))
    assert [len(each) for each in told] == [2, 2, 2]
    assert told[0] is frame
    assert told[1] is again


def test_notify_is_not_called_when_a_wait_ends_otherwise(asana, client):
    """A timeout; a rejected token; but it is of jobs that failed or could not be read."""
    told = []
    asana.progress(asana.gids(1)[0])
    with pytest.raises(aj.WaitTimeoutError):
        aj.wait_asana_jobs(asana.gids(1), client=client, timeout=0.2, notify=told.append)
    refused = aj.Client("other", base_url=asana.base_url)
    with pytest.raises(AuthenticationError):
        aj.wait_asana_jobs(asana.gids(1), client=refused, notify=told.append)
    assert not told
    asana.answer(asana.gids(1)[0], 404)
    with pytest.raises(PartialReadError):
        aj.wait_asana_jobs(asana.gids(1), client=client, errors="raise", notify=told.append)
    assert len(told) == 1


def test_a_notify_that_raises_costs_no_result(asana, client):
    """It is a warning; turned into an error, that carries the frame; an interrupt, too."""
    asana.finish(*asana.gids(1))

    def fail(_):
        raise OSError("no mail server")

    def interrupt(_):
        raise KeyboardInterrupt

    with pytest.warns(UserWarning, match="notify= raised OSError: no mail server"):
        assert len(aj.wait_asana_jobs(asana.gids(1), client=client, notify=fail)) == 1
    with warnings.catch_warnings(action="error"), pytest.raises(UserWarning) as caught:
        aj.wait_asana_jobs(asana.gids(1), client=client, notify=fail)
    assert len(caught.value.frame) == 1
    with pytest.raises(aj.ReadInterrupted) as stopped:
        aj.wait_asana_jobs(asana.gids(1), client=client, notify=interrupt)
    assert len(stopped.value.frame) == 1
    with pytest.raises(InvalidOptionError, match="notify="):
        aj.wait_asana_jobs(asana.gids(1), client=client, notify="mail")
