"""Parts of files, each read on its own, wherever: what the tasks of a cluster do.

Nothing here knows Dask. All that is passed to such a task and all that comes back is small; a task
can be run again, on another machine, and gives the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import NamedTuple

import msgspec
import numpy as np
import pyarrow as pa

from asana_jobs_pd._decode.lines import CHUNK
from asana_jobs_pd._decode.locations import File
from asana_jobs_pd._decode.row_reader import DIGEST, LINE
from asana_jobs_pd._decode.scan import Batch, Scanner
from asana_jobs_pd._decode.scan_result import Issue, Issues, ReadOptions, ScanResult
from asana_jobs_pd._export.deduplicate import Keys, RowKeys, keys_of
from asana_jobs_pd._export.finalize import conformed
from asana_jobs_pd._export.resolve_schema import ResolvedSchema
from asana_jobs_pd.errors import ExportFileError

__all__ = [
    "Block",
    "Reading",
    "Survey",
    "blocks_of",
    "keys_for",
    "nothing_of",
    "read_block",
    "survey",
]


class Rows(msgspec.Struct):
    """Some rows of one type that stand together: where, how many, and their `Keys` as bytes."""

    resource_type: str
    place: tuple[int, int, int]
    count: int
    low: bytes
    high: bytes | None
    modified: bytes | None
    counts: bytes

    @classmethod
    def of(cls, batch: Batch) -> Rows:
        keys = keys_of(batch.table)
        packed = [None if array is None else array.tobytes() for array in keys]
        return cls(batch.resource_type, batch.place, len(keys.low), *packed)  # type: ignore[arg-type]

    @property
    def keys(self) -> Keys:
        return Keys(
            np.frombuffer(self.low, np.uint64),
            None if self.high is None else np.frombuffer(self.high, np.uint64),
            None if self.modified is None else np.frombuffer(self.modified, np.int64),
            np.frombuffer(self.counts, np.int32),
        )


class Survey(msgspec.Struct):
    """What the first pass has found in a file, or in its share of one.

    Parameters
    ----------
    scan_result
        For the columns of the load.
    rows
        In order.
    whole
        Whether the file can only be read as a whole: it is one JSON document.
    """

    scan_result: ScanResult
    rows: list[Rows]
    whole: bool


class Block(NamedTuple):
    """Rows of one type in a part of a file, which become a partition.

    Parameters
    ----------
    path, file
        The file, and its number in the load.
    chunks
        The first one, and the one after the last; None for the whole file.
    rows
        How many there are.
    dropped
        The places of those that come again later, among them.
    start
        The place of the first row that is left, among all of its type.
    mark
        The sum of the keys of all, by which it shows when the file is another one later.
    """

    path: File
    file: int
    chunks: tuple[int, int] | None
    rows: int
    dropped: np.ndarray
    start: int
    mark: int

    @property
    def left(self) -> int:
        """How many rows are left."""
        return self.rows - len(self.dropped)

    def __repr__(self) -> str:
        return f"<Block: {self.left:,} rows of {self.path}>"


def survey(path: File, file: int, share: int, shares: int, options: ReadOptions) -> bytes:
    """Read a share of a file; return the `Survey` of it, encoded.

    Parameters
    ----------
    path, file
        The file, and its number.
    share, shares
        Which of how many: every so many chunks.
    options
        What to read.

    Raises
    ------
    ExportFileError
        When it cannot be read.
    """
    scanner = Scanner(options, lambda _file, chunk, _position: chunk % shares == share)
    rows, whole = [], False
    for batch in scanner.scan(path, file):
        rows.append(Rows.of(batch))
        whole |= batch.place[1] % shares != share
    return msgspec.msgpack.encode(Survey(scanner.scan_result, rows, whole))


def blocks_of(
    paths: Sequence[File],
    surveys: Sequence[Sequence[Survey]],
    blocksize: int,
    note: Callable[[Issue], None],
) -> dict[str, list[Block]]:
    """Return the parts in which the rows of each type are read, in the order of the files.

    Of repeated rows, over all files, one stays; `note` gets those that drop values.

    Parameters
    ----------
    paths
        The files.
    surveys
        Of each file.
    blocksize
        How many bytes of text a part has, about.
    """
    by_type: dict[str, list[Rows]] = {}
    for one in (one for some in surveys for one in some):
        for rows in one.rows:
            by_type.setdefault(rows.resource_type, []).append(rows)
    span = max(1, blocksize // CHUNK)
    whole = [any(one.whole for one in some) for some in surveys]
    blocks = {}
    for name in sorted(by_type):
        ordered = sorted(by_type[name], key=lambda rows: rows.place)
        keys = RowKeys(sum(rows.count for rows in ordered))
        for rows in ordered:
            keys.add(rows.keys, rows.place[0])
        blocks[name] = list(_blocks(ordered, keys.kept(name, note), paths, whole, span))
    return blocks


def _blocks(
    rows: list[Rows], kept: np.ndarray, paths: Sequence[File], whole: Sequence[bool], span: int
) -> Iterator[Block]:
    parts: dict[tuple[int, int], tuple[int, int]] = {}  # rows and mark, by file and part
    for one in rows:
        file, chunk, _ = one.place
        place = file, 0 if whole[file] else chunk // span
        count, mark = parts.get(place, (0, 0))
        parts[place] = count + one.count, (mark + _mark(one.keys.low)) % 2**64
    seen = left = 0
    for (file, part), (count, mark) in parts.items():
        dropped = np.flatnonzero(~kept[seen : seen + count]).astype(np.int32)
        chunks = None if whole[file] else (part * span, (part + 1) * span)
        yield Block(paths[file], file, chunks, count, dropped, left, mark)
        seen += count
        left += count - len(dropped)


def _mark(low: np.ndarray) -> int:
    return int(low.sum(dtype=np.uint64))


class Reading(msgspec.Struct):
    """What is the same for all parts of a type of row: its name and the columns."""

    resource_type: str
    settled: ResolvedSchema


def keys_for(
    columns: Sequence[str] | None, settled: ResolvedSchema, name: str
) -> tuple[str, ...] | None:
    """Return the keys of rows that are needed for these columns, None where that is not sure."""
    there = settled.roots[name].keys
    if columns is None or settled.options.columns is not None or any("." in key for key in there):
        return None
    keys = tuple(dict.fromkeys(column.partition(".")[0] for column in columns))
    return keys if keys and there.keys() >= set(keys) else None


def read_block(
    block: Block, reading: Reading, keys: tuple[str, ...] | None = None
) -> tuple[pa.Table, Issues]:
    """Return the rows of a part that are left, conformed, and what did not fit in any of them.

    Parameters
    ----------
    block
        What to read.
    reading
        What it becomes.
    keys
        Only these keys of the rows are decoded, the other columns are null; None for all.

    Raises
    ------
    ExportFileError
        When the file has changed since the first pass, or cannot be read any more.
    """
    issues = Issues()
    tables, rows, mark = [nothing_of(reading)], 0, 0
    for batch, scanner in _batches(block, reading, keys):
        known = scanner.scan_result.known[reading.resource_type].definitions
        tables.append(conformed(batch, known, reading.settled, issues.add))
        low = keys_of(batch.table).low
        rows, mark = rows + len(low), (mark + _mark(low)) % 2**64
        if rows >= block.rows:
            break
    if (rows, mark) != (block.rows, block.mark):
        raise ExportFileError(
            f"{block.path} has changed since it was read first, or is another file on this "
            "machine; load it again.",
            path=str(block.path),
        )
    table = pa.concat_tables(tables)
    if len(block.dropped):
        left = np.ones(rows, bool)
        left[block.dropped] = False
        table = table.filter(pa.array(left))
    return table, issues


def _batches(
    block: Block, reading: Reading, keys: tuple[str, ...] | None
) -> Iterator[tuple[Batch, Scanner]]:
    first, end = block.chunks or (0, 1)
    options = reading.settled.options
    options = msgspec.structs.replace(
        options, resource_types=(reading.resource_type,), columns=keys or options.columns
    )
    scanner = Scanner(options, lambda _file, chunk, _position: first <= chunk < end)
    with closing(scanner.scan(block.path, block.file)) as batches:
        for batch in batches:
            yield batch, scanner


def nothing_of(reading: Reading) -> pa.Table:
    """Return the table of no rows at all."""
    head = {LINE: pa.int64(), "gid": pa.string(), DIGEST: pa.binary()}
    empty = pa.RecordBatch.from_pylist([], pa.schema(list(head.items())))
    batch = Batch(reading.resource_type, empty, (0, 0, 0))
    return conformed(batch, [], reading.settled, Issues().add)
