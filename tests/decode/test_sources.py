"""Files behind URLs are read like local ones, and their errors are ours."""

from __future__ import annotations

import gzip
import json
import sys

import fsspec
import pandas as pd
import pytest
from fsspec.implementations.memory import MemoryFileSystem

import asana_jobs_pd as aj
from asana_jobs_pd._decode.sources import is_url, located
from asana_jobs_pd.errors import (
    ExportFileError,
    ExportWriteError,
    InvalidOptionError,
    MissingExtraError,
)

ROWS = [{"gid": str(gid), "resource_type": "task", "name": f"Task {gid}"} for gid in range(5)]


@pytest.fixture(autouse=True)
def empty():
    """Nothing is in memory but what a test puts there."""
    MemoryFileSystem.store.clear()
    MemoryFileSystem.pseudo_dirs[:] = [""]


def put(url, data=None):
    """Store an export behind a URL; return that."""
    lines = "".join(json.dumps(row) + "\n" for row in ROWS).encode()
    with fsspec.open(url, "wb") as file:
        file.write(gzip.compress(lines) if data is None else data)
    return url


@pytest.mark.parametrize(
    ("path", "url"),
    [
        ("s3://bucket/key", True),
        ("simplecache::s3://bucket/key", True),
        ("file:///tmp/a", True),
        ("a.jsonl.gz", False),
        ("/tmp/a:b", False),
        ("C:\\exports\\a", False),
        ("C://exports/a", False),
        ("", False),
    ],
)
def test_a_drive_is_no_url(path, url):
    """URL schemes have at least two letters."""
    assert is_url(path) is url


def test_exports_behind_urls_are_read():
    """As local ones are, to frames and to datasets."""
    urls = [put("memory://exports/a.gz"), put("memory://exports/b.gz")]
    data = aj.read_asana_export(urls)
    assert data["task"]["name"].tolist() == [row["name"] for row in ROWS]
    assert data.report()["duplicates"]["task"] == len(ROWS)


def test_from_url_to_url():
    """A dataset behind a URL reads as a local one does."""
    written = aj.asana_export_to_parquet(put("memory://exports/a.gz"), "memory://made/export")
    assert written.path["task"] == "memory://made/export/task"
    read = pd.read_parquet(written.path["task"], dtype_backend="pyarrow")
    assert read["gid"].tolist() == [row["gid"] for row in ROWS]
    assert fsspec.filesystem("memory").exists("/made/export/_SUCCESS")
    with pytest.raises(ExportWriteError, match="overwrite=True"):
        aj.asana_export_to_parquet("memory://exports/a.gz", "memory://made/export")


def test_file_urls_are_local_paths(tmp_path):
    """So that several processes may read them."""
    path = tmp_path / "a.gz"
    put(path.as_uri())
    assert located(path.as_uri()) == str(path)
    assert len(aj.read_asana_export(path.as_uri(), workers=2)["task"]) == len(ROWS)


def test_one_process_reads_what_is_behind_a_url():
    """Several would fetch it more than once and need its options."""
    with pytest.raises(InvalidOptionError, match="one process"):
        aj.read_asana_export(put("memory://exports/a.gz"), workers=2)


def test_a_missing_file_is_an_error():
    """The error shows the URL."""
    with pytest.raises(
        ExportFileError, match=r"memory://exports/none\.gz cannot be read"
    ) as caught:
        aj.read_asana_export("memory://exports/none.gz")
    assert caught.value.path == "memory://exports/none.gz"


class Breaking(MemoryFileSystem):
    """Breaks off in the middle of a file."""

    protocol = ("breaking",)

    def size(self, path):
        if "secret" in path:
            raise PermissionError("no entry")
        return super().size(path)

    def _open(self, path, mode="rb", **options):
        file = super()._open(path, mode, **options)
        if mode != "rb":
            return file
        raw, read = [], file.read

        class Broken:
            tell, close = file.tell, file.close

            def read(self, size):
                if raw:
                    raise OSError("connection reset, Signature=abcdefgh12345678")
                raw.append(read(min(size, 40)))
                return raw[0]

        return Broken()


def test_a_connection_that_breaks_is_no_damaged_file():
    """Half a file is never taken for a complete one, whatever `on_bad_lines` allows."""
    fsspec.register_implementation("breaking", Breaking, clobber=True)
    url = put("breaking://exports/a.gz")
    with pytest.raises(ExportFileError, match="cannot be read: connection reset") as caught:
        aj.read_asana_export(url, on_bad_lines="skip")
    assert "abcdefgh" not in str(caught.value)


def test_a_size_that_is_refused_is_said():
    """Before reading begins."""
    fsspec.register_implementation("breaking", Breaking, clobber=True)
    with pytest.raises(ExportFileError, match=r"secret\.gz cannot be read: no entry"):
        aj.read_asana_export("breaking://exports/secret.gz")


def test_without_fsspec_the_extra_is_named(monkeypatch):
    """A URL needs it; a path does not."""
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    with pytest.raises(MissingExtraError, match=r'pip install "asana_jobs_pd\[remote\]"') as caught:
        located("s3://bucket/key?X-Amz-Signature=abc")
    assert "abc" not in str(caught.value)
    assert located("a.gz") == "a.gz"


def test_an_unknown_kind_of_url_is_an_error():
    """The error names it without possible credentials."""
    with pytest.raises(InvalidOptionError, match="nope://"):
        located("nope://user:secret@host/a")


class Strict(MemoryFileSystem):
    """Takes no options, and says which it got."""

    protocol = ("strict",)

    def __init__(self, key=""):
        raise ValueError(f"cannot log in with {key}")


def test_options_that_do_not_suit_are_an_error():
    """Their values may be secrets and are not shown."""
    fsspec.register_implementation("strict", Strict, clobber=True)
    with pytest.raises(InvalidOptionError, match="cannot log in with …") as caught:
        located("strict://a", {"key": "0123456789secret"})
    assert caught.value.__cause__ is caught.value.__context__ is None


def test_a_url_shows_without_its_query():
    """In texts and reprs; the issues of a load name it that way."""
    url = put("memory://exports/a.gz?X-Amz-Signature=abc", b'{"resource_type": "task"}\n{oops\n')
    file = located(url)
    assert str(file) == repr(file) == "memory://exports/a.gz?…"
    data = aj.read_asana_export(url, on_bad_lines="skip")
    assert data.issues["file"].tolist() == ["memory://exports/a.gz?…"]
