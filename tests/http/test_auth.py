"""A token is found where it was put, and is shown to nobody but the server."""

import contextlib
import copy
import getpass
import os
import pickle
import sys
import types

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asana_jobs_pd._http.auth import (
    ENVIRONMENT,
    Token,
    find_token,
    keyring_token,
    prompt_token,
)
from asana_jobs_pd._http.client import Client
from asana_jobs_pd.errors import TokenError

from .conftest import TOKEN


def secret_of(token):
    return token.header.encode().decode().removeprefix("Bearer ")


@pytest.fixture
def keyring(monkeypatch):
    """A keyring that returns what a test puts into it."""
    held = {}
    fake = types.ModuleType("keyring")
    fake.get_password = lambda *key: held.get(key)
    monkeypatch.setitem(sys.modules, "keyring", fake)
    return held


@pytest.fixture
def setenv(monkeypatch):
    """Set a variable, in a dict that takes any text: the system's takes no NUL."""
    environ = {}
    monkeypatch.setattr(os, "environ", environ)
    return environ.__setitem__


@pytest.fixture
def somebody(monkeypatch):
    """Simulate a person who answers hidden prompts."""

    def answers(answer):
        def hidden(prompt):
            assert "hidden" in prompt
            if isinstance(answer, BaseException):
                raise answer
            return answer

        ipython = types.ModuleType("IPython")
        ipython.get_ipython = object
        monkeypatch.setitem(sys.modules, "IPython", ipython)
        monkeypatch.setattr(getpass, "getpass", hidden)

    return answers


def test_the_argument_comes_first_then_the_environment_the_keyring_and_the_prompt(
    keyring, somebody, monkeypatch
):
    """Each place counts when the previous ones are empty, in the documented order."""
    for name in ENVIRONMENT:
        monkeypatch.setenv(name, f"from-{name}")
    keyring["asana_jobs_pd", "access_token"] = "from-the-keyring"
    somebody("from-the-prompt")
    found = [find_token("from-the-argument")]
    for name in ENVIRONMENT:
        found.append(find_token())
        monkeypatch.setenv(name, "")
    found.append(find_token())
    keyring.clear()
    found.append(find_token())
    assert [secret_of(token) for token in found] == [
        *("from-the-argument", "from-ASANA_ACCESS_TOKEN", "from-ASANA_PAT", "from-ASANA_TOKEN"),
        *("from-the-keyring", "from-the-prompt"),
    ]
    assert [token.source for token in found] == [
        *("the argument token=", "the environment variable ASANA_ACCESS_TOKEN"),
        *("the environment variable ASANA_PAT", "the environment variable ASANA_TOKEN"),
        *("the keyring", "the prompt"),
    ]


def test_the_process_environment_counts(monkeypatch):
    """What was set after the import is found."""
    monkeypatch.setenv("ASANA_PAT", "from-now")
    assert secret_of(find_token(None)) == "from-now"


def test_without_a_token_the_error_says_how():
    """Without a prompt, it names the page, the variable, the keyring and connect()."""
    with pytest.raises(TokenError, match="No Asana token found") as caught:
        find_token()
    for way in ("my-apps", "ASANA_ACCESS_TOKEN", "keyring set asana_jobs_pd", "connect()"):
        assert way in str(caught.value)


def test_a_keyring_that_fails_or_is_missing_is_none(monkeypatch, keyring):
    """A keyring without a backend, or a missing one, must not stop a read."""

    def broken(*_):
        raise RuntimeError("no backend")

    monkeypatch.setattr(sys.modules["keyring"], "get_password", broken)
    assert keyring_token() is None
    monkeypatch.setitem(sys.modules, "keyring", None)
    assert keyring_token() is None


@pytest.mark.parametrize(
    "answer", ["", EOFError(), OSError(), RuntimeError("no stdin"), KeyboardInterrupt()]
)
def test_a_prompt_without_an_answer(somebody, answer):
    """An empty answer is no token; Ctrl-C at the prompt is a KeyboardInterrupt."""
    somebody(answer)
    if isinstance(answer, KeyboardInterrupt):
        with pytest.raises(KeyboardInterrupt):
            prompt_token()
    else:
        assert not prompt_token()


def test_nobody_is_asked_where_nobody_is(monkeypatch):
    """A script has no prompt that would block it, even with IPython imported."""
    ipython = types.ModuleType("IPython")
    ipython.get_ipython = lambda: None
    monkeypatch.setattr(getpass, "getpass", lambda prompt: pytest.fail("somebody was asked"))
    for module in (ipython, None):
        monkeypatch.setitem(sys.modules, "IPython", module)
        for stdin in (None, open(os.devnull, encoding="utf-8")):  # noqa: SIM115, PTH123
            monkeypatch.setattr(sys, "stdin", stdin)
            assert prompt_token() is None
            if stdin:
                stdin.close()


@pytest.mark.parametrize(
    "secret",
    ["", " ", "abc def", "abcdef\n", "\tabcdef", "abc\r\nX-Evil: 1", "abcdéf", "abc\x00", "“abc”"],
)
@pytest.mark.parametrize("place", ["argument", "environment", "keyring", "prompt"])
def test_a_malformed_token_is_refused_without_an_echo(secret, place, keyring, somebody, setenv):
    """Spaces, line breaks and other alphabets are refused; the error names only the source."""
    if place == "environment":
        setenv("ASANA_TOKEN", secret)
    elif place == "keyring":
        keyring["asana_jobs_pd", "access_token"] = secret
    elif place == "prompt":
        somebody(secret)
    with pytest.raises(TokenError) as caught:
        find_token(secret if place == "argument" else None)
    if secret or place == "argument":
        assert place in str(caught.value)
        assert "not shown" in str(caught.value)
    if secret.strip():
        assert secret not in str(caught.value)
        assert "abc" not in str(caught.value)


@pytest.mark.parametrize("secret", [1234, b"abc", ["abc"]])
def test_a_token_is_a_string(secret):
    """Anything else is refused by its type, and is not shown either."""
    with pytest.raises(TokenError, match=type(secret).__name__) as caught:
        find_token(secret)
    assert "abc" not in str(caught.value)
    assert "1234" not in str(caught.value)


@given(st.text("".join(map(chr, range(0x21, 0x7F))), min_size=1))
def test_any_visible_ascii_is_a_token(secret):
    """The header is Bearer and the token; the fingerprint is unique and does not reveal it."""
    token = Token(secret, "a test")
    assert token.header.encode() == b"Bearer " + secret.encode()
    assert len(token.fingerprint) == 64
    assert token.fingerprint == Token(secret, "elsewhere").fingerprint
    assert token.fingerprint != Token(secret + "x", "a test").fingerprint
    assert token.hide(lambda text, *secrets: str(secret in secrets), "") == "True"


def faces(thing):
    """Return everything a person, a log or a debugger sees of an object."""
    shown = [repr(thing), str(thing), f"{thing}", f"{thing!s:>90}", f"{[thing]}", f"{(thing,)!r}"]
    with contextlib.suppress(TypeError):
        shown.append(repr(vars(thing)))
    for duplicate in (copy.copy, copy.deepcopy, pickle.dumps):
        try:
            twin = duplicate(thing)
        except Exception as error:  # noqa: BLE001  whatever it is, it must not tell
            shown.append(repr(error))
        else:
            shown.append(repr(twin))
    return "\n".join(shown)


@pytest.fixture
def things():
    """The objects that hold the token, by name."""
    client = Client(TOKEN)
    transport = client._transport
    yield {
        "token": client._token,
        "client": client,
        "transport": transport,
        "headers": transport._headers,
        "their dict": dict(transport._headers),
        "store": transport._headers._store,
        "lower": list(transport._headers.lower_items()),
        "adapter": transport._adapter,
        "list": [client, client._token],
    }
    client.close()


@pytest.mark.parametrize(
    "name",
    ["token", "client", "transport", "headers", "their dict", "store", "lower", "adapter", "list"],
)
def test_objects_with_the_token_do_not_show_it(things, name):
    """Not when printed, formatted, listed, copied or pickled."""
    shown = faces(things[name])
    assert TOKEN not in shown
    assert TOKEN[-32:] not in shown


@pytest.mark.parametrize("name", ["token", "client", "transport", "headers"])
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_objects_with_the_token_cannot_be_pickled(things, name, protocol):
    """It is an error with every protocol: another process finds its own token."""
    with pytest.raises((TokenError, TypeError)):
        pickle.dumps(things[name], protocol)


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy])
@pytest.mark.parametrize("name", ["token", "client"])
def test_objects_with_the_token_cannot_be_copied(things, name, duplicate):
    """A copy would be as good as a pickle."""
    with pytest.raises(TokenError, match="never pickled"):
        duplicate(things[name])


def test_a_token_has_no_dict(things):
    """vars() fails, and its repr names only where it came from."""
    with pytest.raises(TypeError):
        vars(things["token"])
    assert repr(things["token"]) == "<Token from the argument token=>"
