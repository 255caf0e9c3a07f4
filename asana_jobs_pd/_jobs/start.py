"""Start duplications and instantiations. Each is sent once, five jobs run at a time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from threading import Event
from typing import Any

import pandas as pd

from asana_jobs_pd._api.client import Client
from asana_jobs_pd._jobs.starting import How, start_jobs
from asana_jobs_pd.typing import (
    Day,
    Gid,
    Gids,
    PortfolioPart,
    PrivacySetting,
    ProjectPart,
    ScheduleDates,
    StartErrors,
    TaskPart,
)

__all__ = [
    "duplicate_portfolio",
    "duplicate_project",
    "duplicate_task",
    "instantiate_project",
    "instantiate_task",
    "save_project_as_template",
]


def duplicate_project(
    projects: Gids,
    *,
    name: str | Iterable[str],
    include: Iterable[ProjectPart] = (),
    schedule_dates: ScheduleDates | None = None,
    dry_run: bool = False,
    timeout: float | None = None,
    stop: Event | None = None,
    errors: StartErrors = "coerce",
    client: Client | None = None,
    progress: bool | None = None,
) -> pd.DataFrame:
    """Duplicate projects, and return the jobs.

    Parameters
    ----------
    projects
        One gid or many.
    name
        Of the copies: one for all, or a list with one for each; with a list, one project is
        duplicated as many times.
    include
        What to take along besides tasks, views and rules, such as ``["members", "task_dates"]``.
    schedule_dates
        How to shift the dates of the tasks, such as
        ``{"start_on": "2026-05-21", "should_skip_weekends": True}``; ``"task_dates"`` must be
        included.
    dry_run, timeout, stop, errors, client, progress
        As in `export_graph`, which also says what is returned and raised.

    Notes
    -----
    With OAuth, this needs the scope ``projects:write``.
    https://developers.asana.com/reference/duplicateproject
    """
    how = How(dry_run, timeout, stop, errors, client, progress)
    options = {"name": name, "include": include, "schedule_dates": schedule_dates}
    return start_jobs("duplicate_project", projects, options, how)


def duplicate_task(
    tasks: Gids,
    *,
    name: str | Iterable[str] | None = None,
    include: Iterable[TaskPart] = (),
    dry_run: bool = False,
    timeout: float | None = None,
    stop: Event | None = None,
    errors: StartErrors = "coerce",
    client: Client | None = None,
    progress: bool | None = None,
) -> pd.DataFrame:
    """Duplicate tasks, and return the jobs.

    Parameters
    ----------
    tasks
        One gid or many.
    name
        Of the copies, as in `duplicate_project`; None leaves it to Asana.
    include
        What to take along, such as ``["notes", "subtasks"]``.
    dry_run, timeout, stop, errors, client, progress
        As in `export_graph`, which also says what is returned and raised.

    Notes
    -----
    With OAuth, this needs the scope ``tasks:write``.
    https://developers.asana.com/reference/duplicatetask
    """
    how = How(dry_run, timeout, stop, errors, client, progress)
    return start_jobs("duplicate_task", tasks, {"name": name, "include": include}, how)


def duplicate_portfolio(
    portfolios: Gids,
    *,
    name: str | Iterable[str],
    include: Iterable[PortfolioPart] = (),
    dry_run: bool = False,
    timeout: float | None = None,
    stop: Event | None = None,
    errors: StartErrors = "coerce",
    client: Client | None = None,
    progress: bool | None = None,
) -> pd.DataFrame:
    """Duplicate portfolios, and return the jobs.

    Parameters
    ----------
    portfolios
        One gid or many.
    name
        Of the copies, as in `duplicate_project`.
    include
        What to take along besides custom fields and views, such as ``["child_projects"]``.
    dry_run, timeout, stop, errors, client, progress
        As in `export_graph`, which also says what is returned and raised.

    Notes
    -----
    With OAuth, this needs the scope ``portfolios:write``.
    https://developers.asana.com/reference/duplicateportfolio
    """
    how = How(dry_run, timeout, stop, errors, client, progress)
    return start_jobs("duplicate_portfolio", portfolios, {"name": name, "include": include}, how)


def instantiate_project(
    templates: Gids,
    *,
    name: str | Iterable[str],
    team: Gid | None = None,
    privacy_setting: PrivacySetting | None = None,
    is_strict: bool | None = None,
    requested_dates: Mapping[Gid, Day | None] | None = None,
    requested_roles: Mapping[Gid, Gid] | None = None,
    dry_run: bool = False,
    timeout: float | None = None,
    stop: Event | None = None,
    errors: StartErrors = "coerce",
    client: Client | None = None,
    progress: bool | None = None,
) -> pd.DataFrame:
    """Make projects from project templates, and return the jobs.

    Parameters
    ----------
    templates
        One gid or many.
    name
        Of the projects: one for all, or a list with one for each; with a list, one template
        gives as many projects.
    team
        Whose they are; None for the template's.
    privacy_setting
        Who sees them.
    is_strict
        True makes Asana refuse when a date of the template is not given.
    requested_dates
        The template's dates by their gid: ``{1: "2026-05-21"}`` sets the start of the project,
        ``2`` is when it is due.
    requested_roles
        The template's roles by their gid: a user's gid, an email address, or ``"me"``.
    dry_run, timeout, stop, errors, client, progress
        As in `export_graph`, which also says what is returned and raised.

    Notes
    -----
    With OAuth, this needs the scope ``projects:write``.
    https://developers.asana.com/reference/instantiateproject
    """
    how = How(dry_run, timeout, stop, errors, client, progress)
    options: dict[str, Any] = {
        "name": name,
        "team": team,
        "privacy_setting": privacy_setting,
        "is_strict": is_strict,
        "requested_dates": requested_dates,
        "requested_roles": requested_roles,
    }
    return start_jobs("instantiate_project", templates, options, how)


def instantiate_task(
    templates: Gids,
    *,
    name: str | Iterable[str] | None = None,
    dry_run: bool = False,
    timeout: float | None = None,
    stop: Event | None = None,
    errors: StartErrors = "coerce",
    client: Client | None = None,
    progress: bool | None = None,
) -> pd.DataFrame:
    """Make tasks from task templates, and return the jobs.

    Parameters
    ----------
    templates
        One gid or many.
    name
        Of the tasks, as in `instantiate_project`; None for the template's.
    dry_run, timeout, stop, errors, client, progress
        As in `export_graph`, which also says what is returned and raised.

    Notes
    -----
    https://developers.asana.com/reference/instantiatetask
    """
    how = How(dry_run, timeout, stop, errors, client, progress)
    return start_jobs("instantiate_task", templates, {"name": name}, how)


def save_project_as_template(
    projects: Gids,
    *,
    name: str | Iterable[str],
    public: bool,
    team: Gid | None = None,
    workspace: Gid | None = None,
    dry_run: bool = False,
    timeout: float | None = None,
    stop: Event | None = None,
    errors: StartErrors = "coerce",
    client: Client | None = None,
    progress: bool | None = None,
) -> pd.DataFrame:
    """Save projects as project templates, and return the jobs.

    Parameters
    ----------
    projects
        One gid or many.
    name
        Of the templates, as in `duplicate_project`.
    public
        Whether the team sees them.
    team
        Whose they are; for a project of an organization.
    workspace
        Where they are; for a project of a workspace that is no organization.
    dry_run, timeout, stop, errors, client, progress
        As in `export_graph`, which also says what is returned and raised.

    Notes
    -----
    https://developers.asana.com/reference/projectsaveastemplate
    """
    how = How(dry_run, timeout, stop, errors, client, progress)
    options = {"name": name, "public": public, "team": team, "workspace": workspace}
    return start_jobs("save_project_as_template", projects, options, how)
