"""A mapping of types of row to frames, with completion and HTML for notebooks."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import TypeVar

F = TypeVar("F")


class ByType(Mapping[str, F]):
    """A mapping of `resource_type` to frames."""

    _absent = "is not in this export"

    def __init__(self, frames: dict[str, F]) -> None:
        self._frames = frames

    def __getitem__(self, resource_type: str) -> F:
        frame = self._frames.get(resource_type)
        if frame is None:
            frame = self._without_rows(resource_type)
        if frame is None:
            available = ", ".join(map(repr, self._frames)) or "nothing"
            raise KeyError(f"{resource_type!r} {self._absent}; there is {available}")
        return frame

    def __contains__(self, resource_type: object) -> bool:
        return resource_type in self._frames

    def __iter__(self) -> Iterator[str]:
        return iter(self._frames)

    def __len__(self) -> int:
        return len(self._frames)

    def __getattr__(self, name: str) -> F:
        if not name.startswith("_"):
            with contextlib.suppress(KeyError):
                return self[name]
        raise AttributeError(f"{type(self).__name__!r} has no attribute {name!r}")

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *(name for name in self._frames if name.isidentifier())]

    def _ipython_key_completions_(self) -> list[str]:
        return list(self._frames)

    def _without_rows(self, resource_type: str) -> F | None:  # noqa: ARG002  for subclasses
        """Return the frame of a type that is known but has no rows."""
        return None
