"""The default client of functions without `client=`: from `connect`, or from the environment."""

from __future__ import annotations

import hashlib
import logging
import os
from dataclasses import dataclass
from typing import Any

from asana_jobs_pd._http.auth import ENVIRONMENT, find_token
from asana_jobs_pd._http.client import Client
from asana_jobs_pd._http.rate_limit import forget_limiters
from asana_jobs_pd._public import options_of, public

log = logging.getLogger("asana_jobs_pd")


@public
@options_of(Client)
def connect(*token: Any, **options: Any) -> Client:
    """Create a client and make it the default for later calls.

    No request is made yet; if `token` is a callable, it is called.

    Returns
    -------
    Client
        It can be used as a context manager, and passed as ``client=`` to any function.

    Raises
    ------
    TokenError
        If there is no token, or a malformed one.
    InvalidOptionError
        If an option has an invalid value.

    See Also
    --------
    Client : The class, with all options.

    Examples
    --------
    >>> client = aj.connect(asana.token, base_url=asana.base_url, requests_per_minute=150)
    >>> client
    <Client http://127.0.0.1:.../api/1.0 ...>

    An OAuth token that is renewed when it expires:

    >>> client = aj.connect(lambda: asana.token, base_url=asana.base_url)
    """
    try:
        client = Client(*token, **options)
    finally:
        del token, options  # a traceback may show locals
    _default.set(client, implicit=False)
    log.info("%r is the default client from now on", client)
    return client


@dataclass
class _Default:
    """The default client, and whether `connect` made it."""

    client: Client | None = None
    implicit: bool = True
    environment: str = ""

    def set(self, client: Client | None, *, implicit: bool) -> None:
        self.client, self.implicit, self.environment = client, implicit, _environment()


_default = _Default()


def default_client(*, ask: bool = True) -> Client:
    """Return the client of the last ``connect()``, or else one made from the environment.

    That one is replaced when the environment has changed, or its token was rejected. With
    ``ask=False``, nobody is prompted for a token.
    """
    client = connected_client()
    if client is None or (_default.implicit and _default.environment != _environment()):
        if not ask:
            find_token(ask=False)
        client = Client()
        _default.set(client, implicit=True)
    return client


def connected_client() -> Client | None:
    """Return the client of the last ``connect()`` or read; None if there is none yet."""
    client = _default.client
    if client is None or client.closed or (_default.implicit and client.rejected):
        return None
    return client


def known_base_url(client: Client | None) -> str | None:
    """Return the base URL of a client, or of the last ``connect()`` or read; None for any URL."""
    known = client or connected_client()
    return None if known is None else known.base_url


def _environment() -> str:
    values = "\0".join(os.environ.get(name, "") for name in (*ENVIRONMENT, "ASANA_BASE_URL"))
    return hashlib.sha256(values.encode("utf-8", "surrogatepass")).hexdigest()


def forget_clients() -> None:
    """Forget the default client, and what was learned about the rate limit of each token."""
    _default.set(None, implicit=True)
    forget_limiters()
