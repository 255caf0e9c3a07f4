"""The endpoints that start jobs, within Asana's limits on how many run at a time."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from . import _bodies as bodies
from ._answers import Answer, error
from ._bodies import BadBodyError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ._bodies import Check
    from ._clock import Clock
    from ._http import Request
    from ._jobs import Jobs

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
"""Parents of more than 1,000 tasks: their graph exports are cached."""
_CACHED_FOR = 4 * 3600.0
_PARENT = re.compile(r"11(\d\d)\d{12}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Start:
    """One endpoint that starts a job."""

    path: re.Pattern[str]
    resource_subtype: str
    parents: tuple[str, ...]
    member: str = ""
    """Where the body names the parent; empty when the path does."""
    checks: Mapping[str, Check] = field(default_factory=dict)
    required: tuple[str, ...] = ()

    def parent(self, path: str, data: Any) -> str | None:
        """Return the gid of the parent that a request names; None if there is none."""
        if not self.member:
            match = self.path.fullmatch(path)
            return match and match[1]
        gid = data.get(self.member) if isinstance(data, dict) else None
        return gid if isinstance(gid, str) else None


def _start(path: str, subtype: str, *parents: str, member: str = "", **checks: Check) -> Start:
    pattern = re.compile("/api/1.0" + path.format("([^/]+)"))
    if member:
        checks = {member: bodies.gid, **checks}
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
        export_request_parameters=bodies.export_parameters,
    ),
    _start(
        "/projects/{}/duplicate",
        "duplicate_project",
        "project",
        name=bodies.text,
        include=bodies.names(*_PROJECT_PARTS.split(",")),
        schedule_dates=bodies.schedule,
    ),
    _start(
        "/tasks/{}/duplicate",
        "duplicate_task",
        "task",
        name=bodies.text,
        include=bodies.names(*_TASK_PARTS.split(",")),
    ),
    _start(
        "/portfolios/{}/duplicate",
        "duplicate_portfolio",
        "portfolio",
        name=bodies.text,
        include=bodies.names(*_PORTFOLIO_PARTS.split(",")),
    ),
    _start(
        "/project_templates/{}/instantiateProject",
        "instantiate_project",
        "project_template",
        name=bodies.text,
        team=bodies.gid,
        privacy_setting=bodies.one_of(*_PRIVACY),
        is_strict=bodies.flag,
        requested_dates=bodies.pairs(bodies.day),
        requested_roles=bodies.pairs(bodies.text),
    ),
    _start(
        "/task_templates/{}/instantiateTask", "instantiate_task", "task_template", name=bodies.text
    ),
    _start(
        "/projects/{}/saveAsTemplate",
        "save_project_as_template",
        "project",
        name=bodies.text,
        public=bodies.flag,
        team=bodies.gid,
        workspace=bodies.gid,
    ),
)


def parent_at(position: int, kind: str) -> str:
    """Return the gid at a position of all parents of a kind."""
    if kind not in PARENTS:
        raise ValueError(f"no such kind of parent: {kind!r}; there are {', '.join(PARENTS)}")
    return f"11{PARENTS.index(kind):02d}{position:012d}"


def kind_of(gid: str) -> str | None:
    """Return what kind of parent has this gid, None if none has."""
    match = _PARENT.fullmatch(gid)
    number = int(match[1]) if match else len(PARENTS)
    return PARENTS[number] if number < len(PARENTS) else None


def start_of(path: str) -> Start | None:
    """Return the endpoint of a path."""
    return next((start for start in STARTS if start.path.fullmatch(path)), None)


def data_of(request: Request) -> Any:
    """Return the `data` of a request's body.

    Raises
    ------
    BadBodyError
        If it is not JSON.
    """
    try:
        content = json.loads(request.body or b"{}")
    except ValueError:
        raise BadBodyError("Could not parse request data, invalid JSON") from None
    return content.get("data", {}) if isinstance(content, dict) else None


def parent_of(request: Request) -> str | None:
    """Return the parent that a request to start a job names; None for any other request."""
    start = start_of(request.path) if request.method == "POST" else None
    try:
        return None if start is None else start.parent(request.path, data_of(request))
    except BadBodyError:
        return None


class Starts:
    """Starts jobs.

    Parameters
    ----------
    jobs
        What there is.
    clock
        Tells the time.
    most
        Jobs that may run at the same time; None for no limit.
    """

    def __init__(self, jobs: Jobs, clock: Clock, most: int | None) -> None:
        self._jobs = jobs
        self._clock = clock
        self._most = most
        self._exporting: dict[str, str] = {}
        self._exports: dict[str, tuple[float, str]] = {}
        self.started = 0

    @property
    def running(self) -> int:
        """How many jobs that were started have not ended."""
        return self._jobs.running(self._clock.now())

    def start(self, request: Request, start: Start) -> str | Answer:
        """Start what a request asks for; return the job's gid, or why there is none."""
        try:
            data = data_of(request)
            bodies.members("data", data, start.checks, start.required)
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
        if self._most is not None and self.running >= self._most:
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
