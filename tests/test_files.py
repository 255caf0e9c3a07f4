"""A file is written completely, or stays as it was."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from asana_jobs_pd._files import local_path, replace_file
from asana_jobs_pd.errors import InvalidOptionError


def test_a_file_is_written_beside_and_then_moved(tmp_path):
    """The old one stays until the new one is complete; afterwards nothing else is there."""
    path = tmp_path / "a.txt"
    path.write_text("old")

    def write(part):
        part.write_text("new")
        assert path.read_text() == "old"
        assert part.parent == tmp_path

    assert replace_file(path, write) == path.resolve()
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_leaves_what_was(tmp_path):
    """The old file, and no part of the new one."""
    path = tmp_path / "a.txt"
    path.write_text("old")

    def write(part):
        part.write_text("ne")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        replace_file(path, write)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(os.name == "nt", reason="permissions are others there")
def test_permissions_are_kept_or_the_usual(tmp_path):
    """A file that only its owner reads stays so; a new one is as any program would make it."""
    private, new, usual = (tmp_path / name for name in ("private", "new", "usual"))
    private.write_text("old")
    private.chmod(0o600)
    usual.write_text("")
    for path in (private, new):
        replace_file(path, lambda part: part.write_text("x"))
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert new.stat().st_mode == usual.stat().st_mode


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_a_link_stays_a_link(tmp_path):
    """What it points to is replaced."""
    (tmp_path / "real").write_text("old")
    link = tmp_path / "link"
    link.symlink_to("real")
    replace_file(link, lambda part: part.write_text("new"))
    assert link.is_symlink()
    assert (tmp_path / "real").read_text() == "new"


def test_an_impossible_path_is_explained(tmp_path):
    """A missing folder, or a path that is a folder."""
    with pytest.raises(InvalidOptionError, match="there is no folder"):
        replace_file(tmp_path / "no" / "a.txt", print)
    with pytest.raises(InvalidOptionError, match="is a folder"):
        replace_file(tmp_path, print)


@pytest.mark.parametrize(
    "dest",
    [
        "s3://bucket/x",
        "S3://bucket",
        " gs://bucket",
        "file:///tmp/x",
        "simplecache::s3://bucket/x",
        "dbfs:/FileStore",
        Path("s3://bucket/x"),
        "https://user:5ec2e7@host/x?sig=5ec2e7",
    ],
)
def test_a_url_is_no_local_path(dest):
    """It is refused, without possible secrets in the message."""
    with pytest.raises(InvalidOptionError, match=r"dest='.*://…' is a URL") as caught:
        local_path(dest, "dest")
    assert "5ec2e7" not in str(caught.value)


@pytest.mark.parametrize("dest", [b"exports", bytearray(b"x"), "", "a\0b", None, 5, ["a"]])
def test_values_that_are_not_paths_are_refused(dest):
    """Including bytes: a text column could not hold them."""
    with pytest.raises(InvalidOptionError, match="give the path of a folder"):
        local_path(dest, "dest")


def test_a_path_that_is_not_utf8_is_refused():
    """Before anything is sent, rather than when the path is put into the frame."""
    with pytest.raises(InvalidOptionError, match="not valid UTF-8"):
        local_path("exports\udcff", "dest")


def test_a_home_folder_that_does_not_exist(monkeypatch):
    """Containers often have none; a name that begins with ~ can still be given."""

    def no_home(path):
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "expanduser", no_home)
    with pytest.raises(InvalidOptionError, match=r"no home folder for '~'"):
        local_path("~/exports", "dest")


@pytest.mark.skipif(os.name == "nt", reason="a folder in use cannot be removed there")
def test_a_current_folder_that_was_removed(tmp_path, monkeypatch):
    """A relative path has no meaning then."""
    folder = tmp_path / "gone"
    folder.mkdir()
    monkeypatch.chdir(folder)
    folder.rmdir()
    with pytest.raises(InvalidOptionError, match="current folder no longer exists"):
        local_path("exports", "dest")
    assert local_path(tmp_path, "dest") == tmp_path


@pytest.mark.parametrize("dest", ["exports", "a:b", "c:", "x/s3:/y", "./s3:/bucket", "ünïcode"])
def test_a_local_path_becomes_absolute(dest, tmp_path, monkeypatch):
    """Relative to the current folder; a colon alone makes no URL."""
    monkeypatch.chdir(tmp_path)
    assert local_path(dest, "dest") == tmp_path / dest


def test_a_file_is_never_written_to_a_url(tmp_path, monkeypatch):
    """No folder called ``s3:`` appears in the current one."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidOptionError, match="is a URL"):
        replace_file("s3://bucket/x.html", print)
    assert list(tmp_path.iterdir()) == []
