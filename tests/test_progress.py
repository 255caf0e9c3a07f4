"""The progress bar: only for what lasts, and off when it is not wanted."""

from __future__ import annotations

import io
import sys
import threading

import pytest

import asana_jobs_pd as aj
from asana_jobs_pd import _progress as progress
from asana_jobs_pd._progress import Progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def terminal():
    return Terminal()


@pytest.fixture
def show(monkeypatch, terminal):
    """Call it in the test: pytest swaps standard error between set-up and test."""
    return lambda: monkeypatch.setattr(sys, "stderr", terminal)


def test_a_read_that_lasts_shows_a_bar(asana, client, terminal, show, monkeypatch):
    """After the time without a bar, it says how far the read is."""
    show()
    monkeypatch.setattr(progress, "DELAY", 0.05)
    asana.fault("delay", times=5, seconds=0.4)
    aj.read_asana_jobs(asana.gids(5), client=client)
    assert "Asana jobs" in terminal.getvalue()
    assert "5/5" in terminal.getvalue()


def test_a_bar_leaves_no_thread_behind(terminal, show):
    """Also not tqdm's own, which would live as long as the process."""
    show()
    before = set(threading.enumerate())
    with Progress(5, "x", shown=True) as bar:
        bar.tick(1)
    assert "1/5" in terminal.getvalue()
    assert set(threading.enumerate()) <= before


def test_a_short_read_shows_none(asana, client, terminal, show):
    """Under a second there is nothing to see."""
    show()
    aj.read_asana_jobs(asana.gids(3), client=client)
    assert terminal.getvalue() == ""


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # old tqdm's own
@pytest.mark.parametrize("error", [BrokenPipeError, ValueError, RuntimeWarning])
def test_a_bar_that_fails_costs_no_results(asana, client, monkeypatch, error):
    """A closed standard error, say: every verb returns its frame."""

    class Broken(Terminal):
        def write(self, _):
            raise error("no terminal any more")

    monkeypatch.setattr(sys, "stderr", Broken())
    asana.finish(*asana.gids(2))
    options = {"client": client, "progress": True}
    assert aj.read_asana_jobs(asana.gids(2), **options)["status"].notna().all()
    assert aj.wait_asana_jobs(asana.gids(2), **options)["status"].notna().all()
    assert aj.export_graph(asana.parents(2), **options)["gid"].notna().all()


@pytest.mark.parametrize("off", ["0", "false", "OFF"])
def test_the_environment_turns_it_off(terminal, show, monkeypatch, off):
    """``ASANA_JOBS_PROGRESS=0`` is for all reads."""
    show()
    monkeypatch.setenv("ASANA_JOBS_PROGRESS", off)
    monkeypatch.setattr(progress, "DELAY", 0.0)
    with Progress(3, "x", None) as bar:
        bar.tick(2)
    assert terminal.getvalue() == ""


def test_true_and_false_are_stronger(terminal, show, monkeypatch):
    """``progress=True`` shows it at once, ``False`` never."""
    show()
    monkeypatch.setenv("ASANA_JOBS_PROGRESS", "0")
    with Progress(3, "first", True) as bar:
        bar.tick(2)
    assert "2/3" in terminal.getvalue()
    with Progress(3, "second", False) as bar:
        bar.tick(2)
    assert "second" not in terminal.getvalue()


def test_a_log_file_gets_no_bar(monkeypatch):
    """Where standard error is no terminal, None shows nothing."""
    monkeypatch.setattr(progress, "DELAY", 0.0)
    log = io.StringIO()
    monkeypatch.setattr("sys.stderr", log)
    with Progress(3, "x", None) as bar:
        bar.tick(2)
    assert log.getvalue() == ""


def test_the_rate_counts_from_the_beginning(terminal, show, monkeypatch):
    """The time before the bar showed up is part of the time."""
    show()
    monkeypatch.setattr(progress, "DELAY", 0.0)
    with Progress(3, "x", None) as bar:
        bar._started -= 60
        bar.tick(2)
        assert bar._bar.format_dict["elapsed"] > 50
