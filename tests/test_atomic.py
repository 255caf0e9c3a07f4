"""A file is there whole, or as it was before."""

from __future__ import annotations

import os
import stat

import pytest

from asana_jobs_pd._files import replace_file
from asana_jobs_pd.errors import InvalidOptionError


def test_a_file_is_written_beside_and_then_moved(tmp_path):
    """While it is written, the old one stands; afterwards nothing else is there."""
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


def test_a_path_that_cannot_be_is_told(tmp_path):
    """A folder that is not there, a folder itself."""
    with pytest.raises(InvalidOptionError, match="there is no folder"):
        replace_file(tmp_path / "no" / "a.txt", print)
    with pytest.raises(InvalidOptionError, match="is a folder"):
        replace_file(tmp_path, print)
