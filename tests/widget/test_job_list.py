"""The rows of the table: from a frame, filtered, sorted, paged."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import asana_jobs_pd as aj
from asana_jobs_pd._widget.job_list import (
    COLUMNS,
    STATE_CHOICES,
    JobRow,
    Query,
    first_seen,
    rows_of,
    select,
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
    assert rows(TASK)["2"].link == "77"
    early = rows({**TASK, "status": "in_progress"})["2"]
    assert (early.name, early.link) == ("Launch", None)


@pytest.mark.parametrize("gid", ['7"x', "javascript:alert(1)", "../7", "٣٤", "", None, "7" * 40])
def test_only_digits_become_a_link(gid):
    """Anything else is not a gid and never part of a URL."""
    assert rows({**TASK, "new_task": {"gid": gid, "name": "Launch"}})["2"].link is None


def test_age_counts_from_when_a_job_was_first_seen():
    """Asana reports no times for most kinds."""
    row = rows(TASK, seen={"2": 7})["2"]
    assert (row.since, row.created, row.took) == (7, False, None)


def test_a_job_that_cannot_be_read():
    """It is unreadable, and the note has the HTTP status and what it means."""
    frame = aj.asana_jobs_from_records([{"gid": "3"}, {"gid": "4"}, {"gid": "5"}, TASK])
    frame["error.status"] = pd.array([404, 500, 400, 503], "Int16")
    frame["error.kind"] = "http"
    frame["error.message"] = "said"
    found = rows_of(frame, {}, {"5"})
    assert (found["3"].state, found["3"].label) == ("unreadable", "unreadable")
    assert found["3"].note.startswith("404 not found, or not yours: only a job's creator")
    assert (found["4"].state, found["4"].label, found["4"].note) == (
        "unknown",
        "unknown",
        "said",
    )
    assert (found["5"].state, found["5"].note) == ("unreadable", "400 said")
    assert found["2"].state == "succeeded"  # a later error changes nothing


def test_each_job_once_in_the_order_of_the_frame():
    """Repeated gids give one row, rows without a gid none."""
    frame = pd.DataFrame({"gid": pd.array(["9", None, "8", "9"], "string")})
    assert list(rows_of(frame, {})) == ["9", "8"]
    assert list(first_seen(frame, 5).items()) == [("9", 5), ("8", 5)]


def test_a_new_status_is_kept():
    """What Asana may add later is shown under its own name."""
    row = rows({**TASK, "status": "on_hold"})["2"]
    assert row.label == "on hold"
    assert not row.ready


STATES = ["not_started", "in_progress", "succeeded", "failed", "unreadable", "unknown", "on_hold"]
ROWS = st.lists(
    st.builds(
        JobRow,
        gid=st.integers(1, 10**18).map(str),
        state=st.sampled_from(STATES),
        kind=st.sampled_from(["", "graph export", "duplicate task"]),
        name=st.none() | st.text(max_size=8),
        since=st.none() | st.integers(0, 10**15),
        created=st.booleans(),
        ended=st.none() | st.integers(0, 10**15),
        ready=st.booleans(),
    ),
    max_size=80,
)
QUERIES = st.builds(
    Query,
    text=st.sampled_from(["", "export", "1", "GRAPH export", "nothing like it"]),
    state=st.sampled_from([value for _, value in STATE_CHOICES]),
    column=st.none() | st.sampled_from([column.key for column in COLUMNS]),
    descending=st.booleans(),
    page=st.integers(-2, 9),
)


@settings(max_examples=50)
@given(ROWS, QUERIES)
def test_pages_add_up_to_all_matches(rows, query):
    """All pages together hold each matching row once, whichever page was asked for."""
    asked = select(rows, query, 10)
    assert 0 <= asked.page < asked.pages
    assert len(asked.rows) <= 10
    pages = [
        select(rows, Query(query.text, query.state, query.column, query.descending, page), 10)
        for page in range(asked.pages)
    ]
    everything = [row for page in pages for row in page.rows]
    assert len(everything) == asked.total
    terms = query.text.casefold().split()
    matching = [row for row in rows if row.matches(terms)]
    if not query.state:
        assert sorted(map(id, everything)) == sorted(map(id, matching))
    assert asked.rows == pages[asked.page].rows


@settings(max_examples=50)
@given(ROWS, st.sampled_from(COLUMNS), st.booleans())
def test_missing_values_come_last(rows, column, descending):
    """Sorted either way, rows with a value come first, in order."""
    query = Query(column=column.key, descending=descending)
    values = [column.value(row) for row in select(rows, query, 1000).rows]
    there = [value for value in values if value is not None]
    assert values[: len(there)] == there
    assert there == sorted(there, reverse=descending)


def test_the_order_of_the_jobs_is_kept_without_a_column():
    """And among equals."""
    rows = [JobRow(str(n), kind="x") for n in (3, 1, 2)]
    assert [row.gid for row in select(rows, Query()).rows] == ["3", "1", "2"]
    assert [row.gid for row in select(rows, Query(column="kind")).rows] == ["3", "1", "2"]


@pytest.mark.parametrize(
    ("text", "found"),
    [("launch", ["1"]), ("LAUNCH duplicate", ["1"]), ("77", ["77"]), ("404", ["4"])],
)
def test_the_filter_searches_every_column(text, found):
    """All terms must match, in any column and in any case."""
    rows = [
        JobRow("1", kind="duplicate task", name="The Launch"),
        JobRow("77", kind="graph export"),
        JobRow("4", state="unreadable", note="404 not found"),
    ]
    assert [row.gid for row in select(rows, Query(text)).rows] == found


@pytest.mark.parametrize(
    ("state", "found"),
    [
        ("", {"a", "b", "c", "d"}),
        ("unfinished", {"a", "d"}),
        ("succeeded", {"b"}),
        ("ready", {"b"}),
        ("unreadable", {"c"}),
    ],
)
def test_states(state, found):
    """One state, or all unfinished ones, or what can be downloaded."""
    rows = [
        JobRow("a", "in_progress"),
        JobRow("b", "succeeded", ready=True),
        JobRow("c", "unreadable"),
        JobRow("d", "on_hold"),
    ]
    assert {row.gid for row in select(rows, Query(state=state)).rows} == found
