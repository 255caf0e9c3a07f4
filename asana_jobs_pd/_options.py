"""Checks of option values that several rooms share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Integral, Real

from asana_jobs_pd.errors import InvalidOptionError


def check_flag(name: str, value: object, *, optional: bool = False) -> None:
    """Refuse an option that is neither True nor False, nor None where it is optional."""
    if not isinstance(value, bool) and not (optional and value is None):
        choices = "True, False or None" if optional else "True or False"
        raise InvalidOptionError(f"{name}={value!r}: give {choices}.")


def check_one_of(option: str, value: object, choices: Sequence[str]) -> None:
    """Refuse an option that has none of the values it may have."""
    if value not in choices:
        raise InvalidOptionError(
            f"{option}={value!r}: give one of {', '.join(map(repr, choices))}."
        )


def is_whole(value: object, least: int) -> bool:
    """Whether a value is a whole number of at least this much; booleans are none."""
    return isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= least


def is_seconds(value: object) -> bool:
    """Whether a value is a finite number of seconds, 0 or more; booleans are none."""
    number = isinstance(value, Real) and not isinstance(value, bool)
    return number and 0 <= value < math.inf  # type: ignore[operator]
