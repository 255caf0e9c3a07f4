"""The public functions that start jobs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Unpack

import pandas as pd

from asana_jobs_pd._public import public
from asana_jobs_pd._start.requests import StartOptions, with_start_options
from asana_jobs_pd._start.resource_export import ResourceExport, export_parameters
from asana_jobs_pd._start.start_jobs import start_jobs
from asana_jobs_pd.typing import (
    Day,
    Gid,
    Gids,
    MaxAge,
    PortfolioPart,
    PrivacySetting,
    ProjectPart,
    ResourceType,
    ScheduleDates,
    TaskPart,
)


@public
@with_start_options
def duplicate_project(
    projects: Gids,
    *,
    name: str | Iterable[str],
    include: Iterable[ProjectPart] = (),
    schedule_dates: ScheduleDates | None = None,
    **options: Unpack[StartOptions],
) -> pd.DataFrame:
    """Duplicate projects, and return the jobs.

    Parameters
    ----------
    projects
        One project or many: gids, or URLs of the web app.
    name
        The name of the copies: one for all, or a list with one for each. With a list, a single
        project is duplicated once per name.
    include
        What to copy besides tasks, views and rules, such as ``["members", "task_dates"]``.
    schedule_dates
        How to shift the dates of the tasks, such as
        ``{"start_on": "2026-05-21", "should_skip_weekends": True}``; ``"task_dates"`` must be
        included.

    See Also
    --------
    duplicate_task : The same for tasks.
    save_project_as_template : Create a template from a project.

    Notes
    -----
    With OAuth, this needs the scope ``projects:write``.
    https://developers.asana.com/reference/duplicateproject

    Examples
    --------
    >>> jobs = aj.duplicate_project(project, name="Copy", include=["members"])
    >>> jobs["source.state"].tolist()
    ['started']
    """
    values = {"name": name, "include": include, "schedule_dates": schedule_dates}
    return start_jobs("duplicate_project", projects, values, options)


@public
@with_start_options
def duplicate_task(
    tasks: Gids,
    *,
    name: str | Iterable[str] | None = None,
    include: Iterable[TaskPart] = (),
    **options: Unpack[StartOptions],
) -> pd.DataFrame:
    """Duplicate tasks, and return the jobs.

    Parameters
    ----------
    tasks
        One task or many: gids, or URLs of the web app.
    name
        The name of the copies, as in `duplicate_project`; None for Asana's default.
    include
        What to copy, such as ``["notes", "subtasks"]``.

    See Also
    --------
    duplicate_project : The same for projects.

    Notes
    -----
    With OAuth, this needs the scope ``tasks:write``.
    https://developers.asana.com/reference/duplicatetask

    Examples
    --------
    >>> jobs = aj.duplicate_task(asana.parents(2, "task"), include=["notes", "subtasks"])
    >>> jobs["source.state"].tolist()
    ['started', 'started']
    """
    return start_jobs("duplicate_task", tasks, {"name": name, "include": include}, options)


@public
@with_start_options
def duplicate_portfolio(
    portfolios: Gids,
    *,
    name: str | Iterable[str],
    include: Iterable[PortfolioPart] = (),
    **options: Unpack[StartOptions],
) -> pd.DataFrame:
    """Duplicate portfolios, and return the jobs.

    Parameters
    ----------
    portfolios
        One portfolio or many: gids, or URLs of the web app.
    name
        The name of the copies, as in `duplicate_project`.
    include
        What to copy besides custom fields and views, such as ``["child_projects"]``.

    See Also
    --------
    duplicate_project : The same for projects.

    Notes
    -----
    With OAuth, this needs the scope ``portfolios:write``.
    https://developers.asana.com/reference/duplicateportfolio

    Examples
    --------
    >>> jobs = aj.duplicate_portfolio(asana.parents(1, "portfolio"), name="Copy")
    >>> jobs["source.action"].tolist()
    ['duplicate_portfolio']
    """
    values = {"name": name, "include": include}
    return start_jobs("duplicate_portfolio", portfolios, values, options)


@public
@with_start_options
def instantiate_project(
    templates: Gids,
    *,
    name: str | Iterable[str],
    team: Gid | None = None,
    privacy_setting: PrivacySetting | None = None,
    is_strict: bool | None = None,
    requested_dates: Mapping[Gid, Day | None] | None = None,
    requested_roles: Mapping[Gid, Gid] | None = None,
    **options: Unpack[StartOptions],
) -> pd.DataFrame:
    """Create projects from project templates, and return the jobs.

    Parameters
    ----------
    templates
        One project template or many: gids, or URLs of the web app.
    name
        The name of the projects: one for all, or a list with one for each. With a list, a single
        template creates one project per name.
    team
        The gid of the team that owns them; None for the team of the template.
    privacy_setting
        Who can see them.
    is_strict
        Whether Asana refuses the request if a date of the template is missing.
    requested_dates
        The template's dates by their gid: ``{1: "2026-05-21"}`` sets the start of the project,
        ``2`` its due date.
    requested_roles
        The template's roles by their gid: a user's gid, an email address, or ``"me"``.

    See Also
    --------
    save_project_as_template : Create a template.
    instantiate_task : The same for tasks.

    Notes
    -----
    With OAuth, this needs the scope ``projects:write``.
    https://developers.asana.com/reference/instantiateproject

    Examples
    --------
    >>> template = asana.parents(1, "project_template")
    >>> plan = aj.instantiate_project(template, name=["May", "June"], dry_run=True)
    >>> plan["request.body"].tolist()
    ['{"data":{"name":"May"}}', '{"data":{"name":"June"}}']
    """
    values: dict[str, Any] = {
        "name": name,
        "team": team,
        "privacy_setting": privacy_setting,
        "is_strict": is_strict,
        "requested_dates": requested_dates,
        "requested_roles": requested_roles,
    }
    return start_jobs("instantiate_project", templates, values, options)


@public
@with_start_options
def instantiate_task(
    templates: Gids,
    *,
    name: str | Iterable[str] | None = None,
    **options: Unpack[StartOptions],
) -> pd.DataFrame:
    """Create tasks from task templates, and return the jobs.

    Parameters
    ----------
    templates
        One task template or many: gids, or URLs of the web app.
    name
        The name of the tasks, as in `instantiate_project`; None for that of the template.

    See Also
    --------
    instantiate_project : The same for projects.

    Notes
    -----
    https://developers.asana.com/reference/instantiatetask

    Examples
    --------
    >>> jobs = aj.instantiate_task(asana.parents(1, "task_template"), name="Weekly report")
    >>> jobs["source.state"].tolist()
    ['started']
    """
    return start_jobs("instantiate_task", templates, {"name": name}, options)


@public
@with_start_options
def save_project_as_template(
    projects: Gids,
    *,
    name: str | Iterable[str],
    public: bool,
    team: Gid | None = None,
    workspace: Gid | None = None,
    **options: Unpack[StartOptions],
) -> pd.DataFrame:
    """Save projects as project templates, and return the jobs.

    Parameters
    ----------
    projects
        One project or many: gids, or URLs of the web app.
    name
        The name of the templates, as in `duplicate_project`.
    public
        Whether the whole team can see them.
    team
        The gid of the team that owns them; for projects of an organization.
    workspace
        The gid of the workspace; for projects of a workspace that is not an organization.

    See Also
    --------
    instantiate_project : Create projects from a template.

    Notes
    -----
    https://developers.asana.com/reference/projectsaveastemplate

    Examples
    --------
    >>> plan = aj.save_project_as_template(
    ...     project, name="Launch", public=True, team="1100", dry_run=True
    ... )
    >>> plan["request.method"].tolist()
    ['POST']
    """
    values = {"name": name, "public": public, "team": team, "workspace": workspace}
    return start_jobs("save_project_as_template", projects, values, options)


@public
@with_start_options
def export_graph(
    parents: Gids,
    *,
    max_age: MaxAge | None = None,
    **options: Unpack[StartOptions],
) -> pd.DataFrame:
    """Start a graph export of each goal, team, portfolio or project, and return the jobs.

    Sends one POST per parent, and a second one only if the first certainly started nothing (no
    connection, 429). Asana lets a user run five jobs at a time: with more parents, the next job is
    started as soon as one finishes, which is found out by polling every 2 to 30 s. The function
    returns once the last job has been started, not once it is finished.

    Parameters
    ----------
    parents
        One parent or many: gids in any form that `read_asana_jobs` takes, or URLs of the web app,
        such as ``https://app.asana.com/1/…/project/…/list``. A repeated parent is started once.
    max_age
        The age up to which an earlier export of the same parent is used instead of starting
        another: ``"4h"``, a timedelta or seconds. The ledger of this machine must know one that is
        running, or was completed no longer ago than this, and a GET must show that it can be read
        with this token. Without a clear response to that GET, nothing is started (``not_sent``).
        None always starts an export.

    Returns
    -------
    pandas.DataFrame
        One row per parent, in their order, with the columns of `read_asana_jobs`, then
        ``source.gid`` (the parent), ``source.action`` (the name of this function),
        ``source.requested_at`` (by Asana's clock), and ``source.state``: ``started``; ``taken``
        if `max_age` found an earlier job to use instead; ``refused`` by Asana; ``unknown`` if the
        response was lost, so that the job may have been started; or ``not_sent`` if nothing was
        started. In the last three states, there is no ``gid``, and ``error.*`` says why. In the
        last two, the job can be started again; if it is ``unknown`` and not an export, first check
        in Asana whether its object was created.
        With ``dry_run=True``, one row per request: ``source.gid``, ``source.action``,
        ``request.method``, ``request.path`` and ``request.body``, all ``string``.

    Raises
    ------
    InvalidGidError, InvalidOptionError
        Before any request is made: for a value that is not a gid, a URL of another kind of
        object, or an invalid option.
    StartStoppedError
        If it was stopped, timed out or could not continue, with ``.frame``.
    StartInterrupted
        On Ctrl-C or a kernel interrupt: a KeyboardInterrupt with ``.frame``.
    AuthenticationError
        If the token is rejected, with ``.frame``.
    PartialStartError
        With ``errors="raise"``, when jobs were not started.

    Warns
    -----
    AsanaStartWarning
        If jobs were not started, or an export comes from Asana's cache.

    See Also
    --------
    export_resources : The tasks of a workspace, filtered, with their stories.
    AsanaAccessor.wait : Wait for the jobs.
    AsanaAccessor.download : Download their files.

    Notes
    -----
    Asana offers graph exports only to Enterprise organizations. It caches exports of more than
    1,000 tasks for 4 hours: ``jobs.asana.cached`` has those rows once they are finished.
    https://developers.asana.com/reference/creategraphexport

    Without a connection, starting a job fails after the client's `max_retries`, by default after
    8 to 16 s.

    Exporting twice does no harm, so exports can be started again without a look at Asana::

        again = jobs["source.state"].isin(["unknown", "not_sent"])
        jobs = pd.concat([jobs[~again], aj.export_graph(jobs.loc[again, "source.gid"])])

    Examples
    --------
    >>> data = aj.export_graph(project).asana.wait().asana.download("exports/").asana.load()
    >>> "task" in data
    True
    """
    return start_jobs("export_graph", parents, {}, options, max_age=max_age)


@public
@with_start_options
def export_resources(
    workspaces: Gids,
    resources: ResourceType | ResourceExport | Iterable[ResourceType | ResourceExport],
    *,
    max_age: MaxAge | None = None,
    **options: Unpack[StartOptions],
) -> pd.DataFrame:
    """Start an export of the tasks, teams or messages of a workspace, and return the job.

    Asana runs one resource export per workspace at a time; the function waits while another one is
    in progress. Resource exports are for service accounts only.

    Parameters
    ----------
    workspaces
        One workspace or many: gids, or URLs of the web app.
    resources
        ``"task"``, ``"team"``, ``"message"``, a `ResourceExport` with filters and fields, or
        several of these.
    max_age
        The age up to which an export of the same resources is used instead, as in `export_graph`.

    Raises
    ------
    InvalidGidError, InvalidOptionError, InvalidFieldError
        Before any request is made.

    See Also
    --------
    ResourceExport : The filters and fields of an export.
    export_graph : Export a goal, team, portfolio or project with its contents.

    Notes
    -----
    https://developers.asana.com/reference/createresourceexport

    Examples
    --------
    >>> tasks = aj.ResourceExport.tasks(modified_after="2026-01-01", fields=["name", "assignee"])
    >>> workspace = asana.parents(1, "workspace")
    >>> plan = aj.export_resources(workspace, [tasks, "team"], dry_run=True)
    >>> plan["request.path"].tolist()
    ['/exports/resource']
    """
    values = {"export_request_parameters": export_parameters(resources)}
    return start_jobs("export_resources", workspaces, values, options, max_age=max_age)
