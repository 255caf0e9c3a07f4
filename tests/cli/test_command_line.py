"""The command line, as a user calls it."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time

import pandas as pd
import pytest
from conftest import TOKEN
from driven import until

from asana_jobs_pd.__main__ import main
from asana_jobs_pd._cli.console import in_cli_terms
from asana_jobs_pd._cli.watch_command import can_redraw


@pytest.fixture
def asana(asana, monkeypatch):
    """The sandbox, named by the environment."""
    for name, value in asana.environ.items():
        monkeypatch.setenv(name, value)
    return asana


def test_gids_become_a_table(asana, capsys):
    """One line a job: gid, kind, status, what was created."""
    gids = asana.gids(9)
    assert main(gids) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["gid", "kind", "status", "created"]
    assert [line.split()[0] for line in lines[1:]] == gids


def test_failures_give_1_and_say_why(asana, capsys, monkeypatch):
    """A job that cannot be read is a row with its error, and an exit code."""
    monkeypatch.setenv("COLUMNS", "120")
    assert main([*asana.gids(1), "999"]) == 1
    assert "404 job: Unknown object: 999" in capsys.readouterr().out


def test_errors_raise_prints_no_table(asana, capsys):
    """``--errors raise`` says on standard error what failed."""
    assert main(["999", "--errors", "raise"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "999: 404" in err


@pytest.mark.parametrize(
    "arguments",
    [
        ["12x"],
        ["1", "--fields", "stat"],
        ["1", "--format", "xml"],
        ["1", "--format", "parquet"],
        ["1", "--output", "jobs.xls"],
        ["1", "--nope"],
    ],
)
def test_calls_that_are_off_give_2(asana, capsys, arguments):
    """Usage errors say what is wrong; no request is made."""
    try:
        code = main(arguments)
    except SystemExit as stop:
        code = stop.code
    assert code == 2
    assert capsys.readouterr().err
    assert asana.stats.requests == 0


def test_a_refused_token_gives_2_and_is_not_shown(asana, capsys, monkeypatch):
    """The message says where the token came from, not what it is."""
    monkeypatch.setenv("ASANA_ACCESS_TOKEN", TOKEN + "0")
    assert main(asana.gids(1)) == 2
    err = capsys.readouterr().err
    assert "ASANA_ACCESS_TOKEN" in err
    assert TOKEN not in err


@pytest.mark.parametrize("kind", ["csv", "json", "parquet"])
def test_files_hold_all_columns_and_no_signature(asana, tmp_path, kind):
    """The format follows the suffix; signed URLs are masked; no half file is left."""
    gids = asana.gids(9)
    asana.finish(*gids)
    path = tmp_path / f"jobs.{kind}"
    assert main([*gids, "--output", str(path)]) == 0
    read = {
        "csv": lambda: pd.read_csv(path, dtype="string"),
        "json": lambda: pd.DataFrame(json.loads(path.read_text(encoding="utf-8"))),
        "parquet": lambda: pd.read_parquet(path),
    }
    frame = read[kind]()
    assert list(frame["gid"]) == gids
    assert len(frame.columns) == 38
    urls = frame["new_graph_export.download_url"].dropna()
    assert len(urls)
    assert urls.str.endswith("?…").all()
    assert b"X-Amz-Signature" not in path.read_bytes()
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_gids_come_from_standard_input(asana, capsys, monkeypatch):
    """One a line, or separated by spaces or commas."""
    gids = asana.gids(4)
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{gids[0]}\n{gids[1]},{gids[2]}\n\n{gids[3]}\n"))
    assert main(["-", "--fields", "status", "--format", "csv"]) == 0
    frame = pd.read_csv(io.StringIO(capsys.readouterr().out), dtype="string")
    assert list(frame["gid"]) == gids
    assert list(frame.columns[:2]) == ["gid", "status"]


@pytest.mark.parametrize("arguments", [["-"], [","], ["", " "], ["watch", "-"], ["export", "-"]])
def test_no_gids_are_a_usage_error(asana, capsys, monkeypatch, arguments):
    """An empty list is more likely a mistake in the preceding command than intended."""
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n \n"))
    assert main(arguments) == 2
    assert "There are no gids" in capsys.readouterr().err
    assert asana.stats.requests == 0


@pytest.mark.parametrize("header", ["gid\n", "\ufeffGID\r\n", '\n"Job ID"\n'])
def test_a_header_line_is_skipped(asana, capsys, monkeypatch, header):
    """One column of a table may be piped as it is; of several, the message says what to do."""
    gids = asana.gids(2)
    monkeypatch.setattr(sys, "stdin", io.StringIO(header + "\n".join(gids)))
    assert main(["-", "--format", "csv"]) == 0
    frame = pd.read_csv(io.StringIO(capsys.readouterr().out), dtype="string")
    assert list(frame["gid"]) == gids
    monkeypatch.setattr(sys, "stdin", io.StringIO("gid,status\n12,succeeded\n"))
    assert main(["-"]) == 2
    assert "a table with 2 columns" in capsys.readouterr().err


def test_a_line_that_is_no_list_of_gids_is_named(asana, capsys, monkeypatch):
    """The commas of decimal numbers separate no gids."""
    monkeypatch.setattr(sys, "stdin", io.StringIO("gid\n12, 13\n1,2E+15\n"))
    assert main(["-"]) == 2
    err = capsys.readouterr().err
    assert "line 3 of standard input = '1,2E+15' is not a gid. Spreadsheets keep 15 digits" in err
    assert asana.stats.requests == 0


def test_options_may_stand_between_gids(asana, capsys):
    """Somebody adds a gid at the end of the line."""
    gids = asana.gids(3)
    assert main([gids[0], "--errors", "raise", *gids[1:], "--format", "csv"]) == 0
    assert [row.split(",")[0] for row in capsys.readouterr().out.splitlines()[1:]] == gids


def test_read_is_what_happens_without_a_command(asana, capsys):
    """The word may be written out."""
    gids = asana.gids(2)
    assert main(["read", *gids]) == main(gids) == 0
    out = capsys.readouterr().out
    assert out[: len(out) // 2] == out[len(out) // 2 :]


@pytest.mark.parametrize("command", [["--wait"], ["watch"], ["export"]])
def test_a_wait_may_be_limited(asana, capsys, command):
    """The table is there, the message speaks of the command line, and the code is 1."""
    gid = asana.parents(1)[0] if command == ["export"] else asana.gids(2)[1]
    started = time.monotonic()
    assert main([*command, gid, "--timeout", "0.3"]) == 1
    assert time.monotonic() - started < 30
    out, err = capsys.readouterr()
    assert gid in out
    assert re.search("Not finished (within 0.3 s|in time)|Ended early", err)
    assert not re.search(PYTHON, err)


@pytest.mark.parametrize(
    "arguments", [["1", "--timeout", "5"], ["watch", "1", "--timeout", "soon"]]
)
def test_a_limit_must_have_a_sense(asana, capsys, arguments):
    """A timeout is a number of seconds, for a command that waits."""
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    assert "--timeout" in capsys.readouterr().err


def test_quiet_shows_no_bar(asana, capsys):
    """Standard error stays empty."""
    gids = asana.gids(9)
    asana.finish(*gids)
    assert main([*gids, "--wait", "--quiet"]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.skipif(os.name != "posix", reason="it needs signals")
@pytest.mark.parametrize("command", [["--wait"], ["watch"], ["export"]])
def test_sigterm_loses_nothing(asana, capsys, command):
    """As when a service is stopped: the table with all gids is printed first."""
    gids = asana.parents(2) if command == ["export"] else asana.gids(3)[1:]

    def terminate():
        until(lambda: len({r.path for r in asana.requests if r.method == "GET"}) >= 2)
        os.kill(os.getpid(), signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM)
    helper = threading.Thread(target=terminate)
    helper.start()
    assert main([*command, *gids]) == 143
    helper.join()
    out, err = capsys.readouterr()
    assert "of 2 finished" in out if command == ["watch"] else all(gid in out for gid in gids)
    assert not re.search(PYTHON, err)
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_list_in_another_encoding_is_read(asana, capsys, monkeypatch):
    """A header of Windows, say; a line that is not a gid is named as always."""
    gids = asana.gids(1)
    for line, code in (("", 0), ("12\xe9\n", 2)):
        data = f"Auftr\xe4ge\n{gids[0]}\n{line}".encode("latin-1")
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data), encoding="utf-8"))
        monkeypatch.setattr(sys, "argv", ["asana-jobs", "-"])
        assert main() == code
    out, err = capsys.readouterr()
    assert gids[0] in out
    assert "line 3 of standard input" in err


def test_closed_standard_input_is_named(capsys, monkeypatch):
    """Services and `<&-` have none."""
    monkeypatch.setattr(sys, "stdin", None)
    assert main(["-"]) == 1
    assert "Standard input is closed" in capsys.readouterr().err


def test_closed_standard_output_is_named(asana, tmp_path, capsys, monkeypatch):
    """Services and `>&-` have none: writing to a file works, and a table is not lost silently."""
    gids = asana.gids(2)
    monkeypatch.setattr(sys, "stdout", None)
    assert main(gids) == 1
    assert "Standard output is closed" in capsys.readouterr().err
    assert main([*gids, "--output", str(tmp_path / "jobs.csv")]) == 0
    assert not can_redraw(None)


def test_wait_asks_until_all_is_finished(asana, capsys):
    """``--wait`` shows how far it is, and the table at the end."""
    threading.Timer(0.3, lambda: asana.advance(60)).start()
    assert main([*asana.gids(9), "--wait"]) == 0
    out, err = capsys.readouterr()
    assert "9/9" in err
    assert "in progress" not in out


PYTHON = r"gids\[|parents\[|\.frame|\.errors|\bframe\.|\w\(|[a-z_]=[\w'\"]|positive int|as a list"
"""What only a Python program can do something with."""
CONTROLS = "\x1b\x00\x07\r\x7f\x9b\u202e\u2066\u200f"
"""Escape, NUL, bell, carriage return, delete, a C1 control, and changes of the text direction."""


@pytest.mark.parametrize("kind", ["table", "csv", "json"])
def test_control_characters_do_not_reach_the_terminal(asana, capsys, kind):
    """A job's name cannot move the cursor, ring the bell, or reverse the text."""
    name = "x".join(CONTROLS)
    asana.record("7", {"gid": "7", "new_task": {"gid": "1", "name": name}})
    asana.answer("8", 404, f"c{name}d")
    assert main(["7", "8", "--format", kind]) == 1
    assert main(["8", "--errors", "raise"]) == 1
    out, err = capsys.readouterr()
    assert not set(CONTROLS) & set(out + err)
    if kind == "csv":
        assert "x".join("\N{REPLACEMENT CHARACTER}" * len(CONTROLS)) in out
    if kind == "json":
        assert json.loads(out)[0]["new_task.name"] == name


@pytest.mark.parametrize("kind", ["csv", "json"])
def test_files_keep_what_a_text_file_can_hold(asana, tmp_path, kind):
    """Only standard output is made safe for a terminal."""
    name = "a\x1b\u202eb"
    asana.record("7", {"gid": "7", "new_task": {"gid": "1", "name": name}})
    path = tmp_path / f"jobs.{kind}"
    assert main(["7", "--output", str(path)]) == 0
    text = path.read_text(encoding="utf-8")
    if kind == "json":
        text = json.loads(text)[0]["new_task.name"]
    assert name in text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["12x"], "'12x' is not a gid"),
        (["1", "12x"], "'12x'"),
        (["1.2E+15", "1,208,000x", "jobs.xlsx"], "'1.2E+15'"),
        (["https://app.asana.com/0/1/2"], "That URL cannot be read here"),
        (["export", "12x"], "'12x'"),
        (["watch", "12x"], "'12x'"),
        (["1", "--fields", "stat"], "did you mean 'status'?"),
        (["1", "--fields", "Status"], "'Status' is not a field name"),
        (["999", "998", "997", "996", "--errors", "raise"], "and 1 more"),
        (["export", "999"], ""),
    ],
)
def test_messages_speak_of_the_command_line(asana, capsys, arguments, words):
    """No options, indexes or attributes of Python."""
    assert main(arguments) > 0
    err = capsys.readouterr().err
    assert words in err
    assert not re.search(PYTHON, err)


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("4 jobs: x. Partial results are in .frame.", "4 jobs: x."),
        ("line 3 is not JSON. on_bad_lines='skip' leaves such lines out.", "line 3 is not JSON."),
        ("dest=x: there is a dataset; overwrite=True replaces it", "--overwrite replaces it"),
        ("The ledger was not written: recent_jobs() will not list them.", "asana-jobs recent will"),
        ("call refresh() on it", "call refresh() on it"),
        (
            "400: Unknown field(s): a='b'. See https://x/?q=1.",
            "field(s): a='b'. See https://x/?q=1.",
        ),
        ("set verify= or REQUESTS_CA_BUNDLE to a path", "set REQUESTS_CA_BUNDLE to a path"),
        ("Leave out blanks, with [gid for gid in gids if gid]. No request.", "No request."),
    ],
)
def test_remedies_for_python_are_left_out(message, shown):
    """Sentence by sentence and clause by clause, but never the whole message."""
    assert shown in in_cli_terms(message)


def test_a_missing_token_is_explained_for_the_command_line(asana, capsys, monkeypatch):
    """By the environment variable and the keyring, not by connect()."""
    monkeypatch.delenv("ASANA_ACCESS_TOKEN")
    monkeypatch.setattr("asana_jobs_pd._http.auth.keyring_token", lambda: None)
    assert main(["1"]) == 2
    err = capsys.readouterr().err
    assert "ASANA_ACCESS_TOKEN" in err
    assert "connect(" not in err


@pytest.mark.parametrize("url", ["s3://bucket/x.csv", "gs://b/x.csv", "https://e.example/x.csv"])
def test_urls_are_refused_as_destinations(asana, tmp_path, monkeypatch, capsys, url):
    """By every option that names one, before anything is sent, and no folder is created."""
    monkeypatch.chdir(tmp_path)
    for arguments in (["1", "--output", url], ["export", "1", "--download", url]):
        with pytest.raises(SystemExit) as stop:
            main(arguments)
        assert stop.value.code == 2
        assert "is a URL" in capsys.readouterr().err
    assert asana.stats.requests == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_the_tour_shows_it_all(tmp_path):
    """Without arguments: a dozen jobs, progress, summary, results, and what to do next."""
    tour = subprocess.run(
        [sys.executable, "-W", "error", "-m", "asana_jobs_pd"],
        capture_output=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONIOENCODING": "utf-8", "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=tmp_path,
        timeout=300,
        check=True,
    )
    for text in ("12 of 12", "summary()", "results()", "ASANA_ACCESS_TOKEN", "1 failed"):
        assert text in tour.stdout
    assert tour.stderr == ""


def test_csv_holds_nothing_that_a_spreadsheet_runs(asana, capsys):
    """A leading apostrophe is added; the other formats keep the name unchanged."""
    asana.record("7", {"gid": "7", "new_task": {"gid": "1", "name": "=1+1"}})
    assert main(["7", "--format", "csv"]) == 0
    assert pd.read_csv(io.StringIO(capsys.readouterr().out)).at[0, "new_task.name"] == "'=1+1"
    assert main(["7", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["new_task.name"] == "=1+1"
