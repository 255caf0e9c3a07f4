"""Changes the few texts of a column that need it, without a look at each in Python. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pandas as pd
from pandas.api.types import is_object_dtype

__all__ = ["change_texts", "each_column"]


def each_column(frame: pd.DataFrame, change: Callable[[pd.Series], pd.Series]) -> pd.DataFrame:
    """Return a copy with each column changed; their names may be anything, and repeat."""
    columns = [change(column) for _, column in frame.items()]
    return pd.concat(columns, axis=1) if columns else frame.copy()


def change_texts(column: pd.Series, pattern: str, change: Callable[[str], str]) -> pd.Series:
    """Return a column in which `change` was applied to the texts that match.

    Parameters
    ----------
    column
        Anything; what is no text stays as it is. The same column comes back when none matches.
    pattern
        A regular expression without groups and without look-around: it is found anywhere.
    change
        Gets a text that matches, and returns another.
    """
    dtype = column.dtype
    if not (isinstance(dtype, pd.StringDtype | pd.CategoricalDtype) or is_object_dtype(dtype)):
        return column
    found = _matches(column, pattern)
    if not found.any():
        return column
    values = column.to_numpy(object).copy()
    values[found] = [change(text) for text in values[found]]
    kept = object if isinstance(dtype, pd.CategoricalDtype) else dtype
    return pd.Series(values, column.index, kept, name=column.name)


def _matches(column: pd.Series, pattern: str) -> np.ndarray:
    if isinstance(column.dtype, pd.StringDtype):
        there = column.str.contains(pattern, regex=True)
        return np.asarray(there.fillna(False).to_numpy(bool))
    wanted = re.compile(pattern)
    texts = (isinstance(value, str) and wanted.search(value) is not None for value in column)
    return np.fromiter(texts, bool, len(column))
