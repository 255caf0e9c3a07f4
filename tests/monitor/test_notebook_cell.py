"""A cell that runs again closes what it started before, in real IPython."""

from __future__ import annotations

import sys
import threading
import types

import pytest

from asana_jobs_pd._monitor.notebook_cells import Cells, current_cell

WATCH = """
import asana_jobs_pd as aj, gc
jobs = aj.asana_jobs_from_records([{"gid": "1", "status": "in_progress"}])
client = aj.Client("x", base_url="http://127.0.0.1:9")
monitors = [aj.JobsMonitor(jobs, client=client).start() for _ in range(2)]
everything = [*globals().get("everything", ()), *monitors]
"""


@pytest.fixture
def shell(shell):
    """IPython; the monitors of a test are stopped at its end."""
    yield shell
    for monitor in shell.user_ns.get("everything", ()):
        monitor.stop()


def states(shell):
    return [monitor.state for monitor in shell.user_ns["everything"]]


def run(shell, code):
    result = shell.run_cell(code, store_history=True)
    result.raise_error()


def test_a_cell_that_runs_again_closes_its_predecessor(shell):
    """Both monitors of the first run stop; those of one run do not stop each other."""
    run(shell, WATCH)
    assert "stopped" not in states(shell)
    run(shell, WATCH)
    assert states(shell)[:2] == ["stopped", "stopped"]
    assert "stopped" not in states(shell)[2:]


def test_other_cells_are_left_alone(shell):
    """Only the same cell counts."""
    run(shell, WATCH)
    run(shell, WATCH + "# another cell\n")
    assert "stopped" not in states(shell)


def test_a_monitor_in_a_with_block_is_its_own(shell):
    """Nothing of it is left to be closed."""
    run(shell, WATCH.replace(".start()", ".__enter__()"))
    run(shell, WATCH.replace(".start()", ".__enter__()"))
    assert "stopped" not in states(shell)


def request(kind="execute_request", cell_id=None, msg_id="1", code="x"):
    return {
        "header": {"msg_type": kind, "msg_id": msg_id},
        "metadata": {"cellId": cell_id} if cell_id else {},
        "content": {"code": code},
    }


@pytest.mark.parametrize(
    ("parent", "cell"),
    [
        (request(cell_id="a", code="x"), ("id a", "1")),
        (request(cell_id="a", code="y", msg_id="2"), ("id a", "2")),
        (request(code="x"), ("source x", "1")),
        (request(kind="comm_msg"), None),
    ],
)
def test_a_kernel_says_which_cell_it_is(monkeypatch, parent, cell):
    """By the front end's id where there is one, else by the source; a button is no cell."""
    shell = types.SimpleNamespace(parent_header=parent)
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: shell))
    assert current_cell() == cell


def test_without_ipython_or_in_a_thread_there_is_no_cell(monkeypatch):
    """A script has no cells, and a thread does not run in one."""
    monkeypatch.delitem(sys.modules, "IPython", raising=False)
    assert current_cell() is None
    shell = types.SimpleNamespace(parent_header=request(cell_id="a"))
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: shell))
    seen = []
    thread = threading.Thread(target=lambda: seen.append(current_cell()))
    thread.start()
    thread.join(5)
    assert seen == [None]


def test_collected_objects_are_forgotten():
    """The registry of cells keeps nothing alive and does not grow with each run."""

    class Thing:
        pass

    closed = []
    cells, kept = Cells(closed.append), Thing()
    for number in range(100):
        cells.enter(Thing(), (f"cell {number}", number))
    cells.enter(kept, ("kept", 1))
    assert len(cells._runs) <= 2
    cells.enter(kept, ("kept", 2))
    assert closed == []
    cells.enter(Thing(), ("kept", 3))
    assert closed == [kept]
    cells.enter(Thing(), None)
