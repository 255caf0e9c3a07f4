"""A sandbox starts, stops and can be driven from any thread."""

import logging
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from urllib.parse import urlsplit

import pytest
from driven import until

import asana_jobs_pd.sandbox
from asana_jobs_pd.sandbox import Clock, Sandbox

from .conftest import Asker, connected, read_all


def address(asana):
    """Return host and port."""
    parts = urlsplit(asana.base_url)
    return parts.hostname, parts.port


def run_together(tasks):
    """Run each task in a thread of its own; what they raise is raised."""
    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(task) for task in tasks]:
            done.result()


def test_a_with_block_is_a_life():
    """Inside it the sandbox serves, after it the port is closed."""
    with Sandbox() as asana:
        where = address(asana)
        assert where[0] == "127.0.0.1"
        socket.create_connection(where).close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(where)


def test_stopping_twice_is_no_harm():
    """Nor is stopping one that was never started."""
    asana = Sandbox()
    asana.stop()
    asana.start()
    asana.stop()
    asana.stop()


def test_several_threads_may_stop_it(sandbox):
    """All of them return when it has stopped."""
    for _ in range(20):
        asana = sandbox()
        run_together(asana.stop for _ in range(4))


def test_a_sandbox_lives_once():
    """Starting it again is an error."""
    with Sandbox() as asana, pytest.raises(RuntimeError, match="create a new one"):
        asana.start()


def test_an_address_comes_with_the_start():
    """Before it there is none, and the error says so."""
    asana = Sandbox()
    assert "not started" in repr(asana)
    with pytest.raises(RuntimeError, match="start it"):
        _ = asana.environ
    with asana:
        assert asana.base_url.removesuffix("/api/1.0") in repr(asana)


def test_a_port_can_be_chosen_and_may_be_taken():
    """A taken or invalid port is an `OSError` at once, not a thread that hangs."""
    with Sandbox() as asana:
        _, port = address(asana)
        other = Sandbox(port=port)
        with pytest.raises(OSError, match=str(port)):
            other.start()
        other.stop()
    with Sandbox(port=port) as again:
        assert address(again)[1] == port
    with pytest.raises(OverflowError):
        Sandbox(port=70_000).start()


def test_the_environment_leads_a_client_here():
    """Two variables are all a client needs."""
    with Sandbox(token="hush") as asana:
        assert asana.environ == {
            "ASANA_ACCESS_TOKEN": "hush",
            "ASANA_BASE_URL": asana.base_url,
        }


def test_latency_delays_every_answer_of_the_api(sandbox):
    """Errors too."""
    ask = Asker(sandbox(latency=0.05))
    for gid in ("123", ask.asana.gids(1)[0]):
        begun = time.monotonic()
        ask.job(gid)
        assert time.monotonic() - begun >= 0.049


@pytest.mark.parametrize("fault", ["delay", "slow", None])
def test_stopping_drops_what_is_pending(caplog, fault):
    """It waits for no response and leaves nothing behind, idle connections included."""
    with caplog.at_level(logging.DEBUG, "asyncio"), Sandbox(clock=Clock()) as asana:
        ask = Asker(asana)
        if fault:
            asana.fault(fault, seconds=60, times=9)
        with connected(asana) as bare, connected(asana):
            bare.sendall(ask.request(asana.gids(1)[0]))
            until(lambda: asana.stats.requests)
            begun = time.monotonic()
            asana.stop()
            assert time.monotonic() - begun < 1
            with suppress(ConnectionResetError):
                read_all(bare)
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_stopping_while_clients_connect():
    """Connections that are just being accepted do not outlive the server."""
    for _ in range(10):
        asana = Sandbox().start()
        where = address(asana)
        sockets = [socket.create_connection(where) for _ in range(20)]
        asana.stop()
        for bare in sockets:
            bare.close()
    assert not [one for one in threading.enumerate() if one.name == "asana-sandbox"]


def test_everything_may_be_changed_from_any_thread(asana, ask):
    """While others ask, and every change is seen."""
    gids = asana.gids(8)

    def drive(gid):
        for status in (500, 403, 404) * 5:
            asana.answer(gid, status)
            assert ask.job(gid).status == status
            asana.advance(0.01)
            _ = asana.stats, asana.requests

    run_together(partial(drive, gid) for gid in gids)
    assert asana.stats.requests == 8 * 15


def test_all_lists_the_public_names():
    """`__all__` is sorted, true, and nothing else is visible."""
    public = {name for name in vars(asana_jobs_pd.sandbox) if not name.startswith("_")}
    assert asana_jobs_pd.sandbox.__all__ == sorted(public)


@pytest.mark.slow
def test_a_sandbox_that_is_never_stopped_ends_with_the_process():
    """In silence, with warnings as errors."""
    script = "from asana_jobs_pd.sandbox import Sandbox; print(Sandbox().start().base_url)"
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", script],
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    assert done.stdout.startswith("http://127.0.0.1:")
    assert done.stderr == ""
