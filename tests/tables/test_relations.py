"""`data.tables()` and `data.gaps()`, compared with the truth of the world that was exported."""

import pandas as pd
import pytest
from rows import field, task

import asana_jobs_pd as aj
from asana_jobs_pd.errors import InvalidFrameError, InvalidOptionError

KEYS = {
    "custom_field": ["column"],
    "option": ["custom_field", "name"],
    "task_project": ["task", "project"],
    "task_custom_field": ["task", "custom_field"],
    "task_tag": ["task", "tag"],
    "task_follower": ["task", "person"],
    "task_dependency": ["task", "dependency"],
    "subtask": ["task"],
    "portfolio_item": ["portfolio", "item"],
}
FOREIGN = {
    "task": {
        "assignee.gid": "person",
        "completed_by.gid": "person",
        "created_by.gid": "person",
        "parent.gid": "task",
    },
    "project": {"owner.gid": "person"},
    "section": {"project.gid": "project"},
    "portfolio": {"owner.gid": "person"},
    "option": {"custom_field": "custom_field"},
    "task_project": {"task": "task", "project": "project", "section": "section"},
    "task_custom_field": {"task": "task", "custom_field": "custom_field"},
    "task_tag": {"task": "task", "tag": "tag"},
    "task_follower": {"task": "task", "person": "person"},
    "task_dependency": {"task": "task", "dependency": "task"},
    "subtask": {"task": "task", "parent": "task", "root": "task"},
    "time_entry": {"task.gid": "task", "created_by.gid": "person"},
    "story": {
        "task": "task",
        "created_by.gid": "person",
        "assignee.gid": "person",
        "project.gid": "project",
        "old_section.gid": "section",
        "new_section.gid": "section",
    },
}


def pairs(frame, *columns):
    return set(frame[list(columns)].itertuples(index=False, name=None))


def test_keys_are_unique_and_never_missing(export):
    for name, frame in export.tables().items():
        keys = frame[KEYS.get(name, ["gid"])]
        assert keys.notna().all(axis=None), name
        assert not keys.duplicated().any(), name


def test_every_foreign_key_is_in_its_table_or_a_gap(export):
    tables, gaps = export.tables(), export.gaps()
    for name, columns in FOREIGN.items():
        for column, kind in columns.items():
            if column not in tables[name].columns:
                continue
            known = set(tables[kind][KEYS.get(kind, ["gid"])[0]])
            known |= set(gaps.loc[gaps["kind"] == kind, "gid"].dropna())
            assert set(tables[name][column].dropna()) <= known, (name, column)


def test_keys_of_stories_may_contain_dots(load):
    stories = [{"gid": "5", "any.key": 1, "any": {"o.ther": "x"}}]
    story = load([task("1", memberships=[], stories=stories)]).tables()["story"]
    assert story[["any.key", "any.o.ther"]].to_numpy().tolist() == [[1, "x"]]


def test_what_only_a_story_or_one_column_refers_to_is_known_too(load):
    references = {
        "section": ("section", "old_section", "new_section"),
        "person": ("assignee", "follower"),
        "task": ("task", "dependency", "duplicate_of", "duplicated_from", "target"),
        "project": ("project",),
        "tag": ("tag",),
    }
    keys = [(kind, key) for kind, keys in references.items() for key in keys]
    story = {key: {"gid": f"9{number}"} for number, (_, key) in enumerate(keys)}
    row = task(
        "1",
        memberships=[],
        assignee_section={"gid": "80", "name": "Later"},
        parent={"gid": "1", "created_by": {"gid": "81"}},
        dependents=[{"gid": "82"}],
        stories=[{"gid": "5", "resource_type": "story", **story}],
    )
    data = load([row])
    tables, gaps = data.tables(), data.gaps()
    expected = {"section": {"80"}, "person": {"81"}, "task": {"1", "82"}}
    for number, (kind, _) in enumerate(keys):
        expected.setdefault(kind, set()).add(f"9{number}")
    for kind, gids in expected.items():
        known = {*tables[kind]["gid"], *gaps.loc[gaps["kind"] == kind, "gid"]}
        assert known == gids, kind
    assert set(gaps["why"]) == {"unknown"}


def test_a_gap_is_not_in_the_export(export):
    tables = export.tables()
    for kind, gids in export.gaps().dropna(subset="gid").groupby("kind")["gid"]:
        assert not set(gids) & set(tables[kind]["gid"])


def test_tables_hold_what_the_world_is(world, resource):
    tables = resource.tables()
    seen = [number for number in range(world.tasks) if world.is_visible(number)]
    gids = {number: world.gid("task", number) for number in range(world.tasks)}
    assert tables.task["gid"].tolist() == [gids[number] for number in seen]
    assert pairs(tables.task_project, "task", "project", "section") == {
        (gids[number], world.gid("project", project), world.section(project, place)["gid"])
        for number in seen
        for project, place in world.task(number).memberships.items()
        if project not in world.hidden
    }
    assert pairs(tables.task_dependency, "task", "dependency") == {
        (gids[number], gids[other]) for number in seen for other in world.dependencies(number)
    }


def test_subtasks_know_their_root_and_depth(world, resource):
    visible = {n for n in range(world.tasks) if world.is_visible(n)}
    expected = set()
    for number in visible:
        chain = [number]
        while chain[-1] in visible and world.parent(chain[-1]) is not None:
            chain.append(world.parent(chain[-1]))
        if len(chain) > 1:
            ends = (chain[0], chain[1], chain[-1])
            expected.add((*(world.gid("task", end) for end in ends), len(chain) - 1))
    assert pairs(resource.tables().subtask, "task", "parent", "root", "depth") == expected


def test_a_portfolio_has_what_is_in_its_portfolios(world, graph):
    below = {}

    def visit(top, portfolio, depth):
        links = [("portfolio", *link) for link in world.portfolio_links()]
        links += [("project", *link) for link in world.project_links()]
        for kind, above, item in links:
            if above == portfolio:
                gid = world.gid(kind, item)
                known = below.get((top, gid), (kind, depth))
                below[top, gid] = kind, min(depth, known[1])
                if kind == "portfolio":
                    visit(top, item, depth + 1)

    for number in range(len(world.portfolios)):
        visit(number, number, 1)
    items = graph.tables().portfolio_item
    assert pairs(items, "portfolio", "item", "item_type", "depth") == {
        (world.gid("portfolio", top), gid, kind, depth)
        for (top, gid), (kind, depth) in below.items()
    }


def test_custom_fields_are_long_and_typed(resource):
    values = resource.tables().task_custom_field
    cost = resource.custom_fields.query("name == 'Cost'")["column"].iloc[0]
    expected = resource["task"].dropna(subset=cost)
    long = values[values["custom_field"] == cost]
    assert long["task"].tolist() == expected["gid"].tolist()
    assert long["number_value"].tolist() == expected[cost].tolist()
    assert values.drop(columns=["date_time_value"]).notna().sum(axis=1).eq(3).all()


def test_kinds_without_rows_are_made_of_references(world, resource):
    tables = resource.tables()
    projects = tables.project.set_index("gid")["name"].to_dict()
    assert projects == {
        world.gid("project", n): world.projects[n]["name"]
        for n in {p for t in range(world.tasks) for p in world.task(t).memberships} - world.hidden
    }
    assert set(tables.section["project.gid"]) == set(projects)


def test_people_of_whom_only_the_email_is_known(load):
    """Their e-mail is their key, unless another field has a gid for it."""

    def owners(*people):
        return field("7", "people", list(people), "Owners")

    ana, bo = "ana@example.com", "bo@example.com"
    rows = [
        task("1", memberships=[], custom_fields=[owners({"email": ana}, {"email": bo})]),
        task("2", memberships=[], custom_fields=[owners({"gid": "5", "name": "Bo", "email": bo})]),
        task("3", memberships=[], assignee={"gid": "5", "name": "Bo"}),
    ]
    people = load(rows).tables().person
    assert people.fillna("").to_numpy().tolist() == [["5", "Bo", bo], [ana, "", ana]]


def test_gaps_say_why(world, graph, project):
    gaps = graph.gaps()
    hidden = gaps[gaps["why"] == "not visible"].query("kind == 'project'")
    assert set(hidden["gid"]) == {world.gid("project", n) for n in world.hidden}
    deeper = gaps[gaps["why"] == "deeper subtask"]
    numbers = list(world.in_graph())
    assert deeper["count"].tolist() == [
        sum(len(world.subtasks(n)) for n in numbers if world.parent(n) is not None)
    ]
    assert set(gaps.query("referred_by == 'task.parent'")["why"]) <= {"unknown"}
    others = project.gaps().query("kind == 'project'")
    assert set(others["why"]) == {"other project"}
    assert set(others["name"]) <= {each["name"] for each in world.projects}


def test_circles_end(load):
    rows = [
        task("1", parent={"gid": "2"}, memberships=[]),
        task("2", parent={"gid": "1"}, memberships=[]),
        *(
            {
                "resource_type": "portfolio_to_portfolio",
                "parent_portfolio": {"gid": above},
                "child_portfolio": {"gid": below},
            }
            for above, below in (("7", "8"), ("8", "7"))
        ),
    ]
    tables = load(rows).tables()
    assert tables.subtask["task"].tolist() == ["1", "2"]
    assert pairs(tables.portfolio_item, "portfolio", "item") == {("7", "8"), ("8", "7")}


def test_an_export_without_rows_has_empty_tables(load):
    data = load([{"resource_type": "team", "gid": "1", "name": "Web"}])
    tables = data.tables()
    assert set(map(len, tables.values())) == {0}
    assert str(tables["task_project"]["task"].dtype) == str(data["team"]["gid"].dtype)
    assert data.gaps().empty


def test_types_that_were_left_out_have_empty_tables_with_columns(load):
    rows = [task("1", memberships=[]), {"resource_type": "project", "gid": "9", "name": "Web"}]
    data = load(rows, resource_types="project")
    tables = data.tables()
    assert tables.project["gid"].tolist() == ["9"]
    assert {"gid", "name", "due_on", "assignee.gid"} <= set(tables.task.columns)
    assert {"gid", "duration_minutes", "task.gid"} <= set(tables.time_entry.columns)
    assert tables.task.merge(tables.task_project, left_on="gid", right_on="task").empty


def test_tasks_without_memberships_are_refused(load):
    data = load([task("1", memberships=[])], columns=["gid", "name"])
    with pytest.raises(InvalidFrameError, match=r"no column 'memberships'.*load it.*columns="):
        data.tables()
    with pytest.raises(InvalidFrameError, match=r"'gid' and no column 'memberships'.*load them"):
        load([task("1", memberships=[])], columns=["name"]).tables()
    with pytest.raises(InvalidFrameError, match="memberships"):
        data.gaps()


@pytest.mark.parametrize("shape", ["long", "raw"])
def test_custom_fields_of_another_shape_are_refused(load, shape):
    rows = [task("1", memberships=[], custom_fields=[field("1", "number", 5)])]
    with pytest.raises(InvalidOptionError, match="custom_fields='columns'"):
        load(rows, custom_fields=shape).tables()


def test_dtypes_follow_the_backend(world, load):
    data = load([task("1", memberships=[{"project": {"gid": "9"}}])], dtype_backend="pyarrow")
    frame = data.tables()["task_project"]
    assert set(map(type, frame.dtypes)) == {pd.ArrowDtype}


def test_tables_are_attributes_and_complete_with_tab(graph):
    tables = graph.tables()
    assert tables.task is tables["task"]
    assert "task_project" in dir(tables)
    assert "task_project" in tables._ipython_key_completions_()
    assert f"task {len(tables.task)}, project 7" in repr(tables)
    assert "<table" in tables._repr_html_()
    with pytest.raises(KeyError, match=r"not one of the tables; there is 'task', .* 'story'"):
        tables["tasks"]
    with pytest.raises(AttributeError, match="Did you mean 'task'"):
        tables.tasks  # noqa: B018


def test_help_names_what_users_can_import():
    assert aj.AsanaTables.__module__ == "asana_jobs_pd"
