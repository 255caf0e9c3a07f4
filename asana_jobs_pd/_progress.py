"""The progress of a call: a bar if it takes longer than a second, or the user's own callable."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from typing import Any, Self

from asana_jobs_pd.errors import InvalidOptionError, warn_user
from asana_jobs_pd.typing import ProgressCallback

DELAY = 1.0
"""Seconds before the bar appears."""


def check_progress(progress: object) -> None:
    """Raise unless an option is True, False, None or a callable."""
    if not (progress is None or isinstance(progress, bool) or callable(progress)):
        raise InvalidOptionError(
            f"progress={progress!r}: give True, False, None, or a callable(done, total, what)."
        )


class Progress:
    """A tqdm bar that appears after a second, or calls to a callable; a context manager."""

    def __init__(
        self,
        total: int | None,
        label: str,
        shown: bool | ProgressCallback | None,
        unit: str = "job",
        **options: Any,
    ) -> None:
        check_progress(shown)
        self._callback = shown if callable(shown) else None
        self._reported: tuple[object, ...] = ()
        self._total = total
        self._label = label
        self._options = {"unit": unit, "unit_scale": unit == "B", **options}
        self._off = not shown if isinstance(shown, bool) else self._callback is None and _is_off()
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
        if self._callback is not None:
            self._call(self._callback, done)
            return
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

    def _call(self, callback: ProgressCallback, done: int) -> None:
        progress = (int(done), None if self._total is None else int(self._total), self._label)
        if self._off or progress == self._reported:
            return
        self._reported = progress
        try:
            callback(*progress)
        except Exception as error:  # noqa: BLE001  the user's code must not cost the results
            self._off = True
            with contextlib.suppress(UserWarning):
                name = type(error).__name__
                text = f"progress= raised {name}: {error}. It will not be called again."
                warn_user(text, UserWarning)

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


def _is_off() -> bool:
    return os.environ.get("ASANA_JOBS_PROGRESS", "1").lower() in ("0", "false", "no", "off")
