"""The endpoints that start jobs, and how their options are checked and written."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any, Literal, TypeAlias, get_args

import pandas as pd

from asana_jobs_pd._jobs.gids import parse_gid
from asana_jobs_pd.errors import InvalidOptionError
from asana_jobs_pd.typing import PortfolioPart, PrivacySetting, ProjectPart, TaskPart

OptionKind: TypeAlias = Literal[
    "text", "gid", "flag", "choice", "parts", "schedule", "dates", "roles", "checked"
]


@dataclass(frozen=True, slots=True)
class Option:
    """One member of a body's ``data``; `choices` are what a ``choice`` or ``parts`` can name."""

    name: str
    kind: OptionKind
    required: bool = False
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One way to start a job, by the name of its function.

    ``{gid}`` in `path` stands for the parent; `member` is where the body names it, if it does;
    `parents` are the kinds of objects that it takes.
    """

    name: str
    path: str
    parents: tuple[str, ...]
    member: str = ""
    options: tuple[Option, ...] = ()


_NAME = Option("name", "text", required=True)

_TABLE = (
    Endpoint(
        "export_graph", "/exports/graph", ("goal", "team", "portfolio", "project"), member="parent"
    ),
    Endpoint(
        "export_resources",
        "/exports/resource",
        ("workspace",),
        member="workspace",
        options=(Option("export_request_parameters", "checked", required=True),),
    ),
    Endpoint(
        "duplicate_project",
        "/projects/{gid}/duplicate",
        ("project",),
        options=(
            _NAME,
            Option("include", "parts", choices=get_args(ProjectPart)),
            Option("schedule_dates", "schedule"),
        ),
    ),
    Endpoint(
        "duplicate_task",
        "/tasks/{gid}/duplicate",
        ("task",),
        options=(Option("name", "text"), Option("include", "parts", choices=get_args(TaskPart))),
    ),
    Endpoint(
        "duplicate_portfolio",
        "/portfolios/{gid}/duplicate",
        ("portfolio",),
        options=(_NAME, Option("include", "parts", choices=get_args(PortfolioPart))),
    ),
    Endpoint(
        "instantiate_project",
        "/project_templates/{gid}/instantiateProject",
        ("project template",),
        options=(
            _NAME,
            Option("team", "gid"),
            Option("privacy_setting", "choice", choices=get_args(PrivacySetting)),
            Option("is_strict", "flag"),
            Option("requested_dates", "dates"),
            Option("requested_roles", "roles"),
        ),
    ),
    Endpoint(
        "instantiate_task",
        "/task_templates/{gid}/instantiateTask",
        ("task template",),
        options=(Option("name", "text"),),
    ),
    Endpoint(
        "save_project_as_template",
        "/projects/{gid}/saveAsTemplate",
        ("project",),
        options=(
            _NAME,
            Option("public", "flag", required=True),
            Option("team", "gid"),
            Option("workspace", "gid"),
        ),
    ),
)

ENDPOINTS: dict[str, Endpoint] = {endpoint.name: endpoint for endpoint in _TABLE}


_DATES = ("start_on", "due_on")


def check_option(option: Option, value: object) -> Any:
    """Return an option's value as the body has it."""
    return _CHECKS[option.kind](option, value)


def check_text(name: str, value: object) -> str:
    """Return a text that is not empty and can be sent."""
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
    """Return one of the choices; the error suggests the nearest."""
    known = tuple(choices)
    if isinstance(value, str) and value in known:
        return value
    nearest = difflib.get_close_matches(str(value), known, n=1, cutoff=0.0)[0]
    raise InvalidOptionError(
        f"{name} = {value!r}: did you mean {nearest!r}? Possible values: {', '.join(known)}."
    )


def iso_day(value: object, where: str) -> str:
    """Return a day as ``2026-05-21``; `where` names the option in the error."""
    if isinstance(value, str):
        try:
            return date.fromisoformat(value).isoformat()
        except ValueError:
            pass
    elif isinstance(value, date) and not pd.isna(value):
        return date(value.year, value.month, value.day).isoformat()
    raise InvalidOptionError(
        f"{where} = {value!r} is not a day: give one as '2026-05-21' or a date."
    )


def iso_instant(value: object, where: str) -> str:
    """Return a time as ``2026-05-21T00:00:00Z``; a day begins at midnight UTC."""
    moment = _moment(value)
    if moment is None:
        raise InvalidOptionError(
            f"{where} = {value!r} is not a time: give one as '2026-05-21T09:30:00Z', a day, or a "
            "datetime with a time zone."
        )
    if moment.tzinfo is None:
        raise InvalidOptionError(
            f"{where} = {value!r} has no time zone: give one, as in '2026-05-21T09:30:00Z' or "
            "datetime(…, tzinfo=UTC)."
        )
    try:
        utc = moment.astimezone(UTC).replace(tzinfo=None)
    except OverflowError:
        raise InvalidOptionError(f"{where} = {value!r} is out of range in UTC.") from None
    return utc.isoformat(timespec="milliseconds").removesuffix(".000") + "Z"


def _moment(value: object) -> datetime | None:
    try:
        if isinstance(value, str):
            return _parsed(value)
        if isinstance(value, datetime) and not pd.isna(value):
            return value
        if isinstance(value, date) and not pd.isna(value):
            return datetime.combine(value, time(), UTC)
    except ValueError:
        pass
    return None


def _parsed(text: str) -> datetime:
    try:
        return datetime.combine(date.fromisoformat(text), time(), UTC)
    except ValueError:
        return datetime.fromisoformat(text)


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
        raise InvalidOptionError(f"{option.name} = {value!r}: give a list of names.")
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


def _checked(option: Option, value: Any) -> Any:  # noqa: ARG001
    return value


def _mapping(option: Option, value: object) -> Mapping[Any, Any]:
    if not isinstance(value, Mapping):
        raise InvalidOptionError(
            f"{option.name} = {value!r}: give a dict; help() shows an example."
        )
    return value


_CHECKS: dict[OptionKind, Callable[[Option, Any], Any]] = {
    "text": _text,
    "gid": _gid,
    "flag": _flag,
    "choice": _choice,
    "parts": _parts,
    "schedule": _schedule,
    "dates": _dates,
    "roles": _roles,
    "checked": _checked,
}
