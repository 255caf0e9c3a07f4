"""The recipes of docs/answers.md run, and give what the generated world says."""

import re
from pathlib import Path

import pandas as pd
import pytest

import asana_jobs_pd as aj
from asana_jobs_pd.sandbox._world import SECTIONS, World
from asana_jobs_pd.sandbox._world_rows import graph_rows, resource_rows

PAGE = Path(__file__).parents[2] / "docs" / "answers.md"


@pytest.fixture(scope="module")
def world():
    return World("recipes", 200)


@pytest.fixture(scope="module")
def data(world, tmp_path_factory):
    """Both kinds of export of one world, together."""
    from rows import write

    folder = tmp_path_factory.mktemp("exports")
    files = [
        write(folder / "graph.gz", graph_rows(world)),
        write(folder / "resource.gz", resource_rows(world, "task")),
    ]
    return aj.read_asana_export(files, progress=False)


@pytest.fixture(scope="module")
def answers(data):
    """The value of each recipe of the page, by the comment above it."""
    code = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)[1]
    names = {"aj": aj, "pd": pd, "data": data, "tables": data.tables(), "last_week": data}
    values = {}
    today, *recipes = code.split("\n\n")
    exec(today, names)
    for recipe in recipes:
        title, *lines = recipe.strip().splitlines()
        *before, last = lines
        exec("\n".join(before), names)
        values[title.removeprefix("# ")] = eval(last, names)
    return values


def now(world):
    """Yield what each task is now."""
    for number in range(world.tasks):
        yield world.task(number)


def test_overdue_by_assignee(world, answers):
    today = pd.Timestamp.now("Europe/Berlin").strftime("%Y-%m-%d")
    late = [
        task.last["assignee"]
        for task in now(world)
        if not task.last["completed"] and task.last["due_on"] and task.last["due_on"] < today
    ]
    people = [(world.users[user] if user is not None else {}) for user in late]
    expected = pd.Series([person.get("name") for person in people]).value_counts(dropna=False)
    found = answers["Overdue tasks by assignee, unassigned ones and subtasks included"]
    assert found.droplevel("assignee.gid").sort_values().tolist() == sorted(expected)
    assert found[found.index.get_level_values(0).isna()].tolist() == [late.count(None)]


def test_cost_by_project(world, answers):
    number = next(n for n, field in enumerate(world.fields) if field["name"] == "Cost")
    costs, total = {}, 0
    for task in now(world):
        field = task.last.get(("field", number))
        cost = (field and field["number_value"]) or 0
        total += cost
        for project in task.memberships or [None]:
            gid = "none" if project is None else world.projects[project]["gid"]
            costs[gid] = costs.get(gid, 0) + cost
    title = "Cost by project, a row for what is in none: a task in two projects counts in both"
    found = answers[title].droplevel("name")
    assert found.sum() > total  # or the world has nothing in two projects
    found.index = found.index.fillna("none")
    assert found.to_dict() == pytest.approx(costs)
    assert answers["The total cost: each task counts once"] == pytest.approx(total)


def test_tasks_in_two_projects(world, answers):
    expected = {world.gid("task", t.number) for t in now(world) if len(t.memberships) > 1}
    assert set(answers["Tasks in two projects"].index) == expected


def test_throughput(world, answers):
    done = sum(task.last["completed"] for task in now(world))
    assert answers["Completed tasks by week, by our clocks: times are UTC"].sum() == done


def test_days_in_each_section(world, data, answers):
    days = answers["Days in each section, until the task left it or was completed"]["median"]
    assert {name for name, _ in days.index} == {project["name"] for project in world.projects}
    for _, sections in days.groupby(level=0):
        assert sections.index.get_level_values("value")[:2].tolist() == list(SECTIONS[:2])
    assert days.max() <= data.time_in("section")["time"].max()


def test_nothing_changed_since_last_week(answers):
    changes = answers["What changed since last week"]
    assert (changes[["added", "removed", "changed"]] == 0).all(axis=None)


def test_hours_by_portfolio(world, data, answers):
    hours = answers["Hours by portfolio, with all portfolios and projects in it"]
    members = data.tables().task_project.merge(
        data["time_tracking_entry"], left_on="task", right_on="task.gid"
    )
    root = world.gid("portfolio", 0)
    everything = members.drop_duplicates("gid")["duration_minutes"].sum() / 60
    assert hours[root] == pytest.approx(everything)
    assert hours.max() == hours[root]
