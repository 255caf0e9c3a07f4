"""Interrupts end at once, and secrets are never shown."""

from __future__ import annotations

import copy
import logging
import os
import pickle
import re
import signal
import subprocess
import sys
import threading
import time
import traceback

import pytest
from conftest import TOKEN
from driven import until

import asana_jobs_pd as aj
from asana_jobs_pd.errors import TokenError
from asana_jobs_pd.sandbox import Sandbox
from asana_jobs_pd.testing import MockTransport, Response

SIGNATURE = "5ec2e7" * 10
URL = f"https://s3.example/f.jsonl.gz?X-Amz-Date=20260101T000000Z&X-Amz-Signature={SIGNATURE}"


def shown(error):
    """Return everything a traceback printer with locals would show."""
    told = traceback.TracebackException.from_exception(error, capture_locals=True)
    return "".join(told.format())


def failures(asana):
    gid = asana.gids(1)[0]
    asana.record(gid, {"gid": gid, "new_graph_export": {"gid": "1", "download_url": URL}})
    with aj.Client(TOKEN, base_url=asana.base_url, max_retries=0) as client:
        for fault in ("reset", "garbage", "html", "truncate"):
            asana.fault(fault, gid=asana.gids(2)[1])
            with pytest.raises(aj.PartialReadError) as caught:
                aj.read_asana_jobs(asana.gids(2), ["status"], client=client)
            yield caught.value
        for status in (400, 403, 404, 500):
            asana.answer(asana.gids(2)[1], status, f"you sent Bearer {TOKEN}")
            with pytest.raises(aj.PartialReadError) as caught:
                aj.read_asana_jobs(asana.gids(2), ["status"], client=client)
            yield caught.value
    with aj.Client(TOKEN + "0", base_url=asana.base_url) as client:
        with pytest.raises(aj.AsanaJobsError) as caught:
            aj.read_asana_jobs(asana.gids(2), client=client)
        yield caught.value


def test_no_error_shows_the_token(asana, caplog):
    """Messages, reprs, attributes, pickles, tracebacks with locals, logs, frames: none has it."""
    caplog.set_level(logging.DEBUG)
    for error in failures(asana):
        nested = list(getattr(error, "errors", {}).values())
        for one in (error, *nested):
            assert one.__cause__ is None
            assert one.__context__ is None
            for text in (str(one), repr(one), repr(vars(one)), shown(one)):
                assert TOKEN not in text
            assert TOKEN.encode() not in pickle.dumps(one)
        assert TOKEN not in error.frame.to_csv()
    assert TOKEN not in caplog.text


def test_no_error_shows_a_signature(asana, caplog):
    """A signed URL stays in its column: not in tracebacks with locals, logs or pickled errors."""
    caplog.set_level(logging.DEBUG)
    good, bad = asana.gids(2)
    asana.record(good, {"gid": good, "new_graph_export": {"gid": "1", "download_url": URL}})
    asana.answer(bad, 404, f"see {URL}")
    with aj.Client(TOKEN, base_url=asana.base_url) as client:
        with pytest.raises(aj.PartialReadError) as caught:
            aj.read_asana_jobs([good, bad], client=client)
    error = caught.value
    assert error.frame["new_graph_export.download_url"].iloc[0] == URL
    assert SIGNATURE not in error.frame.drop(columns="new_graph_export.download_url").to_csv()
    error.frame = None
    assert SIGNATURE.encode() not in pickle.dumps(error)
    assert SIGNATURE not in shown(error)
    assert SIGNATURE not in caplog.text


def test_no_object_shows_the_token(asana, client):
    """Neither repr nor vars, at any depth; pickling and copying are refused."""
    aj.read_asana_jobs(asana.gids(2), client=client)
    parts = [client, *vars(client).values()]
    for part in parts:
        assert TOKEN not in repr(part)
        assert TOKEN not in str(part)
        assert TOKEN not in repr(getattr(part, "__dict__", ""))
    for spread in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TokenError):
            spread(client)


PASSWORD = "hunter2-of-the-proxy"
PROXIES = {"https": f"http://me:{PASSWORD}@127.0.0.1:9", "no_proxy": "127.0.0.1"}
ENVIRONMENT = {
    "ASANA_ACCESS_TOKEN": TOKEN,
    "HTTPS_PROXY": PROXIES["https"],
    "UNRELATED_SECRET": PASSWORD,
}
FAILING_SETUPS = {
    "base URL": {"base_url": "http://asana.example/api"},
    "base URL with a password": {"base_url": f"https://me:{PASSWORD}@asana.example"},
    "base URL with a query": {"base_url": f"https://asana.example/?token={TOKEN}"},
    "option": {"max_retries": -1},
    "timeout": {"timeout": (0, 60)},
    "CA bundle": {"verify": "/no/such/bundle.pem"},
    "kind of verify": {"verify": 5},
    "kind of proxies": {"proxies": PROXIES["https"]},
    "proxy of another kind": {"proxies": {**PROXIES, "http": 5}},
    "malformed token": {"token": f"{TOKEN} {PASSWORD}"},
    "empty token": {"token": ""},
    "token of another kind": {"token": TOKEN.encode()},
    "several tokens": {"token": [TOKEN, PASSWORD]},
    "transport": {"transport": "none"},
    "unknown option": {"tokens": PASSWORD},
}


def verbose(error):
    """Return what IPython shows with %xmode Verbose: it evaluates attributes in the lines, too."""
    from IPython.core.ultratb import VerboseTB

    text = VerboseTB().text(type(error), error, error.__traceback__, context=9)
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def set_up(make, options, environment):
    """Make a client with an error; return it without the caller's frame, which has secrets."""
    token = {} if environment else {"token": TOKEN}
    proxies = {} if environment else {"proxies": PROXIES}
    try:
        make(**{**token, **proxies, **options})
    except (aj.AsanaJobsError, TypeError) as error:
        error.__traceback__ = error.__traceback__.tb_next
        return error
    raise AssertionError("it did not fail")


@pytest.mark.parametrize("make", [aj.connect, aj.Client], ids=["connect", "Client"])
@pytest.mark.parametrize("environment", [False, True], ids=["arguments", "environment"])
@pytest.mark.parametrize("options", FAILING_SETUPS.values(), ids=FAILING_SETUPS)
def test_a_failing_setup_shows_no_secret(make, options, environment, monkeypatch):
    """Neither a traceback with locals nor IPython's verbose one has it, nor the words."""
    for name, value in ENVIRONMENT.items() if environment else ():
        monkeypatch.setenv(name, value)
    error = set_up(make, options, environment)
    for text in (shown(error), verbose(error), repr(error), repr(vars(error))):
        assert TOKEN not in text
        assert PASSWORD not in text
    assert error.__context__ is None


def test_a_malformed_token_in_the_environment_shows_nowhere(monkeypatch):
    """Nor does the rest of the environment."""
    monkeypatch.setenv("ASANA_PAT", f"{TOKEN} with a blank")
    monkeypatch.setenv("UNRELATED_SECRET", PASSWORD)
    for verb in (aj.connect, aj.Client, lambda: aj.read_asana_jobs("12")):
        with pytest.raises(TokenError) as caught:
            verb()
        assert TOKEN not in shown(caught.value)
        assert PASSWORD not in shown(caught.value)


FAILING_TEST = """
import asana_jobs_pd as aj

def test_it():
    make(aj.{make})

def make(call):
    call(
        open("token").read(),
        base_url="http://asana.example",
        proxies=eval(open("proxies").read()),
    )
"""


@pytest.mark.slow
@pytest.mark.parametrize("make", ["connect", "Client"])
def test_pytests_own_report_of_locals_shows_no_secret(make, tmp_path):
    """pytest -l prints the locals of all frames, ours included."""
    (tmp_path / "token").write_text(TOKEN)
    (tmp_path / "proxies").write_text(repr(PROXIES))
    (tmp_path / "test_it.py").write_text(FAILING_TEST.format(make=make))
    command = [sys.executable, "-m", "pytest", "-l", "--tb=long", "-p", "no:cacheprovider"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "InvalidOptionError" in run.stdout
    assert "max_retries" in run.stdout, "locals are printed"
    assert TOKEN not in run.stdout
    assert PASSWORD not in run.stdout


@pytest.mark.parametrize("stage", ["__init__", *FAILING_SETUPS])
def test_a_half_made_client_has_a_repr(stage):
    """Wherever its set-up failed: debuggers show it."""
    client = aj.Client.__new__(aj.Client)
    if stage != "__init__":
        with pytest.raises((aj.AsanaJobsError, TypeError)):
            client.__init__(**{"token": TOKEN, **FAILING_SETUPS[stage]})
    assert repr(client) == "<Client, not set up>"


@pytest.mark.parametrize("kind", [aj.JobsMonitor, aj.JobsWidget])
@pytest.mark.parametrize("arguments", [{"client": TOKEN}, {"jobs": ["x"]}])
def test_half_made_watchers_have_a_repr(kind, arguments):
    """A traceback with locals shows them."""
    with pytest.raises(aj.AsanaJobsError) as caught:
        kind(**{"jobs": ["12"], **arguments})
    text = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    assert f"<{kind.__name__}, not set up>" in "".join(text.format())


def test_a_token_in_place_of_the_fields_is_not_repeated():
    """Arguments get mixed up; the message must not carry the token on."""
    with pytest.raises(aj.errors.InvalidFieldError) as caught:
        aj.read_asana_jobs(["12"], ["2/1208000000000001/1208000000000002:" + "0af9" * 8])
    assert "0af9" not in str(caught.value)


SCRIPT = """
import sys
import asana_jobs_pd as aj
client = aj.connect("t" * 9, base_url=sys.argv[1], requests_per_minute=None, timeout=(60, 600))
try:
    aj.read_asana_jobs(sys.argv[2].split(","), progress=False)
except KeyboardInterrupt as stop:
    print(len(stop.frame), stop.frame["status"].notna().sum(), flush=True)
"""


@pytest.mark.skipif(os.name == "nt", reason="SIGINT cannot be sent to a process there")
@pytest.mark.slow
def test_an_interrupt_ends_at_once_and_so_does_the_process(tmp_path):
    """With 50 requests in flight: promised within 0.3 s, the frame is there, no wait at exit."""
    with Sandbox(token="t" * 9) as asana:
        gids = asana.gids(100)
        asana.fault("delay", times=100, seconds=300.0)
        command = [sys.executable, "-c", SCRIPT, asana.base_url, ",".join(gids)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path) as run:
            until(lambda: asana.stats.requests == 50 or run.poll() is not None, 60)
            sent = time.monotonic()
            run.send_signal(signal.SIGINT)
            line = run.stdout.readline()
            caught = time.monotonic()
            assert run.wait(60) == 0
        ended = time.monotonic()
    assert line.split() == ["100", "0"]
    assert caught - sent < 3
    assert ended - caught < 30


@pytest.mark.skipif(os.name == "nt", reason="pthread_kill is not there")
def test_results_before_an_interrupt_are_in_the_frame():
    """Rows that were read are there, the others are empty, and refresh() goes on."""
    gids, answered, main = list("123456789"), [], threading.get_ident()
    hold = threading.Event()

    def answer(request):
        gid = request.url.partition("?")[0].rpartition("/")[2]
        if gid == "9" and not hold.is_set():
            hold.wait(60)
        answered.append(gid)
        return Response.from_json({"data": {"gid": gid, "status": "succeeded"}})

    def interrupt():
        until(lambda: len(answered) == 8, 60)
        time.sleep(0.5)  # their records are being read
        signal.pthread_kill(main, signal.SIGINT)

    client = aj.Client(transport=MockTransport(answer))
    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(aj.ReadInterrupted, match="8 of 9") as caught:
        aj.read_asana_jobs(gids, client=client)
    hold.set()
    frame = caught.value.frame
    assert frame["status"].notna().sum() == 8
    assert frame["fetched_at"].isna().sum() == 1
    assert frame.asana.refresh(client=client)["status"].notna().all()
