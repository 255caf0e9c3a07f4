"""Where a token comes from, which servers it may be sent to, and how it is kept out of sight."""

from __future__ import annotations

import getpass
import hashlib
import math
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from typing import NoReturn

from asana_jobs_pd._http.redaction import Hidden, Secret, clean
from asana_jobs_pd.errors import TokenError

ENVIRONMENT = ("ASANA_ACCESS_TOKEN", "ASANA_PAT", "ASANA_TOKEN")
KEYRING = ("asana_jobs_pd", "access_token")
PAUSE = 10.0
"""Seconds until a callable that returned no new token is called again."""
_CALLABLE = "the callable token="
_REPLACE = "Create a new token at https://app.asana.com/0/my-apps and set ASANA_ACCESS_TOKEN."
_CALL = "The callable has to return a token that Asana accepts."
_VISIBLE = re.compile(r"[\x21-\x7e]+")
_HOW = (
    "Create a personal access token at https://app.asana.com/0/my-apps and set the environment "
    "variable ASANA_ACCESS_TOKEN; or store it once with "
    f"`keyring set {' '.join(KEYRING)}` (needs asana_jobs_pd[keyring]); "
    "or call asana_jobs_pd.connect() in an interactive session, which prompts for it."
)


class Token:
    """A token that is revealed only to the request that is sent.

    If it comes from a callable, `renew` calls that again. It has no
    ``__dict__``, refuses to be pickled or copied, and its repr names where it came from.
    """

    __slots__ = ("_asked_at", "_lock", "_provider", "_secrets", "header", "remedy", "source")

    def __init__(self, given: str | Callable[[], str], source: str) -> None:
        self.source = source
        self.remedy = _REPLACE
        self._provider: Hidden[Callable[[], str]] | None = None
        self._secrets: tuple[Secret, ...] = ()
        self._asked_at = -math.inf
        self.reset_lock()
        try:
            if not callable(given):
                secret, problem = _checked(given)
            else:
                self._provider, self.remedy = Hidden(given), _CALL
                secret, problem = self._ask()
            self._use(secret)
        finally:
            del given  # a traceback may show locals
        if problem and self._provider is not None:
            raise TokenError(f"{source.capitalize()} {problem}. {_CALL}")
        if problem:
            raise TokenError(f"The token from {source} is {problem}. Copy it again, completely.")

    def __repr__(self) -> str:
        return f"<Token from {self.source}>"

    def __reduce__(self) -> NoReturn:
        raise TokenError("A token is never pickled; the other process finds its own.")

    @property
    def fingerprint(self) -> str:
        """A hash that identifies the token."""
        return hashlib.sha256(self._secrets[-1].encode()).hexdigest()

    def hide(self, function: Callable[..., str], text: str) -> str:
        """Apply a masking function to `text`, with this token among the secrets."""
        return function(text, *self._secrets)

    def renew(self, rejected: str) -> bool:
        """Call the callable for a new token, unless the rejected header has already been replaced.

        One thread calls, the others wait. Returns whether there is a new token now. If the
        callable returns no new token, it is not called again for `PAUSE` seconds.
        """
        if self._provider is None:
            return False
        with self._lock:
            if self.header != rejected:
                return True
            if time.monotonic() < self._asked_at + PAUSE:
                return False
            secret, problem = self._ask()
            if not problem and f"Bearer {secret}" == rejected:
                problem = "returned the same token again"
            if problem:
                self._asked_at = time.monotonic()
                self.source = f"{_CALLABLE}, which {problem}"
                return False
            self.source = _CALLABLE
            self._use(secret)
            return True

    def reset_lock(self) -> None:
        """Replace the lock: in a forked process, no thread may be left to release the old one."""
        self._lock = threading.Lock()

    def _use(self, secret: Secret) -> None:
        self._secrets = (*self._secrets[-1:], secret)  # responses may still echo the previous one
        self.header = Secret(f"Bearer {secret}")

    def _ask(self) -> tuple[Secret, str]:
        """Return the callable's token and "", or a blank and what went wrong."""
        assert self._provider is not None
        try:
            value = self._provider.reveal()()
        except (Exception, SystemExit) as error:  # noqa: BLE001  the user's code may raise anything
            reason = self.hide(clean, str(error)).rstrip(".")
            return Secret(""), f"raised {type(error).__name__}: {reason}"
        if isinstance(value, Coroutine):
            value.close()
        secret, problem = _checked(value)
        return secret, problem and f"returned a value that is {problem}"


def _checked(value: object) -> tuple[Secret, str]:
    """Return the token and "", or a blank and what is wrong with the value."""
    if not isinstance(value, str):
        return Secret(""), f"not a string but of type {type(value).__name__}"
    if not _VISIBLE.fullmatch(value):
        return Secret(""), (
            "empty or contains spaces, line breaks or other characters that no token has (it is "
            "not shown here)"
        )
    return Secret(value), ""


def find_token(
    explicit: str | Callable[[], str] | Token | None = None,
    *,
    ask: bool = True,
    optional: bool = False,
) -> Token:
    """Return the token from the argument, the environment, the keyring or a hidden prompt.

    Without `ask` nobody is prompted; an `optional` one that neither the argument nor the
    environment has is made up.
    """
    try:
        if isinstance(explicit, Token):
            return explicit
        if explicit is not None:
            return Token(explicit, _CALLABLE if callable(explicit) else "the argument token=")
    finally:
        del explicit  # a traceback may show locals
    for name in ENVIRONMENT:
        if secret := environment(name):
            return Token(secret, f"the environment variable {name}")
    if optional:
        return Token("no-token-needed", "nowhere: transport= needs none")
    if stored := keyring_token():
        return Token(stored, "the keyring")
    if ask and (typed := prompt_token()):
        return Token(typed, "the prompt")
    raise TokenError(f"No Asana token found. {_HOW}")


def environment(name: str) -> Secret:
    """Return an environment variable, empty if it is not set."""
    return Secret(os.environ.get(name, ""))


def keyring_token() -> Secret | None:
    """Return the token in the system's keyring, if any."""
    try:
        import keyring  # noqa: PLC0415  an extra

        secret = keyring.get_password(*KEYRING)
    except Exception:  # noqa: BLE001  a keyring without a backend must not stop a read
        return None
    return Secret(secret) if isinstance(secret, str) else None


def prompt_token() -> Secret | None:
    """Prompt for the token without showing it, if the session is interactive."""
    if not _is_interactive():
        return None
    try:
        return Secret(getpass.getpass("Asana personal access token (hidden): "))
    except (EOFError, OSError, RuntimeError):  # ipykernel raises a RuntimeError without stdin
        return None


def _is_interactive() -> bool:
    ipython = sys.modules.get("IPython")
    if ipython is not None and ipython.get_ipython() is not None:
        return True
    return bool(sys.stdin and sys.stdin.isatty())
