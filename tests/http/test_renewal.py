"""An expired token is replaced by what the callable returns, once, whichever thread notices."""

from __future__ import annotations

import copy
import pickle
import threading

import pytest

import asana_jobs_pd as aj
from asana_jobs_pd._http import auth
from asana_jobs_pd.errors import AuthenticationError, TokenError
from asana_jobs_pd.sandbox import Sandbox
from asana_jobs_pd.testing import MockTransport, Response

from .conftest import TOKEN, told

SECOND = f"{TOKEN}-2"


def shown(error):
    """Return all that an error shows, without this file's own frame."""
    return told(error.with_traceback(error.__traceback__.tb_next))


class Provider:
    """A callable that returns one thing after the other, the last one over and over."""

    def __init__(self, *given):
        self.given, self.calls = list(given), 0

    def __call__(self):
        self.calls += 1
        given = self.given.pop(0) if len(self.given) > 1 else self.given[0]
        if isinstance(given, BaseException):
            raise given
        return given


@pytest.fixture
def connected(asana):
    """Connect with a callable that returns these, and let the token expire."""
    made = []

    def connect(*given):
        provider = Provider(*given)
        made.append(aj.connect(provider, base_url=asana.base_url))
        assert provider.calls == 1
        asana.expire_token()
        return provider

    yield connect
    for client in made:
        client.close()


@pytest.fixture
def impatient(monkeypatch):
    """No pause after a call in vain."""
    monkeypatch.setattr(auth, "PAUSE", 0.0)


def test_one_thread_asks_for_a_new_token_and_all_go_on(asana, connected):
    """Of fifty requests that find the token expired, one calls; every job is read."""
    provider = connected(TOKEN, SECOND)
    jobs = aj.read_asana_jobs(asana.gids(60))
    assert jobs["status"].notna().all()
    assert provider.calls == 2
    asana.expire_token()
    provider.given = [asana.token]
    assert aj.read_asana_jobs(asana.gids(60))["status"].notna().all()
    assert provider.calls == 3


def test_a_job_is_started_once_the_token_is_renewed(asana, connected):
    """A POST that was rejected has started nothing, and is sent again."""
    connected(TOKEN, SECOND)
    assert aj.export_graph(asana.parents(1))["source.state"].tolist() == ["started"]
    assert asana.stats.jobs_started == 1


def test_a_wait_outlives_its_token():
    """The monitor's polls renew it, too."""
    with Sandbox(token=TOKEN, time_scale=60) as asana:
        provider = Provider(TOKEN, SECOND)
        with aj.Client(provider, base_url=asana.base_url) as client:
            jobs = aj.export_graph(asana.parents(1), client=client)
            asana.expire_token()
            assert jobs.asana.wait(client=client)["status"].tolist() == ["succeeded"]
        assert provider.calls == 2


def test_a_token_of_a_string_is_not_renewed(asana, client):
    """Nothing has changed for those: the first 401 ends the read."""
    with client(asana) as made:
        asana.expire_token()
        with pytest.raises(AuthenticationError, match="Create a new token"):
            aj.read_asana_jobs(asana.gids(3), client=made)
        assert asana.stats.requests <= 3


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (ValueError(f"no luck with {TOKEN}"), "raised ValueError: no luck with …"),
        (SystemExit("log in first"), "raised SystemExit: log in first"),
        (7, "not a string but of type int"),
        (b"2/12", "not a string but of type bytes"),
        (None, "not a string but of type NoneType"),
        ("", "empty or contains spaces"),
        (f"{SECOND}\n", "empty or contains spaces"),
        (TOKEN, "returned the same token again"),
    ],
)
def test_a_callable_without_a_new_token_ends_the_read_in_words(asana, connected, given, words):
    """With the frame of what was read, one call for all requests, and no secret."""
    provider = connected(TOKEN, given)
    with pytest.raises(AuthenticationError) as caught:
        aj.read_asana_jobs(asana.gids(20))
    error = caught.value
    assert words in str(error)
    assert "callable token=" in str(error)
    assert "ASANA_ACCESS_TOKEN" not in str(error)
    assert len(error.frame) == 20
    assert provider.calls == 2
    assert TOKEN not in shown(error)


@pytest.mark.parametrize("given", [ValueError(TOKEN[:20]), 7, "", "two words"])
def test_a_callable_without_a_first_token_is_refused(given):
    """Before any request, and without what it returned."""
    with pytest.raises(TokenError, match=r"The callable token= r(aised|eturned)") as caught:
        aj.connect(Provider(given))
    assert "two words" not in shown(caught.value)


def test_a_coroutine_function_is_refused_in_words():
    """It would have to be awaited; no warning of a coroutine that never was comes on top."""

    async def token():
        return TOKEN

    with pytest.raises(TokenError, match="of type coroutine"):
        aj.connect(token)


def test_an_interrupt_of_the_callable_is_one():
    """Somebody who presses Ctrl-C while it waits for a browser, say."""

    def interrupt():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        aj.connect(interrupt)


def test_a_callable_that_failed_is_called_again_later(asana, connected, impatient):
    """When it works again, the next read does, too; the reason is not repeated for ever."""
    provider = connected(TOKEN, OSError("no network"), SECOND)
    with pytest.raises(AuthenticationError, match="no network"):
        aj.read_asana_jobs(asana.gids(1))
    assert aj.read_asana_jobs(asana.gids(1))["status"].notna().all()
    asana.expire_token()
    with pytest.raises(AuthenticationError) as caught:
        aj.read_asana_jobs(asana.gids(1))
    assert "no network" not in str(caught.value)
    assert provider.calls == 4


def test_requests_in_flight_wait_for_the_new_token(asana):
    """While one thread calls, the others neither call nor fail."""
    asked, answer = threading.Event(), threading.Event()
    tokens = [TOKEN]

    def provider():
        if len(tokens) > 1:
            asked.set()
            assert answer.wait(60)
        return tokens[-1]

    with aj.Client(provider, base_url=asana.base_url) as client:
        tokens.append(asana.expire_token())
        frames = []
        reader = threading.Thread(
            target=lambda: frames.append(aj.read_asana_jobs(asana.gids(30), client=client))
        )
        reader.start()
        assert asked.wait(60)
        answer.set()
        reader.join(60)
    assert frames[0]["status"].notna().all()


def test_no_face_shows_what_the_callable_returned(asana, connected):
    """Neither the client's repr nor a pickle, before and after the renewal."""
    connected(TOKEN, SECOND)
    client = aj._http.default_client.default_client()
    for _ in range(2):
        assert TOKEN not in repr(client) + repr(vars(client)) + repr(client._token)
        for twin in (copy.copy, copy.deepcopy, pickle.dumps):
            with pytest.raises(TokenError, match="connect"):
                twin(client)
        aj.read_asana_jobs(asana.gids(1), client=client)


def test_a_transport_of_the_users_gets_the_new_token():
    """Each request carries the token of its time."""
    seen = []

    def handle(request):
        seen.append(request.headers["Authorization"])
        if "old" in seen[-1]:
            return Response.from_json({"errors": []}, 401)
        return Response.from_json({"data": {"gid": "1", "status": "succeeded"}})

    client = aj.Client(Provider("old", "new"), transport=MockTransport(handle))
    assert aj.read_asana_jobs("1", client=client)["status"].tolist() == ["succeeded"]
    assert seen == ["Bearer old", "Bearer new"]
