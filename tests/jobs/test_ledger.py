"""The ledger: no gid is lost, and nothing else is affected by it."""

from __future__ import annotations

import os
import sqlite3
import stat
import sys
import threading
import time
import warnings

import pandas as pd
import pytest
from child_process import start_child
from hypothesis import given, settings
from hypothesis import strategies as st

import asana_jobs_pd as aj
from asana_jobs_pd._jobs import ledger, ledger_file
from asana_jobs_pd._jobs.ledger import Recorder
from asana_jobs_pd._jobs.ledger_file import LedgerFile, SeenFile, Sighting
from asana_jobs_pd.errors import AsanaLedgerWarning, InvalidOptionError, LedgerError

DAY = 86_400 * 10**6


@pytest.fixture
def path(tmp_path, monkeypatch):
    """A ledger of its own, about which nothing has been reported yet."""
    monkeypatch.setattr(ledger, "_failures", {})
    monkeypatch.setattr(ledger, "_warned", set())
    place = tmp_path / "data" / "ledger.sqlite3"
    monkeypatch.setenv("ASANA_JOBS_LEDGER", str(place))
    return place


def now():
    return time.time_ns() // 1000


def test_jobs_that_were_read_are_known_and_can_be_refreshed(asana, client, path):
    """Gid, subtype, status of each job come back at once, as a frame that df.asana takes."""
    jobs = aj.read_asana_jobs(asana.gids(4), client=client)
    recent = aj.recent_jobs(client=client)
    assert sorted(recent["gid"]) == sorted(jobs["gid"])
    by_gid = recent.set_index("gid").loc[jobs["gid"]]
    for name in ("resource_subtype", "status"):
        assert by_gid[name].tolist() == jobs[name].tolist()
    again = recent.asana.refresh(finished=True, client=client)
    assert again["fetched_at"].notna().all()


def test_an_empty_ledger_is_an_empty_frame_of_the_same_dtypes(asana, client, path):
    """Before the first read, and after; looking creates nothing."""
    empty = aj.recent_jobs(client=client)
    assert len(empty) == 0
    assert not path.exists()
    aj.read_asana_jobs(asana.gids(1), client=client)
    pd.testing.assert_series_equal(empty.dtypes, aj.recent_jobs(client=client).dtypes)


def test_only_its_owner_can_read_the_file(asana, client, path):
    """Mode 0600, in a folder of 0700."""
    aj.read_asana_jobs(asana.gids(1), client=client)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_neither_tokens_nor_signed_urls_are_in_it(asana, client, path):
    """The file holds no secret, and nothing but the jobs is asked for."""
    gids = asana.gids(3, "graph_export_request")
    asana.finish(*gids)
    jobs = aj.read_asana_jobs(gids, client=client)
    assert jobs["new_graph_export.download_url"].notna().all()
    content = path.read_bytes()
    assert gids[0].encode() in content
    for secret in (asana.token, "Signature", "X-Amz"):
        assert secret.encode() not in content
    assert {request.path for request in asana.requests} == {f"/api/1.0/jobs/{g}" for g in gids}


def test_each_asana_has_its_own_jobs(sandbox, path):
    """Jobs are told apart by base URL, the same gid too; without a client all are shown."""
    one, other = sandbox(), sandbox()
    with aj.Client(one.token, base_url=one.base_url) as client:
        aj.read_asana_jobs(one.gids(2), client=client)
        with aj.Client(other.token, base_url=other.base_url) as second:
            other.finish(*other.gids(3))
            aj.read_asana_jobs(other.gids(3), client=second)
            assert set(aj.recent_jobs(client=second)["gid"]) == set(other.gids(3))
            assert set(aj.recent_jobs(client=second)["status"]) == {"succeeded"}
        assert set(aj.recent_jobs(client=client)["gid"]) == set(one.gids(2))
        assert set(aj.recent_jobs(client=client)["status"]) != {"succeeded"}
    assert len(aj.recent_jobs()) == 5


def test_days_and_statuses(path):
    """Jobs last seen earlier, or in another status, are left out."""
    LedgerFile(path).write(
        [
            Sighting("1", now(), status="failed"),
            Sighting("2", now() - 5 * DAY, status="succeeded"),
            Sighting("3", now() - 40 * DAY, status="succeeded"),
        ]
    )
    assert aj.recent_jobs()["gid"].tolist() == ["1", "2"]
    assert aj.recent_jobs(None)["gid"].tolist() == ["1", "2", "3"]
    assert aj.recent_jobs(1)["gid"].tolist() == ["1"]
    assert aj.recent_jobs(status="succeeded")["gid"].tolist() == ["2"]
    assert aj.recent_jobs(None, ["failed", "succeeded"])["gid"].tolist() == ["1", "2", "3"]


@pytest.mark.parametrize("days", [-1, "3", True, float("nan"), float("inf")])
def test_invalid_days_are_named(days, path):
    """The error shows the value."""
    with pytest.raises(InvalidOptionError, match="days="):
        aj.recent_jobs(days)


@pytest.mark.parametrize("status", [[], 5, [5]])
def test_invalid_statuses_are_refused(status, path):
    """The error shows the value, too."""
    with pytest.raises((InvalidOptionError, TypeError)):
        aj.recent_jobs(status=status)


def test_forget(path):
    """By gid, by time, all; both at once is an error."""
    rows = [Sighting(str(n), now() - n * 10**12) for n in range(1, 6)]
    LedgerFile(path).write(rows, [SeenFile("", "1", "/x")])
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
def test_the_environment_turns_it_off(off, asana, client, path, monkeypatch):
    """Nothing is written, and nothing is known."""
    monkeypatch.setenv("ASANA_JOBS_LEDGER", off)
    aj.read_asana_jobs(asana.gids(2), client=client)
    assert len(aj.recent_jobs(client=client)) == 0
    assert aj.ledger.path() is None
    assert not path.parent.exists()


def test_a_client_turns_it_off_for_its_own_reads(asana, path):
    """``ledger=False``."""
    with aj.connect(asana.token, base_url=asana.base_url, ledger=False) as quiet:
        aj.read_asana_jobs(asana.gids(2), client=quiet)
    assert not path.exists()


def test_jobs_of_a_sandbox_are_recorded_only_on_request(asana, client, path, monkeypatch):
    """By default a loopback address has no ledger."""
    monkeypatch.delenv("ASANA_JOBS_LEDGER")
    monkeypatch.setattr(ledger.platformdirs, "user_data_dir", lambda *a, **k: str(path.parent))
    aj.read_asana_jobs(asana.gids(1), client=client)
    assert not path.exists()
    with aj.Client(asana.token, base_url=asana.base_url, ledger=True) as wanted:
        aj.read_asana_jobs(asana.gids(1), client=wanted)
        assert len(aj.recent_jobs(client=wanted)) == 1
    assert path.exists()


def limit_size(patch, pages):
    tables = f"PRAGMA max_page_count = {pages}; {ledger_file._TABLES}"
    patch.setattr(ledger_file, "_TABLES", tables)


def locked(path, stack):
    LedgerFile(path).write([])
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    stack.callback(connection.close)
    connection.execute("BEGIN EXCLUSIVE")


def garbage(path, _):
    path.parent.mkdir()
    path.write_bytes(b"no database at all, but long enough to be looked at" * 100)


def corrupt(path, _):
    LedgerFile(path).write([Sighting(str(n), now()) for n in range(3000)])
    content = bytearray(path.read_bytes())
    content[5000:60_000] = os.urandom(55_000)
    path.write_bytes(content)


def newer(path, _):
    path.parent.mkdir()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()


def of_another_program(path, _):
    path.parent.mkdir()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE jobs (name TEXT)")
    connection.close()


def a_folder(path, _):
    path.mkdir(parents=True)


def a_pipe(path, _):
    path.parent.mkdir()
    os.mkfifo(path)


def below_a_file(path, _):
    path.parent.write_text("not a folder")


def read_only(path, stack):
    LedgerFile(path).write([])
    original = os.open

    def refuse_to_write(name, *args, **options):
        if name == path:
            raise PermissionError(13, "Permission denied")
        return original(name, *args, **options)

    stack.enter_context(pytest.MonkeyPatch.context()).setattr(os, "open", refuse_to_write)


def full(path, stack):
    limit_size(stack.enter_context(pytest.MonkeyPatch.context()), 1)


def a_url(path, stack):
    patch = stack.enter_context(pytest.MonkeyPatch.context())
    patch.setenv("ASANA_JOBS_LEDGER", "s3://bucket/ledger.sqlite3")


def not_utf8(path, stack):
    patch = stack.enter_context(pytest.MonkeyPatch.context())
    patch.setenv("ASANA_JOBS_LEDGER", f"{path}-caf\udce9")


def no_home(path, stack):
    patch = stack.enter_context(pytest.MonkeyPatch.context())
    patch.setenv("ASANA_JOBS_LEDGER", "~nobody-of-this-name/ledger.sqlite3")


def no_home_by_default(path, stack):
    patch = stack.enter_context(pytest.MonkeyPatch.context())
    patch.setenv("ASANA_JOBS_LEDGER", "1")
    patch.setattr(ledger.platformdirs, "user_data_dir", lambda *a, **k: "~/.local/share")


def no_home_of_newer_platformdirs(path, stack):
    def user_data_dir(*_, **__):
        raise RuntimeError("could not determine the home directory")

    patch = stack.enter_context(pytest.MonkeyPatch.context())
    patch.setenv("ASANA_JOBS_LEDGER", "1")
    patch.setattr(ledger.platformdirs, "user_data_dir", user_data_dir)


def no_sqlite(path, stack):
    LedgerFile(path).write([])
    stack.enter_context(pytest.MonkeyPatch.context()).setitem(sys.modules, "sqlite3", None)


def anything_else(path, stack):
    def write(*_):
        raise RecursionError("whatever it is")

    stack.enter_context(pytest.MonkeyPatch.context()).setattr(LedgerFile, "write", write)


TROUBLES = [
    locked, garbage, corrupt, newer, of_another_program, a_folder, a_pipe, below_a_file, read_only,
    full, a_url, not_utf8, no_home, no_home_by_default, no_home_of_newer_platformdirs, no_sqlite,
    anything_else,
]  # fmt: skip
TELLS_READERS = [
    locked, garbage, corrupt, newer, a_folder, a_pipe, a_url, not_utf8, no_home, no_home_by_default,
    no_home_of_newer_platformdirs, no_sqlite,
]  # fmt: skip


@pytest.fixture
def trouble(request, path):
    """A ledger that cannot be written."""
    import contextlib

    with contextlib.ExitStack() as stack:
        request.param(path, stack)
        yield request.param


@pytest.mark.parametrize(
    ("verb", "trouble"),
    [("read", trouble) for trouble in TROUBLES]
    + [(verb, each) for verb in ("start", "wait", "download") for each in (locked, no_home, full)],
    indirect=["trouble"],
)
def test_a_ledger_that_cannot_be_written_is_one_warning(verb, trouble, sandbox, tmp_path):
    """The frame is complete, whatever the reason; a second call does not repeat the warning."""
    asana = sandbox(clock=None, export_rows=5)
    exports = asana.gids(2, "export_request")
    asana.finish(*exports, *asana.gids(2))
    with aj.Client(asana.token, base_url=asana.base_url, ledger=True) as client:
        calls = {
            "read": lambda: aj.read_asana_jobs(asana.gids(2), client=client)["status"],
            "start": lambda: aj.export_graph(asana.parents(2), client=client)["gid"],
            "wait": lambda: aj.wait_asana_jobs(asana.gids(2), client=client)["status"],
            "download": lambda: aj.download_asana_exports(exports, tmp_path, client=client)[
                "file.path"
            ],
        }
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            values = calls[verb]()
        assert values.notna().all()
        ours = [warning for warning in caught if warning.category is AsanaLedgerWarning]
        assert len(ours) == len(caught) == 1
        assert "ledger" in str(ours[0].message)
        assert ours[0].filename == __file__
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert calls[verb]().notna().all()


@pytest.mark.parametrize("trouble", TELLS_READERS, indirect=True)
def test_looking_into_it_is_an_error_in_words(trouble):
    """One of our errors, for `recent_jobs` and `forget`."""
    with pytest.raises(LedgerError, match=r"(?i)ledger"):
        aj.recent_jobs()
    with pytest.raises(LedgerError, match=r"(?i)ledger"):
        aj.ledger.forget()


def test_a_file_without_content_has_no_jobs(client, path, asana):
    """A process that was killed before its first transaction leaves one; the next read fills it."""
    path.parent.mkdir()
    path.touch()
    assert len(aj.recent_jobs()) == 0
    aj.read_asana_jobs(asana.gids(1), client=client)
    assert len(aj.recent_jobs()) == 1


@pytest.mark.parametrize("setting", ["1", "true", "Yes", "ON", " "])
def test_the_ledger_may_be_turned_on(monkeypatch, tmp_path, setting):
    """Words that mean yes are not taken for file names."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setenv("ASANA_JOBS_LEDGER", setting)
    assert aj.ledger.path().name == "ledger.sqlite3"


@pytest.mark.parametrize("verb", ["read", "start", "wait"])
def test_a_warning_turned_into_an_error_carries_the_frame(verb, asana, client, path):
    """What was read or started is in ``.frame``."""
    path.mkdir(parents=True)
    asana.finish(*asana.gids(2))
    calls = {
        "read": lambda: aj.read_asana_jobs(asana.gids(2), client=client),
        "start": lambda: aj.export_graph(asana.parents(2), client=client),
        "wait": lambda: aj.wait_asana_jobs(asana.gids(2), client=client),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(AsanaLedgerWarning) as caught:
            calls[verb]()
    assert caught.value.frame["gid"].notna().all()
    assert caught.value.frame["status"].notna().all()


def test_a_locked_ledger_delays_a_read_by_a_moment_only(asana, client, path):
    """It waits at most 0.2 s; the next read records the job."""
    (gid,) = asana.gids(1)
    LedgerFile(path).write([])
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    began = time.monotonic()
    with pytest.warns(AsanaLedgerWarning, match="locked"):
        aj.read_asana_jobs(gid, client=client)
    assert time.monotonic() - began < 2
    other.execute("ROLLBACK")
    other.close()
    aj.read_asana_jobs(gid, client=client)
    assert aj.recent_jobs()["gid"].tolist() == [gid]


def test_jobs_that_could_not_be_written_are_written_with_the_next(client, path):
    """A briefly locked ledger loses nothing, and no warning is given."""
    recorder = Recorder(client)
    recorder.add("1", {"status": "not_started"}, now(), ("7", "hash"))
    path.mkdir(parents=True)
    recorder.write()
    assert ledger._failures
    path.rmdir()
    recorder.add("1", {"status": "succeeded"}, now())
    recorder.write()
    (row,) = aj.recent_jobs().to_dict("records")
    assert (row["gid"], row["status"], row["source.gid"]) == ("1", "succeeded", "7")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ledger.warn_of_ledger_failures()


def test_many_threads_record_at_once(client, path):
    """As when five jobs are started together: each is there in the end."""
    recorder = Recorder(client)

    def start(number):
        recorder.add(str(number), {"status": "not_started"}, now(), ("7", "hash"))
        recorder.write()

    threads = [threading.Thread(target=start, args=(number,)) for number in range(1, 31)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    deadline = time.monotonic() + 20
    while recorder._jobs and time.monotonic() < deadline:
        recorder.write()
    assert len(aj.recent_jobs()) == 30


def test_a_full_disk_keeps_what_was_there(path, monkeypatch):
    """A transaction that does not fit is rejected as a whole."""
    limit_size(monkeypatch, 40)
    small = LedgerFile(path)
    small.write([Sighting(str(n), now()) for n in range(100)])
    with pytest.raises(sqlite3.Error, match="full"):
        small.write([Sighting(str(n), now(), label="x" * 200) for n in range(5000)])
    assert len(aj.recent_jobs()) == 100
    small.write([Sighting("100", now())])
    assert len(aj.recent_jobs()) == 101


WRITE = """
    import sqlite3, sys
    from pathlib import Path
    from asana_jobs_pd._jobs.ledger_file import LedgerFile, SeenFile, Sighting
    first, count, batch = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    ledger = LedgerFile(Path(sys.argv[4]))
    for start in range(first, first + count, batch):
        rows = [Sighting(str(n), 5, status="succeeded") for n in range(start, start + batch)]
        while True:
            try:
                ledger.write(rows)
                break
            except sqlite3.OperationalError as error:
                assert "locked" in str(error)
        print(start + batch, flush=True)
"""


def writer(path, first, count, batch):
    return start_child(WRITE, first, count, batch, path, folder=path.parent.parent)


@pytest.mark.slow
def test_two_processes_write_ten_thousand_rows_each(path):
    """Nothing is lost or doubled, whichever process has to retry; half of the jobs are the same."""
    both = [writer(path, 0, 10_000, 500), writer(path, 5_000, 10_000, 500)]
    for each in both:
        each.communicate(timeout=300)
        assert each.returncode == 0
    gids = aj.recent_jobs(None)["gid"]
    assert len(gids) == 15_000
    assert set(gids) == set(map(str, range(15_000)))


@pytest.mark.slow
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


def test_started_jobs_are_known_with_their_source(asana, client, path):
    """A gid that only the response to the POST had is recorded with its parent's."""
    parent = asana.parents(1)
    jobs = aj.export_graph(parent, client=client)
    recent = aj.recent_jobs(client=client)
    assert recent["gid"].tolist() == jobs["gid"].tolist()
    assert recent["source.gid"].tolist() == parent


def test_watched_jobs_are_known_as_they_were_seen_last(asana, client, path):
    """A monitor records what has changed: all of it, when waiting for it returns."""
    gids = asana.gids(3)
    asana.finish(*gids)
    monitor = aj.JobsMonitor(gids, client=client).start()
    assert monitor.wait(60)
    recent = aj.recent_jobs(client=client)
    assert set(recent["gid"]) == set(gids)
    assert set(recent["status"]) == {"succeeded"}


def test_files_are_known(sandbox, path, tmp_path):
    """Where the file of an export was downloaded to is kept with its job."""
    asana = sandbox(clock=None, export_rows=5)
    gids = asana.gids(2, "export_request")
    asana.finish(*gids)
    with aj.Client(asana.token, base_url=asana.base_url) as client:
        files = aj.download_asana_exports(gids, tmp_path / "exports", client=client)
        recent = aj.recent_jobs(client=client).set_index("gid")
    assert files["file.error"].isna().all()
    for gid, file in zip(gids, files["file.path"], strict=True):
        assert list(recent.loc[gid, "file.paths"]) == [file]


texts = st.none() | st.text(max_size=20) | st.just("half \ud83d of an emoji")
records = st.dictionaries(
    st.sampled_from(["resource_subtype", "status", "new_task", "new_project", "x"]),
    texts
    | st.integers()
    | st.dictionaries(st.sampled_from(["name", "gid"]), texts | st.integers()),
)


@settings(max_examples=20)
@given(record=records)
def test_any_record_can_be_recorded(record, tmp_path_factory):
    """Whatever Asana sends, the ledger stores the job and returns it."""
    file = LedgerFile(tmp_path_factory.mktemp("ledger") / "ledger.sqlite3")
    file.write([ledger._sighting("1", record, 5, "https://x.example", None)])
    assert ledger._frame(file.recent(0))["gid"].tolist() == ["1"]


sightings = st.builds(
    Sighting,
    st.sampled_from("123"),
    st.integers(0, 9),
    st.sampled_from(["", "https://x.example"]),
    status=st.sampled_from([None, "in_progress", "succeeded"]),
    created=st.none() | st.integers(0, 9),
    completed=st.none() | st.integers(0, 9),
)


@settings(max_examples=20)
@given(st.lists(sightings, min_size=1, max_size=4))
def test_the_order_of_writing_does_not_matter_for_the_times(tmp_path_factory, seen):
    """First and last are the earliest and the latest, and a later status wins."""
    file = LedgerFile(tmp_path_factory.mktemp("ledger") / "ledger.sqlite3")
    for each in seen:
        file.write([each._replace(base_url="https://x.example")])
    for gid, _, status, _, _, first, last, _ in file.recent(0):
        mine = [each for each in seen if each.gid == gid]
        assert first == min(each.at for each in mine)
        assert last == max(each.at for each in mine)
        if statuses := [each for each in mine if each.status]:
            assert status in {each.status for each in statuses}
