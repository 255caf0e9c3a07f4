"""The rows of export files."""

from __future__ import annotations

from itertools import chain, repeat
from typing import TYPE_CHECKING, Any

from . import _names as names
from ._workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Json = dict[str, Any]

_REPEAT_EVERY = 50


def export_rows(resource_type: str, count: int, seed: str) -> Iterator[Json]:
    """Yield the rows of a `graph_export` or an `export_request`.

    The first rows are one of each type, then they come in no order. Every fiftieth row of an
    `export_request` repeats an earlier one, as overlapping filters do.
    """
    workspace = Workspace(seed)
    table = _GRAPH if resource_type == "graph_export" else _RESOURCE
    makers = [maker for maker, _ in table]
    weights = [weight for _, weight in table]
    turns = chain(makers, (workspace.rng.choices(makers, weights)[0] for _ in repeat(None)))
    earlier: Json = {}
    for number in range(1, count + 1):
        if table is _RESOURCE and number % _REPEAT_EVERY == 0:
            yield earlier
            continue
        row = next(turns)(workspace)
        if number % _REPEAT_EVERY == 1:
            earlier = row
        yield row


def _task(workspace: Workspace) -> Json:
    rng = workspace.rng
    project = rng.choice(workspace.projects)
    row = _task_core(workspace, project)
    row |= {
        "approval_status": "pending" if row["resource_subtype"] == "approval" else None,
        "assignee_status": "upcoming",
        "completed_by": rng.choice(workspace.users) if row["completed"] else None,
        "followers": workspace.some(workspace.users),
        "likes": [],
        "num_likes": rng.choice((0, 0, 0, 1, 3)),
        "num_subtasks": rng.choice((0, 0, 2)),
        "parent": workspace.resource("task") if workspace.chance(0.15) else None,
        "permalink_url": f"https://app.asana.com/1/{workspace.itself['gid']}/task/{row['gid']}",
        "projects": [project],
        "tags": workspace.some(workspace.tags),
        "workspace": workspace.itself,
        "custom_fields": workspace.custom_fields(project, workspace.users),
    }
    if workspace.chance(0.1):
        row["external"] = {"gid": f"ext-{rng.randrange(1000)}", "data": names.title(rng)}
    if workspace.chance(0.1):
        row["stories"] = [_story(workspace) for _ in range(rng.randint(1, 3))]
    return row


def _task_core(workspace: Workspace, project: Json) -> Json:
    """Make what task rows of both kinds of export have in common."""
    rng = workspace.rng
    done = workspace.chance(0.5)
    section = rng.choice(workspace.sections[project["gid"]])
    return {
        **workspace.resource("task"),
        "resource_subtype": rng.choice(("default_task", "default_task", "milestone", "approval")),
        "actual_time_minutes": rng.randrange(500) if workspace.chance(0.2) else None,
        "assignee": workspace.maybe(workspace.users),
        "completed": done,
        "completed_at": workspace.moment() if done else None,
        "created_at": workspace.moment(),
        "modified_at": workspace.moment(),
        "due_at": workspace.moment() if workspace.chance(0.2) else None,
        "due_on": workspace.day() if workspace.chance(0.5) else None,
        "start_on": workspace.day() if workspace.chance(0.3) else None,
        "notes": names.text(rng),
        "memberships": [{"project": project, "section": section}],
    }


def _story(workspace: Workspace) -> Json:
    return {
        "gid": names.gid(workspace.rng),
        "resource_type": "story",
        "resource_subtype": "comment_added",
        "created_at": workspace.moment(),
        "created_by": workspace.rng.choice(workspace.users),
        "text": names.text(workspace.rng),
    }


def _team(workspace: Workspace) -> Json:
    return {
        **workspace.resource("team"),
        "description": names.text(workspace.rng),
        "organization": workspace.itself,
        "visibility": workspace.rng.choice(("secret", "request_to_join", "public")),
        "endorsed": workspace.chance(0.2),
    }


def _message(workspace: Workspace) -> Json:
    rng = workspace.rng
    return {
        "gid": names.gid(rng),
        "resource_type": "message",
        "resource_subtype": "default",
        "title": names.title(rng),
        "text": names.text(rng),
        "created_at": workspace.moment(),
        "created_by": workspace.maybe(workspace.users, 0.9),
        "parents": [rng.choice(workspace.projects)],
        "num_likes": rng.choice((0, 0, 2)),
    }


def _graph_task(workspace: Workspace) -> Json:
    """Make a task of a graph export: the trimmed shape, whose people have addresses."""
    project = workspace.rng.choice(workspace.projects)
    people = [
        {"gid": user["gid"], "name": user["name"], "email": f"{user['gid']}@example.com"}
        for user in workspace.users[:5]
    ]
    row = _task_core(workspace, project)
    trimmed = ("gid", "name", "type", "representation_type", "display_value")
    row["custom_fields"] = [
        {key: value for key, value in field.items() if key in trimmed or "value" in key}
        for field in workspace.custom_fields(project, people)
    ]
    return row


def _project(workspace: Workspace) -> Json:
    return {
        **workspace.rng.choice(workspace.projects),
        "archived": workspace.chance(0.2),
        "created_at": workspace.moment(),
        "due_on": workspace.day() if workspace.chance(0.5) else None,
        "owner": workspace.maybe(workspace.users),
        "team": workspace.rng.choice(workspace.teams),
    }


def _portfolio(workspace: Workspace) -> Json:
    return {
        **workspace.rng.choice(workspace.portfolios),
        "color": workspace.rng.choice(names.COLORS),
        "created_at": workspace.moment(),
        "owner": workspace.maybe(workspace.users),
    }


def _section(workspace: Workspace) -> Json:
    project = workspace.rng.choice(workspace.projects)
    section = workspace.rng.choice(workspace.sections[project["gid"]])
    return {**section, "created_at": workspace.moment(), "project": project}


def _portfolio_link(workspace: Workspace) -> Json:
    parent, child = workspace.rng.sample(workspace.portfolios, 2)
    return {
        "resource_type": "portfolio_to_portfolio",
        "parent_portfolio": {"gid": parent["gid"]},
        "child_portfolio": {"gid": child["gid"]},
    }


def _project_link(workspace: Workspace) -> Json:
    return {
        "resource_type": "project_to_portfolio",
        "portfolio": {"gid": workspace.rng.choice(workspace.portfolios)["gid"]},
        "project": {"gid": workspace.rng.choice(workspace.projects)["gid"]},
    }


def _allocation(workspace: Workspace) -> Json:
    effort = {"type": "percent", "value": workspace.rng.choice((12.5, 50, 100))}
    return {
        "gid": names.gid(workspace.rng),
        "resource_type": "allocation",
        "resource_subtype": "project_allocation",
        "start_date": workspace.day(),
        "end_date": workspace.day(),
        "effort": effort if workspace.chance(0.8) else None,
        "assignee": workspace.rng.choice(workspace.users),
        "parent": workspace.rng.choice(workspace.projects),
    }


def _time_entry(workspace: Workspace) -> Json:
    return {
        "gid": names.gid(workspace.rng),
        "resource_type": "time_tracking_entry",
        "duration_minutes": workspace.rng.randrange(5, 480),
        "entered_on": workspace.day(),
        "attributable_to": workspace.maybe(workspace.projects, 0.5),
        "created_by": workspace.rng.choice(workspace.users),
        "task": workspace.resource("task"),
    }


_Table = tuple[tuple["Callable[[Workspace], Json]", int], ...]
_RESOURCE: _Table = ((_task, 90), (_team, 3), (_message, 7))
_GRAPH: _Table = (
    (_portfolio, 3),
    (_project, 8),
    (_graph_task, 60),
    (_section, 8),
    (_portfolio_link, 3),
    (_project_link, 6),
    (_allocation, 6),
    (_time_entry, 6),
)
