"""One file: from its URL to its name, over as many requests as it takes."""

from __future__ import annotations

import logging
import random
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from asana_jobs_pd._download.export_files import FileProgress, FileResult
from asana_jobs_pd._download.partial_file import Part, hash_of, identity_of
from asana_jobs_pd._download.range_response import Decision, code_of, decide
from asana_jobs_pd._download.url_source import FileFailedError, Source
from asana_jobs_pd._download.verify import MAGIC, CorruptFileError, Verifier
from asana_jobs_pd._files import explain_os_error
from asana_jobs_pd._http.client import Client
from asana_jobs_pd._http.rate_limit import Cancelled
from asana_jobs_pd._http.retry import RetryPolicy
from asana_jobs_pd._http.signed_urls import SignedTransport, Stream
from asana_jobs_pd._http.transport import ConnectionFailure

__all__ = ["RetryBudget", "Tools", "Transfer"]

log = logging.getLogger("asana_jobs_pd")

_MOST_RESTARTS = 2


class RetryBudget:
    """Counts what was tried since the file last grew beyond what it ever was.

    Parameters
    ----------
    label
        What the file is called in the log.
    policy
        How often and how long to try.
    stop
        Set by another thread, ends the waiting.
    """

    def __init__(self, label: str, policy: RetryPolicy, stop: threading.Event) -> None:
        self._label, self._policy, self._stop = label, policy, stop
        self._count = 0
        self._most = 0
        self._restarts = 0
        self._began = time.monotonic()

    def advance(self, size: int) -> bool:
        """Take note of the size, and tell whether that is progress."""
        if size <= self._most:
            return False
        self._most, self._count, self._began = size, 0, time.monotonic()
        return True

    def again(
        self,
        reason: str,
        *,
        retryable: bool = True,
        status: int | None = None,
        retry_after: float | None = None,
    ) -> None:
        """Wait for the next try.

        Parameters
        ----------
        reason
            What went wrong, without secrets.
        retryable
            Whether it can be otherwise the next time.
        status, retry_after
            Of the answer, where there was one.

        Raises
        ------
        FileFailedError
            When it was tried often enough.
        Cancelled
            When it was stopped meanwhile.
        """
        self._count += 1
        wait = self._policy.wait(
            status=status,
            tries=self._count,
            elapsed=time.monotonic() - self._began,
            retry_after=retry_after,
            chance=random.random(),  # noqa: S311
        )
        if wait is None or not retryable:
            count = f", in {self._count} tries" if self._count > 1 else ""
            raise FileFailedError(f"{reason}{count}. Download again: it goes on where it stood")
        log.debug("%s: %s, trying again in %.1f s", self._label, reason, wait)
        if self._stop.wait(wait):
            raise Cancelled

    def restart(self, reason: str) -> None:
        """Take note that what there was is dropped.

        Raises
        ------
        FileFailedError
            When that happened too often.
        """
        self._restarts += 1
        if self._restarts > _MOST_RESTARTS:
            raise FileFailedError(f"the file store contradicts itself: {reason}")


_ERROR_BODY = 64 * 1024
_POLL = 0.1


@dataclass(frozen=True, slots=True)
class Tools:
    """What all transfers of a download share.

    Parameters
    ----------
    client
        Asks jobs for URLs, and says how often to try.
    transport
        Fetches signed URLs.
    folder
        Where the files go; absolute.
    stop
        Set by another thread, ends everything.
    overwrite
        Whether to fetch what is there already.
    max_inflated
        Bytes a file may inflate to; None for any number.
    """

    client: Client
    transport: SignedTransport
    folder: Path
    stop: threading.Event
    overwrite: bool = False
    max_inflated: int | None = None


class Transfer:
    """Downloads one file, in one thread.

    Parameters
    ----------
    progress
        Says which file; is kept up to date.
    tools
        What it works with.

    Attributes
    ----------
    unanswered : bool
        Whether it ended because nothing came from the network.
    """

    def __init__(self, progress: FileProgress, tools: Tools) -> None:
        self._progress = progress
        self._tools = tools
        self._target = tools.folder / progress.file.name
        self._source = Source(progress.file, tools.client, tools.stop)
        self._verifier = Verifier(tools.max_inflated)
        self._tries = RetryBudget(progress.file.label, tools.client.policy, tools.stop)
        self._url_dropped = False
        self._resumed = False
        self.unanswered = False

    def run(self) -> FileResult:
        """Return the file, or why there is none.

        Raises
        ------
        Cancelled
            When it was stopped meanwhile; what is on disk stays there.
        AuthenticationError
            When Asana does not accept the token.
        """
        try:
            result = self._run()
        except (FileFailedError, CorruptFileError) as error:
            words = str(error)
        except OSError as error:
            words = explain_os_error(error)
        else:
            self._progress.state = "done"
            return result
        self._progress.state = "failed"
        return FileResult(error=words)

    def _run(self) -> FileResult:
        self._tools.folder.mkdir(parents=True, exist_ok=True)
        before = identity_of(self._target)
        if before is not None and not self._tools.overwrite:
            return self._take_finished()
        with self._open_part() as part:
            after = identity_of(self._target)
            if after is not None and (after != before or not self._tools.overwrite):
                return self._take_finished()  # another download has just made it
            self._progress.state = "running"
            return self._fetch(part)

    def _take_finished(self) -> FileResult:
        self._progress.state = "running"
        size, sha256 = hash_of(self._target, self._check_stop)
        self._progress.done = self._progress.total = size
        return FileResult(str(self._target), size, sha256)

    def _open_part(self) -> Part:
        while (part := Part.try_open(self._target)) is None:
            if self._tools.stop.wait(_POLL):
                raise Cancelled
        return part

    def _fetch(self, part: Part) -> FileResult:
        self._check_what_is_there(part)
        while True:
            try:
                while not self._attempt(part):
                    self._check_stop()
                self._verifier.finish()
            except CorruptFileError:
                if not self._resumed or self._is_too_large():
                    self._drop_corrupt(part)
                    raise
            else:
                part.commit()
                return FileResult(str(self._target), self._verifier.size, self._verifier.sha256)
            self._restart(part, None)  # perhaps only what was on disk before is to blame

    def _check_what_is_there(self, part: Part) -> None:
        """Read an earlier part once, so that the rest can be verified as it comes."""
        self._resumed = part.size > 0
        try:
            for data in part.read():
                self._check_stop()
                self._verifier.feed(data)
                self._progress.done = self._verifier.size
        except CorruptFileError:
            if self._is_too_large():
                raise
            self._restart(part, None)

    def _attempt(self, part: Part) -> bool:
        """Send one request, use its answer, and tell whether the file is complete."""
        url = self._source.url()
        if reason := self._tools.transport.refusal(url):
            self._drop_url(reason)
            return False
        answer = self._tools.transport.open(url, _headers(part))
        if isinstance(answer, ConnectionFailure):
            self._no_answer(answer)
            return False
        with answer:
            decision = _decision(answer, part)
            if decision.action in ("fresh", "append"):
                return self._receive(answer, part, decision)
        return self._settle(decision, answer.status, part)

    def _settle(self, decision: Decision, status: int, part: Part) -> bool:
        """Do what an answer without content asks for."""
        match decision.action:
            case "complete":
                return True
            case "renew":
                self._source.refused(decision.reason)
            case "restart":
                self._tries.restart(decision.reason)
                self._restart(part, None)
            case "retry":
                self._tries.again(
                    f"the file store answered {decision.reason}",
                    status=status,
                    retry_after=decision.retry_after,
                )
            case _:
                raise FileFailedError(f"the file store answered {decision.reason}")
        return False

    def _receive(self, answer: Stream, part: Part, decision: Decision) -> bool:
        data = answer.read()
        if decision.action == "fresh" and not isinstance(data, ConnectionFailure):
            if part.size and not _begins_gzip(data):
                raise FileFailedError("something other than a gzip file came; the part is kept")
            self._restart(part, decision.etag)
        self._progress.total = decision.total
        while data:
            self._check_stop()
            if isinstance(data, ConnectionFailure):
                self._no_answer(data)
                return False
            part.write(data)
            self._verifier.feed(data)
            self._progress.done = part.size
            if self._tries.advance(part.size):
                self._source.worked()
            data = answer.read()
        self._check_stop()
        if decision.total is None or part.size == decision.total:
            return True
        if part.size > decision.total:
            raise CorruptFileError(f"more came than the {decision.total:,} bytes announced")
        self._tries.again(f"the connection ended after {part.size:,} of {decision.total:,} bytes")
        return False

    def _restart(self, part: Part, etag: str | None) -> None:
        part.restart(etag)
        self._verifier = Verifier(self._tools.max_inflated)
        self._resumed = False
        self._progress.done = 0

    def _no_answer(self, answer: ConnectionFailure) -> None:
        self._check_stop()
        self.unanswered = True  # as long as it is not tried again
        self._tries.again(answer.reason, retryable=answer.retryable)
        self.unanswered = False

    def _drop_url(self, reason: str) -> None:
        if self._progress.file.url is None or self._url_dropped:
            raise FileFailedError(f"nothing is fetched from the URL that Asana gives: {reason}")
        self._url_dropped = True
        self._source.drop()

    def _drop_corrupt(self, part: Part) -> None:
        if not self._is_too_large():
            part.discard()

    def _is_too_large(self) -> bool:
        limit = self._tools.max_inflated
        return limit is not None and self._verifier.inflated > limit

    def _check_stop(self) -> None:
        if self._tools.stop.is_set():
            raise Cancelled


def _begins_gzip(data: bytes) -> bool:
    """Tell whether it is worth dropping a part for this: a proxy's page, say, is not."""
    return data != b"" and MAGIC.startswith(data[:2])


def _headers(part: Part) -> dict[str, str]:
    if not part.size or part.etag is None:
        return {}
    return {"Range": f"bytes={part.size}-", "If-Range": part.etag}


def _decision(answer: Stream, part: Part) -> Decision:
    code = None
    if answer.status not in (200, 206):
        body = answer.read(_ERROR_BODY)
        code = None if isinstance(body, ConnectionFailure) else code_of(body)
    return decide(answer.status, answer.headers, code, part.size, part.etag)
