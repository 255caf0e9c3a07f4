"""Where jobs stand in a timeline."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made import NAME, SIGNATURE, at, few, frame, many, record

from asana_jobs_pd._report.timeline_data import (
    MOST_LABELLED,
    arrange,
    labels_of,
    short_gid,
    spans_of,
)
from asana_jobs_pd.errors import InvalidFrameError


def test_a_few_jobs_have_a_label_each():
    """Under the name of their kind, in the order of time; those without times too."""
    arranged = arrange(spans_of(few()))
    assert not arranged.dense
    assert arranged.untimed == 0
    assert [name for _, name in arranged.heads] == [
        "duplicate project", "duplicate task", "graph export", "resource export", "unknown kind"
    ]  # fmt: skip
    assert len(arranged.labels) == len(few())
    graph = arranged.rows[arranged.rows["kind"] == "graph export"]
    assert list(graph["gid"]) == ["11", "13"]


def test_many_jobs_have_a_thin_line_each():
    """Their kinds are the labels, with the count; what has no time is counted."""
    arranged = arrange(spans_of(many(1000)))
    assert arranged.dense
    assert arranged.untimed == 200
    assert len(arranged.rows) == 800
    assert [name.split()[0] for _, name in arranged.heads] == ["graph", "resource"]


@settings(max_examples=25)
@given(st.lists(st.sampled_from(["a", "b", None]), max_size=60))
def test_lines_do_not_overlap(kinds):
    """Lines are at least one apart, in order, and within the height; heads within it too."""
    spans = pd.DataFrame({"gid": "1", "resource_subtype": pd.array(kinds, "string")})
    arranged = arrange(spans.assign(start=at("08:00:00"), end=at("09:00:00")))
    lines = arranged.rows["line"].astype(float)
    assert (lines.diff().dropna() >= 1 - 1e-9).all()
    assert lines.between(0.5, arranged.height - 0.5 + 1e-9).all()
    assert all(0 < line < arranged.height for line, _ in arranged.heads)
    assert len(arranged.labels) == (len(kinds) if len(kinds) <= MOST_LABELLED else 0)


def test_labels_are_short_and_hold_no_signature():
    """A name and the ends of the gid; whatever the name is, it is one line."""
    long = frame(record("1208000000004806", "succeeded", new_task={"gid": "1", "name": "n" * 99}))
    assert labels_of(long) == ["n" * 27 + "…  1208…4806"]
    signed = frame(
        record(
            1,
            "succeeded",
            new_task={"gid": "1", "name": f"a\n\x1b{'x'}?X-Amz-Signature={SIGNATURE}"},
        )
    )
    (label,) = labels_of(signed)
    assert SIGNATURE[:8] not in label
    assert "\n" not in label
    assert labels_of(few())[3].startswith(NAME[:27])


def test_labels_of_jobs_without_a_gid():
    """A job that could not be started is told by what it was to be of."""
    jobs = pd.DataFrame({"gid": [None, None], "source.gid": ["1203", None]})
    assert labels_of(spans_of(jobs)) == ["of 1203", "no gid"]


def test_a_column_can_be_the_label():
    """Named by the caller; one that is not there is told."""
    jobs = few().assign(who="me")
    assert labels_of(jobs, "who")[0] == "me  11"
    with pytest.raises(InvalidFrameError, match="'nope'"):
        arrange(spans_of(jobs), "nope")


def test_short_gids_stay_whole():
    """Only long ones lose their middle."""
    assert short_gid("123") == "123"
    assert short_gid("1208000000004806") == "1208…4806"
