"""Types for annotations of statuses, fields and options."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date, timedelta
from typing import Literal, Required, TypeAlias, TypedDict

import numpy as np
import pandas as pd

__all__ = [
    "Day",
    "DtypeBackend",
    "ErrorKind",
    "Errors",
    "ExportFilters",
    "Fields",
    "Gid",
    "Gids",
    "Instant",
    "JobField",
    "JobStatus",
    "MaxAge",
    "MessageExportField",
    "MonitorState",
    "PortfolioPart",
    "PrivacySetting",
    "ProgressCallback",
    "ProjectPart",
    "ResourceType",
    "ScheduleDates",
    "StartErrors",
    "StartState",
    "TaskExportField",
    "TaskPart",
    "TeamExportField",
    "Until",
]

JobStatus: TypeAlias = Literal["not_started", "in_progress", "succeeded", "failed"]
"""The documented statuses; the last two are terminal. Asana may add more."""

DtypeBackend: TypeAlias = Literal["numpy_nullable", "pyarrow"]
"""The dtypes of a frame, as pandas names them."""

ErrorKind: TypeAlias = Literal["http", "network", "timeout", "body"]
"""Values of ``error.kind``."""

Errors: TypeAlias = Literal["raise", "coerce", "drop"]
"""What to do with jobs that cannot be read."""

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
"""The states of a `JobsMonitor`; in the last three it no longer sends requests."""

Gid: TypeAlias = str | int | np.integer
Gids: TypeAlias = Gid | Iterable[Gid] | pd.Series | pd.Index | np.ndarray | pd.DataFrame
"""One gid or many; a DataFrame stands for its ``gid`` column."""

JobField: TypeAlias = Literal[
    "gid",
    "status",
    "resource_subtype",
    "resource_type",
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
"""Values of ``fields``; a test compares them with the table in ``_jobs/schema.py``."""

Fields: TypeAlias = JobField | str | Iterable[JobField | str]
"""One field or many."""

Until: TypeAlias = Literal["all", "any"]
"""What to wait for: until all jobs have finished, or one more than at the start."""

ProjectPart: TypeAlias = Literal[
    "allocations",
    "forms",
    "members",
    "notes",
    "permissions",
    "task_assignee",
    "task_attachments",
    "task_dates",
    "task_dependencies",
    "task_followers",
    "task_notes",
    "task_projects",
    "task_subtasks",
    "task_tags",
    "task_templates",
    "task_type_default",
]
"""What to include when a project is duplicated; tasks, views and rules always are included."""

TaskPart: TypeAlias = Literal[
    "assignee",
    "attachments",
    "dates",
    "dependencies",
    "followers",
    "notes",
    "parent",
    "projects",
    "subtasks",
    "tags",
]
"""What to include when a task is duplicated."""

PortfolioPart: TypeAlias = Literal[
    "description",
    "members",
    "permissions",
    "templates",
    "rules",
    "child_projects",
    "child_portfolios",
]
"""What to include when a portfolio is duplicated; fields and views always are included."""

PrivacySetting: TypeAlias = Literal["public_to_workspace", "private_to_team", "private"]
"""Who can see a project; Asana has deprecated ``private_to_team``."""

Day: TypeAlias = str | date
"""``"2026-05-21"``, a date, a datetime or a Timestamp."""

Instant: TypeAlias = str | date
"""A date, meaning midnight UTC, or a time with a time zone."""


class ScheduleDates(TypedDict, total=False):
    """How to shift the dates of a duplicated project: by its start or its due date."""

    should_skip_weekends: Required[bool]
    start_on: Day
    due_on: Day


ResourceType: TypeAlias = Literal["task", "team", "message"]
"""Resource types of a resource export."""

ExportFilters = TypedDict(
    "ExportFilters",
    {
        "assigned_by.any": Gids,
        "assignee.any": Gids,
        "commented_on_by.any": Gids,
        "created_at.after": Instant,
        "created_at.before": Instant,
        "created_by.any": Gids,
        "followers.any": Gids,
        "liked_by.any": Gids,
        "modified_at.after": Instant,
        "modified_at.before": Instant,
    },
    total=False,
)
"""Filters of a resource export, with Asana's names; the first two are for tasks only."""

TaskExportField: TypeAlias = Literal[
    "actual_time_minutes",
    "approval_status",
    "assigned_by",
    "assignee",
    "assignee_section",
    "assignee_status",
    "attachments",
    "completed",
    "completed_at",
    "completed_by",
    "created_at",
    "created_by",
    "custom_fields",
    "custom_type",
    "custom_type_status_option",
    "dependencies",
    "dependents",
    "due_at",
    "due_on",
    "external",
    "followers",
    "gid",
    "hearted",
    "hearts",
    "html_notes",
    "is_rendered_as_separator",
    "liked",
    "likes",
    "memberships",
    "modified_at",
    "name",
    "notes",
    "num_hearts",
    "num_likes",
    "num_subtasks",
    "parent",
    "permalink_url",
    "projects",
    "resource_subtype",
    "resource_type",
    "start_at",
    "start_on",
    "stories",
    "tags",
    "workspace",
]
"""Fields of a task in a resource export; nested ones are named like ``assignee.name``."""

TeamExportField: TypeAlias = Literal[
    "custom_field_settings",
    "description",
    "edit_team_name_or_description_access_level",
    "edit_team_visibility_or_trash_team_access_level",
    "endorsed",
    "gid",
    "guest_invite_management_access_level",
    "html_description",
    "join_request_management_access_level",
    "member_invite_management_access_level",
    "members",
    "name",
    "organization",
    "permalink_url",
    "resource_type",
    "team_content_management_access_level",
    "team_member_removal_access_level",
    "visibility",
]
"""Fields of a team in a resource export."""

MessageExportField: TypeAlias = Literal[
    "attachments",
    "created_at",
    "created_by",
    "followers",
    "gid",
    "html_notes",
    "likes",
    "modified_at",
    "num_likes",
    "parents",
    "resource_subtype",
    "resource_type",
    "status_type",
    "stories",
    "text",
    "title",
]
"""Fields of a message in a resource export."""

MaxAge: TypeAlias = str | timedelta | float
"""How old an export may be: a text such as ``"4h"``, a timedelta, or seconds."""

StartErrors: TypeAlias = Literal["coerce", "raise"]
"""What to do if jobs were not started; every parent has its row in either case."""

StartState: TypeAlias = Literal["started", "taken", "refused", "unknown", "not_sent"]
"""Values of ``source.state``: the outcome of the request to start a job."""

ProgressCallback: TypeAlias = Callable[[int, int | None, str], object]
"""Called with the amount done, the total, and what is counted: ``(3, 50, "Asana jobs")``."""
