"""Replacing a dataset: the old one or the new one, whole, at every instant."""

from __future__ import annotations

import errno
import json
import os
from contextlib import contextmanager, suppress

import pytest
from child_process import run_child

from asana_jobs_pd._files import machine_id, started_at
from asana_jobs_pd._parquet import destination as module
from asana_jobs_pd._parquet.destination import FORMAT, destination, set_aside, staged
from asana_jobs_pd.errors import ExportWriteError

POSIX = pytest.mark.skipif(os.name == "nt", reason="signals and process ids")
CALLS = ("rename", "replace", "mkdir", "rmdir", "unlink", "open", "fsync", "scandir")
NAMES = ["_SUCCESS", "_manifest.json", "part"]


def write_dataset(place, text, **options):
    """Write a dataset of three files that hold a text."""
    with staged(destination(place, overwrite=True), None, **options) as stage:
        fill(stage.dataset, text)


def fill(folder, text):
    """Write the files of a dataset, which hold a text."""
    for name in NAMES:
        (folder / name).write_text(json.dumps({"format": FORMAT, "text": text}), "utf-8")


def content(place):
    """Return what the files of a dataset hold, and that they are all there."""
    if not place.exists():
        return None
    assert sorted(path.name for path in place.iterdir()) == NAMES
    (text,) = {json.loads(path.read_text("utf-8"))["text"] for path in place.iterdir()}
    return text


@contextmanager
def failing(monkeypatch, number, error, *, after):
    """Make one call of the operating system fail: the one of this number, before or after it."""
    count = 0

    def wrapped(call):
        def run(*arguments, **options):
            nonlocal count
            count += 1
            if count == number and not after:
                raise error
            result = call(*arguments, **options)
            if count == number and after:
                if hasattr(result, "close"):
                    result.close()
                raise error
            return result

        return run

    with monkeypatch.context() as patch:
        for name in CALLS:
            patch.setattr(os, name, wrapped(getattr(os, name)))
        exchange = module._exchange
        patch.setattr(module, "_exchange", wrapped(exchange))
        yield lambda: count


def without_exchange(monkeypatch):
    """Behave as a system that cannot exchange folders."""
    monkeypatch.setattr(module, "_exchange", lambda _one, _other: False)


@pytest.mark.parametrize("exchange", [True, False])
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), OSError(errno.ENOSPC, "No space left on device")]
)
def test_a_failure_at_any_step_leaves_the_old_or_the_new(
    tmp_path, monkeypatch, error, after, exchange
):
    """Whatever call fails or is interrupted; the next run leaves nothing else beside it."""
    if not exchange:
        without_exchange(monkeypatch)
    place = tmp_path / "export"
    number, seen = 0, set()
    while True:
        number += 1
        write_dataset(place, "old")
        with failing(monkeypatch, number, error, after=after) as calls:
            with suppress(KeyboardInterrupt, OSError):
                write_dataset(place, "new")
        if calls() < number:
            break
        seen.add(content(place))
        assert seen <= {"old", "new"}
        write_dataset(place, "next")
        assert content(place) == "next"
        assert [path.name for path in tmp_path.iterdir()] == ["export"]
    assert number > 15
    assert seen == {"old", "new"}


KILLED = """
import json, os, signal, sys
from pathlib import Path
from asana_jobs_pd._parquet import destination as module

place, after, exchange = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
calls = ("rename", "replace", "mkdir", "rmdir", "unlink", "open", "fsync", "scandir")
count = 0
if not exchange:
    module._exchange = lambda one, other: False

def write(text):
    with module.staged(module.destination(place, overwrite=True), None) as stage:
        for name in ("_SUCCESS", "_manifest.json", "part"):
            manifest = json.dumps({"format": module.FORMAT, "text": text})
            (stage.dataset / name).write_text(manifest, "utf-8")

def content():
    files = (module.set_aside(place) or place).glob("*")
    return ",".join(sorted(json.loads(path.read_text("utf-8"))["text"] for path in files))

def wrapped(call):
    def run(*arguments, **options):
        global count
        count += 1
        mine = count == number
        if mine and not after:
            os.kill(os.getpid(), signal.SIGKILL)
        try:
            return call(*arguments, **options)
        finally:
            if mine:
                os.kill(os.getpid(), signal.SIGKILL)
    return run

number, killed = 0, True
while killed:
    number += 1
    write("old")
    child = os.fork()
    if not child:
        for name in calls:
            setattr(os, name, wrapped(getattr(os, name)))
        module._exchange = wrapped(module._exchange)
        write("new")
        os._exit(0)
    killed = os.WIFSIGNALED(os.waitpid(child, 0)[1])
    then = content()
    try:
        with module.staged(module.destination(place, overwrite=True), None):
            raise ValueError
    except ValueError:
        print(then, content(), ",".join(path.name for path in place.parent.iterdir()))
"""


@POSIX
@pytest.mark.slow
@pytest.mark.parametrize("exchange", [True, False])
@pytest.mark.parametrize("after", [False, True])
def test_a_kill_at_any_step_leaves_the_old_or_the_new(tmp_path, after, exchange):
    """Where folders cannot be exchanged, the old one is found beside its place, and put back."""
    (tmp_path / "out").mkdir()
    place = tmp_path / "out" / "export"
    lines = run_child(KILLED, place, int(after), int(exchange), folder=tmp_path).splitlines()
    assert len(lines) > 15
    whole = {"old": "old,old,old", "new": "new,new,new"}
    steps = [line.split(" ") for line in lines]
    assert {then for then, *_ in steps} == {*whole.values()}
    assert {content for _, content, _ in steps} == {*whole.values()}
    assert {names for *_, names in steps} == {"export"}


def abandoned(tmp_path, name, *, age=0.0):
    """Make a work folder of this name."""
    folder = tmp_path / name
    (folder / "dataset").mkdir(parents=True)
    if age:
        os.utime(folder, (folder.stat().st_mtime - age,) * 2)
    return folder


@POSIX
def test_work_folders_of_other_processes_are_left_until_they_are_abandoned(tmp_path):
    """A running process, another machine, or a folder that only has a similar name."""
    here, other = machine_id(), "0" * 8
    running = abandoned(
        tmp_path, f".export.part-{here}-{os.getppid()}-{started_at(os.getppid())}-00000000"
    )
    elsewhere = abandoned(tmp_path, f".export.part-{other}-1-5-00000000")
    similar = abandoned(tmp_path, ".export.part-notes", age=module.STALE_SECONDS * 2)
    another = abandoned(tmp_path, f".exports.part-{here}-{2**22 + 1}-5-00000000")
    ended = abandoned(tmp_path, f".export.part-{here}-{2**22 + 1}-5-00000000")
    stale = abandoned(tmp_path, f".export.part-{other}-2-5-00000000", age=module.STALE_SECONDS * 2)
    write_dataset(tmp_path / "export", "new")
    assert all(folder.exists() for folder in (running, elsewhere, similar, another))
    assert not ended.exists()
    assert not stale.exists()


def test_a_dataset_that_was_set_aside_is_put_back_before_anything_is_done(tmp_path, monkeypatch):
    """A process was killed between two renames, here or on another machine."""
    without_exchange(monkeypatch)
    place = tmp_path / "export"
    write_dataset(place, "old")
    work = abandoned(tmp_path, ".export.part-00000000-1-5-00000000")
    place.rename(work / "replaced")
    assert set_aside(place) == work / "replaced"
    with pytest.raises(ExportWriteError, match="overwrite=True replaces it"):
        destination(place)
    assert content(place) == "old"
    assert set_aside(place) is None


def test_two_conversions_in_one_process_do_not_remove_each_other(tmp_path):
    """A work folder of this process is abandoned only when its conversion has ended."""
    with staged(destination(tmp_path / "export"), None) as first:
        write_dataset(tmp_path / "export", "second")
        assert first.dataset.exists()
        (tmp_path / "export" / "part").unlink()
        for path in (tmp_path / "export").iterdir():
            path.unlink()
        fill(first.dataset, "first")
    assert content(tmp_path / "export") == "first"


def test_an_exchange_that_fails_is_an_error_in_words(tmp_path, monkeypatch):
    """It is not taken for a system that cannot exchange folders."""
    place = tmp_path / "export"
    write_dataset(place, "old")

    def refused(_one, _other):
        raise OSError(errno.EACCES, "Permission denied", str(place))

    monkeypatch.setattr(module, "_exchange", refused)
    with pytest.raises(ExportWriteError, match=r"cannot write .*: permission denied"):
        write_dataset(place, "new")
    assert content(place) == "old"
