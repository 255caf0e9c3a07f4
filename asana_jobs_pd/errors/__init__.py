"""All errors and warnings of the package.

::

    AsanaJobsError
    ├── InvalidGidError (ValueError)       not a valid gid; no request was made    .bad
    ├── InvalidFieldError (ValueError)     not a field of a job; no request was made
    ├── InvalidFrameError (ValueError)     a DataFrame that df.asana cannot work with
    ├── InvalidOptionError (ValueError)    invalid option value
    ├── MissingExtraError (ImportError)    an optional dependency is not installed
    ├── TokenError                         no token, or one that must not be sent
    ├── ClientClosedError                  the client is closed
    ├── ExportFileError (ValueError)       an export file that cannot be read     .path .line
    ├── ExportWorkerError                  a worker process died
    ├── ExportWriteError (OSError)         a file or dataset cannot be written    .path
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
    ├── PartialDownloadError               some files are missing     .frame .errors
    ├── WaitTimeoutError (TimeoutError)    jobs did not finish in time    .frame
    └── PartialStartError                  some jobs were not started    .frame .errors
        └── StartStoppedError              stopped before all were started

    ReadInterrupted (KeyboardInterrupt)    Ctrl-C, or a kernel interrupt    .frame
    └── StartInterrupted                   the same, while jobs were being started
    AsanaChangeWarning (FutureWarning)     Asana announces a change to its API
    AsanaLedgerWarning (UserWarning)       the ledger of known jobs cannot be written
    AsanaStartWarning (UserWarning)        jobs not started, or a cached export
    AsanaValueWarning (UserWarning)        a value that does not fit its column

Messages name the gid and the status, quote Asana, and say what to do next. They contain no token
and no signed URL. All errors can be pickled.
"""

from __future__ import annotations

from asana_jobs_pd.errors._base import (
    AsanaJobsError,
    ClientClosedError,
    InvalidFieldError,
    InvalidFrameError,
    InvalidGidError,
    InvalidOptionError,
    LedgerError,
    MissingExtraError,
    NoThreadsError,
    TokenError,
)
from asana_jobs_pd.errors._base import require_extra as require_extra
from asana_jobs_pd.errors._exports import (
    DownloadError,
    ExportFileError,
    ExportWorkerError,
    ExportWriteError,
)
from asana_jobs_pd.errors._partial import (
    PartialDownloadError,
    PartialReadError,
    PartialStartError,
    ReadInterrupted,
    StartInterrupted,
    StartStoppedError,
    WaitTimeoutError,
)
from asana_jobs_pd.errors._requests import (
    AuthenticationError,
    BodyError,
    NetworkError,
    RequestError,
    RequestTimeoutError,
    StatusError,
)
from asana_jobs_pd.errors._warnings import (
    AsanaChangeWarning,
    AsanaLedgerWarning,
    AsanaStartWarning,
    AsanaValueWarning,
)
from asana_jobs_pd.errors._warnings import warn_user as warn_user

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

for _name in __all__:
    if globals()[_name].__module__ != "asana_jobs_pd":
        globals()[_name].__module__ = "asana_jobs_pd.errors"  # where users import it from
