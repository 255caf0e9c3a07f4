"""Frames of jobs for pictures and reports, made without a network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

import asana_jobs_pd as aj

DAY = "2026-11-24T"
SIGNATURE = "5ec2e7" * 10
URL = f"https://s3.example/f.jsonl.gz?X-Amz-Date=20260101T000000Z&X-Amz-Signature={SIGNATURE}"
NAME = '<img src=x onerror=alert(1)> $\\frac{1}{2}$ & "co"'


@dataclass(frozen=True)
class Watched:
    """What a widget reads of its `JobsMonitor`."""

    state: str = "idle"
    jobs: Mapping = field(default_factory=dict)
    counts: Mapping = field(default_factory=dict)
    last_error: str | None = None
    refused: Exception | None = None
    next_check: float | None = None
    pace: str = ""
    requests_used: int = 0
    requests_allowed: int | None = None


def export(gid, status, begin, end=None, kind="graph", **more):
    """Return the record of an export."""
    created = {"gid": f"9{gid}", "resource_type": f"{kind}_export", "created_at": f"{DAY}{begin}Z"}
    created["completed_at"] = f"{DAY}{end}Z" if end else None
    created["download_url"] = URL if status == "succeeded" else None
    subtype = {"graph": "graph_export_request", "resource": "export_request"}[kind]
    return record(gid, status, subtype, **{f"new_{kind}_export": created}, **more)


def record(gid, status, subtype="duplicate_task", **more):
    """Return the record of a job."""
    return {
        "gid": str(gid),
        "resource_type": "job",
        "resource_subtype": subtype,
        "status": status,
        **more,
    }


def frame(*records, read="09:00:00"):
    """Return the frame of records, read at a time of the day."""
    jobs = aj.asana_jobs_from_records(records)
    jobs["fetched_at"] = pd.Series(at(read), jobs.index, "datetime64[us, UTC]")
    return jobs


def at(time):
    """Return a time of the day."""
    return pd.Timestamp(f"{DAY}{time}Z")


def few():
    """Return a frame with a job of each state."""
    jobs = frame(
        export(11, "succeeded", "08:00:00", "08:10:00"),
        export(12, "in_progress", "08:30:00", kind="resource"),
        export(13, "failed", "08:20:00"),
        record(14, "succeeded", new_task={"gid": "7", "resource_type": "task", "name": NAME}),
        record(15, "not_started", "duplicate_project"),
        {"gid": "1600000000000016"},
    )
    jobs.loc[5, ["error.status", "error.kind", "error.message"]] = [404, "http", f"see {URL}"]
    return jobs


def many(rows=1000):
    """Return a frame of many jobs, a fifth of them without times."""
    random = np.random.default_rng(1)
    begins = np.sort(random.integers(0, 6 * 3600, rows))
    records = []
    for row, begin in enumerate(begins.tolist()):
        gid = str(10**15 + row)
        if row % 5 == 0:
            records.append(record(gid, "succeeded"))
            continue
        status = ("succeeded", "failed", "in_progress", "succeeded")[row % 4]
        times = [str(pd.Timedelta(seconds=begin + more))[-8:] for more in (0, 600)]
        kind = "graph" if row % 3 else "resource"
        records.append(
            export(gid, status, times[0], times[1] if status == "succeeded" else None, kind)
        )
    return frame(*records, read="08:00:00")
