"""The public verb that loads export files: what it is asked to do is checked before it reads."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Sequence
from functools import reduce
from pathlib import Path
from typing import (
    TYPE_CHECKING,
    Any,
    Literal,
    NamedTuple,
    TypeAlias,
    TypedDict,
    Unpack,
    get_args,
    overload,
)

import pandas as pd

from asana_jobs_pd._decode.locations import File, StorageOptions, located
from asana_jobs_pd._decode.scan_result import ReadOptions, ScanResult
from asana_jobs_pd._export.assemble import Assembly, Window, by_type, summary
from asana_jobs_pd._export.export import AsanaExport, Backend, catalogue, issues_frame, to_frame
from asana_jobs_pd._export.resolve_schema import check_columns, resolve_schema
from asana_jobs_pd._export.workers import Part, processors, scanned
from asana_jobs_pd._formatting import format_count
from asana_jobs_pd._options import is_whole
from asana_jobs_pd._progress import Progress
from asana_jobs_pd._public import public
from asana_jobs_pd.errors import (
    AsanaValueWarning,
    ExportFileError,
    InvalidFrameError,
    InvalidOptionError,
    warn_user,
)

if TYPE_CHECKING:
    from asana_jobs_pd._export.export import AsanaDaskExport

BadLines: TypeAlias = Literal["error", "warn", "skip"]
CustomFieldsAs: TypeAlias = Literal["columns", "long", "raw"]
Engine: TypeAlias = Literal["pandas", "dask"]
ExportPaths: TypeAlias = str | os.PathLike[str] | Iterable[str | os.PathLike[str]] | pd.DataFrame
"""One file or several; of a DataFrame, its column ``file.path``."""

MAX_LINE_BYTES = 64 << 20
MIN_BYTES_PER_WORKER = 3 << 20
"""Bytes on disk: of fewer, most is read before another process has started."""
MAX_WORKERS = 4
_STARTS = ("new_graph_export.created_at", "new_resource_export.created_at")
_ENDS = ("new_graph_export.completed_at", "new_resource_export.completed_at")
_LABELS = ("gid", "source.gid")
_REASONS = ("error.message", "file.error", "source.state", "status")


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
    window: Window = (pd.NaT, pd.NaT)
    missing: Sequence[str] = ()
    """Exports of a frame of downloads that have no file, and why."""


@overload
def read_asana_export(
    paths: ExportPaths,
    *,
    engine: Literal["pandas"] = "pandas",
    workers: int | None = None,
    blocksize: None = None,
    progress: bool | None = None,
    **options: Unpack[LoadOptions],
) -> AsanaExport: ...


@overload
def read_asana_export(
    paths: ExportPaths,
    *,
    engine: Literal["dask"],
    workers: None = None,
    blocksize: int | None = None,
    progress: bool | None = None,
    **options: Unpack[LoadOptions],
) -> AsanaDaskExport: ...


@public
def read_asana_export(
    paths: ExportPaths,
    *,
    engine: Engine = "pandas",
    resource_types: str | Sequence[str] | None = None,
    columns: str | Sequence[str] | None = None,
    custom_fields: CustomFieldsAs = "columns",
    dtype_backend: Backend = "numpy_nullable",
    on_bad_lines: BadLines = "error",
    workers: int | None = None,
    blocksize: int | None = None,
    max_line_bytes: int = MAX_LINE_BYTES,
    storage_options: StorageOptions = None,
    progress: bool | None = None,
) -> AsanaExport | AsanaDaskExport:
    """Load graph and resource exports into typed DataFrames, one for each type of row.

    The dtypes follow a table made from Asana's published description, so that they do not
    depend on the data; undocumented fields are resolved over all files together. The page
    *exports* of the documentation has all rules.

    Parameters
    ----------
    paths
        One file or several, or the frame that a download returned (rows without a file are
        skipped). Gzip or plain; JSON Lines, or one JSON document. Also URLs that fsspec opens
        (extra ``[remote]``); those are read by one process.
    engine
        ``"pandas"``, or ``"dask"`` (extra ``[dask]``) for data larger than memory, or than one
        machine: the files are read once to learn their columns, then lazily, file by
        file, on the active `dask.distributed` client. Its workers must see the same files
        under the same paths.
    resource_types
        Only rows of these types, such as ``"task"``; None for all.
    columns
        Only these columns, in this order: ``"name"``, ``"assignee.gid"``, ``"assignee"`` for
        everything in it, ``"custom_fields"`` or ``"custom_fields.Priority"``. Less is decoded
        then. Each frame has those that its type of row has.
    custom_fields
        ``"columns"``: a typed column each, named ``custom_fields.<name>``, with `` [<gid>]`` where
        two share a name. ``"long"``: one frame of all values, `custom_field_values`. ``"raw"``: a
        list column, as it came.
    dtype_backend
        ``"numpy_nullable"`` or ``"pyarrow"``, as in pandas. Lists are Arrow lists in both, because
        pandas has no dtype of its own for them.
    on_bad_lines
        What to do with malformed lines, and with files that are damaged or end early: ``"error"``
        raises; ``"warn"`` and ``"skip"`` keep every whole line, with or without a warning. Either
        way `issues` lists what was left out, and `incomplete_files` the damaged files.
    workers
        How many processes read at the same time. None: one, or for large files up to four, one for
        each processor. The result is the same. Where no Python process can be started, one reads.
        Not with Dask, which has workers of its own.
    blocksize
        Deprecated, has no effect: with Dask, each file is a partition.
    max_line_bytes
        Longer lines and documents are an error, which bounds the memory needed.
    storage_options
        For URLs: options for fsspec.
    progress
        True shows a progress bar at once, False never, None after a second. Dask has its own
        dashboard instead.

    Returns
    -------
    AsanaExport or AsanaDaskExport
        A mapping of `resource_type` to DataFrame, with `custom_fields`, `issues` and `report()`;
        with Dask, to Dask DataFrames that compute to the same.
        Rows are in the order of the files. Of repeated rows (the same gid or, without one, the
        same bytes) the one with the latest `modified_at` is kept, or else the last.

    Raises
    ------
    ExportFileError
        When a file cannot be read: missing, damaged, in another format, or with a malformed line.
    ExportWorkerError
        When a worker process was killed or failed.
    MissingExtraError
        When the engine, or a URL, needs a package that is not installed.
    InvalidOptionError, InvalidFieldError, InvalidFrameError
        When an option, a column or a frame is invalid.
    """
    check_engine(engine, workers, blocksize)
    request = check_request(
        paths,
        resource_types=resource_types,
        columns=columns,
        custom_fields=custom_fields,
        dtype_backend=dtype_backend,
        on_bad_lines=on_bad_lines,
        workers=workers,
        max_line_bytes=max_line_bytes,
        storage_options=storage_options,
    )
    if engine == "dask":
        from asana_jobs_pd._export.dask_load import load_with_dask  # noqa: PLC0415  an extra

        return load_with_dask(request, dtype_backend)
    with Progress(sum(request.sizes), "Loading", progress, "B") as bar:
        asked = (request.paths, request.options, request.workers, ticker(request, bar))
        with scanned(*asked) as parts:
            return assemble(parts, request, dtype_backend)


def assemble(parts: list[Part], request: Request, backend: Backend) -> AsanaExport:
    """Return the frames of everything that was read; the parts are used up."""
    scan_result = reduce(ScanResult.merged, (part.scan_result for part in parts))
    warn_lost(scan_result, request)
    schema = resolve_schema(scan_result, request.options)
    check_columns(schema)
    assembly = Assembly(schema)
    frames = {}
    batches = by_type(parts)
    while batches:
        name = min(batches)
        table = assembly.table(name, batches.pop(name))
        frames[name] = to_frame(table, backend)
        del table
    issues = scan_result.issues.merged(assembly.issues)
    return AsanaExport(
        frames,
        custom_fields=catalogue(schema.fields, assembly.filled),
        custom_field_values=assembly.long_frame(backend),
        issues=issues_frame([schema.named(issue) for issue in issues.sorted()], request.paths),
        issue_count=issues.count,
        summary=summary(assembly.facts, issues, request.window),
        incomplete_files=incomplete_files(scan_result, request),
        options=request.options,
        backend=backend,
    )


def ticker(request: Request, bar: Progress) -> Callable[[int, int], None]:
    before = [sum(request.sizes[:number]) for number in range(len(request.sizes))]
    return lambda file, position: bar.tick(before[file] + position)


def check_engine(engine: Engine, workers: int | None, blocksize: int | None) -> None:
    """Raise `InvalidOptionError` for an option that the engine does not have."""
    check_one_of("engine", engine, get_args(Engine))
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
    count = 1 if remote else workers or _worker_count(sum(sizes))
    if not isinstance(paths, pd.DataFrame):
        return Request(files, sizes, read_options, count)
    window, missing = _window(paths), _exports_without_file(paths)
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


def _exports_without_file(frame: pd.DataFrame) -> list[str]:
    """Return the exports of a frame of downloads that have no file, each with the reason.

    A row that does not say what its job does may be one, if it says why it has no file.
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
    """Return a column or index level as text, missing where it is empty or not there."""
    from asana_jobs_pd._jobs.as_jobs import cast_column  # noqa: PLC0415  heavy

    if list(frame.columns).count(name) == 1:
        values = frame[name]
    elif name in frame.index.names and name not in frame.columns:
        values = pd.Series(frame.index.get_level_values(name))
    else:
        values = pd.Series(pd.NA, range(len(frame)), "string")
    return cast_column(values.reset_index(drop=True), name)


def _window(frame: pd.DataFrame) -> Window:
    """Return when the exports of a frame of downloads were begun and completed."""
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
    hint = ""
    try:
        if not Path(path).is_dir():
            return Path(path).stat().st_size
        reason = "it is a folder"
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
    if reason == "it is a folder" or re.search(r"[*?\[]", path):
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


def warn_lost(scan_result: ScanResult, request: Request) -> None:
    """Warn once, when asked to, of lines that were left out and of files that end early."""
    lost = [issue for issue in scan_result.issues.sorted() if issue.resource_type is None]
    if request.options.on_bad_lines != "warn" or not lost:
        return
    counts = [
        (scan_result.skipped, "line was left out", "lines were left out"),
        (len(scan_result.ended_early), "file ends early", "files end early"),
    ]
    total = "; ".join(format_count(*count) for count in counts if count[0])
    prefix = f"{total}; the first: " if total else ""
    line = f" line {lost[0].line}" if lost[0].line else ""
    path = request.paths[lost[0].file]
    warn_user(f"{prefix}{path}{line}: {lost[0].reason}. See .issues.", AsanaValueWarning)


def incomplete_files(scan_result: ScanResult, request: Request) -> list[str]:
    return [str(request.paths[file]) for file in scan_result.ended_early]
