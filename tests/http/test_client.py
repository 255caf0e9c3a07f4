"""A client reads jobs within its limits, retries temporary failures, and never shows its token."""

import json
import os
import pickle
import signal
import threading
import time

import pytest
from driven import until
from forked import in_child

import asana_jobs_pd
from asana_jobs_pd._http.client import BASE_URL, Client
from asana_jobs_pd._http.rate_limit import Cancelled, Limiter, limiter_for
from asana_jobs_pd.errors import (
    AsanaJobsError,
    AuthenticationError,
    ClientClosedError,
    InvalidOptionError,
    NetworkError,
    RequestError,
    StatusError,
    TokenError,
)

from .conftest import GID, TOKEN, Hasty, failure, http, told, waiting

RECORD = json.dumps({"data": {"gid": GID}})
NO_ROOM = http(429, "", "Retry-After: 0")


def test_a_job_is_read(asana, client):
    """The record is what Asana sends: compact by default, or the requested fields."""
    mine = client(asana)
    assert mine.get_job(GID).keys() >= {"gid", "resource_type", "status"}
    assert mine.get_job(GID, ("status",)).keys() >= {"gid", "status"}
    assert mine.ask_job(GID, ("status",))["gid"] == GID
    asked = [request.opt_fields for request in asana.requests]
    assert asked == [(), ("status",), ("status",)]


def test_it_is_public():
    """The package exports the client and its limit error."""
    assert asana_jobs_pd.Client is Client
    assert issubclass(RequestError, AsanaJobsError)


@pytest.mark.parametrize(("opt_pretty", "sent"), [(True, "true"), (False, None)])
def test_pretty_answers(asana, client, opt_pretty, sent):
    """opt_pretty is sent as Asana spells it, or not at all, and changes no record."""
    mine = client(asana, opt_pretty=opt_pretty)
    assert mine.get_job(GID, ("status",))["gid"] == GID
    assert asana.requests[0].opt_pretty == sent


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 412, 451, 501])
def test_permanent_errors_are_not_retried(asana, client, status):
    """The error comes at once, with status, gid and the server's message."""
    asana.answer(GID, status, "It is so")
    hasty = Hasty()
    error = client(asana, max_retries=5).ask_job(GID, stop=hasty)
    assert isinstance(error, AuthenticationError if status == 401 else StatusError)
    assert (error.status, error.gid, error.reason) == (status, GID, "It is so")
    assert hasty.waits == []
    assert asana.stats.requests == 1


@pytest.mark.parametrize("fault", [500, 502, 503, 504, "reset", "truncate", "html", "empty"])
def test_transient_errors_are_retried(asana, client, fault):
    """Two failures and a success are three requests, with growing waits between them."""
    if isinstance(fault, int):
        asana.fault("status", status=fault, times=2)
    else:
        asana.fault(fault, times=2)
    hasty = Hasty()
    assert client(asana, max_retries=5).ask_job(GID, stop=hasty)["gid"] == GID
    assert asana.stats.requests == 3
    first, second = hasty.waits
    assert 0.25 <= first <= 0.5 <= second <= 1


@pytest.mark.parametrize("retries", [0, 1, 4])
def test_retries_are_counted(asana, client, retries):
    """There are as many retries as requested; then the last error is raised."""
    asana.fault("status", status=500, times=100)
    hasty = Hasty()
    error = client(asana, max_retries=retries).ask_job(GID, stop=hasty)
    assert error.status == 500
    assert error.phrase in str(error)
    assert asana.stats.requests == retries + 1
    assert len(hasty.waits) == retries


def test_retry_after_is_obeyed(client, scripted):
    """A 503 may say when to retry; that is the wait, within bounds."""
    server = scripted(
        http(503, "", "Retry-After: 7"), http(503, "", "Retry-After: 99999"), http(200, RECORD)
    )
    hasty = Hasty()
    assert client(server, max_retries=5).ask_job(GID, stop=hasty) == {"gid": GID}
    assert hasty.waits == [7, 300]


def test_no_try_starts_after_ten_minutes(client, scripted, monkeypatch):
    """Longer waits end the attempts, even if retries are left."""
    server = scripted(http(503, "", "Retry-After: 250"))
    mine, hasty, began = client(server, max_retries=50), Hasty(), time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: began + sum(hasty.waits))
    assert mine.ask_job(GID, stop=hasty).status == 503
    assert hasty.waits == [250, 250]


def test_too_many_requests_close_the_gate(client, scripted):
    """A 429 waits at the limiter's gate, where everyone waits, and is tried again."""
    server = scripted(NO_ROOM, NO_ROOM, http(200, RECORD))
    mine, hasty = client(server, max_retries=5), Hasty()
    before = time.monotonic()
    assert mine.ask_job(GID, stop=hasty) == {"gid": GID}
    assert time.monotonic() - before >= 0.2, "a tenth of a second for each 429"
    assert hasty.waits == []
    assert mine.limiter.budget.closings == 2
    assert mine.limiter.budget.in_flight == 0


@pytest.mark.parametrize("hint", ["Retry-After: soon", "X: y", f"Retry-After: {TOKEN}"])
def test_a_429_without_a_usable_hint(client, scripted, hint):
    """The gate then closes for one to two seconds; the header is not shown."""
    mine = client(scripted(http(429, "{}", hint)))
    error = failure(mine)
    assert error.status == 429
    assert "budget is used up, perhaps by another program" in str(error)
    assert 0.9 < mine.limiter.budget.opens_at - time.monotonic() <= 2
    assert TOKEN not in told(error)


def test_429s_without_end(client, scripted):
    """They are an error when the tries are used up."""
    server = scripted(NO_ROOM)
    assert failure(client(server, max_retries=2)).status == 429
    assert len(server.heads) == 3


def test_the_gate_is_one_for_all_clients_of_a_token(asana, client, scripted):
    """What one client is told holds for another with the same token at the same server."""
    one, same = client(asana), client(asana)
    other = client(asana, token="another")
    elsewhere = client(scripted(http(200, RECORD)))
    assert one.limiter is same.limiter
    assert one.limiter is not other.limiter
    assert one.limiter is not elsewhere.limiter


def test_the_newest_limits_count(asana, client):
    """A second connect() with the same token resets the budget for both."""
    one = client(asana, requests_per_minute=100, max_in_flight=3)
    client(asana, requests_per_minute=None, max_in_flight=7)
    assert one.limiter.budget.limit == float("inf")
    assert one.max_in_flight == 7


def test_a_strict_sandbox_says_429_to_nobody(sandbox, client):
    """Many threads, a burst as large as the window, and no request too many in the next ones."""
    asana = sandbox(clock=None, requests_per_minute=20, window=0.5, max_in_flight=5)
    mine = client(asana, limiter=Limiter(20, 5, window=0.5))
    results = in_threads(mine, asana.gids(50), 10)
    assert all(isinstance(result, dict) for result in results)
    assert asana.stats.requests == 50
    assert asana.stats.throttled == 0
    assert asana.stats.most_in_window <= 20


def test_a_sandbox_that_is_stricter_than_we_know(sandbox, client):
    """The limit is ten times too high: everything still arrives."""
    asana = sandbox(clock=None, requests_per_minute=20, window=0.5, retry_after=True)
    mine = client(asana, max_retries=5, limiter=Limiter(200, 5, window=0.5))
    results = in_threads(mine, asana.gids(40), 5)
    assert all(isinstance(result, dict) for result in results)
    assert 0 < asana.stats.throttled_rate <= 5 * mine.limiter.budget.closings
    assert asana.stats.requests == 40 + asana.stats.throttled_rate


def in_threads(client, gids, threads):
    """Ask for all gids in so many threads."""
    todo, results = list(gids), []

    def work():
        while True:
            try:
                gid = todo.pop()
            except IndexError:
                return
            results.append(client.ask_job(gid))

    workers = [threading.Thread(target=work, daemon=True) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
        assert not worker.is_alive()
    return results


@pytest.mark.parametrize("most", [1, 4])
def test_no_more_in_flight_than_allowed(sandbox, client, most):
    """Thirty threads share the slots, and use no more connections than these."""
    asana = sandbox(latency=0.005)
    results = in_threads(client(asana, max_in_flight=most), asana.gids(30), 30)
    assert len(results) == 30
    assert asana.stats.most_in_flight <= most
    assert asana.stats.connections <= most


def test_a_stop_while_waiting_to_try_again(asana, client):
    """Who is stopped between two tries raises Cancelled and asks no more."""
    asana.fault("status", status=503, times=100)

    class Impatient(Hasty):
        def wait(self, timeout=None):
            self.set()
            return super().wait(timeout)

    with pytest.raises(Cancelled):
        client(asana, max_retries=5).ask_job(GID, stop=Impatient())
    assert asana.stats.requests == 1


def test_a_stop_while_the_gate_is_closed(client, scripted):
    """Who waits at the gate is woken at once, though it stays closed for minutes."""
    mine, stop = client(scripted(http(429, "", "Retry-After: 200")), max_retries=5), Hasty()
    threading.Timer(0.1, lambda: (stop.set(), mine.limiter.wake())).start()
    before = time.monotonic()
    with pytest.raises(Cancelled):
        mine.ask_job(GID, stop=stop)
    assert time.monotonic() - before < 20


def test_a_stopped_read_sends_nothing(asana, client):
    """A stop that is already set is seen before the first byte."""
    stop = threading.Event()
    stop.set()
    with pytest.raises(Cancelled):
        client(asana).ask_job(GID, stop=stop)
    assert asana.stats.requests == 0


def test_polls_wait_for_readers(client, scripted):
    """Background requests go last."""
    mine, order = client(scripted(http(200, RECORD)), max_in_flight=1), []
    started = mine.limiter.acquire(threading.Event())

    def ask(background):
        mine.ask_job(GID, background=background)
        order.append("poll" if background else "reader")

    threads = [threading.Thread(target=ask, args=(background,)) for background in (True, False)]
    for position, thread in enumerate(threads):
        thread.start()
        while waiting(mine.limiter) <= position:
            time.sleep(0.001)
    mine.limiter.release(started)
    for thread in threads:
        thread.join(60)
    assert sorted(order) == ["poll", "reader"]
    assert order[0] == "reader"


def interrupted(client, asana):
    """Return the interrupt that ends a read, sent once the server has the request."""
    main = threading.main_thread().ident

    def interrupt():
        until(lambda: asana.stats.requests, 60)
        signal.pthread_kill(main, signal.SIGINT)

    thread = threading.Thread(target=interrupt, daemon=True)
    thread.start()
    try:
        client.get_job(GID)
    except KeyboardInterrupt as interrupt:
        return interrupt
    finally:
        thread.join()
    raise AssertionError("it was not interrupted")


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="no such signals here")
@pytest.mark.skipif(
    threading.current_thread() is not threading.main_thread(), reason="signals need the main thread"
)
def test_an_interrupt_tells_nothing(asana, client):
    """Ctrl-C in the middle of a request comes at once, without the token in any local."""
    asana.fault("delay", seconds=300)
    mine, before = client(asana), time.monotonic()
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        interrupt = interrupted(mine, asana)
    finally:
        signal.signal(signal.SIGINT, handler)
    assert time.monotonic() - before < 20
    assert "getresponse" not in told(interrupt), "the frames of http.client hold the request"
    assert TOKEN not in told(interrupt)
    assert mine.limiter.budget.in_flight == 0
    assert mine.get_job(GID)["gid"] == GID


def test_changes_are_taken_once(sandbox, client):
    """Announcements come with every response, errors included, and are reported once."""
    asana = sandbox(changes=["name=new_ids;affected=true", "name=other;info=https://x/y"])
    mine = client(asana)
    asana.answer(GID, 404)
    assert failure(mine).status == 404
    news = mine.changes.take()
    assert [text.split("'")[1] for text in news] == ["new_ids", "other"]
    mine.get_job("1201000000000000")
    assert mine.changes.take() == []


@pytest.mark.parametrize("token", [TOKEN, "opaque-token-without-a-form"])
def test_changes_do_not_tell_the_token(client, scripted, token):
    """Even when the server repeats it there."""
    server = scripted(http(200, RECORD, f"Asana-Change: name={token};info=https://x/{token}"))
    mine = client(server, token=token)
    mine.get_job(GID)
    (news,) = mine.changes.take()
    assert token not in news
    assert news == "Asana announces a change to its API, '…'; read https://x/…."


def test_a_closed_client_sends_nothing(asana, client):
    """It says so, and how to get another one; closing twice does no harm."""
    mine = client(asana)
    mine.get_job(GID)
    mine.close()
    mine.close()
    assert mine.closed
    assert repr(mine).endswith("closed>")
    with pytest.raises(ClientClosedError, match=r"connect\(\) makes a new one"):
        mine.get_job(GID)
    assert asana.stats.requests == 1


def test_a_client_that_is_closed_between_two_tries(asana, client):
    """A request that waits for its retry finds it closed."""
    asana.fault("status", status=503, times=100)
    mine = client(asana, max_retries=5)

    class Closing(Hasty):
        def wait(self, timeout=None):
            mine.close()
            return super().wait(timeout)

    with pytest.raises(ClientClosedError):
        mine.ask_job(GID, stop=Closing())


def test_a_context_manager(asana):
    """It is closed at the end, also by an error."""
    with Client(TOKEN, base_url=asana.base_url) as mine:
        assert not mine.closed
        assert mine.get_job(GID)["gid"] == GID
    assert mine.closed
    with pytest.raises(ZeroDivisionError), mine:
        raise ZeroDivisionError


def test_the_repr_of_a_client(client):
    """Its address, the source of its token and its budget."""
    assert repr(client(base_url="https://a.example/x")) == (
        "<Client https://a.example/x <Token from the argument token=> "
        "<Limiter 1500 of 1500 in 60 s>>"
    )


def test_pickling_is_refused_in_words(client):
    """Neither token nor lock can be pickled; the error gives the reason and an alternative."""
    with pytest.raises(TokenError, match=r"never pickled.*calls connect\(\) itself"):
        pickle.dumps(client())


def test_where_the_base_url_comes_from(client, monkeypatch):
    """The argument, else ASANA_BASE_URL, else Asana."""
    assert client().base_url == BASE_URL == "https://app.asana.com/api/1.0"
    monkeypatch.setenv("ASANA_BASE_URL", "http://127.0.0.1:9/api/")
    assert client().base_url == "http://127.0.0.1:9/api"
    assert client(base_url="https://a.example").base_url == "https://a.example"


WRONG = [
    *({"requests_per_minute": value} for value in (0, -1, 1.5, "150", True, float("inf"))),
    *({"max_in_flight": value} for value in (0, -1, 1.5, None, "5", True, float("nan"))),
    *({name: 5} for name in ("opt_pretty", "ledger")),
    *({"max_retries": value} for value in (-1, 0.5, None, "5", False)),
    *({"timeout": value} for value in (5, None, (), (1,), (1, 2, 3), [1, 2], "ab", {1, 2})),
    *({"timeout": (1, value)} for value in (0, -1, None, "1", True, float("nan"), float("inf"))),
    *({"timeout": (value, 1)} for value in (0, None, "1", 1j)),
]


@pytest.mark.parametrize("option", WRONG, ids=repr)
def test_options_are_checked(option, client, monkeypatch):
    """An invalid option is an error that names it, before a token is looked up."""
    monkeypatch.setenv("ASANA_ACCESS_TOKEN", "mal formed")
    ((name, value),) = option.items()
    with pytest.raises(InvalidOptionError, match=f"^{name}=") as caught:
        client(token=None, **option)
    assert str(caught.value).startswith(f"{name}={value!r}: give ")


@pytest.mark.parametrize(
    "option",
    [
        *({"requests_per_minute": 1}, {"requests_per_minute": None}, {"max_in_flight": 1}),
        *({"max_retries": 0}, {"timeout": (0.1, 3600)}, {"timeout": (1, 2.5)}),
    ],
    ids=repr,
)
def test_options_at_their_limits(option, client):
    """The smallest allowed values work."""
    assert not client(**option).closed


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize("own", [True, False], ids=["own limiter", "the token's limiter"])
def test_a_fork(asana, client, own):
    """Child and parent go on with connections of their own, and read their own answers."""
    mine = client(asana, limiter=Limiter(100, 5) if own else None)
    gids = asana.gids(20)
    mine.get_job(gids[0])
    assert asana.stats.connections == 1
    with mine.limiter._lock:
        said = in_child(lambda: [mine.get_job(gid)["gid"] for gid in gids])
    assert said == repr(gids)
    assert [mine.get_job(gid)["gid"] for gid in gids] == gids
    assert asana.stats.connections == 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_closed_client_is_closed_in_a_fork(asana, client):
    """A fork does not open it again."""
    mine = client(asana)
    mine.close()
    assert "ClientClosedError" in in_child(lambda: mine.get_job(GID))


def test_a_limiter_of_ones_own(client):
    """It is used instead of the token's."""
    mine = Limiter(5, 2)
    made = client(limiter=mine)
    assert made.limiter is mine
    assert made.max_in_flight == 2
    assert limiter_for(made._token.fingerprint, made.base_url, 1, 1) is not mine


def test_a_network_that_comes_back(client, scripted):
    """The next attempt reaches a server that was down, over a new connection."""
    server = scripted(b"", b"", http(200, RECORD))
    hasty = Hasty()
    assert client(server, max_retries=3).ask_job(GID, stop=hasty) == {"gid": GID}
    assert len(hasty.waits) == 2


def test_a_network_that_stays_away(client, scripted):
    """The result is a NetworkError: ask_job returns it, get_job raises it."""
    server = scripted(b"")
    mine = client(server, max_retries=2)
    assert type(mine.ask_job(GID, stop=Hasty())) is NetworkError
    assert len(server.heads) == 3


def test_a_background_request_is_tried_once(sandbox, client):
    """A poll repeats itself anyway; a reader's request is retried."""
    asana = sandbox()
    asana.fault("status", times=1, status=503)
    mine = client(asana, max_retries=5)
    assert mine.ask_job(GID, background=True).status == 503
    assert asana.stats.requests == 1
    asana.fault("status", times=1, status=503)
    assert mine.ask_job(GID)["gid"] == GID
    assert asana.stats.requests == 3
