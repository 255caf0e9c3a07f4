"""Where a token comes from, and how it is kept out of sight."""

from __future__ import annotations

import getpass
import hashlib
import ipaddress
import os
import re
import sys
from collections.abc import Callable, Mapping
from typing import NoReturn
from urllib.parse import SplitResult, urlsplit

from asana_jobs_pd._http.redaction import clean
from asana_jobs_pd.errors import InvalidOptionError, TokenError

__all__ = [
    "ENVIRONMENT",
    "Token",
    "check_base_url",
    "find_token",
    "is_loopback",
    "keyring_token",
    "origin_of",
    "prompt_token",
]


def check_base_url(base_url: str) -> str:
    """Return a base URL without a trailing slash, when a token may go there.

    Raises
    ------
    InvalidOptionError
        When it is neither https nor http on a loopback address, or holds a user, a query or
        a fragment.
    """
    parts = _split(base_url)
    shown = clean(str(base_url))
    safe = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(base_url))
    if not (safe and parts.hostname):
        raise InvalidOptionError(
            f"base_url={shown!r}: a token goes to https:// or to a loopback address "
            "such as http://127.0.0.1:8000/api/1.0, nowhere else."
        )
    if "@" in parts.netloc or "?" in base_url or "#" in base_url:
        raise InvalidOptionError(
            f"base_url={shown!r}: leave out the user, the query and the fragment."
        )
    if not re.fullmatch(r"[\x21-\x7e]+", base_url):
        raise InvalidOptionError(
            f"base_url={shown!r}: leave out spaces and line breaks, and write other characters "
            "percent-encoded."
        )
    return parts.geturl().rstrip("/")


def is_loopback(url: str) -> bool:
    """Tell whether a URL's host is this machine: ``localhost`` or a loopback address."""
    host = _split(url).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port  # a bad port is found out only when asked for
    except (ValueError, AttributeError, TypeError):
        return SplitResult("", "", "", "", "")
    return parts


def origin_of(url: str) -> str:
    """Return the scheme, host and port of a URL."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


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
