"""Where a token comes from, where it may go, and how it is kept out of sight."""

from __future__ import annotations

import getpass
import hashlib
import ipaddress
import os
import re
import sys
import unicodedata
from collections.abc import Callable
from typing import NoReturn
from urllib.parse import SplitResult, unquote, urlsplit

from asana_jobs_pd._http.redaction import Secret, clean
from asana_jobs_pd.errors import InvalidOptionError, TokenError

ENVIRONMENT = ("ASANA_ACCESS_TOKEN", "ASANA_PAT", "ASANA_TOKEN")
KEYRING = ("asana_jobs_pd", "access_token")
_VISIBLE = re.compile(r"[\x21-\x7e]+")
_HOW = (
    "Create a personal access token at https://app.asana.com/0/my-apps and set the environment "
    "variable ASANA_ACCESS_TOKEN; or store it once with "
    f"`keyring set {' '.join(KEYRING)}` (needs asana_jobs_pd[keyring]); "
    "or call asana_jobs_pd.connect() in an interactive session, which prompts for it."
)


def check_base_url(base_url: str) -> str:
    """Return a base URL without a trailing slash; refuse it where a token must not go."""
    try:
        checked, problem = _parse_base_url(base_url)
    finally:
        del base_url  # it may hold a password, and a traceback may show locals
    if problem:
        raise InvalidOptionError(problem)
    return checked


def _parse_base_url(base_url: str) -> tuple[str, str]:
    """Return the checked URL, or an empty one and what is wrong with it."""
    parts = _split(base_url)
    shown = clean(str(base_url))
    safe = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(base_url))
    if not (safe and parts.hostname):
        return "", (
            f"base_url={shown!r}: a token is only sent to https:// or to a loopback address "
            "such as http://127.0.0.1:8000/api/1.0."
        )
    if "@" in parts.netloc or "?" in base_url or "#" in base_url:
        return "", f"base_url={shown!r}: leave out the user, the query and the fragment."
    if not _VISIBLE.fullmatch(base_url):
        return "", (
            f"base_url={shown!r}: leave out spaces and line breaks, and percent-encode other "
            "characters."
        )
    return parts.geturl().rstrip("/"), ""


def is_loopback(url: str) -> bool:
    """Tell whether a URL's host is surely this machine: ``localhost`` or a loopback address."""
    host = _split(url).hostname or ""
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    # Whether ::ffff:127.0.0.1 is a loopback address depends on the version of Python.
    return address.is_loopback and getattr(address, "ipv4_mapped", None) is None


_LOCAL_NAME = re.compile(
    r"(?:.*\.)?localhost\d?(?:\.localdomain\d?)?|(?:.*\.)?localdomain\d?|ip6-(?:localhost|loopback)"
)
_EMBEDDED_IPV4 = (0, 0xFFFF, 0xFFFF0000, 0x64FF9B << 64)
"""The upper 96 bits of IPv6 addresses that stand for an IPv4 one."""


def leads_to_this_machine(url: str) -> bool:
    """Tell whether a URL may lead to this machine, in any spelling that a resolver accepts."""
    host = unicodedata.normalize("NFKC", unquote(_split(url).hostname or "")).lower()
    host = host.partition("%")[0].rstrip(".")
    if _LOCAL_NAME.fullmatch(host):
        return True
    try:
        if ":" not in host:
            return any(_is_local_ipv4(_legacy_ipv4(host, octal=octal)) for octal in (True, False))
        address = ipaddress.IPv6Address(host)
    except ValueError:
        return False
    upper, lower = divmod(int(address), 2**32)
    if upper in _EMBEDDED_IPV4:
        return _is_local_ipv4(lower)
    inner = address.sixtofour
    return address.is_link_local or (inner is not None and _is_local_ipv4(int(inner)))


def _is_local_ipv4(address: int) -> bool:
    """Tell whether an address is a loopback, unspecified or link-local one."""
    return address >> 24 in {0, 127} or address >> 16 == 0xA9FE  # noqa: PLR2004


def _legacy_ipv4(host: str, *, octal: bool) -> int:
    """Return an IPv4 address as C libraries read it: ``127.1``, ``0x7f.1``, ``2130706433``."""
    *front, last = [_number(part, octal=octal) for part in host.split(".")]
    if len(front) > 3:  # noqa: PLR2004  an address has four bytes
        raise ValueError(host)
    address: int = last % 256 ** (4 - len(front))
    for place, part in enumerate(front):
        address += part % 256 * 256 ** (3 - place)
    return address


def _number(part: str, *, octal: bool) -> int:
    if part.startswith("0x"):
        return int(part[2:] or "0", 16)
    if octal and re.fullmatch("0[0-7]+", part):
        return int(part, 8)
    return int(part)


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port  # a bad port raises only when it is read
    except (ValueError, AttributeError, TypeError):
        return SplitResult("", "", "", "", "")
    return parts


def origin_of(url: str) -> str:
    """Return the scheme, host and port of a URL."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


class Token:
    """A token that only the wire gets to see.

    It has no ``__dict__``, refuses to be pickled or copied, and its repr names where it came from.
    """

    __slots__ = ("_secret", "source")

    def __init__(self, secret: str, source: str) -> None:
        kind = type(secret).__name__
        try:
            self.source = source
            is_text = isinstance(secret, str)
            is_whole = is_text and _VISIBLE.fullmatch(secret) is not None
            self._secret = Secret(secret if is_whole else "")
        finally:
            del secret  # a traceback may show locals
        if not is_text:
            raise TokenError(f"A token is a string, not {kind}.")
        if not is_whole:
            raise TokenError(
                f"The token from {source} is empty or contains spaces, line breaks or other "
                "characters that no token has (it is not shown here). Copy it again, completely."
            )

    def __repr__(self) -> str:
        return f"<Token from {self.source}>"

    def __reduce__(self) -> NoReturn:
        raise TokenError("A token is never pickled; the other process finds its own.")

    @property
    def header(self) -> str:
        """The value of the Authorization header."""
        return Secret(f"Bearer {self._secret}")

    @property
    def fingerprint(self) -> str:
        """A hash that tells tokens apart."""
        return hashlib.sha256(self._secret.encode()).hexdigest()

    def hide(self, function: Callable[..., str], text: str) -> str:
        """Apply a masking function to `text`, with this token among the secrets."""
        return function(text, self._secret)


def find_token(
    explicit: str | Token | None = None, *, ask: bool = True, optional: bool = False
) -> Token:
    """Return the token of the argument, the environment, the keyring or a hidden prompt.

    Without `ask` nobody is prompted; an `optional` one that neither the argument nor the
    environment has is made up.
    """
    try:
        if isinstance(explicit, Token):
            return explicit
        if explicit is not None:
            return Token(explicit, "the argument token=")
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
    """Return a variable of the environment, empty when it is not set."""
    return Secret(os.environ.get(name, ""))


def keyring_token() -> Secret | None:
    """Return the token that the system's keyring holds, if any."""
    try:
        import keyring  # noqa: PLC0415  an extra

        secret = keyring.get_password(*KEYRING)
    except Exception:  # noqa: BLE001  a keyring without a backend must not stop a read
        return None
    return Secret(secret) if isinstance(secret, str) else None


def prompt_token() -> Secret | None:
    """Prompt for the token without showing it, where somebody can answer."""
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
