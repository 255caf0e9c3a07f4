"""Repeated rows are found by their keys, exactly."""

from __future__ import annotations

from hashlib import blake2b

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asana_jobs_pd._export import deduplicate as repeats
from asana_jobs_pd._export.deduplicate import RowKeys

NUMBERS = st.integers(0, 10**19).map(str)
ODD = st.sampled_from(["", "0", "00", "7", "07", "7\n", " 7", "+7", "-7", "٧", "7" * 20, "ext-7"])
ROWS = st.lists(
    st.tuples(st.one_of(st.none(), NUMBERS, ODD, st.text(max_size=3)), st.sampled_from("abc"))
)


def kept(rows, cuts=()):
    """Return what is kept of (gid, line) rows that are added in batches."""
    keys = RowKeys(len(rows))
    for start, end in zip([0, *cuts], [*cuts, len(rows)], strict=True):
        batch = rows[start:end]
        gids = pa.array([gid for gid, _ in batch], pa.string())
        digests = [
            blake2b(line.encode(), digest_size=16).digest() if gid is None else None
            for gid, line in batch
        ]
        keys.add(gids, pa.array(digests, pa.binary()))
    return keys.kept().tolist()


def expected(rows):
    """Return the same, told the plain way."""
    last = {row if row[0] is None else row[0]: place for place, row in enumerate(rows)}
    return [place in set(last.values()) for place in range(len(rows))]


@given(ROWS, st.data())
def test_the_last_of_each_is_kept(rows, data):
    """Rows are the same by their gid as a text, and without one by their line."""
    rows = rows + data.draw(st.lists(st.sampled_from(rows))) if rows else rows
    cuts = sorted(data.draw(st.lists(st.integers(0, len(rows)), max_size=3)))
    assert kept(rows, cuts) == expected(rows)


def test_gids_are_told_apart_beyond_what_a_float_holds():
    """Neighbours of 19 digits, and the largest of all, are rows of their own."""
    gids = [
        "9999999999999999999",
        "9999999999999999998",
        "9223372036854775808",
        "18446744073709551616",
    ]
    assert kept([(gid, "") for gid in gids]) == [True] * 4


def test_a_gid_is_never_a_line():
    """A row whose gid is the text of another's line is another row."""
    assert kept([("x", "x"), (None, "x")]) == [True, True]


def test_many_rows_are_sorted_in_portions(monkeypatch):
    """The answer does not depend on how many are sorted at a time."""
    rng = np.random.default_rng(7)
    rows = [(str(gid), "") for gid in rng.integers(0, 4000, 5000)]
    rows += [(f"ext-{gid}", "") for gid in rng.integers(0, 400, 500)]
    whole = kept(rows, [2500])
    monkeypatch.setattr(repeats, "PORTION", 256)
    assert kept(rows, [2500]) == whole == expected(rows)


@pytest.mark.parametrize("gid", ["1208", None])
def test_no_rows_and_one_row(gid):
    """Nothing to keep, and nothing to drop."""
    assert kept([]) == []
    assert kept([(gid, "a")]) == [True]


def test_a_row_with_a_plain_gid_takes_eight_bytes():
    """And one with any other sixteen, as soon as there is one."""
    keys = RowKeys(1000)
    keys.add(pa.array(["1"] * 999), pa.nulls(999, pa.binary()))
    assert (keys._low.nbytes, keys._high) == (8000, None)
    keys.add(pa.array(["x"]), pa.nulls(1, pa.binary()))
    assert keys._high.nbytes == 8000
