"""The API: `GET /api/1.0/jobs/{gid}` and the POSTs that start jobs."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qs, unquote
from zlib import crc32

from ._answers import Answer, Headers, error, json_answer
from ._starts import parent_of, start_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ._jobs import Jobs
    from ._server import Request
    from ._starts import Start, Starts

KNOWN_FIELDS = frozenset(
    {
        "new_graph_export",
        "new_graph_export.completed_at",
        "new_graph_export.created_at",
        "new_graph_export.download_url",
        "new_portfolio",
        "new_portfolio.name",
        "new_project",
        "new_project.name",
        "new_project_template",
        "new_project_template.name",
        "new_resource_export",
        "new_resource_export.completed_at",
        "new_resource_export.created_at",
        "new_resource_export.download_url",
        "new_task",
        "new_task.created_by",
        "new_task.name",
        "new_task.resource_subtype",
        "new_task_template",
        "new_task_template.name",
        "resource_subtype",
        "status",
    }
)
_ITSELF = ""
_ALWAYS = {"gid", "resource_type"}
_DETAILS = {"created_by"}
_LEAVES = _DETAILS | {
    "gid",
    "resource_type",
    "resource_subtype",
    "name",
    "created_at",
    "completed_at",
    "download_url",
}

Selection = dict[str, frozenset[str]]


class UnknownFieldError(ValueError):
    """An unknown name in `opt_fields`."""


class Fields:
    """The fields of a job that `opt_fields` can name."""

    def __init__(self, known: Iterable[str] | None = None) -> None:
        self._known = KNOWN_FIELDS if known is None else frozenset(known)
        self._tops = {name.partition(".")[0] for name in self._known}
        self.objects = tuple(sorted(top for top in self._tops if top.startswith("new_")))
        self._compact: Selection = dict.fromkeys(self._tops, frozenset({_ITSELF}))

    def parse(self, names: tuple[str, ...]) -> Selection:
        """Return the selection for some names; none select the compact record."""
        if not names:
            return self._compact
        selection: dict[str, set[str]] = {}
        for name in names:
            if name not in self._known:
                raise UnknownFieldError(name)
            top, _, leaf = name.partition(".")
            selection.setdefault(top, set()).add(leaf or _ITSELF)
        return {top: frozenset(leaves) for top, leaves in selection.items()}

    def select(self, record: Mapping[str, Any], selection: Selection) -> dict[str, Any]:
        """Return the selected part of a record; undocumented keys are always included."""
        chosen = {}
        for key, value in record.items():
            if key in selection:
                chosen[key] = _part(value, selection[key])
            elif key in _ALWAYS or key not in self._tops:
                chosen[key] = value
        return chosen


def _part(value: Any, leaves: frozenset[str]) -> Any:
    if not isinstance(value, dict):
        return value
    compact = _ITSELF in leaves
    return {
        key: item
        for key, item in value.items()
        if key in leaves or key == "gid" or key not in _LEAVES or (compact and key not in _DETAILS)
    }


PREFIX = "/api/1.0/"
_JOBS = PREFIX + "jobs/"
_ME = PREFIX + "users/me"
_MAX_GID_LENGTH = 30


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


def gid_of(path: str) -> str | None:
    """Return the gid in the path of a job, or None for any other path."""
    gid = path.removeprefix(_JOBS)
    return None if gid == path or not gid or "/" in gid else unquote(gid)


class Api:
    """Responds to API requests as Asana does."""

    def __init__(
        self, *, token: str, fields: Fields, jobs: Jobs, starts: Starts, changes: Iterable[str]
    ) -> None:
        self.accept(token)
        # Each token has its own user.
        self._user = {"gid": str(1200 * 10**12 + crc32(token.encode())), "resource_type": "user"}
        self._fields = fields
        self._parse = lru_cache(maxsize=1024)(fields.parse)
        self._jobs = jobs
        self.starts = starts
        self._headers: Headers = tuple(("Asana-Change", change) for change in changes)
        self._refusals: dict[str, tuple[int, str | None]] = {}

    def accept(self, token: str) -> None:
        """Accept only this token from now on; its user stays the same."""
        self._bearer = f"bearer {token}"

    def answer(self, request: Request) -> Answer:
        """Return the response to a request."""
        answer = self._route(request)
        answer.headers += self._headers
        return answer

    def refuse(self, gid: str, status: int, message: str | None = None) -> None:
        """Respond to requests for a gid with an error until called with status 200."""
        self._refusals[gid] = (status, message)
        if status == 200:  # noqa: PLR2004
            del self._refusals[gid]

    def _route(self, request: Request) -> Answer:
        if not self._authorized(request.headers.get("authorization", "")):
            return error(401)
        if request.path == _ME:
            return json_answer({"data": self._user})
        gid, start = gid_of(request.path), start_of(request.path)
        if gid is None and start is None:
            return error(404, "No matching route for request")
        allowed = "GET" if start is None else "POST"
        if request.method != allowed:
            refusal = error(405, f"{request.method}: Method Not Allowed")
            refusal.headers += (("Allow", allowed),)
            return refusal
        query = parse_query(request.query)
        if start is not None:
            return self._start(request, start, query)
        return self._job(gid or "", query)

    def _authorized(self, authorization: str) -> bool:
        scheme, _, token = authorization.partition(" ")
        return f"{scheme.lower()} {token}" == self._bearer

    def _start(self, request: Request, start: Start, query: Query) -> Answer:
        parent = parent_of(request)
        if parent in self._refusals:
            status, message = self._refusals[parent]
            words = {403: f"Forbidden: you do not have access to this {start.parents[0]}"}
            return error(status, message or words.get(status), seed=parent)
        refusal = self._unreadable(query)
        if refusal is not None:
            return refusal
        started = self.starts.start(request, start)
        if isinstance(started, Answer):
            return started
        answer = self._job(started, query)
        answer.status = 201
        return answer

    def _unreadable(self, query: Query) -> Answer | None:
        if query.opt_pretty not in (None, "true", "false"):
            return error(400, f"opt_pretty: Not a boolean: {query.opt_pretty}")
        try:
            self._parse(query.opt_fields)
        except UnknownFieldError as unknown:
            return error(400, f"opt_fields: Unknown field: {unknown}")
        return None

    def _job(self, gid: str, query: Query) -> Answer:
        if gid in self._refusals:
            status, message = self._refusals[gid]
            return error(status, message or _no_job(gid, status), seed=gid)
        refusal = self._unreadable(query)
        if refusal is not None:
            return refusal
        selection = self._parse(query.opt_fields)
        record = self._jobs.record(gid)
        if record is None:
            digits = gid.isascii() and gid.isdigit() and len(gid) <= _MAX_GID_LENGTH
            return (
                error(404, _no_job(gid, 404)) if digits else error(400, f"job: Not a Long: {gid}")
            )
        pretty = query.opt_pretty == "true"
        return json_answer({"data": self._fields.select(record, selection)}, pretty=pretty)


def _no_job(gid: str, status: int) -> str | None:
    return f"job: Unknown object: {gid}" if status == 404 else None  # noqa: PLR2004
