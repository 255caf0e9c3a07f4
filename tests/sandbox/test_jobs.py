"""Jobs depend on the seed, the gid and the clock only."""

import re
import time
from datetime import UTC, datetime, timedelta

import pytest

from asana_jobs_pd.sandbox import Clock, Sandbox

from .conftest import Asker

ORDER = ["not_started", "in_progress", "succeeded", "failed"]


def test_all_kinds_come_early(asana, ask):
    """The first gids are one of each kind, so that a short demo shows them all."""
    kinds = [ask.job(gid).data["resource_subtype"] for gid in asana.gids(9)]
    assert len(set(kinds)) == 9
    assert [ask.job(gid).data["resource_subtype"] for gid in asana.gids(9, start=9)] == kinds


def test_gids_are_16_digits_and_all_different():
    """Gids look like Asana's, are known before the sandbox runs, and do not repeat."""
    gids = Sandbox().gids(5000)
    assert len(set(gids)) == 5000
    assert all(re.fullmatch(r"12\d{14}", gid) for gid in gids)
    assert gids[100:150] == Sandbox(seed=7).gids(50, start=100)


def test_gids_of_one_kind(asana, ask):
    """A kind can be asked for; one that does not exist is an error that lists those that do."""
    gids = asana.gids(3, "export_request", start=2)
    assert {ask.job(gid).data["resource_subtype"] for gid in gids} == {"export_request"}
    with pytest.raises(ValueError, match=r"unknown kind of job 'export'.*export_request"):
        asana.gids(1, "export")


def test_jobs_progress_with_the_clock_only(asana, ask):
    """Jobs stand still with the clock, move on with it, never go back, and end within 6 s."""
    gids = asana.gids(60)
    before = ask.statuses(gids)
    assert ask.statuses(gids) == before
    assert {"not_started", "in_progress", "succeeded"} <= set(before)
    for _ in range(6):
        asana.advance(1)
        after = ask.statuses(gids)
        assert all(ORDER.index(a) >= ORDER.index(b) for a, b in zip(after, before, strict=True))
        before = after
    assert set(before) == {"succeeded", "failed"}


def test_some_jobs_fail_but_not_the_first(asana, ask):
    """About one in twelve fails: the twelfth, and none else of the first few of a kind."""
    asana.advance(20)
    statuses = ask.statuses(asana.gids(360))
    assert [place for place in range(27) if statuses[place] == "failed"] == [11]
    assert 360 / 24 < statuses.count("failed") < 360 / 6


def test_a_seed_decides_everything(sandbox):
    """The same seed gives the same answers, another seed others."""

    def answers(seed):
        ask = Asker(sandbox(seed=seed))
        found = []
        for seconds in (0, 2, 3):
            ask.asana.advance(seconds)
            found += [ask.job(gid).data for gid in ask.asana.gids(27)]
        return [
            {key: value for key, value in data.items() if not key.endswith("_export")}
            for data in found
        ]

    first, same, other = answers(1), answers(1), answers(2)
    assert first == same
    assert first != other


def test_objects_come_before_success(asana, ask):
    """A job that is under way has its object and the name of it already."""
    gid = asana.gids(1, "duplicate_project")[0]
    asana.progress(gid, status="not_started")
    assert ask.job(gid).data["new_project"] is None
    asana.progress(gid)
    assert ask.job(gid).data["new_project"]["name"]


@pytest.mark.parametrize("kind", ["graph_export_request", "export_request"])
def test_an_export_has_its_url_only_when_it_succeeded(asana, ask, kind):
    """Until then `download_url` and `completed_at` are null; `created_at` never is."""
    gid = asana.gids(1, kind)[0]
    for status in ORDER:
        asana.progress(gid, status=status)
        data = ask.job(gid).data
        (export,) = (value for key, value in data.items() if key.endswith("export") and value)
        assert data["status"] == status
        assert export["created_at"]
        done = status == "succeeded"
        assert (export["completed_at"] is not None, export["download_url"] is not None) == (
            done,
            done,
        )


def test_timestamps_come_with_and_without_a_fraction(asana, ask):
    """As from Asana: `…58.147Z` for some jobs, `…58Z` for others."""
    stamps = [
        ask.job(gid).data["new_resource_export"]["created_at"]
        for gid in asana.gids(20, "export_request")
    ]
    assert {len(stamp) for stamp in stamps} == {len("2026-01-01T00:00:00Z"), 24}


def test_completion_is_when_it_was_finished(asana, ask):
    """A job made to finish bears the time of the clock."""
    gid = asana.gids(1, "export_request", start=1)[0]
    asana.progress(gid)
    asana.advance(100)
    assert ask.statuses([gid]) == ["in_progress"]
    asana.finish(gid)
    done = datetime.fromisoformat(ask.job(gid).data["new_resource_export"]["completed_at"])
    assert done == datetime(2026, 1, 1, 0, 1, 40, tzinfo=UTC)


def test_a_state_that_was_set_stays(asana, ask):
    """What `progress` says holds whatever the clock does."""
    gid = asana.gids(1)[0]
    for status in ORDER:
        asana.progress(gid, status=status)
        asana.advance(50)
        assert ask.statuses([gid]) == [status]


def test_only_jobs_have_states(asana):
    """A gid the sandbox has no job for is refused in words."""
    with pytest.raises(ValueError, match="no job '5'"):
        asana.finish("5")


def test_a_standing_clock_starts_at_a_known_instant(asana, ask):
    """Time begins on New Year's Day 2026, or when the clock is told to."""
    assert (
        ask.job(asana.gids(1, "graph_export_request")[0])
        .data["new_graph_export"]["created_at"]
        .startswith("2026-01-01T00:00:00")
    )
    later = Clock(datetime(2030, 5, 6, tzinfo=UTC))
    later.advance(1.5)
    assert later.instant(later.now()) == datetime(2030, 5, 6, tzinfo=UTC) + timedelta(seconds=1.5)


def test_time_does_not_go_back():
    """A clock can be advanced by 0 or more."""
    with pytest.raises(ValueError, match="negative number of seconds"):
        Clock().advance(-1)


def test_real_time_cannot_be_advanced(sandbox):
    """Without a standing clock there is nothing to drive, and the error says what to do."""
    with pytest.raises(RuntimeError, match=r"Sandbox\(clock=Clock\(\)\)"):
        sandbox(clock=None).advance(1)


def test_real_time_runs_from_now_and_may_be_scaled(sandbox):
    """Jobs begin at the real time, and `time_scale` hurries them along."""
    ask = Asker(sandbox(clock=None, time_scale=200))
    gid = ask.asana.gids(1, "graph_export_request")[0]
    stamp = ask.job(gid).data["new_graph_export"]["created_at"]
    assert abs(datetime.now(UTC) - datetime.fromisoformat(stamp)) < timedelta(seconds=5)
    time.sleep(0.1)
    assert set(ask.statuses(ask.asana.gids(12))) == {"succeeded", "failed"}
