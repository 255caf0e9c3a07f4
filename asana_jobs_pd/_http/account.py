"""Whose a token is, under a name that says nothing: a hash of the user's gid."""

from __future__ import annotations

import hashlib
import threading
import weakref
from collections.abc import Callable

from asana_jobs_pd._http.client import Client
from asana_jobs_pd._http.rate_limit import Limiter
from asana_jobs_pd.errors import AsanaJobsError

__all__ = ["account_of"]

_lock = threading.Lock()
_lookups: weakref.WeakKeyDictionary[Limiter, _Lookup] = weakref.WeakKeyDictionary()


def account_of(
    client: Client, timeout: float = 0.0, then: Callable[[str], object] | None = None
) -> str | None:
    """Return the account of a client's token; empty when it cannot be known, None for not yet.

    One ``GET /users/me`` for each token and process, in a thread that nobody waits for.

    Parameters
    ----------
    client
        Whose token.
    timeout
        Seconds to wait for the answer.
    then
        Called with the account later on, when it is not known yet.
    """
    with _lock:
        lookup = _lookups.get(client.limiter)
        if lookup is None:
            lookup = _lookups[client.limiter] = _Lookup()
            thread = threading.Thread(
                target=lookup.ask, args=(client,), name="asana-account", daemon=True
            )
            thread.start()
    lookup.done.wait(timeout)
    return lookup.result(then)


class _Lookup:
    """One question, and who waits for the answer."""

    def __init__(self) -> None:
        self.done = threading.Event()
        self._account = ""
        self._lock = threading.Lock()
        self._waiting: list[Callable[[str], object]] = []

    def ask(self, client: Client) -> None:
        """Ask Asana; whatever goes wrong, the account is not known then."""
        account = ""
        try:
            gid = client.ask_me()
            if gid:
                account = hashlib.sha256(f"{client.base_url}\0{gid}".encode()).hexdigest()[:32]
        except AsanaJobsError:  # the client was closed meanwhile
            pass
        finally:
            with self._lock:
                self._account = account
                self.done.set()
                waiting, self._waiting = self._waiting, []
            for then in waiting:
                then(account)

    def result(self, then: Callable[[str], object] | None) -> str | None:
        """Return the account, or None when it is not known yet and `then` will be called."""
        with self._lock:
            if self.done.is_set():
                return self._account
            if then is not None:
                self._waiting.append(then)
            return None
