"""A bar for all files, and one for each that is on its way."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

from asana_jobs_pd._exports.files import Progress as FileProgress
from asana_jobs_pd._jobs.progress import Progress

__all__ = ["Bars"]

_BYTES: dict[str, Any] = {"unit": "B", "unit_scale": True}


class Bars:
    """Bars in bytes; as a context manager they close themselves.

    Parameters
    ----------
    shown
        As in `Progress`: True at once, False never, None after a second.
    """

    def __init__(self, shown: bool | None) -> None:
        self._shown = shown
        self._all = Progress(None, "Asana exports", shown, **_BYTES)
        self._each: dict[str, Progress] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for bar in (*self._each.values(), self._all):
            bar.__exit__(kind, error, trace)

    def tick(self, files: Sequence[FileProgress]) -> None:
        """Show how far the files are."""
        for file in files:
            self._show(file)
        ended = sum(file.state in ("done", "failed") for file in files)
        total = sum(file.total or file.done for file in files)
        self._all.say(f"Asana exports {ended}/{len(files)}")
        self._all.tick(sum(file.done for file in files), total)

    def _show(self, file: FileProgress) -> None:
        label = file.file.label
        if file.state == "running" and label not in self._each:
            self._each[label] = Progress(None, label, self._shown, leave=False, **_BYTES)
        if label in self._each:
            self._each[label].tick(file.done, file.total)
        if file.state in ("done", "failed") and label in self._each:
            self._each.pop(label).__exit__(None, None, None)
