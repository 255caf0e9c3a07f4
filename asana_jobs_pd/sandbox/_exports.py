"""Export files behind signed URLs, as S3 serves them."""

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
from math import ceil
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode

from ._answers import Answer, xml_error
from ._rows import export_rows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ._clock import Clock
    from ._http import Request

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
    """All export files of a sandbox, each made when it is asked for first.

    Parameters
    ----------
    seed
        Decides what is in them.
    clock
        Tells when a URL has expired.
    lifetime
        Seconds for which a URL is good, rounded up to whole ones.
    rows
        Rows in a file.
    """

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
        """Return a URL of a job's `graph_export` or `export_request`, signed now."""
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
        """Change the content of a job's files, and so their ETags."""
        self._editions[gid] = self._editions.get(gid, 0) + 1

    def publish(self, gid: str, content: bytes | None) -> None:
        """Serve these bytes as a job's files from now on; None for no file any more."""
        self._contents[gid] = content

    def answer(self, request: Request) -> Answer:
        """Answer a request for a file."""
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
    """Answer with a file, or with the range of it that was asked for."""
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
    """Return the bytes a `Range` header asks for.

    None means the whole file, which S3 serves too when the header is not one it understands
    or asks for several ranges; an empty range means that none of the bytes are there.
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
