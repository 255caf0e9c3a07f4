"""The API: `GET /api/1.0/jobs/{gid}` and the POSTs that start jobs."""

from __future__ import annotations

from collections import defaultdict
from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qs, unquote

from ._responses import Headers, RefusedError, Response, error, json_response
from ._starts import STARTS, data_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ._jobs import Jobs
    from ._server import Request
    from ._starts import Start, Starts

PREFIX = "/api/1.0/"
_LEAVES_OF = {
    "new_graph_export": ("completed_at", "created_at", "download_url"),
    "new_portfolio": ("name",),
    "new_project": ("name",),
    "new_project_template": ("name",),
    "new_resource_export": ("completed_at", "created_at", "download_url"),
    "new_task": ("created_by", "name", "resource_subtype"),
    "new_task_template": ("name",),
    "resource_subtype": (),
    "status": (),
}
_KNOWN_FIELDS = {f"{top}.{leaf}" for top, leaves in _LEAVES_OF.items() for leaf in leaves}
_KNOWN_FIELDS |= _LEAVES_OF.keys()
_ALWAYS = {"gid", "resource_type"}
_LEAVES = _ALWAYS.union(*_LEAVES_OF.values())
_COMPACT = ""
"""In a selection, it stands for all leaves of an object but `_DETAIL`."""
_DETAIL = "created_by"

Selection = dict[str, set[str]]


class Fields:
    """The fields of a job that `opt_fields` can name."""

    def __init__(self, known: Iterable[str] | None) -> None:
        self._known = frozenset(_KNOWN_FIELDS if known is None else known)
        self._tops = {name.partition(".")[0] for name in self._known}
        self.objects = sorted(top for top in self._tops if top.startswith("new_"))
        self.selection = lru_cache(maxsize=1024)(self._selection)

    def _selection(self, names: tuple[str, ...]) -> Selection:
        """Return the leaves that names select, by object; without names, those of all fields."""
        leaves: Selection = defaultdict(set)
        for name in names or self._tops:
            if names and name not in self._known:
                raise RefusedError(error(400, f"opt_fields: Unknown field: {name}"))
            top, _, leaf = name.partition(".")
            leaves[top].add(leaf or _COMPACT)
        return dict(leaves)

    def select(self, record: Mapping[str, Any], selection: Selection) -> dict[str, Any]:
        """Return the selected part of a record; undocumented keys are always included."""
        chosen = {}
        for key, value in record.items():
            if key in selection:
                chosen[key] = _part(value, selection[key])
            elif key in _ALWAYS or key not in self._tops:
                chosen[key] = value
        return chosen


def _part(value: Any, leaves: set[str]) -> Any:
    if not isinstance(value, dict):
        return value
    wanted = {"gid", *leaves, *(_LEAVES - {_DETAIL} if _COMPACT in leaves else ())}
    return {key: item for key, item in value.items() if key in wanted or key not in _LEAVES}


class Query(NamedTuple):
    """The options of a request, as sent."""

    opt_fields: tuple[str, ...]
    opt_pretty: str | None


@lru_cache(maxsize=1024)
def parse_query(query: str) -> Query:
    """Parse a query string; repeated and blank fields are ignored."""
    options = parse_qs(query, keep_blank_values=True)
    names = ",".join(options.get("opt_fields", ())).split(",")
    fields = tuple(dict.fromkeys(name.strip() for name in names if name.strip()))
    return Query(fields, options.get("opt_pretty", [None])[-1])


class Target(NamedTuple):
    """The job that a request is about, or the parent of a job to start; no gid if neither."""

    gid: str
    start: Start | None


def target_of(request: Request) -> Target:
    """Return the job or parent that a request is about."""
    top, *rest = request.path.removeprefix(PREFIX).split("/")
    if top == "jobs" and len(rest) == 1:
        return Target(unquote(rest[0]), None)
    gid: Any = ""
    if len(rest) > 1:
        gid, rest[0] = rest[0], "{}"
    start = STARTS.get("/".join([top, *rest]))
    if start is not None and start.member:
        with suppress(RefusedError, AttributeError):
            gid = data_of(request).get(start.member)
    return Target(gid if start is not None and isinstance(gid, str) else "", start)


class Api:
    """Responds to API requests like Asana."""

    def __init__(
        self, token: str, fields: Fields, jobs: Jobs, starts: Starts, changes: Iterable[str]
    ) -> None:
        self.token = token
        self.jobs = jobs
        self.refusals: dict[str, tuple[int, str | None]] = {}
        """The status and message to send for a gid; a status of 200 means no error."""
        self._fields = fields
        self._starts = starts
        self._headers: Headers = tuple(("Asana-Change", change) for change in changes)

    def respond(self, request: Request) -> Response:
        """Return the response to a request."""
        try:
            response = self._route(request)
        except RefusedError as refused:
            response = refused.response
        response.headers += self._headers
        return response

    def _route(self, request: Request) -> Response:
        gid, start = target_of(request)
        self._check(request, gid, start)
        query = parse_query(request.query)
        if query.opt_pretty not in (None, "true", "false"):
            raise RefusedError(error(400, f"opt_pretty: Not a boolean: {query.opt_pretty}"))
        selection = self._fields.selection(query.opt_fields)
        if start is not None:
            gid = self._starts.start(start, gid, data_of(request))
        content = {"data": self._fields.select(self.jobs.record(gid), selection)}
        status = 200 if start is None else 201
        return json_response(content, status, pretty=query.opt_pretty == "true")

    def _check(self, request: Request, gid: str, start: Start | None) -> None:
        """Refuse a wrong token, path or method, and gids in `refusals`."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or token != self.token:
            raise RefusedError(error(401))
        if not gid and start is None:
            raise RefusedError(error(404, "No matching route for request"))
        allowed = "GET" if start is None else "POST"
        if request.method != allowed:
            not_allowed = f"{request.method}: Method Not Allowed"
            raise RefusedError(error(405, not_allowed, (("Allow", allowed),)))
        status, message = self.refusals.get(gid, (200, None))
        if status != 200:  # noqa: PLR2004
            noun = "job" if start is None else start.parents[0]
            defaults = {
                403: f"Forbidden: you do not have access to this {noun}",
                404: f"{noun}: Unknown object: {gid}",
            }
            raise RefusedError(error(status, message or defaults.get(status)))
