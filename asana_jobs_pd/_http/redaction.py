"""Hide tokens and signatures in any text that a person may get to see."""

from __future__ import annotations

import html
import logging
import re
from urllib.parse import quote

__all__ = ["LONGEST", "SUSPECT", "clean", "hide_query", "mask_logs", "may_hold_secret", "redact"]

LONGEST = 4000
"""Characters of a foreign text that are looked at; expressions take long for millions."""

_SLASH = r"(?:/|\\/|%2[fF])"
_TOKENS = re.compile(
    r"(?i:\b(bearer|basic)[ \t]+)\S+"  # an Authorization header's value
    rf"|[012]{_SLASH}(?:\d+(?:{_SLASH}\d+)?(?::|%3[aA]))?[0-9a-fA-F]{{32}}"  # a personal token
)
_URL = re.compile(r"(?P<bare>(?:https?://|/)[^\s?'\"<>]*)\?[^\s'\"<>]*", re.IGNORECASE)
_USERINFO = re.compile(r"(?<=://)[^/\s?#]+@")
_SIGNED = re.compile(
    r"(?i)(X-Amz-[\w-]+|Signature|AWSAccessKeyId|Key-Pair-Id|Policy)(=|%3[dD])[^\s&'\"<>]+"
)
SUSPECT = (
    "(?i:X-Amz-|Signature|AWSAccessKeyId|Key-Pair-Id|Policy|(?:bearer|basic)[ \t]|[0-9a-f]{32})"
)
"""Found in all texts that hold a signature or a token, and quickly; in some others too."""
_CONTROL = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u2028\u2029"  # what ends or moves a line
    r"\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff"  # what turns the direction of writing
    r"\ud800-\udfff]+"  # what cannot be printed
)


def redact(text: str, *secrets: str) -> str:
    """Return `text` without tokens, signatures, URL queries and the given secrets."""
    for secret in filter(None, secrets):
        for spelling in _spellings(secret):
            text = text.replace(spelling, "…")
    text = _TOKENS.sub(lambda match: f"{match[1]} …" if match[1] else "…", text)
    text = _USERINFO.sub("…@", text)
    text = _URL.sub(r"\g<bare>?…", text)
    return _SIGNED.sub(r"\1\2…", text)


def may_hold_secret(text: str) -> bool:
    """Tell whether a text has a token in it, or a URL that its signature makes a credential."""
    return _SIGNED.search(text) is not None or _TOKENS.search(text) is not None


def _spellings(secret: str) -> tuple[str, ...]:
    """Return a secret as it is, and as JSON, a URL and a web page spell it."""
    quoted = secret.replace("\\", r"\\").replace('"', r"\"")
    escaped = quoted.replace("/", r"\/")
    return (secret, quoted, escaped, quote(secret, safe=""), html.escape(secret))


def hide_query(url: str) -> str:
    """Return a signed URL as it may be shown: without its query, which is the credential."""
    bare, mark, _ = url.partition("?")
    return _USERINFO.sub("…@", bare.partition("#")[0]) + ("?…" if mark else "")


def clean(text: str, *secrets: str, limit: int = 300) -> str:
    """Return foreign text as one redacted line of at most `limit` characters."""
    shown = redact(text[:LONGEST], *secrets)
    if len(text) > LONGEST:  # a secret that was cut in two is not recognized: its half goes too
        shown = shown[: -max([100, *(6 * len(secret) for secret in secrets)])] + "…"
    line = _CONTROL.sub(" ", shown).strip()
    return line if len(line) <= limit else line[: limit - 1] + "…"


class _QueryFilter(logging.Filter):
    """Masks what urllib3 logs of requests: their paths carry signatures."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = redact(record.getMessage()), None
        return True


_FILTER = _QueryFilter()


def mask_logs() -> None:
    """Mask the queries of URLs in urllib3's logs, from now on."""
    for name in ("urllib3.connection", "urllib3.connectionpool", "urllib3.util.retry"):
        logging.getLogger(name).addFilter(_FILTER)
