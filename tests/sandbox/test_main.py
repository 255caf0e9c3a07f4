"""`python -m asana_jobs_pd.sandbox` is the sandbox in a process of its own."""

import os
import re
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager

import pytest

from asana_jobs_pd.sandbox.__main__ import main

from .conftest import fetch

COMMAND = [sys.executable, "-X", "dev", "-W", "error", "-m", "asana_jobs_pd.sandbox"]


@contextmanager
def running(*options):
    """Start it, and end it in any case."""
    process = subprocess.Popen(
        [*COMMAND, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.skipif(os.name == "nt", reason="Windows knows no such signals")
@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.slow
def test_it_serves_until_it_is_told_to_end(ending):
    """It prints what to set, serves, and ends cleanly."""
    options = [
        "--token",
        "hush",
        "--seed",
        "3",
        "--requests-per-minute",
        "1",
        "--retry-after",
        "no",
    ]
    with running(*options) as process:
        lines = [process.stdout.readline().rstrip() for _ in range(7)]
        assert lines[0] == "export ASANA_ACCESS_TOKEN=hush"
        base_url = re.fullmatch(
            r"export ASANA_BASE_URL=(http://127\.0\.0\.1:\d+/api/1\.0)", lines[1]
        )[1]
        gids = re.findall(r"12\d{14}", lines[2])
        assert lines[2].startswith("# jobs: ")
        assert re.fullmatch(r"# to export a project: asana-jobs export \d+", lines[3])
        assert re.search(r": asana-jobs export-resources \d+ --tasks$", lines[4])
        assert lines[5] == "# a week later: python -m asana_jobs_pd.sandbox --weeks 1"
        assert lines[6] == "# to record its jobs: export ASANA_JOBS_LEDGER=sandbox.sqlite3"
        headers = {"Authorization": "Bearer hush"}
        replies = [fetch(f"{base_url}/jobs/{gid}", headers=headers) for gid in gids[:2]]
        assert [reply.status for reply in replies] == [200, 429]
        assert replies[1].headers["Retry-After"] is None
        process.send_signal(ending)
        assert process.communicate(timeout=5) == ("", "")
        assert process.returncode == 0


@pytest.fixture
def handlers():
    """Put the handlers of signals back that the command replaces."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("handlers")
@pytest.mark.parametrize("retry_after", ["yes", "no", "text"])
def test_it_may_be_called(capsys, retry_after):
    """As a function too, on every platform."""
    timer = threading.Timer(0.05, signal.raise_signal, [signal.SIGTERM])
    timer.start()
    main(["--retry-after", retry_after, "--window", "5", "--max-in-flight", "3"])
    timer.join()
    assert "export ASANA_ACCESS_TOKEN=sandbox" in capsys.readouterr().out


def test_it_explains_its_options():
    """Every option has a line of help."""
    done = subprocess.run([*COMMAND, "--help"], capture_output=True, text=True, check=True)
    options = re.findall(r"^  (--[a-z-]+)", done.stdout, re.MULTILINE)
    assert {"--port", "--seed", "--latency", "--window", "--time-scale", "--export-rows"} < set(
        options
    )
