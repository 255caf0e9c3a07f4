"""Filter, sort, page."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asana_jobs_pd._widget.job_list import COLUMNS, STATE_CHOICES, Query, select
from asana_jobs_pd._widget.job_rows import JobRow

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
def test_pages_make_up_what_was_found(rows, query):
    """All pages together hold each row that fits once, whatever page was asked for."""
    asked = select(rows, query, 10)
    assert 0 <= asked.page < asked.pages
    assert len(asked.rows) <= 10
    pages = [
        select(rows, Query(query.text, query.state, query.column, query.descending, page), 10)
        for page in range(asked.pages)
    ]
    everything = [row for page in pages for row in page.rows]
    assert len(everything) == asked.found
    terms = query.text.casefold().split()
    fits = [row for row in rows if row.says(terms)]
    if not query.state:
        assert sorted(map(id, everything)) == sorted(map(id, fits))
    assert asked.rows == pages[asked.page].rows


@settings(max_examples=50)
@given(ROWS, st.sampled_from(COLUMNS), st.booleans())
def test_what_is_missing_comes_last(rows, column, descending):
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
def test_words_are_looked_for_everywhere(text, found):
    """All words, in any column, in any case."""
    rows = [
        JobRow("1", kind="duplicate task", name="The Launch"),
        JobRow("77", kind="graph export"),
        JobRow("4", state="unreadable", code=404),
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
    """One state, or all that go on, or what can be downloaded."""
    rows = [
        JobRow("a", "in_progress"),
        JobRow("b", "succeeded", ready=True),
        JobRow("c", "unreadable"),
        JobRow("d", "on_hold"),
    ]
    assert {row.gid for row in select(rows, Query(state=state)).rows} == found
