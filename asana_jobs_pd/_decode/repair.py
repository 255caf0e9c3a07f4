"""Lines that are not quite JSON, or hold what a column cannot, made fit.

`NaN`, `Infinity` and numbers out of range become null; what is nested too deeply becomes a text,
so that it does not depend on the interpreter whether it loads; keys with quotes, backslashes or
control characters, which msgspec cannot name, are spelled with private characters.
"""

from __future__ import annotations

import json
import math
import re
from contextlib import suppress
from typing import TypeAlias

from asana_jobs_pd._decode.scan_result import abbreviate

__all__ = ["needs_repair", "repaired", "spelled", "unspelled"]

MAX_NESTING = 200
_OUT_OF_RANGE = "not a number that JSON or a column can hold"
_MAX_DIGITS = 4000
"""Python refuses to convert whole numbers of more than 4,300."""
_TOKEN = re.compile(
    rb'"[^"\\]*(?:\\.[^"\\]*)*(?:"(\s*:)?|\\?\Z)|[\]\[{}]|-?(?:NaN|Infinity)|-?[0-9][0-9.eE+-]*',
    re.DOTALL,
)
_ESCAPED_KEY = re.compile(rb'\\.[^"\\]{0,500}"\s*:', re.DOTALL)
_SPELLINGS = {code: 0xE000 + code for code in (*range(0x20), ord('"'), ord("\\"))}
_CHARACTERS = {private: code for code, private in _SPELLINGS.items()}

Misfits: TypeAlias = list[tuple[str, str, str]]


def spelled(key: str) -> str:
    """Return a key in characters that the name of a field may have."""
    return key.translate(_SPELLINGS)


def unspelled(key: str) -> str:
    """Return the key that was spelled so."""
    return key.translate(_CHARACTERS)


def needs_repair(text: bytes) -> bool:
    """Whether valid JSON may have keys that need another spelling, or be nested too deeply."""
    if text[:1] not in (b"{", b"["):
        return False
    if text.count(b"{") + text.count(b"[") > MAX_NESTING:
        return True
    return b"\\" in text and _ESCAPED_KEY.search(text) is not None


def repaired(text: bytes, column: str | None = None) -> tuple[bytes, Misfits]:
    """Return a row, or the value of a column, made fit; column, value and reason of each loss."""
    scan = _Scan(text, column)
    for match in _TOKEN.finditer(text):
        scan.token(match)
    parts: list[bytes] = []
    misfits: Misfits = []
    end = 0
    for start, stop, replacement, name in scan.edits:
        parts += text[end:start], replacement
        end = stop
        if replacement == b"null":
            misfits.append((name, abbreviate(text[start:stop]), _OUT_OF_RANGE))
    return b"".join([*parts, text[end:]]), misfits


class _Scan:
    """Walks over the tokens of a text and notes what to replace, by what, in which column."""

    def __init__(self, text: bytes, column: str | None) -> None:
        self.edits: list[tuple[int, int, bytes, str]] = []
        self._text = text
        self._column = column or ""
        self._level = 1 if column is None else 0
        """The depth at which the values of columns stand."""
        self._depth = self._deepest = self._start = 0

    def token(self, match: re.Match[bytes]) -> None:
        """Look at the next token."""
        first = match[0][:1]
        if first in b"{[":
            if self._depth == self._level:
                self._start, self._deepest = match.start(), 0
            self._depth += 1
            self._deepest = max(self._deepest, self._depth)
        elif first in b"}]":
            self._depth -= 1
            if self._depth == self._level and self._deepest > MAX_NESTING:
                self._flatten(match.end())
        elif first != b'"':
            if not _in_range(match[0]):
                self.edits.append((*match.span(), b"null", self._column))
        elif match[1] is not None:
            self._key(match)

    def _flatten(self, end: int) -> None:
        """Replace a value that is nested too deeply by its text."""
        text = self._text[self._start : end].decode("utf-8", "replace")
        self.edits = [edit for edit in self.edits if edit[0] < self._start]
        self.edits.append((self._start, end, json.dumps(text).encode(), self._column))

    def _key(self, match: re.Match[bytes]) -> None:
        end = match.start(1)
        is_column = self._depth == self._level == 1
        literal = self._text[match.start() : end]
        if not is_column and b"\\" not in literal:
            return
        try:
            key = json.loads(literal)
        except ValueError:
            return
        if is_column:
            self._column = key
        if key != spelled(key):
            replacement = json.dumps(spelled(key)).encode()
            self.edits.append((match.start(), end, replacement, self._column))


def _in_range(number: bytes) -> bool:
    if number[-1:] in b"Ny":
        return False
    with suppress(ValueError):
        return math.isfinite(float(number)) and (
            len(number) <= _MAX_DIGITS or not number.strip(b"-").isdigit()
        )
    return True  # not a number at all: whoever decodes it says so
