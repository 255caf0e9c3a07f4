"""A growing file is synced on the way, and what a sync meets is told at the end."""

from __future__ import annotations

import errno
import threading

import pytest

from asana_jobs_pd._download import partial_file as behind
from asana_jobs_pd._download.partial_file import BackgroundFsync, Part


class Disk:
    """What stands for the system's sync: counts, and fails when it is full."""

    def __init__(self):
        self.synced, self.full = threading.Event(), False
        self.count = 0

    def __call__(self, descriptor):  # noqa: ARG002
        self.count += 1
        self.synced.set()
        if self.full:
            raise OSError(errno.ENOSPC, "No space left on device")


@pytest.fixture
def disk(monkeypatch):
    made = Disk()
    monkeypatch.setattr(behind, "_sync", made)
    monkeypatch.setattr(behind, "_EVERY", 100)
    return made


def test_small_files_need_no_thread(disk):
    """Their one sync at the end does."""
    writing = BackgroundFsync(3)
    writing.wrote(99)
    writing.finish()
    writing.check()
    assert disk.count == 0


def test_a_large_file_is_synced_on_the_way(disk):
    """Once enough is new, in a thread that ends with the file."""
    writing = BackgroundFsync(3)
    writing.wrote(60)
    writing.wrote(60)
    assert disk.synced.wait(10)
    writing.wrote(200)  # not twice within the pause
    writing.finish()
    assert disk.count == 1
    assert not [one for one in threading.enumerate() if one.name == "asana-disk"]


def test_a_disk_that_is_full_is_not_overlooked(disk, tmp_path):
    """The system tells it once, to whoever asks first: the file must not get its name."""
    disk.full = True
    target = tmp_path / "1-graph.jsonl.gz"
    with Part.try_open(target) as part:
        part.restart('"a"')
        part.write(bytes(150))
        assert disk.synced.wait(10)
        with pytest.raises(OSError, match="No space left") as caught:
            part.commit()
    assert caught.value.filename.endswith(".part")
    assert not target.exists()


def test_a_part_that_another_changed_gets_no_name(tmp_path):
    """What was verified is what came; what lies there must be as long."""
    target = tmp_path / "1-graph.jsonl.gz"
    with Part.try_open(target) as part:
        part.restart('"a"')
        part.write(b"12345")
        with target.with_name(f"{target.name}.part").open("ab") as other:
            other.write(b"6")
        with pytest.raises(OSError, match="another program"):
            part.commit()
    assert not target.exists()
