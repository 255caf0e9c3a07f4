"""Frames by type of row, which say what there is when one is not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeVar

__all__ = ["ByType"]

F = TypeVar("F")


class ByType(Mapping[str, F]):
    """A mapping of `resource_type` to frames.

    Parameters
    ----------
    frames
        What it holds.
    """

    _absent = "is not in this export"

    def __init__(self, frames: dict[str, F]) -> None:
        self._frames = frames

    def __getitem__(self, resource_type: str) -> F:
        try:
            return self._frames[resource_type]
        except KeyError:
            there = ", ".join(map(repr, self._frames)) or "nothing"
        raise KeyError(f"{resource_type!r} {self._absent}; there is {there}")

    def __iter__(self) -> Iterator[str]:
        return iter(self._frames)

    def __len__(self) -> int:
        return len(self._frames)
