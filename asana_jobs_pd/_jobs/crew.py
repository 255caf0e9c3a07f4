"""The threads of a monitor that ask for jobs, one each at a time."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import TypeAlias

from asana_jobs_pd._api.limits import Stopped
from asana_jobs_pd._api.redact import clean
from asana_jobs_pd._jobs.clock import Signals
from asana_jobs_pd._jobs.outcome import Outcome
from asana_jobs_pd.errors import AsanaJobsError

__all__ = ["MOST_WORKERS", "Ask", "Crew"]

MOST_WORKERS = 25
"""Half of what Asana allows in flight: the rest is for reads in the foreground."""

Ask: TypeAlias = Callable[[str, threading.Event], Outcome]


class Crew:
    """A few daemon threads; one more is started only when all are busy.

    Parameters
    ----------
    ask
        Asks for a job; may raise ``Stopped`` once `stop` is set.
    stop
        Set it, and call `dismiss`, to end the threads.
    report
        Gets what came of a job, in the thread that asked.
    failed
        Hears in words of whatever else `ask` raised: then nothing can be asked any more.

    Attributes
    ----------
    under_way : set of str
        The jobs that were given and not reported yet; whoever reports takes them out.
    """

    def __init__(
        self,
        ask: Ask,
        stop: threading.Event,
        report: Callable[[str, Outcome, threading.Event], None],
        failed: Callable[[str, threading.Event], None],
    ) -> None:
        self._ask = ask
        self._stop = stop
        self._report = report
        self._failed = failed
        self._threads = 0
        self._todo: Signals = queue.SimpleQueue()
        self.under_way: set[str] = set()

    def give(self, gid: str) -> None:
        """Have a job asked for."""
        self.under_way.add(gid)
        self._todo.put(gid)
        if self._threads < len(self.under_way):
            self._threads += 1
            threading.Thread(target=self._work, name="asana-jobs-poll", daemon=True).start()

    def dismiss(self) -> None:
        """Wake those who wait, so that they see the stop."""
        for _ in range(self._threads):
            self._todo.put(None)

    def _work(self) -> None:
        while (gid := self._todo.get()) is not None and not self._stop.is_set():
            try:
                outcome = self._ask(gid, self._stop)
            except Stopped:
                return
            except Exception as error:  # noqa: BLE001  a thread has nobody to raise it to
                said = clean(str(error))
                ours = isinstance(error, AsanaJobsError)
                self._failed(said if ours else f"{type(error).__name__}: {said}", self._stop)
                return
            self._report(gid, outcome, self._stop)
