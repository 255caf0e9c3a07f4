"""Every error and warning of the package, under one base.

::

    AsanaJobsError
    ├── InvalidGidError (ValueError)       a gid that is none; nothing was sent
    ├── InvalidFieldError (ValueError)     a field that is none; nothing was sent
    ├── InvalidFrameError (ValueError)     a frame that df.asana cannot work on
    ├── InvalidOptionError (ValueError)    an option with a value it cannot have
    ├── MissingExtraError (ImportError)    what it needs is an extra that is not installed
    ├── TokenError                         no token, or one that must not be sent
    ├── ClientClosedError                  the client was closed before
    ├── ExportFileError (ValueError)       an export file that cannot be read     .path .line
    ├── ExportWorkerError                  a process that read one ended early
    ├── ExportWriteError (OSError)         a dataset that cannot be written       .path
    ├── RequestError                       one request failed     .gid .kind
    │   ├── StatusError                    Asana answered with an error     .status
    │   │   └── AuthenticationError        401: the token is not accepted   .frame
    │   ├── NetworkError                   no answer came
    │   │   └── RequestTimeoutError        no answer came in time
    │   └── BodyError                      an answer that is no job
    ├── LedgerError                        the file of gids that were seen cannot be used
    ├── PartialReadError                   some of many failed    .frame .errors
    ├── DownloadError                      one file is not there  .gid .kind .reason
    ├── PartialDownloadError               some of many are not   .frame .errors
    ├── WaitTimeoutError (TimeoutError)    jobs were not finished in time    .frame
    └── PartialStartError                  some jobs were not started    .frame .errors
        └── StartStoppedError              stopped before all were started

    ReadInterrupted (KeyboardInterrupt)    Ctrl-C, or a kernel interrupt    .frame
    └── StartInterrupted                   the same, while jobs were started
    AsanaChangeWarning (FutureWarning)     Asana announces a change of its API
    AsanaLedgerWarning (UserWarning)       the file of gids that were seen cannot be written
    AsanaStartWarning (UserWarning)        jobs not started, or an export out of Asana's cache
    AsanaValueWarning (UserWarning)        a value that does not fit its column

Messages name the gid and the status, repeat what Asana said, and say what to do next.
None of them holds a token or a signed URL, and all of them survive pickling.
"""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from asana_jobs_pd._public import public

if TYPE_CHECKING:
    import pandas as pd

    from asana_jobs_pd.typing import ErrorKind

__all__ = [
    "AsanaChangeWarning",
    "AsanaJobsError",
    "AsanaLedgerWarning",
    "AsanaStartWarning",
    "AsanaValueWarning",
    "AuthenticationError",
    "BodyError",
    "ClientClosedError",
    "DownloadError",
    "ExportFileError",
    "ExportWorkerError",
    "ExportWriteError",
    "InvalidFieldError",
    "InvalidFrameError",
    "InvalidGidError",
    "InvalidOptionError",
    "LedgerError",
    "MissingExtraError",
    "NetworkError",
    "PartialDownloadError",
    "PartialReadError",
    "PartialStartError",
    "ReadInterrupted",
    "RequestError",
    "RequestTimeoutError",
    "StartInterrupted",
    "StartStoppedError",
    "StatusError",
    "TokenError",
    "WaitTimeoutError",
]

_PACKAGE = str(Path(__file__).parent) + os.sep


def warn_user(message: str, category: type[Warning], *, frame: pd.DataFrame | None = None) -> None:
    """Warn at the first line outside this package; where warnings are errors, with ``.frame``."""
    caller, level = sys._getframe(), 1  # noqa: SLF001  what warnings itself looks at
    while caller.f_back is not None and caller.f_code.co_filename.startswith(_PACKAGE):
        caller, level = caller.f_back, level + 1
    try:
        warnings.warn(message, category, stacklevel=level)
    except Warning as warning:
        if frame is not None:
            warning.frame = frame  # type: ignore[attr-defined]
        raise


E = TypeVar("E")


@public
class AsanaJobsError(Exception):
    """The base of all errors of this package."""


class InvalidGidError(AsanaJobsError, ValueError):
    """A value that is not a gid. Nothing was sent."""


class InvalidFieldError(AsanaJobsError, ValueError):
    """A name that is not a field of a job. Nothing was sent."""


class InvalidFrameError(AsanaJobsError, ValueError):
    """A DataFrame that ``df.asana`` cannot work on. Nothing was sent."""


class InvalidOptionError(AsanaJobsError, ValueError):
    """An option with a value it cannot have. Nothing was sent."""


class MissingExtraError(AsanaJobsError, ImportError):
    """What is asked for needs a package that comes with an extra, which is not installed."""


class TokenError(AsanaJobsError):
    """There is no token, or it must not be sent as it is, or where it would go."""


class ClientClosedError(AsanaJobsError):
    """The client was closed; ``connect()`` makes a new one."""


class ExportFileError(AsanaJobsError, ValueError):
    """An export file that cannot be read: damaged, of another kind, or with a malformed line.

    Attributes
    ----------
    path : str
        The file.
    line : int or None
        The line, counted from 1, when it is one line that cannot be read.
    """

    def __init__(self, message: str = "", *, path: str = "", line: int | None = None) -> None:
        super().__init__(message)
        self.path = path
        self.line = line


class ExportWorkerError(AsanaJobsError):
    """A process that read a part of an export ended early; ``workers=1`` does without any."""


class ExportWriteError(AsanaJobsError, OSError):
    """A dataset that cannot be written: it is there already, the disk is full, no permission.

    Attributes
    ----------
    path : str
        The folder, or a URL without what may be a credential.
    """

    def __init__(self, message: str = "", *, path: str = "") -> None:
        super().__init__(message)
        self.path = path


class RequestError(AsanaJobsError):
    """One request failed for good.

    Attributes
    ----------
    gid : str
        The gid that was asked for.
    kind : {"http", "network", "timeout", "body"}
        What failed; the frame's ``error.kind``.
    status : int or None
        The HTTP status, when there was an answer.
    reason : str
        What Asana said, or what went wrong: the frame's ``error.message``.
    help, phrase : str or None
        What else Asana said; its support asks for the phrase.
    """

    kind: ErrorKind = "network"

    def __init__(
        self,
        message: str = "",
        *,
        gid: str = "",
        status: int | None = None,
        reason: str = "",
        help: str | None = None,  # noqa: A002  Asana's own name for it
        phrase: str | None = None,
    ) -> None:
        super().__init__(message)
        self.gid = gid
        self.status = status
        self.reason = reason or message
        self.help = help
        self.phrase = phrase


class StatusError(RequestError):
    """Asana answered with an error status."""

    kind = "http"


class AuthenticationError(StatusError):
    """Asana does not accept the token (401). What was read before is in ``.frame``."""

    frame: pd.DataFrame | None = None


class NetworkError(RequestError):
    """No answer came: the connection could not be made, or broke."""


class RequestTimeoutError(NetworkError):
    """No answer came in time."""

    kind = "timeout"


class BodyError(RequestError):
    """The answer is not the JSON that Asana documents."""

    kind = "body"


class LedgerError(AsanaJobsError):
    """The ledger, the file of gids that this machine has seen, cannot be read or written."""


class _PartialError(AsanaJobsError, Generic[E]):
    """Some of many did not succeed; each kind says what its frame and its errors are."""

    def __init__(
        self,
        message: str = "",
        *,
        frame: pd.DataFrame | None = None,
        errors: dict[str, E] | None = None,
    ) -> None:
        super().__init__(message)
        self.frame = frame
        self.errors = errors or {}


@public
class PartialStartError(_PartialError["RequestError"]):
    """Some jobs were not started, or it is not known; every parent has its row in ``.frame``.

    Attributes
    ----------
    frame : pandas.DataFrame
        What ``errors="coerce"`` would have returned: the jobs that were started, and by
        ``source.state`` what became of the other parents.
    errors : dict of str to RequestError
        The error of each parent that has one, by its gid.
    """


class StartStoppedError(PartialStartError):
    """The starting of jobs was stopped, or took too long; what was started is in ``.frame``."""


@public
class PartialReadError(_PartialError["RequestError"]):
    """Some jobs could not be read; the others are in ``.frame``.

    Attributes
    ----------
    frame : pandas.DataFrame
        What ``errors="coerce"`` would have returned.
    errors : dict of str to RequestError
        The error of each gid that failed, in the order of the request.
    """


class DownloadError(AsanaJobsError):
    """The file of one export is not there.

    Attributes
    ----------
    gid : str
        The job's gid.
    kind : {"graph", "resource"} or None
        Which of its exports, where that is known.
    reason : str
        Why: the frame's ``file.error``.
    """

    def __init__(
        self, message: str = "", *, gid: str = "", kind: str | None = None, reason: str = ""
    ) -> None:
        super().__init__(message)
        self.gid = gid
        self.kind = kind
        self.reason = reason or message


@public
class PartialDownloadError(_PartialError["DownloadError"]):
    """Some rows have no file; the others are in ``.frame``, with their paths.

    Attributes
    ----------
    frame : pandas.DataFrame
        What ``errors="coerce"`` would have returned.
    errors : dict of str to DownloadError
        By the file's name without its endings (``"1208…-graph"``), or by the gid where it is
        not known which file there would be.
    """


@public
class WaitTimeoutError(AsanaJobsError, TimeoutError):
    """Not all jobs were finished in time; ``.frame`` has them as they stood then."""

    def __init__(self, message: str = "", *, frame: pd.DataFrame | None = None) -> None:
        super().__init__(message)
        self.frame = frame


@public
class ReadInterrupted(KeyboardInterrupt):
    """A read or a download was interrupted; what it had is in ``.frame``.

    In a notebook: ``sys.last_value.frame``.
    """

    def __init__(self, message: str = "", *, frame: pd.DataFrame | None = None) -> None:
        super().__init__(message)
        self.frame = frame


@public
class StartInterrupted(ReadInterrupted):
    """The starting of jobs was interrupted; what was started is in ``.frame``."""


@public
class AsanaChangeWarning(FutureWarning):
    """Asana announced a change of its API in an ``Asana-Change`` header."""


class AsanaLedgerWarning(UserWarning):
    """The ledger cannot be written: `recent_jobs` will not know what is read from now on."""


@public
class AsanaStartWarning(UserWarning):
    """Jobs were not started, or an export comes from Asana's cache and may be stale."""


class AsanaValueWarning(UserWarning):
    """A value from Asana did not fit its column's dtype and became missing."""
