"""The progress bar appears only for long operations, and can be turned off."""

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
    """For example with a closed standard error: every verb returns its frame."""

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
    """``ASANA_JOBS_PROGRESS=0`` turns it off for all reads."""
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


@pytest.fixture
def exported(sandbox, tmp_path):
    """A running sandbox's finished export, as a frame and as files."""
    asana = sandbox(export_rows=20)
    (gid,) = asana.gids(1, "graph_export_request")
    asana.finish(gid)
    with aj.connect(asana.token, base_url=asana.base_url):
        jobs = aj.read_asana_jobs(gid)
        yield asana, jobs, jobs.asana.download(tmp_path / "files"), tmp_path


VERBS = {
    "read": lambda asana, *_, tell: aj.read_asana_jobs(asana.gids(3), progress=tell),
    "refresh": lambda _, jobs, *__, tell: jobs.asana.refresh(finished=True, progress=tell),
    "wait": lambda _, jobs, *__, tell: jobs.asana.wait(progress=tell),
    "start": lambda asana, *_, tell: aj.export_graph(asana.parents(2), progress=tell),
    "download": lambda _, jobs, __, path, tell: jobs.asana.download(path / "x", progress=tell),
    "load": lambda _, __, files, ___, tell: files.asana.load(progress=tell),
    "convert": lambda _, __, files, path, tell: files.asana.to_parquet(path / "y", progress=tell),
}


@pytest.mark.parametrize("verb", VERBS)
def test_a_callable_is_called_wherever_a_bar_can_be_shown(verb, exported, terminal, show):
    """How much is done, of how much and of what; in the end all of it, and nothing is drawn."""
    show()
    calls = []
    VERBS[verb](*exported, tell=lambda *call: calls.append(call))
    done, total, what = calls[-1]
    assert done == total > 0
    assert what
    assert {tuple(map(type, call)) for call in calls} <= {(int, int, str), (int, type(None), str)}
    assert len(set(calls)) == len(calls)
    assert terminal.getvalue() == ""


@pytest.mark.parametrize("verb", VERBS)
def test_a_callable_that_raises_is_a_warning(verb, exported):
    """At the line of the call. It is not called again, and the result is whole."""
    calls = []

    def tell(*call):
        calls.append(call)
        raise ValueError("no room")

    with pytest.warns(UserWarning, match="progress= raised ValueError: no room") as caught:
        assert len(VERBS[verb](*exported, tell=tell))
    assert len({what for *_, what in calls}) == len(calls)
    assert {warning.filename for warning in caught} == {__file__}


def test_a_callable_may_interrupt_the_call(asana, client):
    """As Ctrl-C does: with the frame of what was read."""

    def tell(*_):
        raise KeyboardInterrupt

    with pytest.raises(aj.ReadInterrupted) as caught:
        aj.read_asana_jobs(asana.gids(3), client=client, progress=tell)
    assert len(caught.value.frame) == 3


@pytest.mark.parametrize("value", ["yes", 1, [], 0.5])
def test_other_values_are_refused(value, asana, client):
    """Before any request."""
    with pytest.raises(aj.errors.InvalidOptionError, match="progress="):
        aj.read_asana_jobs(asana.gids(1), client=client, progress=value)
    assert not asana.requests
