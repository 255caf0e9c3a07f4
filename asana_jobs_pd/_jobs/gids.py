"""What counts as a gid, and where gids are found: pure, before anything is sent."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NoReturn

import numpy as np
import pandas as pd

from asana_jobs_pd.errors import InvalidFrameError, InvalidGidError
from asana_jobs_pd.typing import Gids

__all__ = ["FLOATS", "gid_series", "parse_gid", "parse_gids"]

FLOATS = (
    "Floats lose the last digits of a gid. Read them as text, for example with "
    'pd.read_csv(path, dtype={"gid": "string"}).'
)


def parse_gids(gids: Gids) -> list[str]:
    """Return the gids of any accepted form as text, in order, repeats kept.

    Parameters
    ----------
    gids
        A string of digits, an int above 0, an iterable of these, a Series, an Index, an array,
        or a frame with a ``gid`` column or index level.

    Raises
    ------
    InvalidGidError
        For the first value that is no gid; it names the value and its position.
    """
    if isinstance(gids, pd.DataFrame):
        gids = gid_series(gids)
    if isinstance(gids, str | int | np.integer) or not isinstance(gids, Iterable):
        return [_gid(gids, "gid")]
    if isinstance(gids, np.ndarray):
        gids = gids.ravel() if gids.ndim < 2 else _refuse(gids.tolist(), "gids", "")  # noqa: PLR2004
    values = list(gids)
    if _are_digits(values):
        return values
    return [_gid(value, "gids", position) for position, value in enumerate(values)]


def parse_gid(value: object, where: str) -> str:
    """Return one gid as text; `where` names it in the error."""
    return _gid(value, where)


def _are_digits(values: list[Any]) -> bool:
    """Tell at once what holds for nearly every list: texts of digits, nothing else."""
    if set(map(type, values)) != {str} or "" in values:
        return False
    digits = "".join(values)
    return digits.isascii() and digits.isdigit()


def gid_series(frame: pd.DataFrame) -> pd.Series:
    """Return a frame's gids: its ``gid`` column, else the index level of that name.

    Raises
    ------
    InvalidFrameError
        When it has neither, or two columns of that name.
    """
    if "gid" in frame.columns:
        column = frame["gid"]
        if isinstance(column, pd.DataFrame):
            raise InvalidFrameError("The frame has more than one column 'gid'; keep one.")
        return column
    if "gid" in frame.index.names:
        return frame.index.get_level_values("gid").to_series(index=frame.index)
    raise InvalidFrameError(
        "The frame has no 'gid', neither as a column nor as the index; its columns are "
        f"{_some(frame.columns)}. Rename the column with the gids of the jobs to 'gid'."
    )


def _some(names: Iterable[object]) -> str:
    shown = [repr(name) for name in names]
    return ", ".join(shown[:8]) + (", …" if len(shown) > 8 else "") if shown else "none"  # noqa: PLR2004


def _gid(value: object, where: str, position: int | None = None) -> str:
    if isinstance(value, str) and value.isascii() and value.isdigit():
        return str(value)
    if isinstance(value, int | np.integer) and not isinstance(value, bool) and value > 0:
        return str(int(value))
    place = where if position is None else f"{where}[{position}]"
    return _refuse(value, place, FLOATS if isinstance(value, float | np.floating) else "")


def _refuse(value: object, place: str, hint: str) -> NoReturn:
    shown = repr(value)
    if len(shown) > 60:  # noqa: PLR2004
        shown = shown[:59] + "…"
    raise InvalidGidError(
        f"{place} = {shown} is not a gid: a gid is a string of digits, or an int above 0. "
        f"{hint or 'Nothing was sent.'}"
    )
