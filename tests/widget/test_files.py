"""How far downloads are, in words."""

from __future__ import annotations

import pandas as pd

from asana_jobs_pd._download.export_files import ExportFile, FileProgress
from asana_jobs_pd._widget.downloads_panel import (
    SHOWN,
    Speeds,
    all_line,
    file_lines,
    loaded_html,
    outcome_html,
)


def file(gid, done=0, total=None, state="running"):
    return FileProgress(
        ExportFile(gid, "graph", "https://s3/x?X-Amz-Signature=abc"), done, total, state
    )


FILES = [
    file("1", 50, 100),
    file("2", 100, 100, "done"),
    file("3", state="waiting"),
    file("4", 10, 100, "failed"),
]


def test_a_line_a_file():
    """How far it is, in figures and as a part of its bar."""
    lines = file_lines(FILES, Speeds(), 0.0)
    assert [line.part for line in lines] == [0.5, 1.0, 0.0, 0.1]
    assert [line.tone for line in lines] == ["run", "done", "run", "stop"]
    assert "50 of 100 B" in lines[0].words
    assert "verified, 100 B" in lines[1].words
    assert "Signature" not in repr(lines)


def test_one_line_for_all():
    """The bar is the mean of the files, and ends full."""
    line = all_line(FILES, Speeds(), 0.0)
    assert "2 of 4 files" in line.label
    assert line.part == 0.4
    assert all_line(FILES[1:2], Speeds(), 0.0).tone == "done"
    assert all_line([], Speeds(), 0.0).part == 0.0


def test_many_files_show_those_that_matter():
    """What runs, then what failed; the rest is in the line for all."""
    many = [file(str(n), state="waiting") for n in range(30)] + FILES
    lines = file_lines(many, Speeds(), 0.0)
    assert len(lines) == SHOWN
    assert "1 graph export" in lines[0].label
    assert "failed" in lines[1].words


def test_what_was_cancelled_has_stopped():
    """No speed is told of what does not move."""
    speeds = Speeds()
    file_lines(FILES, speeds, 0.0)
    lines = file_lines(FILES, speeds, 1.0, over=True)
    assert "stopped at 50 of 100 B" in lines[0].words
    assert "B/s" not in all_line(FILES, speeds, 2.0, over=True).words


def test_speeds():
    """Bytes a second of the last moments; a file that begins anew has none."""
    speeds = Speeds()
    assert speeds.note("a", 0, 0.0) == 0.0
    assert speeds.note("a", 500, 1.0) == 500.0
    assert speeds.note("a", 1500, 2.0) == 750.0
    assert speeds.note("a", 10, 3.0) == 0.0


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


def test_what_came_of_it():
    """How much is where, and each failure in words, escaped and masked."""
    said = "403 <b> https://s3/x?X-Amz-Signature=abc"
    files = outcome(gid=["1", "2"], path=["/x/1", None], bytes=[2000, None], error=[None, said])
    html = outcome_html(files, cancelled=False, folder="/x/<i>")
    assert "1 file verified, 2.0 kB, in /x/&lt;i&gt;" in html
    assert "2 graph export: 403 &lt;b&gt;" in html
    assert "Signature=abc" not in html
    assert "Cancelled" in outcome_html(files, cancelled=True, folder="/x")


def test_many_failures_are_counted():
    """The first are told, the others counted."""
    n = 20
    files = outcome(gid=list("x" * n), path=[None] * n, bytes=[None] * n, error=["no"] * n)
    assert "… and 14 more" in outcome_html(files, cancelled=False, folder="/x")


def test_what_was_loaded():
    """Rows by type, and where they are."""
    assert "1,200 rows of task; 1 row of project" in loaded_html({"task": 1200, "project": 1})
    assert "no rows" in loaded_html({})
