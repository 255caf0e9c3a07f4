"""Parquet datasets with Dask: each part is written by the worker that reads it.

A part has its name before it is written, and gets it when it is whole; a task that is run again
writes the same.
"""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pyarrow as pa

from asana_jobs_pd._decode.locations import said
from asana_jobs_pd._decode.scan_result import Issues
from asana_jobs_pd._export.assemble import Facts
from asana_jobs_pd._export.dask_blocks import Block, Reading, read_block
from asana_jobs_pd._export.dask_load import Count, Plan, count_of, totals
from asana_jobs_pd._export.finalize import long_values, long_values_of_none, pivoted
from asana_jobs_pd._parquet.destination import LONG_VALUES, Destination, Stage
from asana_jobs_pd._parquet.writer import (
    ROW_GROUP_BYTES,
    DatasetWriter,
    WrittenFile,
    folder_of,
    part_name,
)
from asana_jobs_pd.errors import ExportWriteError

__all__ = ["Converted", "convert_with_dask"]


class Converted(NamedTuple):
    """What there is to say of a conversion."""

    issues: Issues
    filled: Counter[str]
    facts: dict[str, Facts]
    files: dict[str, list[WrittenFile]]


class Target(NamedTuple):
    """Where datasets go: on a disk that all see, with a folder for unfinished files, or a URL."""

    path: str
    scratch: str | None
    filesystem: Any
    shown: str

    def __repr__(self) -> str:
        return f"<Target: {self.shown}>"


class Wrote(msgspec.Struct):
    """What a task has written: of a block the rows, and the values of custom fields."""

    count: Count
    rows: list[WrittenFile]
    values: list[WrittenFile]


def convert_with_dask(plan: Plan, dest: Destination, stage: Stage) -> Converted:
    """Write the datasets, on the cluster; return what there is to say of them.

    Parameters
    ----------
    plan
        What the first pass has led to.
    dest
        Where the datasets go.
    stage
        Where they wait until all are there; for a local dest.

    Raises
    ------
    ExportFileError
        When a file has changed, or cannot be read any more.
    ExportWriteError
        When a worker cannot write.
    """
    import dask  # noqa: PLC0415  an extra

    target = _target(dest, stage)
    long = plan.settled.options.custom_fields == "long"
    write = dask.delayed(write_block, pure=False)
    tasks, number = {}, 0
    for name, blocks in plan.blocks.items():
        encoded = dask.delayed(plan.reading(name))
        tasks[name] = [
            write(block, encoded, target, part, number + part if long else None)
            for part, block in enumerate(blocks)
        ]
        number += len(blocks)
    (found,) = dask.compute(tasks)
    decode = msgspec.msgpack.Decoder(Wrote).decode
    wrote = {name: [decode(one) for one in some] for name, some in found.items()}
    total = totals(plan, {name: [one.count for one in some] for name, some in wrote.items()})
    files = {name: [file for one in some for file in one.rows] for name, some in wrote.items()}
    if long:
        values = [file for some in wrote.values() for one in some for file in one.values]
        files[LONG_VALUES] = values or _no_values(plan, stage)
    return Converted(total.issues, total.filled, total.facts, files)


def _target(dest: Destination, stage: Stage) -> Target:
    if stage.remote is not None:
        return Target(stage.remote, None, dest.filesystem, str(dest))
    scratch = stage.dataset.with_name("parts")
    scratch.mkdir()
    return Target(str(stage.dataset), str(scratch), None, str(dest))


def _no_values(plan: Plan, stage: Stage) -> list[WrittenFile]:
    """Write a file without rows, for its schema."""
    schema = long_values_of_none(plan.settled).schema
    with DatasetWriter(stage.dataset / LONG_VALUES, schema) as writer:
        pass
    return writer.files


def write_block(
    block: Block, encoded: bytes, target: Target, part: int, values_part: int | None
) -> bytes:
    """Read a block and write its rows; return what was done, as an encoded `Wrote`.

    Parameters
    ----------
    block, encoded
        What to read.
    target
        Where to.
    part
        The number of the file among those of the type of row.
    values_part
        The same for the values of custom fields, when they are wanted.
    """
    reading = msgspec.msgpack.decode(encoded, type=Reading)
    name = reading.resource_type
    table, issues = read_block(block, reading)
    final = pivoted(table, reading.settled, name)
    rows = _written(final, target, folder_of(name), part)
    values = []
    if values_part is not None:
        long = long_values(table, reading.settled, name)
        values = _written(long, target, LONG_VALUES, values_part)
    return msgspec.msgpack.encode(Wrote(count_of(table, final, issues), rows, values))


def _written(table: pa.Table, target: Target, folder: str, part: int) -> list[WrittenFile]:
    """Write a table as a part of a dataset, whole or not at all."""
    if not len(table):
        return []
    try:
        with tempfile.TemporaryDirectory(prefix="asana-part-", dir=target.scratch) as temporary:
            with DatasetWriter(Path(temporary) / "part", table.schema) as writer:
                for group in _groups(table):
                    writer.write(group)
            names = _names(part, len(writer.files))
            for name, file in zip(names, writer.files, strict=True):
                _place(Path(temporary) / "part" / file.name, target, f"{folder}/{name}")
    except Exception as error:  # noqa: BLE001  each file system has errors of its own
        reason = said(error)
    else:
        return [file._replace(name=name) for name, file in zip(names, writer.files, strict=True)]
    raise ExportWriteError(
        f"{target.shown} cannot be written by a worker: {reason}.", path=target.shown
    )


def _groups(table: pa.Table) -> Iterator[pa.Table]:
    rows = max(1, len(table) * ROW_GROUP_BYTES // max(table.nbytes, 1))
    yield from (table.slice(start, rows) for start in range(0, len(table), rows))


def _names(part: int, count: int) -> Sequence[str]:
    """Return the names of a part's files: one, but for a part that is larger than a file is."""
    name = part_name(part)
    return [name] if count == 1 else [f"{name[:-8]}-{n:05}.parquet" for n in range(count)]


def _place(file: Path, target: Target, name: str) -> None:
    if target.filesystem is not None:
        target.filesystem.put_file(str(file), f"{target.path}/{name}")
        return
    place = Path(target.path, name)
    place.parent.mkdir(exist_ok=True)
    os.replace(file, place)  # noqa: PTH105
