"""Hide tokens and signatures in any text that a person may get to see."""

from __future__ import annotations

import logging
import re

__all__ = ["clean", "hide_query", "mask_logs", "redact"]

_TOKENS = re.compile(
    r"(?i:\b(bearer|basic)[ \t]+)[^\s'\",;<>]+"  # an Authorization header's value
    r"|\b[012]/\d+(?:/\d+)?:[0-9a-fA-F]{32}\b"  # a personal access token
)
_URL = re.compile(r"(?P<bare>(?:https?://|/)[^\s?'\"<>]*)\?[^\s'\"<>]*", re.IGNORECASE)
_USERINFO = re.compile(r"(?<=://)[^/\s@]+@")
_SIGNED = re.compile(
    r"(?i)\b(X-Amz-[\w-]+|Signature|AWSAccessKeyId|Key-Pair-Id|Policy)=[^\s&'\"<>]+"
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")


def redact(text: str, *secrets: str) -> str:
    """Return `text` without tokens, signatures, URL queries and the given secrets."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, "…")
    text = _TOKENS.sub(lambda match: f"{match[1]} …" if match[1] else "…", text)
    text = _USERINFO.sub("…@", text)
    text = _URL.sub(r"\g<bare>?…", text)
    return _SIGNED.sub(r"\1=…", text)


def hide_query(url: str) -> str:
    """Return a signed URL as it may be shown: without its query, which is the credential."""
    bare, mark, _ = url.partition("?")
    return _USERINFO.sub("…@", bare.partition("#")[0]) + ("?…" if mark else "")


def clean(text: str, *secrets: str, limit: int = 300) -> str:
    """Return foreign text as one redacted line of at most `limit` characters."""
    line = _CONTROL.sub(" ", redact(text, *secrets)).strip()
    return line if len(line) <= limit else line[: limit - 1] + "…"


class _QueryFilter(logging.Filter):
    """Masks what urllib3 logs of requests: their paths carry signatures."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = redact(record.getMessage()), None
        return True


_FILTER = _QueryFilter()


def mask_logs() -> None:
    """Mask the queries of URLs in urllib3's logs, from now on."""
    for name in ("urllib3.connectionpool", "urllib3.util.retry"):
        logging.getLogger(name).addFilter(_FILTER)
