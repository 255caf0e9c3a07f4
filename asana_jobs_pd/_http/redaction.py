"""Hide tokens and signatures in any text that a person may see."""

from __future__ import annotations

import html
import logging
import re
import threading
from typing import Generic, NoReturn, SupportsIndex, TypeVar
from urllib.parse import quote

from asana_jobs_pd.errors import TokenError

T = TypeVar("T")

MAX_TEXT = 4000
"""The most characters of a text from outside that are considered."""

# Every expression here takes linear time: repeats are possessive or bounded.
_SLASH = r"(?:/|\\/|%2[fF])"
_WORD = (  # as in "The bearer token has expired": not a credential
    r"['\"(\[“]?+(?:\d{1,4}|(?:[a-z]{1,20}|[A-Z][a-z]{0,19}|[A-Z]{1,20}s?)"
    r"(?:[/'\u2019-](?:[a-z]{1,20}|[A-Z]{1,20}s?)){0,3}+)[.,;:!?)\]'\"”…]{0,3}+(?!\S)"
)
_TOKENS = re.compile(
    r"(?P<header>(?i:\bauthorization['\"]?[ \t]*+[:=][ \t]*+['\"]?(?:bearer|basic)))[ \t]++\S+"
    rf"|(?P<scheme>(?i:\b(?:bearer|basic)))[ \t]++(?!{_WORD})\S+"
    rf"|[012]{_SLASH}(?:\d++(?:{_SLASH}\d++)?+(?::|%3[aA]))?[0-9a-fA-F]{{32}}"  # a personal token
)
_CHUNK = re.compile(r"[^\s'\"<>]+")
_USERINFO = re.compile(r"(?<=://)[^/\s?#]+@")
_SIGNED = re.compile(
    r"(?i)(X-Amz-[\w-]{1,64}+|Signature|AWSAccessKeyId|Key-Pair-Id|Policy)(=|%3[dD])[^\s&'\"<>]+"
)
SUSPECT = (
    "(?i:X-Amz-|Signature|AWSAccessKeyId|Key-Pair-Id|Policy|(?:bearer|basic)[ \t]|[0-9a-f]{32})"
)
"""A fast first check: matches all texts with a signature or a token, and some others."""
_CONTROL = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u2028\u2029"  # what ends or moves a line
    r"\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff"  # what changes the direction of text
    r"\ud800-\udfff\ufffe\uffff]+"  # what cannot be printed, or be in XML
)


class Secret(str):
    """A string whose repr shows nothing, since tracebacks and logs show locals by their repr."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'…'"

    def __getitem__(self, key: SupportsIndex | slice) -> str:
        return Secret(super().__getitem__(key))  # some debuggers shorten a string, then show it

    def __reduce__(self) -> NoReturn:
        raise TokenError("A token is never pickled; the other process finds its own.")


class Hidden(Generic[T]):
    """A value that is shown in no repr and no traceback with locals.

    A method reveals it, not an attribute: IPython evaluates the attributes it finds in the
    lines of a traceback.
    """

    __slots__ = ("_value",)

    def __init__(self, value: T) -> None:
        self._value = value

    def __repr__(self) -> str:
        return "<hidden>"

    def __reduce__(self) -> NoReturn:
        raise TokenError("What may hold a password is never pickled.")

    def reveal(self) -> T:
        return self._value


def redact(text: str, *secrets: str) -> str:
    """Return `text` without tokens, signatures, URL queries and the given secrets."""
    for secret in filter(None, secrets):
        for spelling in _spellings(secret):
            text = text.replace(spelling, "…")
    text = _TOKENS.sub(_mask_token, text)
    text = _USERINFO.sub("…@", text)
    if "?" in text:
        text = _CHUNK.sub(_mask_query, text)
    return _SIGNED.sub(r"\1\2…", text)


def may_hold_secret(text: str) -> bool:
    """Return whether a text may contain a token or a signed URL."""
    return _SIGNED.search(text) is not None or _TOKENS.search(text) is not None


def _mask_token(match: re.Match[str]) -> str:
    prefix = match["header"] or match["scheme"]
    return f"{prefix} …" if prefix else "…"


def _mask_query(match: re.Match[str]) -> str:
    chunk = match[0]
    slash = chunk.find("/")
    mark = chunk.find("?", slash)
    return chunk if slash < 0 or mark < 0 else f"{chunk[:mark]}?…"


def _spellings(secret: str) -> tuple[str, ...]:
    """Return a secret as it may appear: as it is, in JSON, in a URL and in HTML."""
    quoted = Secret(secret.replace("\\", r"\\").replace('"', r"\""))
    escaped = Secret(quoted.replace("/", r"\/"))
    return secret, quoted, escaped, Secret(quote(secret, safe="")), Secret(html.escape(secret))


def hide_query(url: str) -> str:
    """Return a signed URL that may be shown: without its query, which is the credential."""
    bare, mark, _ = url.partition("?")
    return _USERINFO.sub("…@", bare.partition("#")[0]) + ("?…" if mark else "")


def clean(text: str, *secrets: str, limit: int = 300) -> str:
    """Return a text from outside as one redacted line of at most `limit` characters."""
    shown = redact(text[:MAX_TEXT], *secrets)
    if (
        len(text) > MAX_TEXT
    ):  # a secret that was cut in two is not recognized: drop its first half, too
        shown = shown[: -max([100, *(6 * len(secret) for secret in secrets)])] + "…"
    line = _CONTROL.sub(" ", shown).strip()
    return line if len(line) <= limit else line[: limit - 1] + "…"


class _OwnRequest(threading.local):
    active = False


own_request = _OwnRequest()
"""Whether this thread is sending one of our requests; other log records are left alone."""


class _QueryFilter(logging.Filter):
    """Masks the queries in urllib3's records about our requests: they carry signatures."""

    def filter(self, record: logging.LogRecord) -> bool:
        if own_request.active:
            record.msg, record.args = redact(record.getMessage()), None
        return True


_FILTER = _QueryFilter()


def mask_logs() -> None:
    """Mask the queries of our own requests in urllib3's logs, from now on."""
    for name in ("urllib3.connection", "urllib3.connectionpool", "urllib3.util.retry"):
        logging.getLogger(name).addFilter(_FILTER)
