"""Which rows are repeated, told from eight bytes a row.

A gid of up to 19 digits is a number of 64 bits, and that number is its key: no two gids share one.
Whatever else (other gids, and the rows that have none) gets 127 bits of a digest and the bit that
tells it from a gid, sixteen bytes a row as soon as there is one. Keys are sorted in portions, so
that sorting takes next to nothing beside them.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["PORTION", "RowKeys", "keys_of"]

PORTION = 1 << 20
"""Rows that are sorted at a time."""
_NUMBER = "^(?:0|[1-9][0-9]{0,18})$"
_DIGEST = np.uint64(1 << 63)


class RowKeys:
    """What tells the rows of one type apart, in the order in which they are added.

    Parameters
    ----------
    rows
        How many there will be.
    """

    def __init__(self, rows: int) -> None:
        self._low = np.empty(rows, np.uint64)
        self._high: np.ndarray | None = None
        self._filled = 0

    def add(self, gids: pa.Array, digests: pa.Array) -> None:
        """Add the next rows.

        Parameters
        ----------
        gids
            Texts.
        digests
            Of a row without a gid, 16 bytes that tell its line from others.
        """
        self.add_keys(*keys_of(gids, digests))

    def add_keys(self, low: np.ndarray, high: np.ndarray | None) -> None:
        """Add the next rows by what `keys_of` made of them, here or in another process."""
        here = slice(self._filled, self._filled + len(low))
        self._filled = here.stop
        self._low[here] = low
        if high is None:
            return
        if self._high is None:
            self._high = np.zeros(len(self._low), np.uint64)
        self._high[here] = high

    def kept(self) -> np.ndarray:
        """Return for each row whether it is to be kept: whether it is the last of its key."""
        kept = np.ones(self._filled, np.bool_)
        portions = len(self._low) // PORTION * 2 + 1
        for portion in range(portions):
            kept[self._repeated(portion, portions)] = False
        return kept

    def _repeated(self, portion: int, portions: int) -> np.ndarray:
        places = np.concatenate(list(self._places(portion, portions)))
        low = self._low[places]
        if self._high is None:
            order = np.argsort(low, kind="stable")
        else:
            order = np.lexsort((self._high[places], low))
            high = self._high[places[order]]
        low = low[order]
        same = low[1:] == low[:-1]
        if self._high is not None:
            same &= high[1:] == high[:-1]
        repeated: np.ndarray = places[order[:-1][same]]
        return repeated

    def _places(self, portion: int, portions: int) -> Iterable[np.ndarray]:
        """Yield the places of the rows in a portion, by the remainder of their keys."""
        for start in range(0, max(len(self._low), 1), PORTION):
            block = self._low[start : start + PORTION]
            yield np.flatnonzero(block % np.uint64(portions) == portion) + start


def keys_of(gids: pa.Array, digests: pa.Array) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the keys of rows: 64 bits each, and 64 more where not all are gids that are numbers.

    Parameters
    ----------
    gids
        Texts.
    digests
        Of a row without a gid, 16 bytes that tell its line from others.
    """
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
    high[others] = words[:, 0] | _DIGEST
    low[others] = words[:, 1]
    return low, high


def _digest(gid: str | None, digest: bytes | None) -> bytes:
    """Return 16 bytes, of a gid with a person of their own, so that it is never a line's."""
    if gid is not None:
        return blake2b(gid.encode(), digest_size=16, person=b"gid").digest()
    assert digest is not None
    return digest
