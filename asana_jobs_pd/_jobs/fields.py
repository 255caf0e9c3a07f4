"""From the fields a user names to what is asked for and which columns come of it. Pure."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from asana_jobs_pd._jobs.schema import COLUMNS, FIELDS, NAMES, Row, is_part, leaves_of
from asana_jobs_pd.errors import InvalidFieldError
from asana_jobs_pd.typing import Fields

__all__ = ["EVERYTHING", "Plan", "plan_fields", "plan_for_columns"]

_PATH = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*")


@dataclass(frozen=True, slots=True)
class Plan:
    """What to ask Asana for, and what to make of the answer.

    Parameters
    ----------
    columns
        The columns from the table, after ``gid``.
    ask
        The ``opt_fields``; empty for Asana's compact record.
    optional
        Those of ``ask`` that are dropped when Asana refuses them.
    others
        Fields outside the table that were asked for by name.
    everything
        Whether all else that arrives is kept too.
    """

    columns: tuple[Row, ...]
    ask: tuple[str, ...]
    optional: frozenset[str] = frozenset()
    others: tuple[str, ...] = ()
    everything: bool = False


def plan_fields(fields: Fields | None, *, strict: bool = True) -> Plan:
    """Return the plan for ``fields``; None means all that is documented, and what else arrives.

    Raises
    ------
    InvalidFieldError
        When one is not a field (its nearest is named), or the list is empty.
    """
    if fields is None:
        return EVERYTHING
    names = _names(fields)
    for name in names:
        _check(name, strict=strict)
    others = tuple(name for name in names if name not in NAMES)
    return _plan([row for name in names if name in NAMES for row in leaves_of(name)], others)


def plan_for_columns(columns: Iterable[object]) -> Plan:
    """Return the plan that fills the columns of a frame again: its fields and the status, else all.

    Unknown parts of ``new_*`` objects are requested too, unless Asana refuses them.
    """
    present = [name for name in columns if isinstance(name, str)]
    known = {row.column for row in FIELDS if row.ask}
    rows = [COLUMNS[name] for name in present if name in known]
    others = tuple(
        name for name in present if name not in COLUMNS and is_part(name) and _PATH.fullmatch(name)
    )
    if not rows or len(rows) == len(known):
        return EVERYTHING
    rows = rows if COLUMNS["status"] in rows else [*rows, COLUMNS["status"]]
    optional = (row.ask for row in rows if row.ask and row.optional)
    return _plan(rows, others, optional=frozenset((*others, *optional)))


def _plan(
    rows: Iterable[Row], others: tuple[str, ...] = (), *, optional: frozenset[str] = frozenset()
) -> Plan:
    columns = tuple(dict.fromkeys(row for row in rows if row.column != "gid"))
    ask = dict.fromkeys(row.ask for row in columns if row.ask)
    return Plan(columns, (*ask, *others), optional, others)


def _names(fields: Fields) -> list[str]:
    if isinstance(fields, str):
        return [fields]
    if not isinstance(fields, Iterable):
        raise InvalidFieldError(f"fields={fields!r}: give a field, a list of fields, or None.")
    names = list(dict.fromkeys(fields))
    if not names:
        raise InvalidFieldError(
            "fields is empty: name at least one field, or leave it out for all of them."
        )
    return names


def _check(name: object, *, strict: bool) -> None:
    if name in NAMES:
        return
    if not isinstance(name, str) or not _PATH.fullmatch(name):
        hint = " Give several fields as a list." if isinstance(name, str) and "," in name else ""
        raise InvalidFieldError(
            f"{name!r} is not the name of a field, such as 'status' or 'new_task.name'.{hint}"
        )
    if strict:
        nearest = difflib.get_close_matches(name, NAMES, n=1, cutoff=0.0)[0]
        raise InvalidFieldError(
            f"{name!r} is not a field of a job; did you mean {nearest!r}? "
            "If Asana has it nevertheless, strict=False lets it through."
        )


_ALL = _plan(FIELDS)
EVERYTHING = Plan(
    _ALL.columns,
    _ALL.ask,
    optional=frozenset(row.ask for row in FIELDS if row.ask and row.optional),
    everything=True,
)
"""The plan of ``fields=None``."""
