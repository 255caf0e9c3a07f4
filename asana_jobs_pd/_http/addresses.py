"""Where a token may go, and how servers are reached: base URL, proxies, CA bundle, adapters."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from urllib.parse import SplitResult, urlsplit

import requests

from asana_jobs_pd._http.http_adapter import OneServerAdapter, Settings
from asana_jobs_pd._http.redaction import Hidden, clean
from asana_jobs_pd.errors import InvalidOptionError

Proxies = Hidden[Mapping[str, str]]
_VISIBLE = re.compile(r"[\x21-\x7e]+")


def check_base_url(base_url: str) -> str:
    """Return a base URL without a trailing slash; raise if a token must not be sent there."""
    try:
        checked, problem = _parse_base_url(base_url)
    finally:
        del base_url  # it may contain a password, and tracebacks may show locals
    if problem:
        raise InvalidOptionError(problem)
    return checked


def _parse_base_url(base_url: str) -> tuple[str, str]:
    """Return the checked URL and "", or "" and what is wrong with the URL."""
    parts = split_url(base_url)
    shown = clean(str(base_url))
    safe = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(base_url))
    if not (safe and parts.hostname):
        return "", (
            f"base_url={shown!r}: a token is only sent to https:// or to a loopback address "
            "such as http://127.0.0.1:8000/api/1.0."
        )
    if "@" in base_url or "?" in base_url or "#" in base_url:
        return "", f"base_url={shown!r}: leave out the user, the query and the fragment."
    if not _VISIBLE.fullmatch(base_url):
        return "", (
            f"base_url={shown!r}: leave out spaces and line breaks, and percent-encode other "
            "characters."
        )
    return parts.geturl().rstrip("/"), ""


def hide_proxies(proxies: Mapping[str, str] | None) -> Proxies:
    """Return proxies hidden from reprs, since their URLs may contain passwords; check the type."""
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


class Network:
    """How servers are reached: proxies, certificates, and one adapter for each server."""

    def __init__(
        self,
        timeout: tuple[float, float],
        proxies: Proxies,
        verify: bool | str | None,
        pool_size: int,
    ) -> None:
        self.timeout = timeout
        self._proxies, self._verify, self._pool_size = proxies, verify, pool_size
        self._adapters: dict[str, OneServerAdapter] = {}

    def adapter(self, url: str) -> OneServerAdapter:
        """Return the adapter for the server of a URL."""
        parts = urlsplit(url)
        origin = f"{parts.scheme}://{parts.netloc}"
        if origin not in self._adapters:
            settings = _settings_for(origin, self._proxies, self._verify)
            made = OneServerAdapter(origin, settings, self._pool_size)
            return self._adapters.setdefault(origin, made)
        return self._adapters[origin]

    def close(self) -> None:
        """Close the connections; new ones are made when needed."""
        for adapter in list(self._adapters.values()):
            adapter.close()

    def forget(self) -> None:
        """Forget the connections, which in a forked process belong to the parent."""
        self._adapters = {}


def _settings_for(url: str, proxies: Proxies, verify: bool | str | None) -> Settings:
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
        merged["proxies"] = {}  # the proxy of a plain http request would see the token
    return Hidden({"proxies": merged["proxies"], "verify": merged["verify"]})


def is_loopback(url: str) -> bool:
    """Return whether a URL's host is this machine for sure: ``localhost`` or a loopback address."""
    host = split_url(url).hostname or ""
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    # Whether ::ffff:127.0.0.1 is a loopback address depends on the version of Python.
    return address.is_loopback and getattr(address, "ipv4_mapped", None) is None


def split_url(url: str) -> SplitResult:
    """Return the parts of a URL, all empty if it cannot be parsed."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # an invalid port only raises when it is read
    except (ValueError, AttributeError, TypeError):
        return SplitResult("", "", "", "", "")
    return parts
