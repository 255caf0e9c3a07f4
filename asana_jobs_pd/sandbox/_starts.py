"""The endpoints that start jobs, within Asana's limits on concurrent jobs."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeAlias

from ._http import Answer, error

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ._clock import Clock
    from ._http import Request
    from ._jobs import Jobs

Check: TypeAlias = "Callable[[str, Any], None]"

_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_GID = re.compile(r"\d{1,30}", re.ASCII)
_PEOPLE = ("commented_on_by.any", "created_by.any", "followers.any", "liked_by.any")
_TASK_PEOPLE = ("assigned_by.any", "assignee.any")
_TIMES = ("created_at.after", "created_at.before", "modified_at.after", "modified_at.before")


class BadBodyError(ValueError):
    """An invalid request body, in Asana's words."""


def text(name: str, value: Any) -> None:
    """Require a non-empty string."""
    if not isinstance(value, str):
        raise BadBodyError(f"{name}: Not a String: {value}")
    if not value:
        raise BadBodyError(f"{name}: Missing input")


def flag(name: str, value: Any) -> None:
    """Require a boolean."""
    if not isinstance(value, bool):
        raise BadBodyError(f"{name}: Not a boolean: {value}")


def gid(name: str, value: Any) -> None:
    """Require a gid."""
    if not isinstance(value, str) or not _GID.fullmatch(value):
        raise BadBodyError(f"{name}: Not a Long: {value}")


def day(name: str, value: Any) -> None:
    """Require a date."""
    if not isinstance(value, str) or not _DAY.fullmatch(value):
        raise BadBodyError(f"{name}: Not a valid date: {value}")


def one_of(*choices: str) -> Check:
    """Require one of these values."""

    def check(name: str, value: Any) -> None:
        if value not in choices:
            raise BadBodyError(f"{name}: Not a valid value: {value}")

    return check


def names(*choices: str) -> Check:
    """Require a comma-separated list of these values."""

    def check(name: str, value: Any) -> None:
        text(name, value)
        for part in value.split(","):
            if part not in choices:
                raise BadBodyError(f"{name}: Not a valid value: {part}")

    return check


def pairs(check: Check) -> Check:
    """Require a list of objects with gid and value."""

    def check_pairs(name: str, value: Any) -> None:
        for position, item in enumerate(_list(name, value)):
            members(f"{name}[{position}]", item, {"gid": text, "value": check}, ("gid",))

    return check_pairs


def schedule(name: str, value: Any) -> None:
    """Require a valid `schedule_dates`."""
    checks = {"should_skip_weekends": flag, "start_on": day, "due_on": day}
    members(name, value, checks, ("should_skip_weekends",))
    if len(value) != 2:  # noqa: PLR2004
        raise BadBodyError(f"{name}: Must specify either start_on or due_on, but not both")


def export_parameters(name: str, value: Any) -> None:
    """Require a valid `export_request_parameters`."""
    if not _list(name, value):
        raise BadBodyError(f"{name}: Missing input")
    for position, item in enumerate(value):
        where = f"{name}[{position}]"
        checks = {"resource_type": one_of("task", "team", "message"), "fields": _fields}
        members(where, item, {**checks, "filters": _filters(item)}, ("resource_type",))


def members(
    name: str, value: Any, checks: Mapping[str, Check], required: tuple[str, ...] = ()
) -> None:
    """Require an object with the required members, and only known, valid ones."""
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


PARENTS = (
    "project",
    "task",
    "portfolio",
    "team",
    "goal",
    "project_template",
    "task_template",
    "workspace",
)
LARGE = ("portfolio", "team")
"""Parents with more than 1,000 tasks: their graph exports are cached."""
_CACHED_FOR = 4 * 3600.0
_PARENT = re.compile(r"11(\d\d)\d{12}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Start:
    """One endpoint that starts a job."""

    path: re.Pattern[str]
    resource_subtype: str
    parents: tuple[str, ...]
    member: str = ""
    """The body member that names the parent; empty when the path does."""
    checks: Mapping[str, Check] = field(default_factory=dict)
    required: tuple[str, ...] = ()

    def parent(self, path: str, data: Any) -> str | None:
        """Return the parent gid of a request, or None."""
        if not self.member:
            match = self.path.fullmatch(path)
            return match and match[1]
        gid = data.get(self.member) if isinstance(data, dict) else None
        return gid if isinstance(gid, str) else None


def _start(path: str, subtype: str, *parents: str, member: str = "", **checks: Check) -> Start:
    pattern = re.compile("/api/1.0" + path.format("([^/]+)"))
    if member:
        checks = {member: gid, **checks}
    wanted = () if subtype.endswith("_task") else ("name", "public", "export_request_parameters")
    required = tuple(name for name in checks if name in (member, *wanted))
    return Start(pattern, subtype, parents, member, checks, required)


_PROJECT_PARTS = (
    "allocations,forms,members,notes,permissions,task_assignee,task_attachments,task_dates,"
    "task_dependencies,task_followers,task_notes,task_projects,task_subtasks,task_tags,"
    "task_templates,task_type_default"
)
_TASK_PARTS = (
    "notes,assignee,subtasks,attachments,tags,followers,projects,dates,dependencies,parent"
)
_PORTFOLIO_PARTS = "description,members,permissions,templates,rules,child_projects,child_portfolios"
_PRIVACY = ("public_to_workspace", "private_to_team", "private")

STARTS = (
    _start(
        "/exports/graph",
        "graph_export_request",
        *("goal", "team", "portfolio", "project"),
        member="parent",
    ),
    _start(
        "/exports/resource",
        "export_request",
        "workspace",
        member="workspace",
        export_request_parameters=export_parameters,
    ),
    _start(
        "/projects/{}/duplicate",
        "duplicate_project",
        "project",
        name=text,
        include=names(*_PROJECT_PARTS.split(",")),
        schedule_dates=schedule,
    ),
    _start(
        "/tasks/{}/duplicate",
        "duplicate_task",
        "task",
        name=text,
        include=names(*_TASK_PARTS.split(",")),
    ),
    _start(
        "/portfolios/{}/duplicate",
        "duplicate_portfolio",
        "portfolio",
        name=text,
        include=names(*_PORTFOLIO_PARTS.split(",")),
    ),
    _start(
        "/project_templates/{}/instantiateProject",
        "instantiate_project",
        "project_template",
        name=text,
        team=gid,
        privacy_setting=one_of(*_PRIVACY),
        is_strict=flag,
        requested_dates=pairs(day),
        requested_roles=pairs(text),
    ),
    _start("/task_templates/{}/instantiateTask", "instantiate_task", "task_template", name=text),
    _start(
        "/projects/{}/saveAsTemplate",
        "save_project_as_template",
        "project",
        name=text,
        public=flag,
        team=gid,
        workspace=gid,
    ),
)


def parent_at(position: int, kind: str) -> str:
    """Return the n-th gid of a kind of parent."""
    if kind not in PARENTS:
        raise ValueError(f"unknown kind of parent {kind!r}; choose from {', '.join(PARENTS)}")
    return f"11{PARENTS.index(kind):02d}{position:012d}"


def kind_of(gid: str) -> str | None:
    """Return the kind of parent that has this gid, or None."""
    match = _PARENT.fullmatch(gid)
    number = int(match[1]) if match else len(PARENTS)
    return PARENTS[number] if number < len(PARENTS) else None


def start_of(path: str) -> Start | None:
    """Return the endpoint of a path."""
    return next((start for start in STARTS if start.path.fullmatch(path)), None)


def data_of(request: Request) -> Any:
    """Return the `data` of a request's body."""
    try:
        content = json.loads(request.body or b"{}")
    except ValueError:
        raise BadBodyError("Could not parse request data, invalid JSON") from None
    return content.get("data", {}) if isinstance(content, dict) else None


def parent_of(request: Request) -> str | None:
    """Return the parent of a request to start a job; None for any other request."""
    start = start_of(request.path) if request.method == "POST" else None
    try:
        return None if start is None else start.parent(request.path, data_of(request))
    except BadBodyError:
        return None


class Starts:
    """Starts jobs."""

    def __init__(self, jobs: Jobs, clock: Clock, max_jobs: int | None) -> None:
        self._jobs = jobs
        self._clock = clock
        self._max_jobs = max_jobs
        self._exporting: dict[str, str] = {}
        self._exports: dict[str, tuple[float, str]] = {}
        self.started = 0

    @property
    def running(self) -> int:
        """Number of started jobs that are running."""
        return self._jobs.running(self._clock.now())

    def start(self, request: Request, start: Start) -> str | Answer:
        """Start the requested job; return its gid, or the error response."""
        try:
            data = data_of(request)
            members("data", data, start.checks, start.required)
        except BadBodyError as bad:
            return error(400, str(bad))
        parent = start.parent(request.path, data) or ""
        refusal = self._refusal(start, parent, data) or self._limit(start, parent)
        return refusal or self._begin(start, parent)

    def _refusal(self, start: Start, parent: str, data: dict[str, Any]) -> Answer | None:
        name = start.member or start.parents[0]
        if not (parent.isascii() and parent.isdigit()):
            return error(400, f"{name}: Not a Long: {parent}")
        if kind_of(parent) not in start.parents:
            return error(404, f"{name}: Unknown object: {parent}")
        if "schedule_dates" in data and "task_dates" not in data.get("include", "").split(","):
            return error(400, "schedule_dates: task_dates must be included")
        return None

    def _limit(self, start: Start, parent: str) -> Answer | None:
        now = self._clock.now()
        if start.member == "workspace" and self._jobs.runs(self._exporting.get(parent, ""), now):
            return error(403, "An export request is already in progress for this workspace")
        if self._max_jobs is not None and self.running >= self._max_jobs:
            return error(429, "You have too many duplication, instantiation or export jobs")
        return None

    def _begin(self, start: Start, parent: str) -> str:
        now = self._clock.now()
        large = start.member == "parent" and kind_of(parent) in LARGE
        made_at, earlier = self._exports.get(parent, (now, ""))
        fresh = not (large and earlier and now - made_at < _CACHED_FOR)
        gid = self._jobs.start(start.resource_subtype, now, again=None if fresh else earlier)
        if start.member == "workspace":
            self._exporting[parent] = gid
        if large and fresh:
            self._exports[parent] = (now, gid)
        self.started += 1
        return gid
