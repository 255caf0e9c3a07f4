"""What a load is asked to do, checked before anything is read."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias, TypedDict, Unpack, get_args

import pandas as pd
from pandas._libs.tslibs.nattype import NaTType

from asana_jobs_pd._decode.locations import File, StorageOptions, located
from asana_jobs_pd._decode.scan_result import ReadOptions
from asana_jobs_pd._export.export import Backend
from asana_jobs_pd._export.workers import processors
from asana_jobs_pd._jobs.as_jobs import as_times
from asana_jobs_pd._options import is_whole
from asana_jobs_pd.errors import (
    AsanaValueWarning,
    ExportFileError,
    InvalidFrameError,
    InvalidOptionError,
    warn_user,
)

BadLines: TypeAlias = Literal["error", "warn", "skip"]
CustomFieldsAs: TypeAlias = Literal["columns", "long", "raw"]
ExportPaths: TypeAlias = str | os.PathLike[str] | Iterable[str | os.PathLike[str]] | pd.DataFrame
"""One file or several; of a DataFrame, its column ``file.path``."""
Time: TypeAlias = pd.Timestamp | NaTType
Window: TypeAlias = tuple[Time, Time]

MIN_BYTES_PER_WORKER = 3 << 20
"""Bytes on disk: of fewer, most is read before another process has started."""
MAX_WORKERS = 4
_WINDOWS = (
    ("new_graph_export.created_at", "new_graph_export.completed_at"),
    ("new_resource_export.created_at", "new_resource_export.completed_at"),
)


_KINDS = ("resource_subtype", "source.action")
_LABELS = ("gid", "source.gid")
_REASONS = ("file.error", "error.message", "source.state", "status")


class LoadOptions(TypedDict, total=False):
    """The options that all ways to read exports share."""

    resource_types: str | Sequence[str] | None
    columns: str | Sequence[str] | None
    custom_fields: CustomFieldsAs
    dtype_backend: Backend
    on_bad_lines: BadLines
    max_line_bytes: int
    storage_options: StorageOptions


class Request(NamedTuple):
    """What to load: files, their sizes on disk, options, processes, when they were written."""

    paths: list[File]
    sizes: list[int]
    options: ReadOptions
    workers: int
    window: Window
    missing: Sequence[str] = ()
    """Exports of a frame of downloads that have no file, and why."""


def check_request(
    paths: ExportPaths, *, workers: int | None, **options: Unpack[LoadOptions]
) -> Request:
    """Return what to do."""
    check_one_of("custom_fields", options["custom_fields"], get_args(CustomFieldsAs))
    check_one_of("dtype_backend", options["dtype_backend"], get_args(Backend))
    check_one_of("on_bad_lines", options["on_bad_lines"], get_args(BadLines))
    check_whole("max_line_bytes", options["max_line_bytes"])
    if workers is not None:
        check_whole("workers", workers)
    read_options = ReadOptions(
        names_of("resource_types", options["resource_types"]),
        names_of("columns", options["columns"]),
        options["custom_fields"],
        options["on_bad_lines"],
        options["max_line_bytes"],
    )
    files = [located(path, options["storage_options"]) for path in export_paths(paths)]
    remote = [file for file in files if not isinstance(file, str)]
    if remote and workers is not None and workers > 1:
        raise InvalidOptionError(f"workers={workers}: {remote[0]} is read by one process.")
    sizes = [_size(file) for file in files]
    window = _window(paths) if isinstance(paths, pd.DataFrame) else (pd.NaT, pd.NaT)
    count = 1 if remote else workers or _worker_count(sum(sizes))
    missing = _missing(paths) if isinstance(paths, pd.DataFrame) else []
    if missing:
        warn_user(
            f"{len(missing)} of the rows are exports without a file, whose data is left "
            f"out; the first is {missing[0]}. Download them again, or drop these rows.",
            AsanaValueWarning,
        )
    return Request(files, sizes, read_options, count, window, missing)


def export_paths(paths: ExportPaths) -> list[str]:
    """Return the files to read, each once, in order."""
    if isinstance(paths, str | os.PathLike):
        return [os.fspath(paths)]
    if isinstance(paths, pd.DataFrame):
        return _paths_of(paths)
    if hasattr(paths, "to_pandas"):
        kind = f"{type(paths).__module__.partition('.')[0]} {type(paths).__name__}"
        raise InvalidOptionError(
            f"paths: a {kind} is not a pandas DataFrame; pass its to_pandas(), or a list of paths."
        )
    if isinstance(paths, bytes | bytearray | memoryview) or not isinstance(paths, Iterable):
        raise InvalidOptionError(
            f"paths={paths!r}: give a path, several paths, or a DataFrame of downloads."
        )
    several = list(paths)
    for path in several:
        if not isinstance(path, str | os.PathLike):
            raise InvalidOptionError(f"paths: {path!r} is not a path.")
    if not several:
        raise InvalidOptionError("paths is empty: give at least one file.")
    return list(dict.fromkeys(os.fspath(path) for path in several))


def _paths_of(frame: pd.DataFrame) -> list[str]:
    if "file.path" not in frame.columns:
        raise InvalidFrameError(
            "The frame has no column 'file.path'; download the exports first: "
            "files = jobs.asana.download(…)."
        )
    if isinstance(frame["file.path"], pd.DataFrame):
        raise InvalidFrameError("The frame has more than one column 'file.path'; keep one.")
    paths = [path for path in dict.fromkeys(frame["file.path"].dropna().astype(str)) if path]
    if paths:
        return paths
    errors = [] if "file.error" not in frame.columns else list(frame["file.error"].dropna())
    reason = f" The first error: {errors[0]}" if errors else ""
    raise InvalidFrameError(f"None of the {len(frame)} rows has a file in 'file.path'.{reason}")


def _missing(frame: pd.DataFrame) -> list[str]:
    """Return the exports of a frame without a file, each with the reason."""
    levels = [name for name in frame.index.names if name is not None and name not in frame.columns]
    flat = frame.reset_index(level=levels) if levels else frame
    cells = {name: _texts(flat, name) for name in (*_KINDS, *_LABELS, *_REASONS, "file.path")}
    subtype, action = (cells[name].fillna("") for name in _KINDS)
    expected = subtype.str.contains("export") | action.str.startswith("export")
    rows = (expected & cells["file.path"].isna()).to_numpy(bool).nonzero()[0].tolist()
    return [f"{_first(cells, _LABELS, row)}: {_first(cells, _REASONS, row)}" for row in rows]


def _texts(frame: pd.DataFrame, name: str) -> pd.Series:
    """Return a column of a frame as text, missing where it is empty or not there."""
    if list(frame.columns).count(name) != 1:
        return pd.Series(pd.NA, range(len(frame)), "string")
    texts = frame[name].astype("string").reset_index(drop=True)
    return texts.mask(texts.fillna("") == "")


def _first(cells: Mapping[str, pd.Series], names: Sequence[str], row: int) -> str:
    return next((cells[name].iloc[row] for name in names if pd.notna(cells[name].iloc[row])), "?")


def _window(frame: pd.DataFrame) -> Window:
    """Return when the exports of a frame of jobs were begun and completed."""
    downloaded = frame[(frame["file.path"].astype("string").fillna("") != "").to_numpy(bool)]
    starts: list[pd.Series] = []
    ends: list[pd.Series] = []
    for first, last in _WINDOWS:
        for name, times in ((first, starts), (last, ends)):
            if name in downloaded.columns:
                times.append(as_times(downloaded[name], name))
    return (
        pd.concat(starts).min() if starts else pd.NaT,
        pd.concat(ends).max() if ends else pd.NaT,
    )


def _size(path: File) -> int:
    if not isinstance(path, str):
        return path.size()
    try:
        is_folder = Path(path).is_dir()
        size = Path(path).stat().st_size
    except (OSError, ValueError) as error:
        is_folder = False
        reason = getattr(error, "strerror", None) or str(error)
    else:
        if not is_folder:
            return size
        reason = "it is a folder"
    hint = ""
    if is_folder or re.search(r"[*?\[]", path):
        hint = ' Pass the files, for example sorted(Path("exports").glob("*.gz")).'
    raise ExportFileError(f"{path} cannot be read: {reason}.{hint}", path=path)


def _worker_count(size: int) -> int:
    return max(1, min(size // MIN_BYTES_PER_WORKER, processors(), MAX_WORKERS))


def names_of(option: str, value: str | Sequence[str] | None) -> tuple[str, ...] | None:
    """Return names that are given as one or as several, each once; None for all."""
    if value is None:
        return None
    names = (value,) if isinstance(value, str) else tuple(value)
    for name in names:
        if not isinstance(name, str) or not name:
            raise InvalidOptionError(f"{option}: {name!r} is not a name.")
    if not names:
        raise InvalidOptionError(f"{option} is empty: give at least one, or None for all.")
    return tuple(dict.fromkeys(names))


def check_one_of(option: str, value: Any, choices: Sequence[str]) -> None:
    if value not in choices:
        raise InvalidOptionError(
            f"{option}={value!r}: give one of {', '.join(map(repr, choices))}."
        )


def check_whole(option: str, value: Any) -> None:
    if not is_whole(value, 1):
        raise InvalidOptionError(f"{option}={value!r}: give a whole number of at least 1.")
