"""Damaged files, byte by byte, against an independent walk with zlib and json."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import zlib

import pytest
from export_fixtures import as_lines, task

import asana_jobs_pd as aj
from asana_jobs_pd._decode import sources
from asana_jobs_pd.errors import AsanaValueWarning, ExportFileError

ROWS = [task(str(number), name=f"{number * 7919:x}") for number in range(1, 9)]
TEXT = as_lines(ROWS)
HALF = TEXT.index(b"\n", len(TEXT) // 2) + 1
PACKED = gzip.compress(TEXT[:HALF], mtime=0) + gzip.compress(TEXT[HALF:], mtime=0)


def whole_rows(content):
    """Return the gids of the rows whose whole line inflates, told by zlib one byte at a time."""
    text = b""
    while content[:1] == b"\x1f":
        member = zlib.decompressobj(31)
        position = 0
        try:
            while position < len(content) and not member.eof:
                text += member.decompress(content[position : position + 1])
                position += 1
        except zlib.error:
            break
        if not member.eof:
            break
        content = content[position:].lstrip(b"\0")
    gids = {}
    for line in text.split(b"\n")[:-1]:
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict) and row.get("resource_type") == "task" and "gid" in row:
            gids.pop(row["gid"], None)
            gids[row["gid"]] = True
    return list(gids)


def load(path, **options):
    return aj.read_asana_export(path, **{"workers": 1, "progress": False} | options)


def gids(data):
    return list(data["task"]["gid"].dropna()) if "task" in data else []


def check(path, content, **options):
    """Check that what inflates is kept, that the rest is an issue, and that `"error"` raises."""
    path.write_bytes(content)
    data = load(path, on_bad_lines="skip", **options)
    complete = [row["gid"] for row in ROWS]
    # A faster decompressor than zlib forgives odd flags in the header; the checksum is right then.
    assert gids(data) in (whole_rows(content), complete)
    if gids(data) != complete:
        assert data.incomplete_files or data.issues["line"].notna().any()
    early = data.issues["reason"].str.contains("damaged|ends early")
    assert early.sum() == len(data.incomplete_files) <= 1
    if data.incomplete_files and len(content) % 7 == 0:
        with pytest.raises(ExportFileError):
            load(path, **options)
    return data


@pytest.fixture(
    params=[pytest.param(1 << 20, marks=pytest.mark.slow), 200], ids=["one chunk", "many chunks"]
)
def chunk(request, monkeypatch):
    """Chunks larger and smaller than the file."""
    monkeypatch.setattr(sources, "CHUNK", request.param)


def test_a_gzip_file_cut_at_every_byte(tmp_path, chunk):
    """Every whole line is kept; one issue says where the file ends."""
    for size in range(len(PACKED)):
        if size != PACKED.rindex(b"\x1f\x8b"):  # where the second member begins: a shorter file
            data = check(tmp_path / "x.jsonl.gz", PACKED[:size])
            assert data.incomplete_files == [str(tmp_path / "x.jsonl.gz")]
            assert data.issues["line"].iloc[-1] == len(gids(data)) + 1


@pytest.mark.slow
def test_a_gzip_file_with_damage_at_every_byte(tmp_path, chunk):
    """Whatever zlib can read is kept; the rest is reported."""
    for place in range(2, len(PACKED)):
        damaged = bytearray(PACKED)
        damaged[place] ^= 0x41
        check(tmp_path / "x.jsonl.gz", bytes(damaged))


@pytest.mark.slow
def test_a_plain_file_cut_at_every_byte(tmp_path, chunk):
    """The file ends before a last line that is not JSON; a complete one needs no newline."""
    path = tmp_path / "x.jsonl"
    text = as_lines(ROWS[:4])
    for size in range(1, len(text)):
        path.write_bytes(text[:size])
        data = load(path, on_bad_lines="skip")
        before, _, rest = text[:size].rpartition(b"\n")
        whole = rest.endswith(b"}") and text[size : size + 1] == b"\n"
        assert len(gids(data)) == (before.count(b"\n") + 1 if before else 0) + whole
        assert bool(data.incomplete_files) == bool(rest and not whole) == data.issue_count
        if data.incomplete_files:
            assert data.issues["line"].iloc[0] == len(gids(data)) + 1
            with pytest.raises(ExportFileError, match="ends early"):
                load(path)


@pytest.mark.slow
@pytest.mark.parametrize("data_key", [False, True])
def test_a_document_cut_at_every_byte(tmp_path, data_key):
    """Its whole rows are kept."""
    rows = [{"resource_type": "task", "gid": str(number)} for number in range(6)]
    text = json.dumps({"data": rows} if data_key else rows).encode()
    path = tmp_path / "x.json"
    for size in range(text.index(b"[") + 1, len(text)):
        path.write_bytes(text[:size])
        data = load(path, on_bad_lines="skip")
        assert len(gids(data)) == text[:size].removesuffix(b"]}").count(b"}")
        assert len(data.incomplete_files) == data.issue_count == 1
        with pytest.raises(ExportFileError):
            load(path)


@pytest.mark.parametrize("missing", [1, 8, 30])
def test_a_packed_document_that_ends_early(tmp_path, missing):
    """It ends where the gzip data ends."""
    path = tmp_path / "x.json.gz"
    packed = gzip.compress(json.dumps(ROWS).encode())
    path.write_bytes(packed[:-missing])
    kept = zlib.decompressobj(31).decompress(packed[:-missing])
    data = load(path, on_bad_lines="skip")
    assert len(data["task"]) == kept.count(b'"}')
    assert len(data.incomplete_files) == data.issue_count == 1
    with pytest.raises(ExportFileError, match="ends early"):
        load(path)


@pytest.mark.parametrize("tail", [b"\n", b"\0" * 512, b"junk", b"\0\0junk", b"<html>"], ids=repr)
def test_bytes_after_the_gzip_data_are_an_issue_and_no_damage(tmp_path, tail):
    """As with gunzip, whatever `on_bad_lines` says."""
    path = tmp_path / "x.jsonl.gz"
    path.write_bytes(PACKED + tail)
    for mode in ("error", "skip"):
        data = load(path, on_bad_lines=mode)
        assert len(data["task"]) == len(ROWS)
        assert list(data.issues["reason"]) == ["bytes after the end of the gzip data were ignored"]
        assert data.incomplete_files == []
    with pytest.warns(AsanaValueWarning, match="bytes after the end"):
        load(path, on_bad_lines="warn")


@pytest.mark.parametrize("size", [1, 2, 9, 30, -9, -4])
def test_another_member_that_is_damaged_is_damage(tmp_path, size):
    """Its rows may be missing; those of the first one are kept."""
    data = check(tmp_path / "x.jsonl.gz", PACKED + PACKED[:size])
    assert len(data["task"]) == len(ROWS)
    assert len(data.incomplete_files) == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    "content",
    [PACKED[:20], PACKED[: len(PACKED) // 3], PACKED[:-12], PACKED + b"junk", TEXT[:-9], b"[{},"],
)
def test_workers_tell_of_damage_as_one_process_does(tmp_path, content):
    """Once, with the same line."""
    path = tmp_path / "x.jsonl.gz"
    path.write_bytes(content)
    one, two = (load(path, on_bad_lines="skip", workers=workers) for workers in (1, 2))
    assert gids(one) == gids(two)
    assert one.issues.equals(two.issues)
    assert one.incomplete_files == two.incomplete_files


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_damage_after_many_lines_keeps_the_lines_before(tmp_path, workers):
    """Beyond the first chunk too; the warning says where."""
    rows = [task(str(number), notes="x" * 4000) for number in range(8000)]
    packed = gzip.compress(as_lines(rows), 1)
    path = tmp_path / "x.jsonl.gz"
    path.write_bytes(packed[: len(packed) * 99 // 100])
    whole = zlib.decompressobj(31).decompress(path.read_bytes()).count(b"\n")
    with pytest.warns(AsanaValueWarning, match=rf"1 file ends early.* line {whole + 1}: "):
        data = load(path, on_bad_lines="warn", workers=workers)
    assert len(data["task"]) == whole
    assert "1 incomplete file; 1 issue" in repr(data)


def test_gzip_within_gzip_is_unpacked(tmp_path):
    """Also where it ends early; deeper nesting is an error."""
    path = tmp_path / "x.jsonl.gz"
    path.write_bytes(gzip.compress(PACKED))
    assert len(load(path)["task"]) == len(ROWS)
    path.write_bytes(gzip.compress(PACKED)[:-30])
    data = load(path, on_bad_lines="skip")
    assert 0 < len(data["task"]) < len(ROWS)
    assert data.incomplete_files
    packed = PACKED
    for _ in range(4):
        packed = gzip.compress(packed)
    path.write_bytes(packed)
    with pytest.raises(ExportFileError, match="gzip within gzip"):
        load(path)


@pytest.mark.parametrize("content", [b"", b"PK\3\4" + bytes(range(200)), "[]".encode("utf-16")])
def test_binary_data_is_one_issue(tmp_path, content):
    """Not one per piece of binary data between two newlines."""
    path = tmp_path / "x.jsonl.gz"
    path.write_bytes(content)
    data = load(path, on_bad_lines="skip")
    assert data.issue_count == len(data.incomplete_files) == 1


@pytest.mark.parametrize(
    "garbage", [b"\0" * 5000, gzip.compress(TEXT), b"\x00\xff" * 40 + b"\n" + TEXT]
)
def test_binary_garbage_after_lines_of_text_costs_no_line(tmp_path, garbage):
    """As in preallocated files, or where another file was appended; also in short files."""
    path = tmp_path / "a.jsonl"
    path.write_bytes(as_lines(ROWS[:3]) + garbage)
    data = load(path, on_bad_lines="skip")
    assert len(data["task"]) == (len(ROWS) if TEXT in garbage else 3)
    assert data.issue_count >= 1


def test_lines_that_begin_with_a_list_are_no_document(tmp_path):
    """One bad line costs no other."""
    path = tmp_path / "x.jsonl"
    path.write_bytes(b"[1]\n" + TEXT)
    data = load(path, on_bad_lines="skip")
    assert len(data["task"]) == len(ROWS)
    assert list(data.issues["line"]) == [1]
    with pytest.raises(ExportFileError, match="line 1"):
        load(path)


@pytest.mark.parametrize("content", [PACKED[:-30], PACKED + b"junk", PACKED[:9], TEXT[:-9], b""])
def test_a_damaged_file_behind_a_url(tmp_path, content):
    """It is treated like one on disk."""
    fsspec = pytest.importorskip("fsspec")
    path = tmp_path / "x.jsonl.gz"
    path.write_bytes(content)
    fsspec.filesystem("memory").pipe_file("/damaged/x.jsonl.gz", content)
    local = load(path, on_bad_lines="skip")
    remote = load("memory://damaged/x.jsonl.gz", on_bad_lines="skip")
    assert gids(remote) == gids(local)
    assert list(remote.issues["reason"]) == list(local.issues["reason"])
    assert len(remote.incomplete_files) == len(local.incomplete_files)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"PK\3\4" + TEXT, "a ZIP archive"),
        (bz2.compress(TEXT), "compressed with bzip2"),
        (lzma.compress(TEXT), "compressed with xz"),
        (b"\x28\xb5\x2f\xfd" + TEXT, "compressed with Zstandard"),
    ],
)
def test_other_formats_are_named(tmp_path, content, what):
    """Also where the content of an archive is not compressed, so that it looks like lines."""
    path = tmp_path / "x.jsonl.gz"
    path.write_bytes(content)
    with pytest.raises(ExportFileError, match=f"the file is {what}, .* Decompress it first"):
        load(path)
    data = load(path, on_bad_lines="skip")
    assert (data.issue_count, list(data)) == (1, [])
