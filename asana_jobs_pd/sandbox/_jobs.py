"""Jobs, each a function of the seed, its gid and the time."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from functools import lru_cache
from math import inf
from random import Random
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from ._responses import RefusedError, error
from ._workspace import gid as make_gid
from ._workspace import title

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ._clock import Clock

Status = Literal["not_started", "in_progress", "succeeded", "failed"]

_OPEN = ("not_started", "in_progress")
_GID = re.compile(r"12(\d\d)(\d{12})", re.ASCII)


class Kind(NamedTuple):
    """A kind of job and the object it creates."""

    resource_subtype: str
    new: str
    resource_type: str

    @property
    def exports(self) -> bool:
        """Whether its object is an export."""
        return self.new.endswith("_export")


KINDS = (
    Kind("duplicate_task", "new_task", "task"),
    Kind("duplicate_project", "new_project", "project"),
    Kind("duplicate_portfolio", "new_portfolio", "portfolio"),
    Kind("graph_export_request", "new_graph_export", "graph_export"),
    Kind("export_request", "new_resource_export", "export_request"),
    Kind("instantiate_project", "new_project", "project"),
    Kind("instantiate_task", "new_task", "task"),
    Kind("save_project_as_template", "new_project_template", "project_template"),
    Kind("save_task_as_template", "new_task_template", "task_template"),
)
_SUBTYPES = [kind.resource_subtype for kind in KINDS]
_LIFETIME = 31 * 86_400.0
"""Seconds after which an export file has been deleted."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The life of a job; times are in seconds since the sandbox started."""

    kind: Kind
    created: float
    started: float
    ended: float
    outcome: Status
    fraction: bool
    result: dict[str, Any]
    has_file: bool = True
    """Whether the file of an export still exists."""

    def status(self, now: float) -> Status:
        """Return the job's status at a time."""
        if now < self.started:
            return "not_started"
        return "in_progress" if now < self.ended else self.outcome


def gid_at(position: int, kind: str | None = None) -> str:
    """Return the n-th gid of one kind of job, or of all jobs, which cycle through the kinds."""
    if kind is None:
        index, number = divmod(position, len(KINDS))
        return f"12{number:02d}{index:012d}"
    if kind not in _SUBTYPES:
        raise ValueError(f"unknown kind of job {kind!r}; choose from {', '.join(_SUBTYPES)}")
    return f"12{_SUBTYPES.index(kind):02d}{position:012d}"


@lru_cache(maxsize=2**17)
def plan(seed: int, gid: str) -> Plan | None:
    """Return the life of a job, or None if there is no such job."""
    match = _GID.fullmatch(gid)
    if match is None or int(match[1]) >= len(KINDS):
        return None
    number, index = int(match[1]), int(match[2])
    position = index * len(KINDS) + number
    rng = Random(f"{seed}/{gid}")
    if position % 4 == 0:
        created, started, ended = -rng.uniform(60, 600), -50.0, -rng.uniform(1, 40)
    else:
        created, started = 0.0, max(0.0, rng.uniform(-1, 2))
        ended = started + rng.uniform(0.5, 4)
    # About one job in twelve fails: the twelfth of all, but no other among the first of a kind.
    fails = position == 11 or (index > 2 and rng.random() < 1 / 12)  # noqa: PLR2004
    outcome: Status = "failed" if fails else "succeeded"
    kind, fraction = KINDS[number], rng.random() < 0.7  # noqa: PLR2004
    return Plan(kind, created, started, ended, outcome, fraction, _result(kind, rng))


def _result(kind: Kind, rng: Random) -> dict[str, Any]:
    result: dict[str, Any] = {"gid": make_gid(rng), "resource_type": kind.resource_type}
    if not kind.exports:
        result["name"] = title(rng)
    if kind.new == "new_task":
        subtypes = ("default_task", "default_task", "milestone", "approval", "custom")
        result["resource_subtype"] = rng.choice(subtypes)
        result["created_by"] = {"gid": make_gid(rng), "resource_type": "user"}
    return result


class Jobs:
    """All jobs of a sandbox, with the changes made by its user."""

    def __init__(
        self, seed: int, clock: Clock, objects: Iterable[str], sign: Callable[[str, str], str]
    ) -> None:
        self._seed = seed
        self._clock = clock
        self._nothing: dict[str, Any] = dict.fromkeys(objects)
        self._sign = sign
        self._plans: dict[str, Plan] = {}
        self._records: dict[str, dict[str, Any]] = {}
        self._unfinished: set[str] = set()
        self.started = 0

    def record(self, gid: str) -> dict[str, Any]:
        """Return the full record of a job."""
        if gid in self._records:
            return self._records[gid]
        job = self._job(gid)
        if job is None:
            if re.fullmatch(r"[0-9]{1,30}", gid):
                raise RefusedError(error(404, f"job: Unknown object: {gid}"))
            raise RefusedError(error(400, f"job: Not a Long: {gid}"))
        status = job.status(self._clock.now())
        record = {
            "gid": gid,
            "resource_type": "job",
            "resource_subtype": job.kind.resource_subtype,
            "status": status,
            **self._nothing,
        }
        if job.kind.new in record:
            record[job.kind.new] = self._new(gid, job, status)
        return record

    def start(self, kind: str, *, like: str | None = None) -> str:
        """Start a job and return its gid; `like` is an earlier job whose cached export it gets."""
        number, now = _SUBTYPES.index(kind), self._clock.now()
        gid = f"12{number:02d}9{self.started:011d}"
        rng = Random(f"{self._seed}/started/{gid}")
        started = now + rng.uniform(0.1, 1)
        ended, result = started + rng.uniform(0.5, 4), _result(KINDS[number], rng)
        job = Plan(KINDS[number], now, started, ended, "succeeded", fraction=True, result=result)
        self._plans[gid] = job if like is None else self._plans[like]
        self._unfinished.add(gid)
        self.started += 1
        return gid

    def age(self, gid: str) -> float:
        """Return how many seconds ago a started job was created; infinite for other jobs."""
        job = self._plans.get(gid)
        return inf if job is None else self._clock.now() - job.created

    def running(self) -> set[str]:
        """Return the started jobs that are running."""
        now = self._clock.now()
        self._unfinished = {
            gid for gid in self._unfinished if self._plans[gid].status(now) in _OPEN
        }
        return self._unfinished

    def replace(self, gid: str, record: dict[str, Any]) -> None:
        """Serve a copy of this record for a gid from now on."""
        self._records[gid] = json.loads(json.dumps(record))

    def forget_url(self, gid: str) -> None:
        """Serve a job's record as Asana does when the file is gone: old, and without a URL."""
        job = self._job(gid)
        if job is not None:
            times = (job.created, job.started, min(job.ended, self._clock.now()))
            created, started, ended = (time - _LIFETIME for time in times)
            self._plans[gid] = replace(
                job, created=created, started=started, ended=ended, has_file=False
            )

    def force(self, gid: str, status: Status) -> None:
        """Put a job into a state and keep it there."""
        job = self._job(gid)
        if job is None:
            raise ValueError(f"the sandbox has no job {gid!r}; gids(n) returns gids of jobs")
        now, outcome = self._clock.now(), job.outcome
        started, ended = min(job.started, now), min(job.ended, now)
        match status:
            case "not_started":
                started = ended = inf
            case "in_progress":
                ended = inf
            case _:
                outcome = status
        self._plans[gid] = replace(job, started=started, ended=ended, outcome=outcome)

    def _job(self, gid: str) -> Plan | None:
        return self._plans.get(gid) or plan(self._seed, gid)

    def _new(self, gid: str, job: Plan, status: Status) -> dict[str, Any] | None:
        """Return the created object; exports exist from the start, others once the job runs."""
        if not job.kind.exports:
            return job.result if status in ("in_progress", "succeeded") else None
        done = status == "succeeded"
        return {
            **job.result,
            "created_at": self._time(job, job.created),
            "completed_at": self._time(job, job.ended) if done else None,
            "download_url": (
                self._sign(gid, job.kind.resource_type) if done and job.has_file else None
            ),
        }

    def _time(self, job: Plan, seconds: float) -> str:
        """Return a time as Asana writes it: `2026-01-01T02:06:58.147Z`, or without the fraction."""
        naive = self._clock.instant(seconds).replace(tzinfo=None)
        return naive.isoformat(timespec="milliseconds" if job.fraction else "seconds") + "Z"
