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
        How many there are; None where that shows only later.
    what
        Stands before the bar.
    shown
        True shows it at once, False never; None after a second, unless
        ``ASANA_JOBS_PROGRESS=0`` says no, or standard error is neither a terminal nor a notebook.
    unit, options
        Of tqdm; of the unit ``"B"`` kB, MB, … are shown.
    """

    def __init__(
        self, total: int | None, what: str, shown: bool | None, unit: str = "job", **options: Any
    ) -> None:
        if shown is not None and not isinstance(shown, bool):
            raise InvalidOptionError(f"progress={shown!r}: give True, False or None.")
        self._total = total
        self._what = what
        self._options = {"unit": unit, "unit_scale": unit == "B", **options}
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

    def say(self, what: str) -> None:
        """Change what stands before the bar."""
        self._what = what
        if self._bar is not None:
            self._bar.set_description(what, refresh=False)

    def tick(self, done: int, total: int | None = None) -> None:
        """Show that so many are done, of so many if that is known by now."""
        self._total = self._total if total is None else total
        elapsed = time.monotonic() - self._began
        if self._off or (self._bar is None and elapsed < self._patience):
            return
        if self._bar is None:
            self._bar = self._make(elapsed)
        self._bar.total = self._total
        self._bar.n = done
        self._bar.refresh()

    def _make(self, elapsed: float) -> Any:
        from tqdm.auto import tqdm  # noqa: PLC0415  only now is it worth its import

        bar = tqdm(
            total=self._total,
            desc=self._what,
            disable=self._disable,
            file=sys.stderr,
            **self._options,
        )
        if not bar.disable:
            bar.start_t -= elapsed
        return bar


def _wanted(shown: bool | None) -> bool:
    if shown is not None:
        return shown
    return os.environ.get("ASANA_JOBS_PROGRESS", "1").lower() not in ("0", "false", "no", "off")
