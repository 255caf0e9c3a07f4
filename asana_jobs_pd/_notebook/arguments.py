"""From the text of a magic to what it means: words, and values of the user's variables. Pure."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

import pandas as pd

from asana_jobs_pd._jobs.gids import parse_gids
from asana_jobs_pd.errors import InvalidOptionError

__all__ = ["Parser", "split_words", "texts_of"]

_NAME = re.compile(r"\$([A-Za-z_]\w*)|\$\{([^{}]+)\}")
_BRACES = {"{": 1, "}": -1}


class Parser(argparse.ArgumentParser):
    """Reads a magic's line; what is off is an error of ours, and help is text."""

    def error(self, message: str) -> NoReturn:
        """Raise what is wrong, in one line."""
        raise InvalidOptionError(f"{message}. {self.prog} --help says what there is.")

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        """Never end the kernel."""
        raise InvalidOptionError(message or f"{self.prog} ended with {status}.")


def split_words(text: str, look_up: Callable[[str], object]) -> list[Any]:
    """Return the words of a line; ``{expression}`` and ``$name`` become their values.

    A word that is one of these and nothing else becomes the value itself: a list, a Series or
    a frame keeps what it is. Inside a longer word it becomes text.

    Parameters
    ----------
    text
        What the user wrote; words are separated by white space.
    look_up
        Returns the value of an expression.
    """
    words: list[Any] = []
    parts: list[Any] = []

    def end_word() -> None:
        if parts:
            words.append(parts[0] if len(parts) == 1 else "".join(map(str, parts)))
            parts.clear()

    position = 0
    while position < len(text):
        if text[position].isspace():
            end_word()
            position += 1
            continue
        value, position = _part(text, position, look_up)
        if parts and isinstance(parts[-1], str) and isinstance(value, str):
            parts[-1] += value
        else:
            parts.append(value)
    end_word()
    return words


def _part(text: str, start: int, look_up: Callable[[str], object]) -> tuple[object, int]:
    """Return what stands at a position, and where it ends: an expression, a name, a character."""
    if match := _NAME.match(text, start):
        return look_up(match[1] or match[2]), match.end()
    if text[start] != "{":
        return text[start], start + 1
    depth = 0
    for end in range(start, len(text)):
        depth += _BRACES.get(text[end], 0)
        if not depth:
            return look_up(text[start + 1 : end]), end + 1
    raise InvalidOptionError(f"{text[start:]!r} begins with a brace that is never closed.")


def texts_of(values: Iterable[object]) -> list[object]:
    """Return single values: texts are taken apart at commas, lists, Series and frames give theirs.

    Of a frame it is the gids.
    """
    singles: list[object] = []
    for value in values:
        if isinstance(value, pd.DataFrame):
            singles += parse_gids(value)
        elif isinstance(value, str):
            singles += re.split(r"[\s,]+", value.strip()) if value.strip() else []
        elif isinstance(value, Iterable):
            singles += texts_of(value)
        else:
            singles.append(value)
    return singles
