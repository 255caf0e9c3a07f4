"""When jobs began and ended, as far as is known."""

from __future__ import annotations

import pandas as pd
import pytest
from made import DAY, at, export, few, frame, record

import asana_jobs_pd as aj
from asana_jobs_pd._report.timeline_data import spans_of, states_of
from asana_jobs_pd.errors import InvalidFrameError


def told(spans, gid):
    row = spans.set_index("gid").loc[gid]
    return row["start"], row["end"], bool(row["running"]), bool(row["seen"])


def test_exports_span_what_asana_reports():
    """From created_at to completed_at."""
    spans = spans_of(few())
    assert told(spans, "11") == (at("08:00:00"), at("08:10:00"), False, False)


def test_what_is_running_ends_when_it_was_read():
    """And says that it goes on."""
    spans = spans_of(few())
    assert told(spans, "12") == (at("08:30:00"), at("09:00:00"), True, False)
    assert told(spans, "15") == (at("09:00:00"), at("09:00:00"), True, True)


def test_what_is_finished_gets_no_time_from_being_read():
    """It may have ended long before: a failed export is a moment, a duplication has no time."""
    spans = spans_of(few())
    assert told(spans, "13") == (at("08:20:00"), at("08:20:00"), False, True)
    assert (
        spans.set_index("gid")
        .loc[["14", "1600000000000016"], ["start", "end"]]
        .isna()
        .all(axis=None)
    )


def test_a_history_gives_first_and_final_sight():
    """Of what Asana gives no times for; what it reports stays."""
    history = pd.DataFrame(
        {
            "gid": ["14", "14", "14", "15", "11", "99"],
            "status": ["not_started", "in_progress", "succeeded", "not_started", "succeeded", "x"],
            "at": [at(f"07:0{minute}:00") for minute in (1, 2, 5, 3, 4, 0)],
        }
    )
    spans = spans_of(few(), history=history)
    assert told(spans, "14") == (at("07:01:00"), at("07:05:00"), False, True)
    assert told(spans, "15") == (at("07:03:00"), at("09:00:00"), True, True)
    assert told(spans, "11") == (at("08:00:00"), at("08:10:00"), False, False)


def test_columns_of_the_caller_come_before_the_history():
    """As texts or times, with or without a zone."""
    jobs = few().assign(asked=f"{DAY}06:00:00Z", done=pd.Timestamp(f"{DAY}06:30:00"))
    spans = spans_of(jobs, start="asked", end="done")
    assert told(spans, "14") == (at("06:00:00"), at("06:30:00"), False, True)
    assert told(spans, "11") == (at("08:00:00"), at("08:10:00"), False, False)
    assert told(spans, "15") == (at("06:00:00"), at("09:00:00"), True, True)


def test_a_span_never_ends_before_it_begins():
    """An export from Asana's cache was completed before it was asked for: a moment."""
    spans = spans_of(frame(export(1, "succeeded", "08:00:00", "07:00:00")))
    assert told(spans, "1") == (at("08:00:00"), at("08:00:00"), False, False)


def test_two_exports_of_a_job_span_both():
    """As the example of Asana's documentation has it."""
    both = {
        **export(1, "succeeded", "08:00:00", "08:05:00"),
        **export(1, "succeeded", "07:50:00", "08:03:00", kind="resource"),
    }
    assert told(spans_of(frame(both)), "1") == (at("07:50:00"), at("08:05:00"), False, False)


def test_states_tell_why_there_is_no_status():
    """Gone or failed to read: unreadable; not read: unknown; a new status by its name."""
    jobs = frame(*(record(gid, status) for gid, status in enumerate(["queued", "in_progress"], 1)))
    jobs = pd.concat([jobs, aj.asana_jobs_from_records([{"gid": str(gid)} for gid in range(3, 7)])])
    jobs["error.status"] = pd.array([pd.NA, 404, 403, 500, pd.NA, pd.NA], "Int16")
    jobs["error.kind"] = pd.array([pd.NA, "http", "http", "http", "timeout", pd.NA], "string")
    assert list(states_of(jobs)) == [
        "queued", "unreadable", "unreadable", "unreadable", "unreadable", "unknown"
    ]  # fmt: skip


def test_gids_alone_are_enough():
    """No times, unknown; repeated gids once, rows without a gid stay."""
    spans = spans_of(pd.DataFrame({"gid": ["1", "1", None, None]}))
    assert list(spans["state"]) == ["unknown"] * 3
    assert spans["start"].isna().all()
    assert not spans["running"].any()


@pytest.mark.parametrize("jobs", [few()[:0], pd.DataFrame({"gid": []})])
def test_nothing_has_dtypes_too(jobs):
    """An empty frame gives an empty one of the same dtypes."""
    spans = spans_of(jobs)
    assert len(spans) == 0
    assert str(spans["start"].dtype) == str(spans["end"].dtype) == "datetime64[us, UTC]"
    assert spans["running"].dtype == spans["seen"].dtype == bool


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"start": "nope"}, "'nope'"),
        ({"end": "error.status"}, "'error.status' holds numbers"),
        ({"history": "x"}, "history"),
        ({"history": pd.DataFrame({"gid": ["1"]})}, "history"),
    ],
)
def test_what_does_not_fit_is_told(options, words):
    """By name, before anything is drawn."""
    with pytest.raises(InvalidFrameError, match=words):
        spans_of(few(), **options)


def test_the_frame_is_left_alone():
    """Nothing here changes it."""
    jobs = few()
    before = jobs.copy(deep=True)
    spans_of(jobs, start="fetched_at")
    pd.testing.assert_frame_equal(jobs, before)
