"""What users' tests get: responses without a network, and a clean state."""

import gzip
import json
import threading

import pandas as pd
import pytest

import asana_jobs_pd as aj
from asana_jobs_pd.errors import InvalidOptionError, PartialReadError
from asana_jobs_pd.testing import MockTransport, Request, Response, Transport, reset

from .conftest import GID, TOKEN, Hasty

URL = "https://s3.example/f.jsonl.gz?X-Amz-Signature=5ec2e7"


def job(request):
    """Answer with the job that is asked for, or that was started."""
    gid = request.url.partition("?")[0].rpartition("/")[2]
    gid = gid if gid.isdigit() else "77"
    return Response.from_json({"data": {"gid": gid, "resource_type": "job", "status": "succeeded"}})


def test_jobs_are_read_from_a_function():
    """Without a token, a socket or a ledger; the requests are kept."""
    transport = MockTransport(job)
    jobs = aj.read_asana_jobs(["12", "13"], ["status"], client=aj.Client(transport=transport))
    assert jobs["status"].tolist() == ["succeeded"] * 2
    urls = {"https://app.asana.com/api/1.0/jobs/12", "https://app.asana.com/api/1.0/jobs/13"}
    assert {request.url.partition("?")[0] for request in transport.requests} == urls
    assert {request.method for request in transport.requests} == {"GET"}


def test_connect_takes_one_for_all_verbs():
    """Also for POSTs, whose JSON the request holds."""
    transport = MockTransport(job)
    aj.connect(TOKEN, transport=transport)
    started = aj.export_graph("1203")
    assert started["gid"].tolist() == ["77"]
    (post,) = [request for request in transport.requests if request.method == "POST"]
    assert post.url.endswith("/exports/graph")
    assert json.loads(post.body) == {"data": {"parent": "1203"}}
    assert post.headers["content-type"] == "application/json"
    assert post.headers["authorization"].encode().decode() == f"Bearer {TOKEN}"


def test_any_object_with_send_will_do():
    """It needs nothing of this package except the response."""

    class Mine:
        def send(self, request):
            return job(request)

    assert isinstance(Mine(), Transport)
    assert aj.Client(transport=Mine()).get_job("12")["gid"] == "12"


@pytest.mark.parametrize("transport", ["x", 5, object(), lambda request: None])
def test_a_transport_without_send_is_refused(transport):
    """At once."""
    with pytest.raises(InvalidOptionError, match="transport"):
        aj.Client(transport=transport)


@pytest.mark.parametrize("answer", [None, {"data": {}}, b"{}", 200])
def test_an_answer_that_is_no_response_is_an_error(answer):
    """It names what came."""
    with pytest.raises(InvalidOptionError, match="not a Response"):
        aj.Client(transport=MockTransport(lambda request: answer)).get_job("12")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (TimeoutError("too late"), "timeout"),
        (ConnectionError("gone"), "network"),
        (ConnectionRefusedError(), "network"),
        (OSError("no route"), "network"),
    ],
)
def test_an_error_of_the_network_is_a_row(error, kind):
    """After as many tries as with the real one."""

    def lost(request):
        raise error

    transport = MockTransport(lost)
    client = aj.Client(transport=transport, max_retries=2)
    assert client.ask_job(GID, stop=Hasty()).kind == kind
    assert len(transport.requests) == 3


def test_statuses_and_headers_count_as_the_real_ones():
    """In any case; retries, errors and announcements are ours."""
    answers = iter(
        [
            Response(503, {"retry-after": "7"}),
            Response.from_json({"data": {"gid": GID}}, headers={"asana-change": "name=a,name=b"}),
        ]
    )
    client, hasty = aj.Client(transport=MockTransport(lambda _: next(answers))), Hasty()
    assert client.ask_job(GID, stop=hasty) == {"gid": GID}
    assert hasty.waits == [7]
    assert len(client.changes.take()) == 2
    error = Response.from_json({"errors": [{"message": "No"}]}, 404)
    client = aj.Client(transport=MockTransport(lambda _: error))
    with pytest.raises(PartialReadError, match="404 Not Found: No"):
        aj.read_asana_jobs("12", client=client)


def test_export_files_come_from_it_too(tmp_path):
    """With all that they are checked for; the token is not sent to a signed URL."""
    content = gzip.compress(b'{"gid": "5", "resource_type": "task", "name": "Order cups"}\n')

    def answer(request):
        if "s3.example" in request.url:
            assert "authorization" not in request.headers
            return Response(200, {"ETag": '"1"'}, content)
        graph = {"gid": "8", "resource_type": "graph_export", "download_url": URL}
        record = {"gid": "12", "resource_type": "job", "status": "succeeded"}
        return Response.from_json({"data": {**record, "new_graph_export": graph}})

    client = aj.Client(TOKEN, transport=MockTransport(answer))
    files = aj.download_asana_exports("12", tmp_path, client=client)
    assert files["file.bytes"].tolist() == [len(content)]
    assert files.asana.load()["task"]["name"].tolist() == ["Order cups"]


def test_a_failing_assertion_in_a_handler_comes_out():
    """It is the test that fails, not the network."""

    def check(request):
        assert request.method == "PUT"

    with pytest.raises(AssertionError, match="GET"):
        aj.read_asana_jobs("12", client=aj.Client(transport=MockTransport(check)))


@pytest.mark.parametrize("verb", ["read", "refresh", "wait", "download"])
def test_an_exception_of_a_transport_keeps_the_frame(verb, tmp_path):
    """What was read before is in the error's frame."""
    jobs = pd.DataFrame({"gid": ["12", "13"], "fetched_at": pd.NaT, "status": "in_progress"})

    def answer(request):
        if "/13" in request.url:
            raise ZeroDivisionError
        return job(request)

    client = aj.Client(transport=MockTransport(answer), max_in_flight=1)
    calls = {
        "read": lambda: aj.read_asana_jobs(["12", "13"], client=client),
        "refresh": lambda: aj.refresh_asana_jobs(jobs, client=client),
        "wait": lambda: aj.wait_asana_jobs(jobs, client=client, timeout=60),
        "download": lambda: aj.download_asana_exports(["12", "13"], tmp_path, client=client),
    }
    with pytest.raises((ZeroDivisionError, aj.PartialReadError)) as caught:
        calls[verb]()
    assert list(caught.value.frame["gid"]) == ["12", "13"]


def test_neither_requests_nor_responses_show_secrets():
    """Their reprs have no token, no query, no body."""
    request = Request("GET", "https://x/y?X-Amz-Signature=5ec2e7", {"A": TOKEN}, TOKEN.encode())
    assert repr(request) == "<Request GET https://x/y?…>"
    assert repr(Response(200, {"A": TOKEN}, b"12345")) == "<Response 200, 5 bytes>"


def test_reset_forgets_the_default_client(monkeypatch):
    """The next verb looks at the environment again; the client itself goes on."""
    client = aj.connect(transport=MockTransport(job))
    assert len(aj.read_asana_jobs("12")) == 1
    reset()
    with pytest.raises(aj.errors.TokenError):
        aj.read_asana_jobs("12")
    assert client.get_job("12")["gid"] == "12"


def test_reset_forgets_what_was_learned_about_limits():
    """A client that is made afterwards does not wait for the gate that a 429 closed."""
    before = aj.Client(TOKEN)
    before.limiter.release(before.limiter.acquire(threading.Event()), closed_for=200)
    assert aj.Client(TOKEN).limiter.closed_for() > 100
    reset()
    assert aj.Client(TOKEN).limiter.closed_for() == 0
    assert before.limiter.closed_for() > 100


def test_clients_with_a_transport_do_not_share_limits():
    """A 429 in one test does not affect the next."""
    refusal = MockTransport(lambda _: Response(429, {"Retry-After": "200"}))
    client = aj.Client(transport=refusal, max_retries=0)
    assert client.ask_job("12").status == 429
    assert client.limiter.closed_for() > 100
    assert aj.Client(transport=MockTransport(job)).limiter.closed_for() == 0


def test_many_threads_may_send(monkeypatch):
    """As many as the client has in flight, at the same time."""
    barrier = threading.Barrier(5, timeout=60)

    def together(request):
        barrier.wait()
        return job(request)

    client = aj.Client(transport=MockTransport(together), max_in_flight=5)
    assert len(aj.read_asana_jobs(range(1, 11), client=client)) == 10
