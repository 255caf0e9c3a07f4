"""Of repeated rows the one modified last is kept."""

from __future__ import annotations

import itertools
from hashlib import blake2b

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from export_fixtures import task
from hypothesis import given
from hypothesis import strategies as st

import asana_jobs_pd as aj
from asana_jobs_pd._export import deduplicate
from asana_jobs_pd._export.deduplicate import RowKeys, keys_of

NUMBERS = st.integers(0, 10**19).map(str)
ODD = st.sampled_from(["", "0", "00", "7", "07", "7\n", " 7", "+7", "-7", "٧", "7" * 20, "ext-7"])
GIDS = st.one_of(st.none(), NUMBERS, ODD, st.text(max_size=3))
TIMES = st.none() | st.integers(0, 3)
ROWS = st.lists(st.tuples(GIDS, st.sampled_from("abc"), TIMES))


def batch_of(rows):
    """Return (gid, line, modified) rows as a batch."""
    digests = [
        blake2b(line.encode(), digest_size=16).digest() if gid is None else None
        for gid, line, _ in rows
    ]
    return pa.RecordBatch.from_pydict(
        {
            "gid": pa.array([gid for gid, _, _ in rows], pa.string()),
            '"digest"': pa.array(digests, pa.binary()),
            '"keys"': pa.array([3] * len(rows), pa.int32()),
            "modified_at": pa.array([time for *_, time in rows], pa.timestamp("us", "UTC")),
        }
    )


def kept(rows, cuts=()):
    """Return which rows are kept when they are added in batches."""
    rows = [(*row, None)[:3] for row in rows]
    keys = RowKeys(len(rows))
    for start, end in itertools.pairwise([0, *cuts, len(rows)]):
        keys.add(keys_of(batch_of(rows[start:end])))
    return keys.kept().tolist()


def expected(rows):
    """Return the same row by row.

    A row replaces earlier ones unless one of them is known to be later.
    """
    stays = {}
    for place, (gid, line, time) in enumerate((*row, None)[:3] for row in rows):
        key = (gid, line) if gid is None else gid
        _, before = stays.get(key, (None, None))
        if before is None or time is None or time >= before:
            stays[key] = place, time
    places = {place for place, _ in stays.values()}
    return [place in places for place in range(len(rows))]


@given(ROWS, st.data())
def test_the_latest_of_each_stays(rows, data):
    """Rows are equal by the text of their gid; without one, by their line."""
    rows = rows + data.draw(st.lists(st.sampled_from(rows))) if rows else rows
    cuts = sorted(data.draw(st.lists(st.integers(0, len(rows)), max_size=3)))
    assert kept(rows, cuts) == expected(rows)


@given(st.lists(st.tuples(st.sampled_from("12"), st.just(""), TIMES)))
def test_times_that_are_missing_or_equal(rows):
    """Then a later row replaces earlier ones."""
    assert kept(rows) == expected(rows)


def test_gids_beyond_the_precision_of_floats_are_distinguished():
    """Neighbouring 19-digit gids, and the largest possible one, are different rows."""
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
    """The result does not depend on how many are sorted at a time."""
    rng = np.random.default_rng(7)
    rows = [(str(gid), "", int(gid) % 3) for gid in rng.integers(0, 4000, 5000)]
    rows += [(f"ext-{gid}", "", None) for gid in rng.integers(0, 400, 500)]
    whole = kept(rows, [2500])
    monkeypatch.setattr(deduplicate, "PORTION", 256)
    assert kept(rows, [2500]) == whole == expected(rows)


@pytest.mark.parametrize("gid", ["1208", None])
def test_no_rows_and_one_row(gid):
    """Nothing to keep, and nothing to drop."""
    assert kept([]) == []
    assert kept([(gid, "a")]) == [True]


MOMENTS = ["2026-01-01T00:00:58Z", "2026-01-01T00:00:58.147Z", "2026-02-01T00:00:00.000Z"]


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("options", [{}, {"columns": ["name"]}, {"dtype_backend": "pyarrow"}])
def test_the_order_of_the_files_does_not_matter(export, order, options):
    """Times are compared as times, also when they are not among the columns."""
    paths = [export(task("1", name=str(n), modified_at=MOMENTS[n])) for n in order]
    data = aj.read_asana_export(paths, workers=1, **options)
    assert data["task"]["name"].dropna().tolist() == ["2"]
    assert "columns" not in options or list(data["task"]) == ["name"]


def test_the_latest_stands_where_it_stood(export):
    """Rows keep the order of the files."""
    old, new = task("1", modified_at=MOMENTS[0]), task("1", modified_at=MOMENTS[2])
    data = aj.read_asana_export([export(new, task("2")), export(task("3"), old)], workers=1)
    assert list(data["task"]["gid"]) == ["1", "2", "3"]
    assert data["task"]["modified_at"][0] == pd.Timestamp(MOMENTS[2])
    assert data.report()["duplicates"]["task"] == 1


def test_a_row_that_replaces_one_with_more_keys_is_an_issue(export):
    """Values that only the older row has are not in the result; a null counts as a value."""
    full = {"gid": "1", "resource_type": "task", "name": "a", "notes": "b", "odd": 1}
    slim = {"gid": "1", "resource_type": "task", "completed": True}
    null = full | {"notes": None, "odd": None, "name": None}
    for rows, count in (([full, slim], 1), ([slim, full], 0), ([full, null], 0)):
        paths = [
            export(row | {"modified_at": moment})
            for row, moment in zip(rows, MOMENTS, strict=False)
        ]
        for order in (paths, paths[::-1]):
            data = aj.read_asana_export(order, workers=1)
            assert data.issue_count == count, (rows, order)
            assert list(data.issues["file"]) == [str(paths[1])] * count
            assert list(data.issues["gid"]) == ["1"] * count
            assert data.issues["reason"].str.contains("4 keys and replaces one that has 6").all()
    single = aj.read_asana_export(export(full, slim), workers=1)
    assert single.issue_count == 1


@pytest.mark.slow
@pytest.mark.parametrize("order", [1, -1])
def test_parquet_dask_and_workers_keep_the_same_rows(export, tmp_path, order):
    """And report the same issues."""
    dask = pytest.importorskip("dask")
    old = [task(str(n), name="old", notes="x", modified_at=MOMENTS[n % 2]) for n in range(20)]
    new = [task(str(n), name="new", modified_at=MOMENTS[1 - n % 2]) for n in range(5, 15)]
    paths = [export(*old), export(*new)][::order]
    expected = aj.read_asana_export(paths, workers=1)
    assert expected.issue_count == 5
    assert sorted(expected["task"]["name"]) == ["new"] * 5 + ["old"] * 15
    with dask.config.set(scheduler="synchronous"):
        lazy = aj.read_asana_export(paths, engine="dask").compute()
        aj.asana_export_to_parquet(paths, tmp_path / "by_dask", engine="dask", progress=False)
    aj.asana_export_to_parquet(paths, tmp_path / "plain", progress=False)
    for other in (aj.read_asana_export(paths, workers=2), lazy):
        pd.testing.assert_frame_equal(other["task"], expected["task"])
        pd.testing.assert_frame_equal(other.issues, expected.issues)
    for folder in ("plain", "by_dask"):
        frame = pd.read_parquet(tmp_path / folder / "task")
        assert list(frame["gid"]) == list(expected["task"]["gid"])
        assert list(frame["name"]) == list(expected["task"]["name"])
        issues = pd.read_parquet(tmp_path / folder / "_issues.parquet")
        assert list(issues["gid"]) == list(expected.issues["gid"])
