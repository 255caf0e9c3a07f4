"""All errors and warnings of the package.

::

    AsanaJobsError
    ├── InvalidGidError (ValueError)       not a valid gid; no request was made
    ├── InvalidFieldError (ValueError)     not a field of a job; no request was made
    ├── InvalidFrameError (ValueError)     a DataFrame that df.asana cannot work with
    ├── InvalidOptionError (ValueError)    invalid option value
    ├── MissingExtraError (ImportError)    an optional dependency is not installed
    ├── TokenError                         no token, or one that must not be sent
    ├── ClientClosedError                  the client is closed
    ├── ExportFileError (ValueError)       an export file that cannot be read     .path .line
    ├── ExportWorkerError                  a worker process died
    ├── ExportWriteError (OSError)         a dataset that cannot be written       .path
    ├── RequestError                       one request failed     .gid .kind
    │   ├── StatusError                    Asana responded with an error status     .status
    │   │   └── AuthenticationError        401: the token was rejected   .frame
    │   ├── NetworkError                   no response
    │   │   └── RequestTimeoutError        no response in time
    │   └── BodyError                      a response that is not a job
    ├── NoThreadsError (RuntimeError)      no thread can be started    .frame
    ├── LedgerError                        the ledger of known jobs cannot be used
    ├── PartialReadError                   some jobs could not be read    .frame .errors
    ├── DownloadError                      one file could not be downloaded  .gid .kind .reason
    ├── PartialDownloadError               some files could not be    .frame .errors
    ├── WaitTimeoutError (TimeoutError)    jobs did not finish in time    .frame
    └── PartialStartError                  some jobs were not started    .frame .errors
        └── StartStoppedError              stopped before all were started

    ReadInterrupted (KeyboardInterrupt)    Ctrl-C, or a kernel interrupt    .frame
    └── StartInterrupted                   the same, while jobs were being started
    AsanaChangeWarning (FutureWarning)     Asana announces a change of its API
    AsanaLedgerWarning (UserWarning)       the ledger of known jobs cannot be written
    AsanaStartWarning (UserWarning)        jobs not started, or a cached export
    AsanaValueWarning (UserWarning)        a value that does not fit its column

Messages name the gid and the status, quote Asana, and say what to do next. They contain no token
and no signed URL. All errors can be pickled.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

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
    "NoThreadsError",
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
    """Warn at the caller's line; a warning that is turned into an error carries ``.frame``."""
    caller, level = sys._getframe(), 1  # noqa: SLF001  as warnings does
    while caller.f_back is not None and caller.f_code.co_filename.startswith(_PACKAGE):
        caller, level = caller.f_back, level + 1
    try:
        warnings.warn(message, category, stacklevel=level)
    except Warning as warning:
        if frame is not None:
            warning.frame = frame  # type: ignore[attr-defined]
        raise
    except Exception:
        logging.getLogger("asana_jobs_pd").debug("cannot show a warning", exc_info=True)


def require_extra(module: str, extra: str, message: str) -> Any:
    """Return an optional module, or raise an error that names the extra that brings it."""
    with contextlib.suppress(ImportError):
        return importlib.import_module(module)
    raise MissingExtraError(f"{message}: pip install 'asana_jobs_pd[{extra}]'.")


E = TypeVar("E")


@public
class AsanaJobsError(Exception):
    """Base of all errors of this package."""


class InvalidGidError(AsanaJobsError, ValueError):
    """Not a valid gid. No request was made."""


class InvalidFieldError(AsanaJobsError, ValueError):
    """Not a field of a job. No request was made."""


class InvalidFrameError(AsanaJobsError, ValueError):
    """A DataFrame that ``df.asana`` cannot work with. No request was made."""


class InvalidOptionError(AsanaJobsError, ValueError):
    """Invalid option value. No request was made."""


class MissingExtraError(AsanaJobsError, ImportError):
    """An optional dependency is not installed; the message names the extra."""


class TokenError(AsanaJobsError):
    """There is no token, or it must not be sent: malformed, or to an insecure address."""


class ClientClosedError(AsanaJobsError):
    """The client is closed; ``connect()`` creates a new one."""


class ExportFileError(AsanaJobsError, ValueError):
    """An export file that cannot be read: damaged, in another format, or with a malformed line.

    Attributes
    ----------
    path : str
        The file.
    line : int or None
        Number of the malformed line, from 1, where it is one line that cannot be read.
    """

    def __init__(self, message: str = "", *, path: str = "", line: int | None = None) -> None:
        super().__init__(message)
        self.path = path
        self.line = line


class ExportWorkerError(AsanaJobsError):
    """A worker process died; ``workers=1`` needs none."""


class ExportWriteError(AsanaJobsError, OSError):
    """A dataset that cannot be written: it exists, the disk is full, or permission is denied.

    Attributes
    ----------
    path : str
        The folder, or the URL without credentials.
    """

    def __init__(self, message: str = "", *, path: str = "") -> None:
        super().__init__(message)
        self.path = path


class RequestError(AsanaJobsError):
    """One request failed, retries included.

    Attributes
    ----------
    gid : str
        The requested gid.
    kind : {"http", "network", "timeout", "body"}
        What failed: the frame's ``error.kind``.
    status : int or None
        The HTTP status, if there was a response.
    reason : str
        Asana's message, or what went wrong: the frame's ``error.message``.
    help, phrase : str or None
        Asana's help text, and the phrase that its support asks for.
    """

    kind: ErrorKind = "network"

    def __init__(
        self,
        message: str = "",
        *,
        gid: str = "",
        status: int | None = None,
        reason: str = "",
        help: str | None = None,  # noqa: A002  Asana's name
        phrase: str | None = None,
    ) -> None:
        super().__init__(message)
        self.gid = gid
        self.status = status
        self.reason = reason or message
        self.help = help
        self.phrase = phrase


class StatusError(RequestError):
    """Asana responded with an error status."""

    kind = "http"


class AuthenticationError(StatusError):
    """Asana rejected the token (401). Partial results are in ``.frame``."""

    frame: pd.DataFrame | None = None


class NetworkError(RequestError):
    """No response: the connection could not be made, or broke."""


class RequestTimeoutError(NetworkError):
    """No response in time."""

    kind = "timeout"


class BodyError(RequestError):
    """The response is not the JSON that Asana documents."""

    kind = "body"


class NoThreadsError(AsanaJobsError, RuntimeError):
    """The system cannot start another thread; a wait that was about to begin has ``.frame``."""

    frame: pd.DataFrame | None = None


class LedgerError(AsanaJobsError):
    """The ledger, the file of jobs known on this machine, cannot be read or written."""


class _PartialError(AsanaJobsError, Generic[E]):
    """Some of many requests failed."""

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
    """Some jobs were not started, or it is unknown; every parent has its row in ``.frame``.

    Attributes
    ----------
    frame : pandas.DataFrame
        What ``errors="coerce"`` would have returned; ``source.state`` says what happened to
        each parent.
    errors : dict of str to RequestError
        The error of each parent that has one, by gid.
    """


class StartStoppedError(PartialStartError):
    """Starting jobs was stopped, or took too long; the started jobs are in ``.frame``."""


@public
class PartialReadError(_PartialError["RequestError"]):
    """Some jobs could not be read; the others are in ``.frame``.

    Attributes
    ----------
    frame : pandas.DataFrame
        What ``errors="coerce"`` would have returned.
    errors : dict of str to RequestError
        The error of each gid that failed, in input order.
    """


class DownloadError(AsanaJobsError):
    """The file of one export could not be downloaded.

    Attributes
    ----------
    gid : str
        The job's gid.
    kind : {"graph", "resource"} or None
        Which of its exports, where known.
    reason : str
        The reason: the frame's ``file.error``.
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
        By file name without suffixes (``"1208…-graph"``), or by gid where the kind of file is
        unknown.
    """


@public
class WaitTimeoutError(AsanaJobsError, TimeoutError):
    """Not all jobs finished in time; ``.frame`` has their last known state."""

    def __init__(self, message: str = "", *, frame: pd.DataFrame | None = None) -> None:
        super().__init__(message)
        self.frame = frame


@public
class ReadInterrupted(KeyboardInterrupt):
    """A read, wait or download was interrupted; partial results are in ``.frame``.

    In a notebook: ``sys.last_value.frame``.
    """

    def __init__(self, message: str = "", *, frame: pd.DataFrame | None = None) -> None:
        super().__init__(message)
        self.frame = frame


@public
class StartInterrupted(ReadInterrupted):
    """Starting jobs was interrupted; the started jobs are in ``.frame``."""


@public
class AsanaChangeWarning(FutureWarning):
    """Asana announced an API change in an ``Asana-Change`` header."""


class AsanaLedgerWarning(UserWarning):
    """The ledger cannot be written: `recent_jobs` will miss the jobs read from now on."""


@public
class AsanaStartWarning(UserWarning):
    """Jobs were not started, or an export comes from Asana's cache and may be stale."""


class AsanaValueWarning(UserWarning):
    """A value from Asana did not fit its column's dtype and became missing."""
