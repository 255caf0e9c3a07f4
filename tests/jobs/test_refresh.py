"""Refreshing: what is requested again, and what stays."""

from __future__ import annotations

import io

import pandas as pd
import pytest

import asana_jobs_pd as aj
from asana_jobs_pd.errors import (
    AsanaValueWarning,
    InvalidFrameError,
    InvalidGidError,
    PartialReadError,
)

NOW = pd.Timestamp("2026-01-01T00:00:00Z")


@pytest.fixture
def jobs(asana, client):
    """Eighteen jobs at the sandbox's start, some of them finished."""
    frame = aj.read_asana_jobs(asana.gids(18), client=client)
    asana.reset_stats()
    return frame


def test_index_order_and_columns_of_the_users_stay(asana, client, jobs):
    """Row labels, even repeated ones, other columns and their dtypes are as before."""
    mine = jobs.sample(frac=1, random_state=1).assign(team=pd.Categorical(["a", "b"] * 9), n=7)
    mine.index = ["x"] * 17 + ["y"]
    asana.advance(60)
    refreshed = mine.asana.refresh(client=client)
    assert list(refreshed.index) == list(mine.index)
    assert list(refreshed.columns) == list(mine.columns)
    pd.testing.assert_frame_equal(refreshed[["gid", "team", "n"]], mine[["gid", "team", "n"]])
    assert not len(refreshed.asana.pending)


def test_the_callers_frame_is_left_alone(asana, client, jobs):
    """A new frame is returned; the old one is unchanged."""
    before = jobs.copy(deep=True)
    asana.advance(60)
    refreshed = jobs.asana.refresh(client=client)
    pd.testing.assert_frame_equal(jobs, before)
    assert not refreshed.equals(jobs)


def test_finished_jobs_cost_nothing(asana, client, jobs):
    """Once all are finished, a refresh sends nothing; finished=True asks for all."""
    asana.advance(60)
    done = jobs.asana.refresh(client=client)
    asana.reset_stats()
    again = done.asana.refresh(client=client)
    assert asana.stats.requests == 0
    pd.testing.assert_frame_equal(again, done)
    done.asana.refresh(finished=True, client=client)
    assert asana.stats.requests == 18


def test_403_and_404_are_not_asked_again(asana, client):
    """They end their row."""
    one, two = asana.gids(2)
    asana.answer(one, 403)
    jobs = aj.read_asana_jobs([one, two, "999"], errors="coerce", client=client)
    asana.finish(two)
    jobs = jobs.asana.refresh(client=client)
    asana.reset_stats()
    jobs.asana.refresh(client=client)
    assert asana.stats.requests == 0
    assert list(jobs.asana.failed["gid"]) == [one, "999"]


def test_an_unknown_status_is_not_finished(asana, client):
    """A status that Asana adds later is asked again, and kept."""
    gid = asana.gids(1)[0]
    asana.record(gid, {"gid": gid, "status": "queued_twice"})
    jobs = aj.read_asana_jobs(gid, client=client).asana.refresh(client=client)
    assert asana.stats.requests == 2
    assert jobs.at[0, "status"] == "queued_twice"


def test_the_fields_of_the_frame_are_asked_for(asana, client):
    """A narrow frame stays narrow."""
    jobs = aj.read_asana_jobs(asana.gids(4), ["new_project.name", "status"], client=client)
    asana.reset_stats()
    refreshed = jobs.asana.refresh(client=client)
    assert asana.requests[0].opt_fields == ("new_project.name", "status")
    assert list(refreshed.columns) == list(jobs.columns)


def test_gids_alone_grow_into_jobs(asana, client):
    """A frame with nothing but gids gets all the columns, after the user's."""
    frame = pd.DataFrame({"mine": [1, 2], "gid": asana.gids(2)}, index=["a", "b"])
    jobs = frame.asana.refresh(client=client)
    assert list(jobs.columns[:3]) == ["mine", "gid", "status"]
    assert list(jobs.index) == ["a", "b"]
    assert jobs["status"].notna().all()
    assert jobs["error.status"].dtype == "Int16"


def test_new_columns_come_last(asana, client):
    """An object that appears later gets its columns behind all others."""
    gid = asana.gids(1)[0]
    asana.record(gid, {"gid": gid, "status": "in_progress"})
    jobs = aj.read_asana_jobs(gid, client=client).assign(mine=1)
    asana.record(gid, {"gid": gid, "status": "succeeded", "new_goal": {"gid": "5"}})
    refreshed = jobs.asana.refresh(client=client)
    assert list(refreshed.columns) == [*jobs.columns, "new_goal.gid"]
    assert refreshed.at[0, "new_goal.gid"] == "5"
    changed = refreshed.asana.changes(jobs)
    assert list(changed["column"]) == ["status", "new_goal.gid"]


def test_unknown_parts_of_objects_are_refreshed_too(asana, client):
    """Columns that came without being documented are asked for, and dropped if refused."""
    frame = pd.DataFrame({"gid": asana.gids(1), "status": "in_progress", "new_goal.name": "old"})
    refreshed = frame.asana.refresh(client=client)
    assert refreshed.at[0, "status"] != "in_progress" or asana.stats.requests
    assert refreshed.at[0, "new_goal.name"] == "old"
    assert refreshed.at[0, "error.kind"] is pd.NA


def test_known_values_survive_a_failed_refresh(asana, client, jobs):
    """A row that cannot be read keeps its values and says why; its next success clears that."""
    gid = jobs.asana.pending["gid"].iloc[0]
    row = jobs.index[jobs["gid"] == gid][0]
    asana.answer(gid, 404)
    failed = jobs.asana.refresh(client=client)
    assert failed.at[row, "status"] == jobs.at[row, "status"]
    assert failed.at[row, "error.status"] == 404
    assert failed.at[row, "fetched_at"] > jobs.at[row, "fetched_at"]
    asana.answer(gid, 200)
    cured = failed.asana.refresh(finished=True, client=client)
    assert cured["error.kind"].isna().all()


def test_errors_as_in_reading(asana, client, jobs):
    """raise carries the refreshed frame, drop leaves the failed rows out."""
    gid = jobs.asana.pending["gid"].iloc[0]
    asana.answer(gid, 403)
    with pytest.raises(PartialReadError) as caught:
        jobs.asana.refresh(errors="raise", client=client)
    assert len(caught.value.frame) == 18
    assert list(caught.value.errors) == [gid]
    dropped = jobs.asana.refresh(errors="drop", client=client)
    assert gid not in set(dropped["gid"])
    assert len(dropped) == 17
    assert list(dropped.index) == [label for label in jobs.index if jobs.loc[label, "gid"] != gid]
    by_gid = jobs.set_index("gid").asana.refresh(errors="drop", client=client)
    assert list(by_gid.index) == list(dropped["gid"])


def test_rows_without_a_gid_stay(asana, client):
    """What an outer merge brought is neither asked for nor lost."""
    frame = pd.DataFrame({"gid": [asana.gids(1)[0], None], "team": ["a", "b"]})
    refreshed = frame.asana.refresh(client=client)
    assert list(refreshed["team"]) == ["a", "b"]
    assert refreshed["status"].isna().tolist() == [False, True]
    assert asana.stats.requests == 1


def test_repeated_gids_get_the_same_news(asana, client):
    """One request, every row of that gid."""
    gid = asana.gids(2)[1]
    jobs = aj.read_asana_jobs([gid, gid], client=client)
    asana.reset_stats()
    asana.finish(gid)
    refreshed = jobs.asana.refresh(client=client)
    assert list(refreshed["status"]) == ["succeeded"] * 2
    assert asana.stats.requests == 1


def test_an_empty_frame_refreshes_to_itself():
    """No rows, no request, no token."""
    jobs = aj.read_asana_jobs([])
    pd.testing.assert_frame_equal(jobs.asana.refresh(), jobs)


@pytest.mark.parametrize("verb", ["refresh", "summary", "results", "pending", "failed", "exports"])
def test_gids_that_went_through_floats_are_refused(verb):
    """The error says how to read them right; nothing is sent."""
    frame = pd.read_csv(io.StringIO("gid,status\n1203897763724806,failed\n,failed\n"))
    with pytest.raises(InvalidFrameError, match=r'pd\.read_csv\(path, dtype=\{"gid": "string"\}\)'):
        member = getattr(frame.asana, verb)
        if callable(member):
            member()


def test_floats_in_an_object_column_are_refused():
    """One float among texts is found as well."""
    with pytest.raises(InvalidGidError, match=r"gids\[1\]"):
        pd.DataFrame({"gid": ["12", 1.2e15]}, dtype=object).asana.refresh()


def test_numbers_in_texts_stay_readable():
    """A name that a CSV reader took for a number is a text again."""
    data = {"gid": ["1", "2"], "status": "failed", "fetched_at": NOW}
    frame = pd.DataFrame({**data, "new_task.name": [7.0, None]})
    assert frame.asana.refresh().at[0, "new_task.name"] == "7"
    frame["new_task.name"] = [1.5, 2.0]
    assert frame.asana.refresh().at[0, "new_task.name"] == "1.5"


@pytest.mark.parametrize(
    ("column", "value", "want"),
    [
        (
            "fetched_at",
            "2024-02-22 02:06:58.147000+00:00",
            pd.Timestamp("2024-02-22T02:06:58.147Z"),
        ),
        ("fetched_at", pd.Timestamp("2024-02-22"), pd.Timestamp("2024-02-22T00:00:00Z")),
        (
            "fetched_at",
            pd.Timestamp("2024-02-22T02:00:00+02:00"),
            pd.Timestamp("2024-02-22T00:00Z"),
        ),
        ("fetched_at", None, pd.NaT),
        ("error.status", 404.0, 404),
        ("error.status", "404", 404),
        ("new_task.name", 5, "5"),
    ],
)
def test_columns_come_back_to_their_dtypes(column, value, want):
    """Whatever a file format did to them."""
    frame = pd.DataFrame({"gid": ["1"], "status": ["failed"], "fetched_at": [NOW], column: [value]})
    refreshed = frame.asana.refresh()
    assert refreshed[column].dtype == aj.read_asana_jobs([])[column].dtype
    got = refreshed.at[0, column]
    assert got is want or got == want


def test_texts_that_are_not_times_become_missing_with_a_warning():
    """A warning names column and value."""
    frame = pd.DataFrame({"gid": ["1"], "status": ["failed"], "fetched_at": ["soon"]})
    with pytest.warns(AsanaValueWarning, match="fetched_at.*soon"):
        assert frame.asana.refresh()["fetched_at"].isna().all()


def test_frames_of_other_things_are_refused(jobs):
    """A frame of tasks is not sent to the jobs endpoint."""
    with pytest.raises(InvalidFrameError, match="'task'"):
        pd.DataFrame({"gid": ["1"], "resource_type": ["task"]}).asana.refresh()
    with pytest.raises(InvalidFrameError, match="more than one column 'status'"):
        pd.DataFrame([["1", "a", "b"]], columns=["gid", "status", "status"]).asana.refresh()
    with pytest.raises(InvalidFrameError, match="no 'gid'"):
        pd.DataFrame({"x": [1]}).asana.refresh()
    with pytest.raises(InvalidFrameError, match="not a list"):
        aj.refresh_asana_jobs(["1"])


def test_the_accessor_sees_the_frame_as_it_is_now(asana, client):
    """pandas keeps the accessor; a frame that became one of jobs is accepted."""
    frame = pd.DataFrame({"job": asana.gids(1)})
    with pytest.raises(InvalidFrameError):
        frame.asana.refresh(client=client)
    frame["gid"] = frame["job"]
    assert frame.asana.refresh(client=client)["status"].notna().all()
