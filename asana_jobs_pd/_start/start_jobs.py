"""From a verb and its parents to a frame of jobs: what all functions that start jobs share."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import pandas as pd

from asana_jobs_pd._http.client import (
    Client,
    check_client,
    default_client,
    forget_default,
    is_seconds,
)
from asana_jobs_pd._http.redaction import clean
from asana_jobs_pd._jobs.gids import no_url, parse_gids
from asana_jobs_pd._jobs.ledger import warn_of_ledger_failures
from asana_jobs_pd._jobs.states import is_cached
from asana_jobs_pd._monitor.schedule import Clock, RealClock
from asana_jobs_pd._progress import Progress
from asana_jobs_pd._start.endpoints import ENDPOINTS
from asana_jobs_pd._start.requests import StartResult, plan_requests, requests_frame, started_frame
from asana_jobs_pd._start.runner import Starter
from asana_jobs_pd.errors import (
    AsanaChangeWarning,
    AsanaStartWarning,
    InvalidOptionError,
    PartialStartError,
    RequestError,
    StartInterrupted,
    StartStoppedError,
    warn_user,
)
from asana_jobs_pd.typing import Gids, StartErrors

__all__ = ["How", "start_jobs"]

MOST_TOLD = 3
_REST = 'frame.loc[frame["source.state"] == "not_sent", "source.gid"]'


@dataclass(frozen=True, slots=True)
class How:
    """The options that all functions which start jobs have; `export_graph` describes them."""

    dry_run: bool = False
    timeout: float | None = None
    stop: threading.Event | None = None
    errors: StartErrors = "coerce"
    client: Client | None = None
    progress: bool | None = None
    clock: Clock | None = None

    def check(self) -> None:
        """Refuse what an option cannot be."""
        if not isinstance(self.dry_run, bool):
            raise InvalidOptionError(f"dry_run={self.dry_run!r}: give True or False.")
        if self.errors not in get_args(StartErrors):
            raise InvalidOptionError(f"errors={self.errors!r}: give 'coerce' or 'raise'.")
        if self.timeout is not None and not is_seconds(self.timeout):
            raise InvalidOptionError(f"timeout={self.timeout!r}: give seconds, or None.")
        if self.stop is not None and not isinstance(self.stop, threading.Event):
            kind = type(self.stop).__name__
            raise InvalidOptionError(f"stop is a {kind}; give a threading.Event.")
        check_client(self.client)


def start_jobs(name: str, parents: Gids, options: Mapping[str, Any], how: How) -> pd.DataFrame:
    """Do what the function of that name in `asana_jobs_pd` does."""
    how.check()
    rows = plan_requests(ENDPOINTS[name], parse_gids(parents, read_url=no_url), options)
    unique = list(dict.fromkeys(rows))
    if how.dry_run:
        return requests_frame(unique)
    if not rows:
        return started_frame([], [])
    client = how.client or default_client()
    starter = Starter(unique, client, clock=how.clock)
    ending = _run(starter, len(unique), name, how)
    if starter.refused is not None:
        forget_default(client)
    begun = dict(zip(unique, starter.begun, strict=True))
    frame = started_frame(rows, [begun[row] for row in rows])
    for change in client.changes.take():
        warn_user(change, AsanaChangeWarning, frame=frame)
    warn_of_ledger_failures(frame)
    return _settle(frame, starter, ending, how)


def _run(starter: Starter, total: int, name: str, how: How) -> str:
    """Let it run, and return in a word how it ended: nothing when it came to its end."""
    clock = how.clock or RealClock()
    deadline = math.inf if how.timeout is None else clock.now() + how.timeout
    ending = ""

    def over(now: float) -> bool:
        nonlocal ending
        if how.stop is not None and how.stop.is_set():
            ending = "stopped"
        elif now >= deadline:
            ending = f"not done within {how.timeout:g} s"
        return bool(ending)

    bar = Progress(total, name, how.progress)
    try:
        with bar:
            starter.run(_teller(starter, bar, name), over)
    except KeyboardInterrupt:
        ending = "interrupted"
    except Exception as error:  # noqa: BLE001  no gid may be lost, whatever it is
        starter.failure = starter.failure or error
    return ending


def _teller(starter: Starter, bar: Progress, name: str) -> Callable[[], None]:
    """Return what shows how it goes, when that has changed, or after a second."""
    shown: tuple[object, ...] = ()

    def tell() -> None:
        nonlocal shown
        now = (starter.decided, starter.standing, int(time.monotonic()))
        if now != shown:
            bar.say(f"{name}: {starter.standing}")
            bar.tick(starter.decided)
            shown = now

    return tell


def _settle(frame: pd.DataFrame, starter: Starter, ending: str, how: How) -> pd.DataFrame:
    """Return the frame, or raise how the starting ended."""
    words = _standing(frame)
    errors = _errors(starter.begun)
    if ending == "interrupted":
        raise StartInterrupted(f"Interrupted: {words}", frame=frame)
    if starter.refused is not None:
        starter.refused.frame = frame
        raise starter.refused
    if starter.failure is not None:
        kind, said = type(starter.failure).__name__, clean(str(starter.failure))
        raise StartStoppedError(f"{kind}: {said} {words}", frame=frame, errors=errors)
    if ending:
        raise StartStoppedError(f"{ending.capitalize()}: {words}", frame=frame, errors=errors)
    if (frame["source.state"] != "started").any():
        told = "\n".join([words, *(f"  {error}" for error in list(errors.values())[:MOST_TOLD])])
        if how.errors == "raise":
            raise PartialStartError(told, frame=frame, errors=errors)
        warn_user(told, AsanaStartWarning, frame=frame)
    if (cached := int(is_cached(frame).sum())) > 0:
        told = (
            f"{cached} of {len(frame)} exports come from Asana's cache: they were completed before "
            "they were requested, up to 4 hours ago. frame.asana.cached shows them."
        )
        warn_user(told, AsanaStartWarning, frame=frame)
    return frame


def _errors(begun: Sequence[StartResult]) -> dict[str, RequestError]:
    return {each.error.gid: each.error for each in begun if each.error is not None}


def _standing(frame: pd.DataFrame) -> str:
    counts = frame["source.state"].value_counts()
    parts = [f"{counts.get('started', 0)} of {len(frame)} jobs were started"]
    hints = {
        "refused": "",
        "unknown": " (look in Asana before you start them again)",
        "not_sent": f" (to be started again: {_REST})",
    }
    parts += [
        f"{state.replace('_', ' ')}: {counts[state]}{hint}"
        for state, hint in hints.items()
        if state in counts
    ]
    return f"{'; '.join(parts)}. Every parent has its row in the frame."
