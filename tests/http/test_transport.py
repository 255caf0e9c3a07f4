"""One request over the wire, and everything that can go wrong with it."""

import gzip
import json
import socket
import threading
import tracemalloc

import pytest
import requests
import responses
import urllib3

from asana_jobs_pd._http.addresses import Network, hide_proxies
from asana_jobs_pd._http.auth import Token
from asana_jobs_pd._http.transport import (
    MAX_BODY,
    ConnectionFailure,
    RequestsTransport,
    Response,
)
from asana_jobs_pd.errors import (
    BodyError,
    InvalidOptionError,
    NetworkError,
    RequestTimeoutError,
    StatusError,
)

from .conftest import GID, SIGNATURE, TOKEN, failure, http, told

ASANA = "https://app.asana.com/api/1.0"
JOB = f"{ASANA}/jobs/{GID}"
RECORD = json.dumps({"data": {"gid": GID, "status": "succeeded"}}).encode()


@pytest.fixture
def transport():
    """Make transports; they are closed afterwards."""
    made = []

    def make(base_url=ASANA, **options):
        options = {"timeout": (1, 2), "proxies": hide_proxies(None), "verify": None, **options}
        made.append(Network(**options, pool_size=5))
        return RequestsTransport(base_url, Token(TOKEN, "a test"), made[-1])

    yield make
    for each in made:
        each.close()


@responses.activate
def test_the_responses_library_intercepts_it(client):
    """Users' tests can stand in for Asana as they do for anything made with requests."""
    responses.get(JOB, json={"data": {"gid": GID, "status": "failed"}})
    assert client().get_job(GID) == {"gid": GID, "status": "failed"}
    (call,) = responses.calls
    assert call.request.url == JOB
    assert call.request.headers["Authorization"].encode() == f"Bearer {TOKEN}".encode()
    assert call.request.headers["Accept"] == "application/json"
    assert call.request.headers["User-Agent"].startswith("asana_jobs_pd/")


@responses.activate
def test_the_responses_library_gives_errors_and_headers(client):
    """Statuses, headers and bodies of stand-ins arrive as those of the real server."""
    responses.get(JOB, json={"errors": [{"message": "No"}]}, status=404)
    responses.get(
        f"{ASANA}/jobs/2", json={"data": {"gid": "2"}}, headers={"Asana-Change": "name=a"}
    )
    mine = client()
    assert failure(mine).reason == "No"
    assert mine.get_job("2") == {"gid": "2"}
    assert len(mine.changes.take()) == 1


@pytest.mark.parametrize("name", [".netrc", "_netrc"])
def test_a_netrc_does_not_replace_the_token(name, client, scripted, tmp_path, monkeypatch):
    """requests would send what ~/.netrc holds for a host; the token is what is sent."""
    server = scripted(http(200, RECORD))
    netrc = tmp_path / name
    netrc.write_text("machine 127.0.0.1 login somebody password else\ndefault login a password b\n")
    monkeypatch.setenv("NETRC", str(netrc))
    assert requests.utils.get_netrc_auth(server.origin) == ("somebody", "else")
    client(server).get_job(GID)
    (head,) = server.heads
    assert f"\r\nAuthorization: Bearer {TOKEN}\r\n".encode() in head
    assert head.lower().count(b"authorization") == 1


def test_the_request_that_is_sent(client, scripted):
    """One line with the path, the query as Asana documents it, no cookies, one token."""
    cookie = http(200, RECORD, "Set-Cookie: a=b; Path=/")
    server = scripted(cookie)
    mine = client(server, opt_pretty=True)
    mine.get_job(GID, ("status", "new_task.name"))
    mine.get_job(GID)
    first, second = (head.decode().split("\r\n") for head in server.heads)
    assert first[0] == f"GET /jobs/{GID}?opt_fields=status,new_task.name&opt_pretty=true HTTP/1.1"
    assert second[0] == f"GET /jobs/{GID}?opt_pretty=true HTTP/1.1"
    assert f"Host: 127.0.0.1:{server.port}" in first
    assert "cookie" not in "".join(first + second).lower()


def test_connections_are_kept(asana, client):
    """Twenty requests one after the other go over one connection, errors in between or not."""
    mine = client(asana)
    asana.answer("1201000000000000", 404)
    for _ in range(10):
        mine.get_job(GID)
        assert failure(mine, "1201000000000000").status == 404
    assert asana.stats.requests == 20
    assert asana.stats.connections == 1


@pytest.mark.parametrize(
    ("fault", "kind", "says"),
    [
        ({"kind": "reset"}, NetworkError, "the connection failed"),
        ({"kind": "reset", "bytes": 9}, NetworkError, "the connection failed"),
        ({"kind": "truncate"}, NetworkError, "the connection ended in the middle of the response"),
        (
            {"kind": "truncate", "bytes": 0},
            NetworkError,
            "the connection ended in the middle of the response",
        ),
        ({"kind": "html"}, StatusError, "502 Bad Gateway: without a message from Asana: '<html>"),
        ({"kind": "html", "status": 200}, BodyError, "not the JSON of a job but '<html>"),
        ({"kind": "garbage"}, BodyError, "not the JSON of a job but '��"),
        ({"kind": "empty"}, StatusError, "502 Bad Gateway: without a message from Asana: an empty"),
        ({"kind": "empty", "status": 200}, BodyError, "an empty body"),
        ({"kind": "empty", "status": 204}, BodyError, "an empty body"),
        ({"kind": "redirect"}, StatusError, "302 Found: a redirect, which is not followed"),
        ({"kind": "status", "status": 500}, StatusError, "Phrase: "),
    ],
    ids=lambda value: "-".join(map(str, value.values())) if isinstance(value, dict) else None,
)
def test_bad_days(asana, client, fault, kind, says):
    """Each is one error that says what happened; afterwards the client works as before."""
    asana.fault(**fault)
    mine = client(asana)
    error = failure(mine)
    assert type(error) is kind
    assert says in str(error)
    assert GID in str(error)
    assert error.__cause__ is None
    assert error.__context__ is None
    assert TOKEN not in told(error)
    assert mine.get_job(GID)["gid"] == GID
    assert asana.stats.requests == 2


def test_a_late_answer_is_a_timeout(asana, client):
    """No data within the read timeout ends the request; the message gives the time."""
    asana.fault("delay", seconds=1.5)
    error = failure(client(asana, timeout=(5, 0.1)))
    assert type(error) is RequestTimeoutError
    assert error.kind == "timeout"
    assert "no data for 0.1 s" in str(error)
    assert TOKEN not in told(error)


def test_a_body_that_stops_is_a_timeout(client, scripted):
    """The timeout is between any two bytes, not only before the first."""
    endless = http(200, RECORD).replace(b"Content-Length: ", b"Content-Length: 9")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        mine = client(base_url=f"http://127.0.0.1:{listener.getsockname()[1]}", timeout=(5, 0.1))

        def serve():
            bare, _ = listener.accept()
            bare.recv(65536)
            bare.sendall(endless)
            done.wait(60)
            bare.close()

        done = threading.Event()
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        error = failure(mine)
        done.set()
        thread.join(60)
    assert type(error) is RequestTimeoutError


def test_a_slow_answer_is_no_timeout(asana, client):
    """Bytes that trickle for longer than the timeout are still a response."""
    asana.fault("slow", seconds=1.8)
    assert client(asana, timeout=(5, 1.5)).get_job(GID)["gid"] == GID


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def test_nobody_listens(client):
    """A refused connection says so, and holds neither the token nor a chain of others' errors."""
    error = failure(client(base_url=f"http://127.0.0.1:{free_port()}"))
    assert type(error) is NetworkError
    assert "refused" in str(error).lower()
    assert (error.__cause__, error.__context__) == (None, None)
    assert TOKEN not in told(error)


def test_no_redirect_takes_the_token_along(asana, client, scripted):
    """Neither another host nor another path of the same one is asked."""
    other = scripted(http(200, RECORD))
    mine = client(asana)
    for status in (301, 302, 303, 307, 308):
        for location in (f"{other.origin}/jobs/{GID}?t={TOKEN}", f"/api/1.0/jobs/{GID}"):
            asana.fault("redirect", status=status, location=location)
            error = failure(mine)
            assert error.status == status
            assert TOKEN not in told(error)
    assert other.heads == []
    assert asana.stats.requests == 10


@responses.activate
@pytest.mark.parametrize(
    ("error", "timed_out", "retryable", "says"),
    [
        (requests.ConnectTimeout("x"), True, True, "no connection within 1 s"),
        (requests.ReadTimeout("x"), True, True, "no data for 2 s"),
        (TimeoutError("x"), True, True, "no data for 2 s"),
        (requests.exceptions.SSLError("bad certificate"), False, False, "REQUESTS_CA_BUNDLE"),
        (requests.exceptions.ProxyError("Tunnel"), False, True, "HTTPS_PROXY"),
        (requests.ConnectionError("x"), False, True, "the connection failed: x"),
        (requests.ConnectionError(), False, True, "the connection failed: ConnectionError"),
        (urllib3.exceptions.ProtocolError("x"), False, True, "the connection failed: x"),
        (ConnectionResetError(104, "reset"), False, True, "reset"),
        (requests.exceptions.InvalidURL("x"), False, False, "the connection failed: x"),
        (ValueError("x"), False, False, "the connection failed: x"),
        (ZeroDivisionError("x"), False, False, "the connection failed: x"),
        (
            requests.ConnectionError(
                urllib3.exceptions.MaxRetryError(
                    None,
                    "/",
                    urllib3.exceptions.NameResolutionError("h", None, socket.gaierror(-2)),
                )
            ),
            *(False, True, "cannot be resolved: is there a network?"),
        ),
    ],
    ids=repr,
)
def test_no_answer_in_words(transport, error, timed_out, retryable, says):
    """Each reason is explained, and whether it is temporary."""
    responses.get(JOB, body=error)
    answer = transport().send("GET", JOB)
    assert isinstance(answer, ConnectionFailure)
    assert says in answer.reason
    assert (answer.timed_out, answer.retryable) == (timed_out, retryable)


@responses.activate
def test_an_error_that_holds_secrets_is_masked(transport):
    """What libraries write into their errors goes through the mask, and is one line."""
    url = f"https://x/y?X-Amz-Signature={SIGNATURE}"
    responses.get(JOB, body=requests.ConnectionError(f"{url}\nBearer {TOKEN} {TOKEN}"))
    reason = transport().send("GET", JOB).reason
    assert TOKEN not in reason
    assert SIGNATURE not in reason
    assert "\n" not in reason


@responses.activate
def test_errors_that_go_in_circles_end(transport):
    """An error that is its own cause is not followed forever."""
    first, second = requests.ConnectionError("a"), requests.ConnectionError("b")
    first.reason, second.reason = second, first
    responses.get(JOB, body=first)
    assert isinstance(transport().send("GET", JOB), ConnectionFailure)


def test_an_answer_of_16_mib_is_read_and_no_more(client, scripted):
    """The largest body passes; one byte more is an error, and the next answer is its own."""
    largest = RECORD + b" " * (MAX_BODY - len(RECORD))
    server = scripted(http(200, largest), http(200, largest + b" "), http(200, RECORD))
    mine = client(server)
    assert mine.get_job(GID)["gid"] == GID
    error = failure(mine)
    assert type(error) is BodyError
    assert "exceeds 16,777,216 bytes" in str(error)
    assert mine.get_job(GID)["gid"] == GID


GZIP = "Content-Encoding: gzip"
PACKED = gzip.compress(RECORD, mtime=0)


@pytest.mark.parametrize(
    ("body", "coding"),
    [
        (PACKED, "gzip"),
        (PACKED, "x-gzip"),
        (PACKED, "gzip "),
        (gzip.compress(RECORD[:9], mtime=0) + gzip.compress(RECORD[9:], mtime=0), "gzip"),
        (RECORD, "gzip"),
        (RECORD, "deflate"),
        (RECORD, "br"),
        (RECORD, "zstd, gzip"),
        (RECORD, "identity"),
        (RECORD, "nonsense"),
        (PACKED, ""),
        (PACKED + b"junk", "gzip"),
        (PACKED + bytes(512), "gzip"),
    ],
    ids=range(13),
)
def test_compressed_answers(client, scripted, body, coding):
    """gzip is undone, bytes after it are ignored; labels may be false or missing."""
    label = (f"Content-Encoding: {coding}",) if coding else ()
    server = scripted(http(200, body, *label))
    assert client(server).get_job(GID)["gid"] == GID


@pytest.mark.parametrize("status", [400, 404, 412, 500, 503])
@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "x-gzip"])
@pytest.mark.parametrize("body", ["plain", "damaged"])
def test_an_error_page_with_a_false_label_keeps_its_status(client, scripted, status, coding, body):
    """The status counts, and what can be read of its words."""
    page = b'{"errors": [{"message": "So it is"}]}' if body == "plain" else PACKED[:20]
    error = failure(client(scripted(http(status, page, f"Content-Encoding: {coding}"))))
    assert (error.kind, error.status) == ("http", status)
    assert (error.reason == "So it is") == (body == "plain")


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (lambda: gzip.compress(b" " * (MAX_BODY + 1)), BodyError),
        (lambda: gzip.compress(bytes(2**27), 1), BodyError),
        (lambda: b"\x1f\x8b" + RECORD, NetworkError),
        (lambda: PACKED[:-9], NetworkError),
        (lambda: PACKED[:10] + b"junk" + PACKED[14:], NetworkError),
    ],
    ids=["too large", "a bomb", "no gzip", "cut", "damaged"],
)
def test_a_damaged_compressed_answer(client, scripted, body, kind):
    """It is an error, retried where it may pass, and inflates no further than the cap."""
    answer = http(200, body(), GZIP)
    tracemalloc.start()
    error = failure(client(scripted(answer)))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert type(error) is kind
    assert peak < 6 * MAX_BODY


def test_half_an_emoji_over_the_wire(client, scripted):
    """A name that some program cut in the middle of an emoji is read."""
    server = scripted(http(200, rb'{"data": {"gid": "%s", "name": "a\ud83d"}}' % GID.encode()))
    assert client(server).get_job(GID)["name"] == "a\ufffd"


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 " + TOKEN.encode() + b"\r\n\r\n",
        b"Bearer " + TOKEN.encode() + b"\r\n\r\n",
        http(404, b"", f"X-Echo: Bearer {TOKEN}", f"Retry-After: {TOKEN}"),
        http(503, TOKEN, f"Retry-After: {TOKEN}", f"Location: /?t={TOKEN}", reason=TOKEN),
        http(429, TOKEN, f"Retry-After: {TOKEN}"),
        http(200, TOKEN, f"Content-Type: {TOKEN}"),
        http(200, json.dumps({"data": {"gid": TOKEN}})),
        http(400, json.dumps({"errors": [{"message": f"a {TOKEN}", "help": TOKEN}]})),
        http(200, b"x", f"Content-Encoding: gzip, {TOKEN}"),
        http(200, b"x").replace(b"Content-Length: 1", b"Content-Length: " + TOKEN.encode()),
        http(200, b"x").replace(b"Content-Length: 1", b"Transfer-Encoding: chunked\r\nA: b"),
    ],
    ids=lambda answer: answer[:12].decode() if TOKEN[:12].encode() not in answer[:25] else "line",
)
def test_a_server_that_echoes_the_token(client, scripted, answer):
    """Wherever in an answer it stands, the error does not tell it, locals included."""
    error = failure(client(scripted(answer)))
    assert (error.__cause__, error.__context__) == (None, None)
    assert TOKEN not in told(error)
    assert TOKEN[-32:] not in told(error)


def test_no_tls_where_it_was_asked_for(client, scripted):
    """A server without TLS gets no token, and is not asked again."""
    server = scripted(http(400))
    error = failure(client(base_url=f"https://127.0.0.1:{server.port}", max_retries=5))
    assert type(error) is NetworkError
    assert "the TLS connection failed" in str(error)
    assert "verify=" in str(error)
    (hello,) = server.heads
    assert TOKEN.encode() not in hello


PLACES = ["https://app.asana.invalid/api/1.0", "https://203.0.113.7:8443"]


@pytest.mark.parametrize("base_url", PLACES)
@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "argument"])
def test_https_goes_through_the_proxy(client, scripted, monkeypatch, name, base_url):
    """By CONNECT: the proxy sees where to, and who asks it, but neither path nor token."""
    proxy, unused = scripted(http(403, reason="Go away")), scripted(http(403))
    address = f"http://someone:p%40ss@127.0.0.1:{proxy.port}"
    proxies = None
    if name == "argument":
        monkeypatch.setenv("HTTPS_PROXY", unused.origin)
        proxies = {"https": address}
    else:
        monkeypatch.setenv(name, address)
    error = failure(client(base_url=base_url, proxies=proxies))
    assert type(error) is NetworkError
    assert "the proxy refused or cannot be reached (HTTPS_PROXY)" in str(error)
    assert "403" in str(error)
    (head,) = proxy.heads
    host = base_url.split("/")[2]
    assert head.startswith(f"CONNECT {host if ':' in host else host + ':443'} HTTP/1.".encode())
    assert b"Proxy-Authorization: Basic" in head
    assert b"Bearer" not in head
    assert b"/jobs/" not in head
    for secret in (TOKEN, "p@ss", "p%40ss"):
        assert secret not in told(error)
    assert unused.heads == []


def test_a_proxy_that_is_not_there(client, monkeypatch):
    """The error blames the proxy, without its password."""
    monkeypatch.setenv("HTTPS_PROXY", f"http://me:hunter2@127.0.0.1:{free_port()}")
    error = failure(client(base_url="https://app.asana.invalid"))
    assert "the proxy refused or cannot be reached" in str(error)
    assert "hunter2" not in told(error)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_loopback_address_needs_no_proxy(client, scripted, monkeypatch, host):
    """No proxy gets to see a plain request with its token, whoever asks for one."""
    proxy, server = scripted(http(403)), scripted(http(200, RECORD))
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, proxy.origin)
    base_url = f"http://{host}:{server.port}"
    mine = client(base_url=base_url, proxies={"http": proxy.origin, "all": proxy.origin})
    assert mine.get_job(GID)["gid"] == GID
    assert proxy.heads == []


@responses.activate
@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "verify"])
def test_a_ca_bundle(client, monkeypatch, tmp_path, name):
    """It is taken from the environment or from verify=, and used for every request."""
    bundle = tmp_path / "ca.pem"
    bundle.touch()
    if name != "verify":
        monkeypatch.setenv(name, str(bundle))
    responses.get(JOB, body=RECORD)
    client(verify=str(bundle) if name == "verify" else None).get_job(GID)
    sent = responses.calls[0].request.req_kwargs
    assert sent["verify"] == str(bundle)
    waits = sent["timeout"]
    assert (waits.connect_timeout, waits.read_timeout) == (10.0, 60.0)
    assert sent["stream"] is True


@responses.activate
@pytest.mark.parametrize(("given_", "used"), [(None, True), (True, True), (False, False)])
def test_verification_is_on_unless_switched_off(client, given_, used):
    """False is the user's word and nobody else's."""
    responses.get(JOB, body=RECORD)
    client(verify=given_).get_job(GID)
    assert responses.calls[0].request.req_kwargs["verify"] is used


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "verify"])
def test_a_ca_bundle_that_is_not_there(client, monkeypatch, tmp_path, name):
    """The error comes when the client is made, and names the path and where it is from."""
    bundle = tmp_path / "nowhere.pem"
    if name != "verify":
        monkeypatch.setenv(name, str(bundle))
    with pytest.raises(InvalidOptionError, match=r"nowhere\.pem") as caught:
        client(verify=bundle if name == "verify" else None)
    for place in ("verify=", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        assert place in str(caught.value)


def test_a_base_url_in_capitals_is_the_same_server(client, scripted):
    """The scheme and the host do not depend on their case, down to the line that is sent."""
    server = scripted(http(200, RECORD))
    assert client(base_url=f"HTTP://LocalHost:{server.port}/Api/").get_job(GID)["gid"] == GID
    assert server.heads[0].startswith(f"GET /Api/jobs/{GID} HTTP/1.1".encode())


def test_nothing_is_sent_to_a_refused_address(client, scripted, monkeypatch):
    """Not by the argument and not by the environment; the server hears nothing."""
    server = scripted(http(200, RECORD))
    refused = f"http://me@127.0.0.1:{server.port}"
    with pytest.raises(InvalidOptionError):
        client(base_url=refused)
    monkeypatch.setenv("ASANA_BASE_URL", refused)
    with pytest.raises(InvalidOptionError):
        client()
    assert server.heads == []


def test_the_reprs_of_transports_and_responses(transport):
    """A transport shows nothing, and a response no body; responses are values."""
    assert repr(transport()) == "<RequestsTransport>"
    assert repr(Response(200, {}, TOKEN.encode())) == "<Response 200, 62 bytes>"
    assert Response() == Response(200, {}, b"")
