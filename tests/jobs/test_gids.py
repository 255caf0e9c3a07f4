"""What counts as a gid, in which forms."""

from __future__ import annotations

import decimal
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asana_jobs_pd._jobs.gids import parse_gids
from asana_jobs_pd.errors import InvalidFrameError, InvalidGidError

LONG = "12036541234567890123456"


@pytest.mark.parametrize(
    "given_",
    [
        ["12", LONG],
        ("12", LONG),
        (gid for gid in ("12", LONG)),
        pd.Series(["12", LONG]),
        pd.Series(["12", LONG], dtype="string"),
        pd.Series(["12", LONG], dtype="category"),
        pd.Index(["12", LONG]),
        np.array(["12", LONG]),
        np.array(["12", LONG], dtype=object),
        pd.DataFrame({"gid": ["12", LONG], "x": 1}),
        pd.DataFrame({"x": 1}, index=pd.Index(["12", LONG], name="gid")),
        {"12": 1, LONG: 2}.keys(),
        [12, int(LONG)],
    ],
    ids=lambda value: type(value).__name__,
)
def test_every_form_gives_the_same_texts(given_):
    """Lists, iterators, Series, Index, arrays, frames: the digits arrive whole and in order."""
    assert parse_gids(given_) == ["12", LONG]


@pytest.mark.parametrize("one", ["12", 12, np.int64(12), np.uint8(12), np.str_("12")])
def test_one_gid_may_stand_alone(one):
    """A string or an int is one gid."""
    assert parse_gids(one) == ["12"]


@given(st.lists(st.from_regex(r"[0-9]{1,40}", fullmatch=True)))
def test_texts_of_digits_come_through_unchanged(gids):
    """No digit is lost, repeats and leading zeros stay."""
    assert parse_gids(gids) == gids


@given(st.lists(st.integers(min_value=1, max_value=2**63 - 1)))
def test_ints_come_through_unchanged(gids):
    """Python's and NumPy's ints are read digit by digit."""
    assert parse_gids(np.array(gids, "int64")) == [str(gid) for gid in gids]


@pytest.mark.parametrize(
    "bad",
    [
        1.0, float("nan"), np.float64(12), True, np.True_, None, pd.NA, pd.NaT, 0, -5, np.int64(0),
        "", " ", "1２", "١٢", "12/../users", "12?x", "0x1", "1e5", "+1", "-1", b"12",
        ["12"], decimal.Decimal(12), 1 + 0j,
    ],
    ids=repr,
)  # fmt: skip
def test_anything_else_is_refused_by_value_and_position(bad):
    """The error names what it was and where it stood, before anything is sent."""
    with pytest.raises(InvalidGidError, match=re.escape("gids[1] = ")) as caught:
        parse_gids(["12", bad])
    assert repr(bad) in str(caught.value)
    assert isinstance(caught.value, ValueError)


@given(st.text().filter(lambda text: not (text.isascii() and text.isdigit())))
def test_texts_that_are_no_digits_are_refused(text):
    """Only ASCII digits make a gid."""
    with pytest.raises(InvalidGidError):
        parse_gids([text])


def test_floats_come_with_the_remedy():
    """Floats lose digits; the error says how to read gids as text."""
    with pytest.raises(InvalidGidError, match=r'dtype=\{"gid": "string"\}'):
        parse_gids(pd.Series([1.2e15, None]))


@pytest.mark.parametrize("bad", [5.0, None, object()])
def test_what_is_neither_one_nor_many_is_refused(bad):
    """A value alone is named without a position."""
    with pytest.raises(InvalidGidError, match=r"^gid = "):
        parse_gids(bad)


def test_a_long_value_is_shortened_in_the_error():
    """An error stays readable whatever was passed."""
    with pytest.raises(InvalidGidError) as caught:
        parse_gids(["x" * 10_000])
    assert len(str(caught.value)) < 300


def test_a_table_of_gids_is_refused():
    """Two dimensions have no one order."""
    with pytest.raises(InvalidGidError):
        parse_gids(np.array([["1", "2"]]))
    assert parse_gids(np.array("12")) == ["12"]


def test_a_frame_without_gids_names_its_columns():
    """The error says which columns there are and what to rename."""
    with pytest.raises(InvalidFrameError, match=r"'job'.*Rename"):
        parse_gids(pd.DataFrame({"job": ["1"]}))
    with pytest.raises(InvalidFrameError, match="more than one"):
        parse_gids(pd.DataFrame([["1", "2"]], columns=["gid", "gid"]))
    with pytest.raises(InvalidFrameError, match=", …"):
        parse_gids(pd.DataFrame([range(20)]))
    with pytest.raises(InvalidFrameError, match="are none"):
        parse_gids(pd.DataFrame())


def test_a_level_of_the_index_will_do():
    """In a MultiIndex, the level named gid holds the gids."""
    index = pd.MultiIndex.from_tuples([("a", "1"), ("b", "2")], names=["team", "gid"])
    assert parse_gids(pd.DataFrame({"x": [1, 2]}, index=index)) == ["1", "2"]
