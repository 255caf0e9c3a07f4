"""The ledger: no gid that was seen is lost, and no read is the worse for it."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
import textwrap
import time
import warnings

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import asana_jobs_pd as aj
from asana_jobs_pd._http import account
from asana_jobs_pd._jobs import ledger_writer
from asana_jobs_pd._jobs.ledger_file import LedgerFile, Sighting
from asana_jobs_pd._jobs.ledger_writer import flush, sighting_of
from asana_jobs_pd.errors import AsanaLedgerWarning, InvalidOptionError, LedgerError

ANOTHER = "2/1200000000000001/1200000000000009:ffffffffffffffffffffffffffffffff"


@pytest.fixture
def path(tmp_path, monkeypatch):
    """A ledger of its own."""
    monkeypatch.setattr(ledger_writer, "_writers", {})
    monkeypatch.setattr(account, "_lookups", type(account._lookups)())
    where = tmp_path / "data" / "ledger.sqlite3"
    monkeypatch.setenv("ASANA_JOBS_LEDGER", str(where))
    return where


def known(**options):
    assert flush()
    return aj.recent_jobs(**options)


def in_a_process(code, **environment):
    script = textwrap.dedent(code)
    return subprocess.Popen(
        [sys.executable, "-c", script], env=os.environ | environment, stdout=subprocess.PIPE
    )


def test_what_was_read_is_known_and_can_be_refreshed(asana, client, path):
    """Gid, kind, status and name of each job come back as a frame that df.asana takes."""
    jobs = aj.read_asana_jobs(asana.gids(4), client=client)
    recent = known(client=client)
    assert sorted(recent["gid"]) == sorted(jobs["gid"])
    by_gid = recent.set_index("gid").loc[jobs["gid"]]
    for name in ("resource_subtype", "status"):
        assert by_gid[name].tolist() == jobs[name].tolist()
    again = recent.asana.refresh(finished=True, client=client)
    assert again["fetched_at"].notna().all()


def test_an_empty_ledger_is_an_empty_frame_of_the_same_dtypes(asana, client, path):
    """Before the first read, and after; nothing is made by looking."""
    empty = aj.recent_jobs(client=client)
    assert len(empty) == 0
    assert not path.exists()
    aj.read_asana_jobs(asana.gids(1), client=client)
    pd.testing.assert_series_equal(empty.dtypes, known(client=client).dtypes)


def test_only_its_owner_can_read_the_file(asana, client, path):
    """Mode 0600, in a folder of 0700."""
    aj.read_asana_jobs(asana.gids(1), client=client)
    assert flush()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_neither_tokens_nor_urls_nor_users_are_in_it(asana, client, path):
    """The file holds no secret, and no gid of a user."""
    gids = asana.gids(3, "graph_export_request")
    asana.finish(*gids)
    jobs = aj.read_asana_jobs(gids, client=client)
    assert jobs["new_graph_export.download_url"].notna().all()
    assert flush()
    content = path.read_bytes()
    assert gids[0].encode() in content
    for secret in (asana.token, "http", "Signature", client.ask_me()):
        assert secret.encode() not in content


def test_each_account_sees_its_own(sandbox, path):
    """Jobs of another token's user are not shown; those of an unknown one are, to all."""
    mine, other = sandbox(), sandbox(token=ANOTHER)
    with aj.Client(mine.token, base_url=mine.base_url) as client:
        with aj.Client(other.token, base_url=other.base_url) as stranger:
            aj.read_asana_jobs(mine.gids(2), client=client)
            theirs = other.gids(3, start=100)
            aj.read_asana_jobs(theirs, client=stranger)
            for each in (client, stranger):
                assert account.account_of(each, timeout=10)
            LedgerFile(path).write([Sighting("77", time.time_ns() // 1000)])
            assert set(known(client=client)["gid"]) == {*mine.gids(2), "77"}
            assert set(known(client=stranger)["gid"]) == {*theirs, "77"}
    assert len(aj.recent_jobs()) == 6


def test_the_user_is_asked_for_once(asana, client, path):
    """One GET /users/me for each token, however many reads and clients there are."""
    for _ in range(3):
        aj.read_asana_jobs(asana.gids(2), client=client)
    with aj.Client(asana.token, base_url=asana.base_url, requests_per_minute=None) as second:
        aj.read_asana_jobs(asana.gids(2), client=second)
    assert account.account_of(client, timeout=10)
    assert flush()
    assert [request.path for request in asana.requests].count("/api/1.0/users/me") == 1


def test_an_account_that_cannot_be_known_is_no_problem(asana, client, path):
    """When /users/me fails, jobs are read and kept."""
    asana.fault("status", times=1, status=500, gid="me")
    jobs = aj.read_asana_jobs(asana.gids(2), client=client)
    assert jobs["status"].notna().all()
    assert len(known(client=client)) == 2


def test_days_and_statuses(path):
    """What was last seen earlier, or in another status, is left out."""
    now = time.time_ns() // 1000
    days = 86_400 * 10**6
    LedgerFile(path).write(
        [
            Sighting("1", now, status="failed"),
            Sighting("2", now - 5 * days, status="succeeded"),
            Sighting("3", now - 40 * days, status="succeeded"),
        ]
    )
    assert aj.recent_jobs()["gid"].tolist() == ["1", "2"]
    assert aj.recent_jobs(None)["gid"].tolist() == ["1", "2", "3"]
    assert aj.recent_jobs(1)["gid"].tolist() == ["1"]
    assert aj.recent_jobs(status="succeeded")["gid"].tolist() == ["2"]
    assert aj.recent_jobs(None, ["failed", "succeeded"])["gid"].tolist() == ["1", "2", "3"]


@pytest.mark.parametrize("days", [-1, "3", True, float("nan"), float("inf")])
def test_days_that_are_none(days, path):
    """They are named."""
    with pytest.raises(InvalidOptionError, match="days="):
        aj.recent_jobs(days)


@pytest.mark.parametrize("status", [[], 5, [5]])
def test_statuses_that_are_none(status, path):
    """They are named, too."""
    with pytest.raises((InvalidOptionError, TypeError)):
        aj.recent_jobs(status=status)


def test_forget(path):
    """By gid, by time, all; both at once is an error."""
    now = time.time_ns() // 1000
    LedgerFile(path).write([Sighting(str(n), now - n * 10**12) for n in range(1, 6)], [("1", "/x")])
    assert aj.ledger.forget(["1", "99"]) == 1
    assert aj.ledger.forget(before=pd.Timestamp.now("UTC") - pd.Timedelta(46, "D")) == 2
    with pytest.raises(InvalidOptionError, match="either"):
        aj.ledger.forget("2", before="2026-01-01")
    with pytest.raises(InvalidOptionError, match="before="):
        aj.ledger.forget(before="noon")
    assert aj.recent_jobs(None)["gid"].tolist() == ["2", "3"]
    assert aj.ledger.forget() == 2
    assert aj.ledger.path() == path


@pytest.mark.parametrize("off", ["0", "false", "OFF"])
def test_it_can_be_turned_off(off, asana, client, path, monkeypatch):
    """By the environment, for all; nothing is asked and nothing is written."""
    monkeypatch.setenv("ASANA_JOBS_LEDGER", off)
    aj.read_asana_jobs(asana.gids(2), client=client)
    assert len(known(client=client)) == 0
    assert aj.ledger.path() is None
    assert asana.stats.requests == 2
    assert not path.parent.exists()


def test_a_client_can_turn_it_off(asana, path):
    """By the client, for what is asked with it."""
    with aj.connect(asana.token, base_url=asana.base_url, ledger=False) as quiet:
        aj.read_asana_jobs(asana.gids(2), client=quiet)
    assert flush()
    assert not path.exists()


def test_a_sandbox_is_not_taken_down(asana, client, path, monkeypatch):
    """Jobs of a loopback address are nobody's, unless asked for."""
    monkeypatch.delenv("ASANA_JOBS_LEDGER")
    monkeypatch.setattr(
        ledger_writer.platformdirs, "user_data_dir", lambda *a, **k: str(path.parent)
    )
    aj.read_asana_jobs(asana.gids(1), client=client)
    assert flush()
    assert not path.exists()
    with aj.Client(asana.token, base_url=asana.base_url, ledger=True) as wanted:
        aj.read_asana_jobs(asana.gids(1), client=wanted)
        assert len(known(client=wanted)) == 1
    assert path.exists()


@pytest.mark.parametrize("how", ["garbage", "folder", "newer"])
def test_a_ledger_that_cannot_be_written_breaks_no_read(how, asana, client, path):
    """It is told once; looking into it is an error in words."""
    path.parent.mkdir()
    if how == "garbage":
        path.write_bytes(b"no database at all, but long enough to be looked at" * 100)
    elif how == "folder":
        path.mkdir()
    else:
        with sqlite3.connect(path) as connection:
            connection.execute("PRAGMA user_version = 99")
        connection.close()
    ledger_writer._writer_of(path).put(ledger_writer._Filed("1", "/x"))
    assert not flush()
    with pytest.warns(AsanaLedgerWarning, match="ledger"):
        jobs = aj.read_asana_jobs(asana.gids(2), client=client)
    assert jobs["status"].notna().all()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        aj.read_asana_jobs(asana.gids(2), client=client)
    with pytest.raises(LedgerError, match="Move it away"):
        aj.recent_jobs(client=client)


def test_a_full_disk_keeps_what_was_there(path):
    """Whatever does not fit is refused as a whole."""
    now = time.time_ns() // 1000
    small = LedgerFile(path, most_pages=40)
    small.write([Sighting(str(n), now) for n in range(100)])
    with pytest.raises(sqlite3.Error, match="full"):
        small.write([Sighting(str(n), now, label="x" * 200) for n in range(5000)])
    assert len(aj.recent_jobs()) == 100
    small.write([Sighting("100", now)])
    assert len(aj.recent_jobs()) == 101


WRITE = """
    import sys, time
    from pathlib import Path
    from asana_jobs_pd._jobs.ledger_file import LedgerFile, Sighting
    first, count, batch = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    ledger = LedgerFile(Path(sys.argv[4]))
    for start in range(first, first + count, batch):
        ledger.write([Sighting(str(n), 5, status="succeeded") for n in range(start, start + batch)])
        print(start + batch, flush=True)
"""


def writer(path, first, count, batch):
    command = [sys.executable, "-c", textwrap.dedent(WRITE), first, count, batch, path]
    return subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, text=True)


def test_two_processes_write_ten_thousand_rows_each(path):
    """Neither waits in vain, and nothing is lost or doubled; half of the jobs are the same."""
    both = [writer(path, 0, 10_000, 500), writer(path, 5_000, 10_000, 500)]
    for each in both:
        each.communicate(timeout=60)
        assert each.returncode == 0
    gids = aj.recent_jobs(None)["gid"]
    assert len(gids) == 15_000
    assert set(gids) == set(map(str, range(15_000)))


def test_a_process_killed_in_the_middle_leaves_what_it_had_written(path):
    """Each transaction is there as a whole or not at all."""
    process = writer(path, 0, 10**6, 200)
    done = 0
    for line in process.stdout:
        done = int(line)
        if done >= 2_000:
            break
    process.kill()
    process.wait()
    process.stdout.close()
    rows = len(aj.recent_jobs(None))
    assert rows >= done
    assert rows % 200 == 0
    LedgerFile(path).write([Sighting("x", 5)])
    assert len(aj.recent_jobs(None)) == rows + 1


def test_a_process_that_ends_writes_what_is_left(asana, path):
    """The last read of a script is in the ledger, though the writer is a daemon."""
    code = """
        import asana_jobs_pd as aj
        from asana_jobs_pd._jobs import fetch
        fetch.SHORT_WAIT = 0
        aj.read_asana_jobs(["1200000000000000"], fields="status")
    """
    environment = {"ASANA_ACCESS_TOKEN": asana.token, "ASANA_BASE_URL": asana.base_url}
    process = in_a_process(code, **environment)
    process.communicate(timeout=30)
    assert process.returncode == 0
    assert aj.recent_jobs()["gid"].tolist() == ["1200000000000000"]


def test_started_jobs_are_known_with_their_source(asana, client, path):
    """The gid that only the answer to a POST had is taken down with the parent's."""
    parent = asana.parents(1)
    jobs = aj.export_graph(parent, client=client)
    recent = known(client=client)
    assert recent["gid"].tolist() == jobs["gid"].tolist()
    assert recent["source.gid"].tolist() == parent


def test_files_are_known(sandbox, path, tmp_path):
    """Where the file of an export was downloaded to is kept with its job."""
    asana = sandbox(clock=None, export_rows=5)
    gids = asana.gids(2, "export_request")
    asana.finish(*gids)
    with aj.Client(asana.token, base_url=asana.base_url) as client:
        files = aj.download_asana_exports(gids, tmp_path / "exports", client=client)
        recent = known(client=client).set_index("gid")
    assert files["file.error"].isna().all()
    for gid, file in zip(gids, files["file.path"], strict=True):
        assert list(recent.loc[gid, "file.paths"]) == [file]


texts = st.none() | st.text(max_size=20)
records = st.dictionaries(
    st.sampled_from(["resource_subtype", "status", "new_task", "new_project", "x"]),
    texts
    | st.integers()
    | st.dictionaries(st.sampled_from(["name", "gid"]), texts | st.integers()),
)


@given(records)
def test_any_record_can_be_taken_down(record):
    """Whatever Asana sends, the ledger keeps texts that SQLite can hold."""
    seen = sighting_of("1", record, 5)
    for text in (seen.kind, seen.status, seen.label):
        assert text is None or text == text.encode().decode()


sightings = st.builds(
    Sighting,
    st.sampled_from("123"),
    st.integers(0, 9),
    st.sampled_from(["", "a"]),
    status=st.sampled_from([None, "in_progress", "succeeded"]),
)


@settings(max_examples=20)
@given(st.lists(sightings, min_size=1, max_size=4))
def test_the_order_of_writing_does_not_matter_for_the_times(tmp_path_factory, seen):
    """First and last are the earliest and the latest, and a later status wins."""
    file = LedgerFile(tmp_path_factory.mktemp("ledger") / "ledger.sqlite3")
    for each in seen:
        file.write([each])
    for gid, _, status, _, _, first, last, _ in file.recent(0):
        mine = [each for each in seen if each.gid == gid]
        assert first == min(each.at for each in mine)
        assert last == max(each.at for each in mine)
        if statuses := [each for each in mine if each.status]:
            assert status in {each.status for each in statuses}
