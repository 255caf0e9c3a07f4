"""A dataset is in its place as a whole, or not at all."""

from __future__ import annotations

import errno
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
    with pytest.raises(ExportWriteError, match="a folder is not there"):
        with staged(destination(place, overwrite=True), None) as stage:
            stage.dataset.rmdir()
    assert names(place) == ["_SUCCESS", "_manifest.json", "old.parquet"]


def test_nothing_but_a_dataset_is_replaced(tmp_path):
    """A folder of other things, and a file, are safe from overwrite=True."""
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.tex").touch()
    (tmp_path / "file").touch()
    for name in ("home", "file"):
        with pytest.raises(ExportWriteError, match="no dataset of ours"):
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
    with pytest.raises(ExportWriteError, match=r"a folder is not there .*missing"):
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


def test_an_upload_ends_with_the_mark(remote):
    """The manifest first, by which a rest would be known as ours, the mark last."""
    with staged(destination(remote), None) as stage:
        build(stage, "task/part-00000.parquet", "task/part-00001.parquet")
        assert stored() == []
    assert Recording.put[0] == "_manifest.json"
    assert Recording.put[-1] == "_SUCCESS"
    assert stored() == sorted(Recording.put)
    assert len(Recording.put) == 4


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
    with pytest.raises(ExportWriteError, match="no dataset of ours"):
        destination("recording://bucket/other", overwrite=True)


def test_a_place_that_cannot_be_looked_at_is_an_error(remote):
    """Before any work is done."""
    Recording.fails["find"] = PermissionError(f"403 Forbidden, Signature={SECRET}")
    with pytest.raises(ExportWriteError, match="cannot be written: 403 Forbidden") as caught:
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
