"""A dataset is at its destination as a whole, or not at all."""

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
MANIFEST = '{"format": "asana_jobs_pd export"}'


def build(stage, *names):
    """Write files into the stage, as a dataset has them."""
    for name in (*names, "_manifest.json", "_SUCCESS"):
        path = stage.dataset / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(MANIFEST if name == "_manifest.json" else name, "utf-8")


def names(folder):
    """Return the paths in a folder, relative to it."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def listed(folder):
    """Return the names in a folder."""
    return sorted(path.name for path in folder.iterdir())


class Recording(MemoryFileSystem):
    """A file system that records what is put and can be made to fail."""

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
    """The URL of a destination in an empty file system."""
    for kept in (Recording.store, Recording.put, Recording.fails):
        kept.clear()
    Recording.pseudo_dirs[:] = [""]
    fsspec.register_implementation("recording", Recording, clobber=True)
    return "recording://bucket/export"


def stored():
    """Return the names of the stored files."""
    return sorted(name.rsplit("/export/", 1)[-1] for name in Recording.store)


def test_a_dataset_appears_when_the_block_ends(tmp_path):
    """The dataset is built in a folder beside its destination and appears when the block ends."""
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
    """An error leaves neither the dataset nor its work folder."""
    with pytest.raises(error):
        with staged(destination(tmp_path / "export"), None) as stage:
            build(stage)
            raise error
    assert listed(tmp_path) == []


def test_an_empty_folder_may_be_there(tmp_path):
    """An empty folder becomes the dataset."""
    (tmp_path / "export").mkdir()
    with staged(destination(tmp_path / "export"), None) as stage:
        build(stage)
    assert names(tmp_path) == ["export", "export/_SUCCESS", "export/_manifest.json"]


def test_a_dataset_that_is_replaced_is_there_until_the_end(tmp_path):
    """The old files are removed only once the new ones are in place."""
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


def test_a_dataset_that_cannot_be_replaced_is_kept(tmp_path):
    """An old dataset that cannot be replaced keeps its place."""
    place = tmp_path / "export"
    with staged(destination(place), None) as stage:
        build(stage, "old.parquet")
    with pytest.raises(ExportWriteError, match="a folder does not exist"):
        with staged(destination(place, overwrite=True), None) as stage:
            stage.dataset.rmdir()
    assert names(place) == ["_SUCCESS", "_manifest.json", "old.parquet"]


def test_nothing_but_a_dataset_is_replaced(tmp_path):
    """Folders of other things, and files, are safe from overwrite=True."""
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.tex").touch()
    (tmp_path / "file").touch()
    for name in ("home", "file"):
        with pytest.raises(ExportWriteError, match="not a dataset of this package"):
            destination(tmp_path / name, overwrite=True)
    assert (tmp_path / "home" / "thesis.tex").exists()


FOREIGN = ["", "{}", "[]", '"asana_jobs_pd export"', '{"format": "iceberg"}', "{oops", "[" * 10**5]


@pytest.mark.parametrize("manifest", FOREIGN, ids=range(len(FOREIGN)))
@pytest.mark.parametrize("kind", ["local", "remote"])
def test_a_manifest_of_another_program_is_no_dataset_of_ours(tmp_path, remote, manifest, kind):
    """Other programs have files of this name, too; the marker in it decides."""
    place = str(tmp_path / "export") if kind == "local" else remote
    with fsspec.open(f"{place}/_manifest.json", "w", auto_mkdir=True) as file:
        file.write(manifest)
    with pytest.raises(ExportWriteError, match="not a dataset of this package"):
        destination(place, overwrite=True)
    with fsspec.open(f"{place}/_manifest.json", "r") as file:
        assert file.read() == manifest


def test_a_dataset_written_in_the_meantime_is_not_replaced(tmp_path):
    """If two conversions write to one destination, the second one fails."""
    place = destination(tmp_path / "export")
    with pytest.raises(ExportWriteError, match="already"):
        with staged(place, None) as second:
            build(second, "second.parquet")
            with staged(place, None) as first:
                build(first, "first.parquet")
    assert "first.parquet" in names(tmp_path / "export")
    assert listed(tmp_path) == ["export"]


def test_a_full_disk_is_an_error_in_words(tmp_path):
    """The error suggests a remedy, and nothing is left."""
    with pytest.raises(ExportWriteError, match=r"the disk is full; .*temp_dir") as caught:
        with staged(destination(tmp_path / "export"), None):
            raise OSError(errno.ENOSPC, "No space left on device", "0.arrow")
    assert caught.value.path == str(tmp_path / "export")
    assert listed(tmp_path) == []


def test_other_errors_are_raised_unchanged(tmp_path):
    """Errors that we have no words for are raised unchanged."""
    with pytest.raises(OSError, match="weird"):
        with staged(destination(tmp_path / "export"), None):
            raise OSError(errno.EDOM, "weird")


def test_scratch_may_be_elsewhere(tmp_path):
    """Only the dataset is built beside its destination; a missing temp_dir is an error."""
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
    """Anything but a path is refused."""
    with pytest.raises(InvalidOptionError, match="dest="):
        destination(dest)


def test_file_urls_and_home_are_local(tmp_path, monkeypatch):
    """`file://` URLs and `~` are local folders."""
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
def test_a_failed_upload_is_removed(remote, error):
    """Whatever ends an upload, nothing is left in the store."""
    Recording.fails["task/part-00001.parquet"] = error
    expected = KeyboardInterrupt if isinstance(error, KeyboardInterrupt) else ExportWriteError
    with pytest.raises(expected):
        with staged(destination(remote), None) as stage:
            build(stage, "task/part-00000.parquet", "task/part-00001.parquet")
    assert "task/part-00000.parquet" in Recording.put
    assert stored() == []


def test_a_dataset_behind_a_url_is_replaced_only_when_asked(remote):
    """With overwrite no old file is left; anything else than a dataset is never replaced."""
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
    """An error while copying says where the complete new dataset is."""
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
    """Refused in words before anything is read; no folder called ``s3:`` is made."""
    with pytest.raises(InvalidOptionError, match=words):
        destination(dest)


@pytest.mark.parametrize(
    ("number", "words"),
    [(errno.EACCES, "permission denied"), (errno.EPERM, "permission denied"),
     (errno.EROFS, "the file system is read-only"), (errno.ENOSPC, "the disk is full"),
     (errno.EXDEV, "root of a disk"), (errno.EBUSY, "in use")],
)  # fmt: skip
@pytest.mark.parametrize("call", ["mkdir", "rename", "fsync", "listdir"])
def test_os_errors_are_explained(tmp_path, monkeypatch, call, number, words):
    """Whichever call the system refuses, the error is in words and nothing is left."""
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


def test_a_destination_that_cannot_be_listed_is_an_error(remote):
    """A destination that cannot be listed is an error before any work is done."""
    Recording.fails["find"] = PermissionError(f"403 Forbidden, Signature={SECRET}")
    with pytest.raises(ExportWriteError, match=r"cannot write .*: 403 Forbidden") as caught:
        destination(remote)
    assert SECRET not in str(caught.value)


def test_no_secret_is_shown(remote):
    """No secret of a URL, an option or an error of the file system is shown."""
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
