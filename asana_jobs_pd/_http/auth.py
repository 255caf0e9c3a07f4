"""Where a token comes from, which servers it may be sent to, and how it is kept out of sight."""

from __future__ import annotations

import getpass
import hashlib
import os
import re
import sys
from collections.abc import Callable, Mapping
from typing import NoReturn

import requests

from asana_jobs_pd._http.http_adapter import Proxies, Settings, is_loopback, split_url
from asana_jobs_pd._http.redaction import Hidden, Secret, clean
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
    """Return the checked URL, or an empty string and what is wrong with it."""
    parts = split_url(base_url)
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


def hide_proxies(proxies: Mapping[str, str] | Proxies | None) -> Proxies:
    """Return proxies out of sight, as their URLs may hold passwords; only a mapping will do."""
    if isinstance(proxies, Hidden):
        return proxies
    kind = type(proxies).__name__
    try:
        valid = isinstance(proxies, Mapping | None) and all(
            isinstance(scheme, str) and isinstance(url, str | None)
            for scheme, url in (proxies or {}).items()
        )
        hidden: Proxies = Hidden(dict(proxies or {}) if valid else {})
    finally:
        del proxies  # a traceback may show locals
    if not valid:
        raise InvalidOptionError(
            f"proxies is a {kind}: give a mapping of schemes to URLs, such as "
            "{'https': 'http://proxy.example:3128'}."
        )
    return hidden


def settings_for(url: str, proxies: Proxies, verify: bool | str | None) -> Settings:
    """Return the proxies and the CA bundle that requests would use."""
    if not isinstance(verify, bool | str | os.PathLike | None):
        raise InvalidOptionError(
            f"verify is a {type(verify).__name__}: give True, False or the path of a CA bundle."
        )
    settings = _merge_environment(url, proxies, verify)
    if settings is None:
        raise InvalidOptionError(
            "The proxy settings cannot be used; they come from proxies= or from the environment "
            "(HTTPS_PROXY, NO_PROXY)."
        )
    bundle = settings.reveal()["verify"]
    if isinstance(bundle, str | os.PathLike) and not os.path.exists(bundle):  # noqa: PTH110  never raises
        raise InvalidOptionError(
            f"The CA bundle {os.fspath(bundle)!r} does not exist; it comes from verify= or from "
            "the environment (REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE)."
        )
    return settings


def _merge_environment(url: str, proxies: Proxies, verify: bool | str | None) -> Settings | None:
    try:
        with requests.Session() as session:
            merged = session.merge_environment_settings(
                url, dict(proxies.reveal()), None, verify, None
            )
    except ValueError:
        return None
    if is_loopback(url):
        merged["proxies"] = {}  # a plain http request would hand the token to the proxy
    return Hidden({"proxies": merged["proxies"], "verify": merged["verify"]})


class Token:
    """A token that is revealed only to the request that is sent.

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
    """Return an environment variable, empty when it is not set."""
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
