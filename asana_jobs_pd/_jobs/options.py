"""The options of a verb, checked and written as Asana takes them: before anything is sent. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from asana_jobs_pd._jobs.gids import parse_gid
from asana_jobs_pd._jobs.instants import iso_day
from asana_jobs_pd._jobs.verbs import Kind, Option
from asana_jobs_pd.errors import InvalidOptionError

__all__ = ["check_choice", "check_option", "check_text"]

_DATES = ("start_on", "due_on")


def check_option(option: Option, value: object) -> Any:
    """Return an option's value as it goes into the body.

    Raises
    ------
    InvalidOptionError
        When it cannot have that value; it names both.
    InvalidGidError
        When a gid is none.
    """
    return _CHECKS[option.kind](option, value)


def check_text(name: str, value: object) -> str:
    """Return a text that is not empty and can be sent."""
    if not isinstance(value, str) or not value.strip():
        raise InvalidOptionError(f"{name} = {value!r}: give a text that is not empty.")
    try:
        value.encode()
    except UnicodeEncodeError:
        pass
    else:
        return str(value)
    raise InvalidOptionError(f"{name} = {value!r} holds half of a character (a lone surrogate).")


def check_choice(name: str, value: object, choices: Iterable[str]) -> str:
    """Return one of the choices, or name the nearest."""
    known = tuple(choices)
    if isinstance(value, str) and value in known:
        return value
    nearest = difflib.get_close_matches(str(value), known, n=1, cutoff=0.0)[0]
    raise InvalidOptionError(
        f"{name} = {value!r}: did you mean {nearest!r}? There are {', '.join(known)}."
    )


def _text(option: Option, value: object) -> str:
    return check_text(option.name, value)


def _gid(option: Option, value: object) -> str:
    return parse_gid(value, option.name)


def _flag(option: Option, value: object) -> bool:
    if not isinstance(value, bool):
        raise InvalidOptionError(f"{option.name} = {value!r}: give True or False.")
    return value


def _choice(option: Option, value: object) -> str:
    return check_choice(option.name, value, option.choices)


def _parts(option: Option, value: object) -> str:
    """Return names as the comma-separated text that Asana wants."""
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, Iterable):
        raise InvalidOptionError(f"{option.name} = {value!r}: give names, such as a list of them.")
    checked = [check_choice(option.name, name, option.choices) for name in names]
    return ",".join(dict.fromkeys(checked))


def _schedule(option: Option, value: object) -> dict[str, Any]:
    given = dict(_mapping(option, value))
    skip = given.pop("should_skip_weekends", None)
    if not isinstance(skip, bool) or len(given) != 1 or not given.keys() <= set(_DATES):
        raise InvalidOptionError(
            f"{option.name} = {value!r}: give 'should_skip_weekends' as True or False, and either "
            "'start_on' or 'due_on'."
        )
    (name, day) = given.popitem()
    return {"should_skip_weekends": skip, name: iso_day(day, f"{option.name}[{name!r}]")}


def _dates(option: Option, value: object) -> list[dict[str, Any]]:
    pairs = _mapping(option, value).items()
    return [
        {
            "gid": parse_gid(gid, option.name),
            "value": None if day is None else iso_day(day, f"{option.name}[{gid!r}]"),
        }
        for gid, day in pairs
    ]


def _roles(option: Option, value: object) -> list[dict[str, Any]]:
    pairs = _mapping(option, value).items()
    return [
        {"gid": parse_gid(gid, option.name), "value": _user(user, f"{option.name}[{gid!r}]")}
        for gid, user in pairs
    ]


def _user(value: object, where: str) -> str:
    """Return a user: ``"me"``, an email address or a gid."""
    if value == "me" or (isinstance(value, str) and "@" in value):
        return check_text(where, value)
    return parse_gid(value, where)


def _made(option: Option, value: Any) -> Any:  # noqa: ARG001  made from what was checked before
    return value


def _mapping(option: Option, value: object) -> Mapping[Any, Any]:
    if not isinstance(value, Mapping):
        raise InvalidOptionError(f"{option.name} = {value!r}: give a dict; help() shows one.")
    return value


_CHECKS: dict[Kind, Callable[[Option, Any], Any]] = {
    "text": _text,
    "gid": _gid,
    "flag": _flag,
    "choice": _choice,
    "parts": _parts,
    "schedule": _schedule,
    "dates": _dates,
    "roles": _roles,
    "made": _made,
}
