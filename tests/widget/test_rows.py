"""The rows of the table: from a frame, and on their way to the browser."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import asana_jobs_pd as aj
from asana_jobs_pd._widget.rows import (
    CREATED,
    NAMED,
    READY,
    JobRow,
    first_seen,
    rows_message,
    rows_of,
    shorten,
)

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
    assert (row.label, row.kind, row.name, row.note) == (
        "succeeded",
        "graph export",
        None,
        "file ready",
    )
    assert row.ready
    assert row.created
    assert row.took == 38 * 60
    assert "Signature" not in repr(row)


def test_created_objects_are_linked_after_success():
    """Until then the object may be inconsistent."""
    assert rows(TASK)["2"].link == "https://app.asana.com/0/0/77"
    early = rows({**TASK, "status": "in_progress"})["2"]
    assert (early.name, early.link) == ("Launch", None)


@pytest.mark.parametrize("gid", ['7"x', "javascript:alert(1)", "../7", "٣٤", "", None, "7" * 40])
def test_only_digits_become_a_link(gid):
    """Anything else is not a gid and never part of a URL."""
    assert rows({**TASK, "new_task": {"gid": gid, "name": "Launch"}})["2"].link is None


def test_unfinished_jobs_have_a_usual_time():
    """A finished one has its own."""
    usual = {"1": "usually 4 min (1 run)", "2": "usually 9 s (2 runs)"}
    jobs = [EXPORT, {**TASK, "status": "in_progress"}]
    assert [row.usual for row in rows(*jobs, usual=usual).values()] == ["", usual["2"]]


def test_age_counts_from_when_a_job_was_first_seen():
    """Asana reports no times for most kinds."""
    row = rows(TASK, seen={"2": 7})["2"]
    assert (row.since, row.created, row.took) == (7, False, None)


def test_first_seen_is_the_earliest_known_time(monkeypatch):
    """By the ledger, by the frame, or now."""
    times = pd.to_datetime(["2026-01-01", "2026-03-01"], utc=True).as_unit("us")
    known = pd.DataFrame({"gid": pd.array(["1", "2"], "string"), "seen.first": times})
    monkeypatch.setattr("asana_jobs_pd._widget.rows.recent_jobs", lambda *_, **__: known)
    frame = pd.DataFrame({"gid": pd.array(["1", "2", "3"], "string")})
    frame["fetched_at"] = pd.to_datetime("2026-02-01", utc=True)
    frame.loc[2, "fetched_at"] = pd.NaT
    now = int(pd.Timestamp("2026-04-01").timestamp() * 10**6)
    seen = {
        gid: str(pd.Timestamp(us, unit="us").date()) for gid, us in first_seen(frame, now).items()
    }
    assert seen == {"1": "2026-01-01", "2": "2026-02-01", "3": "2026-04-01"}


def test_a_job_that_cannot_be_read():
    """It is unreadable, and its text has the HTTP status and what it means."""
    frame = aj.asana_jobs_from_records([{"gid": "3"}, {"gid": "4"}, {"gid": "5"}, TASK])
    frame["error.status"] = pd.array([404, 500, 400, 503], "Int16")
    frame["error.kind"] = "http"
    frame["error.message"] = "said"
    found = rows_of(frame, {}, {"5"})
    assert (found["3"].state, found["3"].label) == ("unreadable", "unreadable")
    assert found["3"].text.startswith("404 not found, or not yours: only a job's creator")
    assert (found["4"].state, found["4"].label, found["4"].text) == (
        "unknown",
        "unknown",
        "said",
    )
    assert (found["5"].state, found["5"].text) == ("unreadable", "400 said")
    assert found["2"].state == "succeeded"  # a later error changes nothing
    named = JobRow("6", name="Launch", error="404 not found")
    assert named.text == "Launch: 404 not found"


def test_each_job_once_in_the_order_of_the_frame():
    """Repeated gids give one row, rows without a gid none."""
    frame = pd.DataFrame({"gid": pd.array(["9", None, "8", "9"], "string")})
    assert list(rows_of(frame, {})) == ["9", "8"]
    assert list(first_seen(frame, 5).items()) == [("9", 5), ("8", 5)]


def test_a_new_status_is_kept():
    """A status that Asana adds later is shown under its own name."""
    row = rows({**TASK, "status": "on_hold"})["2"]
    assert row.label == "on hold"
    assert not row.ready


def decoded(message):
    """Return the rows of a message with their looks in place."""
    return [[gid, *message["looks"][look], *rest] for gid, look, *rest in message["rows"]]


def test_the_browser_gets_short_lists():
    """Looks are sent once, times in seconds, facts as flags; missing ends are left out."""
    at = 1_767_225_600
    first = JobRow("1", "succeeded", "graph export", since=at * 10**6, created=True, ready=True)
    first = replace(first, note="file ready", ended=(at + 60) * 10**6)
    second = JobRow("2", "succeeded", "duplicate task", "Launch", "project", "77")
    third = replace(second, gid="3", name=None, object_gid=None)
    fourth = replace(third, gid="4", usual="usually 4 min (1 run)")
    message = rows_message([first, second, third, fourth], version=4, epoch=at, at=at + 0.4)
    assert (message["version"], message["epoch"], message["at"]) == (4, at, at)
    url = "https://app.asana.com/0/{gid}/list"
    assert decoded(message) == [
        ["1", "succeeded", "graph export", "file ready", CREATED | READY, "", 0, 60],
        ["2", "succeeded", "duplicate task", "", NAMED, url, None, None, "Launch", "77"],
        ["3", "succeeded", "duplicate task", "", 0, ""],
        ["4", "succeeded", "duplicate task", "", 0, "", *[None] * 4, "usually 4 min (1 run)"],
    ]


@given(st.text(max_size=300), st.text(max_size=300), st.text(max_size=300))
def test_texts_for_the_browser_are_clean(state, name, note):
    """Short, on one line, without characters that turn the direction of writing or secrets."""
    row = JobRow("1", state, note=f"{note} X-Amz-Signature=abc", name=f"\u202e{name}\n\x00")
    [[_, *values]] = decoded(rows_message([row], version=1, epoch=0, at=0))
    for text in (value for value in values if isinstance(value, str)):
        assert len(text) <= 120
        assert not re.search("[\u202e\n\x00]|Signature=abc", text)


WORST = JobRow(
    "9" * 19,
    "x" * 500,
    "字" * 30,
    "🚀" * 900,
    "task",
    "7" * 19,
    since=10**15,
    created=True,
    ended=10**15,
)


def test_a_changed_row_is_small():
    """1 kB at most."""
    text = json.dumps(rows_message([WORST], version=1, epoch=10**9, at=10**9), ensure_ascii=False)
    assert len(text.encode()) < 1000


@pytest.mark.parametrize("limit", [100, 3_000, 60_000, 10**7])
def test_a_table_is_as_small_as_it_must_be(limit):
    """The last texts and links are left out, and told; nothing else is."""
    rows = [replace(WORST, gid=str(n), name=f"{n} {WORST.name}") for n in range(100)]
    rows[50] = JobRow("50", "failed")
    full = rows_message(rows, version=1, epoch=0, at=0)
    message = rows_message(rows, version=1, epoch=0, at=0)
    rest = shorten(message, limit)
    size = len(json.dumps(message["rows"]))
    assert size <= limit or all(len(row) <= 4 for row in message["rows"])
    first = 100 if not rest else int(rest[0])
    assert rest == [row.gid for row in rows[first:] if row.name]
    assert message["rows"][:first] == full["rows"][:first]
    assert [row[:4] for row in message["rows"]] == [row[:4] for row in full["rows"]]
    assert bool(rest) == (limit < 10**7)
