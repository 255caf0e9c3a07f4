"""Lines on a terminal that are drawn again in their place."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from types import TracebackType
from typing import NamedTuple, Self, TextIO

__all__ = ["Live", "Size", "can_redraw"]

_BEGIN = "\x1b[?25l\x1b[?7l"  # no cursor; what is too long is cut, not wrapped
_END = "\x1b[?7h\x1b[?25h"
_REST_OF_LINE, _REST_OF_SCREEN = "\x1b[K", "\x1b[J"


class Size(NamedTuple):
    """Of a terminal, in characters."""

    columns: int
    lines: int


def can_redraw(stream: TextIO) -> bool:
    """Tell whether a stream is a terminal on which the cursor can be moved."""
    modern = os.name != "nt" or bool({"WT_SESSION", "ANSICON", "TERM"} & set(os.environ))
    return stream.isatty() and modern and os.environ.get("TERM") != "dumb"


class Live:
    """A block of lines at the end of a terminal; as a context manager it gives the cursor back.

    Parameters
    ----------
    stream
        The terminal; None for standard output.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self._drawn: list[int] = []

    def __enter__(self) -> Self:
        self._put(_BEGIN)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._put(_END)

    @property
    def size(self) -> Size:
        """How large the terminal is now."""
        try:
            columns, lines = os.get_terminal_size(self._stream.fileno())
        except (OSError, ValueError):
            columns = lines = 0
        return Size(columns or 80, lines or 24)  # some terminals do not know

    def draw(self, lines: Sequence[str]) -> None:
        """Put lines in the place of those that were drawn last, as many as there is room for."""
        shown = lines[: max(1, self.size.lines - 1)]
        text = self._back() + "".join(f"{line}{_REST_OF_LINE}\n" for line in shown)
        self._drawn = [len(line) for line in shown]
        self._put(text + _REST_OF_SCREEN)

    def leave(self, lines: Sequence[str]) -> None:
        """Put all lines there, however many, to stay."""
        text = self._back() + _REST_OF_SCREEN + "".join(f"{line}\n" for line in lines)
        self._drawn = []
        self._put(text)

    def _back(self) -> str:
        """Return what moves the cursor to the first line.

        Where the terminal has become narrower, lines that were drawn before take more than one.
        """
        columns, most = self.size
        rows = sum(max(1, -(-length // columns)) for length in self._drawn)
        return f"\r\x1b[{min(rows, most - 1)}A" if rows else "\r"

    def _put(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()
