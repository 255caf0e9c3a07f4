"""Export files at signed URLs, served as S3 does."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache, partial
from itertools import chain, islice, takewhile
from math import ceil
from random import Random
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode

from ._answers import Answer, xml_error
from ._world import World
from ._world_rows import graph_rows, graph_task_rows, resource_rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ._clock import Clock
    from ._server import Request

Json = dict[str, Any]

_REPEAT_EVERY = 50


def export_rows(
    resource_type: str, count: int, seed: str, order: str = "", *, weeks: int = 0
) -> Iterator[Json]:
    """Yield so many rows of a `graph_export` or an `export_request` of a generated world.

    The first rows are one of each type; the order of the others also depends on `order`.
    Every fiftieth row of an `export_request` repeats an earlier one, as overlapping filters do.
    The tasks that `weeks` add to a `graph_export` come on top.
    """
    rng = Random(f"{seed}/{order}")
    world = World(seed, max(50, count), weeks=weeks)
    if resource_type != "graph_export":
        return islice(_repeated(_resources(world, rng)), count)
    new = (number for number in range(world.first_tasks, world.tasks) if world.depth(number) <= 1)
    rows = islice(_graph(world, count, rng), count)
    return chain(rows, chain.from_iterable(map(partial(graph_task_rows, world), new)))


def requested_rows(world: World, parameters: Sequence[Json]) -> Iterator[Json]:
    """Yield the rows of a resource export with these request parameters."""
    for asked in parameters:
        fields, filters = asked.get("fields"), asked.get("filters")
        if fields is not None:
            fields = ["resource_type", *fields]
        yield from resource_rows(world, asked["resource_type"], fields=fields, filters=filters)


def _graph(world: World, count: int, rng: Random) -> Iterator[Json]:
    rows = graph_rows(world)
    structure = list(takewhile(lambda row: row["resource_type"] != "task", rows))
    tasks = chain.from_iterable(map(partial(graph_task_rows, world), world.in_graph()))
    rng.shuffle(structure)
    first = {row["resource_type"]: row for row in structure}
    yield from first.values()
    held = []
    for row in tasks:  # up to the first time entry, so that there is one of each type
        held.append(row)
        if row["resource_type"] != "task":
            break
    yield from (held[0], held[-1])
    rest = [row for row in structure if row is not first[row["resource_type"]]]
    share = min(1.0, len(rest) / max(1, count - len(first) - len(held)) * 1.3)
    for row in chain(held[1:-1], tasks):
        while rest and rng.random() < share / (1 + share):
            yield rest.pop()
        yield row
    yield from rest


def _resources(world: World, rng: Random) -> Iterator[Json]:
    tasks, teams, messages = (resource_rows(world, kind) for kind in ("task", "team", "message"))
    yield from (next(tasks), next(teams), next(messages))
    for row in tasks:
        if rng.random() < 1 / 4:
            yield from islice(teams, 1)
        if rng.random() < 1 / 14:
            yield from islice(messages, 1)
        yield row
    yield from chain(teams, messages)


def _repeated(rows: Iterator[Json]) -> Iterator[Json]:
    earlier: Json = {}
    number = 0
    for row in rows:
        number += 1
        if number % _REPEAT_EVERY == 0:
            yield earlier
            number += 1
        if number % _REPEAT_EVERY == 1:
            earlier = row
        yield row


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
    """All export files of a sandbox, each made when it is first requested."""

    def __init__(self, *, seed: int, clock: Clock, lifetime: float, rows: int) -> None:
        self.origin = ""
        self._seed = seed
        self._clock = clock
        self._lifetime = ceil(lifetime)
        self._rows = rows
        self._secret = secrets.token_bytes(32)
        self._editions: dict[str, int] = {}
        self._contents: dict[str, bytes | None] = {}
        self._asked: dict[str, Sequence[Json]] = {}
        self._parents: dict[str, tuple[str, int] | None] = {}
        self.weeks = 0
        self._weeks_of: dict[str, int] = {}
        self._file = lru_cache(maxsize=256)(self._make)

    def url(self, gid: str, resource_type: str) -> str:
        """Return a freshly signed URL of a job's `graph_export` or `export_request`."""
        self._weeks_of.setdefault(gid, self.weeks)
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

    def ask(
        self, gid: str, parameters: Sequence[Json], parent: tuple[str, int] | None = None
    ) -> None:
        """Record what an export that is started is of: parameters, or a parent, its n-th of a kind.

        Exports of one parent differ only in what has changed.
        """
        self._asked[gid] = parameters
        self._parents[gid] = parent

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
        packer = zlib.compressobj(1, wbits=31)
        seed, weeks = str(self._seed), self._weeks_of.get(gid, 0)
        asked, parent = self._asked.get(gid), self._parents.get(gid)
        order = f"{gid}/{edition}" if asked is None else str(edition)
        rows = export_rows(resource_type, self._rows, seed, order, weeks=weeks)
        world = World(seed, max(50, self._rows), weeks=weeks)
        if parent:
            rows = graph_rows(world, world.nth(*parent))
        elif asked:
            rows = requested_rows(world, asked)
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
