"""The folder or URL of a dataset, which at any moment is the complete old or new one.

Locally, the dataset is built in a work folder beside its destination and renamed into place; to
replace one, the two folders are exchanged atomically. In object stores, which have no rename, the
new files are uploaded under ``_part-…`` in the destination and copied on the server once all of
them are there. ``_SUCCESS`` always comes last.
"""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple, TypeVar

import orjson

from asana_jobs_pd._decode.sources import StorageOptions, filesystem_of, is_url, message_of
from asana_jobs_pd._files import (
    OS_ERRORS,
    OWNER,
    local_path,
    new_owner,
    os_error_reason,
    owner_state,
    release_owner,
    sync_path,
)
from asana_jobs_pd._http.redaction import hide_query
from asana_jobs_pd._options import check_flag
from asana_jobs_pd._progress import Progress
from asana_jobs_pd.errors import ExportWriteError, InvalidOptionError
from asana_jobs_pd.typing import ProgressCallback

T = TypeVar("T")

CATALOGUE = "_custom_fields.parquet"
ISSUES = "_issues.parquet"
LONG_VALUES = "_custom_field_values"
MANIFEST = "_manifest.json"
SUCCESS = "_SUCCESS"
_OWNER = "_OWNER"
_REPLACED = "replaced"
FORMAT = "asana_jobs_pd export"
"""The marker in the manifest by which `overwrite` recognizes our own datasets."""

STALE_SECONDS = 86_400
"""From this age, a work folder counts as abandoned if its process cannot be checked."""
_READ_ONLY = {"http", "https", "data", "github", "git", "zip", "tar", "libarchive"}
_REMEDIES = {errno.ENOSPC: "free some space, or use temp_dir=… on a larger disk"}


@dataclass
class Destination:
    """Where a dataset goes; `filesystem` is None for a local folder."""

    name: str
    path: str
    filesystem: Any
    overwrite: bool

    def __str__(self) -> str:
        return hide_query(self.name)


class Stage(NamedTuple):
    """Folders to work in.

    `place` is the path or URL of the finished dataset, without secrets; `remote` is the path for
    files by other processes in a remote destination.
    """

    dataset: Path
    scratch: Path
    place: str
    remote: str | None = None


def destination(
    dest: str | os.PathLike[str], options: StorageOptions = None, *, overwrite: bool = False
) -> Destination:
    """Check a destination before any work is done."""
    check_flag("overwrite", overwrite)
    filesystem = None
    if isinstance(dest, str) and is_url(dest):
        if "::" in dest:
            raise InvalidOptionError(f"dest={hide_query(dest)!r}: chained URLs are read-only.")
        if dest.partition(":")[0].lower() in _READ_ONLY:
            raise InvalidOptionError(
                f"dest={hide_query(dest)!r}: datasets cannot be written to this kind of URL; give "
                "a local folder, or the URL of an object store such as s3://bucket/export."
            )
        filesystem, path = filesystem_of(dest, options)
        path = path.rstrip("/") or path
    else:
        path = dest  # type: ignore[assignment]
    if filesystem is None:
        path = str(local_path(path, "dest"))
    checked = Destination(os.fspath(dest), path, filesystem, overwrite)
    if filesystem is None and (replaced := set_aside(Path(path))):
        with _os_errors(checked):
            replaced.rename(path)
    _check_available(checked)
    return checked


def why_unreadable(exists: Callable[[str], bool]) -> str | None:
    """Return why a folder is no complete dataset; `exists` checks paths in it ("" is itself)."""
    if not exists(MANIFEST):
        if not exists(""):
            return "does not exist"
        return (
            "is empty, or not a dataset of an export: convert its files with "
            "asana_export_to_parquet(…), or load them with read_asana_export(…)"
        )
    return None if exists(SUCCESS) else "is an unfinished dataset; convert the export again"


def files_by_type(root: str | Path, manifest: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the paths of a dataset's files by type of row, according to its manifest."""
    return {
        table["resource_type"]: [
            f"{root}/{table['folder']}/{file['name']}" for file in table["files"]
        ]
        for table in manifest["tables"]
    }


def keep_existing(dest: Destination, reason: str) -> None:
    """Raise if an incomplete dataset would replace another, now or when it is published."""
    dest.overwrite = False
    exists, _ = _state(dest)
    if exists:
        raise ExportWriteError(
            f"{dest} was not replaced: {reason}, so the new dataset would lack rows. Download the "
            "file again, or convert to another dest.",
            path=str(dest),
        )


def _check_available(dest: Destination) -> None:
    exists, is_dataset = _state(dest)
    reason = ""
    if exists and not is_dataset:
        reason = " and is not a dataset of this package; choose another dest"
    elif exists and not dest.overwrite:
        reason = "; overwrite=True replaces it"
    if reason:
        raise ExportWriteError(f"{dest} already exists{reason}.", path=str(dest))


def _state(dest: Destination) -> tuple[bool, bool]:
    """Return whether something is there, and whether it is one of our datasets."""
    if dest.filesystem is None:
        path = Path(dest.path)
        with _os_errors(dest):
            if not path.is_dir() or path.is_symlink():
                return os.path.lexists(path), False
            manifest = path / MANIFEST
            is_dataset = manifest.is_file() and _is_ours(manifest.read_bytes())
            return any(path.iterdir()), is_dataset
    files = _remotely(dest, lambda: _remote_files(dest))
    names = [name for name in files if not name.startswith("_part-")]
    is_dataset = MANIFEST in names and _is_ours(
        _remotely(dest, lambda: dest.filesystem.cat_file(f"{dest.path}/{MANIFEST}"))
    )
    return bool(names), is_dataset


def _is_ours(manifest: bytes) -> bool:
    """Return whether a manifest is ours: other programs use this file name, too."""
    try:
        content = orjson.loads(manifest)
    except ValueError:
        return False
    return isinstance(content, dict) and content.get("format") == FORMAT


def _remote_files(dest: Destination) -> list[str]:
    """Return the files at a URL, as paths in it."""
    dest.filesystem.invalidate_cache()
    return [name[len(dest.path) :].lstrip("/") for name in dest.filesystem.find(dest.path)]


@contextmanager
def staged(
    dest: Destination,
    temp_dir: str | None,
    progress: bool | ProgressCallback | None = None,
    *,
    by_workers: bool = False,
) -> Iterator[Stage]:
    """Yield folders to work in; publish the dataset when the block ends without an error.

    With `by_workers`, other processes also write, to a local stage or to the stage's remote path.
    """
    if dest.filesystem is None:
        staged_there = _staged_locally(dest, temp_dir)
    else:
        staged_there = _staged_remotely(dest, temp_dir, progress, by_workers=by_workers)
    with _os_errors(dest), staged_there as stage:
        yield stage


@contextmanager
def _staged_locally(dest: Destination, temp_dir: str | None) -> Iterator[Stage]:
    place = Path(dest.path)
    with _work_folder(place) as work, _scratch(temp_dir or work) as scratch:
        (work / "dataset").mkdir()
        yield Stage(work / "dataset", scratch, dest.path)
        _check_available(dest)
        _publish(work, place)


@contextmanager
def _staged_remotely(
    dest: Destination,
    temp_dir: str | None,
    progress: bool | ProgressCallback | None,
    *,
    by_workers: bool,
) -> Iterator[Stage]:
    """Upload to the destination, or, if it already has a dataset, to a claim in it.

    A file is written at once, so that a missing permission shows before hours of work.
    """
    exists, _ = _state(dest)
    with _owner() as owner, _scratch(temp_dir) as scratch, ExitStack() as undo:
        name = f"_part-{owner}"
        claim = f"{dest.path}/{name}"
        target = claim if exists else dest.path
        undo.callback(_remove_remote, dest, claim)
        _write_remote(dest, f"{claim}/{_OWNER}", b"")
        if by_workers and not exists:
            undo.callback(_remove_remote, dest, target)
            _write_remote(dest, f"{target}/{MANIFEST}", orjson.dumps({"format": FORMAT}))
        (scratch / "dataset").mkdir()
        (scratch / "work").mkdir()
        yield Stage(scratch / "dataset", scratch / "work", str(dest), target)
        if not (by_workers or exists):
            _check_available(dest)
            undo.callback(_remove_remote, dest, target)
        _upload(dest, target, scratch / "dataset", progress)
        undo.pop_all()  # while it is copied, the claim is the only complete dataset
        if exists:
            note = f" (the new dataset is complete in {claim})"
            _remotely(dest, lambda: _copy_claim(dest, claim), note)
        files = _remotely(dest, lambda: _remote_files(dest))
        for folder in {file.partition("/")[0] for file in files}:
            if folder == name or _is_abandoned(folder):
                _remove_remote(dest, f"{dest.path}/{folder}")


@contextmanager
def _scratch(parent: str | Path | None) -> Iterator[Path]:
    """Yield a temporary folder in another one, or in the system's."""
    with TemporaryDirectory(None, "asana-export-", parent, ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@contextmanager
def _os_errors(dest: Destination) -> Iterator[None]:
    """Raise known errors of the operating system as our own, with advice."""
    reason = ""
    try:
        yield
    except OSError as error:
        if error.errno not in OS_ERRORS or isinstance(error, ExportWriteError):
            raise
        file = f" ({error.filename})" if error.filename else ""
        reason = f"{os_error_reason(error, _REMEDIES)}{file}"
    if reason:
        raise ExportWriteError(f"cannot write {dest}: {reason}.", path=str(dest))


def _remotely(dest: Destination, call: Callable[[], T], note: str = "") -> T:
    """Call a function, and raise errors of the remote file system as our own, without secrets."""
    try:
        return call()
    except ExportWriteError:
        raise
    except Exception as error:  # noqa: BLE001  each file system has its own errors
        reason = message_of(error)
    raise ExportWriteError(f"cannot write {dest}: {reason}{note}.", path=str(dest))


@contextmanager
def _owner() -> Iterator[str]:
    """Yield an owner, whose name is part of a folder of unfinished files."""
    owner = new_owner()
    try:
        yield owner
    finally:
        release_owner(owner)


def _is_abandoned(name: str, age: float = 0.0) -> bool:
    """Return whether the process that owns a work folder has ended."""
    state = owner_state(name.rpartition("part-")[2])
    return state == "dead" or (state == "unknown" and age > STALE_SECONDS)


@contextmanager
def _work_folder(place: Path) -> Iterator[Path]:
    """Yield a folder beside the destination; remove it, and those of runs that were killed."""
    for folder in _work_folders(place):
        with suppress(OSError):
            if _is_abandoned(folder.name, time.time() - folder.stat().st_mtime):
                _discard(folder, place)
    with _owner() as owner:
        work = Path(f"{_work_stem(place)}{owner}")
        try:
            work.mkdir(mode=0o700)
            yield work
        finally:
            _discard(work, place)


def _work_stem(place: Path) -> Path:
    """Return the path of work folders without the owner at the end."""
    parent = next(folder for folder in place.parents if folder.exists())
    return parent / f".{place.name[:50]}.part-"


def _work_folders(place: Path) -> list[Path]:
    """Return the work folders of conversions to a destination, by any process."""
    with suppress(OSError):
        stem = _work_stem(place)
        return [
            folder
            for folder in stem.parent.iterdir()
            if folder.name.startswith(stem.name) and OWNER.fullmatch(folder.name, len(stem.name))
        ]
    return []


def set_aside(place: Path) -> Path | None:
    """Return the path of a dataset whose replacement was killed between two renames."""
    if os.path.lexists(place):
        return None
    found = (folder / _REPLACED for folder in _work_folders(place))
    return next(filter(Path.is_dir, found), None)


def _discard(work: Path, place: Path) -> None:
    """Remove a work folder; first put back a dataset whose replacement was interrupted."""
    replaced = work / _REPLACED
    if replaced.is_dir() and not os.path.lexists(place):
        replaced.rename(place)
    shutil.rmtree(work, ignore_errors=True)


def _publish(work: Path, place: Path) -> None:
    """Put a dataset in its place; an existing one is exchanged for it, then removed."""
    for folder, _, names in os.walk(work / "dataset"):
        for name in (*names, ""):
            sync_path(Path(folder, name))
    place.parent.mkdir(parents=True, exist_ok=True)
    if os.name == "nt" and place.is_dir() and not any(place.iterdir()):
        place.rmdir()
    if not (place / MANIFEST).exists():
        (work / "dataset").rename(place)
    elif not _exchange(work / "dataset", place):
        # An interrupt between the two is undone by `_discard`, a kill by the next run.
        place.rename(work / _REPLACED)
        (work / "dataset").rename(place)
    sync_path(place.parent)


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two folders atomically; return False if the system cannot."""
    first, second = os.fsencode(one), os.fsencode(other)
    try:
        system = ctypes.CDLL(None, use_errno=True)
        if sys.platform == "darwin":
            failed = system.renamex_np(first, second, 2)  # RENAME_SWAP
        else:
            failed = system.renameat2(-100, first, -100, second, 2)  # AT_FDCWD, RENAME_EXCHANGE
    except (AttributeError, OSError, TypeError):  # not in this C library; Windows
        return False
    number = ctypes.get_errno()
    if failed and number not in (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP):
        raise OSError(number, os.strerror(number), str(other))
    return not failed


def _write_remote(dest: Destination, path: str, content: bytes) -> None:
    _remotely(dest, lambda: dest.filesystem.pipe_file(path, content))


def _remove_remote(dest: Destination, path: str) -> None:
    with suppress(Exception):
        dest.filesystem.rm(path, recursive=True)


def _upload(
    dest: Destination, target: str, folder: Path, progress: bool | ProgressCallback | None
) -> None:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    # The manifest marks an unfinished upload as ours.
    files.sort(key=lambda path: (path.name == SUCCESS, path.name != MANIFEST))
    sizes = [path.stat().st_size for path in files]
    with Progress(sum(sizes), "Uploading", progress, unit="B") as bar:
        for path, done in zip(files, accumulate(sizes), strict=True):
            name = f"{target}/{path.relative_to(folder).as_posix()}"
            _remotely(dest, partial(dest.filesystem.put_file, str(path), name))
            bar.tick(done)


def _copy_claim(dest: Destination, claim: str) -> None:
    """Replace a dataset with the complete claim in it."""
    filesystem = dest.filesystem
    names = _remote_files(dest)
    old = {name.partition("/")[0] for name in names if not name.startswith("_part-")}
    for name in sorted(old - {MANIFEST}, key=lambda name: name != SUCCESS):
        filesystem.rm(f"{dest.path}/{name}", recursive=True)
    prefix = claim[len(dest.path) + 1 :] + "/"
    new = [name.removeprefix(prefix) for name in names if name.startswith(prefix)]
    new.remove(_OWNER)
    for name in sorted(new, key=lambda name: name == SUCCESS):
        with suppress(Exception):  # object stores have no folders
            filesystem.makedirs(f"{dest.path}/{name}".rpartition("/")[0], exist_ok=True)
        filesystem.cp_file(f"{claim}/{name}", f"{dest.path}/{name}")
