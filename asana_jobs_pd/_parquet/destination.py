"""A folder that is there as a whole or not at all: built beside its place, then put there.

On this machine a rename puts it there. Behind a URL, where folders mostly are no more than the
beginnings of names, files are uploaded when all are made, and `_SUCCESS` after them: without it
there is no dataset. What had been uploaded when something failed is removed again.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from hashlib import blake2b
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from asana_jobs_pd._decode.locations import StorageOptions, filesystem_of, is_url, said
from asana_jobs_pd._http.redaction import hide_query
from asana_jobs_pd._progress import Progress
from asana_jobs_pd.errors import ExportWriteError, InvalidOptionError

__all__ = [
    "CATALOGUE",
    "ISSUES",
    "LONG_VALUES",
    "MANIFEST",
    "SUCCESS",
    "Destination",
    "Stage",
    "destination",
    "folder_of",
    "part_name",
    "staged",
]

CATALOGUE = "_custom_fields.parquet"
ISSUES = "_issues.parquet"
LONG_VALUES = "_custom_field_values"
MANIFEST = "_manifest.json"
SUCCESS = "_SUCCESS"

_PLAIN = re.compile(r"[a-z][a-z0-9_]{0,63}", re.ASCII)
_DEVICES = re.compile(r"con|prn|aux|nul|com[0-9]|lpt[0-9]")


def folder_of(resource_type: str) -> str:
    """Return the name of the folder of a type of row.

    That is its own name; of another than Asana's are, which could lead anywhere, a digest.
    """
    if _PLAIN.fullmatch(resource_type) and not _DEVICES.fullmatch(resource_type):
        return resource_type
    return f"other-{blake2b(resource_type.encode(), digest_size=8).hexdigest()}"


def part_name(number: int) -> str:
    """Return the name of a file of a dataset: as texts, names are in the order of the rows."""
    return f"part-{number:05}.parquet"


_WORDS = {
    errno.ENOSPC: "the disk is full; make room, or give temp_dir=… on a larger one",
    getattr(errno, "EDQUOT", errno.ENOSPC): "your quota of the disk is used up",
    errno.EFBIG: "a file is larger than its file system or a limit (ulimit -f) allows",
    errno.EIO: "the disk cannot be read or written",
    errno.EACCES: "no permission to write there",
    errno.EPERM: "no permission to write there",
    errno.EROFS: "the file system is read-only",
    errno.ENOENT: "a folder is not there",
    errno.ENOTEMPTY: "something else was put there meanwhile",
    errno.EEXIST: "something else was put there meanwhile",
    errno.ENOTDIR: "a part of this path is a file and not a folder",
    errno.ENAMETOOLONG: "the name is too long for this file system",
    errno.EMFILE: "too many files are open",
}


class Destination(NamedTuple):
    """Where a dataset goes; without a file system, on this machine."""

    name: str
    path: str
    filesystem: Any
    overwrite: bool

    def __str__(self) -> str:
        return hide_query(self.name)


class Stage(NamedTuple):
    """Folders to work in: one that becomes the dataset, and one for what goes again."""

    dataset: Path
    scratch: Path


def destination(
    dest: str | os.PathLike[str], options: StorageOptions = None, *, overwrite: bool = False
) -> Destination:
    """Return where a dataset is to go, checked before any work is done.

    Parameters
    ----------
    dest
        A folder, or a URL for fsspec.
    options
        Of the file system.
    overwrite
        Whether a dataset that is there may be replaced; nothing else ever is.

    Raises
    ------
    ExportWriteError
        When something else, or a dataset that must not be replaced, is there.
    InvalidOptionError, MissingExtraError
        When dest cannot be one.
    """
    if not isinstance(dest, str | os.PathLike) or not os.fspath(dest):
        raise InvalidOptionError(f"dest={dest!r}: give a folder, or a URL.")
    name = path = os.fspath(dest)
    filesystem = None
    if is_url(name):
        filesystem, path = filesystem_of(name, options)
        path = path.rstrip("/") or path
    if filesystem is None:
        path = os.path.abspath(os.path.expanduser(path))  # noqa: PTH100, PTH111  not resolved
    made = Destination(name, path, filesystem, overwrite)
    _check_free(made)
    return made


def _check_free(dest: Destination) -> None:
    there, ours = _there(dest)
    if not there:
        return
    if not ours:
        raise ExportWriteError(
            f"{dest} is there already and is no dataset of ours; choose another dest.",
            path=str(dest),
        )
    if not dest.overwrite:
        raise ExportWriteError(
            f"{dest} is there already; overwrite=True replaces it.", path=str(dest)
        )


def _there(dest: Destination) -> tuple[bool, bool]:
    """Return whether something is there, and whether it is a dataset of ours."""
    if dest.filesystem is None:
        path = Path(dest.path)
        if path.is_dir() and not path.is_symlink():
            return any(path.iterdir()), (path / MANIFEST).is_file()
        return os.path.lexists(path), False
    try:
        dest.filesystem.invalidate_cache()
        there = bool(dest.filesystem.find(dest.path))
        ours = there and dest.filesystem.exists(f"{dest.path}/{MANIFEST}")
    except Exception as error:  # noqa: BLE001  each file system has errors of its own
        reason = said(error)
    else:
        return there, ours
    return _refuse(dest, reason)


@contextmanager
def staged(
    dest: Destination,
    temp_dir: str | None,
    progress: bool | None = None,
    *,
    by_others: bool = False,
) -> Iterator[Stage]:
    """Yield folders to work in; put the dataset in its place when the block ends well.

    Parameters
    ----------
    dest
        Where it goes.
    temp_dir
        Where to work; None for beside a local dest, else the system's folder.
    progress
        Of an upload, as in `Progress`.
    by_others
        Whether other machines write files too: to the stage of a local dest, which they must see,
        and directly to dest where that is a URL, which is cleared first then.

    Raises
    ------
    ExportWriteError
        When it cannot be written.
    """
    problem = ""
    try:
        begun = by_others and dest.filesystem is not None
        with _work(dest, temp_dir) as stage, _begun(dest) if begun else nullcontext():
            yield stage
            _put(dest, stage, progress, begun=begun)
    except OSError as error:
        if error.errno not in _WORDS or isinstance(error, ExportWriteError):
            raise
        where = f" ({error.filename})" if error.filename else ""
        problem = f"{_WORDS[error.errno]}{where}"
    if problem:
        _refuse(dest, problem)


def _refuse(dest: Destination, reason: str) -> NoReturn:
    raise ExportWriteError(f"{dest} cannot be written: {reason}.", path=str(dest))


@contextmanager
def _work(dest: Destination, temp_dir: str | None) -> Iterator[Stage]:
    beside = None if dest.filesystem is not None else _existing(Path(dest.path).parent)
    prefix = f".{Path(dest.path).name}.part-" if beside else "asana-export-"
    with _folder(prefix, beside or temp_dir) as main:
        dataset = main / "dataset"
        dataset.mkdir()
        scratch = main / "scratch"
        if beside and temp_dir is not None:
            with _folder("asana-export-", temp_dir) as other:
                yield Stage(dataset, other)
            return
        scratch.mkdir()
        yield Stage(dataset, scratch)


@contextmanager
def _folder(prefix: str, parent: str | Path | None) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _existing(folder: Path) -> Path:
    """Return the nearest folder above that is there, on the same disk most likely."""
    return next(one for one in (folder, *folder.parents) if one.exists())


@contextmanager
def _begun(dest: Destination) -> Iterator[None]:
    """Clear the place for what others write there; remove that when something fails."""
    _check_free(dest)
    reason = ""
    try:
        _remove(dest)
        dest.filesystem.pipe_file(f"{dest.path}/{MANIFEST}", b"{}")
    except Exception as error:  # noqa: BLE001  each file system has errors of its own
        reason = said(error)
    if reason:
        _refuse(dest, reason)
    try:
        yield
    except BaseException:
        with suppress(Exception):
            _remove(dest)
        raise


def _put(dest: Destination, stage: Stage, progress: bool | None, *, begun: bool) -> None:
    if not begun:
        _check_free(dest)
    if dest.filesystem is not None:
        _upload(dest, stage.dataset, progress, begun=begun)
        return
    for folder, _, names in os.walk(stage.dataset):
        for name in (*names, ""):
            _sync(Path(folder, name))
    place = Path(dest.path)
    place.parent.mkdir(parents=True, exist_ok=True)
    if not place.exists():
        stage.dataset.rename(place)
    else:
        _replace(stage, place)
    _sync(place.parent)


def _replace(stage: Stage, place: Path) -> None:
    """Swap folders; between the two renames, a moment, there is none."""
    old = stage.dataset.with_name("old")
    place.rename(old)
    try:
        stage.dataset.rename(place)
    except BaseException:
        old.rename(place)
        raise


def _sync(path: Path) -> None:
    """Have the system write what it keeps of a file, or of a folder where it can."""
    if path.is_dir() and os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _upload(dest: Destination, folder: Path, progress: bool | None, *, begun: bool) -> None:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    # The manifest goes first, by which an unfinished upload is known as ours; the mark goes last.
    files.sort(key=lambda path: (path.name == SUCCESS, path.name != MANIFEST))
    sizes = [path.stat().st_size for path in files]
    reason = ""
    try:
        if not begun:
            _remove(dest)
        with Progress(sum(sizes), "Uploading", progress, unit="B") as bar:
            for path, done in zip(files, accumulate(sizes), strict=True):
                name = f"{dest.path}/{path.relative_to(folder).as_posix()}"
                dest.filesystem.put_file(str(path), name)
                bar.tick(done)
    except BaseException as error:
        with suppress(Exception):
            _remove(dest)
        if not isinstance(error, Exception):
            raise
        reason = said(error)
    if reason:
        _refuse(dest, reason)


def _remove(dest: Destination) -> None:
    """Remove a dataset of ours, if there is one, its mark first."""
    for name in (f"{dest.path}/{SUCCESS}", dest.path):
        if dest.filesystem.exists(name):
            dest.filesystem.rm(name, recursive=True)
