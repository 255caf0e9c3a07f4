"""Where jobs are in a timeline."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made import NAME, SIGNATURE, at, few, frame, many, record

from asana_jobs_pd._report.spans import job_spans
from asana_jobs_pd._report.timeline_layout import (
    MAX_LABELED,
    job_labels,
    layout_timeline,
    short_name,
)
from asana_jobs_pd.errors import InvalidFrameError


def test_a_few_jobs_have_a_label_each():
    """Under the label of their kind, ordered by time; those without times are counted."""
    layout = layout_timeline(job_spans(few()))
    assert not layout.dense
    assert layout.untimed == 2
    assert [name for _, name in layout.kinds] == [
        "duplicate project", "graph export", "resource export"
    ]  # fmt: skip
    assert len(layout.labels) == len(few()) - 2
    graph = layout.rows[layout.rows["kind"] == "graph export"]
    assert list(graph["gid"]) == ["11", "13"]


def test_many_jobs_have_a_thin_line_each():
    """Kinds are labeled with their count; jobs without a time are counted."""
    layout = layout_timeline(job_spans(many(1000)))
    assert layout.dense
    assert layout.untimed == 200
    assert len(layout.rows) == 800
    assert [name.split()[0] for _, name in layout.kinds] == ["graph", "resource"]


@settings(max_examples=25)
@given(st.lists(st.sampled_from(["a", "b", None]), max_size=60))
def test_lines_do_not_overlap(kinds):
    """Lines are at least one apart, in order, and within the height, as are the kinds."""
    spans = pd.DataFrame({"gid": "1", "resource_subtype": pd.array(kinds, "string")})
    layout = layout_timeline(spans.assign(start=at("08:00:00"), end=at("09:00:00")))
    lines = layout.rows["line"].astype(float)
    assert (lines.diff().dropna() >= 1 - 1e-9).all()
    assert lines.between(0.5, layout.height - 0.5 + 1e-9).all()
    assert all(0 < line < layout.height for line, _ in layout.kinds)
    assert len(layout.labels) == (len(kinds) if len(kinds) <= MAX_LABELED else 0)


def test_labels_are_short_and_hold_no_signature():
    """A name and the ends of the gid; whatever the name is, it is one line."""
    long = frame(record("1208000000004806", "succeeded", new_task={"gid": "1", "name": "n" * 99}))
    assert job_labels(long) == ["n" * 27 + "…  1208…4806"]
    signed = frame(
        record(
            1,
            "succeeded",
            new_task={"gid": "1", "name": f"a\n\x1b{'x'}?X-Amz-Signature={SIGNATURE}"},
        )
    )
    (label,) = job_labels(signed)
    assert SIGNATURE[:8] not in label
    assert "\n" not in label
    assert job_labels(few())[3].startswith(NAME[:27])


def test_labels_of_jobs_without_a_gid():
    """A job that could not be started is labeled with its source."""
    jobs = pd.DataFrame({"gid": [None, None], "source.gid": ["1203", None]})
    assert job_labels(job_spans(jobs)) == ["of 1203", "no gid"]


def test_a_column_can_be_the_label():
    """Named by the caller; a missing one is an error."""
    jobs = few().assign(who="me")
    assert job_labels(jobs, jobs["who"])[0] == "me  11"
    for frame_ in (jobs, many(100)):
        with pytest.raises(InvalidFrameError, match="'nope'"):
            frame_.asana.plot.timeline(label="nope")


def test_columns_of_the_caller_may_have_any_names():
    """Even those of the layout's own, even twice."""
    layout = layout_timeline(job_spans(few()))
    own = pd.DataFrame(dict.fromkeys(("kind", "line", "start", "left"), 1), few().index)
    same = layout_timeline(job_spans(pd.concat([few(), own, own], axis=1)))
    assert same.rows["line"].equals(layout.rows["line"])
    assert same.kinds == layout.kinds


def test_in_a_narrow_picture_kinds_have_lines_of_their_own():
    """So that bars have the width; names are shorter."""
    for jobs in (many(100), few()):
        layout = layout_timeline(job_spans(jobs), narrow=True)
        lines = layout.rows["line"].to_numpy(float)
        firsts = layout.rows.groupby("kind")["line"].min()
        for line, kind in layout.kinds:
            assert line < firsts[kind.split("  ")[0]]
            assert not ((lines > line - 0.4) & (lines < line + 0.4)).any()
    assert max(len(name) for _, name in layout.labels) <= 10 + 2 + 9


def test_short_gids_stay_whole():
    """Only long ones lose their middle."""
    assert short_name("123", None) == "123"
    assert short_name("1208000000004806", None) == "1208…4806"
