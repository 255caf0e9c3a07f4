"""A progress bar for calls that take longer than a second."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from typing import Any, Self

from asana_jobs_pd._options import check_flag

DELAY = 1.0
"""Seconds before the bar appears."""


class Progress:
    """A tqdm bar that appears after a second; a context manager."""

    def __init__(
        self, total: int | None, label: str, shown: bool | None, unit: str = "job", **options: Any
    ) -> None:
        check_flag("progress", shown, optional=True)
        self._total = total
        self._label = label
        self._options = {"unit": unit, "unit_scale": unit == "B", **options}
        self._off = not _wanted(shown)
        self._disable = None if shown is None else False
        self._started = time.monotonic()
        self._delay = 0.0 if shown else DELAY
        self._bar: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            with contextlib.suppress(Exception):
                self._bar.close()

    def set_label(self, label: str) -> None:
        """Change the text before the bar."""
        self._label = label
        if self._bar is not None:
            with contextlib.suppress(Exception):
                self._bar.set_description(label, refresh=False)

    def tick(self, done: int, total: int | None = None) -> None:
        """Show how many items are done."""
        self._total = self._total if total is None else total
        elapsed = time.monotonic() - self._started
        if self._off or (self._bar is None and elapsed < self._delay):
            return
        try:
            if self._bar is None:
                self._bar = self._make(elapsed)
            self._bar.total = self._total
            self._bar.n = done
            self._bar.refresh()
        except Exception:  # noqa: BLE001  a closed standard error must not cost the results
            self._off = True

    def _make(self, elapsed: float) -> Any:
        from tqdm.auto import tqdm  # noqa: PLC0415  slow to import

        class Bar(tqdm):  # type: ignore[type-arg]
            monitor_interval = 0  # no thread that outlives the bar: every tick is drawn anyway

        bar = Bar(
            total=self._total,
            desc=self._label,
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
