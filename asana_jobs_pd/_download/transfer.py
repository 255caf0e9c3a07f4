"""The transfer of one file, from its URL to its final name, in as many requests as it takes."""

from __future__ import annotations

import errno
import logging
import random
import re
import stat
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Literal

from asana_jobs_pd._download.export_files import ExportFile
from asana_jobs_pd._download.partial_file import Claims, PartialFile
from asana_jobs_pd._download.url_source import FileFailedError, RetryBudget, UrlSource
from asana_jobs_pd._download.verify import (
    CorruptFileError,
    FileRecord,
    Verifier,
    check_finished,
    format_of,
    strong_etag,
    unpack,
)
from asana_jobs_pd._files import explain_os_error
from asana_jobs_pd._http.client import Client
from asana_jobs_pd._http.rate_limit import Cancelled
from asana_jobs_pd._http.retry import RETRIED, parse_retry_after
from asana_jobs_pd._http.signed_urls import SignedTransport, Stream
from asana_jobs_pd._http.transport import ConnectionFailure

log = logging.getLogger("asana_jobs_pd")

_MAX_LAYERS = 3
_MAX_ERROR_BODY = 64 * 1024
_POLL_INTERVAL = 0.1


@dataclass(frozen=True, slots=True)
class TransferContext:
    """What all transfers of a download share.

    `parts` are the open partial files; their owner must show regularly that it is alive.
    """

    client: Client
    transport: SignedTransport
    folder: Path
    stop: threading.Event
    overwrite: bool = False
    max_inflated: int | None = None
    parts: set[PartialFile] = field(default_factory=set)


class Transfer:
    """Downloads one file, in one thread, and keeps the state in its `ExportFile` up to date.

    Attributes
    ----------
    unanswered : bool
        Whether it ended because there was no response.
    """

    def __init__(self, file: ExportFile, context: TransferContext) -> None:
        self._file = file
        self._context = context
        self._target = context.folder / file.name
        self._unpacked = context.folder / file.unpacked_name
        self._source = UrlSource(file, context.client, context.stop)
        self._verifier = Verifier(context.max_inflated)
        self._budget = RetryBudget(file.label, context.client.policy, context.stop)
        self._joined = self.unanswered = False
        self._unframed = ""

    def run(self) -> None:
        """Download the file, or record why that is not possible."""
        try:
            self._run()
            self._file.state = "done"
        except (FileFailedError, CorruptFileError) as error:
            self._file.error, self._file.state = str(error), "failed"
        except OSError as error:
            self._file.error, self._file.state = explain_os_error(error), "failed"

    def _set_result(self, path: Path, size: int, sha256: str) -> None:
        self._file.done = self._file.total = self._file.size = size
        self._file.sha256 = sha256
        self._file.path = str(path)  # last, since other threads read it

    def _run(self) -> None:
        self._context.folder.mkdir(parents=True, exist_ok=True)
        before = self._identities()
        if not self._context.overwrite and self._use_existing():
            return
        with self._open_part() as part:
            if self._identities() != before and self._use_existing():
                return  # another download has just finished it
            self._file.state = "running"
            log.info("%s: download started", self._file.label)
            self._context.parts.add(part)
            try:
                self._fetch(part)
            finally:
                self._context.parts.discard(part)

    def _identities(self) -> list[tuple[int, int, int] | None]:
        """Return what identifies the existing files, to notice when they are replaced."""
        return [_identity_of(path) for path in (self._target, self._unpacked)]

    def _use_existing(self) -> bool:
        """Use a file already on disk if an earlier download left it there or it is complete."""
        self._file.state = "running"
        for path in (self._target, self._unpacked):
            record = check_finished(path, self._context.max_inflated, self._check_stop)
            if record is not None:
                Claims(self._target).sweep()
                self._set_result(path, record.size, record.sha256)
                return True
        return False

    def _open_part(self) -> PartialFile:
        claims = Claims(self._target)
        while (part := PartialFile.try_open(self._target, claims)) is None:
            self._file.state = "waiting"
            self._file.note = "another download of it is running"
            if self._context.stop.wait(_POLL_INTERVAL * (1 + random.random())):  # noqa: S311
                raise Cancelled
            self._context.folder.mkdir(parents=True, exist_ok=True)
        self._file.note = ""
        return part

    def _fetch(self, part: PartialFile) -> None:
        self._verify_resumed(part)
        while not self._fetch_whole(part):
            self._restart(part, None)

    def _fetch_whole(self, part: PartialFile) -> bool:
        """Fetch, verify and name the file; return False if it must be fetched from the start.

        That helps if the bytes were joined from several responses: those may come from different
        files.
        """
        try:
            while not self._attempt(part):
                self._check_stop()
            self._verifier.finish()
        except CorruptFileError as error:
            if self._verifier.too_large:
                raise
            if not self._joined:
                part.discard()
                raise
            self._budget.restart(str(error))
            return False
        if self._verifier.trailing and self._joined:
            return False
        if self._commit(part):
            return True
        self._budget.restart("another program is changing the partial file")
        return False

    def _commit(self, part: PartialFile) -> bool:
        """Give the part its final name; return False if its bytes are not the verified ones."""
        etag = part.etag
        layers = 1
        while self._verifier.nested:
            layers += 1
            if layers > _MAX_LAYERS:
                raise CorruptFileError(f"gzip within gzip, more than {_MAX_LAYERS} times")
            self._unpack(part)
        verifier = self._verifier
        packed = verifier.format == "gzip"
        target = self._target if packed else self._unpacked
        if not part.commit(target, FileRecord(verifier.size, verifier.sha256, etag)):
            return False
        if not packed:
            self._target.unlink(missing_ok=True)  # an earlier file with other content
        if verifier.trailing:
            log.warning(
                "%s: %d bytes follow the end of its gzip stream; they are kept",
                self._file.label,
                verifier.trailing,
            )
        self._set_result(target, verifier.size, verifier.sha256)
        return True

    def _unpack(self, part: PartialFile) -> None:
        """Remove the outer layer of gzip within gzip."""
        verifier = Verifier(self._context.max_inflated)

        def chunks() -> Iterator[bytes]:
            with part.open_reader() as file:
                for data in unpack(file):
                    self._check_stop()
                    verifier.feed(data)
                    yield data

        part.rewrite(chunks())
        verifier.finish()
        self._verifier = verifier

    def _verify_resumed(self, part: PartialFile) -> None:
        """Verify the bytes that an earlier download left; the rest is verified as it arrives."""
        self._joined = part.size > 0
        try:
            for data in part.read():
                self._check_stop()
                self._verifier.feed(data)
                self._file.done = self._verifier.size
        except CorruptFileError:
            if self._verifier.too_large:
                raise
            self._restart(part, None)

    def _attempt(self, part: PartialFile) -> bool:
        """Send one request, act on its response, and return whether the file is complete."""
        url = self._source.url()
        if reason := self._context.transport.refusal(url):
            self._source.drop(reason)
            return False
        response = self._context.transport.open(url, _headers(part))
        if isinstance(response, ConnectionFailure):
            self._retry_connection(response)
            return False
        with response:
            step = _next_step(response, part)
            if step.action in ("fresh", "append"):
                return self._receive(response, part, step)
        return self._act_on(step, response.status, part)

    def _act_on(self, step: NextStep, status: int, part: PartialFile) -> bool:
        """Act on a response without content; return whether the file is complete."""
        reason = f"the file store answered {step.reason}"
        match step.action:
            case "complete":
                return True
            case "renew":
                self._source.refused(status, step.reason)
            case "restart":
                self._budget.restart(f"the file store contradicts itself: {step.reason}")
                self._restart(part, None)
            case "retry":
                # With any other status, the error code in the body is the reason to retry.
                known = status if status in RETRIED else None
                self._budget.again(reason, status=known, retry_after=step.retry_after)
            case _:
                raise FileFailedError(reason)
        return False

    def _receive(self, response: Stream, part: PartialFile, step: NextStep) -> bool:
        """Write and verify the body of a response; return whether the file is complete."""
        data = response.read()
        if data == b"" and step.action == "fresh" and not step.total and self._source.empty():
            return False
        if step.action == "fresh" and not isinstance(data, ConnectionFailure):
            if part.size and format_of(data) is None:  # for example a proxy's page
                raise FileFailedError(
                    "the server did not return an export file; the partial download was kept"
                )
            self._restart(part, step.etag)
        self._joined |= step.action == "append"
        self._file.total = step.total
        while data:
            self._check_stop()
            if isinstance(data, ConnectionFailure):
                self._retry_connection(data)
                return False
            part.write(data)
            self._verifier.feed(data)
            self._file.done = part.size
            if self._budget.advance(part.size):
                self._source.worked()
            data = response.read()
        self._check_stop()
        return self._is_whole(part.size, step.total, framed=response.is_chunked)

    def _is_whole(self, size: int, total: int | None, *, framed: bool) -> bool:
        """Return whether the file is complete.

        Plain JSON Lines of unknown length are fetched twice: nothing shows that they were cut off.
        """
        if total is None and self._verifier.is_complete():
            digest = self._verifier.sha256
            if framed or self._verifier.format == "gzip" or digest == self._unframed:
                return True
            self._unframed = digest
            self._budget.restart("nothing tells where the file ends")
            return False
        if size == total:
            return True
        if total is not None and size > total:
            raise CorruptFileError(f"more bytes arrived than the announced {total:,}")
        end = "bytes, in the middle of the file" if total is None else f"of {total:,} bytes"
        self._budget.again(f"the connection ended after {size:,} {end}")
        return False

    def _restart(self, part: PartialFile, etag: str | None) -> None:
        part.restart(etag)
        self._verifier = Verifier(self._context.max_inflated)
        self._joined = False
        self._file.done = 0

    def _retry_connection(self, failure: ConnectionFailure) -> None:
        self._check_stop()
        self.unanswered = True  # as long as it is not retried
        self._budget.again(failure.reason, retryable=failure.retryable)
        self.unanswered = False

    def _check_stop(self) -> None:
        if self._context.stop.is_set():
            raise Cancelled


def _identity_of(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.lstat()
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(21, "this is not a file", str(path))
    if not (stat.S_ISREG(found.st_mode) or stat.S_ISLNK(found.st_mode)):
        raise OSError(errno.EINVAL, "this is not a regular file; move it away", str(path))
    return found.st_dev, found.st_ino, found.st_mtime_ns


def _headers(part: PartialFile) -> dict[str, str]:
    if not part.size or part.etag is None:
        return {}
    return {"Range": f"bytes={part.size}-", "If-Range": part.etag}


def _next_step(response: Stream, part: PartialFile) -> NextStep:
    code = None
    if response.status not in (200, 206):
        body = response.read(_MAX_ERROR_BODY)
        code = None if isinstance(body, ConnectionFailure) else error_code(body)
    return next_step(response.status, response.headers, code, part.size, part.etag)


_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)", re.ASCII)
_COMPLETE = re.compile(r"bytes \*/(\d{1,18})", re.ASCII)
_LENGTH = re.compile(r"\d{1,18}", re.ASCII)
_CODE = re.compile(rb"<Code>([A-Za-z]{1,40})</Code>")

Action = Literal["fresh", "append", "restart", "complete", "renew", "retry", "fail"]

_RETRIED = RETRIED | {408, 425}
_REFUSED = frozenset({403, 404, 410})
_STEP_OF_CODE: dict[str, Action] = {
    "AccessDenied": "renew",
    "AuthorizationQueryParametersError": "fail",
    "ExpiredToken": "renew",
    "InternalError": "retry",
    "InvalidArgument": "fail",
    "InvalidObjectState": "fail",
    "InvalidRange": "fail",
    "InvalidToken": "renew",
    "NoSuchBucket": "renew",
    "NoSuchKey": "renew",
    "OperationAborted": "retry",
    "PermanentRedirect": "fail",
    "RequestExpired": "renew",
    "RequestTimeTooSkewed": "renew",
    "RequestTimeout": "retry",
    "ServiceUnavailable": "retry",
    "SignatureDoesNotMatch": "renew",
    "SlowDown": "retry",
    "TemporaryRedirect": "fail",
    "TokenRefreshRequired": "renew",
}
"""S3's error codes, which say more than the status: SlowDown comes with 400 and with 503.

https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
"""


@dataclass(frozen=True, slots=True)
class NextStep:
    """What to do with a response.

    ``fresh``: the body is the whole file. ``append``: the body is the missing rest. ``restart``:
    discard the part and request the whole file. ``complete``: nothing is missing. ``renew``: ask
    Asana for another URL. ``retry``: try again later. ``fail``: give up.
    """

    action: Action
    total: int | None = None
    etag: str | None = None
    reason: str = ""
    retry_after: float | None = None


def next_step(
    status: int, headers: Mapping[str, str], code: str | None, size: int, etag: str | None
) -> NextStep:
    """Return what to do with a response from the file store."""
    reason = f"{status} {code}" if code else str(status)
    if status == HTTPStatus.OK:
        return NextStep("fresh", _length(headers), strong_etag(headers), reason)
    if status == HTTPStatus.PARTIAL_CONTENT:
        return _continue(headers, reason, size, etag)
    if status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and size:
        return _end(headers, reason, size)
    if status == HTTPStatus.PRECONDITION_FAILED and size:  # a proxy that rejects If-Range
        return NextStep("restart", reason=reason)
    action = _STEP_OF_CODE.get(code or "") if status >= HTTPStatus.BAD_REQUEST else "fail"
    written_now = action is None and status == HTTPStatus.CONFLICT
    if (status in _REFUSED and action != "fail") or written_now:
        action = "renew"
    elif action is None:
        action = "retry" if status in _RETRIED else "fail"
    wait = parse_retry_after(headers.get("Retry-After")) if action == "retry" else None
    return NextStep(action, reason=reason, retry_after=wait)


def _end(headers: Mapping[str, str], reason: str, size: int) -> NextStep:
    match = _COMPLETE.fullmatch(headers.get("Content-Range", ""))
    whole = match is not None and int(match[1]) == size
    return NextStep("complete", size) if whole else NextStep("restart", reason=reason)


def _continue(headers: Mapping[str, str], reason: str, size: int, etag: str | None) -> NextStep:
    match = _RANGE.fullmatch(headers.get("Content-Range", ""))
    if not size and match and match[1] == "0" and match[3] == str(int(match[2]) + 1):
        return NextStep("fresh", int(match[3]), strong_etag(headers), reason)
    if not size or match is None or int(match[1]) != size:
        # Not the requested bytes: discard the part and try again; without a part, give up.
        reason = f"{reason} with other bytes than requested"
        return NextStep("restart" if size else "fail", reason=reason)
    if headers.get("ETag") not in (None, etag):
        return NextStep("restart", reason="the file changed during the download")
    return NextStep("append", None if match[3] == "*" else int(match[3]), etag, reason)


def error_code(body: bytes) -> str | None:
    """Return S3's code for an error; the rest of its XML is never shown, as it repeats keys."""
    match = _CODE.search(body)
    code = match[1].decode() if match else None
    return code if code in _STEP_OF_CODE else None


def _length(headers: Mapping[str, str]) -> int | None:
    length = headers.get("Content-Length") or ""
    chunked = "Transfer-Encoding" in headers
    return int(length) if not chunked and _LENGTH.fullmatch(length) else None
