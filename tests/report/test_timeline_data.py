"""When jobs started and ended, as far as is known, and where they are in a timeline."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made import DAY as TODAY
from made import NAME, SIGNATURE, at, export, few, frame, many, record

from asana_jobs_pd._report.timeline_data import (
    MAX_LABELED,
    job_labels,
    job_spans,
    layout_timeline,
    short_gid,
)
from asana_jobs_pd.errors import InvalidFrameError


def span(spans, gid):
    row = spans.set_index("gid").loc[gid]
    return row["start"], row["end"], bool(row["running"]), bool(row["observed"])


def test_exports_span_the_times_that_asana_reports():
    """From created_at to completed_at."""
    spans = job_spans(few())
    assert span(spans, "11") == (at("08:00:00"), at("08:10:00"), False, False)


def test_an_unfinished_job_ends_when_it_was_read():
    """And is marked as running."""
    spans = job_spans(few())
    assert span(spans, "12") == (at("08:30:00"), at("09:00:00"), True, False)
    assert span(spans, "15") == (at("09:00:00"), at("09:00:00"), True, True)


def test_a_finished_job_gets_no_time_from_being_read():
    """It may have ended long before: a failed export is a moment, a duplication has no time."""
    spans = job_spans(few())
    assert span(spans, "13") == (at("08:20:00"), at("08:20:00"), False, True)
    assert (
        spans.set_index("gid")
        .loc[["14", "1600000000000016"], ["start", "end"]]
        .isna()
        .all(axis=None)
    )


def test_a_history_gives_first_and_final_observation():
    """For jobs without times of Asana's own, which take precedence."""
    history = pd.DataFrame(
        {
            "gid": ["14", "14", "14", "15", "11", "99"],
            "status": ["not_started", "in_progress", "succeeded", "not_started", "succeeded", "x"],
            "at": [at(f"07:0{minute}:00") for minute in (1, 2, 5, 3, 4, 0)],
        }
    )
    spans = job_spans(few(), history=history)
    assert span(spans, "14") == (at("07:01:00"), at("07:05:00"), False, True)
    assert span(spans, "15") == (at("07:03:00"), at("09:00:00"), True, True)
    assert span(spans, "11") == (at("08:00:00"), at("08:10:00"), False, False)


def test_columns_of_the_caller_come_before_the_history():
    """As texts or times, with or without a zone."""
    jobs = few().assign(asked=f"{TODAY}06:00:00Z", done=pd.Timestamp(f"{TODAY}06:30:00"))
    spans = job_spans(jobs, start="asked", end="done")
    assert span(spans, "14") == (at("06:00:00"), at("06:30:00"), False, True)
    assert span(spans, "11") == (at("08:00:00"), at("08:10:00"), False, False)
    assert span(spans, "15") == (at("06:00:00"), at("09:00:00"), True, True)


def test_a_span_never_ends_before_it_starts():
    """An export from Asana's cache was completed before it was requested: a moment."""
    spans = job_spans(frame(export(1, "succeeded", "08:00:00", "07:00:00")))
    assert span(spans, "1") == (at("08:00:00"), at("08:00:00"), False, False)


def test_two_exports_of_a_job_span_both():
    """As the example of Asana's documentation has it."""
    both = {
        **export(1, "succeeded", "08:00:00", "08:05:00"),
        **export(1, "succeeded", "07:50:00", "08:03:00", kind="resource"),
    }
    assert span(job_spans(frame(both)), "1") == (at("07:50:00"), at("08:05:00"), False, False)


def test_gids_alone_are_enough():
    """No times, unknown; repeated gids once, rows without a gid stay."""
    spans = job_spans(pd.DataFrame({"gid": ["1", "1", None, None]}))
    assert list(spans["state"]) == ["unknown"] * 3
    assert spans["start"].isna().all()
    assert not spans["running"].any()


@pytest.mark.parametrize("jobs", [few()[:0], pd.DataFrame({"gid": []})])
def test_nothing_has_dtypes_too(jobs):
    """An empty frame gives an empty one of the same dtypes."""
    spans = job_spans(jobs)
    assert len(spans) == 0
    assert str(spans["start"].dtype) == str(spans["end"].dtype) == "datetime64[us, UTC]"
    assert spans["running"].dtype == spans["observed"].dtype == bool


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"start": "nope"}, "'nope'"),
        ({"end": "error.status"}, "'error.status' holds numbers"),
        ({"start": "lists"}, "'lists' contains lists"),
        ({"end": "far"}, "'far' contains times outside"),
        ({"end": "duration"}, "'duration'"),
        ({"history": "x"}, "history"),
        ({"history": pd.DataFrame({"gid": ["1"]})}, "history"),
    ],
)
def test_invalid_columns_and_histories_are_named(options, words):
    """In an error, before anything is drawn."""
    jobs = few()
    jobs["lists"] = [[1]] * len(jobs)
    jobs["far"] = np.array(["10000-01-01"] * len(jobs), "M8[s]")
    jobs["duration"] = pd.Timedelta(1, "D")
    with pytest.raises(InvalidFrameError, match=words):
        job_spans(jobs, **options)


DAY = dt.date(2026, 11, 24)


@pytest.mark.parametrize(
    "times",
    [
        pd.array([DAY, None], "date32[day][pyarrow]"),
        pd.array([pd.Timestamp(DAY), None], "timestamp[s][pyarrow]"),
        pd.array([pd.Timestamp(DAY, tz="UTC"), None], pd.ArrowDtype(pa.timestamp("ns", "UTC"))),
        pd.Series([DAY, None], dtype=object),
        pd.Series(["2026-11-24", None], dtype="string"),
        np.array([DAY, "NaT"], "M8[s]"),
    ],
    ids=str,
)
def test_dates_and_times_of_any_dtype_are_starts(times):
    """A date is its midnight in UTC; a gap is unknown."""
    jobs = frame(record(1, "succeeded"), record(2, "succeeded")).assign(mine=times)
    starts = job_spans(jobs, start="mine")["start"]
    assert starts.iloc[0] == at("00:00:00")
    assert starts.isna().tolist() == [False, True]


def test_the_frame_is_left_alone():
    """Nothing here changes it."""
    jobs = few()
    before = jobs.copy(deep=True)
    job_spans(jobs, start="fetched_at")
    pd.testing.assert_frame_equal(jobs, before)


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
    assert short_gid("123") == "123"
    assert short_gid("1208000000004806") == "1208…4806"
