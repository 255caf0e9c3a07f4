"""The export rows of a generated workspace, in the form that Asana documents."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from random import Random
from typing import Any, Literal

from ._workspace import COLORS, VALUES, text, title
from ._world import NOW, SECTIONS, START, Change, Json, Task, World, day


def resource_rows(
    world: World,
    resource_type: Literal["task", "team", "message"],
    *,
    fields: Iterable[str] | None = None,
    filters: Mapping[str, Any] | None = None,
) -> Iterator[Json]:
    """Yield the rows that one item of `export_request_parameters` asks for."""
    rows = {"task": _tasks, "team": _teams, "message": _messages}[resource_type](world)
    wanted = {} if fields is None else _tree(["resource_type", *fields])
    for row in rows:
        if all(_matches(row, name, value) for name, value in (filters or {}).items()):
            yield _pick(row, wanted) if wanted else row


def graph_rows(world: World, parent: str | None = None) -> Iterator[Json]:
    """Yield the rows of the graph export of a portfolio, project or team; None for everything."""
    yield from structure_rows(world, parent)
    for number in world.in_graph(parent):
        yield from graph_task_rows(world, number)


def structure_rows(world: World, parent: str | None = None) -> Iterator[Json]:
    """Yield the rows of a graph export that do not belong to tasks."""
    portfolios = sorted(world.portfolios_below(parent))
    projects = sorted(world.projects_below(parent) - world.hidden)
    for number in portfolios:
        yield _portfolio(world, number)
    for above, portfolio in world.portfolio_links():
        if above in portfolios:
            yield {
                "resource_type": "portfolio_to_portfolio",
                "parent_portfolio": {"gid": world.portfolios[above]["gid"]},
                "child_portfolio": {"gid": world.portfolios[portfolio]["gid"]},
            }
    for portfolio, project in world.project_links():
        if portfolio in portfolios:  # also to a hidden project
            yield {
                "resource_type": "project_to_portfolio",
                "portfolio": {"gid": world.portfolios[portfolio]["gid"]},
                "project": {"gid": world.projects[project]["gid"]},
            }
    for number in projects:
        yield from _project(world, number)


def _portfolio(world: World, number: int) -> Json:
    rng = Random(f"{world.seed}/portfolio/{number}")
    return {
        **world.portfolios[number],
        "color": rng.choice(COLORS),
        "created_at": _time(START),
        "owner": rng.choice(world.users),
    }


def _project(world: World, number: int) -> Iterator[Json]:
    rng = Random(f"{world.seed}/project/{number}")
    project = world.projects[number]
    yield {
        **project,
        "archived": rng.random() < 1 / 5,
        "created_at": _time(START),
        "due_on": day(rng, NOW) if rng.random() < 1 / 2 else None,
        "owner": rng.choice(world.users),
        "team": world.team_of(number),
    }
    for section in range(len(SECTIONS)):
        yield {
            **world.section(number, section),
            "created_at": _time(START),
            "project": project,
        }
    yield {
        "gid": world.gid("allocation", number),
        "resource_type": "allocation",
        "resource_subtype": "project_allocation",
        "start_date": day(rng, START),
        "end_date": day(rng, NOW),
        "effort": {"type": "percent", "value": rng.choice((12.5, 50, 100))},
        "assignee": rng.choice(world.users),
        "parent": project,
    }


def graph_task_rows(world: World, number: int) -> Iterator[Json]:
    """Yield a task of a graph export, and its time entries."""
    row = _core(world, number)
    row["custom_fields"] = [_trimmed(world, field) for field in row["custom_fields"]]
    yield row
    rng = Random(f"{world.seed}/time/{number}")
    for entry in range(rng.choice((0, 0, 0, 1, 2))):
        yield {
            "gid": world.gid("time_tracking_entry", 2 * number + entry),
            "resource_type": "time_tracking_entry",
            "duration_minutes": rng.randrange(5, 480),
            "entered_on": day(rng, world.task(number).created_at),
            "created_by": rng.choice(world.users),
            "task": _named(world, number),
        }


def _trimmed(world: World, field: Json) -> Json:
    kept = ("name", "type", "representation_type", "display_value")
    trimmed = {key: value for key, value in field.items() if key in kept or "value" in key}
    if world.field_gids:
        trimmed = {"gid": field["gid"], **trimmed}
    if field["type"] == "people":
        trimmed["people_value"] = [
            {"gid": user["gid"], "name": user["name"], "email": f"{user['gid']}@example.com"}
            for user in field["people_value"]
        ]
    return trimmed


def _core(world: World, number: int) -> Json:
    """Return the keys that task rows have in both kinds of export."""
    task, last = world.task(number), world.task(number).last
    rng = Random(f"{world.seed}/row/{number}")
    done = [change for change in task.changes if change.field == "completed" and change.new]
    completed = last["completed"]
    subtype = rng.choice(("default_task", "default_task", "milestone", "approval"))
    decision = "approved" if completed else "pending"
    return {
        **_named(world, number),
        "resource_subtype": subtype,
        "approval_status": decision if subtype == "approval" else None,
        "actual_time_minutes": rng.randrange(500) if rng.random() < 1 / 5 else None,
        "assignee": _of(world.users, last["assignee"]),
        "completed": completed,
        "completed_at": _time(done[-1].at) if completed else None,
        "completed_by": world.users[done[-1].by] if completed else None,
        "created_at": _time(task.created_at),
        "created_by": world.users[task.created_by],
        "modified_at": _time(task.modified_at),
        **(_task_dates(number, last["due_on"]) or _NO_DATES),
        "followers": rng.sample(world.users, rng.randrange(4)),
        "likes": [
            {"gid": world.gid("like", number), "user": user}
            for user in rng.sample(world.users, rng.choice((0, 0, 0, 1)))
        ],
        "notes": text(rng),
        "tags": rng.sample(world.tags, rng.randrange(3)),
        "custom_fields": [
            value
            for field, value in last.items()
            if isinstance(field, tuple) and field[0] == "field"
        ],
        **_relations(world, number),
    }


def _relations(world: World, number: int) -> Json:
    parent = world.parent(number)
    return {
        "dependencies": [_named(world, other) for other in world.dependencies(number)],
        "dependents": [_named(world, other) for other in world.dependents(number)],
        "memberships": [
            {"project": world.projects[project], "section": world.section(project, section)}
            for project, section in world.task(number).memberships.items()
            if project not in world.hidden
        ],
        "num_subtasks": len(world.subtasks(number)),
        "parent": None if parent is None else _named(world, parent),
    }


def _named(world: World, number: int) -> Json:
    return world.compact("task", number, world.task(number).last["name"])


def _tasks(world: World) -> Iterator[Json]:
    for number in range(world.tasks):
        if not world.is_visible(number):
            continue
        row = _core(world, number)
        gid = world.workspace["gid"]
        row |= {
            "num_likes": len(row["likes"]),
            "permalink_url": f"https://app.asana.com/1/{gid}/task/{row['gid']}",
            "projects": [membership["project"] for membership in row["memberships"]],
            "workspace": world.workspace,
            "stories": list(_stories(world, world.task(number))),
        }
        if number % 10 == 0:
            row["external"] = {"gid": f"ext-{number}", "data": row["name"]}
        yield row


def _stories(world: World, task: Task) -> Iterator[Json]:
    def story(index: int, at: int, by: Json, **keys: Any) -> Json:
        gid = world.gid("story", task.number * 32 + index)
        created = {"created_at": _time(at), "created_by": by}
        return {"gid": gid, "resource_type": "story", **created, **keys}

    rng = Random(f"{world.seed}/comments/{task.number}")
    for index, change in enumerate(task.changes):
        if not (change.field[0] == "section" and change.field[1] in world.hidden):
            by = world.users[change.by]
            keys = _story(world, task.number, change)
            yield story(index, change.at, by, type="system", **keys)
    if rng.random() < 1 / 3:
        kind = {"type": "comment", "resource_subtype": "comment_added"}
        yield story(31, task.modified_at, rng.choice(world.users), **kind, text=text(rng))


def _story(world: World, number: int, change: Change) -> Json:
    """Return the keys of a story that describe its change."""
    field, old, new = change.field, change.old, change.new
    if field == "completed":
        return {"resource_subtype": "marked_complete" if new else "marked_incomplete"}
    if field == "name":
        return {"resource_subtype": "name_changed", "old_name": old, "new_name": new}
    if field == "assignee":
        subtype = "unassigned" if new is None else "assigned"
        return {"resource_subtype": subtype, "assignee": _of(world.users, new)}
    if field == "due_on":
        return {
            "resource_subtype": "due_date_changed",
            "old_dates": _task_dates(number, old),
            "new_dates": _task_dates(number, new),
        }
    return _move(world, int(field[1]), old, new) if field[0] == "section" else _edit(old, new)


def _move(world: World, project: int, old: int | None, new: int | None) -> Json:
    if old is None or new is None:
        subtype = "added_to_project" if old is None else "removed_from_project"
        return {"resource_subtype": subtype, "project": world.projects[project]}
    return {
        "resource_subtype": "section_changed",
        "project": world.projects[project],
        "old_section": world.section(project, old),
        "new_section": world.section(project, new),
    }


def _teams(world: World) -> Iterator[Json]:
    for number, team in enumerate(world.teams):
        rng = Random(f"{world.seed}/team/{number}")
        yield {
            **team,
            "description": text(rng),
            "organization": world.workspace,
            "visibility": rng.choice(("secret", "request_to_join", "public")),
            "members": rng.sample(world.users, 5),
        }


def _messages(world: World) -> Iterator[Json]:
    for number in range(world.tasks // 15):
        rng = Random(f"{world.seed}/message/{number}")
        created = _time(START + rng.randrange(NOW - START))
        yield {
            "gid": world.gid("message", number),
            "resource_type": "message",
            "resource_subtype": "default",
            "title": title(rng),
            "text": text(rng),
            "created_at": created,
            "modified_at": created,
            "created_by": rng.choice(world.users),
            "followers": rng.sample(world.users, rng.randrange(4)),
            "parents": [rng.choice(world.projects)],
            "num_likes": rng.choice((0, 0, 2)),
        }


def _edit(old: Json, new: Json) -> Json:
    kind = new["type"]
    keys = ("gid", "resource_type", "name", "type", "resource_subtype")
    values = [field[VALUES[kind]] for field in (old, new)]
    if kind == "date":
        values = [
            value and _NO_DATES | {"due_on": value["date"], "due_at": value["date_time"]}
            for value in values
        ]
    return {
        "resource_subtype": f"{kind}_custom_field_changed",
        "custom_field": {key: new[key] for key in keys},
        f"old_{VALUES[kind]}": values[0],
        f"new_{VALUES[kind]}": values[1],
    }


def _task_dates(number: int, day: str | None) -> Json | None:
    """Return the dates of a task that is due on a day; some have a start, some a time of day."""
    if day is None:
        return None
    due_at = f"{day}T15:00:00.000Z" if number % 5 == 0 else None
    return {"start_on": day if number % 3 == 0 else None, "due_at": due_at, "due_on": day}


def _of(items: Sequence[Json], number: int | None) -> Json | None:
    return None if number is None else items[number]


def _time(millis: int) -> str:
    """Return a time in Asana's format, without the fraction if it is zero."""
    moment = datetime.fromtimestamp(millis // 1000, UTC).isoformat()[:19]
    return f"{moment}.{millis % 1000:03d}Z" if millis % 1000 else f"{moment}Z"


_NO_DATES: Json = dict.fromkeys(("start_on", "due_at", "due_on"))
_PEOPLE: Mapping[str, Callable[[Json], list[Json | None]]] = {
    "assignee.any": lambda row: [row.get("assignee")],
    "assigned_by.any": lambda row: _authors(row, "assigned"),
    "commented_on_by.any": lambda row: _authors(row, "comment_added"),
    "created_by.any": lambda row: [row.get("created_by")],
    "followers.any": lambda row: row.get("followers", []),
    "liked_by.any": lambda row: [like["user"] for like in row.get("likes", [])],
}


def _authors(row: Json, subtype: str) -> list[Json | None]:
    """Return who created the stories of a subtype."""
    stories = row.get("stories", [])
    return [story["created_by"] for story in stories if story["resource_subtype"] == subtype]


def _matches(row: Json, name: str, value: Any) -> bool:
    """Return whether a row matches a filter of a resource export."""
    if name in _PEOPLE:
        return any(user and user["gid"] in value for user in _PEOPLE[name](row))
    key, _, side = name.partition(".")
    time, limit = datetime.fromisoformat(row[key]), datetime.fromisoformat(value)
    return time > limit if side == "after" else time < limit


def _tree(paths: Iterable[str]) -> Json:
    """Return paths such as "assignee.name" as nested dicts; an empty dict means everything."""
    tree: Json = {}
    for path in paths:
        branch = tree
        for key in path.split("."):
            branch = branch.setdefault(key, {})
    return tree


def _pick(value: Any, wanted: Json) -> Any:
    """Return the requested part of an object, or of each object in a list."""
    if isinstance(value, list):
        return [_pick(item, wanted) for item in value]
    if not isinstance(value, dict) or not wanted:
        return value
    keys = {"gid": {}, **wanted}
    return {key: _pick(value[key], keys[key]) for key in value if key in keys}
