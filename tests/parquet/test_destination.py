"""A dataset is in its place as a whole, or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import traceback
from pathlib import Path

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from asana_jobs_pd._parquet.destination import destination, staged
from asana_jobs_pd.errors import ExportWriteError, InvalidOptionError

SECRET = "0123456789abcdefSECRET"


def build(stage, *names):
    """Put files into the stage, as a dataset has them."""
    for name in (*names, "_manifest.json", "_SUCCESS"):
        path = stage.dataset / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(name, "utf-8")


def names(folder):
    """Return what is in a folder, as paths from there."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def listed(folder):
    """Return the names in a folder."""
    return sorted(path.name for path in folder.iterdir())


class Recording(MemoryFileSystem):
    """A file system of its own, that notes what is put and can fail at one of them."""

    protocol = ("recording",)
    store = {}  # noqa: RUF012
    pseudo_dirs = [""]  # noqa: RUF012
    put = []  # noqa: RUF012
    fails = {}  # noqa: RUF012

    def find(self, path, **options):
        if "find" in self.fails:
            raise self.fails["find"]
        return super().find(path, **options)

    def put_file(self, lpath, rpath, **options):
        name = rpath.rsplit("export/", 1)[1]
        if name in self.fails:
            raise self.fails[name]
        self.put.append(name)
        super().put_file(lpath, rpath, **options)


@pytest.fixture
def remote():
    """The URL of a place in an empty file system of our own."""
    for kept in (Recording.store, Recording.put, Recording.fails):
        kept.clear()
    Recording.pseudo_dirs[:] = [""]
    fsspec.register_implementation("recording", Recording, clobber=True)
    return "recording://bucket/export"


def stored():
    """Return the names of what is stored."""
    return sorted(name.rsplit("/export/", 1)[-1] for name in Recording.store)


def test_it_comes_to_be_when_the_block_ends(tmp_path):
    """Until then there is another folder beside it, and after it only the dataset."""
    place = tmp_path / "deep" / "export"
    with staged(destination(place), None) as stage:
        build(stage, "task/part-00000.parquet")
        (stage.scratch / "spool").touch()
        assert not place.parent.exists()
        assert tmp_path in stage.dataset.parents
    assert names(place) == ["_SUCCESS", "_manifest.json", "task", "task/part-00000.parquet"]
    assert listed(tmp_path) == ["deep"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_leaves_nothing(tmp_path, error):
    """Neither the dataset nor what was made for it."""
    with pytest.raises(error):
        with staged(destination(tmp_path / "export"), None) as stage:
            build(stage)
            raise error
    assert listed(tmp_path) == []


def test_an_empty_folder_may_be_there(tmp_path):
    """It becomes the dataset."""
    (tmp_path / "export").mkdir()
    with staged(destination(tmp_path / "export"), None) as stage:
        build(stage)
    assert names(tmp_path) == ["export", "export/_SUCCESS", "export/_manifest.json"]


def test_a_dataset_that_is_replaced_is_there_until_the_end(tmp_path):
    """Its files are gone only when the new ones are whole."""
    place = tmp_path / "export"
    with staged(destination(place), None) as stage:
        build(stage, "old.parquet")
    with pytest.raises(ValueError, match="late"):
        with staged(destination(place, overwrite=True), None) as stage:
            build(stage, "new.parquet")
            raise ValueError("late")
    assert "old.parquet" in names(place)
    with staged(destination(place, overwrite=True), None) as stage:
        build(stage, "new.parquet")
        assert "old.parquet" in names(place)
    assert names(place) == ["_SUCCESS", "_manifest.json", "new.parquet"]
    assert listed(tmp_path) == ["export"]


def test_a_dataset_comes_back_when_it_cannot_be_replaced(tmp_path):
    """The old one gets its name back."""
    place = tmp_path / "export"
    with staged(destination(place), None) as stage:
        build(stage, "old.parquet")
    with pytest.raises(ExportWriteError, match="a folder does not exist"):
        with staged(destination(place, overwrite=True), None) as stage:
            stage.dataset.rmdir()
    assert names(place) == ["_SUCCESS", "_manifest.json", "old.parquet"]


def test_nothing_but_a_dataset_is_replaced(tmp_path):
    """A folder of other things, and a file, are safe from overwrite=True."""
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.tex").touch()
    (tmp_path / "file").touch()
    for name in ("home", "file"):
        with pytest.raises(ExportWriteError, match="not a dataset of this package"):
            destination(tmp_path / name, overwrite=True)
    assert (tmp_path / "home" / "thesis.tex").exists()


def test_what_was_put_there_meanwhile_is_not_replaced(tmp_path):
    """Of two that write to one place, the second one fails."""
    place = destination(tmp_path / "export")
    with pytest.raises(ExportWriteError, match="already"):
        with staged(place, None) as second:
            build(second, "second.parquet")
            with staged(place, None) as first:
                build(first, "first.parquet")
    assert "first.parquet" in names(tmp_path / "export")
    assert listed(tmp_path) == ["export"]


def test_a_full_disk_is_said_in_words(tmp_path):
    """With what helps, and nothing is left."""
    with pytest.raises(ExportWriteError, match=r"the disk is full; .*temp_dir") as caught:
        with staged(destination(tmp_path / "export"), None):
            raise OSError(errno.ENOSPC, "No space left on device", "spool.arrow")
    assert caught.value.path == str(tmp_path / "export")
    assert listed(tmp_path) == []


def test_other_errors_are_not_touched(tmp_path):
    """Only what we have words for is put into ours."""
    with pytest.raises(OSError, match="weird"):
        with staged(destination(tmp_path / "export"), None):
            raise OSError(errno.EDOM, "weird")


def test_scratch_may_be_elsewhere(tmp_path):
    """With temp_dir only the dataset is made beside its place; a missing one is an error."""
    (tmp_path / "large").mkdir()
    with staged(destination(tmp_path / "out" / "export"), str(tmp_path / "large")) as stage:
        build(stage)
        assert tmp_path / "large" in stage.scratch.parents
        assert tmp_path / "large" not in stage.dataset.parents
    assert listed(tmp_path / "large") == []
    with pytest.raises(ExportWriteError, match=r"a folder does not exist .*missing"):
        with staged(destination(tmp_path / "b"), str(tmp_path / "missing")):
            pytest.fail("there is nowhere to work")


@pytest.mark.parametrize("dest", ["", None, 7])
def test_dest_is_a_path(dest):
    """Anything else is refused."""
    with pytest.raises(InvalidOptionError, match="dest="):
        destination(dest)


def test_file_urls_and_home_are_local(tmp_path, monkeypatch):
    """They are renamed into place as other paths are."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert destination("~/export").path == str(tmp_path / "export")
    place = destination((tmp_path / "export").as_uri())
    assert (place.filesystem, Path(place.path)) == (None, tmp_path / "export")


def test_an_upload_ends_with_the_success_file(remote):
    """The manifest is first, so that the rest of a killed upload is known as ours."""
    with staged(destination(remote), None) as stage:
        build(stage, "task/part-00000.parquet", "task/part-00001.parquet")
        assert [name for name in stored() if not name.startswith("_part-")] == []
    assert Recording.put[0] == "_manifest.json"
    assert Recording.put[-1] == "_SUCCESS"
    assert stored() == sorted(Recording.put)
    assert len(Recording.put) == 4


def test_a_lack_of_permission_shows_before_the_work(remote, monkeypatch):
    """A small file is written first; it is an error in words, and the block does not run."""

    def refused(*_, **__):
        raise PermissionError("403 Forbidden")

    monkeypatch.setattr(Recording, "pipe_file", refused)
    with pytest.raises(ExportWriteError, match="403 Forbidden"):
        with staged(destination(remote), None):
            pytest.fail("work began")


@pytest.mark.parametrize("error", [OSError(f"cut off, key={SECRET}"), KeyboardInterrupt()])
def test_an_upload_that_fails_is_taken_back(remote, error):
    """Whatever ended it, nothing is left there."""
    Recording.fails["task/part-00001.parquet"] = error
    expected = KeyboardInterrupt if isinstance(error, KeyboardInterrupt) else ExportWriteError
    with pytest.raises(expected):
        with staged(destination(remote), None) as stage:
            build(stage, "task/part-00000.parquet", "task/part-00001.parquet")
    assert "task/part-00000.parquet" in Recording.put
    assert stored() == []


def test_a_dataset_behind_a_url_is_replaced_only_when_asked(remote):
    """With overwrite nothing old is left; other things are never replaced."""
    with staged(destination(remote), None) as stage:
        build(stage, "old.parquet")
    with pytest.raises(ExportWriteError, match="overwrite=True"):
        destination(remote)
    with staged(destination(remote, overwrite=True), None) as stage:
        build(stage, "new.parquet")
    assert stored() == ["_SUCCESS", "_manifest.json", "new.parquet"]
    with fsspec.open("recording://bucket/other/thesis.tex", "wb") as file:
        file.write(b"...")
    with pytest.raises(ExportWriteError, match="not a dataset of this package"):
        destination("recording://bucket/other", overwrite=True)


@pytest.mark.parametrize("number", range(1, 14))
@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError("cut off")])
def test_a_remote_dataset_is_replaced_only_when_the_new_one_is_complete(
    remote, monkeypatch, number, error
):
    """Whatever call fails, either the old or the new dataset is whole, there or under `_part-`."""
    with staged(destination(remote), None) as stage:
        build(stage, "task/part-00000.parquet")
    count = 0

    def wrapped(name):
        call = getattr(MemoryFileSystem, name)

        def run(*arguments, **options):
            nonlocal count
            count += 1
            if count == number:
                raise error
            return call(*arguments, **options)

        return run

    with monkeypatch.context() as patch:
        for name in ("pipe_file", "put_file", "cp_file", "rm"):
            patch.setattr(Recording, name, wrapped(name))
        with contextlib.suppress(KeyboardInterrupt, ExportWriteError):
            with staged(destination(remote, overwrite=True), None) as stage:
                build(stage, "new.parquet")
    old = ["_SUCCESS", "_manifest.json", "task/part-00000.parquet"]
    new = ["_SUCCESS", "_manifest.json", "new.parquet"]
    there = [name for name in stored() if not name.startswith("_part-")]
    claimed = sorted(name.partition("/")[2] for name in stored() if name.startswith("_part-"))
    assert there in (old, new) or claimed == sorted([*new, "_OWNER"])
    with staged(destination(remote, overwrite=True), None) as stage:
        build(stage, "next.parquet")
    assert stored() == ["_SUCCESS", "_manifest.json", "next.parquet"]


def test_an_error_while_a_remote_dataset_is_replaced_says_where_the_new_one_is(remote, monkeypatch):
    """It is complete by then."""
    for _ in range(2):
        with staged(destination(remote, overwrite=True), None) as stage:
            build(stage)

    def refused(*_, **__):
        raise OSError("cut off")

    monkeypatch.setattr(Recording, "cp_file", refused)
    with pytest.raises(ExportWriteError, match=r"cut off \(the new dataset is complete in "):
        with staged(destination(remote, overwrite=True), None) as stage:
            build(stage)


@pytest.mark.parametrize(
    ("dest", "words"),
    [
        ("https://example.com/export", "this kind of URL"),
        ("simplecache::s3://bucket/export", "chained URLs are read-only"),
        (Path("s3://bucket/export"), "is a URL"),
        ("s3:/bucket/export", "is a URL"),
        (b"export", "dest=bytes"),
        ("", "dest=''"),
    ],
)
def test_destinations_that_are_refused(dest, words):
    """In words, before anything is read; no folder called ``s3:`` is made."""
    with pytest.raises(InvalidOptionError, match=words):
        destination(dest)


@pytest.mark.parametrize(
    ("number", "words"),
    [(errno.EACCES, "permission denied"), (errno.EPERM, "permission denied"),
     (errno.EROFS, "the file system is read-only"), (errno.ENOSPC, "the disk is full")],
)  # fmt: skip
@pytest.mark.parametrize("call", ["mkdir", "rename", "fsync", "listdir"])
def test_what_the_system_refuses_is_said_in_words(tmp_path, monkeypatch, call, number, words):
    """Whichever call it refuses: looking at dest, the work folder, flushing, the rename."""
    (tmp_path / "export").mkdir()

    def refused(*_, **__):
        raise OSError(number, os.strerror(number), str(tmp_path / "export"))

    used = []
    with monkeypatch.context() as patch:
        patch.setattr(os, call, lambda *a, **o: used.append(1) or refused())
        try:
            with staged(destination(tmp_path / "export", overwrite=True), None) as stage:
                build(stage)
        except ExportWriteError as error:
            assert words in str(error)  # noqa: PT017  not every call is made on every Python
        else:
            assert not used or call == "listdir"
    assert listed(tmp_path) == ["export"]


def test_a_place_that_cannot_be_looked_at_is_an_error(remote):
    """Before any work is done."""
    Recording.fails["find"] = PermissionError(f"403 Forbidden, Signature={SECRET}")
    with pytest.raises(ExportWriteError, match=r"cannot write .*: 403 Forbidden") as caught:
        destination(remote)
    assert SECRET not in str(caught.value)


def test_no_secret_is_said(remote):
    """Not of a URL, nor of the options, nor of what a file system says."""
    url = f"recording://user:{SECRET}@bucket/export"
    place = destination(url)
    assert SECRET not in str(place)
    Recording.fails["_SUCCESS"] = OSError(f"https://host/?X-Amz-Signature={SECRET}")
    with pytest.raises(ExportWriteError) as caught:
        with staged(destination(remote), None) as stage:
            build(stage)
    shown = "".join(traceback.format_exception(caught.value))
    assert SECRET not in shown
    assert caught.value.__cause__ is caught.value.__context__ is None
