"""The endpoints that start jobs, and how their options are checked and serialized."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any, TypeAlias, get_args

import pandas as pd

from asana_jobs_pd._jobs.gids import parse_gid
from asana_jobs_pd.errors import InvalidOptionError
from asana_jobs_pd.typing import PortfolioPart, PrivacySetting, ProjectPart, TaskPart

Check: TypeAlias = Callable[[str, Any], Any]
"""Takes an option's name and value; returns the value for the body, or raises."""


@dataclass(frozen=True, slots=True)
class Option:
    """One member of a body's ``data``."""

    name: str
    check: Check
    required: bool = False


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One way to start a job, by the name of its function.

    ``{gid}`` in `path` stands for the parent; `member` is the body's key for it, if any;
    `parents` are the kinds of objects that it takes.
    """

    name: str
    path: str
    parents: tuple[str, ...]
    member: str = ""
    options: tuple[Option, ...] = ()


_DATES = ("start_on", "due_on")


def check_text(name: str, value: object) -> str:
    """Return a text if it is not empty and can be sent; raise otherwise."""
    if not isinstance(value, str) or not value.strip():
        raise InvalidOptionError(f"{name} = {value!r}: give a non-empty text.")
    try:
        value.encode()
    except UnicodeEncodeError:
        pass
    else:
        return str(value)
    raise InvalidOptionError(f"{name} = {value!r} contains a lone surrogate, half of a character.")


def check_choice(name: str, value: object, choices: Iterable[str]) -> str:
    """Return a value if it is one of the choices; the error suggests the most similar one."""
    known = tuple(choices)
    if isinstance(value, str) and value in known:
        return value
    near = difflib.get_close_matches(str(value), known, 1)
    hint = f"did you mean {near[0]!r}? Possible" if near else "possible"
    raise InvalidOptionError(f"{name} = {value!r}: {hint} values: {', '.join(known)}.")


def iso_day(name: str, value: object) -> str:
    """Return a day as ``2026-05-21``."""
    if isinstance(value, str):
        with suppress(ValueError):
            return date.fromisoformat(value).isoformat()
    elif isinstance(value, date) and not pd.isna(value):
        return date(value.year, value.month, value.day).isoformat()
    raise InvalidOptionError(
        f"{name} = {value!r} is not a day: give one as '2026-05-21' or a date."
    )


def iso_instant(name: str, value: object) -> str:
    """Return a time as ``2026-05-21T00:00:00Z``; a day begins at midnight UTC."""
    moment = _moment(value)
    if moment is None:
        raise InvalidOptionError(
            f"{name} = {value!r} is not a time: give one as '2026-05-21T09:30:00Z', a day, or a "
            "datetime with a time zone."
        )
    if moment.tzinfo is None:
        raise InvalidOptionError(
            f"{name} = {value!r} has no time zone: give one, as in '2026-05-21T09:30:00Z' or "
            "datetime(…, tzinfo=UTC)."
        )
    try:
        utc = moment.astimezone(UTC).replace(tzinfo=None)
    except OverflowError:
        raise InvalidOptionError(f"{name} = {value!r} is out of range in UTC.") from None
    return utc.isoformat(timespec="milliseconds").removesuffix(".000") + "Z"


def _moment(value: object) -> datetime | None:
    if isinstance(value, str):
        for parse in (date.fromisoformat, datetime.fromisoformat):
            with suppress(ValueError):
                return _moment(parse(value))
    if not isinstance(value, date) or pd.isna(value):
        return None
    return value if isinstance(value, datetime) else datetime.combine(value, time(), UTC)


def _gid(name: str, value: object) -> str:
    return parse_gid(value, name)


def _flag(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise InvalidOptionError(f"{name} = {value!r}: give True or False.")
    return value


def _choice(kind: Any) -> Check:
    """Return a check that allows one value of a ``Literal``."""
    return lambda name, value: check_choice(name, value, get_args(kind))


def _parts(kind: Any) -> Check:
    """Return a check that allows several values of a ``Literal``, sent as one text."""

    def check(name: str, value: object) -> str:
        names = [value] if isinstance(value, str) else value
        if not isinstance(names, Iterable):
            raise InvalidOptionError(f"{name} = {value!r}: give a list of names.")
        return ",".join(dict.fromkeys(check_choice(name, part, get_args(kind)) for part in names))

    return check


def _schedule(name: str, value: object) -> dict[str, Any]:
    given = dict(_mapping(name, value))
    skip = given.pop("should_skip_weekends", None)
    if not isinstance(skip, bool) or len(given) != 1 or not given.keys() <= set(_DATES):
        raise InvalidOptionError(
            f"{name} = {value!r}: give 'should_skip_weekends' as True or False, and either "
            "'start_on' or 'due_on'."
        )
    (key, day) = given.popitem()
    return {"should_skip_weekends": skip, key: iso_day(f"{name}[{key!r}]", day)}


def _day_or_none(name: str, value: object) -> str | None:
    return None if value is None else iso_day(name, value)


def _user(name: str, value: object) -> str:
    """Return a user: ``"me"``, an email address or a gid."""
    if value == "me" or (isinstance(value, str) and "@" in value):
        return check_text(name, value)
    return parse_gid(value, name)


def _by_gid(check: Check) -> Check:
    """Return a check of a dict by gid, which Asana takes as a list."""

    def pairs(name: str, value: object) -> list[dict[str, Any]]:
        return [
            {"gid": parse_gid(gid, name), "value": check(f"{name}[{gid!r}]", each)}
            for gid, each in _mapping(name, value).items()
        ]

    return pairs


def _mapping(name: str, value: object) -> Mapping[Any, Any]:
    if not isinstance(value, Mapping):
        raise InvalidOptionError(f"{name} = {value!r}: give a dict; help() shows an example.")
    return value


_NAME = Option("name", check_text, required=True)

_TABLE = (
    Endpoint(
        "export_graph", "/exports/graph", ("goal", "team", "portfolio", "project"), member="parent"
    ),
    Endpoint(
        "export_resources",
        "/exports/resource",
        ("workspace",),
        member="workspace",
        options=(Option("export_request_parameters", lambda _, value: value, required=True),),
    ),
    Endpoint(
        "duplicate_project",
        "/projects/{gid}/duplicate",
        ("project",),
        options=(
            _NAME,
            Option("include", _parts(ProjectPart)),
            Option("schedule_dates", _schedule),
        ),
    ),
    Endpoint(
        "duplicate_task",
        "/tasks/{gid}/duplicate",
        ("task",),
        options=(Option("name", check_text), Option("include", _parts(TaskPart))),
    ),
    Endpoint(
        "duplicate_portfolio",
        "/portfolios/{gid}/duplicate",
        ("portfolio",),
        options=(_NAME, Option("include", _parts(PortfolioPart))),
    ),
    Endpoint(
        "instantiate_project",
        "/project_templates/{gid}/instantiateProject",
        ("project template",),
        options=(
            _NAME,
            Option("team", _gid),
            Option("privacy_setting", _choice(PrivacySetting)),
            Option("is_strict", _flag),
            Option("requested_dates", _by_gid(_day_or_none)),
            Option("requested_roles", _by_gid(_user)),
        ),
    ),
    Endpoint(
        "instantiate_task",
        "/task_templates/{gid}/instantiateTask",
        ("task template",),
        options=(Option("name", check_text),),
    ),
    Endpoint(
        "save_project_as_template",
        "/projects/{gid}/saveAsTemplate",
        ("project",),
        options=(
            _NAME,
            Option("public", _flag, required=True),
            Option("team", _gid),
            Option("workspace", _gid),
        ),
    ),
)

ENDPOINTS: dict[str, Endpoint] = {endpoint.name: endpoint for endpoint in _TABLE}
