"""Where a token may go: https, or this machine. Pure."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import SplitResult, urlsplit

from asana_jobs_pd._api.redact import clean
from asana_jobs_pd.errors import InvalidOptionError

__all__ = ["check_base_url", "is_loopback", "origin_of"]


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
