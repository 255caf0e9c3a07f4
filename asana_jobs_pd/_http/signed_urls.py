"""Signed URLs: cleaned, checked and their expiry read once, where they come in."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import NoReturn
from urllib.parse import SplitResult, parse_qsl, urljoin, urlsplit

from asana_jobs_pd._http.auth import is_loopback, leads_to_this_machine

_MARGIN = 30.0
"""Seconds of life that a URL must have left; a transfer that has started runs to its end."""
_MAX_LIFE = 604_800
_BLANK = re.compile(r"[\x00-\x20\x7f-\xa0\u2028\u2029]+")
_STAMP = re.compile(r"\d{8}T\d{6}Z", re.ASCII)


class SignedUrl:
    """A signed URL, cleaned, checked and its expiry read once; only the wire sees its text.

    Blanks, which Asana's own examples contain, and the fragment are dropped: a blank that
    belongs to a URL is percent-encoded.

    Attributes
    ----------
    problem : str or None
        Why nothing may be fetched from it, wherever Asana is.
    is_local : bool
        Whether it may lead to this machine.
    expires_at : float or None
        When it expires, in seconds since 1970; None when it does not say.
    """

    __slots__ = ("_text", "expires_at", "is_local", "problem")

    def __init__(self, text: str) -> None:
        self._text = _BLANK.sub("", text).partition("#")[0]
        parts = _split(self._text)
        self.is_local = leads_to_this_machine(self._text)
        self.problem = _problem(parts, is_loopback(self._text))
        self.expires_at = None if parts is None else _expiry(parts.query)

    def __repr__(self) -> str:
        return "<SignedUrl …>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("A signed URL is a credential and is never pickled.")

    def reveal(self) -> str:
        """Return the text, for a request."""
        return self._text

    def redirect(self, location: str) -> SignedUrl:
        """Return where a ``Location`` header leads from here."""
        try:
            return SignedUrl(urljoin(self._text, location))
        except ValueError:
            return SignedUrl("")

    def is_stale(self, now: float, renewed_at: float | None = None) -> bool:
        """Tell whether another is to be asked for before it is used.

        One that was just renewed never is, however short its life and whatever our clock says:
        a URL that has to live longer than it can would be renewed for ever.
        """
        if self.expires_at is None:
            return False
        left = self.expires_at - now
        if renewed_at is None:
            return left < _MARGIN
        life = self.expires_at - renewed_at
        return life > 0 and left < min(_MARGIN, life / 2)


def _split(text: str) -> SplitResult | None:
    try:
        parts = urlsplit(text)
        _ = parts.port  # a bad port is found out only when asked for
    except ValueError:
        return None
    return parts


def _problem(parts: SplitResult | None, loopback: bool) -> str | None:
    if parts is None:
        return "it is not a URL"
    if not parts.hostname or not parts.hostname.isascii():
        return "it names no server"
    if "@" in parts.netloc:
        return "it contains a user name"
    if parts.scheme != "https" and not (loopback and parts.scheme == "http"):
        return "it is not https"
    return None


def _expiry(query: str) -> float | None:
    fields = dict(parse_qsl(query))
    stamp, life = fields.get("X-Amz-Date", ""), fields.get("X-Amz-Expires", "")
    if not (_STAMP.fullmatch(stamp) and re.fullmatch(r"\d{1,6}", life, re.ASCII)):
        return None
    if not 0 < int(life) <= _MAX_LIFE:
        return None
    try:
        signed = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None
    return signed.timestamp() + int(life)
