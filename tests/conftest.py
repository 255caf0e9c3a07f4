"""What the tests share: a sandbox, a client of it, the seed's example, Hypothesis' profile."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys

import pytest
from hypothesis import HealthCheck, settings

from asana_jobs_pd import Client
from asana_jobs_pd.sandbox import Clock, Sandbox
from asana_jobs_pd.testing import reset

for name, examples in (("quick", 20), ("thorough", 100)):
    settings.register_profile(
        name,
        max_examples=examples,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
        derandomize=True,
    )
settings.load_profile("thorough" if os.environ.get("CI") else "quick")


def pytest_xdist_auto_num_workers():
    """Give ``-n auto`` one worker more than processors: many tests wait for sockets."""
    return (os.cpu_count() or 1) + 1


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Keep collected tests out of garbage collections: they live until the end anyway."""
    gc.disable()
    yield
    gc.enable()
    gc.freeze()


if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell does that to what it runs in the background; tests of interrupts would wait forever.
    signal.signal(signal.SIGINT, signal.default_int_handler)

TOKEN = "2/1200000000000001/1200000000000002:0123456789abcdef0123456789abcdef"
"""A made-up token of the real form; no test may find it anywhere but on the wire."""


@pytest.fixture(autouse=True, scope="session")
def outside_the_checkout(tmp_path_factory):
    """Child processes import the installed package, never the source tree around the tests."""
    with contextlib.chdir(tmp_path_factory.mktemp("cwd")):
        yield


@pytest.fixture(autouse=True)
def clean_slate(monkeypatch):
    """No token of the person who runs the tests, and no client of another test."""
    for name in [name for name in os.environ if name.startswith("ASANA")]:
        monkeypatch.delenv(name)
    reset()


@pytest.fixture
def sandbox():
    """Make sandboxes with options; their clock stands still by default."""
    made = []

    def make(**options):
        running = Sandbox(**{"clock": Clock(), **options}).start()
        made.append(running)
        return running

    yield make
    for running in made:
        running.stop()


@pytest.fixture
def asana(sandbox):
    """A sandbox whose clock stands still."""
    return sandbox(token=TOKEN)


@pytest.fixture
def client(asana):
    """A client of the sandbox."""
    with Client(asana.token, base_url=asana.base_url, requests_per_minute=None) as made:
        yield made


@pytest.fixture
def shell(tmp_path, monkeypatch):
    """IPython as in a terminal, but without its files on disk."""
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    # IPython replaces __main__, without which multiprocessing cannot start a process.
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])
    config = Config()
    config.HistoryManager.hist_file = ":memory:"
    shell = InteractiveShell.instance(config=config)
    yield shell
    shell.user_ns.clear()  # reset() would collect garbage, which takes long
    shell.history_manager.end_session()
    InteractiveShell.clear_instance()
