"""Texts that a spreadsheet would run as a formula, made harmless. Pure.

A CSV file has no types: Excel and its like run what begins with ``=``, ``+``, ``-`` or ``@``,
behind blanks too, and behind a semicolon, a tab or a line's end where these separate cells.
See https://owasp.org/www-community/attacks/CSV_Injection
"""

from __future__ import annotations

import re

import pandas as pd

from asana_jobs_pd._texts import change_texts, each_column

__all__ = ["disarm", "disarm_frame", "is_formula"]

_SIGNS = "[=+@\uff1d\uff0b\uff0d\uff20-]"  # full-width forms of the four too
_BLANKS = "[ \t\r\n]*"
_START = re.compile(_BLANKS + _SIGNS)
_FORMULA = re.compile(f"(^|[;\t\r\n])({_BLANKS})(?={_SIGNS})")
_CANDIDATE = f"(?:^|[;\t\r\n]){_BLANKS}{_SIGNS}"


def is_formula(text: str) -> bool:
    """Tell whether a cell of this text would be run."""
    return _START.match(text) is not None


def disarm(text: str) -> str:
    """Return a text with an apostrophe before what would be run."""
    return _FORMULA.sub(r"\1\2'", text)


def disarm_frame(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a copy in which no text would be run, those of the columns' names neither."""
    copy = each_column(frame, lambda column: change_texts(column, _CANDIDATE, disarm))
    return copy.set_axis([disarm(str(name)) for name in frame.columns], axis=1)
