"""The endpoints that start jobs, with Asana's limits on concurrent jobs."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from ._responses import RefusedError, error

if TYPE_CHECKING:
    from ._exports import Exports
    from ._jobs import Jobs
    from ._server import Request

Members: TypeAlias = "dict[str, Any]"
Spec: TypeAlias = "str | tuple[str, ...] | frozenset[str] | list[Any] | Members"
"""The specification of a value.

It is a type, a tuple of choices, a set of words (the value has some, separated by commas), a list
with the specification of its items, or members by name, where ``!`` marks required ones.
``"filters"`` stands for the filters of the exported type.
"""


def _is_moment(value: str) -> bool:
    try:
        return datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        return False


_TYPES: dict[str, tuple[str, type, Callable[[Any], object]]] = {
    "flag": ("boolean", bool, lambda _: True),
    "text": ("String", str, lambda _: True),
    "gid": ("Long", str, re.compile(r"[0-9]{1,30}").fullmatch),
    "day": ("valid date", str, re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}").fullmatch),
    "moment": ("valid date-time", str, _is_moment),
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


def check(name: str, value: Any, spec: Spec) -> None:
    """Refuse the request unless a value matches its specification."""
    match spec:
        case dict():
            _check_members(name, value, spec)
        case list():
            _require(isinstance(value, list), f"{name}: Not an array: {value}")
            for position, item in enumerate(value):
                check(f"{name}[{position}]" if isinstance(item, dict) else name, item, spec[0])
        case frozenset():
            check(name, value, "text")
            for word in value.split(","):
                check(name, word, tuple(spec))
        case tuple():
            _require(value in spec, f"{name}: Not a valid value: {value}")
        case _:
            description, kind, is_valid = _TYPES[spec]
            valid = isinstance(value, kind) and is_valid(value)
            _require(valid, f"{name}: Not a {description}: {value}")


def _check_members(name: str, value: Any, specs: Members) -> None:
    _require(isinstance(value, dict), f"{name}: Not an object: {value}")
    known = {key.removesuffix("!"): spec for key, spec in specs.items()}
    for key in value:
        _require(key in known, f"{key}: Unrecognized parameter")
    for key, spec in known.items():
        missing = f"{key}!" in specs and value.get(key) in (None, "", [])
        _require(not missing, f"{key}: Missing input")
        if key in value:
            allowed = _FILTERS_OF[value["resource_type"]] if spec == "filters" else spec
            check(key, value[key], allowed)


def _require(condition: object, message: str) -> None:
    if not condition:
        raise RefusedError(error(400, message))


_PARENTS = "project task portfolio team goal project_template task_template workspace"
PARENTS = _PARENTS.split()
_LARGE = ("portfolio", "team")
"""The kinds of parents with more than 1,000 tasks, whose graph exports are cached."""
_SCOPES = ("project", *_LARGE)
"""The kinds of parents whose graph exports have their contents; others have all tasks."""
_CACHED_FOR = 4 * 3600.0
_PARENT = re.compile(r"11([0-9]{2})[0-9]{12}")


class Start(NamedTuple):
    """An endpoint that starts jobs; the parent is in `member` of the body, or in the path."""

    resource_subtype: str
    parents: tuple[str, ...]
    body: Members
    member: str = ""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_RESOURCE: Members = {
    "resource_type!": ("task", "team", "message"),
    "fields": ["text"],
    "filters": "filters",
}
STARTS = {
    "exports/graph": Start(
        "graph_export_request",
        ("goal", "team", "portfolio", "project"),
        {"parent!": "gid"},
        member="parent",
    ),
    "exports/resource": Start(
        "export_request",
        ("workspace",),
        {"workspace!": "gid", "export_request_parameters!": [_RESOURCE]},
        member="workspace",
    ),
    "projects/{}/duplicate": Start(
        "duplicate_project",
        ("project",),
        {
            "name!": "text",
            "include": _words(
                "allocations forms members notes permissions task_assignee task_attachments "
                "task_dates task_dependencies task_followers task_notes task_projects "
                "task_subtasks task_tags task_templates task_type_default"
            ),
            "schedule_dates": {"should_skip_weekends!": "flag", "start_on": "day", "due_on": "day"},
        },
    ),
    "tasks/{}/duplicate": Start(
        "duplicate_task",
        ("task",),
        {
            "name": "text",
            "include": _words(
                "notes assignee subtasks attachments tags followers projects dates dependencies "
                "parent"
            ),
        },
    ),
    "portfolios/{}/duplicate": Start(
        "duplicate_portfolio",
        ("portfolio",),
        {
            "name!": "text",
            "include": _words(
                "description members permissions templates rules child_projects child_portfolios"
            ),
        },
    ),
    "project_templates/{}/instantiateProject": Start(
        "instantiate_project",
        ("project_template",),
        {
            "name!": "text",
            "team": "gid",
            "privacy_setting": ("public_to_workspace", "private_to_team", "private"),
            "is_strict": "flag",
            "requested_dates": [{"gid!": "text", "value": "day"}],
            "requested_roles": [{"gid!": "text", "value": "text"}],
        },
    ),
    "task_templates/{}/instantiateTask": Start(
        "instantiate_task", ("task_template",), {"name": "text"}
    ),
    "projects/{}/saveAsTemplate": Start(
        "save_project_as_template",
        ("project",),
        {"name!": "text", "public!": "flag", "team": "gid", "workspace": "gid"},
    ),
}


def data_of(request: Request) -> Any:
    """Return the `data` of a request body."""
    try:
        content = json.loads(request.body or b"{}")
    except ValueError:
        message = "Could not parse request data, invalid JSON"
        raise RefusedError(error(400, message)) from None
    return content.get("data", {}) if isinstance(content, dict) else None


def parent_at(position: int, kind: str) -> str:
    """Return the n-th gid of a kind of parent."""
    if kind not in PARENTS:
        raise ValueError(f"unknown kind of parent {kind!r}; choose from {', '.join(PARENTS)}")
    return f"11{PARENTS.index(kind):02d}{position:012d}"


def _kind_of(gid: str) -> str:
    """Return the kind of parent that has this gid; "" if there is none."""
    match = _PARENT.fullmatch(gid)
    return dict(enumerate(PARENTS)).get(int(match[1]), "") if match else ""


class Starts:
    """Starts jobs, and knows the latest export of each parent."""

    def __init__(self, jobs: Jobs, exports: Exports, max_jobs: int | None) -> None:
        self._jobs = jobs
        self._exports = exports
        self._max_jobs = max_jobs
        self._latest: dict[str, str] = {}

    def start(self, start: Start, parent: str, data: Any) -> str:
        """Start a job and return its gid."""
        check("data", data, start.body)
        _check_schedule(data)
        kind, running = _kind_of(parent), self._jobs.running()
        name = start.member or start.parents[0]
        _require(parent.isascii() and parent.isdigit(), f"{name}: Not a Long: {parent}")
        if kind not in start.parents:
            raise RefusedError(error(404, f"{name}: Unknown object: {parent}"))
        latest = self._latest.get(parent, "")
        if kind == "workspace" and latest in running:
            message = "An export request is already in progress for this workspace"
            raise RefusedError(error(403, message))
        if self._max_jobs is not None and len(running) >= self._max_jobs:
            message = "You have too many duplication, instantiation or export jobs"
            raise RefusedError(error(429, message))
        cached = start.member and kind in _LARGE and self._jobs.age(latest) < _CACHED_FOR
        gid = self._jobs.start(start.resource_subtype, like=latest if cached else None)
        if start.member:
            self._latest[parent] = gid
            scope = (kind, int(parent[4:])) if kind in _SCOPES else None
            self._exports.set_content(gid, data.get("export_request_parameters"), scope)
        return gid


def _check_schedule(data: Members) -> None:
    schedule = data.get("schedule_dates")
    if schedule is not None:
        message = "schedule_dates: Must specify either start_on or due_on, but not both"
        _require(len(schedule) == 2, message)  # noqa: PLR2004
        included = "task_dates" in data.get("include", "").split(",")
        _require(included, "schedule_dates: task_dates must be included")
