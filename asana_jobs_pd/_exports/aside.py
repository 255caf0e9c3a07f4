"""Work in a thread of its own, one piece after another, while the next one is made ready."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, Self, TypeAlias

__all__ = ["Aside"]

_Work: TypeAlias = tuple[Callable[..., object], tuple[Any, ...]]


class Aside:
    """Runs calls in their order; as a context manager it waits for the last one.

    One call is under way at a time, and the next one is taken when it is done: of what calls work
    on, no more than two are in memory. What a call raises is raised by the next `do`, or when the
    block is left.
    """

    def __init__(self) -> None:
        self._work: SimpleQueue[_Work | None] = SimpleQueue()
        self._idle = threading.Semaphore()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="asana-aside", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._work.put(None)
        self._thread.join()
        if kind is None:
            self._check()

    def do(self, call: Callable[..., object], *arguments: Any) -> None:
        """Run a call when the one before is done; waits for that."""
        self._idle.acquire()
        self._check()
        self._work.put((call, arguments))

    def _check(self) -> None:
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            call, arguments = work
            try:
                call(*arguments)
            except BaseException as error:  # noqa: BLE001  raised where it is waited for
                self._error = error
            del work, call, arguments
            self._idle.release()
