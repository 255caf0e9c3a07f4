"""Replacing a dataset: the old one or the new one, whole, at every instant."""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager, suppress

import pytest
from child_process import run_child

from asana_jobs_pd._parquet import destination as module
from asana_jobs_pd._parquet.destination import destination, staged
from asana_jobs_pd.errors import ExportWriteError

POSIX = pytest.mark.skipif(os.name == "nt", reason="signals and process ids")
CALLS = ("rename", "replace", "mkdir", "rmdir", "unlink", "open", "fsync", "scandir")
NAMES = ["_SUCCESS", "_manifest.json", "part"]


def write_dataset(place, text, **options):
    """Write a dataset of three files that hold a text."""
    with staged(destination(place, overwrite=True), None, **options) as stage:
        for name in NAMES:
            (stage.dataset / name).write_text(text, "utf-8")


def content(place):
    """Return what the files of a dataset hold, and that they are all there."""
    if not place.exists():
        return None
    assert sorted(path.name for path in place.iterdir()) == NAMES
    (text,) = {path.read_text("utf-8") for path in place.iterdir()}
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
import os, signal, sys
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
            (stage.dataset / name).write_text(text, "utf-8")

def content():
    return ",".join(sorted(path.read_text("utf-8") for path in place.glob("*")))

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
        print(then or "none", content(), ",".join(path.name for path in place.parent.iterdir()))
"""


@POSIX
@pytest.mark.slow
@pytest.mark.parametrize("exchange", [True, False])
@pytest.mark.parametrize("after", [False, True])
def test_a_kill_at_any_step_leaves_the_old_or_the_new(tmp_path, after, exchange):
    """Where folders cannot be exchanged, a kill between two renames is undone by the next run."""
    (tmp_path / "out").mkdir()
    place = tmp_path / "out" / "export"
    lines = run_child(KILLED, place, int(after), int(exchange), folder=tmp_path).splitlines()
    assert len(lines) > 15
    whole = {"old": "old,old,old", "new": "new,new,new"}
    steps = [line.split(" ") for line in lines]
    assert {then for then, *_ in steps} - ({"none"} if not exchange else set()) == {*whole.values()}
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
    here, other = module._machine(), "0" * 8
    running = abandoned(tmp_path, f".export.part-{here}-{os.getppid()}-00000000")
    elsewhere = abandoned(tmp_path, f".export.part-{other}-1-00000000")
    similar = abandoned(tmp_path, ".export.part-notes", age=module.STALE_SECONDS * 2)
    another = abandoned(tmp_path, f".exports.part-{here}-{2**22 + 1}-00000000")
    ended = abandoned(tmp_path, f".export.part-{here}-{2**22 + 1}-00000000")
    stale = abandoned(tmp_path, f".export.part-{other}-2-00000000", age=module.STALE_SECONDS * 2)
    write_dataset(tmp_path / "export", "new")
    assert all(folder.exists() for folder in (running, elsewhere, similar, another))
    assert not ended.exists()
    assert not stale.exists()


def test_two_conversions_in_one_process_do_not_remove_each_other(tmp_path):
    """A work folder of this process is abandoned only when its conversion has ended."""
    with staged(destination(tmp_path / "export"), None) as first:
        write_dataset(tmp_path / "export", "second")
        assert first.dataset.exists()
        (tmp_path / "export" / "part").unlink()
        for path in (tmp_path / "export").iterdir():
            path.unlink()
        for name in NAMES:
            (first.dataset / name).write_text("first", "utf-8")
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
