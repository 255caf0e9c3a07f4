"""The lines, bars and results of downloads."""

from __future__ import annotations

import pandas as pd

from asana_jobs_pd._download.export_files import ExportFile, FileProgress
from asana_jobs_pd._http.signed_urls import SignedUrl
from asana_jobs_pd._widget.downloads_panel import (
    MAX_FILE_LINES,
    Speeds,
    downloaded_html,
    file_lines,
    loaded_html,
    total_line,
)


def file(gid, done=0, total=None, state="running"):
    return FileProgress(
        ExportFile(gid, "graph", SignedUrl("https://s3/x?X-Amz-Signature=abc")), done, total, state
    )


FILES = [
    file("1", 50, 100),
    file("2", 100, 100, "done"),
    file("3", state="waiting"),
    file("4", 10, 100, "failed"),
]


def test_a_line_per_file():
    """Its progress as text and as a fraction of its bar."""
    lines = file_lines(FILES, Speeds(), 0.0)
    assert [line.fraction for line in lines] == [0.5, 1.0, 0.0, 0.1]
    assert [line.tone for line in lines] == ["run", "done", "run", "stop"]
    assert "50 of 100 B" in lines[0].text
    assert "verified, 100 B" in lines[1].text
    assert "Signature" not in repr(lines)


def test_what_a_file_waits_for():
    """Instead of its progress, escaped; once it has ended, the note is of no interest."""
    waiting, done = file("1"), file("2", 100, 100, "done")
    waiting.note = done.note = "not there yet (404), trying <again> in 8 s"
    lines = file_lines([waiting, done], Speeds(), 0.0)
    assert "not there yet (404), trying &lt;again&gt; in 8 s" in lines[0].text
    assert "verified" in lines[1].text


def test_one_line_for_all():
    """The bar is the mean of the files, and ends full."""
    line = total_line(FILES, Speeds(), 0.0)
    assert "2 of 4 files" in line.label
    assert line.fraction == 0.4
    assert total_line(FILES[1:2], Speeds(), 0.0).tone == "done"
    assert total_line([], Speeds(), 0.0).fraction == 0.0


def test_many_files_show_those_that_matter():
    """Running files first, then failed ones; the rest is in the line for all."""
    many = [file(str(n), state="waiting") for n in range(30)] + FILES
    lines = file_lines(many, Speeds(), 0.0)
    assert len(lines) == MAX_FILE_LINES
    assert "1 graph export" in lines[0].label
    assert "failed" in lines[1].text


def test_cancelled_files_are_stopped():
    """No speed is shown for what does not move."""
    speeds = Speeds()
    file_lines(FILES, speeds, 0.0)
    lines = file_lines(FILES, speeds, 1.0, ended=True)
    assert "stopped at 50 of 100 B" in lines[0].text
    assert "B/s" not in total_line(FILES, speeds, 2.0, ended=True).text


def test_speeds():
    """Bytes per second over the last samples; a file that starts over has none."""
    speeds = Speeds()
    assert speeds.update("a", 0, 0.0) == 0.0
    assert speeds.update("a", 500, 1.0) == 500.0
    assert speeds.update("a", 1500, 2.0) == 750.0
    assert speeds.update("a", 10, 3.0) == 0.0


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
    """How much is where, and each failure, escaped and masked."""
    message = "403 <b> https://s3/x?X-Amz-Signature=abc"
    files = outcome(gid=["1", "2"], path=["/x/1", None], bytes=[2000, None], error=[None, message])
    html = downloaded_html(files, cancelled=False, folder="/x/<i>")
    assert "1 file verified, 2.0 kB, in /x/&lt;i&gt;" in html
    assert "2 graph export: 403 &lt;b&gt;" in html
    assert "Signature=abc" not in html
    assert "Cancelled" in downloaded_html(files, cancelled=True, folder="/x")


def test_many_failures_are_counted():
    """The first are shown, the others counted."""
    n = 20
    files = outcome(gid=list("x" * n), path=[None] * n, bytes=[None] * n, error=["no"] * n)
    assert "… and 14 more" in downloaded_html(files, cancelled=False, folder="/x")


def test_loaded_rows():
    """Rows by type, and where they are."""
    assert "Loaded 1,200 task rows, 1 project row into" in loaded_html({"task": 1200, "project": 1})
    assert "no rows" in loaded_html({})
