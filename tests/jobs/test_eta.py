"""How long jobs usually take, estimated from earlier ones in the ledger."""

from __future__ import annotations

import time

import pandas as pd
import pytest

import asana_jobs_pd as aj
from asana_jobs_pd._formatting import format_range
from asana_jobs_pd._jobs.eta import estimate, usual_times
from asana_jobs_pd._jobs.ledger_file import LedgerFile, Run, SeenFile, Sighting
from asana_jobs_pd.errors import LedgerError

MINUTE = 60 * 10**6


@pytest.fixture
def path(tmp_path, monkeypatch):
    """A ledger of its own."""
    place = tmp_path / "ledger.sqlite3"
    monkeypatch.setenv("ASANA_JOBS_LEDGER", str(place))
    return place


def exports(*minutes, parent="77", kind="graph_export_request", first=100):
    """Exports that took so many minutes, the latest first."""
    now = time.time_ns() // 1000
    return [
        Sighting(
            str(first + place),
            now,
            "",
            kind,
            "succeeded",
            parent,
            created=now - place * 10**9 - took * MINUTE,
            completed=now - place * 10**9,
        )
        for place, took in enumerate(minutes)
    ]


def running(gid="5", parent="77", kind="graph_export_request"):
    """A frame with one running job."""
    records = [{"gid": gid, "status": "in_progress", "resource_subtype": kind}]
    jobs = aj.asana_jobs_from_records(records)
    return jobs if parent is None else jobs.assign(**{"source.gid": parent})


def test_a_running_export_usually_takes_as_long_as_earlier_ones(path):
    """Of the same parent, in words and numbers; sizes come of downloaded files."""
    LedgerFile(path).write(
        [*exports(5, 4, 9, 6, 7, 8, 5), *exports(50, parent="78", first=200)],
        [SeenFile("", "100", "/x", 3_000), SeenFile("", "101", "/y", 5_000)],
    )
    jobs = running().set_axis(["a"])
    eta = jobs.asana.eta().loc["a"]
    assert eta["eta.text"] == "usually 4 to 9 min (7 runs)"
    assert (eta["eta.low"], eta["eta.high"]) == (pd.Timedelta("4min"), pd.Timedelta("9min"))
    assert (eta["eta.runs"], eta["eta.bytes"]) == (7, 4_000)
    assert usual_times(jobs) == {"5": "usually 4 to 9 min (7 runs)"}
    pd.testing.assert_frame_equal(jobs.asana.eta(), aj.estimate_asana_jobs(jobs))


@pytest.mark.parametrize("levels", ["gid", ["source.gid", "gid"], "source.gid"])
def test_estimates_join_the_jobs_by_their_index(path, levels):
    """Also one of our own columns; a gid there is not a column as well."""
    LedgerFile(path).write(exports(4, 9))
    done = running("1", "78").assign(status="succeeded", fetched_at=pd.Timestamp.now("UTC"))
    jobs = pd.concat([done, running()]).set_index(levels)
    joined = jobs.join(jobs.asana.eta()["eta.text"])
    assert joined["eta.text"].fillna("").tolist() == ["", "usually 4 to 9 min (2 runs)"]
    assert ("gid" in jobs.asana.eta().columns) is (levels == "source.gid")


def test_the_earliest_and_latest_end_count_from_the_creation_of_the_job(path):
    """As the frame has it, else as the ledger does."""
    LedgerFile(path).write(exports(4, 9))
    started = pd.Timestamp("2026-05-21T09:00:00Z")
    eta = running().assign(**{"source.requested_at": started}).asana.eta()
    assert eta["eta.earliest"].tolist() == [pd.Timestamp("2026-05-21T09:04:00Z")]
    assert eta["eta.latest"].tolist() == [pd.Timestamp("2026-05-21T09:09:00Z")]
    assert running().asana.eta()["eta.latest"].isna().all()


def test_without_earlier_jobs_nothing_is_said(path):
    """Other kinds do not count; finished jobs have no row; the dtypes are those of any result."""
    LedgerFile(path).write(exports(5, kind="duplicate_task"))
    eta = running().asana.eta()
    assert eta.drop(columns="gid").isna().all(axis=None)
    assert usual_times(running()) == {}
    done = aj.asana_jobs_from_records([{"gid": "1", "status": "succeeded"}]).assign(
        fetched_at=pd.Timestamp.now("UTC")
    )
    assert len(done.asana.eta()) == 0
    pd.testing.assert_series_equal(done.asana.eta().dtypes, eta.dtypes)


def test_a_parent_without_earlier_jobs_is_estimated_by_its_kind(path):
    """And says so; the parent of a frame that has lost it is known to the ledger."""
    LedgerFile(path).write(
        [*exports(4, 8), Sighting("5", 1, "", "graph_export_request", "in_progress", "77")]
    )
    assert running(parent=None).asana.eta()["eta.text"].tolist() == ["usually 4 to 8 min (2 runs)"]
    other = running(parent="1")
    assert other.asana.eta()["eta.text"].tolist() == ["usually 4 to 8 min (2 runs of this kind)"]


def test_a_started_export_leaves_its_times_in_the_ledger(sandbox, path, tmp_path):
    """From Asana's own times, whichever verb has seen it finished, and the size of its file."""
    asana = sandbox()
    with aj.Client(asana.token, base_url=asana.base_url) as client:
        first = aj.export_graph(asana.parents(1), client=client)
        asana.advance(3600)
        done = first.asana.refresh(client=client)
        assert done["status"].tolist() == ["succeeded"]
        files = done.asana.download(tmp_path / "files", client=client)
        second = aj.export_graph(asana.parents(1), client=client)
        (eta,) = second.asana.eta(client=client).to_dict("records")
    took = done["new_graph_export.completed_at"] - done["new_graph_export.created_at"]
    assert eta["eta.low"] == eta["eta.high"] == took[0]
    assert eta["eta.runs"] == 1
    assert eta["eta.bytes"] == files["file.bytes"][0]


def test_jobs_without_times_of_their_own_are_timed_by_what_was_seen(path):
    """From the start to the first sight of the end, when the last sight before was not long ago."""
    second = 10**6
    seen = [
        [Sighting("1", 0, "", "duplicate_task", "in_progress", created=0)],
        [Sighting("1", 30 * second, "", "duplicate_task", "in_progress")],
        [Sighting("1", 40 * second, "", "duplicate_task", "succeeded")],
        [Sighting("2", 0, "", "duplicate_task", "in_progress", created=0)],
        [Sighting("2", 3000 * second, "", "duplicate_task", "succeeded")],
    ]
    for sightings in seen:
        LedgerFile(path).write(sightings)
    assert [run.took for run in LedgerFile(path).runs()] == [40 * second]


def test_a_watched_duplication_is_timed(sandbox, path):
    """What a monitor sees of a job that was started here is enough."""
    asana = sandbox(clock=None, time_scale=50)
    with aj.Client(asana.token, base_url=asana.base_url) as client:
        task = asana.parents(1, "task")
        aj.duplicate_task(task, client=client).asana.wait(client=client)
        again = aj.duplicate_task(task, client=client)
        assert again.asana.eta(client=client)["eta.runs"].tolist() == [1]


def test_a_damaged_ledger_is_an_error_in_words_and_silent_where_nobody_asked(path):
    """`eta` says so; the widget and the command line just have nothing to say."""
    path.write_bytes(b"no database at all, but long enough to be looked at" * 100)
    with pytest.raises(LedgerError, match="cannot be used"):
        running().asana.eta()
    assert usual_times(running()) == {}


def test_outliers_are_left_out_of_ten_runs_or_more():
    """A tenth at each end; only the latest twenty runs count."""
    took = [300, 1, *range(50, 58), *range(60, 70), *range(1000, 1100)]
    found = estimate([Run("k", "p", minutes * MINUTE, None) for minutes in took])
    assert (found.low, found.high, found.runs) == (51 * MINUTE, 68 * MINUTE, 20)
    assert estimate([]) is None


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        (0.1, 0.2, "under 1 s"),
        (0.2, 4, "up to 4 s"),
        (40, 80, "40 to 80 s"),
        (30, 100, "up to 2 min"),
        (240, 540, "4 to 9 min"),
        (240, 250, "4 min"),
        (3600, 9000, "1 to 2 h"),
        (3 * 86400, 5 * 86400, "3 to 5 d"),
    ],
)
def test_a_range_is_in_one_unit(low, high, text):
    """The unit of its end."""
    assert format_range(low, high) == text
