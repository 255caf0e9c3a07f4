"""Export files, served behind signed URLs as S3 does."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from itertools import chain, repeat
from math import ceil
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode

from . import _workspace as names
from ._answers import Answer, xml_error
from ._workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from ._clock import Clock
    from ._server import Request

Json = dict[str, Any]

_REPEAT_EVERY = 50


def export_rows(resource_type: str, count: int, seed: str) -> Iterator[Json]:
    """Yield the rows of a `graph_export` or an `export_request`.

    The first rows are one of each type, the others come in random order. Every fiftieth row of
    an `export_request` repeats an earlier one, as overlapping filters do.
    """
    workspace = Workspace(seed)
    table = _GRAPH if resource_type == "graph_export" else _RESOURCE
    makers = [maker for maker, _ in table]
    weights = [weight for _, weight in table]
    turns = chain(makers, (workspace.rng.choices(makers, weights)[0] for _ in repeat(None)))
    earlier: Json = {}
    for number in range(1, count + 1):
        if table is _RESOURCE and number % _REPEAT_EVERY == 0:
            yield earlier
            continue
        row = next(turns)(workspace)
        if number % _REPEAT_EVERY == 1:
            earlier = row
        yield row


def _task(workspace: Workspace) -> Json:
    rng = workspace.rng
    project = rng.choice(workspace.projects)
    row = _task_core(workspace, project)
    row |= {
        "approval_status": "pending" if row["resource_subtype"] == "approval" else None,
        "assignee_status": "upcoming",
        "completed_by": rng.choice(workspace.users) if row["completed"] else None,
        "followers": workspace.some(workspace.users),
        "likes": [],
        "num_likes": rng.choice((0, 0, 0, 1, 3)),
        "num_subtasks": rng.choice((0, 0, 2)),
        "parent": workspace.resource("task") if workspace.chance(0.15) else None,
        "permalink_url": f"https://app.asana.com/1/{workspace.itself['gid']}/task/{row['gid']}",
        "projects": [project],
        "tags": workspace.some(workspace.tags),
        "workspace": workspace.itself,
        "custom_fields": workspace.custom_fields(project, workspace.users),
    }
    if workspace.chance(0.1):
        row["external"] = {"gid": f"ext-{rng.randrange(1000)}", "data": names.title(rng)}
    if workspace.chance(0.1):
        row["stories"] = [_story(workspace) for _ in range(rng.randint(1, 3))]
    return row


def _task_core(workspace: Workspace, project: Json) -> Json:
    """Return what task rows of both kinds of export have in common."""
    rng = workspace.rng
    done = workspace.chance(0.5)
    section = rng.choice(workspace.sections[project["gid"]])
    return {
        **workspace.resource("task"),
        "resource_subtype": rng.choice(("default_task", "default_task", "milestone", "approval")),
        "actual_time_minutes": rng.randrange(500) if workspace.chance(0.2) else None,
        "assignee": workspace.maybe(workspace.users),
        "completed": done,
        "completed_at": workspace.moment() if done else None,
        "created_at": workspace.moment(),
        "modified_at": workspace.moment(),
        "due_at": workspace.moment() if workspace.chance(0.2) else None,
        "due_on": workspace.day() if workspace.chance(0.5) else None,
        "start_on": workspace.day() if workspace.chance(0.3) else None,
        "notes": names.text(rng),
        "memberships": [{"project": project, "section": section}],
    }


def _story(workspace: Workspace) -> Json:
    return {
        "gid": names.gid(workspace.rng),
        "resource_type": "story",
        "resource_subtype": "comment_added",
        "created_at": workspace.moment(),
        "created_by": workspace.rng.choice(workspace.users),
        "text": names.text(workspace.rng),
    }


def _team(workspace: Workspace) -> Json:
    return {
        **workspace.resource("team"),
        "description": names.text(workspace.rng),
        "organization": workspace.itself,
        "visibility": workspace.rng.choice(("secret", "request_to_join", "public")),
        "endorsed": workspace.chance(0.2),
    }


def _message(workspace: Workspace) -> Json:
    rng = workspace.rng
    return {
        "gid": names.gid(rng),
        "resource_type": "message",
        "resource_subtype": "default",
        "title": names.title(rng),
        "text": names.text(rng),
        "created_at": workspace.moment(),
        "created_by": workspace.maybe(workspace.users, 0.9),
        "parents": [rng.choice(workspace.projects)],
        "num_likes": rng.choice((0, 0, 2)),
    }


def _graph_task(workspace: Workspace) -> Json:
    """Return a task of a graph export: a trimmed shape, people with e-mail addresses."""
    project = workspace.rng.choice(workspace.projects)
    people = [
        {"gid": user["gid"], "name": user["name"], "email": f"{user['gid']}@example.com"}
        for user in workspace.users[:5]
    ]
    row = _task_core(workspace, project)
    trimmed = ("gid", "name", "type", "representation_type", "display_value")
    row["custom_fields"] = [
        {key: value for key, value in field.items() if key in trimmed or "value" in key}
        for field in workspace.custom_fields(project, people)
    ]
    return row


def _project(workspace: Workspace) -> Json:
    return {
        **workspace.rng.choice(workspace.projects),
        "archived": workspace.chance(0.2),
        "created_at": workspace.moment(),
        "due_on": workspace.day() if workspace.chance(0.5) else None,
        "owner": workspace.maybe(workspace.users),
        "team": workspace.rng.choice(workspace.teams),
    }


def _portfolio(workspace: Workspace) -> Json:
    return {
        **workspace.rng.choice(workspace.portfolios),
        "color": workspace.rng.choice(names.COLORS),
        "created_at": workspace.moment(),
        "owner": workspace.maybe(workspace.users),
    }


def _section(workspace: Workspace) -> Json:
    project = workspace.rng.choice(workspace.projects)
    section = workspace.rng.choice(workspace.sections[project["gid"]])
    return {**section, "created_at": workspace.moment(), "project": project}


def _portfolio_link(workspace: Workspace) -> Json:
    parent, child = workspace.rng.sample(workspace.portfolios, 2)
    return {
        "resource_type": "portfolio_to_portfolio",
        "parent_portfolio": {"gid": parent["gid"]},
        "child_portfolio": {"gid": child["gid"]},
    }


def _project_link(workspace: Workspace) -> Json:
    return {
        "resource_type": "project_to_portfolio",
        "portfolio": {"gid": workspace.rng.choice(workspace.portfolios)["gid"]},
        "project": {"gid": workspace.rng.choice(workspace.projects)["gid"]},
    }


def _allocation(workspace: Workspace) -> Json:
    effort = {"type": "percent", "value": workspace.rng.choice((12.5, 50, 100))}
    return {
        "gid": names.gid(workspace.rng),
        "resource_type": "allocation",
        "resource_subtype": "project_allocation",
        "start_date": workspace.day(),
        "end_date": workspace.day(),
        "effort": effort if workspace.chance(0.8) else None,
        "assignee": workspace.rng.choice(workspace.users),
        "parent": workspace.rng.choice(workspace.projects),
    }


def _time_entry(workspace: Workspace) -> Json:
    return {
        "gid": names.gid(workspace.rng),
        "resource_type": "time_tracking_entry",
        "duration_minutes": workspace.rng.randrange(5, 480),
        "entered_on": workspace.day(),
        "attributable_to": workspace.maybe(workspace.projects, 0.5),
        "created_by": workspace.rng.choice(workspace.users),
        "task": workspace.resource("task"),
    }


_Table = tuple[tuple["Callable[[Workspace], Json]", int], ...]
_RESOURCE: _Table = ((_task, 90), (_team, 3), (_message, 7))
_GRAPH: _Table = (
    (_portfolio, 3),
    (_project, 8),
    (_graph_task, 60),
    (_section, 8),
    (_portfolio_link, 3),
    (_project_link, 6),
    (_allocation, 6),
    (_time_entry, 6),
)


_PATH = re.compile(r"/exports/(graph_export|export_request)_(\d+)\.jsonl\.gz", re.ASCII)
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)
_SIGNATURE = "X-Amz-Signature"
_STAMP = "%Y%m%dT%H%M%SZ"


def gid_of_file(path: str) -> str | None:
    """Return the gid of the job whose file a path names, or None for any other path."""
    match = _PATH.fullmatch(path)
    return match and match[2]


@dataclass(frozen=True, slots=True)
class File:
    """An export file."""

    content: bytes
    etag: str


class Exports:
    """All export files of a sandbox, each made when it is asked for first."""

    def __init__(self, *, seed: int, clock: Clock, lifetime: float, rows: int) -> None:
        self.origin = ""
        self._seed = seed
        self._clock = clock
        self._lifetime = ceil(lifetime)
        self._rows = rows
        self._secret = secrets.token_bytes(32)
        self._editions: dict[str, int] = {}
        self._contents: dict[str, bytes | None] = {}
        self._file = lru_cache(maxsize=256)(self._make)

    def url(self, gid: str, resource_type: str) -> str:
        """Return a freshly signed URL of a job's `graph_export` or `export_request`."""
        path = f"/exports/{resource_type}_{gid}.jsonl.gz"
        now = self._clock.instant(self._clock.now())
        query = {
            "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
            "X-Amz-Date": now.strftime(_STAMP),
            "X-Amz-Expires": str(self._lifetime),
            "X-Amz-SignedHeaders": "host",
        }
        query[_SIGNATURE] = self._sign(path, query)
        return f"{self.origin}{path}?{urlencode(query)}"

    def republish(self, gid: str) -> None:
        """Change the content, and so the ETag, of a job's files."""
        self._editions[gid] = self._editions.get(gid, 0) + 1

    def publish(self, gid: str, content: bytes | None) -> None:
        """Serve these bytes as a job's files from now on; None deletes them."""
        self._contents[gid] = content

    def answer(self, request: Request) -> Answer:
        """Return the response to a request for a file."""
        if "authorization" in request.headers:
            return xml_error(400, "InvalidArgument", "Only one auth mechanism allowed")
        if request.method not in ("GET", "HEAD"):
            return xml_error(405, "MethodNotAllowed", "The method is not allowed")
        refusal = self._refusal(request)
        if refusal is not None:
            return refusal
        file = self._find(request.path)
        if file is None:
            return xml_error(404, "NoSuchKey", "The specified key does not exist.")
        return serve(file, request.headers)

    def _find(self, path: str) -> File | None:
        match = _PATH.fullmatch(path)
        if match is None:
            return None
        resource_type, gid = match.groups()
        if gid not in self._contents:
            return self._file(gid, resource_type, self._editions.get(gid, 0))
        content = self._contents[gid]
        return None if content is None else _file(content)

    def _refusal(self, request: Request) -> Answer | None:
        query = dict(parse_qsl(request.query))
        signature = query.pop(_SIGNATURE, None)
        if signature is None:
            return xml_error(403, "AccessDenied", "Access Denied")
        if not hmac.compare_digest(signature.encode(), self._sign(request.path, query).encode()):
            return xml_error(
                403,
                "SignatureDoesNotMatch",
                "The request signature we calculated does not match the signature you provided.",
            )
        signed = datetime.strptime(query["X-Amz-Date"], _STAMP).replace(tzinfo=UTC)
        age = self._clock.instant(self._clock.now()) - signed
        if age.total_seconds() > int(query["X-Amz-Expires"]):
            return xml_error(403, "AccessDenied", "Request has expired")
        return None

    def _sign(self, path: str, query: Mapping[str, str]) -> str:
        signed = f"{path}\n{urlencode(sorted(query.items()))}"
        return hmac.new(self._secret, signed.encode(), hashlib.sha256).hexdigest()

    def _make(self, gid: str, resource_type: str, edition: int) -> File:
        packer = zlib.compressobj(wbits=31)
        rows = export_rows(resource_type, self._rows, f"{self._seed}/{gid}/{edition}")
        parts = [
            packer.compress(json.dumps(row, ensure_ascii=False).encode() + b"\n") for row in rows
        ]
        return _file(b"".join([*parts, packer.flush()]))


def _file(content: bytes) -> File:
    etag = hashlib.md5(content, usedforsecurity=False).hexdigest()
    return File(content, f'"{etag}"')


def serve(file: File, asked: Mapping[str, str]) -> Answer:
    """Return a file, or the requested range of it."""
    size = len(file.content)
    headers = (
        ("Content-Type", "application/gzip"),
        ("ETag", file.etag),
        ("Accept-Ranges", "bytes"),
    )
    wanted = asked.get("range") if asked.get("if-range") in (None, file.etag) else None
    span = byte_range(wanted, size)
    if span is None:
        return Answer(200, file.content, headers, export=True)
    if not span:
        answer = xml_error(416, "InvalidRange", "The requested range is not satisfiable")
        answer.headers += (("Content-Range", f"bytes */{size}"),)
        return answer
    place = ("Content-Range", f"bytes {span.start}-{span.stop - 1}/{size}")
    part = file.content[span.start : span.stop]
    return Answer(206, part, (*headers, place), export=True)


def byte_range(header: str | None, size: int) -> range | None:
    """Return the bytes that a `Range` header requests.

    None means the whole file, which S3 also serves for an invalid header or several ranges; an
    empty range means that it cannot be satisfied.
    """
    match = _RANGE.fullmatch(header or "")
    if match is None or match[0] == "bytes=-":
        return None
    first, last = match.groups()
    if not first:
        return range(max(0, size - int(last)), size)
    if last and int(last) < int(first):
        return None
    return range(int(first), min(int(last) + 1, size) if last else size)
