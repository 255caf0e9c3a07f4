"""Jobs as a function of seed, gid and time."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from functools import lru_cache
from math import inf
from random import Random
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from ._clock import iso
from ._workspace import gid as make_gid
from ._workspace import title

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ._clock import Clock

Status = Literal["not_started", "in_progress", "succeeded", "failed"]

_FAILURE_SHARE = 1 / 12
_FRACTION_SHARE = 0.7
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


_LIFETIME = 31 * 86_400.0
"""Seconds after which an export is gone."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The life of a job; times are in seconds after the sandbox's start."""

    kind: Kind
    created: float
    started: float
    ended: float
    outcome: Status
    fraction: bool
    result: dict[str, Any]

    def status(self, now: float) -> Status:
        """Return the job's status at a time."""
        if now < self.started:
            return "not_started"
        return "in_progress" if now < self.ended else self.outcome


def gid_at(position: int, kind: str | None = None) -> str:
    """Return the n-th gid of all jobs, whose kinds take turns, or of one kind."""
    if kind is None:
        index, number = divmod(position, len(KINDS))
        return f"12{number:02d}{index:012d}"
    subtypes = [known.resource_subtype for known in KINDS]
    if kind not in subtypes:
        raise ValueError(f"unknown kind of job {kind!r}; choose from {', '.join(subtypes)}")
    return f"12{subtypes.index(kind):02d}{position:012d}"


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
    return Plan(
        kind=KINDS[number],
        created=created,
        started=started,
        ended=ended,
        outcome="failed" if _fails(position, index, rng) else "succeeded",
        fraction=rng.random() < _FRACTION_SHARE,
        result=_result(KINDS[number], rng),
    )


def _fails(position: int, index: int, rng: Random) -> bool:
    """Fail about one in twelve: the twelfth of all, and no other of the first few of a kind."""
    return position == 11 or (index > 2 and rng.random() < _FAILURE_SHARE)  # noqa: PLR2004


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
    """All jobs of a sandbox, with the overrides of its owner."""

    def __init__(
        self, seed: int, clock: Clock, objects: Iterable[str], sign: Callable[[str, str], str]
    ) -> None:
        self._seed = seed
        self._clock = clock
        self._nothing: dict[str, Any] = dict.fromkeys(objects)
        self._sign = sign
        self._plans: dict[str, Plan] = {}
        self._records: dict[str, dict[str, Any]] = {}
        self._without_url: set[str] = set()
        self._started: dict[str, None] = {}
        self._unfinished: dict[str, None] = {}

    def record(self, gid: str) -> dict[str, Any] | None:
        """Return the full record of a job, or None if there is no such job."""
        if gid in self._records:
            return self._records[gid]
        job = self._job(gid)
        if job is None:
            return None
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

    def start(self, kind: str, now: float, *, again: str | None = None) -> str:
        """Start a job and return its gid; `again` is the job whose cached export it returns."""
        number = [known.resource_subtype for known in KINDS].index(kind)
        gid = f"12{number:02d}9{len(self._started):011d}"
        rng = Random(f"{self._seed}/started/{gid}")
        started = now + rng.uniform(0.1, 1)
        job = Plan(
            kind=KINDS[number],
            created=now,
            started=started,
            ended=started + rng.uniform(0.5, 4),
            outcome="succeeded",
            fraction=True,
            result=_result(KINDS[number], rng),
        )
        self._plans[gid] = job if again is None else self._plans[again]
        self._started[gid] = None
        self._unfinished[gid] = None
        return gid

    def running(self, now: float) -> int:
        """Return the number of started jobs that are running."""
        for gid in tuple(self._unfinished):
            if not self.runs(gid, now):
                del self._unfinished[gid]
        return len(self._unfinished)

    def runs(self, gid: str, now: float) -> bool:
        """Whether a started job is running."""
        return gid in self._started and self._plans[gid].status(now) in _OPEN

    def replace(self, gid: str, record: dict[str, Any]) -> None:
        """Serve a copy of this record for a gid from now on."""
        self._records[gid] = json.loads(json.dumps(record))

    def forget_url(self, gid: str) -> None:
        """Serve a job's record without its download URL from now on."""
        self._without_url.add(gid)
        job = self._job(gid)
        if job is not None:
            ended = min(job.ended, self._clock.now()) - _LIFETIME
            created, started = job.created - _LIFETIME, job.started - _LIFETIME
            self._plans[gid] = replace(job, created=created, started=started, ended=ended)

    def force(self, gid: str, status: Status) -> None:
        """Put a job into a state and keep it there."""
        job = self._job(gid)
        if job is None:
            raise ValueError(f"the sandbox has no job {gid!r}; gids(n) returns gids of jobs")
        now = self._clock.now()
        times = {
            "not_started": (inf, inf),
            "in_progress": (min(job.started, now), inf),
        }
        started, ended = times.get(status, (min(job.started, now), min(job.ended, now)))
        outcome = status if status in ("succeeded", "failed") else job.outcome
        self._plans[gid] = replace(job, started=started, ended=ended, outcome=outcome)

    def _job(self, gid: str) -> Plan | None:
        return self._plans.get(gid) or plan(self._seed, gid)

    def _new(self, gid: str, job: Plan, status: Status) -> dict[str, Any] | None:
        """Return the object: exports exist from the start, others once the job runs."""
        if not job.kind.exports:
            return job.result if status in ("in_progress", "succeeded") else None
        done = status == "succeeded"
        signed = done and gid not in self._without_url
        kind = job.kind.resource_type
        return {
            **job.result,
            "created_at": self._iso(job, job.created),
            "completed_at": self._iso(job, job.ended) if done else None,
            "download_url": self._sign(gid, kind) if signed else None,
        }

    def _iso(self, job: Plan, seconds: float) -> str:
        return iso(self._clock.instant(seconds), fraction=job.fraction)
