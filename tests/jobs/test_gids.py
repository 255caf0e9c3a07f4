"""What counts as a gid, and in which forms."""

from __future__ import annotations

import array
import ctypes
import decimal
import io
import mmap
import re

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asana_jobs_pd._jobs.gids import NO_URLS, parse_gids
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
        "", " ", "1２", "١٢", "12/../users", "12?x", "0x1", "1e5", "+1", "-1", b"12", ["12"],
        decimal.Decimal(12), 1 + 0j, "1.208E+15", "1208000000000001.0", "12o8", "1,208,000",
        "1 208 000", "1\u00a0208\u00a0000", "1.208.000", "12\n13", "12, 13", "nan",
        "=12", "9" * 101,
    ],
    ids=repr,
)  # fmt: skip
def test_anything_else_is_refused_by_value_and_position(bad):
    """The error names what it was and where it stood, before anything is sent."""
    with pytest.raises(InvalidGidError, match=re.escape("gids[1] = ")) as caught:
        parse_gids(["12", bad])
    assert repr(bad)[:59] in str(caught.value)
    assert "1 of 2 values" in str(caught.value)
    assert isinstance(caught.value, ValueError)


G = "1208000000000001"


@pytest.mark.parametrize(
    "text",
    [
        f" {G}\t", f"{G}\r\n", f"\u00a0{G}\u2003", f"\ufeff{G}", f"{G[:8]}\u200b{G[8:]}",
        f"\u202a{G}\u202c",
        f"'{G}", f"'{G}'", f'"{G}"', f"`{G}`", f"\u2018{G}\u2019", f"\u201c{G}\u201d",
        f"\u00ab{G}\u00bb",
        f'="{G}"', f'=" {G}"', f"='{G}'", f'"=""{G}"""', f"\ufeff\u00a0'{G} ",
        f"https://app.asana.com/api/1.0/jobs/{G}", f"https://app.asana.com/jobs/{G}/",
        f"HTTPS://APP.ASANA.COM/api/1.0/jobs/{G}?opt_fields=status#x", f"app.asana.com/jobs/{G}",
        f" '<https://app.asana.com/api/1.0/jobs/{G}'".replace("<", ""),
    ],
)  # fmt: skip
def test_characters_that_spreadsheets_and_people_add_are_removed(text):
    """White space, invisible characters, quotes, apostrophes, formulas of a text, URLs of jobs."""
    assert parse_gids([text]) == parse_gids(text) == [G]


@pytest.mark.parametrize(
    "url",
    [
        f"https://app.asana.com/0/1200/{G}", f"https://app.asana.com/1/1200/project/{G}",
        f"https://app.asana.com@evil.example/jobs/{G}", f"https://app.asana.com.evil.example/jobs/{G}",
        f"https://evil.example/jobs/{G}", f"https://evil.example/?u=https://app.asana.com/jobs/{G}",
        f"https://app.asana.com/jobs/{G}/tasks/12", f"https://app.asana.com/jobs/{G}x",
        f"/jobs/{G}",
        f"https://app.asana.com/api/1.0/tasks/{G}", f"ftp://app.asana.com/jobs/{G}",
        "https://app.asana.com/jobs/١٢",
        f"https://app.asana.com/jobs/{G}?a=1\nhttps://app.asana.com/jobs/12",
        f"https://app.asana.com/jobs/{G}#a https://app.asana.com/jobs/12",
    ],
)  # fmt: skip
def test_no_other_url_is_read(url):
    """Never "the last number": only job URLs of app.asana.com, and only where they are expected."""
    with pytest.raises(InvalidGidError):
        parse_gids([url])
    with pytest.raises(InvalidGidError):
        parse_gids([f"https://app.asana.com/jobs/{G}"], urls=NO_URLS)


@pytest.mark.parametrize(
    "buffer",
    [
        b"12", bytearray(b"12"), memoryview(b"12"), memoryview(b"12").cast("c"), np.array([b"12"]),
        array.array("B", b"12"), array.array("b", b"12"), [b"12"],
        io.BytesIO(b"12\n13"), pa.py_buffer(b"12"), pa.array([b"12"]), pd.Series([b"12"]),
        mmap.mmap(-1, 2), (ctypes.c_char * 2)(*b"12"), np.bytes_(b"12"),
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_bytes_are_not_gids(buffer):
    """Iterating over them gives numbers: `b"12"` is not the jobs 49 and 50."""
    with pytest.raises(InvalidGidError):
        parse_gids(buffer)


@pytest.mark.parametrize(
    "gids", [pa.array(["12", "13"]), io.StringIO("12\n13\n"), array.array("Q", [12, 13])]
)
def test_other_iterables_are_read(gids):
    """Arrow arrays, lines of a text file, arrays of whole numbers."""
    assert parse_gids(gids) == ["12", "13"]


def test_a_frame_may_write_gid_in_capitals():
    """As a file may."""
    assert parse_gids(pd.DataFrame({"x": [1], " GID": ["12"]})) == ["12"]


def test_all_that_are_no_gids_are_counted_at_once():
    """One error: how many of how many, in which column, the first positions, and remedies."""
    column = pd.Series(["12", "1.2E+15", "12.0", "12o8", "1,208,000", None], name="Job ID")
    with pytest.raises(InvalidGidError) as caught:
        parse_gids(column)
    message = str(caught.value)
    assert list(caught.value.bad) == [1, 2, 3, 4, 5]
    assert caught.value.bad[1] == "1.2E+15"
    assert "5 of 6 values in the column 'Job ID'" in message
    assert "gids[1] = '1.2E+15', gids[2] = '12.0', gids[3] = '12o8', …" in message
    assert "Floats" not in message
    for remedy in ("as text", "thousands separators", "Leave out blank"):
        assert remedy in message


def test_an_error_shows_no_secret():
    """A token or signed URL in place of a gid is not repeated."""
    for secret in (f"2/12/34:{'a' * 32}", "https://s3.example/f?X-Amz-Signature=abcdef0123"):
        with pytest.raises(InvalidGidError) as caught:
            parse_gids([secret])
        assert "aaaaaaaa" not in str(caught.value)
        assert "abcdef" not in str(caught.value)


def test_a_number_of_thousands_of_digits_is_refused():
    """Python would not even print it."""
    with pytest.raises(InvalidGidError):
        parse_gids(10**5000)


@given(st.text())
def test_a_text_is_its_own_digits_or_refused(text):
    """Nothing is guessed: what is read are the ASCII digits of the text, all of them."""
    try:
        (gid,) = parse_gids([text])
    except InvalidGidError:
        return
    assert gid == "".join(letter for letter in text if letter.isdecimal())
    assert gid.isascii()


def test_floats_come_with_the_remedy():
    """Floats lose digits; the error says how to read gids as text."""
    with pytest.raises(InvalidGidError, match=r'dtype=\{"gid": "string"\}'):
        parse_gids(pd.Series([1.2e15, None]))


@pytest.mark.parametrize("bad", [5.0, None, object()])
def test_values_that_are_neither_a_gid_nor_gids_are_refused(bad):
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


@pytest.mark.parametrize(
    ("bad", "remedy"),
    [
        ("nan", "Drop missing values before"),
        ("<NA>", "Drop missing values before"),
        ("#N/A", "Drop missing values before"),
        ("['12', '13']", "as a list"),
        ('["12","13"]', "as a list"),
        ("12|13", "as a list"),
        ({"gid": "12"}, "asana_jobs_from_records"),
    ],
)
def test_the_remedy_fits_what_was_given(bad, remedy):
    """Texts of missing values, lists as text, records."""
    with pytest.raises(InvalidGidError, match=remedy):
        parse_gids([bad])


def test_values_that_cannot_be_shown_are_refused_by_their_type():
    """And those that take many lines, in one."""

    class Silent:
        def __repr__(self):
            raise RuntimeError

    with pytest.raises(InvalidGidError, match="<Silent>"):
        parse_gids([Silent()])
    with pytest.raises(InvalidGidError) as caught:
        parse_gids([pd.Series(["12", "13"])])
    assert "\n" not in str(caught.value)


def test_scalars_of_arrow_are_their_values():
    """As iterating over one of its arrays gives them."""
    assert parse_gids(list(pa.array(["12", "13"]))) == ["12", "13"]
    assert parse_gids(list(pa.array([12]))) == ["12"]
