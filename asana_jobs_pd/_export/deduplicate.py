"""Decides which of repeated rows is kept: the one modified last, or else the last in order.

A gid of up to 19 digits is a 64-bit number, and that number is its key: no two gids share one.
Everything else (other gids, and rows without one) gets 127 bits of a digest and a bit that tells it
from a gid. Keys are sorted in portions, so that sorting takes little memory beside them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from hashlib import blake2b
from typing import NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from asana_jobs_pd._decode.scan import DIGEST, KEYS, Batch
from asana_jobs_pd._decode.scan_result import Issue

FindKept: TypeAlias = Callable[[int, Iterable[Batch], str, Callable[[Issue], None]], np.ndarray]
"""The type of `kept_rows`: returns which rows of a type are kept."""
PORTION = 1 << 20
"""The number of rows sorted at a time."""
MODIFIED = "modified_at"
KEY_COLUMNS = ("gid", DIGEST, KEYS, MODIFIED)
"""The columns of a batch that decide, as far as it has them."""
_NUMBER = "^(?:0|[1-9][0-9]{0,18})$"
_DIGEST_BIT = np.uint64(1 << 63)
_NEVER = np.iinfo(np.int64).min


class Keys(NamedTuple):
    """For each row: what identifies it, when it was modified, and how many keys it has.

    `high` is needed if not all gids are numbers; `modified` is in microseconds.
    """

    low: np.ndarray
    high: np.ndarray | None
    modified: np.ndarray | None
    counts: np.ndarray


class RowKeys:
    """The keys of all rows of a type, in the order in which they are added."""

    def __init__(self, rows: int) -> None:
        self._low = np.empty(rows, np.uint64)
        self._counts = np.zeros(rows, np.int32)
        self._high: np.ndarray | None = None
        self._modified: np.ndarray | None = None
        self._filled = 0
        self._files: list[tuple[int, int]] = []

    def add(self, keys: Keys, file: int = 0) -> None:
        """Add the next rows, of the file with that number."""
        rows = slice(self._filled, self._filled + len(keys.low))
        self._filled = rows.stop
        self._files.append((rows.start, file))
        self._low[rows] = keys.low
        self._counts[rows] = keys.counts
        if keys.high is not None:
            if self._high is None:
                self._high = np.zeros(len(self._low), np.uint64)
            self._high[rows] = keys.high
        if keys.modified is not None:
            if self._modified is None:
                self._modified = np.full(len(self._low), _NEVER, np.int64)
            self._modified[rows] = keys.modified

    def kept(
        self, resource_type: str = "", note: Callable[[Issue], None] | None = None
    ) -> np.ndarray:
        """Return for each row if it is kept; `note` gets rows that replace one with more keys."""
        kept = np.ones(self._filled, np.bool_)
        portions = len(self._low) // PORTION * 2 + 1
        for portion in range(portions):
            rows, group = self._repeated(portion, portions)
            if not len(rows):
                continue
            latest = self._latest(rows, group)
            kept[rows] = False
            kept[rows[latest]] = True
            if note is not None:
                for issue in self._slimmer(rows, group, latest, resource_type):
                    note(issue)
        return kept

    def _repeated(self, portion: int, portions: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the repeated rows in order, each with the number of its group."""
        rows = np.concatenate(list(self._rows(portion, portions)))
        low = self._low[rows]
        if self._high is None:
            order = np.argsort(low, kind="stable")
        else:
            order = np.lexsort((self._high[rows], low))
        rows, low = rows[order], low[order]
        same = low[1:] == low[:-1]
        if self._high is not None:
            high = self._high[rows]
            same &= high[1:] == high[:-1]
        follows = np.concatenate(([False], same))
        repeated = follows | np.concatenate((same, [False]))
        return rows[repeated[: len(rows)]], np.cumsum(~follows)[repeated][: len(rows)]

    def _rows(self, portion: int, portions: int) -> Iterable[np.ndarray]:
        """Yield the rows of a portion, by the remainder of their keys."""
        for start in range(0, max(len(self._low), 1), PORTION):
            block = self._low[start : start + PORTION]
            yield np.flatnonzero(block % np.uint64(portions) == portion) + start

    def _latest(self, rows: np.ndarray, group: np.ndarray) -> np.ndarray:
        """Return the position of the row that is kept from each group.

        A row without a time, or with an equal one, replaces those before it.
        """
        ends = np.flatnonzero(np.concatenate((group[1:] != group[:-1], [True])))
        if self._modified is None:
            return ends
        modified = self._modified[rows]
        timeless = np.cumsum(modified == _NEVER)
        sizes = np.diff(ends, prepend=-1)
        eligible = np.flatnonzero(timeless == np.repeat(timeless[ends], sizes))
        order = eligible[np.lexsort((eligible, modified[eligible], group[eligible]))]
        last = np.concatenate((group[order][1:] != group[order][:-1], [True]))
        latest: np.ndarray = order[last]
        return latest

    def _slimmer(
        self, rows: np.ndarray, group: np.ndarray, latest: np.ndarray, resource_type: str
    ) -> Iterable[Issue]:
        counts = self._counts[rows]
        starts = np.flatnonzero(np.concatenate(([True], group[1:] != group[:-1])))
        most = np.maximum.reduceat(counts, starts)
        begins, files = zip(*self._files, strict=True)
        for number in np.flatnonzero(most > counts[latest]).tolist():
            row = int(rows[latest[number]])
            file = files[int(np.searchsorted(begins, row, "right")) - 1]
            reason = (
                f"this row has {counts[latest[number]]} keys and replaces one that has "
                f"{most[number]}: the values of the others are not in the result"
            )
            yield Issue(file, 0, resource_type, self._gid(row), None, None, reason)

    def _gid(self, row: int) -> str | None:
        if self._high is not None and self._high[row]:
            return None
        return str(self._low[row])


def kept_rows(
    rows: int, batches: Iterable[Batch], resource_type: str, note: Callable[[Issue], None]
) -> np.ndarray:
    """Return which rows of a type are kept; `note` gets rows that replace one with more keys."""
    keys = RowKeys(rows)
    for batch in batches:
        keys.add(keys_of(batch.table), batch.place[0])
    return keys.kept(resource_type, note)


def keys_of(table: pa.RecordBatch) -> Keys:
    """Return the keys of the rows of a batch."""
    names = table.schema.names
    low, high = _row_keys(table.column("gid"), table.column(DIGEST))
    modified = None
    if MODIFIED in names and pa.types.is_timestamp(table.schema.field(MODIFIED).type):
        times = table.column(MODIFIED)
        if times.null_count < len(times):
            whole = times.cast(pa.timestamp("us", "UTC")).cast(pa.int64())
            modified = pc.fill_null(whole, _NEVER).to_numpy(zero_copy_only=False)
    counts = table.column(KEYS).to_numpy() if KEYS in names else np.zeros(len(table), np.int32)
    return Keys(low, high, modified, counts)


def _row_keys(gids: pa.Array, digests: pa.Array) -> tuple[np.ndarray, np.ndarray | None]:
    numbers = pc.fill_null(pc.match_substring_regex(gids, _NUMBER), False)
    others = np.flatnonzero(~numbers.to_numpy(zero_copy_only=False))
    plain = pc.if_else(numbers, gids, "0") if len(others) else gids
    low = plain.cast(pa.uint64()).to_numpy()
    if not len(others):
        return low, None
    low, high = low.copy(), np.zeros(len(low), np.uint64)
    at = pa.array(others)
    pairs = zip(gids.take(at).to_pylist(), digests.take(at).to_pylist(), strict=True)
    words = np.frombuffer(b"".join(_digest(*pair) for pair in pairs), np.uint64).reshape(-1, 2)
    high[others] = words[:, 0] | _DIGEST_BIT
    low[others] = words[:, 1]
    return low, high


def _digest(gid: str | None, digest: bytes | None) -> bytes:
    """Return a digest of 16 bytes, which a gid and a line never share."""
    if gid is not None:
        return blake2b(gid.encode(), digest_size=16, person=b"gid").digest()
    assert digest is not None
    return digest
