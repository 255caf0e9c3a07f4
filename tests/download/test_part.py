"""A part survives, is locked, and becomes the file in one step."""

from __future__ import annotations

import errno
import os
import stat

import pytest
from export_fixtures import names

from asana_jobs_pd._download.partial_file import Part, hash_of, identity_of
from asana_jobs_pd._files import explain_os_error

ETAG = '"abc123"'
posix = pytest.mark.skipif(os.name != "posix", reason="modes and links of POSIX")


@pytest.fixture
def target(tmp_path):
    return tmp_path / "1-graph.jsonl.gz"


def begun(target, data=b"12345", etag=ETAG):
    with Part.try_open(target) as part:
        part.restart(etag)
        part.write(data)


def test_a_part_survives_with_its_etag(target):
    """The next one finds the bytes, and whose they are."""
    begun(target)
    assert names(target.parent) == [f"{target.name}.part", f"{target.name}.part.etag"]
    with Part.try_open(target) as part:
        assert (part.size, part.etag, b"".join(part.read())) == (5, ETAG, b"12345")
        part.write(b"67")
        assert b"".join(part.read()) == b"1234567"


def test_a_part_becomes_the_file(target):
    """Nothing else is left."""
    with Part.try_open(target) as part:
        part.restart(ETAG)
        part.write(b"whole")
        part.commit()
    assert names(target.parent) == [target.name]
    assert target.read_bytes() == b"whole"


@posix
def test_it_is_for_its_owner_alone(target):
    """From its first byte on, also when an older part was open to all."""
    part_path = target.with_name(f"{target.name}.part")
    part_path.touch(0o666)
    part_path.chmod(0o666)
    with Part.try_open(target) as part:
        part.restart(ETAG)
        part.write(b"x")
        assert stat.S_IMODE(part_path.stat().st_mode) == 0o600
        etag_path = target.with_name(f"{target.name}.part.etag")
        assert stat.S_IMODE(etag_path.stat().st_mode) == 0o600
        part.commit()
    assert stat.S_IMODE(target.stat().st_mode) == 0o600


@pytest.mark.parametrize("kept", [None, b"", b'W/"weak"', b"\xff\xfe", b'"' + b"a" * 400 + b'"'])
def test_bytes_of_unknown_content_are_dropped(target, kept):
    """Without an ETag that identifies them, nothing may be appended."""
    begun(target)
    etag_path = target.with_name(f"{target.name}.part.etag")
    etag_path.unlink()
    if kept is not None:
        etag_path.write_bytes(kept)
    with Part.try_open(target) as part:
        assert (part.size, part.etag) == (0, None)


def test_a_part_without_bytes_leaves_nothing(target):
    """A download that failed at once leaves the folder as it was."""
    with Part.try_open(target):
        pass
    assert names(target.parent) == []


def test_only_one_has_it(target):
    """The second gets it when the first lets go."""
    with Part.try_open(target) as first:
        first.restart(ETAG)
        first.write(b"1")
        assert Part.try_open(target) is None
    with Part.try_open(target) as second:
        assert second.size == 1


def test_a_discarded_part_is_gone(target):
    """With its ETag."""
    begun(target)
    with Part.try_open(target) as part:
        part.discard()
    assert names(target.parent) == []


@posix
def test_a_link_is_not_followed(target, tmp_path):
    """Nobody can have another file overwritten by planting one."""
    victim = tmp_path / "victim"
    victim.write_text("precious")
    part_path = target.with_name(f"{target.name}.part")
    part_path.symlink_to(victim)
    with pytest.raises(OSError, match="symbolic") as caught:
        Part.try_open(target)
    assert "symbolic link" in explain_os_error(caught.value)
    part_path.unlink()
    target.with_name(f"{target.name}.part.etag").symlink_to(victim)
    target.symlink_to(victim)
    begun(target)
    with Part.try_open(target) as part:
        part.commit()
    assert victim.read_text() == "precious"
    assert not target.is_symlink()


@posix
def test_a_pipe_is_not_written_to(target):
    """Only a regular file is a part."""
    os.mkfifo(target.with_name(f"{target.name}.part"))
    with pytest.raises(OSError, match="regular") as caught:
        Part.try_open(target)
    assert "regular file" in explain_os_error(caught.value)


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.ENOSPC, "disk is full"),
        (errno.EACCES, "permission"),
        (errno.EROFS, "read-only"),
        (errno.ENOTDIR, "not a folder"),
        (errno.EDOM, os.strerror(errno.EDOM)),
    ],
)
def test_an_os_error_in_words(number, said):
    """With the file it is about."""
    words = explain_os_error(OSError(number, os.strerror(number), "/some/file"))
    assert said in words
    assert words.startswith("/some/file: ")
    assert said in explain_os_error(OSError(number, os.strerror(number)))


def test_a_finished_file_is_known_by_what_it_is(target):
    """None when there is none; a folder of its name is an error."""
    assert identity_of(target) is None
    target.write_bytes(b"abc")
    first = identity_of(target)
    other = target.with_name("other")
    other.write_bytes(b"abc")
    other.replace(target)
    assert identity_of(target) != first
    assert hash_of(target, bool)[0] == 3
    target.unlink()
    target.mkdir()
    with pytest.raises(IsADirectoryError):
        identity_of(target)
