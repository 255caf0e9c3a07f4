"""What was fetched, put into the frame that was there before. Pure."""

from __future__ import annotations

import numpy as np
import pandas as pd

from asana_jobs_pd._jobs.schema import BOOKKEEPING, COLUMNS

__all__ = ["merge_news"]

_TOLD_ALWAYS = frozenset(row.column for row in BOOKKEEPING)


def merge_news(frame: pd.DataFrame, rows: np.ndarray, news: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with news in some of its rows; where an error came, what was stays.

    Parameters
    ----------
    frame
        A frame of jobs in the table's dtypes; it is not changed.
    rows
        The positions of the rows that there is news of.
    news
        What was fetched, one row each; columns that are new come last.
    """
    asked = news["fetched_at"].notna() | news["error.kind"].notna()
    read = (asked & news["error.kind"].isna()).to_numpy(bool)
    more = [name for name in news.columns if name not in frame.columns and name != "gid"]
    empty = news.iloc[:0][more].reindex(range(len(frame))).set_axis(frame.index)
    merged = pd.concat([frame, empty], axis=1)
    for name in news.columns.drop("gid"):
        told = asked.to_numpy(bool) if name in _TOLD_ALWAYS else read
        if name not in COLUMNS:  # it may be missing because Asana would not have it asked for
            told = read & news[name].notna().to_numpy(bool)
        column = merged[name].astype(news[name].dtype).array.copy()
        column[rows[told]] = news[name].array[told]
        merged[name] = column
    return merged
