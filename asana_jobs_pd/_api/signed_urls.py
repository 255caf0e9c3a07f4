"""Signed URLs: where they may lead, and how long they are good. Pure.

Source: https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlsplit

from asana_jobs_pd._api.base_url import is_loopback

__all__ = ["MARGIN", "expiry", "is_stale", "refusal", "tidy"]

MARGIN = 30.0
"""Seconds of life that a URL must have left; a transfer that has started runs to its end."""

_LONGEST = 604_800
_BLANK = re.compile(r"[\x00-\x20\x7f-\xa0\u2028\u2029]+")
_STAMP = re.compile(r"\d{8}T\d{6}Z", re.ASCII)


def tidy(url: str) -> str:
    """Return a URL without the blanks that Asana's own examples have in it, and its fragment.

    A blank that belongs to a URL is percent-encoded.
    """
    return _BLANK.sub("", url).partition("#")[0]


def refusal(url: str, *, loopback: bool) -> str | None:
    """Return why nothing is fetched from a URL, or None when it may be.

    Parameters
    ----------
    url
        As `tidy` returns it.
    loopback
        Whether this machine may be asked too, over http: when Asana itself is there.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname
        _ = parts.port  # a bad port is found out only when asked for
    except ValueError:
        return "it is not a URL"
    if not host or not host.isascii():
        return "it names no server"
    if "@" in parts.netloc:
        return "it names a user"
    local = is_loopback(url)
    if local and not loopback:
        return "it leads to this machine"
    if parts.scheme != "https" and not (local and parts.scheme == "http"):
        return "it is not https"
    return None


def expiry(url: str) -> float | None:
    """Return when a signed URL ends, in seconds since 1970; None when it does not say."""
    try:
        query = dict(parse_qsl(urlsplit(tidy(url)).query))
    except ValueError:
        return None
    stamp, life = query.get("X-Amz-Date", ""), query.get("X-Amz-Expires", "")
    if not (_STAMP.fullmatch(stamp) and re.fullmatch(r"\d{1,6}", life, re.ASCII)):
        return None
    if not 0 < int(life) <= _LONGEST:
        return None
    try:
        signed = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None
    return signed.timestamp() + int(life)


def is_stale(ends_at: float | None, now: float, renewed_at: float | None = None) -> bool:
    """Tell whether a URL is to be renewed before it is used.

    One that was just renewed never is, however short its life and whatever our clock says: a
    URL that has to live longer than it can would be renewed for ever.

    Parameters
    ----------
    ends_at
        What `expiry` returned; of a URL that does not say, the server's answer tells.
    now
        Seconds since 1970.
    renewed_at
        When we got it from Asana; None for one that came with the frame.
    """
    if ends_at is None:
        return False
    left = ends_at - now
    if renewed_at is None:
        return left < MARGIN
    life = ends_at - renewed_at
    return life > 0 and left < min(MARGIN, life / 2)
