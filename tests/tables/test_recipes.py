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
    """The value of each recipe of the page, by the first words of the comment above it."""
    code = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)[1]
    names = {"aj": aj, "pd": pd, "data": data, "tables": data.tables(), "last_week": data}
    values = {}
    today, *recipes = code.split("\n\n")
    exec(today, names)
    for recipe in recipes:
        title, *lines = recipe.strip().splitlines()
        *before, last = lines
        exec("\n".join(before), names)
        values[re.split("[,:;]", title.removeprefix("# "))[0]] = eval(last, names)
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
    found = answers["Overdue tasks by assignee"]
    assert found.droplevel("assignee.gid").sort_values().tolist() == sorted(expected)
    assert found[found.index.get_level_values(0).isna()].tolist() == [late.count(None)]


def test_cost_by_project(world, answers):
    number = next(n for n, field in enumerate(world.fields) if field["name"] == "Cost")
    costs, total = {}, 0
    for task in now(world):
        field = task.last.get(("field", number))
        if not field or field["number_value"] is None:
            continue
        total += field["number_value"]
        for project in task.memberships or [None]:
            key = "none" if project is None else world.projects[project]["gid"], "EUR"
            costs[key] = costs.get(key, 0) + field["number_value"]
    found = answers["Cost by project and currency"].droplevel("name")
    assert found.sum() > total  # or the world has nothing in two projects
    assert {(gid if gid is not pd.NA else "none", currency): cost
            for (gid, currency), cost in found.items()} == pytest.approx(costs)  # fmt: skip
    assert answers["The total cost"] == pytest.approx(total)


def test_cost_by_project_without_all_projects(tmp_path):
    """One that was not exported is known from a task and from a portfolio; two fields are Cost."""
    from rows import write

    def of(kind, gid):
        return {"gid": gid, "resource_type": kind, "name": f"{kind} {gid}"}

    def cost(gid, currency, number):
        field = {"gid": gid, "name": "Cost", "type": "number", "number_value": number}
        return field | {"currency_code": currency}

    def task(gid, projects, *costs):
        memberships = [{"project": of("project", project), "section": None} for project in projects]
        return of("task", gid) | {"memberships": memberships, "custom_fields": costs}

    link = {"resource_type": "project_to_portfolio", "portfolio": of("portfolio", "1")}
    rows = [
        *(of("portfolio", "1"), of("project", "10")),
        *(link | {"project": of("project", gid)} for gid in ("10", "20")),
        task("100", ["10", "20"], cost("5", "EUR", 2.5), cost("6", "USD", 7)),
        task("101", ["10"], cost("5", "EUR", 1)),
        task("102", [], cost("6", "USD", None)),
    ]
    recipe = PAGE.read_text("utf-8").split("# Cost by project")[1].split("\n\n")[0]
    *before, last = recipe.splitlines()[1:]
    names = {"pd": pd, "data": aj.read_asana_export(write(tmp_path / "a.jsonl.gz", rows))}
    names["tables"] = names["data"].tables()
    exec("\n".join(before), names)
    assert eval(last, names).to_dict() == {
        ("10", "project 10", "EUR"): 3.5,
        ("10", "project 10", "USD"): 7,
        ("20", "project 20", "EUR"): 2.5,
        ("20", "project 20", "USD"): 7,
    }


def test_tasks_in_two_projects(world, answers):
    expected = {world.gid("task", t.number) for t in now(world) if len(t.memberships) > 1}
    assert set(answers["Tasks in two projects"].index) == expected


def test_throughput(world, answers):
    done = sum(task.last["completed"] for task in now(world))
    assert answers["Completed tasks by week"].sum() == done


def test_days_in_each_section(world, data, answers):
    days = answers["Days in each section"]["median"]
    assert {name for _, name, _ in days.index} == {project["name"] for project in world.projects}
    for _, sections in days.groupby(level=0):
        assert sections.index.get_level_values("value")[:2].tolist() == list(SECTIONS[:2])
    assert days.max() <= data.time_in("section")["time"].max()


def test_nothing_changed_since_last_week(answers):
    changes = answers["What changed since last week"]
    assert (changes[["added", "removed", "changed"]] == 0).all(axis=None)


def test_hours_by_portfolio(world, data, answers):
    hours = answers["Hours by portfolio"]
    tasks = {world.gid("task", task.number): task for task in now(world)}
    expected, of_subtasks = {}, 0
    for entry in data["time_tracking_entry"].to_dict("records"):
        task = tasks[entry["task.gid"]]
        while not task.memberships and (parent := world.parent(task.number)) is not None:
            task, of_subtasks = world.task(parent), of_subtasks + 1
        for number in range(len(world.portfolios)):
            gid = world.gid("portfolio", number)
            if world.projects_below(gid) & task.memberships.keys():
                expected[gid] = expected.get(gid, 0) + entry["duration_minutes"] / 60
    assert of_subtasks
    assert hours.to_dict() == pytest.approx(expected)
