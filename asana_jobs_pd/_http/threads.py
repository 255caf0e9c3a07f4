"""Daemon threads that never delay an interrupt: one call on many items, signals and clocks."""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, Protocol, TypeAlias, TypeVar

from asana_jobs_pd._http.rate_limit import Cancelled
from asana_jobs_pd.errors import NoThreadsError

T = TypeVar("T")
R = TypeVar("R")
Signals: TypeAlias = "queue.SimpleQueue[str | None]"
"""Wakes a thread; the only way to do so that is safe during garbage collection."""


class Clock(Protocol):
    """The current time; tests pass their own clock."""

    def now(self) -> float:
        """Return seconds that never go back."""

    def wait(self, signals: Signals, seconds: float | None) -> str | None:
        """Return the next signal, or None after so many seconds."""


class RealClock:
    """The monotonic time of this machine."""

    def now(self) -> float:
        """Return seconds that never go back."""
        return time.monotonic()

    def wait(self, signals: Signals, seconds: float | None) -> str | None:
        """Return the next signal, or None after so many seconds."""
        try:
            # An hour at a time: some systems do not support longer waits.
            return signals.get(timeout=None if seconds is None else min(seconds, 3600.0))
        except queue.Empty:
            return None


def start_thread(call: Callable[..., object], name: str, *arguments: object) -> threading.Thread:
    """Start a daemon thread, for which neither an interrupt nor the end of the process waits.

    Raises NoThreadsError if the system cannot start another thread.
    """
    thread = threading.Thread(target=call, args=arguments, name=name, daemon=True)
    try:
        thread.start()
    except RuntimeError as error:
        reason = str(error)
    else:
        return thread
    raise NoThreadsError(
        f"The system cannot start another thread ({reason}). Reading, refreshing, waiting, "
        "watching, starting jobs and downloading need threads; loading files does not. Raise the "
        "limit (ulimit -u, or the container's limit of processes) or end other programs."
    )


class Batch(Generic[T, R]):
    """Calls one function on every item, in a few threads of its own.

    The threads are daemons: unlike with an executor, neither an interrupt nor the end of the
    process waits for running calls.

    `call` may raise ``Cancelled`` once `stop` is set; any other exception ends the batch and is
    kept in `failure`, so that no results are lost. `results` has one entry per item, in order;
    None if there is no result.
    """

    def __init__(
        self,
        call: Callable[[T], R],
        items: Sequence[T],
        workers: int,
        stop: threading.Event | None = None,
    ) -> None:
        self._call = call
        self._items = items
        self._todo = deque(range(len(items)))
        self._workers = min(workers, len(items))
        self._alive = 0
        self._lock = threading.Lock()
        self._over = threading.Event()
        self.failure: BaseException | None = None
        self.results: list[R | None] = [None] * len(items)
        self.stop = stop or threading.Event()

    @property
    def done(self) -> int:
        """How many items have been started."""
        return len(self._items) - len(self._todo)

    @property
    def ended(self) -> bool:
        """Whether none of its threads is running."""
        return self._over.is_set()

    def run(self, tick: Callable[[int], object] = bool, every: float = 0.1) -> None:
        """Return when all calls have ended or the batch is stopped; call `tick` at intervals."""
        try:
            self._start()
            while not self._over.wait(every):
                tick(self.done)
                if self.stop.is_set():
                    self._over.wait(every)  # a moment for responses on their way
                    break
        finally:
            self.stop.set()
        if isinstance(self.failure, KeyboardInterrupt):
            raise self.failure
        tick(self.done)

    def settle(self, seconds: float) -> None:
        """Give calls that are being stopped a few seconds to end."""
        self._over.wait(seconds)

    def _start(self) -> None:
        self._over.clear()
        for _ in range(self._workers):
            with self._lock:
                self._alive += 1
            try:
                start_thread(self._work, "asana-jobs")
            except NoThreadsError as error:  # continue with the threads that were started
                self._leave()
                if self._todo and self._over.is_set() and not self.stop.is_set():
                    self.failure = error
                return
        if not self._workers:
            self._over.set()

    def _work(self) -> None:
        try:
            while not self.stop.is_set():
                try:
                    position = self._todo.popleft()
                except IndexError:
                    return
                self.results[position] = self._call(self._items[position])
        except Cancelled:
            pass
        except BaseException as error:  # noqa: BLE001  it is raised again where it is seen
            with self._lock:
                self.failure = self.failure or error
            self.stop.set()
        finally:
            self._leave()

    def _leave(self) -> None:
        with self._lock:
            self._alive -= 1
            if not self._alive:
                self._over.set()
