"""Types for annotations: what a job's status, a field and the options can be."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, TypeAlias

import numpy as np
import pandas as pd

__all__ = [
    "ErrorKind",
    "Errors",
    "Fields",
    "Gid",
    "Gids",
    "JobField",
    "JobStatus",
    "MonitorState",
    "Until",
]

JobStatus: TypeAlias = Literal["not_started", "in_progress", "succeeded", "failed"]
"""The documented statuses; the last two are terminal. Asana may add more."""

ErrorKind: TypeAlias = Literal["http", "network", "timeout", "body"]
"""What ``error.kind`` can be."""

Errors: TypeAlias = Literal["raise", "coerce", "drop"]
"""What becomes of the jobs that cannot be read."""

MonitorState: TypeAlias = Literal[
    "idle",
    "watching",
    "paused",
    "no_network",
    "rate_limited",
    "unauthorized",
    "done",
    "stopped",
]
"""What a `JobsMonitor` is doing; after the last three of them it sends nothing any more."""

Gid: TypeAlias = str | int | np.integer
Gids: TypeAlias = Gid | Iterable[Gid] | pd.Series | pd.Index | np.ndarray | pd.DataFrame
"""One gid or many; of a DataFrame, its ``gid`` column."""

JobField: TypeAlias = Literal[
    "gid",
    "resource_type",
    "resource_subtype",
    "status",
    "new_project",
    "new_project.gid",
    "new_project.resource_type",
    "new_project.name",
    "new_task",
    "new_task.gid",
    "new_task.resource_type",
    "new_task.name",
    "new_task.resource_subtype",
    "new_task.created_by",
    "new_task.created_by.gid",
    "new_task.created_by.resource_type",
    "new_project_template",
    "new_project_template.gid",
    "new_project_template.resource_type",
    "new_project_template.name",
    "new_task_template",
    "new_task_template.gid",
    "new_task_template.resource_type",
    "new_task_template.name",
    "new_portfolio",
    "new_portfolio.gid",
    "new_portfolio.resource_type",
    "new_portfolio.name",
    "new_graph_export",
    "new_graph_export.gid",
    "new_graph_export.resource_type",
    "new_graph_export.created_at",
    "new_graph_export.completed_at",
    "new_graph_export.download_url",
    "new_resource_export",
    "new_resource_export.gid",
    "new_resource_export.resource_type",
    "new_resource_export.created_at",
    "new_resource_export.completed_at",
    "new_resource_export.download_url",
]
"""What ``fields`` takes; the table is ``asana_jobs_pd._jobs.schema``, and a test compares them."""

Fields: TypeAlias = JobField | str | Iterable[JobField | str]
"""One field or many."""

Until: TypeAlias = Literal["all", "any"]
"""What to wait for: all jobs, or one more than are finished already."""
