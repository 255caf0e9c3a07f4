"""No text that we write is run by a spreadsheet."""

from __future__ import annotations

import csv
import io
import re

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asana_jobs_pd._report.excel import escape_formula, escape_formulas, is_formula

BAD = [
    "=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n-1", "  =1", "＝1", "＠x",
    '=HYPERLINK("https://e","x")', "=cmd|' /C calc'!A0",
]  # fmt: skip
GOOD = ["", "a", "1", "a=b", "a - b", "'=1", "1208000000004806", "e-mail", "a@b.c"]


@pytest.mark.parametrize("text", BAD)
def test_texts_that_would_run_get_an_apostrophe(text):
    """Before the sign, whichever blanks come first."""
    assert is_formula(text)
    assert not is_formula(escape_formula(text))
    assert escape_formula(text).replace("'", "", 1) == text


@pytest.mark.parametrize("text", GOOD)
def test_other_texts_stay(text):
    """They are not formulas."""
    assert not is_formula(text)
    assert escape_formula(text) == text


@pytest.mark.parametrize("separator", [";", "\t", "\n", "\r\n"])
def test_another_separator_is_no_way_in(separator):
    """Where semicolons or tabs separate cells, and inside a line that breaks."""
    cells = re.split("[;\t\r\n]", escape_formula(f"a{separator}=1+1"))
    assert not any(is_formula(cell) for cell in cells)


@given(st.text(st.sampled_from("=+-@;\t\r\n a'\"1,"), max_size=12))
def test_nothing_that_runs_comes_out(text):
    """In any cell, with any separator; what is escaped stays as it is."""
    safe = escape_formula(text)
    assert not any(is_formula(cell) for cell in re.split("[;\t\r\n]", safe))
    assert escape_formula(safe) == safe


def test_every_text_of_a_frame_is_escaped():
    """Every kind of text column, the names of columns too; numbers and times stay."""
    frame = pd.DataFrame(
        {
            "=a": pd.array(["=1", None], "string"),
            "b": pd.Series(["-1", -1], dtype=object),
            "c": pd.Series(["+1", "x"], dtype="category"),
            "d": [-1, -2],
            "e": pd.to_datetime(["2026-01-01", None]),
        }
    )
    before = frame.copy(deep=True)
    safe = escape_formulas(frame)
    pd.testing.assert_frame_equal(frame, before)
    rows = list(csv.reader(io.StringIO(safe.to_csv(index=False))))
    assert rows[0] == ["'=a", "b", "c", "d", "e"]
    assert rows[1] == ["'=1", "'-1", "'+1", "-1", "2026-01-01"]
    assert safe.at[1, "b"] == -1
    assert safe["d"].equals(frame["d"])
    assert escape_formulas(pd.DataFrame()).empty
