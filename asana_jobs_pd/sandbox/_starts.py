"""The endpoints that start jobs, within Asana's limits on concurrent jobs."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeAlias

from ._answers import Answer, error

if TYPE_CHECKING:
    from ._clock import Clock
    from ._exports import Exports
    from ._jobs import Jobs
    from ._server import Request

Members: TypeAlias = "dict[str, Any]"
Spec: TypeAlias = "str | tuple[str, ...] | list[Any] | Members"
"""The specification of a value: the name of a type, a choice, the items of a list, or members.

A name that ends in ``!`` is required. ``"filters"`` stands for what the exported type allows.
"""
_TYPES = {
    "text": ("", "String"),
    "gid": (r"\d{1,30}", "Long"),
    "day": (r"\d{4}-\d\d-\d\d", "valid date"),
    "moment": ("", "valid date-time"),
}
_SIDES = ("after", "before")
_FILTERS: Members = {
    **{f"{name}_at.{side}": "moment" for name in ("created", "modified") for side in _SIDES},
    **{
        f"{role}.any": ["gid"]
        for role in ("commented_on_by", "created_by", "followers", "liked_by")
    },
}
_FILTERS_OF: dict[str, Members] = {
    "task": {**_FILTERS, "assigned_by.any": ["gid"], "assignee.any": ["gid"]},
    "message": _FILTERS,
    "team": {},
}


class BadBodyError(ValueError):
    """An invalid request body, with Asana's message."""


def check(name: str, value: Any, spec: Spec) -> None:
    """Raise a `BadBodyError` unless a value meets its specification."""
    if isinstance(spec, dict):
        _check_members(name, value, spec)
    elif isinstance(spec, list):
        _check_items(name, value, spec[0])
    elif isinstance(spec, tuple):
        if value not in spec:
            raise BadBodyError(f"{name}: Not a valid value: {value}")
    elif spec == "flag":
        if not isinstance(value, bool):
            raise BadBodyError(f"{name}: Not a boolean: {value}")
    elif spec in _TYPES:
        _check_text(name, value, spec)
    else:  # some of these words, separated by commas
        check(name, value, "text")
        for part in value.split(","):
            check(name, part, tuple(spec.split(",")))


def _check_items(name: str, value: Any, spec: Spec) -> None:
    if not isinstance(value, list):
        raise BadBodyError(f"{name}: Not an array: {value}")
    for position, item in enumerate(value):
        check(f"{name}[{position}]" if isinstance(spec, dict) else name, item, spec)


def _check_members(name: str, value: Any, specs: Members) -> None:
    if not isinstance(value, dict):
        raise BadBodyError(f"{name}: Not an object: {value}")
    known = {key.removesuffix("!"): spec for key, spec in specs.items()}
    for key in known:
        if f"{key}!" in specs and value.get(key) in (None, []):
            raise BadBodyError(f"{key}: Missing input")
    for key, item in value.items():
        if key not in known:
            raise BadBodyError(f"{key}: Unrecognized parameter")
        spec = known[key]
        check(key, item, _FILTERS_OF[value["resource_type"]] if spec == "filters" else spec)


def _check_text(name: str, value: Any, kind: str) -> None:
    pattern, words = _TYPES[kind]
    good = isinstance(value, str) and (not pattern or re.fullmatch(pattern, value, re.ASCII))
    if good and kind == "moment":
        try:
            good = datetime.fromisoformat(value).tzinfo is not None
        except ValueError:
            good = False
    if not good:
        raise BadBodyError(f"{name}: Not a {words}: {value}")
    if not value:
        raise BadBodyError(f"{name}: Missing input")


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
_SCOPES = ("project", *LARGE)
"""Parents whose graph exports have what is in them; others have the whole workspace."""
_CACHED_FOR = 4 * 3600.0
_PARENT = re.compile(r"11(\d\d)\d{12}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Start:
    """An endpoint that starts jobs; `member` of the body names the parent, else the path does."""

    path: re.Pattern[str]
    resource_subtype: str
    parents: tuple[str, ...]
    member: str
    body: Members

    def parent(self, path: str, data: Any) -> str | None:
        """Return the parent gid of a request, or None."""
        if not self.member:
            match = self.path.fullmatch(path)
            return match and match[1]
        gid = data.get(self.member) if isinstance(data, dict) else None
        return gid if isinstance(gid, str) else None


def _start(path: str, subtype: str, *parents: str, member: str = "", body: Members) -> Start:
    pattern = re.compile("/api/1.0" + path.format("([^/]+)"))
    return Start(pattern, subtype, parents, member, body)


_PROJECT_PARTS = (
    "allocations,forms,members,notes,permissions,task_assignee,task_attachments,task_dates,"
    "task_dependencies,task_followers,task_notes,task_projects,task_subtasks,task_tags,"
    "task_templates,task_type_default"
)
_TASK_PARTS = (
    "notes,assignee,subtasks,attachments,tags,followers,projects,dates,dependencies,parent"
)
_PORTFOLIO_PARTS = "description,members,permissions,templates,rules,child_projects,child_portfolios"
_RESOURCE: Members = {
    "resource_type!": ("task", "team", "message"),
    "fields": ["text"],
    "filters": "filters",
}

STARTS = (
    _start(
        "/exports/graph",
        "graph_export_request",
        *("goal", "team", "portfolio", "project"),
        member="parent",
        body={"parent!": "gid"},
    ),
    _start(
        "/exports/resource",
        "export_request",
        "workspace",
        member="workspace",
        body={"workspace!": "gid", "export_request_parameters!": [_RESOURCE]},
    ),
    _start(
        "/projects/{}/duplicate",
        "duplicate_project",
        "project",
        body={
            "name!": "text",
            "include": _PROJECT_PARTS,
            "schedule_dates": {"should_skip_weekends!": "flag", "start_on": "day", "due_on": "day"},
        },
    ),
    _start(
        "/tasks/{}/duplicate",
        "duplicate_task",
        "task",
        body={"name": "text", "include": _TASK_PARTS},
    ),
    _start(
        "/portfolios/{}/duplicate",
        "duplicate_portfolio",
        "portfolio",
        body={"name!": "text", "include": _PORTFOLIO_PARTS},
    ),
    _start(
        "/project_templates/{}/instantiateProject",
        "instantiate_project",
        "project_template",
        body={
            "name!": "text",
            "team": "gid",
            "privacy_setting": ("public_to_workspace", "private_to_team", "private"),
            "is_strict": "flag",
            "requested_dates": [{"gid!": "text", "value": "day"}],
            "requested_roles": [{"gid!": "text", "value": "text"}],
        },
    ),
    _start(
        "/task_templates/{}/instantiateTask",
        "instantiate_task",
        "task_template",
        body={"name": "text"},
    ),
    _start(
        "/projects/{}/saveAsTemplate",
        "save_project_as_template",
        "project",
        body={"name!": "text", "public!": "flag", "team": "gid", "workspace": "gid"},
    ),
)


def parent_at(position: int, kind: str) -> str:
    """Return the n-th gid of a kind of parent."""
    if kind not in PARENTS:
        raise ValueError(f"unknown kind of parent {kind!r}; choose from {', '.join(PARENTS)}")
    return f"11{PARENTS.index(kind):02d}{position:012d}"


def _kind_of(gid: str) -> str | None:
    """Return the kind of parent that has this gid, or None."""
    match = _PARENT.fullmatch(gid)
    number = int(match[1]) if match else len(PARENTS)
    return PARENTS[number] if number < len(PARENTS) else None


def start_of(path: str) -> Start | None:
    """Return the endpoint of a path."""
    return next((start for start in STARTS if start.path.fullmatch(path)), None)


def _data_of(request: Request) -> Any:
    try:
        content = json.loads(request.body or b"{}")
    except ValueError:
        raise BadBodyError("Could not parse request data, invalid JSON") from None
    return content.get("data", {}) if isinstance(content, dict) else None


def parent_of(request: Request) -> str | None:
    """Return the parent of a request to start a job; None for any other request."""
    start = start_of(request.path) if request.method == "POST" else None
    try:
        return None if start is None else start.parent(request.path, _data_of(request))
    except BadBodyError:
        return None


class Starts:
    """Starts jobs."""

    def __init__(self, jobs: Jobs, clock: Clock, max_jobs: int | None, exports: Exports) -> None:
        self._jobs = jobs
        self._files = exports
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
            data = _data_of(request)
            check("data", data, start.body)
            _check_schedule(data)
        except BadBodyError as bad:
            return error(400, str(bad))
        parent = start.parent(request.path, data) or ""
        refusal = self._refusal(start, parent)
        if refusal is not None:
            return refusal
        gid = self._begin(start, parent)
        kind = _kind_of(parent)
        scope = (kind, int(parent[4:])) if start.member == "parent" and kind in _SCOPES else None
        self._files.ask(gid, data.get("export_request_parameters", ()), scope)
        return gid

    def _refusal(self, start: Start, parent: str) -> Answer | None:
        name = start.member or start.parents[0]
        if not (parent.isascii() and parent.isdigit()):
            return error(400, f"{name}: Not a Long: {parent}")
        if _kind_of(parent) not in start.parents:
            return error(404, f"{name}: Unknown object: {parent}")
        now = self._clock.now()
        if start.member == "workspace" and self._jobs.runs(self._exporting.get(parent, ""), now):
            return error(403, "An export request is already in progress for this workspace")
        if self._max_jobs is not None and self.running >= self._max_jobs:
            return error(429, "You have too many duplication, instantiation or export jobs")
        return None

    def _begin(self, start: Start, parent: str) -> str:
        now = self._clock.now()
        large = start.member == "parent" and _kind_of(parent) in LARGE
        made_at, earlier = self._exports.get(parent, (now, ""))
        fresh = not (large and earlier and now - made_at < _CACHED_FOR)
        gid = self._jobs.start(start.resource_subtype, now, again=None if fresh else earlier)
        if start.member == "workspace":
            self._exporting[parent] = gid
        if large and fresh:
            self._exports[parent] = (now, gid)
        self.started += 1
        return gid


def _check_schedule(data: dict[str, Any]) -> None:
    if (schedule := data.get("schedule_dates")) is None:
        return
    if len(schedule) != 2:  # noqa: PLR2004
        words = "Must specify either start_on or due_on, but not both"
        raise BadBodyError(f"schedule_dates: {words}")
    if "task_dates" not in data.get("include", "").split(","):
        raise BadBodyError("schedule_dates: task_dates must be included")
