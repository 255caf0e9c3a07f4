"""What is read as an export file, and what is refused, with the reason."""

from __future__ import annotations

import gzip
import json
import zipfile

import pandas as pd
import pytest
from export_fixtures import as_lines, issues_of, task

import asana_jobs_pd as aj
from asana_jobs_pd._decode import sources
from asana_jobs_pd.errors import (
    AsanaValueWarning,
    ExportFileError,
    InvalidFrameError,
    InvalidOptionError,
)

ROWS = [task(str(n), name="x" * 50) for n in range(400)]


def read(path, **options):
    return aj.read_asana_export(path, workers=1, progress=False, **options)


@pytest.fixture
def small_chunks(monkeypatch):
    """Chunks of a kilobyte, so that small files have many."""
    monkeypatch.setattr(sources, "CHUNK", 1024)


@pytest.mark.parametrize(
    "content",
    [
        as_lines(ROWS),
        as_lines(ROWS).rstrip(b"\n"),
        as_lines(ROWS).replace(b"\n", b"\r\n\n"),
        b"\xef\xbb\xbf" + as_lines(ROWS),
        json.dumps(ROWS).encode(),
        json.dumps({"data": ROWS}, indent=1).encode(),
    ],
    ids=["lines", "no last newline", "blank lines", "byte order mark", "array", "data"],
)
def test_lines_and_documents(export, small_chunks, content):
    """JSON Lines in their variants, and one document; gzip or plain."""
    for packed in (True, False):
        frame = read(export(content=content, packed=packed))["task"]
        assert list(frame["gid"]) == [row["gid"] for row in ROWS]


def test_several_gzip_members_are_one_file(export):
    """As `cat a.gz b.gz` makes them."""
    members = gzip.compress(as_lines(ROWS[:7])) + gzip.compress(as_lines(ROWS[7:9]))
    assert len(read(export(content=members, packed=False))["task"]) == 9


def test_an_export_without_rows(export):
    """It gives no frames; its catalogue and issues have their columns."""
    data = read(export())
    assert dict(data) == {}
    assert len(data.issues.columns) == 7
    assert len(data.custom_fields.columns) == 11
    assert repr(data) == "<AsanaExport: no rows; no issues>"
    assert data.report().shape == (0, 7)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty, without even the end of a gzip file"),
        (b"<?xml version='1.0'?><Error/>", "line 1 cannot be read"),
        (b"[{", "JSON document cannot be read"),
        (b'{"gid":"1","name":"no type"}', "organization export"),
        (
            b'{"gid":"1","resource_type":"task"}\n{"gid":',
            "line 2 cannot be read: Input data was truncated",
        ),
        (b"[" * 99_999, "JSON document cannot be read"),
    ],
)
def test_files_that_are_not_exports_are_refused(export, content, says):
    """With the file, the line, the problem and the remedy."""
    with pytest.raises(ExportFileError, match=says) as caught:
        read(export(content=content, packed=False))
    assert caught.value.path in str(caught.value)


def test_other_files_are_refused(tmp_path):
    """A missing file, a folder, a zip archive."""
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("x", "y")
    for path in (tmp_path / "none", tmp_path, archive):
        with pytest.raises(ExportFileError, match=path.name):
            read(path)


def test_a_file_that_ends_early(export, small_chunks):
    """It is an error, or complete rows are kept and the rest is reported."""
    whole = gzip.compress(as_lines(ROWS))
    path = export(content=whole[: len(whole) // 2], packed=False)
    with pytest.raises(ExportFileError, match="damaged or ends early"):
        read(path)
    with pytest.warns(AsanaValueWarning, match="ends early"):
        data = read(path, on_bad_lines="warn")
    assert list(data["task"]["gid"]) == [row["gid"] for row in ROWS[: len(data["task"])]]
    assert "ends early" in data.issues["reason"].iloc[-1]


def test_bad_lines_are_left_out_and_counted(export):
    """With their numbers; a warning says how many, `skip` says nothing."""
    path = export(*ROWS[:3], "{broken", *ROWS[3:5], "[1]", "7", '{"gid":"1","resource_type":7}')
    with pytest.raises(
        ExportFileError, match=r"line 4 .*'\{broken'.*on_bad_lines='skip'"
    ) as caught:
        read(path)
    assert caught.value.line == 4
    with pytest.warns(AsanaValueWarning, match=r"4 lines were left out; the first: .* line 4"):
        read(path, on_bad_lines="warn")
    data = read(path, on_bad_lines="skip")
    assert len(data["task"]) == 5
    assert [issue[0] for issue in issues_of(data)] == [4, 7, 8, 9]


@pytest.mark.parametrize("document", [False, True])
def test_a_line_has_a_limit(export, small_chunks, document):
    """A longer line, or a bomb that becomes one, is an error before it is in memory."""
    rows = [*ROWS[:5], task("x", notes="y" * 9000)]
    path = export(content=json.dumps(rows).encode()) if document else export(*rows)
    assert len(read(path)["task"]) == 6
    with pytest.raises(ExportFileError, match=r"more than 5,000 bytes.*max_line_bytes"):
        read(path, max_line_bytes=5000)


def test_a_bomb_ends_within_its_bound(export):
    """One line that inflates a thousandfold is given up at the limit."""
    path = export(content=b'{"gid":"1","resource_type":"task","notes":"' + b"a" * 100_000_000)
    with pytest.raises(ExportFileError, match="line 1 has more than"):
        read(path, max_line_bytes=10_000_000)


def test_a_frame_of_downloads(export, tmp_path):
    """All its files are loaded together.

    Rows without one are skipped, and the time window is reported.
    """
    files = pd.DataFrame(
        {
            "gid": ["1", "2", "3"],
            "file.path": [str(export(task("1"))), None, str(export(task("2")))],
            "file.error": [None, "gone", None],
            "new_resource_export.created_at": pd.to_datetime(
                ["2024-01-01", "2023-01-01", "2024-01-03"], utc=True
            ),
            "new_resource_export.completed_at": pd.to_datetime(
                ["2024-01-02", None, "2024-01-04"], utc=True
            ),
        }
    )
    with pytest.warns(AsanaValueWarning, match="2: gone"):
        data = files.asana.load(progress=False)
    assert list(data["task"]["gid"]) == ["1", "2"]
    report = data.report().loc["task"]
    assert report["as_of.from"] == pd.Timestamp("2024-01-01", tz="UTC")
    assert report["as_of.to"] == pd.Timestamp("2024-01-04", tz="UTC")
    with pytest.raises(InvalidFrameError, match=r"None of the 1 rows.* gone"):
        files.iloc[[1]].asana.load()
    with pytest.raises(InvalidFrameError, match="download"):
        files[["gid"]].asana.load()


@pytest.mark.parametrize(
    "options",
    [
        {"custom_fields": "wide"},
        {"dtype_backend": "numpy"},
        {"on_bad_lines": "raise"},
        {"workers": 0},
        {"workers": True},
        {"max_line_bytes": 1.5},
        {"columns": []},
        {"resource_types": [1]},
        {"progress": 3},
    ],
    ids=str,
)
def test_an_option_that_cannot_be_is_named(export, options):
    """Before anything is read."""
    with pytest.raises(InvalidOptionError, match=next(iter(options))):
        aj.read_asana_export(export(task()), **options)
    for paths in ([], 7, [7], b"x"):
        with pytest.raises(InvalidOptionError, match="path"):
            aj.read_asana_export(paths)


TASKS = [f'{{"gid":"{n}","resource_type":"task"}}'.encode() for n in (1, 2, 3)]
BOM = b"\xef\xbb\xbf"


@pytest.mark.parametrize(
    "content",
    [
        b"\n".join(BOM + line for line in TASKS),
        BOM + b"\n" + b"\n".join(TASKS) + b"\n" + BOM,
        TASKS[0] + b"\n" + BOM + TASKS[1] + b"\r\n" + TASKS[2] + b"\n",
        b'{"next_page": null, "data": [' + b",".join(TASKS) + b"]}",
        b'{"next_page":{"offset":"e","uri":"https://x"},"data":[' + b",".join(TASKS) + b"]}",
        b'{"data": [' + b",".join(TASKS) + b'], "next_page": {"offset": "e"}}',
        b"\n".join(b'{"data": [' + line + b'], "next_page": null}' for line in TASKS),
        b"\r\n".join(b"[" + line + b"]" for line in TASKS) + b"\n",
    ],
)
def test_concatenated_files(export, content):
    """Files with a byte order mark each, answers of an API with pages, and one page per line."""
    data = read(export(content=content))
    assert list(data["task"]["gid"]) == ["1", "2", "3"]
    assert not data.issue_count


def test_a_folder_or_a_pattern_stands_for_its_export_files(export, tmp_path):
    """In the order of names; what a download has not finished, and anything else, is left alone."""
    folder = tmp_path / "exports"
    folder.mkdir()
    for number in ("2", "1"):
        export(task(number)).rename(folder / f"{number}-graph.jsonl.gz")
    (folder / "3-graph.jsonl.gz.part").write_bytes(b"\x1f\x8b")
    (folder / "notes.txt").write_text("no rows")
    for paths in (folder, str(folder), [folder], folder / "*.gz", f"{tmp_path}/**/*.gz"):
        assert list(read(paths)["task"]["gid"]) == ["1", "2"]
    rerun = folder / "4-graph.jsonl.gz"
    export(task("1", name="later")).rename(rerun)
    with pytest.warns(AsanaValueWarning, match="1 row of these 3 files came more than once"):
        assert list(read(folder)["task"]["name"].dropna()) == ["later"]
    with pytest.warns(AsanaValueWarning, match="give only the newest"):
        aj.asana_export_to_parquet(folder, tmp_path / "lake", progress=False)
    assert len(read(sorted(folder.glob("*.gz")))["task"]) == 2  # listed: meant
    rerun.unlink()
    odd = folder / "[1].jsonl.gz"
    (folder / "1-graph.jsonl.gz").rename(odd)
    assert list(read(odd)["task"]["gid"]) == ["1"]
    with pytest.raises(ExportFileError, match=r"no export file .*read_asana_dataset"):
        read(tmp_path)
    with pytest.raises(ExportFileError, match="No such file"):
        read(tmp_path / "*.nothing")
