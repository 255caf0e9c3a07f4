"""A part is claimed by one process, survives it, and becomes the file in one step."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import subprocess
import sys

import pytest
from export_fixtures import names

from asana_jobs_pd import _files
from asana_jobs_pd._download import partial_file
from asana_jobs_pd._download.partial_file import Claims, PartialFile
from asana_jobs_pd._download.verify import FileRecord
from asana_jobs_pd._files import explain_os_error

ETAG = '"abc123"'
posix = pytest.mark.skipif(os.name != "posix", reason="modes and links of POSIX")


@pytest.fixture
def target(tmp_path):
    return tmp_path / "1-graph.jsonl.gz"


def part_of(target):
    return target.with_name(f"{target.name}.part")


def etag_of(target):
    return target.with_name(f"{target.name}.part.etag")


def record_of(data):
    return FileRecord(len(data), hashlib.sha256(data).hexdigest(), ETAG)


def begin(target, data=b"12345", etag=ETAG):
    with PartialFile.try_open(target) as part:
        part.restart(etag)
        part.write(data)


def abandon(target, owner, data=b"12345", etag=ETAG):
    """Leave what a process leaves that is killed while it downloads."""
    begin(target, data, etag)
    claim = Claims(target).path_of(owner)
    etag_of(target).rename(claim)
    return claim


def owner_on(machine="0" * 8, pid=1):
    return f"{machine}-{pid}-1-{'a' * 8}"


def dead_owner():
    child = subprocess.Popen([sys.executable, "-S", "-c", ""])
    child.wait()
    return owner_on(_files.machine_id(), child.pid)


def test_a_part_survives_with_its_etag(target):
    """The next owner finds the bytes and which content they belong to."""
    begin(target)
    assert names(target.parent) == [part_of(target).name, etag_of(target).name]
    with PartialFile.try_open(target) as part:
        assert (part.size, part.etag, b"".join(part.read())) == (5, ETAG, b"12345")
        part.write(b"67")
        assert b"".join(part.read()) == b"1234567"


def test_a_part_becomes_the_file(target):
    """Nothing else is left."""
    with PartialFile.try_open(target) as part:
        part.restart(ETAG)
        part.write(b"whole")
        assert part.commit(target, record_of(b"whole"))
    assert names(target.parent) == [target.name]
    assert target.read_bytes() == b"whole"


def test_a_disk_that_is_full_is_not_overlooked(target, monkeypatch):
    """The system may report it only at the fsync: the file must not get its name."""

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    with PartialFile.try_open(target) as part:
        part.restart(ETAG)
        part.write(b"12345")
        monkeypatch.setattr(partial_file.os, "fsync", full)
        with pytest.raises(OSError, match="No space left") as caught:
            part.commit(target, record_of(b"12345"))
    assert caught.value.filename.endswith(".part")
    assert not target.exists()


@posix
def test_it_is_for_its_owner_alone(target):
    """From its first byte, even when an older part was readable by all."""
    begin(target)
    part_of(target).chmod(0o666)
    with PartialFile.try_open(target) as part:
        part.write(b"x")
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in target.parent.iterdir()}
        assert set(modes.values()) == {0o600}
        assert part.commit(target, record_of(b"12345x"))
    assert stat.S_IMODE(target.stat().st_mode) == 0o600


@pytest.mark.parametrize("kept", [None, b"", b'W/"weak"', b"\xff\xfe", b'"' + b"a" * 400 + b'"'])
def test_bytes_of_unknown_content_are_dropped(target, kept):
    """Nothing may be appended without an ETag that identifies them."""
    begin(target)
    etag_of(target).unlink()
    if kept is not None:
        etag_of(target).write_bytes(kept)
    with PartialFile.try_open(target) as part:
        assert (part.size, part.etag) == (0, None)


def test_a_part_without_bytes_leaves_nothing(target):
    """A download that failed at once leaves the folder as it was."""
    with PartialFile.try_open(target):
        pass
    assert names(target.parent) == []


def test_a_part_that_cannot_be_resumed_leaves_nothing(target):
    """Bytes without an ETag are useless."""
    begin(target, etag=None)
    assert names(target.parent) == []


def test_only_one_has_it(target):
    """The second gets it when the first releases it."""
    with PartialFile.try_open(target) as first:
        first.restart(ETAG)
        first.write(b"1")
        assert PartialFile.try_open(target) is None
    with PartialFile.try_open(target) as second:
        assert second.size == 1


def test_a_discarded_part_is_gone(target):
    """With its ETag."""
    begin(target)
    with PartialFile.try_open(target) as part:
        part.discard()
    assert names(target.parent) == []


@posix
def test_the_part_of_a_dead_process_is_resumed(target):
    """In place; its claim is removed."""
    abandon(target, dead_owner())
    inode = part_of(target).stat().st_ino
    with PartialFile.try_open(target) as part:
        assert (part.size, part.etag) == (5, ETAG)
        assert part_of(target).stat().st_ino == inode
    assert names(target.parent) == [part_of(target).name, etag_of(target).name]


@posix
@pytest.mark.parametrize("pid", [None, 1], ids=["ours", "reused"])
def test_a_pid_alone_does_not_keep_a_claim(target, pid):
    """It may now be another process, or one of our own finished downloads."""
    owner = owner_on(_files.machine_id(), pid or os.getpid())
    abandon(target, owner)
    if pid and not _files.started_at(pid):
        pytest.skip("nothing tells when a process started here")
    with PartialFile.try_open(target) as part:
        assert part.size == 5


class Seconds:
    """A clock that a test sets."""

    def __init__(self):
        self.now = 0.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    made = Seconds()
    monkeypatch.setattr(partial_file, "time", made)
    return made


def test_a_claim_of_another_machine_holds_while_it_beats(target, clock):
    """Its process cannot be checked, but its claim changes."""
    claim = abandon(target, owner_on())
    claims = Claims(target)
    for beat in range(3):
        clock.now += partial_file.STALE + 1
        os.utime(claim, (beat, beat))
        assert PartialFile.try_open(target, claims) is None
    clock.now += partial_file.STALE - 1
    assert PartialFile.try_open(target, claims) is None


def test_a_part_of_a_silent_machine_is_resumed_in_a_copy(target, clock):
    """It may only be slow and still write to its file."""
    abandon(target, owner_on())
    claims = Claims(target)
    assert PartialFile.try_open(target, claims) is None
    clock.now += partial_file.STALE + 1
    with part_of(target).open("r+b") as other, PartialFile.try_open(target, claims) as part:
        other.write(b"junk and more junk")
        other.flush()
        part.write(b"67")
        assert b"".join(part.read()) == b"1234567"
        assert part.commit(target, record_of(b"1234567"))
    assert names(target.parent) == [target.name]


def test_an_owner_shows_that_it_is_alive(target, clock):
    """It touches its claim every few seconds."""
    with PartialFile.try_open(target) as part:
        (claim,) = target.parent.glob("*.etag")
        os.utime(claim, (0, 0))
        part.beat()
        assert claim.stat().st_mtime == 0
        clock.now += 10
        part.beat()
        assert claim.stat().st_mtime > 0


def test_an_owner_that_was_presumed_dead_harms_nobody(target, clock):
    """Both finish with their own bytes: neither writes to the other's file."""
    with PartialFile.try_open(target) as slow:
        slow.restart(ETAG)
        slow.write(b"123")
        claims = Claims(target)
        assert PartialFile.try_open(target, claims) is None
        clock.now += partial_file.STALE + 1
        with PartialFile.try_open(target, claims) as fast:
            slow.write(b"45")
            assert b"".join(fast.read()) == b"123"
            fast.write(b"45")
            assert slow.commit(target, record_of(b"12345"))
            assert target.read_bytes() == b"12345"
            assert fast.commit(target, record_of(b"12345"))
    assert target.read_bytes() == b"12345"
    assert names(target.parent) == [target.name]


@posix
def test_a_process_killed_just_before_the_last_rename_costs_nothing(target):
    """Its bytes have a name of their own by then."""
    owner = dead_owner()
    abandon(target, owner)
    part_of(target).rename(Claims(target).data_path_of(owner))
    with PartialFile.try_open(target) as part:
        assert (part.size, part.etag) == (5, ETAG)
    assert names(target.parent) == [part_of(target).name, etag_of(target).name]


@posix
def test_leftovers_of_a_process_killed_after_the_rename_are_removed(target):
    """But not while there is a part, which the next download resumes."""
    claim = abandon(target, dead_owner())
    Claims(target).sweep()
    assert claim.exists()
    part_of(target).rename(target)
    Claims(target).sweep()
    assert names(target.parent) == [target.name]


@posix
def test_two_dead_claims_say_nothing(target):
    """The content of the bytes is unknown, so they are dropped."""
    abandon(target, dead_owner())
    Claims(target).path_of(dead_owner()).write_text('"another"')
    with PartialFile.try_open(target) as part:
        assert part.size == 0
    assert names(target.parent) == []


CHANGES = {
    "altered": lambda path: path.write_bytes(b"1x345"),
    "truncated": lambda path: os.truncate(path, 2),
    "extended": lambda path: path.write_bytes(b"123456"),
    "removed": lambda path: path.unlink(),
    "moved": lambda path: path.rename(path.with_name("elsewhere")),
    "swapped": lambda path: (path.unlink(), path.write_bytes(b"other")),
    "linked": lambda path: os.link(path, path.with_name("elsewhere")),
    "touched": lambda path: os.utime(path, (1, 1)),
}


@posix
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("last", [b"", b"67"])
def test_only_verified_bytes_get_the_final_name(target, change, last):
    """Whatever another program does to the part, and whenever."""
    whole = b"12345" + last
    with PartialFile.try_open(target) as part:
        part.restart(ETAG)
        part.write(b"12345")
        change(part_of(target))
        if last:
            part.write(last)
        if part.commit(target, record_of(whole)):
            assert target.read_bytes() == whole
            assert target.stat().st_nlink == 1
        else:
            assert not target.exists()
            part.restart(ETAG)
            part.write(whole)
            assert part.commit(target, record_of(whole))
            assert target.read_bytes() == whole


@posix
@pytest.mark.parametrize("rest", [b"67", None])
def test_a_hard_linked_part_leaves_the_other_file_alone(target, rest):
    """It is resumed, or dropped, in a file of its own."""
    begin(target)
    other = target.with_name("precious")
    os.link(part_of(target), other)
    with PartialFile.try_open(target) as part:
        if rest is None:
            part.restart(None)
        part.write(rest or b"9")
    assert other.read_bytes() == b"12345"


@posix
def test_a_link_is_not_followed(target, tmp_path):
    """Nobody can make a download overwrite another file by planting a link."""
    victim = tmp_path / "victim"
    victim.write_text("precious")
    part_of(target).symlink_to(victim)
    with pytest.raises(OSError, match="symbolic") as caught:
        PartialFile.try_open(target)
    assert "symbolic link" in explain_os_error(caught.value)
    part_of(target).unlink()
    etag_of(target).symlink_to(victim)
    target.symlink_to(victim)
    with PartialFile.try_open(target) as part:
        part.restart(ETAG)
        part.write(b"1")
        assert part.commit(target, record_of(b"1"))
    assert victim.read_text() == "precious"
    assert not target.is_symlink()


@posix
def test_a_pipe_is_not_written_to(target):
    """Only a regular file is a part; nothing is left beside it."""
    os.mkfifo(part_of(target))
    with pytest.raises(OSError, match="regular") as caught:
        PartialFile.try_open(target)
    assert "regular file" in explain_os_error(caught.value)
    assert names(target.parent) == [part_of(target).name]


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
