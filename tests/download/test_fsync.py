"""A growing file is synced on the way, and the error of a sync is reported at the end."""

from __future__ import annotations

import errno
import threading

import pytest

from asana_jobs_pd._download import partial_file
from asana_jobs_pd._download.partial_file import BackgroundFsync, PartialFile
from asana_jobs_pd._download.verify import FileRecord


class Disk:
    """Stands for the system's sync: counts, and fails when it is full."""

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
    monkeypatch.setattr(partial_file, "_sync", made)
    monkeypatch.setattr(partial_file, "_SYNC_SIZE", 100)
    return made


def test_small_files_need_no_thread(disk):
    """Their one sync at the end does."""
    syncing = BackgroundFsync(3)
    syncing.wrote(99)
    syncing.finish()
    syncing.check()
    assert disk.count == 0


def test_a_large_file_is_synced_on_the_way(disk):
    """Once enough is new, in a thread that ends with the file."""
    syncing = BackgroundFsync(3)
    syncing.wrote(60)
    syncing.wrote(60)
    assert disk.synced.wait(60)
    syncing.wrote(200)  # not twice within the pause
    syncing.finish()
    assert disk.count == 1
    assert not [one for one in threading.enumerate() if one.name == "asana-fsync"]


def test_without_threads_the_last_sync_does_it_all(disk, monkeypatch):
    """A download needs one thread, not two."""

    def start(thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    syncing = BackgroundFsync(3)
    syncing.wrote(200)
    syncing.finish()
    syncing.check()
    assert disk.count == 0


def test_a_disk_that_is_full_is_not_overlooked(disk, tmp_path):
    """The system says so once, to whoever asks first: the file must not get its name."""
    disk.full = True
    target = tmp_path / "1-graph.jsonl.gz"
    with PartialFile.try_open(target) as part:
        part.restart('"a"')
        part.write(bytes(150))
        assert disk.synced.wait(60)
        with pytest.raises(OSError, match="No space left") as caught:
            part.commit(target, FileRecord(150, ""))
    assert caught.value.filename.endswith(".part")
    assert not target.exists()
