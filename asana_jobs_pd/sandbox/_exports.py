"""Export files at signed URLs, served in the way that S3 does."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
import zlib
from collections import Counter
from datetime import UTC, datetime
from functools import lru_cache
from itertools import chain, islice, takewhile
from math import ceil
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qsl, urlencode

from ._responses import Response, xml_error
from ._world import World
from ._world_rows import (
    graph_rows,
    graph_task_rows,
    resource_rows,
    structure_rows,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ._clock import Clock
    from ._server import Request

Json = dict[str, Any]

_BLOCK = 50
_REPEAT_EVERY = 50


def export_rows(
    resource_type: str, count: int, seed: str, order: str = "", **options: Any
) -> Iterator[Json]:
    """Yield `count` rows of a `graph_export` or an `export_request` of a generated world.

    The first rows are one of each type; the order of the others also depends on `order`.
    Every fiftieth row of an `export_request` repeats an earlier one, as overlapping filters do.
    In a `graph_export`, the tasks that `weeks` add are yielded in addition. Options are those
    of `World`.
    """
    rng = Random(f"{seed}/{order}")
    world = World(seed, max(50, count), **options)
    if resource_type == "graph_export":
        structure = list(structure_rows(world))
        first = takewhile(lambda number: number < world.first_tasks, world.in_graph())
        # cut before they are mixed: parents, and tasks of time entries, come before
        tasks: Iterator[Json]
        tasks = islice(_task_rows(world, first), max(_BLOCK, count - len(structure)))
        rows = _mixed(rng, (iter(structure), None), (tasks, _BLOCK))
        return chain(
            islice(rows, count), _task_rows(world, world.in_graph(first=world.first_tasks))
        )
    teams, tasks, messages = (resource_rows(world, kind) for kind in ("team", "task", "message"))
    return islice(_repeated(_mixed(rng, (teams, None), (tasks, 45), (messages, 3))), count)


def _task_rows(world: World, numbers: Iterator[int]) -> Iterator[Json]:
    return chain.from_iterable(graph_task_rows(world, number) for number in numbers)


def _mixed(rng: Random, *kinds: tuple[Iterator[Json], int | None]) -> Iterator[Json]:
    """Yield one row of each type, then all rows in shuffled blocks.

    Each kind has its rows, and how many of them a block takes; None for all.
    """
    first: Json = {}
    while block := [row for rows, size in kinds for row in islice(rows, size)]:
        rng.shuffle(block)
        if not first:
            first = {row["resource_type"]: row for row in block}
            yield from first.values()
            block = [row for row in block if row is not first[row["resource_type"]]]
        yield from block


def _repeated(rows: Iterator[Json]) -> Iterator[Json]:
    while block := list(islice(rows, _REPEAT_EVERY - 1)):
        yield from [*block, block[0]]


_PATH = re.compile(r"/exports/(graph_export|export_request)_(\d+)\.jsonl\.gz", re.ASCII)
_RANGE = re.compile(r"bytes=(\d{1,18})-(\d{0,18})", re.ASCII)
_SIGNATURE = "X-Amz-Signature"
_STAMP = "%Y%m%dT%H%M%SZ"


def gid_of_file(path: str) -> str | None:
    """Return the gid of the job whose export file is at a path; None if it is no such path."""
    match = _PATH.fullmatch(path)
    return match and match[2]


class File(NamedTuple):
    """An export file."""

    content: bytes
    etag: str


class Exports:
    """All export files of a sandbox, each generated when it is first requested."""

    def __init__(
        self, seed: int, clock: Clock, lifetime: float, rows: int, weeks: int, **world: Any
    ) -> None:
        self.origin = ""
        self.weeks = weeks
        self._world = world
        self._seed = str(seed)
        self._clock = clock
        self._lifetime = ceil(lifetime)
        self._rows = rows
        self._secret = secrets.token_bytes(32)
        self._weeks_of: dict[str, int] = {}
        self._editions: Counter[str] = Counter()
        self._published: dict[str, File | None] = {}
        self._contents: dict[str, tuple[list[Json] | None, tuple[str, int] | None]] = {}
        self._made = lru_cache(maxsize=256)(self._make)

    def url(self, gid: str, resource_type: str) -> str:
        """Return a freshly signed URL of a job's `graph_export` or `export_request`."""
        self._weeks_of.setdefault(gid, self.weeks)
        path = f"/exports/{resource_type}_{gid}.jsonl.gz"
        query = {
            "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
            "X-Amz-Date": self._now().strftime(_STAMP),
            "X-Amz-Expires": str(self._lifetime),
            "X-Amz-SignedHeaders": "host",
        }
        query[_SIGNATURE] = self._sign(path, query)
        return f"{self.origin}{path}?{urlencode(query)}"

    def republish(self, gid: str) -> None:
        """Change the content, and so the ETag, of a job's files."""
        self._editions[gid] += 1

    def set_content(
        self, gid: str, parameters: list[Json] | None, parent: tuple[str, int] | None
    ) -> None:
        """Record what an export contains: by its parameters, or a parent, as the n-th of a kind.

        Two exports of the same parent differ only by what has changed in between.
        """
        self._contents[gid] = (parameters, parent)

    def publish(self, gid: str, content: bytes | None) -> None:
        """Serve these bytes as a job's files from now on; None deletes them."""
        self._published[gid] = None if content is None else _file(content)

    def respond(self, request: Request) -> Response:
        """Return the response to a request for a file."""
        refusal = self._refusal(request)
        file = self._find(request.path) if refusal is None else None
        if file is None:
            return refusal or xml_error(404, "NoSuchKey", "The specified key does not exist.")
        return serve(file, request.headers)

    def _refusal(self, request: Request) -> Response | None:
        if "authorization" in request.headers:
            return xml_error(400, "InvalidArgument", "Only one auth mechanism allowed")
        if request.method not in ("GET", "HEAD"):
            return xml_error(405, "MethodNotAllowed", "The method is not allowed")
        query = dict(parse_qsl(request.query))
        signature = query.pop(_SIGNATURE, None)
        if signature is None:
            return xml_error(403, "AccessDenied", "Access Denied")
        if not hmac.compare_digest(signature.encode(), self._sign(request.path, query).encode()):
            return xml_error(403, "SignatureDoesNotMatch", "The signatures do not match")
        signed = datetime.strptime(query["X-Amz-Date"], _STAMP).replace(tzinfo=UTC)
        if (self._now() - signed).total_seconds() > self._lifetime:
            return xml_error(403, "AccessDenied", "Request has expired")
        return None

    def _now(self) -> datetime:
        return self._clock.instant(self._clock.now())

    def _sign(self, path: str, query: Mapping[str, str]) -> str:
        signed = f"{path}\n{urlencode(sorted(query.items()))}"
        return hmac.new(self._secret, signed.encode(), hashlib.sha256).hexdigest()

    def _find(self, path: str) -> File | None:
        match = _PATH.fullmatch(path)
        if match is None:
            return None
        resource_type, gid = match.groups()
        if gid in self._published:
            return self._published[gid]
        return self._made(gid, resource_type, self._editions[gid])

    def _make(self, gid: str, resource_type: str, edition: int) -> File:
        options = self._world | {"weeks": self._weeks_of.get(gid, 0)}
        world = World(self._seed, max(50, self._rows), **options)
        parameters, parent = self._contents.get(gid, (None, None))
        if gid not in self._contents:
            rows = export_rows(resource_type, self._rows, self._seed, gid, **options)
        elif parameters:
            rows = chain.from_iterable(resource_rows(world, **item) for item in parameters)
        else:
            rows = graph_rows(world, world.nth(*parent) if parent else None)
        moved = list(islice(rows, edition))  # a later edition has the same rows in another order
        rows = chain(rows, moved)
        packer = zlib.compressobj(1, wbits=31)
        lines = (json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows)
        return _file(b"".join([*map(packer.compress, lines), packer.flush()]))


def _file(content: bytes) -> File:
    return File(content, f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"')


def serve(file: File, requested: Mapping[str, str]) -> Response:
    """Return a file, or the range in the request's headers; invalid ranges get the whole file."""
    content, size = file.content, len(file.content)
    headers = (
        ("Content-Type", "application/gzip"),
        ("ETag", file.etag),
        ("Accept-Ranges", "bytes"),
    )
    is_current = requested.get("if-range") in (None, file.etag)
    match = _RANGE.fullmatch(requested.get("range", "")) if is_current else None
    first, last = (int(match[1]), int(match[2] or 10**18)) if match else (0, -1)
    if last < first:
        return Response(200, content, headers, export=True)
    if first >= size:
        refusal = xml_error(416, "InvalidRange", "The requested range is not satisfiable")
        refusal.headers += (("Content-Range", f"bytes */{size}"),)
        return refusal
    part = content[first : last + 1]
    content_range = ("Content-Range", f"bytes {first}-{first + len(part) - 1}/{size}")
    return Response(206, part, (*headers, content_range), export=True)
