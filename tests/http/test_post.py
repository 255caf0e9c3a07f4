"""A POST is sent once, apart from the GETs; its outcome is reported as far as it is known."""

from __future__ import annotations

import socket
import threading
from datetime import UTC, datetime

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asana_jobs_pd._http.rate_limit import MAX_POSTS, Budget, Cancelled, Limiter
from asana_jobs_pd._http.retry import delivery_of
from asana_jobs_pd._http.transport import ConnectionFailure, Response
from asana_jobs_pd.errors import ClientClosedError
from asana_jobs_pd.sandbox import Sandbox

from .conftest import TOKEN, Hasty, Line, Now, eventually, http, told

JOB = {"gid": "77", "resource_type": "job", "status": "not_started"}
CREATED = http(201, orjson.dumps({"data": JOB}))


def post(client, path="/exports/graph", data=None, **options):
    data = {"parent": "12"} if data is None else data
    return client.post_job(
        path, orjson.dumps({"data": data}), subject="Project", gid="12", **options
    )


@given(st.none() | st.integers(100, 599), st.booleans())
def test_only_what_surely_changed_nothing_may_be_sent_again(status, sent):
    """No answer after the body began to go out, 5xx and odd statuses: unknown."""
    answer = ConnectionFailure("no luck", sent=sent) if status is None else Response(status)
    became = delivery_of(answer)
    if status is None:
        assert became == ("unknown" if sent else "undelivered")
    elif status == 429:
        assert became == "later"
    elif 200 <= status < 300:
        assert became == "taken"
    else:
        assert became == ("refused" if 300 <= status < 500 and status != 408 else "unknown")


def test_it_sends_json_and_returns_the_job(client, scripted):
    """One request with a length, on a connection that nothing else uses."""
    server = scripted(http(201, orjson.dumps({"data": JOB}), "Date: Thu, 01 Jan 2026 00:00:10 GMT"))
    posted = post(client(server), data={"name": "é"})
    assert (posted.delivery, posted.record, posted.error) == ("taken", JOB, None)
    second = int(datetime(2026, 1, 1, 0, 0, 10, tzinfo=UTC).timestamp())
    assert second - 5 < posted.requested_at / 1e6 <= second
    head, _, body = server.heads[0].partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == "POST /exports/graph HTTP/1.1"
    assert {
        "Content-Type: application/json",
        f"Content-Length: {len(orjson.dumps({'data': {'name': 'é'}}))}",
        "Connection: close",
        f"Authorization: Bearer {TOKEN}",
    } <= set(lines)
    assert body in (b"", orjson.dumps({"data": {"name": "é"}}))


@pytest.mark.parametrize("date", ["", "Date: soon", "Date: 99"])
def test_without_a_date_our_own_clock_counts(client, scripted, date):
    """A malformed Date header does no harm."""
    posted = post(client(scripted(http(201, orjson.dumps({"data": JOB}), *filter(None, [date])))))
    assert posted.requested_at == posted.sent_at > 1.6e15


@pytest.mark.parametrize(
    ("answer", "delivery"),
    [
        (http(400, b'{"errors":[{"message":"name: Missing input"}]}'), "refused"),
        (http(302, b"", "Location: http://127.0.0.1:1/"), "refused"),
        (http(408), "unknown"),
        (http(429), "later"),
        (http(429, b"", "Retry-After: 7"), "later"),
        (http(500), "unknown"),
        (http(503, b"<html>"), "unknown"),
        (http(201, b"no json"), "unknown"),
        (http(201, b'{"data": {"gid": null}}'), "unknown"),
        (http(201, b'{"data": {"gid": "../7"}}'), "unknown"),
        (http(201, b'{"data": []}'), "unknown"),
        (b"", "unknown"),
        (b"HTTP/1.1 201 Created\r\nContent-Length: 99\r\n\r\n{", "unknown"),
    ],
)
def test_it_is_never_sent_twice_after_the_body_went_out(client, scripted, answer, delivery):
    """Whatever the answer, there is one; the error says what is known, and no more."""
    server = scripted(answer, CREATED)
    posted = post(client(server, max_retries=5))
    assert posted.delivery == delivery
    assert len(server.heads) == 1
    assert posted.record == {}
    assert ("not known whether" in posted.error.reason) == (delivery == "unknown")
    assert str(posted.error).startswith("Project 12: ")
    assert posted.error.gid == "12"
    assert posted.error.__context__ is None
    assert TOKEN not in told(posted.error)
    assert posted.retry_after == (7.0 if b"Retry-After" in answer else None)


@pytest.mark.parametrize("gid", [77, "77", 118446744073709551617])
def test_the_gid_of_a_started_job_is_text(client, scripted, gid):
    """Also where it came as a JSON number: it must not be lost."""
    body = orjson.dumps({"data": {"resource_type": "job"}})[:-2] + f',"gid":{gid}}}}}'.encode()
    if isinstance(gid, str):
        body = orjson.dumps({"data": {"gid": gid}})
    posted = post(client(scripted(http(201, body))))
    assert (posted.delivery, posted.record["gid"]) == ("taken", str(gid))


@pytest.mark.parametrize("gid", ["null", "1.5", "true", '""', '"x"', "[]", "-7", "1e400"])
def test_a_started_job_without_a_gid_is_unknown(client, scripted, gid):
    """And said to be."""
    posted = post(client(scripted(http(201, f'{{"data": {{"gid": {gid}}}}}'))))
    assert posted.delivery == "unknown"
    assert "not known whether" in posted.error.reason


@pytest.mark.parametrize("path", ["/exports/graph", "/exports/resource", "/projects/12/duplicate"])
def test_a_403_on_an_export_says_what_may_be_missing(client, scripted, path):
    """The plan or the OAuth scope; other endpoints do not need them."""
    error = post(client(scripted(http(403, b'{"errors":[{"message":"Forbidden"}]}'))), path).error
    assert ("Enterprise" in str(error)) == ("scope" in str(error)) == path.startswith("/exports/")
    assert "othing was started" in str(error)


class ServerComes(threading.Event):
    """A stop that never comes; while it is waited for, a server comes up at a port."""

    def __init__(self, port):
        super().__init__()
        self.port, self.server, self.waits = port, None, 0

    def wait(self, timeout=None):  # noqa: ARG002  as of an event
        self.waits += 1
        if self.waits == 2:
            self.server = Sandbox(token=TOKEN, port=self.port).start()
        return False


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as bare:
        return bare.getsockname()[1]


def test_a_refused_connection_is_tried_again(client):
    """Nothing got out: once the server is there, one job is started."""
    stop = ServerComes(free_port())
    made = client(base_url=f"http://127.0.0.1:{stop.port}/api/1.0", max_retries=5)
    try:
        (parent,) = Sandbox().parents(1)
        posted = post(made, data={"parent": parent}, stop=stop)
        assert posted.delivery == "taken"
        assert stop.server.stats.jobs_started == 1
    finally:
        stop.server.stop()
    assert stop.waits == 2


def test_after_all_tries_it_says_that_nothing_got_out(client):
    """The job can safely be started again."""
    stop = Hasty()
    posted = post(client(base_url=f"http://127.0.0.1:{free_port()}", max_retries=3), stop=stop)
    assert posted.delivery == "undelivered"
    assert len(stop.waits) == 3
    assert "not known whether" not in posted.error.reason
    assert "Nothing was started" in str(posted.error)


def test_a_failed_handshake_sends_nothing(client, scripted):
    """Without TLS there is no request."""
    server = scripted(b"HTTP/1.1 400 no TLS here\r\n\r\n")
    posted = post(client(base_url=server.origin.replace("http", "https")))
    assert posted.delivery == "undelivered"


def test_a_kept_connection_is_not_used_for_it(client, sandbox):
    """If the server is about to close it, the outcome would be unknown."""
    asana = sandbox()
    made = client(asana)
    for _ in range(3):
        made.get_job(asana.gids(1)[0])
        assert post(made, "/tasks/{}/duplicate".format(*asana.parents(1, "task")), {}).record
    assert asana.stats.connections == 4


def test_a_stop_before_it_goes_out_sends_nothing(client, sandbox):
    """While it waits for the limiter, or for another try."""
    asana, stop = sandbox(), threading.Event()
    stop.set()
    with pytest.raises(Cancelled):
        post(client(asana), stop=stop)
    assert asana.stats.requests == 0
    made = client(asana)
    made.close()
    with pytest.raises(ClientClosedError):
        post(made)


def test_a_429_with_a_time_closes_the_gate_for_all(client, scripted):
    """One without is a limit on what runs at once: nobody else has to wait, no budget shrinks."""
    made = client(scripted(http(429, b"", "Retry-After: 30")), requests_per_minute=1000)
    post(made)
    assert made.limiter.closed_for() > 20
    made = client(scripted(http(429)), requests_per_minute=1000)
    post(made)
    assert made.limiter.closed_for() == 0
    assert made.limiter.budget.allowed == 1000
    assert made.limiter.used() == 1


def test_changes_are_noted_from_posts_too(client, scripted):
    """Asana announces them in any answer."""
    made = client(scripted(http(201, orjson.dumps({"data": JOB}), "Asana-Change: name=x")))
    post(made)
    assert "'x'" in made.changes.take()[0]


def test_posts_and_gets_are_counted_apart():
    """Either may be full while the other goes on; the window is one."""
    budget = Budget(100, 60.0, 2)
    for _ in range(2):
        budget.start()
    assert budget.delay(0.0) == float("inf")
    for _ in range(MAX_POSTS):
        assert budget.delay(0.0, post=True) == 0
        budget.start(post=True)
    assert budget.delay(0.0, post=True) == float("inf")
    budget.end(0.0, accepted=True)
    assert budget.delay(0.0) == 0
    assert budget.used(0.0) == MAX_POSTS + 2
    budget.end(0.0, accepted=True, post=True)
    assert budget.delay(0.0, post=True) == 0


def test_a_waiting_post_does_not_hold_up_gets():
    """Its places are full, not theirs; a response lets the next one go."""
    limiter = Limiter(None, 2, clock=Now())
    line = Line(limiter, keep=True)
    held = [limiter.acquire(line.stop, post=True) for _ in range(MAX_POSTS)]
    line.join("post", post=True)
    limiter.release(limiter.acquire(line.stop))
    assert line.order == []
    limiter.release(held[0], post=True)
    eventually(lambda: line.order == ["post"])


def test_a_post_goes_first_when_all_wait_for_the_window():
    """There are few of them, and each starts something long."""
    now = Now()
    limiter = Limiter(2, 50, clock=now)
    line = Line(limiter, keep=True)
    for _ in range(2):
        limiter.release(limiter.acquire(line.stop))
        now.seconds += 25.0
    line.join("get")
    line.join("post", post=True)
    line.join("poll", background=True)
    now.seconds += 11.0
    line.join("late get")
    with limiter._lock:
        limiter._foreground[0].notify()
    threading.Event().wait(0.05)  # if it started, it would do so now
    assert line.order == []
    limiter.wake()
    eventually(lambda: line.order == ["post"])
    limiter.release(line.started["post"], post=True)
    assert line.order == ["post"]
    now.seconds += 30.0
    limiter.wake()
    eventually(lambda: line.order == ["post", "get"])
    line.stop.set()
    limiter.wake()
    eventually(lambda: len(line.order) == 4)
    assert set(line.order[2:]) == {"late get stopped", "poll stopped"}


def test_a_get_that_comes_late_does_not_overtake_a_post():
    """Though the post has not noticed yet that there is room."""
    now = Now()
    limiter = Limiter(1, 50, clock=now)
    line = Line(limiter, keep=True)
    limiter.release(limiter.acquire(line.stop))
    line.join("post", post=True)
    now.seconds += 61.0
    line.join("get")
    assert line.order == []
    limiter.wake()
    eventually(lambda: line.order == ["post"])
    line.stop.set()
    limiter.wake()
    eventually(lambda: len(line.order) == 2)


def test_a_stopped_post_leaves_the_line():
    """The next one moves up."""
    limiter = Limiter(None, 2, clock=Now())
    line, other = Line(limiter, keep=True), Line(limiter, keep=True)
    held = [limiter.acquire(line.stop, post=True) for _ in range(MAX_POSTS)]
    line.join("first", post=True)
    other.join("second", post=True)
    line.stop.set()
    limiter.wake()
    eventually(lambda: line.order == ["first stopped"])
    limiter.release(held[0], post=True)
    eventually(lambda: other.order == ["second"])
