"""The default client: what connect() made, otherwise what the environment says."""

import logging
import os

import pandas as pd
import pytest

import asana_jobs_pd as aj
from asana_jobs_pd._http.client import Client
from asana_jobs_pd._http.default_client import connect, default_client
from asana_jobs_pd.errors import AuthenticationError, InvalidOptionError, TokenError

from .conftest import GID, TOKEN


@pytest.fixture
def environ(monkeypatch):
    """An environment with a token."""
    monkeypatch.setenv("ASANA_ACCESS_TOKEN", "from-the-environment")
    return monkeypatch


def test_connect_makes_the_default():
    """It is used until the next one; that does not close the first."""
    first = connect("first")
    assert default_client() is first
    second = connect("second")
    assert default_client() is second
    assert not first.closed


def test_connect_goes_before_the_environment(environ):
    """The environment does not matter then, nor do its changes."""
    mine = connect("explicit")
    environ.setenv("ASANA_ACCESS_TOKEN", "new")
    environ.setenv("ASANA_BASE_URL", "http://127.0.0.1:1")
    assert default_client() is mine


def test_connect_says_so(caplog):
    """A log line says what is used from now on, without the token."""
    with caplog.at_level(logging.INFO, logger="asana_jobs_pd"):
        connect(TOKEN)
    (line,) = [record.getMessage() for record in caplog.records]
    assert "is the default client from now on" in line
    assert "https://app.asana.com/api/1.0" in line
    assert TOKEN not in caplog.text


def test_connect_passes_all_options_on(asana, scripted, tmp_path):
    """They are those of the client."""
    bundle = tmp_path / "ca.pem"
    bundle.touch()
    mine = connect(
        asana.token,
        base_url=asana.base_url,
        requests_per_minute=7,
        max_in_flight=3,
        timeout=(1, 2),
        max_retries=4,
        proxies={"https": "http://127.0.0.1:1"},
        verify=str(bundle),
        opt_pretty=True,
    )
    with mine:
        assert mine.get_job(GID)["gid"] == GID
    assert asana.requests[0].opt_pretty == "true"
    assert (mine.limiter.budget.limit, mine.max_in_flight) == (7, 3)
    assert (mine.policy.retries, mine._network.timeout) == (4, (1, 2))
    assert mine._transport._adapter._settings.reveal()["verify"] == str(bundle)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"token": "mal formed"}, TokenError),
        ({"token": "x", "max_retries": -1}, InvalidOptionError),
    ],
    ids=["token", "option"],
)
def test_a_connect_that_fails_changes_nothing(options, error):
    """The default stays what it was."""
    mine = connect("good")
    with pytest.raises(error):
        connect(**options)
    assert default_client() is mine


def test_without_connect_the_environment_counts(environ, asana):
    """One client is made and kept; its address comes from the environment too."""
    environ.setenv("ASANA_ACCESS_TOKEN", asana.token)
    environ.setenv("ASANA_BASE_URL", asana.base_url)
    mine = default_client()
    assert default_client() is mine
    assert mine.get_job(GID)["gid"] == GID


@pytest.mark.parametrize("name", ["ASANA_ACCESS_TOKEN", "ASANA_BASE_URL", "ASANA_PAT"])
def test_a_changed_environment_is_noticed(environ, name):
    """Setting another token or address in a cell gives another client in the next."""
    before = default_client()
    environ.setenv(name, "http://127.0.0.1:2")
    after = default_client()
    assert after is not before
    assert default_client() is after


def test_without_any_token_every_ask_is_an_error(environ):
    """A token that is gone from the environment is not used any longer."""
    default_client()
    environ.delenv("ASANA_ACCESS_TOKEN")
    for _ in range(2):
        with pytest.raises(TokenError, match="No Asana token found"):
            default_client()


@pytest.mark.parametrize("explicit", [True, False])
def test_a_closed_default_is_replaced(environ, explicit):
    """By one from the environment, whoever made it."""
    mine = connect("explicit") if explicit else default_client()
    mine.close()
    after = default_client()
    assert after is not mine
    assert not after.closed


VERBS = {
    "read": lambda asana: aj.read_asana_jobs(asana.gids(3)),
    "wait": lambda asana: aj.wait_asana_jobs(asana.gids(3)),
    "start": lambda asana: aj.export_graph(asana.parents(1)),
    "download": lambda asana: pd.DataFrame({"gid": asana.gids(1)}).asana.download(),
    "get_job": lambda asana: default_client().get_job(asana.gids(1)[0]),
}


@pytest.mark.parametrize("explicit", [True, False])
@pytest.mark.parametrize("verb", VERBS)
def test_after_a_401_the_token_is_looked_up_again(environ, asana, verb, explicit):
    """By all verbs alike; what connect() was given stays until the next connect()."""
    environ.setenv("ASANA_BASE_URL", asana.base_url)
    environ.setenv("ASANA_ACCESS_TOKEN", "rejected")
    mine = connect("rejected") if explicit else default_client()
    with pytest.raises(AuthenticationError):
        VERBS[verb](asana)
    assert (default_client() is mine) is explicit


def test_only_the_default_is_forgotten(environ, asana):
    """Another client's 401 says nothing about the default."""
    mine = default_client()
    with Client("rejected", base_url=asana.base_url) as other, pytest.raises(AuthenticationError):
        other.get_job("12")
    assert default_client() is mine


@pytest.mark.skipif(os.name == "nt", reason="an environment of bytes is POSIX")
def test_an_environment_that_is_not_text(environ):
    """Bytes that are no UTF-8, in a variable that is not used, break nothing."""
    environ.setenv("ASANA_TOKEN", os.fsdecode(b"\xff\xfe"))
    assert default_client() is default_client()
    assert connect("explicit") is default_client()
