"""A request to load files: the files, options and processes, checked before anything is read."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Sequence
from functools import reduce
from glob import glob
from itertools import chain
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias, TypedDict, Unpack, get_args

import pandas as pd

from asana_jobs_pd._decode.scan_result import ReadOptions
from asana_jobs_pd._decode.schema import SCHEMA
from asana_jobs_pd._decode.sources import File, StorageOptions, input_path, is_url, located
from asana_jobs_pd._export.results import Window
from asana_jobs_pd._export.workers import processors
from asana_jobs_pd._formatting import format_count
from asana_jobs_pd._options import check_one_of, is_whole
from asana_jobs_pd.errors import (
    AsanaValueWarning,
    ExportFileError,
    InvalidFrameError,
    InvalidOptionError,
    warn_user,
)
from asana_jobs_pd.typing import DtypeBackend

BadLines: TypeAlias = Literal["error", "warn", "skip"]
CustomFieldsAs: TypeAlias = Literal["columns", "long", "raw"]
Engine: TypeAlias = Literal["pandas", "arrow", "polars", "dask"]
ExportPaths: TypeAlias = str | os.PathLike[str] | Iterable[str | os.PathLike[str]] | pd.DataFrame
"""Files, folders, patterns, or a DataFrame with a column ``file.path``."""

MAX_LINE_BYTES = 64 << 20
MIN_BYTES_PER_WORKER = 3 << 20
"""Bytes on disk; smaller files are mostly read before another process has started."""
MAX_WORKERS = 4
_NEARLY = 0.85
"""The least similarity of a name to its plural."""
_STARTS = ("new_graph_export.created_at", "new_resource_export.created_at")
_ENDS = ("new_graph_export.completed_at", "new_resource_export.completed_at")
_LABELS = ("gid", "source.gid")
_REASONS = ("error.message", "file.error", "source.state", "status")


class LoadOptions(TypedDict, total=False):
    """The options shared by all ways to read exports."""

    resource_types: str | Sequence[str] | None
    columns: str | Sequence[str] | None
    custom_fields: CustomFieldsAs
    dtype_backend: DtypeBackend
    on_bad_lines: BadLines
    max_line_bytes: int
    storage_options: StorageOptions


class Request(NamedTuple):
    """What to load: files, their sizes on disk, options, processes, when they were written."""

    paths: list[File]
    sizes: list[int]
    options: ReadOptions
    workers: int
    window: Window = (pd.NaT, pd.NaT)
    missing: Sequence[str] = ()
    """The exports in a frame of downloads that have no file, and why."""
    is_folder: bool = False
    """Whether the files were found in a folder or by a pattern, and not named one by one."""


def check_engine(
    engine: str,
    workers: int | None,
    blocksize: int | None,
    engines: Sequence[str] = get_args(Engine),
) -> None:
    """Raise `InvalidOptionError` for an option that the engine does not support."""
    check_one_of("engine", engine, engines)
    if engine == "dask" and workers is not None:
        raise InvalidOptionError(f"workers={workers!r}: with engine='dask', Dask's workers read.")
    if engine != "dask" and blocksize is not None:
        raise InvalidOptionError(f"blocksize={blocksize!r}: it goes with engine='dask' only.")
    if blocksize is not None:
        check_whole("blocksize", blocksize)
        warn_user("blocksize has no effect any more: a partition is a file.", FutureWarning)


def check_request(
    paths: ExportPaths, *, workers: int | None, **options: Unpack[LoadOptions]
) -> Request:
    """Return the checked request."""
    check_one_of("custom_fields", options["custom_fields"], get_args(CustomFieldsAs))
    check_one_of("dtype_backend", options["dtype_backend"], get_args(DtypeBackend))
    check_one_of("on_bad_lines", options["on_bad_lines"], get_args(BadLines))
    check_whole("max_line_bytes", options["max_line_bytes"])
    if workers is not None:
        check_whole("workers", workers)
    read_options = ReadOptions(
        types_of(options["resource_types"]),
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
    count = 1 if remote else workers or _worker_count(sum(sizes))
    if not isinstance(paths, pd.DataFrame):
        is_folder = len(files) > 1 and isinstance(paths, str | os.PathLike)
        return Request(files, sizes, read_options, count, is_folder=is_folder)
    window, missing = _window(paths), _exports_without_file(paths)
    if missing:
        rows = format_count(len(missing), "row is an export", "rows are exports")
        warn_user(
            f"{rows} without a file, whose data is left out; the first is {missing[0]}. Download "
            "again, or drop such rows.",
            AsanaValueWarning,
        )
    return Request(files, sizes, read_options, count, window, missing)


def export_paths(paths: ExportPaths) -> list[str]:
    """Return the files to read, each once, in order."""
    if isinstance(paths, str | os.PathLike):
        return _files_at(paths)
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
    return list(dict.fromkeys(chain.from_iterable(map(_files_at, several))))


def _files_at(path: str | os.PathLike[str]) -> list[str]:
    text = input_path(path, "paths")
    return matching_files(text) or [text]


def matching_files(text: str) -> list[str]:
    """Return the export files in a folder, or those that match a pattern; none for other paths."""
    if is_url(text) or Path(text).is_file():
        return []
    if Path(text).is_dir():
        names = (file.name for file in Path(text).iterdir())
        exports = sorted(name for name in names if name.endswith((".jsonl.gz", ".jsonl")))
        return [str(Path(text, name)) for name in exports]
    return sorted(glob(text, recursive=True))  # noqa: PTH207  Path.glob takes no absolute pattern


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


def _exports_without_file(frame: pd.DataFrame) -> list[str]:
    """Return the exports of a frame of downloads that have no file, each with the reason.

    A row of an unknown kind counts as an export if it says why it has no file.
    """
    names = ("resource_subtype", "source.action", "file.path", *_LABELS, *_REASONS)
    cells = pd.DataFrame({name: _texts(frame, name) for name in names})
    kinds = cells["resource_subtype"].fillna(cells["source.action"])
    may_be_export = kinds.fillna("export").str.contains("export").to_numpy(bool)
    is_told = (kinds.notna() | cells["file.error"].notna()).to_numpy(bool)
    missing = cells[may_be_export & is_told & cells["file.path"].isna().to_numpy(bool)]
    labels, reasons = (
        reduce(pd.Series.fillna, map(missing.pop, names)) for names in (_LABELS, _REASONS)
    )
    return list(labels.fillna("a row without a gid") + ": " + reasons.fillna("no reason is given"))


def _texts(frame: pd.DataFrame, name: str) -> pd.Series:
    """Return a column or index level as text; empty or absent values are missing."""
    from asana_jobs_pd._jobs.as_jobs import cast_column  # noqa: PLC0415  heavy

    if list(frame.columns).count(name) == 1:
        values = frame[name]
    elif name in frame.index.names and name not in frame.columns:
        values = pd.Series(frame.index.get_level_values(name))
    else:
        values = pd.Series(pd.NA, range(len(frame)), "string")
    return cast_column(values.reset_index(drop=True), name)


def _window(frame: pd.DataFrame) -> Window:
    """Return when the exports in a frame of downloads were started and completed."""
    from asana_jobs_pd._jobs.as_jobs import as_times  # noqa: PLC0415  heavy

    rows = frame[_texts(frame, "file.path").notna().to_numpy(bool)]
    starts, ends = (
        [as_times(rows[name], name) for name in names if name in rows.columns]
        for names in (_STARTS, _ENDS)
    )
    return (
        pd.concat(starts).min() if starts else pd.NaT,
        pd.concat(ends).max() if ends else pd.NaT,
    )


def _size(path: File) -> int:
    if not isinstance(path, str):
        return path.size()
    try:
        if not Path(path).is_dir():
            return Path(path).stat().st_size
        reason = (
            "the folder has no export file (….jsonl.gz or ….jsonl); aj.read_asana_dataset reads a "
            "dataset"
        )
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
    raise ExportFileError(f"{path} cannot be read: {reason}.", path=path)


def _worker_count(size: int) -> int:
    return max(1, min(size // MIN_BYTES_PER_WORKER, processors(), MAX_WORKERS))


def names_of(option: str, value: str | Sequence[str] | None) -> tuple[str, ...] | None:
    """Return names given as one or several, each once; None for all."""
    if value is None:
        return None
    names = (value,) if isinstance(value, str) or not isinstance(value, Iterable) else tuple(value)
    for name in names:
        if not isinstance(name, str) or not name:
            raise InvalidOptionError(f"{option}: {name!r} is not a name.")
    if not names:
        raise InvalidOptionError(f"{option} is empty: give at least one, or None for all.")
    return tuple(dict.fromkeys(names))


def types_of(resource_types: str | Sequence[str] | None) -> tuple[str, ...] | None:
    """Return types of rows like `names_of`; raise for a name that is nearly one of Asana's.

    Any other name may be a type that Asana does not document.
    """
    names = names_of("resource_types", resource_types)
    for name in names or ():
        near = difflib.get_close_matches(name, SCHEMA, 1, _NEARLY)
        if near and name not in SCHEMA:
            raise InvalidOptionError(f"resource_types: no row is a {name!r}; give {near[0]!r}.")
    return names


def check_whole(option: str, value: Any) -> None:
    if not is_whole(value, 1):
        raise InvalidOptionError(f"{option}={value!r}: give a whole number of at least 1.")
