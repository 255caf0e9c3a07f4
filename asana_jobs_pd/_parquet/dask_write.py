"""Writing Parquet datasets with Dask: each worker writes the parts of the files that it reads."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from asana_jobs_pd._decode.sources import message_of
from asana_jobs_pd._export.dask_load import Partition, Plan, counted, scan_partitions
from asana_jobs_pd._export.finalize import long_values_of_none
from asana_jobs_pd._export.resolve_schema import ResolvedSchema
from asana_jobs_pd._export.results import Counts
from asana_jobs_pd._export.workers import Share, SpoolWriter
from asana_jobs_pd._parquet.destination import LONG_VALUES, Destination, Stage
from asana_jobs_pd._parquet.writer import (
    Conversion,
    DatasetWriter,
    WrittenFile,
    folder_of,
    part_name,
)
from asana_jobs_pd.errors import AsanaJobsError, ExportWriteError


class Target(NamedTuple):
    """Where workers write: a path on a shared disk with a folder for unfinished files, or a URL.

    Temporary files are in `temp_dir` on the worker.
    """

    path: str
    scratch: str | None
    temp_dir: str | None
    filesystem: Any
    shown: str


def convert_with_dask(plan: Plan, dest: Destination, stage: Stage, temp_dir: str | None) -> Counts:
    """Write the datasets on the cluster, one part per file; return their counts."""
    target = Target(stage.remote or "", None, temp_dir, dest.filesystem, str(dest))
    if stage.remote is None:  # beside the dataset, so that parts can be renamed
        scratch = stage.dataset.with_name("parts")
        scratch.mkdir()
        target = Target(str(stage.dataset), str(scratch), temp_dir, None, str(dest))
    counts = counted(plan, _convert_file, target)
    if plan.schema.options.custom_fields == "long" and LONG_VALUES not in counts.files:
        empty = long_values_of_none(plan.schema).schema
        with DatasetWriter(stage.dataset / LONG_VALUES, empty) as writer:
            counts.files[LONG_VALUES] = writer.files
    return counts


def _convert_file(parts: list[Partition], schema: ResolvedSchema, target: Target) -> Counts:
    """Convert a file on a worker, with the writer of the pandas engine."""
    try:
        with (
            tempfile.TemporaryDirectory(prefix="asana-spool-", dir=target.temp_dir) as spool,
            tempfile.TemporaryDirectory(prefix="asana-part-", dir=target.scratch) as folder,
        ):
            return _write_parts(parts, schema, target, (Path(spool), Path(folder)))
    except AsanaJobsError:
        raise
    except Exception as error:  # noqa: BLE001  each file system has its own errors
        reason = message_of(error)
    raise ExportWriteError(f"a worker cannot write {target.shown}: {reason}.", path=target.shown)


def _write_parts(
    parts: list[Partition],
    schema: ResolvedSchema,
    target: Target,
    folders: tuple[Path, Path],
) -> Counts:
    scan_result, batches = scan_partitions(parts, schema.options)
    spool, folder = folders
    with SpoolWriter(spool, "lz4") as write:
        stored = [write(batch) for batch in batches]
    own = msgspec.structs.replace(schema, issues=[])
    counts = Counts()
    for part in parts:
        share = Share(scan_result, [one for one in stored if one.resource_type == part.name])
        dataset = folder / folder_of(part.name)
        dataset.mkdir()
        done = Conversion([share], own, dataset, lambda _rows: None, part.find_kept).run()
        written: dict[str, list[WrittenFile]] = {part.name: []}
        for name, files in done.files.items():
            long = name == LONG_VALUES
            source = dataset / (name if long else folder_of(name))
            number = part.number if long else part.file
            if files[0].rows:
                written[name] = _publish(source, files, target, number)
        done.files = written
        counts.add(done)
    return counts


def _publish(
    folder: Path, files: list[WrittenFile], target: Target, number: int
) -> list[WrittenFile]:
    """Move files into place: one per source, or several for a large one, sorted by name."""
    stem = part_name(number).removesuffix(".parquet")
    published = []
    for index, file in enumerate(files):
        name = f"{stem}.parquet" if len(files) == 1 else f"{stem}-{index:05}.parquet"
        _move(folder / file.name, target, f"{folder.name}/{name}")
        published.append(file._replace(name=name))
    return published


def _move(file: Path, target: Target, name: str) -> None:
    if target.filesystem is not None:
        target.filesystem.put_file(str(file), f"{target.path}/{name}")
        return
    place = Path(target.path, name)
    place.parent.mkdir(exist_ok=True)
    os.replace(file, place)  # noqa: PTH105
