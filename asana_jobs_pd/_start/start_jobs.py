"""What all functions that start jobs share: from parents to a frame of jobs."""

from __future__ import annotations

import inspect
import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypedDict, TypeVar, get_args

import pandas as pd

from asana_jobs_pd._http.client import Client, check_client
from asana_jobs_pd._http.default_client import default_client, forget_default
from asana_jobs_pd._http.redaction import clean
from asana_jobs_pd._http.threads import Clock, RealClock
from asana_jobs_pd._jobs.read import frame_or_raise, run_to_end
from asana_jobs_pd._jobs.states import is_cached
from asana_jobs_pd._options import check_flag, is_seconds
from asana_jobs_pd._progress import Progress, check_progress
from asana_jobs_pd._start.endpoints import ENDPOINTS
from asana_jobs_pd._start.recent import RecentJobs, parse_max_age
from asana_jobs_pd._start.requests import (
    StartRequest,
    StartResult,
    parse_parents,
    plan_requests,
    requests_frame,
    started_frame,
)
from asana_jobs_pd._start.runner import Runner
from asana_jobs_pd.errors import (
    AsanaStartWarning,
    AuthenticationError,
    InvalidOptionError,
    PartialStartError,
    StartInterrupted,
    StartStoppedError,
)
from asana_jobs_pd.typing import Gids, ProgressCallback, StartErrors

F = TypeVar("F", bound=Callable[..., pd.DataFrame])

MAX_SHOWN = 3
_PARENTS = 'frame.loc[frame["source.state"] == "{}", "source.gid"]'


class StartOptions(TypedDict, total=False):
    """The options that all functions which start jobs share.

    Parameters
    ----------
    dry_run
        True makes no request, and returns what would be sent.
    timeout
        Seconds after which nothing more is started; None goes on until all are, however long
        other jobs take.
    stop
        An event; when another thread sets it, nothing more is started.
    errors
        What to do about parents whose job was not started. ``"coerce"``: their rows say why, and
        an `AsanaStartWarning` says how many. ``"raise"``: all others are started first, then a
        `PartialStartError` carries the frame.
    client
        The client to use; None takes the one of the last `connect`, else the environment's.
    progress
        Whether to show a bar. None shows it after a second, unless ``ASANA_JOBS_PROGRESS=0``. A
        callable gets ``(done, total, what)`` instead, as in `read_asana_jobs`.
    """

    dry_run: bool
    timeout: float | None
    stop: threading.Event | None
    errors: StartErrors
    client: Client | None
    progress: bool | ProgressCallback | None


_DEFAULTS: dict[str, Any] = {"dry_run": False, "errors": "coerce"}
_RETURNS = """\

Returns
-------
pandas.DataFrame
    The jobs, one row per parent; `export_graph` describes it, and what is raised.
"""


def with_start_options(function: F) -> F:
    """Show the shared options in a function's signature and docstring: they are written once."""
    signature = inspect.signature(function)
    *own, _ = signature.parameters.values()
    shared = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=_DEFAULTS.get(name),
            annotation=getattr(annotation, "__forward_arg__", annotation),
        )
        for name, annotation in StartOptions.__annotations__.items()
    ]
    signature = signature.replace(parameters=[*own, *shared])
    function.__signature__ = signature  # type: ignore[attr-defined]
    if function.__doc__ and StartOptions.__doc__:  # there are no docstrings with python -OO
        doc = inspect.cleandoc(function.__doc__)
        text = inspect.cleandoc(StartOptions.__doc__).partition("----------\n")[2]
        end = doc.index("\n\n", doc.index("Parameters\n"))
        returns = "" if "Returns\n" in doc else _RETURNS
        function.__doc__ = f"{doc[:end]}\n{text}\n{returns}{doc[end + 1 :]}\n"
    return function


def _check(name: str, options: StartOptions) -> None:
    for option in options.keys() - StartOptions.__annotations__:
        raise TypeError(f"{name}() got an unexpected keyword argument {option!r}")
    dry_run, errors = options.get("dry_run", False), options.get("errors", "coerce")
    timeout, stop = options.get("timeout"), options.get("stop")
    check_flag("dry_run", dry_run)
    check_progress(options.get("progress"))
    if not isinstance(errors, str) or errors not in get_args(StartErrors):
        raise InvalidOptionError(f"errors={errors!r}: give 'coerce' or 'raise'.")
    if timeout is not None and not is_seconds(timeout):
        raise InvalidOptionError(f"timeout={timeout!r}: give seconds, or None.")
    if stop is not None and not isinstance(stop, threading.Event):
        raise InvalidOptionError(f"stop is a {type(stop).__name__}; give a threading.Event.")
    check_client(options.get("client"))


def start_jobs(
    name: str,
    parents: Gids,
    values: Mapping[str, Any],
    options: StartOptions,
    clock: Clock | None = None,
    *,
    max_age: object = None,
) -> pd.DataFrame:
    """Do what the function of that name in `asana_jobs_pd` does."""
    _check(name, options)
    age = None if max_age is None else parse_max_age(max_age)
    endpoint = ENDPOINTS[name]
    rows = plan_requests(endpoint, parse_parents(endpoint, parents), values)
    unique = list(dict.fromkeys(rows))
    if options.get("dry_run"):
        return requests_frame(unique)
    if not rows:
        return started_frame([], [])
    run = _Run(unique, name, options, age, clock or RealClock())
    return run_to_end(run.run, lambda interrupted: run.finish(rows, interrupted))


class _Run:
    """One call: it sends the requests and remembers how it ended."""

    def __init__(
        self,
        requests: Sequence[StartRequest],
        name: str,
        options: StartOptions,
        max_age: float | None,
        clock: Clock,
    ) -> None:
        self._requests = requests
        self._name = name
        self._options = options
        self._max_age = max_age
        self._recent: RecentJobs | None = None
        self._clock = clock
        self._bar = Progress(len(requests), name, options.get("progress"))
        self.ending = ""
        self._failure: BaseException | None = None
        self._client = options.get("client")
        self.results = [StartResult() for _ in requests]

    def run(self) -> None:
        """Send the requests; however it ends, `results` has the outcome of each."""
        client = self._client = self._client or default_client()
        if self._max_age is not None:
            self._recent = RecentJobs(self._requests, client, self._max_age)
        runner = Runner(self._requests, self.results, client, self._recent, clock=self._clock)
        try:
            with self._bar:
                runner.run(self._tick_of(runner), self._over())
        except Exception as error:  # noqa: BLE001  no gid may be lost, whatever it is
            self._failure = error
        self._failure = runner.failure or self._failure

    def finish(self, rows: Sequence[StartRequest], interrupted: bool) -> pd.DataFrame:
        """Return one row per parent, with warnings of what matters, or raise how it ended."""
        results = dict(zip(self._requests, self.results, strict=True))
        frame = started_frame(rows, [results[row] for row in rows])
        error, texts = self._error(frame, interrupted), []
        if error is None and not _all_there(frame):
            texts.append(self._summary(frame, examples=True))
        if (cached := int(is_cached(frame).sum())) > 0:
            texts.append(
                f"{cached} of {len(frame)} exports come from Asana's cache: they were completed "
                "before they were requested, up to 4 hours ago. frame.asana.cached shows them."
            )
        if self._recent is not None and not self._recent.known:
            loopback = self._client is not None and self._client.loopback
            remedy = " None is kept of a loopback address unless ASANA_JOBS_LEDGER names a file."
            texts.append(
                "max_age has no effect: there is no ledger of the jobs that this machine has "
                f"started; recent_jobs() would list them.{remedy if loopback else ''}"
            )
        warnings = [(text, AsanaStartWarning) for text in texts]
        return frame_or_raise(frame, error, self._client, warnings)

    def _error(self, frame: pd.DataFrame, interrupted: bool) -> BaseException | None:
        errors = {result.error.gid: result.error for result in self.results if result.error}
        summary = self._summary(frame)
        if interrupted:
            return StartInterrupted(f"Interrupted: {summary}", frame=frame)
        if isinstance(self._failure, AuthenticationError):
            if self._client is not None:
                forget_default(self._client)
            return self._failure
        if self._failure is not None:
            kind, reason = type(self._failure).__name__, clean(str(self._failure)).rstrip(".")
            return StartStoppedError(f"{kind}: {reason}. {summary}", frame=frame, errors=errors)
        if self.ending:
            return StartStoppedError(f"{self.ending}: {summary}", frame=frame, errors=errors)
        if self._options.get("errors") == "raise" and not _all_there(frame):
            summary = self._summary(frame, examples=True)
            return PartialStartError(summary, frame=frame, errors=errors)
        return None

    def _over(self) -> Callable[[float], bool]:
        """Return a function that says whether to stop at a time."""
        stop, timeout = self._options.get("stop"), self._options.get("timeout")
        deadline = math.inf if timeout is None else self._clock.now() + timeout

        def over(now: float) -> bool:
            if stop is not None and stop.is_set():
                self.ending = "Stopped"
            elif now >= deadline:
                self.ending = f"Not done within {timeout:g} s"
            return bool(self.ending)

        return over

    def _tick_of(self, runner: Runner) -> Callable[[], None]:
        """Return a function that updates the bar after a change, or after a second."""
        shown: tuple[object, ...] = ()

        def tick() -> None:
            nonlocal shown
            now = (runner.decided, runner.status_text, int(time.monotonic()))
            if now != shown:
                self._bar.set_label(f"{self._name}: {runner.status_text}")
                self._bar.tick(runner.decided)
                shown = now

        return tick

    def _summary(self, frame: pd.DataFrame, *, examples: bool = False) -> str:
        counts = frame["source.state"].value_counts()
        unknown = "look in Asana for what they create before you start them again"
        if self._name.startswith("export_"):
            unknown = f"can be started again without harm: {_PARENTS.format('unknown')}"
        hints = {
            "taken": "",
            "refused": "",
            "unknown": f" ({unknown})",
            "not_sent": f" (can be started again: {_PARENTS.format('not_sent')})",
        }
        parts = [f"{counts.get('started', 0)} of {len(frame)} jobs were started"]
        parts += [
            f"{state.replace('_', ' ')}: {counts[state]}{hint}"
            for state, hint in hints.items()
            if state in counts
        ]
        lines = [f"{'; '.join(parts)}. There is a row for each parent in the frame."]
        if examples:
            errors = [result.error for result in self.results if result.error]
            lines += [f"  {error}" for error in errors[:MAX_SHOWN]]
        return "\n".join(lines)


def _all_there(frame: pd.DataFrame) -> bool:
    return bool(frame["source.state"].isin(["started", "taken"]).all())
