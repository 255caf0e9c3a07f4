"""`notebooks/answers.ipynb`: its recipes give what the generated world says."""

import json
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest

import asana_jobs_pd as aj
from asana_jobs_pd.sandbox._world import World

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "answers.ipynb"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def world():
    """What the sandbox of the notebook exports, a week later."""
    return World("0", 400, weeks=1)


@pytest.fixture(scope="module")
def tasks(world):
    return [world.task(number) for number in range(world.tasks)]


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """The variables of the notebook, after all of its cells."""
    pytest.importorskip("matplotlib").use("agg")
    cells = json.loads(NOTEBOOK.read_text("utf-8"))["cells"]
    names = {"__name__": "answers"}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("notebook"))
        for cell in cells:
            if cell["cell_type"] == "code":
                exec("".join(cell["source"]), names)
        yield names


def test_each_recipe_is_at_most_three_lines_before_the_picture():
    cells = json.loads(NOTEBOOK.read_text("utf-8"))["cells"]
    titles = [n for n, cell in enumerate(cells) if cell["source"][0].startswith("## ")]
    recipes = [cells[n + 1] for n in titles[:10]]
    assert [cell["cell_type"] for cell in recipes] == ["code"] * 10
    assert all(len(cell["source"]) <= 4 for cell in recipes)


def test_overdue(world, tasks, found):
    today = found["today"].strftime("%Y-%m-%d")
    late = Counter(
        task.last["assignee"]
        for task in tasks
        if not task.last["completed"] and task.last["due_on"] and task.last["due_on"] < today
    )
    gids = found["overdue"]["assignee.gid"].value_counts(dropna=False)
    assert sum(late.values()) == gids.sum()
    assert all(gids[world.gid("user", user)] == late[user] for user in late if user is not None)
    names = [world.users[user]["name"] if user is not None else "nobody" for user in late]
    assert sorted(found["people"].items()) == sorted(zip(names, late.values(), strict=True))


def test_cost_by_project(world, tasks, found):
    number = next(n for n, field in enumerate(world.fields) if field["name"] == "Cost")
    costs = Counter()
    for task in tasks:
        field = task.last.get(("field", number))
        for project in task.memberships:
            costs[world.projects[project]["name"]] += (field and field["number_value"]) or 0
    sums = found["costs"].groupby(["project", "currency_code"])["number_value"].sum()
    assert sums.to_dict() == pytest.approx({(name, "EUR"): cost for name, cost in costs.items()})


def test_tasks_in_two_projects(world, tasks, found):
    shared = {world.gid("task", task.number) for task in tasks if len(task.memberships) > 1}
    assert set(found["shared"].index) == shared


def test_throughput(tasks, found):
    """Every week has a number, named by its Sunday in Berlin."""
    weeks = Counter()
    for task in tasks:
        done = [change.at for change in task.changes if change.field == "completed"]
        if task.last["completed"]:
            day = (
                pd.Timestamp(done[-1], unit="ms", tz="Europe/Berlin").tz_localize(None).normalize()
            )
            weeks[day + pd.Timedelta(days=6 - day.day_of_week)] += 1
    weekly = found["weekly"]
    assert weekly[weekly > 0].to_dict() == dict(weeks)
    assert (weekly.index.to_series().diff().dropna() == pd.Timedelta(days=7)).all()


def test_days_in_each_section(found):
    assert list(found["days"].index) == ["To do", "Doing", "Review", "Done"]
    assert (found["days"] > 0).all()


def test_what_changed(world, found):
    before = World("0", 400)
    counts = found["changes"].summary().loc["task"]
    assert counts["added"] == world.tasks - before.tasks
    assert counts["removed"] == 0
    assert 0 < counts["changed"] < before.tasks


def test_what_is_missing(world, found):
    project = world.nth("project", 0)
    inside = {world.gid("task", number) for number in world.in_graph(project)}
    gaps = found["gaps"].dropna(subset="gid")
    others = {world.gid("project", n) for n in range(len(world.projects))} - {project}
    assert set(gaps[gaps["kind"] == "project"]["gid"]) <= others
    assert not set(gaps[gaps["kind"] == "task"]["gid"]) & inside
    assert set(found["gaps"]["why"]) >= {"other project", "unknown"}


def test_busiest_people(found):
    entries = found["data"]["time_tracking_entry"]
    assert found["busiest"].is_monotonic_decreasing
    assert found["busiest"].sum() <= entries["duration_minutes"].sum() / 60 + 1e-9


def test_totals_of_portfolios(world, tasks, found):
    for number, portfolio in enumerate(world.portfolios):
        projects = world.projects_below(world.gid("portfolio", number))
        inside = [task for task in tasks if projects & task.memberships.keys()]
        totals = found["totals"].loc[portfolio["gid"]]
        assert totals["tasks"] == len(inside)
        assert totals["completed"] == sum(task.last["completed"] for task in inside)


def test_people_of_one_name_are_two(found):
    """The recipes that count by person group by gid."""
    entries = found["data"]["time_tracking_entry"].groupby("created_by.gid")["duration_minutes"]
    assert found["busiest"].tolist() == (entries.sum().nlargest(10) / 60).tolist()


def test_the_workbook(found):
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.load_workbook(found["workbook"], read_only=True)
    assert set(found["data"]) <= set(book.sheetnames)
    assert isinstance(found["data"], aj.AsanaExport)
    assert isinstance(found["today"], pd.Timestamp)
