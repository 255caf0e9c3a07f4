"""Errors of a single request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asana_jobs_pd.errors._base import AsanaJobsError

if TYPE_CHECKING:
    import pandas as pd

    from asana_jobs_pd.typing import ErrorKind


class RequestError(AsanaJobsError):
    """A request failed, and so did its retries.

    Parameters
    ----------
    message
        What went wrong, with gid and status; the other parameters are also attributes.
    gid : str
        The requested gid.
    status : int or None
        The HTTP status, if there was a response.
    reason : str
        Asana's message, or what went wrong, as in the frame's ``error.message``.
    help, phrase : str or None
        Asana's help text, and the phrase that Asana's support asks for.

    Attributes
    ----------
    kind : {"http", "network", "timeout", "body"}
        What failed, as in the frame's ``error.kind``.

    See Also
    --------
    PartialReadError : Has one of these for each gid that failed.

    Examples
    --------
    >>> try:
    ...     client.get_job("404")
    ... except aj.errors.RequestError as error:
    ...     print(error.kind, error.status)
    http 404
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
    """Asana responded with an error status.

    Parameters
    ----------
    message, gid, status, reason, help, phrase
        As in `RequestError`.

    See Also
    --------
    RequestError : Its attributes.

    Examples
    --------
    >>> try:
    ...     client.get_job("404")
    ... except aj.errors.StatusError as error:
    ...     print(error.status)
    404
    """

    kind = "http"


class AuthenticationError(StatusError):
    """Asana rejected the token (401). Partial results are in ``.frame``.

    Parameters
    ----------
    message, gid, status, reason, help, phrase
        As in `RequestError`.

    See Also
    --------
    TokenError : There is no token, or it must not be sent.

    Examples
    --------
    >>> try:
    ...     aj.read_asana_jobs(gids, client=aj.Client("wrong", base_url=asana.base_url))
    ... except aj.errors.AuthenticationError as error:
    ...     print(error.status, len(error.frame))
    401 8
    """

    frame: pd.DataFrame | None = None


class NetworkError(RequestError):
    """No response: the connection could not be made, or was lost.

    Parameters
    ----------
    message, gid, status, reason, help, phrase
        As in `RequestError`.

    See Also
    --------
    RequestTimeoutError : No response in time.

    Examples
    --------
    >>> asana.fault("reset")
    >>> hasty = aj.Client(asana.token, base_url=asana.base_url, max_retries=0)
    >>> try:
    ...     hasty.get_job(gids[0])
    ... except aj.errors.NetworkError as error:
    ...     print(error.kind)
    network
    """


class RequestTimeoutError(NetworkError):
    """No response in time.

    Parameters
    ----------
    message, gid, status, reason, help, phrase
        As in `RequestError`.

    See Also
    --------
    connect : Its option ``timeout``.

    Examples
    --------
    >>> asana.fault("delay", seconds=1)
    >>> hasty = aj.Client(asana.token, base_url=asana.base_url, timeout=(1, 0.1), max_retries=0)
    >>> try:
    ...     hasty.get_job(gids[0])
    ... except aj.errors.RequestTimeoutError as error:
    ...     print(error.kind)
    timeout
    """

    kind = "timeout"


class BodyError(RequestError):
    """The response is not the JSON that Asana documents.

    Parameters
    ----------
    message, gid, status, reason, help, phrase
        As in `RequestError`.

    See Also
    --------
    RequestError : Its attributes.

    Examples
    --------
    >>> asana.fault("garbage")
    >>> try:
    ...     client.get_job(gids[0])
    ... except aj.errors.BodyError as error:
    ...     print(error.kind)
    body
    """

    kind = "body"
