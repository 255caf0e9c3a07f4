"""The generated workspace: deterministic, streamed, and consistent with what it says is true."""

import json
from itertools import islice

import pytest

from asana_jobs_pd.sandbox._world import World
from asana_jobs_pd.sandbox._world_rows import graph_rows, resource_rows

TASKS = 200


@pytest.fixture(scope="module")
def world():
    return World("seed", TASKS, hidden=0.2)


@pytest.fixture(scope="module")
def tasks(world):
    return {row["gid"]: row for row in resource_rows(world, "task")}


def of_type(rows, name):
    return [row for row in rows if row["resource_type"] == name]


def test_a_seed_makes_one_world(world):
    same, other = World("seed", TASKS, hidden=0.2), World("other", TASKS, hidden=0.2)
    assert list(graph_rows(world)) == list(graph_rows(same))
    assert list(graph_rows(world)) != list(graph_rows(other))


def test_weeks_go_on_from_the_world_before(world):
    """What happened stays; a tenth of the tasks changes in a week, and some are added."""
    later = World("seed", TASKS, hidden=0.2, weeks=2)
    changed = 0
    for number in range(TASKS):
        before, after = world.task(number), later.task(number)
        assert after.changes[: len(before.changes)] == before.changes
        changed += after.changes != before.changes
    assert TASKS / 10 < changed < TASKS / 3
    assert len(list(range(TASKS, later.tasks))) == 2 * TASKS // 50
    week = World("seed", TASKS, hidden=0.2, weeks=1)
    for number in range(week.tasks):
        changes = later.task(number).changes
        assert [each.at for each in changes] == sorted(each.at for each in changes)
        assert later.task(number).created_at == week.task(number).created_at
        assert changes[: len(week.task(number).changes)] == week.task(number).changes


def test_rows_are_a_stream_and_each_task_is_a_function_of_its_number(world):
    large = World("seed", 1_000_000)
    assert len(list(islice(resource_rows(large, "task"), 5))) == 5
    assert large.task(999_999) == World("seed", 1_000_000).task(999_999)


def test_gids_are_unique_and_too_long_for_floats(world, tasks):
    rows = [*graph_rows(world), *tasks.values(), *resource_rows(world, "message")]
    for kind in {row["resource_type"] for row in rows if "gid" in row}:
        gids = [row["gid"] for row in of_type(graph_rows(world), kind)]
        assert len(set(gids)) == len(gids)
        assert sum(int(gid) > 2**53 for gid in gids) >= len(gids) / 3
        assert {len(gid) for gid in gids} <= {16, 17, 19}
    stories = [story["gid"] for row in tasks.values() for story in row["stories"]]
    assert len(set(stories)) == len(stories)


def test_stories_lead_to_what_the_task_says(world, tasks):
    for number in filter(world.is_visible, range(TASKS)):
        row, last = tasks[world.gid("task", number)], world.task(number).last
        assert row["completed"] == last["completed"]
        done = [s for s in row["stories"] if "complete" in s["resource_subtype"]]
        if done:
            assert row["completed"] == (done[-1]["resource_subtype"] == "marked_complete")
        if row["completed"]:
            assert row["completed_at"] == done[-1]["created_at"]
        moved = {s["project"]["gid"]: s for s in row["stories"] if "new_section" in s}
        for membership in row["memberships"]:
            story = moved.get(membership["project"]["gid"])
            if story is not None and row["stories"].index(story) > max(
                place
                for place, s in enumerate(row["stories"])
                if s["resource_subtype"] == "added_to_project" and s["project"] == story["project"]
            ):
                assert story["new_section"] == membership["section"]
        times = [story["created_at"][:19] for story in row["stories"]]
        assert times == sorted(times)
        assert all(row["created_at"][:19] <= time <= row["modified_at"][:19] for time in times)


def test_intervals_are_without_gaps(world):
    for number in range(TASKS):
        task = world.task(number)
        for field in task.last:
            intervals = task.intervals(field)
            assert intervals[-1].value == task.last[field]
            assert intervals[-1].to is None
            ends = [interval.to for interval in intervals[:-1]]
            assert ends == [interval.start for interval in intervals[1:]]


def test_subtasks_are_three_deep_and_graph_exports_have_the_first_level(world, tasks):
    depths = {world.depth(number) for number in range(TASKS)}
    assert depths == {0, 1, 2, 3}
    exported = {row["gid"] for row in of_type(graph_rows(world), "task")}
    assert exported == {world.gid("task", number) for number in world.in_graph()}
    assert {world.depth(number) for number in world.in_graph()} == {0, 1}
    assert exported <= set(tasks)


def test_links_have_no_circles_and_reach_everything(world):
    links = world.portfolio_links()
    assert all(above < below for above, below in links)
    assert len(set(links)) == len(links)
    assert world.portfolios_below(world.portfolios[0]["gid"]) == set(range(len(world.portfolios)))
    assert world.projects_below(world.portfolios[0]["gid"]) == set(range(len(world.projects)))


def test_dependencies_are_told_from_both_ends(world):
    for number in range(TASKS):
        assert all(other < number for other in world.dependencies(number))
        assert all(number in world.dependencies(other) for other in world.dependents(number))


def test_hidden_projects_are_left_out_while_links_remain(world):
    rows = list(graph_rows(world))
    hidden = {world.gid("project", number) for number in world.hidden}
    assert hidden
    assert not hidden & {row["gid"] for row in of_type(rows, "project")}
    assert hidden & {row["project"]["gid"] for row in of_type(rows, "project_to_portfolio")}
    assert not any(gid in json.dumps(of_type(rows, "task")) for gid in hidden)


def test_time_entries_are_of_tasks_of_the_file(world):
    rows = list(graph_rows(world, world.projects[0]["gid"]))
    gids = {row["gid"] for row in of_type(rows, "task")}
    entries = of_type(rows, "time_tracking_entry")
    assert entries
    assert {row["task"]["gid"] for row in entries} <= gids


@pytest.mark.parametrize("kind", ["project", "portfolio", "team"])
def test_a_graph_export_has_what_is_in_its_parent(kind):
    world = World("seed", TASKS)
    parent = world.nth(kind, 1)
    rows = list(graph_rows(world, parent))
    projects = {row["gid"] for row in of_type(rows, "project")}
    assert 0 < len(projects) < len(world.projects)
    if kind == "project":
        assert projects == {parent}
    if kind == "team":
        assert {row["team"]["gid"] for row in of_type(rows, "project")} == {parent}
    for row in of_type(rows, "task"):
        own = {each["project"]["gid"] for each in row["memberships"]}
        assert own & projects or row["parent"]


def test_custom_fields_of_graph_exports_come_without_gids_on_demand():
    world = World(1, 50, field_gids=False)
    fields = [field for row in graph_rows(world) for field in row.get("custom_fields", ())]
    assert fields
    assert not any("gid" in field for field in fields)


def test_fields_are_what_was_asked_for(world):
    row = next(resource_rows(world, "task", fields=["name", "memberships.section.name"]))
    assert list(row) == ["gid", "resource_type", "name", "memberships"]
    (membership, *_) = row["memberships"]
    assert membership == {"section": {"gid": membership["section"]["gid"], "name": "Doing"}} or (
        list(membership["section"]) == ["gid", "name"]
    )


@pytest.mark.parametrize("key", ["created_at", "modified_at"])
def test_filters_by_time_split_the_tasks(world, tasks, key):
    middle = "2025-01-01T00:00:00Z"
    parts = [
        [row["gid"] for row in resource_rows(world, "task", filters={f"{key}.{side}": middle})]
        for side in ("after", "before")
    ]
    assert all(parts)
    assert sorted(parts[0] + parts[1]) == sorted(tasks)


@pytest.mark.parametrize(
    "name",
    [
        *("assignee.any", "created_by.any", "followers.any", "liked_by.any", "assigned_by.any"),
        "commented_on_by.any",
    ],
)
def test_filters_by_people_pick_some(world, tasks, name):
    user = world.users[1]["gid"]
    rows = list(resource_rows(world, "task", filters={name: [user]}))
    assert 0 < len(rows) < len(tasks)
    if name == "assignee.any":
        assert all(row["assignee"]["gid"] == user for row in rows)


def test_teams_and_messages(world):
    assert len(list(resource_rows(world, "team"))) == 6
    assert len(list(resource_rows(world, "message"))) == TASKS // 15
