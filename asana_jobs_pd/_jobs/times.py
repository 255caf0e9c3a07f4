"""Texts to UTC times: what is none becomes missing, and is told. Pure but for the warning."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from asana_jobs_pd._api.warn import warn_user
from asana_jobs_pd.errors import AsanaValueWarning

__all__ = ["parse_times"]


def parse_times(texts: pd.Series, tell: Callable[[int], str]) -> pd.Series:
    """Return ISO 8601 texts, with or without a fraction, as ``datetime64[us, UTC]``.

    Parameters
    ----------
    texts
        Texts, times or missing values.
    tell
        Gets the position of the first value that is no time, and says whose it is.

    Warns
    -----
    AsanaValueWarning
        When values are no times: they become missing.
    """
    times = pd.to_datetime(texts, utc=True, format="ISO8601", errors="coerce")
    lost = np.flatnonzero(times.isna() & texts.notna())
    if len(lost):
        warn_user(
            f"{tell(int(lost[0]))} {texts.iloc[lost[0]]!r}, which is not a time; it became "
            f"missing ({len(lost)} such).",
            AsanaValueWarning,
        )
    return times.dt.as_unit("us")
