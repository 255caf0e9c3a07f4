"""What became of requests to start jobs, and the frame of it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import orjson
import pandas as pd

from asana_jobs_pd._jobs.fetch import NEVER, ReadResult
from asana_jobs_pd._jobs.frame import frame_of_results
from asana_jobs_pd._jobs.schema import EVERYTHING, dtype_of
from asana_jobs_pd._start.endpoints import Endpoint, check_option, check_text
from asana_jobs_pd.errors import InvalidOptionError, RequestError
from asana_jobs_pd.typing import StartState

__all__ = ["StartRequest", "StartResult", "plan_requests", "requests_frame", "started_frame"]


@dataclass(frozen=True, slots=True)
class StartRequest:
    """One POST that starts one job.

    Parameters
    ----------
    verb
        What it does.
    gid
        Of the parent.
    body
        What is sent: JSON with Asana's ``data``.
    """

    verb: Endpoint
    gid: str
    body: bytes

    @property
    def path(self) -> str:
        """Where it goes to."""
        return self.verb.path.format(gid=self.gid)


def plan_requests(
    verb: Endpoint, gids: Sequence[str], options: Mapping[str, Any]
) -> list[StartRequest]:
    """Return the request for each parent, in their order.

    Parameters
    ----------
    verb
        What to do.
    gids
        Of the parents, checked.
    options
        By name; what is None, or an empty list or dict, is left out. A ``name`` may be one for
        all, or a list with one for each parent; with a list, one parent stands for as many.

    Raises
    ------
    InvalidOptionError
        When an option cannot have its value, or the names are not as many as the parents.
    """
    for option in verb.options:
        if option.required and options.get(option.name) is None:
            raise InvalidOptionError(f"{verb.name} needs {option.name}.")
    names, parents = _names(options.get("name"), gids)
    given = {
        option.name: check_option(option, value)
        for option in verb.options
        if (value := options.get(option.name)) is not None and option.name != "name"
    }
    _check_schedule(given)
    rest = {key: value for key, value in given.items() if value not in ("", [], {})}
    requests = []
    for gid, name in zip(parents, names, strict=True):
        data = {verb.parent: gid} if verb.parent else {}
        data |= {} if name is None else {"name": name}
        requests.append(StartRequest(verb, gid, orjson.dumps({"data": {**data, **rest}})))
    return requests


def requests_frame(requests: Sequence[StartRequest]) -> pd.DataFrame:
    """Return what would be sent: one row a request."""
    columns = {
        "source.gid": [request.gid for request in requests],
        "source.action": [request.verb.name for request in requests],
        "request.method": ["POST"] * len(requests),
        "request.path": [request.path for request in requests],
        "request.body": [request.body.decode() for request in requests],
    }
    text = dtype_of("text")
    return pd.DataFrame({name: pd.Series(cells, dtype=text) for name, cells in columns.items()})


def _names(value: object, gids: Sequence[str]) -> tuple[list[str | None], Sequence[str]]:
    if value is None:
        return [None] * len(gids), gids
    if isinstance(value, str) or not isinstance(value, Iterable):
        return [check_text("name", value)] * len(gids), gids
    names: list[str | None] = [
        check_text(f"name[{place}]", name) for place, name in enumerate(value)
    ]
    parents = list(gids) * len(names) if len(gids) == 1 else gids
    if len(names) != len(parents):
        raise InvalidOptionError(
            f"name has {len(names)} names for {len(gids)} gids: give one for all, or one for each."
        )
    return names, parents


def _check_schedule(given: Mapping[str, Any]) -> None:
    if "schedule_dates" in given and "task_dates" not in given.get("include", "").split(","):
        raise InvalidOptionError(
            "schedule_dates shifts the dates of tasks: add 'task_dates' to include."
        )


@dataclass(slots=True)
class StartResult:
    """What became of one request to start a job.

    Parameters
    ----------
    state
        In a word.
    requested_at
        When it was sent, by Asana's clock, in microseconds since 1970; or ``NEVER``.
    asked_at
        When the record was asked for, by ours.
    record
        The job as Asana last told it; empty when there is none.
    error
        Why there is none.
    """

    state: StartState = "not_sent"
    requested_at: int = NEVER
    asked_at: int = NEVER
    record: dict[str, Any] = field(default_factory=dict, repr=False)
    error: RequestError | None = None


def started_frame(rows: Sequence[StartRequest], begun: Sequence[StartResult]) -> pd.DataFrame:
    """Return the frame of requests: one row each, with the columns of a read and of its source."""
    gids = [each.record.get("gid") for each in begun]
    outcomes = [ReadResult(each.asked_at, each.record, each.error) for each in begun]
    frame = frame_of_results(gids, outcomes, EVERYTHING)
    text, moment = dtype_of("text"), dtype_of("time")
    frame["source.gid"] = pd.Series([row.gid for row in rows], dtype=text)
    frame["source.action"] = pd.Series([row.verb.name for row in rows], dtype=text)
    frame["source.state"] = pd.Series([each.state for each in begun], dtype=text)
    times = np.array([each.requested_at for each in begun], "int64").view("M8[us]")
    frame["source.requested_at"] = pd.Series(times).dt.tz_localize("UTC").astype(moment)
    return frame
