"""What a load is asked to do, checked before anything is read."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias, get_args

import pandas as pd
from pandas._libs.tslibs.nattype import NaTType

from asana_jobs_pd._decode.locations import File, StorageOptions, located
from asana_jobs_pd._decode.scan_result import ReadOptions
from asana_jobs_pd._http.client import is_whole
from asana_jobs_pd.errors import ExportFileError, InvalidFrameError, InvalidOptionError

__all__ = [
    "BadLines",
    "CustomFieldsAs",
    "ExportPaths",
    "Request",
    "Time",
    "Window",
    "check_one_of",
    "check_request",
    "check_whole",
    "export_paths",
    "names_of",
]

BadLines: TypeAlias = Literal["error", "warn", "skip"]
CustomFieldsAs: TypeAlias = Literal["columns", "long", "raw"]
ExportPaths: TypeAlias = str | os.PathLike[str] | Iterable[str | os.PathLike[str]] | pd.DataFrame
"""One file or several; of a DataFrame, its column ``file.path``."""

BACKENDS = ("numpy_nullable", "pyarrow")
LARGE = 3 << 20
"""Bytes on disk for each process: of fewer, most is read before another has started."""
MOST_WORKERS = 4
_WINDOWS = (
    ("new_graph_export.created_at", "new_graph_export.completed_at"),
    ("new_resource_export.created_at", "new_resource_export.completed_at"),
)

Time: TypeAlias = pd.Timestamp | NaTType
Window: TypeAlias = tuple[Time, Time]


class Request(NamedTuple):
    """What to load: files, their sizes on disk, options, processes, when the export was written."""

    paths: list[File]
    sizes: list[int]
    options: ReadOptions
    workers: int
    window: Window


def check_request(
    paths: ExportPaths,
    *,
    resource_types: str | Sequence[str] | None,
    columns: str | Sequence[str] | None,
    custom_fields: str,
    dtype_backend: str,
    on_bad_lines: str,
    workers: int | None,
    max_line_bytes: int,
    storage_options: StorageOptions = None,
) -> Request:
    """Return what to do.

    Raises
    ------
    InvalidOptionError
        For the first option that is off.
    InvalidFrameError
        For a frame without files.
    ExportFileError
        For a file that is not there.
    """
    check_one_of("custom_fields", custom_fields, get_args(CustomFieldsAs))
    check_one_of("dtype_backend", dtype_backend, BACKENDS)
    check_one_of("on_bad_lines", on_bad_lines, get_args(BadLines))
    check_whole("max_line_bytes", max_line_bytes)
    if workers is not None:
        check_whole("workers", workers)
    options = ReadOptions(
        names_of("resource_types", resource_types),
        names_of("columns", columns),
        custom_fields,  # type: ignore[arg-type]
        on_bad_lines,  # type: ignore[arg-type]
        max_line_bytes,
    )
    files = [located(path, storage_options) for path in export_paths(paths)]
    remote = [file for file in files if not isinstance(file, str)]
    if remote and workers is not None and workers > 1:
        raise InvalidOptionError(f"workers={workers}: {remote[0]} is read by one process.")
    sizes = [_size(file) for file in files]
    window = _window(paths) if isinstance(paths, pd.DataFrame) else (pd.NaT, pd.NaT)
    several = 1 if remote else workers or _workers(sum(sizes))
    return Request(files, sizes, options, several, window)


def export_paths(paths: ExportPaths) -> list[str]:
    """Return the files that are meant, each once, in order.

    Raises
    ------
    InvalidFrameError
        For a frame without files.
    InvalidOptionError
        For what is no path, or none at all.
    """
    if isinstance(paths, str | os.PathLike):
        return [os.fspath(paths)]
    if isinstance(paths, pd.DataFrame):
        return _paths_of(paths)
    if isinstance(paths, bytes) or not isinstance(paths, Iterable):
        raise InvalidOptionError(f"paths={paths!r}: give a path, several, or a frame of files.")
    found = list(paths)
    for path in found:
        if not isinstance(path, str | os.PathLike):
            raise InvalidOptionError(f"paths: {path!r} is not a path.")
    if not found:
        raise InvalidOptionError("paths is empty: give at least one file.")
    return list(dict.fromkeys(os.fspath(path) for path in found))


def _paths_of(frame: pd.DataFrame) -> list[str]:
    if "file.path" not in frame.columns:
        raise InvalidFrameError(
            "The frame has no column 'file.path'; download the exports first: "
            "files = jobs.asana.download(…)."
        )
    found = list(dict.fromkeys(frame["file.path"].dropna().astype(str)))
    if found:
        return found
    errors = [] if "file.error" not in frame.columns else list(frame["file.error"].dropna())
    why = f" The first one says: {errors[0]}" if errors else ""
    raise InvalidFrameError(f"None of the {len(frame)} rows has a file in 'file.path'.{why}")


def _window(frame: pd.DataFrame) -> Window:
    """Return when the exports of a frame of jobs were begun and completed."""
    there = frame[frame["file.path"].notna()]
    begun: list[pd.Series] = []
    ended: list[pd.Series] = []
    for first, last in _WINDOWS:
        for name, times in ((first, begun), (last, ended)):
            if name in there.columns:
                times.append(pd.to_datetime(there[name], utc=True))
    return (
        pd.concat(begun).min() if begun else pd.NaT,
        pd.concat(ended).max() if ended else pd.NaT,
    )


def _size(path: File) -> int:
    if not isinstance(path, str):
        return path.size()
    try:
        return Path(path).stat().st_size
    except OSError as error:
        reason = error.strerror or str(error)
    raise ExportFileError(f"{path} cannot be read: {reason}.", path=path)


def _workers(size: int) -> int:
    return max(1, min(size // LARGE, _processors(), MOST_WORKERS))


def _processors() -> int:
    """Return how many processors this process may use, which in a container may be fewer."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


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
    """Raise `InvalidOptionError` for what is none of the choices."""
    if value not in choices:
        raise InvalidOptionError(
            f"{option}={value!r}: give one of {', '.join(map(repr, choices))}."
        )


def check_whole(option: str, value: Any) -> None:
    """Raise `InvalidOptionError` for what is no whole number above 0."""
    if not is_whole(value, 1):
        raise InvalidOptionError(f"{option}={value!r}: give a whole number of at least 1.")
