"""Checks of option values that several rooms share."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Sequence
from numbers import Integral, Real

import numpy as np

from asana_jobs_pd.errors import InvalidOptionError

_OTHERS = bool, np.timedelta64
"""What Python or NumPy counts among the whole numbers, and people do not."""


def check_flag(name: str, value: object, *, optional: bool = False) -> None:
    """Raise unless an option is True or False, or None if it is optional."""
    if not isinstance(value, bool) and not (optional and value is None):
        choices = "True, False or None" if optional else "True or False"
        raise InvalidOptionError(f"{name}={value!r}: give {choices}.")


def check_one_of(option: str, value: object, choices: Sequence[str]) -> None:
    """Raise unless an option has one of the values in `choices`."""
    if not isinstance(value, str) or value not in choices:
        raise InvalidOptionError(
            f"{option}={value!r}: give one of {', '.join(map(repr, choices))}."
        )


def or_nearest(name: str, known: Iterable[str]) -> str:
    """Return the end of a sentence that refuses a name: the nearest known one, if any is near."""
    near = difflib.get_close_matches(name, list(known), 1)
    return f"; did you mean {near[0]!r}?" if near else "."


def is_whole(value: object, least: int) -> bool:
    """Return whether a value is a whole number of at least `least`; booleans are not."""
    return isinstance(value, Integral) and not isinstance(value, _OTHERS) and int(value) >= least


def is_seconds(value: object) -> bool:
    """Return whether a value is a finite number of seconds, 0 or more; booleans are not."""
    number = isinstance(value, Real) and not isinstance(value, _OTHERS)
    return number and 0 <= value < math.inf  # type: ignore[operator]


def check_client_options(  # noqa: PLR0917  as the client has them
    requests_per_minute: int | None,
    max_in_flight: int,
    timeout: tuple[float, float],
    max_retries: int,
    opt_pretty: bool,
    ledger: bool | None,
) -> None:
    """Raise an error that names the first invalid option of a client and its value."""
    check_flag("opt_pretty", opt_pretty)
    check_flag("ledger", ledger, optional=True)
    if requests_per_minute is not None and not is_whole(requests_per_minute, 1):
        raise InvalidOptionError(
            f"requests_per_minute={requests_per_minute!r}: give a whole number of at least 1, "
            "or None for no limit of our own."
        )
    if not is_whole(max_in_flight, 1):
        raise InvalidOptionError(
            f"max_in_flight={max_in_flight!r}: give a whole number of at least 1; Asana allows 50."
        )
    if not is_whole(max_retries, 0):
        raise InvalidOptionError(f"max_retries={max_retries!r}: give a whole number, 0 for none.")
    seconds = timeout if isinstance(timeout, tuple) else ()
    if len(seconds) != 2 or not all(is_seconds(each) and each > 0 for each in seconds):  # noqa: PLR2004
        raise InvalidOptionError(
            f"timeout={timeout!r}: give seconds to connect and seconds between bytes, as (10, 60)."
        )
