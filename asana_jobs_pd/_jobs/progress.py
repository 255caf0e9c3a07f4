"""A progress bar for what lasts."""

from __future__ import annotations

import os
import sys
import time
from types import TracebackType
from typing import Any, Self

from asana_jobs_pd.errors import InvalidOptionError

__all__ = ["Progress"]

PATIENCE = 1.0
"""Seconds without a bar."""


class Progress:
    """A tqdm bar that shows up after a second; as a context manager it closes itself.

    Parameters
    ----------
    total
        How many there are.
    what
        Stands before the bar.
    shown
        True shows it at once, False never; None after a second, unless
        ``ASANA_JOBS_PROGRESS=0`` says no, or standard error is neither a terminal nor a notebook.
    unit
        What is counted; ``"B"`` for bytes, which are shown in kB, MB, …
    """

    def __init__(self, total: int, what: str, shown: bool | None, unit: str = "job") -> None:
        if shown is not None and not isinstance(shown, bool):
            raise InvalidOptionError(f"progress={shown!r}: give True, False or None.")
        self._total = total
        self._what = what
        self._unit = unit
        self._off = not _wanted(shown)
        self._disable = None if shown is None else False
        self._began = time.monotonic()
        self._patience = 0.0 if shown else PATIENCE
        self._bar: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def tick(self, done: int) -> None:
        """Show that so many are done."""
        elapsed = time.monotonic() - self._began
        if self._off or (self._bar is None and elapsed < self._patience):
            return
        if self._bar is None:
            self._bar = self._make(elapsed)
        self._bar.n = done
        self._bar.refresh()

    def _make(self, elapsed: float) -> Any:
        from tqdm.auto import tqdm  # noqa: PLC0415  only now is it worth its import

        bar = tqdm(
            total=self._total,
            desc=self._what,
            unit=self._unit,
            unit_scale=self._unit == "B",
            disable=self._disable,
            file=sys.stderr,
        )
        if not bar.disable:
            bar.start_t -= elapsed
        return bar


def _wanted(shown: bool | None) -> bool:
    if shown is not None:
        return shown
    return os.environ.get("ASANA_JOBS_PROGRESS", "1").lower() not in ("0", "false", "no", "off")
