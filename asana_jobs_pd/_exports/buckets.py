"""Rows that are more than fits in memory, shared out by their key to files that each fit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

__all__ = ["MOST", "bucket_of", "shared_out"]

MOST = 256
"""Files that are open at a time."""


def bucket_of(keys: pa.Array, count: int) -> np.ndarray:
    """Return the bucket of each key: the same on every machine and in every run."""
    hashes = pd.util.hash_array(
        keys.to_numpy(zero_copy_only=False).astype(object), categorize=False
    )
    places: np.ndarray = (hashes % np.uint64(count)).astype(np.int64)
    return places


def shared_out(tables: Iterable[pa.Table], key: str, count: int, folder: Path) -> list[Path]:
    """Write rows to so many files by their key, in their order; return the files.

    Parameters
    ----------
    tables
        All of one schema.
    key
        The column that decides.
    count
        How many files; one without rows is not written.
    folder
        Where; it must exist.
    """
    paths = [folder / f"{number}.arrow" for number in range(count)]
    with ExitStack() as stack:
        writers: dict[int, Any] = {}
        for table in tables:
            for number, some in _split(table, key, count):
                if number not in writers:
                    sink = stack.enter_context(pa.OSFile(str(paths[number]), "wb"))
                    writers[number] = stack.enter_context(pa.ipc.new_stream(sink, table.schema))
                writers[number].write_table(some)
    return paths


def _split(table: pa.Table, key: str, count: int) -> Iterator[tuple[int, pa.Table]]:
    if not len(table):
        return
    places = bucket_of(table[key].combine_chunks(), count)
    order = np.argsort(places, kind="stable")
    bounds = np.searchsorted(places[order], np.arange(count + 1))
    whole = table.take(pa.array(order)).combine_chunks()
    for number in range(count):
        start, end = int(bounds[number]), int(bounds[number + 1])
        if end > start:
            yield number, whole.slice(start, end - start)
