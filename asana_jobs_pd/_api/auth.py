"""Where a token comes from, and how it is kept out of sight."""

from __future__ import annotations

import getpass
import hashlib
import os
import re
import sys
from collections.abc import Callable, Mapping
from typing import NoReturn

from asana_jobs_pd.errors import TokenError

__all__ = ["ENVIRONMENT", "Token", "find_token", "keyring_token", "prompt_token"]

ENVIRONMENT = ("ASANA_ACCESS_TOKEN", "ASANA_PAT", "ASANA_TOKEN")
KEYRING = ("asana_jobs_pd", "access_token")
_VISIBLE = re.compile(r"[\x21-\x7e]+")
_HOW = (
    "Make a personal access token at https://app.asana.com/0/my-apps and set the environment "
    "variable ASANA_ACCESS_TOKEN; or store it once with "
    f"`keyring set {' '.join(KEYRING)}` (extra asana_jobs_pd[keyring]); "
    "or call asana_jobs_pd.connect() in an interactive session, which asks for it."
)


class _Header(str):
    """A header's value whose repr says nothing: locals and logs are printed by repr."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'Bearer …'"

    def __reduce__(self) -> NoReturn:
        raise TokenError("A token is never pickled; the other process finds its own.")


class Token:
    """A token that shows itself to the wire alone.

    It has no ``__dict__``, refuses to be pickled or copied into one, and its repr
    names where it came from.
    """

    __slots__ = ("_secret", "source")

    def __init__(self, secret: str, source: str) -> None:
        if not _VISIBLE.fullmatch(secret):
            raise TokenError(
                f"The token from {source} is empty or holds spaces, line breaks or other "
                "characters that no token has; it is not shown here. Copy it again, whole."
            )
        self._secret = secret
        self.source = source

    def __repr__(self) -> str:
        return f"<Token from {self.source}>"

    def __reduce__(self) -> NoReturn:
        raise TokenError("A token is never pickled; the other process finds its own.")

    @property
    def header(self) -> str:
        """The value of the Authorization header."""
        return _Header(f"Bearer {self._secret}")

    @property
    def fingerprint(self) -> str:
        """What tells tokens apart without telling them."""
        return hashlib.sha256(self._secret.encode()).hexdigest()

    def hide(self, function: Callable[..., str], text: str) -> str:
        """Apply a masking function to `text`, with this token among the secrets."""
        return function(text, self._secret)


def find_token(
    explicit: str | None, environ: Mapping[str, str] = os.environ, *, ask: bool = True
) -> Token:
    """Return the token: the argument, the environment, the keyring or a hidden prompt.

    Parameters
    ----------
    explicit
        The argument; None when there is none.
    environ
        The environment.
    ask
        Whether a person may be asked.

    Raises
    ------
    TokenError
        When there is none, or it is malformed.
    """
    if explicit is not None:
        if not isinstance(explicit, str):
            raise TokenError(f"A token is a string, not {type(explicit).__name__}.")
        return Token(explicit, "the argument token=")
    for name in ENVIRONMENT:
        if secret := environ.get(name):
            return Token(secret, f"the environment variable {name}")
    if secret := keyring_token():
        return Token(secret, "the keyring")
    if ask and (secret := prompt_token()):
        return Token(secret, "the prompt")
    raise TokenError(f"There is no Asana token. {_HOW}")


def keyring_token() -> str | None:
    """Return the token that the system's keyring holds, when there is one."""
    try:
        import keyring  # noqa: PLC0415  an extra

        secret: str | None = keyring.get_password(*KEYRING)
    except Exception:  # noqa: BLE001  a keyring without a backend must not stop a read
        return None
    return secret


def prompt_token() -> str | None:
    """Ask for the token without showing it, where somebody can answer."""
    if not _somebody_there():
        return None
    try:
        return getpass.getpass("Asana personal access token (hidden): ") or None
    except (EOFError, OSError, RuntimeError):  # ipykernel raises a RuntimeError without stdin
        return None


def _somebody_there() -> bool:
    ipython = sys.modules.get("IPython")
    if ipython is not None and ipython.get_ipython() is not None:
        return True
    return bool(sys.stdin and sys.stdin.isatty())
