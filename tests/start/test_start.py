"""Starting jobs on a sandbox: five at a time, each once, every parent with its row."""

from __future__ import annotations

import json
import os
import queue
import re
import signal
import threading
import time
import warnings
from http import HTTPStatus

import pandas as pd
import pytest
from conftest import TOKEN
from driven import until

import asana_jobs_pd as aj
from asana_jobs_pd._http.rate_limit import Limiter
from asana_jobs_pd._http.responses import PostResult
from asana_jobs_pd._http.threads import RealClock
from asana_jobs_pd._http.transport import Response
from asana_jobs_pd._start.endpoints import ENDPOINTS
from asana_jobs_pd._start.requests import plan_requests
from asana_jobs_pd._start.start_jobs import Start, start_jobs
from asana_jobs_pd.errors import (
    AsanaStartWarning,
    AuthenticationError,
    InvalidOptionError,
    PartialStartError,
    StartStoppedError,
    StatusError,
)
from asana_jobs_pd.testing import MockTransport

PARENTS = {
    "export_graph": "project",
    "export_resources": "workspace",
    "duplicate_project": "project",
    "duplicate_task": "task",
    "duplicate_portfolio": "portfolio",
    "instantiate_project": "project_template",
    "instantiate_task": "task_template",
    "save_project_as_template": "project",
}
NEEDED = {
    "export_resources": {"resources": "task"},
    "duplicate_project": {"name": "Copy"},
    "duplicate_portfolio": {"name": "Copy"},
    "instantiate_project": {"name": "New"},
    "save_project_as_template": {"name": "Template", "public": True},
}
quiet = pytest.mark.filterwarnings("ignore::asana_jobs_pd.errors.AsanaStartWarning")


class Driven:
    """The sandbox's time, which advances whenever no response comes at once."""

    def __init__(self, asana, step=0.5, after=None):
        self._asana, self._step = asana, step
        self._after = after

    def now(self):
        return self._asana._site.clock.now()

    def wait(self, signals, seconds):
        try:
            return signals.get(timeout=0.001)
        except queue.Empty:
            self._asana.advance(max(min(seconds, 60.0), self._step))
            if self._after is not None:
                self._after()
            return None


def ends_after(asana, status, gids):
    """Keep jobs in progress until the sandbox has answered a request with a status."""
    for gid in gids:
        asana.progress(gid)

    def check():
        if status in asana.stats.by_status:
            asana.finish(*gids)

    return Driven(asana, after=check)


@pytest.fixture
def start(asana, client):
    """Start jobs in the sandbox's own time."""

    def start(verb, parents, options=None, **how):
        clock = how.pop("clock", None) or Driven(asana)
        how = {"client": client, "progress": False, **how}
        return start_jobs(verb, parents, options or {}, how, clock)

    return start


def posts(asana):
    return [request for request in asana.requests if request.method == "POST"]


def when(condition, act):
    """Act in another thread once a condition holds."""

    def wait():
        until(condition)
        act()

    threading.Thread(target=wait, daemon=True).start()


def polled(asana):
    """The started jobs that were polled: what started them has been noted then."""
    return {request.path for request in asana.requests if request.method == "GET"}


class Hasty:
    """The real time, ten times as fast."""

    def now(self):
        return 10 * time.monotonic()

    def wait(self, signals, seconds):
        try:
            return signals.get(timeout=min(seconds, 60.0) / 10)
        except queue.Empty:
            return None


def parents_of(requests):
    return [json.loads(request.body)["data"]["parent"] for request in requests]


@pytest.mark.parametrize("verb", ENDPOINTS)
def test_every_verb_starts_its_job(asana, client, verb):
    """One POST a parent, which this Asana accepts; the frame is that of a read, and more."""
    parents = asana.parents(2, PARENTS[verb])
    jobs = getattr(aj, verb)(parents, **NEEDED.get(verb, {}), client=client)
    assert jobs["source.gid"].tolist() == parents
    assert jobs["source.state"].tolist() == ["started"] * 2
    assert jobs["source.action"].tolist() == [verb] * 2
    assert jobs["error.kind"].isna().all()
    read = aj.read_asana_jobs(jobs, client=client)
    assert jobs["resource_subtype"].tolist() == read["resource_subtype"].tolist()
    assert list(jobs.columns[: len(read.columns)]) == list(read.columns)
    assert list(jobs.columns[len(read.columns) :]) == [
        "source.gid",
        "source.action",
        "source.state",
        "source.requested_at",
    ]
    assert jobs.dtypes[read.columns].equals(read.dtypes)
    assert jobs["source.requested_at"].dtype == "datetime64[us, UTC]"
    assert len(posts(asana)) == 2
    asana.advance(60)
    done = jobs.asana.refresh(client=client)
    assert done["status"].tolist() == ["succeeded"] * 2
    assert done["source.gid"].tolist() == parents


def test_two_hundred_parents_run_five_at_a_time(asana, start, caplog):
    """Each once, in order, the next as one ends; the frame has them in the order of the parents."""
    caplog.set_level("WARNING")
    parents = asana.parents(200)
    jobs = start("export_graph", parents)
    assert jobs["source.gid"].tolist() == parents
    assert (jobs["source.state"] == "started").all()
    assert jobs["gid"].nunique() == 200
    assert asana.stats.jobs_started == 200
    assert asana.stats.most_running <= 5
    assert asana.stats.by_status == {201: 200, 200: asana.stats.by_status[200]}
    assert sorted(parents_of(posts(asana))) == parents
    assert caplog.text == "", "no log of urllib3 bothers the user"
    assert (jobs["status"] == "succeeded").sum() >= 195, "those that were seen to end say so"


def test_jobs_of_the_call_before_count(asana, start):
    """Five are running: the next call waits for them instead of asking for a refusal."""
    before = start("export_graph", asana.parents(5))["gid"]
    clock = ends_after(asana, 200, before)
    jobs = start("duplicate_task", asana.parents(3, "task"), clock=clock)
    assert (jobs["source.state"] == "started").all()
    assert asana.stats.most_running <= 5
    assert 429 not in asana.stats.by_status


def test_jobs_of_others_are_waited_for(asana, sandbox, start, client):
    """A 429 because somebody else has the places: asked again later, the parent loses nothing."""
    with aj.Client(asana.token, base_url=asana.base_url, limiter=Limiter(None, 50)) as other:
        theirs = aj.export_graph(asana.parents(4), client=other)["gid"]
    parents = asana.parents(6, start=10)
    jobs = start("export_graph", parents, clock=ends_after(asana, 429, theirs))
    assert (jobs["source.state"] == "started").all()
    assert jobs["error.kind"].isna().all()
    assert asana.stats.by_status[429] >= 1
    assert asana.stats.jobs_started == 10
    assert asana.stats.most_running == 5


def test_one_resource_export_a_workspace(asana, start):
    """The second waits for the first (403), while other workspaces continue."""
    one, two = asana.parents(2, "workspace")
    options = {"export_request_parameters": [{"resource_type": "team"}]}
    first = start("export_resources", one, options)
    both = start(
        "export_resources", [one, two], options, clock=ends_after(asana, 403, first["gid"])
    )
    assert (both["source.state"] == "started").all()
    assert asana.stats.by_status[403] >= 1
    assert both["error.kind"].isna().all()
    assert asana.stats.jobs_started == 3
    assert first["gid"][0] not in both["gid"].tolist()


@pytest.mark.parametrize("message", ["Forbidden", "You do not have access to this workspace"])
def test_a_403_that_is_about_rights_is_final(asana, start, message):
    """Not every 403 means "not now"."""
    (parent,) = asana.parents(1, "workspace")
    asana.answer(parent, 403, message)
    options = {"export_request_parameters": [{"resource_type": "team"}]}
    with pytest.warns(AsanaStartWarning, match="refused: 1"):
        jobs = start("export_resources", parent, options)
    assert jobs["source.state"].tolist() == ["refused"]
    assert len(posts(asana)) == 1


def test_every_parent_has_its_row(asana, start):
    """Refused, unknown, of another kind: its row says why, and the others are started."""
    good, forbidden, bad = asana.parents(3)
    asana.answer(forbidden, 403)
    asana.answer(bad, 400, "parent: Not a goal, team, portfolio or project")
    with pytest.warns(AsanaStartWarning, match="1 of 4 jobs were started; refused: 3"):
        jobs = start("export_graph", [good, forbidden, "999", bad])
    assert jobs["source.gid"].tolist() == [good, forbidden, "999", bad]
    assert jobs["source.state"].tolist() == ["started", *["refused"] * 3]
    assert jobs["gid"].isna().tolist() == [False, True, True, True]
    assert jobs["error.status"].tolist()[1:] == [403, 404, 400]
    assert jobs["error.message"][3] == "parent: Not a goal, team, portfolio or project"
    assert jobs["error.message"][2] == "parent: Unknown object: 999"
    assert len(posts(asana)) == 4
    with pytest.raises(PartialStartError) as caught:
        start("export_graph", [good, forbidden], errors="raise")
    assert list(caught.value.errors) == [forbidden]
    assert caught.value.frame["source.state"].tolist() == ["started", "refused"]


@quiet
def test_rows_without_a_job_harm_nothing(asana, client, start):
    """They are finished and failed, and neither refresh nor a round trip by CSV trips over them."""
    good, bad = asana.parents(2)
    asana.answer(bad, 400)
    jobs = start("export_graph", [bad, good])
    asana.advance(60)
    for frame in (jobs, pd.read_csv(io_of(jobs), dtype={"gid": "string"})):
        assert frame.asana.failed["source.state"].tolist() == ["refused"]
        assert len(frame.asana.pending) == 1
        done = frame.asana.refresh(client=client)
        assert done["source.state"].tolist() == ["refused", "started"]
        assert done["status"].tolist()[1] == "succeeded"
        assert not len(done.asana.pending)
        assert done["source.requested_at"].dtype == "datetime64[us, UTC]"
        assert done["source.gid"].dtype == "string"
    assert len(jobs.asana.results()) == 1


def io_of(frame):
    import io

    return io.StringIO(frame.to_csv(index=False))


@quiet
@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ({"kind": "reset"}, "network"),
        ({"kind": "status", "status": 500}, "http"),
        ({"kind": "html", "status": 502}, "http"),
        ({"kind": "empty", "status": 504}, "http"),
        ({"kind": "truncate"}, "network"),
        ({"kind": "garbage", "status": 201}, "body"),
        ({"kind": "reset", "early": True}, "network"),
        ({"kind": "status", "status": 503, "early": True}, "http"),
    ],
)
def test_a_lost_response_is_reported_and_the_post_not_repeated(asana, start, fault, kind):
    """Whether it arrived is unknown: there is one POST, and the row says so."""
    one, two = asana.parents(2)
    asana.fault(**fault, gid=one, method="POST", times=99)
    jobs = start("export_graph", [one, two])
    assert jobs["source.state"].tolist() == ["unknown", "started"]
    assert jobs["error.kind"].tolist()[0] == kind
    assert "it is not known whether Asana started it" in jobs["error.message"][0]
    assert pd.isna(jobs["gid"][0])
    assert parents_of(posts(asana)).count(one) == 1
    assert asana.stats.jobs_started == (1 if fault.get("early") else 2)


@quiet
def test_a_timeout_is_unknown_too(asana):
    """Without a response in time, the job may or may not exist."""
    (parent,) = asana.parents(1)
    asana.fault("delay", gid=parent, seconds=5.0)
    with aj.Client(asana.token, base_url=asana.base_url, timeout=(5.0, 0.3)) as client:
        jobs = aj.export_graph(parent, client=client)
    assert jobs["source.state"].tolist() == ["unknown"]
    assert jobs["error.kind"].tolist() == ["timeout"]
    assert len(posts(asana)) == 1


@quiet
def test_without_a_server_nothing_was_sent(asana):
    """Refused connections are tried again, then the row says that it can be started again."""
    asana.stop()
    with aj.Client(asana.token, base_url=asana.base_url, max_retries=1) as client:
        jobs = aj.export_graph(["12", "13"], client=client)
    assert jobs["source.state"].tolist() == ["not_sent"] * 2
    assert jobs["error.kind"].tolist() == ["network"] * 2
    assert "not known" not in jobs["error.message"][0]


@quiet
def test_an_outage_does_not_make_all_parents_unknown(asana, start):
    """After three lost answers nothing more is sent: the rest can be started again."""
    parents = asana.parents(30)
    asana.fault("status", status=500, method="POST", times=99)
    jobs = start("export_graph", parents)
    counts = jobs["source.state"].value_counts()
    assert counts["unknown"] <= 5
    assert counts["unknown"] + counts["not_sent"] == 30
    assert len(posts(asana)) == counts["unknown"]
    rest = jobs[jobs["source.state"] == "not_sent"]
    assert rest["error.message"].str.startswith("not sent: ").all()
    assert asana.stats.jobs_started == counts["unknown"], "they were taken, each once"


def test_429_with_a_time_holds_everybody(sandbox):
    """The window is full: all wait, and every parent is started once."""
    asana = sandbox(token=TOKEN, requests_per_minute=8, window=10, max_jobs=None, clock=None)
    with aj.Client(TOKEN, base_url=asana.base_url, requests_per_minute=None) as client:
        for _ in range(8):
            client.get_job(asana.gids(1)[0])
        asana.fault("status", status=429, method="POST")
        with pytest.raises(StartStoppedError) as caught:
            aj.export_graph(asana.parents(2), client=client, timeout=0.5)
    assert set(caught.value.frame["source.state"]) == {"not_sent"}
    assert len(posts(asana)) <= 2
    assert client.limiter.budget.closings == 1


def test_a_final_answer_to_the_post_is_read_whole(asana, client, start):
    """A job that has already ended is requested once: a refresh would skip it."""
    parent = asana.parents(1, "portfolio")
    start("export_graph", parent)
    asana.advance(60)
    with pytest.warns(AsanaStartWarning, match="1 of 1 exports come from Asana's cache"):
        jobs = start("export_graph", parent)
    assert jobs["status"].tolist() == ["succeeded"]
    assert jobs["new_graph_export.download_url"].notna().all()


def test_a_cached_export_causes_a_warning(asana, client, start):
    """Asana gives a large export again for 4 hours: completed before it was requested."""
    parents = [*asana.parents(1, "team"), *asana.parents(1, "project")]
    first = start("export_graph", parents)
    asana.advance(3600)
    assert not len(first.asana.refresh(client=client).asana.cached)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AsanaStartWarning)
        again = start("export_graph", parents)
    asana.advance(60)
    again = again.asana.refresh(client=client)
    assert again.asana.cached["source.gid"].tolist() == parents[:1]
    assert pd.read_csv(io_of(again), dtype={"gid": "string"}).asana.cached.index.tolist() == [0]
    asana.advance(5 * 3600)
    fresh = start("export_graph", parents)
    asana.advance(60)
    assert not len(fresh.asana.refresh(client=client).asana.cached)


def test_a_repeated_parent_is_started_once(asana, start):
    """Its rows show the same job; other names make other jobs."""
    (parent,) = asana.parents(1)
    jobs = start("export_graph", [parent, parent])
    assert jobs["gid"][0] == jobs["gid"][1]
    assert len(jobs) == 2
    copies = start("duplicate_project", parent, {"name": ["a", "b", "a"]})
    assert copies["gid"].nunique() == 2
    assert copies["gid"][0] == copies["gid"][2]
    assert len(posts(asana)) == 3


@pytest.fixture
def meagre_posts(client, monkeypatch):
    """Let every POST be answered with one job that has succeeded, and nothing else about it."""

    def answer(gid):
        made = Response.from_json({"data": {"gid": gid, "status": "succeeded"}}, 201)
        send = type(client._transport).send

        def send_or_make(transport, method, *rest):
            return made if method == "POST" else send(transport, method, *rest)

        monkeypatch.setattr(type(client._transport), "send", send_or_make)

    return answer


@quiet
def test_a_job_that_is_returned_twice_has_two_rows(asana, meagre_posts, start):
    """Asana may give one job for several parents, for example from its cache.

    All rows follow it and are complete: a refresh would not request a job that has succeeded.
    """
    (gid,) = asana.gids(1, "graph_export_request")
    asana.finish(gid)
    meagre_posts(gid)
    jobs = start("export_graph", asana.parents(7))
    assert jobs["gid"].tolist() == [gid] * 7
    assert (jobs["source.state"] == "started").all()
    assert jobs["new_graph_export.download_url"].notna().all()


@pytest.mark.parametrize(
    ("status", "reason", "following"),
    [(403, "Another export is in progress", 1), (429, "Too many", None), (403, "Forbidden", 1)],
)
def test_only_a_429_holds_up_the_others(client, status, reason, following):
    """A 403 is about one workspace: others need not wait for it."""
    requests = plan_requests(ENDPOINTS["export_graph"], ["1", "2"], {})
    call = Start(requests, {"client": client}, None, RealClock())
    delivery = "later" if status == 429 else "refused"
    error = StatusError(reason, status=status, reason=reason)
    with call._lock:
        assert call._queue.take(0.0) == 0
        call._note_posted(0, PostResult(delivery, {}, error))
        assert call._queue.take(0.0) == following
        assert len(call._queue.waiting) == (2 if following is None else reason != "Forbidden")


def test_nothing_is_a_frame_too(client):
    """No parents give no request and the same columns."""
    jobs = aj.export_graph([], client=client)
    assert len(jobs) == 0
    assert jobs["source.requested_at"].dtype == "datetime64[us, UTC]"
    assert {"gid", "status", "source.gid", "error.kind"} <= set(jobs.columns)


def test_a_bad_token_stops_at_once(asana):
    """401: the frame is in the error, and nothing more is sent."""
    with aj.Client(TOKEN + "0", base_url=asana.base_url) as client:
        with pytest.raises(AuthenticationError) as caught:
            aj.export_graph(asana.parents(50), client=client)
    frame = caught.value.frame
    assert len(frame) == 50
    assert set(frame["source.state"]) == {"refused", "not_sent"}
    assert asana.stats.requests <= 10
    assert asana.stats.jobs_started == 0


def test_stopped_by_another_thread(asana, start):
    """What was started is in the frame of the error, and the others can be started again."""
    stop = threading.Event()
    when(lambda: len(polled(asana)) == 5, stop.set)
    with pytest.raises(StartStoppedError, match="Stopped: 5 of 9 jobs were started") as caught:
        start("export_graph", asana.parents(9), stop=stop, clock=Hasty())
    frame = caught.value.frame
    assert frame["source.state"].tolist() == ["started"] * 5 + ["not_sent"] * 4
    assert frame["gid"].notna().tolist() == [True] * 5 + [False] * 4
    asana.advance(60)
    rest = start(
        "export_graph", frame.loc[frame["source.state"] == "not_sent", "source.gid"], clock=Hasty()
    )
    assert (rest["source.state"] == "started").all()
    assert asana.stats.jobs_started == 9


def test_a_timeout_gives_the_same_frame(asana, start):
    """After so many seconds nothing more is started."""
    for gid in start("export_graph", asana.parents(5))["gid"]:
        asana.progress(gid)
    with pytest.raises(StartStoppedError, match="Not done within 100 s: 0 of 2") as caught:
        start("export_graph", asana.parents(2, start=5), timeout=100)
    assert caught.value.frame["source.state"].tolist() == ["not_sent"] * 2
    assert asana.stats.jobs_started == 5


@pytest.mark.skipif(os.name == "nt", reason="pthread_kill is not there")
def test_an_interrupt_ends_at_once_with_the_frame(asana, start, client):
    """A POST in flight is unknown, what was started has its gid."""
    parents = asana.parents(9)
    asana.fault("delay", gid=parents[0], seconds=60.0)
    main, sent = threading.get_ident(), []

    def interrupt():
        sent.append(time.monotonic())
        signal.pthread_kill(main, signal.SIGINT)

    when(lambda: len(polled(asana)) == 4, interrupt)
    with pytest.raises(aj.StartInterrupted, match="4 of 9 jobs were started") as caught:
        start("export_graph", parents, clock=Hasty())
    assert time.monotonic() - sent[0] < 10, "0.3 s on a quiet machine"
    frame = caught.value.frame
    assert frame["source.gid"].tolist() == parents
    assert frame["source.state"].tolist() == ["unknown", *["started"] * 4, *["not_sent"] * 4]
    assert "stopped before a response came" in frame["error.message"][0]
    assert isinstance(caught.value, aj.ReadInterrupted)
    assert frame.asana.refresh(client=client)["status"].notna().sum() == 4


def test_an_interrupt_before_the_first_request_has_the_frame(asana, monkeypatch):
    """For example at the prompt for a token: no request was made, and every parent has its row."""
    from asana_jobs_pd._start import start_jobs as module

    def prompt():
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "default_client", prompt)
    with pytest.raises(aj.StartInterrupted, match="0 of 2 jobs were started") as caught:
        aj.export_graph(["12", "13"])
    assert caught.value.frame["source.gid"].tolist() == ["12", "13"]
    assert caught.value.frame["source.state"].tolist() == ["not_sent"] * 2


def test_an_interrupt_while_the_frame_is_made_loses_no_gid(asana, client, monkeypatch):
    """It comes late, and the frame is in the error all the same."""
    from asana_jobs_pd._start import start_jobs as module

    calls, original = [], module.started_frame

    def interrupted_once(*arguments):
        calls.append(1)
        if len(calls) == 1:
            raise KeyboardInterrupt
        return original(*arguments)

    monkeypatch.setattr(module, "started_frame", interrupted_once)
    with pytest.raises(aj.StartInterrupted, match="2 of 2 jobs were started") as caught:
        aj.export_graph(asana.parents(2), client=client)
    assert caught.value.frame["gid"].notna().all()


def test_without_threads_the_frame_says_what_was_not_sent(asana, client, monkeypatch):
    """The error says which verbs need threads."""

    def no_more(thread):
        raise RuntimeError("can't start new thread")

    parents = asana.parents(2)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", no_more)
        with pytest.raises(StartStoppedError, match=r"starting jobs .*need threads") as caught:
            aj.export_graph(parents, client=client)
    assert caught.value.frame["source.state"].tolist() == ["not_sent"] * 2
    assert not posts(asana)
    assert (aj.export_graph(parents, client=client)["source.state"] == "started").all()


def test_an_answer_after_the_end_is_logged(caplog):
    """The frame says "unknown" already; the gid of the job is not lost for all that."""
    stop, ended = threading.Event(), threading.Event()

    def answer(_):
        stop.set()
        assert ended.wait(120)
        return Response(201, {}, b'{"data": {"gid": "12039", "status": "not_started"}}')

    with aj.Client(transport=MockTransport(answer)) as client:
        with pytest.raises(StartStoppedError) as caught:
            aj.export_graph("7", client=client, stop=stop)
        assert caught.value.frame["source.state"].tolist() == ["unknown"]
        ended.set()
        until(lambda: "was started" in caplog.text)
    assert "Parent 7: job 12039" in caplog.text


def test_a_client_that_is_closed_meanwhile_ends_it_with_the_frame(asana, start):
    """Neither the polls nor what waits goes on; what was started has its row."""
    with aj.Client(TOKEN, base_url=asana.base_url) as client:
        when(lambda: len(polled(asana)) == 5, client.close)
        with pytest.raises(StartStoppedError, match="closed") as caught:
            start("export_graph", asana.parents(9), client=client, clock=Hasty())
    states = caught.value.frame["source.state"].tolist()
    assert states == ["started"] * 5 + ["not_sent"] * 4


def test_a_closed_client_is_an_error_with_the_frame(asana):
    """Closing it loses nothing."""
    client = aj.Client(TOKEN, base_url=asana.base_url)
    client.close()
    with pytest.raises(StartStoppedError, match="ClientClosedError") as caught:
        aj.export_graph(asana.parents(2), client=client)
    assert caught.value.frame["source.state"].tolist() == ["not_sent"] * 2
    assert caught.value.__context__ is None


def test_an_error_of_the_progress_bar_loses_no_gid(asana, client, monkeypatch):
    """Whatever it raises, the frame is in the error."""
    from asana_jobs_pd._start import start_jobs as starting

    def fail(self, done):
        raise BrokenPipeError("no terminal any more")

    monkeypatch.setattr(starting.Progress, "tick", fail)
    with pytest.raises(StartStoppedError, match="BrokenPipeError: no terminal") as caught:
        aj.export_graph(asana.parents(3), client=client)
    states = caught.value.frame["source.state"]
    assert asana.stats.jobs_started == (states == "started").sum() + (states == "unknown").sum()


def test_warnings_that_are_errors_lose_no_gid(asana, start):
    """They carry the frame, too."""
    good, bad = asana.parents(2)
    asana.answer(bad, 400)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(AsanaStartWarning) as caught:
            start("export_graph", [good, bad])
    assert caught.value.frame["source.state"].tolist() == ["started", "refused"]


def test_a_warning_that_cannot_be_shown_loses_no_gid(asana, start, monkeypatch):
    """Standard error may be closed, or a hook of the user's fail."""

    def fail(*_, **__):
        raise ValueError("I/O operation on closed file")

    good, bad = asana.parents(2)
    asana.answer(bad, 400)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        monkeypatch.setattr(warnings, "showwarning", fail)
        jobs = start("export_graph", [good, bad])
    assert jobs["source.state"].tolist() == ["started", "refused"]


def test_an_error_is_not_replaced_by_a_warning(sandbox):
    """Where warnings are errors: the error that ended the call comes first, and says it once."""
    asana = sandbox(token=TOKEN, changes=["name=x;info=https://x.test;affected=true"])
    good, bad = asana.parents(2)
    asana.answer(bad, 400)
    for action in ("error", "always"):
        with aj.Client(TOKEN, base_url=asana.base_url) as client:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter(action)
                with pytest.raises(PartialStartError, match="1 of 2 jobs were started"):
                    aj.export_graph([good, bad], client=client, errors="raise")
    assert [warning.category for warning in caught] == [aj.AsanaChangeWarning]


def test_jobs_that_cannot_be_read_keep_nobody_waiting(asana, start):
    """If their places are still taken, Asana says so."""
    for gid in start("export_graph", asana.parents(5))["gid"]:
        asana.answer(gid, 400)
    asana.advance(60)
    jobs = start("export_graph", asana.parents(6, start=5))
    assert (jobs["source.state"] == "started").all()


def test_progress_says_what_runs_and_what_waits(asana, start, capsys):
    """The bar counts those that were started."""
    start("export_graph", asana.parents(7), progress=True)
    shown = capsys.readouterr().err
    assert re.search(r"export_graph: \d running, \d waiting", shown)
    assert "7/7" in shown


def test_no_error_or_log_shows_the_token(asana, caplog):
    """Not with refusals that repeat it, lost responses or DEBUG logs."""
    caplog.set_level("DEBUG")
    one, two = asana.parents(2)
    asana.answer(one, 400, f"you sent Bearer {TOKEN}")
    asana.fault("reset", gid=two, method="POST")
    with aj.Client(TOKEN, base_url=asana.base_url) as client:
        with pytest.raises(PartialStartError) as caught:
            aj.export_graph([one, two], client=client, errors="raise")
    error = caught.value
    texts = [str(error), repr(vars(error)), error.frame.to_csv(), caplog.text]
    for each in error.errors.values():
        texts += [str(each), repr(vars(each))]
        assert each.__context__ is None
    assert not [text for text in texts if TOKEN in text]
    assert len(error.errors) == 2


def test_the_default_client_is_used_and_forgotten_when_refused(asana, monkeypatch):
    """As in reading."""
    monkeypatch.setenv("ASANA_ACCESS_TOKEN", "wrong")
    monkeypatch.setenv("ASANA_BASE_URL", asana.base_url)
    with pytest.raises(AuthenticationError):
        aj.instantiate_task(asana.parents(1, "task_template"))
    monkeypatch.setenv("ASANA_ACCESS_TOKEN", TOKEN)
    jobs = aj.instantiate_task(asana.parents(1, "task_template"))
    assert jobs["source.state"].tolist() == ["started"]
    with pytest.raises(InvalidOptionError, match="progress='yes'"):
        aj.instantiate_task(asana.parents(1, "task_template"), progress="yes")
    assert HTTPStatus.CREATED in asana.stats.by_status
