"""``max_age``: an export that runs, or finished recently, is taken instead of starting another."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

import asana_jobs_pd as aj
from asana_jobs_pd._start.recent import is_recent, parse_max_age
from asana_jobs_pd.errors import AsanaLedgerWarning, AuthenticationError, InvalidOptionError


@pytest.fixture(autouse=True)
def ledger(tmp_path, monkeypatch):
    """A ledger of its own."""
    path = tmp_path / "ledger.sqlite3"
    monkeypatch.setenv("ASANA_JOBS_LEDGER", str(path))
    return path


def export(asana, client, max_age="4h", parents=1, **options):
    return aj.export_graph(asana.parents(parents), client=client, max_age=max_age, **options)


def test_a_running_export_is_taken(asana, client):
    """The frame says so; nothing is started, and it is refreshed like any other."""
    first = export(asana, client)
    second = export(asana, client)
    assert first["source.state"].tolist() == ["started"]
    assert second["source.state"].tolist() == ["taken"]
    assert second["gid"].tolist() == first["gid"].tolist()
    assert second["source.gid"].tolist() == asana.parents(1)
    assert second["source.requested_at"].isna().all()
    assert asana.stats.jobs_started == 1
    asana.finish(*second["gid"])
    assert second.asana.refresh(client=client)["status"].tolist() == ["succeeded"]


def test_a_finished_export_is_taken_while_it_is_recent(asana, client):
    """By Asana's clock and the time of its completion; later, another one is started."""
    (gid,) = export(asana, client)["gid"]
    asana.finish(gid)
    asana.advance(3 * 3600)
    frame = export(asana, client)
    assert (frame["source.state"][0], frame["gid"][0]) == ("taken", gid)
    assert frame["status"].tolist() == ["succeeded"]
    asana.advance(2 * 3600)
    with aj.Client(asana.token, base_url=asana.base_url) as later:  # knows no earlier date
        frame = export(asana, later, timedelta(hours=4))
    assert frame["source.state"].tolist() == ["started"]
    assert asana.stats.jobs_started == 2


def test_without_max_age_nothing_is_taken(asana, client):
    """No request is made to find one."""
    export(asana, client)
    asana.reset_stats()
    export(asana, client, None)
    assert [request.method for request in asana.requests] == ["POST"]


@pytest.mark.parametrize("status", [400, 403, 404])
def test_jobs_that_this_token_cannot_read_are_not_taken(sandbox, status):
    """Only a GET shows it."""
    asana = sandbox()
    with aj.Client(asana.token, base_url=asana.base_url, max_retries=0) as client:
        (gid,) = export(asana, client)["gid"]
        asana.answer(gid, status)
        frame = export(asana, client)
        assert frame["source.state"].tolist() == ["started"]


@pytest.mark.parametrize("status", [429, 500, 503, None])
def test_nothing_is_started_while_the_known_job_cannot_be_checked(sandbox, status):
    """It may be running; the row says so, and the next call takes it."""
    asana = sandbox()
    with aj.Client(asana.token, base_url=asana.base_url, max_retries=0) as client:
        (gid,) = export(asana, client)["gid"]
        kind = {} if status is None else {"status": status}
        asana.fault("reset" if status is None else "status", times=1, method="GET", gid=gid, **kind)
        with pytest.warns(aj.AsanaStartWarning, match="not_sent"):
            frame = export(asana, client)
        assert frame["source.state"].tolist() == ["not_sent"]
        assert frame["gid"].isna().all()
        assert f"job {gid} may be running" in frame["error.message"][0]
        assert asana.stats.jobs_started == 1
        assert export(asana, client)["source.state"].tolist() == ["taken"]


def test_a_failed_export_is_not_taken(asana, client, caplog):
    """Known from the ledger, or seen only now."""
    (gid,) = export(asana, client)["gid"]
    asana.progress(gid, status="failed")
    with caplog.at_level("INFO"):
        for _ in range(2):
            frame = export(asana, client)
            assert frame["source.state"].tolist() == ["started"]
            asana.progress(frame["gid"][0], status="failed")
    assert f"job {gid} is not taken: it failed" in caplog.text


def test_a_resource_export_is_taken_only_for_the_same_resources(asana, client):
    """Other filters or fields are another export."""
    (workspace,) = asana.parents(1, "workspace")
    tasks = aj.ResourceExport.tasks(modified_after="2026-01-01")

    def start(resources):
        frame = aj.export_resources(workspace, resources, client=client, max_age=3600)
        asana.finish(*frame["gid"])
        return frame["source.state"].tolist()

    assert start(tasks) == ["started"]
    assert start("task") == ["started"]
    assert start(aj.ResourceExport.tasks(modified_after="2026-01-01")) == ["taken"]
    assert start(["task"]) == ["taken"]


def test_of_many_parents_some_are_taken_and_the_others_started(asana, client):
    """Each has its row, in order; a summary of what was not started counts both."""
    export(asana, client, parents=2)
    refused = asana.parents(4)[3]
    asana.answer(refused, 403, "no")
    with pytest.warns(aj.AsanaStartWarning, match="1 of 4 jobs were started; taken: 2; refused: 1"):
        frame = export(asana, client, parents=4)
    assert frame["source.state"].tolist() == ["taken", "taken", "started", "refused"]


def test_a_token_that_is_rejected_starts_nothing(asana, client):
    """The GET before is enough to know; the row says that nothing was sent."""
    export(asana, client)
    asana.expire_token()
    with pytest.raises(AuthenticationError) as caught:
        export(asana, client)
    assert caught.value.frame["source.state"].tolist() == ["not_sent"]


def test_stopped_while_it_looks_nothing_is_started(sandbox):
    """A GET that hangs is not a POST: the row can be started again."""
    asana = sandbox()
    with aj.Client(asana.token, base_url=asana.base_url) as client:
        export(asana, client)
        asana.fault("delay", seconds=30, method="GET")
        with pytest.raises(aj.PartialStartError) as caught:
            export(asana, client, timeout=0.2)
        assert caught.value.frame["source.state"].tolist() == ["not_sent"]
        assert asana.stats.jobs_started == 1


def test_a_damaged_ledger_starts_another(asana, client, ledger):
    """With the one warning of any ledger that cannot be used."""
    ledger.write_bytes(b"no database at all, but long enough to be looked at" * 100)
    with pytest.warns(AsanaLedgerWarning):
        assert export(asana, client)["source.state"].tolist() == ["started"]


@pytest.mark.parametrize(
    "max_age",
    [
        "soon",
        "4",
        "",
        "-4h",
        "0h",
        "NaT",
        0,
        -1,
        True,
        float("inf"),
        [],
        pd.NaT,
        np.timedelta64("NaT", "s"),
    ],
)
def test_an_invalid_age_is_refused(asana, client, max_age):
    """Before any request."""
    with pytest.raises(InvalidOptionError, match="max_age="):
        export(asana, client, max_age)
    assert not asana.requests


@pytest.mark.parametrize(
    "max_age",
    ["4h", "4H", " 4 hours ", "PT4H", 14400, np.int64(14400), np.timedelta64(4, "h"),
     timedelta(hours=4), pd.Timedelta("4h")],
)  # fmt: skip
def test_an_age_in_any_form(max_age):
    """As pandas reads it, without its warnings of spellings; a number counts seconds."""
    assert parse_max_age(max_age) == 14400


@pytest.mark.parametrize(
    ("record", "recent"),
    [
        ({"status": "not_started"}, True),
        ({"status": "succeeded"}, False),
        ({"status": "later"}, False),
        ({"status": "succeeded", "new_graph_export": {"completed_at": None}}, False),
        ({"status": "succeeded", "new_graph_export": {"completed_at": "noon"}}, False),
        (
            {
                "status": "succeeded",
                "new_resource_export": {"completed_at": "1970-01-01T00:01:00Z"},
            },
            True,
        ),
    ],
)
def test_which_jobs_count_as_recent(record, recent):
    """A job without a time of completion does not; nor does one whose file Asana has deleted."""
    assert is_recent(record, 90.0, 60.0) is recent
    if record["status"] == "succeeded":
        assert not is_recent(record, 31 * 86_400, 40 * 86_400)


def test_without_a_ledger_it_has_no_effect_and_says_so(asana, client, monkeypatch):
    """Another export is started, with a warning."""
    monkeypatch.setenv("ASANA_JOBS_LEDGER", "0")
    with pytest.warns(aj.AsanaStartWarning, match="max_age has no effect"):
        assert export(asana, client)["source.state"].tolist() == ["started"]
