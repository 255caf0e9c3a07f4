"""An interrupt between the first result and the return costs nothing, wherever it strikes."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

import pandas as pd
import pytest

import asana_jobs_pd as aj
from asana_jobs_pd.testing import MockTransport, Response

PACKAGE = str(Path(aj.__file__).parent)
POINTS = 6
"""Interrupts per verb, spread evenly over the calls that Python makes after the last result."""


class Interrupt:
    """Raises a KeyboardInterrupt where Python would: at the n-th call or return from C.

    Not inside of a Condition of the standard library, which an interrupt can leave locked.
    """

    def __init__(self, ready, at=None):
        self.calls, self.ready, self.at = 0, ready, at

    def __call__(self, frame, event, _argument):
        module = frame.f_code.co_filename
        if event not in ("call", "c_return") or module.endswith(("threading.py", "weakref.py")):
            return
        if not self.ready():
            return
        self.calls += 1
        if self.calls == self.at:
            sys.setprofile(None)
            if _is_ours(frame):
                raise KeyboardInterrupt


def _is_ours(frame):
    while frame is not None and not frame.f_code.co_filename.startswith(PACKAGE):
        frame = frame.f_back
    return frame is not None


def profiled(call, interrupt):
    sys.setprofile(interrupt)
    try:
        return call()
    finally:
        sys.setprofile(None)


@pytest.fixture
def answered():
    """The gids that were answered for, or given to a new job."""
    return []


@pytest.fixture
def client(answered):
    new_gids = map(str, itertools.count(90))

    def answer(request):
        started = request.method == "POST"
        gid = next(new_gids) if started else request.url.partition("?")[0].rsplit("/", 1)[1]
        answered.append(gid)
        record = {"gid": gid, "resource_type": "job", "status": "succeeded"}
        return Response.from_json({"data": record}, 201 if started else 200)

    return aj.Client(transport=MockTransport(answer), requests_per_minute=None)


VERBS = {
    "read": lambda client: aj.read_asana_jobs(["1", "2", "1"], client=client),
    "refresh": lambda client: aj.refresh_asana_jobs(
        pd.DataFrame({"gid": ["1", "2"], "mine": 0}).set_index("gid"), client=client
    ),
    "wait": lambda client: aj.wait_asana_jobs(["1", "2"], client=client, progress=False),
    "start": lambda client: aj.export_graph(["1", "2"], client=client),
    "download": lambda client: aj.download_asana_exports(["1", "2"], client=client),
}


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interrupt_after_the_first_result_carries_the_frame(client, answered, verb, tmp_path):
    """Also in the last calls before the return; where Python swallows it, the frame returns."""

    def run(interrupt):
        answered.clear()
        return profiled(lambda: VERBS[verb](client), interrupt)

    def ready():
        return len(set(answered)) >= 2

    whole = Interrupt(ready)
    run(whole)
    for point in range(POINTS):
        at = 1 + (whole.calls - 1) * point // (POINTS - 1)
        try:
            frame = run(Interrupt(ready, at))
        except aj.ReadInterrupted as interrupt:
            frame = interrupt.frame
        assert len(frame) == (3 if verb == "read" else 2)
        if verb != "download":
            assert frame.reset_index()["gid"].notna().all()
            assert frame["status"].notna().any()
