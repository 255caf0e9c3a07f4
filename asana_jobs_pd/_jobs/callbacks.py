"""Who wants to hear of changes; a listener that fails harms nobody."""

from __future__ import annotations

import contextlib
import logging
import threading
import types
import weakref
from collections.abc import Callable
from typing import Any, TypeAlias

from asana_jobs_pd._api.redact import clean

__all__ = ["Callbacks"]

log = logging.getLogger("asana_jobs_pd")

_Reference: TypeAlias = Callable[[], Callable[..., object] | None]


class Callbacks:
    """Callbacks, called in the order in which they came.

    Methods of objects are held weakly: a listener that is gone is not kept alive by what it
    listened to.

    Parameters
    ----------
    what
        What they are called, in messages.
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._lock = threading.Lock()
        self._references: list[_Reference] = []

    def __bool__(self) -> bool:
        return bool(self._references)

    def add(self, callback: Callable[..., object]) -> Callable[[], None]:
        """Add a callback; call what is returned to take it away again."""
        if not callable(callback):
            raise TypeError(f"{self._what}: {callback!r} cannot be called.")
        reference: _Reference
        if isinstance(callback, types.MethodType):
            reference = weakref.WeakMethod(callback)
        else:

            def reference() -> Callable[..., object]:
                return callback

        with self._lock:
            self._references.append(reference)
        return lambda: self._remove(reference)

    def call(self, *arguments: Any) -> str | None:
        """Call them all; return in words what the last one that failed raised."""
        failure = None
        for reference in tuple(self._references):
            callback = reference()
            if callback is None:
                self._remove(reference)
                continue
            try:
                callback(*arguments)
            except Exception as error:
                name = getattr(callback, "__qualname__", type(callback).__name__)
                failure = f"{self._what}: {name} raised {type(error).__name__}: {clean(str(error))}"
                log.exception("%s; the watching goes on", failure)
        return failure

    def _remove(self, reference: _Reference) -> None:
        with self._lock, contextlib.suppress(ValueError):
            self._references.remove(reference)
