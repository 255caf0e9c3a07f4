"""From a frame of jobs to the rows of a table."""

from __future__ import annotations

import pandas as pd
import pytest

import asana_jobs_pd as aj
from asana_jobs_pd._widget.job_rows import first_seen, rows_of

EXPORT = {
    "gid": "1",
    "resource_subtype": "graph_export_request",
    "status": "succeeded",
    "new_graph_export": {
        "gid": "5",
        "created_at": "2026-01-01T10:00:00.000Z",
        "completed_at": "2026-01-01T10:38:00Z",
        "download_url": "https://s3.example/x?X-Amz-Signature=abc",
    },
}
TASK = {
    "gid": "2",
    "resource_subtype": "duplicate_task",
    "status": "succeeded",
    "new_task": {"gid": "77", "name": "Launch"},
}


def rows(*records, seen=None, **options):
    frame = aj.asana_jobs_from_records(list(records))
    return rows_of(frame, seen or {}, **options)


def test_a_finished_export():
    """It is ready, and its age and duration are Asana's."""
    row = rows(EXPORT, seen={"1": 7})["1"]
    assert (row.word, row.kind, row.name, row.note) == (
        "succeeded",
        "graph export",
        None,
        "file ready",
    )
    assert row.ready
    assert row.created
    assert row.took == 38 * 60
    assert "Signature" not in repr(row)


def test_what_was_created_has_a_page_once_it_is_sure():
    """A link is there after success alone: until then the object may be inconsistent."""
    assert rows(TASK)["2"].link == "77"
    early = rows({**TASK, "status": "in_progress"})["2"]
    assert (early.name, early.link) == ("Launch", None)


@pytest.mark.parametrize("gid", ['7"x', "javascript:alert(1)", "../7", "٣٤", "", None, "7" * 40])
def test_only_digits_become_a_link(gid):
    """What is no gid is no part of an address."""
    assert rows({**TASK, "new_task": {"gid": gid, "name": "Launch"}})["2"].link is None


def test_age_counts_from_the_first_sight_where_asana_says_nothing():
    """Most kinds have no times of their own."""
    row = rows(TASK, seen={"2": 7})["2"]
    assert (row.since, row.created, row.took) == (7, False, None)


def test_a_job_that_cannot_be_read():
    """Its code is its state, and what that means stands there."""
    frame = aj.asana_jobs_from_records([{"gid": "3"}, {"gid": "4"}, {"gid": "5"}, TASK])
    frame["error.status"] = pd.array([404, 500, 400, 503], "Int16")
    frame["error.kind"] = "http"
    frame["error.message"] = "said"
    found = rows_of(frame, {}, {"5"})
    assert (found["3"].state, found["3"].word) == ("unreadable", "404")
    assert "only a job's creator" in found["3"].note
    assert (found["4"].state, found["4"].word, found["4"].note) == (
        "unknown",
        "not read yet",
        "said",
    )
    assert (found["5"].state, found["5"].word) == ("unreadable", "400")
    assert found["2"].state == "succeeded"  # an error of later changes nothing


def test_each_job_once_in_the_order_of_the_frame():
    """Repeated gids and rows without one are one row and none."""
    frame = pd.DataFrame({"gid": pd.array(["9", None, "8", "9"], "string")})
    assert list(rows_of(frame, {})) == ["9", "8"]
    assert list(first_seen(frame, 5).items()) == [("9", 5), ("8", 5)]


def test_a_status_of_tomorrow_is_kept():
    """What Asana may add later is shown as it is called."""
    row = rows({**TASK, "status": "on_hold"})["2"]
    assert row.word == "on hold"
    assert not row.ready
