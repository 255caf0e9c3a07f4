"""What became of requests to start jobs, and the frame of it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from asana_jobs_pd._jobs.fields import EVERYTHING
from asana_jobs_pd._jobs.frame import frame_of_outcomes
from asana_jobs_pd._jobs.outcome import NEVER, Outcome
from asana_jobs_pd._jobs.schema import dtype_of
from asana_jobs_pd._jobs.start_request import StartRequest
from asana_jobs_pd.errors import RequestError
from asana_jobs_pd.typing import StartState

__all__ = ["Begun", "started_frame"]


@dataclass(slots=True)
class Begun:
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


def started_frame(rows: Sequence[StartRequest], begun: Sequence[Begun]) -> pd.DataFrame:
    """Return the frame of requests: one row each, with the columns of a read and of its source."""
    gids = [each.record.get("gid") for each in begun]
    outcomes = [Outcome(each.asked_at, each.record, each.error) for each in begun]
    frame = frame_of_outcomes(gids, outcomes, EVERYTHING)
    text, moment = dtype_of("text"), dtype_of("time")
    frame["source.gid"] = pd.Series([row.gid for row in rows], dtype=text)
    frame["source.action"] = pd.Series([row.verb.name for row in rows], dtype=text)
    frame["source.state"] = pd.Series([each.state for each in begun], dtype=text)
    times = np.array([each.requested_at for each in begun], "int64").view("M8[us]")
    frame["source.requested_at"] = pd.Series(times).dt.tz_localize("UTC").astype(moment)
    return frame
