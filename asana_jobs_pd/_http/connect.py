"""The default client: what ``connect()`` made last, else one made from the environment."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Mapping

from asana_jobs_pd._http.auth import ENVIRONMENT, find_token
from asana_jobs_pd._http.client import Client
from asana_jobs_pd._public import public
from asana_jobs_pd.errors import InvalidOptionError

__all__ = ["check_client", "connect", "connected_client", "default_client", "forget_default"]

log = logging.getLogger("asana_jobs_pd")


@public
def connect(
    token: str | None = None,
    *,
    base_url: str | None = None,
    requests_per_minute: int | None = 1500,
    max_in_flight: int = 50,
    timeout: tuple[float, float] = (10.0, 60.0),
    max_retries: int = 5,
    proxies: Mapping[str, str] | None = None,
    verify: bool | str | None = None,
    opt_pretty: bool = False,
    ledger: bool | None = None,
) -> Client:
    """Make a client, and the default for all that follows.

    Nothing is sent yet. The parameters are those of `Client`.

    Returns
    -------
    Client
        Also usable as a context manager, and as ``client=`` of every verb.

    Raises
    ------
    TokenError
        When there is no token, or a malformed one.
    InvalidOptionError
        When an option cannot be what it is.

    Examples
    --------
    >>> import asana_jobs_pd as aj
    >>> aj.connect(requests_per_minute=150)  # a free domain  # doctest: +SKIP
    """
    client = Client(
        token,
        base_url=base_url,
        requests_per_minute=requests_per_minute,
        max_in_flight=max_in_flight,
        timeout=timeout,
        max_retries=max_retries,
        proxies=proxies,
        verify=verify,
        opt_pretty=opt_pretty,
        ledger=ledger,
    )
    _default.set(client, implicit=False)
    log.info("%r is the default client from now on", client)
    return client


def default_client(*, ask: bool = True) -> Client:
    """Return the client of the last ``connect()``, else one made from the environment.

    Parameters
    ----------
    ask
        Whether a person may be asked for a token.

    Raises
    ------
    TokenError
        When there is no token.
    """
    return _default.get(ask=ask)


class _Default:
    """The client that verbs use when they are given none."""

    def __init__(self) -> None:
        self._client: Client | None = None
        self._implicit = True
        self._environment = ""

    def set(self, client: Client | None, *, implicit: bool) -> None:
        self._client, self._implicit = client, implicit
        self._environment = _environment()

    def get(self, *, ask: bool = True) -> Client:
        client = self._client
        stale = self._implicit and self._environment != _environment()
        if client is None or client.closed or stale:
            if not ask:
                find_token(None, ask=False)
            client = Client()
            self.set(client, implicit=True)
        return client

    def peek(self) -> Client | None:
        return None if self._client is None or self._client.closed else self._client

    def forget(self, client: Client) -> None:
        """Drop an implicit client whose token was not accepted, so that the next one counts."""
        if self._client is client and self._implicit:
            self._client = None


def check_client(client: object) -> None:
    """Refuse what the ``client`` of a verb cannot be; None stands for the default one."""
    if client is not None and not isinstance(client, Client):
        raise InvalidOptionError(f"client is a {type(client).__name__}; connect() makes one.")


def connected_client() -> Client | None:
    """Return the client of the last ``connect()`` or read, None when there is none yet."""
    return _default.peek()


def forget_default(client: Client) -> None:
    """Let the next read look for a token anew, when `client` was made without ``connect()``."""
    _default.forget(client)


def _environment() -> str:
    names = (*ENVIRONMENT, "ASANA_BASE_URL")
    values = "\0".join(os.environ.get(name, "") for name in names)
    return hashlib.sha256(values.encode("utf-8", "surrogatepass")).hexdigest()


_default = _Default()
