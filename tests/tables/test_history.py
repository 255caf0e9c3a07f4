"""`data.history()`: what the stories say is what happened in the generated world."""

import pandas as pd
import pytest
from rows import task

from asana_jobs_pd.errors import AsanaValueWarning, InvalidFieldError, InvalidFrameError
from asana_jobs_pd.sandbox._world import World
from asana_jobs_pd.sandbox._world_rows import resource_rows

CREATED = "2026-01-01T00:00:00Z"
ANA, BO = {"gid": "91", "name": "Ana"}, {"gid": "92", "name": "Bo"}


def story(subtype, at, **more):
    at = f"2026-01-{at:02d}T00:00:00Z"
    return {"gid": f"8{at}", "resource_subtype": subtype, "created_at": at, "created_by": BO} | more


def one(load, stories, **more):
    """Load one task with stories."""
    fields = {"created_at": CREATED, "created_by": ANA, "memberships": [], "assignee": None}
    return load([task("1", stories=stories, **(fields | more))])


def shown(history, *columns):
    return list(
        history[list(columns)]
        .astype(object)
        .where(history.notna(), None)
        .itertuples(index=False, name=None)
    )


def time(millis):
    return None if millis is None else pd.Timestamp(millis, unit="ms", tz="UTC")


def expected(world, field, value=lambda value: value):
    """Return the intervals of all visible tasks, those with the same value as one."""
    rows = []
    for number in filter(world.is_visible, range(world.tasks)):
        last = None
        for interval in world.task(number).intervals(field):
            row = (world.gid("task", number), value(interval.value), time(interval.start))
            if last is not None and last[1] == row[1] and last[0] == row[0]:
                continue
            rows.append(row)
            last = row
    return rows


@pytest.mark.parametrize("seed", range(2))
def test_a_replay_is_what_happened(seed, load):
    world = World(seed, 80)
    data = load(resource_rows(world, "task"))
    assert shown(data.history("completed"), "task", "value", "from") == expected(world, "completed")
    assert shown(data.history("assignee"), "task", "value.gid", "from") == expected(
        world, "assignee", lambda user: None if user is None else world.gid("user", user)
    )
    assert shown(data.history("due_on"), "task", "value", "from") == expected(
        world, "due_on", lambda day: None if day is None else pd.Timestamp(day)
    )
    assert shown(data.history("name"), "task", "value", "from") == expected(world, "name")
    options = [field for field in world.fields if field["type"] == "enum"]
    number = world.fields.index(options[0])
    assert shown(data.history(options[0]["gid"]), "task", "value", "from") == expected(
        world,
        ("field", number),
        lambda value: value and value["enum_value"] and value["enum_value"]["name"],
    )


@pytest.mark.parametrize("seed", range(2))
def test_sections_are_replayed_for_each_project(seed, load):
    world = World(seed, 80)
    history = load(resource_rows(world, "task")).history("section")
    found = set(shown(history, "task", "project", "value.gid", "from", "to"))
    for number in range(world.tasks):
        events = world.task(number)
        for field in {c.field for c in events.changes if isinstance(c.field, tuple)}:
            kind, project = field
            intervals = events.intervals(field) if kind == "section" else []
            for place, interval in enumerate(intervals):
                later = intervals[place + 1 : place + 2]
                if interval.value is None and place == 0:
                    continue
                gone = interval.value == 0 and later and later[0].value is None
                section = interval.value is not None and not gone
                gid = world.section(project, interval.value)["gid"] if section else None
                row = (world.gid("task", number), world.gid("project", project), gid)
                if not gone and not (place and interval.value is None and intervals[place - 1]):
                    assert (*row, time(interval.start), time(interval.to)) in found


def test_intervals_follow_each_other_and_end_with_the_last_state(world, resource):
    for field in ("section", "assignee", "completed", "due_on", "Cost"):
        history = resource.history(field)
        keys = ["task", "project"] if field == "section" else ["task"]
        later = history.groupby(keys, sort=False)["from"].shift(-1)
        assert later.equals(history["to"]) or (later.isna() == history["to"].isna()).all()
        assert (later.dropna() == history["to"].dropna()).all()
        assert not history.groupby(keys)["to"].apply(lambda ends: ends.isna().sum() != 1).any()
        assert (history["from"] < history["to"].fillna(pd.Timestamp("2030", tz="UTC"))).all()
    last = resource.history("assignee").query("to.isna()").set_index("task")["value.gid"]
    assert last.equals(resource["task"].set_index("gid")["assignee.gid"].rename_axis("task")) or (
        last.fillna("").tolist() == resource["task"]["assignee.gid"].fillna("").tolist()
    )


def test_stories_that_do_not_reach_back_say_so(load):
    data = one(load, [story("unassigned", 3)])
    history = data.history("assignee")
    assert shown(history, "value", "origin") == [(None, "unknown"), (None, "story")]
    data = one(load, [], assignee=ANA)
    assert shown(data.history("assignee"), "value", "origin") == [("Ana", "unknown")]
    web, doing = {"gid": "9", "name": "Web"}, {"gid": "10", "name": "Doing"}
    data = one(load, [], memberships=[{"project": web, "section": doing}])
    assert shown(data.history("section"), "project", "value", "origin") == [
        ("9", "Doing", "unknown")
    ]
    data = one(load, [story("marked_incomplete", 4)], completed=False)
    assert shown(data.history("completed"), "value", "origin") == [
        (True, "unknown"),
        (False, "story"),
    ]


def test_by_is_who_began_an_interval(load):
    data = one(load, [story("assigned", 3, assignee=ANA)], assignee=ANA)
    history = data.history("assignee")
    assert shown(history, "value", "by", "origin") == [
        (None, "91", "creation"),
        ("Ana", "92", "story"),
    ]


def test_stories_in_any_order_and_at_the_same_time(load):
    stories = [
        story("assigned", 5, assignee=BO),
        story("assigned", 3, assignee=ANA),
        story("assigned", 5, assignee=ANA),
    ]
    history = one(load, stories, assignee=ANA).history("assignee")
    assert shown(history, "value") == [(None,), ("Ana",)]


def test_a_story_before_the_creation_moves_it(load):
    stories = [story("marked_complete", 3)]
    data = one(load, stories, completed=True, created_at="2026-01-09T00:00:00Z")
    assert shown(data.history("completed"), "value", "from") == [
        (True, pd.Timestamp("2026-01-03", tz="UTC"))
    ]


def test_unknown_and_contradicting_stories_are_reported(load):
    stories = [story("teleported", 2), story("assigned", 3, assignee=ANA)]
    with pytest.warns(AsanaValueWarning, match=r"teleported \(1\)") as caught:
        one(load, stories, assignee=ANA).history("assignee")
    assert len(caught) == 1
    with pytest.warns(AsanaValueWarning, match="disagrees with the task, such as 1"):
        one(load, [story("marked_complete", 3)], completed=False).history("completed")
    stories = [
        story("name_changed", 3, old_name="A", new_name="B"),
        story("name_changed", 4, old_name="X", new_name="C"),
    ]
    with pytest.warns(AsanaValueWarning, match="contradict each other in 1 case"):
        one(load, stories, name="C").history("name")


def test_a_load_without_stories_says_where_they_are(graph, load):
    with pytest.raises(InvalidFrameError, match=r"'stories'.*resource exports"):
        graph.history("section")
    data = load([task("1", memberships=[], stories=[])], columns=["gid", "stories"])
    with pytest.raises(InvalidFrameError, match="'created_at'"):
        data.history("section")


def test_unknown_and_ambiguous_fields_say_what_there_is(resource):
    with pytest.raises(InvalidFieldError, match=r"Did you mean 'Priority'.*section"):
        resource.history("Prioritaet")
    with pytest.raises(InvalidFieldError, match="2 custom fields are called 'Priority'"):
        resource.history("Priority")
    with pytest.raises(InvalidFieldError, match="'reference'"):
        resource.history("Related work")


def test_dtypes(resource):
    dtypes = resource.history("due_on").dtypes.astype(str)
    assert dtypes["from"] == dtypes["to"] == "datetime64[us, UTC]"
    assert dtypes["value"] == "datetime64[us]"
    assert resource.history("completed")["value"].dtype == "boolean"
    assert resource.history("section")["value"].dtype == "string"


def test_no_tasks_have_no_history(load):
    data = load([{"resource_type": "team", "gid": "1"}])
    with pytest.raises(InvalidFrameError):
        data.history("section")


@pytest.mark.parametrize("backend", ["numpy_nullable", "pyarrow"])
def test_without_times_and_projects_there_is_little_to_tell(load, backend):
    """No error: an empty history of sections, and intervals without a beginning."""
    stories = [story("assigned", 3, assignee=ANA)]
    rows = [
        task("1", created_at=None, completed_at=None, memberships=[], completed=False, stories=[]),
        task("2", created_at=CREATED, created_by=ANA, memberships=[], stories=stories),
    ]
    data = load(rows, dtype_backend=backend)
    assert data.history("section").empty
    assert data.flow().empty
    assert data.time_in().empty
    completed = data.history("completed")
    assert completed["from"].isna().tolist() == [True, False]
    assert (completed["to"] - completed["from"]).isna().all()
    assert data.burnup()["created"].tolist() == [1]
