"""``asana-jobs export``, ``recent`` and ``watch``, as a user calls them."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
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

import asana_jobs_pd as aj
from asana_jobs_pd import read_asana_export, read_asana_jobs
from asana_jobs_pd.__main__ import main
from asana_jobs_pd._cli.commands import COMMANDS
from asana_jobs_pd._cli.watch_command import Live, table_lines

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


def test_gids_of_a_spreadsheet_are_read_from_its_file(asana, tmp_path, capsys):
    """Semicolons and other columns are no obstacle, and rows without a gid are left out."""
    first, second, third = asana.gids(3)
    (tmp_path / "jobs.csv").write_text(f"name;GID\nx;{first}\ny;{second}\nz;\n")
    assert main([third, "--file", str(tmp_path / "jobs.csv"), "--format", "csv"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(",")[0] for line in lines] == ["gid", third, first, second]


@pytest.mark.parametrize("command", [[], ["watch"], ["download"]])
def test_a_file_without_gids_is_a_usage_error(asana, tmp_path, capsys, command):
    """As empty standard input is."""
    path = tmp_path / "jobs.csv"
    for text in ("gid\n", "name,gid\nx,\n"):
        path.write_text(text)
        assert main([*command, "--file", str(path)]) == 2
        assert f"There are no gids in {path}." in capsys.readouterr().err
    assert not asana.requests


def test_the_column_of_a_file_may_have_any_name(asana, tmp_path, capsys):
    """Without --column, the error names the columns and the option."""
    path = tmp_path / "jobs.csv"
    path.write_text(f"Name;Job\nx;{asana.gids(1)[0]}\n")
    assert main(["--file", str(path), "--column", "Job"]) == 0
    assert asana.gids(1)[0] in capsys.readouterr().out
    assert main(["--file", str(path)]) == 2
    assert "there is 'Name', 'Job'. Name the one with" in (err := capsys.readouterr().err)
    assert "--column '…'" in err


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
    out, err = capsys.readouterr()
    assert "999     refused  404 parent: Unknown object: 999" in out
    assert "asana-jobs export-resources" in err


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
    assert "1 row is an export without a file" in err
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
    """Nor any file that was downloaded; only the other one is named, as all jobs are finished."""
    asana.fault("slow", where="exports", gid=JOBS[0], seconds=60)
    files = tmp_path / "files"
    interrupt_when(lambda: len(list(files.glob("*.gz"))) == 1, after=0.1)
    assert main(["export", *asana.parents(2), "--download", str(files), "--to", "parquet"]) == 130
    out, err = capsys.readouterr()
    assert sorted(row[1] for row in table_of(out)[1:]) == JOBS[:2]
    assert f"{JOBS[1]}-graph.jsonl.gz" in out
    assert f"asana-jobs download {JOBS[0]} --wait --dest {files}\n" in err
    assert "asana-jobs watch" not in err


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
        (["watch", "gids.csv"], "asana-jobs watch --file gids.csv"),
        (["--file", "nowhere.csv"], "--file nowhere.csv: there is no such file"),
        (["download", "--file", "gids.sas"], "gids.sas': give a file named"),
        (
            ["export", "https://app.asana.com/0/0/12"],
            "this command needs a goal, team, portfolio or project",
        ),
        (["recent", "12"], "unrecognized"),
        (["recent", "--days", "-1"], "neither a number of days nor the word 'all'"),
        (["recent", "--days", "few"], "neither a number of days nor the word 'all'"),
        (["exprt", "12"], "'exprt' is neither a gid nor a command"),
        (["--wait"], "GID"),
        (["12", "--column", "Job"], "--column needs --file"),
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
    for command in ([], *([name] for name in COMMANDS)):
        assert code_of([*command, "--help"]) == 0
        out = capsys.readouterr().out
        assert "Exit codes: 0" in out
        assert max(map(len, out.splitlines())) <= 100
        if not command:
            assert all(f"asana-jobs {name}" in out for name in COMMANDS if name != "read")


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
    monkeypatch.delenv("ASANA_JOBS_LEDGER")
    monkeypatch.setenv("XDG_DATA_HOME", str(ledger.parent))
    assert main(["recent"]) == 0
    assert "of a loopback address" in capsys.readouterr().err


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


def test_unfinished_jobs_come_first_if_not_all_rows_fit(asana, client):
    """Those are the ones people wait for."""
    gids = asana.gids(9)
    for gid in gids:
        asana.finish(gid) if gid in gids[:7] else asana.progress(gid)
    jobs = read_asana_jobs(gids, client=client)
    lines = table_lines(jobs, os.terminal_size((80, 8)))
    assert len(lines) == 6
    assert [line.split()[0] for line in lines[1:5]] == [*gids[7:], *gids[:2]]
    assert lines[5] == "… and 5 more"
    assert len(table_lines(jobs, os.terminal_size((80, 12)))) == 10


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


def test_download_fetches_files_by_gid(asana, tmp_path, capsys):
    """To a folder that is created; a job that is no export or not finished is told, and is 1."""
    gids = asana.gids(2, "graph_export_request")
    asana.finish(*gids)
    dest = tmp_path / "new"
    assert main(["download", ",".join(gids), "--dest", str(dest), "--quiet"]) == 0
    head, *rows = table_of(capsys.readouterr().out)
    assert head == ["job", "kind", "status", "file", "or", "error"]
    assert [row[0] for row in rows] == gids
    assert {path.name for path in dest.iterdir()} == {f"{gid}-graph.jsonl.gz" for gid in gids}
    (other,) = asana.gids(1)
    assert main(["download", other, "--dest", str(dest)]) == 1
    assert main(["download", gids[0], "--dest", str(dest), "--to", "parquet"]) == 0
    assert (dest / "parquet" / "task").is_dir()


def test_download_waits_when_told_to(asana, tmp_path, monkeypatch):
    """For jobs that are not finished yet."""
    (gid,) = asana.gids(1, "graph_export_request")
    asana.progress(gid)
    threading.Thread(
        target=lambda: (until(lambda: asana.stats.requests), asana.finish(gid)), daemon=True
    ).start()
    assert main(["download", gid, "--dest", str(tmp_path), "--wait"]) == 0
    assert len(list(tmp_path.iterdir())) == 1


def test_export_resources_asks_for_what_its_options_say(asana, capsys):
    """Kinds, filters and fields, as `ResourceExport` has them."""
    (workspace,) = asana.parents(1, "workspace")
    arguments = ["--tasks", "--modified-after", "2026-01-01", "--assignee", "12", "--fields"]
    command = ["export-resources", workspace, *arguments, "name,assignee.name", "--dry-run"]
    assert main([*command, "--format", "json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert json.loads(row["request.body"])["data"]["export_request_parameters"] == [
        {
            "resource_type": "task",
            "filters": {"assignee.any": ["12"], "modified_at.after": "2026-01-01T00:00:00Z"},
            "fields": ["name", "assignee.name"],
        }
    ]
    assert main(["export-resources", workspace, "--teams", "--messages", "--dry-run"]) == 0
    assert asana.stats.requests == 0


def test_export_resources_goes_on_to_the_file(asana, tmp_path, capsys):
    """As ``export`` does."""
    gid = "1204900000000000"
    export = {"gid": "1", "completed_at": "2020-01-01T00:00:00Z"}
    export["download_url"] = asana.export_url(gid, "export_request")
    record = {"gid": gid, "resource_type": "job", "status": "succeeded"}
    asana.record(gid, {**record, "new_resource_export": export})
    (workspace,) = asana.parents(1, "workspace")
    command = ["export-resources", workspace, "--tasks", "--download", str(tmp_path), "--quiet"]
    assert main(command) == 0
    assert [path.name for path in tmp_path.iterdir()] == [f"{gid}-resource.jsonl.gz"]


def test_without_a_ledger_an_age_has_no_effect_and_that_is_said(asana, done, capsys):
    """In the words of the command line."""
    assert main(["export", *asana.parents(1), "--max-age", "4h"]) == 0
    err = capsys.readouterr().err
    assert "--max-age has no effect: there is no ledger" in err
    assert "asana-jobs recent would list them. None is kept of a loopback address" in err


def test_an_export_of_the_same_is_taken(asana, ledger, capsys):
    """With --max-age; the table says so."""
    (parent,) = asana.parents(1)
    first = aj.export_graph(parent)
    asana.finish(*first["gid"])
    assert main(["export", parent, "--max-age", "4h"]) == 0
    assert table_of(capsys.readouterr().out)[1][1:4] == [first["gid"][0], "taken", "succeeded"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["download"], "GID"),
        (["download", "12", "--dest", "s3://bucket/x"], "--dest 's3://…' is a URL"),
        (["download", "12", "--timeout", "5"], "--timeout needs --wait"),
        (["download", "12", "--overwrite"], "--overwrite needs --to parquet"),
        (["download", "12", "--dest", __file__], f"--dest {__file__}"),
        (["export-resources", "12"], "--tasks, --teams or --messages"),
        (["export-resources", "--tasks"], "WORKSPACE"),
        (
            ["export-resources", "12", "--tasks", "--teams", "--fields", "name"],
            "--fields needs one",
        ),
        (["export-resources", "12", "--tasks", "--fields", "nam"], "did you mean 'name'?"),
        (["export-resources", "12", "--teams", "--assignee", "1"], "--assignee: Asana has no filt"),
        (["export-resources", "12", "--messages", "--assignee", "1"], "--assignee is for --tasks"),
        (["export-resources", "12", "--tasks", "--followers", "me"], "--followers: 'me' is not"),
        (
            ["export-resources", "12", "--tasks", "--modified-after", "noon"],
            "--modified-after = 'noon' is not a time: give one as '2026-05-21T09:30:00Z' or a day.",
        ),
        (
            ["export-resources", "12", "--tasks", "--created-after", "2026-05-21T09:30"],
            "has no time zone: give one, as in '2026-05-21T09:30:00Z'.",
        ),
        (
            [
                *["export-resources", "12", "--tasks"],
                *["--created-after", "2026-01-02", "--created-before", "2026-01-01"],
            ],
            "--created-after = '2026-01-02T00:00:00Z' is not before --created-before",
        ),
        (
            ["export", "12", "--max-age", "soon"],
            "--max-age 'soon': give a time such as '4h' or '30min'.",
        ),
        (["export-resources", "12", "--tasks", "--fields", ""], "give at least one field"),
        (["export", "12", "--timeout", "0"], "'0' is not a positive number of seconds"),
        (["export", "12", "--max-age", "4", "--dry-run"], "--max-age '4': give a time such as"),
        (["export-resources", "app.asana.com/0/12", "--tasks"], "this command needs a workspace"),
        (["watch", "12", "--exec", "no-such-command x"], "there is no such command"),
        (["watch", "12", "--exec", "'"], "--exec"),
        (["watch", "12", "--exec", ""], "there is no such command"),
        (["completion", "cmd.exe"], "invalid choice"),
    ],
)
def test_options_that_are_off_give_2(asana, capsys, arguments, words):
    """In the words of the command line, before anything is sent."""
    assert code_of(arguments) == 2
    err = capsys.readouterr().err
    assert words in err
    assert "strict" not in err
    assert "gids[" not in err
    assert "filters" not in err.replace("no filters", "")
    assert asana.stats.requests == 0


def watched(asana, tmp_path, program, *gids):
    """Run ``watch --exec`` with a Python program, and return the exit code."""
    script = tmp_path / "a program.py"
    script.write_text(program)
    command = f'{sys.executable} "{script}" "$HOME" ; {tmp_path / "result"}'
    return main(["watch", *gids, "--exec", command])


def test_exec_runs_once_when_all_jobs_are_finished(asana, tmp_path, capsys):
    """Words, not a shell: gids on standard input, counts in the environment."""
    gids = asana.gids(2)
    asana.finish(gids[0])
    asana.progress(gids[1], status="failed")
    program = (
        "import os, pathlib, sys; names = ('TOTAL', 'SUCCEEDED', 'FAILED', 'SUMMARY')\n"
        "told = [os.environ['ASANA_JOBS_' + name] for name in names]\n"
        "with pathlib.Path(sys.argv[3]).open('a') as file:\n"
        "    print([*told, sys.stdin.read().split(), *sys.argv[1:3]], file=file)\n"
    )
    assert watched(asana, tmp_path, program, *gids) == 1, "as without a command: a job failed"
    told = ["2", "1", "1", "2 of 2 finished: 1 succeeded, 1 failed", gids, "$HOME", ";"]
    assert (tmp_path / "result").read_text() == f"{told}\n"


def test_an_exec_command_that_fails_is_reported_with_exit_code_1(asana, tmp_path, capsys):
    """Though all jobs succeeded; one that does not read its input is fine."""
    gids = asana.gids(1)
    asana.finish(*gids)
    assert watched(asana, tmp_path, "raise SystemExit(7)", *gids) == 1
    assert "ended with exit code 7" in capsys.readouterr().err
    if os.name == "posix":
        assert watched(asana, tmp_path, "import os; os.kill(os.getpid(), 9)", *gids) == 1
        assert "was killed (signal 9)" in capsys.readouterr().err
    assert watched(asana, tmp_path, "", *gids) == 0


def test_an_interrupt_lets_the_command_tidy_up(asana, tmp_path):
    """As a shell does: its own table of what it downloaded, say."""
    gids = asana.gids(1)
    asana.finish(*gids)
    result = tmp_path / "result"
    program = "import sys, time; from pathlib import Path; file = Path(sys.argv[3])\n"
    program += "file.touch(); time.sleep(0.6); file.write_text('tidy')"
    interrupt_when(result.exists)
    assert watched(asana, tmp_path, program, *gids) == 130
    assert result.read_text() == "tidy"


def test_no_command_runs_for_what_is_not_done(asana, tmp_path):
    """After a timeout, say."""
    (gid,) = asana.gids(1)
    asana.progress(gid)
    result = tmp_path / "result"
    touch = f"{sys.executable} -c \"open(r'{result}', 'w')\""
    assert main(["watch", gid, "--timeout", "0.3", "--exec", touch]) == 1
    assert not result.exists()


def test_tables_say_how_long_unfinished_jobs_usually_take(asana, ledger, capsys):
    """By earlier ones that the ledger knows."""
    (parent,) = asana.parents(1)
    first = aj.export_graph(parent)
    asana.advance(3600)
    first.asana.refresh()
    (gid,) = aj.export_graph(parent)["gid"]
    assert main([gid]) == 0
    assert "(1 run)" in capsys.readouterr().out
    assert main(["watch", gid, "--timeout", "0.5"]) == 1
    assert "(1 run)" in capsys.readouterr().out
    assert main(["recent"]) == 0
    assert capsys.readouterr().out.count("(1 run)") == 1
    assert main([first["gid"][0]]) == 0
    assert "run)" not in capsys.readouterr().out


def test_an_estimate_has_room_on_a_narrow_terminal(asana, ledger, capsys, monkeypatch):
    """An export has no name, so nothing stands where other jobs show what they created."""
    monkeypatch.setenv("COLUMNS", "80")
    first = aj.export_graph(asana.parents(1))
    asana.advance(3600)
    first.asana.refresh()
    (gid,) = aj.export_graph(asana.parents(1))["gid"]
    assert main([gid]) == 0
    heading, row = capsys.readouterr().out.splitlines()
    assert heading.split() == ["gid", "kind", "status", "estimate"]
    assert row.endswith("(1 run)")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script(shell, capsys):
    """With all commands and their options."""
    pytest.importorskip("shtab")
    assert main(["completion", shell]) == 0
    out = capsys.readouterr().out
    for name in (*COMMANDS, "modified-after", "exec"):
        assert name in out


@pytest.mark.skipif(os.name != "posix" or shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize(
    ("line", "offered"),
    [
        (["ex"], "export export-resources"),
        (["export-resources", "12", "--mod"], "--modified-after --modified-before"),
        (["12", "--wa"], "--wait"),
        (["--errors", ""], "raise coerce drop"),
        (["watch", "--file", "list."], "list.csv"),
        (["download", "--dest", "li"], "lists"),
    ],
)
def test_bash_completes_commands_options_and_paths(line, offered, capsys, tmp_path):
    """Also those of ``read``, whose name may be left out."""
    pytest.importorskip("shtab")
    assert main(["completion", "bash"]) == 0
    (tmp_path / "list.csv").touch()
    (tmp_path / "lists").mkdir()
    script = (
        'COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); '
        '_shtab_asana_jobs "$1" "${COMP_WORDS[COMP_CWORD]}"; echo "${COMPREPLY[*]}"'
    )
    done = subprocess.run(
        ["bash", "-c", capsys.readouterr().out + script, "bash", "asana-jobs", *line],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"{offered}\n"


def test_completion_without_shtab_names_the_extra(monkeypatch, capsys):
    """It is optional."""
    monkeypatch.setitem(sys.modules, "shtab", None)
    assert main(["completion", "bash"]) == 2
    assert "pip install 'asana_jobs_pd[completion]'" in capsys.readouterr().err
