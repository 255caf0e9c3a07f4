"""What the body of a POST that starts a job may hold, and Asana's words for what it may not."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Check: TypeAlias = "Callable[[str, Any], None]"

_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_GID = re.compile(r"\d{1,30}", re.ASCII)
_PEOPLE = ("commented_on_by.any", "created_by.any", "followers.any", "liked_by.any")
_TASK_PEOPLE = ("assigned_by.any", "assignee.any")
_TIMES = ("created_at.after", "created_at.before", "modified_at.after", "modified_at.before")


class BadBodyError(ValueError):
    """What is wrong with a body, as Asana says it."""


def text(name: str, value: Any) -> None:
    """Refuse what is no text."""
    if not isinstance(value, str):
        raise BadBodyError(f"{name}: Not a String: {value}")
    if not value:
        raise BadBodyError(f"{name}: Missing input")


def flag(name: str, value: Any) -> None:
    """Refuse what is no boolean."""
    if not isinstance(value, bool):
        raise BadBodyError(f"{name}: Not a boolean: {value}")


def gid(name: str, value: Any) -> None:
    """Refuse what cannot be a gid."""
    if not isinstance(value, str) or not _GID.fullmatch(value):
        raise BadBodyError(f"{name}: Not a Long: {value}")


def day(name: str, value: Any) -> None:
    """Refuse what is no day."""
    if not isinstance(value, str) or not _DAY.fullmatch(value):
        raise BadBodyError(f"{name}: Not a valid date: {value}")


def one_of(*choices: str) -> Check:
    """Refuse what is none of these."""

    def check(name: str, value: Any) -> None:
        if value not in choices:
            raise BadBodyError(f"{name}: Not a valid value: {value}")

    return check


def names(*choices: str) -> Check:
    """Refuse a comma-separated text that names anything else."""

    def check(name: str, value: Any) -> None:
        text(name, value)
        for part in value.split(","):
            if part not in choices:
                raise BadBodyError(f"{name}: Not a valid value: {part}")

    return check


def pairs(check: Check) -> Check:
    """Refuse what is no list of gids with values."""

    def check_pairs(name: str, value: Any) -> None:
        for place, item in enumerate(_list(name, value)):
            members(f"{name}[{place}]", item, {"gid": text, "value": check}, ("gid",))

    return check_pairs


def schedule(name: str, value: Any) -> None:
    """Refuse what does not say how to shift dates."""
    checks = {"should_skip_weekends": flag, "start_on": day, "due_on": day}
    members(name, value, checks, ("should_skip_weekends",))
    if len(value) != 2:  # noqa: PLR2004
        raise BadBodyError(f"{name}: Must specify either start_on or due_on, but not both")


def export_parameters(name: str, value: Any) -> None:
    """Refuse what does not say which resources to export."""
    if not _list(name, value):
        raise BadBodyError(f"{name}: Missing input")
    for place, item in enumerate(value):
        where = f"{name}[{place}]"
        checks = {"resource_type": one_of("task", "team", "message"), "fields": _fields}
        members(where, item, {**checks, "filters": _filters(item)}, ("resource_type",))


def members(
    name: str, value: Any, checks: Mapping[str, Check], required: tuple[str, ...] = ()
) -> None:
    """Refuse an object that lacks a member, has an unknown one, or a wrong one."""
    if not isinstance(value, dict):
        raise BadBodyError(f"{name}: Not an object: {value}")
    for key in required:
        if value.get(key) is None:
            raise BadBodyError(f"{key}: Missing input")
    for key, item in value.items():
        if key not in checks:
            raise BadBodyError(f"{key}: Unrecognized parameter")
        checks[key](key, item)


def _filters(parameter: Any) -> Check:
    kind = parameter.get("resource_type") if isinstance(parameter, dict) else None
    people = {
        "task": _PEOPLE + _TASK_PEOPLE,
        "message": _PEOPLE,
    }
    known: dict[str, Check] = dict.fromkeys(people.get(str(kind), ()), _gids)
    if known:
        known |= dict.fromkeys(_TIMES, _moment)
    return lambda name, value: members(name, value, known)


def _fields(name: str, value: Any) -> None:
    for item in _list(name, value):
        text(name, item)


def _gids(name: str, value: Any) -> None:
    for item in _list(name, value):
        gid(name, item)


def _moment(name: str, value: Any) -> None:
    text(name, value)
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise BadBodyError(f"{name}: Not a valid date-time: {value}")


def _list(name: str, value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise BadBodyError(f"{name}: Not an array: {value}")
    return value
