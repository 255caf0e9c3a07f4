"""``asana-jobs export``, ``recent`` and ``watch``, as a user calls them."""

from __future__ import annotations

import io
import json
import os
import signal
import sys
import threading
import time

import pandas as pd
import pytest
from conftest import TOKEN
from driven import until
from hypothesis import given
from hypothesis import strategies as st
from made import URL

from asana_jobs_pd import read_asana_export, read_asana_jobs
from asana_jobs_pd.__main__ import main
from asana_jobs_pd._cli.watch_command import Live, Size, table_lines

JOBS = [f"1203900000000{number:03d}" for number in range(3)]
"""The gids of the first graph exports that a sandbox starts."""
LINES = st.lists(st.integers(0, 80).map("x".__mul__), max_size=30)
DRAWINGS = st.lists(LINES, min_size=1, max_size=4)
ON_POSIX = pytest.mark.skipif(os.name != "posix", reason="it needs a pty")


@pytest.fixture
def asana(asana, monkeypatch):
    """The sandbox, named by the environment."""
    for name, value in asana.environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("COLUMNS", "150")
    return asana


@pytest.fixture
def done(asana):
    """Let exports be finished as soon as they are started."""
    for gid in JOBS:
        export = {
            "gid": "1",
            "completed_at": "2020-01-01T00:00:00Z",
            "download_url": asana.export_url(gid, "graph_export"),
        }
        record = {"gid": gid, "resource_type": "job", "resource_subtype": "graph_export_request"}
        asana.record(gid, {**record, "status": "succeeded", "new_graph_export": export})


@pytest.fixture
def ledger(tmp_path, monkeypatch):
    """A ledger of its own."""
    monkeypatch.setenv("ASANA_JOBS_LEDGER", str(tmp_path / "ledger.sqlite3"))
    return tmp_path / "ledger.sqlite3"


@pytest.fixture
def screen(monkeypatch):
    """A terminal that the commands of this test write to."""
    from screen import Screen

    made = []

    def make(**size):
        made.append(Screen(**size))
        monkeypatch.setattr(sys, "stdout", made[-1].stream)
        monkeypatch.setenv("TERM", "xterm")
        return made[-1]

    yield make
    for each in made:
        if not each.stream.closed:
            each.end()


def posts(asana):
    return [request for request in asana.requests if request.method == "POST"]


def interrupt_when(condition, after=0.0):
    def wait():
        try:
            until(condition)
            time.sleep(after)
        finally:
            os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=wait, daemon=True).start()


def code_of(arguments):
    try:
        return main(arguments)
    except SystemExit as stop:
        return stop.code


def table_of(out):
    return [line.split() for line in out.splitlines()]


def test_export_goes_from_parents_to_parquet(asana, done, tmp_path, capsys):
    """Started once each, downloaded, converted; a row for each parent; the cache is told of."""
    parents = asana.parents(2)
    assert main(["export", *parents, "--download", str(tmp_path), "--to", "parquet"]) == 0
    out, err = capsys.readouterr()
    head, *rows = table_of(out)
    assert head == ["parent", "job", "state", "status", "file", "or", "error"]
    assert [row[0] for row in rows] == parents
    assert sorted(row[1] for row in rows) == JOBS[:2]
    for row in rows:
        assert row[2:] == ["started", "succeeded", f"{row[1]}-graph.jsonl.gz"]
    files = [tmp_path / row[4] for row in rows]
    tasks = pd.read_parquet(tmp_path / "parquet" / "task")
    assert len(tasks) == len(read_asana_export(files)["task"]) > 0
    assert f"{len(tasks)} task" in err
    assert "2 of 2 exports come from Asana's cache" in err
    assert len(posts(asana)) == 2
    for text in (out, err):
        assert "Signature" not in text
        assert TOKEN not in text


def test_export_names_what_failed_and_goes_on_with_the_rest(asana, done, tmp_path, capsys):
    """A refused parent keeps its row and its reason, and gives 1; the formats hold everything."""
    parents = asana.parents(1)
    path = tmp_path / "jobs.csv"
    words = ["export", *parents, "999", "--download", str(tmp_path / "a" / "b")]
    assert main([*words, "--output", str(path)]) == 1
    frame = pd.read_csv(path, dtype="string")
    assert frame["source.gid"].tolist() == [*parents, "999"]
    assert frame["source.state"].tolist() == ["started", "refused"]
    assert frame["error.message"].tolist()[1] == "parent: Unknown object: 999"
    assert frame["file.path"].isna().tolist() == [False, True]
    assert "Signature" not in path.read_text(encoding="utf-8")
    capsys.readouterr()
    assert main(["export", "999"]) == 1
    assert "999     refused  404 parent: Unknown object: 999" in capsys.readouterr().out


def test_export_with_a_broken_file_says_so(asana, done, tmp_path, capsys):
    """A file that cannot be downloaded or converted gives 1; the table is printed all the same."""
    words = ["export", *asana.parents(1), "--download", str(tmp_path), "--to", "parquet"]
    asana.publish(JOBS[0], b"no gzip")
    assert main(words) == 1
    out, err = capsys.readouterr()
    assert JOBS[0] in out
    assert "There are no files to convert." in err
    import gzip

    asana.publish(JOBS[1], gzip.compress(b'{"gid": "1", \n'))
    assert main(words) == 1
    out, err = capsys.readouterr()
    assert f"{JOBS[1]}-graph.jsonl.gz" in out
    assert "line 1" in err
    assert not (tmp_path / "parquet").exists()


def test_a_dry_run_sends_nothing(asana, capsys, monkeypatch):
    """It shows each request, also for parents from standard input, and needs no token."""
    monkeypatch.delenv("ASANA_ACCESS_TOKEN")
    monkeypatch.setattr(sys, "stdin", io.StringIO("12 13,\n14"))
    assert main(["export", "-", "--dry-run"]) == 0
    out = capsys.readouterr().out
    for gid in ("12", "13", "14"):
        assert f'/exports/graph  {{"data":{{"parent":"{gid}"}}}}' in out
    assert asana.stats.requests == 0


def test_a_second_conversion_replaces_only_when_told_to(asana, done, tmp_path, capsys):
    """It is refused before any export is started."""
    words = ["export", *asana.parents(1), "--download", str(tmp_path), "--to", "parquet"]
    assert main(words) == 0
    asana.reset_stats()
    capsys.readouterr()
    assert code_of(words) == 2
    assert "--overwrite replaces it" in capsys.readouterr().err
    assert asana.stats.requests == 0
    assert main([*words, "--overwrite"]) == 0
    assert len(posts(asana)) == 1


def test_a_conversion_without_one_of_the_files_replaces_nothing(asana, done, tmp_path, capsys):
    """A new dataset is written, with a warning that names the export; an old one stays."""
    words = ["export", *asana.parents(1), "999", "--download", str(tmp_path), "--to", "parquet"]
    assert main(words) == 1
    err = capsys.readouterr().err
    assert "1 of the rows are exports without a file" in err
    assert "999: parent: Unknown object: 999" in err
    before = pd.read_parquet(tmp_path / "parquet" / "task")
    assert main([*words, "--overwrite"]) == 1
    err = capsys.readouterr().err
    assert "not replaced: an export has no file (999: parent: Unknown object: 999)" in err
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "parquet" / "task"), before)


@pytest.mark.parametrize("parents", [6, 2])
def test_an_interrupt_loses_no_gid(asana, capsys, parents):
    """While jobs are started or waited for: each has a row, and how to continue is shown."""
    started = min(parents, 5)
    gids = asana.parents(parents)
    # A job is polled once its start was answered, so all answers have arrived.
    interrupt_when(lambda: len({r.path for r in asana.requests if r.method == "GET"}) >= started)
    assert main(["export", *gids]) == 130
    out, err = capsys.readouterr()
    rows = table_of(out)[1:]
    assert [row[0] for row in rows] == gids
    jobs = [row[1] for row in rows if "started" in row]
    assert len(jobs) == started
    assert f"asana-jobs watch {' '.join(jobs)}\n" in err
    assert len(posts(asana)) == started


def test_an_interrupted_download_loses_no_gid(asana, done, tmp_path, capsys):
    """Nor any file that was downloaded."""
    asana.fault("slow", where="exports", gid=JOBS[0], seconds=60)
    files = tmp_path / "files"
    interrupt_when(lambda: len(list(files.glob("*.gz"))) == 1, after=0.1)
    assert main(["export", *asana.parents(2), "--download", str(files), "--to", "parquet"]) == 130
    out, err = capsys.readouterr()
    assert sorted(row[1] for row in table_of(out)[1:]) == JOBS[:2]
    assert f"{JOBS[1]}-graph.jsonl.gz" in out
    assert f"download_asana_exports([…], {str(files)!r})" in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["export", "1", "--to", "parquet"], "--to parquet needs --download"),
        (["export", "1", "--to", "csv", "--download", "x"], "invalid choice"),
        (["export", "1", "--overwrite"], "--overwrite needs --to parquet"),
        (["export", "1", "--download", __file__], "--download"),
        (["export", "1", "--output", "nowhere/jobs.csv"], "there is no folder"),
        (["export", "1", "--output", "jobs.xls"], "add --format"),
        (["export", "12x"], "'12x' is not a gid"),
        (["export"], "PARENT"),
        (["watch"], "GID"),
        (["watch", "12x"], "'12x' is not a gid"),
        (["watch", "gids.txt"], "cat gids.txt | asana-jobs watch -"),
        (["gids.csv"], "cat gids.csv | asana-jobs -"),
        (
            ["export", "https://app.asana.com/0/0/12"],
            "this command needs a goal, team, portfolio or project",
        ),
        (["recent", "12"], "unrecognized"),
        (["recent", "--days", "-1"], "neither a number of days nor the word 'all'"),
        (["recent", "--days", "few"], "neither a number of days nor the word 'all'"),
        (["exprt", "12"], "'exprt' is neither a gid nor a command"),
        (["--wait"], "GID"),
    ],
)
def test_calls_that_are_off_give_2(asana, capsys, arguments, words):
    """Usage errors say what is wrong; no request is made."""
    assert code_of(arguments) == 2
    assert words in capsys.readouterr().err
    assert asana.stats.requests == 0


@pytest.mark.parametrize("command", ["export", "watch"])
def test_without_a_token_that_is_accepted_it_is_2(asana, capsys, monkeypatch, command):
    """The message does not show the token."""
    monkeypatch.setenv("ASANA_ACCESS_TOKEN", TOKEN + "0")
    assert main([command, asana.parents(1)[0]]) == 2
    out, err = capsys.readouterr()
    assert "ASANA_ACCESS_TOKEN" in err
    assert TOKEN not in out + err


def test_help_of_each_command_tells_the_exit_codes(capsys):
    """The main help lists all commands."""
    for command in ([], ["export"], ["recent"], ["watch"]):
        assert code_of([*command, "--help"]) == 0
        out = capsys.readouterr().out
        assert "Exit codes: 0" in out
        assert max(map(len, out.splitlines())) <= 100
        if not command:
            for name in ("export", "recent", "watch"):
                assert f"asana-jobs {name}" in out


def test_recent_lists_what_was_read(asana, ledger, capsys):
    """As a table, as gids for another command, as JSON, and by status; no request is made."""
    gids = asana.gids(4)
    asana.finish(gids[0])
    jobs = read_asana_jobs(gids).set_index("gid")
    asana.reset_stats()
    assert main(["recent"]) == 0
    out = capsys.readouterr().out
    lines = out.splitlines()[1:]
    head, *rows = table_of(out)
    assert " ".join(head).startswith("gid kind status")
    assert " ".join(head).endswith("last seen (UTC)")
    assert len(rows) == 4
    statuses = jobs["status"].str.replace("_", " ")
    assert all(f"  {statuses[row[0]]}  " in line for row, line in zip(rows, lines, strict=True))
    assert main(["recent", "--status", "succeeded", "--format", "gids"]) == 0
    assert capsys.readouterr().out == f"{gids[0]}\n"
    assert main(["recent", "--days", "all", "--format", "json"]) == 0
    assert {row["gid"] for row in json.loads(capsys.readouterr().out)} == set(gids)
    assert asana.stats.requests == 0


def test_recent_knows_files_and_sources(asana, done, ledger, tmp_path, capsys):
    """Earlier exports can be found again; CSV has one path per line."""
    parent = asana.parents(1)[0]
    assert main(["export", parent, "--download", str(tmp_path)]) == 0
    capsys.readouterr()
    assert main(["recent", "--format", "csv"]) == 0
    frame = pd.read_csv(io.StringIO(capsys.readouterr().out), dtype="string")
    row = frame.iloc[0]
    assert (row["gid"], row["source.gid"]) == (JOBS[0], parent)
    assert row["file.paths"] == str(tmp_path / f"{JOBS[0]}-graph.jsonl.gz")


def test_recent_without_jobs_is_friendly(asana, ledger, capsys, monkeypatch):
    """It says where they would be listed, or what turns that off; a broken ledger gives 1."""
    assert main(["recent", "--status", "failed", "--status", "in_progress"]) == 0
    out, err = capsys.readouterr()
    assert not out
    assert "No jobs with status failed or in_progress were seen in the last 30 days." in err
    assert str(ledger) in err
    ledger.write_bytes(b"no database" * 1000)
    assert main(["recent"]) == 1
    assert "cannot be used" in capsys.readouterr().err
    monkeypatch.setenv("ASANA_JOBS_LEDGER", "0")
    assert main(["recent"]) == 0
    assert "ASANA_JOBS_LEDGER turns it off" in capsys.readouterr().err


def test_watch_prints_a_line_for_each_change_where_there_is_no_terminal(asana, capsys):
    """The last line says how it ended; control characters and signatures are left out."""
    gids = asana.gids(2)
    asana.finish(gids[0])
    asana.progress(gids[1], status="failed")
    name = f"a\x1b[2Jb {URL}"
    record = {"gid": "7", "status": "succeeded", "new_task": {"gid": "1", "name": name}}
    asana.record("7", record)
    assert main(["watch", *gids, "7", "999"]) == 1
    out = capsys.readouterr().out
    lines = out.splitlines()
    assert lines[-1] == "4 of 4 finished: 2 succeeded, 1 failed, 1 unreadable."
    assert sorted(line.split()[1] for line in lines[:-1]) == sorted([*gids, "7", "999"])
    assert "404 job: Unknown object: 999" in out
    assert "\x1b" not in out
    assert "Signature" not in out


@ON_POSIX
def test_watch_draws_a_table_in_its_place(asana, screen, capsys):
    """Rows change in place; at the end the last table stays and the cursor is shown again."""
    gids = asana.gids(3)
    for gid in gids:
        asana.progress(gid)
    shown = screen(columns=70, lines=12)

    hidden = []

    def finish():
        try:
            until(lambda: sum("  in progress" in row for row in shown.rows) == 3)
            hidden.append(not shown.cursor)
        finally:
            asana.finish(*gids)

    helper = threading.Thread(target=finish)
    helper.start()
    assert main(["watch", *gids]) == 0
    helper.join()
    assert hidden == [True]
    shown.end()
    assert [row.split()[0] for row in shown.rows[:4]] == ["gid", *gids]
    assert all("succeeded" in row for row in shown.rows[1:4])
    assert shown.rows[4:] == ["3 of 3 finished: 3 succeeded.", ""]
    assert shown.cursor
    assert shown.wrap
    assert "  in progress" in shown.text
    assert capsys.readouterr().err == ""


@ON_POSIX
def test_an_interrupt_leaves_the_last_table(asana, screen, capsys):
    """The whole table, however small the terminal; earlier drawings fit it and count the rest."""
    gids = asana.gids(20)
    for gid in gids:
        asana.progress(gid)
    shown = screen(columns=48, lines=8)
    interrupt_when(lambda: any("more" in row for row in shown.rows))
    assert main(["watch", *gids]) == 130
    shown.end()
    assert "… and 16 more" in shown.text
    assert [row.split()[0] for row in shown.rows[1:21]] == gids
    assert all("in progress" in row for row in shown.rows[1:21])
    assert shown.cursor
    assert "Interrupted: 0 of 20 finished: 20 in progress." in capsys.readouterr().err


def test_where_not_all_rows_fit_the_unfinished_come_first(asana, client):
    """Those are the ones people wait for."""
    gids = asana.gids(9)
    for gid in gids:
        asana.finish(gid) if gid in gids[:7] else asana.progress(gid)
    jobs = read_asana_jobs(gids, client=client)
    lines = table_lines(jobs, Size(80, 8))
    assert len(lines) == 6
    assert [line.split()[0] for line in lines[1:5]] == [*gids[7:], *gids[:2]]
    assert lines[5] == "… and 5 more"
    assert len(table_lines(jobs, Size(80, 12))) == 10


@ON_POSIX
@given(DRAWINGS)
def test_each_drawing_takes_the_place_of_the_last(drawings):
    """However long they are; the last one stays complete, below earlier output."""
    from screen import Emulator

    terminal = Emulator()
    terminal.write("$ asana-jobs\n")
    with Live(terminal) as live:
        for lines in drawings:
            live.draw(lines)
            assert terminal.rows == ["$ asana-jobs", *lines[:23], ""]
            assert not terminal.cursor
        live.leave(drawings[0])
    assert terminal.rows == ["$ asana-jobs", *drawings[0], ""]
    assert terminal.cursor
    assert terminal.wrap


def test_warnings_are_said_in_words(sandbox, monkeypatch, capsys):
    """Without the source line that Python would show."""
    asana = sandbox(token=TOKEN, changes=["name=new_gids;info=https://x.example;affected=true"])
    for name, value in asana.environ.items():
        monkeypatch.setenv(name, value)
    assert main(asana.gids(1)) == 0
    err = capsys.readouterr().err
    assert err.startswith("asana-jobs: ")
    assert "new_gids" in err
    assert "Warning:" not in err


def test_a_reader_that_goes_away_is_no_error(asana, monkeypatch):
    """As in ``asana-jobs … | head``."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w", encoding="utf-8") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        assert main(asana.gids(1)) == 141
