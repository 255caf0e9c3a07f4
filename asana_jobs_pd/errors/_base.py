"""The base of all errors, and errors about invalid arguments and missing requirements."""

from __future__ import annotations

import contextlib
import importlib
from typing import TYPE_CHECKING, Any

from asana_jobs_pd._public import public

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd


@public
class AsanaJobsError(Exception):
    """Base class of all errors of this package.

    See Also
    --------
    errors : All errors, as a tree.

    Examples
    --------
    >>> try:
    ...     aj.read_asana_jobs("12.0")
    ... except aj.errors.AsanaJobsError as error:
    ...     print(type(error).__name__)
    InvalidGidError
    """


class InvalidGidError(AsanaJobsError, ValueError):
    """Not a valid gid. No request was made.

    Parameters
    ----------
    message
        What is wrong, and the remedy.
    bad : dict of int to str
        Also an attribute: the values that are not gids, as text, by line number in a file of
        `read_jobs_file`, else by position, from 0.

    See Also
    --------
    read_jobs_file : Reads gids in files as text, so that they stay exact.

    Examples
    --------
    >>> try:
    ...     aj.read_asana_jobs(1.2e15)
    ... except aj.errors.InvalidGidError as error:
    ...     print(len(asana.requests) and "nothing was sent for it")
    nothing was sent for it
    """

    def __init__(self, message: str = "", *, bad: Mapping[int, str] | None = None) -> None:
        super().__init__(message)
        self.bad = dict(bad or {})


class InvalidFieldError(AsanaJobsError, ValueError):
    """Not a field of a job, or not a column or custom field of an export. No request was made.

    See Also
    --------
    typing.JobField : The documented fields.

    Examples
    --------
    >>> try:
    ...     aj.read_asana_jobs(gids, fields="state")
    ... except aj.errors.InvalidFieldError as error:
    ...     print("status" in str(error))
    True
    """


class InvalidFrameError(AsanaJobsError, ValueError):
    """A DataFrame, file or export that lacks what the call needs. No request was made.

    See Also
    --------
    AsanaAccessor : What a frame needs.

    Examples
    --------
    >>> try:
    ...     pd.DataFrame({"id": ["12"]}).asana.refresh()
    ... except aj.errors.InvalidFrameError as error:
    ...     print("gid" in str(error))
    True
    """


class InvalidOptionError(AsanaJobsError, ValueError):
    """Invalid option value. No request was made.

    See Also
    --------
    connect : Its options.

    Examples
    --------
    >>> try:
    ...     aj.connect(max_in_flight=0)
    ... except aj.errors.InvalidOptionError as error:
    ...     print(error)
    max_in_flight=0: give a whole number of at least 1; Asana allows 50.
    """


class MissingExtraError(AsanaJobsError, ImportError):
    """An optional dependency is not installed; the message names the extra.

    See Also
    --------
    read_asana_export : Needs extras for some engines.

    Examples
    --------
    >>> issubclass(aj.errors.MissingExtraError, ImportError)
    True
    """


class TokenError(AsanaJobsError):
    """There is no token, or it must not be sent: malformed, or to an insecure address.

    See Also
    --------
    connect : Where a token comes from.

    Examples
    --------
    >>> try:
    ...     aj.connect("two words")
    ... except aj.errors.TokenError as error:
    ...     print("two words" in str(error))
    False
    """


class ClientClosedError(AsanaJobsError):
    """The client is closed; ``connect()`` creates a new one.

    See Also
    --------
    connect : Create a new one.

    Examples
    --------
    >>> closed = aj.Client(asana.token, base_url=asana.base_url)
    >>> closed.close()
    >>> try:
    ...     aj.read_asana_jobs(gids, client=closed)
    ... except aj.errors.ClientClosedError as error:
    ...     print(error)
    This client was closed; connect() makes a new one.
    """


class NoThreadsError(AsanaJobsError, RuntimeError):
    """The system cannot start another thread; a wait that was about to begin has ``.frame``.

    See Also
    --------
    read_asana_jobs : Works with one thread, too.

    Examples
    --------
    >>> aj.errors.NoThreadsError("no thread").frame is None
    True
    """

    frame: pd.DataFrame | None = None


class LedgerError(AsanaJobsError):
    """The ledger, the file of jobs known on this machine, cannot be read or written.

    See Also
    --------
    ledger.path : Where it is.

    Examples
    --------
    >>> aj.ledger.path().is_absolute()
    True
    """


def require_extra(module: str, extra: str, message: str) -> Any:
    """Return an optional module; raise an error that names its extra if it is not installed."""
    with contextlib.suppress(ImportError):
        return importlib.import_module(module)
    raise MissingExtraError(f"{message}: pip install 'asana_jobs_pd[{extra}]'.")
