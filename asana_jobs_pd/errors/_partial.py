"""Errors that carry partial results: some requests failed, or the call ended early."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from asana_jobs_pd._public import public
from asana_jobs_pd.errors._base import AsanaJobsError
from asana_jobs_pd.errors._exports import DownloadError
from asana_jobs_pd.errors._requests import RequestError

if TYPE_CHECKING:
    import pandas as pd

E = TypeVar("E")


class _PartialError(AsanaJobsError, Generic[E]):
    """Some requests failed, but not all."""

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
class PartialStartError(_PartialError[RequestError]):
    """Some jobs were not started, or may not have been; ``.frame`` has a row for every parent.

    Parameters
    ----------
    message
        How many jobs were not started, and why; the other parameters are also attributes.
    frame : pandas.DataFrame
        What ``errors="coerce"`` would have returned; ``source.state`` says what happened to
        each parent.
    errors : dict of str to RequestError
        The error of each parent that has one, by gid.

    See Also
    --------
    export_graph : With ``errors="raise"``.

    Examples
    --------
    >>> try:
    ...     aj.export_graph("404", errors="raise")
    ... except aj.errors.PartialStartError as error:
    ...     print(error.frame["source.state"].tolist())
    ['refused']
    """


class StartStoppedError(PartialStartError):
    """Starting jobs was stopped, or took too long; the started jobs are in ``.frame``.

    Parameters
    ----------
    message, frame, errors
        As in `PartialStartError`.

    See Also
    --------
    export_graph : Its options ``stop`` and ``timeout``.

    Examples
    --------
    >>> import threading
    >>> stop = threading.Event()
    >>> stop.set()
    >>> try:
    ...     aj.export_graph(project, stop=stop)
    ... except aj.errors.StartStoppedError as error:
    ...     print(error.frame["source.state"].tolist())
    ['not_sent']
    """


@public
class PartialReadError(_PartialError[RequestError]):
    """Some jobs could not be read; the others are in ``.frame``.

    Parameters
    ----------
    message
        How many jobs could not be read, and why; the other parameters are also attributes.
    frame : pandas.DataFrame
        What ``errors="coerce"`` would have returned.
    errors : dict of str to RequestError
        The error of each gid that failed, in input order.

    See Also
    --------
    read_asana_jobs : With ``errors="raise"``, the default.

    Examples
    --------
    >>> try:
    ...     aj.read_asana_jobs([*gids, "404"])
    ... except aj.errors.PartialReadError as error:
    ...     print(len(error.frame), list(error.errors))
    9 ['404']
    """


@public
class PartialDownloadError(_PartialError[DownloadError]):
    """Some rows have no file; the others are in ``.frame``, with their paths.

    Parameters
    ----------
    message
        How many rows have no file, and why; the other parameters are also attributes.
    frame : pandas.DataFrame
        What ``errors="coerce"`` would have returned.
    errors : dict of str to DownloadError
        The errors by file name without suffixes (``"1208…-graph"``), or by gid if the kind of
        file is unknown.

    See Also
    --------
    download_asana_exports : With ``errors="raise"``.

    Examples
    --------
    >>> try:
    ...     jobs.asana.download("exports/", errors="raise")
    ... except aj.errors.PartialDownloadError as error:
    ...     print(len(error.frame))
    8
    """


@public
class WaitTimeoutError(AsanaJobsError, TimeoutError):
    """Not all jobs finished in time; ``.frame`` has their last known state.

    Parameters
    ----------
    message
        What went wrong.
    frame
        Also an attribute: the results so far.

    See Also
    --------
    wait_asana_jobs : Its option ``timeout``.

    Examples
    --------
    >>> later = asana.gids(2, start=400)
    >>> for gid in later:
    ...     asana.progress(gid)
    >>> try:
    ...     aj.wait_asana_jobs(later, timeout=0.1)
    ... except aj.errors.WaitTimeoutError as error:
    ...     print(error.frame["status"].tolist())
    ['in_progress', 'in_progress']
    """

    def __init__(self, message: str = "", *, frame: pd.DataFrame | None = None) -> None:
        super().__init__(message)
        self.frame = frame


@public
class ReadInterrupted(KeyboardInterrupt):
    """A read, wait or download was interrupted; partial results are in ``.frame``.

    In a notebook, they are in ``sys.last_value.frame``.

    Parameters
    ----------
    message
        What was interrupted.
    frame
        Also an attribute: the results so far.

    See Also
    --------
    read_asana_jobs : Can be interrupted at any moment.

    Examples
    --------
    >>> try:
    ...     jobs = aj.read_asana_jobs(gids)
    ... except KeyboardInterrupt as interrupt:  # Ctrl-C
    ...     jobs = interrupt.frame
    """

    def __init__(self, message: str = "", *, frame: pd.DataFrame | None = None) -> None:
        super().__init__(message)
        self.frame = frame


@public
class StartInterrupted(ReadInterrupted):
    """Starting jobs was interrupted; the started jobs are in ``.frame``.

    Parameters
    ----------
    message
        What was interrupted.
    frame
        Also an attribute: the results so far.

    See Also
    --------
    recent_jobs : The jobs that were started, from any kernel.

    Examples
    --------
    >>> issubclass(aj.StartInterrupted, aj.ReadInterrupted)
    True
    """
