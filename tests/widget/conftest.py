"""Widgets without a front end: what they would send is counted."""

from __future__ import annotations

import json
import threading
import warnings

import ipywidgets
import pytest
from driven import DrivenClock, until
from ipywidgets import Widget

import asana_jobs_pd as aj


class Wire(list):
    """The messages that the kernel has sent, as text."""

    @property
    def size(self):
        return sum(len(message) for message in self)

    def text(self):
        return "\n".join(self)


@pytest.fixture
def wire(monkeypatch):
    """Record what goes to the front end."""
    sent = Wire()

    def record(msg_type, data):
        sent.append(json.dumps([msg_type, data]))

    if not ipywidgets.__version__.startswith("7."):
        import comm
        from comm.base_comm import BaseComm

        class Recorder(BaseComm):
            def publish_msg(self, msg_type, data=None, **_):
                record(msg_type, data)

        monkeypatch.setattr(comm, "create_comm", Recorder)
    else:
        from ipykernel.comm import Comm

        class Recorder7(Comm):
            kernel = "there is one"

            def __init__(self, **options):
                super().__init__(show_warning=False, **options)

            def publish_msg(self, msg_type, data=None, **_):
                record(msg_type, data)

        monkeypatch.setattr("ipywidgets.widgets.widget.Comm", Recorder7)
    return sent


@pytest.fixture
def show(wire, client, driven):
    """Make widgets; they are closed at the end, and their threads end."""
    made = []

    def make(jobs, **options):
        given = {} if isinstance(jobs, aj.JobsMonitor) else {"client": client}
        widget = aj.JobsWidget(jobs, **{**given, **options})
        made.append(widget)
        return widget

    yield make
    for widget in made:
        widget.close()
        widget.monitor.stop()
    made.clear()
    until(lambda: not [t for t in threading.enumerate() if t.name.startswith("asana-jobs-")])


@pytest.fixture
def driven(client):
    """Make monitors whose time a test drives: driven(gids) returns one and its clock."""
    made = []

    def make(gids):
        clock = DrivenClock()
        monitor = aj.JobsMonitor(gids, client=client, clock=clock)
        made.append(monitor)
        return monitor, clock

    yield make
    for monitor in made:
        monitor.stop()


@pytest.fixture
def state_of_all():
    """Return all that would be saved with a notebook."""

    def text():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return json.dumps(Widget.get_manager_state())

    return text
