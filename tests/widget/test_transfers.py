"""The lines, bars and results of downloads."""

from __future__ import annotations

import pandas as pd

from asana_jobs_pd._download.export_files import ExportFile
from asana_jobs_pd._http.signed_urls import SignedUrl
from asana_jobs_pd._widget import transfers as transfers_module
from asana_jobs_pd._widget.transfers import (
    MAX_FILE_LINES,
    Bars,
    Transfers,
    file_links,
    result_messages,
)
from asana_jobs_pd.errors import NoThreadsError


def file(gid, done=0, total=None, state="running"):
    url = SignedUrl("https://s3/x?X-Amz-Signature=abc")
    return ExportFile(gid, "graph", url, done, total, state)


FILES = [
    file("1", 50, 100),
    file("2", 100, 100, "done"),
    file("3", state="waiting"),
    file("4", 10, 100, "failed"),
]


def test_a_line_for_all_and_one_per_file():
    """Each has its progress as text and as a fraction of its bar; the total is their mean."""
    total, *lines = Bars().lines(FILES, 0.0)
    assert (total.label, total.fraction, total.state) == ("2 of 4 files", 0.4, "running")
    assert [line.fraction for line in lines] == [0.5, 1.0, 0.0, 0.1]
    assert [line.state for line in lines] == ["running", "done", "waiting", "failed"]
    assert [line.text for line in lines] == [
        "50 of 100 B",
        "verified, 100 B",
        "waiting",
        "failed",
    ]
    assert lines[0].label == "1 graph export"
    assert "Signature" not in repr(lines)


def test_a_single_file_needs_no_total():
    """Its own line says everything."""
    assert [line.state for line in Bars().lines(FILES[1:2], 0.0)] == ["done"]


def test_the_reason_for_waiting_replaces_the_progress():
    """On one line; once the file has ended, the note is of no interest."""
    waiting, done = file("1"), file("2", 100, 100, "done")
    waiting.note = done.note = "not there yet (404),\ntrying <again> in 8 s"
    _, first, second = Bars().lines([waiting, done], 0.0)
    assert first.text == "not there yet (404), trying <again> in 8 s"
    assert second.text == "verified, 100 B"


def test_many_files_show_those_that_matter():
    """Running files first, then failed ones; the rest is in the line for all."""
    many = [file(str(n), state="waiting") for n in range(30)] + FILES
    total, *lines = Bars().lines(many, 0.0)
    assert total.label == "2 of 34 files"
    assert len(lines) == MAX_FILE_LINES
    assert [line.state for line in lines[:3]] == ["running", "failed", "done"]


def test_cancelled_files_are_stopped():
    """No speed is shown for files that do not move."""
    bars = Bars()
    bars.lines(FILES, 0.0)
    total, first, *_ = bars.lines(FILES, 1.0, ended=True)
    assert (first.text, first.state) == ("stopped at 50 of 100 B", "stopped")
    assert "B/s" not in total.text


def test_speeds():
    """Bytes per second over the last samples; a file that starts over has none."""
    bars = Bars()
    assert bars.speed("a", 0, 0.0) == 0.0
    assert bars.speed("a", 500, 1.0) == 500.0
    assert bars.speed("a", 1500, 2.0) == 750.0
    assert bars.speed("a", 10, 3.0) == 0.0


def outcome(**columns):
    n = len(columns["gid"])
    return pd.DataFrame(
        {
            "gid": pd.array(columns["gid"], "string"),
            "file.kind": pd.array(["graph"] * n, "string"),
            "file.path": pd.array(columns["path"], "string"),
            "file.bytes": pd.array(columns["bytes"], "Int64"),
            "file.error": pd.array(columns["error"], "string"),
        }
    )


def test_results():
    """How much is where, and each failure, masked."""
    error = "403 <b> https://s3/x?X-Amz-Signature=abc"
    files = outcome(gid=["1", "2"], path=["/x/1", None], bytes=[2000, None], error=[None, error])
    ok, bad = result_messages(files, cancelled=False, folder="/x/<i>")
    assert ok == ("ok", "1 file verified, 2.0 kB, in /x/<i>")
    assert bad[0] == "bad"
    assert bad[1].startswith("2 graph export: 403 <b>")
    assert "Signature=abc" not in bad[1]
    *_, last = result_messages(files, cancelled=True, folder="/x")
    assert last == ("dim", "Cancelled. Download again to resume.")


def test_many_failures_are_counted():
    """The first are shown, the others counted."""
    n = 20
    files = outcome(gid=list("x" * n), path=[None] * n, bytes=[None] * n, error=["no"] * n)
    messages = result_messages(files, cancelled=False, folder="/x")
    assert messages[-1] == ("dim", "… and 14 more")


def test_only_files_in_the_notebooks_folder_are_links(tmp_path, monkeypatch):
    """The server shows no others; they are named by their path."""
    (tmp_path / "notebooks" / "exports").mkdir(parents=True)
    inside, outside = tmp_path / "notebooks" / "exports" / "1.gz", tmp_path / "2.gz"
    for each in (inside, outside):
        each.write_bytes(b"")
    monkeypatch.chdir(tmp_path / "notebooks")
    links = file_links([str(inside), str(outside)])
    assert links == [("exports/1.gz", "exports/1.gz"), (str(outside), "")]
    assert file_links([str(inside)] * 30)[-1] == ("… and 10 more in widget.files", "")


def test_without_a_free_thread_it_says_so_and_can_be_tried_again(monkeypatch):
    """Nothing is busy then, else the button would be off for good."""

    def refuse(*_):
        raise NoThreadsError("The system cannot start another thread.")

    monkeypatch.setattr(transfers_module, "start_thread", refuse)
    shown = []
    transfers = Transfers(shown.append)
    transfers.load(pd.DataFrame(), shown.append)
    assert shown[-1]["busy"] == ""
    assert shown[-1]["messages"] == [("bad", "The system cannot start another thread.")]
