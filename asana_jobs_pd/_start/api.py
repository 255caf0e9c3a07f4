"""Start exports. Each is sent once, five jobs run at a time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from threading import Event
from typing import Any

import pandas as pd

from asana_jobs_pd._http.client import Client
from asana_jobs_pd._public import public
from asana_jobs_pd._start.resource_export import ResourceExport, export_parameters
from asana_jobs_pd._start.start_jobs import How, start_jobs
from asana_jobs_pd.typing import (
    Day,
    Gid,
    Gids,
    PortfolioPart,
    PrivacySetting,
    ProjectPart,
    ResourceType,
    ScheduleDates,
    StartErrors,
    TaskPart,
)

__all__ = [
    "duplicate_portfolio",
    "duplicate_project",
    "duplicate_task",
    "export_graph",
    "export_resources",
    "instantiate_project",
    "instantiate_task",
    "save_project_as_template",
]


@public
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


@public
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


@public
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


@public
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


@public
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


@public
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


@public
def export_graph(
    parents: Gids,
    *,
    dry_run: bool = False,
    timeout: float | None = None,
    stop: Event | None = None,
    errors: StartErrors = "coerce",
    client: Client | None = None,
    progress: bool | None = None,
) -> pd.DataFrame:
    """Start a graph export of each goal, team, portfolio or project, and return the jobs.

    Sends one POST for each different parent, and never a second one unless the first surely
    started nothing (no connection, 429). Asana lets a user run five jobs at a time: with more
    parents, the next is started as one ends, which is seen by asking for those that run every
    2 to 30 s. It returns when the last one was started, not when it is finished.

    Parameters
    ----------
    parents
        One gid or many, as `read_asana_jobs` takes them. A repeated one is started once.
    dry_run
        True sends nothing, and returns what would be sent.
    timeout
        Seconds after which nothing more is started; None goes on until all are, however long
        others keep the five places occupied.
    stop
        An event that ends it when another thread sets it.
    errors
        What becomes of parents whose job was not started. ``"coerce"``: their rows say why, and
        an `AsanaStartWarning` says how many. ``"raise"``: all others are started first, then a
        `PartialStartError` carries the frame.
    client
        What to send with; None takes the one of the last `connect`, else the environment's.
    progress
        Whether to show a bar. None shows it after a second, unless ``ASANA_JOBS_PROGRESS=0``.

    Returns
    -------
    pandas.DataFrame
        One row a parent, in their order, with the columns of `read_asana_jobs`, then
        ``source.gid`` (the parent), ``source.action`` (the name of this function),
        ``source.requested_at`` (by Asana's clock), and ``source.state``: ``started``;
        ``refused`` by Asana; ``unknown``, when the answer got lost and Asana may have started
        it: look there before you start it again; or ``not_sent``, when nothing was started and it
        can be started again. All but ``started`` have no ``gid`` and say why in ``error.*``.
        With ``dry_run=True``, one row a request: ``source.gid``, ``source.action``,
        ``request.method``, ``request.path`` and ``request.body``, all ``string``.

    Raises
    ------
    InvalidGidError, InvalidOptionError
        Before anything is sent.
    StartStoppedError
        When it was stopped or the time was up, with ``.frame``.
    StartInterrupted
        A KeyboardInterrupt with ``.frame``: Ctrl-C, or a kernel interrupt.
    AuthenticationError
        When the token is not accepted, with ``.frame``.
    PartialStartError
        With ``errors="raise"``, when jobs were not started.

    Warns
    -----
    AsanaStartWarning
        When jobs were not started, or an export comes from Asana's cache.

    Notes
    -----
    Asana offers graph exports to Enterprise organizations only.
    An export of more than 1,000 tasks is kept by Asana for 4 hours and given again:
    ``jobs.asana.cached`` shows the rows of such, once they are finished.
    https://developers.asana.com/reference/creategraphexport

    Examples
    --------
    >>> import asana_jobs_pd as aj
    >>> aj.export_graph("1203", dry_run=True)["request.body"][0]
    '{"data":{"parent":"1203"}}'
    """
    how = How(dry_run, timeout, stop, errors, client, progress)
    return start_jobs("export_graph", parents, {}, how)


@public
def export_resources(
    workspaces: Gids,
    resources: ResourceType | ResourceExport | Iterable[ResourceType | ResourceExport],
    *,
    dry_run: bool = False,
    timeout: float | None = None,
    stop: Event | None = None,
    errors: StartErrors = "coerce",
    client: Client | None = None,
    progress: bool | None = None,
) -> pd.DataFrame:
    """Start an export of all tasks, teams or messages of a workspace, and return the job.

    Asana allows one at a time in a workspace; while another one is in progress, it waits. They
    are for service accounts only.

    Parameters
    ----------
    workspaces
        One gid or many.
    resources
        ``"task"``, ``"team"``, ``"message"``, or a `ResourceExport` with filters and fields, or
        several of these.
    dry_run, timeout, stop, errors, client, progress
        As in `export_graph`, which also says what is returned and raised.

    Raises
    ------
    InvalidGidError, InvalidOptionError, InvalidFieldError
        Before anything is sent.

    Notes
    -----
    https://developers.asana.com/reference/createresourceexport

    Examples
    --------
    >>> import asana_jobs_pd as aj
    >>> tasks = aj.ResourceExport.tasks(modified_after="2026-01-01", fields=["name", "assignee"])
    >>> what = aj.export_resources("1200", [tasks, "team"], dry_run=True)
    """
    how = How(dry_run, timeout, stop, errors, client, progress)
    options = {"export_request_parameters": export_parameters(resources)}
    return start_jobs("export_resources", workspaces, options, how)
