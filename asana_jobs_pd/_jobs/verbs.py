"""THE table of what starts a job: each verb's endpoint, and what its body may hold.

The functions of `asana_jobs_pd._jobs.start` are these verbs; their signatures, the validation
and the bodies follow from here. Source: https://developers.asana.com/reference/rest-api-reference
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from asana_jobs_pd.typing import PortfolioPart, PrivacySetting, ProjectPart, TaskPart

__all__ = ["VERBS", "Kind", "Option", "Verb"]

Kind: TypeAlias = Literal[
    "text", "gid", "flag", "choice", "parts", "schedule", "dates", "roles", "made"
]
"""What decides how the value of an option is checked and written."""


@dataclass(frozen=True, slots=True)
class Option:
    """One member of a body's ``data``.

    Parameters
    ----------
    name
        Asana's name for it, and ours.
    kind
        What it can be.
    required
        Whether Asana insists on it.
    choices
        What a ``choice`` or ``parts`` can name.
    """

    name: str
    kind: Kind
    required: bool = False
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Verb:
    """One way to start a job.

    Parameters
    ----------
    name
        Of the function.
    path
        Of the endpoint; ``{gid}`` stands for the parent.
    what
        What the parent is.
    parent
        Where the body names the parent; empty when only the path does.
    options
        What else the body may hold.
    """

    name: str
    path: str
    what: str
    parent: str = ""
    options: tuple[Option, ...] = ()


_NAME = Option("name", "text", required=True)

_TABLE = (
    Verb("export_graph", "/exports/graph", "Parent", "parent"),
    Verb(
        "export_resources",
        "/exports/resource",
        "Workspace",
        "workspace",
        (Option("export_request_parameters", "made", required=True),),
    ),
    Verb(
        "duplicate_project",
        "/projects/{gid}/duplicate",
        "Project",
        options=(
            _NAME,
            Option("include", "parts", choices=get_args(ProjectPart)),
            Option("schedule_dates", "schedule"),
        ),
    ),
    Verb(
        "duplicate_task",
        "/tasks/{gid}/duplicate",
        "Task",
        options=(Option("name", "text"), Option("include", "parts", choices=get_args(TaskPart))),
    ),
    Verb(
        "duplicate_portfolio",
        "/portfolios/{gid}/duplicate",
        "Portfolio",
        options=(_NAME, Option("include", "parts", choices=get_args(PortfolioPart))),
    ),
    Verb(
        "instantiate_project",
        "/project_templates/{gid}/instantiateProject",
        "Project template",
        options=(
            _NAME,
            Option("team", "gid"),
            Option("privacy_setting", "choice", choices=get_args(PrivacySetting)),
            Option("is_strict", "flag"),
            Option("requested_dates", "dates"),
            Option("requested_roles", "roles"),
        ),
    ),
    Verb(
        "instantiate_task",
        "/task_templates/{gid}/instantiateTask",
        "Task template",
        options=(Option("name", "text"),),
    ),
    Verb(
        "save_project_as_template",
        "/projects/{gid}/saveAsTemplate",
        "Project",
        options=(
            _NAME,
            Option("public", "flag", required=True),
            Option("team", "gid"),
            Option("workspace", "gid"),
        ),
    ),
)

VERBS: dict[str, Verb] = {verb.name: verb for verb in _TABLE}
